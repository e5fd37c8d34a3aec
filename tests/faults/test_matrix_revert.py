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
SAVE_OFF = Scenario(REVERT, ["s2"], ["--save-current", "kept"], disks=2)
SAVE_LIVE = Scenario(REVERT, ["s2"], ["--running", "--save-current", "kept"], disks=2,
                     running=True)
ROWS = [
    (OFF, all_of(kills(OFF), signals(OFF, 2), deaths(OFF, 2), others(OFF, 2),
                 storage(OFF, ["create-overlays-before", "remove-file-before"]))),
    (LIVE, all_of(kills(LIVE), signals(LIVE, 2), deaths(LIVE, 2), others(LIVE, 2))),
    (MEMORY, all_of(kills(MEMORY), signals(MEMORY, 2), deaths(MEMORY, 2), others(MEMORY, 2),
                    storage(MEMORY, ["create-overlays-before", "remove-file-before"]))),
    (SAVE_OFF, all_of(kills(SAVE_OFF), signals(SAVE_OFF, 2), deaths(SAVE_OFF), others(SAVE_OFF, 2),
                      storage(SAVE_OFF, ["create-snapshot-before", "create-overlays-before",
                                         "define-domain-before"]))),
    (SAVE_LIVE, all_of(kills(SAVE_LIVE), signals(SAVE_LIVE, 2), deaths(SAVE_LIVE),
                       others(SAVE_LIVE, 2),
                       storage(SAVE_LIVE, ["create-snapshot-before", "create-overlays-before",
                                           "stop-guest-before"]))),
]

if __name__ == "__main__":
    matrix.main(ROWS)
