"""Names on a mount: links, renames, removals, and the errors of a plain directory."""

import ctypes
import os
import pathlib

from posix_testing import LIBC, opened, outcome, same
from posix_testing import one_mount, plain, roots  # fixtures

NOREPLACE, EXCHANGE = 1, 2


def renameat2(old, new, flags):
    encoded = os.fsencode(old), os.fsencode(new)
    if LIBC.renameat2(-100, encoded[0], -100, encoded[1], flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_hard_links_share_contents_count_and_survive_each_other(roots):
    def scenario(root):
        (root / "a").write_bytes(b"first")
        os.link(root / "a", root / "b")
        (root / "b").write_bytes(b"second, by the other name")
        seen = [(root / "a").read_bytes(), (root / "a").stat().st_nlink]
        seen.append((root / "a").stat().st_ino == (root / "b").stat().st_ino)
        with opened(root / "a", os.O_RDWR) as one, opened(root / "b", os.O_RDWR) as two:
            os.pwrite(one, b"x" * 5000, 3)
            seen.append(os.pread(two, 6000, 0))
        os.unlink(root / "a")
        seen += [(root / "b").read_bytes(), (root / "b").stat().st_nlink]
        os.mkdir(root / "d")
        os.link(root / "b", root / "d/c")
        os.rename(root / "d/c", root / "b")  # the same file twice: nothing happens
        seen += [sorted(os.listdir(root)), os.listdir(root / "d"), (root / "b").stat().st_nlink]
        seen += [outcome(lambda: os.link(root / "d", root / "e"))]
        seen += [outcome(lambda: os.link(root / "b", root / "d/c"))]
        seen += [outcome(lambda: os.link(root / "none", root / "e"))]
        return seen

    same(roots, scenario)


def test_hard_links_share_contents_after_a_remount(mounted):
    root = mounted.mount_point
    (root / "a").write_bytes(b"one")
    os.link(root / "a", root / "b")
    mounted.unmount()
    mounted.mount()
    with opened(root / "a", os.O_RDWR) as fd:
        os.pwrite(fd, b"two!", 0)
        assert (root / "b").read_bytes() == b"two!"  # not synced: through the shared cache


def test_a_file_renamed_over_stays_readable_through_its_descriptor(roots):
    def scenario(root):
        (root / "old").write_bytes(b"old contents")
        (root / "new").write_bytes(b"new")
        with opened(root / "old", os.O_RDWR) as fd:
            os.rename(root / "new", root / "old")
            os.pwrite(fd, b"OLD", 0)
            os.fsync(fd)
            held = os.pread(fd, 100, 0)
            links = os.fstat(fd).st_nlink
        return held, links, (root / "old").read_bytes(), os.listdir(root)

    assert same(roots, scenario)[:2] == (b"OLD contents", 0)


def test_an_unlinked_file_lives_until_its_last_descriptor(roots):
    def scenario(root):
        with opened(root / "gone", os.O_RDWR | os.O_CREAT) as fd:
            os.write(fd, b"a" * 10_000)
            os.unlink(root / "gone")
            (root / "gone").write_bytes(b"another of the same name")
            os.pwrite(fd, b"b" * 10_000, 5_000)
            os.ftruncate(fd, 12_345)
            os.fsync(fd)
            proc = pathlib.Path(f"/proc/self/fd/{fd}").read_bytes()
            return os.pread(fd, 20_000, 0), proc, os.fstat(fd).st_size, (root / "gone").read_bytes()

    contents, by_proc, size, _ = same(roots, scenario)
    assert contents == by_proc == b"a" * 5_000 + b"b" * 7_345 and size == 12_345


def test_many_unlinked_files_are_held_at_once(roots):
    def scenario(root):
        held = []
        for n in range(700):  # more than the idle files that are kept open
            held.append(os.open(root / "temporary", os.O_RDWR | os.O_CREAT | os.O_EXCL))
            os.write(held[-1], b"%d" % n * 100)
            os.unlink(root / "temporary")
        contents = [os.pread(fd, 1000, 0) for fd in held]
        for fd in held:
            os.close(fd)
        return contents

    assert same(roots, scenario)[699] == b"699" * 100


def test_rename_keeps_its_flags(roots):
    def scenario(root):
        (root / "a").write_bytes(b"a")
        (root / "b").write_bytes(b"b")
        (root / "d").mkdir()
        (root / "d/inside").write_bytes(b"i")
        seen = [outcome(lambda: renameat2(root / "a", root / "b", NOREPLACE))]
        seen += [outcome(lambda: renameat2(root / "a", root / "c", NOREPLACE))]
        seen += [outcome(lambda: renameat2(root / "c", root / "b", EXCHANGE))]
        seen += [(root / "c").read_bytes(), (root / "b").read_bytes()]
        seen += [outcome(lambda: renameat2(root / "c", root / "d", EXCHANGE))]
        seen += [(root / "d").read_bytes(), (root / "c/inside").read_bytes()]
        seen += [outcome(lambda: renameat2(root / "c", root / "none", EXCHANGE))]
        seen += [outcome(lambda: renameat2(root / "c", root / "b", NOREPLACE | EXCHANGE))]
        return seen + [sorted(os.listdir(root))]

    assert same(roots, scenario)[:3] == ["EEXIST", None, None]


def errors_of_names(root):
    (root / "file").write_bytes(b"x")
    (root / "full").mkdir()
    (root / "full/inside").write_bytes(b"x")
    (root / "empty").mkdir()
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    long = "n" * 256
    calls = {
        "open none": lambda: os.open(root / "none", os.O_RDONLY),
        "open exclusively": lambda: os.open(root / "file", os.O_CREAT | os.O_EXCL),
        "open a directory to write": lambda: os.open(root / "full", os.O_WRONLY),
        "open a file as a directory": lambda: os.open(root / "file", os.O_DIRECTORY),
        "open below a file": lambda: os.open(root / "file/x", os.O_RDONLY),
        "open a loop": lambda: os.open(root / "loop", os.O_RDONLY),
        "open a link that may not be one": lambda: os.open(root / "dangling", os.O_NOFOLLOW),
        "create exclusively on a link": lambda: os.open(root / "dangling", os.O_CREAT | os.O_EXCL),
        "open a long name": lambda: os.open(root / long, os.O_RDONLY),
        "create a long name": lambda: os.open(root / long, os.O_CREAT),
        "make a long directory": lambda: os.mkdir(root / long),
        "link to a long name": lambda: os.link(root / "file", root / long),
        "rename to a long name": lambda: os.rename(root / "file", root / long),
        "a path beyond PATH_MAX": lambda: os.stat(str(root) + "/x" * 3000),
        "make a directory twice": lambda: os.mkdir(root / "full"),
        "make a directory over a file": lambda: os.mkdir(root / "file"),
        "remove a full directory": lambda: os.rmdir(root / "full"),
        "remove a file as a directory": lambda: os.rmdir(root / "file"),
        "unlink a directory": lambda: os.unlink(root / "empty"),
        "unlink none": lambda: os.unlink(root / "none"),
        "rename none": lambda: os.rename(root / "none", root / "x"),
        "rename over a full directory": lambda: os.rename(root / "empty", root / "full"),
        "rename a file over a directory": lambda: os.rename(root / "file", root / "empty"),
        "rename a directory over a file": lambda: os.rename(root / "empty", root / "file"),
        "rename into itself": lambda: os.rename(root / "full", root / "full/below"),
        "rename elsewhere": lambda: os.rename(root / "file", "/dev/shm/freehold-test-elsewhere"),
        "link elsewhere": lambda: os.link(root / "file", "/dev/shm/freehold-test-elsewhere"),
        "symlink over a file": lambda: os.symlink("x", root / "file"),
        "an empty symlink": lambda: os.symlink("", root / "x"),
        "readlink of a file": lambda: os.readlink(root / "file"),
        "truncate a directory": lambda: os.truncate(root / "full", 0),
        "truncate negatively": lambda: os.truncate(root / "file", -1),
        "truncate none": lambda: os.truncate(root / "none", 5),
        "list a file": lambda: os.listdir(root / "file"),
        "a device": lambda: os.mkfifo(root / "file"),
    }
    return {what: outcome(call) for what, call in calls.items()}


def test_errors_of_names_are_those_of_a_plain_directory(roots):
    found = same(roots, errors_of_names)
    assert found["remove a full directory"] == "ENOTEMPTY" and found["open a loop"] == "ELOOP"
    assert found["create a long name"] == "ENAMETOOLONG" and found["rename elsewhere"] == "EXDEV"


def test_odd_names_are_kept_and_too_long_ones_refused(roots):
    names = [b"with blanks  in it", b"new\nline", b"tab\t", b"\xff\xfe no utf-8 \x01", b"\\052",
             b"-rf", b"'\"$(x)`;", "ümläut €".encode(), b"n" * 255, b"...", b"freehold", b".hidden"]

    def scenario(root):
        where = os.fsencode(root)
        for number, name in enumerate(names):
            with open(where + b"/" + name, "wb") as file:
                file.write(b"%d" % number)
            os.mkdir(where + b"/d-" + name[:200])
        listed = sorted(os.listdir(where))
        contents = [open(where + b"/" + name, "rb").read() for name in names]
        for name in names:
            os.rename(where + b"/" + name, where + b"/d-" + name[:200] + b"/" + name)
        return listed, contents, sorted(os.walk(where))[1:][0][2]

    same(roots, scenario)


def test_odd_names_survive_a_crash_recovery_and_a_verification(mounted):
    where = os.fsencode(mounted.mount_point)
    for name in (b"new\nline", b"\xff no utf-8", b"n" * 255):
        with open(where + b"/" + name, "wb") as file:
            file.write(name)
            os.fsync(file.fileno())
    mounted.kill_daemon()
    mounted.mount()
    assert open(where + b"/new\nline", "rb").read() == b"new\nline"
    assert mounted.volume("verify", "--json").json["files"] == 3
