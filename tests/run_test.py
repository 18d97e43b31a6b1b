"""freehold run, from outside: a real PostgreSQL that comes and goes with the customer's key."""

import os
import signal
import socket
import subprocess
import time

import pytest

from freehold_testing import BINARY, BUSY, OK, ROOT, Volume, wait_for
from postgres_testing import free_port, psql
from process_testing import alive, every_pid, with_descendants, words_of

PROFILES = str(ROOT / "profiles")
SHORT = {"--check-interval": "500ms", "--confirm-after": "200ms", "--request-timeout": "2s",
         "--outage-grace": "3s", "--stop-timeout": "8s"}


class Node:
    """A volume, its mount point and the freehold run on them."""

    def __init__(self, kms, base):
        self.base, self.kms, self.volume = base, kms, Volume(kms, base).create()
        self.mount = self.volume.mount_point
        self.port = free_port()
        self.log = base / "run.log"
        self.process = None

    def run(self, *words, database=True, env=None):
        command = [BINARY, "run", "--volume", self.volume.directory, "--mount", self.mount,
                   "--state", self.volume.state]
        for flag, value in SHORT.items():
            if flag not in words:
                command += [flag, value]
        if database:
            command += ["--profile", "postgresql", "--profile-dir", PROFILES,
                        "--set", f"port={self.port}"]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                command + list(words), env=env or self.kms.environment(), stderr=log, stdout=log)
        return self

    def disable_key(self):
        self.kms.client("kms").disable_key(KeyId=self.volume.key)

    def enable_key(self):
        self.kms.client("kms").enable_key(KeyId=self.volume.key)

    def logged(self, text):
        return text in self.log.read_text()

    def psql(self, sql):
        done = psql(self.mount / "run", self.port, sql)
        return done.stdout.strip() if done.returncode == 0 else None

    def ready(self):
        return self.psql("select 1") == "1"

    def wait_ready(self, seconds=60):
        wait_for("psql works\n" + self.log.read_text(), self.ready, seconds)

    def status(self):
        result = self.volume.volume("status", "--json")
        return result.json if result.code == OK else {}

    def state(self):
        return self.status().get("custody", {}).get("state")

    def mounted(self):
        return self.volume.is_mounted()

    def tree(self):
        """Every process below the supervisor, and the guardian, which is nobody's child."""
        named = {pid for pid in every_pid() if str(self.mount).encode() in words_of(pid)}
        return named | with_descendants(self.process.pid)

    def postmaster(self):
        for pid in self.tree():
            words = words_of(pid)
            if words[0].endswith(b"/bin/postgres") and b"-D" in words:
                return pid
        return None

    def stop(self, seconds=40):
        """SIGTERM; returns the exit code after proving that nothing is left."""
        tree = self.tree()
        self.process.terminate()
        code = self.process.wait(timeout=seconds)
        assert not self.mounted()
        wait_for(f"all of {tree} gone", lambda: not any(alive(pid) for pid in tree), 5)
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
def node(new_kms, tmp_path):
    made = Node(new_kms, tmp_path)
    yield made
    made.cleanup()
    print(made.log.read_text() if made.log.exists() else "")


def test_database_comes_and_goes_with_the_key(node):
    node.run().wait_ready()
    assert node.psql("create table t as select generate_series(1, 1000) as n") is not None
    node.disable_key()
    wait_for("sealed", lambda: node.state() == "sealed")
    assert not node.mounted()
    assert node.psql("select 1") is None
    assert node.postmaster() is None
    assert node.status()["last_seal"]["cached_pages"] == 0
    assert node.logged("postgresql: stopped"), "in order, not killed"
    node.enable_key()
    node.wait_ready()
    assert node.psql("select count(*), sum(n) from t") == "1000|500500"
    assert node.stop() == 0


def test_killed_postmaster_starts_again(node):
    node.run().wait_ready()
    assert node.psql("create table t as select 7 as n") is not None
    killed = node.postmaster()
    os.kill(killed, signal.SIGKILL)
    wait_for("another postmaster", lambda: node.postmaster() not in (None, killed))
    node.wait_ready()
    assert node.psql("select n from t") == "7"
    assert node.stop() == 0


def test_killed_daemon_takes_the_tree_with_it_and_all_comes_back(node):
    node.run().wait_ready()
    assert node.psql("create table t as select 7 as n") is not None
    daemon, tree = node.status()["pid"], node.tree() - {node.process.pid}
    os.kill(daemon, signal.SIGKILL)
    wait_for("the old tree is gone", lambda: not any(alive(pid) for pid in tree), 15)
    node.wait_ready()
    assert node.psql("select n from t") == "7"
    assert node.status()["pid"] != daemon
    assert node.stop() == 0


def test_stopped_daemon_is_sealed_from_outside_and_all_comes_back(node):
    node.run().wait_ready()
    os.kill(node.status()["pid"], signal.SIGSTOP)
    wait_for("the guardian acts", lambda: node.logged("is fenced"), 15)
    node.wait_ready()
    assert node.stop() == 0


def test_killed_supervisor_leaves_nothing(node):
    node.run().wait_ready()
    tree = node.tree()
    node.process.kill()
    node.process.wait()
    wait_for(
        "nothing is left", lambda: not node.mounted() and not any(alive(pid) for pid in tree), 20)
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
    env = dict(node.kms.environment(), FREEHOLD_CRASH_AT="init.made")
    node.run(env=env)
    wait_for(
        "init was killed and tried again", lambda: node.logged("an initialisation was cut off"), 60)
    node.stop()
    node.run().wait_ready()
    assert not (node.mount / "pgdata.freehold-init").exists()
    assert node.stop() == 0


def test_waits_for_the_kms_at_first_start(node):
    node.kms.stop()
    node.run()
    wait_for("it is trying", lambda: node.logged("opening failed") or node.logged("sealed:"), 20)
    time.sleep(1)
    assert node.process.poll() is None
    assert not node.mounted()
    assert os.listdir(node.volume.data) == [], "nothing half made"
    node.kms.start(node.kms.port)
    node.wait_ready()
    assert node.stop() == 0


def test_outage_seals_after_the_grace_and_a_crash_in_it_is_mended(node):
    node.run("--outage-grace", "12s").wait_ready()
    node.kms.stop()
    wait_for("grace", lambda: node.state() == "grace", 10)
    killed = node.postmaster()
    os.kill(killed, signal.SIGKILL)
    wait_for("started again in the grace", lambda: node.postmaster() not in (None, killed), 10)
    wait_for("sealed", lambda: node.state() == "sealed")
    assert node.postmaster() is None
    node.kms.start(node.kms.port)
    node.wait_ready()
    assert node.stop() == 0


def test_unmount_from_outside_ends_the_run(node):
    node.run().wait_ready()
    result = node.volume.volume("unmount", "--force")
    assert result.code == OK, result
    assert node.process.wait(timeout=20) == 0
    assert not node.mounted()


def test_mount_taken_away_comes_back(node):
    node.run().wait_ready()
    subprocess.run(["umount", "-f", str(node.mount)], check=False, capture_output=True)
    wait_for("noticed", lambda: node.logged("starting it again"), 15)
    node.wait_ready()
    assert node.stop() == 0


def test_hooks(node):
    said = node.base / "said"
    say = f'echo "$0 $FREEHOLD_STATE $FREEHOLD_REASON $FREEHOLD_MOUNT" >> {said}'
    given = node.base / "environment"
    opening = f"test -d $FREEHOLD_MOUNT && env > {given} && {say.replace('$0', 'open')}"
    sealing = f"sleep 0.5; {say.replace('$0', 'seal')}"
    ours = dict(node.kms.environment(), VAULT_SECRET_ID="s", PGPORT="5433")
    node.run("--no-supervise", "--on-open", opening, "--on-seal", sealing, database=False, env=ours)
    wait_for("on-open", said.exists, 20)
    names = {line.partition("=")[0] for line in given.read_text().splitlines()}
    assert "AWS_CONFIG_FILE" in ours and "PGPORT" in names
    assert {name for name in names if name.startswith(("AWS_", "VAULT_", "FREEHOLD_"))} == {
        "FREEHOLD_MOUNT", "FREEHOLD_VOLUME", "FREEHOLD_STATE", "FREEHOLD_REASON"}
    (node.mount / "file").write_text("hello")
    node.disable_key()
    wait_for("sealed", lambda: node.state() == "sealed", 20)
    assert said.read_text().splitlines() == [f"open open  {node.mount}",
                                             f"seal sealing denied {node.mount}"]
    node.enable_key()
    wait_for("open", lambda: len(said.read_text().splitlines()) == 3, 20)
    assert (node.mount / "file").read_text() == "hello"
    assert node.stop() == 0
    assert said.read_text().splitlines()[3].startswith("seal sealing stopped")


def test_tells_systemd(node):
    path = str(node.base / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(path)
        service.settimeout(30)
        env = dict(node.kms.environment(), NOTIFY_SOCKET=path)
        node.run("--no-supervise", database=False, env=env)
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
    text = text.replace('"/usr/bin"', '"/nonexistent"').replace('user = "redis"', 'user = ""')
    profile.write_text(text)
    node.run("--profile", str(profile), database=False)
    assert node.process.wait(timeout=20) == 3
    assert node.logged("redis is not installed here: there is no /nonexistent/redis-server")


def test_a_second_run_of_the_same_volume_is_told_so_and_changes_nothing(node):
    node.run("--no-supervise", "--on-open", "true", "--on-seal", "true", database=False)
    wait_for("open", lambda: node.state() == "open")
    second = node.volume.run("run", "--volume", node.volume.directory, "--mount", node.mount, "--state",
                             node.volume.state, "--no-supervise", "--on-open", "true", "--on-seal", "true")
    assert second.code == BUSY and "another 'freehold run'" in second.err, second
    assert node.state() == "open" and node.stop() == 0


def test_a_database_does_not_hold_the_volume_beside_it(node, new_kms, tmp_path):
    (tmp_path / "beside").mkdir()
    beside = Volume(new_kms, tmp_path / "beside").create().mount()
    node.run().wait_ready()
    daemon = beside.daemon_pid()
    assert beside.volume("unmount").code == OK
    wait_for("the daemon's end", lambda: not alive(daemon))
    assert node.ready() and node.stop() == 0
