"""Four processes do on a mount what they do on a plain directory, operation by operation.

FREEHOLD_POSIX_OPERATIONS and FREEHOLD_POSIX_SEED make it long (make posix: a million a seed).
"""

import os
import subprocess

from freehold_testing import BINARY
from posix_random_test import compare_trees
from posix_testing import mounted, plain  # fixtures

OPERATIONS = int(os.environ.get("FREEHOLD_POSIX_OPERATIONS", "200000"))
SEED = os.environ.get("FREEHOLD_POSIX_SEED", "1")


def test_processes_side_by_side_do_what_they_do_on_a_plain_directory(
        mounted, plain, request, report):
    mode = request.node.callspec.params["mounted"]
    # Past the cache, a store to a page and a write of another process to it are no order's business.
    align = {"cached": "1", "direct": "4096"}[mode]
    ran = subprocess.run(
        [os.path.dirname(BINARY) + "/freehold_posix_model", "--seed", SEED, "--align", align,
         "--operations", str(OPERATIONS), mounted.mount_point, plain],
        capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report(f"as a plain directory, {mode}: {ran.stdout.strip()}")
    compare_trees(mounted.mount_point, plain)
    mounted.unmount()
    assert mounted.volume("verify", "--json").json["faults"] == []
    mounted.mount()
    compare_trees(mounted.mount_point, plain)
