"""docs/providers/aws.md, done as it says: its policies, its preflight, its volume.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/provider_pages_test.py (as root)
"""

import json
import re

import pytest

from freehold_testing import OK, ROOT, Volume
from policy_testing import ROLE

PAGE = (ROOT / "docs/providers/aws.md").read_text()
ACCESS = ["--principal", ROLE, "--external-id", "org-1"]


def block(name):
    return re.search(rf"^```json {name}\n(.*?)\n```$", PAGE, re.M | re.S).group(1)


@pytest.fixture
def key(new_kms):
    return new_kms.new_key()


@pytest.fixture
def customer(new_kms, key):
    kms, iam = new_kms.client("kms"), new_kms.client("iam")
    iam.create_role(RoleName="freehold", AssumeRolePolicyDocument=block("trust-policy"))
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=block("key-policy"))
    kms.enable_key_rotation(KeyId=key)
    return kms


def outcomes(kms, directory, key):
    operator = Volume(kms, directory, key, profile="operator")
    report = operator.run("key", "check", key, *ACCESS, "--json").json
    return {item["outcome"] for item in report["items"]}


def test_the_policies_on_the_page_are_valid_without_a_warning(customer, new_kms, key, tmp_path):
    assert outcomes(new_kms, tmp_path, key) == {"ok"}


@pytest.mark.parametrize(
    "action, outcome",
    [
        ("kms:Encrypt", "failed"),
        ("kms:Decrypt", "failed"),
        ("kms:DescribeKey", "failed"),
        ("kms:GetKeyRotationStatus", "warning"),
    ],
)
def test_each_permission_on_the_page_is_needed(customer, new_kms, key, tmp_path, action, outcome):
    policy = json.loads(block("key-policy"))
    for statement in policy["Statement"][1:]:
        statement["Action"] = [name for name in statement["Action"] if name != action]
    policy["Statement"] = [each for each in policy["Statement"] if each["Action"]]
    customer.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert outcome in outcomes(new_kms, tmp_path, key)


def test_the_policies_on_the_page_are_enough_for_a_volume(customer, new_kms, key, tmp_path):
    volume = Volume(new_kms, tmp_path, key, profile="operator").create(*ACCESS)
    try:
        with volume.opened() as root:
            (root / "file").write_bytes(b"data")
            assert volume.custody()["state"] == "open"
        other = new_kms.new_key()
        customer.put_key_policy(KeyId=other, PolicyName="default", Policy=block("key-policy"))
        assert volume.volume("rotate-key", "--key", other, *ACCESS).code == OK
        assert volume.status()["keks"][0]["key"] == "aws-kms://" + other
        with volume.opened() as root:
            assert (root / "file").read_bytes() == b"data"
    finally:
        volume.clean_up()
