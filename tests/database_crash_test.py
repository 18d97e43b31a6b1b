"""MariaDB and ClickHouse crash under load; what comes back is what their profiles say survives.

PostgreSQL's crashes are in crash_test.py. FREEHOLD_CRASH_ROUNDS sets the rounds of either kind, and
has 1,000 inserts acknowledged in each (make crash: 50); the run in CI takes fewer of the same.
"""

import os
import random
import shutil
import signal
import time

import pytest

from acknowledged import TABLE, AcknowledgedInserts, lost
from clickhouse_testing import Chdb, ClickHouseServer
from disk_testing import Disk
from dropping_disk import DroppingDisk
from freehold_testing import Volume, wait_for
from mariadb_testing import MariaDb
from plaintext_search import EVERYWHERE, Canary
from supervised_testing import Supervised

pytestmark = pytest.mark.slow
CAMPAIGN = int(os.environ.get("FREEHOLD_CRASH_ROUNDS", "0"))
KILLS, POWER_CUTS = (CAMPAIGN, CAMPAIGN) if CAMPAIGN else (2, 1)
ENOUGH = 1000

UNSYNCED = "written to the mount, closed, and never synced"
# How many inserts are acknowledged before a crash: in CI fewer where each is a sync of several files.
CASES = [(MariaDb, ENOUGH), (ClickHouseServer, ENOUGH), (Chdb, ENOUGH if CAMPAIGN else 200)]
every_database = pytest.mark.parametrize(
    "new_database, least", CASES, ids=[database.name for database, _ in CASES])


@pytest.fixture
def base(tmp_path):
    """A disk of its own: to give up one image is quicker than to remove ten thousand files."""
    disk = Disk(tmp_path, 8192)
    yield disk.mount_point
    disk.clean_up()


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
    database.query(f"create table {TABLE} " + database.table("text text"))
    database.query("create table noted " + database.table("text text"))
    database.query(f"insert into noted values ('{canary.text}')")


@every_database
def test_kill_9_loses_nothing_that_was_acknowledged(new_database, least, new_kms, base, outside,
                                                    report):
    volume, canary = Volume(new_kms, base).create(), Canary(base)
    supervised = Supervised(new_database, volume)
    database = supervised.database
    try:
        make_tables(supervised.start().database, canary)
        for number in range(KILLS):
            victim = ("database", "mount")[number % 2]
            load = Load(database, outside, number)
            load.until(least, f"{victim}{number}")
            main = supervised.main_pid()
            os.kill(main if victim == "database" else volume.daemon_pid(), signal.SIGKILL)
            load.wait()
            supervised.wait_until_it_answers(but_not=main)
            assert lost(database, load.log.logged()) == set(), f"{number}: kill -9 of the {victim}"
            checked, version = database.check(), database.version()
            if number % 2 == 1:  # a new `freehold run` waits less before it starts what was killed
                supervised.stop()
                supervised.start()
        assert canary.found_in(base, *EVERYWHERE) == []
        supervised.stop()
        report(f"{database.name} {version}: kill -9 of the database or of the mount {KILLS} times:"
               f" {len(load.log.logged())} acknowledged, 0 lost; {checked}")
    finally:
        supervised.clean_up()


@every_database
def test_a_power_loss_loses_no_more_than_the_profile_says(new_database, least, new_kms, base,
                                                          outside, report):
    acknowledged = losses = 0
    for number in range(POWER_CUTS):
        place, logs = base / f"power-{number}", outside / str(number)
        place.mkdir()
        logs.mkdir()
        kept, log, after = cut_power_under_load(new_database, least, new_kms, place, logs, number)
        try:
            after.start()
            unsynced = (after.mount_point / "never-synced").read_bytes()
            assert unsynced != UNSYNCED.encode(), "the disk must forget"
            missing = lost(after.database, log)
            assert missing & kept == set(), f"round {number}"
            checked, version = after.database.check(), after.database.version()
            after.stop()
        finally:
            after.clean_up()
        shutil.rmtree(place)
        acknowledged, losses = acknowledged + len(log), losses + len(missing)
    # A profile that promised less than it keeps would be as wrong as one that promised more.
    assert (losses > 0) == (not new_database.syncs)
    when = "" if new_database.syncs else ", all after the last write-back"
    report(f"{new_database.name} {version}: power cut {POWER_CUTS} times:"
           f" {acknowledged} acknowledged, {losses} lost{when}; {checked}")


def cut_power_under_load(new_database, least, new_kms, base, logs, seed):
    """Returns what the profile says survives, what was acknowledged, and the database, down.

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
            load.until(least, seed)
        else:
            load.until(least // 2, seed)
            kept = load.log.logged()
            disk.write_back()
            load.until(load.log.count() + least // 2, seed)
        (volume.mount_point / "never-synced").write_text(UNSYNCED)
        disk.cut_power()
        before.kill()
        load.wait()
    finally:
        before.clean_up()
        disk.clean_up()
    log = load.log.logged()
    assert len(log) >= least
    volume.directory = disk.backing / "volume"  # the same disk, after the power is back
    return log if new_database.syncs else kept, log, Supervised(new_database, volume)
