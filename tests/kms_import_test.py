"""Imported key material at the embedded KMS, through boto3, and a volume that lives under it."""

import datetime

import pytest

from freehold_testing import DENIED, Volume
from import_testing import import_material
from kms_testing import Kms, refusal


@pytest.fixture
def kms(tmp_path):
    served = Kms(tmp_path / "kms")
    yield served
    served.stop()


@pytest.fixture
def key(kms):
    metadata = kms.client("kms").create_key(Origin="EXTERNAL")["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Origin"]) == ("PendingImport", "EXTERNAL")
    return metadata["Arn"]


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1",
                                       "RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"])
def test_imported_material_encrypts(kms, key, algorithm):
    client = kms.client("kms")
    refusal(lambda: client.encrypt(KeyId=key, Plaintext=b"x"), "KMSInvalidStateException")
    import_material(kms, key, algorithm=algorithm)
    blob = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    metadata = client.describe_key(KeyId=key)["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled"
    assert metadata["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"


def test_what_was_encrypted_survives_deletion_and_import_of_the_same_material(kms, key):
    client = kms.client("kms")
    import_material(kms, key)
    blob = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    client.delete_imported_key_material(KeyId=key)
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"
    refusal(lambda: client.decrypt(CiphertextBlob=blob, KeyId=key), "KMSInvalidStateException")
    refusal(lambda: client.enable_key(KeyId=key), "KMSInvalidStateException")
    refusal(lambda: import_material(kms, key, bytes(32)), "IncorrectKeyMaterialException")
    kms.restart()
    import_material(kms, key)
    assert kms.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_material_expires(kms, key):
    client = kms.client("kms")
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    import_material(kms, key, valid_to=soon)
    assert client.describe_key(KeyId=key)["KeyMetadata"]["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"
    kms.fault("--clock-skew", "7200")
    kms.raw("ListKeys", {})  # whatever it answers, it finds what is due
    kms.fault("--clear")
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_what_does_not_belong_together_is_refusal(kms, key):
    client = kms.client("kms")
    other = client.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    own = client.create_key()["KeyMetadata"]["Arn"]
    tokens = client.get_parameters_for_import(
        KeyId=other, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    refusal(lambda: import_material(kms, key, token=tokens["ImportToken"]),
            "InvalidImportTokenException")
    refusal(lambda: import_material(kms, key, b"short"), "IncorrectKeyMaterialException")
    refusal(lambda: client.get_parameters_for_import(
        KeyId=own, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"),
        "UnsupportedOperationException")
    refusal(lambda: client.delete_imported_key_material(KeyId=own), "UnsupportedOperationException")
    import_material(kms, key)
    refusal(lambda: client.enable_key_rotation(KeyId=key), "UnsupportedOperationException")


def test_deleted_material_seals_a_volume_and_its_import_opens_it(kms, key, tmp_path):
    import_material(kms, key)
    volume = Volume(kms, tmp_path, key=key)
    try:
        volume.create().mount()
        (volume.mount_point / "f").write_bytes(b"x")
        kms.client("kms").delete_imported_key_material(KeyId=key)
        assert volume.wait_for_state("sealed")["reason"] == "denied"
        report = volume.run("key", "check", key, "--json")
        failure = next(i for i in report.json["items"] if i["outcome"] == "failed")
        assert (report.code, failure["meaning"]) == (DENIED, "key_material_missing")
        import_material(kms, key)
        volume.wait_for_state("open")
        assert (volume.mount_point / "f").read_bytes() == b"x"
    finally:
        volume.clean_up()
