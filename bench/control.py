#!/usr/bin/python3
"""The control plane at its full size: many agents at one server, many clusters in one store.

agents: until all have connected, reported and are confirmed; memory with all of them, how fast a revoke
reaches them, and how they come back after a restart of the server; --no-reports: they only listen, and
each holds one connection. statuses: reads at a fixed rate over a store with many clusters, each
counted from when it was due. rotations: how many keys of clusters a server can change a second when
the KMS answers at once. revoke: from a request, and from a denial at the KMS, to fenced and sealed, on
a real volume. Agents are simulated (control_agents.py) but for `revoke`.
"""

import argparse
import asyncio
import concurrent.futures
import http.client
import json
import os
import pathlib
import sqlite3
import statistics
import sys
import threading
import time
import uuid

from contenders import EmbeddedKms, cpu_seconds, temporary_directory, wait_for  # the first: it sets paths
from agent_testing import CLUSTERS, Service
from control_agents import Fleet, wait_until
from kms import until_fenced
from postgres_testing import free_port
from rounds import hardware, show
from server_testing import Server, spec, specs


def memory_of(pid, what="VmRSS"):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{what}:")[1].split()[0]) / 1024  # MiB


def at(values, part):
    values = sorted(values)
    return values[max(0, int(len(values) * part) - 1)]


def load():
    return f"load {os.getloadavg()[0]:.1f}"


class Bench:
    """A server whose operator and customer ask over connections that they keep."""

    def __init__(self, base, *options):
        self.server = Server(base / "server", *options)
        self.server.requests_per_second = 100_000
        self.server.restart()
        self.drain()
        self.organization, self.admin = self.server.new_organization("bench")
        self.own = threading.local()

    def drain(self):
        # What it says of each agent would fill the pipe, and then it would wait.
        threading.Thread(target=self.server.process.stderr.read, daemon=True).start()

    def ask(self, method, path, key, body=None):
        connection, used = getattr(self.own, "connection", None), getattr(self.own, "used", 0)
        # The server ends one that was silent for a minute.
        if connection is None or self.own.url != self.server.url or time.monotonic() - used > 30:
            self.own.url = self.server.url
            connection = self.own.connection = http.client.HTTPConnection(
                self.server.url.removeprefix("http://"), timeout=120)
        connection.request(method, path, json.dumps(body).encode() if body is not None else None,
                           {"authorization": f"Bearer {key}", "content-type": "application/json"})
        answer = connection.getresponse()
        self.own.used = time.monotonic()
        return answer.status, answer.read()

    def made(self, path, key, body):
        status, text = self.ask("POST", path, key, body)
        assert status == 200, text
        return json.loads(text)

    def restart(self):
        self.server.restart()
        self.drain()

    def clusters(self, count, nodes):
        """Under a customer's key, in regions of at most 100 nodes: (cluster, region) of each node."""
        places = []
        for number in range(count):
            regions = {f"r{n:02}": min(100, nodes - n * 100) for n in range((nodes + 99) // 100)}
            cluster = self.made(CLUSTERS, self.admin, {
                "name": f"c{number}", "spec": {"dedicated": {
                    "region_nodes": regions,
                    "cmek_region_specs": specs(*regions)["region_specs"]}}})["id"]
            places += [(cluster, region) for region, here in regions.items() for _ in range(here)]
        return places

    def tokens(self, places):
        return [self.made("/api/v1/join-tokens", self.server.operator_key,
                          {"region": region, "cluster_id": cluster})["token"]
                for cluster, region in places]


# ---- agents ----


def connected(fleet, bench):
    """Until every one is told what is wanted: how long it took."""
    begin = time.monotonic()
    fleet.connect()
    wait_until("all are told", lambda: fleet.board.all_set(fleet.board.told_open))
    return time.monotonic() - begin


def changes(bench):
    with sqlite3.connect(bench.server.directory / "freehold.db") as db:
        return db.execute("SELECT revision FROM state").fetchone()[0]


def settled(bench, fleet, places):
    """Until every one's report was answered and every cluster's key is confirmed: lines of the table."""
    board, pid, count = fleet.board, bench.server.process.pid, len(places)
    begin, cpu, before = time.monotonic(), cpu_seconds(pid), changes(bench)
    wait_until("all have reported", lambda: board.all_set(board.reports))
    reported = time.monotonic() - begin

    def is_enabled(cluster):
        return b'"status":"ENABLED"' in bench.ask("GET", f"{CLUSTERS}/{cluster}/cmek", bench.admin)[1][:40]
    for cluster in dict.fromkeys(cluster for cluster, _ in places):
        wait_until("ENABLED", lambda cluster=cluster: is_enabled(cluster))
    return [
        f"| then all have reported, and all clusters are ENABLED | {reported:.1f} and "
        f"{time.monotonic() - begin:.1f} s, {cpu_seconds(pid) - cpu:.1f} s of a processor |",
        f"| for each agent until then: reports, connections for them, changes of the store | "
        f"{sum(board.reports) / count:.2f}, {sum(board.report_connections) / count:.2f}, "
        f"{(changes(bench) - before) / count:.2f} |"]


def revoked(bench, board, places, reports):
    """Delays of each agent, from the answer of its cluster's revoke; and until REVOKED is said, which
    takes a report of each."""
    answered, said = {}, {}
    for cluster in dict.fromkeys(cluster for cluster, _ in places):
        begin = time.monotonic()
        status, text = bench.ask("PATCH", f"{CLUSTERS}/{cluster}/cmek", bench.admin, {"action": "REVOKE"})
        assert status == 200, text
        answered[cluster] = (begin, time.monotonic())
    wait_until("all are told", lambda: board.all_set(board.told_revoked))
    for cluster in answered if reports else ():
        def is_revoked(cluster=cluster):
            return b'"status":"REVOKED"' in bench.ask(
                "GET", f"{CLUSTERS}/{cluster}/cmek", bench.admin)[1][:40]
        wait_until("REVOKED", is_revoked)
        said[cluster] = time.monotonic() - answered[cluster][0]
    told = [board.told_revoked[place] - answered[cluster][1]
            for place, (cluster, _) in enumerate(places)]
    return told, list(said.values()) or [float("nan")]


def back_again(bench, fleet):
    """After the server's restart: until the last is told, and how often each one tried."""
    board = fleet.board
    bench.server.stop()
    wait_until("all are cut off", lambda: not any(board.connected))
    before = sum(board.attempts)
    bench.server.start()
    bench.drain()
    begin = time.monotonic()
    times = []

    def looked():
        start = time.monotonic()
        bench.server.ask("GET", CLUSTERS, bench.admin)
        times.append(time.monotonic() - start)
        return board.all_set(board.connected)
    wait_until("all are back", looked)
    last = [moment - begin for moment in board.connected]
    return last, (sum(board.attempts) - before) / len(last), times


def agents_table(options, bench):
    nodes = min(options.cluster_nodes, options.agents)
    places = bench.clusters(options.agents // nodes, nodes)
    begin = time.monotonic()
    fleet = Fleet(bench.tokens(places), options.reports, options.processes)
    joining = time.monotonic() - begin
    pid = bench.server.process.pid
    try:
        cpu = cpu_seconds(pid)
        told = connected(fleet, bench)
        connecting = cpu_seconds(pid) - cpu
        settling = []
        if options.reports:
            settling = settled(bench, fleet, places)
            print(*settling, sep="\n", file=sys.stderr, flush=True)
            begin, cpu, reports = time.monotonic(), cpu_seconds(pid), sum(fleet.board.reports)
            time.sleep(options.seconds)
            passed = time.monotonic() - begin
            busy = (cpu_seconds(pid) - cpu) / passed
            rate = (sum(fleet.board.reports) - reports) / passed
        else:
            busy = rate = 0
        memory, peak = memory_of(pid), memory_of(pid, "VmHWM")
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        print(f"told {told:.1f} s, {connecting:.1f} s of a processor, {rate:.0f} reports/s by {busy:.2f}, {memory:.0f} and {peak:.0f} MiB, "
              f"{descriptors} descriptors", file=sys.stderr, flush=True)
        last, attempts, asked = back_again(bench, fleet)
        pid = bench.server.process.pid
        again = memory_of(pid, "VmHWM")
        if options.reports:
            counted = list(fleet.board.reports)
            wait_until("all have reported again", lambda: all(
                now > then for now, then in zip(fleet.board.reports, counted)))
        delays, said = revoked(bench, fleet.board, places, options.reports)
    finally:
        fleet.stop()
    return "\n".join([
        f"### {len(places)} agents at one server", "",
        f"SQLite, clusters of {nodes} nodes, each revoked by one request, one after the other; "
        f"{'each agent reports' if options.reports else 'agents that do not report'}. "
        f"{hardware()}; {load()}.", "",
        "| what | figure |", "|---|---|",
        f"| join, four at a time | {joining / len(places) * 1000:.1f} ms each |",
        f"| all connect and are told | {told:.1f} s, {connecting:.1f} s of a processor by the server |",
        *settling,
        f"| reports answered | {rate:.0f} a second, by {busy:.2f} of a processor |",
        f"| server's memory, and its peak | {memory:.0f} and {peak:.0f} MiB, "
        f"{memory * 1024 / len(places):.0f} KiB an agent |",
        f"| its descriptors | {descriptors} |",
        f"| revoke answered to agent told, median, p99, last | {statistics.median(delays):.2f}, "
        f"{at(delays, 0.99):.2f}, {max(delays):.2f} s |",
        f"| revoke to REVOKED, each cluster: median, last | {statistics.median(said):.2f}, "
        f"{max(said):.2f} s |",
        f"| after a restart: told again, median, p99, last | {statistics.median(last):.1f}, "
        f"{at(last, 0.99):.1f}, {max(last):.1f} s |",
        f"| attempts to connect for each agent then | {attempts:.1f} |",
        f"| a customer's request meanwhile, median and longest | {statistics.median(asked) * 1e3:.0f} and "
        f"{max(asked) * 1e3:.0f} ms |",
        f"| server's peak of memory then | {again:.0f} MiB |", ""])


# ---- statuses ----


def multiplied(bench, count):
    """`count` clusters in the store, each with a node that has reported: one by the API, the others
    copies of its records, as a hundred thousand requests would take an hour."""
    places = bench.clusters(1, 1)
    fleet = Fleet(bench.tokens(places), True, 1)
    fleet.connect()
    wait_until("a report", lambda: fleet.board.all_set(fleet.board.reports))
    fleet.stop()
    bench.server.stop()
    cluster = places[0][0]
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with sqlite3.connect(bench.server.directory / "freehold.db") as db:
        rows = db.execute("SELECT kind, id, owner, name, revision, body FROM records "
                          "WHERE id = ?1 OR owner = ?1", (cluster,)).fetchall()
        node = next(row[1] for row in rows if row[2] == cluster)
        for number, fresh in enumerate(ids):
            other = str(uuid.uuid4())

            def renamed(text):
                return text if text is None else text.replace(cluster, fresh).replace(node, other)
            db.executemany("INSERT INTO records (kind, id, owner, name, revision, body) "
                           "VALUES (?, ?, ?, ?, ?, ?)", [
                               (kind, renamed(id), renamed(owner), name and f"n{number}", revision,
                                renamed(body)) for kind, id, owner, name, revision, body in rows])
    bench.server.start()
    bench.drain()
    return ids


async def reads(url, key, ids, rate, seconds):
    """At fixed moments, whatever the answers do; seconds from when each was due to its answer."""
    host, port = url.removeprefix("http://").split(":")
    free, took, failed = asyncio.Queue(), [], []
    for _ in range(64):
        free.put_nowait(await asyncio.open_connection(host, int(port)))

    async def one(number, due):
        reader, writer = await free.get()
        writer.write(b"GET %s/%s/cmek HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n\r\n" % (
            CLUSTERS.encode(), ids[number % len(ids)].encode(), key.encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        took.append(time.monotonic() - due)
        if b" 200 " not in head[:20]:
            failed.append(head)
        free.put_nowait((reader, writer))

    begin, tasks = time.monotonic(), []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        tasks.append(asyncio.ensure_future(one(number * 7919, due)))
    await asyncio.gather(*tasks)
    assert not failed, failed[0]
    return took, time.monotonic() - begin


def _reads(*words):
    return asyncio.run(reads(*words))


def statuses_table(options, bench):
    ids = multiplied(bench, options.clusters)
    lines = []
    for _ in range(options.rounds):
        pid, cpu, begin = bench.server.process.pid, cpu_seconds(bench.server.process.pid), time.monotonic()
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            parts = [pool.submit(_reads, bench.server.url, bench.admin, ids[part::2], options.rate / 2,
                                 options.seconds) for part in range(2)]
            took = [value for part in parts for value in part.result()[0]]
            passed = max(part.result()[1] for part in parts)
        busy = (cpu_seconds(pid) - cpu) / (time.monotonic() - begin)
        lines.append(f"| {len(took) / passed:.0f} a second | {statistics.median(took) * 1e3:.1f} ms | "
                     f"{at(took, 0.99) * 1e3:.1f} ms | {max(took) * 1e3:.0f} ms | {busy:.2f} | "
                     f"{load()} |")
    return "\n".join([
        f"### Status reads over {options.clusters} clusters", "",
        f"SQLite, one node to a cluster; {options.rate} reads a second of `GET .../cmek` by two "
        f"processes beside the server, {options.seconds} s each, the time counted from when each was "
        f"due; the server had {memory_of(bench.server.process.pid):.0f} MiB. {hardware()}.", "",
        "| answered | median | p99 | longest | processors used by the server | |",
        "|---|---|---|---|---|---|", *lines, ""])


# ---- rotations ----


def rotations_table(options, bench):
    places = bench.clusters(options.rotations, 1)
    fleet = Fleet(bench.tokens(places), True, 2)
    refused = 0
    try:
        connected(fleet, bench)
        wait_until("all have reported", lambda: fleet.board.all_set(fleet.board.reports))

        def rotate(number):
            nonlocal refused
            body = {"region_specs": [spec(places[number][1], f"new{number}")]}
            while True:
                status, text = bench.ask("PUT", f"{CLUSTERS}/{places[number][0]}/cmek", bench.admin, body)
                if status == 200:
                    return time.monotonic()
                assert status == 503, text
                refused += 1
                time.sleep(0.1)
        pid = bench.server.process.pid
        begin, cpu = time.monotonic(), cpu_seconds(pid)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            taken = max(pool.map(rotate, range(len(places))))

        def statuses():
            return all(b'"status":"ENABLED"' in bench.ask(
                "GET", f"{CLUSTERS}/{cluster}/cmek", bench.admin)[1][:40] for cluster, _ in places)
        wait_until("all are ENABLED", statuses)
        ended, used = time.monotonic(), cpu_seconds(pid) - cpu
    finally:
        fleet.stop()
    count = len(places)
    return "\n".join([
        f"### {count} rotations", "",
        f"SQLite, one node to a cluster, agents whose KMS answers at once, eight requests at a time. "
        f"{hardware()}; {load()}.", "",
        "| what | figure |", "|---|---|",
        f"| accepted, after both keys were tried | {count / (taken - begin):.1f} a second |",
        f"| all ENABLED after | {ended - begin:.1f} s |",
        f"| told to try again | {refused} |",
        f"| the server's processor time for each | {used / count * 1e3:.1f} ms |", ""])


# ---- revoke ----


def revoke_table(options, base):
    figures = {}
    kms = EmbeddedKms(base / "kms")
    service = Service(kms, base)
    try:
        key = service.new_key()
        cluster = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
        host = service.host().join(words=("--check-interval", "1s"))
        service.wait_status(cluster, "ENABLED")
        file = host.mount / "file"

        def once(way, deny, give_back, sealed):
            wait_for("open", lambda: os.path.ismount(host.mount) and service.nodes(
                cluster)[0]["custody"] == "open", 60)
            file.write_bytes(bytes(4096))
            time.sleep(1)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                fenced = pool.submit(until_fenced, file)
                begin = time.perf_counter()
                deny()
                figures.setdefault((way, "fenced"), []).append(fenced.result() - begin)
                wait_for("sealed", sealed, 60)
                figures.setdefault((way, "sealed, and said so"), []).append(time.perf_counter() - begin)
            give_back()

        for _ in range(options.rounds):
            once("API", lambda: service.act(cluster, "REVOKE"),
                 lambda: service.act(cluster, "RESTORE", service.custodian),
                 lambda: service.cmek(cluster)["status"] == "REVOKED")
            once("KMS", lambda: kms.client("kms").disable_key(KeyId=key),
                 lambda: kms.client("kms").enable_key(KeyId=key),
                 lambda: service.nodes(cluster)[0]["custody"] == "sealed")
    finally:
        service.clean_up()
        kms.stop()
    rows = [f"| {way} | {what} | {statistics.median(values):.2f} s | {min(values):.2f} to "
            f"{max(values):.2f} s |" for (way, what), values in figures.items()]
    return "\n".join([
        "### From revoke to fenced and sealed", "",
        f"A real agent and volume, no database on it, {options.rounds} rounds; check interval 1 s, "
        "second look after 0.2 s; counted from before the request, sealed until the control plane "
        f"says so. {hardware()}; {load()}.", "",
        "| by | until | median | range |", "|---|---|---|---|", *rows, ""])


TABLES = {"agents": agents_table, "statuses": statuses_table, "rotations": rotations_table}
SHORT = {"agents": 100, "cluster_nodes": 50, "clusters": 500, "rate": 200, "seconds": 2, "rounds": 1,
         "rotations": 10}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("--workloads", nargs="+", default=[*TABLES, "revoke"], choices=[*TABLES, "revoke"])
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--cluster-nodes", type=int, default=100, help="agents of one cluster")
    parser.add_argument("--no-reports", dest="reports", action="store_false")
    parser.add_argument("--processes", type=int, default=4, help="that the agents are in")
    parser.add_argument("--clusters", type=int, default=100_000, help="in the store, for statuses")
    parser.add_argument("--rate", type=int, default=2000, help="status reads a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rotations", type=int, default=1000)
    parser.add_argument("--short", action="store_true", help="small numbers: that it works")
    parser.add_argument("--results", type=pathlib.Path, help="append the tables to this file")
    options = parser.parse_args()
    if options.short:
        vars(options).update(SHORT)
    for workload in options.workloads:
        with temporary_directory("freehold-bench-") as base:
            if workload == "revoke":
                show(revoke_table(options, base), options.results)
                continue
            bench = Bench(base, "--agents-listen", f"127.0.0.1:{free_port()}")
            try:
                show(TABLES[workload](options, bench), options.results)
            finally:
                bench.server.process.terminate()
                bench.server.process.wait(timeout=60)


if __name__ == "__main__":
    main()
