"""What attacks on the control plane found: none of it is there any more."""

import threading
import time

import pytest

from agent_testing import CLUSTERS, Service
from contacts_testing import CONTACTS, Receiver, add, add_webhook
from freehold_testing import wait_for
from node_testing import HandMadeNode
from server_testing import Server, spec, specs

PROJECTS = "/api/v1/projects"
LOOPBACK = ("--webhooks-allow", "127.0.0.0/8")


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "server")
    made.organization, made.admin = made.new_organization("acme")
    yield made
    made.stop()


def project_act(server, project, key, action):
    return server.ask("PATCH", f"{PROJECTS}/{project}/cmek", key, {"action": action})


# ---- four eyes ----


@pytest.mark.parametrize("action", ["REKEY", "REENCRYPT"])
def test_an_action_that_projects_do_not_have_restores_nothing(server, action):
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    project = server.new_project(server.admin, spec())
    server.new_cluster(server.admin, specs=None, project_id=project)
    assert project_act(server, project, custodian, "REVOKE").json["revoked"] is True
    answer = project_act(server, project, server.admin, action)
    left = server.ask("GET", f"{PROJECTS}/{project}/cmek", server.admin).json
    assert left["revoked"] is True, f"{action} gave the project's keys back: {answer}"
    assert answer.status == 400 and answer.json["code"] == 3, answer


def test_a_revoked_cluster_is_not_deleted_by_whom_it_was_revoked_by(server):
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert server.ask("PATCH", cmek, server.admin, {"action": "REVOKE"}).status == 200
    assert server.ask("PATCH", cmek, server.admin, {"action": "RESTORE"}).status == 403
    # docs/api/README.md: "A revoked cluster is deleted only by who may restore."
    assert server.ask("DELETE", f"{CLUSTERS}/{cluster}", server.admin).status == 403


def test_a_cluster_of_a_revoked_project_is_not_deleted_by_who_may_not_restore_it(server):
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    project = server.new_project(server.admin, spec())
    cluster = server.new_cluster(server.admin, project_id=project)["id"]
    narrow = server.new_key(server.admin, "ORG_ADMIN", cluster_id=cluster)
    assert project_act(server, project, custodian, "REVOKE").status == 200
    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert server.ask("PATCH", cmek, narrow, {"action": "RESTORE"}).status == 403
    assert server.ask("DELETE", f"{CLUSTERS}/{cluster}", narrow).status == 403


def test_a_projects_restore_gives_back_only_what_its_revocation_took(server):
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    other = server.new_key(server.admin, "CLUSTER_OPERATOR_WRITER")
    project = server.new_project(server.admin, spec())
    cluster = server.new_cluster(server.admin, project_id=project)["id"]
    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert project_act(server, project, custodian, "REVOKE").status == 200
    assert server.ask("PATCH", cmek, server.admin, {"action": "RESTORE"}).status == 200
    # Somebody else, for a reason of their own.
    assert server.ask("PATCH", cmek, other, {"action": "REVOKE"}).status == 200
    assert project_act(server, project, server.admin, "RESTORE").status == 200
    assert server.ask("GET", cmek, server.admin).json["status"] in ("REVOKED", "REVOKING")


def test_custody_is_not_loosened_by_setting_something_tighter(service):
    """Where nobody has set any, nodes run with the agent's own flags, which may be tighter."""
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    node = HandMadeNode(service.token("us-east-1", cluster)).join()
    told = node.report().json
    path = f"{CLUSTERS}/{cluster}/custody"
    minute = 60 * 10**9
    strict = {"check_interval": minute, "confirm_after": minute // 12,
              "request_timeout": minute // 6, "outage_grace": minute // 6, "seal_delay": 0,
              "stop_timeout": minute // 2, "version_interval": 60 * minute,
              "open_grant": 60 * minute, "on_denied": "seal", "on_key_return": "auto"}
    node.report(epoch=told["epoch"], revision=told["revision"], cluster=cluster, custody="open",
                terms=strict)
    shown = service.ask("GET", path).json
    assert shown["told"] is False and shown["nodes"][0]["settings"]["outage_grace"] == "10s", shown
    writer = service.server.new_key(service.admin, "CLUSTER_OPERATOR_WRITER")
    answer = service.ask("PATCH", path, {"stop_timeout": "29s"}, writer)
    # Without restore_keys it must not bring 30 minutes of grace to nodes that have 10 s.
    assert answer.status == 403 or answer.json["settings"]["outage_grace"] == "10s", answer


def test_whoever_holds_both_roles_that_restore_can_still_be_helped(server):
    """Else a revocation by such an account is for ever: no third role restores."""
    account = server.made("/api/v1/service-accounts", server.admin, {
        "name": "both", "roles": [{"role": "ORG_ADMIN"}, {"role": "KEY_CUSTODIAN"}]})["id"]
    both = server.made(f"/api/v1/service-accounts/{account}/api-keys", server.admin,
                       {"name": "key"})["secret"]
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert server.ask("PATCH", cmek, both, {"action": "REVOKE"}).status == 200
    answers = [server.ask("PATCH", cmek, key, {"action": "RESTORE"})
               for key in (server.admin, custodian)]
    assert 200 in [answer.status for answer in answers], answers


def test_a_rotation_is_no_way_back_to_the_operators_key(service):
    """DISENROL takes restore_keys, and a host that allows it; PUT of the same key took neither."""
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    service.host().join(cluster)  # without --allow-disenrol
    service.wait_state(cluster, "running")
    service.wait_status(cluster, "ENABLED")
    writer = service.server.new_key(service.admin, "CLUSTER_OPERATOR_WRITER")
    assert service.act(cluster, "DISENROL", writer).status == 403
    escrow = {"region": "us-east-1", "key_spec": {"type": "AWS_KMS", "uri": service.escrow}}
    answer = service.ask("PUT", f"{CLUSTERS}/{cluster}/cmek", {"region_specs": [escrow]}, writer)
    if answer.status == 200:
        service.wait_status(cluster, "ENABLED")
    assert service.nodes(cluster)[0]["key_uri"] != "aws-kms://" + service.escrow, answer
    assert answer.status in (400, 403)


# ---- REVOKED ----


def test_revoked_is_not_said_by_what_a_node_confirmed_before_a_restore(service):
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    node = HandMadeNode(service.token("us-east-1", cluster)).join()

    def report(custody, reason=""):
        told = report.told
        report.told = node.report(epoch=told["epoch"], revision=told["revision"], cluster=cluster,
                                  fencing=told["fencing"], custody=custody,
                                  custody_reason=reason).json
        return report.told
    report.told = node.report().json
    report("open")
    assert service.act(cluster, "REVOKE").json["status"] == "REVOKING"
    assert report("open")["goal"] == "revoked"
    assert report("sealed", "revoked")["goal"] == "revoked"
    assert service.cmek(cluster)["status"] == "REVOKED"
    assert service.act(cluster, "RESTORE", service.custodian).status == 200
    # It hears the restore in the answer to its next report, and is now opening.
    assert report("sealed", "revoked")["goal"] == "open"
    assert service.act(cluster, "REVOKE").json["status"] == "REVOKING"
    assert service.cmek(cluster)["status"] == "REVOKING"
    assert report("opening")["goal"] == "revoked"
    report("sealed", "revoked")
    assert service.cmek(cluster)["status"] == "REVOKED"


def test_what_was_revoked_when_a_store_was_lost_can_be_restored(service):
    """By accounts that the operator made anew, as docs/api/agents.md has it: there are no others."""
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(service.new_key())])["id"]
    node = HandMadeNode(service.token("us-east-1", cluster)).join()
    told = node.report().json
    assert service.act(cluster, "REVOKE").status == 200
    told = node.report().json
    assert told["goal"] == "revoked"
    volume = {name: told[name] for name in (
        "epoch", "revision", "region", "organization", "cluster", "cluster_name", "fencing")}
    volume |= {"key": told["key"], "key_uri": "aws-kms://" + told["key"]["uri"],
               "custody": "sealed", "custody_reason": "revoked"}
    node.report(**volume)
    service.server.stop()
    for file in service.server.directory.glob("freehold.db*"):
        file.unlink()
    service.server.options += ("--recover",)
    service.server.operator_key = None
    service.server.start()
    assert node.report(**volume).json["goal"] == "revoked"
    admin = service.server.new_key(service.server.operator_key, "ORG_ADMIN",
                                   organization=service.organization)
    anew = [admin, service.server.new_key(admin, "KEY_CUSTODIAN")]
    node.report(**volume)
    answers = [service.act(cluster, "RESTORE", key) for key in anew]
    assert 200 in [answer.status for answer in answers], answers


# ---- one customer and another ----


def test_a_customers_slow_webhooks_do_not_hold_up_another_customers_news(tmp_path):
    slow = Receiver(tmp_path)
    (tmp_path / "quick").mkdir()
    quick = Receiver(tmp_path / "quick", tls=False)
    take = slow.take
    slow.take = lambda request: (time.sleep(9), take(request))
    server = Server(tmp_path / "server", *LOOPBACK, "--webhooks-ca", slow.certificate)
    try:
        _, attacker = server.new_organization("slow")
        _, victim = server.new_organization("victim")
        for number in range(12):
            made = add(server, attacker, "WEBHOOK", f"{slow.url}&n={number}")["id"]
            assert server.ask("POST", f"{CONTACTS}/{made}/test", attacker).status == 200
        mine = add_webhook(server, victim, quick)
        begun = time.monotonic()
        assert server.ask("POST", f"{CONTACTS}/{mine}/test", victim).status == 200
        wait_for("the victim's message", lambda: quick.events, 60)
        assert time.monotonic() - begun < 5
    finally:
        server.stop()
        slow.stop()
        quick.stop()


def test_a_test_message_a_minute_also_when_the_contact_is_made_anew(tmp_path):
    """Else whoever has an organization sends mail to any stranger, ten a second."""
    receiver = Receiver(tmp_path, tls=False)
    server = Server(tmp_path / "server", *LOOPBACK)
    try:
        _, admin = server.new_organization("acme")
        statuses = []
        for _ in range(2):
            made = add(server, admin, "WEBHOOK", receiver.url)["id"]
            statuses.append(server.ask("POST", f"{CONTACTS}/{made}/test", admin).status)
            assert server.ask("DELETE", f"{CONTACTS}/{made}", admin).status == 200
        assert statuses == [200, 429]
    finally:
        server.stop()
        receiver.stop()


def test_who_chose_a_delay_is_told_of_the_no_before_it_ends(new_kms, tmp_path):
    """docs/api/contacts.md: key.denied once the KMS has refused at the second look too."""
    receiver = Receiver(tmp_path, tls=False)
    service = Service(new_kms, tmp_path, *LOOPBACK)
    try:
        add_webhook(service.server, service.admin, receiver)
        key = service.new_key()
        cluster = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
        service.host().join(cluster)
        service.wait_status(cluster, "ENABLED")
        service.wait_state(cluster, "running")
        path = f"{CLUSTERS}/{cluster}/custody"
        quick = {"check_interval": "500ms", "confirm_after": "200ms", "seal_delay": "1h"}
        assert service.ask("PATCH", path, quick).status == 200
        wait_for("the settings", lambda: service.ask("GET", path).json["nodes"][0]["applied"])
        service.kms.client("kms").disable_key(KeyId=key)
        wait_for("the second no", lambda: "seals at" in service.nodes(cluster)[0]["message"])
        wait_for("the news", lambda: "key.denied" in receiver.types(), 15)
    finally:
        service.clean_up()
        receiver.stop()


def test_a_recheck_probes_at_once_in_the_delay_too(service):
    key = service.new_key()
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
    service.host().join(cluster)
    service.wait_status(cluster, "ENABLED")
    service.wait_state(cluster, "running")
    path, recheck = f"{CLUSTERS}/{cluster}/custody", f"{CLUSTERS}/{cluster}/cmek/recheck"
    wanted = {"check_interval": "20s", "confirm_after": "200ms", "seal_delay": "1h"}
    assert service.ask("PATCH", path, wanted).status == 200
    wait_for("the settings", lambda: service.ask("GET", path).json["nodes"][0]["applied"])
    service.kms.client("kms").disable_key(KeyId=key)
    service.ask("POST", recheck)
    wait_for("the second no", lambda: "seals at" in service.nodes(cluster)[0]["message"])
    service.kms.client("kms").enable_key(KeyId=key)
    assert service.ask("POST", recheck).status == 200
    wait_for("it is open", lambda: service.nodes(cluster)[0]["custody"] == "open", 5)


# ---- projects ----


class Node(threading.Thread):
    """Says what it is told to, follows no order by itself, and answers trials but those of `held`."""

    def __init__(self, service, cluster, region="us-east-1"):
        super().__init__(daemon=True)
        self.node = HandMadeNode(service.token(region, cluster)).join()
        self.cluster, self.held, self.ended = cluster, set(), False
        self.says = {"custody": "open", "database": "ready"}
        self.seen, self.told = set(), {}

    def run(self):
        answers = []
        while not self.ended:
            told = self.told = self.node.report(cluster=self.cluster, answers=answers,
                                                **self.says).json
            answers = []
            for trial in told.get("trials", []):
                self.seen.add(trial["spec"]["uri"])
                if trial["spec"]["uri"] not in self.held:
                    answers.append({"id": trial["id"], "usable": True, "message": ""})
            time.sleep(0.05)

    def follows(self):
        """As if it were under the key that is wanted now."""
        told = self.told
        self.says = {"custody": "open", "database": "ready", "key": told["key"],
                     "key_uri": "aws-kms://" + told["key"]["uri"], "rewraps": told["rewraps"],
                     "epoch": told["epoch"], "revision": told["revision"]}

    def end(self):
        self.ended = True
        self.join()


@pytest.fixture
def left_in_one_region(service):
    """A cluster of two regions that was leaving customers' keys: the one has, the other not yet."""
    regions = ("eu-west-1", "us-east-1")
    cluster = service.server.new_cluster(
        service.admin, regions=regions,
        specs=[service.spec(service.new_key(), region) for region in regions])["id"]
    nodes = [Node(service, cluster, region) for region in regions]
    for node in nodes:
        node.start()
        wait_for("what it is told", lambda node=node: node.told.get("key"))
        node.follows()
    service.wait_status(cluster, "ENABLED")
    assert service.act(cluster, "DISENROL", service.custodian).status == 200
    wait_for("the order", lambda: nodes[0].told["key"]["uri"] == service.escrow)
    nodes[0].follows()
    wait_for("that one region has left",
             lambda: service.cmek(cluster)["region_infos"][0]["status"] == "DISABLED")
    yield cluster, nodes
    for node in nodes:
        node.end()


def test_revoked_is_not_said_while_a_region_that_has_left_is_open(service, left_in_one_region):
    cluster, nodes = left_in_one_region
    assert service.act(cluster, "REVOKE").status == 200
    wait_for("the order", lambda: nodes[0].told["goal"] == nodes[1].told["goal"] == "revoked")
    nodes[1].says |= {"custody": "sealed", "custody_reason": "revoked", "database": "down",
                      "revision": nodes[1].told["revision"]}
    wait_for("its answer", lambda: "sealed" in [n["custody"] for n in service.nodes(cluster)])
    assert "open" in [node["custody"] for node in service.nodes(cluster)]
    assert service.cmek(cluster)["status"] == "REVOKING"


def test_a_cluster_is_not_enabled_with_a_region_under_the_operators_key(service,
                                                                       left_in_one_region):
    cluster, nodes = left_in_one_region
    key = service.cmek(cluster)["region_infos"][1]["key_infos"][0]["spec"]["uri"]
    answer = service.change("PUT", cluster, service.spec(key))  # one region of two
    if answer.status == 400:
        return  # the other region is named
    wait_for("the order", lambda: nodes[1].told["key"]["uri"] == key)
    nodes[1].follows()
    wait_for("its answer",
             lambda: service.cmek(cluster)["region_infos"][1]["status"] == "ENABLED")
    assert nodes[0].told["key"]["uri"] == service.escrow
    assert service.cmek(cluster)["status"] != "ENABLED"


def test_of_two_rotations_of_a_project_its_clusters_follow_the_one_that_stands(service):
    keys = [service.new_key() for _ in range(3)]
    project = service.server.new_project(service.admin, service.spec(keys[0]))
    cluster = service.server.new_cluster(service.admin, project_id=project)["id"]
    node = Node(service, cluster)
    node.start()
    try:
        wait_for("the node", lambda: any(n["connected"] for n in service.nodes(cluster)))
        path = f"{PROJECTS}/{project}/cmek"
        answers = {}

        def put(key):
            answers[key] = service.ask("PUT", path, {"region_specs": [service.spec(key)]})
        node.held.add(keys[1])
        first = threading.Thread(target=put, args=[keys[1]])
        first.start()
        wait_for("the first rotation's trial", lambda: keys[1] in node.seen)
        put(keys[2])
        node.held.clear()
        first.join()
        stands = service.ask("GET", path).json
        project_key = stands["region_specs"][0]["key_spec"]["uri"]
        cluster_key = service.cmek(cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]
        refusals = [answer.json["clusters"][0]["refusal"] for answer in answers.values()]
        assert cluster_key == project_key or any(refusals), (keys, answers)
    finally:
        node.end()


def test_a_project_shows_which_clusters_have_not_followed(server):
    """Also to who did not hear the answer: the server died, or the client's line did."""
    project = server.new_project(server.admin, spec())
    server.new_cluster(server.admin, project_id=project)
    path = f"{PROJECTS}/{project}/cmek"
    answer = server.ask("PUT", path, server.admin, specs(key="k2"))
    assert answer.json["clusters"][0]["refusal"] is not None  # it has no node
    assert server.ask("GET", path, server.admin).json["clusters"][0]["refusal"] is not None
