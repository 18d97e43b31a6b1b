#!/usr/bin/python3
"""pgbench on a plain directory, gocryptfs, Freehold with a null cipher, and Freehold.

One PostgreSQL per contender, all made alike; in every round each runs TPC-B and select-only for a
few seconds, in random order, one at a time. Printed: the median of the per-round ratios to the
plain directory and to gocryptfs, with the spread, and the versions. Never a lone absolute figure:
what a machine does in a second says little about another.

  make bench                      # 10 rounds of 4 s, scale 20
  bench/pgbench.py --rounds 20 --seconds 10 --clients 8
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("FREEHOLD_BIN", str(ROOT / "build/freehold"))
sys.path.insert(0, str(ROOT / "tests"))

from freehold_testing import BINARY, EmbeddedKms, Volume  # noqa: E402
from postgres_testing import BIN, Postgres, as_postgres  # noqa: E402


class Plain:
    name = "plain"

    def __init__(self, base, _kms):
        self.mount_point = base

    def stop(self):
        pass


class Gocryptfs:
    name = "gocryptfs"

    def __init__(self, base, _kms):
        cipher, self.mount_point = base / "cipher", base / "mnt"
        cipher.mkdir()
        self.mount_point.mkdir()
        password = base / "password"
        password.write_text("only for the benchmark\n")
        subprocess.run(["gocryptfs", "-q", "-init", "-passfile", password, cipher], check=True)
        subprocess.run(["gocryptfs", "-q", "-allow_other", "-passfile", password, cipher,
                        self.mount_point], check=True)

    def stop(self):
        subprocess.run(["fusermount3", "-u", "-z", self.mount_point], check=False)


class Freehold:
    name = "freehold"
    cipher = "aes-256-xts"
    direct = tomllib.loads((ROOT / "profiles/postgresql.toml").read_text())["direct"]

    def __init__(self, base, kms):
        self.volume = Volume(kms, base).create("--cipher", self.cipher)
        flags = [word for pattern in self.direct for word in ("--direct", pattern)]
        mounted = self.volume.volume("mount", self.volume.mount_point, "--allow-null-cipher", *flags)
        assert mounted.code == 0, mounted
        self.mount_point = self.volume.mount_point

    def stop(self):
        self.volume.clean_up()


class FreeholdNull(Freehold):
    name = "null-cipher"
    cipher = "null"


class FreeholdCached(Freehold):
    """Without the profile's direct files: shows what they are worth. Only when asked for."""

    name = "freehold-cached"
    direct = []


CONTENDERS = [Plain, Gocryptfs, FreeholdNull, Freehold, FreeholdCached]
STANDARD = ["plain", "gocryptfs", "null-cipher", "freehold"]
WORKLOADS = {"tpcb": [], "select": ["-S"]}


def prepare(contender, sockets, scale):
    os.chmod(contender.mount_point, 0o777)
    postgres = Postgres(contender.mount_point / "pgdata", sockets)
    postgres.initialise()
    with open(postgres.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write("shared_buffers = 64MB\nmax_wal_size = 1GB\nautovacuum = off\n")
    postgres.start()
    postgres.client("pgbench", "-i", "-q", "-s", scale, "postgres",
                    stderr=subprocess.DEVNULL).wait()
    postgres.psql("checkpoint")
    postgres.stop()
    return postgres


def measure(postgres, flags, seconds, clients):
    postgres.start()
    try:
        done = subprocess.run(
            [BIN / "pgbench", "-h", postgres.sockets, "-p", str(postgres.port), "-n", "-M",
             "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), *flags, "postgres"],
            capture_output=True, text=True, check=True, cwd="/", **as_postgres())
    finally:
        postgres.stop()
    assert "number of failed transactions: 0" in done.stdout, done.stdout
    return float(re.search(r"tps = ([0-9.]+)", done.stdout)[1])


def summary(results, workload, top, bottom):
    ratios = sorted(r[workload][top] / r[workload][bottom] for r in results)
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"workload": workload, "of": top, "to": bottom, "rounds": len(ratios),
            "median": round(statistics.median(ratios), 3),
            "quartiles": [round(quartiles[0], 3), round(quartiles[2], 3)]}


def versions():
    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split(
            "\n")[0]

    return {"kernel": os.uname().release, "cpus": os.cpu_count(),
            "postgres": first_line(BIN / "postgres", "--version"),
            "gocryptfs": first_line("gocryptfs", "--version"),
            "freehold": first_line(BINARY, "--version")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--scale", type=int, default=20)
    parser.add_argument("--only", nargs="*", help="names of contenders")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [c for c in CONTENDERS if c.name in (options.only or STANDARD)]

    base = pathlib.Path(tempfile.mkdtemp(prefix="freehold-bench-"))
    base.chmod(0o755)
    sockets = base / "sockets"
    sockets.mkdir()
    sockets.chmod(0o777)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        kms = EmbeddedKms(base / "kms")
        stack.callback(kms.stop)
        servers = {}
        for kind in chosen:
            directory = base / kind.name
            directory.mkdir()
            directory.chmod(0o755)
            contender = kind(directory, kms)
            stack.callback(contender.stop)
            print(f"preparing {kind.name}", file=sys.stderr, flush=True)
            servers[kind.name] = prepare(contender, sockets, options.scale)
        results = []
        for number in range(options.rounds):
            results.append({workload: {} for workload in WORKLOADS})
            for name in random.sample(list(servers), len(servers)):
                for workload, flags in WORKLOADS.items():
                    tps = measure(servers[name], flags, options.seconds, options.clients)
                    results[-1][workload][name] = tps
            print(f"round {number + 1}: {json.dumps(results[-1])}", file=sys.stderr, flush=True)

    pairs = [("freehold", "gocryptfs"), ("freehold", "null-cipher"), ("freehold", "plain"),
             ("null-cipher", "plain"), ("gocryptfs", "plain"),
             ("freehold", "freehold-cached")]
    rows = [summary(results, workload, top, bottom) for workload in WORKLOADS
            for top, bottom in pairs if top in servers and bottom in servers]
    if options.json:
        print(json.dumps({"versions": versions(), "options": vars(options), "ratios": rows}))
        return
    print(", ".join(f"{k} {v}" for k, v in versions().items()))
    print(f"pgbench scale {options.scale}, {options.clients} clients, {options.seconds} s a run, "
          f"{options.rounds} rounds interleaved in random order; shared_buffers 64 MB")
    print("| workload | ratio | median | quartiles |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['workload']} | {row['of']} / {row['to']} | {row['median']} "
              f"| {row['quartiles'][0]} to {row['quartiles'][1]} |")


if __name__ == "__main__":
    main()
