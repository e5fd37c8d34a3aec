#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external while another client does something with the same domain: no content is
lost, whoever wins, and what is left can be finished."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

COMMAND = "snapshot-delete-external"
# Where the other client comes in: s2 is in the middle, s3 is the newest.
# VEXT_TEST_ALL=1: everywhere.
WHERE = [("running", "s3", "commit"), ("off", "s2", "pull"), ("off", "s3", "commit")]
if os.environ.get("VEXT_TEST_ALL"):
    WHERE += [("running", "s2", "commit"), ("running", "s3", "pull"), ("off", "s2", "commit")]


def three(t, state):
    g = t.guest(size="64M", start=state == "running")
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "24M", 0x10 + i)
        o.snapshot(name)
    o.write("vda", "8M", "24M", 0x77)
    return g


def meanwhile(t, g, state, name, direction, other):
    """Runs other() while the delete's job runs; (status, stderr) of the delete."""
    worker = g.name if state == "running" else g.name + ".virsh-ext"
    p = g.daemon.spawn_vext(COMMAND, g.name, name, "--direction", direction, "--bandwidth", "1")
    try:
        t.wait_for(lambda: g.virsh("blockjob", worker, "vda", "--raw", check=False,
                                   log=False).out.strip(), "the job to run")
        result = other()
        g.virsh("blockjob", worker, "vda", "--bandwidth", "0", check=False)
        _, err = p.communicate(timeout=60)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    text = err.decode() if isinstance(err, bytes) else err
    t.diag(f"other: {result}\ndelete: {p.returncode} {text}")
    return p.returncode, text


def finish(t, g, rc, name, extra=()):
    """However it ended: it can be finished, and all is right."""
    g.oracle.check_active()
    if rc == 3:
        t.rc(g.vext("chain-repair", g.name), 0)
    if name not in g.snapshots():
        g.oracle.forget(name)
    g.oracle.check_all()
    if name in g.snapshots():
        t.rc(g.vext(COMMAND, g.name, name), 0)
        g.oracle.forget(name)
    g.oracle.check_all()
    g.oracle.check_chain_clean(allow=extra)
    t.rc(g.vext(COMMAND, g.name, "--all"), 0)
    g.oracle.forget(*list(g.oracle.snapshots))
    g.oracle.check_all()
    g.destroy()
    g.oracle.check_chain_clean(start=True, allow=extra)


@test(cases=WHERE, timeout=120)
@requires("program")
def a_snapshot_is_taken(t, state, name, direction):
    g = three(t, state)
    rc, _ = meanwhile(t, g, state, name, direction,
                      lambda: g.oracle.snapshot("s4", check=False))
    finish(t, g, rc, name, extra=[g.overlay_path("s4", "vda")])


@test(cases=WHERE, timeout=120)
@requires("program")
def a_block_commit_is_tried(t, state, name, direction):
    g = three(t, state)
    rc, _ = meanwhile(t, g, state, name, direction,
                      lambda: g.virsh("blockcommit", g.name, "vda", "--active", "--shallow",
                                      "--wait", "--pivot", check=False))
    finish(t, g, rc, name)


@test(cases=[(*w, n, a) for w in WHERE for n in ("itself", "s1") for a in ("--metadata", "")],
      timeout=120)
@requires("program")
def libvirt_deletes(t, state, name, direction, which, how):
    g = three(t, state)
    which = name if which == "itself" else which
    words = [how] if how else []
    rc, _ = meanwhile(t, g, state, name, direction,
                      lambda: g.virsh("snapshot-delete", g.name, which, *words, check=False,
                                      timeout=20))
    g.oracle.check_active()
    if rc == 3:
        t.rc(g.vext("chain-repair", g.name), 0)
    left = g.snapshots()
    for n in ("s1", "s2", "s3"):
        if n not in left:
            g.oracle.forget(n)
    g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, "--all"), 0)
    g.oracle.forget(*list(g.oracle.snapshots))
    g.oracle.check_all()
    g.destroy()
    g.oracle.check_chain_clean(start=True, allow=g.oracle._files())


@test(cases=WHERE, timeout=120)
@requires("program")
def the_guest_is_started_or_stopped(t, state, name, direction):
    g = three(t, state)
    rc, _ = meanwhile(t, g, state, name, direction,
                      lambda: g.virsh("destroy" if state == "running" else "start", g.name,
                                      check=False))
    finish(t, g, rc, name)


@test(cases=WHERE, timeout=120)
@requires("program")
def the_domain_is_edited(t, state, name, direction):
    """Its title, by somebody who had read it before."""
    g = three(t, state)
    old = g.virsh("dumpxml", g.name, "--inactive", "--security-info").out
    path = os.path.join(g.workdir, "edited.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(old.replace("<devices>", "<devices><serial type='null'/>", 1))
    rc, _ = meanwhile(t, g, state, name, direction, lambda: g.virsh("define", path, check=False))
    t.has(g.virsh("dumpxml", g.name, "--inactive").out, "<serial")
    finish(t, g, rc, name)


if __name__ == "__main__":
    main()
