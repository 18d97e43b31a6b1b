"""Every database under `freehold run` comes and goes with the key, and leaves no plaintext."""

import os
import pathlib

import pytest

from clickhouse_testing import Chdb, ClickHouseServer
from freehold_testing import wait_for
from mariadb_testing import MariaDb
from plaintext_search import EVERYWHERE, Canary
from postgresql_testing import PostgreSql, PostgreSql18
from process_testing import any_alive, identified
from supervised_testing import Supervised

DATABASES = [PostgreSql, PostgreSql18, MariaDb, ClickHouseServer, Chdb]
# Kernel objects, and files that are the kernel's own.
NOT_ON_A_DISK = ("/dev/null", "/dev/random", "/dev/urandom", "/proc/", "/sys/", "socket:",
                 "anon_inode:", "pipe:", "/memfd:")


@pytest.fixture(params=DATABASES, ids=lambda database: database.name)
def supervised(request, volume):
    made = Supervised(request.param, volume)
    yield made
    made.clean_up()


def fill(database, canary):
    """A table of 20,000 rows in a few statements, and the canary in another."""
    write = database.writer()
    write(f"create table filled {database.table('client int, number int, text text')}")
    write(f"create table noted {database.table('client int, number int, text text')}")
    for client in range(4):
        rows = (f"({client}, {number}, 'row {number * 7919 % 20011}')" for number in range(5000))
        write("insert into filled values " + ", ".join(rows))
    write(f"insert into noted values (1, 1, '{canary.text}')")


def checksums(database):
    return [str(database.checksum(table)) for table in ("filled", "noted")]


def test_it_comes_and_goes_with_the_key_and_leaves_no_plaintext(supervised, tmp_path, report):
    volume, canary = supervised.volume, Canary(tmp_path)
    database = supervised.start().database
    fill(database, canary)
    before = checksums(database)
    database.flush()
    canary.must_be_in_a_copy_of(supervised.mount_point, tmp_path)
    outside = [tmp_path, *EVERYWHERE]
    assert canary.found_in(*outside) == [], "while it runs"

    tree = identified(supervised.tree() - {supervised.process.pid} - set(volume.processes()))
    volume.kms.client("kms").disable_key(KeyId=volume.key)
    assert volume.wait_for_state("sealed")
    assert not volume.is_mounted()
    assert not supervised.answers()
    wait_for("its processes to be gone", lambda: not any_alive(tree), 10)
    assert canary.found_in(*outside) == [], "after the seal"

    volume.kms.client("kms").enable_key(KeyId=volume.key)
    supervised.wait_until_it_answers()
    assert checksums(database) == before
    checked, version = database.check(), database.version()
    supervised.stop()
    with volume.opened():
        checked = [checked, database.check_stopped()]
    report(f"{database.name} {version}: {'; '.join(filter(None, checked))}")
    assert canary.found_in(*outside) == [], "after the end"
    assert volume.volume("verify").code == 0


def test_its_checks_notice_damage(supervised, tmp_path):
    database = supervised.start().database
    fill(database, Canary(tmp_path))
    database.flush()
    path, offset = database.place_of("filled")
    supervised.stop()
    with open(supervised.volume.directory / "data" / path, "r+b") as file:
        file.seek(4096 + offset)  # behind the header; the bytes decrypt to noise
        file.write(os.urandom(64))
    supervised.start()
    with pytest.raises((AssertionError, *database.errors)):
        database.check()


def test_it_holds_nothing_open_outside_the_volume_and_no_privilege(supervised):
    supervised.start()
    process = pathlib.Path(f"/proc/{supervised.main_pid()}")
    for number in os.listdir(process / "fd"):
        try:
            target = os.readlink(process / "fd" / number)
        except FileNotFoundError:
            continue  # closed meanwhile
        assert target.startswith((f"{supervised.mount_point}/", *NOT_ON_A_DISK)), target
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    assert b"AWS_" not in (process / "environ").read_bytes(), "the KMS's are not its own"
    limits = (process / "limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if "core" in line] == [["1", "1"]]
    assert os.stat(supervised.mount_point).st_mode & 0o777 == 0o700
    supervised.stop()
