#!/usr/bin/env python3
"""Simple mistakes that a pattern finds. Each rule has a reason; a line may opt out with `lint: why`."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = [
    (r"\b(rand|srand|drand48|mt19937)\s*\(", "randomness comes from crypto/crypto.h", r"_test\.cc$"),
    (r"\bmemcmp\s*\(", "compare secrets in constant time; AllZero and text may say why", r"_test\.cc$|bytes\.cc$"),
    (r"\b(strcpy|strcat|sprintf|gets)\s*\(", "unbounded", None),
    (r"\bsystem\s*\(|\bpopen\s*\(", "no shell from C++; hooks go through the supervisor", r"_test\.cc$"),
    (r"\busing namespace std;", "names stay qualified", None),
    (r"\b(TODO|FIXME|XXX)\b", "say it in an issue, or do it", None),
    (r"waitpid\(-1", "others' children are reaped by pid", r"namespaces\.cc$|_test\.cc$"),
    (r"\bfor \([^;]*[^:]: [^;]*\)->", "a loop over what a temporary pointer holds: name the pointer first", None),
    (r"SSL_VERIFY(PEER|HOST), 0", "TLS is always verified", None),
]


# g++ 12 does not destroy what a braced list has made when a statement expression returns out of it.
def tries_behind_members(text):
    """Lines of a TRY inside of braces that hold something else already."""
    for match in re.finditer(r"\b(?:[A-Z]+_)?TRY\(", text):
        depth, behind_comma = 0, False
        for at in range(match.start() - 1, -1, -1):
            char = text[at]
            if char in ")]}":
                depth += 1
            elif char in "([{" and depth > 0:
                depth -= 1
            elif char == "{":
                if is_block(text, at):
                    break
                if behind_comma:
                    yield text.count("\n", 0, match.start()) + 1
                    break
                behind_comma = False
            elif char in "([":
                behind_comma = False
            elif depth == 0 and char == ";":
                break
            elif depth == 0 and char == ",":
                behind_comma = True


def is_block(text, brace):
    before = text[:brace].rstrip()
    if before.endswith((")", "}", ";", ":", "{")):
        return not before.endswith("{") or text[brace - 1] != "{"
    if before.endswith(("(", ",", "=")) or re.search(r"\breturn$", before):
        return False
    return text[brace - 1] in " \n"


def main():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/*.h", "src/*.cc"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    found = []
    for name in listed:
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            code = line.split("//")[0]
            for pattern, why, exempt in RULES:
                if exempt and re.search(exempt, name):
                    continue
                if re.search(pattern, code) and "lint:" not in line:
                    found.append(f"{name}:{number}: {why}: {line.strip()}")
        found += [f"{name}:{number}: a TRY behind other members leaks them: name it first"
                  for number in tries_behind_members((ROOT / name).read_text())]
        if name.endswith(".h") and "#pragma once" not in (ROOT / name).read_text():
            found.append(f"{name}: no #pragma once")
    print("\n".join(found), file=sys.stderr) if found else None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
