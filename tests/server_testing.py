"""`freehold server` on a free port of loopback, and callers of its API."""

import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.error
import urllib.request

from freehold_testing import BINARY, EmbeddedKms

ROLES = ("ORG_ADMIN", "CLUSTER_ADMIN", "CLUSTER_OPERATOR_WRITER", "KEY_CUSTODIAN", "READ_ONLY")


class Answer:
    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"HTTP {self.status}\n{self.text}"


class Server:
    def __init__(self, directory, *options, operator_key=None):
        """With the operator's key where another server over the same store has printed it."""
        self.directory = pathlib.Path(directory)
        self.crash_file = self.directory / "crash"  # the step to die at, base/crash_point.h
        self.options = options
        self.operator_key = operator_key
        self.requests_per_second = 1000
        self.start()

    def start(self):
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", BINARY, "server", "--data", self.directory, "--listen", "127.0.0.1:0", "--insecure",
             "--account-id", "999988887777", "--requests-per-second",
             str(self.requests_per_second), "--ready-fd", str(theirs), *self.options],
            pass_fds=[theirs], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, FREEHOLD_CRASH_FILE=str(self.crash_file)))
        EmbeddedKms.started.append(self.process)
        os.close(theirs)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.readline() == b"READY\n"
        line = self.process.stdout.readline()
        self.durability = None
        if line.startswith("the store is at "):
            self.durability = line.split("; durability ")[1].split(":")[0]
            line = self.process.stdout.readline()
        self.url = re.fullmatch(r"listening on (\S+)\n", line).group(1)
        if "--agents-listen" in self.options:
            assert self.process.stdout.readline().startswith("listening for agents on https://")
        if "--metrics-listen" in self.options:
            line = self.process.stdout.readline()
            self.metrics_url = re.fullmatch(r"metrics are at (\S+)/metrics\n", line).group(1)
        if self.operator_key is None:
            line = self.process.stdout.readline()
            self.operator_key = re.fullmatch(r".*shown this once: (fhk_\S+)\n", line).group(1)

    def stop(self, how=signal.SIGTERM):
        """What it printed since its start."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        self.code = self.process.returncode
        return out + err

    def restart(self, how=signal.SIGTERM):
        printed = self.stop(how)
        self.start()
        return printed

    def ask(self, method, path, key, body=None, headers=()):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if key:
            request.add_header("authorization", f"Bearer {key}")
        if data is not None:
            request.add_header("content-type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as failure:
            return Answer(failure.code, failure.headers, failure.read().decode())

    def made(self, path, key, body):
        answer = self.ask("POST", path, key, body)
        assert answer.status == 200, answer
        return answer.json

    # ---- whole customers ----

    def new_organization(self, name, **bounds):
        """Its id and the API key of its first administrator."""
        organization = self.made("/api/v1/organizations", self.operator_key,
                                 {"name": name, "cmek_granted": True, **bounds})["id"]
        return organization, self.new_key(self.operator_key, "ORG_ADMIN", organization=organization)

    def new_key(self, by, *roles, organization=None, **where):
        body = {"name": f"{roles[0]}-{os.urandom(4).hex()}",
                "roles": [{"role": role, **where} for role in roles]}
        if organization:
            body["organization_id"] = organization
        account = self.made("/api/v1/service-accounts", by, body)["id"]
        return self.made(f"/api/v1/service-accounts/{account}/api-keys", by,
                         {"name": "key"})["secret"]

    def new_cluster(self, key, name="orders", regions=("us-east-1",), specs=None, **more):
        dedicated = {"region_nodes": {region: 1 for region in regions}}
        if specs:
            dedicated["cmek_region_specs"] = specs
        return self.made("/api/v1/clusters", key,
                         {"name": name, "provider": "AWS", "spec": {"dedicated": dedicated}, **more})

    def new_project(self, key, *keys):
        """With customer-managed keys: these."""
        project = self.made("/api/v1/projects", key, {"name": "shop", "cmek_enabled": True})["id"]
        put = self.ask("PUT", f"/api/v1/projects/{project}/cmek", key, {"region_specs": list(keys)})
        assert put.status == 200, put
        return project


def arn(name="k1"):
    return f"arn:aws:kms:us-east-1:111122223333:key/{name}"


def spec(region="us-east-1", key="k1"):
    return {"region": region,
            "key_spec": {"type": "AWS_KMS", "uri": arn(key),
                         "auth_principal": "arn:aws:iam::111122223333:role/freehold"}}


def specs(*regions, key="k1"):
    return {"region_specs": [spec(region, key) for region in regions or ("us-east-1",)]}
