"""Many files on a volume, and what its daemon holds for them: scale_test.py and bench/scale.py."""

import os
import pathlib
import re

PER_DIRECTORY = 1000


def make_files(root, count, contents=b"x" * 100):
    """`count` files with the same contents, a thousand in each directory."""
    for number in range(count):
        directory = root / f"d{number // PER_DIRECTORY:04}"
        if number % PER_DIRECTORY == 0:
            directory.mkdir(exist_ok=True)
        fd = os.open(directory / f"f{number:06}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, contents)
        os.close(fd)


def look_at_all(root):
    """A stat of each, after which the mount knows it. Returns how many files there are."""
    count = 0
    for directory in os.scandir(root):
        for entry in os.scandir(directory.path):
            os.stat(entry.path)
            count += 1
    return count


def churn(root, count, contents=b"x" * 100):
    """Creates and deletes `count` files, a few at a time."""
    for number in range(count):
        fd = os.open(root / f"churn{number % 8}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        if number % 2:
            os.write(fd, contents)
        os.close(fd)
        os.unlink(root / f"churn{number % 8}")


def decrypts(kms, since):
    """The requests to decrypt among the KMS's events from the index `since` on."""
    return [event for event in kms.events()[since:] if event["eventName"] == "Decrypt"]


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
