"""Disks below all contenders: one in memory, and one whose flush takes a millisecond.

    MemoryDisk:  ext4 of the contenders -> loop device -> one file of a tmpfs
    SlowFlush:   ext4 of the contenders -> loop device -> one file of a FUSE mount (slow_flush.cc)
                 -> a tmpfs

A shared machine's disk may be twice as slow a moment later; memory is not. What ext4 sends to the
loop device as a flush becomes an fsync of that one file, and slow_flush lets each fsync last a
millisecond at least. Reads and writes pass it at once, past the kernel's cache.
"""

import contextlib
import os
import subprocess

from freehold_testing import wait_for

SIZE = 24 << 30  # sparse
IN_MEMORY = 14 << 30


def call(*words):
    subprocess.run(words, check=True)


class MemoryDisk:
    def __init__(self, base):
        self.memory, self.mount_point = base / "memory", base / "ext4"
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.mount(stack, self.memory, "-t", "tmpfs", "-o", f"size={IN_MEMORY}", "tmpfs")
            image = self.place_of_image(stack) / "image"
            with open(image, "wb") as file:
                file.truncate(SIZE)
            call("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,nodiscard", image)
            self.mount(stack, self.mount_point, "-o", "loop,discard", image)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    @staticmethod
    def mount(stack, where, *words):
        where.mkdir()
        call("mount", *words, where)
        # Daemons that were told to end may need a moment to let go of it.
        stack.callback(wait_for, f"{where} to be unmounted",
                       lambda: subprocess.run(["umount", where], check=False).returncode == 0)

    def place_of_image(self, _stack):
        return self.memory


class SlowFlush(MemoryDisk):
    def __init__(self, base, binary):
        super().__init__(base)
        self.slow = base / "slow"
        self.program = os.path.dirname(binary) + "/freehold_slow_flush"

    def place_of_image(self, stack):
        self.slow.mkdir()
        process = subprocess.Popen([self.program, self.memory, self.slow],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait, 60)
        stack.callback(process.stdin.close)
        assert process.stdout.readline() == "ready\n"
        return self.slow
