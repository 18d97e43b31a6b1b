"""Whoever answers in a KMIP server's place, and a server that does what the standard allows and PyKMIP
does not: a double that says what it is told, with the certificate that our host trusts.

What is shown here alone, and by no real server: an IV that the server makes.
"""

import contextlib
import os
import socket
import ssl
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conformance_testing import KEY, KmipCtrSubject, Subject
from freehold_testing import ROOT
from kmip_testing import Authority

sys.path.insert(0, str(ROOT / "fuzz"))
from kmip_seeds import kmip_answer, ttlv  # noqa: E402

DISCOVER, ENCRYPT, DECRYPT = 0x1E, 0x1F, 0x20
UNIQUE_IDENTIFIER, DATA, IV, TAG, ADDITIONAL = 0x420094, 0x4200C2, 0x42003D, 0x4200FF, 0x4200FE


def versions(*minors):
    return kmip_answer(DISCOVER, [ttlv(0x420069, 1, [ttlv(0x42006A, 2, 1), ttlv(0x42006B, 2, minor)])
                                  for minor in minors])


def items(wire):
    """Every item of a message as {tag: value}; the innermost wins."""
    found = {}
    while wire:
        tag, kind, size = int.from_bytes(wire[:3]), wire[3], int.from_bytes(wire[4:8])
        value = wire[8:8 + size]
        found[tag] = value
        if kind == 1:
            found |= items(value)
        wire = wire[8 + size + -size % 8:]
    return found


class Double:
    """Answers each request with what `answer(operation, items)` makes of it."""

    def __init__(self, directory, answer):
        self.answer, self.asked, self.held = answer, [], []
        self.authority = Authority(directory)
        self.authority.issue_server()
        self.authority.issue_client("freehold")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "server.pem", directory / "server.key")
        self.context.load_verify_locations(self.authority.file)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        file = directory / "freehold"
        self.variables = {"FREEHOLD_KMIP_SERVERS": f"127.0.0.1:{self.port}",
                          "FREEHOLD_KMIP_CA_FILE": str(self.authority.file),
                          "FREEHOLD_KMIP_CERT_FILE": f"{file}.pem",
                          "FREEHOLD_KMIP_KEY_FILE": f"{file}.key"}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, EOFError), \
                    self.context.wrap_socket(plain, server_side=True) as connection:
                connection.settimeout(20)
                while True:
                    self._answer(connection)

    def _answer(self, connection):
        request = b""
        while len(request) < 8 or len(request) < 8 + int.from_bytes(request[4:8]):
            part = connection.recv(65536)
            if not part:
                raise EOFError
            request += part
        said = items(request)
        operation = int.from_bytes(said[0x42005C])
        self.asked.append(operation)
        answer = self.answer(operation, said)
        for piece in answer if isinstance(answer, list) else [answer]:
            connection.sendall(piece)
            if isinstance(answer, list):
                time.sleep(0.2)

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class DoubleSubject(Subject):
    def __init__(self, directory, answer):
        self.double = Double(directory, answer)
        self.uri = f"kmip://127.0.0.1:{self.double.port}/k"

    def environment(self):
        return dict(os.environ, **self.double.variables)


@pytest.fixture
def double(tmp_path):
    made = []

    def make(answer):
        made.append(DoubleSubject(tmp_path, answer))
        return made[-1]

    yield make
    for each in made:
        each.double.stop()


class OwnIv:
    """AES-GCM with an IV that the server makes, of 16 bytes, whatever the client offers."""

    def __init__(self):
        self.cipher, self.iv = AESGCM(bytes(32)), os.urandom(16)

    def __call__(self, operation, said):
        if operation == DISCOVER:
            return versions(4, 3)
        key = ttlv(UNIQUE_IDENTIFIER, 7, "k")
        if operation == ENCRYPT:
            sealed = self.cipher.encrypt(self.iv, said[DATA], said[ADDITIONAL])
            return kmip_answer(ENCRYPT, [key, ttlv(DATA, 8, sealed[:-16]), ttlv(IV, 8, self.iv),
                                         ttlv(TAG, 8, sealed[-16:])])
        assert said[IV] == self.iv
        opened = self.cipher.decrypt(said[IV], said[DATA] + said[TAG], said[ADDITIONAL])
        return kmip_answer(DECRYPT, [key, ttlv(DATA, 8, opened)])


def test_a_server_that_makes_its_own_iv_gets_it_back(double):
    subject = double(OwnIv())
    assert subject.unwrap(subject.wrap()) == KEY
    assert subject.double.asked == [DISCOVER, ENCRYPT, DECRYPT]


GCM = bytes([1, 12]) + bytes(12) + bytes([16]) + bytes(16 + 32)


def key_and(data, identifier="k"):
    return [ttlv(UNIQUE_IDENTIFIER, 7, identifier), ttlv(DATA, 8, data)]


HOSTILE = {
    "another key": (kmip_answer(DECRYPT, key_and(KEY, "other")), "data", "wrong_key"),
    "no key's name": (kmip_answer(DECRYPT, [ttlv(DATA, 8, KEY)]), "data", "wrong_key"),
    "a short key": (kmip_answer(DECRYPT, key_and(KEY[:31])), "data", None),
    "a long key": (kmip_answer(DECRYPT, key_and(KEY + b"x")), "data", None),
    "nothing": (kmip_answer(DECRYPT, [ttlv(UNIQUE_IDENTIFIER, 7, "k")]), "ambiguous",
                "not_understood"),
    "another operation": (kmip_answer(ENCRYPT, key_and(KEY)), "ambiguous", "not_understood"),
    "two keys": (kmip_answer(DECRYPT, key_and(KEY) + key_and(bytes(32))), "data", "wrong_key"),
    "HTTP": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "ambiguous", "not_understood"),
    "a length without end": (bytes.fromhex("42007b01fffffff8"), "unreachable", "outage"),
    "a cut answer": (kmip_answer(DECRYPT, key_and(KEY))[:-8] + b"", "unreachable", "timed_out"),
    "byte by byte": ([bytes([each]) for each in kmip_answer(DECRYPT, key_and(KEY))], "unreachable",
                     "timed_out"),
    "an unknown reason": (kmip_answer(DECRYPT, (), 1, 0x77, "no"), "ambiguous", "not_understood"),
    "pending": (kmip_answer(DECRYPT, (), 2, 0, "later"), "ambiguous", "not_understood"),
    "words for a terminal": (kmip_answer(DECRYPT, (), 1, 1, "\x1b[2Jgone\nmore"), "denied",
                             "key_missing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_said_in_a_servers_place_is_judged_and_nothing_else(double, name):
    said, kms_class, meaning = HOSTILE[name]
    subject = double(lambda operation, _: said if operation == DECRYPT else kmip_answer(
        operation, (), 1, 0x100, "not now"))
    failure = subject.unwrap((GCM, "k", "AES-GCM"))
    assert failure.kms_class == kms_class and meaning in (None, failure.meaning), failure
    assert "\x1b" not in str(failure) and "\n" not in failure.message
    assert KEY.hex() not in str(failure)


def test_a_change_of_any_byte_of_a_ctr_ciphertext_is_refused(tmp_path):
    """By our own check alone: the server decrypts whatever it gets."""
    subject = KmipCtrSubject(tmp_path / "kms")
    try:
        blob, *rest = subject.wrap()
        assert blob[:2] == bytes([2, 16]) and blob[18] == 0 and len(blob) == 19 + 64
        for at in (2, 17, 19, 19 + 31, 19 + 32, 19 + 47, len(blob) - 1):
            changed = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:]
            failure = subject.unwrap((changed, *rest))
            assert failure.meaning == "wrong_ciphertext", (at, failure)
        assert subject.unwrap((blob[:-1], *rest)).meaning == "wrong_ciphertext"
        assert subject.unwrap((blob, *rest)) == KEY
    finally:
        subject.stop()
