"""Keyrings that are lost, damaged, forged, out of date or another volume's."""

import errno
import shutil
import struct

import pytest

import freehold_testing as ft
from bad_input_testing import CONTENTS, command, flip, holds_its_data, kms_requests, mounting
from bad_input_testing import one_sentence, opens_with_its_data, says
from bad_input_testing import copy, kms, loaded, nothing_was_lost, other  # fixtures
from policy_testing import take_all_permissions
import freehold_reader  # its path is set by freehold_testing


def edited(keyring, old, new, count=-1):
    """A keyring with some bytes replaced and its length field put right; its MAC is not."""
    assert old in keyring
    changed = keyring.replace(old, new, count)
    return changed[:12] + struct.pack("<I", len(changed)) + changed[16:]


def text(words):
    return struct.pack("<H", len(words)) + words.encode()


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
    fits = ["--allow-key", "aws-kms://arn:aws:kms:*:999999999999:*", "--allow-key", "aws-kms://arn:aws:kms:us-east-1:1111*"]
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
    client = copy.kms.client("kms")
    before = client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    take_all_permissions(copy.kms, key)
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
