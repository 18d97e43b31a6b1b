"""Fixtures for tests that drive the binary; what they are made of is in freehold_testing.py."""

import os

import pytest
from freehold_testing import KmsServer, Volume


@pytest.fixture(scope="session")
def kms_server(tmp_path_factory):
    server = KmsServer(tmp_path_factory.mktemp("kms-server"))
    yield server
    assert server.stop() == 0


@pytest.fixture
def key(kms_server):
    """The ARN of a fresh key of the customer's."""
    return kms_server.new_key()


@pytest.fixture
def volume(kms_server, key, tmp_path):
    """A created volume, not mounted; `with volume as root:` mounts it."""
    if os.geteuid() != 0:
        pytest.fail("mounting needs root")
    made = Volume(kms_server, tmp_path, key)
    made.create()
    yield made
    made.end()
