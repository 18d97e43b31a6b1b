#!/usr/bin/python3
"""Single operations on files: synced writes, sequential reads and writes, names.

Reads come from below the mount: its cached pages are dropped first, those of the files below it are
not. For the plain directory that means the disk, for the others the way through the daemon.

  bench/files.py --rounds 20 --files 10000
"""

import os
import statistics
import time

from contenders import contenders, flags
from rounds import Compared, report, run

MIB = 1 << 20
BLOCK = os.urandom(8192)
CHUNK = os.urandom(MIB)

LOG, CACHED = "8 KiB write + fdatasync us, a log", "8 KiB write + fdatasync us, cached file"
READ, WRITE = "sequential read MiB/s", "sequential write MiB/s"
CREATE, STAT, UNLINK = "create files/s", "stat files/s", "unlink files/s"


def comparisons():
    for what, bar in ((LOG, 8), (CACHED, None)):
        yield Compared(what, "freehold", "plain", at_most=bar, unit="us")
        yield Compared(what, "null-cipher", "plain", unit="us")
        yield Compared(what, "gocryptfs", "plain", unit="us")
        yield Compared(what, "securefs", "plain", unit="us")
    for what in (READ, WRITE):
        yield Compared(what, "freehold", "gocryptfs", at_least=1.5)
        for other in ("securefs", "null-cipher", "plain"):
            yield Compared(what, "freehold", other)
    for what in (CREATE, STAT, UNLINK):
        yield Compared(what, "freehold", "gocryptfs", at_least=1.0)
        for other in ("securefs", "null-cipher", "plain"):
            yield Compared(what, "freehold", other)


def synced_writes(path, count):
    """Overwrites a file of 16 MiB in order, as a write-ahead log is. The median, in us."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(16 * MIB))
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    taken = []
    for number in range(count):
        start = time.perf_counter()
        os.pwrite(fd, BLOCK, number * len(BLOCK) % (16 * MIB))
        os.fdatasync(fd)
        taken.append(time.perf_counter() - start)
    os.close(fd)
    return statistics.median(taken) * 1e6


def latency(options):
    return lambda contender: {
        LOG: synced_writes(contender.mount_point / "log/segment", options.writes),
        CACHED: synced_writes(contender.mount_point / "data", options.writes)}


def sequential(options):
    def measure(contender):
        path, taken = contender.mount_point / "large", {}
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        start = time.perf_counter()
        for _ in range(options.megabytes):
            os.write(fd, CHUNK)
        os.fsync(fd)
        taken[WRITE] = time.perf_counter() - start
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(fd, 0, os.SEEK_SET)
        buffer = bytearray(MIB)
        start = time.perf_counter()
        for _ in range(options.megabytes):
            assert os.readv(fd, [buffer]) == MIB
        taken[READ] = time.perf_counter() - start
        os.close(fd)
        assert buffer == CHUNK
        path.unlink()
        return {what: options.megabytes / seconds for what, seconds in taken.items()}
    return measure


def names(options):
    def create(name):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))

    def measure(contender):
        directory, rates = contender.mount_point / "names", {}
        directory.mkdir()
        here = [f"{directory}/{number:06}" for number in range(options.files)]
        for what, act in ((CREATE, create), (STAT, os.stat), (UNLINK, os.unlink)):
            start = time.perf_counter()
            for name in here:
                act(name)
            rates[what] = options.files / (time.perf_counter() - start)
        directory.rmdir()
        return rates
    return measure


def main():
    parser = flags(__doc__)
    parser.add_argument("--writes", type=int, default=2000)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--workloads", nargs="+", default=["latency", "sequential", "names"])
    options = parser.parse_args()
    kinds = {"latency": latency, "sequential": sequential, "names": names}
    with contenders(options, ["log/*"]) as (made, _):
        figures = run(made, [kinds[name](options) for name in options.workloads], options.rounds)
    report("Files",
           f"The median of {options.writes} synced writes a round, {options.megabytes} MiB a file "
           f"in steps of 1 MiB, {options.files} names in one directory, {options.rounds} rounds",
           figures, comparisons(), options.results)


if __name__ == "__main__":
    main()
