"""Simulated agents of a control plane, many in each of some processes.

Each joins, holds its event stream and a connection for its reports over mutual TLS, as an agent does:
a report goes out after the first event of every stream, when something is new, and every 30 s; who
is cut off waits as an agent waits. What they are told, and when, is in memory that all share. They
hold no volume: what is measured is the server. So they cost little: a process is one loop over epoll,
an order counts as told when it is there in the clear, and is parsed after all others that came with it.
"""

import errno
import heapq
import json
import multiprocessing
import random
import select
import socket
import ssl
import time

from node_testing import HandMadeNode

# As src/agent/server_link.cc and enrolment.cc have them.
FIRST_WAIT, LONGEST_WAIT, REPORT_INTERVAL = 0.25, 20.0, 30.0
SILENCE, ANSWER_WAIT = 45.0, 30.0
SEALED = {"custody": "sealed", "custody_reason": "revoked", "database": "down"}
OPEN = {"custody": "open", "custody_reason": "", "database": "ready"}


class Board:
    """What the agents write and the bench reads: a moment for each agent, 0 = not yet."""

    def __init__(self, count):
        self.told_open, self.told_revoked, self.connected, self.confirmed, self.key_told = (
            multiprocessing.Array("d", count, lock=False) for _ in range(5))
        self.attempts = multiprocessing.Array("l", count, lock=False)  # to connect
        self.report_connections = multiprocessing.Array("l", count, lock=False)
        self.reports = multiprocessing.Array("l", count, lock=False)  # that were answered
        self.refused = multiprocessing.Array("l", count, lock=False)

    @staticmethod
    def all_set(moments, places=None):
        return all(moments[place] for place in places or range(len(moments)))


class Loop:
    """Descriptors that are waited for, and calls at their time."""

    def __init__(self):
        self.epoll = select.epoll()
        self.links = {}
        self.calls = []
        self.arrived = []  # what was read in this round, to be taken in after all of it is read

    def at(self, moment, call):
        heapq.heappush(self.calls, (moment, id(call), call))

    def run(self):
        while True:
            now = time.monotonic()
            while self.calls and self.calls[0][0] <= now:
                heapq.heappop(self.calls)[2]()
            wait = min(1.0, self.calls[0][0] - now) if self.calls else 1.0
            for descriptor, _ in self.epoll.poll(max(wait, 0), 256):
                link = self.links.get(descriptor)
                if link is not None:
                    link.ready()
            arrived, self.arrived = self.arrived, []
            for take, what in arrived:
                take(*what)


class Link:
    """One TLS connection that sends `request` as soon as it can, and hands over what comes."""

    def __init__(self, loop, context, port, request, on_bytes, on_end):
        self.loop, self.context, self.request = loop, context, request
        self.on_bytes, self.on_end = on_bytes, on_end
        self.secure = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.descriptor = self.socket.fileno()
        loop.links[self.descriptor] = self
        loop.epoll.register(self.descriptor, select.EPOLLOUT)
        if self.socket.connect_ex(("127.0.0.1", port)) not in (0, errno.EINPROGRESS):
            loop.at(0, self.end)

    def ready(self):
        try:
            if self.context is not None:
                if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self.end()
                self.socket = self.context.wrap_socket(
                    self.socket, server_hostname="127.0.0.1", do_handshake_on_connect=False)
                self.context = None
                self.loop.epoll.modify(self.descriptor, select.EPOLLIN)
            if not self.secure:
                self.socket.do_handshake()
                self.secure = True
                self.socket.sendall(self.request)
            while True:
                data = self.socket.recv(16384)
                if not data:
                    return self.end()
                self.on_bytes(data, time.monotonic())
                if self.socket is None:
                    return None
        except ssl.SSLWantReadError:
            return None
        except OSError:
            return self.end()

    def send(self, request):
        try:
            self.socket.sendall(request)
        except OSError:
            self.end()

    def close(self):
        if self.socket is not None:
            self.loop.links.pop(self.descriptor, None)
            self.socket.close()
            self.socket = None

    def end(self):
        if self.socket is not None:
            self.close()
            self.on_end()


class Backoff:
    def __init__(self):
        self.wait = FIRST_WAIT

    def next(self):
        wait, self.wait = self.wait, min(self.wait * 2, LONGEST_WAIT)
        return wait / 2 + wait / 2 * random.random()


class Agent:
    def __init__(self, place, token, board, reports):
        self.place, self.board, self.sends_reports = place, board, reports
        self.node = HandMadeNode(token).join()
        self.port = int(self.node.token["server"].rsplit(":", 1)[1])
        self.context = self.node.context()
        self.desired = {}
        self.answers, self.key_uri = [], ""
        self.stream, self.stream_wait = None, Backoff()
        self.teller, self.teller_wait = None, Backoff()
        self.sent = None  # the goal and the number of answers of the report that is under way
        self.held_back = False
        self.is_new = False

    def begin(self, loop):
        self.loop = loop
        self.report_due = time.monotonic() + REPORT_INTERVAL
        self.follow()

    def look(self, now):
        """What is due without anybody's word."""
        if self.stream is not None and now - self.last_heard > (
                SILENCE if self.stream.secure else ANSWER_WAIT):
            self.stream.end()
        if self.sent is not None and now > self.answer_deadline:
            self.teller.end()
        if self.sends_reports and now > self.report_due:
            self.tell()

    # ---- events ----

    def follow(self):
        self.board.attempts[self.place] += 1
        self.received, self.is_first = b"", True
        self.last_heard = time.monotonic()
        self.stream = Link(self.loop, self.context, self.port,
                           b"GET /agent/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
                           self.hear, self.cut_off)

    def cut_off(self):
        self.stream = None
        self.board.connected[self.place] = 0
        self.loop.at(time.monotonic() + self.stream_wait.next(), self.follow)

    def hear(self, data, now):
        self.last_heard = now
        *lines, self.received = (self.received + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self.loop.arrived.append((self.heard, (line[6:], now)))

    def heard(self, line, now):
        self.stream_wait = Backoff()
        if self.is_first:
            self.board.connected[self.place] = now
        if self.take(json.loads(line), now) or self.is_first:
            self.news()
        self.is_first = False

    def take(self, desired, now):
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
        is_other = desired != self.desired
        self.desired = desired
        return is_other

    # ---- reports ----

    def report(self):
        said = {name: self.desired.get(name) for name in (
            "epoch", "revision", "region", "organization", "cluster", "cluster_name", "fencing", "key",
            "rewraps")}
        state = SEALED if self.desired.get("goal") == "revoked" else OPEN
        return {**said, **state, "key_uri": self.key_uri, "answers": self.answers,
                "last_verified_at": time.time_ns(), "problem": ""}

    def news(self):
        self.is_new = True
        if self.sends_reports:
            self.tell()

    def tell(self):
        """One report at a time, and none while the last one's failure is waited out."""
        if self.sent is not None or self.held_back:
            return
        self.is_new = False
        now = time.monotonic()
        self.report_due = now + REPORT_INTERVAL
        self.answer_deadline = now + ANSWER_WAIT
        self.sent, self.answer = (self.desired.get("goal"), len(self.answers)), b""
        body = json.dumps(self.report()).encode()
        request = (b"POST /agent/v1/report HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: "
                   b"application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        if self.teller is not None:
            return self.teller.send(request)
        self.board.report_connections[self.place] += 1
        self.teller = Link(self.loop, self.context, self.port, request, self.answered, self.not_told)

    def answered(self, data, now):
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        if len(body) < int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        if b" 200 " not in head.split(b"\r\n")[0]:
            self.board.refused[self.place] += 1
            return self.teller.end()
        if b"connection: close" in lower:
            self.teller.close()
            self.teller = None
        self.answer = None  # it is there: that its connection ends is no failure of it
        self.loop.arrived.append((self.told, (body, now)))

    def told(self, body, now):
        (goal, answers), self.sent = self.sent, None
        self.board.reports[self.place] += 1
        self.answers = self.answers[answers:]
        if goal == "revoked" and not self.board.confirmed[self.place]:
            self.board.confirmed[self.place] = now
        self.teller_wait = Backoff()
        self.is_new = self.take(json.loads(body), now) or self.is_new
        if self.is_new:
            self.tell()

    def not_told(self):
        self.teller = None
        if self.sent is None or self.answer is None:
            return
        self.sent, self.held_back = None, True

        def again():
            self.held_back = False
            self.tell()
        self.loop.at(time.monotonic() + self.teller_wait.next(), again)


def _work(tokens, board, reports, joined, go):
    """A process: its agents join, one after the other, and then connect all at once."""
    agents = [Agent(place, token, board, reports) for place, token in tokens]
    joined.release()
    go.wait()
    loop = Loop()
    for agent in agents:
        agent.begin(loop)

    def look():
        now = time.monotonic()
        for agent in agents:
            agent.look(now)
        loop.at(now + 0.5, look)
    look()
    loop.run()


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


