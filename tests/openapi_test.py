"""The OpenAPI document against the server that it describes: every path, body, refusal and answer."""

import json
import re
import subprocess

import jsonschema
import pytest

from freehold_testing import BINARY, ROOT
from node_testing import HandMadeNode
from postgres_testing import free_port
from server_testing import Server, arn, spec, specs

DOCUMENT = json.loads((ROOT / "docs/api/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {operation["operationId"]: (method.upper(), path, operation)
              for path, item in DOCUMENT["paths"].items() for method, operation in item.items()}

# A body of each schema that is sent, and right.
BODIES = {
    "NewOrganization": {"name": "new", "cmek_granted": True, "unique_keys": False,
                        "allowed_kms_types": {"*": ["AWS_KMS"]},
                        "custody_bounds": {"check_interval": {"lowest": "1s", "highest": "10m"},
                                           "on_denied": ["seal"]}},
    "OrganizationChange": {"unique_keys": False},
    "NewProject": {"name": "new", "cmek_enabled": False},
    "NewServiceAccount": {"name": "new", "roles": [{"role": "READ_ONLY"}]},
    "NewApiKey": {"name": "new"},
    "NewCluster": {"name": "new", "provider": "AWS", "spec": {"dedicated": {
        "region_nodes": {"us-east-1": 1}, "cmek_region_specs": [spec()]}}},
    "ClusterChange": {"dedicated": {"region_nodes": {"eu-west-1": 1},
                                    "cmek_region_specs": [spec("eu-west-1", "k2")]}},
    "CmekSpecs": specs(),
    "CustodyChange": {"check_interval": "30s", "on_denied": "seal"},
    "CmekActionBody": {"action": "REVOKE"},
    "BetaNewProject": {"name": "new", "aws_cmek_enabled": True},
    "AwsCmekSpecs": {"specs": [{"region": "us-east-1", "kms_arn": arn()}]},
    "ClusterState": {"command": "stop"},
    "NewJoinToken": {"region": "us-east-1"},
    "NewContact": {"purpose": "SECURITY", "type": "WEBHOOK",
                   "address": "https://hooks.example.com/keys"},
    "ServiceChange": {"transparentDataEncryptionKeyId": arn("k2")},
}
# What takes a node, and there is none.
NEED_NODES = {"EnableCMEKSpec", "UpdateCMEKSpec", "UpdateService", "RecheckClusterKeys"}
# What does not go without.
QUERIES = {"ListKeyUsage": f"?uri={arn()}"}


def strict(schema):
    """The same, with no field that it does not list: what an answer has is to be documented."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if schema.get("properties"):
        made["additionalProperties"] = False
    return made


def check(value, schema):
    whole = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": strict(SCHEMAS)}}
    jsonschema.Draft202012Validator(whole).validate(value)


def schema_of(content):
    return content["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]


def body_of(operation):
    return schema_of(operation["requestBody"]) if "requestBody" in operation else None


class World:
    """A customer for one operation, with one of everything that a path may name."""

    def __init__(self, server, name):
        self.server = server
        self.ids = {}
        self.ids["organization_id"], self.admin = server.new_organization(name)
        self.ids["project_id"] = server.made("/api/v1/projects", self.admin,
                                              {"name": "p", "cmek_enabled": True})["id"]
        accounts = "/api/v1/service-accounts"
        self.ids["service_account_id"] = server.made(
            accounts, self.admin, {"name": "a", "roles": [{"role": "READ_ONLY"}]})["id"]
        self.ids["api_key_id"] = server.made(
            f"{accounts}/{self.ids['service_account_id']}/api-keys", self.admin, {"name": "k"})["id"]
        given = None if name == "EnableCMEKSpec" else [spec()]
        self.ids["cluster_id"] = server.new_cluster(self.admin, specs=given)["id"]
        token = server.made("/api/v1/join-tokens", server.operator_key, {"region": "ap-south-1"})
        self.ids["node_id"] = HandMadeNode(token["token"]).join().id
        self.ids["contact_id"] = server.made("/api/v1/contacts", self.admin, {
            "purpose": "TECHNICAL", "type": "WEBHOOK", "address": "https://hooks.example.com/"})["id"]
        self.ids["organizationId"] = self.ids["organization_id"]
        self.ids["serviceId"] = self.ids["cluster_id"]

    def call(self, operation_id, body):
        method, path, operation = OPERATIONS[operation_id]
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                path = path.replace("{%s}" % parameter["name"], self.ids[parameter["name"]])
        assert "{" not in path, path
        operators = operation["x-permission"] == "manage_organizations"
        key = self.server.operator_key if operators else self.admin
        return self.server.ask(method, path + QUERIES.get(operation_id, ""), key, body)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"), "--agents-listen", f"127.0.0.1:{free_port()}")
    yield made
    made.stop()


def test_the_document_is_the_servers_own(server):
    printed = subprocess.run([BINARY, "internal", "openapi"], capture_output=True, text=True,
                             timeout=60, check=True).stdout
    assert (ROOT / "docs/api/openapi.json").read_text() == printed
    _, key = server.new_organization("reader")
    assert server.ask("GET", "/api/v1/openapi.json", key).json == DOCUMENT
    assert server.ask("GET", "/api/v1/openapi.json", None).status == 401


def test_every_name_in_it_means_something():
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert references == set(SCHEMAS)
    count = sum(len(item) for item in DOCUMENT["paths"].values())
    assert len(OPERATIONS) == count  # an operation's name is its own
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for _, path, operation in OPERATIONS.values():
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_does_what_the_document_says(server, operation_id):
    operation = OPERATIONS[operation_id][2]
    world = World(server, operation_id)
    body = body_of(operation)
    if body:
        check(BODIES[body], body)
    answer = world.call(operation_id, BODIES[body] if body else None)
    if operation_id in NEED_NODES:
        assert answer.status == 503, answer
        return check(answer.json, schema_of(operation["responses"]["default"]))
    assert answer.status == 200, answer
    check(answer.json, schema_of(operation["responses"]["200"]))


def places_of(schema, value, path=()):
    """(path, name) of every field that is required somewhere in `value`."""
    reference = schema.get("$ref")
    if reference:
        schema = SCHEMAS[reference.rsplit("/", 1)[1]]
    for name in schema.get("required", ()):
        yield path, name
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            if inner.get("type") == "array":
                yield from places_of(inner["items"], value[name][0], (*path, name, 0))
            elif "$ref" in inner:
                if isinstance(value[name], dict):
                    yield from places_of(inner, value[name], (*path, name))


@pytest.mark.parametrize("operation_id", [name for name, (_, _, operation) in OPERATIONS.items()
                                          if "requestBody" in operation])
def test_a_required_field_that_is_missing_is_400_and_so_is_one_too_many(server, operation_id):
    operation = OPERATIONS[operation_id][2]
    world = World(server, operation_id + "-bad")
    schema = body_of(operation)
    places = list(places_of(SCHEMAS[schema], BODIES[schema]))
    assert places or not SCHEMAS[schema].get("required")

    def refused(change, at):
        body = json.loads(json.dumps(BODIES[schema]))
        inner = body
        for step in at:
            inner = inner[step]
        change(inner)
        answer = world.call(operation_id, body)
        assert answer.status == 400, (at, body, answer)
        check(answer.json, schema_of(operation["responses"]["default"]))

    for at, name in places:
        refused(lambda inner: inner.pop(name), at)
    for at in {at for at, _ in places} | {()}:
        refused(lambda inner: inner.update(surprise=1), at)


def test_a_stranger_gets_the_refusal_that_is_documented(server):
    for operation_id, (method, path, operation) in OPERATIONS.items():
        answer = server.ask(method, path.replace("{", "").replace("}", ""), None,
                            {} if "requestBody" in operation else None)
        assert answer.status == 401, (operation_id, answer)
        check(answer.json, schema_of(operation["responses"]["default"]))
