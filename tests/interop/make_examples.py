#!/usr/bin/env python3
"""Makes the worked examples of docs/format/: an independent writer with published test keys.

Everything that is random in a real volume is given here, so that the bytes are the same each time.
It shares no code with the C++ and none with freehold_reader.py; where the three agree, the pages
are right.

  make_examples.py            print the dumps
  make_examples.py --write    put them into docs/format/*.md
"""

import hashlib
import hmac
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs/format"


def run(first, size):
    return bytes(range(first, first + size))


# The test keys. Published: never use them for anything else.
KEK = run(0x00, 32)
DEK = run(0x20, 32)
VOLUME_ID = run(0x40, 16)
DEK_ID = run(0x50, 16)
FILE_ID = run(0x60, 16)
SALT = run(0x80, 32)
NONCE = run(0xA0, 12)
CANARY = run(0xC0, 32)
CREATED = 1767225600  # 2026-01-01T00:00:00Z
KEY_URI = "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/freehold"
CONTEXT = {"freehold:purpose": "kek", "freehold:volume": VOLUME_ID.hex()}
# Two writes with a hole between them: block 2, bytes 32 to 47, is never written.
PLAINTEXT = b"The customer holds the key.\n" + bytes(20) + b"end"
HOLES = {2}
COUNTERS = (run(0xC0, 16), bytes([0xFF] * 15 + [0xFE]))  # of the two epochs of the AES-256-CTR file


def hkdf(key, salt, label, size=32):
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=salt, info=label).derive(key)


def mac(key, data):
    return hmac.digest(key, data, hashlib.sha256)


def blob(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<H", len(value)) + value


def wrapped(ciphertext):
    return blob("") + blob("SYMMETRIC_DEFAULT") + blob(ciphertext)


def make_keyring():
    sealed = NONCE + AESGCM(hkdf(KEK, VOLUME_ID, b"freehold v1 dek wrapping")).encrypt(
        NONCE, DEK, b"freehold v1 dek" + VOLUME_ID + DEK_ID + struct.pack("<I", 1)
    )
    kek = blob("AWS_KMS") + blob(KEY_URI) + blob(ROLE) + struct.pack("<H", len(CONTEXT))
    kek += b"".join(blob(name) + blob(value) for name, value in sorted(CONTEXT.items()))
    kek += wrapped(b"what the KMS made of the KEK") + wrapped(b"what the KMS made of the canary")
    kek += hashlib.sha256(CANARY).digest() + struct.pack("<Q", CREATED)
    dek = DEK_ID + struct.pack("<IBQ", 1, 0, CREATED) + blob(sealed)
    kek_id = mac(KEK, b"freehold v1 kek id")[:16]
    body = struct.pack("<Q16s16sBQHH", 1, VOLUME_ID, kek_id, 1, CREATED, 1, 1) + kek + dek
    covered = struct.pack("<8sHHI", b"FHOLDKEY", 1, 0, 16 + len(body) + 32) + body
    return covered + mac(hkdf(KEK, VOLUME_ID, b"freehold v1 keyring mac"), covered)


def make_slot(index, cipher=1, epochs=b""):
    fields = struct.pack("<8sHBBIQ", b"FHOLDFIL", 1, cipher, 12, 0, 1)
    covered = (fields + VOLUME_ID + FILE_ID + DEK_ID + SALT).ljust(160, b"\0")
    covered = (covered + epochs).ljust(480, b"\0")
    key = hkdf(DEK, SALT, b"freehold v1 file header" + FILE_ID)
    return covered + mac(key, covered + bytes([index]))


def make_file(plaintext):
    header = make_slot(0).ljust(2048, b"\0") + make_slot(1).ljust(2048, b"\0")
    partial = len(plaintext) % 16
    padded = plaintext + bytes(-len(plaintext) % 16)
    key = hkdf(DEK, SALT, b"freehold v1 file aes-256-xts" + FILE_ID, 64)
    body = b""
    for unit in range(0, len(padded), 4096):
        tweak = struct.pack("<QQ", unit // 4096, 0)
        encryptor = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
        body += encryptor.update(padded[unit : unit + 4096])
    for hole in HOLES:
        body = body[: hole * 16] + bytes(16) + body[hole * 16 + 16 :]
    return header + body + bytes(partial)


def apply_counter(key, counter, offset, data):
    """AES-256-CTR: `counter` is the block at offset 0."""
    first = (int.from_bytes(counter, "big") + offset // 16) % 2**128
    return Cipher(algorithms.AES(key), modes.CTR(first.to_bytes(16, "big"))).encryptor().update(data)


def make_ctr_file(plaintext):
    """Written in two openings: 20 bytes, and the rest."""
    key = hkdf(DEK, SALT, b"freehold v1 file aes-256-ctr" + FILE_ID)
    first = apply_counter(key, COUNTERS[0], 0, plaintext[:20] + bytes(12))
    padded = plaintext + bytes(-len(plaintext) % 16)
    body = first[:16] + apply_counter(key, COUNTERS[1], 16, padded[16:])
    for hole in HOLES:
        body = body[: hole * 16] + bytes(16) + body[hole * 16 + 16 :]
    epochs = struct.pack("<Q16s16s", 0, COUNTERS[0], bytes(16))
    epochs += struct.pack("<Q16s16s", 16, COUNTERS[1], first[16:])
    slots = [make_slot(index, 2, epochs).ljust(2048, b"\0") for index in (0, 1)]
    return b"".join(slots) + body + bytes(len(plaintext) % 16)


def dump(data):
    """As `hexdump -C` prints it: repeated rows are a star."""
    lines, previous = [], None
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        if row == previous and len(row) == 16:
            if lines[-1] != "*":
                lines.append("*")
            continue
        previous = row
        words = " ".join(f"{octet:02x}" for octet in row[:8])
        words += "  " + " ".join(f"{octet:02x}" for octet in row[8:])
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        lines.append(f"{at:08x}  {words:<48}  |{text}|")
    return "\n".join([*lines, f"{len(data):08x}"])


def blocks():
    """(page, name of the fenced block, its text)"""
    return [
        ("keyring.md", "example-keyring", dump(make_keyring())),
        ("file.md", "example-file", dump(make_file(PLAINTEXT))),
        ("file.md", "example-ctr-file", dump(make_ctr_file(PLAINTEXT))),
    ]


def main():
    for page, name, text in blocks():
        fenced = f"```hexdump {name}\n{text}\n```"
        if "--write" not in sys.argv:
            print(fenced)
            continue
        path = PAGES / page
        before, _, rest = path.read_text().partition(f"```hexdump {name}\n")
        path.write_text(before + fenced + rest[rest.index("\n```") + 4 :])


if __name__ == "__main__":
    main()
