"""A volume to rotate the key of, and what shows which keys it still needs."""

import pytest

from freehold_testing import OK
import freehold_reader  # its path is set by freehold_testing

CONTENTS = b"still there after the rotation\n" * 1000
SLOW = ["--check-interval", "10m", "--request-timeout", "5s"]  # no probe during the test


def fill(volume):
    with volume.opened() as mount_point:
        (mount_point / "file").write_bytes(CONTENTS)
    return volume


@pytest.fixture
def filled(volume):
    return fill(volume)


def rotate(volume, key, *more, **how):
    return volume.volume("rotate-key", "--key", f"aws-kms://{key}", *more, **how)


def mount_without_probes(volume):
    result = volume.volume("mount", volume.mount_point, *SLOW)
    assert result.code == OK, result


def set_enabled(volume, key, enabled):
    client = volume.kms.client("kms")
    (client.enable_key if enabled else client.disable_key)(KeyId=key)


def key_in_use(volume):
    return volume.status()["keks"][0]["key"].removeprefix("aws-kms://")


def opens_with_its_contents(volume, key, other):
    """Under `key` alone: `other` is disabled meanwhile."""
    set_enabled(volume, other, False)
    try:
        volume.mount()
        assert (volume.mount_point / "file").read_bytes() == CONTENTS
        volume.unmount()
    finally:
        set_enabled(volume, other, True)


def wrappings(volume):
    """The ciphertexts in the keyring: KEK and canary."""
    kek = freehold_reader.read_keyring(volume.keyring.read_bytes()).keks[0]
    return [kek.kek.ciphertext, kek.canary.ciphertext]


def contains(haystack, needles):
    return [needle for needle in needles if needle in haystack]


def in_volume(volume, needles):
    found = []
    for path in volume.directory.rglob("*"):
        if path.is_file() and contains(path.read_bytes(), needles):
            found.append(path)
    return found


def wrapped_by(key):
    """What every ciphertext by a key of the embedded KMS begins with: its own format's key id."""
    return [b"\x01" + bytes.fromhex(key.rpartition("/")[2].replace("-", ""))]


def nothing_else_is_left(volume):
    left = {path.name for path in (volume.directory / "freehold").iterdir()}
    assert left <= {"keyring", "lock", "recovered", "control"}, left
