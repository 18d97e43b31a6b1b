"""Rotation (rewrap): how much is asked of the KMS, and what a failure leaves: all as it was."""

import concurrent.futures
import subprocess

import pytest

import freehold_testing as ft
from freehold_testing import OK
from policy_testing import take_all_permissions
from rotate_testing import CONTENTS, in_volume, key_in_use, mount_without_probes
from rotate_testing import nothing_else_is_left, opens_with_its_contents, rotate, set_enabled
from rotate_testing import wrapped_by, wrappings
from rotate_testing import filled  # a fixture


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
        mount_without_probes(volume)
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


# ---- what can go wrong ----


def unchanged(volume):
    return volume.keyring.read_bytes(), sorted(
        (path.name, path.read_bytes()) for path in (volume.state / "pins").iterdir()
    )


FAILURES = {
    "disabled": (lambda v, key: set_enabled(v, key, False), ft.DENIED, "DisabledException"),
    "without permission": (
        lambda v, key: take_all_permissions(v.kms, key), ft.DENIED, "AccessDeniedException",
    ),
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
        mount_without_probes(filled)
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
        mount_without_probes(filled)
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
