"""REVOKE in the middle of a rotation, at each of its steps: it goes first, it stays, no key is lost."""

import http.client
import threading

import pytest

from freehold_testing import wait_for
from steps_testing import Dying, Life, asked, audit_is_whole, is_revoked, is_under, service

OF_THE_SERVER = ("change.asked", "change.written", "change.committed", "trial.ordered",
                 "trial.answered", "order.read", "order.sent", "report.written",
                 "report.confirming", "report.committed")
OF_THE_AGENT = ("trial.tried", "order.heard", "order.kept", "step.decided", "order.done", "step.done",
                "report.answered")
OF_THE_DAEMON = ("rewrap.wrapped", "rewrap.linked", "rewrap.committed", "rewrap.pinned",
                 "rewrap.zeroed", "rewrap.promoted")


class Rotation:
    """Asked for once, by a client that does not ask again."""

    def __init__(self, life):
        self.life, self.key, self.answer = life, life.service.new_key(), None
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        try:
            self.answer = self.life.service.change("PUT", self.life.cluster,
                                                   self.life.service.spec(self.key))
        except (OSError, http.client.HTTPException):
            pass  # cut off: it may have been taken, or not

    def ended(self):
        """Whether it was acknowledged; if it was refused, then in so many words."""
        self.thread.join()
        if self.answer is None or self.answer.status == 200:
            return self.answer is not None
        assert self.answer.status in (400, 503), self.answer
        assert "revoked" in self.answer.text or self.answer.status == 503, self.answer
        return False


def heard_the_server(life):
    """A new agent has looked at its volume, told the server, and heard what is wanted."""
    life.host.kill()
    with Dying(life.host, "report.answered", times=1, start=life.start) as dying:
        life.start()
        wait_for("a word with the server", lambda: dying.deaths)


def revoke(life):
    asked(life.service, "PATCH", life.path, {"action": "REVOKE"})


def stays_revoked_and_comes_back(life, rotation):
    life.service.wait_status(life.cluster, "REVOKED")
    assert is_revoked(life.host)
    was_acknowledged = rotation.ended()
    heard_the_server(life)
    assert is_revoked(life.host) and life.service.cmek(life.cluster)["status"] == "REVOKED"
    life.restore()
    wanted = life.service.cmek(life.cluster)["region_infos"][0]["key_infos"][0]["spec"]["uri"]
    assert wanted == rotation.key or (wanted == life.key and not was_acknowledged)
    life.key = wanted
    is_under(life.service, life.cluster, wanted, life.host)


@pytest.fixture
def life(service):
    made = Life(service)
    made.enable()
    yield made
    audit_is_whole(service)


def test_a_revoke_is_the_first_word_to_a_server_that_died_at_any_step_of_a_rotation(life):
    server = life.service.server
    for point in OF_THE_SERVER:
        with Dying(server, point, times=1) as dying:
            rotation = Rotation(life)
            wait_for(f"a death at {point}", lambda: dying.deaths)
            revoke(life)
        stays_revoked_and_comes_back(life, rotation)


def test_a_revoke_comes_while_the_agent_is_dead_that_died_at_any_step_of_a_rotation(life):
    for point in OF_THE_AGENT:
        with Dying(life.host, point, times=1, start=lambda: revoked_and_started(life)):
            rotation = Rotation(life)
            life.service.wait_status(life.cluster, "REVOKED", 90)
        stays_revoked_and_comes_back(life, rotation)


def revoked_and_started(life):
    revoke(life)
    assert life.service.cmek(life.cluster)["status"] in ("REVOKING", "REVOKED")
    life.start()


@pytest.mark.parametrize("point", OF_THE_DAEMON)  # a daemon is brought back later each time
def test_a_revoke_comes_when_the_daemon_died_at_any_step_of_a_rotation(life, point):
    with Dying(life.host, point, times=1, of_child=True) as dying:
        rotation = Rotation(life)
        wait_for(f"a death at {point}", lambda: dying.deaths)
        revoke(life)
    stays_revoked_and_comes_back(life, rotation)
