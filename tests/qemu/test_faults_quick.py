#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A part of the fault matrix (tests/faults, make check-faults) that is quick enough for always."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import matrix  # noqa: E402
from vext.matrix import (DELETE, REVERT, Injection, Scenario, all_of, cut,  # noqa: E402
                         daemon_killed, daemon_restarted, kill_qemu, kills, no_space,
                         other_edits, other_snapshots, other_starts, other_stops, time_is_over)
from vext.power import PoweredScenario, cuts  # noqa: E402

COMMIT, PULL = ["--direction", "commit"], ["--direction", "pull"]


def these(*injections):
    def make(points):
        yield from injections
    return make


LIVE_COMMIT = Scenario(DELETE, ["s3"], COMMIT, disks=2, running=True)
OFF_COMMIT = Scenario(DELETE, ["s1", "s2"], COMMIT, disks=2)
LIVE_PULL = Scenario(DELETE, ["s2", "s3"], PULL, running=True)
OFF_PULL = Scenario(DELETE, ["s2"], PULL)
DISK = Scenario(REVERT, ["s2"], disks=2)
MEMORY = Scenario(REVERT, ["s2"], running=True, memory=True)
POWER_COMMIT = PoweredScenario(DELETE, ["s2"], COMMIT, running=True)
POWER_PULL = PoweredScenario(DELETE, ["s2"], PULL)
POWER_REVERT = PoweredScenario(REVERT, ["s2"])

ROWS = [
    (LIVE_COMMIT, all_of(kills(LIVE_COMMIT, 6), these(
        Injection("SIGINT", "block-commit-running", "int", retry="chain-repair"),
        Injection("--timeout", "block-commit-running", time_is_over, extra=["--timeout", "1"]),
        Injection("kill -9 of QEMU", "block-commit-running", kill_qemu, late="start"),
        Injection("kill -9 of the daemon", "pivot-running", daemon_killed,
                  retry="chain-repair"),
        Injection("connection cut", "update-snapshots-forgotten", cut),
        Injection("no space", "block-commit-before", no_space(2), retry="chain-repair"),
        Injection("another client's snapshot", "block-commit-before", other_snapshots),
        Injection("another client stops it", "define-domain-before", other_stops)))),
    (OFF_COMMIT, all_of(kills(OFF_COMMIT, 6), these(
        Injection("SIGINT", "start-helper-before", "int"),
        Injection("kill -9 of QEMU", "block-commit-running", kill_qemu, retry="chain-repair"),
        Injection("restart of the daemon", "block-commit-running", daemon_restarted),
        Injection("connection cut", "block-commit-running", cut, retry="chain-repair"),
        Injection("another client starts it", "update-snapshots-before", other_starts),
        Injection("another client's edit", "start-helper-before", other_edits)))),
    (LIVE_PULL, all_of(kills(LIVE_PULL, 6), these(
        Injection("SIGINT", "block-pull-running", "int", retry="chain-repair --abort"),
        Injection("no space", "block-pull-before", no_space(3)),
        Injection("kill -9 of the daemon", "block-pull-running", daemon_killed)))),
    (OFF_PULL, all_of(kills(OFF_PULL, 6), these(
        Injection("kill -9 of QEMU", "block-pull-running", kill_qemu,
                  retry="chain-repair --abort"),
        Injection("another client starts it", "start-helper-before", other_starts)))),
    (DISK, kills(DISK, 5)),
    (MEMORY, kills(MEMORY, 5)),
    (POWER_COMMIT, cuts(POWER_COMMIT, 4)),
    (POWER_PULL, cuts(POWER_PULL, 4)),
    (POWER_REVERT, cuts(POWER_REVERT, 4)),
]

if __name__ == "__main__":
    matrix.main(ROWS)
