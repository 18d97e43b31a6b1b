"""Trouble at the KMS: each kind ends in the right state, with the KMS's own words, since when, and
the next probe's time in `volume status`."""

import base64
import http.client
import http.server
import json
import threading
import time

import pytest

from freehold_testing import DATA, DENIED, KEYRING_CORRUPT, OK, SEALED, UNREACHABLE
from freehold_testing import Volume, wait_for
from policy_testing import ROLE, role_policy, role_trust
import freehold_reader  # its path is set by freehold_testing

EXTERNAL_ID = "organization-1"
GRACE = ["--outage-grace", "2s"]
USE = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")


@pytest.fixture
def vendor_volume(new_kms, tmp_path):
    """A volume in the operator's account, under a key of the customer's, through a role."""
    new_kms.client("iam").create_role(
        RoleName="freehold", AssumeRolePolicyDocument=role_trust(EXTERNAL_ID))
    key = new_kms.client("kms").create_key(Policy=role_policy(*USE))["KeyMetadata"]["Arn"]
    made = Volume(new_kms, tmp_path, key=key, profile="operator")
    made.create("--principal", ROLE, "--external-id", EXTERNAL_ID)
    yield made
    new_kms.fault("--clear")
    made.clean_up()


def sealed_with(volume, reason, *words, seconds=30):
    """Waits for the seal and checks all that a status must say of it."""
    custody = volume.wait_for_state("sealed", seconds)
    assert custody["reason"] == reason, custody
    said = json.dumps(custody["last_failure"])
    for word in words:
        assert word in said, said
    assert custody["since"] and custody["next_probe_at"] >= custody["since"], custody
    assert custody["lease_expires_at"] is None
    assert not volume.is_mounted()
    return custody


def comes_back(volume):
    volume.wait_for_state("open")
    assert (volume.mount_point / "file").read_text() == "kept"


def mount(volume, *more):
    volume.mount(*GRACE, *more)
    (volume.mount_point / "file").write_text("kept")
    return volume.kms.client("kms")


def test_a_disabled_key_seals_and_its_return_opens(vendor_volume):
    kms = mount(vendor_volume)
    kms.disable_key(KeyId=vendor_volume.key)
    sealed_with(vendor_volume, "denied", "DisabledException", "is disabled", '"denied"')
    kms.enable_key(KeyId=vendor_volume.key)
    comes_back(vendor_volume)


def test_a_key_scheduled_for_deletion_seals_and_its_rescue_opens(vendor_volume):
    kms = mount(vendor_volume)
    kms.schedule_key_deletion(KeyId=vendor_volume.key, PendingWindowInDays=7)
    sealed_with(vendor_volume, "denied", "KMSInvalidStateException", "pending deletion")
    kms.cancel_key_deletion(KeyId=vendor_volume.key)
    kms.enable_key(KeyId=vendor_volume.key)
    comes_back(vendor_volume)


def test_a_permission_that_is_removed_seals(vendor_volume):
    kms = mount(vendor_volume)
    kms.put_key_policy(KeyId=vendor_volume.key, PolicyName="default",
                       Policy=role_policy("kms:Encrypt", "kms:DescribeKey"))
    sealed_with(vendor_volume, "denied", "AccessDeniedException", "kms:Decrypt")
    kms.put_key_policy(KeyId=vendor_volume.key, PolicyName="default", Policy=role_policy(*USE))
    comes_back(vendor_volume)


def test_trust_that_is_withdrawn_is_seen_at_the_next_probe(vendor_volume):
    mount(vendor_volume)
    iam = vendor_volume.kms.client("iam")
    iam.update_assume_role_policy(RoleName="freehold", PolicyDocument=role_trust("somebody-else"))
    sealed_with(vendor_volume, "denied", "AssumeRole", "AccessDenied")
    iam.update_assume_role_policy(RoleName="freehold", PolicyDocument=role_trust(EXTERNAL_ID))
    comes_back(vendor_volume)


def test_an_outage_shorter_than_the_grace_stops_nothing(vendor_volume):
    vendor_volume.mount("--outage-grace", "60s")
    (vendor_volume.mount_point / "file").write_text("kept")
    vendor_volume.kms.fault("--unreachable")
    custody = vendor_volume.wait_for_state("grace")
    assert custody["last_failure"]["class"] == "unreachable"
    assert custody["lease_expires_at"] and custody["next_probe_at"]
    assert (vendor_volume.mount_point / "file").read_text() == "kept"
    vendor_volume.kms.fault("--clear")
    assert vendor_volume.wait_for_state("open")["last_failure"] is None


@pytest.mark.parametrize("fault", [["--unreachable"], ["--throttle"], ["--fail"]])
def test_an_outage_longer_than_the_grace_seals_and_its_end_opens(vendor_volume, fault):
    mount(vendor_volume)
    vendor_volume.kms.fault(*fault)
    sealed_with(vendor_volume, "grace", '"unreachable"')
    vendor_volume.kms.fault("--clear")
    comes_back(vendor_volume)


def test_a_kms_that_is_gone_and_started_again_is_an_outage(vendor_volume):
    mount(vendor_volume)
    port = vendor_volume.kms.port
    vendor_volume.kms.kill()
    sealed_with(vendor_volume, "grace", '"unreachable"')
    vendor_volume.kms.start(port)
    comes_back(vendor_volume)


def test_a_kms_slower_than_the_request_timeout_is_unreachable(vendor_volume):
    result = vendor_volume.volume(
        "mount", vendor_volume.mount_point, "--check-interval", "300ms", "--request-timeout", "1s",
        "--confirm-after", "100ms", *GRACE)
    assert result.code == OK, result
    (vendor_volume.mount_point / "file").write_text("kept")
    vendor_volume.kms.fault("--latency", "4000")
    sealed_with(vendor_volume, "grace", '"unreachable"')
    vendor_volume.kms.fault("--clear")
    comes_back(vendor_volume)


def test_a_denial_before_an_outage_counts(vendor_volume):
    vendor_volume.mount("--outage-grace", "10m")
    kms = vendor_volume.kms.client("kms")
    kms.disable_key(KeyId=vendor_volume.key)
    wait_for("the first no", lambda: vendor_volume.custody()["state"] != "open")
    vendor_volume.kms.fault("--unreachable")
    assert vendor_volume.wait_for_state("sealed")["reason"] == "denied"


def test_our_own_refused_credentials_are_not_the_customers_no(vendor_volume):
    """The clock of the KMS runs away: our signatures expire. That is ours, not a revocation."""
    mount(vendor_volume)
    vendor_volume.kms.fault("--clock-skew", "3600")
    sealed_with(vendor_volume, "grace", '"ours"')
    vendor_volume.kms.fault("--clear")
    comes_back(vendor_volume)


def swap_material(directory, key, other):
    """Gives one key of a stopped embedded KMS the material of another: same name, not the same key.

    The store is one line of format and MAC, then JSON; the MAC is made anew with the master key.
    """
    store = directory / "store"
    master = (directory / "master.key").read_bytes()
    checking_key = freehold_reader.derive(master, b"freehold embedded kms", b"check")
    first_line, _, body = store.read_bytes().partition(b"\n")
    assert freehold_reader.hmac_sha256(checking_key, body).hex() == first_line.split()[-1].decode()
    state = json.loads(body)
    by_id = {k["id"]: k for k in state["keys"]}
    ours, theirs = by_id[key.rpartition("/")[2]], by_id[other.rpartition("/")[2]]
    ours["materials"], theirs["materials"] = theirs["materials"], ours["materials"]
    body = json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode()
    tag = freehold_reader.hmac_sha256(checking_key, body).hex().encode()
    store.write_bytes(first_line.rpartition(b" ")[0] + b" " + tag + b"\n" + body)


def test_a_key_of_the_same_name_that_is_not_the_same_key_never_renews(volume):
    kms, port, other = volume.kms, volume.kms.port, volume.kms.new_key()
    mount(volume)
    kms.stop()
    swap_material(kms.directory, volume.key, other)
    kms.start(port)
    sealed_with(volume, "grace", '"data"', "InvalidCiphertextException")
    kms.stop()
    swap_material(kms.directory, volume.key, other)
    kms.start(port)
    comes_back(volume)


def test_with_alert_only_a_denial_is_told_and_nothing_stops(vendor_volume):
    kms = mount(vendor_volume, "--on-denied", "alert")
    kms.disable_key(KeyId=vendor_volume.key)
    wait_for("the alert", lambda: vendor_volume.custody()["last_failure"])
    time.sleep(3)  # longer than the grace and several probes
    custody = vendor_volume.custody()
    assert custody["state"] == "grace" and custody["last_failure"]["class"] == "denied"
    assert (vendor_volume.mount_point / "file").read_text() == "kept"


def test_with_manual_return_it_waits_for_the_order(vendor_volume):
    kms = mount(vendor_volume, "--on-key-return", "manual")
    kms.disable_key(KeyId=vendor_volume.key)
    vendor_volume.wait_for_state("sealed")
    kms.enable_key(KeyId=vendor_volume.key)
    time.sleep(1.5)
    assert vendor_volume.custody()["state"] == "sealed"
    assert vendor_volume.volume("open").code == OK
    comes_back(vendor_volume)


def test_a_kms_that_is_down_at_the_first_start_leaves_nothing_half_made(new_kms, tmp_path):
    volume = Volume(new_kms, tmp_path)
    new_kms.fault("--unreachable")
    result = volume.volume("create", "--key", f"aws-kms://{volume.key}")
    assert result.code == UNREACHABLE, result
    assert not volume.directory.exists()
    new_kms.fault("--clear")
    volume.create()
    new_kms.fault("--unreachable")
    result = volume.try_mount()
    assert result.code == UNREACHABLE, result
    assert not volume.is_mounted() and not volume.processes()
    assert not (volume.directory / "freehold/open").exists()
    volume.mount("--wait-for-key")
    assert volume.custody()["state"] == "sealed"
    new_kms.fault("--clear")
    try:
        volume.wait_for_state("open")
    finally:
        volume.clean_up()


def test_a_denied_key_makes_no_volume(new_kms, tmp_path):
    volume = Volume(new_kms, tmp_path)
    new_kms.client("kms").disable_key(KeyId=volume.key)
    result = volume.volume("create", "--key", f"aws-kms://{volume.key}")
    assert result.code == DENIED and "is disabled" in result.err
    assert not volume.directory.exists()


def test_a_seal_by_order_outlives_the_daemon(vendor_volume):
    mount(vendor_volume)
    assert vendor_volume.volume("seal").code == OK
    vendor_volume.wait_for_state("sealed")
    vendor_volume.unmount()
    refused = vendor_volume.try_mount()
    assert refused.code == SEALED and "volume open" in refused.err
    assert vendor_volume.volume("open").code == OK
    vendor_volume.mount(*GRACE)
    comes_back(vendor_volume)


def test_the_status_states_the_bound_that_the_settings_promise(vendor_volume):
    vendor_volume.volume("mount", vendor_volume.mount_point, "--check-interval", "2s",
                         "--confirm-after", "1s", "--request-timeout", "3s", "--stop-timeout", "4s",
                         "--outage-grace", "5m")
    settings = vendor_volume.custody()["settings"]
    assert settings["worst_case_denied_ms"] == 1000 * (2 + 3 + 1 + 3 + 4)
    assert settings["worst_case_unreachable_ms"] == 1000 * (2 + 300 + 3 + 4)


def test_role_sessions_that_end_are_taken_anew_without_anybody_noticing(vendor_volume):
    mount(vendor_volume)
    for _ in range(3):
        before = vendor_volume.custody()["last_verified_at"]
        vendor_volume.kms.fault("--expire-sessions")
        wait_for("a probe", lambda: vendor_volume.custody()["last_verified_at"] > before)
        custody = vendor_volume.custody()
        assert custody["state"] == "open" and custody["last_failure"] is None


def test_an_external_id_that_the_customer_changed_is_named_once_and_remembered(vendor_volume):
    mount(vendor_volume)
    vendor_volume.unmount()
    iam = vendor_volume.kms.client("iam")
    iam.update_assume_role_policy(RoleName="freehold", PolicyDocument=role_trust("organization-2"))
    refused = vendor_volume.try_mount()
    assert refused.code == DENIED and "AssumeRole" in refused.err, refused
    named = ["--key", f"aws-kms://{vendor_volume.key}", "--principal", ROLE]
    vendor_volume.mount(*named, "--external-id", "organization-2")
    vendor_volume.unmount()
    vendor_volume.mount()
    assert (vendor_volume.mount_point / "file").read_text() == "kept"


def test_a_slow_kms_that_is_quicker_than_the_request_timeout_stops_nothing(vendor_volume):
    mount(vendor_volume)
    vendor_volume.kms.fault("--latency", "300")
    before = vendor_volume.custody()["last_verified_at"]
    wait_for("two probes", lambda: vendor_volume.custody()["last_verified_at"] > before)
    assert vendor_volume.custody()["state"] == "open"
    assert (vendor_volume.mount_point / "file").read_text() == "kept"


def test_with_alert_only_an_outage_still_seals(vendor_volume):
    kms = mount(vendor_volume, "--on-denied", "alert")
    kms.disable_key(KeyId=vendor_volume.key)
    wait_for("the alert", lambda: vendor_volume.custody()["last_failure"])
    vendor_volume.kms.fault("--unreachable")
    sealed_with(vendor_volume, "grace", '"unreachable"')


def test_a_key_that_may_wrap_but_not_unwrap_makes_no_volume(new_kms, tmp_path):
    new_kms.client("iam").create_role(
        RoleName="freehold", AssumeRolePolicyDocument=role_trust(EXTERNAL_ID))
    key = new_kms.client("kms").create_key(Policy=role_policy("kms:Encrypt"))["KeyMetadata"]["Arn"]
    volume = Volume(new_kms, tmp_path, key=key, profile="operator")
    result = volume.volume("create", "--key", f"aws-kms://{key}", "--principal", ROLE,
                           "--external-id", EXTERNAL_ID)
    assert result.code == DENIED and "kms:Decrypt" in result.err, result
    assert not volume.directory.exists() and not list(volume.state.glob("pins/*"))


def test_waiting_for_a_denied_key_ends_when_it_is_enabled(vendor_volume):
    kms = vendor_volume.kms.client("kms")
    kms.disable_key(KeyId=vendor_volume.key)
    assert vendor_volume.try_mount().code == DENIED
    vendor_volume.mount("--wait-for-key")
    sealed_with(vendor_volume, "denied", "DisabledException")
    kms.enable_key(KeyId=vendor_volume.key)
    vendor_volume.wait_for_state("open")


def test_the_status_for_people_says_why_since_when_and_what_comes_next(vendor_volume):
    kms = mount(vendor_volume)
    kms.disable_key(KeyId=vendor_volume.key)
    custody = sealed_with(vendor_volume, "denied")
    text = vendor_volume.volume("status").out
    assert f"sealed (denied) since {custody['since']}" in text
    assert "next probe" in text and "DisabledException" in text and "is disabled" in text


class LyingKms:
    """Passes all on to a KMS; while it lies, what Decrypt gives back is changed in one bit."""

    def __init__(self, kms):
        liar = self
        liar.lies = False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                connection = http.client.HTTPConnection("127.0.0.1", kms.port, timeout=30)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                contents = answer.read()
                if liar.lies and self.headers.get("X-Amz-Target", "").endswith("Decrypt"):
                    fields = json.loads(contents)
                    plaintext = bytearray(base64.b64decode(fields["Plaintext"]))
                    plaintext[7] ^= 1
                    fields["Plaintext"] = base64.b64encode(plaintext).decode()
                    contents = json.dumps(fields).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type"))
                self.send_header("Content-Length", str(len(contents)))
                self.end_headers()
                self.wfile.write(contents)
                connection.close()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def lying_kms(new_kms):
    liar = LyingKms(new_kms)
    yield liar
    liar.stop()


@pytest.fixture
def lied_to(new_kms, lying_kms, tmp_path):
    volume = Volume(new_kms, tmp_path)
    url = f"http://127.0.0.1:{lying_kms.server.server_port}"
    volume.extra_environment = {"AWS_ENDPOINT_URL": url}
    yield volume
    volume.clean_up()


def test_a_kms_that_unwraps_to_other_bytes_never_renews_and_is_not_a_denial(lied_to, lying_kms):
    lied_to.create()
    mount(lied_to)
    lying_kms.lies = True
    sealed_with(lied_to, "grace", '"data"', "canary came back changed")
    lying_kms.lies = False
    comes_back(lied_to)


def test_a_kms_that_unwraps_to_other_bytes_makes_and_opens_nothing(lied_to, lying_kms):
    lying_kms.lies = True
    result = lied_to.volume("create", "--key", f"aws-kms://{lied_to.key}")
    assert result.code == DATA and "canary came back changed" in result.err, result
    assert not lied_to.directory.exists()
    lying_kms.lies = False
    lied_to.create()
    lying_kms.lies = True
    result = lied_to.try_mount()
    assert result.code == KEYRING_CORRUPT and "MAC does not fit" in result.err, result
    keyring = lied_to.keyring.read_bytes()
    result = lied_to.volume("rotate-key", "--key", f"aws-kms://{lied_to.kms.new_key()}")
    assert result.code == DATA and lied_to.keyring.read_bytes() == keyring, result
    lying_kms.lies = False
    mount(lied_to)
