"""A file shared on a mount: appends, maps, direct access, locks, a database of two processes."""

import contextlib
import fcntl
import mmap
import os
import random
import sqlite3
import struct
import threading

import pytest

from posix_testing import Partner, opened, outcome, python, same
from posix_testing import mounted, one_mount, plain, roots  # fixtures

APPENDER = """
fd = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for n in range(2000):
    record = (sys.argv[2] * (n % 90 + 1) + "\\n").encode()
    assert os.write(fd, record) == len(record)
    if n % 500 == 0:
        os.fsync(fd)
"""


def test_records_appended_by_two_processes_are_all_there_and_whole(mounted):
    root = mounted.mount_point
    writers = [threading.Thread(target=python, args=(APPENDER, root, name)) for name in "AB"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    mounted.unmount()
    mounted.mount()
    lines = (root / "log").read_text().splitlines()
    for name in "AB":
        lengths = [len(line) for line in lines if set(line) == {name}]
        assert lengths == [n % 90 + 1 for n in range(2000)]
    assert len(lines) == 4000


# ---- maps ----


def test_shared_memory_maps_are_shared_between_processes_and_reach_the_file(roots):
    def scenario(root):
        (root / "map").write_bytes(bytes(20_000))
        with opened(root / "map", os.O_RDWR) as fd, Partner(root) as partner:
            with mmap.mmap(fd, 20_000) as ours:
                partner.do("globals().update(f=os.open('map', os.O_RDWR))")
                partner.do("globals().update(m=mmap.mmap(f, 20000))")
                ours[100:105] = b"ours!"
                seen = [partner.do("m[100:105]"), partner.do("os.pread(f, 5, 100)")]
                partner.do("m.__setitem__(slice(15000, 15006), b'theirs')")
                seen.append(bytes(ours[15000:15006]))
                os.pwrite(fd, b"by write", 4090)
                seen.append(partner.do("m[4090:4098]"))
                partner.do("m.flush()")
                ours.flush()
        return seen, (root / "map").read_bytes()

    seen, contents = same(roots, scenario)
    assert seen[0] == "ok b'ours!'" and contents[15000:15006] == b"theirs"


def test_private_maps_stay_private(roots):
    def scenario(root):
        (root / "map").write_bytes(b"original" * 1000)
        with opened(root / "map", os.O_RDWR) as fd:
            with mmap.mmap(fd, 8000, flags=mmap.MAP_PRIVATE) as mapped:
                mapped[0:8] = b"changed!"
                os.pwrite(fd, b"by write", 4096)
                seen = bytes(mapped[0:8]), bytes(mapped[4096:4104]), os.pread(fd, 8, 0)
        return seen, (root / "map").read_bytes()

    same(roots, scenario)


def test_a_map_of_a_file_that_was_cut_short_ends_with_a_signal(roots):
    code = """
    import signal
    path = os.path.join(root, "map")
    with open(path, "wb") as f: f.write(b"x" * 20000)
    fd = os.open(path, os.O_RDWR)
    m = mmap.mmap(fd, 20000)
    os.ftruncate(fd, 5000)
    print(m[4999], m[5001], flush=True)
    child = os.fork()
    if child == 0:
        m[12000]
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGBUS)
    """
    assert same(roots, lambda root: python(code, root)) == "120 0\nTrue\n"


# ---- direct access ----


@pytest.mark.parametrize("block", [512, 4096])
def test_direct_reads_and_writes_keep_every_byte(mounted, block):
    path = mounted.mount_point / "direct"
    path.write_bytes(b"c" * 40_000)
    expected = bytearray(b"c" * 40_000)
    buffer = mmap.mmap(-1, block * 3)
    randomness = random.Random(block)
    with opened(path, os.O_RDWR | os.O_DIRECT) as fd, opened(path, os.O_RDWR) as cached:
        for _ in range(200):
            at = randomness.randrange(40_000 // block) * block
            size = randomness.choice([1, 2, 3]) * block
            if randomness.random() < 0.5:
                contents = randomness.randbytes(size)
                if randomness.random() < 0.5:
                    buffer[:size] = contents
                    assert os.pwritev(fd, [memoryview(buffer)[:size]], at) == size
                else:
                    os.pwrite(cached, contents, at)
                expected[at : at + size] = contents
            else:
                got = os.preadv(fd, [memoryview(buffer)[:size]], at)
                assert bytes(buffer[:got]) == bytes(expected[at : at + size])
                assert os.pread(cached, size, at) == bytes(expected[at : at + size])
    assert path.read_bytes() == expected


def test_readers_never_see_half_a_block_of_a_concurrent_write(mounted):
    """A block that is decrypted while it is written would be noise, not old and not new."""
    path = mounted.mount_point / "contended"
    path.write_bytes(b"0" * 8192)
    code = """
    fd = os.open("contended", os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, 4096)
    for n in range(3000):
        if sys.argv[2] == "w":
            buffer[:4096] = (b"%d" % (n % 10)) * 4096
            os.pwritev(fd, [buffer], 4096 * (n % 2))
        else:
            os.preadv(fd, [buffer], 4096 * (n % 2))
            for at in range(0, 4096, 16):
                block = buffer[at:at + 16]
                assert len(set(block)) == 1 and block[:1].isdigit(), block
    """
    writing = code, mounted.mount_point, "w"
    others = [threading.Thread(target=python, args=writing) for _ in range(2)]
    for other in others:
        other.start()
    python(code, mounted.mount_point, "r")
    for other in others:
        other.join()


# ---- locks ----


def lock_record(kind, start, length):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)


def test_byte_range_locks_hold_between_processes_and_can_be_asked_for(roots):
    def scenario(root):
        (root / "locked").write_bytes(b"x" * 1000)
        with opened(root / "locked", os.O_RDWR) as fd, Partner(root) as partner:
            partner.do("globals().update(f=os.open('locked', os.O_RDWR))")
            fcntl.lockf(fd, fcntl.LOCK_EX, 100, 50)
            seen = [partner.do("fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)")]
            seen += [partner.do("fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 200)")]
            fcntl.lockf(fd, fcntl.LOCK_UN, 100, 50)
            seen += [partner.do("fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 100)")]
            answer = fcntl.fcntl(fd, fcntl.F_GETLK, lock_record(fcntl.F_WRLCK, 0, 1000))
            kind, _, start, length, pid = struct.unpack("hhqqi4x", answer)
            seen += [kind == fcntl.F_RDLCK, start, length, pid == partner.process.pid]
            answer = fcntl.fcntl(fd, fcntl.F_GETLK, lock_record(fcntl.F_WRLCK, 500, 10))
            seen += [struct.unpack("hhqqi4x", answer)[0] == fcntl.F_WRLCK]  # held by the partner
            partner.do("fcntl.lockf(f, fcntl.LOCK_UN)")
            seen += [outcome(lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1000))]
        return seen

    same(roots, scenario)


def test_locks_go_with_their_process_and_with_flock_with_their_descriptor(roots):
    def scenario(root):
        (root / "locked").write_bytes(b"")
        with opened(root / "locked", os.O_RDWR) as fd, Partner(root) as partner:
            partner.do("globals().update(f=os.open('locked', os.O_RDWR))")
            partner.do("fcntl.lockf(f, fcntl.LOCK_EX)")
            seen = [outcome(lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB))]
            fcntl.flock(fd, fcntl.LOCK_EX)  # of another kind: no conflict
            seen += [partner.do("fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)")]
            fcntl.flock(fd, fcntl.LOCK_SH)
            seen += [partner.do("fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)")]
            seen += [outcome(lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB))]
            partner.process.kill()
            partner.process.wait(10)
            fcntl.lockf(fd, fcntl.LOCK_EX)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return seen

    assert same(roots, scenario) == ["EAGAIN", "error EAGAIN", "ok None", "EAGAIN"]


# ---- a database ----


SQLITE = """
import sqlite3
database = sqlite3.connect("bank.db", timeout=60, isolation_level=None)
assert database.execute("pragma journal_mode").fetchone() == ("wal",)
for n in range(150):
    database.execute("begin immediate")
    a, b = n % 10, (n * 7 + 3) % 10
    database.execute("update account set money = money - 1 where id = ?", (a,))
    database.execute("update account set money = money + 1 where id = ?", (b,))
    database.execute("insert into log values (?, ?)", (sys.argv[2], n))
    database.execute("commit")
    assert database.execute("select sum(money) from account").fetchone() == (1000,)
"""


def test_sqlite_in_wal_mode_serves_two_processes(mounted):
    root = mounted.mount_point
    with contextlib.closing(sqlite3.connect(root / "bank.db")) as database:
        assert database.execute("pragma journal_mode = wal").fetchone() == ("wal",)
        database.execute("create table account (id integer primary key, money integer)")
        database.execute("create table log (who text, n integer)")
        database.executemany("insert into account values (?, 100)", [(n,) for n in range(10)])
        database.commit()
        workers = [threading.Thread(target=python, args=(SQLITE, root, name)) for name in "AB"]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert database.execute("select count(*) from log").fetchone() == (300,)
    mounted.unmount()
    mounted.mount()
    with contextlib.closing(sqlite3.connect(root / "bank.db")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select sum(money), count(*) from account").fetchone() == (1000, 10)
        assert database.execute("select count(*) from log").fetchone() == (300,)
