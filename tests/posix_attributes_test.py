"""What is said of a file on a mount: extended attributes, times, and kinds other than files."""

import os
import socket
import stat
import threading
import time

from posix_testing import NOBODY, Partner, outcome, python, same
from posix_testing import one_mount, plain, roots  # fixtures


def test_statfs_is_that_of_the_disk_below(roots):
    def scenario(root):
        st = os.statvfs(root)
        return st.f_blocks, st.f_bsize, st.f_frsize, st.f_files, st.f_namemax, st.f_bavail > 0

    same(roots, scenario)


def test_extended_attributes_are_kept_and_refused_alike(roots):
    def scenario(root):
        path = root / "f"
        path.write_bytes(b"x")
        (root / "link").symlink_to("f")
        seen = [outcome(lambda: os.setxattr(path, "user.one", b"1" * 100))]
        seen += [outcome(lambda: os.setxattr(path, "user.one", b"", os.XATTR_CREATE))]
        seen += [outcome(lambda: os.setxattr(path, "user.two", b"", os.XATTR_REPLACE))]
        seen += [outcome(lambda: os.setxattr(path, "user.two", b""))]
        seen += [outcome(lambda: os.getxattr(path, n)) for n in ("user.one", "user.two", "user.no")]
        seen += [sorted(os.listxattr(path)), sorted(os.listxattr(root / "link"))]
        seen += [outcome(lambda: os.setxattr(root / "link", "user.l", b"", follow_symlinks=False))]
        seen += [outcome(lambda: os.setxattr(path, "nonsense", b"x"))]
        seen += [outcome(lambda: os.setxattr(path, "trusted.mine", b"root's"))]
        seen += [outcome(lambda: os.setxattr(path, "user.big", b"x" * 70_000))]
        seen += [outcome(lambda: os.removexattr(path, "user.one"))]
        seen += [os.getxattr(path, "trusted.mine")]
        seen += [outcome(lambda: os.removexattr(path, "user.one")), sorted(os.listxattr(path))]
        os.chmod(root / "f", 0o444)
        code = """
        print(outcome(lambda: os.setxattr("f", "user.x", b"")), outcome(lambda: os.listxattr("f")),
              outcome(lambda: os.setxattr("f", "trusted.x", b"")))
        """
        return seen + [python(code, root, user=NOBODY, group=NOBODY)]

    same(roots, scenario)


def test_symlinks_fifos_and_sockets_work(roots):
    def scenario(root):
        (root / "target").write_bytes(b"t")
        (root / "link").symlink_to("target")
        (root / "long").symlink_to("x" * 4000)
        seen = [os.readlink(root / "link"), len(os.readlink(root / "long"))]
        seen += [(root / "link").read_bytes(), (root / "link").lstat().st_size]
        os.mkfifo(root / "fifo", 0o600)
        seen += [stat.filemode((root / "fifo").stat().st_mode)]
        with Partner(root) as partner:
            reader = threading.Thread(target=lambda: seen.append((root / "fifo").read_bytes()))
            reader.start()
            partner.do("[f := os.open('fifo', os.O_WRONLY), os.write(f, b'through'), os.close(f)]")
            reader.join(20)
        here = os.open(root, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(f"/proc/self/fd/{here}/socket")
            server.listen()
            client.connect(f"/proc/self/fd/{here}/socket")
            connection, _ = server.accept()
            client.send(b"hello")
            seen += [connection.recv(10), stat.filemode((root / "socket").stat().st_mode)[0]]
            connection.close()
        os.close(here)
        seen += [sorted((e.name, e.is_symlink(), e.inode() > 0) for e in os.scandir(root))]
        os.unlink(root / "socket")
        return seen

    same(roots, scenario)


def test_device_nodes_have_no_place(mounted):
    device = stat.S_IFCHR | 0o600, os.makedev(1, 3)
    assert outcome(lambda: os.mknod(mounted.mount_point / "null", *device)) == "EPERM"


def test_times_are_kept_and_move(roots):
    def scenario(root):
        path = root / "f"
        path.write_bytes(b"x")
        os.utime(path, ns=(1_111_111_111_222_333_444, 1_555_555_555_666_777_888))
        seen = [path.stat().st_atime_ns, path.stat().st_mtime_ns]
        os.utime(path, (5, 10))
        seen += [path.stat().st_mtime]
        path.write_bytes(b"changed")
        seen += [path.stat().st_mtime > 1_600_000_000]
        os.utime(path, (5, 10))
        before = path.stat().st_ctime_ns
        os.chmod(path, 0o600)
        seen += [path.stat().st_mtime, path.stat().st_ctime_ns > before]
        (root / "d").mkdir()
        os.utime(root / "d", (5, 10))
        (root / "d/new").touch()
        seen += [(root / "d").stat().st_mtime > 1_600_000_000]
        (root / "l").symlink_to("f")
        os.utime(root / "l", (7, 8), follow_symlinks=False)
        return seen + [(root / "l").lstat().st_mtime, path.stat().st_mtime]

    same(roots, scenario)


def test_times_sizes_and_modes_survive_a_remount(mounted):
    root = mounted.mount_point
    (root / "f").write_bytes(b"x" * 12_345)
    os.chmod(root / "f", 0o640)
    os.chown(root / "f", 101, 104)
    os.utime(root / "f", ns=(10**18 + 1, 10**18 + 2))
    # The kernel says when a file was modified once for all that happens to it within a tick of its
    # clock, unless someone looked at the time meanwhile.
    written = {}
    for path in [root / f"written{number}" for number in range(20)]:
        with open(path, "wb", buffering=0) as file:
            file.write(b"x")
            time.sleep(0.01)
            file.truncate(0)
            file.write(b"y")
            time.sleep(0.01)
        written[path] = path.stat().st_mtime_ns
    mounted.unmount()
    mounted.mount()
    st = (root / "f").stat()
    assert (st.st_size, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (12_345, 0o640, 101, 104)
    assert (st.st_atime_ns, st.st_mtime_ns) == (10**18 + 1, 10**18 + 2)
    assert {path: path.stat().st_mtime_ns for path in written} == written
