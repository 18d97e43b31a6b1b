"""Random operations do on a mount what they do on a plain directory."""

import os
import stat
import subprocess
import sys

import pytest

from freehold_testing import ROOT
from posix_testing import mounted, plain  # fixtures


def compare_trees(first, second):
    def describe(root):
        described = {}
        for path in sorted(root.rglob("*")):
            st = path.lstat()
            contents = path.read_bytes() if stat.S_ISREG(st.st_mode) else None
            if stat.S_ISLNK(st.st_mode):
                contents = os.readlink(path)
            size = st.st_size if not stat.S_ISDIR(st.st_mode) else None
            described[str(path.relative_to(root))] = (
                stat.filemode(st.st_mode), st.st_nlink, st.st_uid, size, contents
            )
        return described

    one, two = describe(first), describe(second)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value == two[name], name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousands_of_random_operations_do_what_they_do_on_a_plain_directory(mounted, plain, seed):
    rounds, operations = 3, 1200
    for number in range(rounds):
        workers = []
        for worker in range(2):
            for root in (mounted.mount_point, plain):
                (root / f"worker{worker}").mkdir(exist_ok=True)
            command = [sys.executable, str(ROOT / "tests/random_operations.py")]
            command += [f"{seed}-{number}-{worker}", str(operations)]
            command += [f"{root}/worker{worker}" for root in (mounted.mount_point, plain)]
            workers.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        for worker in workers:
            _, errors = worker.communicate(timeout=300)
            assert worker.returncode == 0, errors
        compare_trees(mounted.mount_point, plain)
        mounted.unmount()
        assert mounted.volume("verify", "--json").json["faults"] == []
        mounted.mount()
        compare_trees(mounted.mount_point, plain)
