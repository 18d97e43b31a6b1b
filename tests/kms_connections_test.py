"""How a machine treats a KMS: probes share a connection, and all of its volumes together keep to a
rate (docs/decisions/0013-connections.md)."""

import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import boto3
import pytest

from freehold_testing import BINARY, OK, USAGE, Volume, wait_for
from kms_testing import Kms
from process_testing import every_pid, words_of


class Relay:
    """Passes bytes on to the KMS and counts connections."""

    def __init__(self, port):
        self.target = port
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            far = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def relay(new_kms):
    made = Relay(new_kms.port)
    yield made
    made.close()


@pytest.fixture
def volume(new_kms, relay, tmp_path):
    made = Volume(new_kms, tmp_path)
    made.extra_environment["AWS_ENDPOINT_URL"] = relay.url
    made.create()
    yield made
    made.clean_up()


def probes(volume):
    """How many there were so far; each is one Decrypt of the canary."""
    return sum(event["eventName"] == "Decrypt" for event in volume.kms.events())


def more_probes(volume, number=4):
    before = probes(volume)
    wait_for("probes", lambda: probes(volume) >= before + number)


def helpers(volume):
    """The KMS helpers of this volume's daemon that are alive."""
    daemon = volume.daemon_pid()
    return [pid for pid in every_pid()
            if b"kms-helper" in words_of(pid) and parent_of(pid) == daemon]


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def test_probes_share_one_connection(volume, relay):
    volume.mount()
    more_probes(volume)
    before = relay.accepted
    more_probes(volume, 6)
    assert relay.accepted == before


def test_a_connection_that_broke_is_made_again(volume, relay):
    volume.mount()
    more_probes(volume)
    kms = volume.kms
    kms.kill()
    kms.start(kms.port)
    before = volume.custody()["last_verified_at"]
    wait_for("proof", lambda: volume.custody()["last_verified_at"] > before)
    assert volume.wait_for_state("open")["last_failure"] is None


def test_a_helper_that_died_is_replaced_and_proves_nothing(volume):
    volume.mount()
    more_probes(volume)
    [helper] = wait_for("a helper", lambda: helpers(volume))
    os.kill(helper, signal.SIGKILL)
    more_probes(volume)
    assert helper not in helpers(volume)
    assert volume.custody()["state"] == "open"


def test_no_helper_outlives_a_seal_or_its_daemon(volume):
    volume.mount()
    more_probes(volume)
    assert volume.volume("seal").code == OK
    volume.wait_for_state("sealed")
    wait_for("no helper", lambda: not helpers(volume))
    assert volume.volume("open").code == OK
    volume.wait_for_state("open")
    more_probes(volume)
    [helper] = wait_for("a helper", lambda: helpers(volume))
    volume.kill_daemon()
    wait_for("no helper", lambda: helper not in every_pid())


def test_many_volumes_together_keep_to_the_rate(new_kms, tmp_path):
    """They may begin as many as the burst at once, and no more than the rate from then on."""
    rate, burst, volumes = 8, 10, 8
    access, secret = Kms.secrets(new_kms, "customer")
    key = boto3.client(
        "kms", endpoint_url=new_kms.url, region_name="eu-south-1",
        aws_access_key_id=access, aws_secret_access_key=secret).create_key()["KeyMetadata"]["Arn"]
    environment = dict(new_kms.environment(), FREEHOLD_KMS_RATE=str(rate), AWS_REGION="eu-south-1")
    before = len(new_kms.events())
    began = time.monotonic()
    creating = [
        subprocess.Popen([BINARY, "volume", "create", tmp_path / f"v{n}", "--key", key,
                          "--state", tmp_path / "state"], env=environment,
                         stdout=subprocess.DEVNULL)
        for n in range(volumes)]
    assert [process.wait(120) for process in creating] == [OK] * volumes
    asked = [event["eventName"] for event in new_kms.events()[before:]]
    assert sum(name in ("Encrypt", "Decrypt") for name in asked) == 4 * volumes, asked
    turns = 3 * volumes  # the fourth unwraps a canary, and probes have a lane of their own
    # No bar for speed: faster than this would have broken the rate.
    assert time.monotonic() - began >= (turns - burst) / rate


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "10001", "5x", "1e3"])
def test_a_rate_that_is_none_is_refused_before_anything_is_made(new_kms, tmp_path, rate):
    volume = Volume(new_kms, tmp_path)
    volume.extra_environment["FREEHOLD_KMS_RATE"] = rate
    refused = volume.volume("create", "--key", volume.key)
    assert refused.code == USAGE, refused
    assert f"FREEHOLD_KMS_RATE '{rate}' is not a number" in refused.err
    assert not volume.directory.exists()
