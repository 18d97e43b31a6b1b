"""The steps of CockroachDB Cloud's page on CMEK, "Manage CMEK for CockroachDB Advanced", with curl.

Method, path, headers and body of each line are the page's, read beside it; only the host, the ids
and the key are ours. Where the page wants a node that is not there, what comes instead is said.
"""

import json
import os
import subprocess

import pytest
import yaml

from control_cli_testing import Person
from server_testing import Server, specs

SHOW = """
curl --request GET --url HOST/api/v1/clusters/${CLUSTER_ID} --header "Authorization: Bearer ${API_KEY}"
"""
STATUS = """
curl --request GET --url HOST/api/v1/clusters/${CLUSTER_ID}/cmek --header "Authorization: Bearer ${API_KEY}"
"""
# Step 4 with POST, the rotation with PUT.
SEND = """
curl --request METHOD --url HOST/api/v1/clusters/${CLUSTER_ID}/cmek \
  --header "Authorization: Bearer ${API_KEY}" --header 'content-type: application/json' \
  --data "@cmek_config.json"
"""
ADD_REGION = """
curl --request PATCH --url "HOST/api/v1/clusters/${CLUSTER_ID}" \
  --header "Authorization: Bearer ${API_KEY}" --header 'content-type: application/json' \
  --data "@cmek_config.json"
"""
REVOKE = """
curl --request PATCH --url HOST/api/v1/clusters/${CLUSTER_ID}/cmek \
  --header "Authorization: Bearer ${API_KEY}" --header 'content-type: application/json' \
  --data '{"action":"REVOKE"}'
"""
# Step 3 for GCP: the manifest from the shell's environment.
MANIFEST = """
cat <<YML > cmek_config.yml
---
region_specs:
- region: "${CLUSTER_REGION}"
  key_spec:
    type: GCP_CLOUD_KMS
    uri: "projects/${GCP_PROJECT_ID}/locations/${KEY_LOCATION}/keyRings/${KEY_RING}/cryptoKeys/${KEY_NAME}"
    auth_principal: "${SERVICE_ACCOUNT_EMAIL}"
YML
"""
GCP = {"CLUSTER_REGION": "us-east1", "GCP_PROJECT_ID": "acme-data", "KEY_LOCATION": "us-east1",
       "KEY_RING": "databases", "KEY_NAME": "crdb-cmek-vault-1a2b",
       "SERVICE_ACCOUNT_EMAIL": "cmek@acme-data.iam.gserviceaccount.com"}


class Shell:
    """Where the page's lines are typed."""

    def __init__(self, server, key, directory):
        self.url, self.directory = server.url, directory
        self.environment = {"PATH": os.environ["PATH"], "API_KEY": key} | GCP

    def run(self, lines, **words):
        for word, value in {"HOST": self.url, **words}.items():
            lines = lines.replace(word, value)
        done = subprocess.run(["bash", "-euc", lines], cwd=self.directory, env=self.environment,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        return done.stdout

    def curl(self, lines, **words):
        """The status and the body."""
        with_status = lines.replace("curl ", "curl --silent --show-error -w '%{http_code}' ")
        printed = self.run(with_status, **words)
        return int(printed[-3:]), json.loads(printed[:-3])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.stop()


@pytest.fixture
def key(server, request):
    return server.new_organization(request.node.name[-60:])[1]


@pytest.fixture
def shell(server, key, tmp_path):
    return Shell(server, key, tmp_path)


def refused(answer, status, code):
    assert (answer[0], answer[1]["code"]) == (status, code), answer
    assert answer[1]["message"] and answer[1]["details"] == []


def test_the_aws_page_from_the_account_to_the_revocation(server, key, shell, tmp_path):
    cluster = server.new_cluster(key)["id"]
    shell.environment["CLUSTER_ID"] = cluster
    (tmp_path / "cmek_config.json").write_text(json.dumps(specs(), indent=2))
    # Step 1: whom the role has to trust.
    status, body = shell.curl(SHOW)
    assert status == 200 and body["account_id"] == "999988887777" and body["id"] == cluster
    # Step 4, without a node that could carry it out.
    refused(shell.curl(SEND, METHOD="POST"), 503, 14)
    status, body = shell.curl(STATUS)
    assert status == 200 and body["status"] == "DISABLED"
    # The same cluster made with its keys: from here on there is something to look at.
    shell.environment["CLUSTER_ID"] = server.new_cluster(key, "with-keys",
                                                         specs=specs()["region_specs"])["id"]
    refused(shell.curl(SEND, METHOD="POST"), 400, 9)  # enabled already: PUT changes it
    status, body = shell.curl(STATUS)
    assert status == 200 and body["status"] == "ENABLING"
    [region] = body["region_infos"]
    assert region["key_infos"][0]["spec"] == specs()["region_specs"][0]["key_spec"]
    refused(shell.curl(SEND, METHOD="PUT"), 503, 14)
    # Adding a region: a manifest of all regions, old and new.
    manifest = specs("us-east-1", "eu-west-1")
    (tmp_path / "cmek_config.json").write_text(json.dumps(manifest))
    status, body = shell.curl(ADD_REGION)
    assert status == 200 and [r["name"] for r in body["regions"]] == ["eu-west-1", "us-east-1"]
    status, body = shell.curl(REVOKE)
    assert status == 200 and body["status"] == "REVOKED"
    assert shell.curl(STATUS) == (200, body)


def test_the_gcp_page_makes_json_of_yaml_and_the_command_takes_the_yaml(server, key, shell, tmp_path):
    shell.run(MANIFEST)
    read = yaml.safe_load((tmp_path / "cmek_config.yml").read_text())
    (tmp_path / "cmek_config.json").write_text(json.dumps(read))
    person = Person(tmp_path / "home", server.url, key)
    from_yaml = person.json("cluster", "create", "from-yaml", "-f", tmp_path / "cmek_config.yml")
    from_json = person.json("cluster", "create", "from-json", "-f", tmp_path / "cmek_config.json")
    keys = []
    for cluster in (from_yaml, from_json):
        shell.environment["CLUSTER_ID"] = cluster["id"]
        status, body = shell.curl(STATUS)
        assert status == 200 and body["status"] == "ENABLING"
        keys.append(body["region_infos"][0]["key_infos"][0]["spec"])
    assert keys[0] == keys[1] == read["region_specs"][0]["key_spec"]
    assert keys[0]["uri"].endswith("/keyRings/databases/cryptoKeys/crdb-cmek-vault-1a2b")
    refused(shell.curl(SEND, METHOD="PUT"), 503, 14)


def test_a_key_of_nobody_gets_the_pages_refusal(server, key, shell):
    shell.environment["CLUSTER_ID"] = server.new_cluster(key)["id"]
    shell.environment["API_KEY"] = "{YOUR_API_KEY}"
    refused(shell.curl(STATUS), 401, 16)
