#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix of deleting by pull."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import matrix  # noqa: E402
from vext.matrix import (DELETE, Scenario, all_of, deaths, kills, others,  # noqa: E402
                         signals, storage)

PULL = ["--direction", "pull"]
LIVE = Scenario(DELETE, ["s3"], PULL, disks=2, running=True)
OFF = Scenario(DELETE, ["s2"], PULL, disks=2)
ROWS = [
    (LIVE, all_of(kills(LIVE), signals(LIVE), deaths(LIVE), others(LIVE),
                  storage(LIVE, ["block-pull-before", "update-snapshots-before",
                                 "remove-file-before"]))),
    (OFF, all_of(kills(OFF), signals(OFF), deaths(OFF), others(OFF),
                 storage(OFF, ["start-helper-before", "block-pull-before",
                               "update-snapshots-before"]))),
]
for args in (dict(names=["s2", "s3"], running=True), dict(names=["s2", "s3"], disks=2),
             dict(names=["s1"])):
    scenario = Scenario(DELETE, options=PULL, **args)
    ROWS.append((scenario, kills(scenario, 2)))

if __name__ == "__main__":
    matrix.main(ROWS)
