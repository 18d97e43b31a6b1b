"""Seeds of fuzz/kmip_answers.cc: answers of a KMIP server, encoded from the standard's tables."""

import struct


def ttlv(tag, kind, value):
    """An item of KMIP's: a structure of items, a number, a text or bytes."""
    if kind == 1:
        value = b"".join(value)
    elif kind in (2, 5):
        value = struct.pack(">I", value)
    elif kind == 6:
        value = struct.pack(">Q", value)
    elif kind == 7:
        value = value.encode()
    return (struct.pack(">I", tag << 8 | kind) + struct.pack(">I", len(value)) + value
            + bytes(-len(value) % 8))


def kmip_answer(operation, payload=(), status=0, reason=0, words=""):
    version = ttlv(0x420069, 1, [ttlv(0x42006A, 2, 1), ttlv(0x42006B, 2, 4)])
    header = ttlv(0x42007A, 1, [version, ttlv(0x42000D, 2, 1)])
    item = [ttlv(0x42005C, 5, operation), ttlv(0x42007F, 5, status)]
    if status:
        item += [ttlv(0x42007E, 5, reason), ttlv(0x42007D, 7, words)]
    else:
        item.append(ttlv(0x42007C, 1, payload))
    return ttlv(0x42007B, 1, [header, ttlv(0x42000F, 1, item)])


def kmip_answers():
    def versions(*minors):
        return kmip_answer(0x1E, [ttlv(0x420069, 1, [ttlv(0x42006A, 2, 1), ttlv(0x42006B, 2, minor)])
                                  for minor in minors])

    def attribute(name, kind, value):
        return ttlv(0x420008, 1, [ttlv(0x42000A, 7, name), ttlv(0x42000B, kind, value)])

    key = ttlv(0x420094, 7, "k")
    data, longer = ttlv(0x4200C2, 8, bytes(32)), ttlv(0x4200C2, 8, bytes(64))
    iv, tag = ttlv(0x42003D, 8, bytes(12)), ttlv(0x4200FF, 8, bytes(16))
    told = [attribute("State", 5, 2), attribute("Cryptographic Algorithm", 5, 3),
            attribute("Cryptographic Usage Mask", 2, 12), attribute("Sensitive", 6, 1),
            attribute("Extractable", 6, 0)]
    ended = kmip_answer(0x0B, [key, attribute("State", 5, 3)])
    denied = [kmip_answer(operation, (), 1, 12, "no") for operation in (0x1F, 0x20)]
    failed = kmip_answer(0x20, (), 1, 0x100, "failed")
    about = kmip_answer(0x0B, [key, *told])
    encrypted = kmip_answer(0x1F, [key, data, iv, tag])
    decrypted = kmip_answer(0x20, [key, data])
    vendor = kmip_answer(0x18, [ttlv(0x42009D, 7, "a server")])
    runs = [(0, versions(4, 2) + encrypted), (0, versions(2) + kmip_answer(0x1F, [key, longer, iv])),
            (0, versions(4) + kmip_answer(0x1F, (), 1, 7, "no GCM") + about
             + kmip_answer(0x1F, [key, longer, iv])),
            (0, versions(1)), (0, versions(4) + denied[0] + ended), (1, decrypted),
            (1, denied[1] + ended), (1, failed + about + encrypted + decrypted),
            (2, versions(4) + kmip_answer(0x20, [key, ttlv(0x4200C2, 8, bytes(64))])),
            (3, versions(4) + about), (3, versions(2) + ended), (4, vendor)]
    return [bytes([which]) + wire for which, wire in runs]
