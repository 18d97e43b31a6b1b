"""MariaDB for supervised_testing.py: its profile, a client, and its own checks."""

import contextlib
import subprocess

import pymysql

from postgres_testing import free_port

TABLES = 4


class MariaDb:
    name = "MariaDB"
    profile = "mariadb"
    program = b"/mariadbd"
    syncs = True
    errors = (pymysql.Error,)

    def __init__(self, mount_point):
        self.socket = str(mount_point / "run/mariadb.sock")
        self.data = mount_point / "mysql"
        self.options = ["--set", f"port={free_port()}"]

    def _connect(self):
        # As root, which the server knows by the user id at the other end of the socket.
        connection = pymysql.connect(unix_socket=self.socket, user="root", autocommit=True)
        connection.cursor().execute("create database if not exists test")
        connection.select_db("test")
        return connection

    def query(self, sql):
        with contextlib.closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()

    def version(self):
        return self.query("select version()")[0][0]

    def table(self, columns):
        return f"({columns}) engine = InnoDB"

    def writer(self):
        return self._connect().cursor().execute

    def checksum(self, table):
        return self.query(f"checksum table {table} extended")[0][1]

    def flush(self):
        """What is in its own buffers goes to its files."""
        connection = self._connect()
        for sql in ("flush tables filled, noted for export", "unlock tables"):
            connection.cursor().execute(sql)

    def check(self):
        tables = self.query(
            "select concat('`', table_schema, '`.`', table_name, '`')"
            " from information_schema.tables where table_type = 'BASE TABLE'"
            " and engine in ('InnoDB', 'Aria', 'MyISAM')"
            " and table_schema <> 'information_schema'")
        results = self.query("check table " + ", ".join(row[0] for row in tables) + " extended")
        bad = [row for row in results if row[2] != "status" or row[3] != "OK"]
        assert not bad, bad
        return f"CHECK TABLE ... EXTENDED of {len(tables)} tables: OK"

    def place_of(self, table):
        return f"mysql/test/{table}.ibd", 5 * 16384 + 4096  # the first leaf is page 5 at most

    def check_stopped(self):
        files = sorted(self.data.glob("*/*.ibd"))
        for file in files:
            done = subprocess.run(
                ["innochecksum", file], check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{file}: {done.stderr}"
        return f"innochecksum of {len(files)} files: no complaint"

    def load(self):
        """sysbench's OLTP mix. Its tables are made the first time."""
        if not self.query("show tables like 'sbtest1'"):
            done = self._sysbench("prepare")
            assert done.wait(120) == 0
        return [self._sysbench("run", "--threads=2", "--time=0")]

    def _sysbench(self, command, *options):
        return subprocess.Popen(
            ["sysbench", "oltp_read_write", f"--mysql-socket={self.socket}", "--mysql-user=root",
             "--mysql-db=test", f"--tables={TABLES}", "--table-size=2000", *options, command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
