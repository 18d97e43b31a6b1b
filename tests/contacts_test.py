"""Contacts: who may be named, how messages reach them, and what happens when they do not."""

import re
import signal
import time
import urllib.request

import pytest

from audit_testing import check_chain
from contacts_testing import CONTACTS, MailBox, add, add_webhook, contact_of
from control_cli_testing import Person
from freehold_testing import wait_for
from server_testing import Server, spec

LOOPBACK = ("--webhooks-allow", "127.0.0.0/8")


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(*options, **more):
        started.append(Server(tmp_path / f"server{len(started)}", *options, **more))
        return started[-1]
    yield begin
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def server(start, receiver, mailbox):
    made = start(*LOOPBACK, "--webhooks-ca", receiver.certificate, "--smtp", mailbox.url,
                 "--smtp-from", "keys@service.example", "--metrics-listen", "127.0.0.1:0")
    made.organization, made.admin = made.new_organization("acme")
    return made


def metrics_of(server):
    with urllib.request.urlopen(server.metrics_url + "/metrics", timeout=60) as answer:
        return answer.read().decode()


def send_test(server, contact):
    answer = server.ask("POST", f"{CONTACTS}/{contact}/test", server.admin)
    assert answer.status == 200, answer


def test_a_webhook_gets_what_it_can_verify(server, receiver):
    contact = add_webhook(server, server.admin, receiver)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", receiver.secret)
    send_test(server, contact)
    event = receiver.wait("contact.test")
    assert event["data"]["organization_id"] == server.organization
    wait_for("the contact says so",
             lambda: contact_of(server, server.admin, contact)["last_delivered_at"])
    # The secret is shown once, and is not in the store.
    listed = server.ask("GET", CONTACTS, server.admin).text
    kept = b"".join(path.read_bytes() for path in server.directory.glob("freehold.db*"))
    assert "whsec_" not in listed and receiver.secret[6:].encode() not in kept
    assert (server.directory / "webhooks.key").stat().st_mode & 0o777 == 0o600


def test_a_mail_is_plain_text_to_one_address(server, mailbox):
    contact = add(server, server.admin, "EMAIL", "oncall+keys@acme.example")["id"]
    send_test(server, contact)
    mail = mailbox.wait("a test message")
    assert mailbox.senders == [("keys@service.example", ["oncall+keys@acme.example"])]
    assert mail["to"] == "oncall+keys@acme.example" and mail.get_content_type() == "text/plain"
    assert "This is a test" in mail.get_content()


def test_a_login_goes_to_a_mail_server_by_tls_only(start, receiver, tmp_path):
    login = ("freehold", "correct horse")
    box = MailBox(receiver.certificate, tmp_path / "hook.key", login)
    (tmp_path / "password").write_text("correct horse\n")
    try:
        server = start("--smtp", box.url, "--smtp-from", "keys@service.example", "--smtp-user",
                       "freehold", "--smtp-password-file", tmp_path / "password", "--smtp-ca",
                       receiver.certificate)
        _, server.admin = server.new_organization("acme")
        send_test(server, add(server, server.admin, "EMAIL", "oncall@acme.example")["id"])
        box.wait("a test message")
        assert set(box.logins) == {login}
        # Another authority's certificate: nothing is sent.
        other = start("--smtp", box.url, "--smtp-from", "keys@service.example", "--smtp-user",
                      "freehold", "--smtp-password-file", tmp_path / "password")
        _, other.admin = other.new_organization("acme")
        contact = add(other, other.admin, "EMAIL", "oncall@acme.example")["id"]
        send_test(other, contact)
        wait_for("its failure", lambda: "certificate" in contact_of(
            other, other.admin, contact)["last_failure"])
        assert len(box.mails) == 1 and set(box.logins) == {login}
    finally:
        box.stop()


def test_a_receiver_that_fails_gets_it_again_under_the_same_id(server, receiver):
    receiver.answers = [500, 302]
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    wait_for("the first failure",
             lambda: "HTTP" in contact_of(server, server.admin, contact)["last_failure"])
    receiver.wait("contact.test")
    assert len(receiver.ids) == 3 and len(set(receiver.ids)) == 1
    wait_for("no failure any more",
             lambda: contact_of(server, server.admin, contact)["last_failure"] == "")


def test_what_cannot_be_delivered_is_given_up_for_all_to_see(start, receiver):
    receiver.answers = [500] * 1000
    server = start(*LOOPBACK, "--webhooks-ca", receiver.certificate, "--messages-give-up", "1s",
                   "--metrics-listen", "127.0.0.1:0")
    _, server.admin = server.new_organization("acme")
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    wait_for("giving up", lambda: contact_of(server, server.admin, contact)["given_up"] == 1)
    assert "answered HTTP 500" in contact_of(server, server.admin, contact)["last_failure"]
    metrics = metrics_of(server)
    assert 'freehold_messages_total{outcome="given_up"} 1\n' in metrics
    assert "freehold_messages_waiting 0\n" in metrics


def test_a_certificate_that_is_not_trusted_gets_nothing(start, receiver):
    server = start(*LOOPBACK)
    _, server.admin = server.new_organization("acme")
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    wait_for("its failure", lambda: "certificate" in contact_of(
        server, server.admin, contact)["last_failure"])
    assert receiver.ids == []


def test_the_operators_own_hosts_cannot_be_reached(start, receiver):
    server = start()
    _, server.admin = server.new_organization("acme")
    for url in (receiver.url, "http://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/",
                "https://169.254.169.254/latest", "http://169.254.169.254/latest",
                "https://[::ffff:10.0.0.1]/", "https://0x7f000001/", "https://2130706433/"):
        answer = server.ask("POST", CONTACTS, server.admin,
                            {"purpose": "TECHNICAL", "type": "WEBHOOK", "address": url})
        assert answer.status == 400, (url, answer)
    # A name is judged by the address that it turns out to have.
    port = receiver.url.split(":")[2].split("/")[0]
    contact = add(server, server.admin, "WEBHOOK", f"https://localhost:{port}/")["id"]
    send_test(server, contact)
    wait_for("its failure", lambda: "nothing is sent to" in contact_of(
        server, server.admin, contact)["last_failure"])
    assert receiver.ids == []


@pytest.mark.parametrize("body, phrase", [
    ({"purpose": "OTHER"}, "purpose"),
    ({"type": "PIGEON"}, "type"),
    ({"address": ""}, "address"),
    ({"address": "ftp://hooks.example.com/"}, "neither http nor https"),
    ({"address": "http://hooks.example.com/"}, "plain http"),
    ({"address": "https://user:word@hooks.example.com/"}, "user name"),
    ({"address": "https://hooks.example.com/#x"}, "fragment"),
    ({"address": "https://hooks.example.com/" + "x" * 2000}, "at most 2000 characters"),
    ({"type": "EMAIL"}, "not an e-mail address"),
    ({"type": "EMAIL", "address": "a@b.example\r\nBcc: other@b.example"}, "cannot be printed"),
    ({"type": "EMAIL", "address": "a@b.example, c@b.example"}, "not an e-mail address"),
    ({"surprise": 1}, "surprise"),
])
def test_a_contact_that_cannot_be_is_refused_and_not_made(server, body, phrase):
    wanted = {"purpose": "SECURITY", "type": "WEBHOOK", "address": "https://hooks.example.com/",
              **body}
    answer = server.ask("POST", CONTACTS, server.admin, wanted)
    assert answer.status == 400 and phrase in answer.json["message"], answer
    assert "\n" not in answer.json["message"]
    assert server.ask("GET", CONTACTS, server.admin).json["contacts"] == []


def test_contacts_are_bounded_unique_and_their_organizations_own(server):
    for number in range(20):
        add(server, server.admin, "EMAIL", f"a{number}@acme.example")
    answer = server.ask("POST", CONTACTS, server.admin, {
        "purpose": "TECHNICAL", "type": "EMAIL", "address": "one.more@acme.example"})
    assert answer.status == 400 and "at most 20" in answer.json["message"], answer
    first = server.ask("GET", CONTACTS, server.admin).json["contacts"][0]
    assert server.ask("DELETE", f"{CONTACTS}/{first['id']}", server.admin).status == 200
    answer = server.ask("POST", CONTACTS, server.admin, {
        "purpose": "TECHNICAL", "type": "EMAIL", "address": "a19@acme.example"
        if first["address"] != "a19@acme.example" else "a18@acme.example"})
    assert answer.status == 409, answer
    _, stranger = server.new_organization("stranger")
    other = server.ask("GET", CONTACTS, server.admin).json["contacts"][0]["id"]
    for method, path in (("DELETE", other), ("POST", f"{other}/test")):
        assert server.ask(method, f"{CONTACTS}/{path}", stranger).status == 404
    assert server.ask("GET", CONTACTS, stranger).json["contacts"] == []
    # The operator makes the first ones, and says whose.
    answer = server.ask("POST", CONTACTS, server.operator_key, {
        "purpose": "SECURITY", "type": "EMAIL", "address": "ciso@acme.example"})
    assert answer.status == 400 and "organization_id" in answer.json["message"], answer
    named = server.made(CONTACTS, server.operator_key, {
        "organization_id": server.organization, "purpose": "SECURITY", "type": "EMAIL",
        "address": "ciso@acme.example"})
    assert named["organization_id"] == server.organization


def test_contacts_that_are_removed_and_not_yet_told_are_bounded_too(server, receiver):
    receiver.answers = [500] * 100_000
    for number in range(60):
        made = add(server, server.admin, "WEBHOOK", f"{receiver.url}&n={number}", "SECURITY")["id"]
        assert server.ask("DELETE", f"{CONTACTS}/{made}", server.admin).status == 200
    assert server.ask("GET", CONTACTS, server.admin).json["contacts"] == []
    answer = server.ask("POST", CONTACTS, server.admin, {
        "purpose": "TECHNICAL", "type": "EMAIL", "address": "one.more@acme.example"})
    assert answer.status == 429 and "not yet told" in answer.json["message"], answer
    receiver.answers = []
    wait_for("those that are told are forgotten", lambda: server.ask(
        "POST", CONTACTS, server.admin, {"purpose": "TECHNICAL", "type": "EMAIL",
                                         "address": "one.more@acme.example"}).status == 200)


def test_a_second_test_within_a_minute_is_told_to_wait(server, receiver):
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    answer = server.ask("POST", f"{CONTACTS}/{contact}/test", server.admin)
    assert answer.status == 429, answer
    receiver.wait("contact.test")


def test_changes_of_contacts_are_in_the_audit_log(server, receiver):
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    assert server.ask("DELETE", f"{CONTACTS}/{contact}", server.admin).status == 200
    log = server.ask("GET", "/api/v1/auditlogevents", server.admin)
    actions = [entry["action"] for entry in log.json["entries"] if "CONTACT" in entry["action"]]
    assert actions == [f"AUDIT_LOG_ACTION_{verb}_CONTACT" for verb in ("CREATE", "TEST", "DELETE")]
    assert "whsec_" not in log.text


def test_a_contact_that_is_removed_is_told_to_the_security_contacts_and_itself(server, receiver, mailbox):
    add_webhook(server, server.admin, receiver, "SECURITY")
    add(server, server.admin, "EMAIL", "oncall@acme.example")
    removed = add(server, server.admin, "EMAIL", "ciso@acme.example", "SECURITY")["id"]
    assert server.ask("DELETE", f"{CONTACTS}/{removed}", server.admin).status == 200
    event = receiver.wait("contact.removed")
    assert "SECURITY contact ciso@acme.example" in event["data"]["what"]
    assert event["data"]["organization_id"] == server.organization
    assert event["data"]["cluster_id"] == ""
    assert "ciso@acme.example" in mailbox.wait("a contact was removed")["to"]
    time.sleep(1)  # a mail to the other would be here
    assert len(mailbox.mails) == 1
    assert server.ask("DELETE", f"{CONTACTS}/{removed}", server.admin).status == 404


def test_who_removes_the_security_contacts_does_not_silence_them(server, receiver, mailbox):
    """All at once, and right after the revoke that they are to be told of."""
    cluster = server.new_cluster(server.admin, specs=[spec()])
    contacts = [add_webhook(server, server.admin, receiver, "SECURITY"),
                add(server, server.admin, "EMAIL", "ciso@acme.example", "SECURITY")["id"]]
    revoke = server.ask("PATCH", f"/api/v1/clusters/{cluster['id']}/cmek", server.admin,
                        {"action": "REVOKE"})
    assert revoke.status == 200
    for contact in contacts:
        assert server.ask("DELETE", f"{CONTACTS}/{contact}", server.admin).status == 200
    assert server.ask("GET", CONTACTS, server.admin).json["contacts"] == []
    wait_for(f"all of it, got {receiver.types()}",
             lambda: sorted(receiver.types()) == ["contact.removed", "keys.revoked"])
    for subject in ("were revoked", "a contact was removed"):
        mailbox.wait(subject)
    # The same address may be named again, and what was removed is forgotten once it was told.
    again = add(server, server.admin, "EMAIL", "ciso@acme.example", "SECURITY")["id"]
    assert [one["id"] for one in server.ask("GET", CONTACTS, server.admin).json["contacts"]] == [again]


def test_without_a_mail_server_there_is_no_mail(start):
    server = start()
    _, admin = server.new_organization("acme")
    answer = server.ask("POST", CONTACTS, admin, {
        "purpose": "TECHNICAL", "type": "EMAIL", "address": "oncall@acme.example"})
    assert answer.status == 400 and "sends no e-mail" in answer.json["message"], answer


def sends_and_dies(start, receiver, monkeypatch, point):
    """A server that was killed at this point of sending one message, and began again."""
    monkeypatch.setenv("FREEHOLD_CRASH_AT", point)
    server = start(*LOOPBACK, "--webhooks-ca", receiver.certificate, "--metrics-listen", "127.0.0.1:0")
    _, server.admin = server.new_organization("acme")
    contact = add_webhook(server, server.admin, receiver)
    send_test(server, contact)
    server.process.communicate(timeout=60)
    assert server.process.returncode == -signal.SIGKILL
    before = list(receiver.ids)
    monkeypatch.delenv("FREEHOLD_CRASH_AT")
    server.start()
    wait_for("an empty outbox", lambda: "freehold_messages_waiting 0\n" in metrics_of(server))
    return before


def test_a_server_that_dies_before_it_sends_has_lost_nothing(start, receiver, monkeypatch):
    assert sends_and_dies(start, receiver, monkeypatch, "message.due") == []
    receiver.wait("contact.test")


def test_a_server_that_dies_before_it_notes_what_it_sent_sends_it_under_the_same_id(
        start, receiver, monkeypatch):
    monkeypatch.setenv("FREEHOLD_MUTANT", "short-leases")  # the dead server's is over at once
    [sent] = sends_and_dies(start, receiver, monkeypatch, "message.sent")
    assert receiver.ids == [sent, sent]
    receiver.wait("contact.test", "contact.test")


def test_servers_over_one_database_send_one_message_each_once(start, receiver, postgresql, tmp_path):
    url = postgresql.url(postgresql.new_database())
    options = ("--store", url, *LOOPBACK, "--webhooks-ca", receiver.certificate, "--agents-ca",
               tmp_path / "shared", "--metrics-listen", "127.0.0.1:0")
    (tmp_path / "shared").mkdir()
    one = start(*options)
    other = start(*options, operator_key=one.operator_key)
    _, admin = one.new_organization("acme")
    custodian = one.new_key(admin, "KEY_CUSTODIAN")
    add_webhook(one, admin, receiver, "SECURITY")
    cluster = one.new_cluster(admin, specs=[spec()])["id"]
    for round_number in range(1, 6):
        for server, key, action in ((one, admin, "REVOKE"), (other, custodian, "RESTORE")):
            answer = server.ask("PATCH", f"/api/v1/clusters/{cluster}/cmek", key,
                                {"action": action})
            assert answer.status == 200, answer
        wait_for("both messages", lambda n=round_number: len(receiver.events) >= 2 * n)
    wait_for("an empty outbox", lambda: "freehold_messages_waiting 0\n" in metrics_of(one))
    assert len(receiver.ids) == 10 and len(set(receiver.ids)) == 10 and not receiver.bad


def test_a_person_names_contacts(server, receiver, tmp_path):
    person = Person(tmp_path / "home", server.url, server.admin)
    secret = tmp_path / "home" / "secret"
    made = person.json("contact", "add", "--security", "--webhook", receiver.url, "--secret-file",
                       secret)
    assert "secret" not in made and secret.stat().st_mode & 0o777 == 0o600
    receiver.secret = secret.read_text().strip()
    assert "on its way" in person.out("contact", "test", made["id"])
    receiver.wait("contact.test")
    person.out("contact", "add", "--email", "oncall@acme.example")
    listed = person.out("contact", "list")
    assert "SECURITY" in listed and receiver.url in listed and "oncall@acme.example" in listed
    person.out("contact", "remove", made["id"])
    assert receiver.url not in person.out("contact", "list")
    person.fails(2, "one of them", "contact", "add")
    check_chain(server, server.admin)
