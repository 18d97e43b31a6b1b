"""Crashes under load: every commit that was acknowledged to a log outside is there afterwards.

FREEHOLD_CRASH_ROUNDS sets the rounds (make crash: 50); the run in CI takes fewer of the same.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from dropping_disk import DroppingDisk
from freehold_testing import Volume, wait_for
from postgres_testing import CommitLog, Postgres, amcheck, checked_pages, missing

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("FREEHOLD_CRASH_ROUNDS", "2"))
LEAST_COMMITS = 1000


@pytest.fixture
def outside(tmp_path):
    directory = tmp_path / "outside"
    directory.mkdir()
    directory.chmod(0o777)
    return directory


def load(postgres, outside, seed):
    """pgbench and logged commits, until enough are acknowledged and a random moment has come."""
    log = CommitLog(postgres, outside)
    bench = postgres.client("pgbench", "-n", "-c", "2", "-T", "600", "postgres",
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log.processes.append(bench)
    wait_for("enough commits", lambda: log.count() >= LEAST_COMMITS, 120)
    time.sleep(random.Random(seed).uniform(0, 1.5))
    return log


def make_database(volume, outside):
    postgres = Postgres(volume.mount_point / "pgdata", outside)
    postgres.initialise()
    postgres.start("-c", "checkpoint_timeout=30s", "-c", "max_wal_size=64MB")
    postgres.client("pgbench", "-i", "-q", "-s", "2", "postgres", stderr=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL).wait(120)
    return postgres


@pytest.mark.parametrize("victim", ["mount", "database"])
def test_every_acknowledged_commit_survives_kill_9_of_the(victim, mounted, outside, report):
    postgres, total = make_database(mounted, outside), 0
    for round_number in range(ROUNDS):
        log = load(postgres, outside, f"{victim}{round_number}")
        if victim == "mount":
            os.kill(mounted.daemon_pid(), signal.SIGKILL)
            wait_for("the mount to be taken away", lambda: not mounted.is_mounted())
        postgres.kill()
        log.wait()
        acknowledged = log.acknowledged()
        assert len(acknowledged) >= LEAST_COMMITS
        if victim == "mount":
            wait_for("the guardian to end", lambda: not mounted.processes())
            mounted.mount()
        try:
            postgres.start()
        except AssertionError:
            print(mounted.log())
            raise
        assert missing(postgres, acknowledged) == set(), f"round {round_number}"
        assert amcheck(outside, postgres.port) == "", f"round {round_number}"
        total += len(acknowledged)
    version = postgres.psql("show server_version").strip()
    postgres.stop()
    report(f"PostgreSQL {version}: kill -9 of the {victim} {ROUNDS} times: {total} acknowledged,"
           " 0 lost; pg_amcheck without a complaint;"
           f" {checked_pages(mounted.mount_point / 'pgdata')}")
    assert mounted.volume("verify").code == 0


def cut_power_under_load(new_kms, tmp_path, outside, seed, mutant=None):
    """Returns what was acknowledged, the server after recovery (or None if it cannot recover)."""
    base = tmp_path / f"power-{seed}"
    base.mkdir()
    disk = DroppingDisk(base)
    volume = Volume(new_kms, base)
    volume.directory = disk.mount_point / "volume"
    volume.create()
    if mutant:
        volume.extra_environment["FREEHOLD_MUTANT"] = mutant
    volume.mount()
    postgres = make_database(volume, outside)
    log = load(postgres, outside, seed)
    lost = disk.cut_power()
    postgres.kill()
    log.wait()
    volume.clean_up()
    disk.clean_up()
    assert lost > 0, "the disk must have had something to forget"
    # The same disk, after the power is back.
    volume.extra_environment.clear()
    volume.directory = disk.backing / "volume"
    volume.mount()
    try:
        postgres.start()
    except AssertionError:
        postgres.kill()
        return log.acknowledged(), None, volume
    return log.acknowledged(), postgres, volume


def test_every_acknowledged_commit_survives_a_power_loss(new_kms, tmp_path, outside, report):
    total = 0
    for seed in range(ROUNDS):
        acknowledged, postgres, volume = cut_power_under_load(new_kms, tmp_path, outside, seed)
        try:
            assert postgres is not None, "PostgreSQL must recover"
            assert missing(postgres, acknowledged) == set()
            assert amcheck(outside, postgres.port) == ""
            version = postgres.psql("show server_version").strip()
        finally:
            if postgres:
                postgres.kill()
            volume.clean_up()
        assert len(acknowledged) >= LEAST_COMMITS
        total += len(acknowledged)
        shutil.rmtree(tmp_path / f"power-{seed}")
    report(f"PostgreSQL {version}: power cut {ROUNDS} times: {total} acknowledged, 0 lost;"
           " pg_amcheck without a complaint")


def test_the_suite_notices_a_build_whose_fsync_does_nothing(new_kms, tmp_path, outside):
    acknowledged, postgres, volume = cut_power_under_load(
        new_kms, tmp_path, outside, 99, mutant="fsync-ignored")
    try:
        assert postgres is None or missing(postgres, acknowledged) != set()
    finally:
        if postgres:
            postgres.kill()
        volume.clean_up()
