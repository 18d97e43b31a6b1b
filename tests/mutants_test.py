"""Mutants: a build told to break one rule of durability must be noticed, each by a check of its own.

FREEHOLD_MUTANT names the rule, in test builds only (src/base/crash_point.h). `crash_test.py` does
the same for `fsync-ignored` with a database on top.
"""

import os
import subprocess

import pytest

from crash_test import DroppingDisk
from freehold_testing import BINARY, OK, Volume

NO_MUTANT = "none"
OPERATIONS = 20000


def crash_model(mutant, seed):
    """One random program of the crash model; None when it held, else what it found."""
    completed = subprocess.run(
        [os.path.dirname(BINARY) + "/freehold_crash_model", "--seed", str(seed), "--operations",
         str(OPERATIONS)],
        env=dict(os.environ, FREEHOLD_MUTANT=mutant), capture_output=True, text=True, check=False)
    assert completed.returncode in (0, 1), completed
    return completed.stdout if completed.returncode else None


@pytest.mark.parametrize("mutant", ["header-slot-not-synced", "slack-not-zeroed"])
def test_the_crash_model_notices(mutant):
    for seed in range(3):
        assert crash_model(NO_MUTANT, seed) is None
        assert "BROKEN" in crash_model(mutant, seed)


def synced_file_after_power_loss(new_kms, base, mutant):
    """What a file holds that was written, synced, and had its disk lose the power."""
    base.mkdir()
    disk = DroppingDisk(base)
    volume = Volume(new_kms, base)
    volume.directory = disk.mount_point / "volume"
    volume.create()
    volume.extra_environment["FREEHOLD_MUTANT"] = mutant
    try:
        volume.mount()
        with open(volume.mount_point / "file", "wb") as file:
            file.write(b"acknowledged")
            file.flush()
            os.fsync(file.fileno())
        parent = os.open(volume.mount_point, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
        disk.cut_power()
    finally:
        volume.clean_up()
        disk.clean_up()
    volume.extra_environment.clear()
    volume.directory = disk.backing / "volume"
    try:
        volume.mount()
        return (volume.mount_point / "file").read_bytes()
    finally:
        volume.clean_up()


@pytest.mark.parametrize("mutant", ["fsync-ignored", "header-slot-not-synced"])
def test_a_disk_that_drops_the_unsynced_shows(mutant, new_kms, tmp_path):
    kept = synced_file_after_power_loss(new_kms, tmp_path / "kept", NO_MUTANT)
    assert kept == b"acknowledged"
    lost = synced_file_after_power_loss(new_kms, tmp_path / "lost", mutant)
    assert lost != b"acknowledged"


class JournalledDisk:
    """An ext4 in a file, whose journal is written when something is synced and not before."""

    def __init__(self, base):
        self.image, self.place = base / "image", base / "disk"
        self.place.mkdir()
        subprocess.run(["truncate", "-s", "64M", self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        self._mount(self.image)

    def _mount(self, image):
        options = "loop,noatime,commit=3600"
        subprocess.run(["mount", "-o", options, image, self.place], check=True)

    def unmount(self):
        subprocess.run(["umount", self.place], check=False, capture_output=True)

    def copy_at_this_moment(self):
        """The disk as it would be if the power went now: what the kernel has written to it."""
        subprocess.run(["cp", "--sparse=always", self.image, f"{self.image}.copy"], check=True)

    def put_in_the_copy(self):
        self.unmount()
        self._mount(f"{self.image}.copy")


def names_after_power_loss(new_kms, base, mutant):
    """The files of a volume in which one was renamed and its directory synced, then no power."""
    base.mkdir()
    disk = JournalledDisk(base)
    volume = Volume(new_kms, base)
    volume.directory = disk.place / "volume"
    volume.create()
    volume.extra_environment["FREEHOLD_MUTANT"] = mutant
    try:
        volume.mount()
        with open(volume.mount_point / "old-name", "wb") as file:
            file.write(b"contents")
            file.flush()
            os.fsync(file.fileno())
        parent = os.open(volume.mount_point, os.O_RDONLY)
        os.rename("old-name", "new-name", src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
        os.close(parent)
        disk.copy_at_this_moment()
        assert volume.volume("unmount").code == OK
        volume.clean_up()
        disk.put_in_the_copy()
        return os.listdir(volume.directory / "data")
    finally:
        volume.clean_up()
        disk.unmount()


def test_a_rename_whose_directory_was_synced_survives_a_power_loss(new_kms, tmp_path):
    assert names_after_power_loss(new_kms, tmp_path / "kept", NO_MUTANT) == ["new-name"]
    assert names_after_power_loss(new_kms, tmp_path / "lost", "fsyncdir-ignored") == ["old-name"]
