"""What the tests share: an embedded KMS, a customer with keys, and volumes that clean up.

Servers listen on free ports of loopback and are ended by their own process id.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import boto3

from process_testing import every_pid, words_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("FREEHOLD_BIN", str(ROOT / "build/test/freehold"))
sys.path.insert(0, str(ROOT / "tests/interop"))

# Exit codes, as in docs/exit-codes.md.
OK, USAGE, NOT_FOUND, ALREADY_EXISTS, BUSY, PERMISSION, NO_SPACE = 0, 2, 3, 4, 5, 6, 8
DENIED, AMBIGUOUS, UNREACHABLE, OURS, DATA = 10, 11, 12, 13, 14
KEYRING_CORRUPT, KEYRING_REFUSED, FILE_CORRUPT, VERSION, SEALED = 20, 21, 22, 23, 24
VERIFY_FAILED = 30

# Short intervals, so that a test waits for seconds and not minutes.
FAST = ["--check-interval", "300ms", "--confirm-after", "100ms", "--request-timeout", "5s"]


def wait_for(what, condition, seconds=30):
    """Polls until `condition()` is true; fails with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


@contextlib.contextmanager
def temporary_directory(prefix="freehold-test-"):
    """Others may enter it, as databases run as other users; its path is short, for sockets."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class EmbeddedKms:
    """`freehold kms serve` on a free port, with boto3 clients of its first customer."""

    started = []  # every process, for whom a failing test leaves behind

    def __init__(self, directory, *options):
        self.directory = pathlib.Path(directory)
        self.options = options
        self.process = None
        self.url = None
        self.clients = {}
        self.start()

    def start(self, port=0):
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            [BINARY, "kms", "serve", "--data", self.directory, "--listen", f"127.0.0.1:{port}"]
            + ["--ready-fd", str(theirs), *self.options],
            pass_fds=[theirs],
            stdout=subprocess.PIPE,
            text=True,
        )
        EmbeddedKms.started.append(self.process)
        os.close(theirs)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.readline() == b"READY\n"
        config = (self.directory / "config").read_text()
        self.url = re.search(r"endpoint_url = (\S+)", config).group(1)
        assert self.process.stdout.readline() == f"listening on {self.url}\n"
        assert (self.directory / "endpoint").read_text() == self.url + "\n"

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    @property
    def tls_url(self):
        return (self.directory / "tls-endpoint").read_text().strip()

    @property
    def ca(self):
        return self.directory / "ca.pem"

    def environment(self, profile="customer"):
        return dict(
            os.environ,
            AWS_CONFIG_FILE=str(self.directory / "config"),
            AWS_SHARED_CREDENTIALS_FILE=str(self.directory / "credentials"),
            AWS_ENDPOINT_URL=self.url,
            AWS_PROFILE=profile,
            AWS_EC2_METADATA_DISABLED="true",
            AWS_REGION="us-east-1",
        )

    def client(self, service, profile="customer"):
        """A boto3 client; made once, as that takes longer than what most tests do with it."""
        name = service, profile, self.url
        if name not in self.clients:
            self.clients[name] = self._new_client(service, profile)
        return self.clients[name]

    def _new_client(self, service, profile):
        with _environment(self.environment(profile)):
            session = boto3.Session(profile_name=profile, region_name="us-east-1")
            client = session.client(service, endpoint_url=self.url)
            client.meta.config  # credentials are resolved while the environment is ours
            return client

    def new_key(self):
        return self.client("kms").create_key()["KeyMetadata"]["Arn"]

    def command(self, *words):
        return Result(
            subprocess.run(
                [BINARY, "kms", *words, "--data", self.directory],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        )

    def log(self):
        """What its customers see."""
        return self.command("log", "--json").out

    def fault(self, *options):
        result = self.command("fault", *options)
        assert result.code == OK, result

    def events(self):
        lines = (self.directory / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def kill(self):
        self.stop(signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def _environment(values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Result:
    """One run of the binary: exit code, standard output, standard error, parsed JSON."""

    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Volume:
    """A volume below a temporary directory, with a mount point and a state directory there."""

    access = ()  # how `key check` and `create` name whose rights are used

    def __init__(self, kms, directory, key=None, profile="customer"):
        self.kms = kms
        self.base = pathlib.Path(directory)
        self.directory = self.base / "volume"
        self.mount_point = self.base / "mnt"
        self.state = self.base / "state"
        self.mount_point.mkdir(exist_ok=True)
        self.key = key or kms.new_key()
        self.profile = profile
        self.extra_environment = {}

    @property
    def data(self):
        return self.directory / "data"

    @property
    def keyring(self):
        return self.directory / "freehold/keyring"

    def run(self, *arguments, timeout=120, under=()):
        """Runs `freehold`, if wanted under another program such as strace."""
        return Result(
            subprocess.run(
                [*map(str, under), BINARY, *map(str, arguments)],
                env=dict(self.kms.environment(self.profile), **self.extra_environment),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        )

    def volume(self, command, *arguments, **more):
        words = ["volume", command, self.directory, "--state", self.state, *arguments]
        return self.run(*words, **more)

    def create(self, *arguments):
        uri = f"aws-kms://{self.key}" if self.key.startswith("arn:") else self.key
        result = self.volume("create", "--key", uri, *arguments)
        assert result.code == OK, result
        return self

    def try_mount(self, *arguments):
        return self.volume("mount", self.mount_point, *FAST, *arguments)

    def mount(self, *arguments):
        result = self.try_mount(*arguments)
        assert result.code == OK, result
        return self

    def unmount(self, *arguments):
        # A process that another thread of the test has forked holds our descriptors until exec.
        def unmounted():
            result = self.volume("unmount", *arguments)
            assert result.code in (OK, BUSY), result
            return result.code == OK

        wait_for("the mount point to be free", unmounted, 10)

    @contextlib.contextmanager
    def opened(self):
        """Mounted inside the block, where the mount point's path is given; unmounted after it."""
        self.mount()
        try:
            yield self.mount_point
        finally:
            self.unmount()

    def unwrapped_kek(self):
        """The KEK, as the customer gets it: by their own client, from what the keyring says."""
        wrapped = self.status()["keks"][0]
        return self.kms.client("kms").decrypt(
            CiphertextBlob=base64.b64decode(wrapped["wrapped_kek"]),
            EncryptionContext=wrapped["context"],
        )["Plaintext"]

    def status(self):
        result = self.volume("status", "--json")
        assert result.code == OK, result
        return result.json

    def custody(self):
        return self.status()["custody"]

    def wait_for_state(self, state, seconds=30):
        return wait_for(
            f"custody {state}", lambda: (c := self.custody())["state"] == state and c, seconds
        )

    def daemon_pid(self):
        return self.status()["pid"]

    def kill_daemon(self):
        """As kill -9 would, and waits until the guardian has taken the mount away and ended."""
        os.kill(self.daemon_pid(), signal.SIGKILL)
        wait_for("the guardian", lambda: not self.is_mounted() and not self.processes())

    def log(self):
        return "".join(p.read_text() for p in (self.state / "log").glob("*.log"))

    def is_mounted(self):
        return str(self.mount_point) in pathlib.Path("/proc/self/mountinfo").read_text()

    def processes(self):
        """Process ids of Freehold's own that belong to this volume, by their command lines."""
        found = []
        for pid in every_pid():
            with contextlib.suppress(OSError):
                program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
                ours = program == os.path.realpath(BINARY)
                if ours and any(str(self.base).encode() in word for word in words_of(pid)):
                    found.append(pid)
        return [pid for pid in found if pid != self.kms.process.pid]

    def clean_up(self):
        """Leaves no mount and no process, whatever state the test left behind."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for _ in range(8):
            if not self.is_mounted():
                break
            subprocess.run(["umount", "-l", self.mount_point], check=False, capture_output=True)
