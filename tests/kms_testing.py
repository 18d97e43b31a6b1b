"""The embedded KMS, asked by AWS's own clients: boto3, botocore's signer and the AWS CLI."""

import configparser
import http.client
import json
import os
import signal
import subprocess

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

from freehold_testing import EmbeddedKms

AWS = os.environ.get("AWS_BIN", "/usr/bin/aws")
ONE_TRY = botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"},
                                 connect_timeout=5, read_timeout=20,
                                 parameter_validation=False)  # the server is to refuse


class Kms(EmbeddedKms):
    """Judged itself: clients try once, send what is wrong too, and show what came back."""

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def secrets(self, profile):
        parser = configparser.ConfigParser()
        parser.read(self.directory / "credentials")
        return parser[profile]["aws_access_key_id"], parser[profile]["aws_secret_access_key"]

    def client(self, service, profile="customer", region="us-east-1", credentials=None):
        key, secret, token = credentials or (*self.secrets(profile), None)
        return boto3.session.Session().client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id=key,
            aws_secret_access_key=secret, aws_session_token=token, config=ONE_TRY)

    def raw(self, operation, body, profile="customer", change=None):
        """A signed request for what an old boto3 has no model of; returns (status, JSON)."""
        key, secret = self.secrets(profile)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = botocore.awsrequest.AWSRequest(
            "POST", self.url + "/", data=data,
            headers={"X-Amz-Target": "TrentService." + operation,
                     "Content-Type": "application/x-amz-json-1.1"})
        credentials = botocore.credentials.Credentials(key, secret)
        botocore.auth.SigV4Auth(credentials, "kms", "us-east-1").add_auth(request)
        if change:
            change(request)
        return self.post(dict(request.headers.items()), request.data)

    def post(self, headers, data, method="POST"):
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        connection.request(method, "/", body=data, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        kind = answer.getheader("x-amzn-errortype")
        connection.close()
        if answer.getheader("content-type") != "application/x-amz-json-1.1":
            return answer.status, text.decode()
        parsed = json.loads(text)
        assert kind == parsed.get("__type")
        return answer.status, parsed

    def events(self):
        """As `kms log` tells them."""
        lines = self.command("log", "--json").out.splitlines()
        return [json.loads(line) for line in lines]

    def aws(self, *words, profile="customer"):
        environment = dict(self.environment(profile), AWS_PAGER="")
        del environment["AWS_REGION"]  # the files say it
        done = subprocess.run([AWS, "--endpoint-url", self.url, "--profile", profile, "--output",
                               "json", *words], capture_output=True, text=True, env=environment,
                              timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def kms(tmp_path):
    server = Kms(tmp_path / "kms")
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


def refused(code):
    return pytest.raises(botocore.exceptions.ClientError, match=rf"\({code}\)")


def new_key(client, **parameters):
    return client.create_key(**parameters)["KeyMetadata"]["Arn"]


def new_role(iam, name, trust_policy):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]


def assume(kms, role, profile="operator", **parameters):
    answer = kms.client("sts", profile).assume_role(
        RoleArn=role, RoleSessionName="agent", **parameters)["Credentials"]
    return answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]


def refusal(call, code):
    """Calls, and wants just this error."""
    with refused(code):
        call()
