"""One meaning for every answer: each kind of KMS is driven through the same troubles, and must say
the same of each. What a KMS cannot do at all stands as a sentence in place of the trouble.

What custody makes of a class is shown by kms_trouble_test.py and by each provider's own tests.
"""

import pytest

from conformance_testing import CONTEXT, KEY, SUBJECTS, Failure
from kms_helper_testing import DESCRIBE, Answer, ask, request_frame


# Trouble -> class, and the meanings that are right for it.
EXPECTED = {
    "disabled": ("denied", {"key_disabled"}),
    "scheduled for deletion": ("denied", {"key_pending_deletion"}),
    "deleted": ("denied", {"key_missing", "key_version_retired"}),
    "recreated under its name": ("data", {"wrong_ciphertext"}),
    "permission removed": ("denied", {"permission_missing"}),
    "trust removed": ("denied", {"trust_withdrawn"}),
    "our credentials ended": ("ours", {"our_credentials"}),
    "clock skew": ("ours", {"our_clock", "our_credentials"}),
    "throttled": ("unreachable", {"throttled"}),
    "failing": ("unreachable", {"outage"}),
    "slow": ("unreachable", {"timed_out"}),
    "connection reset": ("unreachable", {"not_connected"}),
    "certificate not trusted": ("unreachable", {"tls_failed"}),
    "name not resolved": ("unreachable", {"name_not_resolved"}),
    "sealed": ("unreachable", {"kms_sealed"}),
    "imported material deleted": ("denied", {"key_material_missing"}),
    "version retired": ("denied", {"key_version_retired", "key_disabled"}),
    "firewall": ("denied", {"network_refused"}),
    "wrong key": ("data", {"wrong_ciphertext", "wrong_key"}),
    "wrong context": ("data", {"wrong_ciphertext"}),
    "corrupt blob": ("data", {"wrong_ciphertext"}),
    "garbage": ("data", {"wrong_ciphertext"}),
}

WRONG_QUESTIONS = ("wrong key", "wrong context", "corrupt blob", "garbage")


def with_subjects(*troubles):
    """Every KMS with every one of these that it can have."""
    pairs = [(name, trouble) for name, subject in SUBJECTS.items() for trouble in troubles
             if trouble not in subject.absent]
    return pytest.mark.parametrize("subject, trouble", pairs, indirect=["subject"])


@pytest.fixture
def subject(request, tmp_path):
    made = SUBJECTS[request.param](tmp_path / "kms")
    yield made
    made.stop()


# What is wrong with the question and not with the KMS.
def wrong_question(subject, trouble, wrapped):
    blob, *rest = wrapped
    if trouble == "wrong key":
        return subject.unwrap(wrapped, uri=subject.other_uri)
    if trouble == "wrong context":
        return subject.unwrap(wrapped, context=dict(CONTEXT, **{"freehold:cluster": "c2"}))
    if trouble == "corrupt blob":
        return subject.unwrap((blob[:-3] + bytes([blob[-3] ^ 4]) + blob[-2:], *rest))
    return subject.unwrap((b"garbage", *rest))


@with_subjects(*EXPECTED)
def test_every_trouble_means_the_same_everywhere(subject, trouble):
    wrapped = subject.wrap()
    assert subject.unwrap(wrapped) == KEY
    if trouble in WRONG_QUESTIONS:
        failure = wrong_question(subject, trouble, wrapped)
    else:
        subject.troubles()[trouble]()
        failure = subject.unwrap(wrapped)
    kms_class, meanings = EXPECTED[trouble]
    assert isinstance(failure, Failure), failure
    assert failure.kms_class == kms_class and failure.meaning in meanings, failure
    assert failure.operation and (failure.code or failure.message), failure
    assert KEY.hex() not in str(failure)


@with_subjects("enabled again")
def test_an_enabled_key_unwraps_again(subject, trouble):
    wrapped = subject.wrap()
    subject.troubles()["disabled"]()
    assert isinstance(subject.unwrap(wrapped), Failure)
    subject.troubles()[trouble]()
    assert subject.unwrap(wrapped) == KEY


@with_subjects("new version")
def test_a_new_version_wraps_and_the_old_one_still_unwraps(subject, trouble):
    wrapped = subject.wrap()
    subject.troubles()[trouble]()
    again = subject.wrap()
    assert wrapped[1] and again[1] and wrapped[1] != again[1]
    assert subject.unwrap(wrapped) == subject.unwrap(again) == KEY


@pytest.mark.parametrize("subject", SUBJECTS, indirect=True)
def test_every_kms_has_every_trouble_or_says_why_not(subject):
    wanted = set(EXPECTED) | {"new version", "enabled again"}
    has = set(subject.troubles()) | set(WRONG_QUESTIONS)
    assert has >= wanted - set(subject.absent) and set(subject.absent) <= wanted


@pytest.mark.parametrize("subject", SUBJECTS, indirect=True)
def test_a_description_needs_no_plaintext(subject):
    frame = request_frame(DESCRIBE, subject.uri, {}, principal=subject.principal,
                          external_id=subject.external_id)
    code, wire, words = ask(subject.environment(), frame)
    assert code == 0 and words == "" and Answer(wire).secret == b""
