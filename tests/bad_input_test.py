"""Bad input gets one clear sentence and a documented exit code, and loses nothing.

After every test the volume of this file is opened again and must still have its data. Tests that
damage something do so to a copy of it.
"""

import concurrent.futures
import contextlib
import errno
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

import freehold_testing as ft
import freehold_reader  # its path is set by freehold_testing
from freehold_testing import EmbeddedKms, Volume, wait_for

CONTENTS = {
    "table": bytes(range(256)) * 64,  # 16 KiB: a whole number of blocks
    "log": b"a line that is no multiple of sixteen bytes long\n" * 100 + b"end",
    "deep/down/file": b"x",
    "empty": b"",
}
SLOTS = (0, 2048)
EXIT_NAMES = {
    2: "invalid_argument", 3: "not_found", 4: "already_exists", 5: "busy", 6: "permission_denied",
    7: "io", 8: "no_space", 10: "key_denied", 12: "key_unreachable", 13: "our_credentials",
    14: "key_data", 20: "keyring_corrupt", 21: "keyring_refused", 22: "file_corrupt",
    23: "unsupported_version", 24: "sealed",
}
RETRYABLE = {5, 8, 11, 12, 13, 24, 25}


def one_sentence(result, code, *words):
    """Exit code, and exactly one line on standard error that says these words."""
    codes = code if isinstance(code, tuple) else (code,)
    assert result.code in codes, result
    lines = result.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("freehold: "), result
    assert len(lines[0]) > len("freehold: ") + 10, result
    for word in words:
        assert word in lines[0], (word, result)


def says(run, code, *words):
    """`run(*more flags)` fails as it should, both for people and, with --json, for programs."""
    result = run()
    one_sentence(result, code, *words)
    as_json = run("--json")
    assert as_json.code == result.code, as_json
    assert as_json.json["error"] == {
        "code": EXIT_NAMES[result.code],
        "exit_code": result.code,
        "retryable": result.code in RETRYABLE,
        "message": as_json.json["error"]["message"],
    }
    one_sentence(as_json, code)
    assert as_json.json["error"]["message"] in as_json.err
    return result


def command(volume, name, *arguments):
    """A `volume` command as `says` wants it."""
    return lambda *more: volume.volume(name, *arguments, *more)


def mounting(volume, *arguments):
    return command(volume, "mount", volume.mount_point, *ft.FAST, *arguments)


def fill(mount_point):
    for name, contents in CONTENTS.items():
        path = mount_point / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)


def holds_its_data(mount_point, without=()):
    for name, contents in CONTENTS.items():
        if name not in without:
            assert (mount_point / name).read_bytes() == contents, name


def opens_with_its_data(volume, *arguments, without=()):
    volume.mount(*arguments)
    try:
        holds_its_data(volume.mount_point, without)
    finally:
        volume.unmount()


@pytest.fixture(scope="module")
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="freehold-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def kms(directory):
    server = EmbeddedKms(directory / "kms")
    yield server
    server.stop()


def new_volume(kms, path, **more):
    path.mkdir()
    volume = Volume(kms, path, **more)
    volume.create()
    with volume.opened() as mount_point:
        fill(mount_point)
    return volume


@pytest.fixture(scope="module")
def loaded(kms, directory):
    volume = new_volume(kms, directory / "loaded")
    yield volume
    volume.clean_up()


@pytest.fixture(scope="module")
def other(kms, directory, loaded):
    """Another volume under the same key, known to another machine (state directory) only."""
    volume = new_volume(kms, directory / "other", key=loaded.key)
    yield volume
    volume.clean_up()


@pytest.fixture(autouse=True)
def nothing_was_lost(loaded):
    yield
    opens_with_its_data(loaded)
    assert loaded.volume("verify").code == ft.OK


@pytest.fixture
def copy(loaded, tmp_path):
    """The volume and what this machine knows of it, to be damaged."""
    made = Volume(loaded.kms, tmp_path, key=loaded.key)
    shutil.copytree(loaded.directory, made.directory, symlinks=True)
    shutil.copytree(loaded.state, made.state)
    yield made
    made.clean_up()


def flip(path, offset, bit=0):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def kms_requests(volume):
    return len(volume.kms.events())


def edited(keyring, old, new, count=-1):
    """A keyring with some bytes replaced and its length field put right; its MAC is not."""
    assert old in keyring
    changed = keyring.replace(old, new, count)
    return changed[:12] + struct.pack("<I", len(changed)) + changed[16:]


def text(words):
    return struct.pack("<H", len(words)) + words.encode()


# ---- the keyring ----


def test_a_missing_keyring_is_named_as_lost_by_every_command(copy):
    copy.keyring.unlink()
    for name in ("status", "verify", "seal", "open", "unmount"):
        says(command(copy, name), ft.KEYRING_CORRUPT, "has lost its keyring", str(copy.keyring))
    says(mounting(copy), ft.KEYRING_CORRUPT, "has lost its keyring")
    key = ["--key", f"aws-kms://{copy.key}"]
    says(command(copy, "rotate-key", *key), ft.KEYRING_CORRUPT, "has lost its keyring")
    says(command(copy, "create", *key), ft.ALREADY_EXISTS, "not empty")
    assert (copy.data / "table").stat().st_size == 4096 + len(CONTENTS["table"])


def test_a_truncated_or_lengthened_keyring_is_corrupt_at_every_length(copy):
    whole = copy.keyring.read_bytes()
    lengths = {0, 1, 7, 8, 11, 12, 15, 16, 47, 48, 49, len(whole) - 33, len(whole) - 32}
    lengths |= {*range(60, len(whole), 37), len(whole) - 1}
    for length in sorted(lengths):
        copy.keyring.write_bytes(whole[:length])
        one_sentence(copy.volume("verify"), ft.KEYRING_CORRUPT, "the keyring is damaged")
        assert copy.keyring.read_bytes() == whole[:length]
    for longer in (b"\0", b"more bytes", whole):
        copy.keyring.write_bytes(whole + longer)
        one_sentence(copy.volume("verify"), ft.KEYRING_CORRUPT, "the keyring is damaged")
    copy.keyring.write_bytes(whole[:100])
    says(mounting(copy), ft.KEYRING_CORRUPT, "the keyring is damaged")
    says(command(copy, "status"), ft.KEYRING_CORRUPT, "the keyring is damaged")
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)


def test_a_flipped_bit_anywhere_in_the_keyring_is_noticed(copy):
    whole = copy.keyring.read_bytes()
    allowed = (ft.KEYRING_CORRUPT, ft.KEYRING_REFUSED, ft.VERSION, ft.DATA)
    seen = set()
    for offset in range(0, len(whole), 5):
        changed = bytearray(whole)
        changed[offset] ^= 1 << (offset % 8)
        copy.keyring.write_bytes(changed)
        result = copy.volume("verify")
        one_sentence(result, allowed)
        seen.add(result.code)
        assert copy.keyring.read_bytes() == changed
    assert {ft.KEYRING_CORRUPT, ft.KEYRING_REFUSED, ft.DATA} <= seen
    changed = bytearray(whole)
    changed[-1] ^= 1  # in the MAC: only the key shows it
    copy.keyring.write_bytes(changed)
    says(mounting(copy), ft.KEYRING_CORRUPT, "MAC does not fit")
    says(mounting(copy, "--wait-for-key"), ft.KEYRING_CORRUPT, "MAC does not fit")
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)


def test_a_keyring_of_another_volume_is_refused_before_any_request(copy, other):
    whole = copy.keyring.read_bytes()
    copy.keyring.write_bytes(other.keyring.read_bytes())
    before = kms_requests(copy)
    says(mounting(copy), ft.KEYRING_REFUSED, "does not know the volume")
    assert kms_requests(copy) == before
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)


def test_a_keyring_of_another_volume_is_refused_although_this_machine_knows_that_volume(
    copy, other
):
    """Else whoever writes the disk could have one customer's new data put under another's key."""
    opens_with_its_data(copy)  # this machine knows what belongs here
    shutil.copytree(other.state / "pins", copy.state / "pins", dirs_exist_ok=True)
    whole = copy.keyring.read_bytes()
    theirs = other.keyring.read_bytes()
    copy.keyring.write_bytes(theirs)
    before = kms_requests(copy)
    refusal = says(mounting(copy), ft.KEYRING_REFUSED, "another volume", "--accept-keyring")
    assert kms_requests(copy) == before
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)

    copy.keyring.write_bytes(theirs)  # who means it says so by name
    fingerprint = refusal.err.split("--accept-keyring ")[1].split()[0]
    copy.mount("--accept-keyring", fingerprint)
    with pytest.raises(OSError) as failure:
        (copy.mount_point / "table").read_bytes()
    assert failure.value.errno == errno.EIO
    copy.unmount()


def test_a_keyring_from_before_a_rotation_is_refused_until_it_is_accepted_by_name(copy):
    older = copy.keyring.read_bytes()
    old_key, new_key = copy.key, copy.kms.new_key()
    assert copy.volume("rotate-key", "--key", f"aws-kms://{new_key}").code == ft.OK
    newer = copy.keyring.read_bytes()
    copy.keyring.write_bytes(older)
    before = kms_requests(copy)
    refusal = says(mounting(copy), ft.KEYRING_REFUSED, "older", "generation 1 after 2")
    fingerprint = copy.run("inspect", copy.keyring, "--json").json["fingerprint"]
    assert f"--accept-keyring {fingerprint}" in refusal.err
    for wrong in (fingerprint[:-1], "0" * 16, "x", fingerprint + "0"):
        says(mounting(copy, "--accept-keyring", wrong), ft.KEYRING_REFUSED, "older")
    # Accepted, but its key is no longer allowed here: that takes a name too.
    says(
        mounting(copy, "--accept-keyring", fingerprint),
        ft.KEYRING_REFUSED, old_key, "not allowed", "--key",
    )
    assert kms_requests(copy) == before
    opens_with_its_data(copy, "--accept-keyring", fingerprint, "--key", f"aws-kms://{old_key}")
    opens_with_its_data(copy)  # remembered
    copy.keyring.write_bytes(newer)
    says(mounting(copy), ft.KEYRING_REFUSED, new_key, "not allowed")
    opens_with_its_data(copy, "--key", f"aws-kms://{new_key}")


FORGERIES = {
    "another key": lambda keyring, key: edited(
        keyring, key[-36:].encode(), b"11111111-2222-3333-4444-555555555555"
    ),
    "another region, and so another host": lambda keyring, _: edited(
        keyring, b":us-east-1:", b":eu-west-7:"
    ),
    "another account": lambda keyring, _: edited(keyring, b":111122223333:", b":666677778888:"),
    "a role to assume": lambda keyring, key: edited(
        keyring,
        text(f"aws-kms://{key}") + text(""),
        text(f"aws-kms://{key}") + text("arn:aws:iam::666677778888:role/theirs"),
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_keyring_that_names_what_is_not_pinned_leads_to_no_request(copy, what):
    copy.keyring.write_bytes(FORGERIES[what](copy.keyring.read_bytes(), copy.key))
    before = kms_requests(copy)
    says(mounting(copy), ft.KEYRING_REFUSED, "not allowed")
    says(command(copy, "verify"), ft.KEYRING_REFUSED, "not allowed")
    assert kms_requests(copy) == before
    assert copy.volume("status").code == ft.OK  # looking needs no key and trusts nothing


def test_a_key_outside_the_allowed_patterns_leads_to_no_request(copy, tmp_path):
    before = kms_requests(copy)
    pattern = ["--allow-key", "aws-kms://arn:aws:kms:eu-*"]
    says(mounting(copy, *pattern), ft.KEYRING_REFUSED, "allow-key", copy.key)
    says(command(copy, "verify", *pattern), ft.KEYRING_REFUSED, "allow-key")
    key = ["--key", f"aws-kms://{copy.key}"]
    says(command(copy, "rotate-key", *key, *pattern), ft.KEYRING_REFUSED, "allow-key")
    fresh = tmp_path / "fresh"
    create = ["volume", "create", fresh, "--state", copy.state, *key, *pattern]
    says(
        lambda *more: copy.run(*create, *more),
        ft.KEYRING_REFUSED, "allow-key",
    )
    assert not fresh.exists() and kms_requests(copy) == before
    fits = ["--allow-key", "nothing", "--allow-key", "aws-kms://arn:aws:kms:us-east-1:1111*"]
    opens_with_its_data(copy, *fits)


def test_a_daemon_keeps_to_the_patterns_that_it_was_mounted_with(copy):
    copy.mount("--allow-key", f"aws-kms://{copy.key}")
    new_key = copy.kms.new_key()
    before = kms_requests(copy)
    rotating = command(copy, "rotate-key", "--key", f"aws-kms://{new_key}")
    says(rotating, ft.KEYRING_REFUSED, "allow-key", new_key)
    used = [e for e in copy.kms.events()[before:] if new_key in str(e)]
    assert used == []
    holds_its_data(copy.mount_point)


def test_a_volume_that_this_machine_does_not_know_needs_its_key_named(copy, tmp_path):
    shutil.rmtree(copy.state)
    before = kms_requests(copy)
    says(mounting(copy), ft.KEYRING_REFUSED, "does not know the volume", "--key")
    wrong = copy.key[:-4] + "0000"
    says(
        mounting(copy, "--key", f"aws-kms://{wrong}"),
        ft.KEYRING_REFUSED, copy.key, "not allowed",
    )
    assert kms_requests(copy) == before
    opens_with_its_data(copy, "--key", f"aws-kms://{copy.key}")
    opens_with_its_data(copy)


def blobs_of(keyring_path):
    return freehold_reader.read_keyring(keyring_path.read_bytes()).keks[0]


def test_a_kek_that_was_wrapped_for_another_volume_is_refused_by_its_context(copy, other):
    ours, theirs = blobs_of(copy.keyring), blobs_of(other.keyring)
    whole = copy.keyring.read_bytes()
    copy.keyring.write_bytes(edited(whole, ours.kek.ciphertext, theirs.kek.ciphertext))
    says(mounting(copy), ft.DATA, "InvalidCiphertextException")
    copy.keyring.write_bytes(edited(whole, ours.canary.ciphertext, theirs.canary.ciphertext))
    says(mounting(copy), ft.KEYRING_CORRUPT, "MAC does not fit")
    copy.keyring.write_bytes(edited(whole, ours.kek.ciphertext, ours.canary.ciphertext, 1))
    says(mounting(copy), ft.KEYRING_CORRUPT, "MAC does not fit")
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)


def test_a_kek_that_another_key_wrapped_is_refused(copy):
    ours = blobs_of(copy.keyring)
    foreign = copy.kms.client("kms").encrypt(
        KeyId=copy.kms.new_key(), Plaintext=bytes(32), EncryptionContext=ours.context
    )["CiphertextBlob"]
    whole = copy.keyring.read_bytes()
    copy.keyring.write_bytes(edited(whole, ours.kek.ciphertext, foreign))
    says(mounting(copy), (ft.DATA, ft.KEYRING_CORRUPT))
    copy.keyring.write_bytes(whole)
    opens_with_its_data(copy)


def test_a_key_without_permission_says_what_the_kms_says(copy):
    key = copy.kms.new_key()
    assert copy.volume("rotate-key", "--key", f"aws-kms://{key}").code == ft.OK
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":'
        '"arn:aws:iam::111122223333:root"},"Action":["kms:PutKeyPolicy"],"Resource":"*"}]}'
    )
    client = copy.kms.client("kms")
    before = client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    client.put_key_policy(
        KeyId=key, PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=True
    )
    says(mounting(copy), ft.DENIED, "AccessDeniedException", "kms:Decrypt")
    says(command(copy, "verify"), ft.DENIED, "AccessDeniedException")
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=before)
    opens_with_its_data(copy)


def test_a_newer_format_of_the_keyring_is_called_newer(copy):
    for offset in (8, 10):  # version, features
        whole = copy.keyring.read_bytes()
        flip(copy.keyring, offset, 1)
        says(mounting(copy), ft.VERSION, "format version")
        says(command(copy, "status"), ft.VERSION, "this release reads version 1")
        inspecting = lambda *more: copy.run("inspect", copy.keyring, *more)
        says(inspecting, ft.VERSION, "format version")
        copy.keyring.write_bytes(whole)


# ---- encrypted files ----


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


# ---- places ----


def test_a_volume_is_made_only_in_an_empty_place_and_only_once(loaded, tmp_path):
    key = ["--key", f"aws-kms://{loaded.key}"]

    def creating(path):
        return lambda *m: loaded.run("volume", "create", path, "--state", loaded.state, *key, *m)

    before = kms_requests(loaded)
    says(creating(loaded.directory), ft.ALREADY_EXISTS, "is a volume already")
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").write_text("of somebody's")
    says(creating(full), ft.ALREADY_EXISTS, "not empty")
    assert [p.name for p in full.iterdir()] == ["something"]
    says(creating(full / "something"), (ft.NOT_FOUND, ft.ALREADY_EXISTS), "something")
    says(creating(full / "something/below"), ft.NOT_FOUND)
    assert kms_requests(loaded) == before


def test_of_two_creations_at_once_one_makes_the_volume_and_the_other_says_so(
    kms, loaded, tmp_path
):
    for attempt in range(5):
        path = tmp_path / f"race{attempt}"
        path.mkdir()
        volume = Volume(kms, path, key=loaded.key)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            create = lambda: volume.volume("create", "--key", f"aws-kms://{volume.key}", "--json")
            results = [f.result() for f in [pool.submit(create) for _ in range(3)]]
        made = [r for r in results if r.code == ft.OK]
        assert len(made) == 1, results
        for refused in results:
            if refused is not made[0]:
                one_sentence(refused, (ft.ALREADY_EXISTS, ft.BUSY))
        assert made[0].json["volume_id"] == volume.status()["volume_id"]
        assert volume.volume("verify").code == ft.OK


def test_no_volume_is_said_plainly(loaded, tmp_path):
    nowhere = Volume(loaded.kms, tmp_path, key=loaded.key)
    for name in ("status", "verify", "seal", "open", "unmount"):
        says(command(nowhere, name), ft.NOT_FOUND, "there is no volume at")
    says(mounting(nowhere), ft.NOT_FOUND)
    nowhere.directory.mkdir()
    for name in ("status", "verify", "seal"):
        says(command(nowhere, name), ft.NOT_FOUND, "is not a volume")


def test_a_closed_volume_cannot_be_sealed_opened_or_unmounted(loaded):
    for name in ("seal", "open", "unmount"):
        says(command(loaded, name), ft.NOT_FOUND, "is not mounted")


def test_a_mount_point_must_be_a_free_directory_outside_the_volume(loaded, tmp_path):
    def mounting_at(place, *flags):
        return command(loaded, "mount", place, *ft.FAST, *flags)

    (tmp_path / "file").touch()
    says(mounting_at(tmp_path / "none"), ft.NOT_FOUND, "none")
    says(mounting_at(tmp_path / "file"), ft.USAGE, "not a directory")
    inside = loaded.directory / "freehold"
    for place in (loaded.directory, loaded.data, inside, f"{loaded.mount_point}/../volume/data"):
        says(mounting_at(place), ft.USAGE, "inside the volume")
    used = tmp_path / "used"
    used.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", used], check=True)
    try:
        (used / "kept").write_text("kept")
        says(mounting_at(used), ft.BUSY, "in use")
        says(mounting_at(used, "--wait-for-key"), ft.BUSY, "in use")
        assert (used / "kept").read_text() == "kept"
    finally:
        subprocess.run(["umount", used], check=True)
    assert loaded.processes() == []


def test_an_open_volume_is_opened_no_second_time(loaded, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with loaded.opened() as mount_point:
        second = command(loaded, "mount", elsewhere, *ft.FAST)
        says(second, ft.BUSY, "open in another process")
        says(mounting(loaded), ft.BUSY)
        assert list(elsewhere.iterdir()) == []
        holds_its_data(mount_point)


def test_a_mount_point_named_to_unmount_status_or_seal_finds_its_volume(loaded):
    loaded.mount()
    unmounted = loaded.run("volume", "unmount", loaded.mount_point)
    assert unmounted.code == ft.OK, unmounted


# ---- flags and configuration ----

BAD_DURATIONS = ["", "abc", "-1s", "5", "1x", "s", "1e3s", "0x10s", "10 s", " 1s", "1s ", "1.5.5s",
                 "99999999999999999999s", "9999999h", "1s\n", "\u0661s", "1s2"]


@pytest.mark.parametrize("flag", ["--check-interval", "--outage-grace", "--stop-timeout"])
def test_a_bad_time_span_is_refused_with_the_flag_and_an_example(loaded, flag):
    for span in BAD_DURATIONS:
        result = loaded.volume("mount", loaded.mount_point, f"{flag}={span}")
        one_sentence(result, ft.USAGE, flag)
    twice = command(loaded, "mount", loaded.mount_point, f"{flag}=abc")
    says(twice, ft.USAGE, "'abc'", "250ms")
    assert not loaded.is_mounted()


def test_time_spans_that_are_too_short_are_refused(loaded):
    for flag in ("--check-interval", "--request-timeout"):
        for span in ("0s", "99ms"):
            result = loaded.volume("mount", loaded.mount_point, flag, span)
            one_sentence(result, ft.USAGE, flag, "at least 100ms")


BAD_FLAGS = [
    ["volume"], ["volume", "nonsense"], ["nonsense"], [], ["volume", "create"], ["volume", "mount"],
    ["volume", "mount", "{dir}"], ["volume", "status", "{dir}", "--no-such-flag"],
    ["volume", "status", "{dir}", "one", "too many"], ["volume", "status", "{dir}", "--state"],
    ["volume", "mount", "{dir}", "{mnt}", "--workers", "1"],
    ["volume", "mount", "{dir}", "{mnt}", "--workers", "many"],
    ["volume", "create", "{new}"], ["volume", "rotate-key", "{dir}"],
    ["kms"], ["kms", "fault", "--latency", "soon"],
    ["key", "check"], ["inspect"], ["volume", "mount", "{dir}", "{mnt}", "--on-denied", "perhaps"],
    ["volume", "mount", "{dir}", "{mnt}", "--on-key-return", "never"],
    ["volume", "mount", "{dir}", "{mnt}", "--principal", "arn:aws:iam::1:role/x"],
    ["volume", "mount", "{dir}", "{mnt}", "--external-id", "x"],
    ["volume", "create", "{new}", "--key", "aws-kms://{key}", "--cipher", "rot13"],
    ["volume", "create", "{new}", "--key", "aws-kms://{key}", "--context", "no equals"],
    ["volume", "create", "{new}", "--key", "aws-kms://{key}", "--context", "=x"],
    ["volume", "create", "{new}", "--key", "aws-kms://{key}", "--context", "x="],
]


@pytest.mark.parametrize("words", BAD_FLAGS, ids=" ".join)
def test_wrong_words_on_the_command_line_are_one_sentence(loaded, tmp_path, words):
    fields = {"dir": loaded.directory, "mnt": loaded.mount_point, "new": tmp_path / "new"}
    fields["key"] = loaded.key
    command_line = [word.format(**fields) for word in words]
    result = loaded.run(*command_line)
    one_sentence(result, ft.USAGE)
    assert result.out == ""
    assert not (tmp_path / "new").exists() and not loaded.is_mounted()


def test_wrong_words_are_json_too_where_json_was_asked_for(loaded):
    says(command(loaded, "status", "--bogus"), ft.USAGE, "--bogus")
    says(lambda *m: loaded.run("volume", "create", *m), ft.USAGE, "DIR")


BAD_URIS = [
    "", "x", "aws-kms://", "aws-kms://alias/mine", "alias/mine", "https://example.com/key",
    "file:///etc/passwd",
    "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k", "vault://127.0.0.1/transit/keys/k",
    "azure-kv://vault/keys/k", "AWS-KMS://arn:aws:kms:us-east-1:111122223333:key/x",
    "aws-kms://arn:aws:kms:us-east-1:111122223333:alias/mine", "arn:aws:s3:::bucket",
    "aws-kms://arn:aws:kms:us-east-1:1111:key/x",
    "aws-kms://arn:aws:kms:us-east-1:111122223333:key/",
    "aws-kms://arn:aws:kms::111122223333:key/x",
    "aws-kms://arn:aws:kms:us-east-1:111122223333:key/x/y",
    "aws-kms://arn:aws:kms:us-east-1.evil.example/#:111122223333:key/x",
    "aws-kms://arn:aws:kms:us-east-1:111122223333:key/x\r\nHost: evil",
    "aws-kms://arn:aws:kms:us-east-1:111122223333:key/" + "x" * 5000,
]


@pytest.mark.parametrize("number", range(len(BAD_URIS)))
def test_a_bad_key_uri_is_refused_before_anything_happens(loaded, tmp_path, number):
    uri = BAD_URIS[number]
    before = kms_requests(loaded)
    fresh = tmp_path / "fresh"
    state = ["--state", loaded.state]
    one_sentence(loaded.run("volume", "create", fresh, *state, f"--key={uri}"), ft.USAGE)
    one_sentence(loaded.volume("rotate-key", f"--key={uri}"), ft.USAGE)
    if uri:
        one_sentence(loaded.volume("mount", loaded.mount_point, f"--key={uri}"), ft.USAGE)
        one_sentence(loaded.run("key", "check", uri), ft.USAGE)
    if "alias/mine" in uri and uri.startswith("aws-kms://arn:"):
        assert "names an alias" in loaded.volume("rotate-key", f"--key={uri}").err
    assert kms_requests(loaded) == before and not fresh.exists()


BAD_CONFIGURATIONS = {
    "an unknown option": ("[volume.mount]\nbogus-option = \"2s\"\n", "bogus-option"),
    "an unknown section": ("[volume.mouunt]\ncheck-interval = \"2s\"\n", "mouunt"),
    "an unknown option outside of any section": ("chek-interval = 3\n", "chek-interval"),
    "an open bracket": ("[volume.mount\ncheck-interval = \"2s\"\n", "volume.mount"),
    "a value of a wrong kind": ("[volume.mount]\nworkers = \"many\"\n", "workers"),
    "a value out of range": ("[volume.mount]\nworkers = 1000\n", "workers"),
    "a bad time span": ("[volume.mount]\ncheck-interval = \"often\"\n", "--check-interval"),
    "no TOML at all": ("<xml>no</xml>\n", "xml"),
}


@pytest.mark.parametrize("what", BAD_CONFIGURATIONS)
def test_a_bad_configuration_file_is_refused_with_the_place(loaded, tmp_path, what):
    path = tmp_path / "freehold.toml"
    contents, words = BAD_CONFIGURATIONS[what]
    path.write_text(contents)

    def run(*more):
        return loaded.run(
            "--config", path, "volume", "mount", loaded.directory, loaded.mount_point,
            "--state", loaded.state, *more,
        )

    says(run, ft.USAGE, words)
    assert not loaded.is_mounted()


def test_a_configuration_file_that_is_named_must_be_there(loaded, tmp_path):
    result = loaded.run("--config", tmp_path / "none.toml", "kms", "log")
    one_sentence(result, ft.USAGE, "none.toml")


def test_a_configuration_file_gives_flags(loaded, tmp_path):
    path = tmp_path / "freehold.toml"
    path.write_text('[volume.mount]\ncheck-interval = "7s"\non-denied = "alert"\n')
    mounted = loaded.run(
        "--config", path, "volume", "mount", loaded.directory, loaded.mount_point,
        "--state", loaded.state,
    )
    assert mounted.code == ft.OK, mounted
    settings = loaded.custody()["settings"]
    loaded.unmount()
    assert settings["check_interval_ms"] == 7000 and settings["on_denied"] == "alert"


def test_a_state_directory_that_cannot_be_used_is_named(loaded, tmp_path):
    (tmp_path / "file").write_text("no directory")
    run = lambda *m: loaded.run(
        "volume", "mount", loaded.directory, loaded.mount_point, "--state", tmp_path / "file", *m
    )
    says(run, (ft.NOT_FOUND, ft.ALREADY_EXISTS, 7), "file")
    broken = tmp_path / "state"
    shutil.copytree(loaded.state, broken)
    pin = next((broken / "pins").glob("*.json"))
    for contents in ("", "{", "[]", "null", '{"volume_id":5}', "x" * 100_000):
        pin.write_text(contents)
        result = loaded.run("volume", "verify", loaded.directory, "--state", broken)
        one_sentence(result, (7, ft.KEYRING_REFUSED), pin.name)


# ---- other users, and the control socket ----


def test_another_user_may_neither_look_nor_touch(loaded, tmp_path):
    reachable = shutil.copy(ft.BINARY, tmp_path / "freehold")  # the build directory may be private
    os.chmod(reachable, 0o755)

    def run(*arguments):
        return ft.Result(
            subprocess.run(
                [reachable, *map(str, arguments)], user=65534, group=65534, extra_groups=[],
                env=dict(loaded.kms.environment(), HOME="/nonexistent"), capture_output=True,
                text=True, timeout=60, check=False, cwd="/",
            )
        )

    with loaded.opened() as mount_point:
        for name in ("status", "verify", "seal", "unmount", "open"):
            says(lambda *m: run("volume", name, loaded.directory, *m), ft.PERMISSION)
        key = ["--key", f"aws-kms://{loaded.key}"]
        says(lambda *m: run("volume", "rotate-key", loaded.directory, *key, *m), ft.PERMISSION)
        says(lambda *m: run("inspect", loaded.keyring, *m), ft.PERMISSION)
        holds_its_data(mount_point)
    says(lambda *m: run("volume", "mount", loaded.directory, tmp_path, *m), ft.PERMISSION, "root")


def connect(volume, user=None):
    """A connection to the daemon; asked through the directory, whose path may be too long."""
    here = os.open(volume.directory / "freehold", os.O_PATH)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    try:
        if user is not None:
            os.seteuid(user)
        while True:
            with contextlib.suppress(BlockingIOError):  # more at once than wait in the queue
                connection.connect(f"/proc/self/fd/{here}/control")
                break
    finally:
        os.seteuid(0)
        os.close(here)
    return connection


def ask(connection, line):
    connection.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            break
        answer += part
    return answer


def test_the_control_socket_hears_nobody_but_root_whatever_its_mode_says(loaded):
    with loaded.opened():
        mode = os.stat(loaded.directory / "freehold").st_mode
        control = loaded.directory / "freehold/control"
        assert control.stat().st_mode & 0o777 == 0o600
        try:
            os.chmod(loaded.directory / "freehold", 0o755)
            os.chmod(control, 0o666)
            with connect(loaded, user=65534) as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    assert ask(connection, b'{"command":"status"}') == b""
        finally:
            os.chmod(loaded.directory / "freehold", mode & 0o777)
        with connect(loaded) as connection:
            assert b'"custody"' in ask(connection, b'{"command":"status"}')


BAD_REQUESTS = {
    "no JSON": b"give me the key",
    "nothing": b"",
    "binary": bytes(range(1, 10)) + b"\x00\xff\xfe" + bytes(range(11, 256)),
    "a list": b"[1,2,3]",
    "two objects": b'{"command":"status"}{"command":"seal"}',
    "half an object": b'{"command":"seal"',
    "depth": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "a long line": b'{"command":"seal","x":"' + b"a" * 70_000 + b'"}',
    "a huge line": b"x" * 3_000_000,
    "no command": b"{}",
    "a command of a wrong type": b'{"command":["seal"]}',
    "an unknown command": b'{"command":"give-me-the-key"}',
    "no key": b'{"command":"rotate-key"}',
    "a key of a wrong type": b'{"command":"rotate-key","key":{"uri":"x"}}',
    "a principal of a wrong type": b'{"command":"rotate-key","key":"KEY","principal":5}',
    "an external id of a wrong type": b'{"command":"rotate-key","key":"KEY","external_id":[]}',
    "force of a wrong type": b'{"command":"unmount","force":"yes"}',
    "force as a number": b'{"command":"unmount","force":1}',
    "no pid": b'{"command":"database-started"}',
    "a pid of a wrong type": b'{"command":"database-started","pid":"1"}',
    "pid 1": b'{"command":"database-started","pid":1}',
    "pid 0": b'{"command":"database-started","pid":0}',
    "pid -1": b'{"command":"database-started","pid":-1}',
    "a pid that wraps round to 1": b'{"command":"database-started","pid":4294967297}',
    "a broken pid": b'{"command":"database-started","pid":1.5}',
}


def test_garbage_on_the_control_socket_is_answered_and_changes_nothing(loaded):
    with loaded.opened() as mount_point:
        before = loaded.status()
        with connect(loaded) as connection:
            for what, line in BAD_REQUESTS.items():
                line = line.replace(b"KEY", f"aws-kms://{loaded.key}".encode())
                answer = ask(connection, line)
                assert b'"code":"invalid_argument"' in answer, (what, answer[:200])
                assert b'"custody"' in ask(connection, b'{"command":"status"}'), what
        after = loaded.status()
        for changing in ("custody", "last_seal"):
            before.pop(changing, None), after.pop(changing, None)
        assert before == after and loaded.custody()["state"] == "open"
        holds_its_data(mount_point)


def test_connections_beyond_the_limit_are_refused_in_words_and_cost_nothing(loaded):
    with loaded.opened() as mount_point:
        connections = [connect(loaded) for _ in range(32)]
        try:
            for connection in connections:  # each is being served
                assert b'"custody"' in ask(connection, b'{"command":"status"}')
            says(command(loaded, "status"), ft.BUSY, "connections")
            holds_its_data(mount_point)
        finally:
            for connection in connections:
                connection.close()
        wait_for("room for a client", lambda: loaded.volume("status").code == ft.OK)
        for _ in range(300):  # neither threads nor descriptors are left behind
            connect(loaded).close()
        wait_for("room for a client", lambda: loaded.volume("status").code == ft.OK)
        pid = loaded.daemon_pid()
        wait_for("threads to end", lambda: len(os.listdir(f"/proc/{pid}/task")) < 16)


def test_a_socket_that_a_dead_daemon_left_is_no_hindrance(copy):
    copy.mount()
    for pid in copy.processes():
        os.kill(pid, signal.SIGKILL)
    wait_for("the daemon's end", lambda: not copy.processes())
    subprocess.run(["umount", "-l", copy.mount_point], check=True)
    assert (copy.directory / "freehold/control").is_socket()
    assert copy.status()["mount_point"] is None
    assert copy.volume("verify").code == ft.OK
    opens_with_its_data(copy)


@pytest.mark.parametrize("kind", ["file", "socket", "dangling link"])
def test_something_else_in_the_sockets_place_is_no_hindrance(copy, kind):
    place = copy.directory / "freehold/control"
    if kind == "file":
        place.write_text("not a socket")
    elif kind == "socket":
        here = os.open(place.parent, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(f"/proc/self/fd/{here}/control")
        os.close(here)
    else:
        place.symlink_to("/nonexistent/nowhere")
    assert copy.volume("status").code == ft.OK
    opens_with_its_data(copy)


# ---- a full disk ----


@pytest.fixture
def small_disk(tmp_path):
    """An ext4 of its own, 8 MiB."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    yield place
    for _ in range(4):
        if subprocess.run(["umount", place], check=False, capture_output=True).returncode == 0:
            break
        subprocess.run(["umount", "-l", place], check=False, capture_output=True)


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


def test_creating_on_a_full_disk_leaves_nothing(kms, loaded, small_disk, tmp_path):
    volume = Volume(kms, small_disk, key=loaded.key)
    ballast = fill_up(small_disk)
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
def on_small_disk(kms, loaded, small_disk):
    volume = Volume(kms, small_disk, key=loaded.key)
    volume.create()
    with volume.opened() as mount_point:
        fill(mount_point)
    yield volume
    volume.clean_up()


def test_mounting_rotating_and_verifying_on_a_full_disk_lose_nothing(on_small_disk, small_disk):
    volume = on_small_disk
    ballast = fill_up(small_disk)
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


def test_a_disk_that_fills_up_under_a_mount_takes_no_data_with_it(on_small_disk, small_disk):
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
    fill_up(small_disk)
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
    (small_disk / "ballast").unlink()
    (mount_point / "grows").unlink()
    assert rotating().code == ft.OK
    volume.unmount()
    opens_with_its_data(volume)
    assert volume.volume("verify").code == ft.OK
