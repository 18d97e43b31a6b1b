"""The way out of a revocation that nobody is left to take back: docs/api/README.md."""

import json
import os
import re
import sqlite3
import subprocess
import time

import pytest

from agent_testing import CLUSTERS, Service
from contacts_testing import add, add_webhook
from control_cli_testing import FORBIDDEN, Person
from freehold_testing import BINARY, wait_for
from kms_testing import Kms
from server_testing import Server, spec, specs

ACCOUNTS = "/api/v1/service-accounts"
PROJECTS = "/api/v1/projects"
HOUR = 3600
NOBODY = "No other service account could restore these keys now"


@pytest.fixture
def server(tmp_path, receiver, mailbox):
    made = Server(tmp_path / "server", "--restore-wait", "1h", "--webhooks-allow", "127.0.0.0/8",
                  "--webhooks-ca", receiver.certificate, "--smtp", mailbox.url, "--smtp-from",
                  "keys@service.example")
    made.organization, made.admin = made.new_organization("acme")
    yield made
    made.stop()


@pytest.fixture
def service(tmp_path):
    made = Service(Kms(tmp_path / "kms"), tmp_path)
    yield made
    made.clean_up()
    made.kms.stop()


def let_pass(server, seconds):
    """All that the store has a time of lies so much further back."""
    server.stop()
    earlier = re.compile(r'"(at|created_at|operator_touched_at)":(\d+)')
    with sqlite3.connect(server.directory / "freehold.db") as store:
        for kind, name, body in store.execute("SELECT kind, id, body FROM records").fetchall():
            changed = earlier.sub(lambda m: f'"{m[1]}":{int(m[2]) - seconds * 10**9}', body)
            store.execute("UPDATE records SET body = ? WHERE kind = ? AND id = ?",
                          (changed, kind, name))
    store.close()
    server.start()


def act(server, cluster, key, action):
    return server.ask("PATCH", f"{CLUSTERS}/{cluster}/cmek", key, {"action": action})


def revoked_cluster(server, name="orders"):
    cluster = server.new_cluster(server.admin, name, specs=[spec()])["id"]
    assert act(server, cluster, server.admin, "REVOKE").status == 200
    return cluster


def moment_in(answer):
    assert answer.status == 403 and answer.json["code"] == 7, answer
    said = re.fullmatch(r"this service account or its API key was made after these keys were "
                        r"revoked, and may restore them from (\S+Z) on", answer.json["message"])
    assert said, answer
    return said.group(1)


def warning_of(server, cluster, key):
    return server.ask("GET", f"{CLUSTERS}/{cluster}/custody", key).json["restore_warning"]


def account_of(server, by, secret):
    """The id of the account that this API key is of."""
    wanted = secret.split("_")[1]
    for account in server.ask("GET", ACCOUNTS, by).json["service_accounts"]:
        keys = server.ask("GET", f"{ACCOUNTS}/{account['id']}/api-keys", by).json["api_keys"]
        if wanted in [key["id"] for key in keys]:
            return account["id"]
    raise AssertionError("no such API key")


@pytest.mark.parametrize("text, phrase", [
    ("59m", "--restore-wait: must be at least 1h"), ("0", "at least 1h"),
    ("72", "--restore-wait: '72' is not a duration"), ("-1h", "not a duration"),
    ("721h", "not a duration"), ("", "--restore-wait")])
def test_a_wait_that_is_none_is_refused(tmp_path, text, phrase):
    done = subprocess.run([BINARY, "server", "--data", tmp_path / "data", "--insecure", "--listen",
                           "127.0.0.1:0", f"--restore-wait={text}"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 2 and phrase in done.stderr, done
    assert done.stderr.count("\n") == 1 and not (tmp_path / "data").exists()


def test_the_sole_administrator_comes_back(server, receiver, mailbox, tmp_path):
    add_webhook(server, server.admin, receiver, "SECURITY")
    add(server, server.admin, "EMAIL", "ciso@acme.example", "SECURITY")
    add(server, server.admin, "EMAIL", "oncall@acme.example")
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    assert NOBODY in warning_of(server, cluster, server.admin)
    assert act(server, cluster, server.admin, "REVOKE").status == 200
    told = receiver.wait("keys.revoked")["data"]
    assert NOBODY in told["what"] and "KEY_CUSTODIAN" in told["what"]
    assert "made after it only 1h later" in told["what"]

    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    moment = moment_in(act(server, cluster, custodian, "RESTORE"))
    told = receiver.wait("keys.revoked", "restore.awaited")["data"]
    account = account_of(server, server.admin, custodian)
    assert told["follows_at"] == moment and told["cluster_id"] == told["cluster_name"] == ""
    assert told["organization_id"] == server.organization
    assert "the cluster orders" in told["what"] and "KEY_CUSTODIAN-" in told["what"]
    assert any(f"freehold account delete {account} " in line for line in told["commands"])
    mail = mailbox.wait("a new API key may restore revoked keys later")
    assert mail["to"] == "ciso@acme.example" and moment in mail.get_content()
    assert all(one["to"] == "ciso@acme.example" for one in mailbox.mails)
    # All that a restore takes waits, too.
    moment_in(server.ask("DELETE", f"{CLUSTERS}/{cluster}", server.new_key(server.admin, "KEY_CUSTODIAN", "CLUSTER_ADMIN")))
    loosen = server.ask("PATCH", f"{CLUSTERS}/{cluster}/custody", custodian, {"outage_grace": "2h"})
    assert loosen.status == 403 and f"restore them from {moment} on" in loosen.json["message"]

    let_pass(server, HOUR - 300)
    moment_in(act(server, cluster, custodian, "RESTORE"))
    assert NOBODY in warning_of(server, cluster, server.admin)
    let_pass(server, 301)
    assert warning_of(server, cluster, server.admin) == ""
    assert act(server, cluster, server.admin, "RESTORE").status == 403
    assert act(server, cluster, custodian, "RESTORE").status == 200
    wait_for("the restore is told", lambda: "keys.restored" in receiver.types())


def test_who_is_told_ends_it_by_the_command_in_the_message(server, receiver, tmp_path):
    add_webhook(server, server.admin, receiver, "SECURITY")
    cluster = revoked_cluster(server)
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    commands = receiver.wait("keys.revoked", "restore.awaited")["data"]["commands"]
    person = Person(tmp_path / "home", server.url, server.admin)
    for command in reversed(commands):
        words = command.split("#")[0].split()
        assert words[0] == "freehold"
        person.run(*words[1:])
    let_pass(server, 2 * HOUR)
    assert act(server, cluster, custodian, "RESTORE").status == 401


def test_a_project_without_clusters_waits_and_tells_as_well(server, receiver):
    add_webhook(server, server.admin, receiver, "SECURITY")
    project = server.made(PROJECTS, server.admin, {"name": "shop", "cmek_enabled": True})["id"]
    path = f"{PROJECTS}/{project}/cmek"
    assert server.ask("PUT", path, server.admin, specs()).status == 200
    assert NOBODY in server.ask("GET", path, server.admin).json["restore_warning"]
    answer = server.ask("PATCH", path, server.admin, {"action": "REVOKE"})
    assert answer.json["revoked"] is True and NOBODY in answer.json["restore_warning"]
    custodian = server.new_key(server.admin, "KEY_CUSTODIAN")
    assert "the project shop were revoked" in receiver.wait("restore.awaited")["data"]["what"]
    restore = {"action": "RESTORE"}
    moment_in(server.ask("PATCH", path, custodian, restore))
    let_pass(server, HOUR + 1)
    assert server.ask("PATCH", path, custodian, restore).json["revoked"] is False


def test_one_message_for_each_key_however_much_is_revoked(server, receiver):
    add_webhook(server, server.admin, receiver, "SECURITY")
    names = [f"c{number:02}" for number in range(13)]
    for name in names:
        revoked_cluster(server, name)
    wait_for("the revocations", lambda: len(receiver.events) == len(names))
    server.new_key(server.admin, "KEY_CUSTODIAN")
    wait_for("the message", lambda: len(receiver.events) == len(names) + 1)
    what = receiver.events[-1]["data"]["what"]
    assert what.count("the cluster c") == 10 and " and 3 more were revoked." in what
    # Who never restores any of it is no news.
    for role in ("ORG_ADMIN", "CLUSTER_ADMIN", "READ_ONLY"):
        server.new_key(server.admin, role)
    server.new_key(server.operator_key, "ORG_ADMIN", organization=server.organization)
    time.sleep(1)  # a message would be here
    assert len(receiver.events) == len(names) + 1


def test_the_command_line_says_it_before_and_after(server, tmp_path):
    admin = Person(tmp_path / "home", server.url, server.admin)
    cluster = server.new_cluster(server.admin, specs=[spec()])["id"]
    shown, _ = admin.types(["cmek", "revoke", "orders"], "no")
    assert NOBODY in shown.replace("\r\n", " ")
    done = admin.run("cmek", "revoke", "orders", "--yes", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "REVOKED"
    assert done.stderr.startswith(NOBODY) and "KEY_CUSTODIAN" in done.stderr
    project = server.new_project(server.admin, spec())
    shown, _ = admin.types(["project", "revoke", project], "no")
    assert NOBODY in shown
    assert NOBODY in admin.out("project", "revoke", project, "--yes")
    custodian = Person(tmp_path / "other", server.url, server.new_key(server.admin, "KEY_CUSTODIAN"))
    custodian.fails(FORBIDDEN, "may restore them from", "cmek", "restore", cluster, "--yes")
    let_pass(server, 2 * HOUR)
    custodian.environment["FREEHOLD_SERVER"] = admin.environment["FREEHOLD_SERVER"] = server.url
    custodian.out("cmek", "restore", cluster, "--yes")
    shown, _ = admin.types(["cmek", "revoke", "orders"], "no")
    assert NOBODY not in shown
    done = admin.run("cmek", "revoke", "orders", "--yes")
    assert done.returncode == 0 and done.stderr == ""


def test_a_thief_who_deletes_the_others_is_not_undone_by_the_operator_alone(service):
    """It is by both together: root on a host, and the customer's yes in the KMS."""
    server, key = service.server, service.new_key()
    cluster = server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
    host = service.host().join(cluster)
    service.wait_status(cluster, "ENABLED")
    service.wait_custody(cluster, "open")
    (host.mount / "file").write_text("the customer's")
    owner = account_of(server, service.admin, service.admin)
    custodian = account_of(server, service.admin, service.custodian)
    thief = server.new_key(service.admin, "ORG_ADMIN")  # with the owner's stolen key
    for account in (owner, custodian):
        assert server.ask("DELETE", f"{ACCOUNTS}/{account}", thief).status == 200
    assert service.act(cluster, "REVOKE", thief).status == 200
    service.admin = server.new_key(server.operator_key, "ORG_ADMIN",
                                   organization=service.organization)
    service.wait_status(cluster, "REVOKED")
    thiefs = account_of(server, service.admin, thief)
    assert server.ask("DELETE", f"{ACCOUNTS}/{thiefs}", service.admin).status == 200
    anew = server.new_key(service.admin, "KEY_CUSTODIAN")
    let_pass(server, 30 * 24 * HOUR)
    answer = service.act(cluster, "RESTORE", anew)
    assert answer.status == 403 and "never restores these keys" in answer.json["message"], answer
    assert not os.path.ismount(host.mount)

    def by_hand(*words):
        return subprocess.run([BINARY, "volume", *words, "--state", host.state],
                              capture_output=True, text=True, timeout=60, check=False,
                              env=service.kms.environment("operator"))

    host.stop()
    assert by_hand("open", host.volume).returncode == 0
    mount = ("mount", host.volume, host.mount)
    service.kms.client("kms").disable_key(KeyId=key)
    refused = by_hand(*mount)
    assert refused.returncode != 0 and "Disabled" in refused.stderr, refused
    service.kms.client("kms").enable_key(KeyId=key)
    opened = by_hand(*mount)
    assert opened.returncode == 0, opened
    assert (host.mount / "file").read_text() == "the customer's"
