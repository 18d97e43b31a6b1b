#!/usr/bin/python3
"""Many files, much memory, a long load: what the mount takes, and how fast it opens and is fenced.

  bench/scale.py                            # at full size: some ten minutes
  bench/scale.py --files 10000 --churn 50000 --cached-gib 1 --rounds 6
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import resource
import time

from contenders import contenders, direct_patterns, scratch_directory
from freehold_testing import FAST, OK, EmbeddedKms, Volume, wait_for
from pgbench import pgbench, prepare
from rounds import Compared, machine, report, run
from scale_testing import (
    churn, decrypts, descriptors, look_at_all, make_files, resident_mib)

QUIET = ["--check-interval", "10m", "--request-timeout", "5s"]  # no probe meanwhile
STEPS = 5
LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def new_volume():
    with scratch_directory() as base:
        kms = EmbeddedKms(base / "kms")
        volume = Volume(kms, base).create()
        try:
            yield volume
        finally:
            volume.clean_up()
            kms.stop()


def mount(volume, *settings):
    start = time.perf_counter()
    result = volume.volume("mount", volume.mount_point, *settings)
    assert result.code == OK, result
    return time.perf_counter() - start


def filled(volume, files):
    mount(volume, *QUIET)
    make_files(volume.mount_point, files)
    volume.unmount()


def opening(options):
    with new_volume() as volume:
        filled(volume, options.files)
        taken, unwraps = [], set()
        for _ in range(5):
            before = len(volume.kms.events())
            taken.append(mount(volume, *QUIET))
            unwraps.add(len(decrypts(volume.kms, before)))
            volume.unmount()
    yield (f"opening {options.files} files", f"{max(taken):.2f} s (slowest of 5), "
           f"requests to unwrap: {', '.join(map(str, unwraps))}", "1 s, one unwrap")


def memory(options):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    with new_volume() as volume:
        filled(volume, options.open_files)
        mount(volume, *QUIET)
        daemon = volume.daemon_pid()
        empty = resident_mib(daemon)
        held = [os.open(path, os.O_RDWR) for path in volume.mount_point.glob("d*/f*")]
        for fd in held:
            os.pwrite(fd, b"y" * 5000, 0)
            os.fsync(fd)
        yield (f"resident with {len(held)} files open and written",
               f"{resident_mib(daemon):.0f} MiB (fresh: {empty:.0f}), "
               f"{descriptors(daemon)} descriptors", "150 MiB")
        for fd in held:
            os.close(fd)
        resident = []
        for _ in range(STEPS):
            churn(volume.mount_point, options.churn // STEPS)
            resident.append(resident_mib(daemon))
        yield (f"resident over {options.churn} creates and deletes",
               " -> ".join(f"{mib:.1f}" for mib in resident) + " MiB", "no growth")
        volume.unmount()


CACHESTAT = 451  # has no wrapper in this libc


def cached_gib(path):
    """Of this file's contents, in the kernel's cache."""
    with open(path, "rb") as file:
        everything, counts = (ctypes.c_uint64 * 2)(), (ctypes.c_uint64 * 5)()
        assert LIBC.syscall(CACHESTAT, file.fileno(), everything, counts, 0) == 0
        return counts[0] * os.sysconf("SC_PAGE_SIZE") / 2**30


def read_all(path, size):
    """Into the kernel's cache of the mount; holes, as what is cached is what counts."""
    with open(path, "wb") as file:
        file.truncate(size)
    buffer = bytearray(1 << 20)
    fd = os.open(path, os.O_RDONLY)
    while os.readv(fd, [buffer]) > 0:
        pass
    os.close(fd)


def sealing(options):
    with new_volume() as volume:
        filled(volume, options.files)
        mount(volume, *FAST)
        known = look_at_all(volume.mount_point)
        paths = [volume.mount_point / f"cached{number}" for number in range(8)]
        for path in paths:
            read_all(path, options.cached_gib * (1 << 27))
        cached = sum(map(cached_gib, paths))
        volume.kms.client("kms").disable_key(KeyId=volume.key)
        volume.wait_for_state("sealed", 120)
        seal = volume.status()["last_seal"]
        assert seal["cached_pages"] == 0, seal
        yield (f"sealing {known} known files, {cached:.1f} GiB of the mount's files cached",
               f"fenced after {seal['fenced_ms']} ms, sealed after {seal['sealed_ms']} ms",
               "fenced within 1 s")


def reencrypting(options):
    """pgbench without and with a re-encryption beside it, the one right after the other."""
    options.only, options.slow_flush, options.memory_disk = ["freehold"], False, False
    with contenders(options, direct_patterns("postgresql")) as (made, sockets):
        volume = made["freehold"].volume
        postgres = prepare(made["freehold"], sockets, 20)
        # At 64 MiB/s there is work for longer than pgbench runs.
        (volume.mount_point / "filler").write_bytes(os.urandom(1 << 20) * 64 * options.seconds)
        os.sync()
        postgres.start()

        def alone():
            return {"TPC-B tx/s": pgbench(postgres, [], options.seconds, 8)[1]}

        def beside():
            result = volume.volume("re-encrypt")
            assert result.code == OK, result
            rate = alone()
            state = volume.status()["reencryption"]["state"]
            assert state in ("counting", "running"), f"{state} before pgbench was done"
            wait_for("the end of the re-encryption", lambda: (
                volume.status()["reencryption"]["state"] == "done"), 300)
            return rate

        try:
            modes = {"alone": alone, "re-encrypting": beside}
            figures = run(modes, [lambda mode: mode()], options.rounds)
        finally:
            postgres.stop()
    report("Re-encryption beside pgbench",
           f"Scale 20, 8 clients, {options.seconds} s a run, at the default rate of 64 MiB/s, "
           f"{options.rounds} rounds", figures,
           [Compared("TPC-B tx/s", "re-encrypting", "alone", at_least=0.8)], options.results)
    return ()


PARTS = {"opening": opening, "memory": memory, "sealing": sealing, "reencrypting": reencrypting}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--open-files", type=int, default=10_000)
    parser.add_argument("--churn", type=int, default=1_000_000)
    parser.add_argument("--cached-gib", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--results", type=pathlib.Path, help="append the tables to this file")
    options = parser.parse_args()
    lines = [f"### Scale\n\n{machine()}.\n", "| what | measured | bar |", "|---|---|---|"]
    for name in options.parts:
        for what, measured, bar in PARTS[name](options):
            lines.append(f"| {what} | {measured} | {bar} |")
            print(lines[-1], flush=True)
    if options.results is not None and len(lines) > 3:
        with open(options.results, "a", encoding="utf-8") as results:
            results.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
