"""Dying at every step of a creation or a rotation: the old key or the new one opens, never neither.

A crash point kills the process as kill -9 would: FREEHOLD_CRASH_AT=name:n, at the n-th passage.
"""

import re
import signal
import subprocess

import freehold_testing as ft
from freehold_testing import OK, ROOT, Volume, wait_for
from rotate_testing import CONTENTS, SLOW, in_volume, key_in_use, nothing_else_is_left
from rotate_testing import opens_with_its_contents, rotate, wrapped_by
from rotate_testing import filled  # a fixture


def crash_points(prefix):
    names = set()
    for source in (ROOT / "src").rglob("*.cc"):
        names |= set(re.findall(r'CrashPoint\("([a-z.-]+)"\)', source.read_text()))
    return sorted(name for name in names if name.startswith(prefix))


CREATE_POINTS = crash_points("create.") + crash_points("replace.")
ROTATE_POINTS = crash_points("rewrap.") + crash_points("replace.")


def test_the_crash_points_are_where_this_file_looks_for_them():
    assert len(crash_points("create.")) >= 3
    assert len(crash_points("rewrap.")) >= 6
    assert len(crash_points("replace.")) == 4


def crashes(run, points):
    """Runs once for each passage of each point, until one is not reached any more."""
    reached = 0
    for point in points:
        for passage in range(1, 20):
            died = run(f"{point}:{passage}")
            if not died:
                break
            reached += 1
        else:
            raise AssertionError(f"{point} is passed without end")
        assert passage > 1 or point.startswith("replace"), f"{point} was never reached"
    return reached


def test_a_creation_killed_anywhere_can_be_run_again(new_kms, tmp_path):
    key, number = new_kms.new_key(), iter(range(1000))
    for place_exists in (False, True):

        def create_and_die(point):
            base = tmp_path / str(next(number))
            base.mkdir()
            volume = Volume(new_kms, base, key=key)
            if place_exists:
                volume.directory.mkdir()
            volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
            died = volume.volume("create", "--key", f"aws-kms://{key}")
            volume.extra_environment = {}
            assert died.code in (OK, -signal.SIGKILL), died
            again = volume.volume("create", "--key", f"aws-kms://{key}")
            if died.code == OK or volume.keyring.exists() and again.code != OK:
                assert again.code == ft.ALREADY_EXISTS, (point, again)
            else:
                assert again.code == OK, (point, again)
            with volume.opened() as mount_point:
                (mount_point / "file").write_bytes(CONTENTS)
            nothing_else_is_left(volume)
            with volume.opened() as mount_point:
                assert (mount_point / "file").read_bytes() == CONTENTS
            return died.code != OK

        assert crashes(create_and_die, CREATE_POINTS) >= 12


def one_of_both(volume, old, new, point):
    """After a crash: opens under the one key that the keyring names, and only that is left."""
    used = key_in_use(volume)
    assert used in (old, new)
    other = new if used == old else old
    opens_with_its_contents(volume, used, other)
    assert in_volume(volume, wrapped_by(other)) == [], point
    nothing_else_is_left(volume)
    assert volume.status()["generation"] == (1 if used == old else 2)
    assert rotate(volume, new).code == OK  # and it can be run again
    assert volume.volume("verify", "--json").json["files"] == 1
    return used == new


def copy_of(volume, base):
    base.mkdir()
    made = Volume(volume.kms, base, key=volume.key)
    subprocess.run(["cp", "-a", volume.directory, made.directory], check=True)
    subprocess.run(["cp", "-a", volume.state, made.state], check=True)
    return made


def test_a_rotation_killed_anywhere_leaves_the_old_key_or_the_new_one(filled, tmp_path):
    new, number, ended = filled.kms.new_key(), iter(range(1000)), set()

    def rotate_and_die(point):
        volume = copy_of(filled, tmp_path / str(next(number)))
        volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
        died = rotate(volume, new)
        volume.extra_environment = {}
        assert died.code in (OK, -signal.SIGKILL), died
        ended.add(one_of_both(volume, volume.key, new, point))
        return died.code != OK

    assert crashes(rotate_and_die, ROTATE_POINTS) >= 16
    assert ended == {False, True}  # both happen, or the points are not where they should be


def test_a_daemon_killed_anywhere_in_a_rotation_leaves_the_old_key_or_the_new_one(filled, tmp_path):
    new, number, ended = filled.kms.new_key(), iter(range(1000)), set()

    def rotate_and_die(point):
        volume = copy_of(filled, tmp_path / str(next(number)))
        try:
            volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
            opening = volume.volume("mount", volume.mount_point, *SLOW)
            if opening.code == OK:
                volume.extra_environment = {}
                rotation = rotate(volume, new)
                survived = rotation.code == OK
                if not survived:
                    assert rotation.err.startswith("freehold: "), rotation
                    gone = lambda: not volume.processes() and not volume.is_mounted()
                    wait_for("the guardian to take the mount away", gone)
                else:
                    assert (volume.mount_point / "file").read_bytes() == CONTENTS
                    volume.unmount()
            else:  # it died while it opened: what a mount writes passes the same points
                assert point.startswith("replace"), (point, opening)
                survived = False
                wait_for("its end", lambda: not volume.processes() and not volume.is_mounted())
            volume.extra_environment = {}
            ended.add(one_of_both(volume, volume.key, new, point))
            return not survived
        finally:
            volume.clean_up()

    assert crashes(rotate_and_die, ROTATE_POINTS) >= 20
    assert ended == {False, True}


def test_dying_again_while_the_work_is_finished_is_no_worse(filled, tmp_path):
    """Killed in the rotation, then at every step of the opening that finishes it."""
    new, number = filled.kms.new_key(), iter(range(1000))
    for first in ("replace.synced:2", "rewrap.committed"):

        def die_twice(point):
            volume = copy_of(filled, tmp_path / str(next(number)))
            volume.extra_environment = {"FREEHOLD_CRASH_AT": first}
            assert rotate(volume, new).code == -signal.SIGKILL
            volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
            died = volume.volume("verify")
            volume.extra_environment = {}
            one_of_both(volume, volume.key, new, (first, point))
            return died.code != OK

        points = crash_points("replace.") + ["rewrap.zeroed"]
        assert crashes(die_twice, points) >= 4
