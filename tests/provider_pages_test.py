"""docs/providers/aws.md, done as it says: its policies, its preflight, its volume.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/provider_pages_test.py (as root)
"""

import json
import re
import subprocess

import pytest
from freehold_testing import BINARY, ROOT, Volume

PAGE = (ROOT / "docs/providers/aws.md").read_text()
ROLE = "arn:aws:iam::111122223333:role/freehold"
ACCESS = ["--principal", ROLE, "--external-id", "org-1"]


def block(name):
    return re.search(rf"^```json {name}\n(.*?)\n```$", PAGE, re.M | re.S).group(1)


@pytest.fixture
def customer(kms_server, key):
    kms, iam = kms_server.client(), kms_server.client("iam")
    iam.create_role(RoleName="freehold", AssumeRolePolicyDocument=block("trust-policy"))
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=block("key-policy"))
    kms.enable_key_rotation(KeyId=key)
    yield kms
    iam.delete_role(RoleName="freehold")


def check(kms_server, key):
    done = subprocess.run(
        [BINARY, "key", "check", key, *ACCESS, "--json"],
        env=kms_server.environment("operator"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout)


def test_the_policies_on_the_page_are_valid_without_a_warning(customer, kms_server, key):
    code, report = check(kms_server, key)
    assert code == 0 and {item["outcome"] for item in report["items"]} == {"ok"}


@pytest.mark.parametrize(
    "action, outcome",
    [
        ("kms:Encrypt", "failed"),
        ("kms:Decrypt", "failed"),
        ("kms:DescribeKey", "failed"),
        ("kms:GetKeyRotationStatus", "warning"),
    ],
)
def test_each_permission_on_the_page_is_needed(customer, kms_server, key, action, outcome):
    policy = json.loads(block("key-policy"))
    for statement in policy["Statement"][1:]:
        statement["Action"] = [name for name in statement["Action"] if name != action]
    policy["Statement"] = [each for each in policy["Statement"] if each["Action"]]
    customer.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    _, report = check(kms_server, key)
    assert outcome in {item["outcome"] for item in report["items"]}


def test_the_policies_on_the_page_are_enough_for_a_volume(customer, kms_server, key, tmp_path):
    volume = Volume(kms_server, tmp_path, key, profile="operator")
    volume.run("create", "--key", key, *ACCESS)
    try:
        with volume as root:
            (root / "file").write_bytes(b"data")
            assert volume.run("status")["custody"]["state"] == "open"
        other = kms_server.new_key()
        customer.put_key_policy(KeyId=other, PolicyName="default", Policy=block("key-policy"))
        keyring = volume.run("rotate-key", "--key", other, *ACCESS)
        assert keyring["keks"][0]["key"] == "aws-kms://" + other
        with volume as root:
            assert (root / "file").read_bytes() == b"data"
    finally:
        volume.end()
