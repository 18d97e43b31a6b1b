"""Orders (seal, unmount, status) while the KMS hangs: obeyed at once, not when it answers."""

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import time

import pytest

from freehold_testing import OK, wait_for
from process_testing import words_of

PATIENT = ["--request-timeout", "10m"]  # far longer than any wait in here


@pytest.fixture
def probing(volume):
    """A volume with a probe at the KMS, which does not answer before the test's end."""
    result = volume.volume(
        "mount", volume.mount_point, "--check-interval", "300ms", *PATIENT)
    assert result.code == OK, result
    (volume.mount_point / "file").write_text("kept")
    volume.kms.fault("--operation", "Decrypt", "--latency", "600000")
    return volume


def helpers(volume):
    return helpers_of(volume.daemon_pid())


def helpers_of(daemon):
    """Processes that ask the KMS on behalf of a volume's daemon."""
    children = []
    for task in pathlib.Path(f"/proc/{daemon}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            children += (task / "children").read_text().split()
    return {int(child) for child in children if b"kms-helper" in words_of(child)}


def staying_helpers(volume):
    """Those that the KMS keeps waiting: seen twice, a while apart."""
    before = helpers(volume)
    time.sleep(0.3)
    return before & helpers(volume)


def hanging_helper(volume):
    return wait_for("a probe that hangs", lambda: staying_helpers(volume))


def test_a_status_does_not_wait_for_the_kms(probing):
    hanging = hanging_helper(probing)
    assert probing.custody()["state"] == "open"
    assert hanging & helpers(probing), "answered while the KMS was not"


def test_an_order_to_seal_does_not_wait_for_the_kms(probing):
    hanging = hanging_helper(probing)
    assert probing.volume("seal").code == OK
    assert probing.wait_for_state("sealed")["reason"] == "revoked"
    assert not hanging & helpers(probing), "nobody waits for the answer any more"
    assert not probing.is_mounted()


def test_an_order_to_unmount_does_not_wait_for_the_kms(probing):
    hanging_helper(probing)
    result = probing.volume("unmount")
    assert result.code == OK, result
    assert not probing.is_mounted() and not probing.processes()
    probing.kms.fault("--clear")
    probing.mount()
    assert (probing.mount_point / "file").read_text() == "kept"


def test_an_order_to_end_does_not_wait_for_an_opening(volume):
    volume.kms.fault("--operation", "Decrypt", "--latency", "600000")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        mounting = pool.submit(
            volume.volume, "mount", volume.mount_point, *PATIENT, "--foreground")
        [daemon] = wait_for("the daemon", volume.processes)
        wait_for("its question", lambda: helpers_of(daemon))
        os.kill(daemon, signal.SIGTERM)
        result = mounting.result()
    assert result.code != OK and not volume.is_mounted(), result


def test_an_order_to_seal_ends_a_rewrap_that_hangs(probing):
    new_key = probing.kms.new_key()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        rotating = pool.submit(
            probing.volume, "rotate-key", "--key", f"aws-kms://{new_key}")
        wait_for("its question beside the probe", lambda: len(staying_helpers(probing)) > 1)
        assert probing.volume("seal").code == OK
        result = rotating.result()
    assert result.code != OK and "interrupted by an order to seal" in result.err, result
    assert probing.wait_for_state("sealed")["reason"] == "revoked"
    assert probing.status()["generation"] == 1
    probing.kms.fault("--clear")
    assert probing.volume("open").code == OK
    probing.wait_for_state("open")
    assert (probing.mount_point / "file").read_text() == "kept"


@pytest.mark.parametrize("command", ["rekey", "re-encrypt"])
def test_a_rotation_that_an_order_met_does_not_go_on_behind_the_seal(volume, command):
    result = volume.volume("mount", volume.mount_point, *PATIENT, "--check-interval", "10m")
    assert result.code == OK, result
    volume.kms.fault("--operation", "Decrypt", "--latency", "2000")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        rotating = pool.submit(volume.volume, command)
        wait_for("its question", lambda: helpers(volume))
        assert volume.volume("seal").code == OK
        result = rotating.result()
    assert result.code != OK and "interrupted by an order to seal" in result.err, result
    assert volume.wait_for_state("sealed")["reason"] == "revoked"
    assert volume.status()["generation"] == 1
