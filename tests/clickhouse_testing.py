"""ClickHouse for supervised_testing.py: a server over HTTP, and what every ClickHouse has."""

import atexit
import functools
import http.client
import os
import pathlib
import shutil
import socket
import tempfile
import threading

from freehold_testing import ROOT
from postgres_testing import free_port


class Refused(Exception):
    """The server's own words."""


class ClickHouse:
    """What is alike in the server and in the engine alone. Tables are MergeTree in `test`."""

    table_settings = ""
    batch = 5000  # rows of one INSERT of the load: fewer than a block holds, so whole or not at all
    errors = (Refused, http.client.HTTPException, OSError)

    def _connect(self):
        raise NotImplementedError

    def _execute(self, connection, sql):
        connection.request("POST", "/", body=sql)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise Refused(text)
        return text

    def query(self, sql):
        connection = self._connect()
        try:
            text = self._execute(connection, sql)
        finally:
            connection.close()
        return [line.split("\t") for line in text.splitlines()]

    def writer(self):
        connection = self._connect()
        return lambda sql: self._execute(connection, sql)

    def version(self):
        return self.query("select version()")[0][0]

    def table(self, columns):
        first = columns.split()[0]
        return f"({columns}) engine = MergeTree order by {first} {self.table_settings}"

    def flush(self):
        """An INSERT is in files when it is answered."""

    def checksum(self, table):
        return self.query(f"select count(), sum(cityHash64(*)) from {table}")[0]

    def place_of(self, table):
        """The largest file with columns of the largest part, in the middle."""
        (place,) = self.query(f"select any(path) from system.parts where table = '{table}'")
        columns = pathlib.Path(place[0]).parent.glob("*/*.bin")
        size, column = max((column.stat().st_size, column) for column in columns)
        return column.relative_to(self.data.parent), size // 2 // 16 * 16

    def check_stopped(self):
        return ""  # there is no such program

    def tables(self):
        return [row[0] for row in self.query("show tables")]

    def read_all(self):
        """Reads every column of every part: each compressed block has a checksum of its own."""
        for table in self.tables():
            self.query(f"select sum(cityHash64(*)) from {table}")
        if "loaded" in self.tables():
            batches = self.query("select batch, count() from loaded group by batch")
            assert all(int(rows) == self.batch for _, rows in batches), "half of an INSERT is there"
        return len(self.tables())

    def load(self):
        """Larger INSERTs beside those of the test, and with them larger merges."""
        self.query("create table if not exists loaded "
                   + self.table("batch UInt64, number UInt64, text String"))
        return [Batches(self)]


class Batches:
    def __init__(self, database):
        self.thread = threading.Thread(target=self._run, args=[database], daemon=True)
        self.ended = threading.Event()
        self.thread.start()

    def _run(self, database):
        try:
            number = int(database.query("select max(batch) from loaded")[0][0])
            while not self.ended.wait(0.1):
                number += 1
                database.query(
                    f"insert into loaded select {number}, number, toString(cityHash64(number))"
                    f" from system.numbers limit {database.batch}")
        except database.errors:
            pass  # its server is gone

    def kill(self):
        self.ended.set()

    def wait(self, seconds):
        self.thread.join(seconds)
        assert not self.thread.is_alive()


class ClickHouseServer(ClickHouse):
    """Debian's clickhouse-server, of 2018."""

    name = "ClickHouse"
    profile = "clickhouse"
    program = b"/clickhouse-server"
    syncs = False

    def __init__(self, mount_point):
        ports = {name: free_port() for name in ("port", "http_port", "interserver_port")}
        self.port, self.data = ports["http_port"], mount_point / "clickhouse"
        self.options = [word for name in ports for word in ("--set", f"{name}={ports[name]}")]

    def _connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def check(self):
        # CHECK TABLE came to MergeTree later; in this version it is for the Log engines.
        self.query("create table if not exists logged (number UInt64) engine = Log")
        self.query("insert into logged select number from system.numbers limit 100000")
        assert self.query("check table logged") == [["1"]]
        self.query("drop table logged")
        return f"every block of {self.read_all()} tables read; CHECK TABLE of a Log table: 1"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@functools.cache
def chdb_place():
    """The host program and its modules where the server sees them: /tmp, where a clone may lie, is
    private to it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="freehold-chdb-", dir="/opt"))
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o755)
    shutil.copy2(ROOT / "tests/npm/chdb_host.js", directory)
    shutil.copytree(ROOT / "build/npm/node_modules", directory / "node_modules", symlinks=True,
                    copy_function=_link_or_copy)
    return directory


class Chdb(ClickHouse):
    """The engine of a current ClickHouse in tests/npm/chdb_host.js. Tables sync."""

    name = "chdb (ClickHouse)"
    profile = ROOT / "tests/npm/chdb.toml"
    program = b"chdb-server"
    syncs = True
    table_settings = ("settings fsync_after_insert = 1, fsync_part_directory = 1,"
                      " min_rows_to_fsync_after_merge = 1")

    def __init__(self, mount_point):
        self.socket, self.data = mount_point / "run/chdb.sock", mount_point / "chdb"
        self.options = ["--set", f"host={chdb_place() / 'chdb_host.js'}",
                        "--set", f"modules={chdb_place() / 'node_modules'}"]

    def _connect(self):
        return _UnixConnection(self.socket)

    def check(self):
        parts = 0
        for table in self.tables():
            results = self.query(
                f"check table {table} settings check_query_single_value_result = 0")
            bad = [row for row in results if row[1] != "1"]
            assert not bad, bad
            parts += len(results)
        return f"CHECK TABLE of {parts} parts in {self.read_all()} tables: 1"
