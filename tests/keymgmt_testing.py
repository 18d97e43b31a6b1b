"""Vault's key management engine for the tests: `vault` command lines, run by node-vault."""

import json
import os
import shlex
import subprocess

from freehold_testing import ROOT, EmbeddedKms
from google_testing import GoogleKms
from vault_testing import Vault


def body_of(words):
    """As Vault's command line has it: name=value, and a list of a name that comes again."""
    body = {}
    for word in words:
        name, value = word.split("=", 1)
        if name in body:
            body[name] = body[name] if isinstance(body[name], list) else [body[name]]
            body[name].append(value)
        else:
            body[name] = value
    return body


def commands_in(text):
    """What a page's or a paper's `vault` lines ask for."""
    commands = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "||" in words:  # what is not mounted yet
            words = words[words.index("||") + 1:]
        if words[:3] == ["vault", "secrets", "enable"]:
            commands.append(["enable", words[3], {}])
        elif words[:1] == ["vault"]:
            commands.append([words[1], words[2], body_of(words[3:])])
    return commands


class KeymgmtKms(GoogleKms):
    """The embedded KMS with the dialects of AWS, Google and Vault, and a ring "global/ring"."""

    def __init__(self, directory, name_space=""):
        super().__init__(directory)
        self.vault = Vault(self)
        self.name_space = name_space
        self.project = "projects/customer-project/locations/global"
        self.ring = f"{self.project}/keyRings/ring"
        self.ask("POST", f"{self.project}/keyRings?keyRingId=ring", {})

    def environment(self, profile="customer"):
        return EmbeddedKms.environment(self, profile) | super().environment(profile)

    def run_all(self, commands, token=None):
        """Every command's answer, or its {"status", "errors"}."""
        environment = dict(os.environ, VAULT_ADDR=self.vault.address,
                           VAULT_TOKEN=token or self.vault.token,
                           VAULT_NAMESPACE=self.name_space, NODE_EXTRA_CA_CERTS=str(self.ca),
                           NODE_PATH=str(ROOT / "build/npm/node_modules"))
        done = subprocess.run(["node", ROOT / "tests/keymgmt_client.js"], env=environment,
                              input=json.dumps(commands), capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, verb, path, **body):
        """One command that works."""
        result, = self.run_all([[verb, path, body]])
        assert "status" not in result, result
        return result["answer"]

    def refusal(self, verb, path, token=None, **body):
        """The status and the sentence of one that does not."""
        result, = self.run_all([[verb, path, body]], token)
        assert "status" in result, result
        return result["status"], " ".join(result["errors"])

    def aws_secrets(self):
        """The customer's access key and its secret."""
        lines = (self.directory / "credentials").read_text().split("[customer]")[1].splitlines()
        return [line.split("=", 1)[1].strip() for line in lines[1:3]]
