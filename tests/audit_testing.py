"""The audit log's chain, computed from docs/api/audit.md alone."""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives import serialization

ZEROS = bytes(32)
LOG = "/api/v1/auditlogevents"


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def seal_of(before, organization, position, entry):
    return hashlib.sha256(b"freehold v1 audit entry\0" + before + text(organization) +
                          struct.pack("<Q", position) + text(entry)).digest()


def signed_bytes(head):
    return (b"freehold v1 audit head\0" + text(head["organization_id"]) +
            struct.pack("<Q", head["position"]) + bytes.fromhex(head["seal"]) + text(head["at"]))


def all_entries(server, key):
    entries = []
    while True:
        after = entries[-1]["position"] if entries else 0
        page = server.ask("GET", f"{LOG}?limit=1000&after={after}", key).json["entries"]
        entries += page
        if len(page) < 1000:
            return entries


def check_chain(server, key):
    """All entries, each where it is to be, below a head with a good signature."""
    head = server.ask("GET", f"{LOG}/head", key).json
    entries = all_entries(server, key)
    seal = ZEROS
    seals = [seal]
    for position, entry in enumerate(entries, 1):
        assert entry["position"] == position
        seal = seal_of(seal, head["organization_id"], position, entry["text"])
        assert entry["seal"] == seal.hex()
        seals.append(seal)
    assert bytes.fromhex(head["seal"]) == seals[head["position"]]
    keys = {one["key_id"]: one["public_key"]
            for one in server.ask("GET", f"{LOG}/keys", key).json["keys"]}
    public = serialization.load_pem_public_key(keys[head["key_id"]].encode())
    public.verify(base64.b64decode(head["signature"]), signed_bytes(head))  # raises
    der = public.public_bytes(serialization.Encoding.DER,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(der).hexdigest() == head["key_id"]
    return entries
