"""aes-256-ctr: files are written once, keystream is never used twice, and who tries is told so."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import pathlib
import random
import subprocess
import sys
import threading

import pytest

from clickhouse_testing import Chdb, ClickHouseServer
from freehold_testing import OK, ROOT, Volume, wait_for
from keystream_reuse import Snapshot, find_reuse
from supervised_testing import Supervised

READER = ROOT / "tests/interop/freehold_reader.py"
CTR = ("--cipher", "aes-256-ctr")


@pytest.fixture
def volume(new_kms, tmp_path):
    made = Volume(new_kms, tmp_path).create(*CTR)
    yield made
    made.clean_up()


class Disk:
    """Takes pictures of a volume's files, to be searched for keystream that was used twice."""

    largest = 1 << 20  # bytes of a file: the search looks at each block

    def __init__(self, volume):
        self.volume = volume
        self.snapshots = []

    def take(self):
        os.sync()
        number = len(self.snapshots)
        for path in sorted(self.volume.data.rglob("*")):
            plain = self.volume.mount_point / path.relative_to(self.volume.data)
            if path.is_file() and 0 < path.stat().st_size < self.largest:
                self.snapshots.append(Snapshot.of(f"{path.name}@{number}", plain, path))

    def must_have_used_no_keystream_twice(self):
        self.take()
        assert sum(len(snapshot.plaintext) for snapshot in self.snapshots) > 0
        assert find_reuse(self.snapshots) == []


@pytest.fixture
def disk(mounted):
    taken = Disk(mounted)
    yield taken
    taken.must_have_used_no_keystream_twice()


def text(name, size):
    return "".join(f"{name} {i:6}\n" for i in range(size // 8 + 1)).encode()[:size]


def test_a_file_is_written_read_and_appended_to(mounted, disk):
    path = mounted.mount_point / "file"
    path.write_bytes(text("first", 100_001))
    disk.take()
    with open(path, "ab") as file:
        file.write(text("second", 50_000))
        file.flush()
        os.fsync(file.fileno())
        disk.take()
        file.write(text("third", 7))
    assert path.read_bytes() == text("first", 100_001) + text("second", 50_000) + text("third", 7)
    mounted.unmount()
    mounted.mount()
    assert path.stat().st_size == 150_008
    assert path.read_bytes().endswith(text("third", 7))


def test_hazard_overwriting_is_refused_at_the_write(mounted, disk):
    path = mounted.mount_point / "file"
    path.write_bytes(text("old", 10_000))
    with open(path, "r+b", buffering=0) as file:
        file.seek(5000)
        with pytest.raises(PermissionError) as refused:
            file.write(b"other bytes")
        assert refused.value.errno == errno.EPERM
        file.seek(5000)
        assert file.write(text("old", 10_000)[5000:5100]) == 100, "the same bytes are no change"
    assert path.read_bytes() == text("old", 10_000)


def test_hazard_truncate_then_append(mounted, disk):
    path = mounted.mount_point / "file"
    path.write_bytes(text("first", 9_999))
    disk.take()
    for cut in (5003, 4096, 17):
        with open(path, "r+b", buffering=0) as file:
            file.truncate(cut)
            file.seek(cut)
            file.write(text(f"after {cut}", 3000))
        disk.take()
        assert path.read_bytes() == path.read_bytes()[:cut] + text(f"after {cut}", 3000)


def test_hazard_recycled_by_rename(mounted, disk):
    old, new = mounted.mount_point / "segment1", mounted.mount_point / "segment2"
    old.write_bytes(text("first", 64 << 10))
    disk.take()
    old.rename(new)
    with open(new, "r+b", buffering=0) as file, pytest.raises(PermissionError):
        file.write(text("second", 8192))
    new.write_bytes(text("second", 8192))  # O_TRUNC: it starts anew
    disk.take()
    assert new.read_bytes() == text("second", 8192)


def test_hazard_filled_with_zeros_then_written(mounted, disk):
    path = mounted.mount_point / "segment"
    path.write_bytes(bytes(64 << 10))
    disk.take()
    with open(path, "r+b", buffering=0) as file, pytest.raises(PermissionError):
        file.write(text("log", 8192))


def test_hazard_preallocated_then_written(mounted, disk):
    path = mounted.mount_point / "segment"
    with open(path, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 64 << 10)
        for number in range(20):
            file.write(text(f"part {number}", 777))
    assert path.stat().st_size == 64 << 10
    assert path.read_bytes()[20 * 777 :] == bytes((64 << 10) - 20 * 777)


def test_hazard_a_copy_of_the_ciphertext_goes_on_differently(mounted, disk):
    path, data = mounted.mount_point / "file", mounted.data
    path.write_bytes(text("common", 5000))
    mounted.unmount()
    subprocess.run(["cp", "--reflink=auto", data / "file", data / "copy"], check=True)
    mounted.mount()
    for name in ("file", "copy"):
        with open(mounted.mount_point / name, "ab") as file:
            file.write(text(name, 3000))
    assert (mounted.mount_point / "copy").read_bytes() == text("common", 5000) + text("copy", 3000)


def test_random_programs_never_use_keystream_twice(mounted, disk):
    chance = random.Random(7)
    for name in map(str, range(8)):
        path, contents = mounted.mount_point / name, b""
        for step in range(12):
            piece = text(f"{name}.{step}", chance.choice([1, 15, 16, 100, 4096, 5000]))
            cut = chance.choice([len(contents)] * 3 + [0, chance.randrange(len(contents) + 1)])
            with open(path, "ab", buffering=0) as file:
                file.truncate(cut)
                try:
                    file.write(piece)
                except PermissionError:  # too many steps: a new file would be made
                    piece = b""
            contents = contents[:cut] + piece
            assert path.read_bytes() == contents
            if chance.random() < 0.3:
                disk.take()


def test_a_killed_mount_goes_on_under_a_fresh_keystream(mounted, disk):
    path = mounted.mount_point / "file"
    with open(path, "wb", buffering=0) as file:
        file.write(text("synced", 1234))
        os.fsync(file.fileno())
        file.write(text("perhaps lost", 999))
        disk.snapshots.append(Snapshot("before the kill", text("synced", 1234)
                                       + text("perhaps lost", 999),
                                       (mounted.data / "file").read_bytes()))
        mounted.kill_daemon()
    mounted.mount()
    kept = path.read_bytes()
    assert kept.startswith(text("synced", 1234))
    with open(path, "ab") as file:
        file.write(text("later", 2000))
    assert path.read_bytes() == kept + text("later", 2000)


def test_it_is_reencrypted_while_it_is_read(mounted, disk):
    path = mounted.mount_point / "file"
    path.write_bytes(text("some", 300_000))
    disk.take()
    assert mounted.volume("re-encrypt", "--wait").code == OK
    assert path.read_bytes() == text("some", 300_000)
    assert mounted.volume("verify").code == OK


def test_a_directory_that_changes_is_imported_and_comes_out_again(volume, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    (source / "below").mkdir(parents=True)
    (source / "changes").write_bytes(text("first", 200_000))
    os.link(source / "changes", source / "below/linked")
    with open(source / "holes", "wb") as file:
        file.write(b"begin")
        file.truncate(3_000_001)
    imported = ["volume", "import", source, volume.directory, "--state", volume.state]
    assert volume.run(*imported, "--running").code == OK
    with open(source / "changes", "r+b") as file:
        file.seek(100_000)
        file.write(text("second", 5_000))
    result = volume.run(*imported)
    assert result.code == OK, result
    result = volume.run("volume", "export", volume.directory, out, "--state", volume.state)
    assert result.code == OK, result
    for name in ("changes", "below/linked", "holes"):
        assert (out / name).read_bytes() == (source / name).read_bytes()
    assert (out / "changes").samefile(out / "below/linked")


def test_the_reader_agrees(mounted, tmp_path):
    path = mounted.mount_point / "file"
    for size in (5001, 20, 4096, 3):
        with open(path, "ab") as file:
            file.write(text(str(size), size))
    expected, kek = path.read_bytes(), mounted.unwrapped_kek()
    mounted.unmount()
    (tmp_path / "kek").write_bytes(kek)
    read = subprocess.run(
        [sys.executable, READER, "--kek", tmp_path / "kek", mounted.keyring, mounted.data / "file"], capture_output=True, check=True)
    assert read.stdout == expected


def test_maps_read_and_a_store_through_one_is_refused_when_it_is_written_back(mounted):
    path = mounted.mount_point / "file"
    path.write_bytes(text("mapped", 9000))
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapped:
            assert mapped[:100] == text("mapped", 100)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[10:20] = b"0123456789"
        with pytest.raises(PermissionError):
            mapped.flush()
    assert path.read_bytes() == text("mapped", 9000)


def pages_in_cache(path):
    """Of what the kernel holds of the file."""
    size, libc = path.stat().st_size, ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
    with open(path, "rb") as file:
        where = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        assert libc.mincore(ctypes.c_void_p(where), ctypes.c_size_t(size), pages) == 0
        libc.munmap(ctypes.c_void_p(where), ctypes.c_size_t(size))
    return sum(page & 1 for page in pages)


def test_what_was_read_stays_in_the_cache_and_goes_with_the_key(mounted):
    path = mounted.mount_point / "file"
    path.write_bytes(text("cached", 1 << 20))
    assert pages_in_cache(path) == 0
    assert path.read_bytes() == text("cached", 1 << 20)
    assert pages_in_cache(path) == 256
    reader = os.open(path, os.O_RDONLY)
    mounted.kms.client("kms").disable_key(KeyId=mounted.key)
    mounted.wait_for_state("sealed")
    assert mounted.status()["last_seal"]["cached_pages"] == 0
    with pytest.raises(OSError):
        os.pread(reader, 10, 0)
    os.close(reader)


def refused_store(path, reads_before):
    expected = path.stat().st_size
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        if reads_before:
            assert len(path.read_bytes()) == expected
        mapped[10:20] = b"0123456789"
        with pytest.raises(PermissionError):
            mapped.flush()


@pytest.mark.parametrize("reads_before", [False, True])
def test_who_reads_never_keeps_what_was_refused(mounted, reads_before):
    path = mounted.mount_point / "file"
    path.write_bytes(text("true", 9000))
    refused_store(path, reads_before)
    wait_for("the refused bytes to go", lambda: path.read_bytes() == text("true", 9000), 5)


def test_what_was_refused_would_stay_if_nobody_saw_to_it(volume):
    volume.extra_environment["FREEHOLD_MUTANT"] = "pages-not-dropped"
    volume.mount()
    path = volume.mount_point / "file"
    path.write_bytes(text("true", 9000))
    refused_store(path, reads_before=True)
    assert path.read_bytes()[10:20] == b"0123456789"


def test_a_store_that_is_repeated_while_it_is_refused_stops_nobody(mounted):
    path, ended, written = mounted.mount_point / "file", threading.Event(), 0
    path.write_bytes(text("true", 1 << 20))
    assert len(path.read_bytes()) == 1 << 20
    with open(path, "ab", buffering=0) as writer, open(path, "r+b") as file, \
            mmap.mmap(file.fileno(), 1 << 20) as mapped:
        def store():
            while not ended.is_set():
                for at in range(0, 1 << 20, 4096):
                    mapped[at] ^= 1

        storing = threading.Thread(target=store)
        storing.start()
        for _ in range(100):
            with contextlib.suppress(OSError):  # EPERM; or EIO, as the kernel remembers it
                mapped.flush()
            with contextlib.suppress(OSError):
                written += writer.write(b"more")
        ended.set()
        storing.join(60)
        assert not storing.is_alive()
    assert written > 0
    expected = text("true", 1 << 20) + b"more" * (written // 4)
    wait_for("the refused bytes to go", lambda: path.read_bytes() == expected, 10)


def test_a_reader_with_a_cache_sees_what_is_appended(mounted, disk):
    path, chance, contents = mounted.mount_point / "file", random.Random(8), text("begun", 100)
    path.write_bytes(contents)
    with open(path, "rb", buffering=0) as reader, open(path, "ab", buffering=0) as writer, \
            mmap.mmap(reader.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        for step in range(300):
            assert os.pread(reader.fileno(), 1 << 20, 0) == contents
            piece = text(f"step {step}", chance.choice([1, 7, 16, 300, 4096, 5000]))
            assert writer.write(piece) == len(piece)
            contents += piece
            assert os.pread(reader.fileno(), 5000, len(contents) - len(piece)) == piece
        assert mapped[:100] == contents[:100]


def test_a_reader_with_a_cache_sees_holes_being_filled_and_cuts(mounted):
    path = mounted.mount_point / "file"
    with open(path, "xb", buffering=0) as writer, open(path, "rb", buffering=0) as reader:
        writer.truncate(40_960)
        assert os.pread(reader.fileno(), 40_960, 0) == bytes(40_960)
        assert os.pwrite(writer.fileno(), text("here", 4096), 8192) == 4096
        expected = bytes(8192) + text("here", 4096) + bytes(40_960 - 12_288)
        assert os.pread(reader.fileno(), 1 << 20, 0) == expected
        writer.truncate(8200)
        assert os.pread(reader.fileno(), 1 << 20, 0) == expected[:8200]


def test_many_readers_never_see_less_than_what_was_acknowledged(mounted, disk):
    path, whole, written, ended = mounted.mount_point / "file", text("all", 400_000), [0], []
    path.touch()

    def read_on():
        with open(path, "rb", buffering=0) as reader:
            while not ended:
                least = written[0]
                seen = os.pread(reader.fileno(), 1 << 20, 0)
                if len(seen) < least or seen != whole[:len(seen)]:
                    ended.append(f"{len(seen)} of {least}")

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    with open(path, "ab", buffering=0) as writer:
        while written[0] < len(whole) and not ended:
            size = 1 + written[0] % 977
            written[0] += writer.write(whole[written[0]:written[0] + size])
    ended.append("")
    for reader in readers:
        reader.join(60)
        assert not reader.is_alive()
    assert ended == [""]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("database", [ClickHouseServer, Chdb], ids=lambda each: each.name)
def test_a_database_that_writes_its_files_once_runs_on_it(volume, database, report):
    supervised = Supervised(database, volume)
    try:
        running = supervised.start().database
        write = running.writer()
        write(f"create table events {running.table('client int, number int, text text')}")
        for client in range(6):
            rows = (f"({client}, {number}, 'row {number}')" for number in range(3000))
            write("insert into events values " + ", ".join(rows))
        write("optimize table events final")
        before = running.checksum("events")
        checked = running.check()
        supervised.stop()
        disk = Disk(volume)
        with volume.opened():
            disk.must_have_used_no_keystream_twice()
        supervised = Supervised(database, volume)
        running = supervised.start().database
        assert running.checksum("events") == before
        report(f"{running.name} {running.version()} on aes-256-ctr: {checked}")
    finally:
        supervised.clean_up()


def test_create_says_what_the_cipher_is_for(new_kms, tmp_path):
    created = Volume(new_kms, tmp_path).volume(
        "create", "--key", f"aws-kms://{new_kms.new_key()}", "--cipher", "aes-256-ecb")
    assert created.code == 2
    assert "aes-256-ctr for files that are written once" in created.err
    assert not pathlib.Path(tmp_path / "volume").exists()
