"""The embedded KMS as a Vault: its API asked plainly, a transit key, and roles that log in."""

import json
import ssl
import urllib.error
import urllib.request

from freehold_testing import EmbeddedKms

CONTEXT_POLICY = 'path "transit/%s/%s" { capabilities = ["%s"] }\n'


class Vault:
    """A client of the API with a token, the root's at first."""

    def __init__(self, kms):
        self.kms = kms
        self.token = (kms.directory / "vault/root-token").read_text()

    @property
    def address(self):
        return self.kms.tls_url

    def ask(self, method, path, body=None, token=None, name_space=""):
        """(status, JSON); an error is an answer too."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/v1/{path}", data, method=method)
        request.add_header("X-Vault-Token", self.token if token is None else token)
        if name_space:
            request.add_header("X-Vault-Namespace", name_space)
        context = ssl.create_default_context(cafile=self.kms.ca)
        try:
            with urllib.request.urlopen(request, context=context, timeout=20) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as failure:
            return failure.code, json.loads(failure.read())

    def write(self, path, **body):
        status, answer = self.ask("POST", path, body)
        assert status in (200, 204), (path, status, answer)
        return answer

    def read(self, path):
        status, answer = self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer["data"]

    def delete(self, path):
        status, answer = self.ask("DELETE", path)
        assert status in (200, 204), (path, status, answer)


class VaultKms(EmbeddedKms):
    """A transit key "k" and an AppRole "freehold" that may do just what a volume needs."""

    def __init__(self, directory, *options):
        super().__init__(directory, *options)
        self.vault = Vault(self)
        self.vault.write("sys/mounts/transit", type="transit")
        self.vault.write("transit/keys/k", type="aes256-gcm96")
        self.vault.write("sys/auth/approle", type="approle")
        self.set_policy("encrypt", "decrypt", "keys")
        self.vault.write("auth/approle/role/freehold", token_policies=["freehold"],
                         token_type="batch", token_ttl="5m")
        self.role_id = self.vault.read("auth/approle/role/freehold/role-id")["role_id"]
        self.secret_id = self.new_secret_id()
        self.variables = {"VAULT_ROLE_ID": self.role_id, "VAULT_SECRET_ID": self.secret_id}

    def set_policy(self, *operations):
        rules = "".join(CONTEXT_POLICY % (name, "k", "read" if name == "keys" else "update")
                        for name in operations)
        self.vault.write("sys/policies/acl/freehold", policy=rules)

    def new_secret_id(self):
        answer = self.vault.write("auth/approle/role/freehold/secret-id")
        return answer["data"]["secret_id"]

    def new_key(self):
        return f"hcvault://{self.tls_url.removeprefix('https://')}/transit/keys/k"

    def environment(self, profile="customer"):
        reached = {"VAULT_ADDR": self.tls_url, "VAULT_CACERT": str(self.ca)}
        return super().environment(profile) | reached | self.variables
