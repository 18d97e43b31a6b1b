"""Volumes under keys of Azure Key Vault, and every way in which their owner can say no.

The customer's side is her tenant's administrator; Freehold is the operator's application, to which
the customer's tenant consented. All of it over TLS against the embedded KMS.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/azure_test.py (as root)
"""

import base64
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import time

import pytest

from azure_testing import ROLE, AzureKms, AzureVolume, Owner, certificate, uri
from freehold_testing import (AMBIGUOUS, BINARY, DENIED, OK, OURS, ROOT, UNREACHABLE,
                              wait_for)
from preflight_testing import failed_items


@pytest.fixture
def kms(tmp_path):
    server = AzureKms(tmp_path / "kms")
    yield server
    assert server.stop() == 0


@pytest.fixture
def owner(kms):
    """With a key that the operator may use."""
    made = Owner(kms)
    made.new_key()
    kms.allow("embedded/orders")
    return made


@pytest.fixture
def volume(kms, owner, tmp_path):
    made = AzureVolume(kms, tmp_path)
    yield made
    made.clean_up()


def test_key_check_says_valid_and_warns_of_nothing_that_matters(kms, owner):
    code, report = kms.check("orders")
    assert code == OK
    said = {item["what"]: item for item in report["items"]}
    assert kms.tenant in said["Trust: assume the role"]["detail"]
    warnings = [item["what"] for item in report["items"] if item["outcome"] == "warning"]
    assert warnings == ["Rotation"], report
    kms.allow("embedded", "Key Vault Reader")
    owner.do("PUT", "/keys/orders/rotationpolicy", {
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}]})
    _, report = kms.check("orders")
    assert {item["outcome"] for item in report["items"]} == {"ok"}


def test_key_check_warns_of_what_the_owner_should_change(kms, owner):
    kms.azure("vault-create", "loose")
    kms.allow("loose", "Key Vault Crypto Officer", "customer-admin")
    kms.allow("loose")
    loose = Owner(kms, "loose.vault.azure.net")
    loose.new_key("k", key_ops=["unwrapKey"], attributes={"exp": int(time.time()) + 86400})
    code, report = kms.check("k", vault=loose.host)
    assert code == DENIED  # it may not wrap
    advice = " ".join(item["detail"] for item in report["items"] if item["what"] == "Advice")
    assert "az keyvault update --name loose --enable-purge-protection true" in advice
    assert "expires at" in advice and "lack wrapKey" in advice


def test_a_volume_lives_under_a_key_of_key_vault(kms, owner, volume):
    volume.create("--context", "team=orders")
    with volume.opened() as root:
        (root / "file").write_bytes(b"data")
        assert volume.custody()["state"] == "open"
    kek = volume.status()["keks"][0]
    newest = owner.do("GET", "/keys/orders")["key"]["kid"]
    assert kek["key"] == uri("orders") and newest.endswith(kek["key_version"])
    payload = owner.unwrap(kek)
    canonical = json.dumps(kek["context"], sort_keys=True, separators=(",", ":")).encode()
    assert len(payload) == 64 and payload[32:] == hashlib.sha256(canonical).digest()


def test_a_rotated_key_still_opens_and_wraps_with_its_new_version(kms, owner, volume):
    volume.create()
    old = volume.status()["keks"][0]["key_version"]
    owner.do("POST", "/keys/orders/rotate")
    with volume.opened() as root:
        (root / "file").write_bytes(b"data")
    assert volume.status()["keks"][0]["key_version"] == old
    rotated = volume.volume("rotate-key", "--key", uri("orders"), "--principal", kms.tenant)
    assert rotated.code == OK, rotated
    new = volume.status()["keks"][0]["key_version"]
    assert new != old and owner.do("GET", "/keys/orders")["key"]["kid"].endswith(new)
    # The old version alone is switched off: nothing of ours needs it any more.
    owner.do("PATCH", f"/keys/orders/{old}", {"attributes": {"enabled": False}})
    with volume.opened() as root:
        assert (root / "file").read_bytes() == b"data"


def test_a_mounted_volume_moves_to_another_key(kms, owner, volume):
    owner.new_key("second")
    kms.allow("embedded/second")
    volume.create().mount()
    (volume.mount_point / "file").write_bytes(b"data")
    rotated = volume.volume("rotate-key", "--key", uri("second"), "--principal", kms.tenant)
    assert rotated.code == OK, rotated
    kms.forbid("embedded/orders")
    volume.unmount()
    with volume.opened() as root:
        assert (root / "file").read_bytes() == b"data"


def test_a_version_in_the_uri_is_the_only_one_used(kms, owner, tmp_path):
    version = owner.do("GET", "/keys/orders")["key"]["kid"].rsplit("/", 1)[1]
    owner.do("POST", "/keys/orders/rotate")
    pinned = AzureVolume(kms, tmp_path, f"orders/{version}").create()
    assert pinned.status()["keks"][0]["key_version"] == version
    with pinned.opened():
        pass
    code, report = kms.check(f"orders/{version}")
    assert code == OK and "names one version" in json.dumps(report)


# What the owner does; what undoes it; what we are told.
DENIALS = {
    "disabled": (lambda kms, owner: owner.change(enabled=False),
                 lambda kms, owner: owner.change(enabled=True), "KeyDisabled"),
    "deleted": (lambda kms, owner: owner.do("DELETE", "/keys/orders"),
                lambda kms, owner: owner.do("POST", "/deletedkeys/orders/recover"), "KeyNotFound"),
    "role": (lambda kms, owner: kms.forbid("embedded/orders"),
             lambda kms, owner: kms.allow("embedded/orders"), "ForbiddenByRbac"),
    "consent": (lambda kms, owner: kms.azure("remove-consent", "operator", "customer"),
                lambda kms, owner: (kms.azure("consent", "operator", "customer"),
                                    kms.allow("embedded/orders")), "AADSTS700016"),
    "firewall": (lambda kms, owner: kms.azure("vault-firewall", "embedded", "--firewall", "deny"),
                 lambda kms, owner: kms.azure("vault-firewall", "embedded", "--firewall", "allow"),
                 "ForbiddenByFirewall"),
}


@pytest.mark.parametrize("name", DENIALS)
def test_the_owner_says_no_and_yes_again(kms, owner, volume, name):
    say_no, say_yes, code = DENIALS[name]
    volume.create().mount()
    (volume.mount_point / "file").write_bytes(b"data")
    say_no(kms, owner)
    sealed = volume.wait_for_state("sealed")
    assert code in json.dumps(sealed) or code in volume.log(), (sealed, volume.log())
    with pytest.raises(OSError):
        (volume.mount_point / "file").read_bytes()
    exit_code, report = kms.check("orders")
    assert exit_code == DENIED
    item = failed_items(report)[0]
    assert item["class"] == "denied" and item["kms_code"] == code and item["remedy"], item
    say_yes(kms, owner)
    volume.wait_for_state("open")
    assert (volume.mount_point / "file").read_bytes() == b"data"
    volume.unmount()


def probes(kms):
    return [event for event in kms.events() if event["eventName"] == "KeyUnwrap"]


def test_an_expired_key_makes_no_volume_but_is_no_revocation(kms, owner, volume, tmp_path):
    volume.create().mount()
    owner.change(exp=int(time.time()) - 10)
    code, report = kms.check("orders")
    assert code == DENIED
    assert [item["kms_code"] for item in failed_items(report)] == ["KeyExpired"]
    assert "an expiry is no revocation" in json.dumps(report)
    (tmp_path / "second").mkdir()
    refused = AzureVolume(kms, tmp_path / "second").try_create()
    assert refused.code == DENIED and "KeyExpired" in refused.err
    unwraps = len(probes(kms))
    wait_for("two more probes", lambda: len(probes(kms)) >= unwraps + 2)
    assert "errorCode" not in probes(kms)[-1] and volume.custody()["state"] == "open"
    volume.unmount()


def test_a_disabled_key_makes_no_volume_although_azure_wraps_with_it(kms, owner, volume):
    owner.change(enabled=False)
    refused = volume.try_create()
    assert refused.code == DENIED and "KeyDisabled" in refused.err
    assert not volume.keyring.exists()


def test_a_deleted_vault_is_looked_at_again_and_not_taken_for_an_outage(kms, owner):
    kms.azure("vault-delete", "embedded")
    code, report = kms.check("orders")
    assert code == AMBIGUOUS
    assert failed_items(report)[0]["meaning"] == "host_missing"


def test_our_own_credentials_are_never_taken_for_a_no(kms, owner, tmp_path):
    assert kms.check("orders", changes={"AZURE_CLIENT_SECRET": "wrong"})[0] == OURS
    code, report = kms.check("orders", changes={"AZURE_CLIENT_SECRET": ""})
    assert code == OURS and "AZURE_FEDERATED_TOKEN_FILE" in failed_items(report)[0]["detail"]
    secret = kms.azure("secret", "operator", "--expires-in", "0")["client_secret"]
    code, report = kms.check("orders", changes={"AZURE_CLIENT_SECRET": secret})
    assert code == OURS and failed_items(report)[0]["kms_code"] == "AADSTS7000222"
    # The operator's own tenant instead of the customer's: the vault wants another issuer.
    secret = kms.azure("secret", "operator")["client_secret"]
    code, report = kms.check("orders", tenant=kms.settings("operator")["AZURE_TENANT_ID"],
                             changes={"AZURE_CLIENT_SECRET": secret})
    assert code == OURS and "AKV10032" in failed_items(report)[0]["detail"]


def test_a_secret_that_runs_out_is_our_trouble_and_the_volume_stays_open(kms, owner, volume):
    volume.create().mount()
    kms.azure("secret", "operator", "--expires-in", "0")
    wait_for("a probe that fails", lambda: "AADSTS7000215" in volume.log()
             or volume.custody()["state"] == "grace")
    assert volume.custody()["state"] in ("open", "grace")
    volume.unmount()


@pytest.mark.parametrize("fault", ["--throttle", "--fail", "--unreachable"])
def test_an_outage_is_no_no(kms, owner, fault):
    kms.fault("--operation", "KeyUnwrap", fault)
    assert kms.check("orders")[0] == UNREACHABLE
    kms.fault("--clear")
    kms.fault("--operation", "GetToken", fault)
    assert kms.check("orders")[0] == UNREACHABLE


def test_we_log_in_with_a_certificate(kms, owner, tmp_path):
    pem = certificate(tmp_path / "certificate")
    app = kms.azure("app", "certified", "--certificate", str(pem))
    kms.azure("consent", "certified", "customer")
    kms.allow("embedded/orders", app="certified")
    changes = {"AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_ID": app["client_id"],
               "AZURE_CLIENT_CERTIFICATE_PATH": str(pem)}
    code, report = kms.check("orders", changes=changes)
    assert code == OK, report
    other = certificate(tmp_path / "other")
    code, report = kms.check("orders",
                             changes={**changes, "AZURE_CLIENT_CERTIFICATE_PATH": str(other)})
    assert code == OURS and failed_items(report)[0]["kms_code"] == "AADSTS700027"
    kms.fault("--clock-skew", "7200")
    code, report = kms.check("orders", changes=changes)
    assert code == OURS and failed_items(report)[0]["kms_code"] == "AADSTS700024"


def test_a_managed_hsm_wraps_with_a_symmetric_key(kms, tmp_path):
    kms.azure("vault-create", "hsm", "--managed-hsm", "--purge-protection")
    kms.allow("hsm", "Key Vault Crypto Officer", "customer-admin")
    kms.allow("hsm")
    host = "hsm.managedhsm.azure.net"
    Owner(kms, host).do("POST", "/keys/orders/create", {"kty": "oct-HSM", "key_size": 256})
    made = AzureVolume(kms, tmp_path)
    created = made.volume("create", "--key", uri("orders", host), "--principal", kms.tenant)
    assert created.code == OK, created
    with made.opened() as root:
        (root / "file").write_bytes(b"data")
    kek = made.status()["keks"][0]
    assert len(base64.b64decode(kek["wrapped_kek"])) == 72


def test_a_damaged_or_foreign_wrapped_key_is_data_and_no_denial(kms, owner, volume):
    """The helper's own frames: a byte off, and a context that was never wrapped."""
    def text(value):
        value = value if isinstance(value, bytes) else value.encode()
        return struct.pack("<I", len(value)) + value

    def ask(operation, context, ciphertext=b"", version="", algorithm="", plaintext=b""):
        body = bytes([1, operation]) + text(uri("orders")) + text(kms.tenant) + text("")
        body += struct.pack("<I", len(context))
        body += b"".join(text(k) + text(v) for k, v in sorted(context.items()))
        body += text(ciphertext) + text(version) + text(algorithm)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            helper = subprocess.Popen([BINARY, "internal", "kms-helper"], stdin=theirs,
                                      stdout=theirs, env=kms.environment())
            theirs.close()
            ours.sendall(b"FHK1" + struct.pack("<II", len(body), len(plaintext)) + body + plaintext)
            wire = b""
            while part := ours.recv(65536):
                wire += part
            helper.wait(60)
        size, _ = struct.unpack("<II", wire[4:12])
        fields, rest = [], wire[14 : 12 + size]
        while len(rest) >= 4:
            (length,) = struct.unpack("<I", rest[:4])
            fields.append(rest[4 : 4 + length])
            rest = rest[4 + length :]
        return wire[13], fields, wire[12 + size :]

    key, context = os.urandom(32), {"freehold:cluster": "c1"}
    failed_, fields, _ = ask(1, context, plaintext=key)
    ciphertext, version, algorithm = fields[:3]
    assert not failed_ and algorithm == b"RSA-OAEP-256"
    assert ask(2, context, ciphertext, version, algorithm)[2] == key
    flipped = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    for arguments in [
        (context, flipped, version, algorithm),
        ({"freehold:cluster": "c2"}, ciphertext, version, algorithm),
        ({}, ciphertext, version, algorithm),
        (context, ciphertext, version, b"RSA1_5"),
        (context, ciphertext, b"../../x", algorithm),
        (context, ciphertext[:-1], version, algorithm),
    ]:
        failed_, fields, secret = ask(2, *arguments)
        assert failed_ and secret == b"" and fields[:2] == [b"data", b"wrong_ciphertext"], fields
    # Wrapped by the owner with another tool, without the context's digest.
    body = owner.do("POST", f"/keys/orders/{version.decode()}/wrapkey",
                    {"alg": "RSA-OAEP-256", "value": base64.urlsafe_b64encode(key).decode().rstrip("=")})
    bare = base64.urlsafe_b64decode(body["value"] + "==")
    assert ask(2, {}, bare, version, algorithm)[1][:2] == [b"data", b"wrong_ciphertext"]


def test_no_token_goes_where_it_does_not_belong(kms, owner):
    for changes in (
        {"AZURE_AUTHORITY_HOST": ""},  # the real Entra
        {"FREEHOLD_AZURE_VAULT_ENDPOINT": "https://192.0.2.1:443"},
        {"FREEHOLD_AZURE_VAULT_ENDPOINT": "https://127.0.0.1.example.com"},
        {"FREEHOLD_AZURE_VAULT_ENDPOINT": "https://user@127.0.0.1"},
    ):
        events = len(kms.events())
        code, report = kms.check("orders", changes=changes)
        assert code == OURS and "FREEHOLD_AZURE_VAULT_ENDPOINT" in failed_items(report)[0]["detail"]
        assert len(kms.events()) == events


def test_no_secret_is_ever_said(kms, owner, volume):
    secrets = [kms.settings(name)["AZURE_CLIENT_SECRET"] for name in ("customer", "operator")]
    volume.create().mount()
    owner.change(enabled=False)
    volume.wait_for_state("sealed")
    said = json.dumps(kms.check("orders")[1]) + volume.log() + volume.keyring.read_bytes().hex()
    said += kms.command("log", "--json").out + kms.command("azure", "show").out
    for secret in secrets + ["eyJ"]:
        assert secret not in said
    owner.change(enabled=True)
    volume.wait_for_state("open")
    volume.unmount()


PAGE = (ROOT / "docs/providers/azure.md").read_text()


def test_the_page_can_be_followed_without_azure(tmp_path):
    script = re.search(r"^```sh try\n(.*?)\n```$", PAGE, re.M | re.S).group(1)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/freehold").symlink_to(os.path.realpath(BINARY))
    done = subprocess.run(
        ["bash", "-euc", script + '\ncode=$?\nkill $!\nwait $!\nexit $code'], cwd=tmp_path,
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}, capture_output=True, text=True,
        timeout=60)
    assert done.returncode == OK and "\nValid\n" in "\n" + done.stdout.split("}")[-1], done


def test_the_page_names_what_freehold_names():
    for word in (*(code for *_, code in DENIALS.values()), ROLE, "KeyExpired", "AADSTS7000222",
                 "AADSTS7000215", "AADSTS700024", "AADSTS700027", "ForbiddenByConnection"):
        assert word in PAGE, word
