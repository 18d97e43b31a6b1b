#!/usr/bin/python3
"""MariaDB: sysbench's OLTP mix and its point selects, with a buffer pool smaller than the data.

Without securefs, on which a server cannot make its socket.

  bench/mariadb.py --rounds 20 --seconds 10
"""

import os
import re
import subprocess

from contenders import contenders, direct_patterns, flags
from mariadb_testing import MariaDb
from postgres_testing import free_port
from rounds import Compared, first_line, report, run
from servers import Server

WORKLOADS = {"oltp_read_write": "OLTP read/write tx/s", "oltp_point_select": "point select tx/s"}
POOL = "32M"


def comparisons():
    for what in WORKLOADS.values():
        yield Compared(what, "freehold", "null-cipher", at_least=0.97)
        yield Compared(what, "freehold", "plain")
        yield Compared(what, "null-cipher", "plain")
        yield Compared(what, "freehold", "gocryptfs")


def sysbench(database, test, options, command, *more):
    done = subprocess.run(
        ["sysbench", test, f"--mysql-socket={database.socket}", "--mysql-user=root",
         "--mysql-db=test", "--tables=4", f"--table-size={options.rows}", *more, command],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prepare(contender, sockets, options):
    server = Server("mariadb", contender.mount_point, sockets / f"{contender.name}.log",
                    [f"--innodb-buffer-pool-size={POOL}",
                     "--innodb-buffer-pool-dump-at-shutdown=0"], port=free_port())
    server.start()
    database = MariaDb(contender.mount_point)
    database.query("select 1")  # makes its schema
    sysbench(database, "oltp_read_write", options, "prepare")
    server.stop()
    return server, database


def workload(servers, options):
    def measure(contender):
        server, database = servers[contender.name]
        server.start()
        try:
            rates = {}
            for test, what in WORKLOADS.items():
                said = sysbench(database, test, options, "run", f"--threads={options.clients}",
                                f"--time={options.seconds}")
                rates[what] = float(re.search(r"transactions: .*\(([0-9.]+) per sec", said)[1])
            return rates
        finally:
            server.stop()
            os.sync()
    return measure


def main():
    parser = flags(__doc__, only=["plain", "gocryptfs", "null-cipher", "freehold"])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=50_000, help="in each of 4 tables")
    options = parser.parse_args()
    with contenders(options, direct_patterns("mariadb")) as (made, sockets):
        servers = {name: prepare(each, sockets, options) for name, each in made.items()}
        figures = run(made, [workload(servers, options)], options.rounds)
    report("MariaDB, sysbench",
           f"{first_line('mariadbd', '--version')}, {first_line('sysbench', '--version')}; "
           f"4 tables of {options.rows} rows, buffer pool {POOL}, {options.clients} threads, "
           f"{options.seconds} s a run, {options.rounds} rounds",
           figures, comparisons(), options.results)


if __name__ == "__main__":
    main()
