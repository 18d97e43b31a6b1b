"""Processes, as /proc tells of them; one that ends meanwhile is none."""

import contextlib
import pathlib


def _read(pid, name):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def every_pid():
    return [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]


def stat(pid):
    """State, parent, group, session and so on, as in proc(5); empty for one that is gone."""
    return _read(pid, "stat").rpartition(b")")[2].decode().split()


def alive(pid):
    fields = stat(pid)
    return bool(fields) and fields[0] != "Z"


def identified(pids):
    """With their start times: a number alone may soon be another process's."""
    return {(pid, fields[19]) for pid in pids if (fields := stat(pid))}


def any_alive(processes):
    """Of those that identified() gave."""
    return any((f := stat(pid)) and f[0] != "Z" and f[19] == start for pid, start in processes)


def words_of(pid):
    """The command line."""
    return _read(pid, "cmdline").split(b"\0")


def with_descendants(pid):
    parents = {each: int(fields[1]) for each in every_pid() if (fields := stat(each))}
    found, more = set(), {pid}
    while more:
        found |= more
        more = {each for each, parent in parents.items() if parent in found} - found
    return found
