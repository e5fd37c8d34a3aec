#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix of reverting to disks and to memory."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import matrix  # noqa: E402
from vext.matrix import (REVERT, Scenario, all_of, deaths, kills, others,  # noqa: E402
                         signals, storage)

OFF = Scenario(REVERT, ["s2"], disks=2)
LIVE = Scenario(REVERT, ["s2"], ["--running"], disks=2, running=True)
MEMORY = Scenario(REVERT, ["s2"], disks=2, running=True, memory=True)
ROWS = [
    (OFF, all_of(kills(OFF), signals(OFF, 2), deaths(OFF, 2), others(OFF, 2),
                 storage(OFF, ["create-overlays-before", "remove-file-before"]))),
    (LIVE, all_of(kills(LIVE), signals(LIVE, 2), deaths(LIVE, 2), others(LIVE, 2))),
    (MEMORY, all_of(kills(MEMORY), signals(MEMORY, 2), deaths(MEMORY, 2), others(MEMORY, 2),
                    storage(MEMORY, ["create-overlays-before", "remove-file-before"]))),
]

if __name__ == "__main__":
    matrix.main(ROWS)
