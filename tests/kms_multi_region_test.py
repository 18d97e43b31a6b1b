"""Multi-Region keys at the embedded KMS, through boto3, and a volume that moves between Regions."""

import datetime
import json
import re

import pytest

from freehold_testing import DENIED, OK, Volume
from import_testing import import_material
from kms_testing import Kms, refusal
from policy_testing import CUSTOMER, CUSTOMER_ROOT

HERE, THERE, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"


@pytest.fixture
def kms(tmp_path):
    served = Kms(tmp_path / "kms")
    yield served
    served.stop()


@pytest.fixture
def here(kms):
    return kms.client("kms", region=HERE)


@pytest.fixture
def there(kms):
    return kms.client("kms", region=THERE)


@pytest.fixture
def key(here):
    """Of HERE, with a replica THERE."""
    made = here.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    here.replicate_key(KeyId=made, ReplicaRegion=THERE)
    return made


def arn(region, key):
    return f"arn:aws:kms:{region}:{CUSTOMER}:key/{key}"


def described(client, key):
    return client.describe_key(KeyId=key)["KeyMetadata"]


def test_a_key_and_its_replica_say_so_of_each_other(here, there):
    made = here.create_key(MultiRegion=True, Description="first")["KeyMetadata"]
    key = made["KeyId"]
    assert re.fullmatch("mrk-[0-9a-f]{32}", key) and made["Arn"] == arn(HERE, key)
    primary = {"Arn": arn(HERE, key), "Region": HERE}
    assert made["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY", "PrimaryKey": primary, "ReplicaKeys": []}
    answer = here.replicate_key(KeyId=key, ReplicaRegion=THERE, Description="second",
                                Tags=[{"TagKey": "a", "TagValue": "b"}])
    replica = {"Arn": arn(THERE, key), "Region": THERE}
    assert answer["ReplicaTags"] == [{"TagKey": "a", "TagValue": "b"}]
    assert json.loads(answer["ReplicaPolicy"])["Statement"][0]["Principal"]["AWS"] == CUSTOMER_ROOT
    for client, kind, description in ((here, "PRIMARY", "first"), (there, "REPLICA", "second")):
        metadata = described(client, key)
        assert metadata["MultiRegion"] and metadata["Description"] == description
        assert metadata["MultiRegionConfiguration"] == {
            "MultiRegionKeyType": kind, "PrimaryKey": primary, "ReplicaKeys": [replica]}
    assert answer["ReplicaKeyMetadata"] == described(there, key)
    ordinary = here.create_key()["KeyMetadata"]
    assert ordinary["MultiRegion"] is False and "MultiRegionConfiguration" not in ordinary


def test_what_one_encrypts_the_other_decrypts_and_no_other_key_does(here, there, key):
    context = {"a": "b"}
    blob = here.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    answer = there.decrypt(CiphertextBlob=blob, EncryptionContext=context)
    assert (answer["Plaintext"], answer["KeyId"]) == (b"x", arn(THERE, key))
    blob = there.encrypt(KeyId=key, Plaintext=b"y")["CiphertextBlob"]
    assert here.decrypt(CiphertextBlob=blob, KeyId=arn(HERE, key))["Plaintext"] == b"y"
    refusal(lambda: here.decrypt(CiphertextBlob=blob, KeyId=arn(THERE, key)), "NotFoundException")
    refusal(lambda: here.decrypt(CiphertextBlob=blob, EncryptionContext=context),
            "InvalidCiphertextException")
    other = here.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    refusal(lambda: here.decrypt(CiphertextBlob=blob, KeyId=other), "IncorrectKeyException")
    ordinary = here.create_key()["KeyMetadata"]["KeyId"]
    blob = here.encrypt(KeyId=ordinary, Plaintext=b"z")["CiphertextBlob"]
    refusal(lambda: there.decrypt(CiphertextBlob=blob), "AccessDeniedException")


def test_each_replica_has_a_state_of_its_own(kms, here, there, key):
    blob = here.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    here.disable_key(KeyId=key)
    refusal(lambda: here.decrypt(CiphertextBlob=blob), "DisabledException")
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    here.enable_key(KeyId=key)
    there.disable_key(KeyId=key)
    kms.restart()
    here, there = (kms.client("kms", region=region) for region in (HERE, THERE))
    assert here.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    refusal(lambda: there.decrypt(CiphertextBlob=blob), "DisabledException")


def test_policies_aliases_and_grants_are_a_regions_own(kms, here, there, key):
    there.create_alias(AliasName="alias/there", TargetKeyId=key)
    assert here.list_aliases()["Aliases"] == []
    grantee = f"arn:aws:iam::{CUSTOMER}:root"
    there.create_grant(KeyId=key, GranteePrincipal=grantee, Operations=["Decrypt"])
    assert here.list_grants(KeyId=key)["Grants"] == []
    kms.restart()
    there = kms.client("kms", region=THERE)
    assert len(there.list_grants(KeyId=key)["Grants"]) == 1
    blob = there.encrypt(KeyId="alias/there", Plaintext=b"x")["CiphertextBlob"]
    policy = there.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    there.put_key_policy(KeyId=key, PolicyName="default",
                         Policy=policy.replace('"kms:*"', '["kms:Put*", "kms:Get*"]'))
    here = kms.client("kms", region=HERE)
    assert here.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_rotation_is_the_primarys_and_reaches_every_replica(kms, here, there, key):
    old = there.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    here.enable_key_rotation(KeyId=key)
    assert there.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    refusal(lambda: there.disable_key_rotation(KeyId=key), "UnsupportedOperationException")
    assert kms.raw("RotateKeyOnDemand", {"KeyId": key})[0] == 200
    blob = here.encrypt(KeyId=key, Plaintext=b"y")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"y"
    assert there.decrypt(CiphertextBlob=old)["Plaintext"] == b"x"
    kms.fault("--clock-skew", str(400 * 24 * 3600))
    kms.raw("ListKeys", {})  # whatever it answers, it finds what is due
    kms.fault("--clear")
    blob = there.encrypt(KeyId=key, Plaintext=b"z")["CiphertextBlob"]
    assert here.decrypt(CiphertextBlob=blob)["Plaintext"] == b"z"


def test_another_region_can_become_the_primarys(here, there, key):
    refusal(lambda: there.update_primary_region(KeyId=key, PrimaryRegion=HERE),
            "UnsupportedOperationException")
    refusal(lambda: here.update_primary_region(KeyId=key, PrimaryRegion=FAR), "NotFoundException")
    here.update_primary_region(KeyId=key, PrimaryRegion=THERE)
    for client, kind in ((here, "REPLICA"), (there, "PRIMARY")):
        configuration = described(client, key)["MultiRegionConfiguration"]
        assert configuration["MultiRegionKeyType"] == kind
        assert configuration["PrimaryKey"]["Region"] == THERE
        assert [each["Region"] for each in configuration["ReplicaKeys"]] == [HERE]
    there.replicate_key(KeyId=key, ReplicaRegion=FAR)


def test_what_cannot_be_replicated_is_refused(here, there, key):
    ordinary = here.create_key()["KeyMetadata"]["KeyId"]
    for name, region, code in ((ordinary, THERE, "UnsupportedOperationException"),
                               (key, THERE, "AlreadyExistsException"),
                               (key, HERE, "ValidationException"),
                               (key, "EU West", "ValidationException"),
                               ("mrk-" + "0" * 32, THERE, "NotFoundException")):
        refusal(lambda: here.replicate_key(KeyId=name, ReplicaRegion=region), code)
    refusal(lambda: there.replicate_key(KeyId=key, ReplicaRegion=FAR),
            "UnsupportedOperationException")
    here.disable_key(KeyId=key)
    refusal(lambda: here.replicate_key(KeyId=key, ReplicaRegion=FAR), "DisabledException")


def test_replicating_needs_a_permission_of_its_own(kms, here, key):
    policy = here.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    here.put_key_policy(KeyId=key, PolicyName="default",
                        Policy=policy.replace('"kms:*"', '["kms:Put*", "kms:Describe*"]'))
    refusal(lambda: here.replicate_key(KeyId=key, ReplicaRegion=FAR), "AccessDeniedException")


def test_a_primary_goes_after_its_replicas(kms, here, there, key):
    answer = here.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in answer
    assert described(here, key)["PendingDeletionWindowInDays"] == 7
    there.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert described(there, key)["KeyState"] == "PendingDeletion"
    kms.fault("--clock-skew", str(8 * 24 * 3600))
    kms.raw("ListKeys", {})  # the replica is gone; the primary's waiting begins
    kms.raw("ListKeys", {})
    kms.fault("--clear")
    refusal(lambda: described(there, key), "NotFoundException")
    metadata = described(here, key)
    assert metadata["KeyState"] == "PendingDeletion"
    left = metadata["DeletionDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert left > datetime.timedelta(days=14)


def test_imported_material_is_imported_to_each_and_must_be_the_same(kms, here, there):
    key = here.create_key(MultiRegion=True, Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    refusal(lambda: here.replicate_key(KeyId=key, ReplicaRegion=THERE), "KMSInvalidStateException")
    import_material(kms, key)
    here.replicate_key(KeyId=key, ReplicaRegion=THERE)
    metadata = described(there, key)
    assert (metadata["KeyState"], metadata["Origin"]) == ("PendingImport", "EXTERNAL")
    refusal(lambda: there.encrypt(KeyId=key, Plaintext=b"x"), "KMSInvalidStateException")


def test_a_volume_moves_to_the_replica_while_the_primarys_region_says_no(
        kms, here, there, key, tmp_path):
    volume = Volume(kms, tmp_path, key=arn(HERE, key))
    try:
        volume.create()
        with volume.opened() as root:
            (root / "f").write_bytes(b"x")
        here.disable_key(KeyId=key)
        assert volume.try_mount().code == DENIED
        moved = volume.volume("rotate-key", "--key", arn(THERE, key))
        assert moved.code == OK, moved
        assert volume.status()["keks"][0]["key"] == f"aws-kms://{arn(THERE, key)}"
        with volume.opened() as root:
            assert (root / "f").read_bytes() == b"x"
        volume.mount()
        there.disable_key(KeyId=key)
        assert volume.wait_for_state("sealed")["reason"] == "denied"
        there.enable_key(KeyId=key)
        volume.wait_for_state("open")
        assert (volume.mount_point / "f").read_bytes() == b"x"
    finally:
        volume.clean_up()


def test_a_mounted_volume_that_the_primary_sealed_opens_again_under_the_replica(
        kms, here, key, tmp_path):
    volume = Volume(kms, tmp_path, key=arn(HERE, key))
    try:
        volume.create().mount()
        (volume.mount_point / "f").write_bytes(b"x")
        here.disable_key(KeyId=key)
        assert volume.wait_for_state("sealed")["reason"] == "denied"
        moved = volume.volume("rotate-key", "--key", arn(THERE, key))
        assert moved.code == OK, moved
        volume.wait_for_state("open")
        assert (volume.mount_point / "f").read_bytes() == b"x"
    finally:
        volume.clean_up()


def test_a_key_of_another_id_is_no_replica_and_the_present_one_must_work(kms, here, there, key,
                                                                         tmp_path):
    volume = Volume(kms, tmp_path, key=arn(HERE, key))
    try:
        volume.create()
        before = volume.keyring.read_bytes()
        here.disable_key(KeyId=key)
        other = there.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
        assert volume.volume("rotate-key", "--key", other).code == DENIED
        there.disable_key(KeyId=key)
        assert volume.volume("rotate-key", "--key", arn(THERE, key)).code == DENIED
        assert volume.keyring.read_bytes() == before
    finally:
        volume.clean_up()


def test_key_check_knows_a_replica(kms, key, tmp_path):
    volume = Volume(kms, tmp_path, key=arn(THERE, key))
    report = volume.run("key", "check", volume.key, "--json").json
    assert report["valid"], report
