"""Finds keystream that was used twice: the one mistake that no stream cipher survives.

Two texts under the same keystream give each other away: the XOR of the ciphertexts is the XOR of
the plaintexts. Seen from each text alone, ciphertext XOR plaintext is the keystream; so whoever
knows both, as a test does, looks for a piece of keystream that turns up under two different texts,
or at two different places. It may be the same place of one file at two times (an overwrite, a
recycled log, a file that was filled with zeros first), two places, or two files.

A block cipher in XTS mode has no keystream: there, ciphertext XOR plaintext is noise that never
repeats, unless the same text was written to the same place again, which counts as nothing.

    keystream_reuse.py PLAIN BACKING [PLAIN BACKING ...]     exit code 1 when there is any
"""

import dataclasses
import pathlib
import sys

BLOCK = 16
HEADER = 4096  # of a backing file; its body has the plaintext's own offsets


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One file at one moment: what is read through the mount, and what lies on the disk."""

    name: str
    plaintext: bytes
    backing: bytes

    @classmethod
    def of(cls, name, plain_path, backing_path):
        """Of files; the caller has synced, so that both are of the same moment."""
        return cls(name, pathlib.Path(plain_path).read_bytes(),
                   pathlib.Path(backing_path).read_bytes())

    def ciphertext(self):
        return self.backing[HEADER : HEADER + len(self.plaintext)]


@dataclasses.dataclass(frozen=True)
class Reuse:
    """The same keystream at two places or under two texts."""

    keystream: bytes
    first: tuple  # name of the snapshot, offset
    second: tuple

    def __str__(self):
        return "%s at %d and %s at %d share keystream %s" % (
            *self.first, *self.second, self.keystream.hex())


def xor(left, right):
    size = min(len(left), len(right))
    number = int.from_bytes(left[:size], "big") ^ int.from_bytes(right[:size], "big")
    return number.to_bytes(size, "big")


def find_reuse(snapshots, most=20):
    """Up to `most` pieces of evidence, block by block, over all snapshots and all offsets.

    Blocks that are zeros on the disk are holes: they were never encrypted.
    """
    seen = {}
    found = []
    for snapshot in snapshots:
        ciphertext = snapshot.ciphertext()
        keystream = xor(ciphertext, snapshot.plaintext)
        for at in range(0, len(keystream) - BLOCK + 1, BLOCK):
            if not any(ciphertext[at : at + BLOCK]):
                continue
            piece = keystream[at : at + BLOCK]
            text = snapshot.plaintext[at : at + BLOCK]
            name, offset, before = seen.setdefault(piece, (snapshot.name, at, text))
            if offset == at and before == text:
                continue  # this very block, as it was in an earlier snapshot or a plain copy
            found.append(Reuse(piece, (name, offset), (snapshot.name, at)))
            if len(found) == most:
                return found
    return found


def main(arguments):
    if len(arguments) < 2 or len(arguments) % 2:
        print(__doc__)
        return 2
    pairs = zip(arguments[::2], arguments[1::2])
    found = find_reuse([Snapshot.of(plain, plain, backing) for plain, backing in pairs])
    for reuse in found:
        print(reuse)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
