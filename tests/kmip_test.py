"""A key in a KMIP server as a KMS, with PyKMIP: the provider, a volume, and every way to say no."""

import base64
import json

import pytest
from kmip.core import enums

from conformance_testing import refuses_configuration
from freehold_testing import (
    DATA, DENIED, OK, OURS, UNREACHABLE, USAGE, EmbeddedKms, Volume)
from kmip_testing import DAY, MASKS, Authority, KmipKms
from kmip_testing import OURS as OUR_OPERATIONS
from preflight_testing import check, failed


@pytest.fixture(params=["1.4", "1.2"])
def either(request, tmp_path):
    """With and without associated data."""
    made = KmipKms(tmp_path / "kms", request.param)
    yield made
    made.stop()


@pytest.fixture
def kms(tmp_path):
    made = KmipKms(tmp_path / "kms")
    yield made
    made.stop()


def volume_of(kms, directory):
    made = Volume(kms, directory)
    try:
        yield made
    finally:
        made.clean_up()


@pytest.fixture
def volume(kms, tmp_path):
    yield from volume_of(kms, tmp_path)


@pytest.fixture
def volume_of_either(either, tmp_path):
    yield from volume_of(either, tmp_path)


def warnings_of(report):
    return [item for item in report["items"] if item["outcome"] != "ok"]


def test_a_key_is_valid_and_a_volume_lives_under_it(either, volume_of_either):
    volume = volume_of_either
    report = check(volume).json
    assert report["valid"], report
    told = "the key may leave the server" if either.settings["newest"] == "1.4" else "KMIP 1.2, which knows"
    assert [item["what"] for item in warnings_of(report)] == ["Rotation", "Advice"], report
    assert told in warnings_of(report)[1]["detail"]
    volume.create()
    with volume.opened() as root:
        (root / "f").write_bytes(b"under a key in a KMIP server")
    with volume.opened() as root:
        assert (root / "f").read_bytes() == b"under a key in a KMIP server"
    kek = volume.status()["keks"][0]
    assert (kek["kms_type"], kek["key_version"]) == ("KMIP", either.key)
    assert kek["algorithm"] == ("AES-GCM" if either.settings["newest"] == "1.4" else "AES-CTR")


def test_the_preflight_names_us_and_the_server(volume):
    assert "freehold at PyKMIP" in json.dumps(check(volume).json)


def test_the_key_itself_is_never_asked_for(kms, volume):
    volume.create()
    with volume.opened():
        volume.custody()
    check(volume)
    asked = {line.rsplit(": ", 1)[1] for line in kms.log().splitlines()
             if "Processing operation" in line}
    # Create and Activate are the customer's, when the key was made.
    assert asked == {"Create", "Activate", "DiscoverVersions", "Query", "GetAttributes", "Encrypt",
                     "Decrypt"}


def take(blob):
    return blob[1:1 + blob[0]], blob[1 + blob[0]:]


def test_the_customer_can_unwrap_the_kek_with_their_own_client(kms, volume):
    volume.create("--context", "freehold:cluster=c1")
    kek = volume.status()["keks"][0]
    blob = base64.b64decode(kek["wrapped_kek"])
    context = json.dumps(kek["context"], sort_keys=True, separators=(",", ":")).encode()
    iv, rest = take(blob[1:])
    tag, ciphertext = take(rest)
    assert (blob[0], len(iv), len(tag), len(ciphertext)) == (1, 12, 16, 32)
    assert len(kms.decrypt(kek["key_version"], ciphertext, iv, tag, context)) == 32
    assert kms.decrypt(kek["key_version"], ciphertext, iv, tag, context.replace(b"c1", b"c2")) is None


REFUSALS = {
    "deactivated": (lambda kms: kms.revoke(), DENIED, "key_disabled"),
    "compromised": (lambda kms: kms.compromise(), DENIED, "key_disabled"),
    "destroyed": (lambda kms: kms.destroy(), DENIED, "key_missing"),
    "may not use": (lambda kms: kms.allow("GET_ATTRIBUTES"), DENIED, "permission_missing"),
    "may nothing": (lambda kms: kms.allow(), DENIED, "permission_missing"),
    "certificate revoked": (lambda kms: kms.withdraw(), DENIED, "trust_withdrawn"),
    "certificate ended": (lambda kms: kms.expire(), OURS, "our_credentials"),
    "server's authority unknown": (lambda kms: kms.distrust(), UNREACHABLE, "tls_failed"),
    "store broken": (lambda kms: kms.break_store(), UNREACHABLE, "outage"),
    "server away": (lambda kms: kms.relay.close(), UNREACHABLE, "not_connected"),
    "connection reset": (lambda kms: kms.fault("--unreachable"), UNREACHABLE, "not_connected"),
    "no answer": (lambda kms: kms.fault("--latency"), UNREACHABLE, "timed_out"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_every_no_has_its_meaning(kms, volume, name):
    change, code, meaning = REFUSALS[name]
    change(kms)
    got = failed(volume)
    assert got[:2] == (code, meaning), got
    assert kms.private_key_line() not in got[2]


def test_a_key_of_another_use_or_not_yet_active_says_so(kms, volume):
    decrypts = enums.CryptographicUsageMask.DECRYPT
    volume.key = kms.uri(kms.make_key("half", masks=[decrypts]))
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (DENIED, "permission_missing") and "Usage Mask" in detail
    volume.key = kms.uri(kms.make_key("early", active=False))
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (DENIED, "key_not_valid_now") and "Activate" in detail


def test_a_key_that_may_do_more_is_warned_of(kms, volume):
    wraps = enums.CryptographicUsageMask.WRAP_KEY
    volume.key = kms.uri(kms.make_key("wide", masks=[*MASKS, wraps]))
    report = check(volume).json
    assert report["valid"] and "no other use" in json.dumps(warnings_of(report))


def test_a_key_that_stays_in_the_server_is_not_warned_of(kms, volume):
    volume.key = kms.uri(kms.make_key("inside", SENSITIVE=True))
    report = check(volume).json
    assert report["valid"] and [item["what"] for item in warnings_of(report)] == ["Rotation"], report


def test_an_unknown_authority_is_our_customers_no_only_after_the_handshake(kms, volume):
    """With TLS 1.2 a refusal of our certificate is not yet authenticated: anybody on the way could
    have sent it, and seal a database so."""
    stranger = kms.directory / "stranger"
    stranger.mkdir()
    Authority(stranger, "stranger").issue_client("freehold")
    kms.variables = {"FREEHOLD_KMIP_CERT_FILE": str(stranger / "freehold.pem"),
                     "FREEHOLD_KMIP_KEY_FILE": str(stranger / "freehold.key")}
    assert failed(volume)[:2] == (DENIED, "trust_withdrawn")
    kms.set(tls="1.2")
    assert failed(volume)[:2] == (UNREACHABLE, "tls_failed")


def test_a_server_with_tls_1_2_serves(kms, volume):
    kms.set(tls="1.2")
    assert check(volume).json["valid"]


def test_a_server_without_gcm_gets_ctr_and_the_context_still_binds(kms, volume):
    kms.set(modes=["CTR"])
    assert check(volume).json["valid"]
    volume.create()
    assert volume.status()["keks"][0]["algorithm"] == "AES-CTR"
    kms.set(newest="2.0", modes=["GCM", "CTR"])  # what was wrapped before still unwraps
    with volume.opened() as root:
        (root / "f").write_bytes(b"x")


def test_a_server_with_neither_gcm_nor_ctr_is_refused(kms, volume):
    """CBC would say whether padding fits, and so, asked often enough, what the KEK is."""
    kms.set(modes=["CBC", "ECB"])
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (DATA, "bad_request") and "GCM" in detail, detail


def test_a_server_that_is_too_old_is_refused(kms, volume):
    kms.set(newest="1.1")
    code, meaning, detail = failed(volume)
    assert code == DATA and meaning in ("wrong_usage", "bad_request"), (meaning, detail)


@pytest.mark.parametrize("no", ["revoke", "compromise", "destroy"])
def test_a_key_that_is_taken_away_seals(kms, volume, no):
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"x")
    getattr(kms, no)()
    assert volume.wait_for_state("sealed")["reason"] == "denied"
    volume.unmount()
    assert volume.try_mount().code == DENIED


def test_a_permission_that_returns_opens_again(kms, volume):
    volume.create().mount()
    (volume.mount_point / "f").write_bytes(b"x")
    kms.allow("GET_ATTRIBUTES")
    assert volume.wait_for_state("sealed")["reason"] == "denied"
    kms.allow(*OUR_OPERATIONS)
    volume.wait_for_state("open")
    assert (volume.mount_point / "f").read_bytes() == b"x"


def test_an_outage_is_no_denial_and_ends(kms, volume):
    volume.create().mount()
    kms.break_store()
    volume.wait_for_state("grace")
    kms.mend_store()
    volume.wait_for_state("open")


def test_a_key_made_again_under_the_same_name_is_another_key(kms, volume):
    volume.create()
    kms.destroy()
    again = kms.make_key("orders")
    assert again != kms.key
    assert volume.try_mount().code == DENIED


def test_a_volume_goes_from_aws_to_kmip_and_back(either, volume_of_either, tmp_path):
    volume = volume_of_either
    embedded = EmbeddedKms(tmp_path / "embedded")
    try:
        volume.extra_environment = embedded.environment()
        volume.extra_environment.update(either.environment())
        aws = f"aws-kms://{embedded.new_key()}"
        kmip, volume.key = volume.key, aws
        volume.create().mount()
        (volume.mount_point / "f").write_bytes(b"kept")
        for key in (kmip, aws, kmip):
            rotated = volume.volume("rotate-key", "--key", key)
            assert rotated.code == OK, rotated
            assert volume.status()["keks"][0]["key"] == key
        volume.unmount()
        with volume.opened() as root:
            assert (root / "f").read_bytes() == b"kept"
            either.revoke()
            assert volume.wait_for_state("sealed")["reason"] == "denied"
    finally:
        embedded.stop()


def test_nothing_is_sent_to_a_server_that_is_not_configured(kms, volume):
    kms.variables["FREEHOLD_KMIP_SERVERS"] = "kmip.example.com, 127.0.0.1:1"
    before = kms.log().count("Starting session")
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (OURS, "our_configuration") and "FREEHOLD_KMIP_SERVERS" in detail
    assert kms.log().count("Starting session") == before > 0


def test_nothing_is_sent_to_a_link_local_address(kms, volume):
    kms.variables["FREEHOLD_KMIP_SERVERS"] = "169.254.169.254:443"
    volume.key = "kmip://169.254.169.254:443/k"
    code, meaning, detail = failed(volume)
    assert (code, meaning) == (OURS, "our_configuration") and "nothing is sent to" in detail


BAD = {
    "no servers": ({"FREEHOLD_KMIP_SERVERS": ""}, OURS, "FREEHOLD_KMIP_SERVERS is not set"),
    "no host": ({"FREEHOLD_KMIP_SERVERS": "kmip://h"}, OURS, "is not host:port"),
    "empty entry": ({"FREEHOLD_KMIP_SERVERS": "h,,i"}, OURS, "is not host:port"),
    "no certificate": ({"FREEHOLD_KMIP_CERT_FILE": ""}, OURS,
                       "FREEHOLD_KMIP_CERT_FILE is not set"),
    "no key": ({"FREEHOLD_KMIP_KEY_FILE": ""}, OURS, "FREEHOLD_KMIP_KEY_FILE is not set"),
    "missing": ({"FREEHOLD_KMIP_CERT_FILE": "/nonexistent"}, OURS, "/nonexistent"),
    "no authority": ({"FREEHOLD_KMIP_CA_FILE": "/nonexistent"}, OURS, "/nonexistent"),
    "no PEM": ({"FREEHOLD_KMIP_CERT_FILE": "/etc/passwd"}, OURS, "holds no certificate"),
    "no PEM key": ({"FREEHOLD_KMIP_KEY_FILE": "/etc/passwd"}, OURS, "holds no private key"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_is_one_clear_sentence_and_nothing_is_made(volume, name):
    refuses_configuration(volume, BAD[name])


def test_a_key_of_another_certificate_is_told(kms, volume):
    kms.authority.issue_client("other", until=DAY)
    volume.extra_environment = {"FREEHOLD_KMIP_KEY_FILE": str(kms.directory / "other.key")}
    result = volume.volume("create", "--key", volume.key)
    assert result.code == OURS and "is not that of the certificate" in result.err, result


@pytest.mark.parametrize("more", [["--principal", "x"], ["--principal", "x", "--external-id", "y"]])
def test_a_kmip_server_knows_no_principals(volume, more):
    result = check(volume, *more)
    assert result.code == USAGE and len(result.err.splitlines()) == 1
