"""What `freehold completion` and the man page say, which is made of the commands themselves."""

import re
import subprocess

import pytest

from freehold_testing import BINARY


def printed(*words):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60,
                          check=True).stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "freehold.bash"
    path.write_text(printed("completion", "bash"))
    return path


def completed(script, *words):
    """What a shell offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    lines = (f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _freehold; "
             'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-uc", lines], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


@pytest.mark.parametrize("words, offered", [
    (["freehold", "cl"], ["cluster"]),
    (["freehold", "cmek", "re"], ["re-encrypt", "recheck", "rekey", "restore", "revoke"]),
    (["freehold", "cmek", "enable", "orders", "--w"], ["--wait"]),
    (["freehold", "cmek", "enable", "orders", "-f", "x", "--ti"], ["--timeout"]),
    (["freehold", "volume", "create", "--ci"], ["--cipher"]),
    (["freehold", "kms", "azure", "vault-p"], ["vault-protect"]),
    (["freehold", "org", "create", "--with"], ["--withdraw-cmek"]),
    (["freehold", "int"], []),       # not for people
    (["freehold", "volume", "mount", "--ends"], []),
    (["freehold", "cmek", "enable", "x"], []),  # a name, or a file: the shell's own
])
def test_a_shell_offers_what_there_is(script, words, offered):
    assert sorted(completed(script, *words)) == offered


def test_every_command_of_the_help_is_offered(script):
    listed = printed("--help").split("Subcommands:\n")[1]
    names = re.findall(r"^  (\S+) ", listed, re.M)
    assert len(names) > 10 and sorted(completed(script, "freehold", "")) == sorted(names)


def test_the_man_page_is_whole_and_has_every_command():
    page = printed("internal", "man-page")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    for wanted in ("freehold cmek revoke CLUSTER", "freehold volume create DIR", "--key-file",
                   "FREEHOLD_API_KEY", "the control plane knows no such API key"):
        assert wanted in text.replace("\u2010", "-"), wanted
    for hidden in ("kms-helper", "--ends-with", "man-page"):
        assert hidden not in text
