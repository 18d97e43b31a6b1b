"""The story of `make demo STORY=service`, whole: that each of its beats holds, and what is left of it."""

import os
import signal
import subprocess

import pytest

from freehold_testing import BINARY, ROOT, wait_for


def story(log):
    environment = os.environ | {"FREEHOLD_BIN": str(BINARY)}
    return subprocess.Popen([ROOT / "tools/demo-service"], env=environment, stdout=log,
                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                            start_new_session=True)


def must_be_gone(session):
    """Every process of it, and every mount."""
    members = subprocess.run(["ps", "-o", "pid=,args=", "-s", str(session)], capture_output=True,
                             text=True).stdout
    assert members == ""
    text = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True).stdout
    assert f"/freehold-demo-{session}." not in text
    assert f"/freehold-demo-{session}." not in open("/proc/self/mountinfo").read()


@pytest.mark.slow
def test_every_beat_of_the_story_holds_and_nothing_is_left(tmp_path):
    with open(tmp_path / "log", "w+") as log:
        process = story(log)
        code = process.wait(timeout=500)
        log.seek(0)
        text = log.read()
    assert code == 0 and text.endswith("All eight beats held.\n"), text[-5000:]
    must_be_gone(process.pid)


def test_who_breaks_the_story_off_leaves_nothing(tmp_path):
    with open(tmp_path / "log", "w+") as log:
        process = story(log)
        wait_for("the agents", lambda: "cluster create" in (tmp_path / "log").read_text())
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 130
    must_be_gone(process.pid)
