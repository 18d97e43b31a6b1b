"""`freehold key check` tells whose policy lacks what this release's papers grant, and names it.

For each cloud: the policy that `freehold provision` prints, and that without one of its permissions.
"""

import json
import re

import pytest

from azure_testing import AzureKms, Owner
from freehold_testing import DENIED, OK, Volume
from google_testing import FREEHOLD, USE, VIEW, GoogleKms
from policy_testing import CUSTOMER, OPERATOR_ROOT, ROLE
from vault_testing import VaultKms


def printed(volume, cloud, *arguments):
    result = volume.run("provision", cloud, *arguments)
    assert result.code == OK, result
    return result.out


def judged(result):
    """(exit code, the sentences about the policy's edition)"""
    items = result.json["items"]
    policy = [item for item in items if item["what"] == "Policy"]
    assert all(item["outcome"] == "warning" for item in policy)
    return result.code, [item["detail"] for item in policy]


def lack(cloud, permission, purpose=""):
    return (f"the policy is older than edition 1 of `freehold provision {cloud}`, or was changed: it "
            f"lacks {permission}, which is needed for {purpose}")


AWS = {"kms:Encrypt": DENIED, "kms:Decrypt": DENIED, "kms:DescribeKey": DENIED,
       "kms:GetKeyRotationStatus": OK}


def test_aws(new_kms, tmp_path):
    kms, iam = new_kms.client("kms"), new_kms.client("iam")
    key = new_kms.new_key()
    operator = Volume(new_kms, tmp_path, key, profile="operator")
    paper = ["--operator", OPERATOR_ROOT, "--external-id", "org-1", "--format"]
    iam.create_role(RoleName="freehold",
                    AssumeRolePolicyDocument=printed(operator, "aws", *paper, "trust-policy"))

    def check(policy):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
        return judged(operator.run("key", "check", key, "--principal", ROLE,
                                   "--external-id", "org-1", "--json"))

    text = printed(operator, "aws", *paper, "key-policy", "--account", CUSTOMER)
    assert check(json.loads(text)) == (OK, [])
    for action, code in AWS.items():
        policy = json.loads(text)
        for statement in policy["Statement"]:
            if action in statement["Action"]:
                statement["Action"].remove(action)
        got, (sentence,) = check(policy)
        assert got == code and sentence.startswith(lack("aws", action)), sentence
    assert sentence.endswith("for seeing whether the key rotates")


@pytest.mark.parametrize("missing, role, code", [
    (None, None, OK),
    (VIEW, VIEW, OK),
    (USE, USE, DENIED),
])
def test_google(tmp_path, missing, role, code):
    kms = GoogleKms(tmp_path / "kms")
    try:
        key = kms.set_up().new_key()
        operator = Volume(kms, tmp_path, f"gcp-kms://{key}", profile="operator")
        commands = printed(operator, "gcp", "--operator", "op@p.iam.gserviceaccount.com",
                           "--project", "customer-project")
        roles = set(re.findall(r"--role (roles/cloudkms\S+)", commands)) - {missing}
        kms.bind(key, {each: [FREEHOLD] for each in roles})
        got, sentences = judged(operator.run("key", "check", operator.key, "--principal", FREEHOLD,
                                             "--json"))
        assert got == code
        assert [bool(s.startswith(lack("gcp", role))) for s in sentences] == [True] * bool(role)
    finally:
        kms.stop()


def test_azure(tmp_path):
    kms = AzureKms(tmp_path / "kms")
    try:
        owner = Owner(kms)
        owner.new_key()
        commands = printed(Volume(kms, tmp_path, "none", profile="operator"), "azure", "--operator",
                           "0" * 8 + "-1111-2222-3333-" + "4" * 12, "--tenant", kms.tenant,
                           "--vault", "acme")
        # The operator's; the customer takes one too, to make the key.
        role = re.search(r'--role "([^"]+)" \\\n +--assignee 0000', commands).group(1)

        def sentences(given):
            kms.allow("embedded/orders", given)
            code, report = kms.check("orders")
            kms.forbid("embedded/orders", given)
            return code, [i["detail"] for i in report["items"] if i["what"] == "Policy"]

        assert sentences(role) == (OK, [])
        code, (sentence,) = sentences("Key Vault Reader")  # may look, and not wrap
        assert code == DENIED and sentence == lack(
            "azure", role, "making a volume, and rotating to this key")
    finally:
        kms.stop()


def test_vault(tmp_path):
    kms = VaultKms(tmp_path / "kms")
    try:
        volume = Volume(kms, tmp_path)
        policy = printed(volume, "vault", "--format", "policy", "--key", "k")

        def check(rules):
            kms.vault.write("sys/policies/acl/freehold", policy=rules)
            return judged(volume.run("key", "check", volume.key, "--json"))

        assert check(policy) == (OK, [])
        for line in re.findall(r"^path .*$", policy, re.M):
            operation, capability = re.search(r'transit/(\w+)/k.*\["(\w+)"\]', line).groups()
            code, (sentence,) = check(policy.replace(line, ""))
            assert code == DENIED
            assert sentence.startswith(lack("vault", f'"{capability}" on {operation}/KEY'))
    finally:
        kms.stop()
