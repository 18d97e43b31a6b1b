"""`freehold key check` against the embedded KMS: every way in which a customer can say no.

The customer's side is boto3, as a customer's own tools would be; Freehold is the operator, in
another account, and reaches the key through a role with an external id.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/aws_client_test.py
"""

import json
import os
import subprocess

import pytest

from freehold_testing import BINARY, DENIED, OURS, UNREACHABLE, EmbeddedKms
from policy_testing import ROLE, allow, policy, role_policy, role_trust
from preflight_testing import failed_items

EXTERNAL_ID = "org-1"
USE = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:GetKeyRotationStatus"]


@pytest.fixture(scope="module")
def kms(tmp_path_factory):
    server = EmbeddedKms(tmp_path_factory.mktemp("kms"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(server.directory / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(server.directory / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield server
    server.stop()


class Customer:
    """A key and a role, as the customer would set them up."""

    def __init__(self, kms):
        self.server, self.kms, self.iam = kms, kms.client("kms"), kms.client("iam")
        self.iam.create_role(RoleName="freehold", AssumeRolePolicyDocument=role_trust(EXTERNAL_ID))
        self.arn = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.allow(USE)

    def allow(self, actions):
        self.kms.put_key_policy(KeyId=self.arn, PolicyName="default", Policy=role_policy(*actions))

    def check(self, *more, arn=None, external_id=EXTERNAL_ID, url=None):
        environment = dict(os.environ, AWS_PROFILE="operator")
        if url:
            environment["AWS_ENDPOINT_URL"] = url
        result = subprocess.run(
            [BINARY, "key", "check", arn or self.arn, "--principal", ROLE]
            + ["--external-id", external_id, "--json", *more],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        report = json.loads(result.stdout)
        assert report["valid"] == (result.returncode == 0)
        return result.returncode, report

    def failed(self, **options):
        code, report = self.check(**options)
        items = failed_items(report)
        assert items, report
        return code, items[0]


@pytest.fixture
def customer(kms):
    customer = Customer(kms)
    yield customer
    kms.fault("--clear")
    if any(role["RoleName"] == "freehold" for role in customer.iam.list_roles()["Roles"]):
        customer.iam.delete_role(RoleName="freehold")


def test_a_key_that_is_set_up_well_is_valid(customer):
    code, report = customer.check()
    assert code == 0, report
    outcomes = {item["what"]: item["outcome"] for item in report["items"]}
    assert outcomes.pop("Rotation") == "warning"
    assert set(outcomes.values()) == {"ok"}
    assert "assumed-role/freehold" in report["items"][0]["detail"]


def test_a_key_whose_policy_demands_a_context_is_checked_with_that_context(customer):
    demanded = {"StringEquals": {"kms:EncryptionContext:freehold:cluster": "orders"}}
    # Only what has a context can be allowed by one: not DescribeKey.
    customer.kms.put_key_policy(KeyId=customer.arn, PolicyName="default", Policy=policy(
        allow(ROLE, *USE[:2], Condition=demanded), allow(ROLE, *USE[2:])))
    assert customer.check()[0] == DENIED
    assert customer.check("--context", "freehold:cluster=orders")[0] == 0
    assert customer.check("--context", "freehold:cluster=others")[0] == DENIED


def test_rotation_that_is_on_is_no_warning(customer):
    customer.kms.enable_key_rotation(KeyId=customer.arn)
    _, report = customer.check()
    assert {item["outcome"] for item in report["items"]} == {"ok"}


def test_a_disabled_key_is_denied_until_it_is_enabled_again(customer):
    customer.kms.disable_key(KeyId=customer.arn)
    code, item = customer.failed()
    assert (code, item["kms_code"]) == (DENIED, "DisabledException")
    customer.kms.enable_key(KeyId=customer.arn)
    assert customer.check()[0] == 0


def test_a_key_scheduled_for_deletion_is_denied(customer):
    customer.kms.schedule_key_deletion(KeyId=customer.arn, PendingWindowInDays=7)
    code, item = customer.failed()
    assert (code, item["class"]) == (DENIED, "denied")
    assert "PendingDeletion" in item["detail"]


@pytest.mark.parametrize("action", ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"])
def test_a_missing_permission_is_named_with_what_adds_it(customer, action):
    customer.allow([other for other in USE if other != action])
    code, item = customer.failed()
    assert (code, item["kms_code"]) == (DENIED, "AccessDeniedException")
    assert f'"Action":"{action}"' in item["remedy"]
    assert ROLE in item["remedy"]


def test_rotation_status_that_may_not_be_asked_is_a_warning(customer):
    customer.allow(USE[:3])
    code, report = customer.check()
    assert code == 0
    [rotation] = [item for item in report["items"] if item["what"] == "Rotation"]
    assert rotation["outcome"] == "warning" and "kms:GetKeyRotationStatus" in rotation["detail"]


def test_a_wrong_external_id_is_denied(customer):
    code, item = customer.failed(external_id="org-2")
    assert (code, item["kms_code"]) == (DENIED, "AccessDenied")
    assert "sts:ExternalId" in item["remedy"]


def test_trust_that_is_removed_is_denied_at_once(customer):
    assert customer.check()[0] == 0
    customer.iam.update_assume_role_policy(RoleName="freehold", PolicyDocument=role_trust("nobody"))
    assert customer.failed()[0] == DENIED
    customer.iam.delete_role(RoleName="freehold")
    assert customer.failed()[0] == DENIED


def test_a_key_that_does_not_exist_is_denied(customer):
    wrong = customer.arn[:-12] + "000000000000"
    code, item = customer.failed(arn=wrong)
    assert code == DENIED and item["kms_code"] in ("NotFoundException", "AccessDeniedException")


def test_a_kms_that_does_not_listen_is_unreachable(customer):
    assert customer.failed(url="http://127.0.0.1:1")[0] == UNREACHABLE


@pytest.mark.parametrize("fault", ["--throttle", "--fail", "--unreachable"])
def test_an_outage_is_unreachable_and_never_a_denial(customer, fault):
    customer.server.fault("--operation", "Decrypt", fault)
    code, item = customer.failed()
    assert (code, item["class"]) == (UNREACHABLE, "unreachable")
    customer.server.fault("--clear")
    assert customer.check()[0] == 0


def test_a_clock_that_is_off_is_ours(customer):
    customer.server.fault("--clock-skew", "3600")
    assert customer.failed()[0] == OURS
