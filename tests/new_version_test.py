"""A new version of the customer's key is noticed and wrapped to without being asked, at every KMS
that has versions, while the volume goes on."""

import pytest

from conformance_testing import AwsSubject, AzureSubject, GoogleSubject, VaultSubject
from freehold_testing import Volume, wait_for

OFTEN = ("--version-interval", "300ms")


class OperatorsSide:
    """The KMS of a subject, as whoever runs the volume sees it."""

    def __init__(self, subject):
        self.subject = subject
        self.process = subject.kms.process

    def environment(self, profile):
        return self.subject.environment()


@pytest.fixture(params=[AwsSubject, GoogleSubject, AzureSubject, VaultSubject])
def subject(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def volume(subject, tmp_path):
    access = ["--principal", subject.principal] if getattr(subject, "principal", "") else []
    if getattr(subject, "external_id", ""):
        access += ["--external-id", subject.external_id]
    made = Volume(OperatorsSide(subject), tmp_path, key=subject.uri).create(*access)
    yield made
    made.clean_up()


def wrapped_by(volume):
    return volume.status()["keks"][0]["key_version"]


def test_a_new_version_is_wrapped_to_by_itself(subject, volume):
    volume.mount(*OFTEN)
    (volume.mount_point / "file").write_text("kept")
    first, generation = wrapped_by(volume), volume.status()["generation"]
    subject.troubles()["new version"]()
    wait_for("a rewrap", lambda: wrapped_by(volume) != first)
    status = volume.status()
    assert status["generation"] == generation + 1 and status["custody"]["state"] == "open", status
    assert (volume.mount_point / "file").read_text() == "kept"
    volume.unmount()
    with volume.opened() as mount_point:
        assert (mount_point / "file").read_text() == "kept"


def test_it_is_not_looked_for_where_that_was_not_wanted(subject, volume):
    volume.mount("--version-interval", "0s")
    first = wrapped_by(volume)
    subject.troubles()["new version"]()
    probed = volume.custody()["last_verified_at"]
    wait_for("later probes", lambda: volume.custody()["last_verified_at"] > probed)
    assert wrapped_by(volume) == first


def test_a_rewrap_that_fails_leaves_the_volume_open_and_is_tried_again(subject, volume):
    volume.mount(*OFTEN)
    first = wrapped_by(volume)
    pins = volume.state / "pins"
    saved = list(pins.iterdir())
    pins.rename(volume.state / "away")  # a rewrap pins both wrappings first
    pins.write_text("in the way")
    subject.troubles()["new version"]()
    wait_for("the refusal", lambda: "rewrapping failed" in volume.log())
    assert wrapped_by(volume) == first and volume.custody()["state"] == "open"
    pins.unlink()
    (volume.state / "away").rename(pins)
    assert list(pins.iterdir()) == saved
    wait_for("a rewrap", lambda: wrapped_by(volume) != first)
