"""What a rotation leaves: nothing by the old key, in no file and in no block of the device."""

import pytest

from disk_testing import disk  # a fixture
from freehold_testing import OK, Volume, wait_for
from rotate_testing import CONTENTS, contains, fill, in_volume, key_in_use, nothing_else_is_left
from rotate_testing import opens_with_its_contents, rotate, set_enabled, wrapped_by, wrappings
from rotate_testing import filled  # a fixture


@pytest.mark.parametrize("mounted", [False, True])
def test_after_a_rotation_the_old_key_is_not_needed_and_nothing_by_it_is_left(filled, mounted):
    old, new = filled.key, filled.kms.new_key()
    old_wrappings = wrappings(filled)
    assert in_volume(filled, old_wrappings) == [filled.keyring], "the search must find them before"
    if mounted:
        filled.mount()
    assert rotate(filled, new).code == OK
    assert in_volume(filled, old_wrappings + wrapped_by(old)) == []
    assert in_volume(filled, wrapped_by(new)) == [filled.keyring]
    if mounted:
        set_enabled(filled, old, False)
        last = filled.custody()["last_verified_at"]
        wait_for("two probes of the new key", lambda: filled.custody()["last_verified_at"] > last)
        custody = filled.custody()
        assert custody["state"] == "open" and custody["last_failure"] is None
        assert (filled.mount_point / "file").read_bytes() == CONTENTS
        filled.unmount()
        set_enabled(filled, old, True)
    nothing_else_is_left(filled)
    opens_with_its_contents(filled, new, old)


@pytest.fixture
def on_a_device(new_kms, tmp_path, disk):
    """A filled volume, alone on a disk."""
    volume = Volume(new_kms, tmp_path)
    volume.directory = disk.mount_point / "volume"
    yield fill(volume.create())
    volume.clean_up()


@pytest.mark.parametrize("mounted", [False, True])
def test_no_block_of_the_device_keeps_a_wrapping_by_an_old_key(on_a_device, disk, mounted):
    volume = on_a_device
    keys = [volume.key, *(volume.kms.new_key() for _ in range(3))]
    assert len(contains(disk.raw(), wrappings(volume))) == 2, "the search must find them before"
    if mounted:
        volume.mount()
    for key in keys[1:]:
        assert rotate(volume, key).code == OK
    if mounted:
        volume.unmount()
    raw = disk.raw()
    assert contains(raw, [w for key in keys[:-1] for w in wrapped_by(key)]) == []
    assert contains(raw, wrapped_by(keys[-1])) != []
    opens_with_its_contents(volume, keys[-1], keys[0])


@pytest.mark.parametrize(
    "point", ["rewrap.linked", "replace.synced:3", "rewrap.committed", "rewrap.promoted"]
)
def test_no_block_of_the_device_keeps_it_after_a_crash_either(on_a_device, disk, point):
    volume = on_a_device
    old, new, third = volume.key, volume.kms.new_key(), volume.kms.new_key()
    volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
    rotate(volume, new)
    volume.extra_environment = {}
    with volume.opened():
        pass  # finishes what was cut short
    used = key_in_use(volume)
    unused = {old, new} - {used}
    assert contains(disk.raw(), [w for key in unused for w in wrapped_by(key)]) == []
    assert rotate(volume, third).code == OK
    raw = disk.raw()
    assert contains(raw, wrapped_by(old) + wrapped_by(new)) == []
    opens_with_its_contents(volume, third, old)
