"""Custody settings: a customer sets them, running volumes obey them, and nobody loosens them unseen."""

import json
import os
import signal
import subprocess
import time

import pytest

from agent_testing import CLUSTERS
from freehold_testing import wait_for
from server_testing import Server, spec

DEFAULTS = {"check_interval": "1m", "confirm_after": "5s", "request_timeout": "10s",
            "outage_grace": "30m", "seal_delay": "0s", "stop_timeout": "30s",
            "version_interval": "1h", "open_grant": "1h", "on_denied": "seal",
            "on_key_return": "auto"}
QUICK = {"check_interval": "300ms", "confirm_after": "200ms", "request_timeout": "5s"}


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_store):
    made = Server(tmp_path_factory.mktemp("server"), *new_store())
    yield made
    made.stop()


@pytest.fixture
def admin(server, request):
    return server.new_organization(request.node.name[-60:])[1]


def path_of(cluster):
    return f"{CLUSTERS}/{cluster}/custody"


def refused(answer, status, code, words):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert words in answer.json["message"], answer


# ---- the API alone ----


def test_nobody_has_set_any_and_then_somebody_has(server, admin):
    path = path_of(server.new_cluster(admin)["id"])
    answer = server.ask("GET", path, admin).json
    assert answer["settings"] == DEFAULTS and answer["told"] is False
    assert answer["worst_case"]["denied"] == "1m55s"
    assert answer["worst_case"]["unreachable"] == "31m40s"
    assert "at most 1m55s after the KMS begins to refuse" in answer["worst_case"]["text"]
    assert answer["bounds"] == {} and answer["nodes"] == []
    answer = server.ask("PATCH", path, admin, {"check_interval": "90s", "seal_delay": "10m"}).json
    changed = DEFAULTS | {"check_interval": "1m30s", "seal_delay": "10m"}
    assert answer["settings"] == changed and answer["told"] is True
    assert answer["worst_case"]["denied"] == "12m35s"
    answer = server.ask("PATCH", path, admin, {"on_denied": "alert"}).json
    assert answer["worst_case"]["denied"] is None
    assert "only shown and logged" in answer["worst_case"]["text"]
    assert server.ask("GET", path, admin).json == answer
    server.restart()
    assert server.ask("GET", path, admin).json == answer


@pytest.mark.parametrize("body, words", [
    ({}, "names no setting"),
    ({"check_interval": None}, "names no setting"),
    ({"check_interval": "0s"}, "check_interval: must be at least 100ms"),
    ({"check_interval": "60"}, "check_interval: '60' is not a duration such as"),
    ({"check_interval": "often"}, "check_interval: 'often' is not a duration"),
    ({"check_interval": 60}, "check_interval: is not a text"),
    ({"outage_grace": "721h"}, "outage_grace: '721h' is not a duration"),
    ({"outage_grace": "-1s"}, "outage_grace: '-1s' is not a duration"),
    ({"stop_timeout": "0.0005s"}, "stop_timeout: must be in whole milliseconds"),
    ({"open_grant": "1s"}, "open_grant: must be at least 2m"),
    ({"on_denied": "perhaps"}, "on_denied: cannot be 'perhaps'; it is 'seal' or 'alert'"),
    ({"on_key_return": True}, "on_key_return: is not a text"),
    ({"check_interval": "30s", "lease": "1h"}, "lease: is not a field"),
    (b"[]", "is not a JSON object"),
    (b"{", "is not JSON"),
])
def test_what_cannot_be_is_400_by_name_and_changes_nothing(server, admin, body, words):
    path = path_of(server.new_cluster(admin)["id"])
    refused(server.ask("PATCH", path, admin, body), 400, 3, words)
    assert server.ask("GET", path, admin).json["told"] is False


def test_tightening_and_loosening_take_different_permissions(server, admin):
    cluster = server.new_cluster(admin, specs=[spec()])["id"]
    path = path_of(cluster)
    operator = server.new_key(admin, "CLUSTER_OPERATOR_WRITER")
    custodian = server.new_key(admin, "KEY_CUSTODIAN")
    reader = server.new_key(admin, "READ_ONLY")
    assert server.ask("GET", path, reader).status == 200
    refused(server.ask("PATCH", path, reader, {"check_interval": "10s"}), 403, 7, "'manage_keys'")
    for stranger in (server.operator_key, server.new_organization("stranger")[1]):
        assert server.ask("GET", path, stranger).status == 404
        assert server.ask("PATCH", path, stranger, {"check_interval": "10s"}).status == 404
    assert server.ask("PATCH", path, operator, {"check_interval": "10s"}).status == 200
    for looser in ({"check_interval": "20s"}, {"on_denied": "alert"}, {"seal_delay": "1s"},
                   {"outage_grace": "1m", "open_grant": "2h"}):
        refused(server.ask("PATCH", path, operator, looser), 403, 7, "'restore_keys'")
    assert server.ask("GET", path, admin).json["settings"] == DEFAULTS | {"check_interval": "10s"}
    assert server.ask("PATCH", path, custodian, {"check_interval": "20s"}).status == 200

    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert server.ask("PATCH", cmek, custodian, {"action": "REVOKE"}).status == 200
    refused(server.ask("PATCH", path, custodian, {"outage_grace": "2h"}), 403, 7,
            "outage_grace: these keys are restored by another service account")
    young = server.new_key(admin, "ORG_ADMIN")
    refused(server.ask("PATCH", path, young, {"outage_grace": "2h"}), 403, 7,
            "outage_grace: this service account or its API key was made after")
    assert server.ask("PATCH", path, custodian, {"outage_grace": "1m"}).status == 200
    assert server.ask("PATCH", path, admin, {"outage_grace": "2h"}).status == 200


def test_the_operators_bounds_refuse_by_name_and_loosen_nothing(server):
    organization, admin = server.new_organization("bound", custody_bounds={
        "check_interval": {"lowest": "10s", "highest": "40s"}, "outage_grace": {"highest": "1h"},
        "on_denied": ["seal"]})
    path = path_of(server.new_cluster(admin)["id"])
    answer = server.ask("GET", path, admin).json
    # What a new cluster begins with lies within them.
    assert answer["told"] and answer["settings"] == DEFAULTS | {"check_interval": "40s"}
    assert answer["bounds"]["check_interval"] == {"lowest": "10s", "highest": "40s"}
    for body, words in [({"check_interval": "9s"}, "check_interval: the operator allows 10s and more"),
                        ({"check_interval": "41s"}, "check_interval: the operator allows at most 40s"),
                        ({"outage_grace": "61m"}, "outage_grace: the operator allows at most 1h"),
                        ({"on_denied": "alert"}, "on_denied: the operator allows 'seal' only")]:
        refused(server.ask("PATCH", path, admin, body), 403, 7, words)
    assert server.ask("GET", path, admin).json == answer
    assert server.ask("PATCH", path, admin, {"check_interval": "10s"}).status == 200

    where = f"/api/v1/organizations/{organization}"
    loose = {"check_interval": {"lowest": "5m"}, "outage_grace": {"lowest": "2h"}}
    changed = server.ask("PATCH", where, server.operator_key, {"custody_bounds": loose})
    assert changed.status == 200 and changed.json["custody_bounds"] == loose
    settings = server.ask("GET", path, admin).json["settings"]
    assert settings == DEFAULTS | {"check_interval": "10s"}  # as the customer left them
    assert server.ask("PATCH", path, admin, {"stop_timeout": "10s"}).status == 200
    assert server.ask("PATCH", path, admin, {"check_interval": "10s"}).status == 200  # no change
    refused(server.ask("PATCH", path, admin, {"check_interval": "11s"}), 403, 7, "5m and more")
    assert server.ask("PATCH", where, admin, {"custody_bounds": {}}).status == 403
    for bad, words in [({"check_interval": {"lowest": "2m", "highest": "1m"}}, "leaves no value"),
                       ({"check_interval": "1m"}, "check_interval: is not an object"),
                       ({"check_interval": {"least": "1m"}}, "least: is not a field"),
                       ({"lease": {}}, "custody_bounds.lease: is not a field"),
                       ({"on_denied": ["maybe"]}, "cannot be 'maybe'"), ([], "is not an object")]:
        refused(server.ask("PATCH", where, server.operator_key, {"custody_bounds": bad}), 400, 3, words)
    assert server.ask("GET", where, admin).json["custody_bounds"] == loose


def test_the_audit_log_has_what_was_and_what_became_of_it(server, admin):
    cluster = server.new_cluster(admin)
    server.ask("PATCH", path_of(cluster["id"]), admin, {"outage_grace": "1h", "stop_timeout": "1s"})
    server.ask("PATCH", path_of(cluster["id"]), admin, {"outage_grace": "nonsense"})
    entry = server.ask("GET", "/api/v1/auditlogevents", admin).json["entries"][-1]
    assert entry["action"] == "AUDIT_LOG_ACTION_UPDATE_CUSTODY"
    assert entry["cluster_id"] == cluster["id"] and entry["service_account_name"]
    assert entry["payload"] == {"before": DEFAULTS, "loosened": ["outage_grace"],
                                "after": DEFAULTS | {"outage_grace": "1h", "stop_timeout": "1s"}}


# ---- with nodes ----


@pytest.fixture
def cluster(service):
    """One node, under the customer's key."""
    made = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join()
    service.wait_state(made, "running")
    service.wait_status(made, "ENABLED")
    (service.hosts[0].mount / "file").write_text("kept")
    return made


def custody(service, cluster):
    return service.ask("GET", path_of(cluster)).json


def set_custody(service, cluster, key=None, applied=True, **settings):
    answer = service.ask("PATCH", path_of(cluster), settings, key)
    assert answer.status == 200, answer
    if applied:
        wait_for(f"applied\n{service.logs()}",
                 lambda: all(node["applied"] for node in custody(service, cluster)["nodes"]))
    return answer.json


def running(service):
    """The settings of the process that holds the first host's volume."""
    done = service.hosts[0].volume_command("status")
    status = json.loads(done.stdout) if done.returncode == 0 else {}
    return status.get("custody", {}).get("settings", {})


def words_of(service, cluster):
    return service.cmek(cluster)["region_infos"][0]["custody"]["message"]


def key_of(service, cluster):
    return service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]


def disable(service, cluster):
    service.kms.client("kms").disable_key(KeyId=key_of(service, cluster))


def enable(service, cluster):
    service.kms.client("kms").enable_key(KeyId=key_of(service, cluster))


def test_a_node_uses_its_own_settings_until_it_is_told_and_says_which(service, cluster):
    [node] = custody(service, cluster)["nodes"]
    assert not node["applied"] and node["settings"]["check_interval"] == "500ms"
    assert node["worst_case"]["denied"] == "12s700ms"
    set_custody(service, cluster, check_interval="20m")
    [node] = custody(service, cluster)["nodes"]
    # What nobody has set yet is as tight as the usual or, where that is tighter, as the host had it.
    tight = {"outage_grace": "20s", "stop_timeout": "8s", "request_timeout": "2s",
             "confirm_after": "200ms"}
    assert node["settings"] == DEFAULTS | tight | {"check_interval": "20m"} and node["connected"]
    assert running(service)["check_interval_ms"] == 1_200_000
    assert running(service)["request_timeout_ms"] == 2_000


def test_a_shorter_interval_counts_for_the_running_volume(service, cluster):
    set_custody(service, cluster, check_interval="20m")
    before = json.loads(service.hosts[0].volume_command("status").stdout)
    assert before["custody"]["settings"]["check_interval_ms"] == 1_200_000
    disable(service, cluster)
    set_custody(service, cluster, applied=False, **QUICK)
    service.wait_custody(cluster, "sealed", "denied")
    after = json.loads(service.hosts[0].volume_command("status").stdout)
    assert after["pid"] == before["pid"]  # the same process, told
    assert not os.path.ismount(service.hosts[0].mount)
    enable(service, cluster)
    service.wait_custody(cluster, "open")
    assert (service.hosts[0].mount / "file").read_text() == "kept"


def test_with_alert_a_denial_is_said_and_seals_nothing_until_it_may(service, cluster):
    set_custody(service, cluster, on_denied="alert", **QUICK)
    disable(service, cluster)
    wait_for("the KMS's words", lambda: "on_denied is 'alert'" in words_of(service, cluster))
    assert "Disabled" in words_of(service, cluster)
    assert service.nodes(cluster)[0]["custody"] == "grace"
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    set_custody(service, cluster, applied=False, on_denied="seal")
    service.wait_custody(cluster, "sealed", "denied")


def test_a_denial_may_wait_and_a_key_that_returns_takes_it_back(service, cluster):
    set_custody(service, cluster, seal_delay="1h", **QUICK)
    disable(service, cluster)
    wait_for("when it seals", lambda: "; seals at 20" in words_of(service, cluster))
    assert "unless the key comes back" in words_of(service, cluster)
    assert service.nodes(cluster)[0]["custody"] == "grace"
    enable(service, cluster)
    service.wait_custody(cluster, "open")
    assert words_of(service, cluster) == ""
    disable(service, cluster)
    wait_for("when it seals", lambda: "; seals at 20" in words_of(service, cluster))
    set_custody(service, cluster, applied=False, seal_delay="0s")
    service.wait_custody(cluster, "sealed", "denied")


def test_a_key_that_returns_by_hand_waits_for_a_restore(service, cluster):
    refused(service.act(cluster, "RESTORE", service.custodian), 400, 9, "are not revoked")
    set_custody(service, cluster, on_key_return="manual", **QUICK)
    disable(service, cluster)
    service.wait_custody(cluster, "sealed", "denied")
    wait_for("what opens it", lambda: "opens by a restore only" in words_of(service, cluster))
    enable(service, cluster)
    time.sleep(2)  # six probes, if there were any
    assert service.nodes(cluster)[0]["custody"] == "sealed"
    operator = service.server.new_key(service.admin, "CLUSTER_OPERATOR_WRITER")
    refused(service.act(cluster, "RESTORE", operator), 403, 7, "'restore_keys'")
    assert service.act(cluster, "RESTORE", service.custodian).status == 200
    service.wait_custody(cluster, "open")
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    disable(service, cluster)  # one restore opens once
    service.wait_custody(cluster, "sealed", "denied")
    enable(service, cluster)
    time.sleep(2)
    assert service.nodes(cluster)[0]["custody"] == "sealed"
    set_custody(service, cluster, on_key_return="auto")
    service.wait_custody(cluster, "open")


def test_settings_outlive_the_agent_the_volumes_process_and_the_server(service, cluster):
    set_custody(service, cluster, check_interval="700ms", on_key_return="manual")
    host = service.hosts[0]
    service.server.stop()
    host.kill()
    pid = json.loads(host.volume_command("status").stdout)["pid"]
    os.kill(pid, signal.SIGKILL)  # its supervisor starts another, while nobody tells it anything

    def told():
        settings = running(service)
        return settings.get("check_interval_ms") == 700 and settings["on_key_return"] == "manual"
    wait_for("the next process", told, 60)
    host.start()
    wait_for("the next agent", lambda: host.log.read_text().count("node ") >= 2)
    assert host.stop() == 0
    host.start()  # it makes all anew, by what it remembers
    wait_for("a new start", told, 60)
    service.server.start()
    wait_for("applied", lambda: custody(service, cluster)["nodes"][0]["applied"], 60)
    assert custody(service, cluster)["settings"]["check_interval"] == "700ms"


def test_a_stopped_cluster_takes_settings_for_its_next_start(service, cluster):
    service.ask("PATCH", f"{CLUSTERS}/{cluster}/state", {"command": "stop"})
    service.wait_state(cluster, "stopped")
    set_custody(service, cluster, check_interval="800ms")
    service.ask("PATCH", f"{CLUSTERS}/{cluster}/state", {"command": "start"})
    service.wait_state(cluster, "running")
    assert running(service)["check_interval_ms"] == 800


def test_a_host_obeys_no_order_beyond_its_own_limits(service):
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    host = service.host()
    assert host.join(words=("--custody-limit", "on_denied=never")).process.wait(30) != 0
    assert "on_denied: cannot be 'never'" in host.log.read_text()
    host.start(service.token("us-east-1"), words=("--custody-limit", "on_denied=seal",
                                                  "--custody-limit", "outage_grace=1m"))
    service.wait_status(cluster, "ENABLED")
    service.wait_state(cluster, "running")
    set_custody(service, cluster, applied=False, on_denied="alert", outage_grace="2h",
                check_interval="600ms", request_timeout="5s")
    wait_for("what it obeys", lambda: running(service)["check_interval_ms"] == 600)
    wait_for("what it says", lambda: custody(service, cluster)["nodes"][0]["settings"][
        "outage_grace"] == "1m")
    [node] = custody(service, cluster)["nodes"]
    assert node["settings"]["on_denied"] == "seal" and node["applied"] is False
    disable(service, cluster)
    service.wait_custody(cluster, "sealed", "denied")


# ---- new keys ----


def keyring(service):
    status = json.loads(service.hosts[0].volume_command("status").stdout)
    return status["kek_id"], [dek["id"] for dek in status["deks"]]


def test_a_rekey_is_a_new_kek_over_the_same_deks(service, cluster):
    kek, deks = keyring(service)
    operator = service.server.new_key(service.admin, "CLUSTER_OPERATOR_WRITER")
    reader = service.server.new_key(service.admin, "READ_ONLY")
    assert service.act(cluster, "REKEY", reader).status == 403
    answer = service.act(cluster, "REKEY", operator)
    assert answer.status == 200 and answer.json["status"] == "ROTATING", answer
    service.wait_status(cluster, "ENABLED")
    assert keyring(service)[0] != kek and keyring(service)[1] == deks
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    entry = service.ask("GET", "/api/v1/auditlogevents").json["entries"][-1]
    assert entry["action"] == "AUDIT_LOG_ACTION_REKEY_CMEK"


def test_a_reencryption_is_new_deks_and_ends_with_nothing_under_the_old_ones(service, cluster):
    (service.hosts[0].mount / "more").write_bytes(os.urandom(1 << 20))
    kek, deks = keyring(service)
    assert service.act(cluster, "REENCRYPT").json["status"] == "ROTATING"
    service.wait_status(cluster, "ENABLED")
    wait_for("nothing under the old DEK", lambda: service.cmek(cluster)["region_infos"][0][
        "custody"]["old_key_bytes"] == 0)
    assert keyring(service)[0] != kek and not set(keyring(service)[1]) & set(deks)
    assert (service.hosts[0].mount / "file").read_text() == "kept"


@pytest.mark.parametrize("action", ["REKEY", "REENCRYPT"])
def test_new_keys_are_made_whoever_dies_meanwhile(service, cluster, action):
    kek, _ = keyring(service)
    service.kms.fault("--operation", "Encrypt", "--latency", "1500")
    assert service.act(cluster, action).status == 200
    for _ in range(3):
        service.hosts[0].kill()
        service.server.restart(signal.SIGKILL)
        service.hosts[0].start()
        time.sleep(0.7)  # into the middle of it
    service.kms.fault("--clear")
    service.wait_status(cluster, "ENABLED")
    wait_for("one DEK", lambda: len(keyring(service)[1]) == 1)
    assert keyring(service)[0] != kek
    assert (service.hosts[0].mount / "file").read_text() == "kept"
    rekeyed = [path.read_text() for path in service.hosts[0].state.glob("run.log")]
    assert sum(text.count("rekeyed") for text in rekeyed) == (action == "REKEY")  # and once only
    service.hosts[0].stop()
    service.hosts[0].start()  # and opens by what was made
    service.wait_custody(cluster, "open")


def test_a_rekey_that_cannot_be_done_says_so_in_the_kmss_words(service, cluster):
    statements = [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                   "Action": "kms:*", "Resource": "*"},
                  {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::111122223333:role/freehold"},
                   "Action": "kms:Encrypt", "Resource": "*",
                   "Condition": {"StringEquals": {"kms:EncryptionContext:freehold:cluster": cluster}}}]
    allowed = service.kms.client("kms").get_key_policy(
        KeyId=key_of(service, cluster), PolicyName="default")["Policy"]
    statements += json.loads(allowed)["Statement"][1:]

    def put(policy):
        service.kms.client("kms").put_key_policy(
            KeyId=key_of(service, cluster), PolicyName="default", Policy=policy)
    kek, deks = keyring(service)
    put(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert service.act(cluster, "REKEY").status == 200
    info = service.wait_status(cluster, "ROTATE_FAILED")
    words = info["region_infos"][0]["key_infos"][0]["user_message"]
    assert "AccessDenied" in words or "not authorized" in words, words
    assert keyring(service) == (kek, deks)
    put(allowed)
    service.wait_status(cluster, "ENABLED", 90)  # it was tried again
    assert keyring(service)[0] != kek


def test_no_new_keys_for_what_is_revoked_stopped_or_has_none(service, cluster):
    kek, _ = keyring(service)
    service.ask("PATCH", f"{CLUSTERS}/{cluster}/state", {"command": "stop"})
    service.wait_state(cluster, "stopped")
    for action in ("REKEY", "REENCRYPT"):
        refused(service.act(cluster, action), 400, 9, "start it first")
    service.act(cluster, "REVOKE")
    for action in ("REKEY", "REENCRYPT"):
        refused(service.act(cluster, action), 400, 9, "restore them")
    refused(service.act(cluster, "REWRAP"), 400, 3, "REKEY or REENCRYPT")
    bare = service.server.new_cluster(service.admin, "bare")["id"]
    refused(service.act(bare, "REKEY"), 400, 9, "no customer-managed keys")
    without_nodes = service.server.new_cluster(
        service.admin, "lonely", specs=[service.spec(service.new_key())])["id"]
    refused(service.act(without_nodes, "REKEY"), 503, 14, "no node of cluster 'lonely'")
    assert service.cmek(without_nodes)["status"] == "ENABLING"
    done = subprocess.run([os.environ["FREEHOLD_BIN"], "inspect",
                           service.hosts[0].volume / "freehold/keyring", "--json"],
                          capture_output=True, text=True, timeout=60, check=True)
    assert kek in done.stdout
