"""A small disk: an ext4 on an image file, mounted at a directory of its own."""

import subprocess

import pytest


class Disk:
    def __init__(self, base, megabytes):
        self.image, self.mount_point = base / "disk.img", base / "disk"
        self.mount_point.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", self.image], check=True)
        self._mount()

    def _mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.mount_point], check=True)

    def raw(self):
        """All bytes of the device, as they are on it."""
        subprocess.run(["sync", "-f", self.mount_point], check=True)
        subprocess.run(["umount", self.mount_point], check=True)
        contents = self.image.read_bytes()
        self._mount()
        return contents

    def clean_up(self):
        for _ in range(4):
            done = subprocess.run(["umount", self.mount_point], check=False, capture_output=True)
            if done.returncode == 0:
                break
            subprocess.run(["umount", "-l", self.mount_point], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path, 8)
    yield made
    made.clean_up()
