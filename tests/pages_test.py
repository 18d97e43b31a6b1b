"""The pages: links lead somewhere, every folder says what it is, the control socket's page is whole.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/pages_test.py (as root)
"""

import re
import subprocess

import pytest
from freehold_testing import BINARY, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/README.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for named in re.findall(r"`((?:docs|src|tests|tools)/[\w./-]+\.\w+)`", text):
        assert (ROOT / named).exists(), named


def test_every_folder_of_sources_has_a_readme():
    for folder in {source.parent for source in ROOT.glob("src/**/*.cc")}:
        assert (folder / "README.md").exists(), folder


def test_headers_point_to_pages_that_exist():
    for header in ROOT.glob("src/**/*.h"):
        for named in re.findall(r"docs/[\w./-]+\.md", header.read_text()):
            assert (ROOT / named).exists(), f"{header.name}: {named}"


def test_the_page_of_answers_is_what_the_code_has():
    made = subprocess.run([BINARY, "internal", "kms-answers"], capture_output=True, text=True,
                          timeout=60, check=True).stdout
    assert (ROOT / "docs/providers/answers.md").read_text() == made


def names_in(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name != "context":
                yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def test_the_control_sockets_page_names_every_field(volume):
    page = (ROOT / "docs/control-socket.md").read_text()
    named = set(re.findall(r"`(\w+)`", page))
    with volume.opened() as root:
        (root / "file").write_bytes(b"x")
        volume.kms.client("kms").disable_key(KeyId=volume.key)
        volume.wait_for_state("sealed")
        status = volume.status()
        assert status["custody"]["last_failure"] and status["last_seal"]
        assert set(names_in(status)) <= named
        volume.kms.client("kms").enable_key(KeyId=volume.key)
        volume.wait_for_state("open")
        report = volume.volume("verify", "--json").json
        assert set(names_in(report)) <= named
