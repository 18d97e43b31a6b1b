"""The pages of docs/format/ hold what they say, and the Python reader agrees with the binary.

Pages: their hex dumps decode with tests/interop/freehold_reader.py to what the page says, and are
what the independent writer makes. Binary: files written through a mount are read back with the
reader and a KEK that the customer's own KMS client unwrapped. Every field is damaged once.
Run: FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/format_test.py (as root)
"""

import base64
import dataclasses
import hashlib
import json
import os
import re
import struct
import subprocess
import sys

import pytest
from freehold_testing import ROOT, VERIFY_FAILED  # also finds tests/interop

import freehold_reader as reader
import make_examples as examples

READER = ROOT / "tests/interop/freehold_reader.py"
PAGES = {name: (ROOT / "docs/format" / name).read_text() for name in ("file.md", "keyring.md")}


def fenced(page, kind, name):
    return re.search(rf"^```{kind} {name}\n(.*?)\n```$", PAGES[page], re.M | re.S).group(1)


def hexdump(page, name):
    """The bytes of a dump as `hexdump -C` writes it, stars and all."""
    data, row = b"", b""
    for line in fenced(page, "hexdump", name).splitlines():
        if line == "*":
            continue
        offset, _, rest = line.partition("  ")
        data += row * ((int(offset, 16) - len(data)) // 16) if row else b""
        assert len(data) == int(offset, 16)
        row = bytes.fromhex(rest.partition("|")[0])
        data += row
    return data


def keys(page, name):
    """Names and hex values; a line that starts with a blank goes on with the one before."""
    found, last = {}, None
    for line in fenced(page, "keys", name).splitlines():
        label, value = re.fullmatch(r"(?:(\S+(?: \S+)*) +| +)([0-9a-f]+)", line).groups()
        last = label or last
        found[last] = found.get(last, "") + value
    return found


KEYRING, FILE = hexdump("keyring.md", "example-keyring"), hexdump("file.md", "example-file")
KEYRING_KEYS, FILE_KEYS = keys("keyring.md", "example-keyring"), keys("file.md", "example-file")
KEK = bytes.fromhex(KEYRING_KEYS["KEK"])


def never(what):
    raise AssertionError(what)


# ---- the pages ----


def test_the_dumps_are_what_the_independent_writer_makes():
    for page, name, text in examples.blocks():
        assert fenced(page, "hexdump", name) == text


def test_the_keyring_on_the_page_opens_with_the_key_on_the_page():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    assert [dek.hex() for dek in deks.values()] == [KEYRING_KEYS["DEK"]]
    assert hashlib.sha256(KEYRING).hexdigest()[:16] == KEYRING_KEYS["fingerprint"]
    mac_key = reader.derive(KEK, keyring.volume_id, b"freehold v1 keyring mac")
    wrapping_key = reader.derive(KEK, keyring.volume_id, b"freehold v1 dek wrapping")
    assert mac_key.hex() == KEYRING_KEYS["MAC key"]
    assert wrapping_key.hex() == KEYRING_KEYS["wrapping key"]
    canary = bytes.fromhex(KEYRING_KEYS["canary"])
    assert keyring.keks[0].canary_digest == hashlib.sha256(canary).digest()
    assert keyring.keks[0].context["freehold:volume"] == keyring.volume_id.hex()


def test_the_file_on_the_page_decrypts_to_the_plaintext_on_the_page():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    assert reader.read_file(FILE, keyring, deks, never).hex() == FILE_KEYS["plaintext"]
    slot = reader.read_slot(FILE[:512], 0, keyring, deks)
    assert slot.dek.hex() == FILE_KEYS["DEK"]
    assert slot.key(b"freehold v1 file header").hex() == FILE_KEYS["header key"]
    assert slot.key(b"freehold v1 file aes-256-xts", 64).hex() == FILE_KEYS["file key"]


def test_the_ctr_file_on_the_page_decrypts_to_the_same_plaintext():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    of_ctr = dataclasses.replace(keyring, cipher=reader.AES_256_CTR)
    file, of_page = hexdump("file.md", "example-ctr-file"), keys("file.md", "example-ctr-file")
    assert reader.read_file(file, of_ctr, deks, never).hex() == FILE_KEYS["plaintext"]
    slot = reader.read_slot(file[:512], 0, of_ctr, deks)
    assert slot.key(b"freehold v1 file aes-256-ctr").hex() == of_page["file key"]
    assert "".join(epoch.counter.hex() for epoch in slot.epochs) == of_page["counters"]
    # A crash lost the second opening's first block: the one that it carries is read instead.
    before = file[: 4096 + 16] + slot.epochs[1].carried + file[4096 + 32 :]
    plain = reader.read_file(before, of_ctr, deks, never)
    assert plain[:20].hex() == FILE_KEYS["plaintext"][:40]
    assert plain[20:32] == bytes(12)
    with pytest.raises(reader.Refused, match="cipher"):
        reader.read_file(file, keyring, deks, never)


def worked_sizes():
    section = PAGES["file.md"].partition("### Sizes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", section, re.M)
    return [(int(length), int(size)) for length, size in rows]


def test_the_worked_sizes_follow_the_rule():
    sizes = worked_sizes()
    assert len(sizes) >= 12 and sizes[0] == (0, 0)
    for length, size in sizes[1:]:
        assert reader.backing_size(length) == size
        assert reader.logical_size(size) == length


# ---- the reader refuses ----


def opens(keyring_bytes=KEYRING, file_bytes=FILE, kek=KEK):
    keyring, deks = reader.open_keyring(keyring_bytes, kek)
    return reader.read_file(file_bytes, keyring, deks, never)


def flipped(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def test_every_flipped_bit_of_a_keyring_is_refused():
    for at in range(len(KEYRING)):
        for bit in range(8):
            with pytest.raises(reader.Refused):
                reader.open_keyring(flipped(KEYRING, at, bit), KEK)


def test_a_keyring_cut_anywhere_or_with_bytes_behind_it_is_refused():
    for size in range(len(KEYRING)):
        with pytest.raises(reader.Refused):
            reader.open_keyring(KEYRING[:size], KEK)
    with pytest.raises(reader.Refused):
        reader.open_keyring(KEYRING + b"\0", KEK)


def test_another_kek_is_refused():
    with pytest.raises(reader.Refused, match="not the KEK"):
        reader.open_keyring(KEYRING, bytes(32))


def with_slots(change):
    """The example with both slots changed the same way."""
    file = FILE
    for offset in reader.SLOT_OFFSETS:
        file = file[:offset] + change(file[offset : offset + 512]) + file[offset + 512 :]
    return file


def test_every_damaged_byte_of_a_header_is_refused():
    for at in range(reader.SLOT_SIZE):
        with pytest.raises(reader.Refused):
            opens(file_bytes=with_slots(lambda slot: flipped(slot, at)))


def test_one_damaged_slot_is_a_warning():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    for offset in reader.SLOT_OFFSETS:
        warnings = []
        assert reader.read_file(flipped(FILE, offset + 20), keyring, deks, warnings.append)
        assert len(warnings) == 1 and "MAC" in warnings[0]


def test_slots_that_changed_places_are_refused():
    with pytest.raises(reader.Refused, match="MAC"):
        opens(file_bytes=FILE[2048:4096] + FILE[:2048] + FILE[4096:])


def test_the_slot_of_the_higher_generation_counts():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    second = FILE[2048:2560]
    second = second[:16] + struct.pack("<Q", 2) + second[24:72] + bytes(32) + second[104:480]
    key = reader.derive(deks[examples.DEK_ID], bytes(32), b"freehold v1 file header" + examples.FILE_ID)
    second += reader.hmac_sha256(key, second + b"\1")
    file = FILE[:2048] + second + FILE[2560:]
    assert reader.read_header(file, keyring, deks, never).salt == bytes(32)


@pytest.mark.parametrize("size", [1, 511, 4095])
def test_a_header_that_is_cut_short_is_refused(size):
    with pytest.raises(reader.Refused, match="cut short"):
        opens(file_bytes=FILE[:size])


def test_a_header_of_zeros_is_refused():
    with pytest.raises(reader.Refused, match="all zeros"):
        opens(file_bytes=bytes(4096) + FILE[4096:])


def test_newer_versions_and_unknown_features_are_refused_as_such():
    for at in (8, 10):
        with pytest.raises(reader.Refused, match="too new"):
            reader.read_keyring(flipped(KEYRING, at, 1))
    for at in (8, 12):
        with pytest.raises(reader.Refused, match="too new"):
            opens(file_bytes=with_slots(lambda slot: flipped(slot, at, 1)))
    with pytest.raises(reader.Refused, match="too new"):
        opens(file_bytes=with_slots(lambda slot: flipped(slot, 10, 1)))


def test_slack_and_impossible_lengths_are_warnings():
    keyring, deks = reader.open_keyring(KEYRING, KEK)
    for file, length in ((flipped(FILE, len(FILE) - 1), 51), (FILE[: 4096 + 7], 0)):
        warnings = []
        assert len(reader.read_file(file, keyring, deks, warnings.append)) == length
        assert len(warnings) == 1


def run_reader(*words, stdin=b""):
    return subprocess.run(
        [sys.executable, READER, *map(str, words)], input=stdin, capture_output=True, timeout=60
    )


@pytest.fixture
def page_files(tmp_path):
    (tmp_path / "keyring").write_bytes(KEYRING)
    (tmp_path / "file").write_bytes(FILE)
    (tmp_path / "kek").write_bytes(KEK)
    return tmp_path


def test_the_command_takes_a_kek_in_every_form(page_files):
    keyring, file = page_files / "keyring", page_files / "file"
    plaintext = bytes.fromhex(FILE_KEYS["plaintext"])
    text = b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    for given, stdin in ((KEK.hex(), b""), (page_files / "kek", b""), ("-", text), ("-", KEK)):
        done = run_reader("--kek", given, keyring, file, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr) == (0, plaintext, b"")


def test_the_command_ends_with_one_and_a_sentence(page_files):
    keyring, file = page_files / "keyring", page_files / "file"
    bad = page_files / "bad"
    bad.write_bytes(flipped(FILE, 5))
    for words in (
        ["--kek", bytes(32).hex(), keyring, file],
        ["--kek", "not a key", keyring, file],
        ["--kek", KEK.hex(), file, file],
        ["--kek", KEK.hex(), keyring, keyring],
        ["--kek", KEK.hex(), keyring, page_files / "missing"],
        ["--kek", KEK.hex(), "--strict", keyring, bad],
    ):
        done = run_reader(*words)
        assert (done.returncode, done.stdout) == (1, b"") and done.stderr.count(b"\n") == 1


# ---- the binary ----


LENGTHS = [0, 1, 15, 16, 17, 31, 32, 4095, 4096, 4097, 100000]


def write_files(root):
    """A file of each length, written in one go, with a hole, and shrunk to it; their contents."""
    contents = {}
    for length in LENGTHS:
        data = bytes((7 * i + length) % 256 for i in range(length))
        (root / f"whole-{length}").write_bytes(data)
        contents[f"whole-{length}"] = data
        with open(root / f"holes-{length}", "wb") as file:
            file.truncate(length)
            for at in range(0, length, 9000):
                file.seek(at)
                file.write(data[at : at + 20])
        contents[f"holes-{length}"] = b"".join(
            data[at : at + 20].ljust(min(9000, length - at), b"\0") for at in range(0, length, 9000)
        )
        with open(root / f"shrunk-{length}", "wb") as file:
            file.write(data + b"no longer there" * 3)
            file.truncate(length)
        contents[f"shrunk-{length}"] = data
    (root / "below").mkdir()
    (root / "below/ä name").write_bytes(b"deep")
    contents["below/ä name"] = b"deep"
    return contents


def test_what_the_binary_wrote_the_reader_reads(volume):
    with volume.opened() as root:
        contents = write_files(root)
    kek = volume.unwrapped_kek()
    keyring, deks = reader.open_keyring(volume.keyring.read_bytes(), kek)
    for name, data in contents.items():
        on_disk = (volume.data / name).read_bytes()
        assert reader.read_file(on_disk, keyring, deks, never) == data, name
        if len(data) > 40:
            assert data[:20] not in on_disk
    found = {str(path.relative_to(volume.data)) for path in volume.data.rglob("*") if path.is_file()}
    assert found == set(contents)


def test_worked_sizes_are_what_ls_shows(volume):
    with volume.opened() as root:
        for length, _ in worked_sizes()[1:]:
            (root / str(length)).write_bytes(b"x" * max(1, length))
        (root / "0").write_bytes(b"")
        (root / "never").touch()
    assert (volume.data / "never").stat().st_size == 0
    for length, size in worked_sizes()[2:]:
        assert (volume.data / str(length)).stat().st_size == size


def test_truncating_to_zero_keeps_the_salt(volume):
    with volume.opened() as root:
        with open(root / "file", "wb") as file:
            file.write(b"first")
            os.fsync(file.fileno())
        before = (volume.data / "file").read_bytes()
        (root / "file").write_bytes(b"")
        emptied = (volume.data / "file").read_bytes()
        (root / "file").write_bytes(b"second")
    after = (volume.data / "file").read_bytes()
    assert before[:4096] == emptied == after[:4096]


def test_the_command_and_a_kms_are_all_a_customer_needs(volume, tmp_path):
    with volume.opened() as root:
        (root / "file").write_bytes(b"mine")
    wrapped = json.loads(run_reader("--show-wrapped", volume.keyring).stdout)
    assert wrapped["key"] == "aws-kms://" + volume.key
    blob = tmp_path / "wrapped"
    blob.write_bytes(base64.b64decode(wrapped["ciphertext_base64"]))
    unwrapped = subprocess.run(
        ["/usr/bin/aws", "kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}"]
        + ["--encryption-context", json.dumps(wrapped["encryption_context"])]
        + ["--query", "Plaintext", "--output", "text"]
        + ["--endpoint-url", volume.kms.url, "--region", "us-east-1"],
        env=volume.kms.environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    done = run_reader("--kek", "-", volume.keyring, volume.data / "file", stdin=unwrapped.stdout)
    assert (done.stdout, done.stderr) == (b"mine", b"")


def test_the_binary_reads_what_the_independent_writer_wrote(volume):
    """A file made in Python under the volume's own DEK opens through the mount."""
    keyring, deks = reader.open_keyring(volume.keyring.read_bytes(), volume.unwrapped_kek())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "VOLUME_ID", keyring.volume_id)
        patch.setattr(examples, "DEK_ID", keyring.deks[0].id)
        patch.setattr(examples, "DEK", deks[keyring.deks[0].id])
        (volume.data / "foreign").write_bytes(examples.make_file(examples.PLAINTEXT))
    with volume.opened() as root:
        assert (root / "foreign").read_bytes() == examples.PLAINTEXT
        report = volume.volume("verify", "--json").json
    assert report["sound"] and report["faults"] == []


def test_the_binary_refuses_the_files_that_the_reader_refuses(volume):
    with volume.opened() as root:
        (root / "good").write_bytes(b"x" * 100)
    good = (volume.data / "good").read_bytes()
    damaged = {
        f"byte-{at}": flipped(flipped(good, at), 2048 + at)
        for at in (0, 8, 10, 11, 12, 16, 24, 40, 56, 72, 104, 479, 480, 511)
    }
    damaged["zeros"] = bytes(4096) + good[4096:]
    damaged["short"] = good[:4095]
    damaged["swapped"] = good[2048:4096] + good[:2048] + good[4096:]
    for name, data in damaged.items():
        (volume.data / name).write_bytes(data)
    with volume.opened() as root:
        for name in damaged:
            with pytest.raises(OSError):
                (root / name).read_bytes()
        verified = volume.volume("verify", "--json")
    assert verified.code == VERIFY_FAILED
    faults = verified.json["faults"]
    assert {fault["path"] for fault in faults if not fault["readable"]} == set(damaged)
