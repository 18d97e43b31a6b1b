"""MariaDB and ClickHouse crash under load; what comes back is what their profiles say survives.

PostgreSQL's crashes are in crash_test.py. FREEHOLD_CRASH_ROUNDS sets the rounds (make crash: 50);
the run in CI takes fewer of the same.
"""

import os
import random
import signal
import time

import pytest

from acknowledged import TABLE, AcknowledgedInserts, lost
from clickhouse_testing import Chdb, ClickHouseServer
from dropping_disk import DroppingDisk
from freehold_testing import Volume, wait_for
from mariadb_testing import MariaDb
from plaintext_search import EVERYWHERE, Canary
from supervised_testing import Supervised

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("FREEHOLD_CRASH_ROUNDS", "2"))
LEAST = 1000

every_database = pytest.mark.parametrize(
    "new_database", [MariaDb, ClickHouseServer, Chdb], ids=lambda database: database.name)


@pytest.fixture
def outside(tmp_path):
    directory = tmp_path / "outside"
    directory.mkdir()
    return directory


class Load:
    """The database's own kind of work, and the clients whose inserts are logged."""

    def __init__(self, database, outside, number):
        self.work = database.load()
        self.log = AcknowledgedInserts(database, outside, number * 1000000)

    def until(self, count, seed):
        """So many acknowledged, and then a random moment."""
        wait_for("enough acknowledged", lambda: self.log.count() >= count, 300)
        time.sleep(random.Random(seed).uniform(0, 1))

    def wait(self):
        self.log.wait()
        for each in self.work:
            each.kill()
            each.wait(60)


def make_tables(database, canary):
    database.query(f"create table {TABLE} " + database.table("client int, number int, text text"))
    database.query("create table noted " + database.table("text text"))
    database.query(f"insert into noted values ('{canary.text}')")


@every_database
def test_kill_9_loses_nothing_that_was_acknowledged(new_database, volume, outside, tmp_path, report):
    supervised, canary = Supervised(new_database, volume), Canary(tmp_path)
    crashes = [(number, victim) for number in range(ROUNDS) for victim in ("database", "mount")]
    try:
        database = supervised.start().database
        make_tables(database, canary)
        for count, (number, victim) in enumerate(crashes):
            load = Load(database, outside, count)
            load.until(LEAST, f"{victim}{number}")
            main = supervised.main_pid()
            os.kill(main if victim == "database" else volume.daemon_pid(), signal.SIGKILL)
            load.wait()
            assert load.log.count() >= LEAST
            supervised.wait_until_it_answers(but_not=main)
            assert lost(database, load.log.logged()) == set(), f"kill -9 of the {victim}, {number}"
            checked = database.check()
        assert canary.found_in(tmp_path, *EVERYWHERE) == []
        report(f"{database.name} {database.version()}: {len(crashes)} times kill -9, of the database"
               f" and of the mount: {len(load.log.logged())} acknowledged, 0 lost; {checked}")
        supervised.stop()
    finally:
        supervised.clean_up()


@every_database
def test_a_power_loss_loses_no_more_than_the_profile_says(new_database, new_kms, tmp_path, outside,
                                                          report):
    acknowledged = losses = 0
    for number in range(ROUNDS):
        base, logs = tmp_path / f"power-{number}", outside / str(number)
        base.mkdir()
        logs.mkdir()
        kept, log, after = cut_power_under_load(new_database, new_kms, base, logs, number)
        try:
            after.start()
            missing = lost(after.database, log)
            assert missing & kept == set(), f"round {number}"
            checked, version = after.database.check(), after.database.version()
            after.stop()
        finally:
            after.clean_up()
        acknowledged, losses = acknowledged + len(log), losses + len(missing)
    # Where the profile says that something is lost, the disk has shown that it forgets.
    assert (losses > 0) == (not new_database.syncs)
    report(f"{new_database.name} {version}: {ROUNDS} power losses: {acknowledged} acknowledged,"
           f" {losses} lost{'' if new_database.syncs else ', all after the last write-back'}; {checked}")


def cut_power_under_load(new_database, new_kms, base, logs, seed):
    """Returns what the profile says survives, what was acknowledged, and the database to start again.

    For a database that does not sync, the operating system writes back once; the rest may be lost.
    """
    disk = DroppingDisk(base)
    volume = Volume(new_kms, base)
    volume.directory = disk.mount_point / "volume"
    volume.create()
    before = Supervised(new_database, volume)
    try:
        make_tables(before.start().database, Canary(base))
        load = Load(before.database, logs, 0)
        if new_database.syncs:
            load.until(LEAST, seed)
        else:
            load.until(LEAST // 2, seed)
            kept = load.log.logged()
            disk.write_back()
            load.until(load.log.count() + LEAST // 2, seed)
        changes = disk.cut_power()
        before.kill()
        load.wait()
    finally:
        before.clean_up()
        disk.clean_up()
    assert changes > 0, "the disk must have had something to forget"
    log = load.log.logged()
    assert len(log) >= LEAST
    volume.directory = disk.backing / "volume"  # the same disk, after the power is back
    return log if new_database.syncs else kept, log, Supervised(new_database, volume)
