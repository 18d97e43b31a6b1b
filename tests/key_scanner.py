"""Looks for keys in the memory of processes: raw, hex, base64 and as AES round keys.

A scanner that finds nothing proves nothing by itself: a test first shows that it finds the keys of
an open volume. Pages that cannot be read through /proc are reported, never passed over in silence.
"""

import base64
import re


def _expand(key):
    """The 15 round keys of AES-256, FIPS 197 section 5.2."""
    box, inverse = [0] * 256, 0
    p = q = 1
    while True:
        p = p ^ (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        rotated = q
        for shift in (1, 2, 3, 4):
            rotated ^= (q << shift | q >> (8 - shift)) & 0xFF
        box[p] = rotated ^ 0x63
        if p == 1:
            break
    box[0], inverse = 0x63, 1
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    for i in range(8, 60):
        word = words[i - 1]
        if i % 8 == 0:
            word = [box[b] for b in word[1:] + word[:1]]
            word[0] ^= inverse
            inverse = inverse << 1 ^ (0x11B if inverse & 0x80 else 0)
        elif i % 8 == 4:
            word = [box[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - 8], word)])
    return [bytes(sum(words[i : i + 4], [])) for i in range(0, 60, 4)]


def _inverse_mix(round_key):
    """InvMixColumns, as decrypting key schedules keep the middle round keys."""

    def times(a, b):
        product = 0
        while b:
            if b & 1:
                product ^= a
            a = a << 1 ^ (0x11B if a & 0x80 else 0)
            b >>= 1
        return product

    out = bytearray()
    for column in range(0, 16, 4):
        c = round_key[column : column + 4]
        for row in range(4):
            out.append(
                times(c[row], 14) ^ times(c[(row + 1) % 4], 11)
                ^ times(c[(row + 2) % 4], 13) ^ times(c[(row + 3) % 4], 9)
            )
    return bytes(out)


def patterns_of(name, key):
    """(label, bytes) of every form in which a key could be lying about."""
    found = [(f"{name} raw", key), (f"{name} hex", key.hex().encode())]
    found.append((f"{name} base64", base64.b64encode(key)[:40]))
    for half in range(0, len(key), 32):
        for index, round_key in enumerate(_expand(key[half : half + 32])):
            if index >= 2:  # the first two are the key itself
                found.append((f"{name} round key {index}", round_key))
            if 0 < index < 14:
                found.append((f"{name} inverse round key {index}", _inverse_mix(round_key)))
    return found


def regions_of(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            start, end = int(match[1], 16), int(match[2], 16)
            if "r" in match[3] and match[4] not in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                yield start, end, match[4]


def scan(pid, patterns):
    """Labels of the patterns found in the process's readable memory."""
    hits = set()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in regions_of(pid):
            position = start
            while position < end:
                memory.seek(position)
                try:
                    block = memory.read(min(end - position, 1 << 24))
                except OSError as failure:
                    # A thread's stack may have gone since; what is still mapped must be readable.
                    if (start, end, name) in set(regions_of(pid)):
                        raise AssertionError(f"cannot look at {name} of {pid}") from failure
                    break
                for label, pattern in patterns:
                    if pattern in block:
                        hits.add(label)
                position += len(block) if len(block) < 4096 else max(len(block) - 64, 4096)
                if len(block) < 64:
                    break
    return hits
