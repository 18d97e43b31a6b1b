"""SoftHSM2 as a customer's token: keys are made, disabled and deleted through PyKCS11, an
independent client of the same module."""

import os
import pathlib
import subprocess

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN, NEW_PIN, SO_PIN = "S3cretPin7", "An0therPin8", "56781234"
KEY_ID = b"\x01\xfe"


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
        self.process = subprocess.Popen(["true"])  # Volume wants to know the KMS's from its own
        self.process.wait()
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


def change_pin(hsm):
    hsm.script(f"session.setPin({PIN!r}, {NEW_PIN!r})")
