"""What tests of imports and exports share."""

import pathlib
import subprocess


def same(one, other):
    listing = subprocess.run(
        ["rsync", "-aHAXn", "--checksum", "--itemize-changes", "--delete", "--modify-window=-1",
         f"{one}/", f"{other}/"], capture_output=True, text=True, check=True)
    assert listing.stdout == "", listing.stdout


def private_place(volume):
    return pathlib.Path("/run/freehold") / f"transfer-{volume.status()['volume_id']}"
