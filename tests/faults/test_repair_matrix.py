#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-repair after every blockcommit, blockpull and blockcopy by hand that a chain of four images
allows: exactly those snapshots are forgotten whose state is gone, the others are right."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

NAMES = ("s1", "s2", "s3")
# (top, base) of commits, by the images' height: 3 is the active one.
COMMITS = [(3, 2), (3, 1), (3, 0), (2, 1), (2, 0), (1, 0)]


def next_second():
    now = int(time.time())
    util.wait_for(lambda: int(time.time()) > now + 1, "the next second")


def four(t, apart=True):
    g = t.guest(start=True)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "1M", 0x10 + i, verify=False)
        o.write("vda", f"{8 + 64 * i}k", "32k", 0x40 + i, verify=False)
        if apart:
            next_second()
        o.snapshot(name)
    o.write("vda", "3M", "512k", 0x77)
    if apart:
        next_second()
    return g, [g.disks["vda"].path] + [g.overlay_path(n, "vda") for n in ("s1", "s2", "s3")]


def finish(t, g, expect):
    """Exactly the snapshots stay whose state is still there; all of it goes on working."""
    before = set(g.oracle._files())
    r = g.vext("chain-repair", g.name)
    t.rc(r, 0)
    left = g.snapshots()
    lost = [n for n in ("s1", "s2", "s3") if n not in left]
    g.oracle.forget(*lost)
    g.oracle.check_all()
    r = g.vext("chain-repair", g.name)
    t.has(r.out, "Nothing to repair")
    g.oracle.write("vda", "6M", "512k", 0x99)
    g.oracle.check_all()
    if left:
        t.rc(g.vext("snapshot-delete-external", g.name, "--all"), 0)
        g.oracle.deleted(*left)
    g.destroy()
    g.oracle.check_chain_clean(start=True, allow=before)
    t.eq(left, expect, "snapshots left")


@test(cases=[(top, base, d, a) for top, base in COMMITS for d in (True, False)
             for a in (True, False)])
@requires("program")
def commit(t, top, base, delete, apart):
    g, im = four(t, apart)
    args = ["--active", "--pivot"] if top == 3 else ["--top", im[top]]
    g.virsh("blockcommit", g.name, "vda", "--base", im[base], "--wait", *args,
            *(["--delete"] if delete else []))
    expect = [NAMES[i] for i in range(3) if not base <= i < top]
    finish(t, g, expect)


@test(cases=[(b, d, a) for b in (None, 0, 1) for d in (True, False) for a in (True, False)])
@requires("program")
def pull(t, base, delete, apart):
    g, im = four(t, apart)
    g.virsh("blockpull", g.name, "vda", "--wait",
            *(["--base", im[base]] if base is not None else []))
    gone = range(base + 1 if base is not None else 0, 3)
    if delete:
        for i in gone:
            os.unlink(im[i])
    expect = [NAMES[i] for i in range(3) if not (delete and i in gone)]
    finish(t, g, expect)


@test(cases=[(s, d) for s in (True, False) for d in (True, False)])
@requires("program")
def copy(t, shallow, delete):
    g, im = four(t)
    g.virsh("blockcopy", g.name, "vda", os.path.join(g.dir, "copy"), "--wait", "--pivot",
            "--transient-job", *(["--shallow"] if shallow else []))
    if delete:
        os.unlink(im[3])
    finish(t, g, list(NAMES))


@test(cases=[(top, base) for top, base in COMMITS if top == 3])
@requires("program")
def abort_ready(t, top, base):
    g, im = four(t, apart=False)
    g.virsh("blockcommit", g.name, "vda", "--base", im[base], "--wait", "--active")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    finish(t, g, [NAMES[i] for i in range(3) if not base <= i < top])


@test(cases=[(top, base) for top, base in COMMITS if top == 3])
@requires("program")
def takeover_ready(t, top, base):
    g, im = four(t, apart=False)
    g.virsh("blockcommit", g.name, "vda", "--base", im[base], "--wait", "--active")
    t.rc(g.vext("chain-repair", g.name), 0)
    finish(t, g, [NAMES[i] for i in range(3) if not base <= i < top])


@test(cases=[(top, base, how) for top, base in COMMITS for how in ("", "--abort")])
@requires("program")
def takeover_running(t, top, base, how):
    g, im = four(t, apart=False)
    args = ["--active"] if top == 3 else ["--top", im[top]]
    g.virsh("blockcommit", g.name, "vda", "--base", im[base], "--bandwidth", "1", "--bytes",
            *args)
    if how:
        # What a commit in the middle has written so far cannot be told, so it is not ended.
        t.rc(g.vext("chain-repair", g.name, how), 0 if top == 3 else 1)
        if top != 3:
            g.virsh("blockjob", g.name, "vda", "--abort", check=False)
            return
    else:
        p = g.daemon.spawn_vext("chain-repair", g.name)
        helper = g.name + ".virsh-ext"
        t.wait_for(lambda: helper in g.virsh("list", "--all", "--name", log=False).out.split(),
                   "the repair to have begun")
        g.virsh("blockjob", g.name, "vda", "--bandwidth", "0", check=False)
        p.communicate(timeout=60)
        t.eq(p.returncode, 0)
    finish(t, g, [NAMES[i] for i in range(3) if not base <= i < top])


if __name__ == "__main__":
    main()
