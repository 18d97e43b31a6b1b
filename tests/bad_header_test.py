"""Encrypted files with damaged headers, cut short, of another volume, or that are none at all."""

import errno
import random
import shutil
import struct
import subprocess

import pytest

import freehold_testing as ft
from bad_input_testing import CONTENTS, flip, holds_its_data, opens_with_its_data, says
from bad_input_testing import copy, kms, loaded, nothing_was_lost, other  # fixtures

SLOTS = (0, 2048)


def read_error(path):
    with pytest.raises(OSError) as failure:
        path.read_bytes()
    return failure.value.errno


def faults(volume):
    result = volume.volume("verify", "--json")
    assert result.err == "", result
    assert (result.code == ft.VERIFY_FAILED) == (not result.json["sound"]), result
    assert result.code in (ft.OK, ft.VERIFY_FAILED), result
    return {fault["path"]: fault for fault in result.json["faults"]}


def test_one_damaged_header_slot_costs_nothing_and_verify_names_it(copy):
    for slot in (0, 1):
        for offset in (0, 7, 8, 10, 11, 12, 16, 24, 40, 56, 72, 103, 104, 300, 479, 480, 511):
            original = (copy.data / "log").read_bytes()
            flip(copy.data / "log", SLOTS[slot] + offset, offset % 8)
            found = faults(copy)
            assert list(found) == ["log"], (slot, offset, found)
            assert found["log"]["readable"] and f"slot {slot}" in found["log"]["what"]
            if offset in (0, 8, 480):
                opens_with_its_data(copy)
            (copy.data / "log").write_bytes(original)


def test_two_damaged_header_slots_are_an_error_and_never_other_bytes(copy):
    for first, second in ((0, 0), (8, 480), (24, 24), (40, 72), (56, 56), (300, 511)):
        original = (copy.data / "log").read_bytes()
        flip(copy.data / "log", SLOTS[0] + first)
        flip(copy.data / "log", SLOTS[1] + second)
        found = faults(copy)
        assert list(found) == ["log"] and not found["log"]["readable"], (first, second)
        copy.mount()
        assert read_error(copy.mount_point / "log") in (errno.EIO, errno.ENOTSUP)
        with pytest.raises(OSError):
            open(copy.mount_point / "log", "r+b").close()
        holds_its_data(copy.mount_point, without=["log"])
        copy.unmount()
        (copy.data / "log").write_bytes(original)
    opens_with_its_data(copy)


def test_a_zeroed_header_is_not_taken_for_an_empty_file(copy):
    with open(copy.data / "log", "r+b") as file:
        file.write(bytes(4096))
    assert "zeros" in faults(copy)["log"]["what"]
    copy.mount()
    assert read_error(copy.mount_point / "log") == errno.EIO
    holds_its_data(copy.mount_point, without=["log"])


def test_a_header_that_a_crash_lost_makes_a_file_of_zeros_that_is_named(copy):
    """Its file was never synced: the crash kept blocks of the body, and not the header's."""
    copy.mount()
    copy.kill_daemon()
    length = len(CONTENTS["log"])
    with open(copy.data / "log", "r+b") as file:
        file.write(bytes(4096))
    copy.mount()
    holds_its_data(copy.mount_point, without=["log"])
    contents = (copy.mount_point / "log").read_bytes()
    assert contents == bytes(len(contents)) and len(contents) in (0, length)
    found = faults(copy)["log"]
    assert "never synced" in found["what"] and found["readable"]
    with open(copy.mount_point / "log", "wb") as file:
        file.write(b"written anew")
    assert (copy.mount_point / "log").read_bytes() == b"written anew"


def test_a_file_cut_at_any_length_reads_as_a_prefix_or_not_at_all(copy):
    whole = (copy.data / "log").read_bytes()
    contents = CONTENTS["log"]
    lengths = {1, 15, 511, 512, 2047, 2048, 2560, 4095, 4096, 4097, 4111, 4112, 4113, 4128}
    lengths |= {len(whole) - n for n in range(1, 34)} | {4096 + 4096, 4096 + 4097, 4096 + 4113}
    for length in sorted(lengths):
        (copy.data / f"cut-{length}").write_bytes(whole[:length])
    found = faults(copy)
    copy.mount()
    for length in sorted(lengths):
        path = copy.mount_point / f"cut-{length}"
        if length < 4096:
            assert read_error(path) == errno.EIO
            assert "cut short" in found[path.name]["what"] and not found[path.name]["readable"]
            continue
        left = path.read_bytes()
        # The length alone tells the end: a cut just inside it can leave zeros of the padding.
        assert (contents + bytes(15)).startswith(left) and len(left) == path.stat().st_size
        assert len(left) >= length - 4096 - 31
        body = length - 4096
        possible = body % 16 == 0 or body > 16
        if not possible:
            assert "never written" in found[path.name]["what"], length
    holds_its_data(copy.mount_point)


def test_a_file_of_another_volume_is_refused_by_name(copy, other):
    shutil.copy(other.data / "table", copy.data / "table")
    found = faults(copy)
    assert list(found) == ["table"] and "another volume" in found["table"]["what"]
    copy.mount()
    assert read_error(copy.mount_point / "table") == errno.EIO
    assert "another volume" in copy.log()
    holds_its_data(copy.mount_point, without=["table"])


def test_a_file_of_a_newer_format_is_called_newer(copy):
    path = copy.data / "table"
    for slot in SLOTS:
        flip(path, slot + 8, 1)
    says(lambda *more: copy.run("inspect", path, *more), ft.VERSION, "format version 3")
    assert "format version 3" in faults(copy)["table"]["what"]
    copy.mount()
    assert read_error(copy.mount_point / "table") == errno.EOPNOTSUPP
    holds_its_data(copy.mount_point, without=["table"])


def test_verify_lists_every_kind_of_fault_at_once_mounted_or_not(copy, other):
    log = (copy.data / "log").read_bytes()
    (copy.data / "short").write_bytes(log[:100])
    (copy.data / "zeros").write_bytes(bytes(5000))
    (copy.data / "noise").write_bytes(random.Random(1).randbytes(9000))
    (copy.data / "cut").write_bytes(log[: 4096 + 7])
    shutil.copy(other.data / "log", copy.data / "foreign")
    (copy.data / "no-dek").write_bytes(log[:56] + bytes(16) + log[72:2104] + bytes(16) + log[2120:])
    (copy.data / "slack").write_bytes(log[:-1] + b"x")
    (copy.data / "one-slot").write_bytes(bytes(512) + log[512:])
    expected = {
        "short": (False, "cut short"), "zeros": (False, "all zeros"),
        "noise": (False, "Freehold's mark"), "foreign": (False, "another volume"),
        "no-dek": (False, "no DEK"), "cut": (True, "never written"),
        "slack": (True, "not zeros"), "one-slot": (True, "slot 0"),
    }
    for mounted in (False, True):
        if mounted:
            copy.mount()
        found = faults(copy)
        assert set(found) == set(expected)
        for name, (readable, words) in expected.items():
            assert found[name]["readable"] == readable and words in found[name]["what"], found[name]
        for_people = copy.volume("verify")
        assert for_people.code == ft.VERIFY_FAILED and for_people.err == ""
        assert all(name in for_people.out for name in expected)
    holds_its_data(copy.mount_point)


def test_verify_of_a_mounted_volume_lists_thousands_of_faults(copy):
    for n in range(2000):
        (copy.data / f"a file with a rather long name, number {n}").write_bytes(b"no header")
    copy.mount()
    found = faults(copy)
    assert len(found) == 2000


def test_verify_goes_on_while_files_come_go_and_grow(copy):
    copy.mount()
    churn = subprocess.Popen(
        ["/bin/sh", "-c", f"cd {copy.mount_point} && while :; do "
         "for n in 1 2 3 4 5 6 7 8 9; do echo data > t$n; cat t$n >> grows; sync grows; done; "
         "rm -f t*; done"]
    )
    try:
        for _ in range(40):
            assert faults(copy) == {}
        assert churn.poll() is None
    finally:
        churn.kill()
        churn.wait(10)


GARBAGE = {
    "nothing": b"",
    "one byte": b"x",
    "less than a header": bytes(range(256)) * 10,
    "noise": random.Random(7).randbytes(10_000),
    "half a keyring": b"FHOLDKEY",
    "a keyring of noise": b"FHOLDKEY\x01\0\0\0" + random.Random(8).randbytes(1000),
    "a keyring that claims many keys": b"FHOLDKEY\x01\0\0\0" + struct.pack("<I", 117)
    + bytes(40) + b"\1" + bytes(8) + b"\xff\xff\xff\xff" + bytes(48 - 12 + 32 - 20),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_inspect_of_garbage_ends_with_one_sentence(kms, loaded, tmp_path, what):
    path = tmp_path / "garbage"
    path.write_bytes(GARBAGE[what])
    says(lambda *more: loaded.run("inspect", path, *more), (ft.FILE_CORRUPT, ft.KEYRING_CORRUPT))


def test_inspect_of_what_is_no_file_ends_with_one_sentence(loaded, tmp_path):
    says(lambda *m: loaded.run("inspect", tmp_path / "none", *m), ft.NOT_FOUND, "No such file")
    says(lambda *m: loaded.run("inspect", tmp_path, *m), (ft.USAGE, ft.FILE_CORRUPT))
    says(lambda *m: loaded.run("inspect", "/dev/null", *m), ft.FILE_CORRUPT, "less than a header")


TEXT = b"name,card\n" + b"Ada Lovelace,4000 1234 5678 9010\n" * 400


def plaintext_in(volume, offset, text):
    """Writes into a file on disk, behind its header; what verify says of it."""
    original = (volume.data / "log").read_bytes()
    with open(volume.data / "log", "r+b") as file:
        file.seek(4096 + offset)
        file.write(text)
    found = faults(volume)
    (volume.data / "log").write_bytes(original)
    return found


def test_verify_finds_plaintext_under_a_valid_header(copy):
    size = len((copy.data / "log").read_bytes()) - 4096
    for offset, text in ((0, TEXT[:512]), (4096, TEXT[:100]), (size // 2, TEXT[:2000])):
        assert offset + len(text) < size
        found = plaintext_in(copy, offset, text)["log"]
        assert "not encrypted" in found["what"] and not found["readable"]
        at = int(found["what"].split(" at ")[1].split()[0])
        assert abs(at - 4096 - offset) < 512, (at, offset)
    noise = plaintext_in(copy, 4096, random.Random(5).randbytes(2000))
    assert noise == {}, "random bytes cannot be told from ciphertext"


def test_verify_finds_plaintext_that_was_copied_beside_the_encrypted_files(copy):
    (copy.data / "dump.csv").write_bytes(TEXT)
    (copy.directory / "dump.csv").write_bytes(TEXT)
    (copy.directory / "freehold/keyring~").write_bytes(b"")
    (copy.directory / "freehold/old").mkdir()
    found = faults(copy)
    assert set(found) == {"dump.csv", "../dump.csv", "../freehold/keyring~", "../freehold/old"}
    assert not found["dump.csv"]["readable"]
    with open(copy.data / "log", "r+b") as file:
        file.seek(1000)
        file.write(TEXT[:200])
    assert "beside its slots" in faults(copy)["log"]["what"]


def test_verify_of_a_sealed_volume_says_so(copy):
    copy.mount()
    assert copy.volume("seal").code == ft.OK
    copy.wait_for_state("sealed")
    assert copy.volume("verify").code == ft.SEALED
