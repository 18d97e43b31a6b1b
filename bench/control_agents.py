"""Simulated agents of a control plane, many in each of some processes.

Each joins, holds its event stream and a connection for its reports over mutual TLS, as an agent does:
a report goes out after the first event of every stream, when something is new, and every 30 s; who
is cut off waits as an agent waits. What they are told, and when, is in memory that all share. They
hold no volume: what is measured is the server.
"""

import asyncio
import json
import multiprocessing
import random
import time

from node_testing import HandMadeNode

FIRST_WAIT, LONGEST_WAIT, REPORT_INTERVAL = 0.25, 20.0, 30.0  # src/agent/server_link.cc
SEALED = {"custody": "sealed", "custody_reason": "revoked", "database": "down"}
OPEN = {"custody": "open", "custody_reason": "", "database": "ready"}


class Board:
    """What the agents write and the bench reads: a moment for each agent, 0 = not yet."""

    def __init__(self, count):
        self.told_open, self.told_revoked, self.connected, self.confirmed, self.key_told = (
            multiprocessing.Array("d", count, lock=False) for _ in range(5))
        self.attempts = multiprocessing.Array("l", count, lock=False)  # to connect
        self.reports = multiprocessing.Array("l", count, lock=False)  # that were answered
        self.refused = multiprocessing.Array("l", count, lock=False)

    @staticmethod
    def all_set(moments, places=None):
        return all(moments[place] for place in places or range(len(moments)))


class Agent:
    def __init__(self, place, token, board, reports):
        self.place, self.board, self.sends_reports = place, board, reports
        self.node = HandMadeNode(token).join()
        self.port = int(self.node.token["server"].rsplit(":", 1)[1])
        self.context = self.node.context()
        self.desired = {}
        self.answers, self.key_uri = [], ""
        self.news = asyncio.Event()

    async def open(self):
        self.board.attempts[self.place] += 1
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context,
                                             ssl_handshake_timeout=60)

    # ---- events ----

    async def follow(self):
        wait = FIRST_WAIT
        while True:
            try:
                reader, writer = await self.open()
                writer.write(b"GET /agent/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                first = True
                while line := await asyncio.wait_for(reader.readline(), 45):
                    if line.startswith(b"data: "):
                        self.take(json.loads(line[6:]))
                        if first:
                            self.board.connected[self.place] = time.monotonic()
                            self.news.set()
                        first, wait = False, FIRST_WAIT
                writer.close()
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                pass
            self.board.connected[self.place] = 0
            await asyncio.sleep(wait / 2 + wait / 2 * random.random())
            wait = min(wait * 2, LONGEST_WAIT)

    def take(self, desired):
        now = time.monotonic()
        board, place = self.board, self.place
        if desired["goal"] == "open" and not board.told_open[place]:
            board.told_open[place] = now
        if desired["goal"] == "revoked" and not board.told_revoked[place]:
            board.told_revoked[place] = now
        uri = (desired.get("key") or {}).get("uri", "")
        canonical = f"aws-kms://{uri}" if uri.startswith("arn:") else uri
        if canonical != self.key_uri:
            board.key_told[place] = now
        self.key_uri = canonical
        known = {answer["id"] for answer in self.answers}
        self.answers += [{"id": trial["id"], "usable": True, "message": ""}
                         for trial in desired["trials"] if trial["id"] not in known]
        if desired != self.desired:
            self.news.set()
        self.desired = desired

    # ---- reports ----

    def report(self):
        said = {name: self.desired.get(name) for name in (
            "epoch", "revision", "region", "organization", "cluster", "cluster_name", "fencing", "key",
            "rewraps")}
        state = SEALED if self.desired.get("goal") == "revoked" else OPEN
        return {**said, **state, "key_uri": self.key_uri, "answers": self.answers,
                "last_verified_at": time.time_ns(), "problem": ""}

    async def tell(self):
        reader = writer = None
        wait = FIRST_WAIT
        while True:
            try:
                await asyncio.wait_for(self.news.wait(), REPORT_INTERVAL)
            except asyncio.TimeoutError:
                pass
            self.news.clear()
            answers = len(self.answers)
            body = json.dumps(self.report()).encode()
            goal = self.desired.get("goal")
            try:
                if writer is None or writer.is_closing():
                    reader, writer = await self.open()
                writer.write(b"POST /agent/v1/report HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: "
                             b"application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                answer = await reader.readexactly(length)
                if b" 200 " not in head.split(b"\r\n")[0]:
                    self.board.refused[self.place] += 1
                    raise OSError("refused")
                if b"connection: close" in head.lower():
                    writer.close()
                self.board.reports[self.place] += 1
                self.answers = self.answers[answers:]
                if goal == "revoked" and not self.board.confirmed[self.place]:
                    self.board.confirmed[self.place] = time.monotonic()
                self.take(json.loads(answer))
                wait = FIRST_WAIT
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, IndexError):
                if writer is not None:
                    writer.close()
                writer = None
                self.news.set()
                await asyncio.sleep(wait / 2 + wait / 2 * random.random())
                wait = min(wait * 2, LONGEST_WAIT)

    def begin(self):
        tasks = [asyncio.ensure_future(self.follow())]
        if self.sends_reports:
            tasks.append(asyncio.ensure_future(self.tell()))
        return tasks


def _work(tokens, board, reports, joined, go):
    """A process: its agents join, one after the other, and then connect all at once."""
    agents = [Agent(place, token, board, reports) for place, token in tokens]
    joined.release()
    go.wait()

    async def run():
        kept = [task for agent in agents for task in agent.begin()]
        await asyncio.gather(*kept)
    asyncio.run(run())


class Fleet:
    def __init__(self, tokens, reports=True, processes=4):
        fork = multiprocessing.get_context("fork")
        self.board = Board(len(tokens))
        self.joined, self.go = fork.Semaphore(0), fork.Event()
        numbered = list(enumerate(tokens))
        self.processes = [fork.Process(target=_work, daemon=True, args=(
            numbered[at::processes], self.board, reports, self.joined, self.go))
            for at in range(processes)]
        for process in self.processes:
            process.start()
        for _ in self.processes:
            while not self.joined.acquire(timeout=5):
                assert all(process.is_alive() for process in self.processes), "a fleet's process ended"

    def connect(self):
        self.go.set()

    def stop(self):
        for process in self.processes:
            process.kill()
            process.join()


def wait_until(what, condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


