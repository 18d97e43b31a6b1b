"""The embedded KMS judged by AWS's own clients: boto3, botocore's signer and the AWS CLI.

FREEHOLD_BIN names the binary (default build/test/freehold).
Run: python3 -m pytest tests/kms_test.py
"""
import base64
import configparser
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FREEHOLD = os.environ.get("FREEHOLD_BIN", str(ROOT / "build/test/freehold"))
AWS = os.environ.get("AWS_BIN", "/usr/bin/aws")
CUSTOMER, OPERATOR = "111122223333", "444455556666"
ONE_TRY = botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"},
                                 connect_timeout=5, read_timeout=20,
                                 parameter_validation=False)  # the server is to refuse


class Kms:
    """One serving process on a directory that outlives it."""

    def __init__(self, directory):
        self.directory = directory
        self.process = None
        self.start()

    def start(self):
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [FREEHOLD, "kms", "serve", "--listen", "127.0.0.1:0", "--data", str(self.directory),
             "--ready-fd", str(writing)], stdout=subprocess.PIPE, text=True, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            assert ready.readline() == "READY\n"
        self.url = self.process.stdout.readline().strip().removeprefix("listening on ")
        assert (self.directory / "endpoint").read_text().strip() == self.url

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def secrets(self, profile):
        parser = configparser.ConfigParser()
        parser.read(self.directory / "credentials")
        return parser[profile]["aws_access_key_id"], parser[profile]["aws_secret_access_key"]

    def client(self, service, profile="customer", region="us-east-1", credentials=None):
        key, secret, token = credentials or (*self.secrets(profile), None)
        return boto3.session.Session().client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id=key,
            aws_secret_access_key=secret, aws_session_token=token, config=ONE_TRY)

    def command(self, *words):
        return subprocess.run([FREEHOLD, "kms", *words, "--data", str(self.directory)],
                              capture_output=True, text=True, timeout=30)

    def fault(self, *words):
        done = self.command("fault", *words)
        assert done.returncode == 0, done.stderr

    def raw(self, operation, body, profile="customer", change=None):
        """A signed request for what an old boto3 has no model of; returns (status, JSON)."""
        key, secret = self.secrets(profile)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = botocore.awsrequest.AWSRequest(
            "POST", self.url + "/", data=data,
            headers={"X-Amz-Target": "TrentService." + operation,
                     "Content-Type": "application/x-amz-json-1.1"})
        credentials = botocore.credentials.Credentials(key, secret)
        botocore.auth.SigV4Auth(credentials, "kms", "us-east-1").add_auth(request)
        if change:
            change(request)
        return self.post(dict(request.headers.items()), request.data)

    def post(self, headers, data, method="POST"):
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        connection.request(method, "/", body=data, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        kind = answer.getheader("x-amzn-errortype")
        connection.close()
        if answer.getheader("content-type") != "application/x-amz-json-1.1":
            return answer.status, text.decode()
        parsed = json.loads(text)
        assert kind == parsed.get("__type")
        return answer.status, parsed

    def events(self):
        lines = self.command("log", "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def aws(self, *words, profile="customer"):
        environment = dict(os.environ,
                           AWS_SHARED_CREDENTIALS_FILE=str(self.directory / "credentials"),
                           AWS_CONFIG_FILE=str(self.directory / "config"), AWS_PAGER="",
                           AWS_EC2_METADATA_DISABLED="true")
        done = subprocess.run([AWS, "--endpoint-url", self.url, "--profile", profile, "--output",
                               "json", *words], capture_output=True, text=True, env=environment,
                              timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def kms(tmp_path):
    server = Kms(tmp_path / "kms")
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


def refused(code):
    return pytest.raises(botocore.exceptions.ClientError, match=rf"\({code}\)")


def new_key(client, **parameters):
    return client.create_key(**parameters)["KeyMetadata"]["Arn"]


def policy(*statements, account=CUSTOMER):
    admin = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
             "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [admin, *statements]})


def allow(principal, *actions, **more):
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions),
            "Resource": "*", **more}


def trust(principal, external_id=None):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def new_role(iam, name, trust_policy):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]


def assume(kms, role, profile="operator", **parameters):
    answer = kms.client("sts", profile).assume_role(
        RoleArn=role, RoleSessionName="agent", **parameters)["Credentials"]
    return answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]


# ---- keys

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
    for parameters in ({"Origin": "EXTERNAL"}, {"KeySpec": "RSA_2048"}, {"MultiRegion": True},
                       {"KeyUsage": "SIGN_VERIFY"}):
        with refused("UnsupportedOperationException"):
            client.create_key(**parameters)
    key = new_key(client)
    with refused("UnsupportedOperationException"):
        client.create_grant(KeyId=key, GranteePrincipal="x", Operations=["Decrypt"])
    with refused("UnsupportedOperationException"):
        client.get_public_key(KeyId=key)
    with refused("UnsupportedOperationException"):
        client.generate_data_key_pair(KeyId=key, KeyPairSpec="RSA_2048")


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


def stored(kms):
    return json.loads((kms.directory / "store").read_text().split("\n", 1)[1])


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


# ---- use

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


# ---- policies, roles, users

def test_policies_are_kept_and_bad_ones_refused(kms):
    client = kms.client("kms")
    key = new_key(client)
    assert client.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    assert "kms:*" in client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    text = policy(allow("*", "kms:Decrypt"))
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=text)
    assert client.get_key_policy(KeyId=key, PolicyName="default")["Policy"] == text
    lockout = json.dumps({"Version": "2012-10-17", "Statement": [allow("*", "kms:Decrypt")]})
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
    assert kms.command("account", "576599896960", "--profile", "clickhouse").returncode == 0
    assert kms.command("account", "576599896960", "--profile", "again").returncode == 2
    assert kms.command("account", "12", "--profile", "short").returncode == 2
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
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["kms:Encrypt", "iam:GetRole"], "Resource": "*"},
            {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*",
             "Condition": {"StringEquals": {"kms:EncryptionContext:team": "red"}}}]}))
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


# ---- who is asking

def test_signatures_are_checked(kms):
    key, secret = kms.secrets("customer")
    with refused("InvalidSignatureException"):
        kms.client("kms", credentials=(key, secret[:-1] + "~", None)).list_keys()
    with refused("SignatureDoesNotMatch"):
        kms.client("sts", credentials=(key, secret[:-1] + "~", None)).get_caller_identity()
    with refused("UnrecognizedClientException"):
        kms.client("kms", credentials=("AKIANOBODY0000000000", secret, None)).list_keys()
    with refused("InvalidClientTokenId"):
        kms.client("sts", credentials=("AKIANOBODY0000000000", secret, None)).get_caller_identity()
    with refused("UnrecognizedClientException"):
        kms.client("kms", credentials=(key, secret, "bm8gdG9rZW4=")).list_keys()

    def error(change):
        return kms.raw("ListKeys", {}, change=change)[1].get("__type")

    def body(request):
        request.data = b'{"Limit": 1}'

    def target(request):
        request.headers.replace_header("X-Amz-Target", "TrentService.CreateKey")

    def extra(request):
        request.headers["X-Amz-Content-Sha256"] = "UNSIGNED-PAYLOAD"

    assert error(None) is None
    assert error(body) == "InvalidSignatureException"
    assert error(target) == "InvalidSignatureException"
    assert error(extra) == "InvalidSignatureException"
    def nonsense(request):
        request.headers.replace_header("Authorization", "nonsense")

    def unsigned(request):
        del request.headers["Authorization"]

    def undated(request):
        del request.headers["X-Amz-Date"]

    assert error(nonsense) == "IncompleteSignatureException"
    assert error(unsigned) == "MissingAuthenticationTokenException"
    assert error(undated) == "IncompleteSignatureException"


def test_a_clock_that_is_off_by_more_than_five_minutes_is_refused(kms):
    client = kms.client("kms")
    for skew in ("-290", "290"):
        kms.fault("--clock-skew", skew)
        client.list_keys()
    for skew in ("-310", "310"):
        kms.fault("--clock-skew", skew)
        with refused("InvalidSignatureException"):
            client.list_keys()


# ---- garbage and faults

def test_garbage_gets_an_answer_and_the_server_lives(kms):
    for body, code in ((b"{", "SerializationException"), (b"[]", "SerializationException"),
                       (b'{"KeyId": 7}', "SerializationException"),
                       (b"\xff\xfe", "SerializationException"),
                       (b"[" * 5000, "SerializationException"), (b"{}", "ValidationException"),
                       (b'{"KeyId": ""}', "ValidationException"),
                       (b'{"KeyId":"x","CiphertextBlob":"%%"}', "SerializationException")):
        operation = "Decrypt" if b"Blob" in body else "DescribeKey"
        status, answer = kms.raw(operation, body)
        assert (status, answer["__type"]) == (400, code), body
    assert kms.raw("NoSuchThing", {})[1]["__type"] == "UnknownOperationException"
    assert kms.post({"X-Amz-Target": "x"}, b"")[0] == 400
    assert kms.post({}, b"Action=%ZZ&Version=&&&=%")[0] == 403
    assert "InvalidAction" in kms.post({}, b"", method="GET")[1]
    assert "<Code>MissingAuthenticationToken</Code>" in kms.post(
        {}, b"Action=GetCallerIdentity&Version=2011-06-15")[1]
    address = ("127.0.0.1", int(kms.url.rsplit(":", 1)[1]))
    for text in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + b"a" * 70000,
                 b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
                 b"POST / HTTP/1.1\r\nX-Amz-Target: \xff\xff\r\nUser-Agent: \xff\r\n"
                 b"Content-Length: 0\r\n\r\n"):
        with socket.create_connection(address, timeout=10) as connection:
            try:
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:  # it may hang up at any of these
                pass
    kms.client("kms").list_keys()
    assert kms.events()[-1]["eventName"] == "ListKeys"


def test_faults_come_and_go(kms):
    client = kms.client("kms")
    key = new_key(client)
    kms.fault("--throttle", "--operation", "Encrypt")
    with refused("ThrottlingException"):
        client.encrypt(KeyId=key, Plaintext=b"x")
    client.describe_key(KeyId=key)
    kms.fault("--clear")
    kms.fault("--fail")
    with refused("KMSInternalException") as error:
        client.encrypt(KeyId=key, Plaintext=b"x")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with refused("InternalFailure"):
        kms.client("sts").get_caller_identity()
    kms.fault("--clear", "--unreachable")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--clear", "--latency", "30000", "--operation", "Encrypt")
    slow = boto3.session.Session().client(
        "kms", endpoint_url=kms.url, region_name="us-east-1",
        aws_access_key_id=kms.secrets("customer")[0],
        aws_secret_access_key=kms.secrets("customer")[1],
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=0.2))
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        slow.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--clear")
    client.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--latency", "600000")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        slow.list_keys()
    kms.restart()  # does not wait for ten minutes
    assert kms.command("fault").returncode == 2
    kms.stop(signal.SIGKILL)
    assert kms.command("fault", "--clear").returncode == 3


def test_many_clients_at_once(kms):
    client = kms.client("kms")
    key = new_key(client)
    failures = []

    def work(number):
        try:
            mine = kms.client("kms")
            for turn in range(10):
                text = f"{number} {turn}".encode()
                blob = mine.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"]
                assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == text
                mine.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{number}", "TagValue": str(turn)}])
        except Exception as error:  # noqa: BLE001: reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    tags = client.list_resource_tags(KeyId=key)["Tags"]
    assert [tag["TagValue"] for tag in tags] == ["9"] * 8


# ---- the log and the directory

def test_the_log_tells_who_used_which_key_and_no_secret(kms):
    client = kms.client("kms")
    key = new_key(client)
    secret = b"very-secret-plaintext"
    blob = client.encrypt(KeyId=key, Plaintext=secret,
                          EncryptionContext={"cluster": "c1"})["CiphertextBlob"]
    with refused("InvalidCiphertextException"):
        client.decrypt(CiphertextBlob=blob)
    event = kms.events()[-1]
    assert event["eventName"] == "Decrypt" and event["errorCode"] == "InvalidCiphertextException"
    assert event["userIdentity"]["arn"] == f"arn:aws:iam::{CUSTOMER}:root"
    assert event["resources"] == [{"accountId": CUSTOMER, "type": "AWS::KMS::Key", "ARN": key}]
    assert event["sourceIPAddress"] == "127.0.0.1" and event["readOnly"] is True
    assert kms.events()[-2]["requestParameters"] == {"keyId": key,
                                                     "encryptionContext": {"cluster": "c1"}}
    line = kms.command("log", "--last", "2").stdout.splitlines()[0]
    assert "Encrypt" in line and " ok " in line and key in line and '{"cluster":"c1"}' in line
    with refused("NotFoundException"):
        client.describe_key(KeyId="\x1b[2Jboo")
    assert "\x1b" not in kms.command("log").stdout
    text = (kms.directory / "events.jsonl").read_text() + (kms.directory / "store").read_text()
    for hidden in (secret, base64.b64encode(secret), base64.b64encode(blob),
                   kms.secrets("customer")[1].encode()):
        assert hidden.decode() not in text


def test_a_damaged_or_busy_directory_is_refused(kms):
    def serve():
        return subprocess.run([FREEHOLD, "kms", "serve", "--listen", "127.0.0.1:0", "--data",
                               str(kms.directory)], capture_output=True, text=True, timeout=30)

    busy = serve()
    assert busy.returncode == 5 and "another process" in busy.stderr
    assert kms.stop() == 0
    store = kms.directory / "store"
    good = store.read_bytes()
    store.write_bytes(good[:-20])
    damaged = serve()
    assert damaged.returncode == 22 and "is damaged" in damaged.stderr
    assert store.read_bytes() == good[:-20]
    store.write_bytes(good)
    kms.start()
    for name in ("credentials", "master.key", "store", "events.jsonl", "control.sock"):
        assert (kms.directory / name).stat().st_mode & 0o777 == 0o600, name


def test_it_stays_on_loopback_unless_told(tmp_path):
    done = subprocess.run([FREEHOLD, "kms", "serve", "--listen", "0.0.0.0:0", "--data",
                           str(tmp_path / "k")],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "--allow-remote" in done.stderr


# ---- the AWS CLI

def test_the_aws_cli_drives_it(kms, tmp_path):
    key = kms.aws("kms", "create-key", "--description", "cli")["KeyMetadata"]["Arn"]
    kms.aws("kms", "create-alias", "--alias-name", "alias/cli", "--target-key-id", key)
    (tmp_path / "plain").write_bytes(b"from the cli")
    blob = kms.aws("kms", "encrypt", "--key-id", "alias/cli", "--plaintext",
                   f"fileb://{tmp_path}/plain",
                   "--encryption-context", "cluster=c1")["CiphertextBlob"]
    (tmp_path / "blob").write_bytes(base64.b64decode(blob))

    def decrypt(profile="customer"):
        return kms.aws("kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/blob",
                       "--encryption-context", "cluster=c1", profile=profile)

    assert base64.b64decode(decrypt()["Plaintext"]) == b"from the cli"
    kms.aws("kms", "disable-key", "--key-id", key)
    with pytest.raises(RuntimeError, match="DisabledException"):
        decrypt()
    kms.aws("kms", "enable-key", "--key-id", key)
    with pytest.raises(RuntimeError, match="AccessDeniedException"):
        decrypt("operator")
    kms.aws("kms", "put-key-policy", "--key-id", key, "--policy-name", "default", "--policy",
            policy(allow(OPERATOR, "kms:Decrypt")))
    decrypt("operator")
    role = kms.aws("iam", "create-role", "--role-name", "cli", "--assume-role-policy-document",
                   trust(OPERATOR, "x1"))["Role"]["Arn"]
    assert kms.aws("iam", "get-role", "--role-name", "cli")["Role"]["Arn"] == role
    assert [r["RoleName"] for r in kms.aws("iam", "list-roles")["Roles"]] == ["cli"]
    session = kms.aws("sts", "assume-role", "--role-arn", role, "--role-session-name", "me",
                      "--external-id", "x1", profile="operator")
    assert session["AssumedRoleUser"]["Arn"].endswith(":assumed-role/cli/me")
    with pytest.raises(RuntimeError, match="AccessDenied"):
        kms.aws("sts", "assume-role", "--role-arn", role, "--role-session-name", "me",
                "--external-id", "x2", profile="operator")
    kms.aws("kms", "enable-key-rotation", "--key-id", key)
    assert kms.aws("kms", "get-key-rotation-status", "--key-id", key)["KeyRotationEnabled"]
    kms.aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
    with pytest.raises(RuntimeError, match="KMSInvalidStateException"):
        decrypt()
    kms.aws("kms", "cancel-key-deletion", "--key-id", key)
    assert kms.aws("sts", "get-caller-identity")["Account"] == CUSTOMER
