#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix: a QEMU that is an ordinary user's may not look into a directory any more."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import matrix  # noqa: E402
from vext.matrix import DELETE, REVERT, Scenario, permissions  # noqa: E402

COMMIT, PULL = ["--direction", "commit"], ["--direction", "pull"]
SCENARIOS = [
    Scenario(DELETE, ["s2"], COMMIT, disks=2),
    Scenario(DELETE, ["s2"], COMMIT, running=True),
    Scenario(DELETE, ["s3"], COMMIT, disks=2, running=True),
    Scenario(DELETE, ["s2", "s3"], PULL),
    Scenario(DELETE, ["s3"], PULL, disks=2, running=True),
    Scenario(REVERT, ["s2"], disks=2),
    Scenario(REVERT, ["s2"], ["--running"], running=True),
    Scenario(REVERT, ["s2"], running=True, memory=True),
    Scenario(REVERT, ["s2"], ["--save-current", "kept"]),
]

if __name__ == "__main__":
    matrix.main([(s, permissions(s)) for s in SCENARIOS], qemu_conf='user = "nobody"')
