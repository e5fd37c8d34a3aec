# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the host denies, for the fault matrix: QEMU its images, the daemon its records."""

import os

from . import faults
from .matrix import DELETE, REVERT, Injection, Scenario, Turns, daemon_killed, steps

COMMIT, PULL = ["--direction", "commit"], ["--direction", "pull"]


def scenarios():
    """Each way that an operation takes, once."""
    return [
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


def no_space_for_records(which):
    """The daemon can write no domain (0), or no snapshot (1); when there is space again it begins
    anew with what it had written."""
    def act(e):
        context = faults.full(e.daemon.small[which])
        context.__enter__()
        e.undo.append(lambda: daemon_killed(e))
        e.undo.append(lambda: context.__exit__(None, None, None))
    return act


def forbidden(directory):
    """Who is not root cannot look into one image directory any more."""
    def act(e):
        path = e.scenario.dirs[directory]
        mode = os.stat(path).st_mode & 0o7777
        os.chmod(path, 0)
        e.undo.append(lambda: os.chmod(path, mode))
    return act


def permissions(scenario):
    """Each image directory is closed to QEMU, at each step; not for a QEMU that is root's."""
    turns = Turns(scenario)

    def make(points):
        for point in steps(points):
            for directory in range(4):
                yield Injection("permission lost", point, forbidden(directory), **turns.next())
    return make


def records(scenario):
    """The file systems of the daemon's own files are full, from each step on."""
    turns = Turns(scenario)

    def make(points):
        for point in steps(points):
            for which, fault in enumerate(("no space for domains", "no space for snapshots")):
                yield Injection(fault, point, no_space_for_records(which), **turns.next())
    return make
