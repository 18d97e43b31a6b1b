"""An operator identity for each cluster: its customer trusts that, and no other host has it."""

import json

import pytest

from agent_testing import Service
from freehold_testing import wait_for
from policy_testing import CUSTOMER, OPERATOR, OPERATOR_ROOT, ROLE, allow, document, trust

IDENTITY = f"AWS_KMS=arn:aws:iam::{OPERATOR}:role/freehold-{{cluster_id}}"
WORDS = ("--cluster-identity", IDENTITY)


@pytest.fixture
def service(new_kms, tmp_path):
    made = Service(new_kms, tmp_path, *WORDS)
    yield made
    print(made.logs())
    made.clean_up()


def identity_of(service, cluster):
    return service.ask("GET", f"/api/v1/clusters/{cluster}").json["operator_identities"]["AWS_KMS"]


def make_identity(service, cluster):
    """As the operator does when a cluster is made: its hosts may take it on."""
    iam = service.kms.client("iam", "operator")
    name = identity_of(service, cluster).rsplit("/", 1)[1]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(OPERATOR_ROOT))
    iam.put_role_policy(RoleName=name, PolicyName="customers", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "kms:*"], "Resource": "*"}]}))


def let_use_escrow(service, *clusters):
    """The escrow key is the operator's; the clusters' identities may use it."""
    service.kms.client("kms", "operator").put_key_policy(
        KeyId=service.escrow, PolicyName="default", Policy=document(
            allow(OPERATOR_ROOT, "kms:*"),
            *(allow(identity_of(service, cluster), "kms:*") for cluster in clusters)))


def trust_only(service, cluster):
    service.kms.client("iam").update_assume_role_policy(
        RoleName=ROLE.rsplit("/", 1)[1],
        PolicyDocument=trust(identity_of(service, cluster), service.organization))


def test_the_customer_trusts_the_identity_of_one_cluster_and_its_host_alone_gets_in(service):
    mine = service.server.new_cluster(service.admin, "mine")["id"]
    other = service.server.new_cluster(service.admin, "other")["id"]
    assert identity_of(service, mine) == f"arn:aws:iam::{OPERATOR}:role/freehold-{mine}"
    for cluster in (mine, other):
        make_identity(service, cluster)
    let_use_escrow(service, mine, other)
    for cluster in (mine, other):
        service.host().join(cluster, words=WORDS)
        service.wait_state(cluster, "running")
    trust_only(service, mine)
    key = service.spec(service.new_key())
    assert service.change("POST", mine, key).status == 200
    service.wait_status(mine, "ENABLED")
    # The other's host has all that the operator gives it, and is not trusted.
    refused = service.change("POST", other, key)
    assert refused.status == 400 and "AssumeRole" in refused.json["message"], refused
    # Trust that goes to nobody seals the one that had it.
    service.kms.client("iam").update_assume_role_policy(
        RoleName=ROLE.rsplit("/", 1)[1],
        PolicyDocument=trust(identity_of(service, other), service.organization))
    service.wait_custody(mine, "sealed", "denied")
    trust_only(service, mine)
    service.wait_custody(mine, "open")


def test_an_identity_that_cannot_be_taken_on_is_our_trouble_and_no_customers_no(service):
    cluster = service.server.new_cluster(service.admin, "mine")["id"]
    make_identity(service, cluster)
    let_use_escrow(service, cluster)
    service.host().join(cluster, words=WORDS)
    service.wait_state(cluster, "running")
    iam, name = service.kms.client("iam", "operator"), identity_of(service, cluster).rsplit("/", 1)[1]
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=trust(f"arn:aws:iam::{CUSTOMER}:root"))
    service.wait_custody(cluster, "grace")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust(OPERATOR_ROOT))
    wait_for("open again", lambda: service.nodes(cluster)[0]["custody"] == "open")
