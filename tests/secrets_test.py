"""No credential, token or key of any kind of KMS is in a core file or a log.

Each process that has them is killed in the midst of a call, at a KMS that does not answer, with
core files allowed as far as anybody but the process itself can allow them.
"""

import dataclasses
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
from collections.abc import Callable

import pytest

from conformance_testing import CONTEXT, SUBJECTS
from freehold_testing import BINARY, FAST, OK, ROOT, Volume, wait_for
from kms_helper_testing import UNWRAP, request_frame
from key_scanner import regions_of
from pkcs11_testing import MODULE, PIN
from process_testing import with_descendants, words_of



@dataclasses.dataclass
class Kind:
    operation: str  # that is to hang
    token: bytes  # what the service gives out: a pattern
    given: Callable  # what we were given: a function of the subject


KINDS = {
    "AWS": Kind("Decrypt", rb"ASIA[A-Z0-9]{16}", lambda it: it.kms.secrets("operator")[1]),
    "Google": Kind("Decrypt", rb"ya29\.[\w-]{20}",
                   lambda it: it.kms.credentials("operator")["private_key"].split("\n")[2]),
    "Azure": Kind("KeyUnwrap", rb"eyJ[\w-]{20}",
                  lambda it: it.environment()["AZURE_CLIENT_SECRET"]),
    "Vault": Kind("decrypt", rb"hv[bs]\.[\w-]{20}", lambda it: it.kms.secret_id),
    # PKCS#8 of P-256 in base64, up to the secret; its PEM's first line alone would be in libraries too.
    "KMIP": Kind("Decrypt", rb"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg[\w+/]{14}",
                 lambda it: it.kms.private_key_line()),
    "PKCS#11": Kind("", PIN.encode(), lambda _: PIN),
}


def allow_cores():
    """As large as anybody may allow."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


class Customer:
    """A KMS that can stop answering, and us as its user."""

    def __init__(self, name, directory):
        self.directory, self.kind = directory, KINDS[name]
        self.subject = SUBJECTS[name](directory / "kms")
        self.environment = self.subject.environment()

    def hang(self):
        if self.kind.operation:
            self.subject.kms.fault("--operation", self.kind.operation, "--latency", "600000")
            return
        slow = self.directory / "slow_token.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-I/usr/include/p11-kit-1",
                        f'-DMODULE="{MODULE}"', "-o", slow, ROOT / "tests/slow_token.c"], check=True)
        self.environment["FREEHOLD_PKCS11_MODULE"] = str(slow)

    def start(self, *words, **more):
        """As our child, where it could leave a core file."""
        return subprocess.Popen(
            [BINARY, *map(str, words)], env=self.environment, cwd=self.directory,
            preexec_fn=allow_cores, **more)


@pytest.fixture(params=KINDS)
def customer(request, tmp_path):
    made = Customer(request.param, tmp_path)
    yield made
    made.subject.stop()


def holds(pid, pattern):
    """Whether it is in the process's memory, the shadow of a sanitizer left out."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, _ in regions_of(pid):
            if end - start > 1 << 30:
                continue
            memory.seek(start)
            try:
                if re.search(pattern, memory.read(end - start)):
                    return True
            except OSError:
                continue  # gone meanwhile
    return False


def left_a_core(process, how):
    """Ends a child of ours; whether the kernel says that it was dumped."""
    os.kill(process.pid, how)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.wait()
    return ended.si_code == os.CLD_DUMPED


def core_files(directory):
    return [path for path in directory.glob("**/*core*") if path.is_file()]


def test_a_process_without_protection_would_leave_a_core(tmp_path):
    """Or the tests below would say nothing."""
    process = subprocess.Popen(["cat"], cwd=tmp_path, stdin=subprocess.PIPE,
                               preexec_fn=allow_cores)
    assert left_a_core(process, signal.SIGABRT)
    process.stdin.close()


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGSEGV])
def test_a_helper_that_dies_in_a_call_leaves_no_core(customer, how):
    wrapped = customer.subject.wrap()
    customer.hang()
    frame = request_frame(
        UNWRAP, customer.subject.uri, CONTEXT, principal=customer.subject.principal,
        external_id=customer.subject.external_id, ciphertext=wrapped[0], key_version=wrapped[1],
        algorithm=wrapped[2])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        helper = customer.start("internal", "kms-helper", stdin=theirs, stdout=theirs)
        ours.sendall(frame)
        wait_for("a token", lambda: holds(helper.pid, customer.kind.token))
        assert not left_a_core(helper, how)
    assert core_files(customer.directory) == []


def test_a_key_check_that_dies_in_a_call_leaves_no_core(customer):
    customer.hang()
    subject = customer.subject
    rights = [word for flag, value in (("--principal", subject.principal),
                                       ("--external-id", subject.external_id))
              if value for word in (flag, value)]
    check = customer.start("key", "check", subject.uri, *rights)
    wait_for("a token", lambda: holds(check.pid, customer.kind.token))
    assert not left_a_core(check, signal.SIGABRT)
    assert core_files(customer.directory) == []


class VolumeOf(Volume):
    """A volume under the key of a kind of KMS."""

    def __init__(self, customer):
        subject = customer.subject
        super().__init__(getattr(subject, "kms", None) or subject.hsm, customer.directory,
                         key=subject.uri)
        self.extra_environment = customer.environment
        if subject.principal:
            self.access = ("--principal", subject.principal)
        if subject.external_id:
            self.access += ("--external-id", subject.external_id)
        result = self.volume("create", "--key", subject.uri, *self.access)
        assert result.code == OK, result


@pytest.fixture
def volume(customer):
    made = VolumeOf(customer)
    yield made
    made.clean_up()


def test_a_daemon_that_dies_while_it_waits_for_a_kms_leaves_no_core(customer, volume):
    daemon = customer.start("volume", "mount", volume.directory, volume.mount_point, "--state",
                            volume.state, *FAST, "--foreground", stderr=subprocess.DEVNULL)
    wait_for("the mount", volume.is_mounted)
    customer.hang()

    def child(word):
        found = [pid for pid in with_descendants(daemon.pid) if word in words_of(pid)]
        return found[0] if found else None

    guardian = wait_for("the guardian", lambda: child(b"guardian"))
    if customer.kind.operation:
        wait_for("a helper with a token", lambda: (helper := child(b"kms-helper"))
                 and holds(helper, customer.kind.token))
    for pid in (daemon.pid, guardian):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
        # 1 and not 0: a core_pattern that is a pipe is not fed either.
        assert [line.split()[4:6] for line in limits if "core" in line] == [["1", "1"]]
    assert not left_a_core(daemon, signal.SIGABRT)
    wait_for("its guardian to take the mount away", lambda: not volume.is_mounted())
    assert core_files(customer.directory) == []


def test_no_secret_is_in_a_log_whatever_happens(customer, volume):
    volume.mount()
    trouble = customer.subject.troubles()
    trouble["disabled" if "disabled" in trouble else "permission removed"]()
    volume.wait_for_state("sealed")
    check = volume.run("key", "check", volume.key, *volume.access, "--json")
    said = volume.log() + check.out + check.err + volume.volume("status", "--json").out
    if customer.kind.operation:
        said += customer.subject.kms.log()
    assert customer.kind.given(customer.subject) not in said
    for token in re.findall(customer.kind.token, said.encode()):
        assert token.startswith(b"ASIA"), token  # an access key's id is no secret
    volume.unmount()
