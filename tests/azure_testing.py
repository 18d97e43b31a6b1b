"""What the tests of Azure's dialect share: the owner of a vault, and volumes under a key of hers."""

import base64
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from freehold_testing import BINARY, OK, ROOT, EmbeddedKms, Result, Volume

ROLE = "Key Vault Crypto Service Encryption User"
VAULT = "embedded.vault.azure.net"


class AzureKms(EmbeddedKms):
    """The embedded KMS with its Azure side: clients' settings, and administrators' commands."""

    def settings(self, name):
        lines = (self.directory / f"azure/{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def environment(self, profile="operator"):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "IDENTITY_"))}
        return dict(clean, **self.settings(profile))

    @property
    def tenant(self):
        return self.settings("customer")["AZURE_TENANT_ID"]

    def azure(self, *words):
        result = self.command("azure", *words)
        assert result.code == OK, result
        return dict(line.split(" ", 1) for line in result.out.splitlines())

    def allow(self, scope="embedded", role=ROLE, app="operator"):
        self.azure("assign", role, app, scope)

    def forbid(self, scope="embedded", role=ROLE, app="operator"):
        self.azure("unassign", role, app, scope)

    def check(self, key, *more, changes=None, tenant=None, vault="embedded.vault.azure.net"):
        """`freehold key check` as the operator; (exit code, report)."""
        done = subprocess.run(
            [BINARY, "key", "check", uri(key, vault), "--principal", tenant or self.tenant]
            + ["--json", *more],
            env=dict(self.environment(), **(changes or {})), capture_output=True, text=True,
            timeout=60)
        assert done.stdout, done.stderr
        report = json.loads(done.stdout)
        assert report["valid"] == (done.returncode == 0)
        return done.returncode, report


def uri(key, vault=VAULT):
    return f"azure-kv://{vault}/keys/{key}"


class Owner:
    """The customer's administrator, by plain HTTPS; `host` is the vault she means."""

    def __init__(self, kms, host=VAULT, profile="customer"):
        self.kms, self.host, self.profile = kms, host, profile
        self.context = ssl.create_default_context(cafile=str(kms.directory / "ca.pem"))

    def send(self, method, path, body=None, headers=None):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(self.kms.tls_url + path, data=data, method=method,
                                         headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None, answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers

    def token_answer(self, **changes):
        settings = self.kms.settings(self.profile)
        audience = self.host.split(".", 1)[1]
        form = {"grant_type": "client_credentials", "client_id": settings["AZURE_CLIENT_ID"],
                "client_secret": settings["AZURE_CLIENT_SECRET"],
                "scope": f"https://{audience}/.default"}
        tenant = changes.pop("tenant", self.kms.tenant)
        form.update(changes)
        return self.send("POST", f"/{tenant}/oauth2/v2.0/token",
                         urllib.parse.urlencode(form).encode())

    def token(self, **changes):
        status, answer, _ = self.token_answer(**changes)
        assert status == 200, answer
        return answer["access_token"]

    def ask(self, method, path, body=None, token=None):
        """(status, JSON)"""
        headers = {"Authorization": "Bearer " + (token or self.token()), "Host": self.host,
                   "Content-Type": "application/json"}
        separator = "&" if "?" in path else "?"
        return self.send(method, f"{path}{separator}api-version=7.4", body, headers)[:2]

    def do(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        assert status in (200, 204), answer
        return answer

    def new_key(self, name="orders", **more):
        return self.do("POST", f"/keys/{name}/create", {"kty": "RSA", "key_size": 2048, **more})

    def change(self, name="orders", **attributes):
        return self.do("PATCH", f"/keys/{name}/", {"attributes": attributes})

    def unwrap(self, wrapped):
        """A KEK, as the customer gets it from what a keyring says, without Freehold."""
        answer = self.do("POST", f"/keys/orders/{wrapped['key_version']}/unwrapkey",
                         {"alg": "RSA-OAEP-256", "value": to_url(base64.b64decode(wrapped["wrapped_kek"]))})
        return from_url(answer["value"])


def to_url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class AzureVolume(Volume):
    """A volume of the operator's under the customer's key `name`."""

    def __init__(self, kms, directory, name="orders"):
        super().__init__(kms, directory, key=name, profile="operator")

    def create(self, *arguments):
        result = self.try_create(*arguments)
        assert result.code == OK, result
        return self

    def try_create(self, *arguments):
        return self.volume("create", "--key", uri(self.key), "--principal", self.kms.tenant,
                           *arguments)


def node(kms, calls, profile="customer", vault=None, credential="secret", changes=None):
    """The outcomes of calls of Microsoft's own client."""
    done = subprocess.run(
        ["node", str(ROOT / "tests/azure_client.js")],
        input=json.dumps({"vault": vault, "credential": credential, "calls": calls}),
        env=dict(kms.environment(profile), NODE_PATH=str(ROOT / "build/npm/node_modules"),
                 NODE_EXTRA_CA_CERTS=str(kms.directory / "ca.pem"), **(changes or {})),
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def good(outcomes):
    for each in outcomes:
        assert "value" in each, each
    return [each["value"] for each in outcomes]


def certificate(directory):
    directory.mkdir(exist_ok=True)
    key, cert, both = (directory / name for name in ("key.pem", "cert.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=freehold", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    return both
