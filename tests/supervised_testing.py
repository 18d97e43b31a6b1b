"""A database under `freehold run`: started, waited for, killed, and never left behind.

A database is one of the classes in mariadb_testing.py, clickhouse_testing.py and
postgresql_testing.py. What each of them has:

  name, profile    its name in reports; what --profile is given
  options          further words for `freehold run`
  program          how the path of its main process ends
  syncs            whether what it has answered survives a power loss
  version()        as the running server says it
  query(sql)       rows, one sequence of columns each; raises what its client raises
  table(columns)   the words after the table's name in CREATE TABLE
  writer()         a new connection's function: executes a statement, returns when answered
  flush()          has it write what it holds in buffers of its own
  checksum(table)  of all rows, by the database's own means if it has them
  check()          its own consistency checks of all tables; returns in words what was checked
  check_stopped()  the same of its files on the mount while it does not run; "" if it has no means
  place_of(table)  a path on the volume and an offset where its rows lie
  errors           what query() and check() raise
  load()           starts work besides that of the test; returns what is to be ended by stop()
"""

import os
import signal
import subprocess

from freehold_testing import BINARY, FAST, ROOT, wait_for
from process_testing import any_alive, identified, with_descendants, words_of


class Supervised:
    """`freehold run` of one database on one volume, which is made but not mounted."""

    def __init__(self, new_database, volume):
        self.volume = volume
        self.mount_point = volume.mount_point
        self.database = new_database(self.mount_point)
        self.output = volume.base / "run.log"
        self.process = None

    def start(self):
        command = [BINARY, "run", "--profile", self.database.profile,
                   "--profile-dir", ROOT / "profiles",
                   "--volume", self.volume.directory, "--mount", self.mount_point,
                   "--state", self.volume.state, *FAST, *self.database.options]
        environment = dict(self.volume.kms.environment(), **self.volume.extra_environment)
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                list(map(str, command)), env=environment, stdout=output, stderr=output)
        return self.wait_until_it_answers()

    def wait_until_it_answers(self, but_not=None):
        """`but_not`: the main process that was killed."""
        try:
            wait_for("another main process", lambda: self.main_pid() not in (None, but_not), 60)
            wait_for(f"{self.database.name} to answer", self.answers, 60)
        except AssertionError:
            print(self.output.read_text())
            if self.volume.is_mounted():
                for log in self.mount_point.glob("log/*"):
                    print(log.read_text()[-4000:])
            raise
        return self

    def answers(self):
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.database.query("select 1")
        except Exception:  # whichever error its client has for a server that is not there
            return False

    def tree(self):
        """`freehold run`, what it started, and the guardian, which is nobody's child."""
        return with_descendants(self.process.pid) | set(self.volume.processes())

    def main_pid(self):
        for pid in sorted(with_descendants(self.process.pid)):
            if words_of(pid)[0].endswith(self.database.program):
                return pid
        return None

    def stop(self):
        """In order, by SIGTERM; nothing may be left."""
        tree = identified(self.tree())
        self.process.terminate()
        assert self.process.wait(60) == 0, self.output.read_text()
        assert not self.volume.is_mounted()
        wait_for("its processes to be gone", lambda: not any_alive(tree), 10)

    def kill(self):
        """SIGKILL to all of it."""
        tree = identified(self.tree())
        for pid, _ in tree:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(60)
        wait_for("its processes to be gone", lambda: not any_alive(tree), 30)

    def clean_up(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.volume.clean_up()
