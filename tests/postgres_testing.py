"""A real PostgreSQL on a directory, and clients whose acknowledged commits are logged elsewhere."""

import contextlib
import os
import pathlib
import pwd
import random
import signal
import socket
import subprocess

from freehold_testing import wait_for
from process_testing import any_alive, identified, with_descendants

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")


def as_postgres():
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def free_port():
    """Below those that the kernel gives to connections, so that it is still free when it is used."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def run_as_postgres(program, *arguments, **more):
    return subprocess.run(
        [BIN / program, *map(str, arguments)], check=False, capture_output=True, text=True,
        timeout=120, cwd="/", **as_postgres(), **more)


def psql(sockets, port, sql):
    """What the server answers; the exit code says whether it does."""
    return run_as_postgres(
        "psql", "-h", sockets, "-p", port, "-d", "postgres", "-XAtqc", sql,
        env=dict(os.environ, PGCONNECT_TIMEOUT="10"))


def amcheck(sockets, port):
    """pg_amcheck of every table and index of every database; returns its complaints."""
    done = run_as_postgres(
        "pg_amcheck", "-h", sockets, "-p", port, "--all", "--install-missing", "--heapallindexed",
        "--parent-check", "--rootdescend")
    return done.stdout + done.stderr if done.returncode != 0 else ""


def checked_pages(data):
    """pg_checksums of a stopped server's pages: what it counted; fails if one is wrong."""
    done = run_as_postgres("pg_checksums", "--check", "-D", data)
    assert done.returncode == 0, done.stderr
    return "pg_checksums: " + ", ".join(
        " ".join(line.split()) for line in done.stdout.splitlines()[1:4])


class Postgres:
    def __init__(self, data, sockets):
        self.data, self.sockets, self.port = pathlib.Path(data), pathlib.Path(sockets), free_port()
        self.process, self.log = None, None

    def initialise(self):
        self.data.mkdir(mode=0o700)
        os.chown(self.data, as_postgres()["user"], as_postgres()["group"])
        done = run_as_postgres("initdb", "-D", self.data, "-A", "trust", "--data-checksums",
                               "--no-instructions")
        assert done.returncode == 0, done.stderr

    def start(self, *options, under=()):
        """If wanted under another program, which must become it."""
        self.log = open(self.sockets / "postgres.log", "ab")
        self.process = subprocess.Popen(
            [*under, BIN / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.sockets,
             "-c", "listen_addresses=", *options],
            stdout=self.log, stderr=self.log, cwd="/", start_new_session=True,
            **as_postgres())

        def ready():
            if self.process.poll() is not None:
                words = (self.sockets / "postgres.log").read_text()[-2000:]
                raise AssertionError(f"PostgreSQL ended while starting:\n{words}")
            return subprocess.run([BIN / "pg_isready", "-q", "-h", self.sockets, "-p",
                                   str(self.port)], check=False).returncode == 0

        wait_for("PostgreSQL to be ready", ready, 60)

    def kill(self):
        """SIGKILL to every process of the server, and waits until none is left."""
        # Each of its processes is a session of its own: the first one, halted, tells whose they are.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGSTOP)
        processes = identified(with_descendants(self.process.pid))
        for pid, _ in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        wait_for("all of PostgreSQL to be gone", lambda: not any_alive(processes), 60)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)

    def psql(self, sql):
        done = psql(self.sockets, self.port, sql)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, program, *arguments, **more):
        return subprocess.Popen(
            [BIN / program, "-h", self.sockets, "-p", str(self.port), *map(str, arguments)],
            cwd="/", **as_postgres(), **more)


class CommitLog:
    """Clients that insert one row a transaction and log its number once it is acknowledged.

    psql prints RETURNING's row only after the server has confirmed the commit.
    """

    def __init__(self, postgres, directory, clients=4):
        self.files, self.processes = [], []
        postgres.psql("create table if not exists acknowledged (client int, number int)")
        start = int(postgres.psql("select coalesce(max(number), 0) from acknowledged")) + 1
        for client in range(clients):
            path = pathlib.Path(directory, f"acknowledged.{client}")
            script = pathlib.Path(directory, f"inserts.{client}.sql")
            script.write_text("".join(
                f"insert into acknowledged values ({client}, {number}) returning number;\n"
                for number in range(start, start + 200000)))
            self.files.append(path)
            with open(script, encoding="utf-8") as commands, open(path, "wb") as log:
                self.processes.append(postgres.client(
                    "psql", "-d", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1",
                    stdin=commands, stdout=log, stderr=subprocess.DEVNULL))

    def acknowledged(self):
        rows = set()
        for client, path in enumerate(self.files):
            lines = path.read_bytes().split(b"\n")[:-1]  # a last line without its end was cut
            rows |= {(client, int(line)) for line in lines if line}
        return rows

    def count(self):
        return sum(path.read_bytes().count(b"\n") for path in self.files)

    def wait(self):
        for process in self.processes:
            process.kill()
            process.wait(60)


def missing(postgres, acknowledged):
    """Acknowledged rows that the server does not have."""
    there = {tuple(map(int, line.split("|")))
             for line in postgres.psql("select client, number from acknowledged").split()}
    return acknowledged - there
