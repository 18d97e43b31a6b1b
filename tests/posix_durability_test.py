"""What was synced on a mount is on the disk, and is written before it is synced."""

import contextlib
import errno
import mmap
import os
import pathlib
import re
import signal
import subprocess

import pytest

from freehold_testing import wait_for
from posix_testing import LIBC, opened
from posix_testing import mounted  # a fixture


@contextlib.contextmanager
def traced(volume, output, calls, *more):
    """strace on the daemon, attached to all its threads; `calls` with the paths of descriptors."""
    daemon = volume.daemon_pid()
    tracer = subprocess.Popen(
        ["strace", "-f", "-y", "-qq", "-e", f"trace={calls}", *more, "-o", output, "-p",
         str(daemon)]
    )

    def attached():
        assert tracer.poll() is None, "strace could not attach"
        for task in pathlib.Path(f"/proc/{daemon}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if f"TracerPid:\t{tracer.pid}\n" not in (task / "status").read_text():
                    return False
        return True

    try:
        wait_for("strace", attached)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)


SYNCS = {
    "fsync": (lambda fd: os.fsync(fd), "fsync"),
    "fdatasync": (lambda fd: os.fdatasync(fd), "fdatasync"),
}


@pytest.mark.parametrize("how", SYNCS)
def test_a_sync_reaches_the_backing_file_after_its_data(mounted, tmp_path, how):
    sync, call = SYNCS[how]
    path = mounted.mount_point / "synced"
    output = tmp_path / "strace"
    with opened(path, os.O_RDWR | os.O_CREAT) as fd:
        with traced(mounted, output, "pwrite64,fsync,fdatasync"):
            os.pwrite(fd, b"x" * 10_000, 0)
            sync(fd)
            os.pwrite(fd, b"y" * 100, 5_000)
            sync(fd)
    kinds = [
        re.search(r"(pwrite64|fsync|fdatasync)\(", line).group(1)
        for line in output.read_text().splitlines()
        if str(mounted.data / "synced") in line and "resumed" not in line
    ]
    assert kinds.count(call) >= 2 and kinds[-1] == call and kinds[0] == "pwrite64", kinds
    first = kinds.index(call)
    assert "pwrite64" in kinds[first:], kinds


def test_a_failed_sync_stays_failed(mounted, tmp_path):
    """The kernel forgets which pages it lost: a later sync that succeeds would be a lie."""
    path = mounted.mount_point / "synced"
    once = ["-e", "inject=fsync,fdatasync:error=EIO:when=1"]
    with opened(path, os.O_RDWR | os.O_CREAT) as fd, opened(path, os.O_RDWR) as other:
        os.pwrite(fd, b"x" * 10_000, 0)
        with traced(mounted, tmp_path / "strace", "fsync,fdatasync", *once):
            with pytest.raises(OSError) as failure:
                os.fsync(fd)
            assert failure.value.errno == errno.EIO
        for again in (fd, other, fd):
            os.pwrite(again, b"y", 0)
            with pytest.raises(OSError) as failure:
                os.fsync(again)
            assert failure.value.errno == errno.EIO
    with opened(mounted.mount_point / "another", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"z", 0)
        os.fsync(fd)
    mounted.unmount()
    mounted.mount()
    with opened(path, os.O_RDWR) as fd:
        assert os.pread(fd, 1, 0) == b"y"
        os.fsync(fd)


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC])
def test_a_synchronous_write_is_a_write_and_a_sync(mounted, tmp_path, flag):
    output = tmp_path / "strace"
    with opened(mounted.mount_point / "synced", os.O_WRONLY | os.O_CREAT | flag) as fd:
        with traced(mounted, output, "pwrite64,fsync,fdatasync"):
            for n in range(3):
                os.pwrite(fd, b"x" * 100, n * 100)
    lines = [line for line in output.read_text().splitlines() if "/data/synced" in line]
    assert len([line for line in lines if "sync(" in line]) >= 3, lines
    assert "sync(" in lines[-1]


def test_a_sync_of_a_directory_reaches_the_backing_directory(mounted, tmp_path):
    (mounted.mount_point / "d").mkdir()
    output = tmp_path / "strace"
    with opened(mounted.mount_point / "d", os.O_RDONLY) as fd:
        with traced(mounted, output, "fsync,fdatasync"):
            (mounted.mount_point / "d/new").touch()
            os.fsync(fd)
            os.fsync(fd)  # had it been answered ENOSYS, the kernel would never ask again
    lines = [line for line in output.read_text().splitlines() if f"<{mounted.data}/d>" in line]
    assert len([line for line in lines if "fsync(" in line]) == 2, output.read_text()


def test_what_was_synced_through_a_map_is_on_the_disk(mounted):
    path = mounted.mount_point / "map"
    path.write_bytes(bytes(10_000))
    with opened(path, os.O_RDWR) as fd, mmap.mmap(fd, 10_000) as mapped:
        mapped[5000:5004] = b"here"
        mapped.flush()
        mounted.kill_daemon()
    mounted.mount()
    assert path.read_bytes()[5000:5004] == b"here"


def test_syncfs_succeeds_although_files_that_were_written_are_gone(mounted, tmp_path):
    """The kernel hands over the times of what has just been removed: no reason to fail."""
    root, source = mounted.mount_point, tmp_path / "source"
    source.mkdir()
    (source / "new").write_text("new")
    for number in range(3):
        (root / str(number)).write_bytes(b"gone soon")
    mounted.unmount()
    mounted.mount()
    subprocess.run(["rsync", "-a", "--inplace", "--delete", f"{source}/", f"{root}/"], check=True)
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    assert LIBC.syncfs(directory) == 0
    os.close(directory)
