"""`freehold server` starts, or says in one sentence why it does not."""

import socket
import sqlite3
import subprocess

import pytest

from freehold_testing import BINARY, BUSY, PERMISSION, USAGE, VERSION
from server_testing import Server


def serve(directory, *options):
    return subprocess.run([BINARY, "server", "--data", directory, *options], capture_output=True,
                          text=True, timeout=60)


@pytest.mark.parametrize("options, words", [
    ((), "--tls-certificate and --tls-key, or --insecure"),
    (("--insecure", "--listen", "0.0.0.0:0"),
     "Listen on 127.0.0.1, or give --tls-certificate and --tls-key in place of --insecure"),
    (("--insecure", "--listen", "nonsense"), "is not ADDRESS:PORT"),
    (("--insecure", "--tls-key", "x"), "--insecure means"),
    (("--tls-certificate", "/nowhere", "--tls-key", "/nowhere"), "/nowhere"),
    (("--insecure", "--requests-per-second", "0"), "requests-per-second"),
    (("--insecure", "--agents-url", "https://control.example.com"),
     "--agents-url goes with --agents-listen"),
    (("--insecure", "--recover"), "--recover goes with --agents-listen"),
    (("--insecure", "--webhooks-ca", "/etc/passwd"),
     "--webhooks-ca: /etc/passwd holds no certificate in PEM"),
    (("--insecure", "--webhooks-ca", "/nowhere"), "--webhooks-ca: /nowhere"),
    (("--insecure", "--smtp", "smtp://127.0.0.1:25", "--smtp-from", "a@b.example", "--smtp-ca",
      "/etc/passwd"), "--smtp-ca: /etc/passwd holds no certificate in PEM"),
])
def test_a_server_that_cannot_be_meant_does_not_start(tmp_path, options, words):
    result = serve(tmp_path / "data", *options)
    assert result.returncode != 0 and words in result.stderr, result
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_data_directory_without_a_name_is_refused():
    result = serve("", "--insecure", "--listen", "127.0.0.1:0")
    assert result.returncode == USAGE and "--data: names no directory" in result.stderr, result


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def test_a_certificate_and_a_key_that_cannot_be_used_are_named(tmp_path):
    good, key, other, locked, junk = (tmp_path / name for name in (
        "good.pem", "good.key", "other.key", "locked.key", "junk"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x",
            "-keyout", key, "-out", good)
    openssl("genrsa", "-out", other, "2048")
    openssl("pkey", "-in", other, "-aes256", "-passout", "pass:word", "-out", locked)
    junk.write_text("junk")
    for certificate, private, words in (
            (junk, key, f"{junk} holds no certificate in PEM"),
            (good, junk, f"{junk} holds no private key in unencrypted PEM"),
            (good, locked, f"{locked} holds no private key in unencrypted PEM"),
            (good, other, f"{other} is not the key of the certificate in {good}")):
        result = serve(tmp_path / "data", "--tls-certificate", certificate, "--tls-key", private,
                       "--listen", "127.0.0.1:0")
        assert result.returncode == USAGE and words in result.stderr, result
        assert result.stderr.count("\n") == 1 and not (tmp_path / "data").exists()


def test_an_agents_authority_that_cannot_be_read_is_named_file_by_file(tmp_path):
    data = tmp_path / "data"
    Server(data).stop()
    certificate, key, following = (data / f"agents-ca.{end}" for end in ("pem", "key", "key.next"))
    kept = key.read_bytes()

    def refused(words):
        result = serve(data, "--insecure", "--listen", "127.0.0.1:0")
        assert result.returncode == USAGE and words in result.stderr, result
        assert result.stderr.count("\n") == 1
    key.write_text("junk")
    refused(f"{key} holds no private key in unencrypted PEM")
    key.unlink()
    following.touch(0o600)
    following.write_text("junk")
    refused(f"{key} is missing: {following} holds no private key in unencrypted PEM")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", following)
    refused(f"{key} is missing: {following} is not the key of the certificate in {certificate}")
    following.write_bytes(kept)
    Server(data, operator_key="unused").stop()
    assert key.read_bytes() == kept and not following.exists()
    certificate.write_text("junk")
    refused(f"{certificate} holds no certificate in PEM")


def test_a_file_that_is_no_store_or_a_newer_one_is_refused(tmp_path):
    Server(tmp_path / "server").stop()
    database = sqlite3.connect(tmp_path / "server/freehold.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    result = serve(tmp_path / "server", "--insecure", "--listen", "127.0.0.1:0")
    assert result.returncode == VERSION and "version 99" in result.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "freehold.db").write_text("no database\n" * 100)
    result = serve(tmp_path / "other", "--insecure", "--listen", "127.0.0.1:0")
    assert result.returncode == PERMISSION and "open to others" in result.stderr
    (tmp_path / "other" / "freehold.db").chmod(0o600)
    result = serve(tmp_path / "other", "--insecure", "--listen", "127.0.0.1:0")
    assert result.returncode not in (0, USAGE) and "not a database" in result.stderr


def test_a_store_that_is_gone_or_empty_is_no_first_start(tmp_path):
    Server(tmp_path / "data").stop()
    store = tmp_path / "data/freehold.db"
    for path in store.parent.glob("freehold.db-*"):
        path.unlink()
    store.write_bytes(b"")
    for _ in range(2):
        result = serve(tmp_path / "data", "--insecure", "--listen", "127.0.0.1:0")
        assert result.returncode == 7 and "--recover" in result.stderr, result
        store.unlink(missing_ok=True)
    assert not store.exists()


@pytest.mark.parametrize("name, mode, words", [
    ("audit.key", 0o644, "others may read or change it; chmod 600"),
    ("webhooks.key", 0o604, "others may read or change it; chmod 600"),
    (".", 0o777, "others may write to it; chmod 700")])
def test_keys_that_others_may_read_are_refused(tmp_path, name, mode, words):
    Server(tmp_path / "data").stop()
    (tmp_path / "data" / name).chmod(mode)
    result = serve(tmp_path / "data", "--insecure", "--listen", "127.0.0.1:0")
    assert result.returncode == PERMISSION and words in result.stderr, result
    assert result.stderr.count("\n") == 1


def test_a_first_start_that_fails_loses_no_key(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        assert serve(tmp_path / "data", "--insecure", "--listen", address).returncode != 0
    server = Server(tmp_path / "data")  # its start wants the line with the key
    assert server.ask("GET", "/api/v1/organizations", server.operator_key).status == 200
    second = serve(tmp_path / "data", "--insecure", "--listen", "127.0.0.1:0")
    assert second.returncode == BUSY and "another server" in second.stderr
    server.stop()
