"""Re-encryption and rekey: every byte under new keys, while the volume is busy, whatever dies."""

import mmap
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time

import pytest

import freehold_reader
from freehold_testing import FILE_CORRUPT, OK, USAGE, Volume, wait_for
from postgres_testing import Postgres, psql
from rotate_crash_test import crash_points, crashes
from rotate_testing import SLOW

BUSY = 5
FILES = {"small": b"x", "block": b"y" * 16, "odd": os.urandom(100_001), "empty": b"",
         "units": os.urandom(600_000), "dir/nested": os.urandom(5000)}


def fill(directory):
    (directory / "dir").mkdir()
    for name, data in FILES.items():
        (directory / name).write_bytes(data)


def holds_all(directory):
    for name, data in FILES.items():
        assert (directory / name).read_bytes() == data, name


@pytest.fixture
def filled(volume):
    with volume.opened() as mount_point:
        fill(mount_point)
    return volume


def deks(volume):
    keyring = freehold_reader.read_keyring(volume.keyring.read_bytes())
    return {dek.id for dek in keyring.deks}


def deks_of_files(volume):
    """The DEK ids that the headers name, both slots, previous keys too."""
    named = set()
    for path in volume.data.rglob("*"):
        if path.is_file() and path.stat().st_size:
            header = path.read_bytes()[:4096]
            for at in (0, 2048):
                named.add(header[at + 56 : at + 72])
                if header[at + 12 : at + 16] == b"\1\0\0\0":
                    named.add(header[at + 104 : at + 120])
    return named


def reencryption(volume):
    return volume.status()["reencryption"]


def done(volume):
    progress = reencryption(volume)
    assert not progress or progress["state"] != "stuck", progress
    return progress and progress["state"] == "done" and progress


def test_every_file_comes_under_new_keys_and_the_old_ones_are_gone(filled):
    before, keyring = deks(filled), filled.keyring.read_bytes()
    filled.mount()
    result = filled.volume("re-encrypt", "--wait")
    assert result.code == OK and "every file is under a new DEK" in result.out, result
    assert deks(filled).isdisjoint(before) and len(deks(filled)) == 1
    assert deks_of_files(filled) == deks(filled)
    progress = reencryption(filled)
    assert progress["percent"] == 100 and progress["state"] == "done"
    [under] = progress["deks"]
    assert under["files"] == len(FILES) - 1 and under["bytes"] == sum(map(len, FILES.values()))
    holds_all(filled.mount_point)
    filled.unmount()
    old_kek = freehold_reader.read_keyring(keyring).kek_id
    assert freehold_reader.read_keyring(filled.keyring.read_bytes()).kek_id != old_kek
    with filled.opened() as mount_point:
        holds_all(mount_point)
        assert filled.volume("verify", "--json").json["faults"] == []


def test_times_and_capabilities_stay(filled):
    capability = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw, permitted, effective
    old = 978307200 * 10**9 + 123456789
    with filled.opened() as mount_point:
        program = mount_point / "odd"
        os.setxattr(program, "security.capability", capability)
        for name in FILES:
            os.utime(mount_point / name, ns=(old, old))
        assert filled.volume("re-encrypt", "--wait").code == OK
        os.utime(mount_point / "small", ns=(old, old + 7))
    with filled.opened() as mount_point:
        modified = {name: (mount_point / name).stat().st_mtime_ns - old for name in FILES}
        assert modified == {name: 7 if name == "small" else 0 for name in FILES}
        assert os.getxattr(mount_point / "odd", "security.capability") == capability
    for name in FILES:
        assert (filled.data / name).stat().st_mtime_ns == old + modified[name]


def test_a_write_while_it_runs_is_seen_in_the_files_time(filled):
    with filled.opened() as mount_point:
        os.utime(mount_point / "units", (0, 0))
        assert filled.volume("re-encrypt", "--rate", "64KiB").code == OK
        before = time.time()
        with open(mount_point / "units", "r+b") as file:
            file.write(b"new")
        assert filled.volume("re-encrypt", "--wait", "--rate", "64MiB").code == OK
    assert (filled.data / "units").stat().st_mtime >= before - 1


def test_the_independent_reader_reads_what_was_re_encrypted(filled):
    filled.mount()
    assert filled.volume("re-encrypt", "--wait").code == OK
    filled.unmount()
    keyring, keys = freehold_reader.open_keyring(filled.keyring.read_bytes(), filled.unwrapped_kek())
    for name, data in FILES.items():
        encrypted = (filled.data / name).read_bytes()
        assert freehold_reader.read_file(encrypted, keyring, keys, pytest.fail) == data, name


def test_the_independent_reader_reads_what_is_half_way(filled):
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "300KiB").code == OK
    wait_for("a part of it", lambda: reencryption(filled)["bytes_done"] > 0)
    filled.unmount()
    keyring, keys = freehold_reader.open_keyring(filled.keyring.read_bytes(), filled.unwrapped_kek())
    headers = [(filled.data / name).read_bytes()[:4096] for name in FILES if FILES[name]]
    assert any(header[12] or header[2060] for header in headers), "no file is half way"
    for name, data in FILES.items():
        encrypted = (filled.data / name).read_bytes()
        assert freehold_reader.read_file(encrypted, keyring, keys, lambda fault: None) == data, name


def test_the_old_keyring_opens_nothing_any_more(filled):
    """What re-encryption is for: an old keyring with a key that was rotated out."""
    old_keyring, old_kek = filled.keyring.read_bytes(), filled.unwrapped_kek()
    filled.mount()
    assert filled.volume("re-encrypt", "--key", f"aws-kms://{filled.kms.new_key()}", "--wait").code == OK
    filled.unmount()
    keyring, keys = freehold_reader.open_keyring(old_keyring, old_kek)
    with pytest.raises(freehold_reader.Refused, match="DEK that the keyring does not have"):
        freehold_reader.read_file((filled.data / "odd").read_bytes(), keyring, keys, pytest.fail)


def test_a_rekey_keeps_the_deks_and_changes_the_kek(filled):
    before, files = deks(filled), deks_of_files(filled)
    old_kek = filled.unwrapped_kek()
    for mounted in (False, True):
        if mounted:
            filled.mount()
        result = filled.volume("rekey")
        assert result.code == OK and "same DEKs" in result.out, result
        assert deks(filled) == before and deks_of_files(filled) == files
        assert filled.unwrapped_kek() != old_kek
        old_kek = filled.unwrapped_kek()
    holds_all(filled.mount_point)
    filled.unmount()
    with filled.opened() as mount_point:
        holds_all(mount_point)


def test_a_rekey_killed_anywhere_leaves_a_volume_that_opens(filled):
    generations = set()

    def rekey_and_die(point):
        filled.extra_environment = {"FREEHOLD_CRASH_AT": point}
        before = filled.status()["generation"]
        died = filled.volume("rekey")
        filled.extra_environment = {}
        assert died.code in (OK, -signal.SIGKILL), died
        generations.add(filled.status()["generation"] - before)
        with filled.opened() as mount_point:
            holds_all(mount_point)
        return died.code != OK

    assert crashes(rekey_and_die, crash_points("rewrap.") + crash_points("replace.")) >= 16
    assert generations == {0, 1}


def test_hard_links_open_files_and_removed_files_come_along(filled):
    filled.mount()
    os.link(filled.mount_point / "odd", filled.mount_point / "dir/link")
    removed = open(filled.mount_point / "removed", "w+b")
    removed.write(b"still here" * 10_000)
    removed.flush()
    os.fsync(removed.fileno())
    os.unlink(filled.mount_point / "removed")
    held = open(filled.mount_point / "units", "r+b")
    shared = mmap.mmap(held.fileno(), 0)
    assert filled.volume("re-encrypt", "--rate", "1MiB").code == OK
    shared[70_000:70_005] = b"mmap!"
    wait_for("the end of it", lambda: done(filled), 60)
    shared[140_000:140_005] = b"later"
    shared.flush()
    assert (filled.mount_point / "dir/link").read_bytes() == FILES["odd"]
    removed.seek(0)
    assert removed.read() == b"still here" * 10_000
    expected = bytearray(FILES["units"])
    expected[70_000:70_005], expected[140_000:140_005] = b"mmap!", b"later"
    shared.close(), held.close(), removed.close()
    assert (filled.mount_point / "units").read_bytes() == expected
    assert deks_of_files(filled) == deks(filled)
    filled.unmount()
    with filled.opened() as mount_point:
        assert (mount_point / "units").read_bytes() == expected


def test_a_second_one_while_it_runs_is_refused_and_can_be_waited_for(filled):
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "400KiB").code == OK
    assert reencryption(filled)["percent"] < 100
    assert filled.volume("re-encrypt").code == BUSY
    another = f"aws-kms://{filled.kms.new_key()}"
    assert filled.volume("re-encrypt", "--key", another, "--wait").code == BUSY
    assert filled.volume("re-encrypt", "--key", "").code == 2
    assert filled.volume("re-encrypt", "--wait").code == OK


def test_it_goes_on_after_an_unmount(filled):
    before = deks(filled)
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "64KiB").code == OK
    wait_for("a part of it", lambda: reencryption(filled)["bytes_done"] > 0)
    filled.unmount()
    assert before < deks(filled)
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "1GiB").code == OK
    wait_for("the end of it", lambda: done(filled), 60)
    holds_all(filled.mount_point)
    assert deks_of_files(filled) == deks(filled)


def test_its_rate_holds_over_a_remount_and_can_be_changed(filled):
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "64KiB").code == OK
    wait_for("a part of it", lambda: reencryption(filled)["bytes_done"] > 0)
    os.kill(filled.daemon_pid(), signal.SIGKILL)
    wait_for("the guardian to end", lambda: not filled.processes())
    filled.mount()
    assert reencryption(filled)["bytes_per_second"] == 64 << 10
    another = f"aws-kms://{filled.kms.new_key()}"
    assert filled.volume("re-encrypt", "--rate", "1MiB", "--key", another).code == BUSY
    assert reencryption(filled)["bytes_per_second"] == 64 << 10
    before = deks(filled)
    changed = filled.volume("re-encrypt", "--rate", "128KiB")
    assert changed.code == OK and changed.out.startswith("no new keys"), changed
    assert filled.volume("re-encrypt", "--rate", "256KiB", "--json").json["rate_changed"] is True
    assert deks(filled) == before
    assert filled.volume("re-encrypt", "--rate", "1GiB", "--wait").code == OK
    assert reencryption(filled)["bytes_per_second"] == 1 << 30
    assert not (filled.directory / "freehold/reencrypt.rate").exists()
    holds_all(filled.mount_point)


@pytest.mark.parametrize("garbage", [b"", b"fast\n", b"1\n", b"9" * 100, b"-5\n"])
def test_a_rate_that_says_nothing_is_the_default(filled, garbage):
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "64KiB").code == OK
    filled.unmount()
    (filled.directory / "freehold/reencrypt.rate").write_bytes(garbage)
    filled.mount()
    assert reencryption(filled)["bytes_per_second"] == 64 << 20


@pytest.mark.parametrize("name", ["reencrypt.journal", "reencrypt.rate", "keyring", "recovered"])
def test_a_pipe_in_the_place_of_a_file_stops_nothing_for_ever(filled, name):
    place = filled.directory / "freehold" / name
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    result = filled.volume("mount", filled.mount_point, timeout=20)
    if name in ("keyring", "reencrypt.journal"):
        assert f"{place} is not a regular file" in result.err
        assert result.code == USAGE
    else:
        assert result.code == OK
        filled.volume("verify", timeout=20)


def test_it_goes_on_after_a_seal_and_an_opening(filled):
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "400KiB").code == OK
    filled.kms.client("kms").disable_key(KeyId=filled.key)
    filled.wait_for_state("sealed")
    filled.kms.client("kms").enable_key(KeyId=filled.key)
    filled.wait_for_state("open")
    wait_for("the end of it", lambda: done(filled), 60)
    holds_all(filled.mount_point)


def test_a_kms_that_is_away_at_the_end_keeps_the_old_deks_until_it_is_back(filled):
    filled.volume("mount", filled.mount_point, *SLOW)
    assert filled.volume("re-encrypt", "--rate", "1MiB").code == OK
    filled.kms.fault("--unreachable")
    problem = wait_for("the KMS's words", lambda: reencryption(filled)["problem"])
    assert "present key" in problem and reencryption(filled)["state"] == "retiring"
    assert len(deks(filled)) == 2 and reencryption(filled)["percent"] == 99
    filled.kms.fault("--clear")
    filled.unmount()
    filled.mount()
    wait_for("the end of it", lambda: done(filled), 60)
    assert len(deks(filled)) == 1


def test_a_file_that_cannot_be_read_keeps_the_old_deks_and_is_named(filled):
    broken = filled.data / "odd"
    contents = bytearray(broken.read_bytes())
    contents[100] ^= 1
    contents[2148] ^= 1
    broken.write_bytes(contents)
    filled.mount()
    result = filled.volume("re-encrypt", "--wait")
    assert result.code == FILE_CORRUPT, result
    assert "1 files cannot be read" in result.err and "odd" in result.err, result
    assert len(deks(filled)) == 2
    contents[100] ^= 1
    contents[2148] ^= 1
    broken.write_bytes(contents)
    assert filled.volume("re-encrypt", "--wait").code == OK  # goes on without a stop of the database
    holds_all(filled.mount_point)


def test_files_that_move_during_the_passes_are_not_forgotten(filled):
    """A pass goes by names: what is renamed meanwhile could be missed by one pass and the next."""
    filled.mount()
    root = filled.mount_point
    (root / "many").mkdir()
    for number in range(800):
        (root / f"many/{number}").write_bytes(b"still")
    for number in range(20):
        (root / f"many/w{number}.0").write_bytes(b"moving")
    stop = threading.Event()

    def move():
        turn = 0
        while not stop.is_set():
            for number in range(20):
                os.rename(root / f"many/w{number}.{turn}", root / f"many/w{number}.{turn + 1}")
            turn += 1

    mover = threading.Thread(target=move)
    mover.start()
    try:
        result = filled.volume("re-encrypt", "--rate", "1GiB", "--wait")
        assert result.code == OK, result
    finally:
        stop.set()
        mover.join()
    assert deks_of_files(filled) == deks(filled)
    filled.unmount()
    with filled.opened() as mount_point:
        moved = list((mount_point / "many").glob("w*"))
        assert len(moved) == 20 and all(path.read_bytes() == b"moving" for path in moved)


def test_holes_stay_holes_below(filled):
    with filled.opened() as mount_point:
        with open(mount_point / "sparse", "wb") as sparse:
            for number in range(64):
                sparse.seek(number << 18)
                sparse.write(b"data" * 1024)
    before = (filled.data / "sparse").stat().st_blocks
    filled.mount()
    assert filled.volume("re-encrypt", "--rate", "1GiB", "--wait").code == OK
    filled.unmount()
    assert (filled.data / "sparse").stat().st_blocks <= before + 64
    with filled.opened() as mount_point:
        assert (mount_point / "sparse").read_bytes().count(b"data") == 64 * 1024


def test_one_killed_anywhere_goes_on_and_loses_nothing(new_kms, tmp_path):
    key, number, resumed = new_kms.new_key(), iter(range(1000)), set()

    def reencrypt_and_die(point):
        base = tmp_path / str(next(number))
        base.mkdir()
        volume = Volume(new_kms, base, key=key).create()
        try:
            with volume.opened() as mount_point:
                fill(mount_point)
            volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
            volume.volume("mount", volume.mount_point, *SLOW)
            volume.extra_environment = {}
            result = volume.volume("re-encrypt", "--wait")
            survived = result.code == OK
            if not survived:
                gone = lambda: not volume.processes() and not volume.is_mounted()
                wait_for("the guardian to take the mount away", gone)
                volume.mount()
                resumed.add(reencryption(volume) is not None)
                wait_for("the end of it", lambda: not reencryption(volume) or done(volume), 60)
            holds_all(volume.mount_point)
            if len(deks(volume)) == 1 and not survived and not reencryption(volume):
                assert volume.volume("re-encrypt", "--wait").code == OK  # it had not begun
            assert deks_of_files(volume) == deks(volume) and len(deks(volume)) == 1
            volume.unmount()
            assert not (volume.directory / "freehold/reencrypt.journal").exists()
            with volume.opened() as mount_point:
                holds_all(mount_point)
            return not survived
        finally:
            volume.clean_up()

    assert crashes(reencrypt_and_die, crash_points("reencrypt.")) >= 20
    assert True in resumed


def test_postgres_runs_through_it_without_a_failed_transaction(filled):
    filled.mount()
    data = pathlib.Path(filled.mount_point) / "pgdata"
    postgres = Postgres(data, filled.base)
    os.chmod(filled.base, 0o777)
    postgres.initialise()
    postgres.start("-c", "shared_buffers=16MB")
    try:
        port = str(postgres.port)
        bench = ["/usr/lib/postgresql/15/bin/pgbench", "-h", str(filled.base), "-p", port,
                 "-U", "postgres", "postgres"]
        subprocess.run([*bench, "-i", "-s", "2", "-q"], check=True, capture_output=True)
        assert filled.volume("re-encrypt", "--rate", "32MiB").code == OK
        load = subprocess.run([*bench, "-c", "2", "-T", "4"], capture_output=True, text=True)
        assert load.returncode == 0 and "failed transactions: 0 (" in load.stdout, load
        wait_for("the end of it", lambda: done(filled), 60)
        checked = psql(filled.base, postgres.port,
                       "select sum(abalance) = (select sum(delta) from pgbench_history) "
                       "from pgbench_accounts")
        assert checked.stdout.strip() == "t", checked
    finally:
        postgres.stop()
    assert deks_of_files(filled) == deks(filled)
    filled.unmount()
