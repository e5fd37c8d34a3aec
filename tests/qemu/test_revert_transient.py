#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A revert of a transient domain that was interrupted. When it is stopped, libvirt forgets it and
its snapshots: then nobody knows of them but the record of the operation."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402

REVERT = "snapshot-revert-external"


def killed(t, point, *args, memory=False):
    """A transient guest with s1 and s2, and 0x33 written since, whose revert to s1 was killed."""
    g = t.guest(transient=True)
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1", memory=memory)
    o.write("vda", "1M", "1M", 0x22)
    o.snapshot("s2")
    o.write("vda", "2M", "1M", 0x33)
    o.flush()
    r = run([*matrix.program(), "-c", g.daemon.uri, REVERT, g.name, "s1", "--running", *args],
            check=False, env={**g.daemon.env(), **matrix.environment(point, "kill")})
    t.eq(r.rc, -9)
    return g, o


def is_there(g):
    return g.virsh("domstate", g.name, check=False).rc == 0


@test(cases=[(p, s) for p in ("create-overlays-after", "stop-guest-before", "stop-guest-after",
                              "start-guest-after", "update-snapshots-after",
                              "remove-file-before", "unlock-before")
             for s in ("", "--save-current")], timeout=180)
@requires("program", matrix.require_faults)
def it_can_be_gone_on_with(t, point, save):
    if save and point == "remove-file-before":
        point = "update-snapshots-before"
    g, o = killed(t, point, *([save, "kept"] if save else []))
    t.rc(g.vext("chain-repair", g.name))
    if save:
        o.taken("kept")
    o.revert("s1")
    t.eq(g.current(), "s1")
    t.eq(g.tree(), {"s1": None, "s2": "s1", **({"kept": "s2"} if save else {})})
    o.check_all()
    o.check_chain_clean()


@test(timeout=120)
@requires("program", matrix.require_faults)
def what_the_guest_has_written_since_is_kept(t):
    """It ran on the new overlay and was ended: nobody but the record names that."""
    g, o = killed(t, "start-guest-after")
    o.revert("s1")
    overlay = g.active("vda").path
    o.write("vda", "4M", "1M", 0x44)
    o.flush()
    g.virsh("destroy", g.name)
    t.rc(g.vext("chain-repair", g.name))
    t.eq((g.state(), g.active("vda").path, g.current()), ("running", overlay, "s1"))
    o.check_all()
    o.check_chain_clean()


@test(cases=["destroyed", "runs"], timeout=120)
@requires("program", matrix.require_faults)
def no_memory_over_what_the_guest_has_written(t, how):
    g, o = killed(t, "restore-memory-after", memory=True)
    o.revert("s1")
    o.write("vda", "4M", "1M", 0x44)
    o.flush()
    if how == "destroyed":
        g.virsh("destroy", g.name)
    r = t.rc(g.vext("chain-repair", g.name))
    if how == "destroyed":
        t.has(r.err, "is started without its memory state")
        t.has(g.virsh("domstate", g.name, "--reason").out, "booted")
    o.check_all()
    o.check_chain_clean()


@test(cases=["", "--save-current"], timeout=120)
@requires("program", matrix.require_faults)
def its_snapshots_come_back_when_undone(t, save):
    """Somebody has made the domain again as it was; the record goes, and with it what is known of
    them."""
    g, o = killed(t, "stop-guest-after", *([save, "kept"] if save else []))
    t.ok(not is_there(g), "it is still there")
    path = g.overlay_path("s2", "vda")
    if save:
        path = os.path.join(g.dir, next(n for n in os.listdir(g.dir) if ".kept-" in n))
    g.define(g.domain_xml().replace(g.disks["vda"].path, path))
    t.eq(g.snapshots(), [])
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    if save:
        o.taken("kept")
    t.eq(g.current(), "kept" if save else "s2")
    t.eq(g.tree(), {"s1": None, "s2": "s1", **({"kept": "s2"} if save else {})})
    o.check_all()
    o.check_chain_clean()


@test(timeout=120)
@requires("program", matrix.require_faults)
def what_is_written_above_what_was_saved_is_kept(t):
    """The guest was stopped; somebody has made it again as it was, and it runs."""
    g, o = killed(t, "start-guest-before", "--save-current", "kept")
    path = os.path.join(g.dir, next(n for n in os.listdir(g.dir) if ".kept-" in n))
    g.define(g.domain_xml().replace(g.disks["vda"].path, path))
    o.write("vda", "4M", "1M", 0x44)
    o.flush()
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, f"to undo what was begun, run: virsh-ext chain-repair {g.name} --abort")
    t.eq((g.state(), g.active("vda").path), ("running", path))
    o.check_active()
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.eq((g.state(), g.current()), ("running", "kept"))
    o.check_active()


if __name__ == "__main__":
    main()
