"""Projects with keys as TiDB Cloud's API has them, and services as ClickHouse Cloud's has them."""

import base64

import pytest

from server_testing import Server, arn, spec, specs

PROJECTS = "/api/v1beta/projects"
CLUSTERS = "/api/v1/clusters"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.stop()


@pytest.fixture
def customer(server, request):
    """Its id and its administrator's key."""
    return server.new_organization(request.node.name[-60:])


@pytest.fixture
def key(customer):
    return customer[1]


def refused(answer, status, code, words):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert words in answer.json["message"], answer


def aws(**by_region):
    return {"specs": [{"region": region.replace("_", "-"), "kms_arn": arn(name)}
                      for region, name in by_region.items()]}


# ---- projects ----


def test_a_projects_key_is_its_clusters(server, key):
    project = server.made(PROJECTS, key, {"name": "p", "aws_cmek_enabled": True})["id"]
    keys = f"{PROJECTS}/{project}/aws-cmek"
    assert server.ask("GET", keys, key).json == {"items": []}
    assert server.made(keys, key, aws(us_west_2="k1", us_east_1="k2")) == {}
    assert server.ask("GET", keys, key).json == {"items": [
        {"region": "us-east-1", "kms_arn": arn("k2")}, {"region": "us-west-2", "kms_arn": arn("k1")}]}
    cluster = server.new_cluster(key, "orders", ["us-west-2"], project_id=project)["id"]

    def key_of(region):
        regions = server.ask("GET", f"{CLUSTERS}/{cluster}/cmek", key).json["region_infos"]
        [info] = [one for one in regions if one["region"] == region]
        return info["status"], info["key_infos"][0]["spec"]

    assert key_of("us-west-2") == (
        "ENABLING", {"type": "AWS_KMS", "uri": arn("k1"), "auth_principal": ""})
    # A cluster that grows takes the project's key, and one may bring a key of its own.
    grown = server.ask("PATCH", f"{CLUSTERS}/{cluster}", key,
                       {"dedicated": {"region_nodes": {"us-east-1": 1}}})
    assert grown.status == 200 and key_of("us-east-1")[1]["uri"] == arn("k2")
    own = server.new_cluster(key, "own", ["us-west-2"], [spec("us-west-2", "k9")],
                             project_id=project)["id"]
    info = server.ask("GET", f"{CLUSTERS}/{own}/cmek", key).json
    assert info["region_infos"][0]["key_infos"][0]["spec"]["uri"] == arn("k9")


def test_no_cluster_is_where_the_project_has_no_key(server, key):
    project = server.made(PROJECTS, key, {"name": "p", "aws_cmek_enabled": True})["id"]
    server.made(f"{PROJECTS}/{project}/aws-cmek", key, aws(us_west_2="k1"))
    body = {"name": "c", "project_id": project,
            "spec": {"dedicated": {"region_nodes": {"us-west-2": 1, "eu-west-1": 1}}}}
    refused(server.ask("POST", CLUSTERS, key, body), 400, 9, "no key for the region 'eu-west-1'")
    assert server.ask("GET", CLUSTERS, key).json["clusters"] == []
    body["spec"]["dedicated"]["region_nodes"] = {"us-west-2": 1}
    cluster = server.made(CLUSTERS, key, body)["id"]
    refused(server.ask("PATCH", f"{CLUSTERS}/{cluster}", key,
                       {"dedicated": {"region_nodes": {"eu-west-1": 1}}}), 400, 9, "'eu-west-1'")


def test_a_project_without_cmek_takes_no_key_and_asks_for_none(server, key):
    project = server.made(PROJECTS, key, {"name": "p"})["id"]
    keys = f"{PROJECTS}/{project}/aws-cmek"
    refused(server.ask("POST", keys, key, aws(us_west_2="k1")), 400, 9, "without customer-managed")
    refused(server.ask("GET", keys, key), 400, 9, "without customer-managed")
    cluster = server.new_cluster(key, "plain", project_id=project)["id"]
    assert server.ask("GET", f"{CLUSTERS}/{cluster}/cmek", key).json["status"] == "DISABLED"


def test_a_regions_key_stays_and_wrong_ones_are_named(server, key):
    project = server.made(PROJECTS, key, {"name": "p", "aws_cmek_enabled": True})["id"]
    keys = f"{PROJECTS}/{project}/aws-cmek"
    server.made(keys, key, aws(us_west_2="k1"))
    server.made(keys, key, aws(us_west_2="k1"))  # the same again
    refused(server.ask("POST", keys, key, aws(us_east_1="k2", us_west_2="k3")), 400, 9, "already")
    assert len(server.ask("GET", keys, key).json["items"]) == 1  # nothing of it
    for wrong, words in ((aws(), "specs: is missing"),
                         ({"specs": aws(r="a")["specs"] * 2}, "specs[1].region: is there twice"),
                         ({"specs": [{"region": "r", "kms_arn": "arn:aws:s3:::b"}]}, "kms_arn"),
                         ({"specs": [{"region": "r"}]}, "kms_arn: is missing")):
        refused(server.ask("POST", keys, key, wrong), 400, 3, words)


def test_who_may_and_what_the_operator_allows(server, customer):
    _, key = customer
    project = server.made(PROJECTS, key, {"name": "p", "aws_cmek_enabled": True})["id"]
    keys = f"{PROJECTS}/{project}/aws-cmek"
    reader = server.new_key(key, "READ_ONLY")
    assert server.ask("GET", keys, reader).status == 200
    refused(server.ask("POST", keys, reader, aws(r="k1")), 403, 7, "manage_keys")
    _, stranger = server.new_organization("stranger")
    for method, body in (("GET", None), ("POST", aws(r="k1"))):
        assert server.ask(method, keys, stranger, body).status == 404
    _, bound = server.new_organization("bound", allowed_kms_types={"r": ["PKCS11"]})
    project = server.made(PROJECTS, bound, {"name": "p", "aws_cmek_enabled": True})["id"]
    refused(server.ask("POST", f"{PROJECTS}/{project}/aws-cmek", bound, aws(r="k1")), 403, 7,
            "does not allow keys of AWS_KMS")
    _, ungranted = server.new_organization("ungranted", cmek_granted=False)
    refused(server.ask("POST", PROJECTS, ungranted, {"name": "p", "aws_cmek_enabled": True}), 403, 7,
            "not granted")


def test_projects_come_in_numbered_pages(server, customer):
    organization, key = customer
    names = {f"p{n}" for n in range(5)}
    ids = {name: server.made(PROJECTS, key, {"name": name, "aws_cmek_enabled": name == "p1"})["id"]
           for name in names}
    server.new_cluster(key, "orders", project_id=ids["p0"])
    pages = [server.ask("GET", f"{PROJECTS}?page={n}&page_size=2", key).json for n in (1, 2, 3, 4)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1, 0]
    assert all(page["total"] == 5 for page in pages)
    items = {item["name"]: item for page in pages for item in page["items"]}
    assert set(items) == names and items["p0"]["cluster_count"] == 1
    assert items["p1"]["aws_cmek_enabled"] and items["p1"]["org_id"] == organization
    assert items["p1"]["create_timestamp"].isdigit()
    refused(server.ask("GET", f"{PROJECTS}?page=0", key), 400, 3, "page")
    refused(server.ask("GET", f"{PROJECTS}?page_size=101", key), 400, 3, "page_size")


def test_a_projects_keys_are_in_the_audit_log(server, key):
    project = server.made(PROJECTS, key, {"name": "p", "aws_cmek_enabled": True})["id"]
    server.made(f"{PROJECTS}/{project}/aws-cmek", key, aws(us_west_2="k1"))
    entry = server.ask("GET", "/api/v1/auditlogevents", key).json["entries"][-1]
    assert entry["action"] == "AUDIT_LOG_ACTION_UPDATE_PROJECT_CMEK"
    assert entry["project_id"] == project
    assert entry["payload"]["region_specs"][0]["key_spec"]["uri"] == arn("k1")


# ---- services ----


def basic(user, password):
    return [("authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


def test_a_key_is_sent_in_two_parts_too(server, customer):
    organization, key = customer
    cluster = server.new_cluster(key, specs=[spec()])["id"]
    path = f"/v1/organizations/{organization}/services/{cluster}"
    _, user, secret = key.split("_")
    assert server.ask("GET", path, None, headers=basic(user, secret)).status == 200
    assert server.ask("GET", CLUSTERS, None, headers=basic(user, secret)).status == 200
    for headers in (basic(user, secret[:-1]), basic(user, ""), basic("", secret), basic(secret, user),
                    [("authorization", "Basic")], [("authorization", "Basic !")],
                    [("authorization", "Basic " + base64.b64encode(b"nothing").decode())]):
        assert server.ask("GET", CLUSTERS, None, headers=headers).status == 401, headers


def test_a_service_is_a_cluster_in_an_envelope(server, customer):
    organization, key = customer
    cluster = server.new_cluster(key, specs=[spec()])
    path = f"/v1/organizations/{organization}/services/{cluster['id']}"
    answer = server.ask("GET", path, key).json
    assert answer["status"] == 200 and len(answer["requestId"]) == 36
    assert answer["result"] == {
        "id": cluster["id"], "name": "orders", "region": "us-east-1", "state": "provisioning",
        "createdAt": cluster["created_at"], "hasTransparentDataEncryption": True,
        "encryptionRoleId": "999988887777", "transparentDataEncryptionKeyId": arn(),
        "provider": "aws"}
    plain = server.new_cluster(key, "plain")["id"]
    result = server.ask("GET", f"/v1/organizations/{organization}/services/{plain}", key).json["result"]
    assert "transparentDataEncryptionKeyId" not in result and "provider" not in result


def test_what_is_refused_is_in_the_envelope_too(server, customer):
    organization, key = customer
    cluster = server.new_cluster(key, specs=[spec()])["id"]
    path = f"/v1/organizations/{organization}/services/{cluster}"
    other, stranger = server.new_organization("another")

    def is_refused(answer, status, words):
        assert answer.status == answer.json["status"] == status, answer
        assert set(answer.json) == {"status", "requestId", "error"}
        assert words in answer.json["error"], answer

    change = {"transparentDataEncryptionKeyId": arn("k2")}
    is_refused(server.ask("GET", path, None), 401, "API key")
    is_refused(server.ask("GET", path, stranger), 404, "may not see it")
    is_refused(server.ask("GET", path.replace(organization, other), key), 404, "no service")
    is_refused(server.ask("PATCH", path.replace(organization, other), key, change), 404, "no service")
    is_refused(server.ask("PATCH", path, server.new_key(key, "READ_ONLY"), change), 403, "manage_keys")
    is_refused(server.ask("PATCH", path, key, {}), 400, "KeyId: is missing")
    is_refused(server.ask("PATCH", path, key, {"transparentDataEncryptionKeyId": "x"}), 400, "x")
    is_refused(server.ask("DELETE", path, key), 405, "GET, PATCH")
    # Right in itself: what is missing is a node that could do it.
    is_refused(server.ask("PATCH", path, key, change), 503, "no node")
    two = server.new_cluster(key, "two", ["eu-west-1", "us-east-1"],
                             specs("eu-west-1", "us-east-1")["region_specs"])["id"]
    is_refused(server.ask("PATCH", f"/v1/organizations/{organization}/services/{two}", key, change),
               400, "2 regions")
