#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-repair waits for a block job that virsh began, and the job does not end well: what a commit
has written to is forgotten all the same, and is not reverted to."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403


def large(t, **kwargs):
    """Snapshots s1, s2, s3 with 8 MiB each: at 1 MiB/s a job takes long enough to be stopped."""
    g = t.guest(disks=1, size="64M", start=True, **kwargs)
    for i, name in enumerate(("s1", "s2", "s3")):
        g.oracle.write("vda", f"{4 * i}M", "8M", 0x10 + i, verify=False)
        g.oracle.snapshot(name)
    g.oracle.write("vda", "14M", "12M", 0x77)
    return g


def next_second():
    """Images tell by the second when they were written."""
    now = int(time.time())
    util.wait_for(lambda: int(time.time()) > now, "the next second")


def job_of(g):
    r = g.virsh("blockjob", g.name, "vda", "--raw", check=False)
    return r.out.strip()


def waiting(t, g, step=2):
    """chain-repair, in its wait for the job: that is the step."""
    p = g.daemon.spawn_vext("chain-repair", g.name)
    t.wait_for(lambda: p.poll() is not None or step_of(g) >= step, "the wait")
    t.eq(p.poll(), None)
    return p


def step_of(g):
    found = re.search(r"step=['\"](\d+)", g.virsh("dumpxml", g.name + ".virsh-ext",
                                                 check=False).out)
    return int(found.group(1)) if found else 0


def end(t, p, rc):
    out, err = p.communicate(timeout=60)
    t.eq((p.returncode, err), (rc, err))
    return err.decode() if isinstance(err, bytes) else err


def commit(g, *args):
    g.virsh("blockcommit", g.name, "vda", "--bandwidth", "1", *args)


def not_usable(t, g, name):
    r = g.vext("snapshot-revert-external", g.name, name, "--dry-run")
    t.rc(r, 1)


@test(cases=["kill-qemu", "int", "kill", "kill-both"])
@requires("program")
def an_active_commit(t, how):
    g = large(t)
    commit(g, "--active", "--shallow")
    p = waiting(t, g)
    t.eq(g.snapshots(), ["s1", "s2"])
    if "qemu" in how or "both" in how:
        if "both" in how:
            p.kill()
        faults.kill_qemu(g)
    else:
        p.send_signal(getattr(signal, "SIG" + how.upper()))
    if "kill" == how[:4] and how != "kill-qemu":
        p.communicate()
    else:
        err = end(t, p, 3)
        t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
    not_usable(t, g, "s3")
    r = t.rc(g.vext("chain-repair", g.name), 0)
    if how in ("kill-qemu", "kill-both"):
        t.has(r.err, "ended before it was done")
    t.has(g.vext("chain-repair", g.name).out, "Nothing to repair")
    not_usable(t, g, "s3")
    before = set(g.oracle._files())
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean(start=True, allow=before)


@test
@requires("program")
def a_branch_on_the_base_is_lost_too(t):
    """Other branches stand on what the commit writes to."""
    g = large(t)
    t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--running"))
    g.oracle.revert("s1")
    g.oracle.write("vda", "0", "16M", 0x55)
    g.oracle.snapshot("s4")
    g.oracle.write("vda", "0", "2M", 0x56)
    commit(g, "--active", "--base", g.disks["vda"].path)
    r = t.rc(g.vext("chain-repair", g.name, "--dry-run", "--json"))
    t.eq(json.loads(r.out)["snapshots"], ["s1", "s2", "s3", "s4"])
    p = waiting(t, g)
    faults.kill_qemu(g)
    end(t, p, 3)
    t.rc(g.vext("chain-repair", g.name))
    t.eq(g.snapshots(), [])
    g.start()
    g.oracle.forget("s1", "s2", "s3", "s4")
    g.oracle.check_active()


@test(cases=["kill-qemu", "int"])
@requires("program")
def a_wait_can_be_turned_into_an_end(t, how):
    g = large(t)
    commit(g, "--active", "--shallow")
    p = waiting(t, g)
    p.send_signal(signal.SIGINT)
    end(t, p, 3)
    t.ok(job_of(g), "the job goes on")
    if how == "kill-qemu":
        faults.kill_qemu(g)
    t.rc(g.vext("chain-repair", g.name, "--abort", "--dry-run"))
    t.eq(g.snapshots(), ["s1", "s2"])
    r = t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.has(r.out, "Undone: chain-repair")
    t.eq(job_of(g), "")
    before = set(g.oracle._files())
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean(start=True, allow=before)
    t.has(g.vext("chain-repair", g.name).out, "Nothing to repair")


@test(cases=["again", "drop"])
@requires("program")
def a_commit_further_down(t, then):
    """Which images it was about cannot be told: its record stays until that is settled."""
    g = large(t)
    args = ["--top", g.overlay_path("s2", "vda"), "--base", g.overlay_path("s1", "vda")]
    commit(g, *args)
    r = t.rc(g.vext("chain-repair", g.name, "--dry-run"))
    t.has(r.out, "takes away the state of some of these snapshots, and when it has ended they are "
          "forgotten: 's1', 's2'")
    next_second()
    p = waiting(t, g, step=1)
    next_second()
    p.send_signal(signal.SIGINT)
    t.has(end(t, p, 3), "goes on")
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, "cannot be told")
    for options in (["--dry-run"], ["--dry-run", "--json"]):
        refused = t.rc(g.vext("chain-repair", g.name, "--abort", *options), 1)
        t.has(refused.err, "cannot be told")
    t.eq(json.loads(refused.out)["refusals"][0]["code"], "cannot-be-undone")
    faults.kill_qemu(g)
    for _ in range(2):
        r = t.rc(g.vext("chain-repair", g.name), 3)
        t.has(r.err, "the state of some of these snapshots is lost: 's2'")
        t.has(r.err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
        not_usable(t, g, "s2")
    if then == "drop":
        r = t.rc(g.vext("chain-repair", g.name, "--abort"))
        t.has(r.err, "Snapshot 's2' is forgotten: a commit on disk 'vda'")
        t.has(g.vext("chain-repair", g.name).out, "Nothing to repair")
        g.oracle.deleted("s2")
        g.oracle.check_chain_clean(start=True, allow=set(g.oracle._files()))
        return
    g.start()
    commit(g, *args)
    t.rc(g.vext("chain-repair", g.name))
    before = set(g.oracle._files())
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean(start=True, allow=before)


@test
@requires("program")
def a_pull_is_nobodys_loss(t):
    g = large(t)
    g.virsh("blockpull", g.name, "vda", "--bandwidth", "1", "--base", g.overlay_path("s1", "vda"))
    p = waiting(t, g, step=1)
    faults.kill_qemu(g)
    t.has(end(t, p, 1), "Nothing was changed")
    g.oracle.check_all()


@test(cases=["finish", "--abort"])
@requires("program")
def a_job_of_another_kind_is_another_job(t, how):
    """The pull that was waited for has ended, and the user has begun a commit, by which a snapshot
    loses its state: that is not the end of what was planned."""
    g = large(t)
    g.virsh("blockpull", g.name, "vda", "--bandwidth", "1", "--base", g.overlay_path("s1", "vda"))
    p = waiting(t, g, step=1)
    p.kill()
    p.communicate()
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0", check=False)
    t.wait_for(lambda: not job_of(g), "the end of the pull")
    commit(g, "--active", "--shallow")
    r = t.rc(g.vext("chain-repair", g.name, *(["--abort", "--json"] if how == "--abort" else [])))
    if how == "--abort":
        t.has(json.loads(r.out)["notes"][0], "block job that has begun since goes on")
        t.ok(job_of(g), "the commit goes on")
        r = t.rc(g.vext("chain-repair", g.name))
    t.has(r.err, "is forgotten: disk 'vda': a commit has written to its image")
    t.eq(job_of(g), "")
    for name in g.snapshots():
        g.oracle.check_snapshot(name)
    t.ok("s2" not in g.snapshots(), "its state is lost")
    g.oracle.check_active()


if __name__ == "__main__":
    main()
