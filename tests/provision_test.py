"""`freehold provision`: the papers are valid to their own tools, agree with the pages, are the least
that works, and take no value that would change their meaning."""

import json
import os
import re
import subprocess

import pytest

from freehold_testing import BINARY, OK, ROOT, USAGE, Result, Volume
from kmip_testing import KmipKms
from policy_testing import CUSTOMER, OPERATOR_ROOT, ROLE
from vault_testing import VaultKms

OPERATOR = {
    "aws": ["--operator", OPERATOR_ROOT, "--external-id", "org-1"],
    "gcp": ["--operator", "op@operator-project.iam.gserviceaccount.com", "--project", "acme-prod"],
    "azure": ["--operator", "0" * 8 + "-1111-2222-3333-" + "4" * 12,
              "--tenant", "5" * 8 + "-6666-7777-8888-" + "9" * 12, "--vault", "acme"],
    "vault": [],
    "kmip": [],
}


def provision(cloud, *arguments, given=None):
    operator = OPERATOR[cloud] if given is None else given
    return Result(subprocess.run([BINARY, "provision", cloud, *operator, *arguments],
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


@pytest.mark.parametrize("partition, console", [
    ("aws-cn", "cn-north-1.console.amazonaws.cn"),
    ("aws-us-gov", "us-gov-west-1.console.amazonaws-us-gov.com"),
])
def test_an_operator_of_another_partition_gets_papers_of_that_one(partition, console):
    operator = ["--operator", f"arn:{partition}:iam::111122223333:root", "--external-id", "org-1"]

    def made(*arguments):
        result = provision("aws", *arguments, given=operator)
        assert result.code == OK, result
        assert "arn:aws:" not in result.out
        return result.out

    made(), made("--format", "terraform"), made("--format", "trust-policy")
    policy = json.loads(made("--format", "key-policy", "--account", CUSTOMER))
    for statement in policy["Statement"]:
        assert statement["Principal"]["AWS"].startswith(f"arn:{partition}:iam::{CUSTOMER}:")
    made("--key", f"arn:{partition}:kms:r:111122223333:key/k")
    assert f"//{console}/" in made("--link", "https://example.com/t")
    foreign = provision("aws", "--key", "arn:aws:kms:r:111122223333:key/k", given=operator)
    assert foreign.code == USAGE and partition in foreign.err


def test_a_value_that_looks_like_a_placeholder_stays_what_it_is():
    given = ["--operator", OPERATOR_ROOT, "--external-id", "@ROLE@"]
    policy = provision("aws", "--format", "trust-policy", given=given)
    condition = json.loads(policy.out)["Statement"][0]["Condition"]
    assert condition == {"StringEquals": {"sts:ExternalId": "@ROLE@"}}


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


def test_the_kmip_papers_make_a_key_and_a_certificate_that_are_enough(tmp_path):
    kms = KmipKms(tmp_path / "kms")
    desk = tmp_path / "desk"
    desk.mkdir()
    try:
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=the-operator", "-keyout", desk / "ours.key",
                        "-out", desk / "freehold.csr"], check=True, capture_output=True, timeout=60)
        kms.authority.hand_over(desk / "ca.pem", desk / "ca.key")
        (desk / "freehold.sh").write_text(paper("kmip", "--key", "orders", "--policy", "acme"))
        done = subprocess.run(["sh", "freehold.sh"], cwd=desk, capture_output=True, text=True, timeout=60,
                              check=False, env=dict(os.environ, HOME=str(kms.client_home(desk))))
        assert done.returncode == 0, done.stderr
        key = re.search(r"unique identifier: (\S+)", done.stdout)[1]
        kms.variables = {"FREEHOLD_KMIP_CERT_FILE": str(desk / "freehold.pem"),
                         "FREEHOLD_KMIP_KEY_FILE": str(desk / "ours.key")}
        volume = Volume(kms, tmp_path, key=kms.uri(key))
        report = volume.run("key", "check", volume.key, "--json").json
        assert report["valid"] and "the-operator at PyKMIP" in json.dumps(report), report
    finally:
        kms.stop()


def test_azures_commands_are_those_of_the_page():
    page = (ROOT / "docs/providers/azure.md").read_text()
    identities = dict(zip(OPERATOR["azure"][::2], OPERATOR["azure"][1::2]))
    page = page.replace("APP_ID", identities["--operator"])
    steps = re.findall(r"^## [14]\. .*?^```\n(.*?)^```$", page, re.M | re.S)
    assert len(steps) == 2

    def commands(text):
        lines = text.replace("\\\n", " ").splitlines()
        return [" ".join(line.split()) for line in lines if line and not line.startswith("#")]

    printed = commands(paper("azure", "--resource-group", "orders", "--key", "orders"))
    assert printed[:2] == ["set -eu", f"az ad sp create --id {identities['--operator']}"]
    assert printed[2:] == commands("".join(steps))


def test_who_makes_a_vault_of_azure_gets_the_role_to_make_keys_before_making_one(tmp_path):
    text = paper("azure")
    assert text.index('"Key Vault Crypto Officer"') < text.index("az keyvault key create")
    module = parsed("terraform", paper("azure", "--format", "terraform"), tmp_path)
    role = module["resource"]["azurerm_role_assignment"]["administer"][0]
    assert role["role_definition_name"] == "Key Vault Crypto Officer"
    assert "azurerm_client_config" in role["principal_id"]
    depends = module["resource"]["azurerm_key_vault_key"]["freehold"][0]["depends_on"]
    assert "azurerm_role_assignment.administer" in depends[0]


def test_a_secret_id_of_vaults_does_not_end_by_itself():
    page = (ROOT / "docs/providers/vault.md").read_text()
    for text in (page, paper("vault")):
        command = re.search(r"vault write auth/approle/role/freehold .*\\\n.*", text).group(0)
        assert "secret_id_ttl=0 secret_id_num_uses=0" in command


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
    ("aws", ["--operator", "arn:awsome:iam::111122223333:root"]),
    ("aws", ["--role", "a\"b"]),
    ("aws", ["--key", "arn:aws:kms:eu-west-1:111122223333:alias/orders"]),
    ("aws", ["--key", "arn:aws:iam:eu-west-1:111122223333:key/orders"]),
    ("aws", ["--format", "poem"]),
    ("aws", ["--format", "key-policy", "--account", "12"]),
    ("gcp", ["--project", "a; rm -rf /"]),
    ("gcp", ["--operator", "someone@example.com"]),
    ("azure", ["--tenant", "x"]),
    ("azure", ["--vault", "$(id)"]),
    ("vault", ["--key", "k\" { capabilities"]),
    ("vault", ["--mount", "../sys"]),
    ("vault", ["--mount", "sys"]),
    ("vault", ["--mount", "a//b"]),
    ("vault", ["--key", ".."]),
    ("vault", ["--role", "root"]),
    ("vault", ["--role", "Root"]),
    ("vault", ["--role", "default"]),
    ("vault", ["--role", "-x"]),
    ("kmip", ["--key", 'k", evil="']),
    ("kmip", ["--policy", "a\nSCRIPT"]),
    ("kmip", ["--format", "terraform"]),
])
def test_values_that_would_change_a_papers_meaning_are_refused(cloud, arguments):
    given = [word for word in OPERATOR[cloud]]
    for name in arguments[::2]:
        if name in given:
            at = given.index(name)
            del given[at:at + 2]
    result = provision(cloud, *arguments, given=given)
    assert result.code == USAGE and result.out == "", result
    assert len(result.err.splitlines()) == 1


def test_shell_commands_are_valid_shell(tmp_path):
    for cloud, format in [("gcp", "commands"), ("azure", "commands"), ("vault", "commands"),
                          ("kmip", "commands"), ("vault", "keymgmt-aws"), ("vault", "keymgmt-gcp")]:
        file = tmp_path / f"{cloud}.sh"
        file.write_text(paper(cloud, "--format", format))
        assert re.search(r"\A(#.*\n)+set -eu\n", file.read_text()), cloud
        subprocess.run(["bash", "-n", file], check=True, timeout=20)
