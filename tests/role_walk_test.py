"""Every route for every role, for nobody and for strangers: as docs/api/routes.md says, and nothing else.

The routes, what they take and who may call them are read from the pages that are made from the
server's own tables (openapi_test.py and cmek_api_test.py compare these): a new route is walked, or
fails here for want of a body or of an id to name.
"""

import itertools
import re

import pytest

from freehold_testing import ROOT
from openapi_test import BODIES, NEED_NODES, OPERATIONS, QUERIES, World, body_of
from postgres_testing import free_port
from server_testing import ROLES, Server, spec

PAGE = (ROOT / "docs/api/routes.md").read_text()
ROLES_OF = {permission: set(re.findall(r"`(\w+)`", roles))
            for permission, roles in re.findall(r"^\| `(\w+)` \| (`.*) \|$", PAGE, re.MULTILINE)}
OPERATOR = "OPERATOR"
# Of the operator's own, but for what belongs to customers: these it does not see.
CUSTOMERS = {"project_id", "cluster_id", "serviceId"}
# It makes administrators and nobody else (server_test.py shows that it does make these).
NARROWER = {(OPERATOR, "CreateServiceAccount"): 400, (OPERATOR, "CreateApiKey"): 403,
            (OPERATOR, "CreateContact"): 400}
RESTORE, DISENROL = {"action": "RESTORE"}, {"action": "DISENROL"}
# Whoever may is told what else is missing here: an escrow key; keys that were revoked.
LACKING = [("UpdateCMEKStatus", DISENROL), ("UpdateProjectCmekStatus", RESTORE)]
# What a body asks for decides who may: (operation, body, permission).
BY_BODY = [
    ("UpdateCMEKStatus", RESTORE, "restore_keys"),
    ("UpdateCMEKStatus", DISENROL, "restore_keys"),
    ("UpdateProjectCmekStatus", RESTORE, "restore_keys"),
    ("UpdateCustody", {"outage_grace": "2h"}, "restore_keys"),
    ("UpdateCluster", {"dedicated": {"region_nodes": {"us-east-1": 1}}}, "manage_clusters"),
    ("UpdateCluster", {"region_specs": [spec("eu-west-1", "k2")]}, "manage_keys"),
]


def cases():
    for name, (_, _, operation) in OPERATIONS.items():
        body = body_of(operation)
        yield pytest.param(name, BODIES[body] if body else None, operation["x-permission"], id=name)
    for name, body, permission in BY_BODY:
        yield pytest.param(name, body, permission, id=f"{name}-{permission}")


def parameters_of(name):
    return set(re.findall(r"{(\w+)}", OPERATIONS[name][1]))


class Walks(Server):
    """Each organization has a name of its own, however often a walk begins."""

    numbers = itertools.count()

    def new_organization(self, name, **bounds):
        return super().new_organization(f"{name}-{next(self.numbers)}", **bounds)


class Walked(World):
    """One operation's own customer, and a key of each role, older than any revocation."""

    def __init__(self, server, name, body):
        super().__init__(server, name)
        self.name, self.body = name, body
        self.keys = {role: server.new_key(self.admin, role) for role in ROLES}
        self.keys[OPERATOR] = server.operator_key

    def ask(self, key):
        method, path, _ = OPERATIONS[self.name]
        path = re.sub(r"{(\w+)}", lambda match: self.ids[match[1]], path)
        return self.server.ask(method, path + QUERIES.get(self.name, ""), key, self.body)

    def changes(self):
        return [(entry["action"], entry["seal"]) for entry in self.server.ask(
            "GET", "/api/v1/auditlogevents?limit=1000", self.admin).json["entries"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Walks(tmp_path_factory.mktemp("server"), "--agents-listen", f"127.0.0.1:{free_port()}")
    yield made
    made.stop()


def refusal(role, permission, named):
    """What the role gets that may not: 404 where it sees nothing at all, 403 elsewhere."""
    if role == OPERATOR:
        return 404 if named & CUSTOMERS else 403
    if permission == "manage_organizations":
        return 403 if "organization_id" in named else 404
    return 403


@pytest.mark.parametrize("name, body, permission", cases())
def test_each_role_may_what_the_table_says(server, name, body, permission):
    world, named = Walked(server, name, body), parameters_of(name)
    if (name, body) == ("UpdateCMEKStatus", RESTORE):
        server.ask("PATCH", f"/api/v1/clusters/{world.ids['cluster_id']}/cmek", world.keys["CLUSTER_ADMIN"],
                   {"action": "REVOKE"})
    before = world.changes()
    may = {role for role in world.keys if role in ROLES_OF[permission]}
    may -= {OPERATOR} if named & CUSTOMERS else set()
    for role in sorted(world.keys.keys() - may):
        answer = world.ask(world.keys[role])
        assert answer.status == refusal(role, permission, named), (role, answer)
    assert world.changes() == before
    first = True
    for role in sorted(may):
        answer = world.ask(world.keys[role])
        if (role, name) in NARROWER:
            assert answer.status == NARROWER[role, name], answer
            continue
        # All is right and done, but where it takes a node; then again, where it may be done already.
        done = {503 if name in NEED_NODES else 400 if (name, body) in LACKING else 200}
        again = {404} if OPERATIONS[name][0] == "DELETE" else {400, 409}
        if name == "TestContact":
            again = {429}  # one a minute
        assert answer.status in (done if first else done | again), (role, answer)
        first = False


@pytest.mark.parametrize("name, body, permission", cases())
def test_nobody_and_strangers_find_nothing(server, name, body, permission):
    world, named = Walked(server, name, body), parameters_of(name)
    before = world.changes()
    assert world.ask(None).status == 401
    assert world.ask("fhk_0123456789abcdef_" + "0" * 64).status == 401
    _, stranger = server.new_organization(f"stranger-{name}")
    for role in ROLES:
        answer = world.ask(server.new_key(stranger, role))
        if named:
            assert answer.status == 404, (role, answer)
        for secret in set(world.ids.values()):
            assert answer.status == 404 or secret not in answer.text, (role, answer)
    assert world.changes() == before


@pytest.mark.parametrize("name, body, permission", cases())
def test_a_role_of_another_cluster_or_project_finds_nothing(server, name, body, permission):
    world, named = Walked(server, name, body), parameters_of(name)
    other = server.new_cluster(world.admin, "other")["id"]
    project = server.made("/api/v1/projects", world.admin, {"name": "other"})["id"]
    keys = [server.new_key(world.admin, role, **where) for role in ROLES
            for where in ({"cluster_id": other}, {"project_id": project})]
    before = world.changes()
    for key in keys:
        answer = world.ask(key)
        if named:
            assert answer.status == 404, answer
        for secret in (world.ids["cluster_id"], world.ids["project_id"], world.ids["api_key_id"]):
            assert answer.status == 404 or secret not in answer.text, answer
    if named:
        assert world.changes() == before
