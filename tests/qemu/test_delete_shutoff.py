#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external of guests that are shut off: content of the active disks and of every
snapshot that stays is what it was."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *


def delete(g, *args, rc=0):
    r = g.vext("snapshot-delete-external", g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}\n{r.out}{r.err}")
    return r


def three(t, disks=1, **kwargs):
    """Snapshots s1, s2, s3, each disk written to before, between and after them."""
    g = t.guest(disks=disks, **kwargs)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
            o.write(d, f"{8 + 64 * i}k", "32k", 0x40 + i)
        o.snapshot(name)
    for d in o.model:
        o.write(d, "3M", "512k", 0x77)
    return g


@test(cases=[(s, d, n) for s in ("s1", "s2", "s3") for d in ("commit", "pull") for n in (1, 2)])
@requires("program")
def one_snapshot(t, name, direction, disks):
    g = three(t, disks=disks)
    r = delete(g, name, "--direction", direction)
    t.has(r.out, f"Domain snapshot {name} deleted")
    g.oracle.deleted(name)
    g.oracle.check_chain_clean(start=True)
    t.eq(g.current(), "s2" if name == "s3" else "s3")


@test(cases=["commit", "pull", "auto"])
@requires("program")
def all_snapshots(t, direction):
    g = three(t, disks=2)
    delete(g, "--all", "--direction", direction)
    g.oracle.deleted("s1", "s2", "s3")
    g.oracle.check_chain_clean(start=True)
    for target in g.oracle.model:
        t.eq(len(g.chain(target)), 1)


@test(cases=["commit", "pull"])
@requires("program")
def several_by_name(t, direction):
    g = three(t)
    delete(g, "s1", "s2", "--direction", direction)
    g.oracle.deleted("s1", "s2")
    g.oracle.check_chain_clean(start=True)


@test(cases=["--children", "--children-only"])
@requires("program")
def children(t, option):
    g = three(t)
    delete(g, "s2", option)
    g.oracle.deleted(*(("s2", "s3") if option == "--children" else ("s3",)))
    g.oracle.check_chain_clean(start=True)
    t.eq(g.current(), "s1" if option == "--children" else "s2")


@test
@requires("program")
def the_current_one(t):
    g = three(t)
    delete(g, "--current")
    g.oracle.deleted("s3")
    t.eq(g.current(), "s2")


@test(cases=["commit", "pull"])
@requires("program")
def a_snapshot_of_some_disks(t, direction):
    g = t.guest(disks=2)
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    o.write("vdb", 0, "1M", 2)
    o.snapshot("s1")
    o.write("vda", "64k", "1M", 3)
    o.write("vdb", "64k", "1M", 4)
    o.snapshot("s2", disks=["vda"])
    o.write("vda", "128k", "1M", 5)
    o.write("vdb", "128k", "1M", 6)
    o.snapshot("s3")
    o.write("vda", "1M", "1M", 7)
    o.write("vdb", "1M", "1M", 8)
    delete(g, "s2", "--direction", direction)
    o.deleted("s2")
    o.check_chain_clean(start=True)
    delete(g, "s1", "--direction", direction)
    o.deleted("s1")
    o.check_chain_clean(start=True)


@test
@requires("program")
def metadata_only_leaves_the_images(t):
    g = three(t)
    before = g.chain("vda")
    delete(g, "s2", "--metadata")
    g.oracle.deleted("s2")
    t.eq(g.chain("vda"), before)
    t.eq(g.tree(), {"s1": None, "s3": "s1"})


@test
@requires("program")
def dry_run_changes_nothing(t):
    g = three(t)
    before = g.chain("vda")
    r = delete(g, "s2", "--dry-run")
    t.has(r.out, "Would move")
    g.oracle.check_all()
    t.eq(g.chain("vda"), before)


if __name__ == "__main__":
    main()
