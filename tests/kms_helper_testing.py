"""The KMS helper's frames, written a second time from the comment in src/kms/helper_protocol.h."""

import socket
import struct
import subprocess

from freehold_testing import BINARY

WRAP, UNWRAP, DESCRIBE, IDENTIFY = 1, 2, 3, 4


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(value)) + value


def request_frame(operation, uri, context, ciphertext=b"", plaintext=b"", principal="",
                  external_id="", key_version="", algorithm=""):
    body = bytes([1, operation]) + text(uri) + text(principal) + text(external_id)
    body += struct.pack("<I", len(context))
    body += b"".join(text(k) + text(v) for k, v in sorted(context.items()))
    body += text(ciphertext) + text(key_version) + text(algorithm)
    return b"FHK1" + struct.pack("<II", len(body), len(plaintext)) + body + plaintext


class Answer:
    def __init__(self, wire):
        assert wire[:4] == b"FHK1"
        body_size, secret_size = struct.unpack("<II", wire[4:12])
        assert len(wire) == 12 + body_size + secret_size
        self.body, self.secret = wire[12 : 12 + body_size], wire[12 + body_size :]
        assert self.body[0] == 2
        self.failed, self.rest = self.body[1] == 1, self.body[2:]

    def next(self):
        (size,) = struct.unpack("<I", self.rest[:4])
        value, self.rest = self.rest[4 : 4 + size], self.rest[4 + size :]
        return value


def ask(environment, frame):
    """Exit code, the answer's wire and what was said on standard error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        helper = subprocess.Popen([BINARY, "internal", "kms-helper"], stdin=theirs, stdout=theirs,
                                  stderr=subprocess.PIPE, env=environment)
        theirs.close()
        ours.settimeout(60)
        ours.sendall(frame)
        wire = b""
        while part := ours.recv(65536):
            wire += part
        _, words = helper.communicate(timeout=60)
        return helper.returncode, wire, words.decode()
