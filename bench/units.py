#!/usr/bin/python3
"""Units of 4 KiB against one reused OpenSSL context in the same program (units.cc).

  bench/units.py --rounds 1000
"""

import argparse
import os
import pathlib
import subprocess

from contenders import BINARY
from rounds import Compared, report

OPENSSL = {"encrypt": "openssl-encrypt", "decrypt": "openssl-decrypt", "decode": "openssl-decrypt"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--results", type=pathlib.Path, help="append the table to this file")
    options = parser.parse_args()
    program = os.path.dirname(BINARY) + "/freehold_bench_units"
    said = subprocess.run([program, str(options.rounds)], capture_output=True, text=True,
                          check=True)
    figures = {}
    for line in said.stdout.splitlines():
        words = line.split()
        for name, nanoseconds in zip(words[::2], words[1::2]):
            figures.setdefault(("units/s", name), []).append(1e9 / float(nanoseconds))
    report("Units of 4 KiB",
           f"AES-256-XTS, runs of 128 KiB in place, {options.rounds} rounds; "
           "decode is decrypt with the rule for zeros",
           figures,
           [Compared("units/s", ours, theirs, at_least=0.9) for ours, theirs in OPENSSL.items()],
           options.results)


if __name__ == "__main__":
    main()
