"""What docs/posix.md lists as different from a plain directory is so."""

import array
import errno
import fcntl
import os
import subprocess

import pytest

from freehold_testing import wait_for
from posix_testing import one_mount, opened, plain, roots  # fixtures and helpers

GETFLAGS, FIEMAP = 0x80086601, 0xC020660B


@pytest.fixture
def files(roots):
    """The same 8 KiB on the mount and on the plain directory, on disk."""
    descriptors = []
    for root in roots:
        descriptors.append(os.open(root / "file", os.O_RDWR | os.O_CREAT))
        os.pwrite(descriptors[-1], b"x" * 8192, 0)
        os.fsync(descriptors[-1])
    yield descriptors
    for fd in descriptors:
        os.close(fd)


@pytest.mark.parametrize("request_number", [GETFLAGS, FIEMAP])
def test_requests_to_a_file_systems_own_driver_are_not_passed_on(files, request_number):
    with pytest.raises(OSError) as failure:
        fcntl.ioctl(files[0], request_number, array.array("L", [0] * 4))
    assert failure.value.errno in (errno.ENOTTY, errno.EOPNOTSUPP)


def test_there_are_no_holes_to_be_seen(files):
    os.ftruncate(files[0], 1 << 20)
    assert os.lseek(files[0], 100_000, os.SEEK_DATA) == 100_000
    assert os.lseek(files[0], 0, os.SEEK_HOLE) == 1 << 20


def test_a_file_takes_4_kib_more_as_soon_as_it_is_asked_again(files):
    sizes = lambda: [os.fstat(fd).st_blocks * 512 for fd in files]
    wait_for("the blocks to be told", lambda: sizes()[0] == sizes()[1] + 4096)
    os.pwrite(files[0], b"x" * 8192, 8192)
    os.pwrite(files[1], b"x" * 8192, 8192)
    os.fsync(files[0])
    os.fsync(files[1])
    wait_for("more blocks to be told", lambda: sizes() == [5 * 4096, 4 * 4096])


def test_a_new_file_is_never_taken_for_a_hole(roots):
    """tar --sparse reads nothing of a file that takes no blocks."""
    for root in roots:
        (root / "new").write_bytes(b"data" * 5000)
        archive = subprocess.run(["tar", "-C", root, "--sparse", "-cf", "-", "new"], check=True,
                                 capture_output=True).stdout
        read = subprocess.run(["tar", "-xOf", "-"], input=archive, check=True, capture_output=True)
        assert read.stdout == b"data" * 5000


def test_the_largest_file_is_4_kib_shorter(files, roots):
    def most(fd):
        low, high = 0, 1 << 60
        while low < high:
            size = (low + high + 1) // 2
            try:
                os.ftruncate(fd, size)
                low = size
            except OSError:
                high = size - 1
        return low

    on_mount, on_plain = (most(fd) for fd in files)
    assert 4096 <= on_plain - on_mount < 4096 + 16
    with opened(roots[0] / "file", os.O_RDONLY) as fd:
        assert os.fstat(fd).st_size == on_mount
