"""The embedded KMS's ciphertexts: what opens them, data keys, and trying without doing."""

import base64

import botocore.exceptions
import pytest

from kms_testing import new_key, refused
from kms_testing import kms  # a fixture


def test_a_ciphertext_opens_only_with_its_context_and_key(kms):
    client = kms.client("kms")
    key, other = new_key(client), new_key(client)
    context = {"freehold:cluster": "c1", "freehold:purpose": "kek"}
    blob = client.encrypt(KeyId=key, Plaintext=b"k" * 4096,
                          EncryptionContext=context)["CiphertextBlob"]
    answer = client.decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=key)
    assert (answer["Plaintext"], answer["KeyId"]) == (b"k" * 4096, key)
    for wrong in ({}, {**context, "freehold:cluster": "c2"}, {**context, "more": "x"}):
        with refused("InvalidCiphertextException"):
            client.decrypt(CiphertextBlob=blob, EncryptionContext=wrong)
    with refused("IncorrectKeyException"):
        client.decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=other)
    for position in (0, 20, 60, len(blob) - 1):
        bad = bytearray(blob)
        bad[position] ^= 1
        with refused("InvalidCiphertextException"):
            client.decrypt(CiphertextBlob=bytes(bad), EncryptionContext=context, KeyId=key)
    with refused("InvalidCiphertextException"):
        client.decrypt(CiphertextBlob=b"garbage", KeyId=key)
    with pytest.raises(botocore.exceptions.ClientError, match="ValidationException"):
        client.encrypt(KeyId=key, Plaintext=b"k" * 4097)
    with refused("InvalidGrantTokenException"):
        client.encrypt(KeyId=key, Plaintext=b"k", GrantTokens=["x"])
    with refused("InvalidKeyUsageException"):
        client.encrypt(KeyId=key, Plaintext=b"k", EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_data_keys_random_bytes_and_reencryption(kms):
    client = kms.client("kms")
    key, other = new_key(client), new_key(client)
    made = client.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"a": "b"})
    assert len(made["Plaintext"]) == 32
    opened = client.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]
    assert len(client.generate_data_key(KeyId=key, NumberOfBytes=7)["Plaintext"]) == 7
    hidden = client.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_128")
    assert "Plaintext" not in hidden
    assert len(client.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 16
    with refused("ValidationException"):
        client.generate_data_key(KeyId=key)
    with refused("ValidationException"):
        client.generate_data_key(KeyId=key, NumberOfBytes=7, KeySpec="AES_256")
    assert len(client.generate_random(NumberOfBytes=100)["Plaintext"]) == 100
    moved = client.re_encrypt(CiphertextBlob=made["CiphertextBlob"],
                              SourceEncryptionContext={"a": "b"},
                              DestinationKeyId=other, DestinationEncryptionContext={"c": "d"})
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key, other)
    opened = client.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"c": "d"})
    assert opened["Plaintext"] == made["Plaintext"]


def test_a_dry_run_says_what_would_have_happened(kms):
    client = kms.client("kms")
    key = new_key(client)
    blob = base64.b64encode(client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]).decode()
    for operation, body in (("Decrypt", {"CiphertextBlob": blob}),
                            ("Encrypt", {"KeyId": key, "Plaintext": "eA=="}),
                            ("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"}),
                            ("ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": key})):
        answer = kms.raw(operation, {**body, "DryRun": True})
        assert (answer[0], answer[1]["__type"]) == (400, "DryRunOperationException")
    client.disable_key(KeyId=key)
    assert kms.raw("Decrypt",
                   {"CiphertextBlob": blob, "DryRun": True})[1]["__type"] == "DisabledException"
