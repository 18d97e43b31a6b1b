"""Key material that a customer brings to AWS KMS, wrapped as AWS documents it."""

import base64
import os

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding

MATERIAL = bytes(range(32))


def oaep(digest):
    return padding.OAEP(padding.MGF1(digest), digest, None)


def wrapped(public, algorithm, material):
    digest = hashes.SHA256() if algorithm.endswith("256") else hashes.SHA1()
    if not algorithm.startswith("RSA_AES"):
        return public.encrypt(material, oaep(digest))
    aes = os.urandom(32)
    return public.encrypt(aes, oaep(digest)) + keywrap.aes_key_wrap_with_padding(aes, material)


def import_material(kms, key, material=MATERIAL, algorithm="RSAES_OAEP_SHA_256",
                    valid_to=None, token=None):
    client = kms.client("kms")
    parameters = parameters_for_import(kms, key, algorithm)
    public = serialization.load_der_public_key(parameters["PublicKey"])
    expiry = dict(ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    if valid_to:
        expiry = dict(ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=valid_to)
    client.import_key_material(KeyId=key, ImportToken=token or parameters["ImportToken"],
                               EncryptedKeyMaterial=wrapped(public, algorithm, material), **expiry)


def parameters_for_import(kms, key, algorithm):
    """As a raw request: this boto3 does not know every algorithm."""
    status, answer = kms.raw("GetParametersForImport", {
        "KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"})
    assert status == 200, answer
    return {name: base64.b64decode(answer[name]) for name in ("PublicKey", "ImportToken")}
