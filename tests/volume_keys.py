"""The keys of a volume, as their owners get them: from its keyring, by a KMS client and the
independent reader."""

import pathlib

import freehold_reader
import key_scanner
from policy_testing import OPERATOR


def keyring_of(volume):
    """What lies on the volume now; None before there is any."""
    file = pathlib.Path(volume) / "freehold/keyring"
    return freehold_reader.read_keyring(file.read_bytes()) if file.exists() else None


def patterns_of(kms, volume):
    """(label, bytes) of each KEK and DEK, for key_scanner. Again when it changes meanwhile."""
    file = pathlib.Path(volume) / "freehold/keyring"
    while True:
        data = file.read_bytes()
        found = []
        for wrapped in freehold_reader.read_keyring(data).keks:
            client = kms.client("kms", "operator" if OPERATOR in wrapped.key_uri else "customer")
            kek = client.decrypt(CiphertextBlob=wrapped.kek.ciphertext,
                                 EncryptionContext=wrapped.context)["Plaintext"]
            found += key_scanner.patterns_of("KEK", kek)
            for dek in freehold_reader.open_keyring(data, kek)[1].values():
                found += key_scanner.patterns_of("DEK", dek)
        if file.read_bytes() == data:
            return found
