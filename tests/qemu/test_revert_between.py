#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external while somebody else works on the same domain."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402


def need_faults():
    matrix.require_faults()


def stopped(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


def revert_with_between(t, g, point, action, *args):
    """Reverts to s1, and does something when it has come to the point; (status, stderr)."""
    process = spawn([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name,
                     "s1", *args], env=matrix.environment(point, "stop"))
    try:
        t.wait_for(lambda: process.poll() is not None or stopped(process), "the point")
        t.ok(process.poll() is None, "the point is not there")
        action()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


POINTS = ["step-0-before", "create-overlays-made", "define-domain-after"]


@test(cases=POINTS)
@requires("program", need_faults)
def a_layer_on_a_disk_that_is_left_out(t, point):
    """It would be lost from view, and the guest would write below it."""
    g = t.guest(disks=2, start=True)
    o = g.oracle
    o.snapshot("s1", disks=["vda"])
    o.write("vda", 0, "64k", 0xa1)
    o.write("vdb", 0, "64k", 0xb1)

    def layer():
        o.snapshot("other", disks=["vdb"], metadata=False)
        o.write("vdb", "1M", "64k", 0xb2)
    rc, err = revert_with_between(t, g, point, layer, "--running")
    if rc == 0:
        o.revert("s1")
    else:
        t.eq(rc, 1, err)
        t.has(err, "meanwhile")
        t.eq(g.state(), "running")
    o.check_all()
    o.check_chain_clean()
    g.destroy()
    g.start()
    o.check_all()


@test(cases=POINTS[1:])
@requires("program", need_faults)
def a_layer_on_all_disks(t, point):
    g = t.guest(disks=2, start=True)
    o = g.oracle
    o.snapshot("s1", disks=["vda"])
    o.write("vda", 0, "64k", 0xa1)

    def layer():
        o.snapshot("other", metadata=False)
        for disk in ("vda", "vdb"):
            o.write(disk, "1M", "64k", 0xb2)
    rc, err = revert_with_between(t, g, point, layer, "--running")
    t.eq(rc, 1, err)
    t.has(err, "Nothing was changed")
    o.check_all()
    o.check_chain_clean(backing=False)
    g.destroy()
    g.start()
    o.check_all()


@test(cases=["create-overlays-before", "stop-guest-before", "remove-file-before"])
@requires("program", need_faults)
def a_second_client_is_told_of_the_first(t, point):
    g = t.guest(start=True)
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", 0, "64k", 0xa1)

    def second():
        for command in ("snapshot-revert-external", "snapshot-delete-external"):
            r = t.rc(g.vext(command, g.name, "s1"), 1)
            t.has(r.err, "Another operation (snapshot-revert-external of 's1', begun 20")
            t.has(r.err, "Wait until it has finished")
    rc, err = revert_with_between(t, g, point, second, "--running")
    t.eq(rc, 0, err)
    o.revert("s1")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program", need_faults)
def a_guest_that_was_started_is_not_left_on_other_disks(t):
    g = t.guest()
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", 0, "64k", 0xa1)
    rc, err = revert_with_between(t, g, "define-domain-before", g.start)
    t.eq(rc, 1, err)
    t.has(err, "has been started meanwhile: shut it down first")
    t.has(err, "Nothing was changed")
    o.write("vda", "1M", "64k", 0xa2)
    o.check_all()
    o.check_chain_clean()


@test
@requires("program", need_faults)
def a_domain_that_is_undefined_while_it_runs(t):
    """Stopped it would be gone, and all its snapshots."""
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1")
    o.write("vda", "1M", "1M", 0x22)
    rc, err = revert_with_between(t, g, "stop-guest-before",
                                  lambda: g.virsh("undefine", g.name))
    t.eq(rc, 1, err)
    t.has(err, "was undefined meanwhile and would be gone when it is stopped")
    t.eq((g.state(), g.snapshots()), ("running", ["s1"]))
    o.check_all()


if __name__ == "__main__":
    main()
