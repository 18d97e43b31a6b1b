"""Clients that insert rows, and a log outside of what was answered: for crash tests."""

import hashlib
import os
import pathlib
import threading

TABLE = "acknowledged"


def row_of(client, number):
    """One text, since every column more is two files more for each INSERT into ClickHouse."""
    name = f"{client}.{number}"
    return f"{name}.{hashlib.sha256(name.encode()).hexdigest()}"


class AcknowledgedInserts:
    """Each client inserts one row a statement and logs its number once the server has answered."""

    def __init__(self, database, directory, first, clients=4):
        self.database = database
        self.files = [pathlib.Path(directory, f"acknowledged.{n}") for n in range(clients)]
        self.before = self._count()
        self.ended = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=[client, first, database.writer()], daemon=True)
            for client in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, client, number, write):
        log = os.open(self.files[client], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        while not self.ended.is_set():
            try:
                write(f"insert into {TABLE} values ('{row_of(client, number)}')")
            except self.database.errors:
                break
            os.write(log, b"%d\n" % number)
            number += 1
        os.close(log)

    def _count(self):
        return sum(path.read_bytes().count(b"\n") for path in self.files if path.exists())

    def count(self):
        """Of these clients; the log goes on from round to round."""
        return self._count() - self.before

    def wait(self):
        """Until the server's end has ended every client."""
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()

    def logged(self):
        """All that was ever acknowledged."""
        return {(client, int(line)) for client, path in enumerate(self.files)
                for line in path.read_bytes().split()}


def lost(database, acknowledged):
    """Of what was acknowledged. Every row that is there is the whole one, and there once."""
    rows = [row[0] for row in database.query(f"select text from {TABLE}")]
    numbers = {tuple(map(int, row.split(".")[:2])) for row in rows}
    assert len(numbers) == len(rows), "a row is there twice"
    assert set(rows) == {row_of(*number) for number in numbers}
    return acknowledged - numbers
