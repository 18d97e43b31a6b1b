"""What nodes may say to the server, and what they are told: by hand, as a hostile one would."""

import pytest

from agent_testing import CLUSTERS
from node_testing import HandMadeNode


def new_node(service, region="us-east-1", cluster=None):
    return HandMadeNode(service.token(region, cluster)).join()


def test_a_token_is_for_one_key_and_may_be_repeated_by_it(service):
    token = service.token("us-east-1")
    node = HandMadeNode(token).join()
    assert node.try_join().json["node"] == node.id
    assert HandMadeNode(token).try_join().status == 401
    other = HandMadeNode(service.token("us-east-1"))
    assert other.try_join(secret="0" * 64).status == 401
    assert other.try_join(request="bm9uc2Vuc2U=").status == 400
    assert other.try_join(request="!").status == 400
    other.join()


def test_without_its_certificate_a_node_is_nobody(service):
    node = new_node(service)
    assert node.report().status == 200
    node.certificate = None
    for path in ("report", "renew"):
        assert node.ask(path, {}).status == 401
    assert node.ask("events", None, "GET").status == 401


def test_a_removed_node_is_let_in_no_more(service):
    node = new_node(service)
    operator = service.server.operator_key
    assert service.ask("DELETE", f"/api/v1/nodes/{node.id}", key=operator).status == 200
    answer = node.report()
    assert answer.status == 401 and "removed" in answer.json["message"]


def test_a_renewed_certificate_ends_the_one_before_it_once_it_is_used(service):
    node = new_node(service)
    before = node.key, node.certificate
    renewal = HandMadeNode(service.token("us-east-1"))
    answer = node.ask("renew", {"request": renewal.request()})
    assert answer.status == 200 and answer.json["node"] == node.id
    assert node.report().status == 200  # until the next one is used
    node.key, node.certificate = renewal.key, answer.json["certificate"]
    assert node.report().status == 200
    node.key, node.certificate = before
    assert node.report().status == 401


def test_a_node_speaks_for_its_own_cluster_only(service):
    mine = service.server.new_cluster(service.admin, name="mine")["id"]
    node = new_node(service)
    other = service.server.new_cluster(service.admin, name="other",
                                       specs=[service.spec(service.new_key())])["id"]
    told = node.report(cluster=other, custody="sealed", custody_reason="revoked",
                       epoch="x", revision=10**15).json
    assert told["cluster"] == mine
    assert service.cmek(other)["status"] == "ENABLING"
    assert service.nodes(other) == []
    assert service.cmek(mine)["status"] == "DISABLED"


NO_REPORTS = [
    b"", b"[]", b"null", b"{", b'{"revision": -1}', b'{"revision": "x"}', b'{"revision": 1e99}',
    b'{"key": 7}', b'{"answers": {}}', b"[" * 100_000, b'{"a":' * 50_000,
]


@pytest.mark.parametrize("report", NO_REPORTS, ids=range(len(NO_REPORTS)))
def test_a_report_that_is_none_is_400(service, report):
    answer = new_node(service).ask("report", report)
    assert answer.status == 400 and answer.json["code"] == 3, answer


def test_a_number_from_no_store_of_ours_moves_nothing(service):
    cluster = service.server.new_cluster(service.admin)["id"]
    node = new_node(service, cluster=cluster)
    told = node.report().json
    assert told["cluster"] == cluster
    node.report(epoch=told["epoch"], revision=2**63, cluster=cluster)
    assert node.report().json["revision"] < 1000
    assert service.ask("GET", f"{CLUSTERS}/{cluster}").status == 200


def test_a_cluster_is_not_revoked_before_a_node_that_has_said_nothing(service):
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    node = new_node(service, cluster=cluster)  # told to open, for all that anybody knows
    assert service.act(cluster, "REVOKE").json["status"] == "REVOKING"
    operator = service.server.operator_key
    answer = service.ask("DELETE", f"/api/v1/nodes/{node.id}?lost=true", key=operator)
    assert answer.status == 400 and "has not confirmed" in answer.json["message"], answer
    assert service.cmek(cluster)["status"] == "REVOKING"
    told = node.report().json
    assert told["goal"] == "revoked"
    node.report(epoch=told["epoch"], revision=told["revision"], cluster=cluster, custody="sealed",
                custody_reason="revoked")
    assert service.cmek(cluster)["status"] == "REVOKED"
    assert service.ask("DELETE", f"/api/v1/nodes/{node.id}?lost=true", key=operator).status == 200


def says(told, **more):
    """What a node that obeys says of itself."""
    key = told["key"]
    return {name: told[name] for name in ("epoch", "revision", "cluster", "fencing", "key", "rewraps")} | {
        "key_uri": f"aws-kms://{key['uri']}", "custody": "open", "database": "ready", **more}


def test_what_is_only_seen_of_nodes_is_not_told_to_them_and_confirms_no_revoke(service):
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    node = new_node(service, cluster=cluster)
    told = node.report().json
    confirmed = node.report(**says(told)).json
    assert service.cmek(cluster)["status"] == "ENABLED" and service.state(cluster) == "running"
    assert confirmed == told and node.report(**says(told)).json == told  # nothing else is wanted of it
    sealed = {"custody": "sealed", "custody_reason": "revoked", "database": "down"}
    node.report(**says(told, **sealed))  # of its own accord, and of no revoke that there was
    assert service.act(cluster, "REVOKE").status == 200
    assert service.cmek(cluster)["status"] == "REVOKING"
    revoked = node.report(**says(told, **sealed)).json
    assert revoked["goal"] == "revoked" and revoked["revision"] > told["revision"]
    assert service.cmek(cluster)["status"] == "REVOKING"
    node.report(**says(revoked, **sealed))
    assert service.cmek(cluster)["status"] == "REVOKED"
