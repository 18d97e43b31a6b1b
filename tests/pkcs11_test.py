"""A PKCS#11 token as a KMS, with SoftHSM2: the provider, a volume, and every way to say no."""

import base64
import json

import pytest

from conformance_testing import refuses_configuration
from freehold_testing import (
    DATA, DENIED, OK, OURS, UNREACHABLE, USAGE, EmbeddedKms, Volume)
from pkcs11_testing import KEY_ID, PIN, Hsm, change_pin
from preflight_testing import check, failed


@pytest.fixture
def hsm(tmp_path):
    return Hsm(tmp_path / "hsm")


@pytest.fixture
def volume(hsm, tmp_path):
    made = Volume(hsm, tmp_path)
    yield made
    made.clean_up()


def test_a_key_is_valid_and_a_volume_lives_under_it(volume):
    report = check(volume).json
    assert report["valid"], report
    # A token rotates nothing, and that is all there is to say.
    assert [item["what"] for item in report["items"] if item["outcome"] != "ok"] == ["Rotation"]
    volume.create()
    with volume.opened() as root:
        (root / "f").write_bytes(b"under a key in an HSM")
    with volume.opened() as root:
        assert (root / "f").read_bytes() == b"under a key in an HSM"
    kek = volume.status()["keks"][0]
    assert (kek["kms_type"], kek["key_version"]) == ("PKCS11", KEY_ID.hex())


def test_the_customer_can_unwrap_the_kek_with_the_token_alone(hsm, volume):
    volume.create("--context", "freehold:cluster=c1")
    kek = volume.status()["keks"][0]
    blob = base64.b64decode(kek["wrapped_kek"])
    context = json.dumps(kek["context"], sort_keys=True, separators=(",", ":")).encode()
    assert blob[:2] == bytes([1, 12])
    size = hsm.script(f"""
blob, context = bytes.fromhex({blob.hex()!r}), bytes.fromhex({context.hex()!r})
mechanism = C.AES_GCM_Mechanism(blob[2:14], context, 128)
print(len(session.decrypt(key(), blob[14:], mechanism)))
""")
    assert int(size) == 32


REFUSALS = {
    "may not decrypt": (lambda hsm: hsm.set("CKA_DECRYPT", False), DENIED, "key_disabled"),
    "may not encrypt": (lambda hsm: hsm.set("CKA_ENCRYPT", False), DENIED, "key_disabled"),
    "key deleted": (lambda hsm: hsm.delete_key(), DENIED, "key_missing"),
    "PIN changed": (change_pin, DENIED, "trust_withdrawn"),
    "token gone": (lambda hsm: (hsm.directory / "tokens").rename(hsm.directory / "away"),
                   UNREACHABLE, None),
    "two keys": (lambda hsm: hsm.make_key(), OURS, "our_configuration"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_every_no_has_its_meaning(hsm, volume, name):
    change, code, meaning = REFUSALS[name]
    change(hsm)
    got_code, got_meaning, detail = failed(volume)
    assert got_code == code and meaning in (got_meaning, None), (got_code, got_meaning, detail)
    assert PIN not in detail


def test_a_disabled_key_seals_and_its_return_opens_again(hsm, volume):
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"x")
    hsm.set("CKA_DECRYPT", False)
    assert volume.wait_for_state("sealed")["reason"] == "denied"
    hsm.set("CKA_DECRYPT", True)
    volume.wait_for_state("open")
    assert (volume.mount_point / "f").read_bytes() == b"x"


def test_a_wrong_pin_never_locks_the_token(hsm, volume):
    volume.create()
    hsm.pin_file.write_text("0000")
    for _ in range(4):
        result = check(volume)
        assert result.code == DENIED and "0000" not in result.out + result.err
    hsm.pin_file.write_text(PIN)
    assert check(volume).json["valid"]


def test_a_key_made_again_under_the_same_name_is_no_revocation_but_opens_nothing(hsm, volume):
    volume.create()
    hsm.delete_key()
    hsm.make_key()
    assert volume.try_mount().code == DATA


def test_an_extractable_key_is_warned_of(hsm, volume):
    hsm.delete_key()
    hsm.make_key(extractable=True)
    report = check(volume).json
    assert report["valid"] and "may leave the token" in json.dumps(report)


def test_a_volume_goes_from_a_token_to_another_kms_and_back(hsm, volume, tmp_path):
    kms = EmbeddedKms(tmp_path / "kms")
    try:
        volume.extra_environment = kms.environment()
        volume.extra_environment.update(hsm.environment())
        volume.create().mount()
        (volume.mount_point / "f").write_bytes(b"kept")
        for key in (f"aws-kms://{kms.new_key()}", volume.key):
            rotated = volume.volume("rotate-key", "--key", key)
            assert rotated.code == OK, rotated
            assert volume.status()["keks"][0]["key"] == key
        volume.unmount()
        volume.mount()
        assert (volume.mount_point / "f").read_bytes() == b"kept"
        volume.unmount()
    finally:
        kms.stop()


BAD = {
    "no module": ({"FREEHOLD_PKCS11_MODULE": ""}, OURS, "FREEHOLD_PKCS11_MODULE is not set"),
    "relative": ({"FREEHOLD_PKCS11_MODULE": "libsofthsm2.so"}, OURS, "absolute"),
    "missing": ({"FREEHOLD_PKCS11_MODULE": "/nonexistent.so"}, OURS, "/nonexistent.so"),
    "no PKCS#11": ({"FREEHOLD_PKCS11_MODULE": "/lib/x86_64-linux-gnu/libc.so.6"}, OURS,
                   "is no PKCS#11 module"),
    "no PIN": ({"FREEHOLD_PKCS11_PIN_FILE": ""}, OURS, "FREEHOLD_PKCS11_PIN_FILE is not set"),
    "PIN missing": ({"FREEHOLD_PKCS11_PIN_FILE": "/nonexistent"}, OURS, "/nonexistent"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_is_one_clear_sentence_and_nothing_is_made(volume, name):
    refuses_configuration(volume, BAD[name])


@pytest.mark.parametrize("more", [["--principal", "x"], ["--principal", "x", "--external-id", "y"]])
def test_a_token_knows_no_principals(volume, more):
    result = check(volume, *more)
    assert result.code == USAGE and len(result.err.splitlines()) == 1


def test_the_pin_is_in_no_log(hsm, volume):
    volume.create().mount()
    change_pin(hsm)
    volume.wait_for_state("sealed")
    volume.unmount()
    assert "CKR_PIN_INCORRECT" in volume.log() and PIN not in volume.log()
