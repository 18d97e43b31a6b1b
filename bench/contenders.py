"""The contenders of the benchmarks: a plain directory, gocryptfs, securefs, and Freehold twice.

Each is made in an empty directory of its own and has a `mount_point`, a directory to work in.
All of them lie on the same file system.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("FREEHOLD_BIN", str(ROOT / "build/freehold"))
sys.path.insert(0, str(ROOT / "tests"))

from disks import MemoryDisk, SlowFlush  # noqa: E402
from freehold_testing import (  # noqa: E402
    BINARY,
    EmbeddedKms,
    Volume,
    temporary_directory,
    wait_for,
)
from process_testing import stat  # noqa: E402

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid, children=False):
    """What a process has used so far, all its threads; with `children`, those it has waited for."""
    fields = stat(pid)
    return sum(map(int, fields[11:15 if children else 13])) / CLOCK_TICKS


def direct_patterns(profile):
    """The profile's files that bypass the kernel's cache: logs that are synced at once."""
    return tomllib.loads((ROOT / f"profiles/{profile}.toml").read_text()).get("direct", [])


class Plain:
    name = "plain"

    def __init__(self, base, _kms, _direct):
        self.mount_point = base

    def daemon_cpu(self):
        return 0.0

    def stop(self):
        pass


class OtherFuse:
    """gocryptfs and securefs: a directory, a password file, a process in the foreground."""

    def __init__(self, base, _kms, _direct):
        self.cipher, self.mount_point = base / "cipher", base / "mnt"
        self.cipher.mkdir()
        self.mount_point.mkdir()
        password = base / "password"
        password.write_text("only for the benchmark\n")
        subprocess.run(self.create(password), check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen(self.mount(password), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(f"{self.name} to be mounted", self.mount_point.is_mount)

    def daemon_cpu(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        subprocess.run(["umount", "-l", self.mount_point], check=False)
        self.process.terminate()
        self.process.wait(60)


class Gocryptfs(OtherFuse):
    name = "gocryptfs"

    def create(self, password):
        return ["gocryptfs", "-q", "-init", "-passfile", password, self.cipher]

    def mount(self, password):
        return ["gocryptfs", "-q", "-fg", "-allow_other", "-passfile", password, self.cipher,
                self.mount_point]


class Securefs(OtherFuse):
    name = "securefs"

    def create(self, password):
        return ["securefs", "create", "--keyfile", password, "--pass", "benchmark", self.cipher]

    def mount(self, password):
        return ["securefs", "mount", "--keyfile", password, "--pass", "benchmark",
                "-o", "allow_other", self.cipher, self.mount_point]


class Freehold:
    name = "freehold"
    cipher = "aes-256-xts"

    def __init__(self, base, kms, direct):
        self.volume = Volume(kms, base).create("--cipher", self.cipher)
        words = [word for pattern in direct for word in ("--direct", pattern)]
        mounted = self.volume.volume(
            "mount", self.volume.mount_point, "--allow-null-cipher", *words)
        assert mounted.code == 0, mounted
        self.mount_point = self.volume.mount_point
        self.daemon = self.volume.daemon_pid()

    def daemon_cpu(self):
        return cpu_seconds(self.daemon)

    def stop(self):
        self.volume.clean_up()


class NullCipher(Freehold):
    name = "null-cipher"
    cipher = "null"


class CachedLog(Freehold):
    """Without the profile's direct files: shows what they are worth. Only when asked for."""

    name = "cached-log"

    def __init__(self, base, kms, _direct):
        super().__init__(base, kms, [])


CONTENDERS = {kind.name: kind for kind in
              (Plain, Gocryptfs, Securefs, NullCipher, Freehold, CachedLog)}
STANDARD = ["plain", "gocryptfs", "securefs", "null-cipher", "freehold"]


def flags(description, rounds=10, only=STANDARD):
    """The flags that every benchmark of contenders has."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="+", default=only, choices=CONTENDERS, metavar="CONTENDER")
    disk = parser.add_mutually_exclusive_group()
    disk.add_argument("--memory-disk", action="store_true", help="all of it on a disk in memory")
    disk.add_argument("--slow-flush", action="store_true",
                      help="the same, and its flush takes 1 ms")
    parser.add_argument("--results", type=pathlib.Path, help="append the table to this file")
    return parser


@contextlib.contextmanager
def scratch_directory():
    """Gone at the end, also when told to end: what was mounted there is unmounted before."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with temporary_directory("freehold-bench-") as base:
        yield base


@contextlib.contextmanager
def contenders(options, direct=()):
    """The chosen ones by name, made and mounted; and a directory for sockets and logs."""
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(scratch_directory())
        kms = EmbeddedKms(base / "kms")
        stack.callback(kms.stop)
        disk = base
        if options.slow_flush:
            disk = stack.enter_context(SlowFlush(base, BINARY)).mount_point
        elif options.memory_disk:
            disk = stack.enter_context(MemoryDisk(base)).mount_point
        sockets = base / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        made = {}
        for name in options.only:
            directory = disk / name
            directory.mkdir()
            directory.chmod(0o755)
            made[name] = CONTENDERS[name](directory, kms, direct)
            stack.callback(made[name].stop)
            made[name].mount_point.chmod(0o777)
        yield made, sockets
