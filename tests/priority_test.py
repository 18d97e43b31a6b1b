"""Who comes first for the processor: the threads that serve the mount's requests, and nobody else."""

import pathlib

from freehold_testing import wait_for
from process_testing import stat, with_descendants

NICE = 16  # in what process_testing.stat gives


def nice_of_threads(pid):
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sorted(int(stat(f"{pid}/task/{thread.name}")[NICE]) for thread in threads)


def test_the_threads_that_serve_requests_come_before_the_database(mounted):
    daemon = mounted.daemon_pid()
    wait_for("two threads before the others", lambda: nice_of_threads(daemon)[:2] == [-10, -10])
    assert set(nice_of_threads(daemon)[2:]) == {0}
    group = pathlib.Path(f"/proc/{daemon}/autogroup")  # of its session; not every kernel has them
    assert not group.exists() or group.read_text().endswith(" nice -10\n")
    for pid in set(mounted.processes()) | with_descendants(daemon):
        if pid != daemon:  # the guardian, and helpers at the KMS
            assert set(nice_of_threads(pid)) <= {0}
