"""`freehold login`, `org`, `project`, `cluster`, `cmek`, `account`, `api-key` and `audit`."""

import http.server
import json
import os
import subprocess
import threading

import pytest

from control_cli_testing import (FORBIDDEN, IO, NOT_READY, PRECONDITION, TIMEOUT,
                                 UNAUTHENTICATED, Person)
from freehold_testing import ALREADY_EXISTS, BINARY, NOT_FOUND, PERMISSION, USAGE
from server_testing import Server, arn, spec, specs

UNKNOWN_KEY = "fhk_0123456789abcdef_" + "0" * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.stop()


@pytest.fixture
def key(server, request):
    return server.new_organization(request.node.name[-60:])[1]


@pytest.fixture
def admin(server, key, tmp_path):
    return Person(tmp_path / "admin", server.url, key)


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "cmek_config.json"
    path.write_text(json.dumps(specs()))
    return path


# ---- the login ----


def test_a_login_is_kept_for_its_owner_alone(server, key, tmp_path):
    person = Person(tmp_path / "p")
    person.fails(UNAUTHENTICATED, "freehold login", "cluster", "list")
    shown = person.out("login", server.url, text=key + "\n")
    kept = person.home / ".config/freehold/login.json"
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    assert server.url in shown and key not in shown
    assert person.out("cluster", "list").startswith("NAME")
    kept.chmod(0o640)
    person.fails(PERMISSION, "open to others", "cluster", "list")
    person.out("login", server.url, "--key-file", "/dev/stdin", text=key)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "still good" in person.out("logout")
    person.fails(UNAUTHENTICATED, "there is no login", "cluster", "list")
    assert "no login" in person.out("logout")


def test_a_login_can_be_anywhere_and_the_environment_stands_before_it(server, key, tmp_path):
    person = Person(tmp_path / "p")
    elsewhere = tmp_path / "deep" / "er" / "login"
    person.environment["FREEHOLD_CONFIG"] = str(elsewhere)
    (tmp_path / "key").write_text(key + "\n")
    person.out("login", server.url, "--key-file", tmp_path / "key")
    assert elsewhere.exists() and not (person.home / ".config").exists()
    person.out("cluster", "list")
    person.fails(UNAUTHENTICATED, "not known", "cluster", "list", FREEHOLD_API_KEY=UNKNOWN_KEY)
    # A key that was kept for one server goes to no other.
    person.fails(UNAUTHENTICATED, "set FREEHOLD_API_KEY too", "cluster", "list",
                 FREEHOLD_SERVER="http://127.0.0.1:1")
    person.fails(NOT_READY, "127.0.0.1:1", "cluster", "list", FREEHOLD_SERVER="http://127.0.0.1:1",
                 FREEHOLD_API_KEY=key)


def test_what_is_no_login_is_not_kept(server, key, tmp_path):
    person = Person(tmp_path / "p")
    person.fails(UNAUTHENTICATED, "not known", "login", server.url, text=UNKNOWN_KEY)
    person.fails(USAGE, "standard input holds no API key", "login", server.url, text="hunter2")
    person.fails(USAGE, "standard input holds no API key", "login", server.url, text="")
    person.fails(USAGE, "plain http to another machine", "login", "http://keys.example.com",
                 text=key)
    person.fails(USAGE, "without a path", "login", server.url + "/api", text=key)
    person.fails(NOT_FOUND, "/nowhere", "login", server.url, "--ca", "/nowhere", text=key)
    assert not (person.home / ".config").exists()


def test_an_api_key_where_it_does_not_belong_is_not_repeated(server, key, admin):
    secret = key.rsplit("_", 1)[1]
    for words in (["login", server.url, key], ["cluster", "show", key], ["login", key],
                  ["api-key", "delete", key], ["--" + key], ["cluster", "create", key]):
        done = admin.run(*words)
        assert done.returncode != 0 and secret not in done.stderr + done.stdout, done


def test_a_key_that_is_typed_is_not_shown(server, key, tmp_path):
    person = Person(tmp_path / "p")
    shown, code = person.types(["login", server.url], key)
    assert code == 0 and "API key: " in shown and key.rsplit("_", 1)[1] not in shown


def test_a_private_authority_is_named_once(tmp_path):
    key_file, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key_file, "-out", certificate], check=True, capture_output=True)
    ready, theirs = os.pipe()
    process = subprocess.Popen([BINARY, "server", "--data", tmp_path / "data", "--listen",
                                "127.0.0.1:0", "--tls-certificate", certificate, "--tls-key",
                                key_file, "--ready-fd", str(theirs)],
                               pass_fds=[theirs], stdout=subprocess.PIPE, text=True)
    try:
        os.close(theirs)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.readline() == b"READY\n"
        url = (tmp_path / "data/endpoint").read_text().strip()
        process.stdout.readline()
        key = process.stdout.readline().split()[-1]
        person = Person(tmp_path / "p")
        done = person.run("login", url, text=key)
        assert done.returncode == 7 and "certificate" in done.stderr, done
        (person.home / "ca.pem").write_text(certificate.read_text())
        person.out("login", url, "--ca", "ca.pem", text=key)
        assert person.out("org", "list").startswith("NAME")
    finally:
        process.terminate()
        process.wait(timeout=60)


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers every request with the same JSON."""

    answer = b"{}"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("answer, words", [
    ({"clusters": [1]}, "not what its API says"),
    ({"clusters": {}}, "no list 'clusters'"),
    ([], "not a JSON object"),
    ({"clusters": [], "pagination": 7}, None),
    ({"clusters": [{"name": "\x1b[31mred\n", "regions": [{}], "id": 5}]}, None),
    ({"clusters": [{"regions": [None]}]}, "not what its API says"),
])
def test_a_server_that_is_none_is_not_believed(tmp_path, answer, words):
    liar = type("OneLiar", (Liar,), {"answer": json.dumps(answer).encode()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        person = Person(tmp_path / "p", f"http://127.0.0.1:{server.server_port}", UNKNOWN_KEY)
        if words:
            person.fails(IO, words, "cluster", "list")
        else:
            assert "\x1b" not in person.out("cluster", "list")
        server.shutdown()


# ---- clusters and their keys ----


def test_a_cluster_is_made_shown_grown_and_deleted(server, key, admin, manifest):
    made = admin.json("cluster", "create", "orders", "-f", manifest)
    api = server.ask("GET", f"/api/v1/clusters/{made['id']}", key)
    assert admin.out("cluster", "show", "orders", "--json") == api.text
    shown = admin.out("cluster", "show", "orders")
    for needed in (made["id"], "999988887777", made["organization_id"], "external id", arn(),
                   "ENABLING", "role/freehold"):
        assert needed in shown, needed
    assert admin.out("cluster", "show", made["id"]) == shown
    listed = admin.out("cluster", "list").splitlines()
    assert listed[0].split()[:2] == ["NAME", "ID"] and listed[1].split()[:2] == ["orders", made["id"]]
    admin.fails(USAGE, "'eu-west-1' is missing", "cluster", "add-region", "orders", "--region",
                "eu-west-1=2")
    admin.fails(USAGE, "--region", "cluster", "add-region", "orders")
    text = json.dumps({"region_specs": [spec("eu-west-1", "k2")]})
    grown = admin.json("cluster", "add-region", "orders", "--region", "eu-west-1=2", "-f", "-",
                       text=text)
    assert {r["name"]: r["node_count"] for r in grown["regions"]} == {"eu-west-1": 2, "us-east-1": 1}
    manifest.write_text(json.dumps({"region_specs": [spec("ap-south-1", "k3")]}))
    assert "ap-south-1=1" in admin.out("cluster", "add-region", "orders", "-f", manifest)
    assert "is deleted" in admin.out("cluster", "delete", "orders", "--yes")
    admin.fails(NOT_FOUND, "no cluster 'orders'", "cluster", "show", "orders")


def test_refusals_have_their_exit_codes(server, key, admin, manifest, tmp_path):
    admin.out("cluster", "create", "orders", "--region", "us-east-1")
    admin.fails(ALREADY_EXISTS, "", "cluster", "create", "orders", "--region", "us-east-1")
    admin.fails(NOT_READY, "no node of cluster 'orders'", "cmek", "enable", "orders", "-f", manifest)
    admin.fails(PRECONDITION, "no customer-managed keys", "cmek", "revoke", "orders", "--yes")
    reader = Person(tmp_path / "reader", server.url, server.new_key(key, "READ_ONLY"))
    reader.fails(FORBIDDEN, "manage_clusters", "cluster", "delete", "orders", "--yes")
    reader.fails(UNAUTHENTICATED, "not known", "cluster", "list", FREEHOLD_API_KEY=UNKNOWN_KEY)
    done = reader.run("cmek", "revoke", "orders", "--yes", "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["exit_code"], done.returncode) == ("forbidden", FORBIDDEN, FORBIDDEN)


def test_who_asks_too_fast_waits_once(tmp_path):
    server = Server(tmp_path / "server")
    try:
        _, key = server.new_organization("acme")
        server.stop()
        server.requests_per_second = 1
        server.start()
        person = Person(tmp_path / "p", server.url, key)
        for _ in range(3):  # each waits for the second that it is told
            person.out("cluster", "list")
        while server.ask("GET", "/api/v1/clusters", key).status != 429:
            pass
        person.out("cluster", "list")
    finally:
        server.stop()


def test_what_cannot_be_undone_is_asked_for_by_name(server, key, admin, manifest, tmp_path):
    other = Person(tmp_path / "other", server.url, server.new_key(key, "CLUSTER_ADMIN", "KEY_CUSTODIAN"))
    cluster = admin.json("cluster", "create", "orders", "-f", manifest)["id"]
    for words in (["cmek", "revoke"], ["cmek", "restore"], ["cluster", "delete"]):
        admin.fails(USAGE, "--yes does it without asking", *words, "orders")
    shown, code = admin.types(["cmek", "revoke", cluster], "order")
    assert code == USAGE and "unreadable" in shown and "disable the key rather than" in shown
    assert "us-east-1" in shown and "nothing was changed" in shown
    assert admin.json("cmek", "status", "orders")["status"] == "ENABLING"
    shown, code = admin.types(["cmek", "revoke", cluster], "orders")
    assert code == 0 and "REVOKED" in shown
    shown, code = admin.types(["cluster", "delete", "orders"], "")
    assert code == USAGE and "disable them" in shown
    shown, code = admin.types(["cluster", "delete", "orders"], "orders")
    assert code == FORBIDDEN and "another service account" in shown  # than the one that revoked
    shown, code = other.types(["cluster", "delete", "orders"], "orders")
    assert code == 0 and "is deleted" in shown and "when these are destroyed in the KMS" in shown


def test_waiting_ends_with_what_was_waited_for(server, key, admin, manifest, tmp_path):
    custodian = Person(tmp_path / "custodian", server.url, server.new_key(key, "KEY_CUSTODIAN"))
    admin.out("cluster", "create", "orders", "-f", manifest)
    done = admin.run("cmek", "revoke", "orders", "--yes", "--wait", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "REVOKED"
    assert done.stderr == "us-east-1 REVOKED\n"
    # There is no node that would make it ENABLED.
    done = custodian.run("cmek", "restore", "orders", "--yes", "--wait", "--timeout", "2s")
    assert done.returncode == TIMEOUT and "not within 2s" in done.stderr and "ENABLING" in done.stderr
    custodian.fails(USAGE, "timeout", "cmek", "restore", "orders", "--yes", "--timeout", "soon")


def test_an_empty_manifest_names_the_regions_and_is_read_again(admin, tmp_path):
    admin.out("cluster", "create", "orders", "--region", "us-east-1", "--region", "eu-west-1")
    text = admin.out("cmek", "manifest", "orders", "--type", "GCP_CLOUD_KMS")
    assert text.count("- region:") == 2 and "GCP_CLOUD_KMS" in text
    path = tmp_path / "m.yml"
    path.write_text(text)
    admin.fails(USAGE, "region_specs[0].key_spec.uri", "cmek", "rotate", "orders", "-f", path)
    as_json = admin.json("cmek", "manifest", "--region", "us-east-1")
    assert as_json["region_specs"][0]["key_spec"]["type"] == "AWS_KMS"
    admin.fails(USAGE, "", "cmek", "manifest", "--type", "NONE")
    path.write_text("regions: []\n")
    admin.fails(USAGE, "no region_specs", "cmek", "rotate", "orders", "-f", path)
    path.write_text("region_specs: [*a]\n")
    admin.fails(USAGE, "line 1: aliases are not read", "cmek", "rotate", "orders", "-f", path)


# ---- who may ----


def test_a_customer_from_nothing_by_the_command_alone(server, tmp_path):
    operator = Person(tmp_path / "operator", server.url, server.operator_key)
    made = operator.json("org", "create", "acme", "--grant-cmek", "--allow", "*=AWS_KMS,PKCS11")
    assert made["allowed_kms_types"] == {"*": ["AWS_KMS", "PKCS11"]} and made["cmek_granted"]
    assert operator.json("org", "update", "acme", "--unique-keys")["unique_keys"] is True
    assert "acme" in operator.out("org", "list") and made["id"] in operator.out("org", "show", "acme")
    operator.out("account", "create", "admin", "--role", "ORG_ADMIN", "--organization", "acme")
    key_file = tmp_path / "key"
    shown = operator.out("api-key", "create", "admin", "first", "--organization", "acme",
                         "--key-file", key_file)
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600 and key.rsplit("_", 1)[1] not in shown
    operator.fails(ALREADY_EXISTS, "key", "api-key", "create", "admin", "second", "--organization",
                   "acme", "--key-file", key_file)
    admin = Person(tmp_path / "admin")
    admin.out("login", server.url, "--key-file", key_file)
    project = admin.json("project", "create", "payments", "--cmek")
    assert "payments" in admin.out("project", "list")
    assert project["id"] in admin.out("project", "show", "payments")
    admin.fails(PRECONDITION, "no key for the region 'us-east-1'", "cluster", "create", "orders",
                "--region", "us-east-1=3", "--project", "payments")
    cluster = admin.json("cluster", "create", "orders", "--region", "us-east-1=3", "--project",
                         "payments", "-f", "-", text=json.dumps(specs()))
    assert cluster["project_id"] == project["id"]
    account = admin.json("account", "create", "custodian", "--role", "KEY_CUSTODIAN@cluster=orders",
                         "--role", "READ_ONLY@project=payments")
    assert account["roles"] == [{"role": "KEY_CUSTODIAN", "cluster_id": cluster["id"]},
                                {"role": "READ_ONLY", "project_id": project["id"]}]
    admin.fails(USAGE, "is not ROLE", "account", "create", "x", "--role", "READ_ONLY@here")
    secret = admin.json("api-key", "create", "custodian", "one")
    custodian = Person(tmp_path / "custodian", server.url, secret["secret"])
    assert "orders" in custodian.out("cluster", "list")
    assert secret["id"] in admin.out("api-key", "list", "custodian")
    admin.out("api-key", "delete", secret["id"])
    custodian.fails(UNAUTHENTICATED, "not known", "cluster", "list")
    admin.out("account", "delete", "custodian")
    assert "custodian" not in admin.out("account", "list")


def test_custody_settings_are_shown_and_set_by_name(server, key, admin):
    admin.out("cluster", "create", "orders", "--region", "us-east-1=1")
    shown = admin.out("cmek", "custody", "orders")
    assert "Nobody has set any yet" in shown and "at most 1m55s after the KMS" in shown
    shown = admin.out("cmek", "custody", "orders", "--set", "check_interval=90s", "--set",
                      "on_key_return=manual")
    assert "check_interval    1m30s" in shown and "Nobody has" not in shown
    answer = json.loads(admin.out("cmek", "custody", "orders", "--json"))
    assert answer["settings"]["on_key_return"] == "manual"
    admin.fails(USAGE, "'often' is not a duration", "cmek", "custody", "orders", "--set",
                "check_interval=often")
    admin.fails(USAGE, "lease: is not a field", "cmek", "custody", "orders", "--set", "lease=1h")
    admin.fails(USAGE, "'check_interval' is not NAME=VALUE", "cmek", "custody", "orders", "--set",
                "check_interval")
    admin.fails(NOT_FOUND, "", "cmek", "custody", "nothing")
    custodian = Person(admin.home.parent / "operator", server.url,
                       server.new_key(key, "CLUSTER_OPERATOR_WRITER"))
    custodian.fails(FORBIDDEN, "outage_grace: to loosen custody", "cmek", "custody", "orders",
                    "--set", "outage_grace=2h")


def test_an_operator_bounds_what_customers_may_set(server, tmp_path):
    operator = Person(tmp_path / "operator", server.url, server.operator_key)
    shown = operator.out("org", "create", "bounded", "--grant-cmek", "--custody",
                         "check_interval=10s..5m", "--custody", "outage_grace=..1h", "--custody",
                         "stop_timeout=1s..", "--custody", "on_denied=seal")
    assert "check_interval 10s to 5m" in shown and "outage_grace at most 1h" in shown
    assert "stop_timeout 1s and more" in shown and "on_denied seal" in shown
    for bad, words in [("check_interval=10s", "is not NAME=LOWEST..HIGHEST"),
                       ("check_interval", "is not NAME=VALUE"), ("lease=1s..2s", "is not a field"),
                       ("on_denied=seal,never", "cannot be 'never'"),
                       ("check_interval=5m..10s", "leaves no value")]:
        operator.fails(USAGE, words, "org", "update", "bounded", "--custody", bad)
    assert "check_interval" not in operator.out("org", "update", "bounded", "--custody", "none")


def test_new_keys_are_called_by_what_they_are(server, key, admin):
    admin.out("cluster", "create", "orders", "--region", "us-east-1=1")
    for command in ("rekey", "re-encrypt"):
        admin.fails(PRECONDITION, "no customer-managed keys", "cmek", command, "orders")


def test_the_audit_log_as_a_table_and_as_lines(server, key, admin, manifest):
    admin.out("cluster", "create", "orders", "-f", manifest)
    table = admin.out("audit", "list").splitlines()
    assert "CREATE_CLUSTER" in table[-1] and "orders" in table[-1]
    exported = [json.loads(line) for line in admin.out("audit", "export").splitlines()]
    assert exported == server.ask("GET", "/api/v1/auditlogevents", key).json["entries"]
    assert admin.out("audit", "list", "--json") == (
        server.ask("GET", "/api/v1/auditlogevents?limit=1000", key).text)
    last = exported[-1]["position"]
    assert admin.out("audit", "export", "--after", last) == ""
    newer = admin.out("audit", "export", "--after", last - 1).splitlines()
    assert [json.loads(line) for line in newer] == exported[-1:]
