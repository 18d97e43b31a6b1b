#!/usr/bin/python3
"""pgbench: TPC-B and select-only, data larger than shared_buffers, one PostgreSQL per contender.

The servers are made alike, and stay up: after a start PostgreSQL writes each page that it touches
into its log as a whole, which would be most of what short runs show. One works at a time. CPU time
is that of the server's processes and of the mount's daemon, without the client and the kernel's own
threads.

  bench/pgbench.py --rounds 20 --seconds 10
  bench/pgbench.py --slow-flush --workloads tpcb
"""

import contextlib
import os
import re
import subprocess
import time

from contenders import contenders, cpu_seconds, direct_patterns, flags
from postgres_testing import BIN, Postgres, as_postgres
from process_testing import with_descendants
from rounds import Compared, report, run

WORKLOADS = {"tpcb": ("TPC-B", []), "select": ("select-only", ["-S"])}
SETTINGS = "shared_buffers = 64MB\nmax_wal_size = 4GB\ncheckpoint_timeout = 1h\nautovacuum = off\n"


def comparisons(slow_flush):
    """The bars. With a slow flush there is one more, and those that are about speed alone go."""
    for what, gocryptfs in (("TPC-B", 1.2), ("select-only", 2.5)):
        yield Compared(f"{what} tx/s", "freehold", "null-cipher", at_least=0.97)
        yield Compared(f"{what} tx/s", "freehold", "gocryptfs",
                       at_least=None if slow_flush else gocryptfs)
        yield Compared(f"{what} tx/s", "freehold", "securefs")
        yield Compared(f"{what} tx/s", "freehold", "plain", at_least=0.95 if slow_flush else None)
        for other in ("null-cipher", "gocryptfs", "securefs"):
            yield Compared(f"{what} tx/s", other, "plain")
        yield Compared(f"{what} tx/s", "freehold", "cached-log")
        yield Compared(f"{what} CPU us/tx", "freehold", "plain", unit="us",
                       at_most=None if slow_flush else 20)
        yield Compared(f"{what} CPU us/tx", "null-cipher", "plain", unit="us")
        yield Compared(f"{what} CPU us/tx", "gocryptfs", "plain", unit="us")


def prepare(contender, sockets, scale):
    postgres = Postgres(contender.mount_point / "pgdata", sockets)
    postgres.initialise()
    with open(postgres.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write(SETTINGS)
    postgres.start()
    done = postgres.client("pgbench", "-i", "-q", "-s", scale, "postgres",
                           stderr=subprocess.DEVNULL).wait()
    assert done == 0
    postgres.psql("checkpoint")
    postgres.stop()
    return postgres


def server_cpu(postgres):
    """Of all its processes, and of those that have ended, which the first one has waited for."""
    first = postgres.process.pid
    return sum(cpu_seconds(pid, children=pid == first) for pid in with_descendants(first))


def pgbench(postgres, more, seconds, clients):
    """Transactions, and how many of them in a second."""
    done = subprocess.run(
        [BIN / "pgbench", "-h", postgres.sockets, "-p", str(postgres.port), "-n", "-M", "prepared",
         "-c", str(clients), "-j", "2", "-T", str(seconds), *more, "postgres"],
        capture_output=True, text=True, check=True, cwd="/", **as_postgres())
    assert "number of failed transactions: 0" in done.stdout, done.stdout
    return (int(re.search(r"actually processed: (\d+)", done.stdout)[1]),
            float(re.search(r"tps = ([0-9.]+)", done.stdout)[1]))


def workload(servers, title, more, options):
    def measure(contender):
        postgres = servers[contender.name]
        pgbench(postgres, more, 1, options.clients)  # caches
        before = server_cpu(postgres) + contender.daemon_cpu()
        transactions, rate = pgbench(postgres, more, options.seconds, options.clients)
        time.sleep(0.2)  # until its backends have ended and were waited for
        used = server_cpu(postgres) + contender.daemon_cpu() - before
        os.sync()  # what one leaves behind is not written in the next one's time
        return {f"{title} tx/s": rate, f"{title} CPU us/tx": used / transactions * 1e6}
    return measure


def main():
    parser = flags(__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=20, help="seconds of TPC-B at the start")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--scale", type=int, default=20)
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        made, sockets = stack.enter_context(contenders(options, direct_patterns("postgresql")))
        servers = {name: prepare(each, sockets, options.scale) for name, each in made.items()}
        for postgres in servers.values():
            postgres.start()
            stack.callback(postgres.stop)
            pgbench(postgres, [], options.warm_up, options.clients)
            os.sync()
        chosen = [workload(servers, *WORKLOADS[name], options) for name in options.workloads]
        figures = run(made, chosen, options.rounds)
    title = "PostgreSQL, pgbench" + (", each flush 1 ms or more" if options.slow_flush
                                     else ", a disk in memory" if options.memory_disk else "")
    report(title,
           f"Scale {options.scale}, {options.clients} clients, {options.warm_up} s of warming up, "
           f"{options.seconds} s a run, {options.rounds} rounds; "
           + ", ".join(SETTINGS.split("\n")[:3]),
           figures, comparisons(options.slow_flush), options.results)


if __name__ == "__main__":
    main()
