#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness itself, checked with virsh alone: what it reports right and what it must catch."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402


@test(cases=["running", "shut-off"])
def stock_delete_leaves_the_right_content(t, state):
    g = t.guest(disks=2, start=state == "running")
    o = g.oracle
    o.write("vda", 0, "64k", 0xAA)
    o.write("vdb", "1M", "128k", 0xBB)
    o.snapshot("s1")
    o.write("vda", "32k", "64k", 0xCC)
    o.snapshot("s2", disks=["vda"])
    o.write("vda", "5M", "64k", 0xDD)
    o.write("vdb", "1M", "64k", 0)
    o.check_all(["s1", "s2"])
    o.check_chain_clean()
    t.eq(len(g.chain("vda")), 3, "layers of vda")
    t.eq(len(g.chain("vdb")), 2, "layers of vdb")
    if state == "running":
        g.virsh("snapshot-delete", g.name, "s2")
        o.deleted("s2")
    g.destroy()
    o.check_all()
    o.check_chain_clean(start=True, backing=False)


@test
def stock_blockcommit_and_a_stale_snapshot(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    o.snapshot("s1")
    o.write("vda", 0, "64k", 2)
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    o.check_active()
    # The snapshot's state is gone, and the image that it names is the active one.
    error = t.raises(Mismatch, o.check_snapshot, "s1")
    t.has(str(error), "active image")


@test(cases=["running", "shut-off"])
def a_damaged_frozen_image_is_noticed(t, state):
    g = t.guest(start=state == "running")
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    frozen = g.active("vda").path
    o.snapshot("s1")
    o.check_all()
    g.destroy()
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 65536 512", frozen], root=True)
    if state == "running":
        g.start()
    error = t.raises(Mismatch, o.check_snapshot, "s1")
    t.has(str(error), "offset 65536")
    t.has(str(error), "09 09")
    error = t.raises(Mismatch, o.check_all)
    t.has(str(error), "active disk vda")


if __name__ == "__main__":
    main()
