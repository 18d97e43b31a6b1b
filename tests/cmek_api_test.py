"""The CMEK endpoints as clients of CockroachDB Cloud's API know them."""

import subprocess

import pytest

from freehold_testing import BINARY, ROOT
from server_testing import Server, arn, spec

CLUSTERS = "/api/v1/clusters"
REGIONS = ("eu-west-1", "us-east-1")
BOTH = [spec("us-east-1", "k1"), spec("eu-west-1", "k2")]


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_store):
    made = Server(tmp_path_factory.mktemp("server"), *new_store())
    yield made
    made.stop()


@pytest.fixture
def admin(server, request):
    return server.new_organization(request.node.name[-60:])[1]


def cmek(server, key, cluster):
    answer = server.ask("GET", f"{CLUSTERS}/{cluster}/cmek", key)
    assert answer.status == 200, answer
    return answer.json


def refused(answer, status, code, words):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert words in answer.json["message"], answer


def test_a_new_cluster_is_disabled_and_says_whom_to_trust(server, admin):
    cluster = server.new_cluster(admin, regions=REGIONS)
    assert cluster["account_id"] == "999988887777" and cluster["state"] == "CREATING"
    info = cmek(server, admin, cluster["id"])
    assert info["status"] == "DISABLED"
    assert [region["region"] for region in info["region_infos"]] == sorted(REGIONS)
    assert all(region == {"region": region["region"], "status": "DISABLED", "key_infos": []}
               for region in info["region_infos"])


def test_keys_may_come_with_the_cluster(server, admin):
    cluster = server.new_cluster(admin, regions=REGIONS, specs=BOTH)["id"]
    info = cmek(server, admin, cluster)
    assert info["status"] == "ENABLING"
    [key] = info["region_infos"][0]["key_infos"]
    assert key["status"] == "ENABLING" and key["user_message"] == ""
    assert key["spec"] == spec("eu-west-1", "k2")["key_spec"]
    assert key["created_at"] == key["updated_at"]


def test_enabling_waits_for_nodes_and_stores_nothing_before(server, admin):
    cluster = server.new_cluster(admin, regions=REGIONS)["id"]
    path = f"{CLUSTERS}/{cluster}/cmek"
    for method in ("POST", "PUT"):
        answer = server.ask(method, path, admin, {"region_specs": BOTH})
        refused(answer, 503, 14, "no node of cluster 'orders'")
        assert answer.headers["retry-after"]
    assert cmek(server, admin, cluster)["status"] == "DISABLED"


@pytest.mark.parametrize("given, words", [
    ([spec("us-east-1")], "the region 'eu-west-1' is missing"),
    (BOTH + [spec("ap-south-1")], "no region 'ap-south-1'"),
    (BOTH + [spec("us-east-1", "k3")], "'us-east-1' is there twice"),
])
def test_what_names_the_wrong_regions_is_400_and_names_them(server, admin, given, words):
    cluster = server.new_cluster(admin, regions=REGIONS)["id"]
    refused(server.ask("POST", f"{CLUSTERS}/{cluster}/cmek", admin, {"region_specs": given}),
            400, 3, words)
    body = {"name": "second", "spec": {"dedicated": {
        "region_nodes": dict.fromkeys(REGIONS, 1), "cmek_region_specs": given}}}
    refused(server.ask("POST", CLUSTERS, admin, body), 400, 3, words)
    assert len(server.ask("GET", CLUSTERS, admin).json["clusters"]) == 1


def test_a_cluster_without_nodes_is_revoked_at_once_and_restored_by_another_role(server, admin):
    cluster = server.new_cluster(admin, regions=REGIONS, specs=BOTH)["id"]
    path = f"{CLUSTERS}/{cluster}/cmek"
    custodian = server.new_key(admin, "KEY_CUSTODIAN")
    answer = server.ask("PATCH", path, custodian, {"action": "REVOKE"})
    assert answer.status == 200 and answer.json["status"] == "REVOKED", answer
    again = server.ask("PATCH", path, custodian, {"action": "REVOKE"})
    assert again.json == answer.json
    refused(server.ask("PUT", path, admin, {"region_specs": BOTH}), 400, 9, "restore them")
    refused(server.ask("PATCH", path, custodian, {"action": "RESTORE"}), 403, 7,
            "another service account")
    restored = server.ask("PATCH", path, admin, {"action": "RESTORE"})
    assert restored.status == 200 and restored.json["status"] == "ENABLING", restored
    refused(server.ask("PATCH", path, admin, {"action": "RESTORE"}), 400, 9, "not revoked")
    refused(server.ask("PATCH", path, admin, {"action": "DISABLE"}), 400, 3, "REVOKE, RESTORE, DISENROL, REKEY or")


def test_what_has_no_keys_cannot_be_revoked(server, admin):
    cluster = server.new_cluster(admin)["id"]
    refused(server.ask("PATCH", f"{CLUSTERS}/{cluster}/cmek", admin, {"action": "REVOKE"}),
            400, 9, "no customer-managed keys")


@pytest.mark.parametrize("shape", ["openapi", "page"])
def test_regions_are_added_in_both_shapes(server, admin, shape):
    cluster = server.new_cluster(admin, specs=[spec()])["id"]
    path = f"{CLUSTERS}/{cluster}"

    def body(*list_of_specs):
        if shape == "page":
            return {"region_specs": list(list_of_specs)}
        nodes = {one["region"]: 1 for one in list_of_specs}
        return {"dedicated": {"region_nodes": nodes, "cmek_region_specs": list(list_of_specs)}}

    changed = spec("us-east-1", "k9")
    refused(server.ask("PATCH", path, admin, body(changed, spec("eu-west-1", "k2"))), 400, 3,
            "has its key already")
    answer = server.ask("PATCH", path, admin, body(spec(), spec("eu-west-1", "k2")))
    assert answer.status == 200, answer
    assert [region["name"] for region in answer.json["regions"]] == ["eu-west-1", "us-east-1"]
    info = cmek(server, admin, cluster)
    assert info["region_infos"][0]["key_infos"][0]["spec"]["uri"] == arn("k2")
    without = {"dedicated": {"region_nodes": {"ap-south-1": 1}}}
    refused(server.ask("PATCH", path, admin, without), 400, 3, "'ap-south-1' is missing")


def test_the_operators_bounds_refuse_by_name(server):
    _, ungranted = server.new_organization("ungranted", cmek_granted=False)
    body = {"name": "c", "spec": {"dedicated": {"region_nodes": {"us-east-1": 1},
                                                "cmek_region_specs": [spec()]}}}
    refused(server.ask("POST", CLUSTERS, ungranted, body), 403, 7, "not granted")
    _, bound = server.new_organization("bound", allowed_kms_types={"us-east-1": ["GCP_CLOUD_KMS"]})
    refused(server.ask("POST", CLUSTERS, bound, body), 403, 7, "AWS_KMS in region us-east-1")
    organization, unique = server.new_organization("unique", unique_keys=True)
    server.new_cluster(unique, "first", specs=[spec()])
    refused(server.ask("POST", CLUSTERS, unique, body), 400, 9, "another cluster uses this key already")
    loosened = server.ask("PATCH", f"/api/v1/organizations/{organization}", server.operator_key,
                          {"unique_keys": False})
    assert loosened.status == 200
    assert server.ask("POST", CLUSTERS, unique, body).status == 200


def test_a_deleted_cluster_leaves_the_list_of_the_keys_that_stood_over_it(server, admin):
    cluster = server.new_cluster(admin, specs=[spec()])["id"]
    assert server.ask("DELETE", f"{CLUSTERS}/{cluster}", admin).json["state"] == "DELETED"
    assert server.ask("GET", f"{CLUSTERS}/{cluster}/cmek", admin).status == 404
    entry = server.ask("GET", "/api/v1/auditlogevents", admin).json["entries"][-1]
    assert entry["payload"]["keys_that_stood_over_it"] == [
        {**spec()["key_spec"], "region": "us-east-1", "versions": []}]


def test_the_page_of_routes_is_the_servers_own_table():
    printed = subprocess.run([BINARY, "internal", "api-routes"], capture_output=True, text=True,
                             timeout=60, check=True).stdout
    assert (ROOT / "docs/api/routes.md").read_text() == printed


def test_one_person_does_not_get_around_the_restore_rule(server, admin):
    """Neither by two roles, nor by an account made for it, nor by making the cluster again."""
    cluster = server.new_cluster(admin, specs=[spec()])["id"]
    path = f"{CLUSTERS}/{cluster}/cmek"
    old = server.new_key(admin, "KEY_CUSTODIAN")
    operator = server.new_key(admin, "CLUSTER_ADMIN")
    assert server.ask("PATCH", path, admin, {"action": "REVOKE"}).status == 200
    new = server.new_key(admin, "KEY_CUSTODIAN")
    for key in (admin, new):
        refused(server.ask("PATCH", path, key, {"action": "RESTORE"}), 403, 7, "service account")
    refused(server.ask("DELETE", f"{CLUSTERS}/{cluster}", operator), 403, 7, "restore_keys")
    assert server.ask("PATCH", path, old, {"action": "RESTORE"}).status == 200


def test_a_region_that_is_there_keeps_its_nodes(server, admin):
    cluster = server.new_cluster(admin)["id"]
    refused(server.ask("PATCH", f"{CLUSTERS}/{cluster}", admin,
                       {"dedicated": {"region_nodes": {"us-east-1": 7}}}), 400, 3, "has 1 nodes")
    many = {f"r{n}": 1 for n in range(51)}
    refused(server.ask("POST", CLUSTERS, admin, {"name": "m", "spec": {"dedicated": {
        "region_nodes": many}}}), 400, 3, "at most 50 regions")
