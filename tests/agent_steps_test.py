"""The agent is killed at each step that it or the volume's daemon tells of, once for each change.

agent_faults_test.py kills it, and the server, at any moment; here no step is missed.
"""

import os
import re
import threading

import pytest

from freehold_testing import wait_for

# Of the agent: a step begins. Of the daemon: the step is done, and the agent has not written it down.
AGENTS = re.compile(r"step: ([\w-]+)")
DAEMONS = re.compile(r"(rewrapped to|re-encrypt: begun|every file is under|custody: sealing|"
                     r"custody: fenced|custody: open at)")


class Killer:
    """Follows both logs; at each line that it does not know yet it kills the agent and starts it."""

    def __init__(self, host):
        self.host, self.killed, self.ending = host, set(), threading.Event()
        self.read = {path: path.stat().st_size if path.exists() else 0 for path in self.logs()}
        self.thread = threading.Thread(target=self.follow)

    def logs(self):
        return {self.host.log: AGENTS, self.host.state / "run.log": DAEMONS}

    def follow(self):
        while not self.ending.wait(0.002):
            for path, pattern in self.logs().items():
                if not path.exists():
                    continue
                with open(path, errors="replace") as log:
                    log.seek(self.read[path])
                    text = log.read()
                whole = text[:text.rfind("\n") + 1]
                self.read[path] += len(whole.encode())
                fresh = set(pattern.findall(whole)) - self.killed
                if fresh:
                    self.killed |= fresh
                    self.host.kill()
                    self.host.start()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


@pytest.fixture
def host(service):
    return service.host()


def test_every_change_comes_to_its_end_whatever_step_its_agent_died_in(service, host):
    cluster = service.server.new_cluster(service.admin)["id"]
    host.join()
    with Killer(host) as making:
        service.wait_state(cluster, "running", 120)
    assert making.killed & {"create", "start", "take-order", "custody: open at"}
    (host.mount / "file").write_bytes(b"kept" * 100_000)

    def changed(key):
        def taken():
            answer = service.change("PUT", cluster, service.spec(key))
            assert answer.status in (200, 503) or "did not answer" in answer.text, answer
            return answer.status == 200
        with Killer(host) as killer:
            wait_for("the change is taken", taken, 120)
            service.wait_status(cluster, "ENABLED", 120)
        assert service.nodes(cluster)[0]["key_uri"] == f"aws-kms://{key}"
        return killer.killed

    first, second = service.new_key(), service.new_key()
    assert "re-encrypt" in changed(first)
    wait_for("nothing under the escrow key", lambda: service.cmek(cluster)["region_infos"][0][
        "custody"]["old_key_bytes"] == 0)
    for _ in range(2):  # to another key, and to the newest version of the same
        assert {"rewrap", "rewrapped to"} & changed(second)

    with Killer(host) as revoking:
        assert service.act(cluster, "REVOKE").status == 200
        service.wait_status(cluster, "REVOKED", 120)
    assert revoking.killed and not os.path.ismount(host.mount)
    with Killer(host) as restoring:
        assert service.act(cluster, "RESTORE", service.custodian).status == 200
        service.wait_status(cluster, "ENABLED", 120)
        service.wait_custody(cluster, "open", seconds=120)
    assert restoring.killed
    wait_for("the file", lambda: (host.mount / "file").exists())
    assert (host.mount / "file").read_bytes() == b"kept" * 100_000
