"""docs/hazards.md: every hazard has a test, and every test that it names is there."""

import re

import pytest

from freehold_testing import ROOT

ROWS = dict(re.findall(r"^\| (\w+) \|[^|]+\| (.+) \|$", (ROOT / "docs/hazards.md").read_text(), re.M))
REFERENCE = re.compile(r"`((?:src|tests|fuzz)/[\w./]+)(?:::(\w+))?`")


def test_every_hazard_has_its_row():
    numbered = [str(number) for number in range(1, 37)]
    assert list(ROWS) == numbered + list("abcdefghijklm")


@pytest.mark.parametrize("row", ROWS)
def test_a_hazard_is_shown_or_explained(row):
    references = REFERENCE.findall(ROWS[row])
    assert references or "](" in ROWS[row], "neither a test nor a page that explains"
    for path, name in references:
        assert (ROOT / path).exists(), path
        if path.endswith("_test.py"):
            assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M), name
        elif path.endswith("_test.cc"):
            assert re.search(rf"TEST(_F|_P)?\(\w+, {name}\)", (ROOT / path).read_text()), name
        else:
            assert path.startswith("fuzz/") and name == ""
