"""Leaving customer-managed keys, and what still stands over a cluster that is deleted."""

import pytest

from agent_testing import CLUSTERS
from freehold_testing import wait_for


@pytest.fixture
def cluster(service):
    """One node, under the customer's key, with a file in it."""
    made = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join(switches=("--allow-disenrol",))
    service.wait_state(made, "running")
    service.wait_status(made, "ENABLED")
    (service.hosts[0].mount / "file").write_text("kept")
    return made


def key_infos(service, cluster):
    return service.cmek(cluster)["region_infos"][0]["key_infos"]


def test_a_cluster_goes_back_under_the_operators_key_and_may_enable_again(service, cluster):
    left = key_infos(service, cluster)[0]["spec"]["uri"]
    answer = service.act(cluster, "DISENROL", service.custodian)
    assert answer.status == 200 and answer.json["status"] in ("DISABLING", "DISABLED"), answer
    service.wait_status(cluster, "DISABLED")
    assert service.nodes(cluster)[0]["key_uri"].endswith(service.escrow)
    assert [(key["spec"]["uri"], key["status"]) for key in key_infos(service, cluster)] == [
        (left, "DISABLED")]
    # The customer's key means nothing to it any more.
    service.kms.client("kms").disable_key(KeyId=left)
    service.hosts[0].stop()
    service.hosts[0].start(switches=("--allow-disenrol",))
    wait_for("the volume opens", (service.hosts[0].mount / "file").exists)
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    # What the operator's key could read in between is encrypted anew.
    second = service.new_key()
    assert service.change("POST", cluster, service.spec(second)).status == 200
    service.wait_status(cluster, "ENABLED")
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    assert key_infos(service, cluster)[0]["spec"]["uri"] == second


def test_a_host_that_does_not_allow_it_stays_under_the_customers_key(service, cluster):
    service.hosts[0].kill()
    service.hosts[0].start()
    assert service.act(cluster, "DISENROL").status in (200, 503)
    if service.cmek(cluster)["status"] == "ENABLED":
        service.wait_custody(cluster, "open")
        assert service.act(cluster, "DISENROL").status == 200
    told = service.wait_status(cluster, "DISABLE_FAILED")
    assert "--allow-disenrol" in told["region_infos"][0]["key_infos"][0]["user_message"]
    assert not service.nodes(cluster)[0]["key_uri"].endswith(service.escrow)
    # Asking for a key again ends it.
    key = key_infos(service, cluster)[0]["spec"]["uri"]
    assert service.change("PUT", cluster, service.spec(key)).status == 200
    service.wait_status(cluster, "ENABLED")


def test_who_may_leave_and_when(service, cluster):
    operator = service.server.new_key(service.admin, "CLUSTER_OPERATOR_WRITER")
    refused = service.act(cluster, "DISENROL", operator)
    assert refused.status == 403 and "restore_keys" in refused.json["message"], refused
    assert service.act(cluster, "REVOKE").status == 200
    service.wait_status(cluster, "REVOKED")
    refused = service.act(cluster, "DISENROL", service.custodian)
    assert refused.status == 400 and "revoked" in refused.json["message"], refused
    assert service.act(cluster, "RESTORE", service.custodian).status == 200
    service.wait_status(cluster, "ENABLED")
    project = service.server.made("/api/v1/projects", service.admin,
                                  {"name": "p", "cmek_enabled": True})["id"]
    inside = service.server.new_cluster(service.admin, "inside", project_id=project,
                                        specs=[service.spec(service.new_key())])["id"]
    refused = service.act(inside, "DISENROL")
    assert refused.status == 400 and "project" in refused.json["message"], refused


def test_a_deletion_names_every_key_that_ever_stood_over_it(service, cluster):
    first = key_infos(service, cluster)[0]["spec"]["uri"]
    second = service.new_key()
    assert service.change("PUT", cluster, service.spec(second)).status == 200
    service.wait_status(cluster, "ENABLED")
    deleted = service.ask("DELETE", f"{CLUSTERS}/{cluster}")
    assert deleted.status == 200, deleted
    assert [key["uri"] for key in deleted.json["keys_that_stood_over_it"]] == [second, first]
