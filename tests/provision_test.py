"""`freehold provision`: the papers are valid to their own tools, agree with the pages, are the least
that works, and take no value that would change their meaning."""

import json
import os
import re
import subprocess

import pytest

from freehold_testing import BINARY, OK, ROOT, USAGE, Result, Volume
from policy_testing import CUSTOMER, OPERATOR_ROOT, ROLE
from vault_testing import VaultKms

OPERATOR = {
    "aws": ["--operator", OPERATOR_ROOT, "--external-id", "org-1"],
    "gcp": ["--operator", "op@operator-project.iam.gserviceaccount.com", "--project", "acme-prod"],
    "azure": ["--operator", "0" * 8 + "-1111-2222-3333-" + "4" * 12,
              "--tenant", "5" * 8 + "-6666-7777-8888-" + "9" * 12, "--vault", "acme"],
    "vault": [],
}


def provision(cloud, *arguments):
    return Result(subprocess.run([BINARY, "provision", cloud, *OPERATOR[cloud], *arguments],
                                 capture_output=True, text=True, timeout=60, check=False))


def paper(cloud, *arguments):
    result = provision(cloud, *arguments)
    assert result.code == OK, result
    assert "@" not in re.sub(r"[\w${.-]+@[\w.-]+", "", result.out), "a placeholder was left"
    return result.out


def parsed(kind, text, tmp_path):
    file = tmp_path / ("main.tf" if kind == "terraform" else "template.yaml")
    file.write_text(text)
    done = subprocess.run(["node", ROOT / "tests/papers.js", kind, file], capture_output=True,
                          text=True, timeout=60, check=False,
                          env=dict(os.environ, NODE_PATH=str(ROOT / "build/npm/node_modules")))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("key", [[], ["--key", "arn:aws:kms:eu-west-1:111122223333:key/k"]])
def test_the_template_is_valid_with_a_new_key_and_with_old_ones(tmp_path, key):
    text = paper("aws", *key)
    parsed("cloudformation", text, tmp_path)
    assert f'Default: "{"false" if key else "true"}"' in text and OPERATOR_ROOT in text
    for word in ("RoleArn:", "KeyArn:", "KMSCreate:", "CommaDelimitedList", "sts:ExternalId"):
        assert word in text


def test_a_broken_template_would_be_noticed(tmp_path):
    with pytest.raises(AssertionError):
        parsed("cloudformation", paper("aws").replace("AWS::KMS::Key", "AWS::KMS::Kay"), tmp_path)
    with pytest.raises(AssertionError):
        parsed("terraform", paper("aws", "--format", "terraform").replace("}", "", 1), tmp_path)


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_the_terraform_modules_parse_and_export_key_and_principal(tmp_path, cloud):
    module = parsed("terraform", paper(cloud, "--format", "terraform"), tmp_path)
    names = {"role_arn", "key_arn"} if cloud == "aws" else {"key", "principal"}
    assert set(module["output"]) == names and module["resource"]


def test_the_policies_are_those_of_the_page():
    page = (ROOT / "docs/providers/aws.md").read_text()

    def block(name):
        return json.loads(re.search(rf"^```json {name}\n(.*?)\n```$", page, re.M | re.S).group(1))

    assert json.loads(paper("aws", "--format", "trust-policy")) == block("trust-policy")
    made = json.loads(paper("aws", "--format", "key-policy", "--account", CUSTOMER))
    assert made == block("key-policy")


def test_terraform_and_cloudformation_allow_the_same(tmp_path):
    module = parsed("terraform", paper("aws", "--format", "terraform"), tmp_path)
    use = module["data"]["aws_iam_policy_document"]["use"][0]["statement"]
    template = paper("aws")
    for statement in use:
        assert f"Sid: {statement['sid']}" in template
        for action in statement["actions"]:
            assert action in template


def test_the_link_opens_the_template_with_everything_filled_in():
    link = paper("aws", "--link", "https://example.com/freehold.yaml", "--region", "eu-west-1")
    assert link.startswith("https://eu-west-1.console.aws.amazon.com/cloudformation/home?")
    assert "templateURL=https%3A%2F%2Fexample.com%2Ffreehold.yaml" in link
    assert "param_ExternalId=org-1" in link and "param_KMSCreate=true" in link
    assert provision("aws", "--link", "http://example.com/t").code == USAGE


BREAKS = {  # each permission of the key policy, and what breaks without it
    "kms:Encrypt": "Encrypt with encryption context",
    "kms:Decrypt": "Decrypt with encryption context",
    "kms:DescribeKey": "Describe the key",
}


def test_the_aws_policy_is_the_least_that_works(new_kms, tmp_path):
    kms, iam = new_kms.client("kms"), new_kms.client("iam")
    key = new_kms.new_key()
    iam.create_role(RoleName="freehold",
                    AssumeRolePolicyDocument=paper("aws", "--format", "trust-policy"))
    policy = paper("aws", "--format", "key-policy", "--account", CUSTOMER)
    operator = Volume(new_kms, tmp_path, key, profile="operator")

    def failing(text):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=text)
        report = operator.run("key", "check", key, "--principal", ROLE, "--external-id", "org-1",
                              "--json").json
        return [item["what"] for item in report["items"] if item["outcome"] == "failed"]

    assert failing(policy) == []
    for action, what in BREAKS.items():
        without = json.loads(policy)
        for statement in without["Statement"]:
            if action in statement["Action"]:
                statement["Action"].remove(action)
        assert failing(json.dumps(without)) == [what], action


def test_the_vault_papers_are_the_pages_and_work(tmp_path):
    page = (ROOT / "docs/providers/vault.md").read_text()
    rules = re.findall(r'^path .*$', paper("vault", "--format", "policy", "--key", "orders"), re.M)
    assert [re.sub(r" +", " ", rule) for rule in re.findall(r"^path .*$", page, re.M)] == rules
    kms = VaultKms(tmp_path / "kms")
    try:
        kms.vault.write("sys/policies/acl/freehold",
                        policy=paper("vault", "--format", "policy", "--key", "k"))
        volume = Volume(kms, tmp_path)
        report = volume.run("key", "check", volume.key, "--json").json
        assert report["valid"], report
    finally:
        kms.stop()


@pytest.mark.parametrize("into", ["aws", "gcp"])
def test_keymgmt_is_as_the_requirement_page_has_it(into):
    text = paper("vault", "--format", f"keymgmt-{into}")
    for words in ("vault secrets enable keymgmt", 'type="aes256-gcm96"',
                  'purpose="encrypt,decrypt"', 'protection="hsm"'):
        assert words in text
    # One name for the provider's entry and for where its key goes.
    names = set(re.findall(r"keymgmt/kms/(\w+)", text))
    assert len(names) == 1


@pytest.mark.parametrize("cloud, arguments", [
    ("aws", ["--external-id", 'x"\n  Evil: true']),
    ("aws", ["--operator", "*"]),
    ("aws", ["--role", "a\"b"]),
    ("aws", ["--format", "poem"]),
    ("aws", ["--format", "key-policy", "--account", "12"]),
    ("gcp", ["--project", "a; rm -rf /"]),
    ("gcp", ["--operator", "someone@example.com"]),
    ("azure", ["--tenant", "x"]),
    ("azure", ["--vault", "$(id)"]),
    ("vault", ["--key", "k\" { capabilities"]),
    ("vault", ["--mount", "../sys"]),
])
def test_values_that_would_change_a_papers_meaning_are_refused(cloud, arguments):
    given = [word for word in OPERATOR[cloud]]
    for name in arguments[::2]:
        if name in given:
            at = given.index(name)
            del given[at:at + 2]
    result = Result(subprocess.run([BINARY, "provision", cloud, *given, *arguments],
                                   capture_output=True, text=True, timeout=60, check=False))
    assert result.code == USAGE and result.out == "", result
    assert len(result.err.splitlines()) == 1


def test_shell_commands_are_valid_shell(tmp_path):
    for cloud, format in [("gcp", "commands"), ("azure", "commands"), ("vault", "commands"),
                          ("vault", "keymgmt-aws"), ("vault", "keymgmt-gcp")]:
        file = tmp_path / f"{cloud}.sh"
        file.write_text(paper(cloud, "--format", format))
        subprocess.run(["bash", "-n", file], check=True, timeout=20)
