#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Merged is what is on the disk. QEMU before 9.2 ends a merge with tables of what was merged still
in its memory: whoever believes the headers then, and removes what the data came from, loses it
when QEMU dies."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import faults, journals, matrix  # noqa: E402

# A boot sector: the IDE command FLUSH CACHE to the first disk, over and over, once a tick of the
# timer (18 a second).
FLUSHER = bytes([0xfb,                  # again: sti
                 0xba, 0xf6, 0x01,      # mov dx, 0x1f6
                 0xb0, 0xe0,            # mov al, 0xe0      the master
                 0xee,                  # out dx, al
                 0xba, 0xf7, 0x01,      # mov dx, 0x1f7
                 0xb0, 0xe7,            # mov al, 0xe7      FLUSH CACHE
                 0xee,                  # out dx, al
                 0xf4,                  # hlt
                 0xeb, 0xf0,            # jmp again
                 ]).ljust(510, b"\0") + b"\x55\xaa"


def four(g, disk="vda"):
    """s1 … s4 and a write on top."""
    o = g.oracle
    for i in range(1, 5):
        o.write(disk, f"{i}M", "1M", 0x20 + i)
        o.snapshot(f"s{i}")
    o.write(disk, "6M", "64k", 0x55)
    return o


def killed(t, g, point, *args):
    """The program on the guest, killed at the point of the fault build."""
    r = run([*matrix.program(), "-c", g.daemon.uri, *args], check=False,
            env={**g.daemon.env(), **matrix.environment(point, "kill")})
    t.eq(r.rc, -9)
    t.wait_for(lambda: g.name + ".virsh-ext" not in g.daemon.virsh(
        "list", "--name").out.split(), "the helper's end")


# Right before its job: a commit is recorded before it begins.
POINT = {"commit": "merge-recorded", "pull": "start-helper-after"}


def killed_before_the_merge(t, direction, snapshots, **kwargs):
    """A guest with s1 … s4, and a delete of some that died with its helper not yet at work."""
    matrix.require_faults()
    g = t.guest(**kwargs)
    four(g)
    killed(t, g, POINT[direction], "snapshot-delete-external", g.name, *snapshots,
           "--direction", direction)
    return g


def cut(top, below):
    """What QEMU's death leaves at the worst moment: the header says done, nothing was copied."""
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, top)


def flushes_itself(g):
    """Whether this QEMU ends a pull with a flush."""
    return g.daemon.versions()[1] >= (9, 2, 0)


class Suspensions:
    """How often the guest is suspended, by libvirt's events."""

    def __init__(self, g):
        self.process = subprocess.Popen(
            ["virsh", "-c", g.daemon.uri, "event", g.name, "lifecycle", "--loop", "--timeout",
             "30"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.guest = g

    def count(self):
        # What came before is there when the end of an own one is.
        self.guest.virsh("suspend", self.guest.name)
        self.guest.virsh("resume", self.guest.name)
        text = ""
        for line in self.process.stdout:
            text += line
            if text.count("Resumed") == text.count("Suspended") and \
                    not self.guest.daemon.virsh("list", "--state-paused", "--name").out.strip():
                break
        self.process.kill()
        rest, _ = self.process.communicate()
        return (text + (rest or "")).count("Suspended") - 1


@test(cases=["running", "paused"])
@requires("program")
def what_a_live_pull_took_survives_the_death_of_qemu(t, state):
    g = t.guest(start=True)
    four(g)
    if state == "paused":
        g.pause()
    t.rc(g.vext("snapshot-delete-external", g.name, "s3", "s4", "--direction", "pull"), 0)
    t.eq(g.state(), state)
    faults.kill_qemu(g)
    g.oracle.deleted("s3", "s4")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def a_guest_that_flushes_is_not_suspended(t):
    boot = t.path("boot.img")
    with open(boot, "wb") as f:
        f.write(FLUSHER.ljust(1 << 20, b"\0"))
    g = t.guest(disks=[{"target": "vda", "path": boot, "format": "raw", "create": False},
                       {"target": "hda"}])
    g.start()
    t.wait_for(lambda: "flush_operations 0" not in g.virsh("domblkstat", g.name, "hda").out,
               "the guest's flushes")
    o = g.oracle
    o.write("hda", "1M", "2M", 0x21)
    o.snapshot("s1", disks=["hda"])
    o.write("hda", "6M", "64k", 0x55)
    events = Suspensions(g)
    t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--direction", "pull"), 0)
    t.eq(events.count(), 0, "suspensions")
    faults.kill_qemu(g)
    o.deleted("s1")


@test
@requires("program")
def a_guest_that_does_not_flush_is_suspended_once(t):
    g = t.guest(start=True)
    four(g)
    events = Suspensions(g)
    t.rc(g.vext("snapshot-delete-external", g.name, "s4", "--direction", "pull"), 0)
    t.eq(events.count(), 0 if flushes_itself(g) else 1, "suspensions")
    g.oracle.deleted("s4")


@test(cases=[("chain-repair",), ("chain-repair", "--abort")])
@requires("program")
def a_guest_that_a_dead_client_left_suspended_runs_again(t, *command):
    matrix.require_faults()
    g = t.guest(start=True)
    if flushes_itself(g):
        skip("this QEMU ends a pull with a flush")
    four(g)
    killed(t, g, "block-pull-suspended", "snapshot-delete-external", g.name, "s4",
           "--direction", "pull")
    t.eq(g.state(), "paused")
    t.rc(g.vext(command[0], g.name, *command[1:]), 0)
    t.eq(g.state(), "running")
    if command[1:]:
        faults.kill_qemu(g)
        g.oracle.check_all()
    else:
        g.oracle.deleted("s4")
        g.oracle.check_chain_clean()


@test
@requires("program")
def an_undone_pull_that_had_ended_survives_the_death_of_qemu(t):
    """The client died between the end of the pull and the flush; the record goes by --abort."""
    matrix.require_faults()
    g = t.guest(start=True)
    four(g)
    killed(t, g, "block-pull-running", "snapshot-delete-external", g.name, "s4",
           "--direction", "pull")
    t.wait_for(lambda: "No current block job" in "".join(
        (r := g.virsh("blockjob", g.name, "vda", check=False)).out + r.err) or not r.out.strip(),
        "the end of the pull")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    faults.kill_qemu(g)
    g.oracle.check_all()


@test
@requires("program")
def a_pull_that_ends_while_it_is_undone_survives_the_death_of_qemu(t):
    matrix.require_faults()
    g = t.guest(start=True, size="32M")
    o = g.oracle
    o.write("vda", 0, "20M", 0x21)
    o.snapshot("s1")
    o.write("vda", "24M", "64k", 0x55)
    killed(t, g, "block-pull-running", "snapshot-delete-external", g.name, "s1", "--direction",
           "pull", "--bandwidth", "1")
    p = journals.stopped(t, g, "abort-taken-over", "chain-repair", g.name, "--abort")
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0", check=False)
    t.wait_for(lambda: not g.virsh("blockjob", g.name, "vda", check=False).out.strip(),
               "the end of the pull")
    p.send_signal(signal.SIGCONT)
    _, err = p.communicate(timeout=60)
    t.eq((p.returncode, err), (0, err))
    faults.kill_qemu(g)
    o.check_all()


@test(cases=[("pull", "s2"), ("pull", "s2", "s3"), ("commit", "s2"), ("commit", "s2", "s3")])
@requires("program")
def what_was_not_copied_is_copied_again(t, direction, *snapshots):
    g = killed_before_the_merge(t, direction, snapshots)
    if direction == "pull":
        cut(g.overlay_path(snapshots[-1], "vda"), g.disks["vda"].path)
        r = g.vext("chain-repair", g.name, "--abort")
        t.eq(r.rc, 1)
        t.has(r.err, "cut off")
    else:
        # s1's overlay holds s2's state: what stands on the last overlay is put on it.
        above = {"s2": "s3", "s3": "s4"}[snapshots[-1]]
        cut(g.overlay_path(above, "vda"), g.overlay_path("s1", "vda"))
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.deleted(*snapshots)
    g.oracle.check_chain_clean(start=True)


@test(cases=["pull", "commit"])
@requires("program")
def zeros_that_were_not_written_are_written(t, direction):
    """In a layer above an image with data zeros are as much as data."""
    matrix.require_faults()
    template = image(t.path("template.qcow2"), writes=[(0, "4M", 5)])
    g = t.guest(disks=[{"target": "vda", "backing": template}])
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        run(["qemu-io", "-f", "qcow2", "-c", f"write -z {i}M 1M", g.active("vda").path])
        with open(o.model["vda"], "r+b") as f:
            os.pwrite(f.fileno(), bytes(1 << 20), i << 20)
        o.snapshot(name)
    o.check_all()
    killed(t, g, POINT[direction], "snapshot-delete-external", g.name, "s2", "--direction",
           direction)
    if direction == "pull":
        cut(g.overlay_path("s2", "vda"), g.disks["vda"].path)
    else:
        cut(g.overlay_path("s3", "vda"), g.overlay_path("s1", "vda"))
    t.rc(g.vext("chain-repair", g.name), 0)
    o.deleted("s2")
    o.check_chain_clean(start=True, allow=[template])


@test
@requires("program")
def a_disk_that_has_grown_has_no_zeros_to_be_written(t):
    """Behind the end of what is below there is nothing that could show through."""
    g = t.guest(size="8M")
    o = g.oracle
    for name in ("s1", "s2", "s3"):
        o.write("vda", "1M", "1M", 0x11)
        o.snapshot(name)
        if name == "s1":
            qemu_img("resize", "-f", "qcow2", g.overlay_path("s1", "vda"), "24M")
            o.resize("vda", "24M")
    t.rc(g.vext("snapshot-delete-external", g.name, "s2", "--direction", "pull"), 0)
    o.deleted("s2")


@test(cases=["pull", "commit"])
@requires("program")
def what_cannot_be_seen_is_merged_again(t, direction):
    """A client that does not see the files goes on with what another one left."""
    d = t.daemon(tcp=True)
    g = killed_before_the_merge(t, direction, ["s3"], daemon=d)
    if direction == "pull":
        cut(g.overlay_path("s3", "vda"), g.overlay_path("s1", "vda"))
    else:
        cut(g.overlay_path("s4", "vda"), g.overlay_path("s2", "vda"))
    g.start()
    r = d.remote_vext("chain-repair", g.name, hidden=g.dir)
    t.eq(r.rc, 3)
    t.has(r.err, "cannot be told")
    g.destroy()
    t.rc(d.remote_vext("chain-repair", g.name, hidden=g.dir), 0)
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def another_qemu_of_the_same_number_is_told_from_the_first(t):
    """A daemon that starts with no domain running counts from 1 again."""
    matrix.require_faults()
    d = t.daemon(tcp=True)
    g = t.guest(daemon=d, start=True)
    if flushes_itself(g):
        skip("this QEMU ends a pull with a flush")
    four(g)
    before = g.virsh("domid", g.name).out
    killed(t, g, "block-pull-running", "snapshot-delete-external", g.name, "s4", "--direction",
           "pull")
    t.has(g.virsh("dumpxml", g.name).out, "virsh-ext.org/xmlns/qemu/1")
    t.wait_for(lambda: not g.virsh("blockjob", g.name, "vda").out.strip(), "the end of the pull")
    faults.kill_qemu(g)
    d.restart(force=True)
    g.start()
    t.eq(g.virsh("domid", g.name).out, before)
    kept = sorted(os.listdir(g.dir))
    r = d.remote_vext("chain-repair", g.name, hidden=g.dir)
    t.eq(r.rc, 3)
    t.has(r.err, "cannot be told")
    t.eq(sorted(os.listdir(g.dir)), kept)
    g.destroy()
    t.rc(d.remote_vext("chain-repair", g.name, hidden=g.dir), 0)
    g.oracle.deleted("s4")
    g.oracle.check_chain_clean(start=True)


@test(cases=["delete", "abort"])
@requires("program")
def no_mark_of_an_operation_stays(t, end):
    matrix.require_faults()
    g = t.guest(start=True)
    four(g)
    killed(t, g, "block-pull-before", "snapshot-delete-external", g.name, "s4", "--direction",
           "pull")
    t.rc(g.vext("chain-repair", g.name, *(["--abort"] if end == "abort" else [])), 0)
    t.eq("virsh-ext" in g.virsh("dumpxml", g.name).out, False)
    t.eq("virsh-ext" in g.virsh("dumpxml", g.name, "--inactive").out, False)


def finished_when_shut_off(t, g, words):
    """The delete of s3 waits for the end of the guest, with all files where they are."""
    before = sorted(os.listdir(g.dir))
    r = g.vext("chain-repair", g.name)
    t.eq(r.rc, 3)
    t.has(r.err, words)
    t.has(r.err.splitlines()[-1], "virsh-ext chain-repair")
    t.eq(sorted(os.listdir(g.dir)), before)
    g.destroy()
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean(start=True)


@test(cases=["pull", "commit"])
@requires("program")
def nothing_is_removed_while_a_guest_runs_on_what_was_not_copied(t, direction):
    g = killed_before_the_merge(t, direction, ["s3"])
    if direction == "pull":
        cut(g.overlay_path("s3", "vda"), g.overlay_path("s1", "vda"))
    else:
        cut(g.overlay_path("s4", "vda"), g.overlay_path("s2", "vda"))
    g.start()
    finished_when_shut_off(t, g, "shut the domain down")


@test
@requires("program")
def a_merge_that_libvirt_did_not_see_is_finished_when_the_domain_is_shut_off(t):
    matrix.require_faults()
    g = t.guest(start=True)
    four(g)
    killed(t, g, POINT["commit"], "snapshot-delete-external", g.name, "s3", "--direction",
           "commit")
    # The daemon's death in the moment of the job's end leaves the same: done, and unknown to it.
    nodes = {n["file"]: n["node-name"] for n in g.qmp("query-named-block-nodes")
             if n["drv"] == "qcow2"}
    top, base = g.overlay_path("s3", "vda"), g.overlay_path("s2", "vda")
    g.qmp("block-commit", **{"job-id": "unseen", "device": nodes[g.overlay_path("s4", "vda")],
                             "top-node": nodes[top], "base-node": nodes[base],
                             "backing-file": base})
    t.wait_for(lambda: not g.qmp("query-block-jobs"), "the job's end")
    finished_when_shut_off(t, g, "libvirt did not see it: shut the domain down first")
    t.eq(os.path.exists(top), False)


if __name__ == "__main__":
    main()
