#!/usr/bin/env python3
"""Compiles every header of src/ by itself, with the flags of the build: check_headers.py compile_commands.json"""

import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    commands = json.loads(pathlib.Path(sys.argv[1]).read_text())
    flags = []
    for part in shlex.split(commands[0]["command"])[1:]:
        if re.match(r"-(std|I|D|f|W)", part) and part not in flags:
            flags.append(part)
    includes = {p for c in commands for p in re.findall(r"-isystem (\S+)", c["command"])}
    for path in sorted(includes):
        flags += ["-isystem", path]
    # The whole tree's definitions, so that adapters' headers compile too.
    headers = sorted(str(p.relative_to(ROOT / "src")) for p in (ROOT / "src").rglob("*.h"))

    def compile_alone(header):
        return header, subprocess.run(
            ["ccache", "g++", "-fsyntax-only", "-x", "c++", "-std=gnu++20", "-w",
             *[f for f in flags if not f.startswith("-W")], f"-I{ROOT}/src",
             "-DFUSE_USE_VERSION=314", "-"],
            input=f'#include "{header}"\n', capture_output=True, text=True, check=False)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for header, result in pool.map(compile_alone, headers):
            if result.returncode != 0:
                failed = 1
                print(f"src/{header} does not compile alone:\n{result.stderr[:800]}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
