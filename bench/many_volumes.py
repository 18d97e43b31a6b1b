#!/usr/bin/python3
"""A host's restart with many volumes: all are opened at once, and the KMS is asked no faster than the
machine's rate allows. How much is asked, and what the processes weigh.

  bench/many_volumes.py --volumes 1000
"""

import argparse
import collections
import concurrent.futures
import pathlib
import statistics
import subprocess
import time

from contenders import temporary_directory
from freehold_testing import BINARY, OK, EmbeddedKms, Volume, wait_for
from process_testing import every_pid, words_of
from rounds import machine, show

USES = ("Encrypt", "Decrypt")


def create(kms, base, number, key):
    volume = Volume(kms, base / f"v{number}", key=key)
    return volume.create()


def prepared(kms, base, options):
    key = kms.new_key()
    for number in range(options.volumes):
        (base / f"v{number}").mkdir()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda n: create(kms, base, n, key), range(options.volumes)))


def mount_all(volumes, options):
    """Every one at once, as a host's start does it."""
    return [
        subprocess.Popen(
            [BINARY, "volume", "mount", volume.directory, volume.mount_point, "--wait-for-key",
             "--state", volume.state, "--request-timeout", options.request_timeout,
             "--reserve", "0"],  # a thousand times 256 MiB is more than most disks have
            env=volume.kms.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for volume in volumes]


def mounted(volumes):
    table = pathlib.Path("/proc/self/mountinfo").read_text()
    return sum(f" {volume.mount_point} " in table for volume in volumes)


def weight(pid):
    """KiB that would be free without it."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def weights(base):
    """Kind of process -> the KiB of each."""
    found = collections.defaultdict(list)
    for pid in every_pid():
        try:
            words = b" ".join(words_of(pid))
            if b"internal guardian" in words and str(base).encode() in words:
                found["guardian"].append(weight(pid))
            elif b"internal kms-helper" in words:
                found["helper of the probes"].append(weight(pid))
            elif b"volume mount" in words and str(base).encode() in words:
                found["daemon"].append(weight(pid))
        except OSError:
            continue
    return found


def uses(events):
    """Requests that use the key, by the second in which they came."""
    return collections.Counter(event["eventTime"][:19] for event in events
                               if event["eventName"] in USES)


def measure(kms, base, options):
    volumes = prepared(kms, base, options)
    before = len(kms.events())
    began = time.monotonic()
    starting = mount_all(volumes, options)
    try:
        wait_for("all volumes", lambda: mounted(volumes) == len(volumes), options.patience)
        took = time.monotonic() - began
        assert [process.wait(options.patience) for process in starting] == [OK] * len(volumes)
        opening = uses(kms.events()[before:])
        settled = len(kms.events())
        time.sleep(options.watch)
        probing = uses(kms.events()[settled:])
        return took, opening, probing, weights(base)
    finally:
        for volume in volumes:
            volume.clean_up()


def table(options, took, opening, probing, found):
    total = sum(opening.values())
    lines = [f"### {options.volumes} volumes opened at once\n\nOne key, one KMS (the embedded one); the "
             "rate is the default of 50 operations a second, ten at once after a rest. "
             f"{machine()}.\n",
             "| figure | value |", "|---|---|",
             f"| all mounted after | {took:.0f} s |",
             f"| uses of the key while opening | {total}, {total / options.volumes:.2f} a volume |",
             f"| most of them in one second | {max(opening.values())} |",
             f"| uses in {options.watch} s afterwards (check interval 60 s) | {sum(probing.values())}, "
             f"at most {max(probing.values(), default=0)} in one second |"]
    for kind, kibibytes in sorted(found.items()):
        lines.append(f"| {kind}: proportional set size, median of {len(kibibytes)} | "
                     f"{statistics.median(kibibytes) / 1024:.1f} MiB |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("--volumes", type=int, default=1000)
    parser.add_argument("--watch", type=int, default=60, help="seconds to count probes for")
    parser.add_argument("--patience", type=int, default=900)
    parser.add_argument("--request-timeout", default="60s", help="processor time is what is scarce")
    parser.add_argument("--results", type=pathlib.Path, help="append the table to this file")
    options = parser.parse_args()
    with temporary_directory("freehold-bench-") as base:
        kms = EmbeddedKms(base / "kms")
        try:
            text = table(options, *measure(kms, base, options))
        finally:
            kms.stop()
    show(text, options.results)


if __name__ == "__main__":
    main()
