"""freehold run, from outside: a real PostgreSQL that comes and goes with the customer's key.

Needs root, FUSE and PostgreSQL 15. FREEHOLD_BIN names the binary (default build/test/freehold).
Run: python3 -m pytest tests/run_test.py
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FREEHOLD = os.environ.get("FREEHOLD_BIN", str(ROOT / "build/test/freehold"))
AWS = os.environ.get("AWS_BIN", "/usr/bin/aws")
PROFILES = str(ROOT / "profiles")
SHORT = {"--check-interval": "500ms", "--confirm-after": "200ms", "--request-timeout": "2s",
         "--outage-grace": "3s", "--stop-timeout": "8s"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def eventually(what, seconds=30, condition=None):
    """Waits for a condition; fails with its name."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s: {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parents():
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Kms:
    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.start()

    def start(self):
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [FREEHOLD, "kms", "serve", "--listen", f"127.0.0.1:{self.port}", "--data",
             str(self.directory), "--ready-fd", str(writing)],
            stdout=subprocess.DEVNULL, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            assert ready.readline() == "READY\n"

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def env(self, profile="customer"):
        return {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
                "AWS_SHARED_CREDENTIALS_FILE": f"{self.directory}/credentials",
                "AWS_CONFIG_FILE": f"{self.directory}/config", "AWS_PROFILE": profile,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(self, *words):
        done = subprocess.run([AWS, "--endpoint-url", f"http://127.0.0.1:{self.port}", "--output",
                               "json", "kms", *words], env=self.env(), capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}


class Node:
    """A volume, its mount point and the freehold run on them."""

    def __init__(self, base, kms, arn):
        self.base, self.kms, self.arn = base, kms, arn
        self.volume, self.mount = base / "vol", base / "mnt"
        self.mount.mkdir()
        self.port = free_port()
        self.log = base / "run.log"
        self.process = None
        done = subprocess.run([FREEHOLD, "volume", "create", str(self.volume), "--key", arn,
                               "--state", str(base / "state")], env=kms.env(),
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def run(self, *words, database=True, env=None):
        command = [FREEHOLD, "run", "--volume", str(self.volume), "--mount", str(self.mount),
                   "--state", str(self.base / "state")]
        for flag, value in SHORT.items():
            if flag not in words:
                command += [flag, value]
        if database:
            command += ["--profile", "postgresql", "--profile-dir", PROFILES,
                        "--set", f"port={self.port}"]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command + list(words), env=env or self.kms.env(),
                                            stderr=log, stdout=log)
        return self

    def logged(self, text):
        return text in self.log.read_text()

    def psql(self, sql):
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", "psql", "-X", "-A", "-t", "-h", f"{self.mount}/run",
             "-p", str(self.port), "-c", sql, "postgres"], capture_output=True, text=True,
            timeout=30, cwd="/", env={"PATH": os.environ["PATH"], "PGCONNECT_TIMEOUT": "5"})
        return done.stdout.strip() if done.returncode == 0 else None

    def ready(self):
        return self.psql("select 1") == "1"

    def wait_ready(self, seconds=60):
        eventually("psql works\n" + self.log.read_text(), seconds, self.ready)

    def status(self):
        done = subprocess.run([FREEHOLD, "volume", "status", str(self.volume), "--json"],
                              capture_output=True, text=True, timeout=20)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def state(self):
        return self.status().get("custody", {}).get("state")

    def mounted(self):
        return f" {self.mount} " in pathlib.Path("/proc/self/mountinfo").read_text()

    def tree(self):
        """Every process below the supervisor, and the guardian, which is nobody's child."""
        parent = parents()
        below = {self.process.pid}
        while True:
            more = {pid for pid, up in parent.items() if up in below} - below
            if not more:
                break
            below |= more
        for pid in parent:
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(self.mount).encode() in words:
                below.add(pid)
        return below

    def postmaster(self):
        for pid in self.tree():
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if words[0].endswith(b"/bin/postgres") and b"-D" in words:
                return pid
        return None

    def stop(self, seconds=40):
        """SIGTERM; returns the exit code after proving that nothing is left."""
        tree = self.tree()
        self.process.terminate()
        code = self.process.wait(timeout=seconds)
        assert not self.mounted()
        eventually(f"all of {tree} gone", 5, lambda: not any(alive(pid) for pid in tree))
        return code

    def cleanup(self):
        if self.process is None:
            return
        tree = self.tree() if self.process.poll() is None else set()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in tree:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        if self.mounted():
            subprocess.run(["umount", "-f", "-l", str(self.mount)], check=False)


@pytest.fixture
def base():
    path = pathlib.Path(tempfile.mkdtemp(prefix="fh-run-", dir="/tmp"))  # short: socket paths
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def kms(base):
    server = Kms(base / "kms")
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def node(base, kms):
    arn = kms.aws("create-key")["KeyMetadata"]["Arn"]
    made = Node(base, kms, arn)
    yield made
    made.cleanup()
    print(made.log.read_text() if made.log.exists() else "")


def key_id(node):
    return node.arn.rsplit("/", 1)[1]


def test_database_comes_and_goes_with_the_key(node):
    node.run().wait_ready()
    assert node.psql("create table t as select generate_series(1, 1000) as n") is not None
    node.kms.aws("disable-key", "--key-id", key_id(node))
    eventually("sealed", 30, lambda: node.state() == "sealed")
    assert not node.mounted()
    assert node.psql("select 1") is None
    assert node.postmaster() is None
    assert node.status()["last_seal"]["cached_pages"] == 0
    assert node.logged("postgresql: stopped"), "in order, not killed"
    node.kms.aws("enable-key", "--key-id", key_id(node))
    node.wait_ready()
    assert node.psql("select count(*), sum(n) from t") == "1000|500500"
    assert node.stop() == 0


def test_nothing_of_the_database_lies_outside_the_volume(node):
    before = {path: set(os.listdir(path)) for path in ("/dev/shm", "/tmp", "/var/tmp")}
    node.run().wait_ready()
    assert node.psql("create table secret as select 'plaintext-row-' || n as s "
                     "from generate_series(1, 50000) n") is not None
    pid = node.postmaster()
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if "core" in line] == [["1", "1"]]
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert b"AWS_" not in environment, "the KMS's credentials are not the database's"
    for number in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{number}")
        assert target.startswith((str(node.mount), "/dev/", "socket:", "anon_inode:", "pipe:",
                                  "/memfd:")), target
    for path, names in before.items():
        assert {name for name in set(os.listdir(path)) - names if "PGSQL" in name.upper()} == set()
    assert os.stat(node.mount).st_mode & 0o777 == 0o700
    found = subprocess.run(["grep", "-rlaF", "plaintext-row-4", str(node.volume)],
                           capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert node.stop() == 0


def test_killed_postmaster_starts_again(node):
    node.run().wait_ready()
    assert node.psql("create table t as select 7 as n") is not None
    killed = node.postmaster()
    os.kill(killed, signal.SIGKILL)
    eventually("another postmaster", 30, lambda: node.postmaster() not in (None, killed))
    node.wait_ready()
    assert node.psql("select n from t") == "7"
    assert node.stop() == 0


def test_killed_daemon_takes_the_tree_with_it_and_all_comes_back(node):
    node.run().wait_ready()
    assert node.psql("create table t as select 7 as n") is not None
    daemon, tree = node.status()["pid"], node.tree() - {node.process.pid}
    os.kill(daemon, signal.SIGKILL)
    eventually("the old tree is gone", 15, lambda: not any(alive(pid) for pid in tree))
    node.wait_ready()
    assert node.psql("select n from t") == "7"
    assert node.status()["pid"] != daemon
    assert node.stop() == 0


def test_stopped_daemon_is_sealed_from_outside_and_all_comes_back(node):
    node.run().wait_ready()
    os.kill(node.status()["pid"], signal.SIGSTOP)
    eventually("the guardian acts", 15, lambda: node.logged("is fenced"))
    node.wait_ready()
    assert node.stop() == 0


def test_killed_supervisor_leaves_nothing(node):
    node.run().wait_ready()
    tree = node.tree()
    node.process.kill()
    node.process.wait()
    eventually("nothing is left", 20,
               lambda: not node.mounted() and not any(alive(pid) for pid in tree))
    node.run().wait_ready()
    assert node.stop() == 0


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5])
def test_interrupted_start_leaves_nothing(node, after):
    node.run()
    time.sleep(after)
    assert node.stop() in (0, -signal.SIGTERM)  # the latter before it has looked at signals
    node.run().wait_ready()  # and a half-made database is none
    assert node.stop() == 0


def test_init_that_was_killed_is_done_again(node):
    env = {**node.kms.env(), "FREEHOLD_CRASH_AT": "init.made"}
    node.run(env=env)
    eventually("init was killed and tried again", 60,
               lambda: node.logged("an initialisation was cut off"))
    node.stop()
    node.run().wait_ready()
    assert not (node.mount / "pgdata.freehold-init").exists()
    assert node.stop() == 0


def test_waits_for_the_kms_at_first_start(node):
    node.kms.stop()
    node.run()
    eventually("it is trying", 20, lambda: node.logged("opening failed") or node.logged("sealed:"))
    time.sleep(1)
    assert node.process.poll() is None
    assert not node.mounted()
    assert os.listdir(node.volume / "data") == [], "nothing half made"
    node.kms.start()
    node.wait_ready()
    assert node.stop() == 0


def test_outage_seals_after_the_grace_and_a_crash_in_it_is_mended(node):
    node.run("--outage-grace", "12s").wait_ready()
    node.kms.stop()
    eventually("grace", 10, lambda: node.state() == "grace")
    killed = node.postmaster()
    os.kill(killed, signal.SIGKILL)
    eventually("started again in the grace", 10, lambda: node.postmaster() not in (None, killed))
    eventually("sealed", 30, lambda: node.state() == "sealed")
    assert node.postmaster() is None
    node.kms.start()
    node.wait_ready()
    assert node.stop() == 0


def test_unmount_from_outside_ends_the_run(node):
    node.run().wait_ready()
    done = subprocess.run([FREEHOLD, "volume", "unmount", str(node.volume), "--force"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert node.process.wait(timeout=20) == 0
    assert not node.mounted()


def test_mount_taken_away_comes_back(node):
    node.run().wait_ready()
    subprocess.run(["umount", "-f", str(node.mount)], check=False, capture_output=True)
    eventually("noticed", 15, lambda: node.logged("starting it again"))
    node.wait_ready()
    assert node.stop() == 0


def test_hooks(node):
    said = node.base / "said"
    say = f'echo "$0 $FREEHOLD_STATE $FREEHOLD_REASON $FREEHOLD_MOUNT" >> {said}'
    node.run("--no-supervise", "--on-open", f"test -d $FREEHOLD_MOUNT && {say.replace('$0', 'open')}",
             "--on-seal", f"sleep 0.5; {say.replace('$0', 'seal')}", database=False)
    eventually("on-open", 20, said.exists)
    (node.mount / "file").write_text("hello")
    node.kms.aws("disable-key", "--key-id", key_id(node))
    eventually("sealed", 20, lambda: node.state() == "sealed")
    assert said.read_text().splitlines() == [f"open open  {node.mount}",
                                             f"seal sealing denied {node.mount}"]
    node.kms.aws("enable-key", "--key-id", key_id(node))
    eventually("open", 20, lambda: len(said.read_text().splitlines()) == 3)
    assert (node.mount / "file").read_text() == "hello"
    assert node.stop() == 0
    assert said.read_text().splitlines()[3].startswith("seal sealing stopped")


def test_tells_systemd(node):
    path = str(node.base / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(path)
        service.settimeout(30)
        node.run("--no-supervise", database=False, env={**node.kms.env(), "NOTIFY_SOCKET": path})
        heard = ""
        while "READY=1" not in heard:
            heard += service.recv(4096).decode() + "\n"
        assert "STATUS=custody open" in heard
        assert node.stop() == 0
        service.settimeout(1)
        while "STOPPING=1" not in heard:
            heard += service.recv(4096).decode() + "\n"


@pytest.mark.parametrize("words, code, sentence", [
    (["--profile", "oracle"], 3, "there is no profile 'oracle'; there are"),
    (["--profile", "postgresql", "--set", "prot=1"], 2, "no such parameter; it has listen, port"),
    (["--profile", "postgresql", "--version", "9"], 3, "not installed here"),
    ([], 2, "say which database"),
    (["--profile", "postgresql", "--on-open", "true"], 2, "go with --no-supervise"),
    (["--profile", "postgresql", "--stop-timeout", "5"], 2, "--stop-timeout"),
])
def test_says_what_is_wrong(node, words, code, sentence):
    node.run("--profile-dir", PROFILES, *words, database=False)
    assert node.process.wait(timeout=20) == code
    assert sentence in node.log.read_text()
    assert not node.mounted()


def test_the_worked_example_of_the_page_is_a_profile(node):
    page = (ROOT / "docs/howto/add-a-database.md").read_text()
    profile = node.base / "redis.toml"
    text = page.split("```toml\n", 1)[1].split("```", 1)[0]
    profile.write_text(text.replace('"/usr/bin"', '"/nonexistent"').replace('user = "redis"', 'user = ""'))
    node.run("--profile", str(profile), database=False)
    assert node.process.wait(timeout=20) == 3
    assert "redis is not installed here: there is no /nonexistent/redis-server" in node.log.read_text()
