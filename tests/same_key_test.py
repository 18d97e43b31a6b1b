"""One key under several names: whatever protects a key takes them for the same."""

from urllib.parse import quote

import pytest

from agent_testing import CLUSTERS
from server_testing import Server

ARN = "arn:aws:kms:%s:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
AZURE = "https://escrow.vault.azure.net/keys/"
GOOGLE = "projects/%s/locations/europe-west1/keyRings/r/cryptoKeys/k"
VAULT, PKCS11 = "HASHICORP_VAULT", "PKCS11"
TENANT = "11111111-2222-3333-4444-555555555555"
# What else the key is called: a second spelling for its type.
NAMES = [
    ("AWS_KMS", ARN % "us-east-1", ARN % "eu-west-1"),
    ("AZURE_KEY_VAULT", AZURE + "Key", AZURE + "key/" + "a" * 32),
    ("AZURE_KEY_VAULT", AZURE + "versioned/" + "a" * 32, AZURE + "versioned/" + "b" * 32),
    ("GCP_CLOUD_KMS", GOOGLE % "orders", GOOGLE % "123456789012"),
    (VAULT, "hcvault://v.example.com/transit/keys/k", "hcvault://V.example.com.:8200/transit/keys/k?namespace=root"),
    (VAULT, "hcvault://v.example.com/transit/keys/k?namespace=team", "hcvault://v.example.com/team/transit/keys/k"),
    ("KMIP", "kmip://127.0.0.1/k", "kmip://127.1:05696/k"),
    (PKCS11, "pkcs11:token=T;object=K", "pkcs11:serial=7;id=%01"),
]


def body(name, kms_type, uri):
    principal = TENANT if kms_type == "AZURE_KEY_VAULT" else ""
    key = {"type": kms_type, "uri": uri, "auth_principal": principal}
    return {"name": name, "provider": "AWS", "spec": {"dedicated": {
        "region_nodes": {"r": 1}, "cmek_region_specs": [{"region": "r", "key_spec": key}]}}}


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_the_operators_own_key_is_no_customers_under_another_name(tmp_path, number):
    kms_type, escrow, other = NAMES[number]
    more = ("--escrow-principal", TENANT) if kms_type == "AZURE_KEY_VAULT" else ()
    server = Server(tmp_path, "--escrow-key", escrow, *more)
    try:
        _, admin = server.new_organization("acme")
        writer = server.new_key(admin, "CLUSTER_OPERATOR_WRITER")
        cluster = server.new_cluster(admin, regions=("r",))["id"]
        for uri in (escrow, other):
            made = body("c", kms_type, uri)
            specs = {"region_specs": made["spec"]["dedicated"]["cmek_region_specs"]}
            for method, path, asked in (("POST", CLUSTERS, made),
                                        ("PUT", f"{CLUSTERS}/{cluster}/cmek", specs)):
                answer = server.ask(method, path, writer if method == "PUT" else admin, asked)
                assert answer.status == 400 and "the operator's own" in answer.json["message"], answer
    finally:
        server.stop()


def test_a_key_is_unique_and_found_under_all_of_its_names(tmp_path):
    server = Server(tmp_path)
    try:
        for number, (kms_type, uri, other) in enumerate(NAMES):
            _, admin = server.new_organization(f"o{number}", unique_keys=True)
            first = server.ask("POST", CLUSTERS, admin, body("first", kms_type, uri))
            assert first.status == 200, first
            refused = server.ask("POST", CLUSTERS, admin, body("second", kms_type, other))
            assert refused.status == 400 and "another cluster uses" in refused.json["message"], refused
            versions = uri[-32:] != other[-32:] and uri.endswith("a" * 32)
            answer = server.ask("GET", f"/api/v1/key-usage?uri={quote(other, safe='')}", admin)
            found = [use["cluster_id"] for use in answer.json["key_uses"]]
            assert found == ([] if versions else [first.json["id"]]), (other, answer)
    finally:
        server.stop()
