"""Two clients that change one cluster at the same moment: what comes of it is what comes of the one
change after the other, in one of both orders, with the answers of that order."""

import contextlib
import threading

import pytest

from agent_testing import CLUSTERS
from audit_testing import all_entries, check_chain
from node_testing import HandMadeNode
from postgres_testing import free_port
from server_testing import Server, spec, specs

ROUNDS = 8


class Member:
    """A node whose keys are all good and that never does anything: only what clients ask for counts."""

    def __init__(self, token):
        self.node = HandMadeNode(token).join()
        self.told = self.node.report().json
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._answer)

    def _answer(self):
        while not self.ending.wait(0.02):
            answers = [{"id": trial["id"], "usable": True, "message": ""} for trial in self.told["trials"]]
            self.told = self.node.report(answers=answers).json

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


class World:
    """One server over SQLite, or two over one PostgreSQL; a customer with two who may do much."""

    def __init__(self, directory, options):
        (directory / "ca").mkdir()
        shared = (*options, "--agents-ca", directory / "ca", "--escrow-key",
                  "arn:aws:kms:us-east-1:999988887777:key/escrow")
        self.servers = [Server(directory / "one", "--agents-listen", f"127.0.0.1:{free_port()}", *shared)]
        if options:
            self.servers.append(Server(directory / "two", *shared,
                                       operator_key=self.servers[0].operator_key))
        self.organization, self.admin = self.servers[0].new_organization("acme")
        self.custodian = self.servers[0].new_key(self.admin, "KEY_CUSTODIAN")
        self.number = 0

    @contextlib.contextmanager
    def cluster(self, *keys):
        self.number += 1
        server = self.servers[0]
        made = server.new_cluster(self.admin, f"c{self.number}", specs=list(keys) or None)["id"]
        token = server.made("/api/v1/join-tokens", server.operator_key,
                            {"region": "us-east-1", "cluster_id": made})["token"]
        with Member(token) as member:
            yield made, member

    def ask(self, change, cluster, at=0):
        """The codes of the answer, and what it says where it is a refusal."""
        method, path, body, by_custodian = change
        answer = self.servers[at % len(self.servers)].ask(
            method, f"{CLUSTERS}/{cluster}{path}", self.custodian if by_custodian else self.admin, body)
        if answer.status == 200:
            return 200, 0
        assert answer.json["message"], answer
        return answer.status, answer.json["code"]

    def outcome(self, cluster, member):
        """All that a client, a node and an auditor see, but for times and names of nodes."""
        server = self.servers[-1]
        told = member.node.report().json
        for server in self.servers:
            seen = server.ask("GET", f"{CLUSTERS}/{cluster}", self.admin)
        state = seen.json["service_state"] if seen.status == 200 else seen.status
        regions = server.ask("GET", f"{CLUSTERS}/{cluster}/cmek", self.admin).json.get("region_infos", [])
        noted = [entry["action"].removeprefix("AUDIT_LOG_ACTION_")
                 for entry in all_entries(server, self.admin) if entry["cluster_id"] == cluster]
        return (state, tuple(noted), told["goal"], (told["key"] or {}).get("uri"), told["rewraps"],
                tuple((region["region"], region["status"],
                       tuple((key["spec"]["uri"], key["status"]) for key in region["key_infos"]))
                      for region in regions))

    def in_turn(self, keys, first, second):
        with self.cluster(*keys) as (cluster, member):
            answers = self.ask(first, cluster), self.ask(second, cluster, 1)
            return *answers, self.outcome(cluster, member)

    def at_once(self, keys, first, second):
        with self.cluster(*keys) as (cluster, member):
            begin, answers = threading.Barrier(2), {}

            def client(at, change):
                begin.wait()
                answers[at] = self.ask(change, cluster, at)
            clients = [threading.Thread(target=client, args=(at, change))
                       for at, change in enumerate((first, second))]
            for one in clients:
                one.start()
            for one in clients:
                one.join()
            return answers[0], answers[1], self.outcome(cluster, member)


@pytest.fixture(scope="module")
def world(new_store, tmp_path_factory):
    made = World(tmp_path_factory.mktemp("conflicts"), new_store())
    yield made
    check_chain(made.servers[0], made.admin)
    for server in made.servers:
        server.stop()


def put(key):
    return "PUT", "/cmek", specs(key=key), False


def act(action, by_custodian=False):
    return "PATCH", "/cmek", {"action": action}, by_custodian


ENABLE = "POST", "/cmek", specs(key="k1"), False
ENABLE_ANOTHER = "POST", "/cmek", specs(key="k2"), False
DELETE = "DELETE", "", None, False
ADD = "PATCH", "", {"region_specs": [spec("eu-west-1", "k9")]}, False
ADD_ANOTHER = "PATCH", "", {"region_specs": [spec("eu-west-1", "k8")]}, False
STOP = "PATCH", "/state", {"command": "stop"}, False
LOOSEN = "PATCH", "/custody", {"outage_grace": "1h"}, False
KEY = (spec(key="k1"),)

CONFLICTS = {
    "rotate, revoke": (KEY, put("k2"), act("REVOKE")),
    "rotate, rotate to another": (KEY, put("k2"), put("k3")),
    "rotate, rotate to the same": (KEY, put("k2"), put("k2")),
    "rotate, rewrap": (KEY, put("k2"), put("k1")),
    "rotate, rekey": (KEY, put("k2"), act("REKEY")),
    "rotate, leave": (KEY, put("k2"), act("DISENROL", True)),
    "rotate, delete": (KEY, put("k2"), DELETE),
    "rotate, add a region": (KEY, put("k2"), ADD),
    "enable, delete": ((), ENABLE, DELETE),
    "enable, enable with another": ((), ENABLE, ENABLE_ANOTHER),
    "add a region, revoke": (KEY, ADD, act("REVOKE")),
    "add a region, add it with another key": (KEY, ADD, ADD_ANOTHER),
    "revoke, delete": (KEY, act("REVOKE"), DELETE),
    "revoke, restore": (KEY, act("REVOKE"), act("RESTORE", True)),
    "revoke, leave": (KEY, act("REVOKE"), act("DISENROL", True)),
    "revoke, loosen custody": (KEY, act("REVOKE"), LOOSEN),
    "delete, delete": (KEY, DELETE, DELETE),
}


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_of_two_changes_at_once_one_comes_first(world, conflict):
    keys, first, second = CONFLICTS[conflict]
    one, other, state = world.in_turn(keys, second, first)
    serial = {world.in_turn(keys, first, second), (other, one, state)}
    assert 200 in (one[0], other[0])
    for _ in range(ROUNDS):
        outcome = world.at_once(keys, first, second)
        assert outcome in serial, f"{outcome}\nis none of\n" + "\n".join(map(str, serial))


def test_a_name_that_two_clusters_are_to_have_at_once_is_given_once(world):
    body = {"name": "same", "spec": {"dedicated": {"region_nodes": {"us-east-1": 1}}}}
    begin, answers = threading.Barrier(4), []

    def client(at):
        begin.wait()
        answers.append(world.servers[at % len(world.servers)].ask("POST", CLUSTERS, world.admin, body))
    clients = [threading.Thread(target=client, args=(at,)) for at in range(4)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
