"""Sizes on a mount: cutting, growing, holes, allocated space, and the errors at the ends."""

import errno
import os
import subprocess

import pytest

from posix_testing import fallocate, opened, outcome, same
from posix_testing import one_mount, plain, roots  # fixtures

KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE = 1, 2, 8, 16


def test_errors_of_descriptors_are_those_of_a_plain_directory(roots):
    def scenario(root):
        (root / "file").write_bytes(b"0123456789")
        seen = {}
        with opened(root / "file", os.O_RDONLY) as fd:
            seen["write"] = outcome(lambda: os.write(fd, b"x"))
            seen["truncate"] = outcome(lambda: os.ftruncate(fd, 1))
            seen["allocate"] = outcome(lambda: fallocate(fd, 0, 0, 10))
            seen["read before"] = outcome(lambda: os.pread(fd, 1, -1))
            seen["read behind"] = outcome(lambda: os.pread(fd, 10, 10))
            seen["read far behind"] = outcome(lambda: os.pread(fd, 10, 1 << 40))
            seen["seek before"] = outcome(lambda: os.lseek(fd, -1, os.SEEK_SET))
            seen["data behind"] = outcome(lambda: os.lseek(fd, 10, os.SEEK_DATA))
            seen["hole behind"] = outcome(lambda: os.lseek(fd, 11, os.SEEK_HOLE))
        with opened(root / "file", os.O_WRONLY) as fd:
            seen["read"] = outcome(lambda: os.read(fd, 1))
            seen["allocate nothing"] = outcome(lambda: fallocate(fd, 0, 0, 0))
            seen["allocate before"] = outcome(lambda: fallocate(fd, 0, -1, 5))
            seen["punch without keep"] = outcome(lambda: fallocate(fd, PUNCH_HOLE, 0, 5))
            seen["write nothing"] = outcome(lambda: os.write(fd, b""))
        with opened(root, os.O_RDONLY) as fd:
            seen["read a directory"] = outcome(lambda: os.read(fd, 1))
            seen["sync a directory"] = outcome(lambda: os.fsync(fd))
        return seen

    same(roots, scenario)


def test_truncation_goes_both_ways_and_never_brings_back_what_was_cut(roots):
    def scenario(root):
        seen = []
        for step, (first, cut, grown) in enumerate(
            (a, b, c) for a in (1, 15, 16, 17, 40, 4095, 4097, 9000)
            for b in (0, 1, 7, 16, 21, 33, 4096) for c in (0, 5, 39, 48, 4100, 20_000)
        ):
            path = root / f"f{step}"
            path.write_bytes(b"S" * first)
            if step % 2:
                os.truncate(path, cut)
                os.truncate(path, grown)
                seen.append(path.read_bytes())
            else:
                with opened(path, os.O_RDWR) as fd:
                    os.ftruncate(fd, cut)
                    if step % 4:
                        os.fsync(fd)
                    os.ftruncate(fd, grown)
                    seen.append(os.pread(fd, 30_000, 0))
            seen.append(path.stat().st_size)
        return seen

    same(roots, scenario)


def test_o_trunc_empties_and_the_old_contents_never_return(roots):
    def scenario(root):
        (root / "f").write_bytes(b"secret of before" * 1000)
        with opened(root / "f", os.O_RDWR) as before:
            with opened(root / "f", os.O_WRONLY | os.O_TRUNC) as fd:
                os.pwrite(fd, b"new", 5000)
            through_the_old = os.pread(before, 10_000, 0)
        return (root / "f").read_bytes(), through_the_old, (root / "f").stat().st_size

    assert same(roots, scenario)[0] == bytes(5000) + b"new"


def extents(fd):
    """What the file calls data, as (start, end)."""
    found, at = [], 0
    while True:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as failure:
            assert failure.errno == errno.ENXIO
            return found
        at = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, at))


@pytest.mark.parametrize("synced", [False, True])
def test_data_is_never_called_a_hole(mounted, synced):
    """Else a copy that skips holes loses it; written a moment ago or long on the disk."""
    with opened(mounted.mount_point / "sparse", os.O_RDWR | os.O_CREAT) as fd:
        written = [(0, 10), (100_000, 100_003), (1_048_576, 1_118_576), (5_242_880, 5_242_881)]
        for start, end in written:
            os.pwrite(fd, b"x" * (end - start), start)
            if synced:
                os.fsync(fd)
            covered = extents(fd)
            for first, last in [w for w in written if w[1] <= os.fstat(fd).st_size]:
                assert any(a <= first and last <= b for a, b in covered), (first, last, covered)
    copied = mounted.mount_point / "copied"
    subprocess.run(["cp", "--sparse=always", mounted.mount_point / "sparse", copied], check=True)
    assert copied.read_bytes() == (mounted.mount_point / "sparse").read_bytes()


def test_holes_read_as_zeros_and_take_no_space(roots):
    def scenario(root):
        with opened(root / "sparse", os.O_RDWR | os.O_CREAT) as fd:
            os.ftruncate(fd, 50 << 20)
            os.pwrite(fd, b"middle", 25 << 20)
            os.fsync(fd)
            used = os.fstat(fd).st_blocks * 512
            around = os.pread(fd, 30, (25 << 20) - 10)
            return used < 1 << 20, around, os.fstat(fd).st_size, os.pread(fd, 10, (50 << 20) - 4)

    assert same(roots, scenario)[0]


ALLOCATIONS = [
    (mode, offset, length)
    for mode in (0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE)
    for offset, length in (
        (0, 1), (0, 16), (0, 50_000), (3, 10), (5, 40), (16, 4096), (4090, 20), (4096, 8192),
        (9999, 1), (9990, 100), (10_000, 16), (20_000, 1), (20_000, 5_000), (1, 9_998),
    )
]


def test_allocation_of_every_kind_changes_contents_and_size_as_elsewhere(roots):
    def scenario(root):
        seen = []
        for number, (mode, offset, length) in enumerate(ALLOCATIONS):
            path = root / f"f{number}"
            path.write_bytes(bytes(range(1, 251)) * 40)
            with opened(path, os.O_RDWR) as fd:
                if number % 2:
                    os.fsync(fd)
                seen.append(outcome(lambda: fallocate(fd, mode, offset, length)))
                seen.append(os.pread(fd, 100_000, 0))
                seen.append(os.fstat(fd).st_size)
        with opened(root / "reserved", os.O_RDWR | os.O_CREAT) as fd:
            fallocate(fd, KEEP_SIZE, 0, 1 << 20)
            seen.append((os.fstat(fd).st_size, os.fstat(fd).st_blocks * 512 >= 1 << 20))
            fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 1 << 20)
            os.posix_fallocate(fd, 0, 123_456)
            seen.append((os.fstat(fd).st_size, os.pread(fd, 200_000, 0) == bytes(123_456)))
        return seen

    same(roots, scenario)


def test_kinds_of_allocation_that_are_not_offered_say_so(mounted):
    with opened(mounted.mount_point / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"x" * 16384)
        assert outcome(lambda: fallocate(fd, COLLAPSE_RANGE, 0, 4096)) in ("EOPNOTSUPP", "ENOTSUP")
        assert os.pread(fd, 20_000, 0) == b"x" * 16384
