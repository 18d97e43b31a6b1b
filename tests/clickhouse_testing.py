"""ClickHouse for supervised_testing.py: a server over HTTP, and what every ClickHouse has."""

import http.client
import threading

from postgres_testing import free_port

BATCH = 50000  # rows of one INSERT of the load: fewer than a block holds, so whole or not at all


class Refused(Exception):
    """The server's own words."""


class ClickHouse:
    """What is alike in the server and in the engine alone. Tables are MergeTree in `test`."""

    table_settings = ""
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
        """A column of the largest part, in the middle."""
        columns = (self.data / "data/default" / table).glob("*/text.bin")
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
            assert all(int(rows) == BATCH for _, rows in batches), "half of an INSERT is there"
        return len(self.tables())

    def load(self):
        """Large INSERTs without a pause, so that there is always one under way."""
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
            while not self.ended.is_set():
                number += 1
                database.query(
                    f"insert into loaded select {number}, number, toString(cityHash64(number))"
                    f" from system.numbers limit {BATCH}")
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
