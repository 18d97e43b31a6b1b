"""Many processes on a few files of one mount: no torn block, no lost write, nobody stuck.

Also what `make tsan` runs: here the daemon's threads have something to race for.
"""

import mmap
import multiprocessing
import os
import random

import pytest

BLOCKS = 700  # of 16 bytes: more than two of the kernel's pages, not a multiple of one
ROUNDS = 400
WRITERS = 4


def write_blocks(path, mark, failures):
    """Whole blocks of this writer's own byte, at random; now and then a sync, or another length."""
    chance = random.Random(mark)
    fd = os.open(path, os.O_RDWR)
    for _ in range(ROUNDS):
        at, count = chance.randrange(BLOCKS), chance.randrange(1, 300)
        data = bytes([mark]) * (16 * min(count, BLOCKS - at))
        if os.pwrite(fd, data, 16 * at) != len(data):
            failures.put("a short write")
        if chance.randrange(20) == 0:
            os.fsync(fd)
        if chance.randrange(30) == 0:
            os.ftruncate(fd, 16 * chance.randrange(BLOCKS) + chance.choice([0, 0, 0, 16]))
        if chance.randrange(40) == 0:
            os.close(fd)
            fd = os.open(path, os.O_RDWR)
    os.close(fd)


def read_blocks(path, mark, failures, direct):
    """Each block is one writer's, or zeros: never two of them mixed, never noise."""
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if direct else 0))
    buffer = mmap.mmap(-1, 16384)
    for _ in range(ROUNDS):
        size = os.preadv(fd, [buffer], 0)
        for at in range(0, size - 15, 16):
            block = buffer[at : at + 16]
            if block != block[:1] * 16 or block[0] > mark:
                failures.put(f"at {at}: {block.hex()}")
                return
    os.close(fd)


def append_lines(path, mark):
    """Lines of odd lengths, each by one append."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    for number in range(ROUNDS):
        os.write(fd, f"{mark} {number} {'x' * (number * 7 % 50)}\n".encode())
    os.close(fd)


def run_all(processes):
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0


@pytest.mark.parametrize("direct", [False, True])
def test_no_block_is_ever_torn_between_writers(mounted, direct):
    failures = multiprocessing.Queue()
    paths = [mounted.mount_point / name for name in ("one", "two")]
    processes = []
    for path in paths:
        path.write_bytes(bytes(16 * BLOCKS))
        for mark in range(1, WRITERS + 1):
            processes.append(multiprocessing.Process(
                target=write_blocks, args=(path, mark, failures)))
        processes.append(multiprocessing.Process(
            target=read_blocks, args=(path, WRITERS, failures, direct)))
    run_all(processes)
    assert failures.empty(), failures.get()
    before = [path.read_bytes() for path in paths]
    mounted.unmount()
    mounted.mount()
    assert [path.read_bytes() for path in paths] == before


def test_appends_of_many_processes_all_arrive_whole(mounted):
    path = mounted.mount_point / "log"
    path.touch()
    run_all([multiprocessing.Process(target=append_lines, args=(path, mark))
             for mark in range(WRITERS)])
    lines = path.read_text().splitlines()
    for mark in range(WRITERS):
        own = [line for line in lines if line.startswith(f"{mark} ")]
        assert own == [f"{mark} {n} {'x' * (n * 7 % 50)}" for n in range(ROUNDS)]
    assert len(lines) == WRITERS * ROUNDS
