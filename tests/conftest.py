"""Fixtures of the tests; pytest's `slow` marks what the sanitizer runs leave out."""

import os

import pytest

from agent_testing import Service
from contacts_testing import MailBox, Receiver
from freehold_testing import EmbeddedKms, Volume, temporary_directory
from store_testing import StoreServer


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: long campaigns, left out under sanitizers")


def pytest_collection_modifyitems(items):
    """Deaths at each step take long: were they the last, one worker would be left alone with them."""
    items.sort(key=lambda item: not hasattr(item.module, "Dying"))


def pytest_sessionstart():
    if os.geteuid() != 0:
        raise pytest.UsageError("these tests need root: sudo make test")


def pytest_sessionfinish():
    for process in EmbeddedKms.started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def tmp_path():
    """Like pytest's own, but other users may enter: databases run as theirs."""
    with temporary_directory() as path:
        yield path


@pytest.fixture
def new_kms(tmp_path):
    server = EmbeddedKms(tmp_path / "kms")
    yield server
    server.stop()


@pytest.fixture
def service(new_kms, tmp_path):
    """A control plane with a customer, and room for hosts."""
    made = Service(new_kms, tmp_path)
    yield made
    print(made.logs())
    made.clean_up()


@pytest.fixture
def receiver(tmp_path):
    """Of webhooks, over TLS."""
    made = Receiver(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def mailbox():
    made = MailBox()
    yield made
    made.stop()


@pytest.fixture
def volume(new_kms, tmp_path):
    """A created volume, not mounted."""
    made = Volume(new_kms, tmp_path).create()
    yield made
    made.clean_up()


@pytest.fixture
def mounted(volume):
    volume.mount()
    volume.mount_point.chmod(0o755)
    return volume


@pytest.fixture(scope="session")
def postgresql():
    """One server for every store that is in PostgreSQL."""
    with temporary_directory() as path:
        server = StoreServer(path)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def new_store(request):
    """Makes the options with which `freehold server` begins with an empty store."""
    if request.param == "SQLite":
        return lambda: ()
    server = request.getfixturevalue("postgresql")
    return lambda: ("--store", server.url(server.new_database()))


@pytest.fixture
def report(record_property):
    """Takes a line for the end of the run: versions of real servers, figures that were measured."""
    return lambda line: record_property("measured", line)


def pytest_terminal_summary(terminalreporter):
    lines = [line for done in terminalreporter.getreports("passed")
             for name, line in done.user_properties if name == "measured"]
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)
