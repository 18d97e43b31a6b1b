"""HashiCorp Vault and OpenBao as a KMS: the provider, a volume, and every way to say no.

The embedded KMS's Vault dialect is judged by node-vault; the provider runs against it over TLS.
"""

import base64
import json
import os
import re
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from conformance_testing import refuses_configuration
from freehold_testing import (
    DATA, DENIED, OK, OURS, ROOT, UNREACHABLE, USAGE, EmbeddedKms, Volume)
from preflight_testing import check, failed
from vault_testing import Vault, VaultKms


@pytest.fixture
def kms(tmp_path):
    served = VaultKms(tmp_path / "kms")
    yield served
    served.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    served = VaultKms(tmp_path_factory.mktemp("shared") / "kms")
    yield served
    served.stop()


@pytest.fixture
def volume(kms, tmp_path):
    made = Volume(kms, tmp_path)
    yield made
    made.clean_up()


def test_a_key_is_valid_and_a_volume_lives_under_it(kms, volume):
    kms.vault.write("transit/keys/k/config", auto_rotate_period="24h")
    report = check(volume).json
    assert report["valid"] and {item["outcome"] for item in report["items"]} == {"ok"}, report
    volume.create()
    with volume.opened() as root:
        (root / "f").write_bytes(b"under a key in Vault")
    with volume.opened() as root:
        assert (root / "f").read_bytes() == b"under a key in Vault"
    kek = volume.status()["keks"][0]
    assert kek["kms_type"] == "HASHICORP_VAULT" and kek["key"] == volume.key
    assert base64.b64decode(kek["wrapped_kek"]).startswith(b"vault:v1:")


def test_the_customer_can_unwrap_the_kek_with_plain_vault(kms, volume):
    volume.create()
    kek = volume.status()["keks"][0]
    context = json.dumps(kek["context"], sort_keys=True, separators=(",", ":"))
    answer = kms.vault.write("transit/decrypt/k",
                             ciphertext=base64.b64decode(kek["wrapped_kek"]).decode(),
                             associated_data=base64.b64encode(context.encode()).decode())
    assert len(base64.b64decode(answer["data"]["plaintext"])) == 32


DENIALS = {
    "key missing": (lambda kms: kms.vault.write("transit/keys/k/config", deletion_allowed=True)
                    or kms.vault.delete("transit/keys/k"), DENIED, "key_missing"),
    "mount gone": (lambda kms: kms.vault.delete("sys/mounts/transit"), DENIED, "key_missing"),
    "soft deleted": (lambda kms: kms.vault.delete("transit/keys/k/soft-delete"), DENIED,
                     "key_pending_deletion"),
    "no encrypt": (lambda kms: kms.set_policy("decrypt", "keys"), DENIED, "permission_missing"),
    "no decrypt": (lambda kms: kms.set_policy("encrypt", "keys"), DENIED, "permission_missing"),
    "role gone": (lambda kms: kms.vault.delete("auth/approle/role/freehold"), DENIED,
                  "trust_withdrawn"),
    "secret id gone": (lambda kms: kms.vault.write(
        "auth/approle/role/freehold/secret-id/destroy", secret_id=kms.secret_id), DENIED,
        "trust_withdrawn"),
    "sealed": (lambda kms: kms.vault.write("sys/seal"), UNREACHABLE, "kms_sealed"),
    "throttled": (lambda kms: kms.fault("--throttle"), UNREACHABLE, "throttled"),
    "failing": (lambda kms: kms.fault("--fail"), UNREACHABLE, "outage"),
    "no answer": (lambda kms: kms.fault("--unreachable"), UNREACHABLE, "not_connected"),
}


@pytest.mark.parametrize("name", DENIALS)
def test_every_no_has_its_meaning(kms, volume, name):
    change, code, meaning = DENIALS[name]
    change(kms)
    got_code, got_meaning, detail = failed(volume)
    assert (got_code, got_meaning) == (code, meaning), detail
    assert kms.secret_id not in detail


def test_a_refusal_names_the_line_that_the_policy_lacks(kms, volume):
    kms.set_policy("encrypt", "keys")
    _, _, detail = failed(volume)
    assert 'path "transit/decrypt/k" { capabilities = ["update"] }' in detail


def test_a_withdrawn_role_seals_and_its_return_opens_again(kms, volume):
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"x")
    kms.set_policy("encrypt", "keys")
    sealed = volume.wait_for_state("sealed")
    assert sealed["reason"] == "denied"
    kms.set_policy("encrypt", "decrypt", "keys")
    volume.wait_for_state("open")
    assert (volume.mount_point / "f").read_bytes() == b"x"


def test_a_retired_version_is_a_denial_and_a_rewrap_beforehand_prevents_it(kms, volume):
    volume.create()
    kms.vault.write("transit/keys/k/rotate")
    kms.vault.write("transit/keys/k/config", min_decryption_version=2)
    result = volume.try_mount()
    assert result.code == DENIED and "too old" in result.err
    kms.vault.write("transit/keys/k/config", min_decryption_version=1)
    volume.mount()
    rotated = volume.volume("rotate-key", "--key", volume.key)
    assert rotated.code == OK, rotated
    assert volume.status()["keks"][0]["key_version"] == "2"
    kms.vault.write("transit/keys/k/config", min_decryption_version=2)
    volume.unmount()
    volume.mount()


def test_a_key_made_again_under_the_same_name_is_no_revocation_but_opens_nothing(kms, volume):
    volume.create()
    kms.vault.write("transit/keys/k/config", deletion_allowed=True)
    kms.vault.delete("transit/keys/k")
    kms.vault.write("transit/keys/k", type="aes256-gcm96")
    result = volume.try_mount()
    assert result.code == DATA, result


def test_a_ciphertext_of_another_volume_does_not_open_this_one(kms, volume, tmp_path):
    volume.create("--context", "freehold:cluster=c1")
    kek = volume.status()["keks"][0]
    status, answer = kms.vault.ask("POST", "transit/decrypt/k", {
        "ciphertext": base64.b64decode(kek["wrapped_kek"]).decode(),
        "associated_data": base64.b64encode(b'{"freehold:cluster":"c2"}').decode()})
    assert status == 500 and "message authentication failed" in answer["errors"][0]


def test_a_token_that_ended_is_our_trouble(kms, volume):
    answer = kms.vault.write("auth/token/create", policies=["freehold"], ttl="1h")
    token = answer["auth"]["client_token"]
    kms.variables = {"VAULT_TOKEN": token}
    assert check(volume).json["valid"]
    kms.vault.write("auth/token/revoke", token=token)
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (OURS, "our_credentials") and token not in detail


def jwt_signer():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def jwt(**claims):
        def part(fields):
            return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=")
        signed = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")

    return jwt, public


def test_a_login_with_a_jwt_binds_audience_and_subject(kms, volume, tmp_path):
    jwt, public = jwt_signer()
    kms.vault.write("sys/auth/jwt", type="jwt")
    kms.vault.write("auth/jwt/config", jwt_validation_pubkeys=[public])
    kms.vault.write("auth/jwt/role/node", token_policies=["freehold"], bound_audiences=["vault"],
                    bound_subject="node-1")
    file = tmp_path / "jwt"
    kms.variables = {"FREEHOLD_VAULT_JWT_FILE": str(file)}
    file.write_bytes(jwt(aud="vault", sub="node-1", exp=2**33) + b"\n")
    assert check(volume, "--principal", "node").json["valid"]
    for claims, code in [(dict(aud="other", sub="node-1", exp=2**33), DENIED),
                         (dict(aud="vault", sub="node-2", exp=2**33), DENIED),
                         (dict(aud="vault", sub="node-1", exp=1), OURS)]:
        file.write_bytes(jwt(**claims))
        result = check(volume, "--principal", "node")
        assert result.code == code, (claims, result)


def test_a_jwts_times_are_whole_numbers_or_it_is_refused(kms):
    jwt, public = jwt_signer()
    kms.vault.write("sys/auth/jwt", type="jwt")
    kms.vault.write("auth/jwt/config", jwt_validation_pubkeys=[public])
    kms.vault.write("auth/jwt/role/node", token_policies=["freehold"])

    def login(**claims):
        return kms.vault.ask("POST", "auth/jwt/login",
                             {"role": "node", "jwt": jwt(sub="n", **claims).decode()}, token="")

    assert login()[0] == login(exp=2**33, nbf=1)[0] == 200
    for name in ("exp", "nbf"):
        for wrong in (1.5, 2.0**33, "1", "8589934592", True, None, -1, 2**63 - 1, 2**63, [1]):
            status, answer = login(**{name: wrong})
            assert status == 400 and name in answer["errors"][0], (name, wrong, answer)


def test_a_tokens_children_have_none_but_its_own_policies(kms):
    vault = kms.vault
    for name in ("maker", "other", "third"):
        vault.write(f"sys/policies/acl/{name}",
                    policy='path "auth/token/create" { capabilities = ["update"] }\n'
                           'path "team/auth/token/create" { capabilities = ["update"] }')

    def create(token=None, name_space="", **body):
        return vault.ask("POST", "auth/token/create", body, token, name_space)

    status, made = create(policies=["maker", "other"])
    assert status == 200
    parent = made["auth"]["client_token"]
    for wanted in (["other"], ["maker", "other"], []):
        status, child = create(parent, policies=wanted)
        assert status == 200 and child["auth"]["policies"] == wanted
    assert create(parent)[1]["auth"]["policies"] == ["maker", "other"]
    for wanted in (["root"], ["maker", "third"], ["third"], "maker,root"):
        status, refusal = create(parent, policies=wanted)
        assert status == 400 and "subset of parent" in refusal["errors"][0], wanted
    # There, "other" would be another policy.
    assert create(parent, "team", policies=["other"])[0] == 400
    batch = create(policies=["maker"], type="batch")[1]["auth"]["client_token"]
    assert create(batch, policies=["maker"])[0] == 400


BAD_DURATIONS = [-1, "-1h", 2**63 - 1, 2**63, 1e300, 1.5, "9223372036854775807h", "1x", "h",
                 "3153600001", "1h1", True, [3600], {}]
BAD_COUNTS = [-1, "-1", 2**31, 2**32 + 1, 2**63, 1.5, "1h", "x", True, [1]]


@pytest.mark.parametrize("path, field, wrong", [
    *(("transit/keys/new", "auto_rotate_period", each) for each in [*BAD_DURATIONS, "59m", 1]),
    *(("transit/keys/k/config", "auto_rotate_period", each) for each in [*BAD_DURATIONS, "59m"]),
    *(("transit/keys/k/config", "min_decryption_version", each) for each in BAD_COUNTS),
    *(("transit/keys/k/config", "min_encryption_version", each) for each in BAD_COUNTS),
    *(("transit/encrypt/k", "key_version", each) for each in BAD_COUNTS),
    *(("transit/datakey/plaintext/k", "bits", each) for each in BAD_COUNTS),
    *(("auth/token/create", "ttl", each) for each in BAD_DURATIONS),
    *(("auth/token/create", "explicit_max_ttl", each) for each in BAD_DURATIONS),
    *(("auth/approle/role/freehold", "token_ttl", each) for each in BAD_DURATIONS),
    *(("auth/approle/role/freehold", "secret_id_ttl", each) for each in BAD_DURATIONS),
    *(("auth/approle/role/freehold", "secret_id_num_uses", each) for each in BAD_COUNTS),
])
def test_a_number_that_is_none_is_refused_and_changes_nothing(shared, path, field, wrong):
    def all_there_is():
        return [shared.vault.read(each) for each in ("transit/keys/k", "auth/approle/role/freehold")]

    before = all_there_is()
    status, answer = shared.vault.ask("POST", path, {field: wrong, "plaintext": "AAAA"})
    assert status == 400 and answer["errors"][0], answer
    assert all_there_is() == before
    assert shared.vault.ask("GET", "transit/keys/new")[0] == 404


def test_durations_are_written_in_many_ways(kms):
    for text, seconds in [(3600, 3600), ("3600", 3600), ("3600s", 3600), ("60m", 3600),
                          ("1h30m", 5400), ("2d", 172800), (0, 0), ("0", 0)]:
        kms.vault.write("transit/keys/k/config", auto_rotate_period=text)
        assert kms.vault.read("transit/keys/k")["auto_rotate_period"] == seconds, text


def test_no_token_goes_to_a_vault_that_is_not_configured(kms, volume):
    elsewhere = f"hcvault://127.0.0.1:{kms.port}/transit/keys/k"
    before = len(kms.events())
    result = volume.run("key", "check", elsewhere, "--json")
    assert result.code == OURS and "VAULT_ADDR" in result.out
    assert len(kms.events()) == before


BAD = {
    "no address": ({"VAULT_ADDR": ""}, OURS, "VAULT_ADDR is not set"),
    "plain http": ({"VAULT_ADDR": "http://vault.example.com:8200"}, OURS, "plain http"),
    "no credentials": ({"VAULT_ROLE_ID": ""}, OURS, "none configured"),
    "unknown method": ({"FREEHOLD_VAULT_AUTH": "magic"}, OURS, "magic"),
    "no certificate": ({"VAULT_CACERT": ""}, UNREACHABLE, "certificate"),
    "missing file": ({"FREEHOLD_VAULT_SECRET_ID_FILE": "/nonexistent"}, OURS, "/nonexistent"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_is_one_clear_sentence_and_nothing_is_made(volume, name):
    refuses_configuration(volume, BAD[name])


def test_a_principal_that_vault_cannot_know_is_refused(volume):
    result = check(volume, "--principal", "arn:aws:iam::1:role/r")
    assert result.code == USAGE and "role" in result.err


def test_the_pages_policy_is_all_that_is_needed(kms, volume):
    page = (ROOT / "docs/providers/vault.md").read_text()
    policy = re.search(r"^```hcl policy\n(.*?)\n```$", page, re.M | re.S).group(1)
    kms.vault.write("transit/keys/orders", type="aes256-gcm96", auto_rotate_period="720h")
    kms.vault.write("sys/policies/acl/freehold", policy=policy)
    volume.key = volume.key.replace("keys/k", "keys/orders")
    report = check(volume).json
    assert {item["outcome"] for item in report["items"]} == {"ok"}, report
    for line in re.findall(r"^path .*$", policy, re.M):
        kms.vault.write("sys/policies/acl/freehold", policy=policy.replace(line, ""))
        operation = re.search(r"transit/(\w+)/", line).group(1)
        report = check(volume)
        failures = [item for item in report.json["items"] if item["outcome"] == "failed"]
        assert len(failures) == 1 and f"transit/{operation}/orders" in failures[0]["detail"], report


def test_a_namespace_goes_along(kms, volume):
    kms.vault.ask("POST", "sys/mounts/transit", {"type": "transit"}, name_space="team")
    kms.vault.ask("POST", "transit/keys/k", {"type": "aes256-gcm96"}, name_space="team")
    volume.key += "?namespace=team"
    kms.variables = {"VAULT_TOKEN": kms.vault.token}
    assert check(volume).json["valid"]
    volume.create()
    assert volume.status()["keks"][0]["key"].endswith("?namespace=team")


def test_node_vault_finds_a_vault(tmp_path):
    kms = EmbeddedKms(tmp_path / "kms")
    try:
        vault = Vault(kms)
        done = subprocess.run(
            ["node", ROOT / "tests/vault_client.js"], capture_output=True, text=True, timeout=60,
            check=False,
            env=dict(os.environ, VAULT_ADDR=vault.address, VAULT_TOKEN=vault.token,
                     NODE_EXTRA_CA_CERTS=str(kms.ca),
                     NODE_PATH=str(ROOT / "build/npm/node_modules")))
        assert done.returncode == 0, done.stderr
        got = json.loads(done.stdout)
        assert got["ciphertext"].startswith("vault:v1:") and got["decrypted"] == "a secret"
        assert got["datakeyBytes"] == 32 and got["latest"] == 2 and got["forbidden"] == 403
        assert "message authentication failed" in got["refused"]
    finally:
        kms.stop()


def test_what_vault_knows_outlives_a_restart(kms, volume):
    volume.create()
    kms.kill()
    kms.start()
    volume.key = kms.new_key()  # it may have another port
    assert kms.vault.read("transit/keys/k")["latest_version"] == 1
    assert check(volume).json["valid"]


def test_the_secret_id_is_in_no_log(kms, volume):
    volume.create().mount()
    volume.unmount()
    log = volume.log() + (kms.directory / "events.jsonl").read_text()
    assert kms.secret_id not in log and kms.vault.token not in log
