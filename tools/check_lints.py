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
    (r"SSL_VERIFY(PEER|HOST), 0", "TLS is always verified", None),
]


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
        if name.endswith(".h") and "#pragma once" not in (ROOT / name).read_text():
            found.append(f"{name}: no #pragma once")
    print("\n".join(found), file=sys.stderr) if found else None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
