"""`volume import` and `volume export`: a plain directory into a volume and back, by any way."""

import os
import signal
import subprocess

import pytest

from disk_testing import Disk
from freehold_testing import ALREADY_EXISTS, BINARY, NO_SPACE, OK, Volume, wait_for
from posix_testing import NOBODY
from postgres_testing import BIN, Postgres, psql
from transfer_testing import private_place, same

INVALID, NOT_FOUND = 2, 3
NAME = "ein Name mit Leerraum: und Doppelpunkt"


@pytest.fixture
def source(tmp_path):
    """Every kind of thing that a data directory may hold."""
    root = tmp_path / "plain source"
    (root / "dir/below").mkdir(parents=True)
    (root / "file").write_bytes(os.urandom(100_001))
    (root / NAME).write_bytes(b"odd name")
    (root / "empty").touch()
    (root / "dir/below/deep").write_bytes(b"deep" * 1000)
    os.link(root / "file", root / "dir/link")
    os.symlink("below/deep", root / "dir/symlink")
    os.mkfifo(root / "dir/fifo")
    with open(root / "holes", "wb") as holes:
        holes.write(b"begin")
        holes.truncate(50_000_000)
    os.chmod(root / "dir", 0o710)
    os.chown(root / "dir/below/deep", NOBODY, NOBODY)
    os.setxattr(root / "file", "user.note", b"kept")
    os.utime(root / "file", ns=(1_600_000_000_123_456_789, 1_600_000_000_987_654_321))
    return root


def clean(volume):
    assert not volume.is_mounted() and not volume.processes()
    assert not private_place(volume).exists()
    assert volume.volume("verify", "--json").json["faults"] == []


def test_in_and_out_again_everything_is_the_same(volume, source, tmp_path):
    result = volume.run("volume", "import", source, volume.directory, "--state", volume.state)
    assert result.code == OK and "read back and compared" in result.out, result
    clean(volume)
    assert b"deep" * 10 not in (volume.data / "dir/below/deep").read_bytes()
    with volume.opened() as mount_point:
        same(source, mount_point)
    out = tmp_path / "out"
    result = volume.volume("export", out)
    assert result.code == OK, result
    same(source, out)
    assert os.stat(out / "holes").st_blocks < 1000
    clean(volume)


def test_a_part_of_a_volume_that_is_mounted_can_be_named(volume, source, tmp_path):
    volume.mount()
    (volume.mount_point / "other").write_text("stays")
    arguments = ["--state", volume.state, "--to", "pgdata"]
    assert volume.run("volume", "import", source, volume.directory, *arguments).code == OK
    same(source, volume.mount_point / "pgdata")
    assert (volume.mount_point / "other").read_text() == "stays"
    assert volume.is_mounted()
    assert volume.volume("export", tmp_path / "out", "--from", "pgdata").code == OK
    same(source, tmp_path / "out")


def test_a_second_pass_takes_over_what_changed_and_what_went(volume, source):
    where = ["volume", "import", source, volume.directory, "--state", volume.state]
    first = volume.run(*where, "--running")
    assert first.code == OK and "first pass" in first.out, first
    before = (source / "file").stat()
    changed = bytearray((source / "file").read_bytes())
    changed[5000] ^= 1  # the same length, the same second
    (source / "file").write_bytes(changed)
    os.utime(source / "file", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    (source / NAME).unlink()
    (source / "new").write_text("new")
    assert volume.run(*where).code == OK
    with volume.opened() as mount_point:
        same(source, mount_point)


def test_a_change_that_no_time_tells_is_found_by_the_comparison_and_copied(volume, source):
    where = ["volume", "import", source, volume.directory, "--state", volume.state]
    assert volume.run(*where, "--running").code == OK
    before = (source / "dir/below/deep").stat()
    (source / "dir/below/deep").write_bytes(b"peed" * 1000)
    os.utime(source / "dir/below/deep", ns=(before.st_atime_ns, before.st_mtime_ns))
    result = volume.run(*where)
    assert result.code == OK and "dir/below/deep" in result.out, result
    with volume.opened() as mount_point:
        same(source, mount_point)


def test_one_that_was_killed_can_be_run_again(volume, source):
    with open(source / "large", "wb") as large:
        for _ in range(60):
            large.write(os.urandom(1 << 20))
    where = [BINARY, "volume", "import", source, volume.directory, "--state", volume.state]
    for killed_with in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        transfer = subprocess.Popen(where, env=volume.kms.environment(volume.profile),
                                    stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for("some of the large file", lambda: (volume.data / "large").exists()
                 and (volume.data / "large").stat().st_size > 1 << 20)
        transfer.send_signal(killed_with)
        if killed_with == signal.SIGINT:  # it goes on: only a terminal's Ctrl-C reaches rsync too
            assert transfer.wait(120) == OK
        else:
            transfer.wait(60)
            wait_for("its daemon's end", lambda: not volume.processes())
            (volume.data / "large").unlink(missing_ok=True)
    with volume.opened() as mount_point:
        same(source, mount_point)


def test_a_ctrl_c_ends_all_of_it_and_it_can_be_run_again(volume, source):
    with open(source / "large", "wb") as large:
        large.truncate(1 << 40)
    where = [BINARY, "volume", "import", source, volume.directory, "--state", volume.state]
    transfer = subprocess.Popen(where, env=volume.kms.environment(volume.profile), text=True,
                                start_new_session=True, stderr=subprocess.PIPE)
    wait_for("the large file", lambda: list(volume.data.glob("*large*")))
    os.killpg(transfer.pid, signal.SIGINT)  # as the terminal does
    _, said = transfer.communicate(timeout=60)
    assert transfer.returncode == 7 and "rsync ended with 20" in said, said
    clean(volume)
    (source / "large").unlink()
    assert volume.run(*where[1:]).code == OK
    with volume.opened() as mount_point:
        same(source, mount_point)


def test_nothing_that_is_there_already_is_deleted(volume, source, tmp_path):
    with volume.opened() as mount_point:
        (mount_point / "precious").write_text("mine")
    where = ["volume", "import", source, volume.directory, "--state", volume.state]
    result = volume.run(*where)
    assert result.code == ALREADY_EXISTS and "is not empty" in result.err, result
    assert volume.run(*where, "--to", "beside").code == OK
    with volume.opened() as mount_point:
        assert (mount_point / "precious").read_text() == "mine"
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").write_text("mine")
    assert volume.volume("export", full).code == ALREADY_EXISTS
    assert (full / "precious").read_text() == "mine"


def test_bad_places_are_refused_with_a_sentence(volume, source, tmp_path):
    def refused(code, words, *arguments):
        result = volume.run("volume", *arguments, "--state", volume.state)
        assert result.code == code and words in result.err and result.err.count("\n") == 1, result

    refused(NOT_FOUND, "does not exist", "import", tmp_path / "none", volume.directory)
    refused(INVALID, "is not a directory", "import", source / "file", volume.directory)
    refused(INVALID, "inside the volume", "import", volume.data, volume.directory)
    refused(INVALID, "below the volume's root", "import", source, volume.directory, "--to", "../x")
    refused(INVALID, "below the volume's root", "import", source, volume.directory, "--to", "/x")
    refused(NOT_FOUND, "does not exist", "export", volume.directory, tmp_path / "o", "--from", "no")
    refused(NOT_FOUND, "No such file", "import", source, tmp_path / "no volume")
    volume.kms.client("kms").disable_key(KeyId=volume.key)
    refused(10, "DisabledException", "import", source, volume.directory)
    clean_processes = not volume.processes()
    assert clean_processes


def test_a_running_postgres_moves_in_with_a_short_stop_and_out_again(volume, tmp_path):
    os.chmod(tmp_path, 0o777)
    plain = Postgres(tmp_path / "pgdata", tmp_path)
    plain.initialise()
    plain.start()
    bench = [BIN / "pgbench", "-h", tmp_path, "-p", str(plain.port), "-U", "postgres", "postgres"]
    subprocess.run([*bench, "-i", "-s", "1", "-q"], check=True, capture_output=True)
    load = subprocess.Popen([*bench, "-c", "2", "-T", "3"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    where = ["volume", "import", plain.data, volume.directory, "--state", volume.state,
             "--to", "pgdata"]
    assert volume.run(*where, "--running").code == OK
    assert load.wait(60) == 0
    count = "select count(*), sum(delta) from pgbench_history"
    expected = psql(tmp_path, plain.port, count).stdout
    plain.stop()
    assert volume.run(*where).code == OK
    volume.mount()
    volume.mount_point.chmod(0o755)
    moved = Postgres(volume.mount_point / "pgdata", tmp_path)
    moved.start()
    assert psql(tmp_path, moved.port, count).stdout == expected
    moved.stop()
    volume.unmount()
    assert volume.volume("export", tmp_path / "back", "--from", "pgdata").code == OK
    back = Postgres(tmp_path / "back", tmp_path)
    back.start()
    assert psql(tmp_path, back.port, count).stdout == expected
    back.stop()


def test_an_import_says_that_the_disk_is_full_and_fits_without_a_reserve(new_kms, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(os.urandom(16 << 20))
    disk = Disk(tmp_path, 96)
    volume = Volume(new_kms, disk.mount_point).create()
    words = ["volume", "import", source, volume.directory, "--state", volume.state]
    try:
        assert volume.run(*words, "--reserve", "1KiB").code == INVALID
        full = volume.run(*words, "--reserve", "60MiB")
        assert full.code == NO_SPACE and "No space left on device" in full.err, full
        done = volume.run(*words, "--reserve", "0")
        assert done.code == OK, done
        with volume.opened() as mount_point:
            same(source, mount_point)
            refused = volume.run(*words, "--reserve", "0")
            assert refused.code == INVALID and "is mounted" in refused.err, refused
    finally:
        volume.clean_up()
        disk.clean_up()
