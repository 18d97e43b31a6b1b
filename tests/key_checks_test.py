"""Looking at keys: what could be used, what is used now, and by whom; nothing of it changes a key."""

from urllib.parse import quote

import pytest

from agent_testing import CLUSTERS
from control_cli_testing import PRECONDITION, Person
from freehold_testing import wait_for
from server_testing import arn

# It probes by itself when nobody waits for it any more.
RARELY = ("--check-interval", "10m")


@pytest.fixture
def cluster(service):
    """Under a customer's key, on one node."""
    key = service.new_key()
    made = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
    service.host().join(words=RARELY)
    service.wait_status(made, "ENABLED")
    service.wait_state(made, "running")
    service.key = key
    return made


def recheck(service, cluster):
    """What its one node has to say."""
    path = f"{CLUSTERS}/{cluster}/cmek/recheck"
    begun = service.ask("POST", path)
    assert begun.status == 200 and not begun.json["done"], begun
    wait_for("the probe", lambda: service.ask("GET", path).json["done"])
    answer = service.ask("GET", path).json
    assert answer["number"] == begun.json["number"]
    [node] = answer["nodes"]
    return node["problem"]


def check(service, path, *specs):
    answer = service.ask("POST", path, {"region_specs": list(specs)})
    assert answer.status == 200, answer
    assert answer.json["valid"] == all(one["valid"] for one in answer.json["results"])
    return [one["message"] for one in answer.json["results"]]


def usage(service, uri, key=None):
    answer = service.ask("GET", f"/api/v1/key-usage?uri={quote(uri, safe='')}", key=key)
    assert answer.status == 200, answer
    return answer.json["key_uses"]


def test_a_recheck_finds_that_the_key_is_gone_and_that_it_is_back(service, cluster):
    assert recheck(service, cluster) == ""
    service.kms.client("kms").disable_key(KeyId=service.key)
    assert "DisabledException" in recheck(service, cluster)
    service.wait_custody(cluster, "sealed", "denied")
    assert "DisabledException" in recheck(service, cluster)
    service.kms.client("kms").enable_key(KeyId=service.key)
    assert recheck(service, cluster) == ""
    service.wait_custody(cluster, "open")


def test_a_recheck_is_refused_while_the_key_may_not_be_used(service, cluster):
    path = f"{CLUSTERS}/{cluster}/cmek/recheck"
    assert service.ask("PATCH", f"{CLUSTERS}/{cluster}/state", {"command": "stop"}).status == 200
    answer = service.ask("POST", path)
    assert answer.status == 400 and "is stopped" in answer.json["message"], answer
    assert service.act(cluster, "REVOKE").status == 200
    answer = service.ask("POST", path)
    assert answer.status == 400 and "are revoked" in answer.json["message"], answer
    assert service.ask("GET", path).json["number"] == 0
    lonely = service.server.new_cluster(service.admin, "lonely")["id"]
    answer = service.ask("POST", f"{CLUSTERS}/{lonely}/cmek/recheck")
    assert answer.status == 503 and "no node" in answer.json["message"], answer


def test_keys_are_tried_from_their_regions_and_nothing_is_changed(service, cluster):
    before = service.cmek(cluster)
    entries = len(service.ask("GET", "/api/v1/auditlogevents").json["entries"])
    good, bad = service.new_key(), service.new_key()
    service.kms.client("kms").disable_key(KeyId=bad)
    path = f"{CLUSTERS}/{cluster}/cmek/check"
    assert check(service, path, service.spec(good)) == ["Valid"]
    [words] = check(service, path, service.spec(bad))
    assert "disabled" in words
    words = check(service, path, service.spec(good), service.spec(good, "eu-west-1"))
    assert words[0] == "Valid" and "no node in this region" in words[1]
    # Free nodes try what is not there yet.
    service.host("eu-west-1").join()
    wait_for("a free node", lambda: check(service, "/api/v1/cmek/check", service.spec(
        good, "eu-west-1")) == ["Valid"])
    assert check(service, path, service.spec(good, "eu-west-1")) == ["Valid"]
    after = service.cmek(cluster)
    for info in (before, after):
        info["region_infos"][0].pop("custody")
        info["region_infos"][0].pop("last_verified_at")
        info["region_infos"][0].pop("lease_expires_at")
    assert after == before
    assert len(service.ask("GET", "/api/v1/auditlogevents").json["entries"]) == entries


def test_a_check_is_bounded_as_a_change_is(service, cluster):
    path = f"{CLUSTERS}/{cluster}/cmek/check"
    assert service.ask("POST", path, {"region_specs": []}).status == 400
    service.ask("PATCH", f"/api/v1/organizations/{service.organization}", {"cmek_granted": False},
                service.server.operator_key)
    for where in (path, "/api/v1/cmek/check"):
        answer = service.ask("POST", where, {"region_specs": [service.spec(service.key)]})
        assert answer.status == 403 and "not granted" in answer.json["message"], answer


def test_usage_finds_a_key_in_any_form_present_and_past(service, cluster):
    for uri in (service.key, f"aws-kms://{service.key}"):
        [use] = usage(service, uri)
        assert use["cluster_id"] == cluster and use["region"] == "us-east-1" and use["is_present"]
        assert use["status"] == "ENABLED" and use["custody"]["state"] == "open"
        assert use["nodes"] == [service.nodes(cluster)[0]["id"]]
    assert service.change("PUT", cluster, service.spec(service.new_key())).status == 200
    service.wait_status(cluster, "ENABLED")
    [use] = usage(service, service.key)
    assert not use["is_present"] and use["key_info"]["status"] == "DISABLED" and use["nodes"] == []
    assert usage(service, arn("another")) == []
    _, stranger = service.server.new_organization("stranger")
    assert usage(service, service.key, stranger) == []
    for query, phrase in (("", "uri: is missing"), ("?uri=nonsense", "nonsense")):
        answer = service.ask("GET", f"/api/v1/key-usage{query}")
        assert answer.status == 400 and phrase in answer.json["message"], answer


def test_a_person_looks_at_keys(service, cluster, tmp_path):
    person = Person(tmp_path / "home", service.server.url, service.admin)
    assert "Valid" in person.out("cmek", "check", "orders")
    assert "usable" in person.out("cmek", "recheck", "orders", "--wait")
    service.kms.client("kms").disable_key(KeyId=service.key)
    done = person.run("cmek", "check", "orders")
    assert done.returncode == PRECONDITION and "disabled" in done.stdout, done
    done = person.run("cmek", "recheck", "orders", "--wait")
    assert done.returncode == PRECONDITION and "DisabledException" in done.stderr, done
    service.wait_custody(cluster, "sealed", "denied")
    shown = person.out("key", "usage", service.key)
    assert "orders" in shown and "sealed (denied)" in shown and "the KMS says" in shown
    person.fails(2, "give a cluster, or a manifest", "cmek", "check")
