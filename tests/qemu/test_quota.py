#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A quota ends the space in the middle of an operation, where the file system has a lot left."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import main, requires, sandbox, skip, test  # noqa: E402
from vext import faults, util  # noqa: E402
from vext.guest import loop_device  # noqa: E402

DELETE, REVERT = "snapshot-delete-external", "snapshot-revert-external"


class Quota:
    """A directory on a btrfs whose quota can be set."""

    def __init__(self, t):
        if not shutil.which("mkfs.btrfs"):
            skip("missing: mkfs.btrfs")
        disk, top = t.path("btrfs.img"), t.path("btrfs")
        with open(disk, "wb") as f:
            f.truncate(512 << 20)
        util.run(["mkfs.btrfs", "-q", disk], log=False)
        os.makedirs(top)
        device, self.loop = loop_device(disk)
        sandbox.enter()
        try:
            sandbox.mount(device, top, "btrfs", 0, "")
        except OSError as e:
            skip(f"no btrfs: {e}")
        self.top, self.path = top, os.path.join(top, "images")
        self.btrfs("subvolume", "create", self.path)
        self.btrfs("quota", "enable", top)

    @staticmethod
    def btrfs(*args):
        return util.run(["btrfs", *args], log=False).out

    def leave(self, size):
        """So many bytes until it is reached; None: as much as one likes."""
        util.run(["sync", "-f", self.path], log=False)
        shown = self.btrfs("qgroup", "show", "-f", "--raw", self.path)
        group, referenced = shown.splitlines()[-1].split()[:2]
        # By the upper folder: changing it needs space in the tree that is named.
        self.btrfs("qgroup", "limit", "none" if size is None else str(int(referenced) + size),
                   group, self.top)


def layers(t, quota, **kwargs):
    g = t.guest(dir=quota.path, **kwargs)
    for i, name in enumerate(("s1", "s2", "s3")):
        g.oracle.write("vda", f"{3 * i}M", "3M", 0x21 + i)
        g.oracle.snapshot(name)
    g.oracle.write("vda", "10M", "3M", 0x77)
    return g


@test(cases=[(d, s) for d in ("commit", "pull") for s in ("off", "running")])
@requires("program")
def a_merge_meets_the_quota(t, direction, state):
    quota = Quota(t)
    g = layers(t, quota, start=state == "running")
    o = g.oracle
    name = "s3" if state == "running" else "s2"
    command = [DELETE, g.name, name, "--direction", direction]
    quota.leave(1 << 20)
    r = g.vext(*command)
    t.has(r.err, "failed: Disk quota exceeded")
    t.ok(faults.free(quota.path) > 64 << 20, "the file system has space")
    if direction == "pull":
        t.rc(r, 1)
        o.check_all()
        o.check_chain_clean()
    else:
        t.rc(r, 3)
        t.has(r.err.splitlines()[-1], f"virsh-ext chain-repair {g.name}")
        command = ["chain-repair", g.name]
        t.has(t.rc(g.vext(*command), 3).err, "Disk quota exceeded")
    quota.leave(None)
    t.rc(g.vext(*command), 0)
    o.deleted(name)
    o.check_chain_clean(start=state == "off")


@test
@requires("program")
def new_overlays_meet_the_quota(t):
    quota = Quota(t)
    g = layers(t, quota)
    before = sorted(os.listdir(quota.path))
    quota.leave(0)
    r = t.rc(g.vext(REVERT, g.name, "s1"), 1)
    t.has(r.err, "Disk quota exceeded")
    quota.leave(None)
    t.eq(sorted(os.listdir(quota.path)), before)
    g.oracle.check_all()
    t.rc(g.vext(REVERT, g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
