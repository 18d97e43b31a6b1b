"""The edges of `freehold server`: what comes in wrong, too large, too slow, too often or in the clear."""

import concurrent.futures
import contextlib
import json
import socket

import pytest

from freehold_testing import wait_for
from openapi_test import BODIES, OPERATIONS, World, body_of
from postgres_testing import free_port
from server_testing import Server

CLUSTERS = "/api/v1/clusters"
CONNECTIONS, BODY, HEADER = 512, 1 << 20, 32 << 10  # what the server bears
WITH_BODY = [name for name, (_, _, operation) in OPERATIONS.items() if body_of(operation)]

NOT_LOOKED_AT = {"provider"}  # of the contract, and nothing here follows from it


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"), "--agents-listen", f"127.0.0.1:{free_port()}")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def customer(server):
    return server.new_organization("acme")[1]


def address(server):
    host, port = server.url.rsplit("/", 1)[1].split(":")
    return host, int(port)


# ---- bodies ----


def changes(world):
    return [entry["seal"] for entry in world.server.ask(
        "GET", "/api/v1/auditlogevents?limit=1000", world.admin).json["entries"]]


NO_BODIES = [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"{}}", b"{'a':1}", b"[" * 100_000,
             b'{"a":' * 50_000, b'{"name":"a\0b"}', b'{"name":1e999}', b'{"x":"\\ud800"}', bytes(1000)]


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_none_is_400_and_changes_nothing(server, name):
    world = World(server, f"{name}-none")
    before = changes(world)
    for body in NO_BODIES:
        answer = world.call(name, body)
        assert answer.status == 400, (body[:20], answer)
        sentence = answer.json.get("message") or answer.json["error"]
        assert sentence and "\n" not in sentence and len(sentence) < 400, answer
    assert changes(world) == before


def leaves(value, path=()):
    """(path, value) of everything in a body."""
    yield path, value
    if isinstance(value, (dict, list)):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, step))


def replaced(body, path, value):
    made = json.loads(json.dumps(body))
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return made


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_field_of_another_type_is_400_and_changes_nothing(server, name):
    world = World(server, f"{name}-types")
    before = changes(world)
    body = BODIES[body_of(OPERATIONS[name][2])]
    for path, value in leaves(body):
        if not path:
            continue
        for other in (7, -1, 1.5, 2**70, "", "\0", "x" * 100_000, True, [], {}, [[]], [7], {"x": 1}):
            if type(other) is type(value) and value not in ("", [], {}) and other not in ("", "\0"):
                continue  # of the right type, it may be right
            if isinstance(value, str) and other == "" or path[-1] in NOT_LOOKED_AT:
                continue  # as if it were not there, which is another test's
            answer = world.call(name, replaced(body, path, other))
            assert answer.status in (400, 403, 404), (path, str(other)[:20], answer)
    assert changes(world) == before


# ---- how much ----


def raw(server, wire, rest=lambda connection: None):
    """What comes back for these bytes, until the server ends it."""
    with socket.create_connection(address(server), timeout=120) as connection:
        with contextlib.suppress(OSError):  # it may be gone, with what was not read
            connection.sendall(wire)
            rest(connection)
        got = b""
        with contextlib.suppress(OSError):
            while data := connection.recv(4096):
                got += data
        return got


def head(method="POST", path=CLUSTERS, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *lines, "", ""]).encode()


def test_a_body_or_a_header_that_is_too_large_is_not_read(server, customer):
    bearer = f"authorization: Bearer {customer}"
    assert b" 413 " in raw(server, head("POST", CLUSTERS, bearer, f"content-length: {BODY + 1}"))
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    def endless(connection):
        while True:
            connection.sendall(chunk)
    answer = raw(server, head("POST", CLUSTERS, bearer, "transfer-encoding: chunked"), endless)
    assert answer == b"" or b" 413 " in answer
    for line in ("x: " + "y" * (HEADER + 1), "\r\n".join(["x: y"] * (HEADER // 4))):
        answer = raw(server, head("GET", CLUSTERS, line))
        assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0], answer
    assert server.ask("GET", CLUSTERS, customer).status == 200


def test_two_lengths_or_two_ways_of_telling_one_are_no_request(server, customer):
    """So that nobody before the server and the server see two requests in other places."""
    bearer = f"authorization: Bearer {customer}"
    for lines in (("content-length: 2", "content-length: 40"),
                  ("content-length: 4", "transfer-encoding: chunked"),
                  ("content-length: -1",), ("content-length: 99999999999999999999",),
                  ("content-length: 0x10",), ("transfer-encoding: chunked, identity",)):
        answer = raw(server, head("POST", CLUSTERS, bearer, *lines, "connection: close") + b"{}")
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"413"), (lines, answer)
    assert server.ask("GET", CLUSTERS, customer).status == 200


def test_connections_beyond_the_most_are_closed_and_the_others_go_on(server, customer):
    held = []
    try:
        def is_closed(connection):
            connection.settimeout(0.5 if len(held) > CONNECTIONS - 8 else 0.001)
            try:
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionResetError:
                return True
        while not held or not is_closed(held[-1]):
            assert len(held) <= CONNECTIONS
            held.append(socket.create_connection(address(server), timeout=20))
        held[0].settimeout(20)
        held[0].sendall(head("GET", CLUSTERS, f"authorization: Bearer {customer}"))
        assert held[0].recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in held:
            connection.close()

    def answers():
        with contextlib.suppress(OSError):
            return server.ask("GET", CLUSTERS, customer).status == 200
    wait_for("room for others", answers)


@pytest.mark.slow
def test_clients_that_take_their_time_are_cut_off(server, customer):
    """In the middle of a header, of a body, and of reading a long list of answers."""
    bearer = f"authorization: Bearer {customer}"

    def dripping(wire):
        with socket.create_connection(address(server), timeout=300) as connection:
            connection.sendall(wire)
            connection.settimeout(1)
            while True:  # ended by the server, or by the whole run
                try:
                    if connection.recv(4096) == b"":
                        return True
                except TimeoutError:
                    pass
                try:
                    connection.sendall(b"x")
                except OSError:
                    return True

    wires = [head("GET", CLUSTERS, bearer)[:-2] + b"x-slow: ",
             head("POST", CLUSTERS, bearer, "content-length: 100000")]
    with concurrent.futures.ThreadPoolExecutor(len(wires)) as pool:
        assert list(pool.map(dripping, wires)) == [True] * len(wires)
    assert server.ask("GET", CLUSTERS, customer).status == 200
