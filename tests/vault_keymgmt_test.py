"""Vault's key management engine: made in Vault, pushed into AWS's or Google's KMS, used there.

The requirement page's commands, run by node-vault, and a volume under the key that comes of them.
"""

import base64
import json
import re

import pytest

from freehold_testing import DENIED, Volume
from google_testing import VIEW, USE, GoogleError
from keymgmt_testing import KeymgmtKms, commands_in

OWNER = "customer-owner@customer-project.iam.gserviceaccount.com"

AWS_PAGE = """
vault secrets enable keymgmt
vault write keymgmt/kms/awskms \\
    provider="awskms" \\
    key_collection="us-east-1" \\
    credentials=access_key="{your access key}" \\
    credentials=secret_key="{your secret key}"
vault write keymgmt/key/crdb-cmek-vault type="aes256-gcm96"
vault write keymgmt/kms/awskms/key/crdb-cmek-vault \\
    purpose="encrypt,decrypt" \\
    protection="hsm"
"""
GOOGLE_PAGE = """
vault secrets enable keymgmt
vault write keymgmt/kms/gcpckms \\
provider="gcpckms" \\
key_collection="projects/{YOUR_PROJECT_NAME}/locations/global/keyRings/{YOUR_KEY_RING_NAME}" \\
credentials=service_account_file="{SERVICE_ACCOUNT_FILE}"
vault write keymgmt/key/crdb-cmek-vault type="aes256-gcm96"
vault write keymgmt/kms/gcpkms/key/crdb-cmek-vault \\
    purpose="encrypt,decrypt" \\
    protection="hsm"
"""
KEY = "keymgmt/key/crdb-cmek-vault"
AWS = "keymgmt/kms/awskms"
GOOGLE = "keymgmt/kms/gcpckms"
HOW = {"purpose": "encrypt,decrypt", "protection": "hsm"}


@pytest.fixture
def kms(tmp_path):
    served = KeymgmtKms(tmp_path / "kms", name_space="admin")
    yield served
    if served.process.poll() is None:
        served.stop()


@pytest.fixture
def volume_of(kms, tmp_path):
    volumes = []

    def make(key):
        volumes.append(Volume(kms, tmp_path, key=key))
        return volumes[-1]

    yield make
    for volume in volumes:
        volume.clean_up()


def aws_page(kms):
    access, secret = kms.aws_secrets()
    return AWS_PAGE.format_map({"your access key": access, "your secret key": secret})


def google_page(kms, file=None):
    return GOOGLE_PAGE.format(
        YOUR_PROJECT_NAME="customer-project", YOUR_KEY_RING_NAME="ring",
        SERVICE_ACCOUNT_FILE=file or kms.directory / "google/customer.json")


def in_aws(kms):
    for result in kms.run_all(commands_in(aws_page(kms))):
        assert "status" not in result, result
    return kms.run("read", f"{AWS}/key/crdb-cmek-vault")["data"]


def in_google(kms):
    kms.run_all(commands_in(google_page(kms))[:3])
    kms.run("write", f"{GOOGLE}/key/crdb-cmek-vault", **HOW)
    return kms.run("read", f"{GOOGLE}/key/crdb-cmek-vault")["data"]


def aws_states(kms):
    client = kms.client("kms")
    return {key["KeyId"]: client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
            for key in client.list_keys()["Keys"]}


def test_the_pages_key_for_aws_carries_a_volume_until_vault_removes_it(kms, volume_of):
    got = in_aws(kms)
    assert re.fullmatch(r"hashicorp/crdb-cmek-vault-\d+", got["name"]), got
    assert (got["purpose"], got["protection"]) == ("encrypt,decrypt", "hsm")
    metadata = kms.client("kms").describe_key(KeyId="alias/" + got["name"])["KeyMetadata"]
    assert metadata["KeyId"] == got["versions"]["1"]
    assert (metadata["Origin"], metadata["KeyState"]) == ("EXTERNAL", "Enabled")
    volume = volume_of(metadata["Arn"])
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"under a key that Vault made")
    kms.run("delete", f"{AWS}/key/crdb-cmek-vault")
    assert volume.wait_for_state("sealed")["reason"] == "denied"
    assert aws_states(kms) == {metadata["KeyId"]: "PendingDeletion"}
    assert kms.client("kms").list_aliases()["Aliases"] == []


def test_the_pages_key_for_google_carries_a_volume_until_vault_removes_it(kms, volume_of):
    got = in_google(kms)
    assert re.fullmatch(r"crdb-cmek-vault-\d+", got["name"]), got
    key = f"{kms.ring}/cryptoKeys/{got['name']}"
    shown = kms.ask("GET", key)
    assert shown["importOnly"] and shown["primary"]["protectionLevel"] == "HSM"
    assert shown["primary"]["name"] == got["versions"]["1"]
    kms.bind(key, {USE: [OWNER], VIEW: [OWNER]})
    volume = volume_of(f"gcp-kms://{key}")
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"under a key that Vault made")
    kms.run("delete", f"{GOOGLE}/key/crdb-cmek-vault")
    assert volume.wait_for_state("sealed")["reason"] == "denied"
    assert kms.ask("GET", got["versions"]["1"])["state"] == "DESTROY_SCHEDULED"


def test_the_pages_slip_of_the_pen_is_refused_with_what_to_do(kms):
    commands = commands_in(google_page(kms))
    *done, last = kms.run_all(commands)
    assert all("status" not in result for result in done), done
    assert last["status"] == 400
    assert "no KMS provider gcpkms" in last["errors"][0]
    assert "admin/keymgmt/kms/gcpkms" in last["errors"][0]


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_what_provision_prints_runs_as_it_is(kms, tmp_path, cloud):
    volume = Volume(kms, tmp_path, key="arn:none")
    text = volume.run("provision", "vault", "--key", "orders", "--format", f"keymgmt-{cloud}").out
    access, secret = kms.aws_secrets()
    for placeholder, value in {"YOUR-ACCESS-KEY": access, "YOUR-SECRET-KEY": secret,
                               "YOUR-PROJECT": "customer-project", "YOUR-RING": "ring",
                               "YOUR-FILE.json": str(kms.directory / "google/customer.json"),
                               }.items():
        text = text.replace(placeholder, value)
    results = kms.run_all(commands_in(text))
    assert len(results) == 4 and all("status" not in result for result in results), results


def test_a_key_that_was_removed_can_be_distributed_again_under_a_name_of_its_own(kms):
    in_aws(kms)
    kms.run("delete", f"{AWS}/key/crdb-cmek-vault")
    first = in_google(kms)
    kms.run("delete", f"{GOOGLE}/key/crdb-cmek-vault")
    kms.run("write", f"{GOOGLE}/key/crdb-cmek-vault", **HOW)
    second = kms.run("read", f"{GOOGLE}/key/crdb-cmek-vault")["data"]
    assert second["name"] != first["name"]
    assert kms.ask("GET", second["versions"]["1"])["state"] == "ENABLED"


def test_rotation_makes_a_version_there_and_the_name_means_it(kms):
    first = in_aws(kms)
    client = kms.client("kms")
    old = client.encrypt(KeyId="alias/" + first["name"], Plaintext=b"x")["CiphertextBlob"]
    kms.run("write", f"{KEY}/rotate")
    got = kms.run("read", f"{AWS}/key/crdb-cmek-vault")["data"]
    assert got["name"] == first["name"] and set(got["versions"]) == {"1", "2"}
    assert client.describe_key(KeyId="alias/" + got["name"])["KeyMetadata"]["KeyId"] == \
        got["versions"]["2"]
    assert client.decrypt(CiphertextBlob=old)["Plaintext"] == b"x"
    kms.run("write", KEY, min_enabled_version=2)
    assert aws_states(kms) == {got["versions"]["1"]: "Disabled", got["versions"]["2"]: "Enabled"}
    kms.run("write", KEY, min_enabled_version=0)
    assert set(aws_states(kms).values()) == {"Enabled"}
    key = kms.run("read", KEY)["data"]
    assert (key["latest_version"], key["min_enabled_version"]) == (2, 0)
    assert set(key["keys"]) == {"1", "2"} and key["type"] == "aes256-gcm96"


def test_rotation_at_google_makes_the_new_version_primary(kms):
    name = in_google(kms)["name"]
    kms.run("write", f"{KEY}/rotate")
    kms.run("write", KEY, min_enabled_version=2)
    got = kms.run("read", f"{GOOGLE}/key/crdb-cmek-vault")["data"]
    shown = kms.ask("GET", f"{kms.ring}/cryptoKeys/{name}")
    assert shown["primary"]["name"] == got["versions"]["2"]
    assert kms.ask("GET", got["versions"]["1"])["state"] == "DISABLED"


def test_lists_and_deletions_keep_their_order(kms):
    in_aws(kms)
    assert kms.run("list", "keymgmt/key")["data"]["keys"] == ["crdb-cmek-vault"]
    assert kms.run("list", "keymgmt/kms")["data"]["keys"] == ["awskms"]
    assert kms.run("list", f"{KEY}/kms")["data"]["keys"] == ["awskms"]
    assert kms.run("list", f"{AWS}/key")["data"]["keys"] == ["crdb-cmek-vault"]
    assert kms.run("read", AWS)["data"] == {"provider": "awskms", "key_collection": "us-east-1"}
    assert "distributed" in kms.refusal("delete", AWS)[1]
    kms.run("write", KEY, deletion_allowed=True)
    assert "remove it there first" in kms.refusal("delete", KEY)[1]
    kms.run("delete", f"{AWS}/key/crdb-cmek-vault")
    kms.run("delete", KEY)
    kms.run("delete", AWS)
    assert kms.refusal("read", KEY)[0] == 404
    assert kms.refusal("list", "keymgmt/key")[0] == 404


def provider(kms, **changed):
    access, secret = kms.aws_secrets()
    return {"provider": "awskms", "key_collection": "us-east-1",
            "credentials": {"access_key": access, "secret_key": secret}} | changed


BAD = {
    "no type is RSA": (KEY + "2", {}, "rsa-2048 (the default)"),
    "RSA": (KEY + "2", {"type": "rsa-4096"}, "only aes256-gcm96"),
    "a name that no KMS takes": ("keymgmt/key/a.b", {"type": "aes256-gcm96"}, "letters, digits"),
    "another type": (KEY, {"type": "rsa-2048"}, "cannot be changed"),
    "a version to come": (KEY, {"min_enabled_version": 2}, "between 0 and 1"),
    "no version": (KEY, {"min_enabled_version": "two"}, "error converting input"),
    "no such key": ("keymgmt/key/none/rotate", {}, "no key none"),
    "unknown provider": ("keymgmt/kms/x", {"provider": "azurekeyvault", "key_collection": "v"},
                         "awskms or gcpckms"),
    "no provider": ("keymgmt/kms/x", {"key_collection": "us-east-1"}, "provider is missing"),
    "no collection": ("keymgmt/kms/x", {"provider": "awskms"}, "key_collection is missing"),
    "no Region": ("keymgmt/kms/x", {"provider": "awskms", "key_collection": "US East"}, "Region"),
    "no ring": ("keymgmt/kms/x", {"provider": "gcpckms", "key_collection": "projects/p"},
                "keyRings/R"),
    "no credentials": ("keymgmt/kms/x", {"provider": "awskms", "key_collection": "us-east-1"},
                       "access_key"),
    "unknown credential": ("keymgmt/kms/x", {"provider": "awskms", "key_collection": "us-east-1",
                                             "credentials": ["colour=blue"]}, "colour"),
    "no pair": ("keymgmt/kms/x", {"provider": "awskms", "key_collection": "us-east-1",
                                  "credentials": "blue"}, "pairs"),
    "no file": ("keymgmt/kms/x", {"provider": "gcpckms",
                                  "key_collection": "projects/p/locations/global/keyRings/r",
                                  "credentials": "service_account_file=/nonexistent"},
                "cannot be read"),
    "not a key's file": ("keymgmt/kms/x", {"provider": "gcpckms",
                                           "key_collection": "projects/p/locations/l/keyRings/r",
                                           "credentials": "service_account_file=/etc/passwd"},
                         "is no JSON object"),
    "another Region": (AWS, {"key_collection": "eu-west-1"}, "cannot be changed"),
    "to sign": (AWS + "/key/fresh", {"purpose": "sign"}, "purpose sign"),
    "to encrypt only": (AWS + "/key/fresh", {"purpose": "encrypt"}, "encrypt,decrypt"),
    "in software": (AWS + "/key/fresh", HOW | {"protection": "software"}, "hsm only"),
    "in wood": (AWS + "/key/fresh", HOW | {"protection": "wood"}, "hsm or software"),
    "a key that is not there": (AWS + "/key/none", HOW, "no key none"),
    "a KMS that is not there": ("keymgmt/kms/none/key/fresh", HOW, "write admin/keymgmt/kms/none"),
}


def test_bad_input_gets_a_sentence_and_nothing_is_made(kms):
    in_aws(kms)
    kms.run("write", "keymgmt/key/fresh", type="aes256-gcm96")

    def made():
        return aws_states(kms), kms.run("read", KEY)["data"], kms.run("list", "keymgmt/key")["data"]

    before = made()
    results = kms.run_all([["write", path, body] for path, body, _ in BAD.values()])
    for (name, (_, _, words)), result in zip(BAD.items(), results):
        assert result.get("status") == 400 and words in result["errors"][0], (name, result)
    assert before == made()
    assert kms.run("list", "keymgmt/kms")["data"]["keys"] == ["awskms"]


def test_credentials_of_nobody_are_refused_when_they_are_written(kms):
    kms.run("enable", "keymgmt")
    bad = {"access_key": "AKIAAAAAAAAAAAAAAAAA", "secret_key": "wrong"}
    status, words = kms.refusal("write", AWS, **provider(kms, credentials=bad))
    assert status == 400 and "GetCallerIdentity" in words and "wrong" not in words
    file = kms.directory / "google/customer.json"
    other = kms.directory / "other.json"
    other.write_text(file.read_text().replace(OWNER, "nobody@customer-project.example"))
    status, words = kms.refusal("write", GOOGLE, provider="gcpckms", key_collection=kms.ring,
                                credentials=f"service_account_file={other}")
    assert status == 400 and "a token" in words
    assert kms.refusal("list", "keymgmt/kms")[0] == 404


AWS_PERMISSIONS = ["kms:CreateKey", "kms:GetParametersForImport", "kms:ImportKeyMaterial",
                   "kms:CreateAlias", "kms:ScheduleKeyDeletion", "kms:DeleteAlias"]


def allow(iam, actions):
    iam.put_user_policy(UserName="vault", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Resource": "*", "Action": actions}]}))


def test_aws_judges_the_credentials_and_nothing_usable_is_left(kms):
    iam = kms.client("iam")
    iam.create_user(UserName="vault")
    made = iam.create_access_key(UserName="vault")["AccessKey"]
    theirs = {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}
    kms.run("enable", "keymgmt")
    kms.run("write", AWS, **provider(kms, credentials=theirs))
    kms.run("write", KEY, type="aes256-gcm96")
    for missing in AWS_PERMISSIONS[:4]:
        allowed = [name for name in AWS_PERMISSIONS if name != missing]
        allow(iam, allowed)
        status, words = kms.refusal("write", f"{AWS}/key/crdb-cmek-vault", **HOW)
        assert status == 400 and missing in words, words
        assert set(aws_states(kms).values()) <= {"PendingDeletion"}
        assert kms.refusal("read", f"{AWS}/key/crdb-cmek-vault")[0] == 404
    allow(iam, AWS_PERMISSIONS)
    kms.run("write", f"{AWS}/key/crdb-cmek-vault", **HOW)
    assert sorted(aws_states(kms).values())[0] == "Enabled"


def test_google_judges_the_credentials_before_anything_is_made(kms):
    kms.run_all(commands_in(google_page(kms))[:3])
    made = kms.ask("POST", "projects/customer-project/serviceAccounts",
                   {"accountId": "cmek-vault-agent"})["email"]
    key = kms.ask("POST", f"projects/customer-project/serviceAccounts/{made}/keys", {})
    file = kms.directory / "agent.json"
    file.write_bytes(base64.b64decode(key["privateKeyData"]))
    kms.run("write", GOOGLE, credentials=f"service_account_file={file}")
    status, words = kms.refusal("write", f"{GOOGLE}/key/crdb-cmek-vault", **HOW)
    assert status == 400 and "cloudkms.cryptoKeys.create" in words and made in words
    assert kms.ask("GET", f"{kms.ring}/cryptoKeys")["totalSize"] == 0
    assert kms.ask("GET", f"{kms.ring}/importJobs")["totalSize"] == 0
    kms.bind(kms.ring, {"roles/cloudkms.admin": [made]})
    kms.run("write", f"{GOOGLE}/key/crdb-cmek-vault", **HOW)


@pytest.mark.parametrize("operation", ["CreateKey", "ImportKeyMaterial", "CreateAlias"])
def test_a_kms_that_fails_on_the_way_leaves_nothing_usable_and_can_be_tried_again(kms, operation):
    kms.run_all(commands_in(aws_page(kms))[:3])
    kms.fault("--operation", operation, "--fail")
    status, words = kms.refusal("write", f"{AWS}/key/crdb-cmek-vault", **HOW)
    assert status == 502 and operation in words
    assert set(aws_states(kms).values()) <= {"PendingDeletion"}
    kms.fault("--clear")
    kms.run("write", f"{AWS}/key/crdb-cmek-vault", **HOW)
    assert "Enabled" in aws_states(kms).values()


def test_a_key_that_its_owner_took_away_can_still_be_removed(kms):
    got = in_aws(kms)
    kms.client("kms").schedule_key_deletion(KeyId=got["versions"]["1"])
    kms.client("kms").delete_alias(AliasName="alias/" + got["name"])
    kms.run("delete", f"{AWS}/key/crdb-cmek-vault")
    assert kms.refusal("delete", f"{AWS}/key/crdb-cmek-vault")[0] == 400


def test_a_key_is_in_one_kms_and_as_it_was_distributed(kms):
    in_aws(kms)
    kms.run("write", f"{AWS}/key/crdb-cmek-vault", **HOW)
    assert len(aws_states(kms)) == 1
    kms.run_all(commands_in(google_page(kms))[1:2])
    status, words = kms.refusal("write", f"{GOOGLE}/key/crdb-cmek-vault", **HOW)
    assert status == 400 and "distributed to awskms already" in words
    with pytest.raises(GoogleError):
        kms.ask("GET", f"{kms.ring}/cryptoKeys/crdb-cmek-vault")


def test_policies_judge_these_paths_as_any_other(kms):
    in_aws(kms)
    kms.vault.ask("POST", "sys/policies/acl/sender", {
        "policy": f'path "{AWS}/key/*" {{ capabilities = ["update", "read"] }}'},
        name_space="admin")
    _, answer = kms.vault.ask("POST", "auth/token/create", {"policies": ["sender"]},
                              name_space="admin")
    token = answer["auth"]["client_token"]
    results = kms.run_all([["write", f"{AWS}/key/crdb-cmek-vault", HOW],
                           ["read", f"{AWS}/key/crdb-cmek-vault"],
                           ["delete", f"{AWS}/key/crdb-cmek-vault"],
                           ["read", AWS], ["write", KEY, {"type": "aes256-gcm96"}],
                           ["list", "keymgmt/key"]], token)
    assert [result.get("status") for result in results] == [None, None, 403, 403, 403, 403]


def test_what_the_engine_knows_outlives_a_restart(kms, volume_of):
    got = in_aws(kms)
    arn = kms.client("kms").describe_key(KeyId=got["versions"]["1"])["KeyMetadata"]["Arn"]
    volume = volume_of(arn)
    volume.create()
    kms.kill()
    kms.start()
    assert kms.run("read", f"{AWS}/key/crdb-cmek-vault")["data"] == got
    kms.run("write", f"{KEY}/rotate")
    kms.run("delete", f"{AWS}/key/crdb-cmek-vault")
    assert volume.try_mount().code == DENIED


def test_no_secret_is_in_the_state_or_in_a_log(kms):
    in_aws(kms)
    kms.run_all(commands_in(google_page(kms)))
    _, secret = kms.aws_secrets()
    pem = kms.credentials("customer")["private_key"].splitlines()[1]
    written = (kms.directory / "vault.store").read_text() + \
        (kms.directory / "events.jsonl").read_text()
    assert secret not in written and pem not in written
    names = [event["eventName"] for event in kms.events()]
    assert {"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"} <= set(names)


def test_an_unmounted_engine_forgets_its_keys_and_leaves_them_where_they_are(kms):
    got = in_aws(kms)
    status, _ = kms.vault.ask("DELETE", "sys/mounts/keymgmt", name_space="admin")
    assert status == 204
    kms.run("enable", "keymgmt")
    assert kms.refusal("list", "keymgmt/key")[0] == 404
    assert aws_states(kms) == {got["versions"]["1"]: "Enabled"}
