#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""After snapshot-delete-external libvirt's own commands go on working, and while it works on a
guest that is shut off nobody can start that."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *
from vext import faults

COMMAND = "snapshot-delete-external"


def three(t, **kwargs):
    g = t.guest(**kwargs)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
        o.snapshot(name)
    for d in o.model:
        o.write(d, "3M", "512k", 0x77)
    return g


@test(cases=[("s1", "commit"), ("s2", "commit"), ("s3", "pull")])
@requires("program")
def virsh_deletes_what_is_left(t, name, direction):
    g = three(t, start=True)
    t.rc(g.vext(COMMAND, g.name, name, "--direction", direction), 0)
    g.oracle.forget(name)
    for other in reversed([n for n in ("s1", "s2", "s3") if n != name]):
        r = g.virsh("snapshot-delete", g.name, other, check=False)
        if "not supported" in r.err:
            skip("this libvirt deletes no external snapshots: " + r.err.strip())
        t.rc(r, 0)
        g.oracle.forget(other)
        g.oracle.check_all()
    t.eq(len(g.chain("vda")), 1)


@test(cases=["commit", "pull"])
@requires("program")
def new_snapshots_can_be_taken(t, direction):
    g = three(t)
    t.rc(g.vext(COMMAND, g.name, "s2", "--direction", direction), 0)
    g.oracle.forget("s2")
    g.start()
    g.oracle.snapshot("s4")
    g.oracle.write("vda", "5M", "1M", 0x44)
    g.oracle.check_all()
    t.eq(g.tree(), {"s1": None, "s3": "s1", "s4": "s3"})


@test
@requires("program")
def a_guest_that_is_shut_off_cannot_be_started_meanwhile(t):
    g = t.guest(size="64M")
    o = g.oracle
    o.write("vda", 0, "48M", 1)
    o.snapshot("s1")
    o.write("vda", 0, "32M", 2)
    o.snapshot("s2")
    o.write("vda", 0, "1M", 3)
    helper = g.name + ".virsh-ext"
    p = g.daemon.spawn_vext(COMMAND, g.name, "s2", "--direction", "pull", "--bandwidth", "1")
    try:
        t.wait_for(lambda: g.virsh("blockjob", helper, "vda", "--raw", check=False).out.strip(),
                   "the helper's job")
        r = g.virsh("start", g.name, check=False)
        t.rc(r, 1)
        t.has(r.err, "lock")
        g.virsh("blockjob", helper, "vda", "--bandwidth", "0")
    finally:
        p.wait(30)
    t.eq(p.returncode, 0)
    o.deleted("s2")
    o.check_chain_clean(start=True)


MARK = "<snapshotDeleteInProgress/>"


def marked(g):
    return MARK in g.virsh("snapshot-dumpxml", g.name, "s1").out


def half_deleted(t, state):
    """s1, s2, s3, and libvirt's own deletion of s2 that a full disk has ended."""
    g = t.guest(start=True)
    o = g.oracle
    small = faults.small_fs(os.path.join(g.dir, "small"), "16M")
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "6M", 0x10 + i)
        o.snapshot(name, files={"vda": os.path.join(small, "s1")} if name == "s1" else {})
    o.write("vda", "3M", "512k", 0x77)
    if state == "shut off":
        g.destroy()
    with faults.full(small, leave="128k"):
        r = g.virsh("snapshot-delete", g.name, "s2", check=False)
        if "not supported" in r.err or "is not supported" in r.err:
            skip("this libvirt deletes no external snapshots: " + r.err.strip())
        t.rc(r, 1)
    if not marked(g):
        skip("this libvirt does not mark what it has begun to delete")
    # The state of s2 is in the image that s1 made, and is gone.
    o.forget("s2")
    return g


@test(cases=[(s, n, d) for s in ("running", "shut off", "started again")
             for n, d in (("s1", "commit"), ("s2", "commit"), ("s3", "pull"))] +
            [("shut off", n, "pull") for n in ("s1", "s2")])
@requires("program")
def libvirt_deletes_the_rest(t, state, name, direction):
    """Snapshots taken while it ran: libvirt 9.0 deletes those between others by the chain that it
    then wrote into the configuration, and by nothing else."""
    g = three(t, disks=2, start=True)
    o = g.oracle
    if state != "running":
        g.destroy()
    if state == "started again":
        g.start()
    t.rc(g.vext(COMMAND, g.name, name, "--direction", direction), 0)
    o.deleted(name)
    if state != "shut off":
        g.destroy()
    for snapshot in [s for s in ("s1", "s2", "s3") if s != name]:
        r = g.virsh("snapshot-delete", g.name, snapshot, check=False)
        if "not supported" in r.err:
            skip("this libvirt deletes no external snapshots: " + r.err.strip())
        t.rc(r, 0)
        o.deleted(snapshot)
    o.check_chain_clean(start=True)


@test(cases=["running", "shut off"])
@requires("program")
def what_libvirt_has_merged_by_half_is_finished(t, state):
    g = half_deleted(t, state)
    r = g.vext("chain-show", g.name, "--check")
    t.rc(r, 1)
    t.has(r.out, "libvirt has begun to delete snapshot 's2' and has not finished")
    t.has(r.out, f"snapshot-delete-external {g.name} s2")
    r = g.vext("snapshot-revert-external", g.name, "s2")
    t.rc(r, 1)
    t.has(r.err, "half merged")
    t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--dry-run"), 0)
    r = g.vext(COMMAND, g.name, "s1")
    t.rc(r, 1)
    t.has(r.err, f"virsh-ext {COMMAND} {g.name} s2")
    r = g.vext("chain-repair", g.name)
    t.rc(r, 1)
    t.has(r.err, "half merged")
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    t.eq(marked(g), False)
    g.oracle.check_chain_clean()
    t.rc(g.vext("chain-show", g.name, "--check"), 0)
    t.rc(g.virsh("snapshot-delete", g.name, "s1"), 0)
    g.oracle.forget("s1")
    g.oracle.check_all()


@test
@requires("program")
def a_mark_that_means_nothing_any_more_is_taken_off(t):
    g = three(t)
    t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "commit"), 0)
    g.oracle.forget("s2")
    xml = t.path("s1.xml")
    with open(xml, "w", encoding="utf-8") as f:
        f.write(g.virsh("snapshot-dumpxml", g.name, "s1", "--security-info").out.replace(
            "snapshot='external' type='file'>", "snapshot='external' type='file'>" + MARK, 1))
    g.virsh("snapshot-create", g.name, xml, "--redefine")
    if not marked(g):
        skip("this libvirt has no such mark")
    g.virsh("snapshot-delete", g.name, "s3", "--metadata")
    g.oracle.forget("s3")
    r = g.vext("chain-show", g.name, "--check")
    t.rc(r, 1)
    t.has(r.out, "has left its mark on snapshot 's1'")
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(marked(g), False)
    g.oracle.check_all()


if __name__ == "__main__":
    main()
