"""Grants and data key pairs at the embedded KMS, through boto3; a volume that lives by a grant."""

import pytest
from cryptography.hazmat.primitives import serialization

from freehold_testing import Volume
from kms_testing import Kms, refusal
from policy_testing import CUSTOMER_ROOT, ROLE, role_trust


@pytest.fixture
def kms(tmp_path):
    served = Kms(tmp_path / "kms")
    served.client("iam").create_role(RoleName="freehold",
                                     AssumeRolePolicyDocument=role_trust("org-1"))
    yield served
    served.stop()


def as_role(kms):
    session = kms.client("sts", "operator").assume_role(
        RoleArn=ROLE, RoleSessionName="session", ExternalId="org-1")["Credentials"]
    return kms.client("kms", credentials=(session["AccessKeyId"], session["SecretAccessKey"],
                                          session["SessionToken"]))


def test_a_grant_allows_what_it_names_and_no_more(kms):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    role = as_role(kms)
    context = {"freehold:cluster": "c1"}
    refusal(lambda: role.encrypt(KeyId=key, Plaintext=b"x"), "AccessDeniedException")
    grant = owner.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=["Encrypt"],
                               Constraints={"EncryptionContextSubset": context})
    blob = role.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={**context, "a": "b"},
                        GrantTokens=[grant["GrantToken"]])["CiphertextBlob"]
    refusal(lambda: role.encrypt(KeyId=key, Plaintext=b"x"), "AccessDeniedException")
    refusal(lambda: role.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=context),
            "AccessDeniedException")
    (listed,) = owner.list_grants(KeyId=key)["Grants"]
    assert listed["GrantId"] == grant["GrantId"] and listed["Operations"] == ["Encrypt"]
    assert listed["IssuingAccount"] == CUSTOMER_ROOT
    kms.restart()
    kms.clients.clear()
    kms.client("kms").revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    role = as_role(kms)
    refusal(lambda: role.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context),
            "AccessDeniedException")


def test_a_grant_is_retired_by_whom_it_names(kms):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    role = as_role(kms)
    grant = owner.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=["DescribeKey"])
    refusal(lambda: role.retire_grant(KeyId=key, GrantId=grant["GrantId"]), "AccessDeniedException")
    owner.retire_grant(GrantToken=grant["GrantToken"])
    again = owner.create_grant(KeyId=key, GranteePrincipal=ROLE, RetiringPrincipal=ROLE,
                               Operations=["DescribeKey"])
    role.retire_grant(KeyId=key, GrantId=again["GrantId"])
    assert owner.list_grants(KeyId=key)["Grants"] == []
    refusal(lambda: owner.revoke_grant(KeyId=key, GrantId=again["GrantId"]), "NotFoundException")


def test_a_named_grant_is_made_once(kms):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    wanted = dict(KeyId=key, GranteePrincipal=ROLE, Operations=["Decrypt"], Name="freehold")
    assert owner.create_grant(**wanted)["GrantId"] == owner.create_grant(**wanted)["GrantId"]


def test_bad_grants_are_refusal(kms):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    for wrong in (dict(GranteePrincipal="x", Operations=["Decrypt"]),
                  dict(GranteePrincipal=ROLE, Operations=[]),
                  dict(GranteePrincipal=ROLE, Operations=["Fly"])):
        refusal(lambda: owner.create_grant(KeyId=key, **wrong), "ValidationException")
    refusal(lambda: owner.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=["?"]),
            "InvalidGrantTokenException")


def test_a_volume_lives_by_a_grant_and_its_end_seals_it(kms, tmp_path):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    volume = Volume(kms, tmp_path, key=key, profile="operator")
    grant = owner.create_grant(KeyId=key, GranteePrincipal=ROLE,
                               Operations=["Encrypt", "Decrypt", "DescribeKey"])
    try:
        volume.create("--principal", ROLE, "--external-id", "org-1").mount()
        owner.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
        assert volume.wait_for_state("sealed")["reason"] == "denied"
        owner.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=["Decrypt"])
        volume.wait_for_state("open")
    finally:
        volume.clean_up()


def test_a_data_key_pair_fits_together(kms):
    owner = kms.client("kms")
    key = owner.create_key()["KeyMetadata"]["Arn"]
    pair = owner.generate_data_key_pair(KeyId=key, KeyPairSpec="RSA_2048",
                                        EncryptionContext={"a": "b"})
    private = serialization.load_der_private_key(pair["PrivateKeyPlaintext"], None)
    public = serialization.load_der_public_key(pair["PublicKey"])
    assert private.public_key().public_numbers() == public.public_numbers()
    again = owner.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"],
                          EncryptionContext={"a": "b"})
    assert again["Plaintext"] == pair["PrivateKeyPlaintext"]
