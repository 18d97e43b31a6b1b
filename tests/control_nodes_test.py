"""`freehold node`, `cluster nodes|start|stop` and `cmek status`, over real agents."""

import json
import os
import re
import subprocess

import pytest

from control_cli_testing import PRECONDITION, TIMEOUT, Person
from freehold_testing import ALREADY_EXISTS, BINARY, NOT_FOUND, USAGE, wait_for
from policy_testing import ROLE
from server_testing import Server


@pytest.fixture
def operator(service, tmp_path):
    return Person(tmp_path / "operator", service.server.url, service.server.operator_key)


@pytest.fixture
def admin(service, tmp_path):
    return Person(tmp_path / "admin", service.server.url, service.admin)


@pytest.fixture
def cluster(service):
    """'orders', one node, under the customer's key."""
    made = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join()
    service.wait_state(made, "running")
    service.wait_status(made, "ENABLED")
    return made


def fields(text, region="us-east-1"):
    """The names and values of a region's part of `cmek status`; a name may be there twice."""
    part = text.split(f"\n\n{region} ")[1].split("\n\n")[0]
    return dict(re.split(r"  +", line, maxsplit=1) for line in part.splitlines()[1:])


def custody_is(admin, words):
    wait_for(f"custody {words}",
             lambda: fields(admin.out("cmek", "status", "orders"))["custody"].startswith(words))


def test_a_token_goes_to_a_new_file_or_through_a_pipe(service, operator, admin, tmp_path):
    path = tmp_path / "token"
    shown = operator.out("node", "token", "--region", "us-east-1", "--token-file", path)
    token = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600 and token.startswith("fhj_") and token not in shown
    operator.fails(ALREADY_EXISTS, "token", "node", "token", "--region", "us-east-1",
                   "--token-file", path)
    assert path.read_text().strip() == token
    piped = operator.out("node", "token", "--region", "us-east-1")
    assert piped.startswith("fhj_") and piped.count("\n") == 1 and piped.strip() != token
    # What the server refuses leaves no file.
    admin.fails(NOT_FOUND, "may not see it", "node", "token", "--region", "us-east-1", "--token-file",
                tmp_path / "none")
    assert not (tmp_path / "none").exists()
    made = operator.json("node", "token", "--region", "us-east-1", "--token-file", tmp_path / "two")
    assert "token" not in made and made["region"] == "us-east-1"
    service.host().start(token)
    wait_for("a node", lambda: operator.json("node", "list")["nodes"])


def test_a_server_without_agents_says_so(tmp_path):
    server = Server(tmp_path / "server")
    try:
        operator = Person(tmp_path / "operator", server.url, server.operator_key)
        operator.fails(PRECONDITION, "--agents-listen", "node", "token", "--region", "us-east-1",
                       "--token-file", tmp_path / "token")
        assert not (tmp_path / "token").exists()
    finally:
        server.stop()


def test_nodes_are_listed_by_whom_they_belong_to_and_removed_by_their_id(service, operator, admin,
                                                                         cluster):
    [node] = operator.json("node", "list")["nodes"]
    table = operator.out("node", "list").splitlines()
    assert table[0].split()[:3] == ["NODE", "REGION", "CLUSTER"]
    assert table[1].split()[:4] == [node["id"], "us-east-1", cluster, "no"]
    admin.fails(NOT_FOUND, "may not see it", "node", "list")
    operator.fails(USAGE, "--yes does it without asking", "node", "remove", node["id"])
    operator.fails(PRECONDITION, "", "node", "remove", node["id"], "--yes")
    operator.fails(NOT_FOUND, "", "node", "remove", "0" * 8, "--yes")
    shown, code = operator.types(["node", "remove", node["id"], "--lost"], "orders")
    assert code == USAGE and "gone for good" in shown and "not the node's id" in shown
    shown, code = operator.types(["node", "remove", node["id"], "--lost"], node["id"])
    assert code == 0 and "is removed" in shown
    assert operator.json("node", "list")["nodes"] == []


def test_what_a_clusters_nodes_said_is_a_table(service, admin, cluster):
    assert admin.json("cluster", "nodes", "orders")["nodes"] == service.nodes(cluster)
    titles, row = admin.out("cluster", "nodes", "orders").splitlines()
    assert titles.split() == ["NODE", "REGION", "CONNECTED", "CUSTODY", "SINCE", "DATABASE", "KEY",
                              "PROBLEM"]
    said = service.nodes(cluster)[0]
    assert row.split() == [said["id"], "us-east-1", "yes", "open", said["since"], "ready",
                           said["key_uri"], "-"]


def test_a_cluster_is_stopped_when_that_is_typed_and_started_again(service, admin, cluster):
    admin.fails(USAGE, "--yes does it without asking", "cluster", "stop", "orders")
    shown, code = admin.types(["cluster", "stop", "orders"], "other")
    assert code == USAGE and "sealed" in shown and "nothing was changed" in shown
    assert service.state(cluster) == "running"
    assert "is stopped" in admin.out("cluster", "stop", "orders", "--yes", "--wait")
    assert not os.path.ismount(service.hosts[0].mount)
    assert fields(admin.out("cmek", "status", "orders"))["next"] == (
        "freehold cluster start orders --wait")
    made = admin.json("cluster", "start", "orders", "--wait")
    assert made["service_state"] == "running" and os.path.ismount(service.hosts[0].mount)


def test_the_screen_of_a_cluster_without_trouble_asks_for_nothing(service, admin, cluster):
    text = admin.out("cmek", "status", "orders")
    assert "orders (running)" in text and "ENABLED" in text.split("\n\n")[0]
    said = service.nodes(cluster)[0]
    shown = fields(text)
    assert shown["custody"] == f"open since {said['since']}"
    assert shown["seen by"] == f"1 of 1 nodes: {said['id']}"
    assert shown["databases"] == "1 ready" and shown["left keys read"] == "0 bytes"
    assert shown["last verified"].endswith("Z") and shown["lease ends"].endswith("Z")
    assert not {"next", "the KMS says", "not heard", "problem"} & set(shown)


def test_the_screen_has_the_kms_words_and_the_command_that_ends_them(service, admin, cluster):
    key = service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]
    service.kms.client("kms").disable_key(KeyId=key)
    custody_is(admin, "sealed (denied)")
    shown = fields(admin.out("cmek", "status", "orders"))
    assert "Disabled" in shown["the KMS says"] and shown["seen by"].startswith("1 of 1 nodes")
    assert shown["databases"] != "1 ready"
    enable = shown["next"].split("   #")[0]
    assert enable == f"aws kms enable-key --region us-east-1 --key-id {key}"
    check = shown["then"].split("   #")[0].split()
    assert check[:4] == ["freehold", "key", "check", f"aws-kms://{key}"]
    # Both are typed, as they stand.
    checked = subprocess.run([BINARY, *check[1:]], env=service.kms.environment("operator"),
                             capture_output=True, text=True, timeout=60)
    assert checked.returncode != 0 and "Disabled" in checked.stdout + checked.stderr, checked
    assert ROLE in check and service.organization in check
    service.kms.client("kms").enable_key(KeyId=key)
    custody_is(admin, "open since")
    assert "next" not in fields(admin.out("cmek", "status", "orders"))


def test_the_screen_of_revoked_keys_leads_to_their_restoring(service, admin, cluster, tmp_path):
    admin.out("cmek", "revoke", "orders", "--yes", "--wait")
    shown = fields(admin.out("cmek", "status", "orders"))
    assert shown["custody"].startswith("sealed (revoked) since")
    command = shown["next"].split("   #")[0].split()
    assert command == ["freehold", "cmek", "restore", "orders"]
    custodian = Person(tmp_path / "custodian", service.server.url, service.custodian)
    custodian.out(*command[1:], "--yes", "--wait")
    custody_is(admin, "open since")


def test_the_screen_of_an_outage_says_how_long_the_data_stays(service, admin, cluster):
    service.kms.fault("--unreachable")
    custody_is(admin, "grace")
    shown = fields(admin.out("cmek", "status", "orders"))
    assert shown["next"].startswith("freehold key check ") and "then" not in shown
    assert shown["lease ends"].endswith("Z") and shown["databases"] == "1 ready"
    service.kms.fault("--clear")
    custody_is(admin, "open since")


def test_a_new_cluster_and_a_new_region_can_be_waited_for(service, admin, tmp_path):
    service.host().join()
    service.host("eu-west-1").join()
    done = admin.run("cluster", "create", "orders", "--region", "us-east-1", "--wait")
    assert done.returncode == 0 and done.stderr.endswith("us-east-1: 1 of 1 nodes up\n"), done
    assert re.search(r"^state +running$", done.stdout, re.M), done
    grown = admin.run("cluster", "add-region", "orders", "--region", "eu-west-1", "--wait", "--json")
    assert grown.stderr.endswith("eu-west-1: 1 of 1 nodes up, us-east-1: 1 of 1 nodes up\n"), grown
    assert len(json.loads(grown.stdout)["regions"]) == 2
    done = admin.run("cluster", "add-region", "orders", "--region", "ap-south-1", "--wait",
                     "--timeout", "1s")
    assert done.returncode == TIMEOUT and "ap-south-1: 0 of 1 nodes up" in done.stderr, done
