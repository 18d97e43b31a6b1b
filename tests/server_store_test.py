"""Servers over one PostgreSQL: what a client sees, and what is there afterwards, when one is lost."""

import concurrent.futures
import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time

import pytest

from audit_testing import check_chain
from freehold_testing import BINARY, USAGE, VERSION, wait_for
from process_testing import with_descendants
from server_testing import Server
from store_testing import StoreServer

CLUSTERS = "/api/v1/clusters"
NOT_READY = 35


@pytest.fixture
def primary(tmp_path):
    server = StoreServer(tmp_path)
    server.start()
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture
def start_servers(tmp_path):
    """Starts some over one store; the first one prints the operator's key."""
    started = []

    def start(count, url):
        key = None
        for number in range(count):
            server = Server(tmp_path / f"server{number}", "--store", url, operator_key=key)
            key = server.operator_key
            started.append(server)
        return started

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


class Writers:
    """Clients that make clusters, one after the other; what is not answered they try elsewhere."""

    def __init__(self, servers, key, count=4):
        self.servers, self.key = servers, key
        self.acknowledged, self.answers, self.ending = [], set(), threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(count)
        self.writers = [self.pool.submit(self._write, number) for number in range(count)]

    def _write(self, writer):
        number = 0
        while not self.ending.is_set():
            name = f"c{writer}-{number}"
            self._make(name, writer)
            self.acknowledged.append(name)
            number += 1

    def _make(self, name, first):
        body = {"name": name, "spec": {"dedicated": {"region_nodes": {"us-east-1": 1}}}}
        in_doubt = False
        deadline = time.monotonic() + 90
        for attempt in range(1000):
            assert time.monotonic() < deadline, f"{name}: no server took it, {self.answers}"
            server = self.servers[(first + attempt) % len(self.servers)]
            try:
                status = server.ask("POST", CLUSTERS, self.key, body).status
            except (OSError, http.client.HTTPException):
                status = "cut"
            self.answers.add(status)
            if status == 200 or (status == 409 and in_doubt):
                return
            assert status in ("cut", 503, 504), status
            in_doubt = in_doubt or status in ("cut", 504)
            time.sleep(0.05)

    def wait_for(self, more):
        wanted = len(self.acknowledged) + more

        def enough():
            for writer in self.writers:
                if writer.done():
                    writer.result()  # its failure is the test's
            return len(self.acknowledged) >= wanted

        wait_for(f"{wanted} changes", enough, 120)

    def stop(self):
        self.ending.set()
        for writer in self.writers:
            writer.result(120)


def check_store(server, database, writers):
    """All that was acknowledged is there, and nothing is there twice."""
    names, page = [], ""
    while True:
        answer = server.ask("GET", f"{CLUSTERS}?pagination.limit=500&pagination.page={page}",
                            writers.key).json
        names += [cluster["name"] for cluster in answer["clusters"]]
        page = answer["pagination"]["next_page"]
        if not page:
            break
    assert set(writers.acknowledged) <= set(names)
    assert len(names) == len(set(names))
    # One entry for each, numbered without a gap; and one revision for each change.
    events = database.psql("select count(*) from freehold_audit where body like "
                           "'%CREATE_CLUSTER%'")
    assert int(events) == len(names)
    assert database.psql("select count(*) = max(sequence) and min(sequence) = 1 "
                         "from freehold_audit") == "t\n"
    check_chain(server, writers.key)
    assert database.psql("select count(*) from freehold_state, freehold_changes where "
                         "freehold_changes.revision > freehold_state.revision") == "0\n"


def test_a_server_is_killed_under_load_and_the_other_goes_on(primary, start_servers):
    servers = start_servers(2, primary.url())
    assert servers[0].durability == "asynchronous"
    _, key = servers[0].new_organization("acme")
    writers = Writers(servers, key)
    writers.wait_for(40)
    servers[1].stop(signal.SIGKILL)
    writers.wait_for(40)
    servers[1].start()
    writers.wait_for(40)
    writers.stop()
    assert writers.answers <= {200, 409, 503, "cut"}
    check_store(servers[1], primary, writers)


def test_the_database_is_killed_and_its_standby_takes_over(primary, start_servers):
    standby = primary.new_standby(synchronous=True)
    try:
        servers = start_servers(2, primary.url("postgres", standby))
        assert [server.durability for server in servers] == ["synchronous"] * 2
        _, key = servers[0].new_organization("acme")
        writers = Writers(servers, key)
        writers.wait_for(60)
        primary.kill()
        standby.promote()
        writers.wait_for(60)
        writers.stop()
        assert writers.answers <= {200, 409, 503, 504}
        for server in servers:
            check_store(server, standby, writers)
            server.restart()
            assert server.durability == "asynchronous"  # it has no standby of its own
    finally:
        standby.kill()


def test_the_database_is_started_again_and_nothing_is_lost(primary, start_servers):
    servers = start_servers(2, primary.url())
    _, key = servers[0].new_organization("acme")
    writers = Writers(servers, key)
    for _ in range(3):
        writers.wait_for(20)
        primary.kill()
        primary.start()
    writers.wait_for(20)
    writers.stop()
    assert writers.answers <= {200, 409, 503, 504}
    check_store(servers[0], primary, writers)


def test_a_standby_that_commits_do_not_wait_for_is_said_to_be_asynchronous(primary, start_servers):
    standby = primary.new_standby(synchronous=False)
    try:
        [server] = start_servers(1, primary.url("postgres", standby))
        assert server.durability == "asynchronous"
    finally:
        standby.kill()


def test_a_database_that_hangs_is_an_error_and_not_a_wait(primary, start_servers):
    [server] = start_servers(1, primary.url())
    _, key = server.new_organization("acme")
    processes = with_descendants(primary.process.pid)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        answer = server.ask("GET", CLUSTERS, key)
        assert answer.status == 503 and answer.headers["retry-after"], answer
        assert "try again" in answer.json["message"] or "in time" in answer.json["message"]
        assert time.monotonic() - began < 20
    finally:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert server.ask("GET", CLUSTERS, key).status == 200


# ---- starting ----


def serve(directory, url, **environment):
    return subprocess.run(
        [BINARY, "server", "--data", directory, "--insecure", "--listen", "127.0.0.1:0"],
        env=dict(os.environ, FREEHOLD_STORE=url, **environment), capture_output=True, text=True,
        timeout=60)


@pytest.mark.parametrize("url, code, words", [
    ("mysql://u:hunter2@localhost/f", USAGE, "must begin with postgresql://"),
    ("postgresql://u:hunter2@db.example/f", USAGE, "sslmode=verify-full"),
    ("postgresql://u:hunter2@db.example/f?sslmode=prefer", USAGE, "sslmode=verify-full"),
    ("postgresql://u:hunter2@x@localhost/f", USAGE, "%40"),
    ("postgresql://u:hunter2@localhost/f?hunter2=1", USAGE, "libpq"),
    ("postgresql://u:hunter2@127.0.0.1:1/f", NOT_READY, "127.0.0.1:1/f cannot be reached"),
])
def test_a_store_that_cannot_be_used_is_said_to_be_without_its_password(tmp_path, url, code, words):
    result = serve(tmp_path / "data", url)
    assert result.returncode == code and words in result.stderr, result
    assert result.stderr.count("\n") == 1 and "hunter2" not in result.stdout + result.stderr
    assert not (tmp_path / "data/freehold.db").exists()


def test_a_wrong_password_is_refused_and_not_shown(tmp_path):
    """Of a server that asks for one, on a port of loopback."""
    server = StoreServer(tmp_path)
    server.initialise()
    (server.data / "pg_hba.conf").write_text(
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    server.start("-c", "listen_addresses=127.0.0.1")
    try:
        server.psql("create role keeper login password 'right-one'")
        server.psql("create database keeper owner keeper")
        url = f"postgresql://keeper:hunter2@127.0.0.1:{server.port}/keeper"
        refused = serve(tmp_path / "server", url)
        assert refused.returncode == NOT_READY and "authentication failed" in refused.stderr
        assert "hunter2" not in refused.stderr + (tmp_path / "postgres.log").read_text()
        good = Server(tmp_path / "server", "--store", url.replace("hunter2", "right-one"))
        printed = good.stop()
        assert "right-one" not in printed
        kept = [path.read_text() for path in (tmp_path / "server").iterdir()]
        assert not any("right-one" in text for text in kept)
    finally:
        server.kill()


def test_a_store_of_a_newer_release_is_refused(postgresql, tmp_path):
    database = postgresql.new_database()
    Server(tmp_path / "data", "--store", postgresql.url(database)).stop()
    done = postgresql.client("psql", "-d", database, "-Xqc",
                             "update freehold_schema set version = 99")
    assert done.wait(60) == 0
    result = serve(tmp_path / "data", postgresql.url(database))
    assert result.returncode == VERSION and "version 99" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_server_on_a_full_disk_asks_for_patience_and_still_reads(small_disk):
    server = Server(small_disk / "data")
    assert (server.directory / "endpoint").read_text() == server.url + "\n"
    organization, admin = server.new_organization("acme")
    with open(small_disk / "filler", "wb") as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(1 << 16))
    for _ in range(2):
        answers = [server.ask("POST", "/api/v1/organizations", server.operator_key,
                              {"name": f"organization {number}"}) for number in range(50)]
        full = [answer for answer in answers if answer.status != 200]
        assert full, "the disk did not become full"
        for answer in full:
            assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, 14, "5")
        assert server.ask("GET", "/api/v1/clusters", admin).json["clusters"] == []
        server.stop()
        server.start()
    (small_disk / "filler").unlink()
    assert server.ask("POST", "/api/v1/organizations", server.operator_key, {"name": "late"}).status == 200
    server.stop()
