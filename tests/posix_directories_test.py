"""Directories on a mount: deep ones, many of them, and listings while files come and go."""

import os
import resource
import subprocess
import threading

import pytest

from freehold_testing import BINARY, wait_for
from posix_testing import python, same
from posix_testing import one_mount, plain, roots  # fixtures


def write_at_the_bottom(root):
    """A file below 300 directories, beyond PATH_MAX in the end; what can be read from it."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    fd = os.open("bottom", os.O_RDWR | os.O_CREAT, dir_fd=here)
    os.write(fd, b"deep")
    os.fsync(fd)
    contents = os.pread(fd, 10, 0)
    os.close(fd)
    os.close(here)
    return contents


def test_deep_directories_are_reached(roots):
    def scenario(root):
        contents = write_at_the_bottom(root)
        path = root
        depth = 0
        while (path / ("d" * 20)).exists() and len(str(path)) < 3500:
            path, depth = path / ("d" * 20), depth + 1
        return contents, depth > 150

    assert same(roots, scenario) == (b"deep", True)


def test_a_tree_deeper_than_a_path_can_name_opens_again_after_a_crash(mounted):
    write_at_the_bottom(mounted.mount_point)
    verified = mounted.volume("verify", "--json")
    assert verified.code == 0 and verified.json["files"] == 1, verified
    mounted.kill_daemon()
    mounted.mount()
    mounted.unmount()


def test_a_listing_is_whole_while_other_files_come_and_go(mounted):
    root = mounted.mount_point / "listed"
    root.mkdir()
    staying = {f"stays-{n:05}" for n in range(5000)}
    for name in staying:
        (root / name).touch()
    stop = threading.Event()

    def churn():
        n = 0
        while not stop.is_set():
            path = root / f"comes-and-goes-{n % 500}"
            path.touch()
            if n % 3:
                path.unlink()
            n += 1

    churner = threading.Thread(target=churn)
    churner.start()
    try:
        for _ in range(8):
            listed = [name for name in os.listdir(root) if name.startswith("stays")]
            assert len(listed) == len(set(listed)) == 5000 and set(listed) == staying
    finally:
        stop.set()
        churner.join()
    for name in staying:  # removing while listing, as rm -r does
        os.unlink(root / name)
    assert not [name for name in os.listdir(root) if name.startswith("stays")]


def test_listings_from_many_processes_at_once_do_not_disturb_each_other(mounted):
    root = mounted.mount_point
    for n in range(300):
        (root / f"file-{n}").touch()
    code = """
    for _ in range(300):
        assert len([n for n in os.listdir(".") if n.startswith("file-")]) == 300
    """
    workers = [threading.Thread(target=python, args=(code, root)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert mounted.custody()["state"] == "open"


@pytest.mark.parametrize("soft, hard", [(256, 4096), (400, 400)])
def test_more_directories_than_descriptors_can_be_open(volume, soft, hard):
    """A service's limit is often 1024; directories are kept at hand as far as there is room."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = ["prlimit", f"--nofile={soft}:{hard}", BINARY, "volume", "mount"]
    command += [volume.directory, volume.mount_point, "--state", volume.state]
    command += ["--check-interval", "300ms"]
    environment = volume.kms.environment()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    root = volume.mount_point
    for n in range(1500):
        (root / f"d{n}").mkdir()
        (root / f"d{n}/file").write_bytes(b"%d" % n)
    for n in range(1500):
        os.truncate(root / f"d{n}/file", 1)
    for n in range(1500):
        assert (root / f"d{n}/file").read_bytes() == (b"%d" % n)[:1]
    before = volume.custody()["last_verified_at"]  # a probe needs descriptors too
    wait_for("a probe", lambda: volume.custody()["last_verified_at"] > before)
    assert volume.custody()["state"] == "open"
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
