"""What contacts are told of a key: each thing once, whichever nodes see it and how often."""

import concurrent.futures
import datetime
import time

import pytest

from agent_testing import CLUSTERS, Service
from contacts_testing import MailBox, Receiver, add, add_webhook
from freehold_testing import wait_for
from kms_testing import Kms
from node_testing import HandMadeNode
from postgres_testing import free_port
from server_testing import Server, arn, spec, specs

LOOPBACK = ("--webhooks-allow", "127.0.0.1")
OPEN = {"custody": "open", "database": "ready"}
DENIED = {"custody_reason": "denied", "failure_class": "denied", "on_denied": "seal",
          "custody_message": "DisabledException: it is disabled"}


def wall(seconds=0):
    """As nodes say times: nanoseconds, so many seconds from now."""
    return int((time.time() + seconds) * 1e9)


@pytest.fixture
def receiver(tmp_path):
    made = Receiver(tmp_path, tls=False)
    yield made
    made.stop()


class World:
    """A cluster with two nodes in a region, and a security contact."""

    def __init__(self, server, receiver):
        self.server, self.receiver = server, receiver
        self.organization, self.admin = server.new_organization("acme")
        self.custodian = server.new_key(self.admin, "KEY_CUSTODIAN")
        add_webhook(server, self.admin, receiver, "SECURITY")
        dedicated = {"region_nodes": {"us-east-1": 2}, "cmek_region_specs": [spec()]}
        self.cluster = server.made(CLUSTERS, self.admin, {
            "name": "orders", "spec": {"dedicated": dedicated}})["id"]
        self.nodes = [HandMadeNode(server.made("/api/v1/join-tokens", server.operator_key,
                                               {"region": "us-east-1"})["token"]).join()
                      for _ in range(2)]
        self.all_say(**OPEN, key_version="1")

    def say(self, node, **fields):
        answer = self.nodes[node].report(cluster=self.cluster, key_uri=f"aws-kms://{arn()}",
                                         since=wall(), **{"key_version": "1", **fields})
        assert answer.status == 200, answer

    def all_say(self, **fields):
        for node in range(2):
            self.say(node, **fields)

    def told(self, *types):
        """All that was told, and nothing else after it: what ends the wait is told last."""
        return self.receiver.wait(*types)

    def mark(self):
        """Something that is told, after which nothing can be on its way any more."""
        path = f"/api/v1/contacts/{self.contact()}/test"
        assert self.server.ask("POST", path, self.admin).status == 200

    def contact(self):
        return self.server.ask("GET", "/api/v1/contacts", self.admin).json["contacts"][0]["id"]


@pytest.fixture
def world(tmp_path, receiver):
    server = Server(tmp_path / "server", "--agents-listen", f"127.0.0.1:{free_port()}", *LOOPBACK)
    yield World(server, receiver)
    if server.process.poll() is None:
        server.stop()


def test_a_denied_key_is_told_once_and_so_is_its_return(world):
    world.say(0, **DENIED, custody="sealing")
    event = world.told("key.denied")
    data = event["data"]
    assert data["cluster_name"] == "orders" and data["region"] == "us-east-1"
    assert data["key_spec"] == spec()["key_spec"] and data["nodes"] == [world.nodes[0].id]
    assert data["kms_message"] == DENIED["custody_message"] and data["since"]
    assert "databases stop" in data["follows"]
    assert data["commands"][0].startswith("aws kms enable-key --region us-east-1 --key-id arn:")
    assert "freehold cmek recheck orders --wait" in data["commands"][2]
    world.say(1, **DENIED, custody="sealing")
    world.say(0, **DENIED, custody="sealed")
    world.told("key.denied", "key.sealed")
    world.say(1, **DENIED, custody="sealed")
    world.say(0, **OPEN)  # not yet all of them
    world.mark()
    world.told("key.denied", "key.sealed", "contact.test")
    world.say(1, **OPEN)
    world.told("key.denied", "key.sealed", "contact.test", "key.returned")
    world.all_say(**DENIED, custody="sealing")  # the next time it is told again
    world.told("key.denied", "key.sealed", "contact.test", "key.returned", "key.denied")


def test_a_first_no_is_told_to_nobody(world):
    for custody in ("grace", "open"):
        world.say(0, custody=custody, failure_class="denied", on_denied="seal",
                  last_verified_at=wall(-60), lease_expires_at=wall(60))
    world.mark()
    world.told("contact.test")


def test_where_denials_only_alert_the_message_says_so(world):
    world.say(0, custody="grace", failure_class="denied", on_denied="alert",
              last_verified_at=wall(-60), lease_expires_at=wall(60))
    assert "stays open" in world.told("key.denied")["data"]["follows"]


def test_a_grace_is_told_of_when_half_of_it_is_used_up(world):
    grace = {"custody": "grace", "failure_class": "unreachable", "on_denied": "seal",
             "custody_message": "ConnectTimeout: no answer"}
    end = wall(600)
    world.say(0, **grace, last_verified_at=wall(-1200), lease_expires_at=end)
    event = world.told("key.grace_ending")
    wanted = datetime.datetime.fromtimestamp(end // 10**9, datetime.timezone.utc)
    assert event["data"]["follows_at"] == wanted.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.say(1, **grace, last_verified_at=wall(-1200), lease_expires_at=end)
    world.all_say(custody="sealed", custody_reason="grace", failure_class="unreachable")
    world.told("key.grace_ending", "key.sealed")
    world.all_say(**OPEN)
    world.told("key.grace_ending", "key.sealed", "key.returned")


def test_a_grace_that_passes_early_is_told_to_nobody(world):
    world.say(0, custody="grace", failure_class="unreachable", on_denied="seal",
              last_verified_at=wall(-10), lease_expires_at=wall(600))
    world.all_say(**OPEN)
    world.mark()
    world.told("contact.test")


def test_a_grace_is_told_of_later_when_half_is_still_to_come(world):
    world.say(0, custody="grace", failure_class="unreachable", on_denied="seal",
              last_verified_at=wall(-1), lease_expires_at=wall(7))
    world.told("key.grace_ending")


def test_a_deletion_is_told_with_its_date_and_what_cancels_it(world):
    at = 1798761600 * 10**9  # 2027-01-01
    for node in range(2):
        world.say(node, **DENIED, custody="sealing", deletion_at=at)
    data = world.told("key.denied", "key.deletion_scheduled")["data"]
    assert data["follows_at"] == "2027-01-01T00:00:00Z" and "for ever" in data["follows"]
    assert data["commands"][0].startswith("aws kms cancel-key-deletion --region us-east-1")
    assert data["commands"][1].startswith("aws kms enable-key")
    world.say(0, **DENIED, custody="sealing", deletion_at=at + 86400 * 10**9)
    world.told("key.denied", "key.deletion_scheduled", "key.deletion_scheduled")


def test_a_new_version_is_told_once(world):
    world.say(0, **OPEN, key_version="2")
    assert "version, 2;" in world.told("key.new_version")["data"]["what"]
    world.say(1, **OPEN, key_version="2")
    world.say(0, **OPEN, key_version="3")
    world.told("key.new_version", "key.new_version")


def test_who_revoked_and_restored_is_for_security_contacts(world, tmp_path):
    technical = Receiver(tmp_path, tls=False)
    add_webhook(world.server, world.admin, technical)
    path = f"{CLUSTERS}/{world.cluster}/cmek"
    for _ in range(2):  # the second one changes nothing
        assert world.server.ask("PATCH", path, world.admin, {"action": "REVOKE"}).status == 200
    event = world.told("keys.revoked")
    assert event["data"]["cluster_name"] == "orders" and event["data"]["key_spec"] is None
    # Sealed because somebody wanted that: no failure of the key.
    world.all_say(custody="sealed", custody_reason="revoked")
    assert world.server.ask("PATCH", path, world.custodian, {"action": "RESTORE"}).status == 200
    world.told("keys.revoked", "keys.restored")
    world.all_say(**OPEN)
    world.say(0, **DENIED, custody="sealing")
    technical.wait("key.denied")
    technical.stop()


def test_a_projects_revocation_is_told_of_each_of_its_clusters(world):
    server, admin = world.server, world.admin
    project = server.made("/api/v1/projects", admin, {"name": "shop", "cmek_enabled": True})["id"]
    path = f"/api/v1/projects/{project}/cmek"
    assert server.ask("PUT", path, admin, specs()).status == 200
    for name in ("one", "two"):
        server.new_cluster(admin, name, project_id=project)
    for key, action in ((admin, "REVOKE"), (world.custodian, "RESTORE")):
        assert server.ask("PATCH", path, key, {"action": action}).status == 200
    world.told(*["keys.revoked"] * 2, *["keys.restored"] * 2)
    names = [event["data"]["cluster_name"] for event in world.receiver.events]
    assert sorted(names[:2]) == sorted(names[2:]) == ["one", "two"]


def test_a_cluster_that_is_deleted_leaves_nothing_to_be_sent(world):
    world.say(0, custody="grace", failure_class="unreachable", on_denied="seal",
              last_verified_at=wall(-1), lease_expires_at=wall(8))
    assert world.server.ask("DELETE", f"{CLUSTERS}/{world.cluster}", world.admin).status == 200
    world.mark()
    world.told("contact.test")


def test_a_contact_that_is_deleted_gets_nothing_any_more(world, receiver):
    receiver.answers = [500] * 3
    world.say(0, **DENIED, custody="sealing")
    wait_for("an attempt", lambda: receiver.ids)
    assert world.server.ask("DELETE", f"/api/v1/contacts/{world.contact()}",
                            world.admin).status == 200
    fresh = add(world.server, world.admin, "WEBHOOK", receiver.url, "SECURITY")
    receiver.secret, receiver.answers = fresh["secret"], []
    world.mark()
    wait_for("the test", lambda: "contact.test" in receiver.types())
    assert receiver.types() == ["contact.test"]


def test_what_two_servers_hear_at_once_is_told_once(tmp_path, receiver, postgresql):
    (tmp_path / "shared").mkdir()
    options = ("--store", postgresql.url(postgresql.new_database()), "--agents-ca",
               tmp_path / "shared", *LOOPBACK)
    one = Server(tmp_path / "one", "--agents-listen", f"127.0.0.1:{free_port()}", *options)
    other = Server(tmp_path / "other", "--agents-listen", f"127.0.0.1:{free_port()}", *options,
                   operator_key=one.operator_key)
    try:
        world = World(one, receiver)
        world.nodes[1].token["server"] = HandMadeNode(other.made(
            "/api/v1/join-tokens", one.operator_key, {"region": "us-east-1"})["token"]).token["server"]
        told = []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for _ in range(5):
                for fields, last in (({**DENIED, "custody": "sealing"}, "key.denied"),
                                     (OPEN, "key.returned")):
                    list(pool.map(lambda node, said=fields: world.say(node, **said), range(2)))
                    told.append(last)
                    world.told(*told)
        assert len(receiver.ids) == len(set(receiver.ids)) == 10
    finally:
        one.stop()
        other.stop()


def test_real_nodes_say_all_of_it(tmp_path):
    box, server = MailBox(), Kms(tmp_path / "kms")
    service = Service(server, tmp_path, "--smtp", box.url, "--smtp-from", "keys@service.example")
    try:
        add(service.server, service.admin, "EMAIL", "oncall@acme.example")
        key = service.new_key()
        cluster = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
        service.host().join()
        service.wait_status(cluster, "ENABLED")
        service.wait_state(cluster, "running")
        kms = service.kms.client("kms")
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        text = box.wait("the key of orders in us-east-1 is refused").get_content()
        assert "KMSInvalidStateException" in text and key in text
        when = kms.describe_key(KeyId=key)["KeyMetadata"]["DeletionDate"]
        text = box.wait("will be deleted").get_content()
        assert when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") in text
        assert f"aws kms cancel-key-deletion --region us-east-1 --key-id {key}" in text
        box.wait("orders in us-east-1 is sealed")
        kms.cancel_key_deletion(KeyId=key)
        kms.enable_key(KeyId=key)
        box.wait("can be used again")
        service.wait_custody(cluster, "open")
        subjects = [mail["subject"] for mail in box.mails]
        assert len(subjects) == len(set(subjects)) == 4, subjects
        assert service.kms.raw("RotateKeyOnDemand", {"KeyId": key})[0] == 200
        assert service.change("PUT", cluster, service.spec(key)).status == 200
        box.wait("has a new version")
    finally:
        print(service.logs())
        service.clean_up()
        server.stop()
        box.stop()
