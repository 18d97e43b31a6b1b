"""/healthz, /readyz and /metrics of the server, and the alerts over them."""

import re
import signal
import urllib.error
import urllib.request

import pytest

from freehold_testing import ROOT
from server_testing import Server, spec

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'{NAME}="(?:[^"\\\n]|\\[\\n"])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


def parse(text):
    """{(name, labels): value} and {name: type}; every line is what the format allows, in its order."""
    samples, types, described, family = {}, {}, set(), None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in described and len(line.split(" ", 3)[3]) > 3
            described.add(name)
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family in described and family not in types
            assert kind in ("counter", "gauge", "histogram")
            types[family] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert name in [family + suffix for suffix in suffixes], line
            pairs = [tuple(one.split("=", 1)) for one in re.findall(LABEL, labels or "")]
            assert len(dict(pairs)) == len(pairs)
            key = (name, frozenset((label, text[1:-1]) for label, text in pairs))
            assert key not in samples, line
            samples[key] = float(value)
            assert samples[key] >= 0
    return samples, types


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failure:
        return failure.code, failure.read().decode()


class Monitored(Server):
    def metrics(self):
        status, text = get(self.metrics_url + "/metrics")
        assert status == 200
        return parse(text)[0]

    def value(self, name, **labels):
        return self.metrics().get((name, frozenset(labels.items())), 0)


@pytest.fixture
def server(tmp_path):
    made = Monitored(tmp_path / "server", "--metrics-listen", "127.0.0.1:0")
    yield made
    made.stop()


ROUTE = "/api/v1/clusters/{cluster_id}"


def test_counters_count_by_route_and_status(server):
    organization, key = server.new_organization("acme-of-the-secret-name")
    cluster = server.new_cluster(key, "orders-of-acme", specs=[spec()])["id"]

    def count(status):
        return server.value("freehold_http_requests_total", route=ROUTE, method="GET",
                            status=str(status))

    assert count(200) == 0
    for expected in (1, 2, 3):
        assert server.ask("GET", f"/api/v1/clusters/{cluster}", key).status == 200
        assert count(200) == expected
    assert server.ask("GET", "/api/v1/clusters/none", key).status == 404
    assert count(404) == 1 and count(200) == 3
    assert server.ask("BREW", "/a/path/nobody/has", None).status == 401
    samples = server.metrics()
    assert samples["freehold_http_requests_total", frozenset(
        {("route", "none"), ("method", "other"), ("status", "401")})] == 1

    # A histogram's buckets rise up to its count.
    buckets = sorted((float(dict(labels)["le"]), value) for (name, labels), value in samples.items()
                     if name.endswith("_bucket") and ("route", ROUTE) in labels)
    assert buckets[-1] == (float("inf"), 4)
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    route = frozenset({("route", ROUTE)})
    assert samples["freehold_http_request_duration_seconds_count", route] == 4
    assert samples["freehold_http_request_duration_seconds_sum", route] > 0

    # No customer's name, id or key is in it.
    text = get(server.metrics_url + "/metrics")[1]
    assert not UUID.search(text) and "acme" not in text and "fhk_" not in text
    assert "nobody" not in text and "BREW" not in text and organization not in text


def test_clusters_and_changes_are_seen(server):
    _, key = server.new_organization("acme")
    before = server.metrics()["freehold_store_revision", frozenset()]
    server.new_cluster(key, "a", specs=[spec()])
    server.new_cluster(key, "b")
    assert server.value("freehold_clusters", status="ENABLING") == 1
    assert server.value("freehold_clusters", status="DISABLED") == 1
    assert server.value("freehold_clusters", status="ROTATE_FAILED") == 0
    assert server.value("freehold_store_revision") == before + 2
    assert server.value("freehold_nodes_connected") == 0
    assert server.value("freehold_longest_silence_seconds") == 0
    assert server.value("freehold_store_up") == 1
    assert server.ask("GET", f"/api/v1/clusters/{UUID}", key).status == 404
    assert server.value("freehold_store_errors_total") == 0  # a refusal is none


def test_a_store_that_does_not_answer_is_neither_ready_nor_dead(server):
    assert get(server.metrics_url + "/healthz") == (200, "ok\n")
    assert get(server.metrics_url + "/readyz") == (200, "ok\n")
    # Reads of the file fail once its header is none.
    for name in ("freehold.db", "freehold.db-wal", "freehold.db-shm"):
        path = server.directory / name
        if path.exists():
            path.write_bytes(b"\0" * path.stat().st_size)
    assert get(server.metrics_url + "/readyz")[0] == 503
    assert get(server.metrics_url + "/healthz") == (200, "ok\n")
    samples = server.metrics()
    assert samples["freehold_store_up", frozenset()] == 0
    assert samples["freehold_store_errors_total", frozenset()] >= 1
    assert not any(name == "freehold_clusters" for name, _ in samples)
    server.process.send_signal(signal.SIGTERM)


def test_it_takes_no_more_than_it_says(server):
    assert get(server.metrics_url + "/api/v1/clusters")[0] == 404
    assert get(server.url + "/metrics")[0] == 401
    request = urllib.request.Request(server.metrics_url + "/metrics", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 405


def test_what_is_served_documented_alerted_and_explained_is_the_same(server):
    server.new_organization("acme")
    served = set(parse(get(server.metrics_url + "/metrics")[1])[1])
    assert served == set(re.findall(r"^\| `(freehold_\w+)`", (ROOT / "docs/metrics.md").read_text(),
                                    re.M))
    alerts = (ROOT / "packaging/alerts.yml").read_text()
    asked = {re.sub("_bucket$", "", name) for name in re.findall(r"\bfreehold_\w+", alerts)}
    assert asked <= served
    assert re.findall(r"alert: (\w+)", alerts) == re.findall(
        r"^## (\w+)", (ROOT / "docs/runbooks.md").read_text(), re.M)
