"""No keystream is used twice: shown by a detector that is first shown to find it when it is.

The same history of files, as PostgreSQL and others write them, runs over a stream cipher that does
everything wrong, over one that takes a new IV for every write, and over a volume.
"""

import os
import random
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import keystream_reuse
from keystream_reuse import HEADER, Snapshot, find_reuse, xor

PAGE = 8192
SEGMENT = 8 * PAGE


class ReusingDirectory:
    """Files under AES-256-CTR with one key, and one IV for ever; or, `fresh_iv`, one a write."""

    def __init__(self, fresh_iv=False):
        self.key, self.iv, self.fresh_iv = os.urandom(32), os.urandom(16), fresh_iv
        self.plain, self.backing = {}, {}

    def keystream(self, size):
        iv = os.urandom(16) if self.fresh_iv else self.iv
        return Cipher(algorithms.AES(self.key), modes.CTR(iv)).encryptor().update(bytes(size))

    def write(self, name, offset, data):
        plain = self.plain.setdefault(name, bytearray())
        backing = self.backing.setdefault(name, bytearray(HEADER))
        end = offset + len(data)
        plain.extend(bytes(max(0, end - len(plain))))
        backing.extend(bytes(max(0, HEADER + end - len(backing))))
        plain[offset:end] = data
        backing[HEADER + offset : HEADER + end] = xor(data, self.keystream(end)[offset:])

    def truncate(self, name, size):
        del self.plain[name][size:], self.backing[name][HEADER + size :]

    def rename(self, old, new):
        self.plain[new], self.backing[new] = self.plain.pop(old), self.backing.pop(old)

    def snapshot(self, name, moment):
        return Snapshot(f"{name}@{moment}", bytes(self.plain[name]), bytes(self.backing[name]))


class VolumeDirectory:
    """The same operations on a mounted volume."""

    def __init__(self, volume):
        self.volume = volume

    def write(self, name, offset, data):
        fd = os.open(self.volume.mount_point / name, os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, data, offset)
        os.fsync(fd)
        os.close(fd)

    def truncate(self, name, size):
        os.truncate(self.volume.mount_point / name, size)

    def rename(self, old, new):
        os.rename(self.volume.mount_point / old, self.volume.mount_point / new)

    def snapshot(self, name, moment):
        return Snapshot.of(f"{name}@{moment}", self.volume.mount_point / name,
                           self.volume.data / name)


def text(seed, size):
    return random.Random(seed).randbytes(size)


def overwrite_a_page(files):
    """A table's page, changed in the middle and written again whole."""
    page = bytearray(text("page", PAGE))
    files.write("table", 0, bytes(page))
    yield files.snapshot("table", "first")
    page[4000:4100] = text("row", 100)
    files.write("table", 0, bytes(page))
    yield files.snapshot("table", "second")


def zero_fill_a_segment(files):
    """wal_init_zero: the log's segment is written as zeros before its records come."""
    for at in range(0, SEGMENT, PAGE):
        files.write("segment", at, bytes(PAGE))
    yield files.snapshot("segment", "zeros")
    files.write("segment", 0, text("records", 3 * PAGE))
    yield files.snapshot("segment", "records")


def recycle_a_segment(files):
    """wal_recycle: an old segment gets a new name and is overwritten from its start."""
    files.write("0001", 0, text("old records", SEGMENT))
    yield files.snapshot("0001", "full")
    files.rename("0001", "0002")
    files.write("0002", 0, text("new records", 2 * PAGE))
    yield files.snapshot("0002", "recycled")


def truncate_and_append(files):
    """A log that is cut back and goes on differently; the lengths are odd."""
    files.write("log", 0, text("log", 3001))
    yield files.snapshot("log", "before")
    files.truncate("log", 1003)
    files.write("log", 1003, text("other", 2500))
    yield files.snapshot("log", "after")


def rewrite_the_tail_page(files):
    """The last page of a log is written again and again as it fills."""
    records = text("tail", PAGE)
    for filled in (100, 900, 5000):
        files.write("tail", 0, records[:filled].ljust(PAGE, b"\0"))
        yield files.snapshot("tail", filled)


def two_files(files):
    """Two files, each written once."""
    for name in ("one", "two"):
        files.write(name, 0, text(name, PAGE))
        yield files.snapshot(name, "only")


HISTORIES = [overwrite_a_page, zero_fill_a_segment, recycle_a_segment, truncate_and_append,
             rewrite_the_tail_page, two_files]


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_it_is_found_where_a_stream_cipher_keeps_its_iv(history):
    found = find_reuse(history(ReusingDirectory()))
    assert found
    assert all(reuse.first != reuse.second for reuse in found)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_it_is_not_found_where_every_write_has_an_iv_of_its_own(history):
    assert find_reuse(history(ReusingDirectory(fresh_iv=True))) == []


def test_it_is_found_across_places_of_one_file():
    files = ReusingDirectory()
    files.write("file", 0, text("a", 64))
    shifted = xor(text("b", 64), files.keystream(64))
    plain = files.plain["file"] + text("b", 64)
    found = find_reuse([Snapshot("file", bytes(plain), bytes(files.backing["file"]) + shifted)])
    assert [(reuse.first[1], reuse.second[1]) for reuse in found] == [
        (at, 64 + at) for at in range(0, 64, 16)]


def test_what_was_not_written_again_is_no_evidence():
    files = ReusingDirectory()
    files.write("file", 0, text("a", 4096))
    assert find_reuse([files.snapshot("file", moment) for moment in range(3)]) == []


def test_the_volume_uses_none_twice(mounted):
    snapshots = []
    for history in HISTORIES:
        snapshots += history(VolumeDirectory(mounted))
    blocks = sum(len(snapshot.plaintext) // 16 for snapshot in snapshots)
    assert blocks > 20000
    for snapshot in snapshots:
        assert len(snapshot.ciphertext()) == len(snapshot.plaintext)
        assert snapshot.ciphertext()[:64] != snapshot.plaintext[:64]
    assert find_reuse(snapshots) == []


def test_the_command_says_where_and_ends_with_1(tmp_path):
    arguments = []
    for snapshot in overwrite_a_page(ReusingDirectory()):
        for kind, content in (("plain", snapshot.plaintext), ("backing", snapshot.backing)):
            path = tmp_path / f"{snapshot.name}.{kind}"
            path.write_bytes(content)
            arguments.append(str(path))
    command = [sys.executable, keystream_reuse.__file__]
    run = subprocess.run(command + arguments, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "share keystream" in run.stdout
    run = subprocess.run(command + arguments[:2], capture_output=True, text=True, check=False)
    assert run.returncode == 0
