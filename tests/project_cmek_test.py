"""The keys of all of a project's clusters: rotated, revoked, restored, stopped and started at once."""

import pytest

from agent_testing import CLUSTERS
from server_testing import arn

PROJECTS = "/api/v1/projects"


@pytest.fixture
def project(service):
    """With a key for us-east-1; no clusters yet."""
    made = service.server.made(PROJECTS, service.admin, {"name": "shop", "cmek_enabled": True})["id"]
    done = service.ask("PUT", f"{PROJECTS}/{made}/cmek",
                       {"region_specs": [service.spec(service.new_key())]})
    assert done.status == 200 and done.json["clusters"] == [], done
    return made


def running_cluster(service, project, name, specs=None):
    made = service.server.new_cluster(service.admin, name, specs=specs, project_id=project)["id"]
    service.host().join()
    service.wait_state(made, "running")
    service.wait_status(made, "ENABLED")
    return made


def cmek(service, project, method="GET", body=None, key=None):
    return service.ask(method, f"{PROJECTS}/{project}/cmek", body, key)


def rows(answer):
    assert answer.status == 200, answer
    return {row["cluster_name"]: row for row in answer.json["clusters"]}


def key_of(service, cluster):
    return service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]


def refused(answer, status, code, words):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert words in answer.json["message"], answer


def test_a_rotation_reaches_those_that_follow_and_leaves_keys_of_their_own(service, project):
    one = running_cluster(service, project, "one")
    two = running_cluster(service, project, "two")
    own_key = service.new_key()
    own = running_cluster(service, project, "own", [service.spec(own_key)])
    second = service.new_key()
    done = rows(cmek(service, project, "PUT", {"region_specs": [service.spec(second)]}))
    assert done["one"]["refusal"] is None and done["two"]["refusal"] is None
    assert "is its own" in done["own"]["refusal"]["message"]
    for cluster in (one, two):
        service.wait_status(cluster, "ENABLED")
        assert key_of(service, cluster) == second
    assert key_of(service, own) == own_key


def test_a_key_that_cannot_be_used_is_refused_in_each_clusters_row(service, project):
    one = running_cluster(service, project, "one")
    before = key_of(service, one)
    dead = service.new_key()
    service.kms.client("kms").disable_key(KeyId=dead)
    done = rows(cmek(service, project, "PUT", {"region_specs": [service.spec(dead)]}))
    assert done["one"]["refusal"]["code"] == 3 and "disabled" in done["one"]["refusal"]["message"]
    assert key_of(service, one) == before
    alive = service.new_key()
    assert rows(cmek(service, project, "PUT", {"region_specs": [service.spec(alive)]}))["one"][
        "refusal"] is None
    service.wait_status(one, "ENABLED")
    assert key_of(service, one) == alive


def test_a_revocation_takes_all_and_a_restore_gives_back_what_it_took(service, project):
    one = running_cluster(service, project, "one")
    before = running_cluster(service, project, "before")
    assert service.act(before, "REVOKE").status == 200
    service.wait_status(before, "REVOKED")
    revoked = cmek(service, project, "PATCH", {"action": "REVOKE"})
    assert revoked.json["revoked"] and rows(revoked)["one"]["status"] in ("REVOKING", "REVOKED")
    service.wait_status(one, "REVOKED")
    # Nothing new is opened in the meantime, and who revoked cannot take it back.
    body = {"name": "new", "project_id": project, "spec": {"dedicated": {"region_nodes": {"us-east-1": 1}}}}
    refused(service.ask("POST", CLUSTERS, body), 400, 9, "the project's keys are revoked")
    refused(cmek(service, project, "PUT", {"region_specs": [service.spec(service.new_key())]}), 400, 9,
            "revoked")
    refused(cmek(service, project, "PATCH", {"action": "RESTORE"}), 403, 7, "another service account")
    restored = cmek(service, project, "PATCH", {"action": "RESTORE"}, service.custodian)
    assert not restored.json["revoked"] and rows(restored)["one"]["refusal"] is None
    assert "not revoked with those of the project" in rows(restored)["before"]["refusal"]["message"]
    service.wait_status(one, "ENABLED")
    assert service.cmek(before)["status"] == "REVOKED"
    refused(cmek(service, project, "PATCH", {"action": "RESTORE"}, service.custodian), 400, 9,
            "not revoked")
    assert service.act(before, "RESTORE", service.custodian).status == 200
    service.wait_status(before, "ENABLED")
    actions = [event["action"] for event in service.ask(
        "GET", "/api/v1/auditlogevents").json["entries"]]
    for action in ("REVOKE_PROJECT_CMEK", "RESTORE_PROJECT_CMEK"):
        assert actions.count(f"AUDIT_LOG_ACTION_{action}") == 1


def test_one_cluster_of_a_revoked_project_is_restored_by_who_may_restore_the_project(service, project):
    one = service.server.new_cluster(service.admin, "one", project_id=project)["id"]
    of_one = service.server.new_key(service.admin, "KEY_CUSTODIAN", cluster_id=one)
    assert cmek(service, project, "PATCH", {"action": "REVOKE"}).status == 200
    refused(service.act(one, "RESTORE", of_one), 403, 7, "whole project")
    assert service.act(one, "RESTORE", service.custodian).status == 200
    assert cmek(service, project).json["revoked"]


def test_all_clusters_stop_and_those_whose_key_can_be_used_start(service, project):
    one = running_cluster(service, project, "one")
    own_key = service.new_key()
    own = running_cluster(service, project, "own", [service.spec(own_key)])
    stop = service.ask("PATCH", f"{PROJECTS}/{project}/state", {"command": "stop"})
    assert all(row["refusal"] is None for row in rows(stop).values())
    for cluster in (one, own):
        service.wait_state(cluster, "stopped")
    service.kms.client("kms").disable_key(KeyId=own_key)
    start = rows(service.ask("PATCH", f"{PROJECTS}/{project}/state", {"command": "start"}))
    assert start["one"]["refusal"] is None
    assert start["own"]["refusal"]["code"] == 9 and "disabled" in start["own"]["refusal"]["message"]
    service.wait_state(one, "running")
    assert service.state(own) == "stopped"


def test_what_is_wrong_with_the_whole_changes_nothing(service, project):
    plain = service.server.made(PROJECTS, service.admin, {"name": "plain"})["id"]
    keys = {"region_specs": [service.spec(arn("k1"))]}
    refused(cmek(service, plain, "PUT", keys), 400, 9, "without customer-managed keys")
    refused(cmek(service, plain, "PATCH", {"action": "REVOKE"}), 400, 9, "without customer-managed keys")
    before = cmek(service, project).json
    for body, words in (({}, "region_specs: is missing"), ({"region_specs": []}, "region_specs"),
                        ({"region_specs": [service.spec("arn:aws:s3:::b")]}, "uri")):
        refused(cmek(service, project, "PUT", body), 400, 3, words)
    refused(cmek(service, project, "PATCH", {"action": "FORGET"}), 400, 3, "action")
    refused(service.ask("PATCH", f"{PROJECTS}/{project}/state", {"command": "fly"}), 400, 3, "command")
    reader = service.server.new_key(service.admin, "READ_ONLY")
    for method, body in (("PUT", keys), ("PATCH", {"action": "REVOKE"})):
        assert cmek(service, project, method, body, reader).status == 403
    assert cmek(service, project).json == before
    assert cmek(service, "00000000-0000-4000-8000-000000000000").status == 404
