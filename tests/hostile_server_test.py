"""What a node does for a server that was taken over: it obeys within its own allow-list, and no order
brings a key out of it.

The node's credentials can use the attacker's keys, and every key is in one KMS: only the node's own
list stands between. After each test: what the server was sent holds no key, what lies on the volume
is wrapped by allowed keys alone, and the KMS was asked for no other.
"""

import json
import os
import pathlib
import re

import pytest

from agent_testing import USE, Host
from freehold_testing import wait_for
from hostile_server import Authority, HostileServer, Trap, settle
from policy_testing import ROLE, role_policy, role_trust
from volume_keys import keyring_of, patterns_of

ORGANIZATION, CLUSTER = "acme", "c1"
MOST_MEMORY = 256 << 10  # KiB


class Site:
    """A host whose server is hostile: a stand-in for agent_testing's Service."""

    def __init__(self, kms, base):
        self.kms, self.base = kms, base
        self.hostile = HostileServer()
        self.hosts = []
        kms.client("iam").create_role(RoleName="freehold",
                                      AssumeRolePolicyDocument=role_trust(ORGANIZATION))
        self.allowed, self.second = (
            kms.client("kms").create_key(Policy=role_policy(*USE))["KeyMetadata"]["Arn"]
            for _ in range(2))
        self.theirs = [kms.client("kms", "operator").create_key()["KeyMetadata"]["Arn"],
                       kms.client("kms").create_key(Policy=role_policy(*USE))["KeyMetadata"]["Arn"]]
        self.trap = Trap()

    def host(self, *switches):
        self.hosts.append(Host(self, "us-east-1", f"host{len(self.hosts)}"))
        return self.hosts[-1].start(self.hostile.token(), switches=switches, allow=(
            f"aws-kms://{self.allowed}", self.second))

    def key(self, uri, kms_type="AWS_KMS", principal=ROLE):
        return {"type": kms_type, "uri": uri, "auth_principal": principal}

    def open(self, *switches, **fields):
        """Its volume, open under the allowed key and following."""
        host = self.host(*switches)
        order = self.hostile.order(**{**self.assigned(), **fields})
        self.hostile.wait_report("the volume is open", lambda report: (
            report["revision"], report["custody"]) == (order, "open"))
        (host.mount / "file").write_bytes(os.urandom(1 << 16))
        return host

    def assigned(self, **fields):
        return {"organization": ORGANIZATION, "cluster": CLUSTER, "cluster_name": "orders", "fencing": 7,
                "goal": "open", "customers": True, "key": self.key(self.allowed), **fields}

    def refused(self, words, **fields):
        order = self.hostile.order(**fields)
        report = self.hostile.wait_report(f"{fields} is refused", lambda report: (
            report["revision"] == order and report["problem"]))
        assert words in report["problem"], report

    def foreign(self):
        """(type, URI) of keys that are not on the list, and of the list's in spellings that are not
        its own."""
        key_id = re.search(r"key/(.*)", self.allowed)[1]
        mine, other = f"aws-kms://{self.allowed}", self.theirs[0]
        other_id = re.search(r"key/(.*)", other)[1]
        plain = [*self.theirs, f"aws-kms://{other}", f"{mine}/../{other_id}", f"{mine}#{other}",
                 f"{mine}?key={other}", f"{mine}\n{other}", f"{mine} {other}", f" {mine}", f"{mine} ",
                 mine.upper(), f"AWS-KMS://{other}", mine.replace("aws:", "aws-cn:", 1),
                 mine.replace("us-east-1", "eu-west-1"), mine.replace("us-east-1", "us-east-1.evil"),
                 mine.replace("us-east-1", "evil@127.0.0.1"), mine.replace(key_id, "*"),
                 mine.replace(key_id, "alias/a"), mine.replace(key_id, f"%{ord(key_id[0]):x}{key_id[1:]}"),
                 mine + "0", mine[:-1], f"aws-kms://{mine}", f"{other}\0{mine}", "", "--help",
                 "--allow-key=*", "--key", "-", "/etc/shadow", "file:///etc/shadow", "*"]
        vault = f"hcvault://127.0.0.1:{self.trap.port}/transit/keys/k"
        return [("AWS_KMS", uri) for uri in plain] + [
            ("HASHICORP_VAULT", vault), ("AWS_KMS", vault), ("HASHICORP_VAULT", f"{vault}?namespace={mine}"),
            ("GCP_CLOUD_KMS", "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k"),
            ("AZURE_KEY_VAULT", "https://evil.vault.azure.net/keys/k"),
            ("AZURE_KEY_VAULT", f"https://127.0.0.1:{self.trap.port}/keys/k"),
            ("PKCS11", "pkcs11:token=t;object=k"), ("PKCS11", f"pkcs11:token=t;object={mine}"),
            ("KMIP", "kmip://127.0.0.1/k"), ("KMIP", f"kmip://127.0.0.1:{self.trap.port}/k"), ("", other), ("aws_kms", other)]

    # ---- what must hold ----

    def check(self):
        """Nothing came out, nothing is under a key of theirs, and none of those was asked for."""
        assert not self.trap.was_entered()
        asked = [event for event in self.kms.events() if event.get("eventName") != "CreateKey"]
        for key in self.theirs:
            assert not any(key.rsplit("/", 1)[1] in json.dumps(event) for event in asked), key
        sent = b"\n".join(self.hostile.received)
        for host in self.hosts:
            for label, pattern in self.keys_of(host):
                assert pattern not in sent, label
            assert host.process.poll() is None, "the agent goes on"
            peak = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(
                f"/proc/{host.process.pid}/status").read_text())[1]
            assert int(peak) < MOST_MEMORY

    def keys_of(self, host):
        keyring = keyring_of(host.volume)
        if keyring is None:
            return []
        for wrapped in keyring.keks:
            assert wrapped.key_uri in {f"aws-kms://{self.allowed}", f"aws-kms://{self.second}"}
        return patterns_of(self.kms, host.volume)

    def logs(self):
        texts = [host.log.read_text(errors="replace") for host in self.hosts]
        texts += [path.read_text() for host in self.hosts for path in host.state.glob("run.log")]
        return "\n".join(texts)[-6000:]


@pytest.fixture
def site(new_kms, tmp_path):
    made = Site(new_kms, tmp_path)
    yield made
    print(made.logs())
    try:
        made.check()
    finally:
        for host in made.hosts:
            host.clean_up()
        made.hostile.stop()


def test_the_checks_of_these_tests_find_what_they_look_for(site):
    host = site.open()
    patterns = dict(site.keys_of(host))
    assert "KEK raw" in patterns and "DEK raw" in patterns
    assert site.hostile.received and site.hostile.reports[-1]["key_uri"] == f"aws-kms://{site.allowed}"
    assert any(site.allowed in json.dumps(event) for event in site.kms.events())


def test_no_volume_is_made_under_a_key_that_is_not_on_the_list(site):
    host = site.host()
    for kms_type, uri in site.foreign():
        site.refused("", **site.assigned(key=site.key(uri, kms_type)))
        assert not (host.volume / "freehold/keyring").exists(), uri
    order = site.hostile.order(**site.assigned())
    site.hostile.wait_report("the volume is open", lambda report: (
        report["revision"], report["custody"], report["problem"]) == (order, "open", ""))


def test_an_open_volume_is_wrapped_under_no_key_that_is_not_on_the_list(site):
    site.open()
    for kms_type, uri in site.foreign():
        site.refused("", key=site.key(uri, kms_type))
    for principal in (ROLE, "--allow-key=*", "--key", "arn:aws:iam::444455556666:role/evil", ""):
        site.refused("does not allow", key=site.key(site.theirs[0], principal=principal))
    order = site.hostile.order(key=site.key(site.second))
    site.hostile.wait_report("the allowed key", lambda report: (
        report["revision"], report["key_uri"]) == (order, f"aws-kms://{site.second}"))


def test_no_foreign_key_is_tried(site):
    host = site.host()
    trials = [{"id": f"t{number}", "spec": site.key(uri, kms_type), "external_id": ORGANIZATION}
              for number, (kms_type, uri) in enumerate(site.foreign())]
    trials.append({"id": "good", "spec": site.key(site.second), "external_id": ORGANIZATION})
    site.hostile.order(trials=trials)

    def answers():
        return {answer["id"]: answer for report in site.hostile.reports for answer in report["answers"]}
    wait_for("an answer to each", lambda: len(answers()) == len(trials), 120)
    assert answers()["good"]["usable"], answers()["good"]
    for number, (_, uri) in enumerate(site.foreign()):
        answer = answers()[f"t{number}"]
        assert not answer["usable"] and answer["message"], (uri, answer)
    assert not (host.volume / "freehold/keyring").exists()


def test_an_escrow_key_of_the_servers_own_is_none(site):
    """By saying that the customer has no key, that it has one, and by asking again and again."""
    site.open(customers=False)  # as one that lives under an escrow key
    theirs = site.theirs[0]
    for fields in ({"escrow_uri": f"aws-kms://{theirs}"}, {"escrow_uri": "*"}):
        site.hostile.obeyed(site.hostile.order(**fields))
    site.refused("does not allow", customers=True, key=site.key(theirs))  # a re-encryption
    site.refused("does not allow", customers=False, key=site.key(theirs))  # a rewrap
    order = site.hostile.order(customers=True, key=site.key(site.allowed))
    site.hostile.wait_report("the customer's", lambda report: (
        report["revision"] == order and report["old_key_bytes"] == 0 and report["problem"] == ""))
    for rewraps in (1, 2, 2**63):  # and away from the customer's it goes only where its host may
        site.refused("--allow-disenrol", customers=False, rewraps=rewraps, key=site.key(theirs))
    site.refused("does not allow", customers=True, organization="evil", key=site.key(theirs))
    site.hostile.obeyed(site.hostile.order(key=None))


@pytest.mark.parametrize("form", ("{}", "aws-kms://{}", "arn:aws:kms:*{}", "*{}"))
def test_a_key_that_the_host_knows_as_the_operators_takes_no_customers_place(site, form):
    """The server calls it a customer's, and no escrow key at all."""
    pattern = form.format(site.second[-30:] if "*" in form else site.second)
    theirs = site.key(site.second)
    host = site.host("--escrow-key", pattern)
    site.refused("the operator's own", **site.assigned(key=theirs))
    assert not (host.volume / "freehold/keyring").exists()
    order = site.hostile.order(**site.assigned())
    site.hostile.wait_report("the volume is open", lambda report: (
        report["revision"], report["custody"]) == (order, "open"))
    for fields in ({}, {"escrow_uri": f"aws-kms://{site.allowed}"}, {"rewraps": 1}, {"rekeys": 1},
                   {"reencrypts": 1}):
        site.refused("the operator's own", key=theirs, **fields)
    site.refused("--allow-disenrol", key=theirs, customers=False)
    report = site.hostile.reports[-1]
    assert (report["key_uri"], report["custody"]) == (f"aws-kms://{site.allowed}", "open")
    order = site.hostile.order(**site.assigned(rekeys=2, escrow_uri=""))
    site.hostile.wait_report("it follows again", lambda report: (
        report["revision"], report["rekeys"], report["problem"]) == (order, 2, ""))


def test_a_host_that_lets_customers_leave_takes_no_operators_key_for_a_customers(site):
    site.open("--escrow-key", site.second, "--allow-disenrol", customers=False, key=site.key(site.second))
    site.refused("the operator's own", customers=True, key=site.key(site.second))  # a re-encryption
    for customers, key in ((True, site.allowed), (False, site.second)):
        order = site.hostile.order(customers=customers, key=site.key(key))
        site.hostile.wait_report(f"under {key}", lambda report, order=order, key=key: (
            report["revision"], report["key_uri"]) == (order, f"aws-kms://{key}"))


@pytest.mark.parametrize("flag", ("--escrow-key", "--allow-key"))
def test_a_pattern_that_no_key_can_match_ends_the_agent_at_its_start(site, flag):
    host = Host(site, "us-east-1", "host")
    for pattern in ("mrk-1234", "arn:aws:kms:us-east-1:111122223333:alias/escrow", "escrow/*"):
        assert host.start(site.hostile.token(), switches=(flag, pattern)).process.wait(20) == 2
        last = host.log.read_text().strip().splitlines()[-1]
        assert flag in last and pattern.split(":")[0] in last, last


def test_a_lower_fencing_number_and_another_cluster_are_refused(site):
    host = site.open()
    before = site.hostile.reports[-1]["revision"]
    site.hostile.order(fencing=6, key=site.key(site.second))
    settle(site.hostile)
    assert site.hostile.reports[-1]["revision"] == before  # not even known
    assert site.hostile.reports[-1]["key_uri"] == f"aws-kms://{site.allowed}"
    site.refused("belongs to cluster c1", cluster="c2", fencing=9, key=site.key(site.second))
    # From there back to the first, by an order that is older than the volume's.
    site.refused("assigned with number 7", cluster=CLUSTER, fencing=6, key=site.key(site.second))
    assert not os.path.ismount(host.mount)
    site.hostile.obeyed(site.hostile.order(cluster="", goal="idle", fencing=0, key=None))
    site.refused("assigned with number 7", **site.assigned(fencing=1, key=site.key(site.second)))
    order = site.hostile.order(**site.assigned(fencing=8))
    site.hostile.wait_report("open again", lambda report: (
        report["revision"], report["custody"]) == (order, "open"))
    assert len((host.mount / "file").read_bytes()) == 1 << 16


def test_idle_revoked_and_open_in_any_order_lead_around_no_list(site):
    host = site.open()
    theirs = site.key(site.theirs[0])
    order = site.hostile.order(goal="revoked")
    site.hostile.wait_report("sealed", lambda report: report["custody_reason"] == "revoked")
    for fields in ({"goal": "idle", "cluster": "", "key": None}, {"goal": "revoked", "cluster": "c2"},
                   {"goal": "stopped"}, {"goal": "idle"}):
        order = site.hostile.order(**fields)
        assert site.hostile.obeyed(order)["custody_reason"] == "revoked"
        assert not os.path.ismount(host.mount)
    site.refused("does not allow", **site.assigned(key=theirs))
    site.refused("--allow-disenrol", **site.assigned(key=theirs, customers=False,
                                                     escrow_uri=theirs["uri"]))


def test_a_revoke_outlives_an_agent_that_ends_and_what_the_server_forgot(site):
    host = site.open()
    site.hostile.order(goal="revoked")
    site.hostile.wait_report("sealed", lambda report: report["custody_reason"] == "revoked")
    host.kill()
    # What a server of another store says is believed only as the answer to a report that names it.
    site.hostile.document["epoch"] = "e2"
    site.hostile.document["revision"] = 0
    site.hostile.order(**site.assigned(key=site.key(site.theirs[0])))
    site.hostile.reports.clear()
    host.start(allow=(f"aws-kms://{site.allowed}",))
    site.hostile.wait_report("refused", lambda report: "does not allow" in report["problem"])


NO_DOCUMENTS = {
    "nothing": b"", "list": b"[]", "null": b"null", "cut off": b'{"epoch":"e1"', "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000, "no goal": b'{"epoch":"e1","revision":99999,"goal":"steal"}',
    "a wrong type": b'{"epoch":"e1","revision":"x"}', "a negative": b'{"epoch":"e1","revision":-1}',
    "a fraction": b'{"epoch":"e1","revision":1.5}', "no number": b'{"epoch":"e1","revision":1e999}',
    "too large": b'{"epoch":"e1","cluster_name":"' + b"x" * (2 << 20) + b'"}',
    "a key that is none": b'{"epoch":"e1","revision":99999,"key":7}', "no text": b"\xff\xfe\0",
    "a trial that is none": b'{"epoch":"e1","revision":99999,"trials":[7]}', "zeros": bytes(1 << 16),
}


def test_documents_that_are_none_change_nothing(site):
    host = site.open()
    before = site.hostile.reports[-1]["revision"]
    for name, raw in NO_DOCUMENTS.items():
        site.hostile.say(raw)  # as an event, and as the answer to a report
        settle(site.hostile, 1)
        last = site.hostile.reports[-1]
        assert (last["revision"], last["custody"]) == (before, "open"), name
        before = site.hostile.order()
        site.hostile.obeyed(before)
    assert len((host.mount / "file").read_bytes()) == 1 << 16
    site.hostile.obeyed(site.hostile.order(key=site.key(site.second)))


def test_documents_that_are_huge_do_no_lasting_harm(site):
    site.open()
    long = "x" * 900_000
    site.hostile.order(cluster_name=long, key=site.key(site.second))
    settle(site.hostile)
    trial = {"spec": site.key(site.theirs[0]), "external_id": "x" * 100}
    for round_of in range(20):
        site.hostile.order(cluster_name="orders", trials=[
            {**trial, "id": f"{round_of}-{number}"} for number in range(2000)])
    order = site.hostile.order(cluster_name="orders", trials=[], key=site.key(site.allowed))
    site.hostile.wait_report("it follows again", lambda report: (
        report["revision"], report["key_uri"]) == (order, f"aws-kms://{site.allowed}"), 120)
    host = site.hosts[0]
    host.kill()
    host.start(allow=(f"aws-kms://{site.allowed}",))
    site.hostile.wait_report("it follows after its next start", lambda report: (
        report["revision"], report["custody"]) == (order, "open"))


STREAMS = {
    "a line without an end": (b"x",),
    "an event without an end": (b"data: " + b"x" * 1000 + b"\n",),
    "comments": (b":\n\n",),
    "events that are none": (b"event: desired\ndata: {}\n\n",),
    "headers": (b"x-more: " + b"x" * 1000 + b"\r\n", b"HTTP/1.1 200 OK\r\n"),
    "another status": (b"x" * 1000, b"HTTP/1.1 500 No\r\n\r\n"),
    "no HTTP": (b"\0\xff", b""),
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_without_an_end_costs_no_memory_and_hides_no_revoke(site, name):
    host = site.open()
    sent = site.hostile.endless(*STREAMS[name])
    site.hostile.order()  # the stream that is there ends, the next is such a one
    wait_for("some of it is sent", lambda: sum(sent) > 0)
    settle(site.hostile)
    site.hostile.order(goal="revoked")  # as an answer to a report
    site.hostile.wait_report("sealed", lambda report: report["custody_reason"] == "revoked")
    assert not os.path.ismount(host.mount)


def test_who_has_another_authority_is_told_nothing(site):
    site.open()
    site.hostile.hangs_up, site.hostile.stream = True, None  # what is connected comes to its end
    site.hostile.order()
    settle(site.hostile)
    site.hostile.authority = Authority()
    wait_for("nobody is trusted", lambda: site.hostile.distrusted > 3)
    count, distrusted = len(site.hostile.received), site.hostile.distrusted
    wait_for("more attempts", lambda: site.hostile.distrusted > distrusted + 3)
    assert len(site.hostile.received) == count
