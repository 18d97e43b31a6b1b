"""Agents: hosts that join, and follow what the server wants of their volume."""

import os
import time

from agent_testing import CLUSTERS
from freehold_testing import wait_for


def running(service, specs=None, regions=("us-east-1",), database=False):
    """A cluster with a host in each region."""
    cluster = service.server.new_cluster(service.admin, regions=regions, specs=specs)["id"]
    for region in regions:
        service.host(region, database).join()
    service.wait_state(cluster, "running")
    return cluster


def test_a_host_joins_and_is_given_to_a_cluster_that_needs_it(service):
    host = service.host().join()
    operator = service.server.operator_key
    path = "/api/v1/nodes"
    wait_for("a free node", lambda: service.ask("GET", path, key=operator).json["nodes"])
    assert service.ask("GET", path, key=operator).json["nodes"][0]["cluster_id"] == ""
    cluster = service.server.new_cluster(service.admin)["id"]
    service.wait_state(cluster, "running")
    [node] = service.ask("GET", path, key=operator).json["nodes"]
    assert node["cluster_id"] == cluster
    [said] = service.nodes(cluster)
    assert said["connected"] and said["custody"] == "open" and said["database"] == "ready"
    assert said["key_uri"] == f"aws-kms://{service.escrow}"
    assert service.cmek(cluster)["status"] == "DISABLED"
    assert host.stop() == 0
    assert not os.path.ismount(host.mount)


def test_a_cluster_that_is_made_with_a_key_is_never_under_the_escrow_key(service):
    key = service.new_key()
    cluster = running(service, [service.spec(key)])
    info = service.wait_status(cluster, "ENABLED")
    assert info["region_infos"][0]["key_infos"][0]["spec"]["uri"] == key
    assert service.escrow not in [event.get("requestParameters", {}).get("keyId")
                                  for event in service.kms.events()]


def test_enabling_on_data_under_the_escrow_key_leaves_nothing_to_the_operator(service):
    cluster = running(service)
    (service.hosts[0].mount / "file").write_bytes(os.urandom(1 << 20))
    answer = service.change("POST", cluster, service.spec(service.new_key()))
    assert answer.status == 200, answer
    assert answer.json["status"] == "ENABLING"
    service.wait_status(cluster, "ENABLED")
    wait_for("nothing under the escrow key",
             lambda: service.cmek(cluster)["region_infos"][0]["custody"]["old_key_bytes"] == 0)
    assert len((service.hosts[0].mount / "file").read_bytes()) == 1 << 20


def test_rotating_to_another_key_lets_go_of_the_first(service):
    first, second = service.new_key(), service.new_key()
    cluster = running(service, [service.spec(first)])
    service.wait_status(cluster, "ENABLED")
    assert service.change("PUT", cluster, service.spec(second)).json["status"] == "ROTATING"
    info = service.wait_status(cluster, "ENABLED")
    assert [key["status"] for key in info["region_infos"][0]["key_infos"]] == ["ENABLED", "DISABLED"]
    service.kms.client("kms").disable_key(KeyId=first)
    time.sleep(2)  # four probes
    assert service.nodes(cluster)[0]["custody"] == "open"
    # The same key again is wrapped anew.
    assert service.change("PUT", cluster, service.spec(second)).json["status"] == "ROTATING"
    service.wait_status(cluster, "ENABLED")


def test_a_key_that_cannot_be_used_is_refused_by_its_own_words_and_changes_nothing(service):
    cluster = running(service)
    key = service.new_key()
    service.kms.client("kms").disable_key(KeyId=key)
    answer = service.change("POST", cluster, service.spec(key))
    assert answer.status == 400, answer
    assert "region 'us-east-1'" in answer.json["message"] and "disabled" in answer.json["message"]
    assert service.cmek(cluster)["status"] == "DISABLED"
    assert service.nodes(cluster)[0]["custody"] == "open"


def test_a_key_that_the_host_does_not_allow_is_never_asked_for(service):
    cluster = service.server.new_cluster(service.admin)["id"]
    service.host().join(allow=[f"*{service.escrow}"])
    service.wait_state(cluster, "running")
    before = len(service.kms.events())
    key = service.new_key()
    answer = service.change("POST", cluster, service.spec(key))
    assert answer.status == 400 and "does not allow the key" in answer.json["message"], answer
    assert not any(key in str(event) and event.get("eventName") != "CreateKey"
                   for event in service.kms.events()[before:])


def test_revoke_is_confirmed_by_every_node_and_restore_brings_all_back(service):
    regions = ("eu-west-1", "us-east-1")
    specs = [service.spec(service.new_key(), region) for region in regions]
    cluster = running(service, specs, regions)
    service.wait_status(cluster, "ENABLED")
    (service.hosts[0].mount / "file").write_text("kept")
    assert service.act(cluster, "REVOKE").json["status"] in ("REVOKING", "REVOKED")
    service.wait_status(cluster, "REVOKED")
    service.wait_custody(cluster, "sealed", "revoked")
    assert not any(os.path.ismount(host.mount) for host in service.hosts)
    # It stays so over any restart.
    service.hosts[0].kill()
    service.hosts[0].start()
    time.sleep(2)
    assert service.cmek(cluster)["status"] == "REVOKED"
    assert not os.path.ismount(service.hosts[0].mount)
    assert service.act(cluster, "RESTORE").status == 403  # by whoever revoked
    assert service.act(cluster, "RESTORE", service.custodian).status == 200
    service.wait_status(cluster, "ENABLED")
    service.wait_custody(cluster, "open")
    assert (service.hosts[0].mount / "file").read_text() == "kept"


def test_a_node_that_is_away_keeps_the_cluster_revoking_and_obeys_when_it_is_back(service):
    cluster = running(service, [service.spec(service.new_key())])
    service.wait_status(cluster, "ENABLED")
    host = service.hosts[0]
    host.kill()
    assert os.path.ismount(host.mount)  # the volume goes on under its own lease
    assert service.act(cluster, "REVOKE").json["status"] == "REVOKING"
    time.sleep(1)
    assert service.cmek(cluster)["status"] == "REVOKING"
    host.start()
    service.wait_status(cluster, "REVOKED")
    assert not os.path.ismount(host.mount)


def test_the_kms_alone_can_take_the_key_away_and_give_it_back(service):
    key = service.new_key()
    cluster = running(service, [service.spec(key)])
    service.wait_status(cluster, "ENABLED")
    service.kms.client("kms").disable_key(KeyId=key)
    service.wait_custody(cluster, "sealed", "denied")
    custody = service.cmek(cluster)["region_infos"][0]["custody"]
    assert custody["reason"] == "denied" and "Disabled" in custody["message"]
    service.kms.client("kms").enable_key(KeyId=key)
    service.wait_custody(cluster, "open")


def test_stop_and_start_and_no_start_without_the_key(service):
    key = service.new_key()
    cluster = running(service, [service.spec(key)])
    service.wait_status(cluster, "ENABLED")
    path = f"{CLUSTERS}/{cluster}/state"
    assert service.ask("PATCH", path, {"command": "stop"}).json["service_state"] == "stopping"
    service.wait_state(cluster, "stopped")
    assert not os.path.ismount(service.hosts[0].mount)
    service.kms.client("kms").disable_key(KeyId=key)
    answer = service.ask("PATCH", path, {"command": "start"})
    assert answer.status == 400 and answer.json["code"] == 9, answer
    assert "cannot be used" in answer.json["message"]
    assert service.state(cluster) == "stopped"
    service.kms.client("kms").enable_key(KeyId=key)
    assert service.ask("PATCH", path, {"command": "start"}).status == 200
    service.wait_state(cluster, "running")


def test_a_region_is_added_with_its_key(service):
    cluster = running(service, [service.spec(service.new_key())])
    service.wait_status(cluster, "ENABLED")
    service.host("eu-west-1").join()
    answer = service.ask("PATCH", f"{CLUSTERS}/{cluster}",
                         {"region_specs": [service.spec(service.new_key(), "eu-west-1")]})
    assert answer.status == 200, answer
    info = service.wait_status(cluster, "ENABLED")
    assert [region["region"] for region in info["region_infos"]] == ["eu-west-1", "us-east-1"]
    wait_for("two nodes", lambda: len(service.nodes(cluster)) == 2)


def test_a_token_counts_once_and_no_other_host_gets_in(service):
    token = service.token("us-east-1")
    service.host().start(token)
    wait_for("joined", lambda: (service.hosts[0].state / "agent" / "identity").exists())
    second = service.host().start(token)
    assert second.process.wait(timeout=30) != 0
    assert "was used by another host" in second.log.read_text()
    third = service.host().start("fhj_nonsense")
    assert third.process.wait(timeout=30) != 0
    assert "this is no join token" in third.log.read_text()


def test_the_server_may_be_away_and_comes_back_to_the_same_nodes(service):
    cluster = running(service, [service.spec(service.new_key())])
    service.wait_status(cluster, "ENABLED")
    service.server.stop()
    time.sleep(2)
    assert os.path.ismount(service.hosts[0].mount)
    service.hosts[0].kill()
    service.hosts[0].start()  # it remembers what it was told
    service.server.start()
    service.wait_custody(cluster, "open")
    second = service.new_key()
    wait_for("the node is back", lambda: service.nodes(cluster)[0]["connected"])
    assert service.change("PUT", cluster, service.spec(second)).status == 200
    service.wait_status(cluster, "ENABLED")


def test_a_cluster_that_is_deleted_lets_its_nodes_go_and_keeps_its_volume_to_itself(service):
    cluster = running(service, [service.spec(service.new_key())])
    service.wait_status(cluster, "ENABLED")
    answer = service.ask("DELETE", f"{CLUSTERS}/{cluster}")
    assert answer.status == 200, answer
    host = service.hosts[0]
    wait_for("unmounted", lambda: not os.path.ismount(host.mount))
    # A host with that cluster's volume is not given to another one.
    other = service.server.new_cluster(service.admin, name="second")["id"]
    time.sleep(1)
    assert service.nodes(other) == []


def test_a_real_database_runs_through_enable_rotate_revoke_and_restore(service):
    cluster = running(service, database=True)
    host = service.hosts[0]
    assert host.psql("create table t as select generate_series(1, 1000) as n") is not None
    postmaster = host.psql("select pg_postmaster_start_time()")
    assert service.change("POST", cluster, service.spec(service.new_key())).status == 200
    service.wait_status(cluster, "ENABLED")
    assert service.change("PUT", cluster, service.spec(service.new_key())).status == 200
    service.wait_status(cluster, "ENABLED")
    assert host.psql("select sum(n) from t") == "500500"
    assert host.psql("select pg_postmaster_start_time()") == postmaster
    service.act(cluster, "REVOKE")
    service.wait_status(cluster, "REVOKED")
    assert host.psql("select 1") is None
    service.act(cluster, "RESTORE", service.custodian)
    service.wait_status(cluster, "ENABLED")
    wait_for("the data is back", lambda: host.psql("select sum(n) from t") == "500500")
