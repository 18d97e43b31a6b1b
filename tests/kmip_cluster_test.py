"""A cluster under a key in a KMIP server: through the control plane's API, with an agent that is told
nothing but which servers it may ask."""

import pytest

from agent_testing import CLUSTERS
from kmip_testing import KmipKms


@pytest.fixture
def kmip(tmp_path):
    made = KmipKms(tmp_path / "kmip")
    yield made
    made.stop()


def spec(uri, **more):
    return {"region": "us-east-1", "key_spec": {"type": "KMIP", "uri": uri, **more}}


def key_of(service, cluster):
    [node] = service.nodes(cluster)
    return node["key_uri"]


@pytest.fixture
def cluster(service, kmip):
    """With one host, under the operator's key at first."""
    made = service.server.new_cluster(service.admin)["id"]
    host = service.host()
    host.environment = kmip.environment()
    host.join(allow=("aws-kms:*", kmip.uri("*")))
    service.wait_state(made, "running")
    return made


def test_a_cluster_goes_to_kmip_and_to_aws_and_back_and_seals_when_its_key_is_revoked(
        service, kmip, cluster):
    first, second = kmip.uri(), kmip.uri(kmip.make_key("second"))
    file = service.hosts[0].mount / "file"
    file.write_bytes(b"kept")
    answer = service.change("POST", cluster, spec(first))
    assert answer.status == 200, answer
    info = service.wait_status(cluster, "ENABLED")
    said = info["region_infos"][0]["key_infos"][0]["spec"]
    assert (said["type"], said["uri"]) == ("KMIP", first) and key_of(service, cluster) == first
    for next_spec in (spec(second), service.spec(service.new_key()), spec(first)):
        assert service.change("PUT", cluster, next_spec).json["status"] == "ROTATING"
        service.wait_status(cluster, "ENABLED")
    assert key_of(service, cluster) == first and file.read_bytes() == b"kept"
    kmip.revoke(key=second.rsplit("/", 1)[1])  # no longer needed
    service.wait_custody(cluster, "open")
    kmip.revoke()
    service.wait_custody(cluster, "sealed", "denied")


def test_a_key_is_tried_before_it_is_taken_and_its_trouble_is_in_the_servers_words(
        service, kmip, cluster):
    path = f"{CLUSTERS}/{cluster}/cmek/check"
    early = kmip.uri(kmip.make_key("early", active=False))
    for uri, words in ((kmip.uri(), "Valid"), (early, "Pre-Active")):
        answer = service.ask("POST", path, {"region_specs": [spec(uri)]})
        assert answer.status == 200 and words in answer.json["results"][0]["message"], answer
    refused = service.change("POST", cluster, spec(early))
    assert refused.status == 400 and "Active state" in refused.json["message"], refused
    assert service.cmek(cluster)["status"] == "DISABLED"


def test_what_is_no_key_of_this_type_is_400(service, kmip, cluster):
    wrong = {"region": "us-east-1", "key_spec": {"type": "AWS_KMS", "uri": kmip.uri()}}
    for given in (wrong, spec(service.new_key()), spec(kmip.uri() + "/x"),
                  spec(kmip.uri(), auth_principal="somebody")):
        answer = service.change("POST", cluster, given)
        assert answer.status == 400, (given, answer)


def test_an_agent_asks_no_server_that_its_host_does_not_name(service, kmip, cluster):
    before = kmip.log()
    answer = service.change("POST", cluster, spec("kmip://127.0.0.1:1/k"))
    assert answer.status == 400, answer
    assert kmip.log() == before and service.cmek(cluster)["status"] == "DISABLED"
