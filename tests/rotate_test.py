"""rotate-key is a rewrap: what it costs, what it leaves behind, and kill -9 at each of its steps."""

import pytest

from freehold_testing import DENIED, OK, Volume, wait_for
import freehold_reader  # its path is set by freehold_testing

# Every crash point that lies on the way; a name with :n is its n-th passage (the pin and the keyring
# are both replaced by the same steps).
REPLACE = ["replace.created", "replace.written", "replace.synced", "replace.renamed"]
CREATE = (["create.pinned", "create.directories", "create.data"]
          + [f"{name}:{n}" for name in REPLACE for n in (1, 2)])
ROTATE = (["rewrap.wrapped", "rewrap.pinned", "rewrap.linked", "rewrap.committed",
           "rewrap.promoted", "rewrap.zeroed"]
          + [f"{name}:{n}" for name in REPLACE for n in (1, 2, 3)])


def wrapped_kek(volume):
    return freehold_reader.read_keyring(volume.keyring.read_bytes()).keks[0].kek.ciphertext


def uses(kms, key, operation):
    """How often the KMS's log shows an operation on a key."""
    return sum(1 for event in kms.events()
               if event["eventName"] == operation and key in str(event.get("resources")))


def lies_on_disk(volume, ciphertext):
    return [path for path in volume.directory.rglob("*")
            if path.is_file() and ciphertext in path.read_bytes()]


def fill(volume):
    volume.mount()
    for number in range(30):
        (volume.mount_point / f"file{number}").write_bytes(bytes([number]) * 5000)


def is_whole(volume):
    for number in range(30):
        assert (volume.mount_point / f"file{number}").read_bytes() == bytes([number]) * 5000


def rotate(volume, key):
    return volume.volume("rotate-key", "--key", f"aws-kms://{key}")


@pytest.mark.parametrize("mounted_meanwhile", [True, False])
def test_a_rotation_costs_the_same_whatever_the_size_and_leaves_no_old_wrapping(
        volume, mounted_meanwhile):
    fill(volume)
    if not mounted_meanwhile:
        volume.unmount()
    old, new = volume.key, volume.kms.new_key()
    old_wrapping = wrapped_kek(volume)
    probes = uses(volume.kms, old, "Decrypt")
    result = rotate(volume, new)
    assert result.code == OK and "rewrapped" in result.out
    # The new key: its check (a canary wrapped and unwrapped), then the KEK, once each.
    assert uses(volume.kms, new, "Encrypt") == 2
    assert uses(volume.kms, new, "Decrypt") >= 2
    if not mounted_meanwhile:  # custody's own probes would count too
        assert uses(volume.kms, new, "Decrypt") == 2
        assert uses(volume.kms, old, "Decrypt") == probes + 2  # its check, and the KEK
    assert lies_on_disk(volume, old_wrapping) == []
    assert not (volume.directory / "freehold/keyring.old").exists()
    volume.kms.client("kms").disable_key(KeyId=old)
    if not mounted_meanwhile:
        volume.mount()
    wait_for("two probes of the new key", lambda: uses(volume.kms, new, "Decrypt") >= 5)
    assert volume.custody()["state"] == "open"
    is_whole(volume)


def test_a_new_key_that_cannot_be_used_leaves_all_as_it_was(volume):
    fill(volume)
    kms = volume.kms.client("kms")
    new, before = volume.kms.new_key(), volume.keyring.read_bytes()
    kms.disable_key(KeyId=new)
    result = rotate(volume, new)
    assert result.code == DENIED and "the new key" in result.err
    assert volume.keyring.read_bytes() == before
    assert volume.custody()["state"] == "open"
    is_whole(volume)


def test_a_present_key_that_cannot_be_used_stops_a_rotation(volume):
    kms = volume.kms.client("kms")
    new, before = volume.kms.new_key(), volume.keyring.read_bytes()
    kms.disable_key(KeyId=volume.key)
    result = rotate(volume, new)
    assert result.code == DENIED and "the present key" in result.err
    assert volume.keyring.read_bytes() == before
    assert uses(volume.kms, new, "Encrypt") == 0


@pytest.mark.parametrize("point", CREATE)
def test_kill_9_in_create_leaves_a_volume_or_nothing_in_the_way(new_kms, tmp_path, point):
    volume = Volume(new_kms, tmp_path)
    volume.extra_environment["FREEHOLD_CRASH_AT"] = point
    killed = volume.volume("create", "--key", f"aws-kms://{volume.key}")
    assert killed.code == -9, killed
    volume.extra_environment.clear()
    if not volume.keyring.exists():
        volume.create()
    try:
        fill(volume)
        is_whole(volume)
    finally:
        volume.clean_up()


def opens_under(volume, usable, other):
    kms = volume.kms.client("kms")
    kms.enable_key(KeyId=usable)
    kms.disable_key(KeyId=other)
    opened = volume.try_mount()
    assert opened.code in (OK, DENIED), opened
    return opened.code == OK


@pytest.mark.parametrize("while_mounted", [True, False])
@pytest.mark.parametrize("point", ROTATE)
def test_kill_9_in_a_rotation_leaves_a_volume_that_opens_under_one_of_the_keys(
        volume, point, while_mounted):
    # A daemon keeps its environment: the rotation's steps count from its own first one, which for
    # the shared steps comes after those of the mount.
    fill(volume)
    volume.unmount()
    old, new = volume.key, volume.kms.new_key()
    old_wrapping = wrapped_kek(volume)
    name, _, nth = point.partition(":")
    if while_mounted and nth:
        before = mount_passages(volume)
        point = f"{name}:{int(nth) + before}"
    volume.extra_environment["FREEHOLD_CRASH_AT"] = point
    if while_mounted:
        volume.mount()
        daemon = volume.daemon_pid()
        assert rotate(volume, new).code != OK
        wait_for("the daemon to be dead", lambda: daemon not in volume.processes())
        wait_for("the guardian to end", lambda: not volume.processes())
    else:
        killed = rotate(volume, new)
        assert killed.code == -9, killed
    volume.extra_environment.clear()
    if opens_under(volume, new, old):
        assert lies_on_disk(volume, old_wrapping) == [], "the next opening finishes the erasing"
    else:
        assert opens_under(volume, old, new), volume.log()
    is_whole(volume)


def mount_passages(volume):
    """How often a mount itself goes through the steps of replacing a file: found by trying."""
    for number in range(1, 6):
        volume.extra_environment["FREEHOLD_CRASH_AT"] = f"replace.created:{number}"
        mounted = volume.try_mount()
        if mounted.code == OK:
            volume.unmount()
            volume.extra_environment.clear()
            return number - 1
    raise AssertionError("a mount replaces more files than expected")
