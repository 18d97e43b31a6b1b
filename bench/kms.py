#!/usr/bin/python3
"""What a customer's "no" takes until a mount is fenced and sealed, per kind of KMS; and what an unwrap
of ours costs beside the bare request.

The KMS is the embedded one, for PKCS#11 SoftHSM2, for KMIP PyKMIP: no network and no real service's time is in here.
Of the time to a seal most are the settings' waits, which the table names. Between the mounting and
the denial is a random part of the check interval, as nobody knows when a customer says no.

  bench/kms.py --rounds 10 --check-interval 1s
"""

import argparse
import base64
import contextlib
import json
import mmap
import os
import pathlib
import random
import socket
import statistics
import subprocess
import time

from contenders import temporary_directory
from conformance_testing import CONTEXT, SUBJECTS
from freehold_testing import OK, Volume
from kmip_testing import OURS
from kms_helper_testing import UNWRAP, Answer, ask, request_frame
from rounds import Compared, first_line, machine, report, run, show

# Kind of KMS -> how its owner says no and yes again: what the subject's `troubles` call it.
DENIALS = {"AWS": "disabled", "Google": "disabled", "Azure": "disabled",
           "Vault": "permission removed", "PKCS#11": "disabled", "KMIP": "permission removed"}
WORDS = {"AWS": "key disabled", "Google": "version disabled", "Azure": "key disabled",
         "Vault": "policy without decrypt", "PKCS#11": "CKA_DECRYPT false",
         "KMIP": "operation policy without GET"}


class Customer:
    """A volume under a key of one kind of KMS."""

    def __init__(self, name, base):
        base.mkdir()
        self.name, self.subject = name, SUBJECTS[name](base / "kms")
        server = getattr(self.subject, "kms", None) or self.subject.hsm
        self.volume = Volume(server, base, key=self.subject.uri)
        self.volume.extra_environment = self.subject.environment()
        access = [("--principal", self.subject.principal),
                  ("--external-id", self.subject.external_id)]
        self.volume.create(*(word for flag, value in access if value for word in (flag, value)))
        self.volume.mount()
        (self.volume.mount_point / "file").write_bytes(bytes(mmap.PAGESIZE))
        self.volume.unmount()

    def say_yes(self):
        if self.name == "Vault":
            self.subject.kms.set_policy("encrypt", "decrypt", "keys")
        elif self.name == "KMIP":
            self.subject.kms.allow(*OURS)
        else:
            self.subject.troubles()["enabled again"]()

    def stop(self):
        self.volume.clean_up()
        self.subject.stop()


@contextlib.contextmanager
def customers(names):
    with temporary_directory("freehold-bench-") as base, contextlib.ExitStack() as stack:
        made = {}
        for number, name in enumerate(names):
            made[name] = Customer(name, base / str(number))
            stack.callback(made[name].stop)
        yield made


def until_fenced(path):
    """Reads past the cache, again and again, until it is refused."""
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            while True:
                os.preadv(fd, [page], 0)
        except OSError:
            return time.perf_counter()
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)


@contextlib.contextmanager
def watching(volume):
    """The statuses that the daemon tells of, as lines."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(volume.directory / "freehold/control"))
        connection.sendall(b'{"command":"watch"}\n')
        with connection.makefile("rb") as lines:
            yield lines


def denied(options):
    def once(customer):
        volume = customer.volume
        mounted = volume.volume("mount", volume.mount_point, "--check-interval",
                                options.check_interval)
        assert mounted.code == OK, mounted
        worst = volume.custody()["settings"]["worst_case_denied_ms"] / 1000
        interval = volume.custody()["settings"]["check_interval_ms"] / 1000
        time.sleep(random.uniform(0, interval))
        customer.subject.troubles()[DENIALS[customer.name]]()
        start = time.perf_counter()
        fenced = until_fenced(volume.mount_point / "file") - start
        with watching(volume) as lines:
            while json.loads(lines.readline())["custody"]["state"] != "sealed":
                pass
            sealed = time.perf_counter() - start
        customer.say_yes()
        volume.unmount()
        assert fenced <= sealed <= worst, (fenced, sealed, worst)
        return {"fenced s": fenced, "sealed s": sealed}
    return once


def range_of(values):
    return f"{statistics.median(values):.2f} s | {min(values):.2f} to {max(values):.2f} s"


def denial_table(figures, options):
    lines = [f"### From a denial to the seal\n\n{options.rounds} rounds, the kinds in random order; "
             f"check interval {options.check_interval}, all else at its default: a second look 5 s "
             "after the first no, 10 s for a probe, 30 s for a database to stop (none ran). Counted "
             "from the end of the owner's command. The longest that it may take is check-interval + "
             "request-timeout + confirm-after + request-timeout + stop-timeout. "
             f"{machine()}; SoftHSM {first_line('softhsm2-util', '--version')}.\n",
             "| KMS | the owner's no | fenced, median | range | sealed, median | range |",
             "|---|---|---|---|---|---|"]
    for name in options.kinds:
        lines.append(f"| {name} | {WORDS[name]} | {range_of(figures['fenced s', name])} "
                     f"| {range_of(figures['sealed s', name])} |")
    return "\n".join(lines) + "\n"


def curl(directory, url, ca, headers, body, *more):
    """One request by a process of its own; the answer."""
    (directory / "body").write_bytes(body)
    words = [word for each in headers for word in ("-H", each)]
    done = subprocess.run(["curl", "-sf", "--cacert", ca, *words, "--data-binary",
                           f"@{directory}/body", *more, url], capture_output=True, check=True)
    return done.stdout


def vault_unwrap(subject, directory):
    """Vault with a token: one request, without a login before it."""
    kms = subject.kms
    token = kms.vault.write("auth/token/create", policies=["freehold"])["auth"]["client_token"]
    kms.variables = {"VAULT_TOKEN": token}
    blob, version, algorithm = subject.wrap()
    frame = request_frame(UNWRAP, subject.uri, CONTEXT, ciphertext=blob, key_version=version,
                          algorithm=algorithm)
    context = json.dumps(CONTEXT, sort_keys=True, separators=(",", ":")).encode()
    body = json.dumps({"ciphertext": blob.decode(),
                       "associated_data": base64.b64encode(context).decode()}).encode()
    environment = subject.environment()

    def ours():
        _, wire, _ = ask(environment, frame)
        assert not Answer(wire).failed

    def bare():
        answer = curl(directory, f"{kms.tls_url}/v1/transit/decrypt/k", kms.ca,
                      [f"X-Vault-Token: {token}"], body)
        assert "plaintext" in json.loads(answer)["data"]

    return {"freehold": ours, "curl": bare}


def timed(call):
    start = time.perf_counter()
    call()
    return {"unwrap ms": (time.perf_counter() - start) * 1e3}


def unwrapping(options):
    with temporary_directory("freehold-bench-") as base:
        subject = SUBJECTS["Vault"](base / "kms")
        try:
            figures = run(vault_unwrap(subject, base), [timed], options.unwraps)
        finally:
            subject.stop()
    report("An unwrap beside the bare request",
           "One unwrap as the daemon does it, a helper process and one request over TLS, and curl "
           "sending the same request to the same embedded KMS (Vault's dialect, a token), "
           f"{options.unwraps} rounds; {first_line('curl', '--version').split(' (')[0]}",
           figures, [Compared("unwrap ms", "freehold", "curl"),
                     Compared("unwrap ms", "freehold", "curl", unit="ms")], options.results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--check-interval", default="1s")
    parser.add_argument("--unwraps", type=int, default=100)
    parser.add_argument("--kinds", nargs="+", default=list(DENIALS), choices=DENIALS)
    parser.add_argument("--results", type=pathlib.Path, help="append the tables to this file")
    options = parser.parse_args()
    unwrapping(options)
    with customers(options.kinds) as made:
        figures = run(made, [denied(options)], options.rounds)
    text = denial_table(figures, options)
    show(text, options.results)


if __name__ == "__main__":
    main()
