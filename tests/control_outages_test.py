"""The KMS, the server or the store's machine is away for longer than anybody waits."""

import os
import time

import pytest

from agent_testing import CLUSTERS, Service
from freehold_testing import wait_for
from store_testing import StoreServer


def one_node(service, **how):
    """A cluster with a host, under the customer's key, with a file on it."""
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join(**how)
    service.wait_state(cluster, "running")
    service.wait_status(cluster, "ENABLED")
    (service.hosts[0].mount / "file").write_text("kept")
    return cluster


def test_a_kms_that_is_away_beyond_the_grace_seals_and_its_return_opens(service):
    cluster = one_node(service, words=("--outage-grace", "2s"))
    host = service.hosts[0]
    service.kms.fault("--unreachable")
    service.wait_custody(cluster, "sealed", "grace")
    assert not os.path.ismount(host.mount) or not (host.mount / "file").exists()
    assert service.ask("GET", f"{CLUSTERS}/{cluster}").status == 200
    assert service.cmek(cluster)["region_infos"][0]["custody"]["state"] == "sealed"
    service.kms.fault("--clear")
    service.wait_custody(cluster, "open")
    wait_for("the file", lambda: (host.mount / "file").exists())
    assert (host.mount / "file").read_text() == "kept"


def test_a_server_that_is_away_for_long_stops_no_node_and_opens_none(service):
    cluster = one_node(service, words=("--open-grant", "2s"))
    host = service.hosts[0]
    service.server.stop()

    def custody():
        return host.volume_command("status").stdout
    before = custody()
    wait_for("probes go on without the server", lambda: custody() != before and '"open"' in custody())
    assert (host.mount / "file").read_text() == "kept"
    assert host.stop() == 0
    heard = host.state / "agent/desired"
    wait_for("its word is old", lambda: time.time() - heard.stat().st_mtime > 3)
    said = len(host.log.read_text())
    host.start(words=("--open-grant", "2s"))

    def since():
        return host.log.read_text()[said:]
    wait_for("it has looked, and could not report", lambda: "the control plane:" in since())
    assert "step:" not in since() and not os.path.ismount(host.mount)
    service.server.start()
    # Its word counts again when it is written down anew, which is once a minute.
    wait_for("the file", lambda: (host.mount / "file").exists(), 150)
    assert (host.mount / "file").read_text() == "kept"


@pytest.fixture
def databases(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o755)
    primary = StoreServer(tmp_path / "store")
    primary.start()
    standby = primary.new_standby(synchronous=False)
    yield primary, standby
    for server in (primary, standby):
        if server.process.poll() is None:
            server.kill()


def test_a_revoke_that_a_standby_never_got_comes_back_from_the_nodes(new_kms, tmp_path, databases):
    primary, standby = databases
    service = Service(new_kms, tmp_path, "--store", primary.url("postgres", standby))
    try:
        assert service.server.durability == "asynchronous"
        cluster = one_node(service)
        wait_for("the standby has it all", lambda: primary.psql(
            "select pg_current_wal_lsn() = replay_lsn from pg_stat_replication") == "t\n")
        standby.kill()
        service.act(cluster, "REVOKE")
        service.wait_status(cluster, "REVOKED")
        primary.kill()
        standby.start()
        standby.promote()
        # What was acknowledged is lost, as it was said to be possible; the node goes on by what it has.
        wait_for("the node is refused", lambda: "start the server with --recover" in service.logs(), 90)
        assert not os.path.ismount(service.hosts[0].mount)
        assert service.cmek(cluster)["status"] != "REVOKED"
        service.server.stop()
        service.server.options += ("--recover",)
        service.server.start()
        service.wait_status(cluster, "REVOKED")
        assert service.act(cluster, "RESTORE", service.custodian).status == 200
        service.wait_status(cluster, "ENABLED")
        wait_for("the file", lambda: (service.hosts[0].mount / "file").exists())
        assert (service.hosts[0].mount / "file").read_text() == "kept"
    finally:
        print(service.logs())
        service.clean_up()
