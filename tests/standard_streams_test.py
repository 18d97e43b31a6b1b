"""Standard descriptors that the caller has closed, or that cannot be written to."""

import os
import re
import subprocess

import pytest

from freehold_testing import BINARY, EmbeddedKms, Volume, wait_for
from server_testing import Server


def closing(*numbers):
    def close():
        for number in numbers:
            os.close(number)
    return close


def start(directory, **streams):
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", BINARY, "server", "--data", directory, "--listen",
         "127.0.0.1:0", "--insecure"], stdin=subprocess.DEVNULL, **streams)
    EmbeddedKms.started.append(process)
    return process


@pytest.mark.parametrize("streams", [
    {"preexec_fn": closing(1)}, {"preexec_fn": closing(0, 1, 2)}, {"stdout": "/dev/full"}])
def test_a_first_api_key_that_nobody_can_see_is_not_good(tmp_path, streams):
    """The server ends; the next start shows another. No file has it."""
    directory = tmp_path / "server"
    if "stdout" in streams:
        streams = {"stdout": open(streams["stdout"], "w")}
    process = start(directory, **streams)
    assert process.wait(30) not in (0, -6)
    assert not any(re.search(rb"fhk_[0-9a-f]{16}_", path.read_bytes())
                   for path in directory.iterdir() if path.is_file())
    server = Server(directory)
    try:
        assert server.ask("GET", "/api/v1/organizations", server.operator_key).status == 200
    finally:
        server.stop()


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_a_volume_does_not_mind_closed_descriptors(new_kms, tmp_path, closed):
    volume = Volume(new_kms, tmp_path).create()
    before = sorted(path.name for path in volume.directory.rglob("*"))
    status = subprocess.run([BINARY, "volume", "status", volume.directory, "--state", volume.state],
                            preexec_fn=closing(*closed), timeout=30, check=False)
    assert status.returncode >= 0  # no signal
    assert sorted(path.name for path in volume.directory.rglob("*")) == before
