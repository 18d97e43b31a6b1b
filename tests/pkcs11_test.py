"""A PKCS#11 token as a KMS, with SoftHSM2: the provider, a volume, and every way to say no.

Keys are made, disabled and deleted through PyKCS11, an independent client of the same module.
"""

import base64
import contextlib
import json
import os
import pathlib
import subprocess

import PyKCS11
import pytest

from freehold_testing import (
    DATA, DENIED, OK, OURS, UNREACHABLE, USAGE, EmbeddedKms, Volume, wait_for)

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN, NEW_PIN, SO_PIN = "S3cretPin7", "An0therPin8", "56781234"
KEY_ID = b"\x01\xfe"
C = PyKCS11


class Hsm:
    """A SoftHSM2 of its own, with the token "acme" and the AES key "k"."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        (self.directory / "tokens").mkdir(parents=True)
        self.configuration = self.directory / "softhsm2.conf"
        self.configuration.write_text(f"directories.tokendir = {self.directory}/tokens\n"
                                      "objectstore.backend = file\nlog.level = ERROR\n")
        self.pin_file = self.directory / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.process = None  # what Volume looks at
        self.util("--init-token", "--free", "--label", "acme", "--so-pin", SO_PIN, "--pin", PIN)
        self.make_key()

    def util(self, *words):
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, timeout=60,
                       env=dict(os.environ, SOFTHSM2_CONF=str(self.configuration)))

    def script(self, code):
        """Runs Python beside us, as a module that is loaded once keeps its configuration."""
        done = subprocess.run(
            ["/usr/bin/python3", "-c", PRELUDE + code], capture_output=True, text=True, timeout=60,
            check=False, env=dict(os.environ, SOFTHSM2_CONF=str(self.configuration)))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_key(self, label="k", extractable=False):
        self.script(f"""
session.generateKey([
    (C.CKA_CLASS, C.CKO_SECRET_KEY), (C.CKA_KEY_TYPE, C.CKK_AES), (C.CKA_VALUE_LEN, 32),
    (C.CKA_TOKEN, True), (C.CKA_PRIVATE, True), (C.CKA_LABEL, {label!r}), (C.CKA_ID, {KEY_ID!r}),
    (C.CKA_ENCRYPT, True), (C.CKA_DECRYPT, True), (C.CKA_SENSITIVE, {not extractable}),
    (C.CKA_EXTRACTABLE, {extractable}), (C.CKA_MODIFIABLE, True)],
    C.Mechanism(C.CKM_AES_KEY_GEN, None))
""")

    def set(self, attribute, value):
        self.script(f"session.setAttributeValue(key(), [(C.{attribute}, {value})])")

    def delete_key(self):
        self.script("session.destroyObject(key())")

    def new_key(self):
        return "pkcs11:token=acme;object=k;id=%01%FE"

    def environment(self, profile="customer"):
        return dict(os.environ, SOFTHSM2_CONF=str(self.configuration),
                    FREEHOLD_PKCS11_MODULE=MODULE, FREEHOLD_PKCS11_PIN_FILE=str(self.pin_file))


PRELUDE = f"""
import PyKCS11 as C
lib = C.PyKCS11Lib(); lib.load({MODULE!r})
slot = next(s for s in lib.getSlotList(tokenPresent=True)
            if lib.getTokenInfo(s).label.strip() == "acme")
session = lib.openSession(slot, C.CKF_SERIAL_SESSION | C.CKF_RW_SESSION)
session.login({PIN!r})
def key():
    return session.findObjects([(C.CKA_LABEL, "k")])[0]
"""


class Process:
    pid = -1


@pytest.fixture
def hsm(tmp_path):
    made = Hsm(tmp_path / "hsm")
    made.process = Process()
    return made


@pytest.fixture
def volume(hsm, tmp_path):
    made = Volume(hsm, tmp_path)
    yield made
    made.clean_up()


def check(volume, *arguments):
    return volume.run("key", "check", volume.key, *arguments, "--json")


def failed(volume):
    result = check(volume)
    item = next(item for item in result.json["items"] if item["outcome"] == "failed")
    return result.code, item["meaning"], item["detail"]


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


def change_pin(hsm):
    hsm.script(f"session.setPin({PIN!r}, {NEW_PIN!r})")


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
    variables, code, words = BAD[name]
    volume.extra_environment = variables
    result = volume.volume("create", "--key", volume.key)
    assert result.code == code and words in result.err, result
    assert not volume.keyring.exists()


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
