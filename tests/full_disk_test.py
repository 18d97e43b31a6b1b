"""A disk that is full, or fills up, takes nothing with it and is named."""

import contextlib
import errno
import os

import pytest

import freehold_testing as ft
from bad_input_testing import CONTENTS, command, holds_its_data, mounting
from bad_input_testing import new_volume, opens_with_its_data, says
from bad_input_testing import kms, loaded, nothing_was_lost  # fixtures
from disk_testing import disk  # a fixture
from freehold_testing import Volume


def fill_up(place):
    """Takes every block that is left."""
    path = place / "ballast"
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 16, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
                    os.fsync(file.fileno())
    return path


def test_creating_on_a_full_disk_leaves_nothing(kms, loaded, disk, tmp_path):
    volume = Volume(kms, disk.mount_point, key=loaded.key)
    ballast = fill_up(disk.mount_point)
    creating = command(volume, "create", "--key", f"aws-kms://{volume.key}")
    state_elsewhere = lambda *m: volume.run(
        "volume", "create", volume.directory, "--state", tmp_path / "state",
        "--key", f"aws-kms://{volume.key}", *m,
    )
    says(creating, ft.NO_SPACE, "No space left")
    says(state_elsewhere, ft.NO_SPACE, "No space left")
    assert not volume.directory.exists()
    ballast.unlink()
    assert creating().code == ft.OK


@pytest.fixture
def on_small_disk(kms, loaded, disk):
    volume = new_volume(kms, disk.mount_point, key=loaded.key)
    yield volume
    volume.clean_up()


def test_mounting_rotating_and_verifying_on_a_full_disk_lose_nothing(on_small_disk, disk):
    volume = on_small_disk
    ballast = fill_up(disk.mount_point)
    keyring = volume.keyring.read_bytes()
    new_key = volume.kms.new_key()
    rotating = command(volume, "rotate-key", "--key", f"aws-kms://{new_key}")
    says(rotating, ft.NO_SPACE, "No space left")
    assert volume.keyring.read_bytes() == keyring
    says(mounting(volume), ft.NO_SPACE, "No space left")
    assert not volume.is_mounted() and not volume.processes()
    ballast.unlink()
    opens_with_its_data(volume)
    assert rotating().code == ft.OK
    opens_with_its_data(volume)


def test_a_disk_that_fills_up_under_a_mount_takes_no_data_with_it(on_small_disk, disk):
    volume = on_small_disk
    volume.mount()
    mount_point = volume.mount_point
    with pytest.raises(OSError) as failure:
        fd = os.open(mount_point / "grows", os.O_WRONLY | os.O_CREAT)
        try:
            for block in range(4096):
                os.pwrite(fd, bytes([block % 251]) * 4096, block * 4096)
                os.fsync(fd)
                written = block + 1
        finally:
            os.close(fd)
    assert failure.value.errno == errno.ENOSPC
    kept = (mount_point / "grows").read_bytes()[: written * 4096]
    assert kept == b"".join(bytes([block % 251]) * 4096 for block in range(written))
    holds_its_data(mount_point)

    with pytest.raises(OSError) as failure:
        fd = os.open(mount_point / "reserved", os.O_WRONLY | os.O_CREAT)
        try:
            os.posix_fallocate(fd, 0, 20 << 20)
        finally:
            os.close(fd)
    assert failure.value.errno == errno.ENOSPC

    new_key = volume.kms.new_key()
    rotating = command(volume, "rotate-key", "--key", f"aws-kms://{new_key}")
    fill_up(disk.mount_point)
    says(rotating, ft.NO_SPACE, "No space left")
    assert volume.custody()["state"] == "open"
    holds_its_data(mount_point)
    # An overwrite of what is there needs no space.
    with open(mount_point / "table", "r+b") as file:
        file.write(CONTENTS["table"][::-1])
        os.fsync(file.fileno())
        file.seek(0)
        file.write(CONTENTS["table"])
        os.fsync(file.fileno())
    (disk.mount_point / "ballast").unlink()
    (mount_point / "grows").unlink()
    assert rotating().code == ft.OK
    volume.unmount()
    opens_with_its_data(volume)
    assert volume.volume("verify").code == ft.OK
