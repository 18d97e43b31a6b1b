"""A full disk is reported by the call that needs space; what was accepted before is written.

Spec: docs/full-disk.md.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import threading

import pytest

from disk_testing import Disk
from freehold_testing import Volume, wait_for
from postgres_testing import Postgres
from posix_testing import fallocate, opened

MIB = 1 << 20
RESERVE = 16 * MIB


@pytest.fixture
def small_disk(tmp_path):
    made = Disk(tmp_path, 96)
    yield made
    made.clean_up()


@pytest.fixture
def small(new_kms, small_disk):
    """A volume on a disk of 96 MiB, mounted with a reserve of 16."""
    volume = Volume(new_kms, small_disk.mount_point).create()
    volume.mount("--reserve", "16MiB", "--direct", "log/*")
    yield volume
    volume.clean_up()


def free(directory):
    st = os.statvfs(directory)
    return st.f_bavail * st.f_frsize


def block(number, size=64 << 10):
    return number.to_bytes(8, "little") * (size // 8)


class Iocb(ctypes.Structure):
    """struct iocb of io_submit(2)."""

    _fields_ = [("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("opcode", ctypes.c_uint16), ("priority", ctypes.c_int16), ("fd", ctypes.c_uint32),
                ("buffer", ctypes.c_uint64), ("size", ctypes.c_uint64), ("offset", ctypes.c_int64),
                ("unused", ctypes.c_uint64), ("more", ctypes.c_uint64)]


def submit(fd, data, at):
    """One write as libaio hands it over; how much was written, or its error."""
    io_setup, io_destroy, io_getevents, io_submit = 206, 207, 208, 209  # x86-64
    libc, context = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong()
    assert libc.syscall(io_setup, 1, ctypes.byref(context)) == 0
    try:
        writable = data if isinstance(data, mmap.mmap) else bytearray(data)
        buffer = (ctypes.c_char * len(data)).from_buffer(writable)
        one = Iocb(opcode=1, fd=fd, buffer=ctypes.addressof(buffer), size=len(data), offset=at)
        if libc.syscall(io_submit, context, 1, ctypes.byref(ctypes.pointer(one))) != 1:
            raise OSError(ctypes.get_errno(), "io_submit")
        event = (ctypes.c_int64 * 4)()
        assert libc.syscall(io_getevents, context, 1, 1, event, None) == 1
        if event[2] < 0:
            raise OSError(-event[2], "io_getevents")
        return event[2]
    finally:
        libc.syscall(io_destroy, context)


RWF_APPEND = 0x10
WRITES = {
    "write": lambda fd, data, at: os.write(fd, data),
    "pwrite": lambda fd, data, at: os.pwrite(fd, data, at),
    "writev": lambda fd, data, at: os.writev(fd, [data[:5000], data[5000:]]),
    "pwritev": lambda fd, data, at: os.pwritev(fd, [data[:5000], data[5000:]], at),
    "pwritev2 to the end": lambda fd, data, at: os.pwritev(fd, [data], 0, RWF_APPEND),
    "libaio": submit,
}


def grow_until_full(fd, write=os.pwrite, start=0):
    """Writes blocks at the end; how many were accepted before the disk was full."""
    accepted, failure = start, None
    while failure is None:
        try:
            assert write(fd, block(accepted), accepted * len(block(0))) == len(block(0))
            accepted += 1
        except OSError as raised:
            failure = raised
    assert failure.errno == errno.ENOSPC
    return accepted


def assert_blocks(path, count):
    with open(path, "rb") as file:
        for number in range(count):
            assert file.read(len(block(0))) == block(number), number


@pytest.mark.parametrize("name", [*WRITES, "append", "pwrite append"])
def test_a_full_disk_shows_at_the_write_and_all_that_was_accepted_is_synced(small, name):
    path = small.mount_point / "grows"
    append = os.O_APPEND if name.endswith("append") else 0
    with opened(path, os.O_RDWR | os.O_CREAT | append) as fd:
        write = WRITES[{"append": "write", "pwrite append": "pwrite"}.get(name, name)]
        accepted = grow_until_full(fd, write)
        assert accepted > 64 * MIB // len(block(0)) // 2
        os.fsync(fd)
        assert_blocks(path, accepted)
        # Full it stays: reads, overwrites and syncs go on, growing does not.
        if not append:
            os.pwrite(fd, block(0), 0)
        with pytest.raises(OSError) as failure:
            write(fd, block(0), (accepted + 1) * len(block(0)))
        assert failure.value.errno == errno.ENOSPC
        os.fsync(fd)
    small.unmount()
    small.mount("--reserve", "0")
    assert_blocks(path, accepted)
    small.unmount()
    assert small.volume("verify", "--json").json["faults"] == []


def test_a_few_bytes_in_a_hole_of_a_file_written_once_have_their_space(new_kms, small_disk):
    volume = Volume(new_kms, small_disk.mount_point).create("--cipher", "aes-256-ctr")
    try:
        volume.mount("--reserve", "16MiB")
        with opened(volume.mount_point / "sparse", os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, b"begin", 0)
            os.ftruncate(fd, 4 * MIB)
            with opened(volume.mount_point / "fills", os.O_RDWR | os.O_CREAT) as other:
                grow_until_full(other)
            try:
                os.pwrite(fd, b"7 bytes", 2 * MIB)
            except OSError as refused:
                assert refused.errno == errno.ENOSPC
            os.fsync(fd)
    finally:
        volume.clean_up()


def spliced(fd, data, at):
    """From a pipe, as a copying program does it; how much was written."""
    source, sink = os.pipe()
    with os.fdopen(source, "rb"), os.fdopen(sink, "wb"):
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, len(data))
        os.write(sink, data)
        done = 0
        while done < len(data):
            done += os.splice(source, fd, len(data) - done, offset_dst=at + done)
        return done


# Writes past the cache, of a buffer that is aligned for it.
DIRECT = {
    "pwrite": lambda fd, data, at: os.pwrite(fd, data, at),
    "write": lambda fd, data, at: os.lseek(fd, at, os.SEEK_SET) == at and os.write(fd, data),
    "libaio": submit,
    "splice": spliced,
}


@pytest.mark.parametrize("made", ["written", "reserved"])
@pytest.mark.parametrize("name", DIRECT)
def test_an_overwrite_past_the_cache_needs_no_space(small, name, made):
    """O_DIRECT on blocks that the file has, when nothing is left of disk and reserve."""
    root = small.mount_point
    with opened(root / "first", os.O_RDWR | os.O_CREAT) as fd:
        if made == "reserved":
            fallocate(fd, 0, 0, 8 * MIB)
        else:
            os.pwrite(fd, bytes(8 * MIB), 0)
        os.fsync(fd)
    with opened(root / "grows", os.O_RDWR | os.O_CREAT) as fd:
        grow_until_full(fd)
        os.fsync(fd)
    (root / "log").mkdir()
    with opened(root / "log/1", os.O_RDWR | os.O_CREAT) as fd:
        grow_until_full(fd)
    for size in (4096, 64 << 10, MIB):
        with mmap.mmap(-1, size) as aligned, opened(root / "first", os.O_RDWR | os.O_DIRECT) as fd:
            aligned.write(block(size, size))
            for at in (0, MIB + 4096, 8 * MIB - size):
                assert DIRECT[name](fd, aligned, at) == size, (size, at)
                assert os.pread(fd, size, at) == block(size, size)
            os.fsync(fd)


def test_many_writers_on_a_full_disk_lose_nothing_that_was_accepted(small):
    accepted = {}

    def fill(number):
        with opened(small.mount_point / str(number), os.O_RDWR | os.O_CREAT) as fd:
            accepted[number] = grow_until_full(fd)
            os.fsync(fd)

    writers = [threading.Thread(target=fill, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(accepted) == 8
    for number, count in accepted.items():
        assert_blocks(small.mount_point / str(number), count)


def test_reserving_space_on_a_full_disk_fails_at_once(small):
    with opened(small.mount_point / "reserved", os.O_RDWR | os.O_CREAT) as fd:
        with pytest.raises(OSError) as failure:
            os.posix_fallocate(fd, 0, 90 * MIB)
        assert failure.value.errno == errno.ENOSPC
        grow_until_full(fd)
        with pytest.raises(OSError) as failure:
            fallocate(fd, 0, 0, 90 * MIB)
        assert failure.value.errno == errno.ENOSPC
        os.fsync(fd)


def test_a_hole_is_filled_only_while_there_is_space_for_it(small):
    """Inside of the file, so its length does not tell."""
    path = small.mount_point / "holes"
    with opened(path, os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, 200 * MIB)
        accepted = grow_until_full(fd)
        os.fsync(fd)
        assert_blocks(path, accepted)


def test_the_space_that_a_mount_shows_is_less_its_reserve(small, small_disk):
    with_reserve = free(small.mount_point)
    small.unmount()
    small.mount("--reserve", "0")
    assert RESERVE <= free(small.mount_point) - with_reserve <= RESERVE + MIB
    small.unmount()
    assert not list(small.directory.glob("**/*reserve*")), "the reserve has no name"
    small.mount("--reserve", "16MiB")
    with opened(small.mount_point / "grows", os.O_RDWR | os.O_CREAT) as fd:
        grow_until_full(fd)
        os.fsync(fd)
    assert free(small.mount_point) == 0


def test_files_grow_again_once_there_is_space(small):
    root = small.mount_point
    (root / "old").write_bytes(bytes(24 * MIB))
    with opened(root / "grows", os.O_RDWR | os.O_CREAT) as fd:
        accepted = grow_until_full(fd)
        os.fsync(fd)
        (root / "old").unlink()

        def grows():
            with contextlib.suppress(OSError):
                return os.pwrite(fd, block(accepted), accepted * len(block(0)))

        wait_for("the reserve to be whole again", grows)
        os.fsync(fd)
        assert_blocks(root / "grows", accepted + 1)
        assert grow_until_full(fd, start=accepted + 1) > accepted + 1
        os.fsync(fd)


def test_logs_and_small_files_may_use_half_of_the_reserve(small):
    root = small.mount_point
    (root / "log").mkdir()
    with opened(root / "grows", os.O_RDWR | os.O_CREAT) as fd:
        grow_until_full(fd)
        os.fsync(fd)
    (root / "small").write_bytes(b"still possible")
    with opened(root / "log/1", os.O_RDWR | os.O_CREAT) as fd:
        accepted = grow_until_full(fd) * len(block(0))
        os.fsync(fd)
    # Half of it, and what the cache's half gave back; headers and the file system take some of both.
    assert RESERVE * 3 // 8 <= accepted <= RESERVE * 3 // 4
    made = []
    with pytest.raises(OSError) as failure:
        for number in range(1000):
            with opened(root / f"small{number}", os.O_RDWR | os.O_CREAT) as fd:
                os.pwrite(fd, block(number, 4096), 0)
                made.append(number)
                os.fsync(fd)
    assert failure.value.errno == errno.ENOSPC and "pwrite" in str(failure.traceback[-1].statement)
    for number in made:
        assert (root / f"small{number}").read_bytes() == block(number, 4096)


def test_without_its_reserve_the_same_program_fails_at_the_sync(small):
    """What the reserve is for, and that the tests above would notice."""
    small.unmount()
    small.extra_environment["FREEHOLD_MUTANT"] = "reserve-not-released"
    small.mount("--reserve", "16MiB")
    fd = os.open(small.mount_point / "grows", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError) as failure:
        for number in range(4 * 96 * MIB // len(block(0))):
            os.pwrite(fd, block(number), number * len(block(0)))
            if number % 64 == 0:
                os.fsync(fd)
    assert failure.value.errno == errno.ENOSPC
    assert "fsync" in str(failure.traceback[-1].statement)
    with contextlib.suppress(OSError):
        os.close(fd)


def test_a_mount_on_a_disk_that_has_no_room_for_the_reserve_says_so(new_kms, small_disk):
    volume = Volume(new_kms, small_disk.mount_point).create()
    try:
        volume.mount("--reserve", "1GiB")
        assert "no 1073741824 bytes for the reserve" in volume.log()
        with opened(volume.mount_point / "grows", os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, bytes(MIB), 0)
            with pytest.raises(OSError) as failure:
                os.pwrite(fd, b"x", MIB)
            assert failure.value.errno == errno.ENOSPC
    finally:
        volume.clean_up()


@pytest.mark.slow
def test_postgresql_on_a_full_disk_does_not_panic_and_goes_on_once_there_is_space(
        new_kms, tmp_path, report):
    disk = Disk(tmp_path, 448)
    volume = Volume(new_kms, disk.mount_point)
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    sockets.chmod(0o777)
    postgres = None
    try:
        disk.mount_point.chmod(0o755)
        volume.create().mount("--reserve", "128MiB", "--direct", "pgdata/pg_wal/*")
        volume.mount_point.chmod(0o777)
        postgres = Postgres(volume.mount_point / "pgdata", sockets)
        postgres.initialise()
        postgres.start("-c", "max_wal_size=64MB", "-c", "shared_buffers=16MB")
        postgres.psql("create table kept as select generate_series(1, 100000) as number")
        postgres.psql("create table grows (number int, filler text)")
        errors, rows = [], 0
        insert = "insert into grows select g, repeat('x', 200) from generate_series(1, 20000) g"
        while not errors:
            try:
                postgres.psql(insert)
                rows += 20000
            except AssertionError as failure:
                errors.append(str(failure))
        assert "No space left on device" in errors[0] and "PANIC" not in errors[0], errors
        assert postgres.psql("select count(*) from grows").strip() == str(rows)
        assert postgres.psql("select sum(number) from kept").strip() == "5000050000"
        postgres.psql("update kept set number = number where number <= 100")
        postgres.psql("checkpoint")
        postgres.psql("drop table grows")
        postgres.psql("checkpoint")

        def goes_on():
            with contextlib.suppress(AssertionError):
                postgres.psql("create table if not exists again (number int, filler text)")
                postgres.psql(insert.replace("grows", "again"))
                return True

        wait_for("space to be found again", goes_on, 30)
        assert postgres.process.poll() is None
        postgres.stop()
        words = (sockets / "postgres.log").read_text()
        assert "PANIC" not in words
        assert words.count("database system is ready to accept connections") == 1
        report(f"PostgreSQL on a full disk: {rows} rows, then an ERROR, no PANIC, then space again")
    finally:
        if postgres is not None and postgres.process.poll() is None:
            postgres.kill()
        volume.clean_up()
        disk.clean_up()
