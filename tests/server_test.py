"""`freehold server`: who may call, what is refused and how, and what survives."""

import concurrent.futures
import contextlib
import signal
import socket

import pytest

from server_testing import ROLES, Server, arn, spec, specs

CLUSTERS = "/api/v1/clusters"


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_store):
    made = Server(tmp_path_factory.mktemp("server"), *new_store())
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture
def own(tmp_path, new_store):
    made = Server(tmp_path / "server", *new_store())
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture(scope="module")
def customer(server):
    """The key of an organization's administrator."""
    return server.new_organization("acme")[1]


def refused(answer, status, code, words):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["code"] == code and answer.json["details"] == [], answer
    assert words in answer.json["message"], answer


# ---- who calls ----


@pytest.mark.parametrize("key", [None, "", "fhk_", "fhk_0123456789abcdef_" + "0" * 64, "x" * 5000,
                                 "fhk_0123456789abcdef_é"])
def test_nobody_learns_anything_without_a_good_key(server, key):
    header = [] if key is None else [("authorization", f"Bearer {key}".encode().decode("latin-1"))]
    for path in (CLUSTERS, CLUSTERS + "/x/cmek", "/api/v1/nowhere", "/"):
        answer = server.ask("GET", path, None, headers=header)
        refused(answer, 401, 16, "API key")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_deleted_key_ends_at_once_and_so_do_a_deleted_accounts(own):
    _, admin = own.new_organization("acme")
    accounts = "/api/v1/service-accounts"
    account = own.made(accounts, admin, {"name": "a", "roles": [{"role": "READ_ONLY"}]})["id"]
    first, second = (own.made(f"{accounts}/{account}/api-keys", admin, {"name": name})
                     for name in ("one", "two"))
    assert own.ask("GET", CLUSTERS, first["secret"]).status == 200
    assert own.ask("DELETE", f"/api/v1/api-keys/{first['id']}", admin).status == 200
    assert own.ask("GET", CLUSTERS, first["secret"]).status == 401
    assert own.ask("GET", CLUSTERS, second["secret"]).status == 200
    assert own.ask("DELETE", f"{accounts}/{account}", admin).status == 200
    assert own.ask("GET", CLUSTERS, second["secret"]).status == 401


def test_a_secret_is_shown_once_and_kept_nowhere(own):
    _, admin = own.new_organization("acme")
    secrets = [own.operator_key, admin, own.new_key(admin, "READ_ONLY")]
    listed = own.ask("GET", "/api/v1/service-accounts", admin).text
    printed = own.restart()
    kept = b"".join(path.read_bytes() for path in own.directory.iterdir() if path.is_file())
    for secret in secrets:
        tail = secret.rsplit("_", 1)[1]
        assert tail not in listed and tail not in printed and tail.encode() not in kept
        assert own.ask("GET", CLUSTERS, secret).status == 200


def test_each_role_may_what_the_table_says_and_nothing_else(server):
    """Every route for every role: allowed ones are refused for other reasons than the role."""
    _, admin = server.new_organization("walk")
    cluster = server.new_cluster(admin, "walk", specs=[spec()])["id"]
    routes = [  # method, path, body, the roles that may
        ("GET", CLUSTERS, None, ROLES),
        ("GET", f"{CLUSTERS}/{cluster}", None, ROLES),
        ("GET", f"{CLUSTERS}/{cluster}/cmek", None, ROLES),
        ("PUT", f"{CLUSTERS}/{cluster}/cmek", specs(), ROLES[:4]),
        ("POST", f"{CLUSTERS}/{cluster}/cmek", specs(), ROLES[:4]),
        ("POST", f"{CLUSTERS}/{cluster}/cmek/check", specs(), ROLES[:4]),
        ("POST", "/api/v1/cmek/check", specs(), ROLES[:4]),
        ("POST", f"{CLUSTERS}/{cluster}/cmek/recheck", None, ROLES[:4]),
        ("GET", f"{CLUSTERS}/{cluster}/cmek/recheck", None, ROLES),
        ("GET", "/api/v1/key-usage?uri=" + arn(), None, ROLES),
        ("PATCH", f"{CLUSTERS}/{cluster}", {"dedicated": {"region_nodes": {"us-east-1": 1}}},
         ROLES[:2]),
        ("PATCH", f"{CLUSTERS}/{cluster}", specs(), ROLES[:4]),
        ("PATCH", f"{CLUSTERS}/{cluster}/cmek", {"action": "RESTORE"},
         ("ORG_ADMIN", "KEY_CUSTODIAN")),
        ("PATCH", f"{CLUSTERS}/{cluster}/cmek", {"action": "REVOKE"}, ROLES[:4]),
        ("POST", CLUSTERS, {"name": "walk", "spec": {"dedicated": {"region_nodes": {"r": 1}}}},
         ROLES[:2]),
        ("POST", "/api/v1/projects", None, ROLES[:1]),
        ("GET", "/api/v1/service-accounts", None, ROLES[:1]),
        ("GET", "/api/v1/contacts", None, ROLES[:1]),
        ("POST", "/api/v1/contacts", {"purpose": "SECURITY", "type": "WEBHOOK",
                                      "address": "https://hooks.example.com/"}, ROLES[:1]),
        ("GET", "/api/v1/auditlogevents", None, ROLES[:1]),
        ("POST", "/api/v1/organizations", {"name": "x"}, ()),
    ]
    # Before the first revocation: younger ones restore nothing.
    keys = {role: server.new_key(admin, role) for role in ROLES}
    for role, key in keys.items():
        for method, path, body, roles in routes:
            if path == "/api/v1/projects":
                body = {"name": role}
            status = server.ask(method, path, key, body).status
            assert (status not in (401, 403, 404)) == (role in roles), (role, method, path, status)


def test_roles_end_at_their_project_or_cluster(server, customer):
    one, other = (server.new_cluster(customer, name)["id"] for name in ("one", "other"))
    key = server.new_key(customer, "KEY_CUSTODIAN", cluster_id=one)
    assert server.ask("GET", f"{CLUSTERS}/{one}/cmek", key).status == 200
    refused(server.ask("GET", f"{CLUSTERS}/{other}/cmek", key), 404, 5, "may not see it")
    assert [c["id"] for c in server.ask("GET", CLUSTERS, key).json["clusters"]] == [one]


def test_another_organizations_things_do_not_exist(server, customer):
    _, stranger = server.new_organization("stranger")
    cluster = server.new_cluster(customer, "secret")["id"]
    for method, body in (("GET", None), ("PUT", specs()), ("PATCH", {"action": "REVOKE"})):
        answer = server.ask(method, f"{CLUSTERS}/{cluster}/cmek", stranger, body)
        assert answer.status == 404, answer
        absent = server.ask(method, f"{CLUSTERS}/{cluster[::-1]}/cmek", stranger, body)
        assert absent.status == 404
        assert absent.json["message"].replace(cluster[::-1], cluster) == answer.json["message"] or (
            "may not see it" in answer.json["message"])
    assert server.ask("GET", CLUSTERS, stranger).json["clusters"] == []


def test_the_operator_makes_administrators_and_touches_no_cluster(server, customer):
    cluster = server.new_cluster(customer, "untouched")["id"]
    for path in (f"{CLUSTERS}/{cluster}", f"{CLUSTERS}/{cluster}/cmek"):
        assert server.ask("GET", path, server.operator_key).status == 404
    organization = server.ask("GET", "/api/v1/organizations", customer).json["organizations"][0]["id"]
    answer = server.ask("POST", "/api/v1/service-accounts", server.operator_key,
                        {"name": "spy", "organization_id": organization,
                         "roles": [{"role": "KEY_CUSTODIAN"}]})
    refused(answer, 403, 7, "administrators")
    answer = server.ask("POST", "/api/v1/service-accounts", customer,
                        {"name": "self", "roles": [{"role": "OPERATOR"}]})
    refused(answer, 400, 3, "no role within an organization")


# ---- what is refused ----


@pytest.mark.parametrize("body, words", [
    (b"", "is not JSON"),
    (b"{", "is not JSON"),
    (b"[" * 5000, "is not JSON"),
    (b"\xff\xfe", "is not JSON"),
    (b"[]", "is not a JSON object"),
    (b"{}", "region_specs: is missing"),
    (b'{"region_specs":[],"x":1}', "region_specs: is missing"),
    (b'{"region_specs":[{"region":"us-east-1","key_spec":{"type":"X","uri":"u"}}]}', "X"),
    (b'{"region_specs":[{"region":"us-east-1","key_spec":7}]}', "key_spec: is not an object"),
])
def test_a_body_that_is_wrong_gets_one_sentence(server, customer, body, words):
    cluster = server.new_cluster(customer, "c" + str(abs(hash(body)) % 10**9))["id"]
    path = f"{CLUSTERS}/{cluster}/cmek"
    for method in ("POST", "PUT"):
        refused(server.ask(method, path, customer, body), 400, 3, words)
    assert server.ask("GET", path, customer).json["status"] == "DISABLED"


def test_paths_methods_and_versions(server, customer):
    refused(server.ask("GET", "/api/v1/nothing", customer), 404, 5, "no such path")
    answer = server.ask("DELETE", f"{CLUSTERS}/x/cmek", customer)
    refused(answer, 405, 12, "GET, POST, PUT, PATCH")
    assert answer.headers["allow"] == "GET, POST, PUT, PATCH"
    for version, status in (("2024-09-16", 200), ("2022-03-31", 200), ("2099-01-01", 400),
                            ("latest", 400), ("", 400)):
        answer = server.ask("GET", CLUSTERS, customer, headers=[("Cc-Version", version)])
        assert answer.status == status, answer
    refused(answer, 400, 3, "invalid Cc-Version")


def test_lists_come_in_pages(own):
    _, admin = own.new_organization("acme")
    names = {f"c{n}" for n in range(7)}
    for name in names:
        own.new_cluster(admin, name)
    seen, page = [], ""
    for _ in range(4):
        answer = own.ask(
            "GET", f"{CLUSTERS}?pagination.limit=3&pagination.page={page}", admin).json
        seen += [cluster["name"] for cluster in answer["clusters"]]
        page = answer["pagination"]["next_page"]
        if not page:
            break
    assert len(seen) == 7 and set(seen) == names
    for limit in ("0", "501", "-1", "x"):
        refused(own.ask("GET", f"{CLUSTERS}?pagination.limit={limit}", admin), 400, 3, "limit")
    for page in ("x", "2", "..", "%00", "0" * 36, "9" * 5000):
        for path in (CLUSTERS, "/api/v1/projects", "/api/v1/service-accounts"):
            answer = own.ask("GET", f"{path}?pagination.page={page}", admin)
            assert answer.status == 400 and answer.json["code"] == 3, (path, page, answer)
    gone = "01234567-89ab-4cde-8f01-23456789abcd"  # whatever came last may be deleted since
    assert own.ask("GET", f"{CLUSTERS}?pagination.page={gone}", admin).status == 200
    # What CockroachDB Cloud's clients send beside is passed over.
    more = "pagination.sort_order=ASC&show_inactive=true&pagination.as_of_time=2026-01-01T00:00:00Z"
    assert len(own.ask("GET", f"{CLUSTERS}?{more}", admin).json["clusters"]) == 7
    refused(own.ask("GET", f"{CLUSTERS}?a=1&a=2", admin), 400, 3, "'a' twice")


def test_a_caller_has_a_rate_and_the_others_do_not_pay_for_it(tmp_path):
    server = Server(tmp_path / "server")
    try:
        _, admin = server.new_organization("acme")
        other = server.new_key(admin, "READ_ONLY")
        server.stop()
        server.requests_per_second = 5
        server.start()
        answers = [server.ask("GET", CLUSTERS, admin) for _ in range(40)]
        limited = [answer for answer in answers if answer.status == 429]
        assert answers[0].status == 200 and limited
        refused(limited[0], 429, 8, "rate limit exceeded")
        assert int(limited[0].headers["retry-after"]) >= 1
        assert server.ask("GET", CLUSTERS, other).status == 200
    finally:
        server.stop()


def test_requests_that_are_no_http_cost_one_connection(server, customer):
    host, port = server.url.removeprefix("http://").split(":")
    for wire in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 60000,
                 b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(wire)
            connection.settimeout(20)
            with contextlib.suppress(OSError):  # it may be gone already, with what was not read
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
    assert server.ask("GET", CLUSTERS, customer).status == 200


# ---- what survives ----


def test_nothing_acknowledged_is_lost_by_a_kill(own):
    _, admin = own.new_organization("acme")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def make(n):
            try:
                return own.new_cluster(admin, f"c{n}")["name"]
            except Exception:  # the server is gone: not acknowledged
                return None
        futures = [pool.submit(make, n) for n in range(60)]
        while sum(future.done() for future in futures) < 20:
            pass
        own.stop(signal.SIGKILL)
        acknowledged = {name for name in (future.result() for future in futures) if name}
    own.start()
    listed = {c["name"] for c in own.ask("GET", CLUSTERS, admin).json["clusters"]}
    assert acknowledged and acknowledged <= listed
    assert own.stop() is not None and own.code == 0


def test_each_change_is_in_the_audit_log_and_refused_ones_are_not(own):
    _, admin = own.new_organization("acme")
    cluster = own.new_cluster(admin, specs=[spec()])["id"]
    path = f"{CLUSTERS}/{cluster}/cmek"
    assert own.ask("PATCH", path, admin, {"action": "REVOKE"}).status == 200
    assert own.ask("PUT", path, admin, specs()).status == 400  # revoked
    entries = own.ask("GET", "/api/v1/auditlogevents", admin).json["entries"]
    assert [entry["action"].removeprefix("AUDIT_LOG_ACTION_") for entry in entries] == [
        "CREATE_ORGANIZATION", "CREATE_SERVICE_ACCOUNT", "CREATE_API_KEY", "CREATE_CLUSTER",
        "REVOKE_CMEK"]
    last = entries[-1]
    assert last["cluster_id"] == cluster and last["cluster_name"] == "orders"
    assert last["service_account_name"].startswith("ORG_ADMIN")
    assert [entry["position"] for entry in entries] == [1, 2, 3, 4, 5]
    answer = own.ask("GET", "/api/v1/auditlogevents?after=3&limit=1", admin).json
    assert answer["entries"] == [entries[3]]


def test_an_operator_who_deleted_the_last_key_gets_one_at_the_next_start(own):
    assert own.ask("DELETE", f"/api/v1/api-keys/{own.operator_key.split('_')[1]}",
                   own.operator_key).status == 200
    assert own.ask("GET", CLUSTERS, own.operator_key).status == 401
    own.stop()
    own.operator_key = None
    own.start()
    assert own.ask("GET", "/api/v1/organizations", own.operator_key).status == 200


def test_names_and_limits_are_bounded(server, customer):
    refused(server.ask("POST", "/api/v1/service-accounts", customer,
                       {"name": "x" * 65, "roles": [{"role": "READ_ONLY"}]}), 400, 3, "name")
    refused(server.ask("GET", "/api/v1/auditlogevents?limit=0", customer), 400, 3, "limit")


def test_a_head_request_has_no_body(server, customer):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"HEAD {CLUSTERS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
                           f"{customer}\r\nconnection: close\r\n\r\n".encode())
        wire = b""
        while data := connection.recv(4096):
            wire += data
    assert wire.startswith(b"HTTP/1.1 405") and wire.endswith(b"\r\n\r\n")
