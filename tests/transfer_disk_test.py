"""What `volume import` and `export` say of the disk: read back from it, full, read-only, killed."""

import os
import shutil
import signal
import subprocess

import pytest

from disk_testing import Disk
from freehold_testing import BINARY, NO_SPACE, OK, PERMISSION, SEALED, Volume, wait_for
from process_testing import every_pid, words_of
from transfer_testing import private_place, same


@pytest.fixture
def plain(tmp_path):
    root = tmp_path / "plain"
    root.mkdir()
    (root / "file").write_bytes(os.urandom(1 << 20))
    (root / "other").write_bytes(os.urandom(1 << 16))
    return root


def words(volume, verb, directory, *more):
    places = [directory, volume.directory] if verb == "import" else [volume.directory, directory]
    return ["volume", verb, *places, "--state", volume.state, *more]


def damage(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def test_what_is_compared_comes_from_the_disk(volume, plain):
    volume.mount()
    assert volume.run(*words(volume, "import", plain, "--to", "db", "--running")).code == OK
    target = volume.mount_point / "db/file"
    assert target.read_bytes() == (plain / "file").read_bytes()
    subprocess.run(["sync", "-f", volume.mount_point], check=True)
    damage(volume.data / "db/file", 300_000)
    assert target.read_bytes() == (plain / "file").read_bytes()  # from the cache
    result = volume.run(*words(volume, "import", plain, "--to", "db"))
    assert result.code == OK and "differed" in result.out and "1 (file)" in result.out, result
    volume.unmount()
    with volume.opened() as mount_point:
        same(plain, mount_point / "db")


def test_not_even_the_disk_below_is_read_from_a_cache(new_kms, tmp_path, plain):
    disk = Disk(tmp_path, 64)
    volume = Volume(new_kms, disk.mount_point).create().mount()
    try:
        assert volume.run(*words(volume, "import", plain, "--running")).code == OK
        subprocess.run(["sync", "-f", disk.mount_point], check=True)
        ciphertext = (volume.data / "file").read_bytes()
        at = disk.image.read_bytes().index(ciphertext[8192:12288])
        damage(disk.image, at)
        assert (volume.data / "file").read_bytes() == ciphertext  # ext4 has it in its cache
        result = volume.run(*words(volume, "import", plain))
        assert result.code == OK and "1 (file)" in result.out, result
        volume.unmount()
        assert disk.raw()[at:at + 4096] == ciphertext[8192:12288]
        with volume.opened() as mount_point:
            same(plain, mount_point)
    finally:
        volume.clean_up()
        disk.clean_up()


def test_what_no_time_tells_is_copied_by_an_export_too(volume, plain, tmp_path):
    assert volume.run(*words(volume, "import", plain)).code == OK
    out = tmp_path / "out"
    assert volume.run(*words(volume, "export", out, "--running")).code == OK
    before = (out / "other").stat()
    damage(out / "other", 17)
    os.utime(out / "other", ns=(before.st_atime_ns, before.st_mtime_ns))
    result = volume.run(*words(volume, "export", out, "--json"))
    assert result.code == OK and result.json == {"verified": True, "copied_again": ["other"]}, result
    same(plain, out)


def test_an_outage_is_no_seal(volume, plain, tmp_path):
    volume.mount("--outage-grace", "10m")
    volume.kms.fault("--unreachable")
    volume.wait_for_state("grace")
    assert volume.run(*words(volume, "import", plain, "--to", "db")).code == OK
    assert volume.run(*words(volume, "export", tmp_path / "out", "--from", "db")).code == OK
    same(plain, tmp_path / "out")
    volume.volume("seal")
    volume.wait_for_state("sealed")
    result = volume.run(*words(volume, "export", tmp_path / "sealed"))
    assert result.code == SEALED and not (tmp_path / "sealed").exists(), result


def test_a_full_disk_is_no_space(new_kms, tmp_path, plain):
    (plain / "large").write_bytes(os.urandom(24 << 20))
    disk = Disk(tmp_path, 16)
    roomy = Volume(new_kms, tmp_path).create()
    tight = Volume(new_kms, disk.mount_point).create()
    try:
        result = tight.run(*words(tight, "import", plain, "--reserve", "0"))
        assert result.code == NO_SPACE and "No space left on device" in result.err, result
        assert roomy.run(*words(roomy, "import", plain)).code == OK
        result = roomy.run(*words(roomy, "export", disk.mount_point / "out"))
        assert result.code == NO_SPACE and "No space left on device" in result.err, result
    finally:
        roomy.clean_up()
        tight.clean_up()
        disk.clean_up()


def test_on_a_read_only_file_system_a_volume_is_verified_and_the_rest_is_said(
        new_kms, tmp_path, plain):
    disk = Disk(tmp_path, 64)
    volume = Volume(new_kms, disk.mount_point).create()
    volume.state = tmp_path / "state"
    try:
        assert volume.run(*words(volume, "import", plain, "--key", f"aws-kms://{volume.key}")).code == OK
        subprocess.run(["mount", "-o", "remount,ro", disk.mount_point], check=True)
        report = volume.volume("verify", "--json")
        assert report.code == OK and report.json["files"] == 2 and report.json["faults"] == [], report
        result = volume.run(*words(volume, "export", tmp_path / "out"))
        assert result.code == PERMISSION and "is on a read-only file system" in result.err, result
        assert volume.volume("mount", tmp_path).err == result.err
        assert volume.volume("rotate-key", "--key", f"aws-kms://{volume.key}").err == result.err
        copy = Volume(new_kms, tmp_path, key=volume.key)
        shutil.copytree(volume.directory, copy.directory)
        assert copy.run(*words(copy, "export", tmp_path / "out")).code == OK
        same(plain, tmp_path / "out")
    finally:
        volume.clean_up()
        disk.clean_up()


def rsyncs(directory):
    return [pid for pid in every_pid()
            if any(str(directory).encode() in word for word in words_of(pid))
            and words_of(pid)[0].endswith(b"rsync")]


@pytest.mark.parametrize("at", ["copy", "compare"])
def test_nothing_lives_on_when_the_command_is_killed(volume, tmp_path, at):
    with volume.opened() as mount_point:
        with open(mount_point / "huge", "wb") as huge:
            huge.truncate(1 << 43)
    out = tmp_path / "out"
    if at == "compare":  # what is there with the same size and time is only read
        out.mkdir()
        assert volume.run(*words(volume, "export", out, "--running"), under=["timeout", "1"]).code
        with open(out / "huge", "wb") as huge:
            huge.truncate(1 << 43)
        with volume.opened() as mount_point:
            times = (mount_point / "huge").stat()
        os.utime(out / "huge", ns=(times.st_atime_ns, times.st_mtime_ns))
    transfer = subprocess.Popen([BINARY, *words(volume, "export", out)],
                                env=volume.kms.environment(volume.profile))
    if at == "copy":
        wait_for("the copy", lambda: (out / "huge").exists())
    else:
        wait_for("the comparison",
                 lambda: any(b"--dry-run" in words_of(pid) for pid in rsyncs(out)))
    assert rsyncs(out)
    place = private_place(volume)
    with open(place / "huge", "rb"):  # nobody is left who could be told to close it
        transfer.send_signal(signal.SIGKILL)
        transfer.wait()
        wait_for("the end of rsync", lambda: not rsyncs(out))
        wait_for("the end of the mount", lambda: not volume.processes())
    assert not place.is_mount()
    place.rmdir()


def test_a_private_mount_that_somebody_looks_into_is_taken_down_all_the_same(
        volume, plain, tmp_path):
    assert volume.run(*words(volume, "import", plain)).code == OK
    (plain / "second").write_bytes(os.urandom(200 << 20))
    transfer = subprocess.Popen([BINARY, *words(volume, "import", plain, "--to", "x")],
                                env=volume.kms.environment(volume.profile),
                                stdout=subprocess.PIPE, text=True)
    place = private_place(volume)
    wait_for("its mount", place.is_mount)
    with open(place / "file", "rb"):
        out, _ = transfer.communicate(timeout=60)
        assert transfer.returncode == OK and "complete" in out
    assert not place.exists()
