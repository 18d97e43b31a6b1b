"""Flags, keys and configuration files that say nothing sensible."""

import shutil

import pytest

import freehold_testing as ft
from bad_input_testing import command, kms_requests, one_sentence, says
from bad_input_testing import kms, loaded, nothing_was_lost  # fixtures

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
    ["volume", "mount", "{dir}", "{mnt}", "--reserve", "3"],
    ["volume", "mount", "{dir}", "{mnt}", "--reserve=-1"],
    ["volume", "mount", "{dir}", "{mnt}", "--reserve", "much"],
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
    "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
    "vault://127.0.0.1/transit/keys/k", "hcvault://evil@v/transit/keys/k", "pkcs11:object=o",
    "kmip://127.0.0.1", "kmip://evil@v/k", "kmip://v/k?ca=/tmp/evil.pem",
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
