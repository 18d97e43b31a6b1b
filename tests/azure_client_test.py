"""Azure's dialect of the embedded KMS, judged by Microsoft's own clients for Node.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/azure_client_test.py
"""

import json
import subprocess
import time

import pytest

from azure_testing import AzureKms, Owner, certificate, from_url, good, node, to_url

SECRET = {"hex": bytes(range(32)).hex()}


@pytest.fixture(scope="module")
def kms(tmp_path_factory):
    server = AzureKms(tmp_path_factory.mktemp("kms"))
    yield server
    assert server.stop() == 0


def test_the_official_client_makes_uses_and_rotates_a_key(kms):
    made, got, listed = good(node(kms, [
        ["keys", "createRsaKey", "orders", {"keySize": 2048, "tags": {"for": "orders"}}],
        ["keys", "getKey", "orders"],
        ["keys", "listPropertiesOfKeys"],
    ]))
    assert made["name"] == "orders" and made["keyType"] == "RSA"
    assert got["id"] == made["id"] and got["properties"]["enabled"] is True
    assert got["properties"]["recoveryLevel"] == "Recoverable"
    assert got["properties"]["recoverableDays"] == 90
    assert [each["name"] for each in listed] == ["orders"]
    assert listed[0]["tags"] == {"for": "orders"}
    version = made["properties"]["version"]
    for algorithm in ("RSA-OAEP", "RSA-OAEP-256"):
        (wrapped,) = good(node(kms, [[f"crypto:orders/{version}", "wrapKey", algorithm, SECRET]]))
        unwrapped, decrypted, encrypted = good(node(kms, [
            [f"crypto:orders/{version}", "unwrapKey", algorithm, wrapped["result"]],
            [f"crypto:orders/{version}", "decrypt",
             {"algorithm": algorithm, "ciphertext": wrapped["result"]}],
            [f"crypto:orders/{version}", "encrypt", {"algorithm": algorithm, "plaintext": SECRET}],
        ]))
        assert unwrapped["result"] == decrypted["result"] == SECRET
        assert unwrapped["keyID"].endswith(version) and encrypted["algorithm"] == algorithm
    rotated, versions, old = good(node(kms, [
        ["keys", "rotateKey", "orders"],
        ["keys", "listPropertiesOfKeyVersions", "orders"],
        ["keys", "getKey", "orders", {"version": version}],
    ]))
    assert rotated["properties"]["version"] != version and len(versions) == 2
    assert old["properties"]["version"] == version


def test_the_official_client_disables_expires_deletes_and_recovers(kms):
    name, past = "states", int(time.time()) - 60
    (made,) = good(node(kms, [["keys", "createRsaKey", name]]))
    version = made["properties"]["version"]
    crypto = f"crypto:{name}/{version}"
    (wrapped,) = good(node(kms, [[crypto, "wrapKey", "RSA-OAEP-256", SECRET]]))
    disabled, wraps, unwraps, enabled = node(kms, [
        ["keys", "updateKeyProperties", name, version, {"enabled": False}],
        [crypto, "wrapKey", "RSA-OAEP-256", SECRET],
        [crypto, "unwrapKey", "RSA-OAEP-256", wrapped["result"]],
        ["keys", "updateKeyProperties", name, version, {"enabled": True}],
    ])
    assert disabled["value"]["properties"]["enabled"] is False and "value" in enabled
    assert "value" in wraps, "Azure's trap: a disabled key wraps"
    assert (unwraps["status"], unwraps["code"], unwraps["inner"]) == (403, "Forbidden", "KeyDisabled")
    assert unwraps["message"] == "Operation unwrapKey is not allowed on a disabled key."

    # The client itself uses no expired key, so what the service says is asked without it.
    good(node(kms, [["keys", "updateKeyProperties", name, version, {"expiresOn": {"time": past}}]]))
    owner = Owner(kms)
    body = {"alg": "RSA-OAEP-256", "value": to_url(bytes.fromhex(SECRET["hex"]))}
    status, answer = owner.ask("POST", f"/keys/{name}/{version}/wrapkey", body)
    assert (status, answer["error"]["innererror"]["code"]) == (403, "KeyExpired")
    body["value"] = to_url(bytes.fromhex(wrapped["result"]["hex"]))
    assert from_url(owner.do("POST", f"/keys/{name}/{version}/unwrapkey", body)["value"]) == (
        bytes.fromhex(SECRET["hex"])), "Azure's other trap: an expired key unwraps"

    deleted, gone, again, listed, purged, recovered = node(kms, [
        ["keys", "beginDeleteKey", name],
        ["keys", "getKey", name],
        ["keys", "createRsaKey", name],
        ["keys", "listDeletedKeys"],
        ["keys", "purgeDeletedKey", name],
        ["keys", "beginRecoverDeletedKey", name],
    ])
    assert deleted["value"]["properties"]["recoveryId"].endswith("/deletedkeys/" + name)
    assert (gone["status"], gone["code"]) == (404, "KeyNotFound")
    assert (again["status"], again["inner"]) == (409, "ObjectIsDeletedButRecoverable")
    assert [each["name"] for each in listed["value"]] == [name]
    assert purged["status"] == 403 and "purge protection" in purged["message"]
    assert recovered["value"]["properties"]["version"] == version


def test_the_official_client_sets_a_rotation_policy(kms):
    actions = [{"action": "Rotate", "timeAfterCreate": "P90D"}]
    _, before, put, after = good(node(kms, [
        ["keys", "createRsaKey", "policy"],
        ["keys", "getKeyRotationPolicy", "policy"],
        ["keys", "updateKeyRotationPolicy", "policy", {"lifetimeActions": actions,
                                                       "expiresIn": "P2Y"}],
        ["keys", "getKeyRotationPolicy", "policy"],
    ]))
    assert before["lifetimeActions"][0]["action"] == "Notify"
    assert put["lifetimeActions"][0]["action"] == "Rotate" and after["expiresIn"] == "P2Y"


def test_a_managed_hsm_has_symmetric_keys(kms):
    kms.azure("vault-create", "hsm", "--managed-hsm")
    kms.allow("hsm", "Key Vault Crypto Officer", "customer-admin")
    owner = Owner(kms, "hsm.managedhsm.azure.net")
    owner.do("POST", "/keys/k/create", {"kty": "oct-HSM", "key_size": 256})
    got, wrapped = good(node(kms, [["keys", "getKey", "k"],
                                   ["crypto:k", "wrapKey", "A256KW", SECRET]], vault=owner.host))
    assert got["keyType"] == "oct-HSM" and "n" not in got["key"]
    (unwrapped,) = good(node(kms, [["crypto:k", "unwrapKey", "A256KW", wrapped["result"]]],
                             vault=owner.host))
    assert unwrapped["result"] == SECRET
    refused = Owner(kms).ask("POST", "/keys/k/create", {"kty": "oct-HSM"})
    assert refused[0] == 400 and refused[1]["error"]["code"] == "BadParameter"


def test_a_key_that_was_made_elsewhere_is_imported(kms, tmp_path):
    script = """
      const key = require("crypto").generateKeyPairSync("rsa", {modulusLength: 2048}).privateKey;
      console.log(JSON.stringify(key.export({format: "jwk"})))"""
    jwk = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout
    owner = Owner(kms)
    parts = json.loads(jwk)
    made = owner.do("PUT", "/keys/imported", {"key": {**parts, "kty": "RSA"}})
    assert made["key"]["n"] == parts["n"] and "d" not in made["key"]
    (wrapped,) = good(node(kms, [["crypto:imported", "wrapKey", "RSA-OAEP-256", SECRET]]))
    (unwrapped,) = good(node(kms, [["crypto:imported", "unwrapKey", "RSA-OAEP-256",
                                    wrapped["result"]]]))
    assert unwrapped["result"] == SECRET


def test_the_official_client_logs_in_with_a_certificate(kms, tmp_path):
    pem = certificate(tmp_path)
    app = kms.azure("app", "with-certificate", "--tenant", "customer", "--certificate", str(pem))
    kms.allow("embedded", "Key Vault Reader", "with-certificate")
    changes = {"AZURE_CLIENT_ID": app["client_id"], "AZURE_CLIENT_CERTIFICATE_PATH": str(pem)}
    good(node(kms, [["keys", "listPropertiesOfKeys"]], credential="certificate", changes=changes))
    other = certificate(tmp_path / "other")
    (refused,) = node(kms, [["keys", "listPropertiesOfKeys"]], credential="certificate",
                      changes={**changes, "AZURE_CLIENT_CERTIFICATE_PATH": str(other)})
    assert "700027" in refused["message"]


def test_each_role_allows_what_it_says_and_no_more(kms):
    app = kms.azure("app", "somebody", "--tenant", "customer")
    changes = {"AZURE_CLIENT_ID": app["client_id"], "AZURE_CLIENT_SECRET": app["client_secret"]}
    good(node(kms, [["keys", "createRsaKey", "roles"], ["keys", "createRsaKey", "other"]]))
    (wrapped,) = good(node(kms, [["crypto:roles", "wrapKey", "RSA-OAEP-256", SECRET]]))
    calls = {
        "read": ["keys", "getKey", "roles"],
        "policy": ["keys", "getKeyRotationPolicy", "roles"],
        "create": ["keys", "createRsaKey", "more"],
        "wrap": ["crypto:roles", "wrapKey", "RSA-OAEP-256", SECRET],
        "unwrap": ["crypto:roles", "unwrapKey", "RSA-OAEP-256", wrapped["result"]],
        "decrypt": ["crypto:roles", "decrypt", {"algorithm": "RSA-OAEP-256",
                                                "ciphertext": wrapped["result"]}],
        "other": ["keys", "getKey", "other"],
    }
    allowed = {
        ("Key Vault Crypto Service Encryption User", "/roles"): {"read", "wrap", "unwrap"},
        ("Key Vault Crypto User", "/roles"): {"read", "wrap", "unwrap", "decrypt"},
        ("Key Vault Reader", ""): {"read", "policy", "other"},
        ("Key Vault Crypto Officer", ""): set(calls),
        (None, ""): set(),
    }
    for (role, key), names in allowed.items():
        if role:
            kms.allow("embedded" + key, role, "somebody")
        outcomes = dict(zip(calls, node(kms, list(calls.values()), changes=changes)))
        assert {name for name, each in outcomes.items() if "value" in each} == names, role
        assert {each.get("inner", "ForbiddenByRbac") for each in outcomes.values()} == {"ForbiddenByRbac"}
        if role:
            kms.forbid("embedded" + key, role, "somebody")


def test_what_the_vault_says_without_a_good_token(kms):
    owner = Owner(kms)
    status, answer, headers = owner.send("GET", "/keys?api-version=7.4")
    assert status == 401 and answer["error"]["code"] == "Unauthorized"
    assert headers["www-authenticate"] == (f'Bearer authorization="{kms.tls_url}/{kms.tenant}", '
                                           'resource="https://vault.azure.net"')
    good_token = owner.token()
    header, claims, signature = good_token.split(".")
    forged = ".".join([header, claims, signature[:-8] + "AAAAAAAA"])
    for token in ("x", "a.b.c", forged, header + "." + claims + "."):
        assert owner.ask("GET", "/keys", token=token)[0] == 401, token
    elsewhere = Owner(kms, "embedded.managedhsm.azure.net").token()
    assert "AKV10022" in owner.ask("GET", "/keys", token=elsewhere)[1]["error"]["message"]
    kms.command("fault", "--clock-skew", "4000")
    try:
        assert "AKV10044" in owner.ask("GET", "/keys", token=good_token)[1]["error"]["message"]
    finally:
        kms.command("fault", "--clock-skew", "0")
    assert owner.ask("GET", "/keys", token=good_token)[0] == 200


@pytest.mark.parametrize("changes, status, number", [
    ({"client_secret": "wrong"}, 401, 7000215),
    ({"client_id": "00000000-0000-4000-8000-000000000000"}, 400, 700016),
    ({"tenant": "nowhere"}, 400, 90002),
    ({"grant_type": "password"}, 400, 70003),
    ({"scope": "https://graph.microsoft.com/.default"}, 400, 500011),
])
def test_what_entra_says_to_a_bad_request_for_a_token(kms, changes, status, number):
    got, answer, _ = Owner(kms).token_answer(**changes)
    assert got == status and answer["error_codes"] == [number]
    assert answer["error_description"].startswith(f"AADSTS{number}: ")


def test_discovery_tells_the_client_where_to_go(kms):
    owner = Owner(kms)
    _, found, _ = owner.send("GET", f"/{kms.tenant}/v2.0/.well-known/openid-configuration")
    assert found["token_endpoint"] == f"{kms.tls_url}/{kms.tenant}/oauth2/v2.0/token"
    _, found, _ = owner.send("GET", "/common/discovery/instance?api-version=1.1")
    assert found["metadata"][0]["aliases"] == [kms.tls_url.removeprefix("https://")]


def test_state_and_secrets_outlive_a_restart_sealed(kms, tmp_path):
    server = AzureKms(tmp_path / "kms")
    before = server.settings("operator")
    made = Owner(server).new_key()
    assert server.stop() == 0
    stored = (server.directory / "azure-store").read_text()
    assert before["AZURE_CLIENT_SECRET"] not in stored and "PRIVATE KEY" not in stored
    for path in ("azure-store", "azure/operator.env", "azure/customer.env"):
        assert (server.directory / path).stat().st_mode & 0o777 == 0o600
    server.start()
    try:
        assert server.settings("operator")["AZURE_CLIENT_SECRET"] == before["AZURE_CLIENT_SECRET"]
        assert Owner(server).do("GET", "/keys/orders")["key"] == made["key"]
    finally:
        server.stop()
