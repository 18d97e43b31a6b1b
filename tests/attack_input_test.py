"""What attacks found in what the control plane and its command line are given."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest

from agent_testing import CLUSTERS
from contacts_testing import CONTACTS
from control_cli_testing import Person
from freehold_testing import BINARY
from server_testing import Server, spec

PROJECTS = "/api/v1/projects"


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "server")
    made.organization, made.admin = made.new_organization("acme")
    yield made
    made.stop()


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
    project = server.new_project(server.admin, spec())
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
