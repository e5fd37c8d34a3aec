#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--save-current of snapshot-revert-external when something goes wrong: what it saved is a
snapshot's state from then on, and nobody's to write."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import faults, journals, matrix  # noqa: E402


def guest(t, state):
    g = t.guest(disks=2, start=state == "running")
    g.oracle.write("vda", 0, "64k", 0xa1)
    g.oracle.snapshot("s1")
    g.oracle.write("vda", "1M", "64k", 0xa2)
    return g


def killed(g, point, *args):
    process = spawn([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name,
                     "s1", *args, "--save-current", "kept"], env=matrix.environment(point, "kill"))
    process.communicate(timeout=100)


def stopped(t, g, point):
    return journals.stopped(t, g, point, "snapshot-revert-external", g.name, "s1", "--running",
                            "--save-current", "kept")


def metadata(g):
    """The directory that libvirt keeps the guest's snapshots in."""
    for where, directories, _ in os.walk(g.daemon.dir):
        if where.endswith("/snapshot") and g.name in directories:
            return os.path.join(where, g.name)
    raise AssertionError("no directory of snapshots")


@test(cases=[(p, s) for p in ("create-snapshot-after", "define-domain-after",
                              "update-snapshots-after") for s in ("off", "running")], timeout=120)
@requires("program", matrix.require_faults)
def what_was_saved_is_not_written_after_an_abort(t, point, state):
    g = guest(t, state)
    o = g.oracle
    killed(g, point)
    o.taken("kept")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq(g.current(), "kept")
    o.check_all()
    if not g.is_active():
        g.start()
    o.write("vda", "3M", "64k", 0xa4)
    o.check_all()
    o.check_chain_clean()


@test(cases=[(s, h) for s in ("off", "running") for h in ("chain-repair", "--abort")],
      timeout=120)
@requires("program")
def disks_that_were_switched_without_the_snapshot_recorded(t, state, how):
    """libvirt records a snapshot last, and gives up when that cannot be written."""
    g = guest(t, state)
    o = g.oracle
    before = g.active("vda").path
    with faults.immutable(metadata(g)):
        r = g.vext("snapshot-revert-external", g.name, "s1", "--save-current", "kept")
    if g.active("vda").path == before:
        skip("this libvirt switches nothing before it has recorded the snapshot")
    t.eq(r.rc, 3, r.err)
    t.has(r.err, "snapshot 'kept' could not be recorded")
    t.ok("Nothing was changed" not in r.err, r.err)
    t.ok(r.err.strip().splitlines()[-1].endswith(f"virsh-ext chain-repair {g.name}"), r.err)
    if how == "--abort":
        t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
        t.eq(g.current(), "s1")
        t.eq(g.state(), "running" if state == "running" else "shut off")
    else:
        t.rc(g.vext("chain-repair", g.name), 0)
        o.taken("kept")
        o.revert("s1")
        t.eq(g.current(), "s1")
        parent = g.virsh("snapshot-parent", g.name, "kept").out.strip()
        t.eq(parent, "s1")
    o.check_all()
    o.check_chain_clean(start=True)
    if how != "--abort":
        t.rc(g.vext("snapshot-revert-external", g.name, "kept", "--running"), 0)
        o.revert("kept")
        o.check_all()


@test(timeout=120)
@requires("program")
def a_transient_domain_takes_no_snapshot_along(t):
    g = t.guest(transient=True)
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", "1M", "64k", 0xa2)
    o.snapshot("s2")
    o.write("vda", "2M", "64k", 0xa3)
    t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--running", "--save-current", "kept"))
    o.taken("kept")
    o.revert("s1")
    t.eq(sorted(g.snapshots()), ["kept", "s1", "s2"])
    t.eq((g.current(), g.parent("kept")), ("s1", "s2"))
    o.check_all()
    t.rc(g.vext("snapshot-revert-external", g.name, "kept", "--running"))
    o.revert("kept")
    o.check_all()
    o.check_chain_clean()


@test(cases=["off", "running"], timeout=120)
@requires("program")
def the_embedded_driver_has_no_storage_driver(t, state):
    g = t.guest(disks=2, daemon=t.embed(), start=state == "running")
    o = g.oracle
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1")
    o.write("vda", "1M", "64k", 0xa2)
    t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--paused", "--save-current", "kept"))
    o.taken("kept")
    o.revert("s1")
    t.eq(g.state(), "paused")
    o.check_all()
    o.check_chain_clean()


@test(cases=["off", "running"], timeout=120)
@requires("program", matrix.require_faults)
def somebody_elses_snapshot_of_that_name(t, state):
    """What was written since it was taken is not in it."""
    g = guest(t, state)
    o = g.oracle
    killed(g, "create-snapshot-before")
    o.snapshot("kept", disks=["vda"])
    o.write("vda", "2M", "64k", 0xa3)
    o.write("vdb", "2M", "64k", 0xb3)
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, "was taken by somebody else meanwhile")
    t.has(r.err, f"run: virsh-ext chain-repair {g.name} --abort")
    o.check_all()
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq(g.current(), "kept")
    o.check_all()
    o.check_chain_clean()


@test(timeout=120)
@requires("program", matrix.require_faults)
def memory_of_disks_that_are_saved_is_dropped_first(t):
    """Started from a managed save image the guest would write what holds the snapshot's state."""
    g = guest(t, "running")
    o = g.oracle
    o.flush()
    g.virsh("managedsave", g.name)
    killed(g, "create-snapshot-after", "--force")
    o.taken("kept")
    g.start()
    o.write("vda", "3M", "64k", 0xa4)
    o.check_all()


@test(cases=["going on", "--abort", "chain-repair", "held"], timeout=120)
@requires("program", matrix.require_faults)
def the_guest_is_held_from_the_snapshot_on(t, how):
    """What it would write until it is stopped would be in no snapshot."""
    g = guest(t, "running")
    o = g.oracle
    point = "create-snapshot-held" if how == "held" else "define-domain-after"
    process = stopped(t, g, point)
    t.eq(g.state(), "paused")
    if how == "going on":
        process.send_signal(signal.SIGCONT)
        t.eq((process.wait(timeout=100), g.state()), (0, "running"))
    else:
        process.kill()
        process.wait(timeout=100)
        t.rc(g.vext("chain-repair", g.name, *(["--abort"] if how == "--abort" else [])), 0)
        t.eq(g.state(), "running")
    o.taken("kept")
    if how != "--abort":
        o.revert("s1")
    o.check_all()
    o.check_chain_clean()


@test(cases=["--paused", "running"], timeout=120)
@requires("program")
def a_guest_that_cannot_be_saved_goes_on(t, state):
    g = guest(t, "running")
    if state == "--paused":
        g.pause()
    with faults.immutable(g.dir):
        t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--save-current", "kept"), 1)
    t.eq((g.state(), g.snapshots()), ("paused" if state == "--paused" else "running", ["s1"]))
    g.oracle.check_all()


@test(timeout=120)
@requires("program", matrix.require_faults)
def a_saved_snapshot_that_is_forgotten_is_known_again(t):
    """What is written from then on is in no snapshot, whether its name is there or not."""
    g = guest(t, "running")
    o = g.oracle
    killed(g, "define-domain-before")
    g.virsh("snapshot-delete", g.name, "kept", "--metadata")
    g.virsh("resume", g.name)
    o.write("vda", "3M", "64k", 0xa4)
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, "is not in snapshot 'kept' and would be lost")
    o.check_active()
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq(g.state(), "running")
    o.check_active()


@test(timeout=120)
@requires("program", matrix.require_faults)
def a_guest_that_goes_on_is_held_again(t):
    """Or what it writes between the last look and its end is nowhere."""
    g = guest(t, "running")
    o = g.oracle
    killed(g, "define-domain-before")
    g.virsh("resume", g.name)
    process = journals.stopped(t, g, "stop-guest-before", "chain-repair", g.name)
    t.eq(g.state(), "paused")
    process.send_signal(signal.SIGCONT)
    t.eq(process.wait(timeout=100), 0)
    o.taken("kept")
    o.revert("s1")
    o.check_all()


@test(cases=[(p, s) for p in ("create-snapshot-held", "create-overlays-before")
             for s in ("running", "paused")], timeout=120)
@requires("program", matrix.require_faults)
def a_guest_goes_on_when_the_revert_is_interrupted(t, point, state):
    g = guest(t, "running")
    if state == "paused":
        g.pause()
    process = spawn([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name,
                     "s1", "--save-current", "kept"], env=matrix.environment(point, "int"))
    _, err = process.communicate(timeout=100)
    t.eq(process.returncode, 3, err)
    t.ok("still be paused" not in err, err)
    t.eq(g.state(), state)
    g.oracle.taken("kept")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq((g.state(), g.current()), (state, "kept"))
    g.oracle.check_all()


@test(timeout=120)
@requires("program", matrix.require_faults)
def the_guest_dies_while_it_is_held(t):
    g = guest(t, "running")
    g.oracle.flush()
    process = journals.stopped(t, g, "create-snapshot-held", "snapshot-revert-external", g.name,
                               "s1", "--save-current", "kept")
    faults.kill_qemu(g)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=100)
    t.eq(process.returncode, 0, err)
    g.oracle.taken("kept")
    g.oracle.revert("s1")
    g.oracle.check_all()


@test(timeout=120)
@requires("program", matrix.require_faults)
def a_guest_that_is_to_be_paused_stays_so_when_something_fails_later(t):
    """The one that was held is gone."""
    g = guest(t, "running")
    killed(g, "stop-guest-after", "--paused")
    t.eq(g.state(), "shut off")
    with faults.immutable(journals.overlays_in_journal(g, "save_overlays")[0]):
        t.rc(g.vext("chain-repair", g.name), 3)
    t.eq(g.state(), "paused")
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(g.state(), "paused")


@test(timeout=120)
@requires("program", matrix.require_faults)
def who_cannot_let_the_guest_go_on_says_so(t):
    """The daemon dies when it is held."""
    g = guest(t, "running")
    process = stopped(t, g, "create-snapshot-held")
    g.daemon.kill9()
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=100)
    t.eq(process.returncode, 3, err)
    t.has(err, f"Domain '{g.name}' may still be paused")
    g.daemon.start()
    t.eq(g.state(), "paused")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq(g.state(), "running")
    g.oracle.check_all()


if __name__ == "__main__":
    main()
