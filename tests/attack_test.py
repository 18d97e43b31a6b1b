"""What attacks on the control plane found: none of it is there any more."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from agent_testing import CLUSTERS, Service
from contacts_testing import CONTACTS, Receiver, add, add_webhook
from control_cli_testing import Person
from freehold_testing import BINARY, wait_for
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


def new_project(server, admin, *keys):
    project = server.made(PROJECTS, admin, {"name": "shop", "cmek_enabled": True})["id"]
    put = server.ask("PUT", f"{PROJECTS}/{project}/cmek", admin, {"region_specs": list(keys)})
    assert put.status == 200, put
    return project


def project_act(server, project, key, action):
    return server.ask("PATCH", f"{PROJECTS}/{project}/cmek", key, {"action": action})


# ---- four eyes ----


@pytest.mark.parametrize("action", ["REKEY", "REENCRYPT"])
def test_an_action_that_projects_do_not_have_restores_nothing(server, action):
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    project = new_project(server, server.admin, spec())
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
    project = new_project(server, server.admin, spec())
    cluster = server.new_cluster(server.admin, project_id=project)["id"]
    narrow = server.new_key(server.admin, "ORG_ADMIN", cluster_id=cluster)
    assert project_act(server, project, custodian, "REVOKE").status == 200
    cmek = f"{CLUSTERS}/{cluster}/cmek"
    assert server.ask("PATCH", cmek, narrow, {"action": "RESTORE"}).status == 403
    assert server.ask("DELETE", f"{CLUSTERS}/{cluster}", narrow).status == 403


def test_a_projects_restore_gives_back_only_what_its_revocation_took(server):
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    other = server.new_key(server.admin, "CLUSTER_OPERATOR_WRITER")
    project = new_project(server, server.admin, spec())
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
    admin = service.server.new_key(service.server.operator_key, "ORG_ADMIN", service.organization)
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
    project = new_project(service.server, service.admin, service.spec(keys[0]))
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
    project = new_project(server, server.admin, spec())
    server.new_cluster(server.admin, project_id=project)
    path = f"{PROJECTS}/{project}/cmek"
    answer = server.ask("PUT", path, server.admin, specs(key="k2"))
    assert answer.json["clusters"][0]["refusal"] is not None  # it has no node
    assert server.ask("GET", path, server.admin).json["clusters"][0]["refusal"] is not None


# ---- bad input ----


def test_what_is_no_text_is_not_sent_back_as_it_came(server):
    answer = server.ask("GET", "/api/v1/key-usage?uri=x", server.admin)
    assert answer.status == 400
    request = urllib.request.Request(server.url + "/api/v1/key-usage?uri=%ff%00")
    request.add_header("authorization", f"Bearer {server.admin}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    json.loads(refused.value.read().decode())  # "JSON" is UTF-8


@pytest.mark.parametrize("region", ["../..", "A B", "r" * 1000, "US-EAST-1"],
                         ids=["dots", "blank", "long", "large"])
def test_a_project_takes_no_key_for_what_is_no_region(server, region):
    """A project's keys are never taken away again, and there is room for 50."""
    project = new_project(server, server.admin, spec())
    answer = server.ask("PUT", f"{PROJECTS}/{project}/cmek", server.admin,
                        {"region_specs": [spec(region)]})
    assert answer.status == 400 and answer.json["code"] == 3, answer


@pytest.mark.parametrize("body", [
    b'{"action":"RESTORE","action":"REVOKE"}', b'{"action":"REVOKE","action":"REVOKE"}'],
                         ids=["another", "same"])
def test_a_field_that_is_there_twice_is_refused(server, body):
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    answer = server.ask("PATCH", f"{CLUSTERS}/{cluster}/cmek", server.admin, body)
    assert answer.status == 400 and answer.json["code"] == 3, answer


def test_an_address_that_is_too_long_is_told_so(server):
    answer = server.ask("POST", CONTACTS, server.admin, {
        "purpose": "TECHNICAL", "type": "WEBHOOK", "address": "https://example.com/" + "a" * 2000})
    assert answer.status == 400 and "fragment" not in answer.json["message"], answer


def test_a_recheck_has_no_fields(server):
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    for body in ({"region": "us-east-1"}, b"[]", b"{"):
        answer = server.ask("POST", f"{CLUSTERS}/{cluster}/cmek/recheck", server.admin, body)
        assert answer.status == 400, answer


# ---- the command line ----


@pytest.fixture
def person(server, tmp_path):
    made = Person(tmp_path / "home", server.url, server.admin)
    server.new_cluster(server.admin)
    return made


@pytest.mark.parametrize("words", [("cmek", "enable", "orders"), ("cmek", "check", "orders"),
                                   ("cluster", "add-region", "orders")], ids=" ".join)
def test_an_empty_manifest_is_refused_in_a_sentence(person, words):
    (person.home / "empty.yml").write_text("")
    done = person.run(*words, "-f", "empty.yml")
    assert done.returncode == 2 and done.stderr.startswith("freehold: empty.yml"), done


@pytest.mark.parametrize("words", [
    ("api-key", "create", "auditor", "lost"), ("audit", "export"), ("contact", "list", "--json"),
    ("contact", "add", "--webhook", "https://hooks.example/")], ids=" ".join)
def test_an_answer_that_could_not_be_written_is_no_success(person, words):
    """A secret that is shown once would be lost, and a copy of the audit log cut."""
    person.out("account", "create", "auditor", "--role", "READ_ONLY")
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, *words], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=person.environment, cwd=person.home, timeout=60, check=False)
    assert done.returncode != 0, done


def test_a_setting_that_is_given_twice_is_refused(server, person):
    cluster = "orders"
    done = person.run("cmek", "custody", cluster, "--set", "check_interval=30s", "--set",
                      "check_interval=20s")
    assert done.returncode == 2, done
    operator = Person(person.home / "operator", server.url, server.operator_key)
    done = operator.run("org", "update", "acme", "--custody", "outage_grace=..5m", "--custody",
                        "outage_grace=1m..")  # the upper bound is lost
    assert done.returncode == 2, done
