"""Mutants: a build told to break one rule of durability must be noticed, each by a check of its own.

FREEHOLD_MUTANT names the rule, in test builds only (src/base/crash_point.h). `crash_test.py` does
the same for `fsync-ignored` with a database on top.
"""

import contextlib
import os
import subprocess

import pytest

from crash_test import DroppingDisk
from freehold_testing import BINARY, OK, Volume, wait_for

NO_MUTANT = "none"
OPERATIONS = 20000


def crash_model(mutant, seed, operations=OPERATIONS):
    """One random program of the crash model; None when it held, else what it found."""
    completed = subprocess.run(
        [os.path.dirname(BINARY) + "/freehold_crash_model", "--seed", str(seed), "--operations",
         str(operations)],
        env=dict(os.environ, FREEHOLD_MUTANT=mutant), capture_output=True, text=True, check=False)
    assert completed.returncode in (0, 1), completed
    return completed.stdout if completed.returncode else None


@pytest.mark.parametrize(("mutant", "operations"), [
    ("header-slot-not-synced", OPERATIONS), ("slack-not-zeroed", OPERATIONS),
    ("reencrypted-body-not-synced", 15 * OPERATIONS), ("other-slot-not-renewed", 15 * OPERATIONS)])
def test_the_crash_model_notices(mutant, operations):
    for seed in range(3):
        assert crash_model(NO_MUTANT, seed) is None
        assert "BROKEN" in crash_model(mutant, seed, operations)


def faults_after_a_reencryption(volume, mutant):
    volume.extra_environment["FREEHOLD_MUTANT"] = mutant
    volume.mount()
    (volume.mount_point / "file").write_bytes(b"contents")
    assert volume.volume("re-encrypt", "--wait").code == OK
    volume.unmount()
    return [fault["what"] for fault in volume.volume("verify", "--json").json["faults"]]


def test_verify_names_a_header_slot_that_a_reencryption_left_behind(volume):
    assert faults_after_a_reencryption(volume, NO_MUTANT) == []
    assert "slot" in faults_after_a_reencryption(volume, "other-slot-not-renewed")[0]


@contextlib.contextmanager
def a_volume_on(disk, new_kms, base, mutant):
    """Mounted by a build with that mutant."""
    volume = Volume(new_kms, base)
    volume.directory = disk.mount_point / "volume"
    volume.create()
    volume.extra_environment["FREEHOLD_MUTANT"] = mutant
    try:
        volume.mount()
        yield volume
    finally:
        volume.clean_up()
        volume.extra_environment.clear()


def write_synced(directory, name, contents):
    """A file whose contents and name are synced."""
    with open(directory / name, "wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    parent = os.open(directory, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)


def after_power_loss(new_kms, base, mutant, contents, before=lambda volume: None):
    """What a file holds that was written, synced, and had its disk lose the power."""
    base.mkdir()
    disk = DroppingDisk(base)
    try:
        with a_volume_on(disk, new_kms, base, mutant) as volume:
            write_synced(volume.mount_point, "file", contents)
            before(volume)
            disk.cut_power()
    finally:
        disk.clean_up()
    volume.directory = disk.backing / "volume"
    try:
        volume.mount()
        return (volume.mount_point / "file").read_bytes()
    finally:
        volume.clean_up()


@pytest.mark.parametrize("mutant", ["fsync-ignored", "header-slot-not-synced"])
def test_a_disk_that_drops_the_unsynced_shows(mutant, new_kms, tmp_path):
    kept = after_power_loss(new_kms, tmp_path / "kept", NO_MUTANT, b"acknowledged")
    assert kept == b"acknowledged"
    lost = after_power_loss(new_kms, tmp_path / "lost", mutant, b"acknowledged")
    assert lost != b"acknowledged"


def die_between_body_and_header(volume):
    """A re-encryption whose process dies when a chunk is overwritten and its header is not."""
    volume.unmount()
    volume.extra_environment["FREEHOLD_CRASH_AT"] = "reencrypt.synced"
    volume.mount()
    volume.volume("re-encrypt", "--wait")
    wait_for("the process to die", lambda: not volume.is_mounted() and not volume.processes())


def test_a_journal_that_is_not_synced_shows(new_kms, tmp_path):
    contents = os.urandom(100_000)
    die = die_between_body_and_header
    assert after_power_loss(new_kms, tmp_path / "kept", NO_MUTANT, contents, die) == contents
    lost = after_power_loss(new_kms, tmp_path / "lost", "journal-not-synced", contents, die)
    assert lost != contents


class JournalledDisk:
    """An ext4 in a file, whose journal is written when something is synced and not before."""

    def __init__(self, base):
        self.image, self.mount_point = base / "image", base / "disk"
        self.mount_point.mkdir()
        subprocess.run(["truncate", "-s", "64M", self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        self._mount(self.image)

    def _mount(self, image):
        options = "loop,noatime,commit=3600"
        subprocess.run(["mount", "-o", options, image, self.mount_point], check=True)

    def unmount(self):
        subprocess.run(["umount", self.mount_point], check=False, capture_output=True)

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
    try:
        with a_volume_on(disk, new_kms, base, mutant) as volume:
            write_synced(volume.mount_point, "old-name", b"contents")
            parent = os.open(volume.mount_point, os.O_RDONLY)
            os.rename("old-name", "new-name", src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
            os.close(parent)
            disk.copy_at_this_moment()
            assert volume.volume("unmount").code == OK
        disk.put_in_the_copy()
        return os.listdir(volume.directory / "data")
    finally:
        disk.unmount()


def test_a_rename_whose_directory_was_synced_survives_a_power_loss(new_kms, tmp_path):
    assert names_after_power_loss(new_kms, tmp_path / "kept", NO_MUTANT) == ["new-name"]
    assert names_after_power_loss(new_kms, tmp_path / "lost", "fsyncdir-ignored") == ["old-name"]
