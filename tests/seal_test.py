"""Sealing, shown by looking: key bytes in memory, plaintext in the page cache, files held open."""

import os
import signal
import subprocess
import sys
import time

import pytest

import freehold_reader
import key_scanner
from freehold_testing import wait_for

CANARY = b"plaintext that must be gone when the key is gone; "


def volume_keys(volume):
    """Every key of the volume, made from the KMS's answer by the independent reader."""
    keyring = freehold_reader.read_keyring(volume.keyring.read_bytes())
    wrapped = keyring.keks[0]
    kek = volume.kms.client("kms").decrypt(
        KeyId=volume.key, CiphertextBlob=wrapped.kek.ciphertext, EncryptionContext=wrapped.context
    )["Plaintext"]
    keyring, deks = freehold_reader.open_keyring(volume.keyring.read_bytes(), kek)
    patterns = key_scanner.patterns_of("KEK", kek)
    for dek in deks.values():
        patterns += key_scanner.patterns_of("DEK", dek)
    for path in volume.data.rglob("*"):
        if path.is_file() and path.stat().st_size >= 4096:
            header = freehold_reader.read_header(path.read_bytes(), keyring, deks, print)
            xts = header.key(b"freehold v1 file aes-256-xts", 64)
            patterns += key_scanner.patterns_of("file key", xts)
    return patterns


def scan_all(volume, patterns):
    hits = set()
    for pid in volume.processes():
        hits |= key_scanner.scan(pid, patterns)
    return hits


def write_canary(volume):
    path = volume.mount_point / "held"
    path.write_bytes(CANARY * 2000)
    return path


HOLDER = """
import mmap, os, sys
held = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(held, 65536)
assert mapped[:9] == b"plaintext" and os.pread(held, 9, 0) == b"plaintext"
print("holding", flush=True)
for line in sys.stdin:
    what = line.strip()
    try:
        if what == "read": print(os.pread(held, 9, 4096), flush=True)
        if what == "write": print(os.pwrite(held, b"x", 0), flush=True)
        if what == "sync": print(os.fsync(held), flush=True)
        if what == "map": print(mapped[8192:8201], flush=True)
    except OSError as failure:
        print("error", failure.errno, flush=True)
"""


class Holder:
    """A process that keeps a file open and mapped, as a database would."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        assert self.process.stdout.readline() == "holding\n"

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def everything_fails(self):
        for what in ("read", "write", "sync"):
            answer = self.ask(what)
            assert answer.startswith("error"), (what, answer)
        assert self.ask("map") == ""  # SIGBUS
        assert self.process.wait(10) == -signal.SIGBUS

    def stop(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def held(mounted):
    holder = Holder(write_canary(mounted))
    yield holder
    holder.stop()


def disable(volume):
    volume.kms.client("kms").disable_key(KeyId=volume.key)


@pytest.mark.slow  # a sanitizer's shadow memory is terabytes to look through
def test_after_a_denial_nothing_can_be_read_and_no_key_is_left_in_memory(mounted, held):
    patterns = volume_keys(mounted)
    found = scan_all(mounted, patterns)
    assert "DEK raw" in found, "the scanner must find the keys of an open volume"
    assert any("file key round key" in label for label in found), found
    assert not any(label.startswith("KEK") for label in found), "the KEK is forgotten after opening"

    disable(mounted)
    mounted.wait_for_state("sealed")
    held.everything_fails()
    assert scan_all(mounted, patterns) == set()
    report = mounted.status()["last_seal"]
    assert report["cached_pages"] == 0
    assert report["flushed"] and report["drained"] and report["dropped"]


def test_what_was_written_before_the_seal_is_there_when_the_key_is_back(mounted):
    path = write_canary(mounted)
    disable(mounted)
    mounted.wait_for_state("sealed")
    mounted.kms.client("kms").enable_key(KeyId=mounted.key)
    mounted.wait_for_state("open")
    assert path.read_bytes() == CANARY * 2000


@pytest.mark.slow  # as above
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_stopped_daemon_is_fenced_by_the_guardian(mounted, held, how):
    patterns = volume_keys(mounted)
    daemon = mounted.daemon_pid()
    os.kill(daemon, how)
    wait_for("the mount to be taken away", lambda: not mounted.is_mounted())
    wait_for("the guardian to end", lambda: not mounted.processes())
    held.everything_fails()
    assert not os.path.exists(f"/proc/{daemon}/exe") or not os.path.realpath(f"/proc/{daemon}/exe")
    mounted.mount()
    assert (mounted.mount_point / "held").read_bytes().startswith(b"plaintext")
    assert "DEK raw" in scan_all(mounted, patterns)


def test_without_a_guardian_cached_pages_would_stay_readable(mounted, held):
    """Why the guardian exists: the same kill, while it is kept from acting, leaves plaintext."""
    daemon = mounted.daemon_pid()
    guardians = [pid for pid in mounted.processes() if pid != daemon]
    assert len(guardians) == 1
    os.kill(guardians[0], signal.SIGSTOP)
    os.kill(daemon, signal.SIGKILL)
    time.sleep(0.5)
    assert "plain" in held.ask("read")
    os.kill(guardians[0], signal.SIGCONT)
    wait_for("the guardian to end", lambda: not mounted.processes())
    held.everything_fails()


def test_a_seal_by_order_is_sticky_until_it_is_opened(mounted):
    write_canary(mounted)
    assert mounted.volume("seal").code == 0
    assert mounted.wait_for_state("sealed")["reason"] == "revoked"
    time.sleep(1)
    assert mounted.custody()["state"] == "sealed"
    assert mounted.volume("open").code == 0
    mounted.wait_for_state("open")
    assert (mounted.mount_point / "held").exists()


def test_unmounting_wipes_and_ends_the_daemon(mounted):
    write_canary(mounted)
    mounted.unmount()
    wait_for("the processes to end", lambda: not mounted.processes())
    assert not mounted.is_mounted()


def test_a_busy_mount_is_unmounted_only_by_force(mounted, held):
    refused = mounted.volume("unmount")
    assert refused.code == 5 and "busy" in refused.err
    assert held.ask("read").startswith("b'")
    mounted.unmount("--force")
    held.everything_fails()


def test_killing_the_guardian_seals(mounted, held):
    daemon = mounted.daemon_pid()
    for pid in mounted.processes():
        if pid != daemon:
            os.kill(pid, signal.SIGKILL)
    wait_for("the daemon to end", lambda: not mounted.processes())
    held.everything_fails()
