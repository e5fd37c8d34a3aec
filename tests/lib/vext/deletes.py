# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deletes of s1 that are killed, and what goes on with them."""
from . import matrix
from .util import run

COMMAND = "snapshot-delete-external"
COMMIT, PULL = ["--direction", "commit"], ["--direction", "pull"]


def killed(t, g, point, *args):
    """The delete of s1, killed at the point."""
    r = run([*matrix.program(), "-c", g.daemon.uri, COMMAND, g.name, "s1", *(args or COMMIT)],
            env=matrix.environment(point, "kill"), check=False)
    t.eq(r.rc, -9, str(r))


def repair(t, g, rc, *parts, args=()):
    r = t.rc(g.vext("chain-repair", g.name, *args), rc)
    for part in parts:
        t.has(r.err, part)
    if rc == 3:
        t.has(r.err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
    return r


def made(t, disks=1, snapshots=("s1",), **kwargs):
    g = t.guest(disks=disks, **kwargs)
    o = g.oracle
    for i, name in enumerate(snapshots):
        for d in o.model:
            o.write(d, f"{i}M", "2M", 0x11 + i, verify=False)
        o.snapshot(name)
    for d in o.model:
        o.write(d, "8M", "64k", 0x77)
    return g


def no_operation(t, g):
    t.ok(g.name + ".virsh-ext" not in g.daemon.virsh("list", "--all", "--name").out.split(),
         "the record is gone")
