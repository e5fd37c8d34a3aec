#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix: there is no space for what the daemon itself writes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import matrix  # noqa: E402
from vext.matrix import DELETE, REVERT, Scenario, records  # noqa: E402

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
    Scenario(REVERT, ["s2"], ["--running", "--save-current", "kept"], running=True),
]

if __name__ == "__main__":
    matrix.main([(s, records(s)) for s in SCENARIOS], small=True)
