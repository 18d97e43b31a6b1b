"""Every kind of KMS with a key, and how to bring each trouble about: the subjects of
kms_conformance_test.py. A trouble that a KMS cannot have stands in `absent`, with the reason.
"""

import dataclasses
import json
import os

from azure_testing import AzureKms, Owner
from azure_testing import uri as azure_uri
from google_testing import FREEHOLD, VIEW, GoogleKms
from kms_helper_testing import UNWRAP, WRAP, Answer, ask, request_frame
from import_testing import import_material
from kmip_testing import KmipKms
from kms_testing import Kms
from pkcs11_testing import Hsm, change_pin
from policy_testing import ROLE, role_policy, role_trust
from vault_testing import VaultKms

KEY = bytes(range(32))
NO_NETWORK = "a token is asked through its module: any such trouble is CKR_DEVICE_ERROR"
CONTEXT = {"freehold:purpose": "kek", "freehold:cluster": "c1"}


@dataclasses.dataclass
class Failure:
    kms_class: str
    meaning: str
    code: str
    message: str
    operation: str
    request_id: str
    remedy: str


def refuses_configuration(volume, bad):
    """`bad`: what is set in the environment, and the exit code and words that say what is wrong."""
    variables, code, words = bad
    volume.extra_environment = variables
    result = volume.volume("create", "--key", volume.key)
    assert result.code == code and words in result.err, result
    assert len(result.err.splitlines()) == 1, result
    assert not volume.keyring.exists()


class Subject:
    """A KMS with a key, and us as its user. `absent`: what troubles it cannot have, and why."""

    absent = {}
    principal = external_id = ""

    def wrap(self, uri=None):
        return self.ask(WRAP, uri=uri, plaintext=KEY)

    def unwrap(self, wrapped, uri=None, context=None):
        blob, version, algorithm = wrapped
        return self.ask(UNWRAP, uri=uri, context=context, ciphertext=blob, key_version=version,
                        algorithm=algorithm)

    def ask(self, operation, uri=None, context=None, **more):
        """A key's 32 bytes, a wrapped key as (blob, version, algorithm), or a Failure."""
        frame = request_frame(operation, uri or self.uri, context or CONTEXT,
                              principal=self.principal, external_id=self.external_id, **more)
        code, wire, _ = ask(self.environment(), frame)
        assert code == 0
        answer = Answer(wire)
        if answer.failed:
            return Failure(*(answer.next().decode() for _ in range(7)))
        if operation == UNWRAP:
            return answer.secret
        return answer.next(), answer.next().decode(), answer.next().decode()

    def served(self, *options):
        self.kms.fault(*options)

    def troubles(self):
        return {
            "throttled": lambda: self.served("--throttle"),
            "failing": lambda: self.served("--fail"),
            "slow": lambda: self.served("--latency", "30000"),
            "connection reset": lambda: self.served("--unreachable"),
        }

    def stop(self):
        self.kms.fault("--clear")
        self.kms.stop()


class AwsSubject(Subject):
    principal, external_id = ROLE, "org-1"
    absent = {
        "recreated under its name": "a key's ARN is never used twice",
        "sealed": "AWS KMS has no such state",
        "version retired": "AWS keeps every version of a key for ever",
        "imported material deleted": "this key's material is AWS's own",
        "firewall": "a VPC endpoint's policy answers like a missing permission",
    }
    use = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
    origin = "AWS_KMS"

    def __init__(self, directory):
        self.kms = Kms(directory)
        self.variables = {}
        self.api = self.kms.client("kms")
        self.iam = self.kms.client("iam")
        self.iam.create_role(RoleName="freehold", AssumeRolePolicyDocument=role_trust("org-1"))
        self.key, self.uri = self.new_key()
        _, self.other_uri = self.new_key()

    def new_key(self):
        made = self.api.create_key(Policy=role_policy(*self.use), Origin=self.origin)
        arn = made["KeyMetadata"]["Arn"]
        if self.origin == "EXTERNAL":
            import_material(self.kms, arn, os.urandom(32))
        return arn, f"aws-kms://{arn}"

    def environment(self):
        return dict(self.kms.environment("operator"), **self.variables)

    def delete(self):
        self.api.schedule_key_deletion(KeyId=self.key, PendingWindowInDays=7)
        self.served("--clock-skew", str(8 * 86400))
        self.unwrap((b"x", "", ""))  # what is due is done at a request
        self.served("--clear")

    def delete_material(self):
        self.api.delete_imported_key_material(KeyId=self.key)

    def remove_permission(self):
        self.api.put_key_policy(KeyId=self.key, PolicyName="default",
                                Policy=role_policy("kms:Encrypt", "kms:DescribeKey"))

    def end_credentials(self):
        self.variables = {"AWS_SESSION_TOKEN": "gone", "AWS_ACCESS_KEY_ID": "ASIAGONE",
                          "AWS_SECRET_ACCESS_KEY": "x"}

    def troubles(self):
        return super().troubles() | {
            "disabled": lambda: self.api.disable_key(KeyId=self.key),
            "enabled again": lambda: self.api.enable_key(KeyId=self.key),
            "scheduled for deletion": lambda: self.api.schedule_key_deletion(
                KeyId=self.key, PendingWindowInDays=7),
            "deleted": self.delete,
            "permission removed": self.remove_permission,
            "trust removed": lambda: self.iam.delete_role(RoleName="freehold"),
            "our credentials ended": self.end_credentials,
            "clock skew": lambda: self.served("--clock-skew", "3600"),
            "certificate not trusted": lambda: self.variables.update(
                AWS_ENDPOINT_URL=self.kms.tls_url),
            "imported material deleted": self.delete_material,
            "name not resolved": lambda: self.variables.update(
                AWS_ENDPOINT_URL="https://kms.invalid"),
            "new version": lambda: self.kms.raw("RotateKeyOnDemand", {"KeyId": self.key}),
        }


class AwsImportedSubject(AwsSubject):
    """The same, with key material that the customer brought."""

    origin = "EXTERNAL"
    absent = AwsSubject.absent | {"new version": "imported material is not rotated"}
    del absent["imported material deleted"]


class VaultSubject(Subject):
    absent = {
        "disabled": "transit keys cannot be disabled: policy, soft-delete or versions say no",
        "enabled again": "transit keys cannot be disabled",
        "clock skew": "nothing in a request to Vault depends on our clock",
        "imported material deleted": "the same as a deleted key",
        "firewall": "a refusal by address looks like a missing permission",
    }

    def __init__(self, directory):
        self.kms = VaultKms(directory)
        self.api = self.kms.vault
        self.uri = self.kms.new_key()
        self.api.write("transit/keys/k2", type="aes256-gcm96")
        self.other_uri = self.uri.replace("keys/k", "keys/k2")
        self.kms.vault.write("sys/policies/acl/freehold",
                             policy='path "transit/*" { capabilities = ["update", "read"] }')

    def environment(self):
        return self.kms.environment()

    def delete(self):
        self.api.write("transit/keys/k/config", deletion_allowed=True)
        self.api.delete("transit/keys/k")

    def recreate(self):
        self.delete()
        self.api.write("transit/keys/k", type="aes256-gcm96")

    def end_token(self):
        token = self.api.write("auth/token/create", policies=["freehold"])["auth"]["client_token"]
        self.kms.variables = {"VAULT_TOKEN": token}
        self.api.write("auth/token/revoke", token=token)

    def rename(self):
        self.kms.variables["VAULT_ADDR"] = "https://vault.invalid:8200"
        self.uri = "hcvault://vault.invalid:8200/transit/keys/k"

    def retire(self):
        self.api.write("transit/keys/k/rotate")
        self.api.write("transit/keys/k/config", min_decryption_version=2)

    def troubles(self):
        return super().troubles() | {
            "scheduled for deletion": lambda: self.api.delete("transit/keys/k/soft-delete"),
            "deleted": self.delete,
            "recreated under its name": self.recreate,
            "permission removed": lambda: self.kms.set_policy("encrypt", "keys"),
            "trust removed": lambda: self.api.delete("auth/approle/role/freehold"),
            "our credentials ended": self.end_token,
            "certificate not trusted": lambda: self.kms.variables.update(VAULT_CACERT=""),
            "sealed": lambda: self.api.write("sys/seal"),
            "version retired": self.retire,
            "name not resolved": self.rename,
            "new version": lambda: self.api.write("transit/keys/k/rotate"),
        }


class GoogleSubject(Subject):
    principal = FREEHOLD
    absent = {
        "deleted": "keys of Cloud KMS stay for ever: their versions are destroyed",
        "recreated under its name": "the name of a key is never free again",
        "imported material deleted": "imported versions are destroyed like any other",
        "sealed": "Cloud KMS has no such state",
        "firewall": "VPC Service Controls answer like a missing permission",
    }

    def __init__(self, directory):
        self.kms = GoogleKms(directory).set_up()
        self.variables = {}
        self.key = self.kms.new_key()
        self.uri = f"gcp-kms://{self.key}"
        self.other_uri = f"gcp-kms://{self.kms.new_key('other')}"

    def environment(self):
        return self.kms.environment("operator") | self.variables

    def version(self, number=1):
        return f"{self.key}/cryptoKeyVersions/{number}"

    def rotate(self):
        made = self.kms.ask("POST", f"{self.key}/cryptoKeyVersions", {})["name"]
        self.kms.ask("POST", f"{self.key}:updatePrimaryVersion",
                     {"cryptoKeyVersionId": made.rsplit("/", 1)[1]})

    def retire(self):
        self.rotate()
        self.kms.ask("POST", f"{self.version()}:destroy", {})
        self.served("--clock-skew", str(40 * 86400))
        self.unwrap((b"x", "", ""))  # what is due is done at a request
        self.served("--clear")

    def replace_credentials(self):
        """With a key that Google does not know for this account."""
        credentials = self.kms.credentials("operator")
        credentials["private_key"] = self.kms.credentials("customer")["private_key"]
        file = self.kms.directory / "forged.json"
        file.write_text(json.dumps(credentials))
        self.variables["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)

    def troubles(self):
        return super().troubles() | {
            "disabled": lambda: self.kms.set_state(self.version(), "DISABLED"),
            "enabled again": lambda: self.kms.set_state(self.version(), "ENABLED"),
            "scheduled for deletion": lambda: self.kms.ask(
                "POST", f"{self.version()}:destroy", {}),
            "permission removed": lambda: self.kms.bind(self.key, {VIEW: [FREEHOLD]}),
            "trust removed": lambda: self.kms.trust_operator(False),
            "our credentials ended": self.replace_credentials,
            "clock skew": lambda: self.served("--clock-skew", "7200"),
            "certificate not trusted": lambda: self.variables.update(
                CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=""),
            "name not resolved": lambda: self.variables.update(
                CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS="https://kms.invalid/"),
            "version retired": self.retire,
            "new version": self.rotate,
        }


class AzureSubject(Subject):
    absent = {
        "scheduled for deletion": "a soft-deleted key answers like one that is missing",
        "recreated under its name": "a wrapped key names its version, which stays deleted",
        "wrong key": "a wrapped key names its version, which no other key has",
        "clock skew": "what we send with a client's secret holds no time",
        "imported material deleted": "imported keys are deleted like any other",
        "sealed": "Key Vault has no such state",
    }

    def __init__(self, directory):
        self.kms = AzureKms(directory)
        self.variables = {}
        self.owner = Owner(self.kms)
        self.owner.new_key()
        self.owner.new_key("other")
        self.kms.allow()
        self.principal = self.kms.tenant
        self.uri, self.other_uri = azure_uri("orders"), azure_uri("other")

    def environment(self):
        return self.kms.environment() | self.variables

    def retire(self):
        version = self.owner.do("GET", "/keys/orders")["key"]["kid"].rsplit("/", 1)[1]
        self.owner.do("POST", "/keys/orders/rotate")
        self.owner.do("PATCH", f"/keys/orders/{version}", {"attributes": {"enabled": False}})

    def troubles(self):
        return super().troubles() | {
            "disabled": lambda: self.owner.change(enabled=False),
            "enabled again": lambda: self.owner.change(enabled=True),
            "deleted": lambda: self.owner.do("DELETE", "/keys/orders"),
            "permission removed": self.kms.forbid,
            "trust removed": lambda: self.kms.azure("remove-consent", "operator", "customer"),
            "our credentials ended": lambda: self.variables.update(AZURE_CLIENT_SECRET="gone"),
            "certificate not trusted": lambda: self.variables.update(FREEHOLD_AZURE_CA_FILE=""),
            "name not resolved": lambda: self.variables.update(
                AZURE_AUTHORITY_HOST="https://login.invalid", FREEHOLD_AZURE_VAULT_ENDPOINT=""),
            "version retired": self.retire,
            "firewall": lambda: self.kms.azure("vault-firewall", "embedded", "--firewall", "deny"),
            "new version": lambda: self.owner.do("POST", "/keys/orders/rotate"),
        }


class Pkcs11Subject(Subject):
    absent = {
        "scheduled for deletion": "tokens delete at once",
        "imported material deleted": "the same as a deleted key",
        "permission removed": "a token knows one user, who may use every key",
        "our credentials ended": "a PIN does not end",
        "clock skew": "nothing that a token is asked depends on our clock",
        "throttled": NO_NETWORK,
        "failing": NO_NETWORK,
        "slow": NO_NETWORK,
        "connection reset": NO_NETWORK,
        "certificate not trusted": NO_NETWORK,
        "sealed": NO_NETWORK,
        "version retired": "keys of a token have no versions",
        "firewall": NO_NETWORK,
        "name not resolved": NO_NETWORK,
        "new version": "keys of a token have no versions",
    }

    def __init__(self, directory):
        self.hsm = Hsm(directory)
        self.uri = self.hsm.new_key()
        self.hsm.make_key("other")
        self.other_uri = self.uri.replace("object=k", "object=other")
        self.variables = {}

    def environment(self):
        return dict(self.hsm.environment(), **self.variables)

    def stop(self):
        pass

    def recreate(self):
        self.hsm.delete_key()
        self.hsm.make_key()

    def troubles(self):
        return {
            "disabled": lambda: self.hsm.set("CKA_DECRYPT", False),
            "enabled again": lambda: self.hsm.set("CKA_DECRYPT", True),
            "deleted": self.hsm.delete_key,
            "recreated under its name": self.recreate,
            "trust removed": lambda: change_pin(self.hsm),
        }


class KmipSubject(Subject):
    absent = {
        "enabled again": "a key that was deactivated never becomes active again",
        "scheduled for deletion": "a KMIP server destroys at once",
        "recreated under its name": "a URI has the unique identifier, which no other key ever gets",
        "clock skew": "nothing in a request depends on our clock",
        "throttled": "KMIP 1.x has no such answer",
        "imported material deleted": "the same as a destroyed key",
        "sealed": "KMIP has no such state",
        "version retired": "keys of KMIP have no versions",
        "firewall": "a refusal by address is one of a connection",
        "new version": "keys of KMIP have no versions: a new one has another identifier",
    }
    newest = "1.4"

    def __init__(self, directory):
        self.kms = KmipKms(directory, self.newest)
        self.uri = self.kms.uri()
        self.other_uri = self.kms.uri(self.kms.make_key("other"))

    def environment(self):
        return self.kms.environment()

    def stop(self):
        self.kms.stop()

    def rename(self):
        self.kms.variables["FREEHOLD_KMIP_SERVERS"] = "kmip.invalid"
        self.uri = f"kmip://kmip.invalid/{self.kms.key}"

    def troubles(self):
        has = super().troubles()
        del has["throttled"]
        return has | {
            "disabled": self.kms.revoke,
            "deleted": self.kms.destroy,
            "permission removed": lambda: self.kms.allow("GET_ATTRIBUTES"),
            "trust removed": self.kms.withdraw,
            "our credentials ended": self.kms.expire,
            "certificate not trusted": self.kms.distrust,
            "name not resolved": self.rename,
        }


class KmipCtrSubject(KmipSubject):
    """The same, of a server that knows no associated data."""

    newest = "1.2"


SUBJECTS = {"AWS": AwsSubject, "AWS imported": AwsImportedSubject, "Google": GoogleSubject,
            "Azure": AzureSubject, "Vault": VaultSubject, "PKCS#11": Pkcs11Subject,
            "KMIP": KmipSubject, "KMIP 1.2": KmipCtrSubject}
