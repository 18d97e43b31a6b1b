"""Rotation (rewrap): how much is asked of the KMS, what is left behind, and dying at every step.

A crash point kills the process as kill -9 would: FREEHOLD_CRASH_AT=name:n, at the n-th passage.
"""

import concurrent.futures
import pathlib
import re
import signal
import subprocess

import pytest

import freehold_reader
import freehold_testing as ft
from freehold_testing import OK, Volume, wait_for

CONTENTS = b"still there after the rotation\n" * 1000
ROOT = pathlib.Path(__file__).resolve().parent.parent
SLOW = ["--check-interval", "10m", "--request-timeout", "5s"]  # no probe during the test


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


@pytest.fixture
def filled(volume):
    with volume.opened() as mount_point:
        (mount_point / "file").write_bytes(CONTENTS)
    return volume


def rotate(volume, key, *more):
    return volume.volume("rotate-key", "--key", f"aws-kms://{key}", *more)


def key_in_use(volume):
    return volume.status()["keks"][0]["key"].removeprefix("aws-kms://")


def set_enabled(volume, key, enabled):
    client = volume.kms.client("kms")
    (client.enable_key if enabled else client.disable_key)(KeyId=key)


def opens_with_its_contents(volume, key, other):
    """Under `key` alone: `other` is disabled meanwhile."""
    set_enabled(volume, other, False)
    try:
        volume.mount()
        assert (volume.mount_point / "file").read_bytes() == CONTENTS
        volume.unmount()
    finally:
        set_enabled(volume, other, True)


def wrappings(volume):
    """The ciphertexts in the keyring: KEK and canary."""
    kek = freehold_reader.read_keyring(volume.keyring.read_bytes()).keks[0]
    return [kek.kek.ciphertext, kek.canary.ciphertext]


def contains(haystack, needles):
    return [needle for needle in needles if needle in haystack]


def in_volume(volume, needles):
    found = []
    for path in volume.directory.rglob("*"):
        if path.is_file() and contains(path.read_bytes(), needles):
            found.append(path)
    return found


def wrapped_by(key):
    """What every ciphertext by a key of the embedded KMS begins with: its own format's key id."""
    return [b"\x01" + bytes.fromhex(key.rpartition("/")[2].replace("-", ""))]


def nothing_else_is_left(volume):
    left = {path.name for path in (volume.directory / "freehold").iterdir()}
    assert left <= {"keyring", "lock", "recovered", "control"}, left


# ---- what it asks of the KMS ----


def count(events):
    """(operation, last digits of the key) -> how often."""
    counted = {}
    for event in events:
        for resource in event.get("resources") or [{"ARN": event["requestParameters"]["keyId"]}]:
            item = event["eventName"], resource["ARN"]
            counted[item] = counted.get(item, 0) + 1
    return counted


@pytest.mark.parametrize("files", [0, 400])
@pytest.mark.parametrize("mounted", [False, True])
def test_a_rotation_asks_the_same_of_the_kms_whatever_the_size(volume, files, mounted):
    with volume.opened() as mount_point:
        for n in range(files):
            (mount_point / f"file-{n}").write_bytes(b"x" * 10_000)
    if mounted:
        result = volume.volume("mount", volume.mount_point, *SLOW)
        assert result.code == OK, result
    old, new = volume.key, volume.kms.new_key()
    before = len(volume.kms.events())
    result = rotate(volume, new)
    assert result.code == OK, result
    events = [e for e in volume.kms.events()[before:] if e["eventSource"].startswith("kms")]
    assert not [e for e in events if e.get("errorCode")], events
    events = [e for e in events if e["eventName"] != "DescribeKey"]
    asked = count(events)
    # Of the KEK: unwrap old, wrap new, unwrap new. The same once each for the canary, which goes
    # first, so that neither key is asked for the KEK before both have shown that they work.
    assert asked == {("Decrypt", old): 2, ("Encrypt", new): 2, ("Decrypt", new): 2}
    order = [(e["eventName"], e["resources"][0]["ARN"] == new) for e in events]
    assert order[0] == ("Decrypt", False) and order.index(("Decrypt", False), 1) == 3
    assert key_in_use(volume) == new and volume.status()["generation"] == 2


def test_a_rotation_says_what_it_was_and_what_it_was_not(filled):
    result = rotate(filled, filled.kms.new_key())
    assert result.code == OK and "rewrapped" in result.out and "re-encryption" in result.out
    as_json = rotate(filled, filled.kms.new_key(), "--json").json
    assert as_json["generation"] == 3 and len(as_json["keks"]) == 1


# ---- what it leaves ----


@pytest.mark.parametrize("mounted", [False, True])
def test_after_a_rotation_the_old_key_is_not_needed_and_nothing_by_it_is_left(filled, mounted):
    old, new = filled.key, filled.kms.new_key()
    old_wrappings = wrappings(filled)
    assert in_volume(filled, old_wrappings) == [filled.keyring], "the search must find them before"
    if mounted:
        filled.mount()
    assert rotate(filled, new).code == OK
    assert in_volume(filled, old_wrappings + wrapped_by(old)) == []
    assert in_volume(filled, wrapped_by(new)) == [filled.keyring]
    if mounted:
        set_enabled(filled, old, False)
        last = filled.custody()["last_verified_at"]
        wait_for("two probes of the new key", lambda: filled.custody()["last_verified_at"] > last)
        custody = filled.custody()
        assert custody["state"] == "open" and custody["last_failure"] is None
        assert (filled.mount_point / "file").read_bytes() == CONTENTS
        filled.unmount()
        set_enabled(filled, old, True)
    nothing_else_is_left(filled)
    opens_with_its_contents(filled, new, old)


@pytest.fixture
def on_a_device(new_kms, tmp_path):
    """A volume alone on an ext4 of its own; `raw()` are all bytes of the device."""
    image, place = tmp_path / "device.img", tmp_path / "device"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    volume = Volume(new_kms, tmp_path)
    volume.directory = place / "volume"
    volume.data = volume.directory / "data"
    volume.keyring = volume.directory / "freehold/keyring"

    def raw():
        subprocess.run(["sync", "-f", place], check=True)
        subprocess.run(["umount", place], check=True)
        contents = image.read_bytes()
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
        return contents

    volume.raw = raw
    volume.create()
    yield volume
    volume.clean_up()
    for _ in range(3):
        if subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0:
            break
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


@pytest.mark.parametrize("mounted", [False, True])
def test_no_block_of_the_device_keeps_a_wrapping_by_an_old_key(on_a_device, mounted):
    volume = on_a_device
    with volume.opened() as mount_point:
        (mount_point / "file").write_bytes(CONTENTS)
    keys = [volume.key, *(volume.kms.new_key() for _ in range(3))]
    assert len(contains(volume.raw(), wrappings(volume))) == 2, "the search must find them before"
    if mounted:
        volume.mount()
    for key in keys[1:]:
        assert rotate(volume, key).code == OK
    if mounted:
        volume.unmount()
    raw = volume.raw()
    assert contains(raw, [w for key in keys[:-1] for w in wrapped_by(key)]) == []
    assert contains(raw, wrapped_by(keys[-1])) != []
    opens_with_its_contents(volume, keys[-1], keys[0])


@pytest.mark.parametrize(
    "point", ["rewrap.linked", "replace.synced:3", "rewrap.committed", "rewrap.promoted"]
)
def test_no_block_of_the_device_keeps_it_after_a_crash_either(on_a_device, point):
    volume = on_a_device
    with volume.opened() as mount_point:
        (mount_point / "file").write_bytes(CONTENTS)
    old, new, third = volume.key, volume.kms.new_key(), volume.kms.new_key()
    volume.extra_environment = {"FREEHOLD_CRASH_AT": point}
    rotate(volume, new)
    volume.extra_environment = {}
    with volume.opened():
        pass  # finishes what was cut short
    used = key_in_use(volume)
    unused = {old, new} - {used}
    assert contains(volume.raw(), [w for key in unused for w in wrapped_by(key)]) == []
    assert rotate(volume, third).code == OK
    raw = volume.raw()
    assert contains(raw, wrapped_by(old) + wrapped_by(new)) == []
    opens_with_its_contents(volume, third, old)


# ---- what can go wrong ----


def unchanged(volume):
    return volume.keyring.read_bytes(), sorted(
        (path.name, path.read_bytes()) for path in (volume.state / "pins").iterdir()
    )


def deny_all(volume, key):
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":'
        '"arn:aws:iam::111122223333:root"},"Action":["kms:PutKeyPolicy","kms:EnableKey"],'
        '"Resource":"*"}]}'
    )
    volume.kms.client("kms").put_key_policy(
        KeyId=key, PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=True
    )


FAILURES = {
    "disabled": (lambda v, key: set_enabled(v, key, False), ft.DENIED, "DisabledException"),
    "without permission": (deny_all, ft.DENIED, "AccessDeniedException"),
    "to be deleted": (
        lambda v, key: v.kms.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7),
        ft.DENIED, "KMSInvalidStateException",
    ),
    "unable to wrap": (
        lambda v, key: v.kms.fault("--operation", "Encrypt", "--fail"), ft.UNREACHABLE, "new key",
    ),
}


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("how", FAILURES)
def test_a_new_key_that_fails_leaves_all_as_it_was(filled, how, mounted):
    break_it, code, words = FAILURES[how]
    if mounted:
        filled.mount()
    new = filled.kms.new_key()
    break_it(filled, new)
    before = unchanged(filled)
    result = rotate(filled, new)
    assert result.code == code and words in result.err and "new key" in result.err, result
    assert unchanged(filled) == before and in_volume(filled, wrapped_by(new)) == []
    if mounted:
        assert filled.custody()["state"] == "open"
        assert (filled.mount_point / "file").read_bytes() == CONTENTS
        filled.unmount()
    nothing_else_is_left(filled)
    opens_with_its_contents(filled, filled.key, filled.kms.new_key())


def test_a_new_key_that_is_not_there_leaves_all_as_it_was(filled):
    before = unchanged(filled)
    missing = filled.key[:-36] + "00000000-0000-0000-0000-000000000000"
    result = rotate(filled, missing)
    assert result.code == ft.DENIED and "NotFoundException" in result.err
    assert unchanged(filled) == before


@pytest.mark.parametrize("mounted", [False, True])
def test_with_the_old_key_disabled_there_is_no_rotation_and_the_new_key_is_not_asked(
    filled, mounted
):
    new = filled.kms.new_key()
    if mounted:
        result = filled.volume("mount", filled.mount_point, *SLOW)
        assert result.code == OK, result
    set_enabled(filled, filled.key, False)
    before, events = unchanged(filled), len(filled.kms.events())
    result = rotate(filled, new)
    assert result.code == ft.DENIED, result
    assert "present key" in result.err and "DisabledException" in result.err
    assert unchanged(filled) == before
    assert [e for e in filled.kms.events()[events:] if new in str(e)] == []
    set_enabled(filled, filled.key, True)


@pytest.mark.parametrize("mounted", [False, True])
def test_an_outage_in_the_middle_leaves_all_as_it_was(filled, mounted):
    """The new key wraps but cannot unwrap: at the canary already, before the KEK is touched."""
    if mounted:
        result = filled.volume("mount", filled.mount_point, *SLOW)
        assert result.code == OK, result
    before = unchanged(filled)
    filled.kms.fault("--operation", "Decrypt", "--unreachable")
    result = rotate(filled, filled.kms.new_key())
    assert result.code == ft.UNREACHABLE, result
    assert unchanged(filled) == before
    filled.kms.fault("--clear")
    assert rotate(filled, filled.kms.new_key()).code == OK


def test_rotations_at_the_same_time_come_one_after_the_other(filled):
    filled.mount()
    keys = [filled.kms.new_key() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda key: rotate(filled, key, "--json"), keys))
    assert [r.code for r in results] == [OK] * 4, results
    assert sorted(r.json["generation"] for r in results) == [2, 3, 4, 5]
    last = max(results, key=lambda r: r.json["generation"])
    used = key_in_use(filled)
    assert last.json["keks"][0]["key"].endswith(used)
    others = [key for key in [filled.key, *keys] if key != used]
    assert in_volume(filled, [w for key in others for w in wrapped_by(key)]) == []
    filled.unmount()
    opens_with_its_contents(filled, used, others[0])


def test_writing_goes_on_during_rotations(filled):
    filled.mount()
    counting = "n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo $n; done"
    writer = subprocess.Popen(["/bin/sh", "-c", f"{counting} > {filled.mount_point}/counted"])
    for _ in range(5):
        assert rotate(filled, filled.kms.new_key()).code == OK
    assert writer.wait(60) == 0
    filled.unmount()
    filled.mount()
    assert (filled.mount_point / "counted").read_text().split() == [str(n) for n in range(1, 3001)]


def test_rotating_to_the_same_key_wraps_anew(filled):
    before = wrappings(filled)
    assert rotate(filled, filled.key).code == OK
    assert in_volume(filled, before) == [] and filled.status()["generation"] == 2
    with filled.opened() as mount_point:
        assert (mount_point / "file").read_bytes() == CONTENTS


# ---- dying at every step ----


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
