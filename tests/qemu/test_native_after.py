#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own snapshot-delete and snapshot-revert after ours, and ours after libvirt's: where
libvirt can do it itself (9.9 and newer)."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *


def guest(t, **kwargs):
    g = t.guest(**kwargs)
    if "<externalSnapshot/>" not in g.virsh("capabilities", log=False).out:
        raise Skip("this libvirt does not revert to external snapshots itself")
    return g


def take(g, *names, at=0, **kwargs):
    o = g.oracle
    for i, name in enumerate(names):
        for d in o.model:
            o.write(d, f"{at + i}M", "1M", 0x10 + at + i)
            o.write(d, f"{8 + 64 * i}k", "32k", 0x40 + at + i)
        o.snapshot(name, **kwargs)
    write(g, at)
    return g


def write(g, at=0):
    for d in g.oracle.model:
        g.oracle.write(d, f"{15 + at % 8}M", "512k", 0x70 + at)


def our_delete(t, g, *args):
    t.rc(g.vext("snapshot-delete-external", g.name, *args), 0)
    g.oracle.deleted(*(list(g.oracle.snapshots) if "--all" in args else
                       [a for a in args if a in g.oracle.snapshots]))


def our_revert(t, g, name, *args):
    t.rc(g.vext("snapshot-revert-external", g.name, name, *args), 0)
    g.oracle.revert(name)
    g.oracle.check_all()
    t.eq(g.current(), name)


def native_delete(g, name):
    g.virsh("snapshot-delete", g.name, name)
    g.oracle.deleted(name)


def native_revert(t, g, name, *args):
    # Its overlays are called by the second.
    def done():
        r = g.virsh("snapshot-revert", g.name, name, *args, check=False)
        if r.rc != 0 and "already exists" not in r.err:
            t.fail(str(r))
        return r.rc == 0
    util.wait_for(done, "libvirt's revert")
    g.oracle.revert(name)
    g.oracle.check_all()
    t.eq(g.current(), name)


@test(cases=[(s, n, d) for s in ("off", "running") for n in ("s1", "s2")
             for d in ("commit", "pull") if (s, d) != ("running", "pull")])
@requires("program")
def native_delete_after_our_delete(t, state, name, direction):
    g = take(guest(t, disks=2, start=state == "running"), "s1", "s2", "s3")
    our_delete(t, g, name, "--direction", direction)
    native_delete(g, "s3")
    native_delete(g, "s2" if name == "s1" else "s1")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=[("off", "s2"), ("off", "s3"), ("running", "s2"), ("running", "s3")])
@requires("program")
def native_revert_after_our_delete(t, state, name):
    g = take(guest(t, disks=2, start=state == "running"), "s1", "s2", "s3")
    our_delete(t, g, "s1")
    native_revert(t, g, name, *(["--running"] if state == "running" else []))
    write(g, 1)
    native_revert(t, g, name)
    g.oracle.check_chain_clean(start=True)


@test(cases=[("off", ["s1", "s2", "s1"]), ("off", ["s2", "s1", "s3"]), ("off", ["s3", "s3", "s1"]),
             ("running", ["s1", "s2", "s1"])])
@requires("program")
def native_revert_after_our_revert(t, state, names):
    """The overlay of our revert is nobody's snapshot: libvirt may remove it, and nothing else."""
    how = ["--running"] if state == "running" else []
    g = take(guest(t, disks=2, start=state == "running"), "s1", "s2", "s3")
    our_revert(t, g, names[0], *how)
    write(g, 1)
    native_revert(t, g, names[1], *how)
    write(g, 2)
    native_revert(t, g, names[2], *how)
    g.oracle.check_all()
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=["off", "running"])
@requires("program")
def native_after_a_branch_of_ours(t, state):
    how = ["--running"] if state == "running" else []
    g = take(guest(t, disks=2, start=state == "running"), "s1", "s2")
    our_revert(t, g, "s1", *how)
    take(g, "s3", "s4", at=4)
    native_delete(g, "s4")
    native_revert(t, g, "s2", *how)
    write(g, 2)
    native_revert(t, g, "s3", *how)
    our_revert(t, g, "s2", *how)
    our_delete(t, g, "--all")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=["off", "running"])
@requires("program")
def ours_after_native_reverts(t, state):
    how = ["--running"] if state == "running" else []
    g = take(guest(t, disks=2, start=state == "running"), "s1", "s2", "s3")
    native_revert(t, g, "s1", *how)
    take(g, "s4", at=4)
    native_revert(t, g, "s2", *how)
    write(g, 1)
    shown = json.loads(t.rc(g.vext("chain-show", g.name, "--json"), 0).out)
    t.eq([f["code"] for f in shown["findings"]], [])
    t.eq(sorted(n for i in shown["disks"][0]["images"] for n in i["snapshots"]),
         ["s1", "s2", "s3", "s4"])
    our_revert(t, g, "s4", *how)
    our_revert(t, g, "s1", *how)
    our_delete(t, g, "s4")
    our_delete(t, g, "s1")
    our_revert(t, g, "s3", *how)
    our_delete(t, g, "--all")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def with_memory(t):
    g = take(guest(t, start=True), "s1", "s2", memory=True)
    our_revert(t, g, "s1")
    t.eq(g.state(), "running")
    write(g, 1)
    native_revert(t, g, "s2")
    t.eq(g.state(), "running")
    write(g, 2)
    our_revert(t, g, "s1")
    native_revert(t, g, "s1")
    our_delete(t, g, "s1")
    our_delete(t, g, "s2")
    g.oracle.check_chain_clean()


@test
@requires("program")
def disks_that_were_left_out(t):
    """The snapshots differ in their disks: libvirt's delete after its own revert loses an image
    here, ours must not."""
    g = take(guest(t, disks=2), "s1")
    g.oracle.snapshot("s2", disks=["vda"])
    write(g, 1)
    take(g, "s3", at=4)
    g.virsh("snapshot-revert", g.name, "s2")
    g.oracle.revert("s2")
    # What it does to a disk that the snapshot leaves out is its own affair: take it as it is.
    for target in ("vdb",):
        source = g.active(target)
        qemu_img("convert", "-U", "-f", source.format, "-O", "raw", source.path,
                 g.oracle.model[target])
    g.oracle.check_all()
    our_delete(t, g, "s3")
    our_delete(t, g, "s1")
    our_delete(t, g, "s2")
    g.oracle.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
