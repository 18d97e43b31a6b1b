"""The policies of AWS that the tests write: who may use a key, and who may take on a role."""

import json

CUSTOMER, OPERATOR = "111122223333", "444455556666"
CUSTOMER_ROOT, OPERATOR_ROOT = (f"arn:aws:iam::{each}:root" for each in (CUSTOMER, OPERATOR))
ROLE = f"arn:aws:iam::{CUSTOMER}:role/freehold"  # the customer's, for the operator


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal, *actions, **more):
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions),
            "Resource": "*", **more}


def policy(*statements):
    """A key's policy: all for the customer, and these."""
    return document(allow(CUSTOMER_ROOT, Action="kms:*"), *statements)


def trust(principal, external_id=None):
    """A role's policy: who may take it on."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return document(statement)


def role_trust(external_id):
    """That of ROLE."""
    return trust(OPERATOR_ROOT, external_id)


def role_policy(*actions):
    """A key's policy: all for the customer, and these for ROLE."""
    return policy(allow(ROLE, *actions))


def take_all_permissions(kms, key):
    """Leaves the customer no more than what gives them back."""
    kms.client("kms").put_key_policy(
        KeyId=key, PolicyName="default", BypassPolicyLockoutSafetyCheck=True,
        Policy=document(allow(CUSTOMER_ROOT, "kms:PutKeyPolicy", "kms:EnableKey")))
