"""Random operations on two directories in step; ends with 1 at the first difference.

random_operations.py SEED COUNT FIRST SECOND: what each call returns, its errno, and what can be
read afterwards must be the same in both. Descriptors stay open across renames and removals.
"""

import ctypes
import errno
import os
import random
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
NAMES = ["a", "b", "c", "d", "e", "f", "g"]
DIRECTORIES = ["", "x/", "y/", "x/z/"]
SIZES = [0, 1, 5, 15, 16, 17, 31, 32, 100, 511, 512, 4095, 4096, 4097, 8192, 20_000, 65_536, 70_001]
ON_DESCRIPTORS = {"write", "pwrite", "pread", "seek", "ftruncate", "fallocate", "sync", "whole"}
FALLOCATE_MODES = [0, 1, 3, 16, 17]
FLAGS = [
    os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC, os.O_RDWR | os.O_APPEND | os.O_CREAT,
    os.O_WRONLY | os.O_TRUNC,
]


class Side:
    """One of the two directories, with its own descriptors by the same numbers."""

    def __init__(self, root):
        self.root = root
        self.files = {}

    def path(self, name):
        return f"{self.root}/{name}"

    def call(self, operation, *arguments):
        try:
            return getattr(self, operation)(*arguments)
        except OSError as failure:
            return errno.errorcode[failure.errno]

    def open(self, slot, name, flags, mode):
        self.close(slot)
        self.files[slot] = os.open(self.path(name), flags, mode)

    def close(self, slot):
        if slot in self.files:
            os.close(self.files.pop(slot))

    def write(self, slot, data):
        return os.write(self.files[slot], data), os.fstat(self.files[slot]).st_size

    def pwrite(self, slot, data, offset):
        return os.pwrite(self.files[slot], data, offset), os.fstat(self.files[slot]).st_size

    def pread(self, slot, size, offset):
        return os.pread(self.files[slot], size, offset)

    def seek(self, slot, offset, whence):
        return os.lseek(self.files[slot], offset, whence)

    def ftruncate(self, slot, size):
        os.ftruncate(self.files[slot], size)
        return os.fstat(self.files[slot]).st_size

    def fallocate(self, slot, mode, offset, length):
        where = ctypes.c_int64(offset), ctypes.c_int64(length)
        if LIBC.fallocate64(self.files[slot], mode, *where) != 0:
            raise OSError(ctypes.get_errno(), "fallocate")
        return os.fstat(self.files[slot]).st_size

    def sync(self, slot):
        os.fsync(self.files[slot])

    def whole(self, slot):
        size = os.fstat(self.files[slot]).st_size
        return size, os.pread(self.files[slot], size + 10, 0)

    def truncate(self, name, size):
        os.truncate(self.path(name), size)

    def read_file(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def stat(self, name):
        st = os.lstat(self.path(name))
        size = None if stat.S_ISDIR(st.st_mode) else st.st_size
        return st.st_mode, st.st_nlink, st.st_uid, st.st_gid, size

    def unlink(self, name):
        os.unlink(self.path(name))

    def rename(self, old, new, flags):
        names = os.fsencode(self.path(old)), os.fsencode(self.path(new))
        if LIBC.renameat2(-100, names[0], -100, names[1], flags) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def link(self, old, new):
        os.link(self.path(old), self.path(new))

    def symlink(self, target, name):
        os.symlink(target, self.path(name))

    def mkdir(self, name):
        os.mkdir(self.path(name))

    def rmdir(self, name):
        os.rmdir(self.path(name))

    def chmod(self, name, mode):
        os.chmod(self.path(name), mode)

    def list(self, name):
        return sorted(os.listdir(self.path(name)))

    def setxattr(self, name, value):
        os.setxattr(self.path(name), "user.x", value)
        return os.getxattr(self.path(name), "user.x")

    def copy(self, old, new):
        """In the kernel, as cp does it."""
        source = os.open(self.path(old), os.O_RDONLY)
        try:
            target = os.open(self.path(new), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                if os.path.samestat(os.fstat(source), os.fstat(target)):
                    return "the same"
                size = os.fstat(source).st_size
                while size > 0 and (done := os.copy_file_range(source, target, size)) > 0:
                    size -= done
            finally:
                os.close(target)
        finally:
            os.close(source)
        return self.read_file(new)


def next_operation(chance):
    name = lambda: chance.choice(DIRECTORIES) + chance.choice(NAMES)
    slot = lambda: chance.randrange(4)
    size = lambda: max(0, chance.choice(SIZES) + chance.choice([0, 0, 0, -1, 1, 7]))
    data = lambda: chance.randbytes(size()) if chance.random() < 0.8 else bytes(size())
    weighted = {
        "open": (12, lambda: (slot(), name(), chance.choice(FLAGS), chance.choice([0o644, 0o600]))),
        "close": (3, lambda: (slot(),)),
        "write": (8, lambda: (slot(), data())),
        "pwrite": (16, lambda: (slot(), data(), size())),
        "pread": (10, lambda: (slot(), size(), size())),
        "seek": (3, lambda: (slot(), size(), chance.choice([os.SEEK_SET, os.SEEK_END]))),
        "ftruncate": (8, lambda: (slot(), size())),
        "fallocate": (6, lambda: (slot(), chance.choice(FALLOCATE_MODES), size(), size())),
        "sync": (2, lambda: (slot(),)),
        "whole": (6, lambda: (slot(),)),
        "truncate": (4, lambda: (name(), size())),
        "read_file": (6, lambda: (name(),)),
        "stat": (6, lambda: (name(),)),
        "unlink": (3, lambda: (name(),)),
        "rename": (4, lambda: (name(), name(), chance.choice([0, 0, 1, 2]))),
        "link": (3, lambda: (name(), name())),
        "symlink": (1, lambda: (chance.choice(NAMES), name())),
        "mkdir": (2, lambda: (chance.choice(["x", "y", "x/z", name()]),)),
        "rmdir": (1, lambda: (chance.choice(["x", "y", "x/z", name()]),)),
        "chmod": (1, lambda: (name(), chance.choice([0o600, 0o644, 0o755]))),
        "list": (2, lambda: (chance.choice([".", "x", "y", "x/z"]),)),
        "setxattr": (1, lambda: (name(), chance.randbytes(20))),
        "copy": (2, lambda: (name(), name())),
    }
    operations = list(weighted)
    picked = chance.choices(operations, [weighted[o][0] for o in operations])[0]
    return picked, weighted[picked][1]()


def shortened(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:150]} ... {text[-100:]} ({len(text)})"


def first_difference(one, two):
    if isinstance(one, bytes) and isinstance(two, bytes):
        at = next((n for n, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
        return f"lengths {len(one)} and {len(two)}, first difference at {at}"
    return ""


def main():
    seed, count, first, second = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    os.umask(0o22)
    chance = random.Random(seed)
    sides = Side(first), Side(second)
    history = []
    for step in range(count):
        operation, arguments = next_operation(chance)
        history.append(f"{step}: {operation} {shortened(arguments)}")
        if operation in ON_DESCRIPTORS:
            if arguments[0] not in sides[0].files:
                continue
        one, two = (side.call(operation, *arguments) for side in sides)
        if one != two:
            print("\n".join(history[-15:]), file=sys.stderr)
            print(f"{shortened(one)}\n{shortened(two)}", file=sys.stderr)
            print(first_difference(one, two), file=sys.stderr)
            return 1
        for side in sides:
            if set(side.files) != set(sides[0].files):
                print("\n".join(history[-15:]), "descriptors differ", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
