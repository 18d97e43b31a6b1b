"""The embedded KMS's keys: their lives, names, tags and rotations."""

import json
import signal

import botocore.exceptions
import pytest

from kms_testing import new_key, refused
from kms_testing import kms  # a fixture
from policy_testing import CUSTOMER


def test_a_key_is_created_described_listed_and_survives_a_kill(kms):
    client = kms.client("kms")
    keys = {new_key(client, Description=f"key {n}", Tags=[{"TagKey": "n", "TagValue": str(n)}])
            for n in range(5)}
    kms.restart(signal.SIGKILL)
    client = kms.client("kms")
    pages = list(client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Keys"]) for page in pages] == [2, 2, 1]
    assert {key["KeyArn"] for page in pages for key in page["Keys"]} == keys
    one = sorted(keys)[0]
    data = client.describe_key(KeyId=one)["KeyMetadata"]
    assert (data["KeyState"], data["Enabled"], data["Origin"]) == ("Enabled", True, "AWS_KMS")
    assert data["AWSAccountId"] == CUSTOMER and data["KeySpec"] == "SYMMETRIC_DEFAULT"
    assert len(kms.raw("DescribeKey",
                       {"KeyId": one})[1]["KeyMetadata"]["CurrentKeyMaterialId"]) == 64
    assert kms.client("kms", region="eu-west-1").list_keys()["Keys"] == []
    assert kms.client("kms", "operator").list_keys()["Keys"] == []
    with refused("InvalidMarkerException"):
        client.list_keys(Marker="!!")


def test_what_is_not_offered_is_refused(kms):
    client = kms.client("kms")
    for parameters in ({"Origin": "AWS_CLOUDHSM"}, {"KeySpec": "RSA_2048"},
                       {"KeyUsage": "SIGN_VERIFY"}):
        with refused("UnsupportedOperationException"):
            client.create_key(**parameters)
    key = new_key(client)
    with refused("UnsupportedOperationException"):
        client.get_public_key(KeyId=key)
    with refused("UnsupportedOperationException"):
        client.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")


def test_disabling_stops_use_and_enabling_gives_it_back(kms):
    client = kms.client("kms")
    key = new_key(client)
    blob = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    client.disable_key(KeyId=key)
    for call in (lambda: client.decrypt(CiphertextBlob=blob, KeyId=key),
                 lambda: client.encrypt(KeyId=key, Plaintext=b"x"),
                 lambda: client.generate_data_key(KeyId=key, KeySpec="AES_256"),
                 lambda: client.enable_key_rotation(KeyId=key)):
        with refused("DisabledException") as error:
            call()
        assert error.value.response["Error"]["Message"] == f"{key} is disabled."
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    client.enable_key(KeyId=key)
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def stored(kms):
    return json.loads((kms.directory / "store").read_text().split("\n", 1)[1])


def test_deletion_waits_can_be_cancelled_and_then_is_final(kms):
    client = kms.client("kms")
    key = new_key(client)
    client.create_alias(AliasName="alias/gone", TargetKeyId=key)
    blob = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for days in (6, 31):
        with refused("ValidationException"):
            client.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
    with refused("KMSInvalidStateException"):
        client.cancel_key_deletion(KeyId=key)
    answer = client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert (answer["KeyId"], answer["KeyState"]) == (key, "PendingDeletion")
    for call in (lambda: client.decrypt(CiphertextBlob=blob), lambda: client.enable_key(KeyId=key),
                 lambda: client.update_key_description(KeyId=key, Description="x"),
                 lambda: client.tag_resource(KeyId=key, Tags=[])):
        with refused("KMSInvalidStateException"):
            call()
    assert "DeletionDate" in client.describe_key(KeyId=key)["KeyMetadata"]
    client.cancel_key_deletion(KeyId=key)
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"

    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    sealed = [m["sealed"] for k in stored(kms)["keys"] for m in k["materials"]]
    kms.fault("--clock-skew", str(7 * 86400 + 60))
    with refused("InvalidSignatureException"):  # its clock is a week ahead of ours
        client.describe_key(KeyId=key)
    kms.fault("--clear")
    with refused("NotFoundException"):
        client.describe_key(KeyId=key)
    with refused("NotFoundException"):
        client.decrypt(CiphertextBlob=blob, KeyId=key)
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=blob)
    assert client.list_aliases()["Aliases"] == []
    assert all(s not in (kms.directory / "store").read_text() for s in sealed)
    kms.restart()
    with refused("NotFoundException"):
        kms.client("kms").describe_key(KeyId=key)


def test_aliases_stand_for_keys(kms):
    client = kms.client("kms")
    first, second = new_key(client), new_key(client)
    client.create_alias(AliasName="alias/a", TargetKeyId=first)
    with refused("AlreadyExistsException"):
        client.create_alias(AliasName="alias/a", TargetKeyId=second)
    for name in ("nonsense", "alias/", "alias/with space"):
        with pytest.raises(botocore.exceptions.ClientError):
            client.create_alias(AliasName=name, TargetKeyId=first)
    blob = client.encrypt(KeyId="alias/a", Plaintext=b"x")["CiphertextBlob"]
    assert client.encrypt(KeyId=f"arn:aws:kms:us-east-1:{CUSTOMER}:alias/a",
                          Plaintext=b"x")["KeyId"] == first
    client.update_alias(AliasName="alias/a", TargetKeyId=second)
    assert client.describe_key(KeyId="alias/a")["KeyMetadata"]["Arn"] == second
    with refused("IncorrectKeyException"):
        client.decrypt(CiphertextBlob=blob, KeyId="alias/a")
    assert [a["AliasName"] for a in client.list_aliases(KeyId=second)["Aliases"]] == ["alias/a"]
    assert client.list_aliases(KeyId=first)["Aliases"] == []
    client.delete_alias(AliasName="alias/a")
    with refused("NotFoundException"):
        client.encrypt(KeyId="alias/a", Plaintext=b"x")
    with refused("NotFoundException"):
        client.delete_alias(AliasName="alias/a")


def test_tags_and_description_change(kms):
    client = kms.client("kms")
    key = new_key(client)
    client.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "1"},
                                         {"TagKey": "b", "TagValue": "2"}])
    client.untag_resource(KeyId=key, TagKeys=["a"])
    assert client.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "b", "TagValue": "2"}]
    with refused("TagException"):
        client.tag_resource(KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": "1"}])
    client.update_key_description(KeyId=key, Description="höhe")
    assert client.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "höhe"


def test_rotation_keeps_old_ciphertexts_readable_also_after_a_restart(kms):
    client = kms.client("kms")
    key = new_key(client)
    old = client.encrypt(KeyId=key, Plaintext=b"old",
                         EncryptionContext={"a": "b"})["CiphertextBlob"]
    before = kms.raw("DescribeKey", {"KeyId": key})[1]["KeyMetadata"]["CurrentKeyMaterialId"]
    status, answer = kms.raw("RotateKeyOnDemand", {"KeyId": key})
    assert (status, answer) == (200, {"KeyId": key})
    after = kms.raw("DescribeKey", {"KeyId": key})[1]["KeyMetadata"]["CurrentKeyMaterialId"]
    assert before != after
    new = client.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert old[17:49].hex() == before and new[17:49].hex() == after
    kms.restart()
    client = kms.client("kms")
    assert client.decrypt(CiphertextBlob=old, EncryptionContext={"a": "b"})["Plaintext"] == b"old"
    assert client.decrypt(CiphertextBlob=new)["Plaintext"] == b"new"
    rotations = kms.raw("ListKeyRotations", {"KeyId": key})[1]["Rotations"]
    assert [(r["RotationType"], r["KeyMaterialId"]) for r in rotations] == [("ON_DEMAND", after)]
    everything = kms.raw("ListKeyRotations",
                         {"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"})
    assert [r["KeyMaterialState"] for r in everything[1]["Rotations"]] == ["NON_CURRENT", "CURRENT"]


def test_automatic_rotation_happens_when_due(kms):
    client = kms.client("kms")
    key = new_key(client)
    assert client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    assert kms.raw("EnableKeyRotation", {"KeyId": key, "RotationPeriodInDays": 90})[0] == 200
    status = kms.raw("GetKeyRotationStatus", {"KeyId": key})[1]
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    assert kms.raw("EnableKeyRotation",
                   {"KeyId": key, "RotationPeriodInDays": 89})[1]["__type"] == "ValidationException"
    kms.fault("--clock-skew", str(91 * 86400))
    with refused("InvalidSignatureException"):
        client.list_keys()
    kms.fault("--clear")
    rotations = kms.raw("ListKeyRotations", {"KeyId": key})[1]["Rotations"]
    assert [r["RotationType"] for r in rotations] == ["AUTOMATIC"]
    client.disable_key_rotation(KeyId=key)
    assert client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False


def test_a_keys_name_is_judged_as_aws_does(kms):
    client = kms.client("kms")
    absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
    for key_id, code in ((absent, "NotFoundException"), ("nonsense", "NotFoundException"),
                         ("arn:nonsense", "InvalidArnException"),
                         ("alias/none", "NotFoundException"),
                         (f"arn:aws:kms:us-east-1:{CUSTOMER}:key/{absent}", "NotFoundException"),
                         (f"arn:aws:kms:eu-west-1:{CUSTOMER}:key/{absent}", "NotFoundException")):
        with refused(code):
            client.describe_key(KeyId=key_id)
