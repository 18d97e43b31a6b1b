"""A disk whose flush takes a millisecond, the same for every contender.

    ext4 of the contenders -> loop device -> one file of a FUSE mount (slow_flush.cc) -> the disk

What ext4 sends to the loop device as a flush becomes an fsync of that one file, and slow_flush lets
each fsync last a millisecond at least. Reads and writes pass it at once, past the kernel's cache.
"""

import os
import subprocess

SIZE = 24 << 30  # sparse


class SlowFlush:
    def __init__(self, base, binary):
        self.backing, self.lower, self.mount_point = base / "disk", base / "slow", base / "ext4"
        self.program = os.path.dirname(binary) + "/freehold_slow_flush"
        self.process = None

    def __enter__(self):
        for directory in (self.backing, self.lower, self.mount_point):
            directory.mkdir()
        self.process = subprocess.Popen([self.program, self.backing, self.lower],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        try:
            image = self.lower / "image"
            with open(image, "wb") as file:
                file.truncate(SIZE)
            subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,nodiscard", image],
                           check=True)
            subprocess.run(["mount", "-o", "loop", image, self.mount_point], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.mount_point], check=False)
        self.process.stdin.close()
        self.process.wait(60)
