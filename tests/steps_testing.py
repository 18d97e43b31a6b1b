"""Dying at named steps (base/crash_point.h), and what is to be true of a cluster afterwards."""

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import threading

import pytest

from agent_testing import CLUSTERS, Service
from audit_testing import all_entries
from control_cli_testing import Person
from freehold_testing import ROOT, wait_for

CONTENTS = b"kept" * 50_000
# No probe comes between: what nodes do is what they are told.
CALM = ("--check-interval", "10s")
AWAY = (503, 504)


class PatientService(Service):
    """Where a connection ends and nothing was to be changed, it asks again."""

    def ask(self, method, path, body=None, key=None):
        def answered():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return Service.ask(self, method, path, body, key)
        if method != "GET":
            return Service.ask(self, method, path, body, key)
        return wait_for(f"an answer to GET {path}", answered)


@pytest.fixture
def service(new_kms, tmp_path):
    made = PatientService(new_kms, tmp_path)
    yield made
    print(made.logs())
    made.clean_up()


def points_in(*folders):
    """The names of all crash points in these folders of src/."""
    sources = [path for folder in folders for path in (ROOT / "src" / folder).rglob("*.cc")]
    return {name for path in sources
            for name in re.findall(r'CrashPoint\("([\w.-]+)"\)', path.read_text())}


# A server ends with the thread that started it (setpriv --pdeathsig): these do not end before the tests.
KEEPERS = concurrent.futures.ThreadPoolExecutor()


class Dying:
    """A Server or a Host that dies at a step, up to `times`, and is started again each time.

    `of_child`: the step is one of a process that the host's agent looks after, and brings back.
    """

    def __init__(self, who, point, times=2, of_child=False, start=None):
        self.who, self.point, self.times, self.of_child = who, point, times, of_child
        self.start = start or who.start
        self.deaths, self.ending = 0, threading.Event()

    def _arm(self):
        written = self.who.crash_file.with_suffix(".new")
        written.write_text(self.point)
        written.rename(self.who.crash_file)

    def _bury(self):
        """Dead by its own hand, at the step; and started again."""
        self.deaths += 1
        if self.of_child:
            return
        assert self.who.process.wait(10) == -signal.SIGKILL
        for pipe in filter(None, (self.who.process.stdout, self.who.process.stderr)):
            pipe.close()
        self.start()

    def _follow(self):
        while not self.ending.wait(0.005):
            if self.who.crash_file.exists():
                continue
            self._bury()
            if self.deaths == self.times:
                return
            self._arm()

    def __enter__(self):
        self._arm()
        self.following = KEEPERS.submit(self._follow)
        return self

    def __exit__(self, failure, *_):
        self.ending.set()
        self.following.result()
        try:
            self.who.crash_file.unlink()
        except FileNotFoundError:
            if self.deaths < self.times:  # in the moment between
                self._bury()
        assert failure or self.deaths, f"{self.point} was not passed"


def asked(service, method, path, body=None, key=None, also_done=()):
    """As a client does whose connection ends: again, until it is answered. `also_done`: what a
    change that was made, and whose answer was lost, is answered with."""
    in_doubt = []

    def taken():
        try:
            answer = service.ask(method, path, body, key)
        except (OSError, http.client.HTTPException):
            in_doubt.append(True)
            return None
        if answer.status in AWAY:
            return None
        was_done = in_doubt and answer.status in also_done
        assert answer.status == 200 or was_done, (method, path, answer)
        return answer
    return wait_for(f"{method} {path} is taken", taken, 90)


def readable(host):
    with contextlib.suppress(OSError):
        return (host.mount / "file").read_bytes() == CONTENTS
    return False


def keeps_its_file(host):
    wait_for("the file", lambda: readable(host))


def joined(service, region="us-east-1"):
    """A host that is a node already."""
    host = service.host(region).join(words=CALM)
    wait_for("it has joined", (host.state / "agent/identity").exists)
    return host


def has_a_way_back(service, host):
    """Every KEK that the volume holds can be unwrapped at the KMS, all to the same bytes."""
    status = host.volume_command("status")
    assert status.returncode == 0, status
    keks = json.loads(status.stdout)["keks"]
    assert keks
    opened = set()
    for kek in keks:
        profile = "operator" if service.escrow in kek["key"] else "customer"
        opened.add(service.kms.client("kms", profile).decrypt(
            KeyId=kek["key"].removeprefix("aws-kms://"),
            CiphertextBlob=base64.b64decode(kek["wrapped_kek"]),
            EncryptionContext=kek["context"])["Plaintext"])
    assert len(opened) == 1 and all(len(kek) == 32 for kek in opened)


def is_under(service, cluster, key, *hosts):
    """Every node of it, by its own word and by its keyring."""
    assert {node["key_uri"] for node in service.nodes(cluster)} == {f"aws-kms://{key}"}
    for host in hosts:
        has_a_way_back(service, host)
        keeps_its_file(host)


def is_revoked(host):
    return not os.path.ismount(host.mount)


def actions(service, cluster):
    """What was done to it and noted; the same again and again, once."""
    named = [entry["action"].removeprefix("AUDIT_LOG_ACTION_")
             for entry in all_entries(service.server, service.admin) if entry["cluster_id"] == cluster]
    return [action for at, action in enumerate(named) if at == 0 or named[at - 1] != action]


def audit_is_whole(service):
    person = Person(service.base / "auditor", service.server.url, service.admin)
    assert "unbroken chain" in person.out("audit", "verify")


class Life:
    """What happens to a cluster of one node, step by step; each flow ends when all has come true."""

    def __init__(self, service):
        self.service = service
        self.host = service.host()
        self.cluster = service.server.new_cluster(service.admin)["id"]
        self.path = f"{CLUSTERS}/{self.cluster}/cmek"
        self.start = lambda: self.host.start(words=CALM, switches=("--allow-disenrol",))
        self.host.join(words=CALM, switches=("--allow-disenrol",))
        service.wait_state(self.cluster, "running")
        (self.host.mount / "file").write_bytes(CONTENTS)
        self.key = service.escrow

    def _put(self, method):
        self.key = self.service.new_key()
        asked(self.service, method, self.path, {"region_specs": [self.service.spec(self.key)]},
              also_done=(400,) if method == "POST" else ())
        self.service.wait_status(self.cluster, "ENABLED", 90)

    def _act(self, action, status, key=None, also_done=()):
        asked(self.service, "PATCH", self.path, {"action": action}, key, also_done)
        self.service.wait_status(self.cluster, status, 90)

    def enable(self):
        self._put("POST")

    def rotate(self):
        self._put("PUT")

    def rekey(self):
        self._act("REKEY", "ENABLED")

    def revoke(self):
        self._act("REVOKE", "REVOKED")
        assert is_revoked(self.host)

    def restore(self):
        self._act("RESTORE", "ENABLED", self.service.custodian, (400,))
        self.service.wait_custody(self.cluster, "open")

    def disenrol(self):
        self._act("DISENROL", "DISABLED", self.service.custodian, (400,))
        self.key = self.service.escrow

    def is_as_asked(self, flow):
        if flow == "revoke":
            assert is_revoked(self.host)
            assert self.service.cmek(self.cluster)["status"] == "REVOKED"
        else:
            is_under(self.service, self.cluster, self.key, self.host)

    def has_ended(self, flows):
        """Every flow once in the log, and in this order."""
        noted = {"enable": "UPDATE_CMEK", "rotate": "UPDATE_CMEK", "rekey": "REKEY_CMEK",
                 "revoke": "REVOKE_CMEK", "restore": "RESTORE_CMEK", "disenrol": "DISENROL_CMEK"}
        wanted = ["CREATE_CLUSTER"]
        for flow in flows:
            if wanted[-1] != noted[flow]:
                wanted.append(noted[flow])
        assert actions(self.service, self.cluster) == wanted
        audit_is_whole(self.service)
