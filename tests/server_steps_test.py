"""The server dies at each step of each change: everything comes to the state that was asked for."""

import itertools
import os
import re
import signal
import subprocess

import pytest

from agent_testing import CLUSTERS
from freehold_testing import BINARY, ROOT, wait_for
from node_testing import HandMadeNode
from server_testing import Server
from steps_testing import (
    CONTENTS, Dying, Life, asked, audit_is_whole, is_under, joined, keeps_its_file, points_in, service)

FLOWS = ("enable", "rotate", "rekey", "revoke", "restore", "disenrol")
TRYING = ("enable", "rotate", "rekey", "disenrol")  # the keys are tried at a node first
CHANGES = ("change.asked", "change.written", "change.committed")
ORDERS = ("order.read", "order.sent")
REPORTS = ("report.written", "report.committed")
STEPS = {  # of the server, and the flows whose path it is on
    **{point: FLOWS for point in (*CHANGES, *ORDERS, *REPORTS)},
    **{point: TRYING for point in ("trial.ordered", "trial.answered", "report.confirming")},
}
# On the paths of a new cluster with its keys, and of a new region.
OF_A_NEW_VOLUME = (*CHANGES, *ORDERS, *REPORTS, "report.confirming")
OF_A_NODE = ("join.committed", "renewal.committed", "renewal.used")
OF_A_PROJECT = ("project.followed",)
OF_A_START = ("first-key.shown",)
ELSEWHERE = {point: "contacts_test.py" for point in ("message.due", "message.sent")}


def test_every_step_of_the_server_is_one_that_it_dies_at():
    tried = {*STEPS, *OF_A_NEW_VOLUME, *OF_A_NODE, *OF_A_PROJECT, *OF_A_START}
    for point, file in ELSEWHERE.items():
        assert point in (ROOT / "tests" / file).read_text()
    assert points_in("control", "store", "server") == tried | set(ELSEWHERE)


@pytest.mark.parametrize("point", STEPS)
def test_a_clusters_life_goes_on_from_whatever_step_the_server_died_at(service, point):
    life = Life(service)
    for flow in FLOWS:
        if flow in STEPS[point]:
            with Dying(service.server, point):
                getattr(life, flow)()
        else:
            getattr(life, flow)()
        life.is_as_asked(flow)
    life.has_ended(FLOWS)


@pytest.mark.parametrize("point", OF_A_NEW_VOLUME)
def test_a_cluster_is_made_with_its_key_and_deleted(service, point):
    host = joined(service)
    key = service.new_key()
    body = {"name": "orders", "provider": "AWS", "spec": {"dedicated": {
        "region_nodes": {"us-east-1": 1}, "cmek_region_specs": [service.spec(key)]}}}
    with Dying(service.server, point):
        asked(service, "POST", CLUSTERS, body, also_done=(409,))
        [cluster] = [one["id"] for one in service.ask("GET", CLUSTERS).json["clusters"]]
        service.wait_state(cluster, "running")
        service.wait_status(cluster, "ENABLED")
    (host.mount / "file").write_bytes(CONTENTS)
    is_under(service, cluster, key, host)
    if point in CHANGES:
        with Dying(service.server, point):
            asked(service, "DELETE", f"{CLUSTERS}/{cluster}", also_done=(404,))
        assert service.ask("GET", f"{CLUSTERS}/{cluster}").status == 404
        wait_for("it is closed", lambda: not os.path.ismount(host.mount))
    audit_is_whole(service)


def test_a_region_is_added_whatever_step_the_server_died_at(service):
    life = Life(service)
    life.enable()
    hosts = {"us-east-1": life.host}
    keys = {"us-east-1": life.key}
    for number, point in enumerate(OF_A_NEW_VOLUME):
        region = f"region-{number}"
        hosts[region] = joined(service, region)
        keys[region] = service.new_key()
        with Dying(service.server, point):
            asked(service, "PATCH", f"{CLUSTERS}/{life.cluster}",
                  {"region_specs": [service.spec(keys[region], region)]})
            wait_for(f"the node of {region}", lambda: len(service.nodes(life.cluster)) == len(hosts))
            service.wait_status(life.cluster, "ENABLED")
            service.wait_custody(life.cluster, "open")
        assert {node["region"]: node["key_uri"] for node in service.nodes(life.cluster)} == {
            one: f"aws-kms://{key}" for one, key in keys.items()}
    keeps_its_file(life.host)
    audit_is_whole(service)


@pytest.mark.parametrize("point", ("change.committed", "trial.answered", *OF_A_PROJECT))
def test_a_projects_keys_reach_all_its_clusters(service, point):
    project = service.server.new_project(service.admin, service.spec(service.new_key()))
    path = f"/api/v1/projects/{project}/cmek"
    clusters = {}
    for name in ("one", "two", "three"):
        made = service.server.new_cluster(service.admin, name, project_id=project)["id"]
        clusters[made] = joined(service)
        service.wait_state(made, "running")
        (clusters[made].mount / "file").write_bytes(CONTENTS)
    second = service.new_key()
    with Dying(service.server, point):
        done = asked(service, "PUT", path, {"region_specs": [service.spec(second)]})
        while any(row["refusal"] for row in done.json["clusters"]):  # it says to send it again
            done = asked(service, "PUT", path, {"region_specs": [service.spec(second)]})
    for cluster, host in clusters.items():
        service.wait_status(cluster, "ENABLED")
        is_under(service, cluster, second, host)
    if point in CHANGES:
        with Dying(service.server, point):
            asked(service, "PATCH", path, {"action": "REVOKE"})
        for cluster, host in clusters.items():
            service.wait_status(cluster, "REVOKED")
            assert not os.path.ismount(host.mount)
        with Dying(service.server, point):
            asked(service, "PATCH", path, {"action": "RESTORE"}, service.custodian, (400,))
        for cluster, host in clusters.items():
            service.wait_status(cluster, "ENABLED")
            keeps_its_file(host)
    audit_is_whole(service)


def test_a_node_joins_once_and_renews_whatever_step_the_server_died_at(service):
    token = service.token("us-east-1")
    node = HandMadeNode(token)
    with Dying(service.server, "join.committed", times=1):
        with pytest.raises(OSError):
            node.join()
    node.join()
    listed = service.ask("GET", "/api/v1/nodes", key=service.server.operator_key).json["nodes"]
    assert [one["id"] for one in listed] == [node.id]
    renewal = HandMadeNode(token)
    with Dying(service.server, "renewal.committed", times=1):
        with pytest.raises(OSError):
            node.ask("renew", {"request": renewal.request()})
    assert node.report().status == 200  # by the certificate that it has
    answer = node.ask("renew", {"request": renewal.request()})
    node.key, node.certificate = renewal.key, answer.json["certificate"]
    with Dying(service.server, "renewal.used", times=1):
        with pytest.raises(OSError):
            node.report()
    assert node.report().status == 200


# ---- a first start ----


def started_with(directory, **environment):
    """What a server printed that died, or None of one that is ready, and runs on."""
    command = [BINARY, "server", "--data", directory, "--listen", "127.0.0.1:0", "--insecure",
               "--agents-listen", "127.0.0.1:0"]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], text=True,
                               env=os.environ | environment, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "shown this once" in line and "FREEHOLD_CRASH_AT" in environment and (
                    not environment["FREEHOLD_CRASH_AT"].startswith("first-key")):
                return None
        assert process.wait(30) == -signal.SIGKILL, process.stderr.read()
        return "".join(lines)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("point", ("replace.written", "replace.renamed"))
def test_a_first_start_that_died_over_any_file_is_begun_again(tmp_path, point):
    for number in itertools.count(1):
        directory = tmp_path / str(number)
        if started_with(directory, FREEHOLD_CRASH_AT=f"{point}:{number}") is None:
            break
        server = Server(directory, "--agents-listen", "127.0.0.1:0")
        server.new_organization("acme")
        assert (directory / "agents-ca.key").stat().st_mode & 0o777 == 0o600
        assert not list(directory.glob("*.next"))
        server.stop()
    assert number > 4  # the authority, two keys, the endpoint


def test_a_first_key_that_was_shown_and_not_kept_is_followed_by_another(tmp_path):
    printed = started_with(tmp_path / "data", FREEHOLD_CRASH_AT="first-key.shown")
    lost = re.search(r"shown this once: (fhk_\S+)", printed).group(1)
    server = Server(tmp_path / "data")
    assert server.operator_key != lost
    assert server.ask("GET", CLUSTERS, lost).status == 401
    server.new_organization("acme")
    server.stop()
