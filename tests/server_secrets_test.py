"""No plaintext KEK or DEK is in the server's memory or in its store, whatever its nodes do meanwhile.

The same scanner finds the keys in the process that holds the volume, and in the server's memory what
is known to be there: that it finds nothing else means something.
"""

import contextlib
import os
import threading

import pytest

import key_scanner
from agent_testing import Service
from freehold_testing import wait_for
from postgres_testing import run_as_postgres
from volume_keys import patterns_of


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def service(request, new_kms, tmp_path):
    options = ()
    if request.param == "PostgreSQL":
        store = request.getfixturevalue("postgresql")
        options = ("--store", store.url(store.new_database()))
        request.node.dump = lambda: store_dump(store, options[1])
    made = Service(new_kms, tmp_path, *options)
    yield made
    print(made.logs())
    made.clean_up()


def store_dump(store, url):
    """All that is in the database, as text."""
    database = url.split("?")[0].rsplit("/", 1)[1]
    done = run_as_postgres("pg_dump", "-h", store.sockets, "-p", store.port, database)
    assert done.returncode == 0, done.stderr
    return done.stdout.encode()


class Scans:
    """The server's memory, again and again, for all keys that were seen so far."""

    def __init__(self, service, volume):
        self.service, self.volume = service, volume
        self.known, self.found = {}, set()
        self.look()

    def look(self, schedules=True):
        """For keys, and with `schedules` for what ciphers make of them."""
        self.known.update({pattern: label for label, pattern in patterns_of(
            self.service.kms, self.volume)})
        wanted = [(label, pattern) for label, pattern in self.patterns()
                  if schedules or "round key" not in label]
        self.found |= key_scanner.scan(self.service.server.process.pid, wanted)

    def patterns(self):
        return [(label, pattern) for pattern, label in self.known.items()]

    @contextlib.contextmanager
    def meanwhile(self):
        ending = threading.Event()
        failures = []

        def go_on():
            try:
                while not ending.is_set():
                    self.look(schedules=False)
            except Exception as failure:  # the test's, not the thread's
                failures.append(failure)
        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()
        assert not failures, failures


def holders(service, host):
    """The processes of a host's volume, the agent not among them."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            words = open(f"/proc/{entry}/cmdline", "rb").read().split(b"\0")
            if str(host.volume).encode() in words and int(entry) != host.process.pid:
                found.append(int(entry))
    return found


def test_no_key_is_in_the_servers_memory_or_store(service, request):
    cluster = service.server.new_cluster(service.admin)["id"]
    host = service.host().join()
    service.wait_state(cluster, "running")
    (host.mount / "file").write_bytes(os.urandom(1 << 20))
    scans = Scans(service, host.volume)
    first, second = service.new_key(), service.new_key()
    with scans.meanwhile():
        for key in (first, second, second):  # a new KEK and new DEKs, a rewrap, and one in place
            assert service.change("PUT", cluster, service.spec(key)).status == 200
            service.wait_status(cluster, "ENABLED")
        wait_for("nothing under the escrow key", lambda: service.cmek(cluster)["region_infos"][0][
            "custody"]["old_key_bytes"] == 0)
        service.act(cluster, "REVOKE")
        service.wait_status(cluster, "REVOKED")
        service.act(cluster, "RESTORE", service.custodian)
        service.wait_status(cluster, "ENABLED")
        service.wait_custody(cluster, "open")
    scans.look()
    # Of both KEKs: the escrow key's and the customer's.
    assert len([label for label in scans.known.values() if label == "KEK raw"]) == 2

    held = set()
    for pid in holders(service, host):
        held |= key_scanner.scan(pid, scans.patterns())
    assert "DEK raw" in held or "KEK raw" in held, "the scanner must find the keys of an open volume"
    known = [("name", cluster.encode())]
    assert key_scanner.scan(service.server.process.pid, known), "it must find what is there"

    assert scans.found == set()
    assert key_scanner.scan(host.process.pid, scans.patterns()) == set()  # nor in the agent's
    kept = b"".join(path.read_bytes() for path in service.server.directory.rglob("*")
                    if path.is_file())
    if hasattr(request.node, "dump"):
        kept += request.node.dump()
    assert cluster.encode() in kept
    assert [label for label, pattern in scans.patterns() if pattern in kept] == []
    printed = service.server.stop()
    assert [label for label, pattern in scans.patterns() if pattern in printed.encode()] == []
