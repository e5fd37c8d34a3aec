#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A revert to memory that was killed before it was restored, and its domain started by somebody
since, where qemu-img's map of the disks cannot be had: on another host, with a data file."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402

WHERE = ["data file", "far", "far, with a pool"]


def killed(t, where, point="update-snapshots-before", start=True):
    """A guest whose revert to s1, with memory, was killed; the way to the command from there."""
    if where == "data file":
        top = t.path("top.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={t.path('data')}", top, "24M")
        g = t.guest(disks=[{"path": top, "create": False}], start=True)
        command = g.vext
    else:
        g = t.guest(daemon=t.daemon(tcp=True), start=True)
        if "pool" in where:
            g.daemon.pool("images", g.dir)

        def command(*args):
            return g.daemon.remote_vext(*args, hidden=g.dir)
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1", memory=True)
    o.write("vda", "1M", "1M", 0x22)
    o.flush()
    if not start:
        g.destroy()
    r = run([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name, "s1"],
            check=False, env={**g.daemon.env(), **matrix.environment(point, "kill")})
    t.eq(r.rc, -9, r)
    return g, o, command


def worked(g, o):
    """Somebody starts it on the reverted disks, and works."""
    g.start()
    o.revert("s1")
    o.write("vda", "2M", "1M", 0x99)
    o.flush()


def finished(t, g, o, command):
    t.has(t.rc(command("chain-repair", g.name)).out, "Nothing to repair")
    o.check_all()
    o.check_chain_clean(start=not g.is_active())


@test(cases=WHERE, timeout=120)
@requires("program", matrix.require_faults)
def no_memory_over_disks_that_were_written(t, where):
    g, o, command = killed(t, where)
    worked(g, o)
    g.destroy()
    r = t.rc(command("chain-repair", g.name))
    t.has(r.err, "has run since the revert and is not started again")
    t.eq(g.state(), "shut off")
    finished(t, g, o, command)


@test(cases=WHERE, timeout=120)
@requires("program", matrix.require_faults)
def memory_over_disks_that_nobody_has_started(t, where):
    g, o, command = killed(t, where)
    t.rc(command("chain-repair", g.name))
    o.revert("s1")
    t.eq(g.state(), "running")
    t.ok("booted" not in g.virsh("domstate", g.name, "--reason").out, "its memory is lost")
    finished(t, g, o, command)


@test(cases=[(w, b) for w in (*WHERE[:2], "here") for b in ("written", "untouched")], timeout=120)
@requires("program", matrix.require_faults)
def a_managed_save_of_the_reverted_disks_is_not_in_the_way(t, where, but):
    g, o, command = killed(t, where) if where != "here" else killed_here(t)
    if but == "written":
        worked(g, o)
    else:
        g.start()
        o.revert("s1")
    g.virsh("managedsave", g.name)
    r = t.rc(command("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, f"To finish it, run: virsh-ext chain-repair {g.name}")
    r = t.rc(command("chain-repair", g.name))
    t.has(r.err, "has run since the revert and was saved")
    t.has(g.virsh("dominfo", g.name).out, r"Managed save:   yes")
    g.start()
    t.ok("booted" not in g.virsh("domstate", g.name, "--reason").out, "its memory is lost")
    finished(t, g, o, command)


def killed_here(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1", memory=True)
    r = run([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name, "s1"],
            check=False, env={**g.daemon.env(),
                              **matrix.environment("update-snapshots-before", "kill")})
    t.eq(r.rc, -9, r)
    return g, o, g.vext


if __name__ == "__main__":
    main()
