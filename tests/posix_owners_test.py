"""Who may do what on a mount: owners, groups, modes, set-user-id and access control lists."""

import os
import stat
import struct

import pytest

from posix_testing import NOBODY, outcome, python, same
from posix_testing import one_mount, plain, roots  # fixtures


def tree_of(root):
    return sorted(
        (str(path.relative_to(root)), stat.filemode(st.st_mode), st.st_uid, st.st_gid)
        for path in root.rglob("*") for st in [path.lstat()]
    )


MAKE_ALL = """
os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o666))
os.close(os.open("private", os.O_CREAT | os.O_WRONLY, 0o600))
os.close(os.open("odd", os.O_CREAT | os.O_WRONLY, 0o7751))
os.mkdir("directory", 0o777)
os.mkfifo("fifo", 0o622)
os.symlink("x", "link")
os.mkdir("shared", 0o2775)
os.chmod("shared", 0o2775)
os.close(os.open("shared/inherits", os.O_CREAT | os.O_WRONLY, 0o666))
os.mkdir("shared/below", 0o755)
os.link("file", "second")
"""


@pytest.mark.parametrize("umask", [0, 0o22, 0o77, 0o7])
@pytest.mark.parametrize(
    "uid, gid, groups", [(0, 0, ()), (NOBODY, NOBODY, ()), (101, 104, (103, 50))]
)
def test_new_files_have_the_callers_owner_and_mode(roots, uid, gid, groups, umask):
    def scenario(root):
        os.chmod(root, 0o777)
        python(MAKE_ALL, root, user=uid, group=gid, groups=groups, umask=umask)
        return tree_of(root)

    made = same(roots, scenario)
    assert all((owner, group) == (uid, gid) for name, _, owner, group in made if name != "x")


def test_supplementary_groups_and_set_group_id_directories_count(roots):
    def scenario(root):
        os.chmod(root, 0o755)
        for name, mode in (("team", 0o2770), ("plain", 0o770), ("closed", 0o700)):
            (root / name).mkdir()
            os.chown(root / name, 0, 5000)
            os.chmod(root / name, mode)
        (root / "team/readable").write_bytes(b"for the team")
        os.chown(root / "team/readable", 0, 5000)
        os.chmod(root / "team/readable", 0o640)
        code = """
        print(outcome(lambda: os.close(os.open("team/f", os.O_CREAT | os.O_WRONLY, 0o660))))
        print(outcome(lambda: os.mkdir("team/d")))
        print(outcome(lambda: os.close(os.open("team/d/f", os.O_CREAT | os.O_WRONLY, 0o2770))))
        print(outcome(lambda: os.close(os.open("plain/f", os.O_CREAT | os.O_WRONLY))))
        print(outcome(lambda: os.symlink("x", "plain/l")))
        print(outcome(lambda: os.close(os.open("closed/f", os.O_CREAT | os.O_WRONLY))))
        print(outcome(lambda: open("team/readable").read()))
        print(outcome(lambda: open("team/readable", "a")))
        """
        member = python(code, root, user=NOBODY, group=NOBODY, groups=(5000,), umask=0)
        stranger = python(code, root, user=101, group=104, groups=())
        return member, stranger, tree_of(root)

    member, stranger, tree = same(roots, scenario)
    assert member.split()[0] == "None" and stranger.split()[0] == "EACCES"
    assert ("team/f", "-rw-rw----", NOBODY, 5000) in tree


def test_permission_is_denied_as_elsewhere(roots):
    def scenario(root):
        (root / "secret").write_bytes(b"s")
        os.chmod(root / "secret", 0o600)
        (root / "read-only").write_bytes(b"r")
        os.chmod(root / "read-only", 0o444)
        for name, mode in (("locked", 0o700), ("sticky", 0o1777), ("listed", 0o744)):
            (root / name).mkdir()
            (root / name / "inside").write_bytes(b"i")
            os.chmod(root / name, mode)
        code = """
        calls = {
            "read": lambda: os.open("secret", os.O_RDONLY),
            "write": lambda: os.open("read-only", os.O_WRONLY),
            "create": lambda: os.open("new", os.O_CREAT | os.O_WRONLY),
            "truncate": lambda: os.truncate("read-only", 0),
            "chmod": lambda: os.chmod("secret", 0o777),
            "chown": lambda: os.chown("secret", 65534, 65534),
            "utime": lambda: os.utime("read-only", (1, 1)),
            "touch": lambda: os.utime("read-only"),
            "unlink": lambda: os.unlink("secret"),
            "mkdir": lambda: os.mkdir("d"),
            "rename": lambda: os.rename("secret", "mine"),
            "link": lambda: os.link("secret", "mine"),
            "symlink": lambda: os.symlink("x", "l"),
            "locked": lambda: os.listdir("locked"),
            "inside locked": lambda: os.stat("locked/inside"),
            "sticky": lambda: os.unlink("sticky/inside"),
            "listed": lambda: os.listdir("listed"),
            "inside listed": lambda: os.stat("listed/inside"),
            "access": lambda: [os.access("secret", mode) for mode in range(8)],
        }
        print({what: outcome(call) for what, call in calls.items()})
        """
        return python(code, root, user=NOBODY, group=NOBODY)

    assert "'read': 'EACCES'" in same(roots, scenario)


CHANGES = {
    "a write": "os.write(os.open('f', os.O_WRONLY), b'y')",
    "an append": "os.write(os.open('f', os.O_WRONLY | os.O_APPEND), b'y')",
    "a direct write": "os.writev(os.open('f', os.O_WRONLY | os.O_DIRECT), [mmap.mmap(-1, 4096)])",
    "a truncation": "os.truncate('f', 10)",
    "a truncation through a descriptor": "os.ftruncate(os.open('f', os.O_WRONLY), 10)",
    "an opening that truncates": "os.open('f', os.O_WRONLY | os.O_TRUNC)",
    "an allocation": "os.posix_fallocate(os.open('f', os.O_WRONLY), 0, 100_000)",
    "a change of owner": "os.chown('f', 65534, 65534)",
    "nothing": "os.stat('f')",
}


@pytest.mark.parametrize("user", [0, NOBODY])
@pytest.mark.parametrize("what", CHANGES)
def test_set_user_id_is_dropped_by(roots, what, user):
    def scenario(root):
        modes = []
        for mode in (0o6777, 0o4755, 0o2666):
            (root / "f").write_bytes(b"x" * 8192)
            os.chown(root / "f", user, user)
            os.chmod(root / "f", mode)
            python(CHANGES[what], root, user=user, group=user)
            modes.append(oct((root / "f").stat().st_mode))
        return modes

    kept = same(roots, scenario)
    if user == NOBODY and what != "nothing":
        assert kept[0] == "0o100777"


def test_access_control_lists_are_refused_rather_than_half_kept(mounted):
    """Kept below and not obeyed above, a list's mask would let the owning group in."""
    path = mounted.mount_point / "f"
    path.write_bytes(b"x")
    os.chmod(path, 0o600)
    owner, nobody, group = (1, 6, -1), (2, 6, NOBODY), (4, 0, -1)
    mask, others = (16, 6, -1), (32, 0, -1)
    acl = struct.pack("<I", 2)
    acl += b"".join(struct.pack("<HHi", *e) for e in (owner, nobody, group, mask, others))
    for place, kind in ((path, "access"), (mounted.mount_point, "default")):
        refused = outcome(lambda: os.setxattr(place, f"system.posix_acl_{kind}", acl))
        assert refused in ("ENOTSUP", "EOPNOTSUPP")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    code = "print(outcome(lambda: os.open('f', os.O_RDONLY)))"
    assert python(code, mounted.mount_point, user=NOBODY, group=0) == "EACCES\n"
