"""What must not grow with the number of files; the figures are measured by `make bench-scale`."""

import os
import resource

from freehold_testing import OK, wait_for
from rotate_testing import SLOW
from scale_testing import (
    churn, decrypts, descriptors, look_at_all, make_files, resident_mib)

MANY = 3000


def mount_and_count_unwraps(volume):
    before = len(volume.kms.events())
    result = volume.volume("mount", volume.mount_point, *SLOW)
    assert result.code == OK, result
    return len(decrypts(volume.kms, before))


def test_opening_asks_the_kms_as_often_for_many_files_as_for_none(volume):
    for_none = mount_and_count_unwraps(volume)
    make_files(volume.mount_point, MANY)
    volume.unmount()
    assert mount_and_count_unwraps(volume) == for_none
    before = len(volume.kms.events())
    assert look_at_all(volume.mount_point) == MANY
    for path in volume.mount_point.glob("d0000/f00000?"):
        assert path.read_bytes() == b"x" * 100
    assert volume.kms.events()[before:] == []


def test_a_known_file_costs_no_descriptor_and_an_open_one_costs_one(mounted):
    make_files(mounted.mount_point, MANY)
    daemon = mounted.daemon_pid()
    assert look_at_all(mounted.mount_point) == MANY
    known = descriptors(daemon)
    assert known < 1000, "at most the idle files and the directories that are kept"
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    paths = sorted(mounted.mount_point.glob("d*/f*"))[:2000]
    held = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        # A few more are there for a moment, while something is looked up.
        wait_for("one descriptor for each", lambda: descriptors(daemon) <= known + len(held))
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_creating_and_deleting_leaves_nothing_in_memory(mounted):
    daemon = mounted.daemon_pid()
    churn(mounted.mount_point, 3000)  # what is kept for speed is there now
    before, held = resident_mib(daemon), descriptors(daemon)
    churn(mounted.mount_point, 10_000)
    # A node is some 300 bytes: 10,000 that stay would be 3 MiB.
    assert resident_mib(daemon) < before + 2
    wait_for("the descriptors of what is gone", lambda: descriptors(daemon) <= held + 8)
