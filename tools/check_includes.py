#!/usr/bin/env python3
"""The include graph of src/: each folder sees only what lies below it, and some headers have owners.

The table is the rule; docs/ARCHITECTURE.md explains it. Exit code 1 names every line that breaks it.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# folder -> the folders it may include from (itself always)
ALLOWED = {
    "base": set(),
    "crypto": {"base"},
    "kms": {"base", "crypto"},
    "format": {"base", "crypto"},
    "keyring": {"base", "crypto", "format", "kms"},
    "custody": {"base", "kms"},
    "vfs": {"base", "crypto", "format", "keyring"},
    "adapters/fuse": {"base", "vfs"},
    "net": {"base"},
    "kms/service": {"base", "crypto", "kms", "net"},
    "kms/aws": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/gcp": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/pkcs11": {"base", "crypto", "kms", "kms/service"},
    "kms/kmip": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/vault": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/azure": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/embedded": {"base", "crypto", "kms", "kms/service", "net"},
    "kms/embedded/azure": {"base", "crypto", "kms", "kms/service", "kms/embedded", "net"},
    "kms/embedded/google": {"base", "crypto", "kms", "kms/service", "kms/embedded", "net"},
    "kms/embedded/vault": {"base", "crypto", "kms", "kms/service", "kms/embedded", "net"},
    "papers": {"base"},
    "api": {"base", "crypto", "custody", "kms"},
    "control": {"base", "crypto", "custody", "kms", "api"},
    "store": {"base", "control"},
    "store/sqlite": {"base", "crypto", "control", "store"},
    "store/postgresql": {"base", "crypto", "control", "store"},
    "server": {"base", "crypto", "custody", "api", "control", "net"},
    "node": {"base", "crypto", "format", "keyring", "custody", "vfs", "adapters/fuse", "kms"},
    "agent": {"base", "api", "crypto", "custody", "keyring", "kms", "net", "node"},
    "cli": {"agent", "api", "base", "crypto", "format", "keyring", "custody", "vfs", "adapters/fuse", "kms", "kms/aws",
            "kms/azure", "kms/gcp", "kms/vault", "kms/pkcs11", "kms/kmip", "kms/embedded",
            "kms/embedded/azure",
            "kms/embedded/google", "kms/embedded/vault", "node", "net", "papers", "server",
            "store/sqlite", "store/postgresql",
            "cli/control"},  # main.cc alone, which is above both
    "cli/control": {"base", "crypto", "kms", "api", "net", "cli"},
}
# third-party headers -> the only places that may include them
OWNERS = {
    r"openssl/(?!(ssl|bio|err)\.h).*": {"crypto"},
    r"openssl/(ssl|bio|err)\.h": {"crypto", "net"},
    r"curl/.*": {"net"},
    r"boost/(asio|beast)/?.*": {"net"},
    r"fuse_lowlevel\.h|linux/fuse\.h": {"adapters/fuse"},
    r"toml\+\+/.*|toml\.hpp": {"node", "kms/aws"},
    r"CLI/.*": {"cli", "cli/control"},
    r"p11-kit/.*": {"kms/pkcs11"},
    r"tinyxml2\.h": {"kms/aws"},
    r"sqlite3\.h": {"store/sqlite"},
    r"yaml\.h": {"cli/control"},
    r"libpq-fe\.h": {"store/postgresql"},
}


def folder_of(path):
    parts = pathlib.PurePath(path).parts
    for length in (3, 2, 1):
        name = "/".join(parts[:length])
        if len(parts) > length and name in ALLOWED:
            return name
    return None


def main():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/*.h", "src/*.cc"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    broken = []
    for name in listed:
        relative = name.removeprefix("src/")
        here = folder_of(relative)
        if here is None:
            broken.append(f"{name}: its folder is not in the table of tools/check_includes.py")
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            match = re.match(r'#include\s+(["<])([^">]+)[">]', line)
            if not match:
                continue
            header = match.group(2)
            there = folder_of(header)
            if match.group(1) == '"' and there and there != here and there not in ALLOWED[here]:
                broken.append(f"{name}:{number}: {here}/ may not see {there}/ ({header})")
            for pattern, owners in OWNERS.items():
                if re.fullmatch(pattern, header) and here not in owners:
                    broken.append(f"{name}:{number}: <{header}> belongs to {', '.join(sorted(owners))}")
    print("\n".join(broken), file=sys.stderr) if broken else None
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
