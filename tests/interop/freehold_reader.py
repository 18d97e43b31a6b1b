#!/usr/bin/env python3
"""Reads a Freehold volume without Freehold: docs/format/file.md and keyring.md as a program.

It shares no code with the C++ and needs python3-cryptography only. From a keyring, an unwrapped
KEK and an encrypted file it makes the plaintext, after checking every MAC on the way:

  freehold_reader.py --show-wrapped VOLUME/freehold/keyring
  aws kms decrypt --ciphertext-blob fileb://wrapped --encryption-context ... \\
      --query Plaintext --output text |
    freehold_reader.py --kek - VOLUME/freehold/keyring VOLUME/data/FILE > plaintext

--kek takes hex, base64, a file with 32 raw bytes (or hex, or base64), or - for standard input. A
key on the command line can be seen by others on the machine: prefer a file or standard input.

What cannot be trusted is refused: one sentence on standard error, exit code 1. What is odd but
readable (a damaged second header slot, a length that nobody writes, bytes behind the end) is a
warning there, and refused with --strict.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import typing
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
NULL_CIPHER, AES_256_XTS, AES_256_CTR = 0, 1, 2
TWO_KEYS = 1  # feature bit of a header
HEADER_SIZE, SLOT_SIZE, MAC_SIZE = 4096, 512, 32
SLOT_OFFSETS = (0, 2048)
UNIT_SIZE, UNIT_SHIFT, BLOCK = 4096, 12, 16


class Refused(Exception):
    """The bytes are not what they must be; the message is one sentence for a person."""


def derive(key, salt, info, size=32):
    return HKDF(hashes.SHA256(), size, salt, info).derive(key)


def hmac_sha256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Fields:
    """Little-endian fields, one after the other; text and blobs carry a length of two bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, size):
        if self.at + size > len(self.data):
            raise Refused("the keyring is damaged: truncated")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.raw(size), "little")

    def blob(self):
        return self.raw(self.number(2))

    def text(self):
        try:
            words = self.blob().decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("the keyring is damaged: a text in it is no UTF-8") from None
        if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in words):
            raise Refused("the keyring is damaged: a text in it has control characters")
        return words


# ---- the keyring (docs/format/keyring.md) ----


@dataclass
class WrappedKey:
    version: str
    algorithm: str
    ciphertext: bytes


@dataclass
class WrappedKek:
    kms_type: str
    key_uri: str
    principal: str
    context: dict
    kek: WrappedKey
    canary: WrappedKey
    canary_digest: bytes
    created: int


@dataclass
class WrappedDek:
    id: bytes
    generation: int
    retired: bool
    created: int
    sealed: bytes


@dataclass
class Keyring:
    generation: int
    volume_id: bytes
    kek_id: bytes
    cipher: int
    created: int
    keks: list = field(default_factory=list)
    deks: list = field(default_factory=list)


def read_wrapped_key(fields):
    return WrappedKey(fields.text(), fields.text(), fields.blob())


def read_kek(fields):
    names = fields.text(), fields.text(), fields.text()
    pairs = fields.number(2)
    context = {}
    for _ in range(pairs):
        name = fields.text()
        context[name] = fields.text()
    wrapped = read_wrapped_key(fields), read_wrapped_key(fields)
    return WrappedKek(*names, context, *wrapped, fields.raw(32), fields.number(8))


def read_dek(fields):
    return WrappedDek(
        fields.raw(16), fields.number(4), fields.number(1) != 0, fields.number(8), fields.blob()
    )


def read_keyring(data):
    """The fields, trusted by nobody yet."""
    if len(data) < 16 + MAC_SIZE:
        raise Refused("the keyring is damaged: it is cut short")
    fields = Fields(data[:-MAC_SIZE])
    if fields.raw(8) != b"FHOLDKEY":
        raise Refused("this is no keyring: it does not start with FHOLDKEY")
    version, features, length = fields.number(2), fields.number(2), fields.number(4)
    if (version, features) != (VERSION, 0):
        raise Refused(f"the keyring has version {version}, features {features:#x}: too new")
    if length != len(data):
        raise Refused(f"the keyring is damaged: it has {len(data)} bytes and says {length}")
    keyring = Keyring(
        fields.number(8), fields.raw(16), fields.raw(16), fields.number(1), fields.number(8)
    )
    if keyring.cipher > AES_256_CTR:
        raise Refused(f"the keyring names cipher {keyring.cipher}: too new")
    kek_count, dek_count = fields.number(2), fields.number(2)
    if not kek_count or not dek_count:
        raise Refused("the keyring is damaged: no KEK or no DEK in it")
    keyring.keks = [read_kek(fields) for _ in range(kek_count)]
    keyring.deks = [read_dek(fields) for _ in range(dek_count)]
    if fields.at != len(fields.data):
        raise Refused("the keyring is damaged: bytes follow its end")
    return keyring


def open_keyring(data, kek):
    """The keyring and its DEKs by id, once its MAC has shown that holders of the KEK wrote it."""
    keyring = read_keyring(data)
    if hmac_sha256(kek, b"freehold v1 kek id")[:16] != keyring.kek_id:
        raise Refused("this is not the KEK of this keyring")
    mac_key = derive(kek, keyring.volume_id, b"freehold v1 keyring mac")
    if not hmac.compare_digest(hmac_sha256(mac_key, data[:-MAC_SIZE]), data[-MAC_SIZE:]):
        raise Refused("the keyring was changed: its MAC does not fit")
    return keyring, {dek.id: unwrap_dek(dek, keyring.volume_id, kek) for dek in keyring.deks}


def unwrap_dek(dek, volume_id, kek):
    bound_to = b"freehold v1 dek" + volume_id + dek.id + struct.pack("<I", dek.generation)
    wrapping_key = derive(kek, volume_id, b"freehold v1 dek wrapping")
    try:
        plain = AESGCM(wrapping_key).decrypt(dek.sealed[:12], dek.sealed[12:], bound_to)
    except (InvalidTag, ValueError):
        raise Refused(f"the wrapped DEK {dek.id.hex()} does not fit the KEK") from None
    if len(plain) != 32:
        raise Refused("a DEK is not 32 bytes long")
    return plain


# ---- an encrypted file (docs/format/file.md) ----


class Epoch(typing.NamedTuple):
    start: int
    counter: bytes
    carried: bytes  # the block at start, as it was before


@dataclass
class Header:
    generation: int
    file_id: bytes
    salt: bytes
    dek: bytes
    epochs: list  # of AES-256-CTR, by start
    previous: "Header | None" = None  # while it is re-encrypted: the key from the watermark on
    watermark: int = 0

    def key(self, label, size=32):
        return derive(self.dek, self.salt, label + self.file_id, size)

    def of_unit(self, unit):
        later = self.previous is not None and unit * UNIT_SIZE >= self.watermark
        return self.previous if later else self


def read_slot(slot, index, keyring, deks):
    if not any(slot):
        raise Refused("was never written")
    magic, version, cipher, unit_shift, features, generation = struct.unpack_from("<8sHBBIQ", slot)
    volume_id, file_id, dek_id, salt = struct.unpack_from("16s16s16s32s", slot, 24)
    if magic != b"FHOLDFIL":
        raise Refused("does not start with FHOLDFIL")
    if version != VERSION or features not in (0, TWO_KEYS):
        raise Refused(f"has version {version}, features {features:#x}: too new")
    if cipher > AES_256_CTR or unit_shift != UNIT_SHIFT:
        raise Refused(f"names cipher {cipher} in units of 2^{unit_shift}: too new")
    if volume_id != keyring.volume_id:
        raise Refused(f"belongs to another volume, {volume_id.hex()}")
    if dek_id not in deks:
        raise Refused(f"names a DEK that the keyring does not have, {dek_id.hex()}")
    header = Header(generation, file_id, salt, deks[dek_id], [])
    mac = hmac_sha256(header.key(b"freehold v1 file header"), slot[:480] + bytes([index]))
    if not hmac.compare_digest(mac, slot[480:]):
        raise Refused("was changed: its MAC does not fit")
    if cipher != keyring.cipher:
        raise Refused("does not have the volume's cipher")
    if features == TWO_KEYS:
        dek_id, previous_salt, header.watermark = struct.unpack_from("<16s32sQ", slot, 104)
        if header.watermark % UNIT_SIZE:
            raise Refused("has a watermark within a unit")
        if dek_id not in deks:
            raise Refused(f"names a DEK that the keyring does not have, {dek_id.hex()}")
        header.previous = Header(generation, file_id, previous_salt, deks[dek_id], [])
    if cipher == AES_256_CTR:
        read_epochs(slot, header)
    return header


def read_epochs(slot, header):
    for at in range(160, 480, 40):
        start, counter, carried = struct.unpack_from("<Q16s16s", slot, at)
        if any(counter):
            of_previous, start = start & 1, start & ~1
            of = header.previous if of_previous else header
            if of is None or start % BLOCK or start < (of.epochs[-1].start if of.epochs else 0):
                raise Refused("has a table of epochs that is out of order")
            of.epochs.append(Epoch(start, counter, carried))
    for of in filter(None, (header, header.previous)):
        if not of.epochs or of.epochs[0].start != 0:
            raise Refused("has a table of epochs that is out of order")


def read_header(data, keyring, deks, warn):
    if len(data) < HEADER_SIZE:
        raise Refused(f"the header is cut short: {len(data)} of {HEADER_SIZE} bytes")
    if not any(data[:HEADER_SIZE]):
        raise Refused("the header is all zeros: only the recovery of an open volume may adopt it")
    valid, faults = [], []
    for index, offset in enumerate(SLOT_OFFSETS):
        try:
            valid.append(read_slot(data[offset : offset + SLOT_SIZE], index, keyring, deks))
        except Refused as fault:
            faults.append(f"header slot {index} {fault}")
    if not valid:
        raise Refused("; ".join(faults))
    for fault in faults:
        warn(fault)
    return max(valid, key=lambda header: header.generation)


def backing_size(length):
    return HEADER_SIZE + length + (BLOCK if length % BLOCK else 0)


def logical_size(size):
    body = max(0, size - HEADER_SIZE)
    return body if body % BLOCK == 0 else max(0, body - BLOCK)


def decrypt_xts(header, number, ciphertext):
    key = header.key(b"freehold v1 file aes-256-xts", 64)
    decryptor = Cipher(algorithms.AES(key), modes.XTS(number.to_bytes(16, "little"))).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def decrypt_ctr(header, number, ciphertext):
    aes = algorithms.AES(header.key(b"freehold v1 file aes-256-ctr"))
    plain = b""
    for at in range(0, len(ciphertext), BLOCK):
        offset, block = number * UNIT_SIZE + at, ciphertext[at : at + BLOCK]
        held = [epoch for epoch in header.epochs if epoch.start <= offset]
        while len(held) > 1 and held[-1].start == offset and held[-1].carried == block:
            held.pop()  # not yet on the disk under that epoch
        counter = (int.from_bytes(held[-1].counter, "big") + offset // BLOCK) % 2**128
        plain += Cipher(aes, modes.CTR(counter.to_bytes(16, "big"))).decryptor().update(block)
    return plain


def decrypt_unit(cipher, header, number, ciphertext):
    decrypt = decrypt_ctr if cipher == AES_256_CTR else decrypt_xts
    plain = bytearray(decrypt(header, number, ciphertext))
    for at in range(0, len(plain), BLOCK):  # the zero rule
        if not any(ciphertext[at : at + BLOCK]):
            plain[at : at + BLOCK] = bytes(BLOCK)
    return plain


def read_file(data, keyring, deks, warn):
    """The plaintext of one encrypted file."""
    if not data:
        return b""  # never written: no header, no bytes
    if keyring.cipher == NULL_CIPHER:
        raise Refused("the volume is not encrypted (null cipher)")
    header = read_header(data, keyring, deks, warn)
    length = logical_size(len(data))
    if len(data) not in (HEADER_SIZE, backing_size(length)):
        warn(f"its length on disk, {len(data)} bytes, is one that is never written")
    if any(data[len(data) - length % BLOCK :]) and length % BLOCK:
        warn("the bytes behind its end are not zeros")
    end = HEADER_SIZE + (length + BLOCK - 1) // BLOCK * BLOCK
    plain = bytearray()
    for number, at in enumerate(range(HEADER_SIZE, end, UNIT_SIZE)):
        unit = data[at : min(at + UNIT_SIZE, end)]
        plain += decrypt_unit(keyring.cipher, header.of_unit(number), number, unit)
    return bytes(plain[:length])


# ---- the command ----


def read_kek_argument(text):
    given = text.encode()
    if text == "-":
        given = sys.stdin.buffer.read()
    elif os.path.exists(text):
        with open(text, "rb") as file:
            given = file.read()
    if len(given) == 32:
        return given
    for decode in (bytes.fromhex, lambda words: base64.b64decode(words, validate=True)):
        try:
            key = decode(given.decode().strip())
        except ValueError:
            continue
        if len(key) == 32:
            return key
    raise Refused("the KEK is not 32 bytes, raw, in hex or in base64")


def show_wrapped(keyring):
    for kek in keyring.keks:
        shown = {
            "kms_type": kek.kms_type,
            "key": kek.key_uri,
            "principal": kek.principal,
            "encryption_context": kek.context,
            "ciphertext_base64": base64.b64encode(kek.kek.ciphertext).decode(),
        }
        print(json.dumps(shown))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("keyring")
    parser.add_argument("file", nargs="?", help="without it only the keyring is checked")
    parser.add_argument("--kek", help="hex, base64, a file, or - for standard input")
    parser.add_argument("--show-wrapped", action="store_true", help="print the wrapped KEK as JSON")
    parser.add_argument("--strict", action="store_true", help="refuse what is odd but readable")
    options = parser.parse_args()

    def warn(what):
        if options.strict:
            raise Refused(what)
        print(f"freehold_reader: warning: {what}", file=sys.stderr)

    try:
        with open(options.keyring, "rb") as file:
            keyring_bytes = file.read()
        if options.show_wrapped:
            return show_wrapped(read_keyring(keyring_bytes))
        if options.kek is None:
            parser.error("--kek is needed, or --show-wrapped")
        keyring, deks = open_keyring(keyring_bytes, read_kek_argument(options.kek))
        if options.file is not None:
            with open(options.file, "rb") as file:
                data = file.read()
            sys.stdout.buffer.write(read_file(data, keyring, deks, warn))
    except (Refused, OSError) as failure:
        print(f"freehold_reader: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
