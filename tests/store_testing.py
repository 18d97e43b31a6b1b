"""PostgreSQL as the store of `freehold server`: alone, or with a standby that takes over."""

import itertools
import os
import pathlib

from freehold_testing import wait_for
from postgres_testing import Postgres, as_postgres, run_as_postgres

UNDER = ("setpriv", "--pdeathsig", "INT")  # it ends when the test does, however that ends
STANDBY = "standby"


class StoreServer(Postgres):
    """With data and sockets in a directory of its own."""

    def __init__(self, directory, data="data"):
        directory = pathlib.Path(directory)
        os.chown(directory, as_postgres()["user"], as_postgres()["group"])
        super().__init__(directory / data, directory)
        self.databases = (f"store_{n}" for n in itertools.count())

    def start(self, *options):
        if not self.data.exists():
            self.initialise()
        super().start(*options, under=UNDER)

    def new_database(self):
        name = next(self.databases)
        self.psql(f"create database {name}")
        return name

    def url(self, database="postgres", *others):
        servers = (self, *others)
        return (f"postgresql:///{database}?user=postgres"
                f"&host={','.join(str(server.sockets) for server in servers)}"
                f"&port={','.join(str(server.port) for server in servers)}")

    def new_standby(self, synchronous):
        """A running copy that follows; commits wait for it, or not."""
        copy = StoreServer(self.sockets, "standby")
        done = run_as_postgres(
            "pg_basebackup", "-D", copy.data, "-R", "-c", "fast", "--no-sync", "-d",
            f"host={self.sockets} port={self.port} application_name={STANDBY}")
        assert done.returncode == 0, done.stderr
        copy.start()
        if synchronous:
            self.psql(f"alter system set synchronous_standby_names = '{STANDBY}'")
            self.psql("select pg_reload_conf()")
        wanted = "sync" if synchronous else "async"
        wait_for("the standby to follow", lambda: self.psql(
            "select sync_state from pg_stat_replication where state = 'streaming'") == f"{wanted}\n")
        return copy

    def promote(self):
        done = run_as_postgres("pg_ctl", "promote", "-w", "-D", self.data)
        assert done.returncode == 0, done.stderr
