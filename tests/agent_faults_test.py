"""Servers and agents that die, and stores that forget: everything ends as it was asked for."""

import os
import shutil
import signal
import sqlite3
import threading
import time

import pytest

from agent_testing import CLUSTERS
from freehold_testing import wait_for


@pytest.fixture
def cluster(service):
    """One node, under the customer's key."""
    made = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join()
    service.wait_state(made, "running")
    service.wait_status(made, "ENABLED")
    (service.hosts[0].mount / "file").write_text("kept")
    return made


def backup(service, to):
    with sqlite3.connect(service.server.directory / "freehold.db") as db:
        with sqlite3.connect(to) as copy:
            db.backup(copy)


def restore(service, backup_file):
    """The store as it was, under a server that starts again."""
    service.server.stop()
    for path in service.server.directory.glob("freehold.db*"):
        path.unlink()
    shutil.copyfile(backup_file, service.server.directory / "freehold.db")
    (service.server.directory / "freehold.db").chmod(0o600)
    service.server.start()  # it learns nothing unless it is told to
    wait_for("the node is refused", lambda: "start the server with --recover" in service.logs())
    service.server.stop()
    service.server.options += ("--recover",)
    service.server.start()


def test_a_store_that_is_restored_from_an_old_backup_has_forgotten_no_revoke(service, cluster, tmp_path):
    backup(service, tmp_path / "old.db")
    service.act(cluster, "REVOKE")
    service.wait_status(cluster, "REVOKED")
    restore(service, tmp_path / "old.db")
    service.wait_status(cluster, "REVOKED")
    time.sleep(2)  # two looks of the agent
    assert service.cmek(cluster)["status"] == "REVOKED"
    assert not os.path.ismount(service.hosts[0].mount)
    assert service.act(cluster, "RESTORE", service.custodian).status == 200
    service.wait_status(cluster, "ENABLED")
    assert (service.hosts[0].mount / "file").read_text() == "kept"


def test_a_store_that_is_restored_from_an_old_backup_loosens_no_custody(service, cluster, tmp_path):
    path = f"{CLUSTERS}/{cluster}/custody"
    loose = {"check_interval": "1s", "outage_grace": "2h"}
    assert service.ask("PATCH", path, loose).status == 200
    backup(service, tmp_path / "old.db")
    service.ask("PATCH", path, {"outage_grace": "1m", "on_key_return": "manual", "stop_timeout": "2m"})
    wait_for("applied", lambda: service.ask("GET", path).json["nodes"][0]["applied"])
    restore(service, tmp_path / "old.db")
    wait_for("the tighter ones",
             lambda: service.ask("GET", path).json["settings"]["outage_grace"] == "1m")
    settings = service.ask("GET", path).json["settings"]
    assert settings["on_key_return"] == "manual" and settings["check_interval"] == "1s"
    assert settings["stop_timeout"] == "8s"  # the host's own, which had been loosened meanwhile
    wait_for("applied", lambda: service.ask("GET", path).json["nodes"][0]["applied"])


def test_a_store_that_is_restored_from_an_old_backup_rotates_to_no_dead_key(service, cluster, tmp_path):
    first = service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]
    backup(service, tmp_path / "old.db")
    second = service.new_key()
    assert service.change("PUT", cluster, service.spec(second)).status == 200
    service.wait_status(cluster, "ENABLED")
    service.kms.client("kms").disable_key(KeyId=first)  # as one does with a key that was left
    restore(service, tmp_path / "old.db")

    def keys():
        return [key["spec"]["uri"] for key in service.cmek(cluster)["region_infos"][0]["key_infos"]]
    wait_for(f"the key that is in use\n{service.logs()}", lambda: keys()[0] == second)
    service.wait_status(cluster, "ENABLED")
    assert service.nodes(cluster)[0]["custody"] == "open"
    third = service.new_key()
    assert service.change("PUT", cluster, service.spec(third)).status == 200
    service.wait_status(cluster, "ENABLED")


def asked(service, *words):
    """Until the server takes it: it may be dead, or its node may be away."""
    def taken():
        try:
            answer = service.ask(*words)
        except OSError:
            return None
        # 400: done by the request whose answer was lost, or its node died in the middle of a trial.
        assert answer.status in (200, 400, 503), answer
        return answer.status == 200 or (words[0] == "PATCH" and answer.status == 400) or None
    wait_for(f"{words} is taken", taken, 90)


def while_killing(service, who, *words):
    """Asks for something while the agent or the server is killed and started again, and for a while
    after it was taken."""
    asking = threading.Thread(target=asked, args=(service, *words))
    asking.start()
    kills_after = 3
    while asking.is_alive() or kills_after > 0:
        kills_after -= not asking.is_alive()
        time.sleep(0.7)
        if who == "agent":
            service.hosts[-1].kill()
            service.hosts[-1].start()
        else:
            service.server.restart(signal.SIGKILL)
    asking.join()


@pytest.mark.parametrize("who", ["agent", "server"])
def test_enable_rotate_revoke_and_restore_converge_whoever_is_killed_meanwhile(service, who):
    cluster = service.server.new_cluster(service.admin)["id"]
    host = service.host().join()
    service.wait_state(cluster, "running")
    (host.mount / "file").write_bytes(b"kept" * 100_000)
    path = f"{CLUSTERS}/{cluster}/cmek"
    for key in (service.new_key(), service.new_key()):
        while_killing(service, who, "PUT", path, {"region_specs": [service.spec(key)]})
        service.wait_status(cluster, "ENABLED")
        assert service.nodes(cluster)[0]["key_uri"] == f"aws-kms://{key}"
    wait_for("nothing under the escrow key",
             lambda: service.cmek(cluster)["region_infos"][0]["custody"]["old_key_bytes"] == 0)
    while_killing(service, who, "PATCH", path, {"action": "REVOKE"})
    service.wait_status(cluster, "REVOKED")
    assert not os.path.ismount(host.mount)
    while_killing(service, who, "PATCH", path, {"action": "RESTORE"}, service.custodian)
    service.wait_status(cluster, "ENABLED")
    service.wait_custody(cluster, "open")
    assert (host.mount / "file").read_bytes() == b"kept" * 100_000


@pytest.mark.parametrize("who", ["agent", "server"])
def test_a_region_is_added_whoever_is_killed_meanwhile(service, cluster, who):
    service.host("eu-west-1").join()
    wait_for("a second node", lambda: len(service.ask(
        "GET", "/api/v1/nodes", key=service.server.operator_key).json["nodes"]) == 2)
    key = service.new_key()
    while_killing(service, who, "PATCH", f"{CLUSTERS}/{cluster}",
                  {"region_specs": [service.spec(key, "eu-west-1")]})
    info = service.wait_status(cluster, "ENABLED")
    assert [region["region"] for region in info["region_infos"]] == ["eu-west-1", "us-east-1"]
    wait_for("two nodes", lambda: len(service.nodes(cluster)) == 2)
    service.wait_custody(cluster, "open")
    assert {node["region"]: node["key_uri"] for node in service.nodes(cluster)}["eu-west-1"] == (
        f"aws-kms://{key}")
    assert (service.hosts[0].mount / "file").read_text() == "kept"


def test_a_revoke_in_the_middle_of_a_rotation_goes_first_and_loses_no_key(service, cluster):
    second = service.new_key()
    service.kms.fault("--operation", "Encrypt", "--latency", "2000")
    assert service.change("PUT", cluster, service.spec(second)).status == 200
    assert service.act(cluster, "REVOKE").status == 200
    service.wait_status(cluster, "REVOKED")
    assert not os.path.ismount(service.hosts[0].mount)
    service.kms.fault("--clear")
    service.act(cluster, "RESTORE", service.custodian)
    service.wait_status(cluster, "ENABLED")
    assert service.nodes(cluster)[0]["key_uri"] == f"aws-kms://{second}"
    assert (service.hosts[0].mount / "file").read_text() == "kept"


def test_a_kms_that_is_away_is_grace_and_its_return_is_seen(service, cluster):
    service.kms.fault("--unreachable")
    service.wait_custody(cluster, "grace")
    assert os.path.ismount(service.hosts[0].mount)
    service.kms.fault("--clear")
    service.wait_custody(cluster, "open")


def lose_and_rebuild(service):
    service.server.stop()
    for path in service.server.directory.glob("freehold.db*"):
        path.unlink()
    service.server.operator_key = None
    service.server.options += ("--recover",)
    service.server.start()
    operator = service.server.operator_key
    wait_for("the node is learned",
             lambda: service.ask("GET", "/api/v1/nodes", key=operator).json["nodes"], 60)
    service.admin = service.server.new_key(operator, "ORG_ADMIN", organization=service.organization)
    service.custodian = service.server.new_key(service.admin, "KEY_CUSTODIAN")


def test_a_store_that_was_lost_is_built_again_from_what_the_agents_know(service, cluster):
    key = service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]
    lose_and_rebuild(service)
    info = service.wait_status(cluster, "ENABLED")
    assert info["region_infos"][0]["key_infos"][0]["spec"]["uri"] == key
    assert service.ask("GET", f"{CLUSTERS}/{cluster}").json["name"] == "orders"
    second = service.new_key()
    assert service.change("PUT", cluster, service.spec(second)).status == 200
    service.wait_status(cluster, "ENABLED")
    service.act(cluster, "REVOKE")
    service.wait_status(cluster, "REVOKED")


def test_a_store_that_was_lost_learns_that_a_cluster_was_revoked(service, cluster):
    service.act(cluster, "REVOKE")
    service.wait_status(cluster, "REVOKED")
    lose_and_rebuild(service)
    service.wait_status(cluster, "REVOKED")
    assert not os.path.ismount(service.hosts[0].mount)
