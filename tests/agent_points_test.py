"""The agent, and the processes that it looks after, die at each step of each change: everything comes
to the state that was asked for.

agent_steps_test.py kills the agent at what it and the volume's daemon tell of.
"""

import pytest

from agent_testing import CLUSTERS
from freehold_testing import wait_for
from steps_testing import (
    CALM, CONTENTS, Dying, Life, asked, audit_is_whole, is_under, joined, keeps_its_file,
    points_in, service)

FLOWS = ("enable", "rotate", "rekey", "revoke", "restore", "disenrol")
CHANGING_KEYS = ("enable", "rotate", "rekey", "disenrol")
STEPS = {  # of the agent, and the flows whose path it is on
    **{point: FLOWS for point in ("order.heard", "order.kept", "report.answered")},
    "step.decided": (*CHANGING_KEYS, "restore"),
    "step.done": (*CHANGING_KEYS, "restore"),
    "order.done": (*CHANGING_KEYS, "restore"),
    "trial.tried": CHANGING_KEYS,
    "renewal.begun": ("enable", "rekey"),
    "revoke.sealed": ("revoke",),
}
DAEMONS = {  # of the volume's daemon, which the agent starts again
    point: ("rotate", "rekey")
    for point in ("rewrap.wrapped", "rewrap.linked", "rewrap.committed", "rewrap.pinned",
                  "rewrap.zeroed", "rewrap.promoted")
}
OF_JOINING = ("certificate.key-kept", "certificate.request-kept", "certificate.answered",
              "certificate.kept")
OF_A_NEW_VOLUME = ("order.heard", "order.kept", "step.decided", "order.done", "step.done",
                   "report.answered")
# In a command of the agent's.
CREATING = ("create.pinned", "create.directories", "create.data", "create.placed")


def test_every_step_of_the_agent_is_one_that_it_dies_at():
    assert points_in("agent") == {*STEPS, *OF_JOINING, *OF_A_NEW_VOLUME}


def goes_on(service, point, flows, **how):
    life = Life(service)
    for flow in FLOWS:
        if flow in flows:
            with Dying(life.host, point, start=life.start, **how):
                getattr(life, flow)()
        else:
            getattr(life, flow)()
        life.is_as_asked(flow)
    life.has_ended(FLOWS)


@pytest.mark.parametrize("point", STEPS)
def test_a_clusters_life_goes_on_from_whatever_step_the_agent_died_at(service, point):
    goes_on(service, point, STEPS[point])


@pytest.mark.parametrize("point", DAEMONS)
def test_a_clusters_life_goes_on_from_whatever_step_the_daemon_died_at(service, point):
    goes_on(service, point, DAEMONS[point], of_child=True, times=1)  # it waits longer after each


@pytest.mark.parametrize("point", (*OF_JOINING, *OF_A_NEW_VOLUME, *CREATING))
def test_a_host_joins_and_makes_its_volume_whatever_step_it_died_at(service, point):
    key = service.new_key()
    cluster = service.server.new_cluster(service.admin, specs=[service.spec(key)])["id"]
    host = service.host()
    token = service.token("us-east-1")

    def start():
        host.start(token, words=CALM)
    with Dying(host, point, of_child=point in CREATING, start=start):
        start()
        service.wait_state(cluster, "running")
        service.wait_status(cluster, "ENABLED")
    (host.mount / "file").write_bytes(CONTENTS)
    is_under(service, cluster, key, host)
    nodes = service.ask("GET", "/api/v1/nodes", key=service.server.operator_key).json["nodes"]
    assert [node["cluster_id"] for node in nodes] == [cluster]
    audit_is_whole(service)


@pytest.mark.parametrize("point", OF_A_NEW_VOLUME)
def test_a_region_is_added_and_both_are_rotated_whatever_steps_their_agents_died_at(service, point):
    life = Life(service)
    life.enable()
    new = joined(service, "eu-west-1")
    key = service.new_key()

    def add():
        asked(service, "PATCH", f"{CLUSTERS}/{life.cluster}",
              {"region_specs": [service.spec(key, "eu-west-1")]})
        service.wait_custody(life.cluster, "open")
        wait_for("both nodes", lambda: len(service.nodes(life.cluster)) == 2)
        service.wait_status(life.cluster, "ENABLED")
    with Dying(new, point, start=lambda: new.start(words=CALM)):
        add()
    keys = {"us-east-1": service.new_key(), "eu-west-1": service.new_key()}
    with Dying(life.host, "order.done", start=life.start):
        with Dying(new, "order.done", start=lambda: new.start(words=CALM)):
            asked(service, "PUT", life.path, {"region_specs": [
                service.spec(key, region) for region, key in keys.items()]})
            service.wait_status(life.cluster, "ENABLED")
    assert {node["region"]: node["key_uri"] for node in service.nodes(life.cluster)} == {
        region: f"aws-kms://{key}" for region, key in keys.items()}
    keeps_its_file(life.host)
    audit_is_whole(service)


@pytest.mark.parametrize("point", OF_JOINING)
def test_a_certificate_is_renewed_whatever_step_the_agent_died_at(service, monkeypatch, point):
    host = joined(service)
    wait_for("the join is over", lambda: "(revision" in host.log.read_text())
    before = (host.state / "agent/identity").read_bytes()
    host.kill()
    monkeypatch.setenv("FREEHOLD_MUTANT", "renewal-waits")
    with Dying(host, point, start=lambda: host.start(words=CALM)):
        host.start(words=CALM)
        wait_for("a renewal", lambda: "the certificate was renewed" in host.log.read_text())
    host.kill()
    monkeypatch.delenv("FREEHOLD_MUTANT")
    assert (host.state / "agent/identity").read_bytes() != before
    host.start(words=CALM)
    cluster = service.server.new_cluster(service.admin)["id"]
    service.wait_state(cluster, "running")  # it is known, and does what it is told
