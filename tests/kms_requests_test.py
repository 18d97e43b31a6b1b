"""Requests to the embedded KMS: signatures, clocks, garbage, faults, and many at once."""

import signal
import socket
import threading

import boto3
import botocore.config
import botocore.exceptions
import pytest

from kms_testing import new_key, refused
from kms_testing import kms  # a fixture


def test_signatures_are_checked(kms):
    key, secret = kms.secrets("customer")
    with refused("InvalidSignatureException"):
        kms.client("kms", credentials=(key, secret[:-1] + "~", None)).list_keys()
    with refused("SignatureDoesNotMatch"):
        kms.client("sts", credentials=(key, secret[:-1] + "~", None)).get_caller_identity()
    with refused("UnrecognizedClientException"):
        kms.client("kms", credentials=("AKIANOBODY0000000000", secret, None)).list_keys()
    with refused("InvalidClientTokenId"):
        kms.client("sts", credentials=("AKIANOBODY0000000000", secret, None)).get_caller_identity()
    with refused("UnrecognizedClientException"):
        kms.client("kms", credentials=(key, secret, "bm8gdG9rZW4=")).list_keys()

    def error(change):
        return kms.raw("ListKeys", {}, change=change)[1].get("__type")

    def body(request):
        request.data = b'{"Limit": 1}'

    def target(request):
        request.headers.replace_header("X-Amz-Target", "TrentService.CreateKey")

    def extra(request):
        request.headers["X-Amz-Content-Sha256"] = "UNSIGNED-PAYLOAD"

    assert error(None) is None
    assert error(body) == "InvalidSignatureException"
    assert error(target) == "InvalidSignatureException"
    assert error(extra) == "InvalidSignatureException"
    def nonsense(request):
        request.headers.replace_header("Authorization", "nonsense")

    def unsigned(request):
        del request.headers["Authorization"]

    def undated(request):
        del request.headers["X-Amz-Date"]

    assert error(nonsense) == "IncompleteSignatureException"
    assert error(unsigned) == "MissingAuthenticationTokenException"
    assert error(undated) == "IncompleteSignatureException"


def test_a_clock_that_is_off_by_more_than_five_minutes_is_refused(kms):
    client = kms.client("kms")
    for skew in ("-290", "290"):
        kms.fault("--clock-skew", skew)
        client.list_keys()
    for skew in ("-310", "310"):
        kms.fault("--clock-skew", skew)
        with refused("InvalidSignatureException"):
            client.list_keys()


def test_garbage_gets_an_answer_and_the_server_lives(kms):
    for body, code in ((b"{", "SerializationException"), (b"[]", "SerializationException"),
                       (b'{"KeyId": 7}', "SerializationException"),
                       (b"\xff\xfe", "SerializationException"),
                       (b"[" * 5000, "SerializationException"), (b"{}", "ValidationException"),
                       (b'{"KeyId": ""}', "ValidationException"),
                       (b'{"KeyId":"x","CiphertextBlob":"%%"}', "SerializationException")):
        operation = "Decrypt" if b"Blob" in body else "DescribeKey"
        status, answer = kms.raw(operation, body)
        assert (status, answer["__type"]) == (400, code), body
    assert kms.raw("NoSuchThing", {})[1]["__type"] == "UnknownOperationException"
    assert kms.post({"X-Amz-Target": "x"}, b"")[0] == 400
    assert kms.post({}, b"Action=%ZZ&Version=&&&=%")[0] == 403
    assert "InvalidAction" in kms.post({}, b"", method="GET")[1]
    assert "<Code>MissingAuthenticationToken</Code>" in kms.post(
        {}, b"Action=GetCallerIdentity&Version=2011-06-15")[1]
    address = ("127.0.0.1", kms.port)
    for text in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n",
                 b"POST / HTTP/1.1\r\n" + b"a" * 70000,
                 b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
                 b"POST / HTTP/1.1\r\nX-Amz-Target: \xff\xff\r\nUser-Agent: \xff\r\n"
                 b"Content-Length: 0\r\n\r\n"):
        with socket.create_connection(address, timeout=10) as connection:
            try:
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:  # it may hang up at any of these
                pass
    kms.client("kms").list_keys()
    assert kms.events()[-1]["eventName"] == "ListKeys"


def test_faults_come_and_go(kms):
    client = kms.client("kms")
    key = new_key(client)
    kms.fault("--throttle", "--operation", "Encrypt")
    with refused("ThrottlingException"):
        client.encrypt(KeyId=key, Plaintext=b"x")
    client.describe_key(KeyId=key)
    kms.fault("--clear")
    kms.fault("--fail")
    with refused("KMSInternalException") as error:
        client.encrypt(KeyId=key, Plaintext=b"x")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with refused("InternalFailure"):
        kms.client("sts").get_caller_identity()
    kms.fault("--clear", "--unreachable")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--clear", "--latency", "30000", "--operation", "Encrypt")
    slow = boto3.session.Session().client(
        "kms", endpoint_url=kms.url, region_name="us-east-1",
        aws_access_key_id=kms.secrets("customer")[0],
        aws_secret_access_key=kms.secrets("customer")[1],
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=0.2))
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        slow.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--clear")
    client.encrypt(KeyId=key, Plaintext=b"x")
    kms.fault("--latency", "600000")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        slow.list_keys()
    kms.restart()  # does not wait for ten minutes
    assert kms.command("fault").code == 2
    kms.stop(signal.SIGKILL)
    assert kms.command("fault", "--clear").code == 3


def test_many_clients_at_once(kms):
    client = kms.client("kms")
    key = new_key(client)
    failures = []

    def work(number):
        try:
            mine = kms.client("kms")
            for turn in range(10):
                text = f"{number} {turn}".encode()
                blob = mine.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"]
                assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == text
                mine.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{number}", "TagValue": str(turn)}])
        except Exception as error:  # noqa: BLE001: reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    tags = client.list_resource_tags(KeyId=key)["Tags"]
    assert [tag["TagValue"] for tag in tags] == ["9"] * 8
