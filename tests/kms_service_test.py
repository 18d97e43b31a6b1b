"""The embedded KMS as a service: its log, its directory, its address, and the AWS CLI."""

import base64
import subprocess

import pytest

from freehold_testing import BINARY, BUSY, FILE_CORRUPT
from kms_testing import new_key, refused
from kms_testing import kms  # a fixture
from policy_testing import CUSTOMER, OPERATOR, allow, policy, trust


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
    line = kms.command("log", "--last", "2").out.splitlines()[0]
    assert "Encrypt" in line and " ok " in line and key in line and '{"cluster":"c1"}' in line
    with refused("NotFoundException"):
        client.describe_key(KeyId="\x1b[2Jboo")
    assert "\x1b" not in kms.command("log").out
    text = (kms.directory / "events.jsonl").read_text() + (kms.directory / "store").read_text()
    for hidden in (secret, base64.b64encode(secret), base64.b64encode(blob),
                   kms.secrets("customer")[1].encode()):
        assert hidden.decode() not in text


def test_a_damaged_or_busy_directory_is_refused(kms):
    def serve():
        return kms.command("serve", "--listen", "127.0.0.1:0")

    busy = serve()
    assert busy.code == BUSY and "another process" in busy.err
    assert kms.stop() == 0
    store = kms.directory / "store"
    good = store.read_bytes()
    store.write_bytes(good[:-20])
    damaged = serve()
    assert damaged.code == FILE_CORRUPT and "is damaged" in damaged.err
    assert store.read_bytes() == good[:-20]
    store.write_bytes(good)
    kms.start()
    for name in ("credentials", "master.key", "store", "events.jsonl", "control.sock"):
        assert (kms.directory / name).stat().st_mode & 0o777 == 0o600, name


def test_it_stays_on_loopback_unless_told(tmp_path):
    done = subprocess.run([BINARY, "kms", "serve", "--listen", "0.0.0.0:0", "--data",
                           str(tmp_path / "k")],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "--allow-remote" in done.stderr


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
