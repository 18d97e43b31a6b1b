"""Who may do what at the embedded KMS: policies, roles across accounts, users."""

import json

from kms_testing import assume, new_key, new_role, refused
from kms_testing import kms  # a fixture
from policy_testing import CUSTOMER, OPERATOR, allow, document, policy, trust


def test_policies_are_kept_and_bad_ones_refused(kms):
    client = kms.client("kms")
    key = new_key(client)
    assert client.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    assert "kms:*" in client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    text = policy(allow("*", "kms:Decrypt"))
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=text)
    assert client.get_key_policy(KeyId=key, PolicyName="default")["Policy"] == text
    lockout = document(allow("*", "kms:Decrypt"))
    for bad in ("{", lockout, policy({**allow("*", "kms:Decrypt"), "NotAction": "x"}),
                policy(allow(f"arn:aws:iam::{CUSTOMER}:role/nobody", "kms:Decrypt")),
                policy(allow("*", "kms:Decrypt",
                             Condition={"IpAddress": {"aws:SourceIp": "::1"}}))):
        with refused("MalformedPolicyDocumentException"):
            client.put_key_policy(KeyId=key, PolicyName="default", Policy=bad)
        with refused("MalformedPolicyDocumentException"):
            client.create_key(Policy=bad)
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=lockout,
                          BypassPolicyLockoutSafetyCheck=True)
    with refused("AccessDeniedException"):
        client.put_key_policy(KeyId=key, PolicyName="default", Policy=text)


def test_a_role_across_accounts_with_an_external_id(kms):
    role = new_role(kms.client("iam"), "cmek", trust(OPERATOR, "org-7"))
    client = kms.client("kms")
    key = new_key(client, Policy=policy(allow(role, "kms:Encrypt", "kms:Decrypt")))
    for wrong in ({"ExternalId": "org-8"}, {}):
        with refused("AccessDenied") as error:
            assume(kms, role, **wrong)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with refused("AccessDenied"):
        assume(kms, role + "x", ExternalId="org-7")
    with refused("ValidationError"):
        assume(kms, role, ExternalId="org-7", DurationSeconds=899)
    with refused("ValidationError"):
        assume(kms, role, ExternalId="org-7", DurationSeconds=3601)
    with refused("ValidationError"):
        assume(kms, role, ExternalId="org-7", Policy="{}")
    session = assume(kms, role, ExternalId="org-7", DurationSeconds=900)
    identity = kms.client("sts", credentials=session).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{CUSTOMER}:assumed-role/cmek/agent"
    agent = kms.client("kms", credentials=session)
    blob = agent.encrypt(KeyId=key, Plaintext=b"kek")["CiphertextBlob"]
    assert agent.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kek"
    with refused("AccessDeniedException") as error:
        agent.describe_key(KeyId=key)
    assert error.value.response["Error"]["Message"].startswith(
        f"User: {identity['Arn']} is not authorized to perform: kms:DescribeKey "
        f"on resource: {key} because")
    # The customer takes the permission away, and gives it back.
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=policy())
    with refused("AccessDeniedException"):
        agent.decrypt(CiphertextBlob=blob)
    client.put_key_policy(KeyId=key, PolicyName="default",
                          Policy=policy(allow(role, "kms:Decrypt")))
    assert agent.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kek"
    # Withdrawn trust stops new sessions; the old one ends with its role.
    kms.client("iam").update_assume_role_policy(RoleName="cmek", PolicyDocument=trust(CUSTOMER))
    with refused("AccessDenied"):
        assume(kms, role, ExternalId="org-7")
    kms.restart()
    agent = kms.client("kms", credentials=session)
    assert agent.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kek"
    kms.client("iam").delete_role(RoleName="cmek")
    with refused("UnrecognizedClientException"):
        agent.decrypt(CiphertextBlob=blob)


def test_sessions_expire(kms):
    role = new_role(kms.client("iam"), "r", trust(OPERATOR))
    session = assume(kms, role)
    agent = kms.client("kms", credentials=session)
    with refused("AccessDeniedException"):
        agent.list_keys()
    kms.fault("--expire-sessions")
    with refused("ExpiredTokenException"):
        agent.list_keys()
    with refused("ExpiredToken"):
        kms.client("sts", credentials=session).get_caller_identity()
    with refused("AccessDeniedException"):
        kms.client("kms", credentials=assume(kms, role)).list_keys()


def test_the_operators_role_needs_both_policies(kms):
    """ClickHouse's way: the key's policy names a role in the service's account."""
    iam = kms.client("iam", "operator")
    role = new_role(iam, "prod-kms-request-role", trust(OPERATOR))
    client = kms.client("kms")
    key = new_key(client, Policy=policy(allow(role, "kms:Decrypt", "kms:Encrypt",
                                              "kms:GetPublicKey")))
    agent = kms.client("kms", credentials=assume(kms, role))
    with refused("AccessDeniedException"):
        agent.encrypt(KeyId=key, Plaintext=b"x")
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": key}
    iam.put_role_policy(RoleName="prod-kms-request-role", PolicyName="kms",
                        PolicyDocument=json.dumps({"Version": "2012-10-17",
                                                   "Statement": everything}))
    blob = agent.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert agent.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    with refused("UnsupportedOperationException"):
        agent.get_public_key(KeyId=key)
    with refused("AccessDeniedException"):
        agent.generate_data_key(KeyId=key, KeySpec="AES_256")
    iam.delete_role_policy(RoleName="prod-kms-request-role", PolicyName="kms")
    with refused("AccessDeniedException"):
        agent.decrypt(CiphertextBlob=blob)


def test_another_account_can_be_added(kms):
    assert kms.command("account", "576599896960", "--profile", "clickhouse").code == 0
    assert kms.command("account", "576599896960", "--profile", "again").code == 4
    assert kms.command("account", "12", "--profile", "short").code == 2
    assert kms.client("sts", "clickhouse").get_caller_identity()["Account"] == "576599896960"
    named = policy(allow("arn:aws:iam::576599896960:root", "kms:Encrypt"))
    key = new_key(kms.client("kms"), Policy=named)
    kms.client("kms", "clickhouse").encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        kms.client("kms", "operator").encrypt(KeyId=key, Plaintext=b"x")


def test_users_have_keys_and_policies(kms):
    iam = kms.client("iam")
    iam.create_user(UserName="ann")
    with refused("EntityAlreadyExists"):
        iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    mine = (made["AccessKeyId"], made["SecretAccessKey"], None)
    ann = kms.client("kms", credentials=mine)
    key = new_key(kms.client("kms"))
    with refused("AccessDeniedException"):
        ann.encrypt(KeyId=key, Plaintext=b"x")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document(
        {"Effect": "Allow", "Action": ["kms:Encrypt", "iam:GetRole"], "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*",
         "Condition": {"StringEquals": {"kms:EncryptionContext:team": "red"}}}))
    ann.encrypt(KeyId=key, Plaintext=b"x")
    with refused("AccessDeniedException"):
        ann.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "red"})
    with refused("AccessDenied"):
        kms.client("iam", credentials=mine).create_user(UserName="bob")
    with refused("NoSuchEntity"):
        kms.client("iam", credentials=mine).get_role(RoleName="none")
    with refused("MalformedPolicyDocument"):
        iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument="{}")
    iam.delete_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"])
    with refused("UnrecognizedClientException"):
        ann.list_keys()
    iam.delete_user_policy(UserName="ann", PolicyName="p")
    iam.delete_user(UserName="ann")
