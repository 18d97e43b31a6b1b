"""Google Cloud KMS: the client against the embedded KMS, and that judged by Google's own client.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/google_test.py (as root)
"""

import base64
import datetime
import json
import os
import re
import subprocess

import pytest

from freehold_testing import DATA, DENIED, OK, OURS, ROOT, UNREACHABLE
from google_testing import (
    ACT_AS, FREEHOLD, LOCATION, OPERATOR, RING, USE, VIEW, GoogleError, GoogleKms, GoogleVolume,
    sign_jwt)
from preflight_testing import check, failed

@pytest.fixture
def kms(tmp_path):
    server = GoogleKms(tmp_path / "kms")
    try:
        yield server.set_up()
    finally:
        server.stop()


@pytest.fixture
def key(kms):
    return kms.new_key()


@pytest.fixture
def operator(kms, key, tmp_path):
    made = GoogleVolume(kms, tmp_path, key)
    yield made
    made.clean_up()


def encrypt(kms, key, plaintext=b"data", **more):
    body = {"plaintext": base64.b64encode(plaintext).decode(), **more}
    return kms.ask("POST", f"{key}:encrypt", body)


def refusal(kms, *request, **more):
    with pytest.raises(GoogleError) as raised:
        kms.ask(*request, **more)
    return raised.value


def soon(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


# The provider.


def test_a_key_with_the_roles_of_the_page_is_valid(kms, operator):
    kms.ask("PATCH", f"{operator.key}?updateMask=rotationPeriod,nextRotationTime",
            {"rotationPeriod": "7776000s", "nextRotationTime": "2100-01-01T00:00:00Z"})
    report = check(operator)
    assert report.code == OK, report
    assert {item["outcome"] for item in report.json["items"]} == {"ok"}, report
    assert FREEHOLD in report.out


def test_a_role_that_may_not_look_is_enough(kms, operator):
    kms.bind(operator.key, {USE: [FREEHOLD]})
    report = check(operator)
    assert report.code == OK and report.json["valid"], report
    assert "roles/cloudkms.viewer" in report.out
    kms.set_state(f"{operator.key}/cryptoKeyVersions/1", "DISABLED")
    assert failed(operator)[:2] == (DENIED, "key_disabled")


def test_without_a_principal_our_own_account_is_used(kms, operator):
    kms.bind(operator.key, {USE: [OPERATOR], VIEW: [OPERATOR]})
    report = operator.run("key", "check", operator.key, "--json")
    assert report.code == OK and OPERATOR in report.out, report


@pytest.mark.parametrize(
    "state, meaning, command",
    [("DISABLED", "key_disabled", "versions enable 1"),
     ("DESTROY_SCHEDULED", "key_pending_deletion", "versions restore 1"),
     ("DESTROYED", "key_version_retired", "does not come back")])
def test_each_state_of_a_version_is_a_denial(kms, operator, state, meaning, command):
    version = f"{operator.key}/cryptoKeyVersions/1"
    if state == "DISABLED":
        kms.set_state(version, state)
    else:
        kms.ask("POST", f"{version}:destroy", {})
    if state == "DESTROYED":
        kms.fault("--clock-skew", str(31 * 24 * 3600))
        # The destruction is for ever; our clock is right again.
        assert refusal(kms, "GET", version).code == 401
        kms.fault("--clear")
    assert kms.ask("GET", version)["state"] == state
    code, found, remedy = failed(operator, "remedy")
    assert (code, found) == (DENIED, meaning) and command in remedy
    if state == "DISABLED":
        kms.set_state(version, "ENABLED")
        assert check(operator).code == OK


@pytest.mark.parametrize("held, missing", [
    ("roles/cloudkms.cryptoKeyEncrypter", "cloudkms.cryptoKeyVersions.useToDecrypt"),
    ("roles/cloudkms.cryptoKeyDecrypter", "cloudkms.cryptoKeyVersions.useToEncrypt")])
def test_each_missing_permission_is_named(kms, operator, held, missing):
    for roles in ({held: [FREEHOLD]}, {held: [FREEHOLD], VIEW: [FREEHOLD]}):
        kms.bind(operator.key, roles)
        code, meaning, remedy = failed(operator, "remedy")
        assert (code, meaning) == (DENIED, "permission_missing")
        assert missing in remedy and "gcloud kms keys add-iam-policy-binding" in remedy


def test_a_withdrawn_impersonation_is_a_denial(kms, operator):
    kms.trust_operator(False)
    code, meaning, remedy = failed(operator, "remedy")
    assert (code, meaning) == (DENIED, "trust_withdrawn")
    assert f"--member serviceAccount:{OPERATOR} --role {ACT_AS}" in remedy
    kms.trust_operator()
    assert check(operator).code == OK
    kms.ask("DELETE", f"projects/customer-project/serviceAccounts/{FREEHOLD}")
    assert failed(operator)[:2] == (DENIED, "trust_withdrawn")


def test_our_own_trouble_is_no_denial(kms, operator, tmp_path):
    stranger = kms.credentials("operator")
    file = tmp_path / "credentials.json"
    for change in ({"private_key_id": "0" * 40}, {"client_email": "nobody@x"},
                   {"token_uri": "https://localhost:1/token"}, {"type": "authorized_user"}):
        file.write_text(json.dumps({**stranger, **change}))
        operator.extra_environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)
        code, meaning, _ = failed(operator)
        assert code == OURS, (change, meaning)
    operator.extra_environment.clear()
    kms.fault("--clock-skew", "7200")
    assert failed(operator)[:2] == (OURS, "our_clock")
    kms.fault("--clear")
    kms.fault("--operation", "Encrypt", "--throttle")
    assert failed(operator)[:2] == (UNREACHABLE, "throttled")
    kms.fault("--clear")
    kms.fault("--operation", "Token", "--fail")
    assert failed(operator)[:2] == (UNREACHABLE, "outage")


def test_no_secret_is_in_any_message(kms, operator):
    secret = kms.credentials("operator")["private_key"].splitlines()[2]
    for operation in ("Token", "GenerateAccessToken", "Encrypt", "Decrypt"):
        kms.fault("--clear")
        kms.fault("--operation", operation, "--fail")
        result = check(operator)
        assert result.code == UNREACHABLE, (operation, result)
        for hidden in (secret, "ya29.", "eyJ", "Bearer"):
            assert hidden not in result.out + result.err
    log = (kms.directory / "events.jsonl").read_text()
    store = (kms.directory / "google/store").read_text()
    for hidden in (secret, "ya29.", "eyJ", "PRIVATE KEY"):
        assert hidden not in log + store


PAGE = (ROOT / "docs/providers/gcp.md").read_text()
TABLE = re.findall(r"^\| `(roles/[\w.]+)` \| .* \| (denied|a warning)[:;]", PAGE, re.M)


def test_each_role_on_the_page_is_needed_as_it_says(kms, operator):
    assert [role for role, _ in TABLE] == [USE, VIEW]
    for role, without in TABLE:
        kms.bind(operator.key, {other: [FREEHOLD] for other, _ in TABLE if other != role})
        outcomes = {item["outcome"] for item in check(operator).json["items"]}
        assert ("failed" if without == "denied" else "warning") in outcomes
        assert ("failed" in outcomes) == (without == "denied")


def test_the_names_on_the_page_are_those_of_the_embedded_kms(kms):
    for who in ("customer", "operator"):
        account = kms.credentials(who)
        assert account["project_id"] in PAGE and f"/tmp/kms/google/{who}.json" in PAGE
    assert OPERATOR in PAGE and FREEHOLD in PAGE
    for variable in kms.environment():
        assert "CLOUDSDK" not in variable or variable in PAGE


# Volumes.


def test_a_volume_lives_under_a_key_of_googles(kms, operator):
    operator.create()
    wrapped = operator.status()["keks"][0]
    assert wrapped["key"] == "gcp-kms://" + operator.key and wrapped["key_version"] == "1"
    with operator.opened() as root:
        (root / "file").write_bytes(b"data")
        assert operator.custody()["state"] == "open"
    kms.ask("POST", f"{operator.key}/cryptoKeyVersions", {})
    kms.ask("POST", f"{operator.key}:updatePrimaryVersion", {"cryptoKeyVersionId": "2"})
    with operator.opened() as root:  # the old version still opens
        assert (root / "file").read_bytes() == b"data"
    assert operator.volume("rotate-key", "--key", operator.key, *operator.access).code == OK
    assert operator.status()["keks"][0]["key_version"] == "2"
    other = kms.new_key("other")
    assert operator.volume("rotate-key", "--key", other, *operator.access).code == OK
    assert operator.status()["keks"][0]["key"] == "gcp-kms://" + other
    with operator.opened() as root:
        assert (root / "file").read_bytes() == b"data"


@pytest.mark.parametrize("how", ["version", "role", "trust"])
def test_a_volume_seals_when_access_goes_and_opens_when_it_is_back(kms, operator, how):
    version = f"{operator.key}/cryptoKeyVersions/1"
    no, yes = {
        "version": (lambda: kms.set_state(version, "DISABLED"),
                    lambda: kms.set_state(version, "ENABLED")),
        "role": (lambda: kms.bind(operator.key, {}),
                 lambda: kms.bind(operator.key, {USE: [FREEHOLD]})),
        "trust": (lambda: kms.trust_operator(False), kms.trust_operator),
    }[how]
    operator.create().mount()
    (operator.mount_point / "file").write_bytes(b"data")
    no()
    assert operator.wait_for_state("sealed")["reason"] == "denied"
    yes()
    operator.wait_for_state("open")
    assert (operator.mount_point / "file").read_bytes() == b"data"
    operator.unmount()


def test_another_context_or_a_damaged_blob_is_a_fault_of_data(kms, operator):
    operator.create()
    wrapped = operator.status()["keks"][0]
    blob = base64.b64decode(wrapped["wrapped_kek"])
    context = json.dumps(wrapped["context"], sort_keys=True, separators=(",", ":")).encode()

    def decrypt(ciphertext, data):
        return kms.ask("POST", f"{operator.key}:decrypt", {
            "ciphertext": base64.b64encode(ciphertext).decode(),
            "additionalAuthenticatedData": base64.b64encode(data).decode()})

    assert len(base64.b64decode(decrypt(blob, context)["plaintext"])) == 32
    for ciphertext, data in ((blob, context + b" "), (blob[:-1] + bytes([blob[-1] ^ 1]), context),
                             (blob[:3], context), (b"\0\0\0\2" + blob[4:], context)):
        with pytest.raises(GoogleError) as raised:
            decrypt(ciphertext, data)
        assert raised.value.status == "INVALID_ARGUMENT"
    # Another key has other material: what ours wrapped is no word of that key's owner.
    other = kms.new_key("other")
    mistaken = refusal(kms, "POST", f"{other}:decrypt",
                       {"ciphertext": wrapped["wrapped_kek"]})
    assert "verify that 'name' refers to the correct CryptoKey" in str(mistaken)


# The dialect.


def test_googles_own_client_is_content(kms):
    """It checks every answer against Google's own description of the service."""
    done = subprocess.run(
        ["node", ROOT / "tests/google_client.js", kms.tls_url, kms.directory / "google/customer.json"],
        env=dict(os.environ, NODE_EXTRA_CA_CERTS=str(kms.directory / "ca.pem"),
                 NODE_PATH=str(ROOT / "build/npm/node_modules")),
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all good\n"), done.stdout + done.stderr


def test_it_says_what_google_says_of_a_version_that_is_not_enabled(kms, key):
    version = f"{key}/cryptoKeyVersions/1"
    kms.set_state(version, "DISABLED")
    error = refusal(kms, "POST", f"{key}:encrypt", {"plaintext": "AAAA"}, who="customer")
    assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
    assert error.body["error"]["message"] == f"{version} is not enabled, current state is: DISABLED."
    detail = error.body["error"]["details"][0]
    assert detail["@type"] == "type.googleapis.com/google.rpc.PreconditionFailure"
    assert detail["violations"][0]["type"] == "KEY_DISABLED"


def test_permissions_come_from_the_key_its_ring_and_its_project(kms, key):
    held = {"permissions": ["cloudkms.cryptoKeyVersions.useToDecrypt", "cloudkms.cryptoKeys.get"]}
    test = f"{key}:testIamPermissions"
    assert kms.ask("POST", test, held, who="operator") == {}
    assert kms.ask("POST", test, held) == held
    denied = refusal(kms, "GET", key, who="operator")
    assert denied.code == 403 and denied.body["error"]["details"][0]["metadata"] == {
        "permission": "cloudkms.cryptoKeys.get", "resource": key}
    for resource in (key, RING, "projects/customer-project"):
        before = kms.ask("GET" if "keyRings" in resource else "POST", f"{resource}:getIamPolicy")
        kms.ask("POST", f"{resource}:setIamPolicy", {"policy": {"bindings": [
            *before.get("bindings", []),
            {"role": VIEW, "members": [f"serviceAccount:{OPERATOR}"]}]}})
        assert kms.ask("GET", key, who="operator")["name"] == key
        kms.ask("POST", f"{resource}:setIamPolicy", {"policy": before | {"etag": ""}})
        assert refusal(kms, "GET", key, who="operator").code == 403
    current = kms.ask("GET", f"{key}:getIamPolicy")
    current["etag"] = current["etag"].replace("+", "-").replace("/", "_").rstrip("=")
    kms.ask("POST", f"{key}:setIamPolicy", {"policy": current})
    stale = {"policy": {"bindings": [], "etag": "AAAAAAAAAAA="}}
    assert refusal(kms, "POST", f"{key}:setIamPolicy", stale).status == "ABORTED"
    for binding in ({"role": "roles/nothing", "members": []},
                    {"role": VIEW, "members": ["serviceAccount:nobody@x.iam.gserviceaccount.com"]},
                    {"role": VIEW, "members": [], "condition": {"expression": "true"}}):
        wrong = {"policy": {"bindings": [binding]}}
        assert refusal(kms, "POST", f"{key}:setIamPolicy", wrong).status == "INVALID_ARGUMENT"


def test_the_token_endpoint_takes_only_a_grant_of_now_by_its_signer(kms):
    mine = kms.credentials("operator")
    claims = kms.claims(mine)
    assert kms.grant(sign_jwt(mine, claims))["token_type"] == "Bearer"
    for wrong in ({"iat": claims["iat"] + 900}, {"exp": claims["iat"] - 1},
                  {"exp": claims["iat"] + 7200}, {"aud": "https://elsewhere.example/token"},
                  {"iss": kms.credentials("customer")["client_email"]}, {"iss": "nobody@x"}):
        with pytest.raises(GoogleError) as raised:
            kms.grant(sign_jwt(mine, {**claims, **wrong}))
        assert raised.value.status == "invalid_grant", wrong
    for token in ("", "ya29.AAAA", "ya29.", "a.b.c", sign_jwt(mine, claims)[:-4] + "AAAA"):
        with pytest.raises(GoogleError) as raised:
            kms.send("GET", f"/v1/{LOCATION}/keyRings", None, {"authorization": f"Bearer {token}"})
        assert raised.value.status == "UNAUTHENTICATED", token


def test_a_token_for_another_account_needs_its_trust_and_has_its_scope(kms, key):
    path = f"projects/-/serviceAccounts/{FREEHOLD}:generateAccessToken"
    kms_only = {"scope": ["https://www.googleapis.com/auth/cloudkms"], "lifetime": "900s"}
    token = kms.ask("POST", path, kms_only, who="operator")["accessToken"]
    assert kms.ask("GET", key, token=token)["name"] == key
    assert refusal(kms, "POST", path, kms_only, token=token).status == "PERMISSION_DENIED"
    # Owning the project is not enough to act for its accounts.
    assert refusal(kms, "POST", path, kms_only, who="customer").code == 403
    nobody = "projects/-/serviceAccounts/nobody@x:generateAccessToken"
    assert refusal(kms, "POST", nobody, kms_only, who="operator").code == 404
    for wrong in ({"scope": []}, {"scope": ["x"], "lifetime": "3601s"},
                  {"scope": ["x"], "lifetime": "soon"}):
        assert refusal(kms, "POST", path, wrong, who="operator").status == "INVALID_ARGUMENT"
    kms.ask("POST", f"projects/customer-project/serviceAccounts/{FREEHOLD}:disable", {})
    assert refusal(kms, "GET", key, token=token).code == 401


def test_a_service_accounts_key_works_until_it_is_deleted(kms):
    account = f"projects/customer-project/serviceAccounts/{FREEHOLD}"
    made = kms.ask("POST", f"{account}/keys", {})
    file = json.loads(base64.b64decode(made["privateKeyData"]))
    assert file["token_uri"] == kms.tls_url + "/token" and file["client_email"] == FREEHOLD
    assert kms.grant(sign_jwt(file, kms.claims(file)))["access_token"]
    kms.ask("DELETE", made["name"])
    with pytest.raises(GoogleError):
        kms.grant(sign_jwt(file, kms.claims(file)))


def test_keys_rotate_and_versions_are_destroyed_when_it_is_time(kms):
    key = kms.new_key("rotates", rotationPeriod="86400s", nextRotationTime="2100-01-01T00:00:00Z")
    kms.ask("PATCH", f"{key}?updateMask=next_rotation_time", {"nextRotationTime": soon(3600)})
    old = encrypt(kms, key)
    assert old["name"].endswith("/1")
    kms.fault("--clock-skew", "3700")
    assert refusal(kms, "GET", key).code == 401  # our token is of another time
    kms.fault("--clear")
    rotated = kms.ask("GET", key)
    assert rotated["primary"]["name"].endswith("/2"), rotated
    opened = kms.ask("POST", f"{key}:decrypt", {"ciphertext": old["ciphertext"]})
    assert base64.b64decode(opened["plaintext"]) == b"data" and "usedPrimary" not in opened
    kms.ask("POST", f"{key}/cryptoKeyVersions/1:destroy", {})
    kms.ask("POST", f"{key}/cryptoKeyVersions/1:restore", {})
    assert kms.ask("GET", f"{key}/cryptoKeyVersions/1")["state"] == "DISABLED"


def test_everything_is_there_after_a_restart(kms, key):
    wrapped = encrypt(kms, key)["ciphertext"]
    assert kms.stop() == 0
    kms.start()
    assert kms.ask("POST", f"{key}:decrypt", {"ciphertext": wrapped})["plaintext"]
    for name in ("store", "customer.json", "operator.json"):
        assert (kms.directory / "google" / name).stat().st_mode & 0o777 == 0o600, name


def test_requests_that_make_no_sense_get_an_answer(kms, key):
    for method, path, body in (
            ("GET", f"{key}/nothing", None), ("POST", f"{key}:explode", {}),
            ("POST", f"{key}:encrypt", {"plaintext": "!"}), ("POST", f"{key}:decrypt", {}),
            ("POST", f"{key}:encrypt", {"plaintext": "AAAA", "plaintextCrc32c": "1"}),
            ("POST", f"{RING}/cryptoKeys?cryptoKeyId=a%2Fb", {"purpose": "ENCRYPT_DECRYPT"}),
            ("POST", f"{RING}/cryptoKeys?cryptoKeyId=mac", {"purpose": "MAC"}),
            ("POST", f"{RING}/cryptoKeys?cryptoKeyId=key", {"purpose": 1}),
            ("GET", f"{key}/cryptoKeyVersions/9999999999", None),
            ("PATCH", f"{key}/cryptoKeyVersions/1?updateMask=state", {"state": "DESTROYED"}),
            ("POST", f"{key}/cryptoKeyVersions/1:restore", {}), ("GET", "projects//%", None)):
        assert refusal(kms, method, path, body).code in (400, 403, 404, 409), path
    large = base64.b64encode(bytes(8193)).decode()
    hsm = kms.new_key("hsm", versionTemplate={"protectionLevel": "HSM"})
    assert refusal(kms, "POST", f"{hsm}:encrypt", {"plaintext": large}).code == 400
    assert kms.ask("POST", f"{key}:encrypt", {"plaintext": large})["name"]
