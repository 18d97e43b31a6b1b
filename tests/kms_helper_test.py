"""Drives `freehold internal kms-helper` and `freehold key check` against a small AWS lookalike.

The signatures are made a second time by botocore, so that no mistake can agree with itself.

FREEHOLD_BIN=build/test/freehold /usr/bin/python3 -m pytest tests/kms_helper_test.py
"""

import base64
import http.server
import json
import subprocess
import threading

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from freehold_testing import BINARY

import kms_helper_testing
from kms_helper_testing import DESCRIBE, IDENTIFY, UNWRAP, WRAP, Answer

ARN = "arn:aws:kms:eu-west-1:111122223333:key/k1"
SECRET = "secret/of+the=test"
KEY = bytes(range(32))


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers.get("x-amz-target", "sts.GetCallerIdentity").split(".")[1]
        self.server.seen.append((operation, dict(self.headers.items()), body))
        status, answer = self.server.answer(operation, body)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def enveloped(body):
    """A KMS whose ciphertext is its request's context and plaintext, in the clear."""
    request = json.loads(body)
    return json.dumps([request.get("EncryptionContext"), request["Plaintext"]]).encode()


def lookalike(operation, body):
    if operation == "GetCallerIdentity":
        return 200, (
            b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/u</Arn>"
            b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    if operation == "DescribeKey":
        answer = {"KeyMetadata": {"Arn": ARN, "KeyState": "Enabled", "CurrentKeyMaterialId": "m1"}}
    elif operation == "GetKeyRotationStatus":
        answer = {"KeyRotationEnabled": True}
    elif operation == "Encrypt":
        answer = {"KeyId": ARN, "CiphertextBlob": base64.b64encode(enveloped(body)).decode()}
    else:
        request = json.loads(body)
        context, plaintext = json.loads(base64.b64decode(request["CiphertextBlob"]))
        if context != request["EncryptionContext"]:
            return 400, b'{"__type":"InvalidCiphertextException"}'
        answer = {"KeyId": ARN, "Plaintext": plaintext}
    return 200, json.dumps(answer).encode()


@pytest.fixture
def kms():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.answer = [], lookalike
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def environment(url):
    return {
        "AWS_ACCESS_KEY_ID": "AKIDTEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": url,
    }


def request_frame(operation, context, ciphertext=b"", plaintext=b""):
    return kms_helper_testing.request_frame(
        operation, "aws-kms://" + ARN, context, ciphertext, plaintext)


def ask(url, frame):
    return kms_helper_testing.ask(environment(url), frame)


def test_the_helper_wraps_and_unwraps(kms):
    context = {"freehold:cluster": "c1", "freehold:region": "eu-west-1"}
    code, wire, _ = ask(kms.url, request_frame(WRAP, context, plaintext=KEY))
    wrapped = Answer(wire)
    assert code == 0 and not wrapped.failed and wrapped.secret == b""
    ciphertext = wrapped.next()
    assert wrapped.next() == b"m1"
    _, wire, _ = ask(kms.url, request_frame(UNWRAP, context, ciphertext))
    unwrapped = Answer(wire)
    assert unwrapped.secret == KEY and KEY not in unwrapped.body


def test_the_helper_passes_on_the_class_and_the_words(kms):
    kms.answer = lambda *_: (400, b'{"__type":"x#DisabledException","message":"is disabled"}')
    code, wire, words = ask(kms.url, request_frame(UNWRAP, {}, b"x"))
    answer = Answer(wire)
    assert code == 0 and answer.failed and words == ""
    assert [answer.next() for _ in range(4)] == [
        b"denied", b"key_disabled", b"DisabledException", b"is disabled"]


def test_the_helper_refuses_garbage_without_an_answer(kms):
    code, wire, words = ask(kms.url, b"x" * 12)
    assert (code, wire) == (2, b"") and "garbage" in words
    assert kms.seen == []


def test_signatures_are_those_of_botocore(kms):
    ask(kms.url, request_frame(DESCRIBE, {}))
    operation, headers, body = kms.seen[0]
    assert operation == "DescribeKey"
    headers = {name.lower(): value for name, value in headers.items()}
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-target"} <= set(signed)
    request = AWSRequest(
        "POST", kms.url + "/", {name: headers[name] for name in signed}, body
    )
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKIDTEST", SECRET), "kms", "eu-west-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert headers["authorization"].endswith("Signature=" + signature)


def check(url, *options):
    return subprocess.run(
        [BINARY, "key", "check", ARN, *options],
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_key_check_says_valid(kms):
    result = check(kms.url)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("Valid\n") and result.stderr == ""


def test_key_check_names_the_missing_permission(kms):
    def without_decrypt(operation, body):
        if operation == "Decrypt":
            return 400, b'{"__type":"AccessDeniedException","Message":"not authorized"}'
        return lookalike(operation, body)

    kms.answer = without_decrypt
    result = check(kms.url, "--json")
    report = json.loads(result.stdout)
    assert result.returncode == report["error"]["exit_code"] == 10
    assert not report["valid"]
    failure = next(item for item in report["items"] if item["outcome"] == "failed")
    assert failure["class"] == "denied" and "kms:Decrypt" in failure["remedy"]


def test_key_check_without_a_kms_is_unreachable(kms):
    kms.answer = lambda *_: (503, b"")
    assert check(kms.url).returncode == 12


def test_no_secret_is_ever_said(kms):
    for answer in (lookalike, lambda *_: (500, b"{"), lambda *_: (200, b"[]")):
        kms.answer = answer
        for options in ([], ["--json"]):
            result = check(kms.url, *options)
            assert SECRET not in result.stdout + result.stderr
