"""The embedded KMS as a service: its log, its directory, its address, and the AWS CLI."""

import base64
import shutil
import subprocess

import pytest

from freehold_testing import ALREADY_EXISTS, BINARY, BUSY, FILE_CORRUPT, NOT_FOUND, USAGE
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


@pytest.mark.parametrize("arguments, words", [
    (["--listen", "0.0.0.0:0"], ["--listen", "--allow-remote"]),
    (["--listen", "here:0"], ["--listen", "numeric"]),
    (["--listen", "127.0.0.1"], ["--listen 127.0.0.1 is not"]),
    (["--tls-listen", "127.0.0.1:x"], ["--tls-listen 127.0.0.1:x is not"]),
    (["--tls-listen", "here:0"], ["--tls-listen: 'here'"]),
])
def test_an_address_that_is_none_is_refused_before_anything_is_made(tmp_path, arguments, words):
    done = subprocess.run([BINARY, "kms", "serve", *arguments, "--data", str(tmp_path / "k")],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == USAGE and all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "k").exists()


STORES = ["store", "vault.store", "azure-store", "google/store"]


def everything_in(directory):
    return {path.relative_to(directory): path.read_bytes()
            for path in sorted(directory.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("what_else_is_lost", ["", "the list", "what its clients had"])
@pytest.mark.parametrize("name", STORES)
def test_a_store_that_is_missing_is_refused_and_not_made_anew(kms, name, what_else_is_lost):
    assert kms.stop() == 0
    lost = kms.directory / name
    lost.rename(kms.directory.parent / "aside")
    if what_else_is_lost == "the list":
        (kms.directory / "stores").unlink()
    if what_else_is_lost == "what its clients had":
        (kms.directory / "credentials").unlink()
        for folder in ("vault", "azure", "google"):
            for file in (kms.directory / folder).glob("customer.*"):
                file.unlink()
    before = everything_in(kms.directory)
    refused_start = kms.command("serve", "--listen", "127.0.0.1:0")
    assert refused_start.code == FILE_CORRUPT, refused_start
    assert f"{lost} is missing" in refused_start.err
    assert len(refused_start.err.splitlines()) == 1
    assert everything_in(kms.directory) == before
    (kms.directory.parent / "aside").rename(lost)
    kms.start()


def test_a_directory_of_before_a_dialect_gets_its_store(kms):
    key = new_key(kms.client("kms"))
    assert kms.stop() == 0
    (kms.directory / "stores").unlink()
    (kms.directory / "azure-store").unlink()
    shutil.rmtree(kms.directory / "azure")
    kms.start()
    assert kms.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
    assert (kms.directory / "azure-store").exists()
    assert (kms.directory / "stores").read_text().splitlines()[1:] == STORES
    assert kms.stop() == 0
    listed = (kms.directory / "stores").read_text()
    (kms.directory / "stores").write_text("freehold-kms-stores 1\nstore\n")  # of a release before
    kms.start()
    assert (kms.directory / "stores").read_text() == listed
    assert kms.stop() == 0
    (kms.directory / "stores").write_text("\0" * 10)
    damaged = kms.command("serve", "--listen", "127.0.0.1:0")
    assert damaged.code == FILE_CORRUPT and "/stores is damaged" in damaged.err
    (kms.directory / "stores").write_text(listed)
    kms.start()


def test_a_damaged_key_of_the_authority_is_named(kms):
    assert kms.stop() == 0
    path = kms.directory / "ca.key"
    good = path.read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), b"", good[:5]):
        path.write_bytes(bad)
        damaged = kms.command("serve", "--listen", "127.0.0.1:0")
        assert damaged.code == FILE_CORRUPT and f"{path} is damaged" in damaged.err, damaged
        assert path.read_bytes() == bad
    path.write_bytes(good)
    kms.start()


def test_a_command_that_is_refused_has_the_exit_code_of_its_reason(kms):
    def code(*words):
        return kms.command("azure", *words).code

    role = "Key Vault Crypto User"
    assert code("assign", role, "nope", "embedded") == NOT_FOUND
    assert code("assign", "nope", "operator", "embedded") == NOT_FOUND
    assert code("assign", role, "operator", "nope") == NOT_FOUND
    assert code("vault-create", "embedded") == ALREADY_EXISTS
    assert code("vault-create", "a.b") == USAGE
    assert code("app", "operator") == ALREADY_EXISTS


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
