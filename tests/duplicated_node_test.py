"""Two hosts with one node's identity: a disk was copied, and a revocation does not end with the word
of the one that is heard."""

import os
import shutil
import signal
import subprocess

import pytest

from agent_testing import CLUSTERS
from audit_testing import all_entries
from contacts_testing import Receiver, add
from freehold_testing import wait_for
from node_testing import HandMadeNode
from postgres_testing import free_port
from server_testing import Server, spec

TWO = "two hosts have this node's identity"


class World:
    """A cluster with one node, whose reports are made by hand, and contacts of both purposes."""

    def __init__(self, base, receiver):
        self.server = Server(base / "server", "--agents-listen", f"127.0.0.1:{free_port()}",
                             "--webhooks-allow", "127.0.0.1")
        self.receiver = receiver
        _, self.admin = self.server.new_organization("acme")
        for purpose in ("TECHNICAL", "SECURITY"):
            add(self.server, self.admin, "WEBHOOK", f"{receiver.url}&{purpose}", purpose)
        self.cluster = self.server.new_cluster(self.admin, specs=[spec()])["id"]
        self.node = self.new_node()

    def new_node(self):
        made = self.server.made("/api/v1/join-tokens", self.server.operator_key,
                                {"region": "us-east-1", "cluster_id": self.cluster})
        return HandMadeNode(made["token"]).join()

    def report(self, *instances, node=None, **fields):
        for instance in instances:
            answer = (node or self.node).report(cluster=self.cluster, instance=instance, **fields)
            assert answer.status == 200, answer
        return answer.json

    def problem(self):
        path = f"{CLUSTERS}/{self.cluster}/nodes"
        return self.server.ask("GET", path, self.admin).json["nodes"][0]["problem"]

    def act(self, action):
        path = f"{CLUSTERS}/{self.cluster}/cmek"
        return self.server.ask("PATCH", path, self.admin, {"action": action}).json["status"]

    def cmek(self):
        return self.server.ask("GET", f"{CLUSTERS}/{self.cluster}/cmek", self.admin).json

    def remove(self, words):
        return self.server.ask("DELETE", f"/api/v1/nodes/{self.node.id}?{words}",
                               self.server.operator_key)

    def seals(self, *instances, node=None):
        told = self.report(*instances, node=node)
        assert told["goal"] == "revoked"
        return self.report(*instances, node=node, epoch=told["epoch"], revision=told["revision"],
                           custody="sealed", custody_reason="revoked")

    def actions(self, action, key=None):
        return [entry for entry in all_entries(self.server, key or self.admin)
                if entry["action"] == f"AUDIT_LOG_ACTION_{action}"]


@pytest.fixture
def receiver(tmp_path):
    made = Receiver(tmp_path, tls=False)
    yield made
    made.stop()


@pytest.fixture
def world(tmp_path, receiver):
    made = World(tmp_path, receiver)
    yield made
    made.server.stop()


def test_restarts_and_releases_without_a_name_are_no_second_host(world):
    for instance in ("a", "a", "", "b", "b", "a", "c", "", "c", "b", "d"):
        world.report(instance)
    assert world.problem() == ""
    assert world.act("REVOKE") == "REVOKING"
    world.seals("d")
    assert world.cmek()["status"] == "REVOKED"
    assert not world.actions("FIND_DUPLICATED_NODE")


def test_a_second_host_is_shown_told_and_written_down_once(world):
    world.report("a", "b", "a")
    assert world.problem() == ""  # it may have been on its way
    world.report("a", problem="the KMS's words")
    assert TWO in world.problem()
    world.report("b", "a", "c", "c")
    world.server.stop()
    world.server.start()
    world.report("c")
    assert TWO in world.problem()
    wait_for("both contacts are told",
             lambda: world.receiver.types().count("node.duplicated") == 2)
    [event, _] = [one["data"] for one in world.receiver.events if one["type"] == "node.duplicated"]
    assert event["nodes"] == [world.node.id] and event["cluster_id"] == world.cluster
    assert len(world.actions("FIND_DUPLICATED_NODE")) == 1


def test_a_revocation_does_not_end_with_a_duplicated_nodes_word(world):
    world.report("a", "b", "a", "a")
    assert world.act("REVOKE") == "REVOKING"
    world.seals("a")
    world.seals("b")
    told = world.cmek()
    assert told["status"] == "REVOKING"
    words = told["region_infos"][0]["key_infos"][0]["user_message"]
    assert world.node.id in words and TWO in words
    for partly in ("", "lost=true", "duplicated=true", "lost=false&duplicated=true"):
        answer = world.remove(partly)
        assert answer.status == 400 and answer.json["code"] == 9, answer
    answer = world.remove("lost=yes")
    assert answer.status == 400 and "true or false" in answer.json["message"], answer
    assert world.remove("lost=true&duplicated=true").status == 200
    [noted] = world.actions("REMOVE_NODE", world.server.operator_key)
    assert noted["payload"] == {"node_id": world.node.id, "lost": True, "duplicated": True}
    other = world.new_node()
    assert world.cmek()["status"] == "REVOKING"
    world.seals("n", node=other)
    assert world.cmek()["status"] == "REVOKED"


def test_a_duplicated_node_that_has_not_confirmed_is_not_removed_from_what_is_revoked(world):
    world.report("a", "b", "a", "a", custody="open")
    assert world.act("REVOKE") == "REVOKING"
    answer = world.remove("lost=true&duplicated=true")
    assert answer.status == 400 and "has not confirmed" in answer.json["message"], answer


def test_a_host_that_was_copied_while_it_ran_is_not_revoked_behind_its_copys_back(service):
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    host = service.host().join()
    service.wait_status(cluster, "ENABLED")
    copy = service.host()
    shutil.copytree(host.state, copy.state, symlinks=True,
                    ignore=lambda _, names: [name for name in names if name.endswith(".sock")])
    subprocess.run(["cp", "-a", host.volume, copy.volume], check=True)
    (copy.volume / "freehold/control").unlink(missing_ok=True)
    copy.start()
    wait_for("the copy is open", lambda: os.path.ismount(copy.mount))

    def is_seen():
        # Something to report, for each of them.
        service.ask("POST", f"{CLUSTERS}/{cluster}/cmek/recheck")
        return TWO in service.nodes(cluster)[0]["problem"]
    wait_for("two hosts are seen", is_seen, 120)
    copy.process.send_signal(signal.SIGSTOP)
    assert service.act(cluster, "REVOKE").status == 200
    wait_for("the host is sealed", lambda: not os.path.ismount(host.mount))
    service.wait_custody(cluster, "sealed", "revoked")
    assert os.path.ismount(copy.mount) and service.cmek(cluster)["status"] == "REVOKING"
    copy.process.send_signal(signal.SIGCONT)
    wait_for("the copy hears it", lambda: not os.path.ismount(copy.mount))
    assert service.cmek(cluster)["status"] == "REVOKING"
