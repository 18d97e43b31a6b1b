"""Bad input gets one clear sentence and a documented exit code, and loses nothing.

After every test of a file that uses these fixtures, that file's volume is opened again and must
still have its data. Tests that damage something do so to a copy of it.
"""

import shutil

import pytest

import freehold_testing as ft
from freehold_testing import EmbeddedKms, Volume, temporary_directory

CONTENTS = {
    "table": bytes(range(256)) * 64,  # 16 KiB: a whole number of blocks
    "log": b"a line that is no multiple of sixteen bytes long\n" * 100 + b"end",
    "deep/down/file": b"x",
    "empty": b"",
}
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
def kms():
    with temporary_directory() as directory:
        server = EmbeddedKms(directory / "kms")
        yield server
        server.stop()


def new_volume(kms, path, **more):
    path.mkdir(exist_ok=True)
    volume = Volume(kms, path, **more)
    volume.create()
    with volume.opened() as mount_point:
        fill(mount_point)
    return volume


@pytest.fixture(scope="module")
def loaded(kms):
    volume = new_volume(kms, kms.directory.parent / "loaded")
    yield volume
    volume.clean_up()


@pytest.fixture(scope="module")
def other(kms, loaded):
    """Another volume under the same key, known to another machine (state directory) only."""
    volume = new_volume(kms, kms.directory.parent / "other", key=loaded.key)
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
