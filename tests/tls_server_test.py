"""`freehold server` behind TLS: what is agreed on, and connections that come in pieces, stall or vanish."""

import contextlib
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from freehold_testing import BINARY, EmbeddedKms, wait_for
from hostile_server import Authority
from postgres_testing import free_port

OPENAPI = "/api/v1/openapi.json"  # the longest answer that any key gets


class TlsServer:
    """As others would meet it: with a certificate."""

    def __init__(self, base):
        authority, key = Authority(), ec.generate_private_key(ec.SECP256R1())
        (base / "chain.pem").write_text(authority.certify("127.0.0.1", key.public_key()))
        (base / "key.pem").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            [BINARY, "server", "--data", base / "data", "--listen", "127.0.0.1:0", "--tls-certificate",
             base / "chain.pem", "--tls-key", base / "key.pem", "--requests-per-second", "10000", "--agents-listen",
             f"127.0.0.1:{free_port()}", "--ready-fd", str(theirs)], pass_fds=[theirs],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        EmbeddedKms.started.append(self.process)
        os.close(theirs)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.readline() == b"READY\n"
        self.urls = [self.process.stdout.readline().split()[-1] for _ in range(2)]
        self.key = re.search(r"fhk_\S+", self.process.stdout.readline()).group()

    def address(self, url=None):
        host, port = (url or self.urls[0]).removeprefix("https://").split(":")
        return host, int(port)

    def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(self.address(), timeout=30))

    def head(self, method, path, *lines):
        return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {self.key}",
                            *lines, "", ""]).encode()

    def memory(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])  # KiB

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=60)


def handshake(address, version):
    """The version that is agreed on; None where there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection(address, timeout=20) as plain:
            with context.wrap_socket(plain) as connection:
                return connection.version()
    except OSError:
        return None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = TlsServer(tmp_path_factory.mktemp("tls"))
    yield made
    made.stop()


def answer_of(connection, piece=1 << 16):
    """Status and body of one answer, read `piece` bytes at a time."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(1)
    length = int(re.search(rb"content-length: (\d+)", read.lower()).group(1))
    body = b""
    while len(body) < length:
        more = connection.recv(min(piece, length - len(body)))
        assert more, "the answer was cut short"
        body += more
    return int(read.split()[1]), body


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_both_listeners_speak_tls_1_2_and_later_and_nothing_else(server):
    for url in server.urls:
        assert url.startswith("https://")
        agreed = {version: handshake(server.address(url), version) for version in (
            ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2,
            ssl.TLSVersion.TLSv1_3)}
        assert list(agreed.values()) == [None, None, "TLSv1.2", "TLSv1.3"], agreed
        with socket.create_connection(server.address(url), timeout=20) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP/" not in plain.recv(4096)


def test_requests_in_pieces_and_answers_read_slowly_are_whole(server):
    body = json.dumps({"name": "n" * 700_000}).encode()
    with server.connect() as connection:
        for size in (1, 1000, 100_000):  # in records that are no pieces of HTTP
            wire = server.head("POST", "/api/v1/organizations", f"content-length: {len(body)}") + body
            for at in range(0, 40 * size, size):
                connection.sendall(wire[at:at + size])
            connection.sendall(wire[40 * size:])
            status, said = answer_of(connection)
            assert status == 400 and json.loads(said)["code"] == 3, said
        connection.sendall(server.head("GET", OPENAPI) * 2)
        first, second = answer_of(connection, 997), answer_of(connection)
    assert first == second and first[0] == 200
    assert json.loads(first[1])["openapi"].startswith("3.") and len(first[1]) > 2 * 16384  # TLS records


def test_an_answer_that_does_not_fit_the_socket_waits_for_its_reader(server):
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(30)
        plain.connect(server.address())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as connection:
            connection.sendall(server.head("GET", OPENAPI) * 40)
            answers = [answer_of(connection) for _ in range(40)]
    assert len(set(answers)) == 1 and answers[0][0] == 200


def test_clients_that_vanish_anywhere_leave_the_others_alone(server):
    """With a reset: in the handshake, in a request, before and in their answer."""
    reset = struct.pack("ii", 1, 0)
    hello = b"\x16\x03\x01\x02\x00\x01"  # of 512 bytes, of which these are the first
    for wire in (b"", hello, os.urandom(1000)):
        with socket.create_connection(server.address(), timeout=30) as plain:
            plain.sendall(wire)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    for wire in (b"", server.head("GET", OPENAPI)[:20], server.head("GET", OPENAPI) * 100):
        connection = server.connect()
        connection.sendall(wire)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.close()
    with server.connect() as connection:
        connection.sendall(server.head("GET", OPENAPI))
        assert answer_of(connection)[0] == 200


def test_the_end_of_a_connection_is_said_in_tls(server):
    """Without that a client cannot tell it from an answer that somebody cut short."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        plain = socket.create_connection(server.address(), timeout=30)
        with context.wrap_socket(plain, suppress_ragged_eofs=False) as connection:
            connection.sendall(server.head("GET", OPENAPI, "connection: close"))
            assert answer_of(connection)[0] == 200
            assert connection.recv(1) == b""


def test_an_answer_to_a_body_that_is_too_large_arrives(server):
    """Although the client is not done with sending."""
    for _ in range(10):
        with server.connect() as connection:
            connection.sendall(server.head("POST", "/api/v1/organizations", "content-length: 4000000"))
            connection.sendall(b" " * 4_000_000)
            status, said = answer_of(connection)
            assert (status, said) == (413, b"the request is too large\n")


def test_a_key_of_another_certificate_and_one_with_a_passphrase_are_refused(tmp_path):
    authority = Authority()
    ours, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    (tmp_path / "chain.pem").write_text(authority.certify("127.0.0.1", ours.public_key()))
    for key, how, words in (
            (other, serialization.NoEncryption(), "key"),
            (rsa.generate_private_key(65537, 2048), serialization.NoEncryption(), "key"),
            (ours, serialization.BestAvailableEncryption(b"secret"), "key")):
        (tmp_path / "key.pem").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
        result = subprocess.run(
            [BINARY, "server", "--data", tmp_path / "data", "--listen", "127.0.0.1:0",
             "--tls-certificate", tmp_path / "chain.pem", "--tls-key", tmp_path / "key.pem"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        assert result.returncode == 2 and words in result.stderr and "fhk_" not in result.stdout
        assert "pass phrase" not in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr


def test_garbage_between_records_ends_the_connection_alone(server):
    with server.connect() as connection:
        connection.sendall(server.head("GET", OPENAPI))
        assert answer_of(connection)[0] == 200
        plain = socket.socket(fileno=os.dup(connection.fileno()))
        plain.settimeout(30)
        plain.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
        with contextlib.suppress(OSError):
            while plain.recv(4096):
                pass
        plain.close()
    with server.connect() as connection:
        connection.sendall(server.head("GET", OPENAPI))
        assert answer_of(connection)[0] == 200


def test_a_silent_connection_keeps_no_buffers(server):
    """Thousands of agents are silent. With four buffers of 17 KiB this would be above 90 KiB."""
    held = []

    def open_some(count):
        for _ in range(count):
            held.append(server.connect())
            held[-1].sendall(server.head("GET", "/api/v1/clusters"))
            assert answer_of(held[-1])[0] == 200
    try:
        open_some(40)  # what the first ones cost once
        before = server.memory()
        open_some(200)
        assert server.memory() - before < 200 * 50
    finally:
        for connection in held:
            connection.close()
