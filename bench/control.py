#!/usr/bin/env python3
"""The control plane under many agents: memory, and how fast a revoke reaches all of them.

Simulated agents, in one process beside the server: each joins, holds its event stream over mutual
TLS and answers as an agent does. What is measured is the server; the agents' own work (a seal takes
milliseconds) is bench/kms.py's.
"""

import argparse
import asyncio
import json
import pathlib
import ssl
import statistics
import threading
import time

from contenders import temporary_directory
from node_testing import HandMadeNode
from postgres_testing import free_port
from rounds import machine, show
from server_testing import Server, specs

CLUSTERS = "/api/v1/clusters"
PER_CLUSTER = 2500  # nodes; 25 regions of 100


class Agent:
    """One event stream; knows when it was told what."""

    def __init__(self, node):
        self.node = node
        self.told = {}  # goal: when it was heard first
        self.writer = None

    async def connect(self, context, port):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        self.writer.write(b"GET /agent/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        asyncio.ensure_future(self.follow(reader))

    async def follow(self, reader):
        try:
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self.told.setdefault(json.loads(line[6:])["goal"], time.monotonic())
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass


def memory_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024  # MiB


def new_clusters(server, admin, count):
    """Clusters under a customer's key, and their nodes: (cluster id, region) of each."""
    places = []
    for at in range(0, count, PER_CLUSTER):
        here = min(PER_CLUSTER, count - at)
        regions = {f"r{n:02}": min(100, here - n * 100) for n in range((here + 99) // 100)}
        cluster = server.made(CLUSTERS, admin, {
            "name": f"c{at}", "spec": {"dedicated": {
                "region_nodes": regions,
                "cmek_region_specs": specs(*regions)["region_specs"]}}})["id"]
        places += [(cluster, region) for region, nodes in regions.items() for _ in range(nodes)]
    return places


def joined(server, places):
    agents, begin = [], time.monotonic()
    for cluster, region in places:
        token = server.made("/api/v1/join-tokens", server.operator_key,
                            {"region": region, "cluster_id": cluster})["token"]
        agents.append(Agent(HandMadeNode(token).join()))
    return agents, time.monotonic() - begin


async def until(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the agents were not told in time")
        await asyncio.sleep(0.05)


async def measure(server, admin, agents, clusters, port):
    contexts = [agent.node.context() for agent in agents]
    begin = time.monotonic()
    together = asyncio.Semaphore(200)

    async def connect(agent, context):
        async with together:
            await agent.connect(context, port)
    await asyncio.gather(*map(connect, agents, contexts))
    await until(lambda: all("open" in agent.told for agent in agents))
    connected = time.monotonic() - begin
    memory = memory_of(server.process.pid)
    revoked = {}
    for cluster in clusters:
        answer = await asyncio.to_thread(server.ask, "PATCH", f"{CLUSTERS}/{cluster}/cmek", admin,
                                         {"action": "REVOKE"})
        assert answer.status == 200, answer
        revoked[cluster] = time.monotonic()
    await until(lambda: all("revoked" in agent.told for agent in agents))
    delays = sorted(agent.told["revoked"] - revoked[agent.cluster] for agent in agents)
    for agent in agents:
        agent.writer.close()
    return connected, memory, delays


def table(options, joining, connected, memory, delays):
    p99 = delays[int(len(delays) * 0.99) - 1]
    return "\n".join([
        f"### {options.agents} agents at one server", "",
        f"SQLite, clusters of {PER_CLUSTER} nodes, each revoked by one request. {machine()}.", "",
        "| what | figure |", "|---|---|",
        f"| join, one after the other | {joining / options.agents * 1000:.1f} ms each |",
        f"| all connect and are told | {connected:.1f} s |",
        f"| server's memory then | {memory:.0f} MiB, {memory * 1024 / options.agents:.0f} KiB an agent |",
        f"| revoke answered to agent told, median | {statistics.median(delays):.2f} s |",
        f"| the same, p99 | {p99:.2f} s |", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--results", type=pathlib.Path, help="append the table to this file")
    options = parser.parse_args()
    with temporary_directory("freehold-bench-") as base:
        port = free_port()
        server = Server(base / "server", "--agents-listen", f"127.0.0.1:{port}")
        # What it says of each agent would fill the pipe, and then it would wait.
        threading.Thread(target=server.process.stderr.read, daemon=True).start()
        try:
            admin = server.new_organization("bench")[1]
            places = new_clusters(server, admin, options.agents)
            agents, joining = joined(server, places)
            for agent, (cluster, _) in zip(agents, places):
                agent.cluster = cluster
            clusters = sorted({cluster for cluster, _ in places})
            text = table(options, joining,
                         *asyncio.run(measure(server, admin, agents, clusters, port)))
        finally:
            server.process.terminate()
            server.process.wait(timeout=60)
    show(text, options.results)


if __name__ == "__main__":
    main()
