#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external of running, paused and transient guests: content of the active disks
and of every snapshot that stays is what it was."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *


def delete(g, *args, rc=0):
    r = g.vext("snapshot-delete-external", g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}\n{r.out}{r.err}")
    return r


def three(t, disks=1, memory=(), **kwargs):
    """A running guest with snapshots s1, s2, s3, each disk written before, between, after."""
    g = t.guest(disks=disks, start=True, **kwargs)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
            o.write(d, f"{8 + 64 * i}k", "32k", 0x40 + i)
        o.snapshot(name, memory=name in memory)
    for d in o.model:
        o.write(d, "3M", "512k", 0x77)
    return g


def go_on_writing(o):
    for d in o.model:
        o.write(d, "5M", "64k", 0x99)
    o.check_all()


@test(cases=[("s1", "commit", 2), ("s1", "auto", 1), ("s2", "commit", 1), ("s2", "auto", 2),
             ("s3", "commit", 1), ("s3", "commit", 2), ("s3", "pull", 1), ("s3", "pull", 2)])
@requires("program")
def one_snapshot(t, name, direction, disks):
    g = three(t, disks=disks)
    r = delete(g, name, "--direction", direction)
    t.has(r.out, f"Domain snapshot {name} deleted")
    t.eq(g.state(), "running")
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()
    t.eq(g.current(), "s2" if name == "s3" else "s3")
    go_on_writing(g.oracle)
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=["commit", "auto"])
@requires("program")
def all_snapshots(t, direction):
    g = three(t, disks=2)
    delete(g, "--all", "--direction", direction)
    g.oracle.deleted("s1", "s2", "s3")
    for target in g.oracle.model:
        t.eq(len(g.chain(target)), 1)
    go_on_writing(g.oracle)
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=[("s1", "s2"), ("s2", "s3"), ("s1", "s3")])
@requires("program")
def several_by_name(t, *names):
    g = three(t)
    delete(g, *names)
    g.oracle.deleted(*names)
    g.oracle.check_chain_clean()
    go_on_writing(g.oracle)


@test(cases=["s1", "s3"])
@requires("program")
def of_a_paused_guest(t, name):
    g = three(t)
    g.pause()
    delete(g, name)
    t.eq(g.state(), "paused")
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()


@test(cases=["s1", "s3"])
@requires("program")
def of_a_transient_guest(t, name):
    g = three(t, transient=True)
    delete(g, name)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()


@test(cases=["s1", "s2", "s3"])
@requires("program")
def with_memory(t, name):
    g = three(t, memory=("s1", "s2", "s3"))
    delete(g, name)
    t.ok(not os.path.exists(g.memory_path(name)), "its memory file is gone")
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()


@test(cases=["s1", "s2", "s3"])
@requires("program")
def taken_running_deleted_shut_off(t, name):
    g = three(t, disks=2)
    g.destroy()
    delete(g, name)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean(start=True)


@test(cases=["s1", "s3"])
@requires("program")
def of_a_raw_base(t, name):
    g = three(t, format="raw")
    delete(g, name)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()
    go_on_writing(g.oracle)


@test
@requires("program")
def an_unnamed_layer_between_snapshots(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    o.snapshot("s1")
    o.write("vda", "64k", "1M", 2)
    o.snapshot("x", metadata=False)
    o.write("vda", "128k", "1M", 3)
    o.snapshot("s2")
    o.write("vda", "256k", "1M", 4)
    delete(g, "s1")
    o.deleted("s1")
    o.check_chain_clean()
    delete(g, "s2")
    o.deleted("s2")
    o.check_chain_clean()


@test
@requires("program")
def a_memory_only_snapshot(t):
    g = three(t)
    g.virsh("snapshot-create-as", g.name, "m", "--memspec",
            "file=" + g.memory_path("m") + ",snapshot=external", "--diskspec",
            "vda,snapshot=no")
    g.oracle.taken("m")
    delete(g, "m")
    t.ok(not os.path.exists(g.memory_path("m")), "its memory file is gone")
    g.oracle.deleted("m")
    t.eq(g.current(), "s3")


if __name__ == "__main__":
    main()
