"""A directory behind a mount that forgets what was not synced: a power loss for crash tests."""

import os
import signal
import subprocess

from freehold_testing import BINARY


class DroppingDisk:
    def __init__(self, base):
        self.backing, self.mount_point = base / "disk", base / "dropping"
        self.backing.mkdir()
        self.mount_point.mkdir()
        self.process = subprocess.Popen(
            [os.path.dirname(BINARY) + "/freehold_dropfs", self.backing, self.mount_point],
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def write_back(self):
        """What the operating system does now and then by itself: everything so far is kept."""
        subprocess.run(["sync", "-f", self.mount_point], check=True)
        self.process.send_signal(signal.SIGUSR2)
        assert self.process.stdout.readline() == "kept\n"

    def cut_power(self):
        """Returns how many changes were lost."""
        self.process.send_signal(signal.SIGUSR1)
        lost = int(self.process.stdout.readline())
        self.process.wait(60)
        return lost

    def clean_up(self):
        self.process.kill()
        self.process.wait(60)
        subprocess.run(["umount", "-l", self.mount_point], check=False, capture_output=True)
