#!/usr/bin/python3
"""ClickHouse: INSERT and a scan of every column, from the page cache and from below the mount.

  bench/clickhouse.py --rounds 20 --rows 5000000
"""

import os
import statistics
import time

from contenders import contenders, direct_patterns, flags  # first: it knows where tests/ is
from clickhouse_testing import ClickHouseServer
from postgres_testing import free_port
from rounds import Compared, report, run
from servers import Server

INSERT, COLD, WARM = "insert rows/s", "scan rows/s, cache dropped", "scan rows/s, cached"
MADE = ("select number, cityHash64(number), toString(cityHash64(number + 1)), number % 1000"
        " from system.numbers limit {rows}")
SCANS = 7  # a round, each a quarter of a second
SCAN = "select sum(number), sum(hash), sum(length(text)), sum(few) from measured"


def comparisons():
    for what in (INSERT, COLD, WARM):
        yield Compared(what, "freehold", "null-cipher", at_least=0.97)
        yield Compared(what, "freehold", "plain")
        yield Compared(what, "null-cipher", "plain")
        yield Compared(what, "freehold", "gocryptfs")


def drop_cached_pages(directory):
    """Of this mount only; files below it stay in the cache."""
    for folder, _, names in os.walk(directory):
        for name in names:
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def prepare(contender, sockets):
    """A server that stays up: it is idle while others are measured."""
    database = ClickHouseServer(contender.mount_point)
    server = Server("clickhouse", contender.mount_point, sockets / f"{contender.name}.log",
                    http_port=database.port, port=free_port(), interserver_port=free_port())
    server.start()
    return server, database


def workload(servers, options):
    def measure(contender):
        _, database = servers[contender.name]
        # No order in it, so that no merge runs beside the scan.
        database.query("create table measured (number UInt64, hash UInt64, text String, few UInt16)"
                       " engine = MergeTree order by tuple()")
        database.query("system stop merges")

        def rate(sql):
            start = time.perf_counter()
            database.query(sql)
            return options.rows / (time.perf_counter() - start)

        inserted = rate("insert into measured " + MADE.format(rows=options.rows))
        os.sync()
        cold, warm = [], []
        for _ in range(SCANS):
            drop_cached_pages(database.data)
            cold.append(rate(SCAN))
            warm.append(rate(SCAN))
        database.query("drop table measured")
        os.sync()
        return {INSERT: inserted, COLD: statistics.median(cold), WARM: statistics.median(warm)}
    return measure


def main():
    parser = flags(__doc__, only=["plain", "gocryptfs", "null-cipher", "freehold"])
    parser.add_argument("--rows", type=int, default=4_000_000)
    options = parser.parse_args()
    with contenders(options, direct_patterns("clickhouse")) as (made, sockets):
        servers = {}
        try:
            for name, each in made.items():
                servers[name] = prepare(each, sockets)
            version = next(iter(servers.values()))[1].version()
            figures = run(made, [workload(servers, options)], options.rounds)
        finally:
            for server, _ in servers.values():
                server.stop()
    report("ClickHouse",
           f"ClickHouse {version}, MergeTree, {options.rows} rows of four columns, LZ4, "
           f"{options.rounds} rounds",
           figures, comparisons(), options.results)


if __name__ == "__main__":
    main()
