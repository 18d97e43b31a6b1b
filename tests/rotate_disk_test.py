"""Rotation on a disk that fails: strace makes one system call of `rotate-key` fail with EIO."""

from freehold_testing import OK
from rotate_testing import CONTENTS, rotate
from rotate_testing import filled  # a fixture

IO = 7


def rotate_with_failing_sync(volume, key, path, which):
    """rotate-key, whose fsync number `which` of `path` fails."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", "trace=fsync",
              "-e", f"inject=fsync:error=EIO:when={which}"]
    return rotate(volume, key, under=strace)


def wrapped_keks(volume):
    return [kek["wrapped_kek"] for kek in volume.status()["keks"]]


def test_a_rename_that_the_disk_did_not_confirm_keeps_both_keyrings_until_the_next_opening(filled):
    meta = filled.directory / "freehold"
    old_keyring = (meta / "keyring").read_bytes()
    new_key = filled.kms.new_key()
    result = rotate_with_failing_sync(filled, new_key, meta, 1)
    assert result.code == IO, result
    assert "did not confirm it" in result.err and "keep both keys" in result.err, result
    assert new_key in filled.status()["keks"][0]["key"]
    assert (meta / "keyring.old").read_bytes() == old_keyring, "a crash may still bring it back"
    with filled.opened() as mount_point:
        assert (mount_point / "file").read_bytes() == CONTENTS
    assert sorted(p.name for p in meta.glob("keyring*")) == ["keyring"]


def test_a_crash_after_that_opens_under_the_old_key(filled):
    meta = filled.directory / "freehold"
    rotate_with_failing_sync(filled, filled.kms.new_key(), meta, 1)
    (meta / "keyring.old").rename(meta / "keyring")  # what the disk has without the rename
    with filled.opened() as mount_point:
        assert (mount_point / "file").read_bytes() == CONTENTS


def test_a_new_keyring_that_cannot_be_written_leaves_the_old_one_alone(filled):
    meta = filled.directory / "freehold"
    before = wrapped_keks(filled)
    result = rotate_with_failing_sync(filled, filled.kms.new_key(), meta / "keyring.new", 1)
    assert result.code == IO, result
    assert wrapped_keks(filled) == before
    assert sorted(p.name for p in meta.glob("keyring*")) == ["keyring"]
    with filled.opened() as mount_point:
        assert (mount_point / "file").read_bytes() == CONTENTS
    assert rotate(filled, filled.kms.new_key()).code == OK
