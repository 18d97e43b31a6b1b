"""A directory of a mount and a plain one: the same calls on both, and their answers compared."""

import contextlib
import ctypes
import errno
import os
import subprocess
import sys
import textwrap

import pytest

from freehold_testing import EmbeddedKms, Volume, temporary_directory

LIBC = ctypes.CDLL(None, use_errno=True)
NOBODY = 65534


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain"
    path.mkdir(mode=0o755)
    return path


# Everything holds whether the kernel caches a file or not.
MODES = {"cached": [], "direct": ["--direct", "*"]}


@pytest.fixture(params=MODES)
def mounted(volume, request):
    volume.mount(*MODES[request.param])
    volume.mount_point.chmod(0o755)
    return volume


@pytest.fixture(scope="module", params=MODES)
def one_mount(request):
    """A mount for all cases that leave it as it is; found sound at the end."""
    with temporary_directory() as directory:
        kms = EmbeddedKms(directory / "kms")
        volume = Volume(kms, directory).create()
        try:
            volume.mount(*MODES[request.param])
            volume.mount_point.chmod(0o755)
            yield volume
            assert volume.custody()["state"] == "open"
            volume.unmount()
            assert volume.volume("verify", "--json").json["faults"] == []
        finally:
            volume.clean_up()
            kms.stop()


@pytest.fixture
def roots(one_mount, plain, request):
    """A directory of the mount, and a plain one."""
    number = request.session.items.index(request.node)
    (one_mount.mount_point / str(number)).mkdir(mode=0o755)
    return one_mount.mount_point / str(number), plain


def outcome(call):
    """What a call returned, or the name of its error."""
    try:
        return call()
    except OSError as failure:
        return errno.errorcode[failure.errno]


def same(roots, scenario):
    """Runs on the mount and on the plain directory; what it returns, the same from both."""
    on_mount, on_plain = (scenario(root) for root in roots)
    assert on_mount == on_plain
    return on_mount


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


@contextlib.contextmanager
def opened(path, flags, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def python(code, *arguments, user=None, group=None, groups=(), umask=-1):
    """Runs a script in another process; what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code), *map(str, arguments)],
        user=user, group=group, extra_groups=groups if user is not None else None, umask=umask,
        capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


PRELUDE = """
import errno, fcntl, mmap, os, sys
def outcome(call):
    try:
        return call()
    except OSError as failure:
        return errno.errorcode[failure.errno]
root = sys.argv[1]
os.chdir(root)
"""


class Partner:
    """Another process that runs one expression a line, so that two can take turns."""

    LOOP = PRELUDE + """
names = dict(globals())
for line in sys.stdin:
    try:
        result = eval(line, names)
        print("ok", repr(result), flush=True)
    except OSError as failure:
        print("error", errno.errorcode[failure.errno], flush=True)
"""

    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.LOOP, str(root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def do(self, expression):
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()
