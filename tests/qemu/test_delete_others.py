#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external and others who work on the same domain while it lies interrupted, or
between its merges: clients of ours that take over, and changes of the disks and of snapshots that
the operation is to pass by or to stop at."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import journals, matrix  # noqa: E402
from vext.deletes import COMMAND, COMMIT, PULL, killed, made, no_operation, repair  # noqa: E402


def need_faults():
    matrix.require_faults()


def goes_on(t, p, rc, *parts):
    """What a client that was stopped says in the end."""
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=90)
    t.eq(p.returncode, rc, out + err)
    for part in parts:
        t.has(err, part)
    return err


def next_second():
    now = int(time.time())
    util.wait_for(lambda: int(time.time()) > now, "the next second")


def taken_anew(g, name):
    """A snapshot of the name of one that is not there any more."""
    g.oracle.forget(name)
    next_second()
    g.virsh("snapshot-create-as", g.name, name, "--disk-only", "--diskspec",
            f"vda,snapshot=external,file={g.dir}/new-{name}.qcow2")
    g.oracle.taken(name)


@test(cases=["running", "interrupted"])
@requires("program", need_faults)
def what_was_to_be_committed_is_pulled_while_another_disk_is_merged(t, when):
    """s2 has its state in that image alone, and this operation has not put it anywhere else."""
    g = made(t, disks=2, snapshots=["s1", "s2"], start=True)
    base = g.sources(g.snapshot_xml("s1").find("domain"))["vdb"].path
    top = g.overlay_path("s1", "vdb")
    p = None
    if when == "running":
        p = journals.stopped(t, g, "block-commit-running", COMMAND, g.name, "s1", *COMMIT)
    else:
        killed(t, g, "block-commit-running")
    g.virsh("blockpull", g.name, "vdb", "--base", base, "--wait")
    words = [f"Disk 'vdb' does not stand on '{top}' any more, which has not been merged",
             f"have the disk stand on '{top}' again"]
    if p:
        goes_on(t, p, 3, *words)
    else:
        repair(t, g, 3, *words)
    g.oracle.check_active()
    g.oracle.check_snapshot("s2")
    above = g.active("vdb").path
    g.destroy()
    qemu_img("rebase", "-u", "-b", top, "-F", "qcow2", above)
    repair(t, g, 0)
    no_operation(t, g)
    g.oracle.deleted("s1")


@test(cases=["finished", "killed"])
@requires("program", need_faults)
def two_take_over_at_once(t, first):
    """Who is slower would go on from what was recorded before the other one began."""
    g = made(t, start=True)
    killed(t, g, "step-1-before")
    p = journals.stopped(t, g, "taking-over", "chain-repair", g.name, "--abort")
    if first == "finished":
        repair(t, g, 0)
    else:
        r = run([*matrix.program(), "-c", g.daemon.uri, "chain-repair", g.name],
                env=matrix.environment("block-commit-running", "kill"), check=False)
        t.eq(r.rc, -9, str(r))
    goes_on(t, p, 1)
    g.oracle.check_active()
    if first == "killed":
        repair(t, g, 1, "can only be finished", args=["--abort"])
        repair(t, g, 0)
    g.oracle.deleted("s1")
    no_operation(t, g)


@test(cases=["s2", "s1"])
@requires("program", need_faults)
def a_namesake_is_taken_while_the_metadata_is_written(t, name):
    """What is recorded of the old one is not written over it, nor is anything put below it that
    was below the old one."""
    g = made(t, snapshots=["s1", "s2", "s3"], start=True)
    killed(t, g, "update-snapshots-forgotten")
    if name == "s2":
        g.virsh("snapshot-delete", g.name, "s2", "--metadata")
    taken_anew(g, name)
    state = g.sources(g.snapshot_xml(name).find("domain"))["vda"].path
    repair(t, g, 0)
    t.eq(g.sources(g.snapshot_xml(name).find("domain"))["vda"].path, state)
    t.eq(set(g.snapshots()), {"s2", "s3", name})
    if name == "s2":
        g.oracle.forget("s1")
    t.eq(g.current(), name)
    g.oracle.check_all()
    no_operation(t, g)


@test
@requires("program", need_faults)
def what_is_below_a_snapshot_that_was_deleted_meanwhile(t):
    g = made(t, snapshots=["s1", "s2", "s3", "s4"], start=True)
    killed(t, g, "update-snapshots-forgotten")
    if g.virsh("snapshot-delete", g.name, "s3", check=False).rc:
        raise Skip("this libvirt does not delete external snapshots")
    g.oracle.forget("s1", "s3")
    repair(t, g, 0)
    t.eq(g.tree(), {"s2": None, "s4": "s2"})
    g.oracle.check_all()
    no_operation(t, g)


@test(cases=[(how, d) for how in ("finish", "abort") for d in ("commit", "pull")])
@requires("program", need_faults)
def a_disk_is_unplugged_meanwhile(t, how, direction):
    """Of a guest that runs on."""
    g = made(t, disks=[{}, {"target": "sda"}], start=True)
    killed(t, g, "step-1-before", *(COMMIT if direction == "commit" else PULL))
    path = g.active("sda").path
    g.virsh("detach-disk", g.name, "sda", "--live", "--config")
    t.wait_for(lambda: "sda" not in g.active(), "the disk to go")
    if how == "abort":
        repair(t, g, 0, args=["--abort"])
        t.eq(g.snapshots(), ["s1"])
    else:
        repair(t, g, 3, "attach disk 'sda' again as it was", "To undo the operation instead")
    g.virsh("attach-disk", g.name, path, "sda", "--targetbus", "scsi", "--driver", "qemu",
            "--subdriver", "qcow2", "--live", "--config")
    if how == "finish":
        repair(t, g, 0)
        g.oracle.forget("s1")
    no_operation(t, g)
    g.oracle.check_all()
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test
@requires("program", need_faults)
def a_domain_that_has_another_name_by_now(t):
    """It is the same one, and its operation is in the way as before."""
    g = made(t)
    p = journals.stopped(t, g, "remove-file-before", COMMAND, g.name, "s1", *COMMIT)
    g.virsh("domrename", g.name, "other")
    g.virsh("snapshot-create-as", "other", "s9", "--disk-only", "--diskspec",
            f"vda,snapshot=external,file={g.dir}/s9.qcow2")
    for words in ([COMMAND, "other", "s9"], ["snapshot-revert-external", "other", "s9"]):
        t.has(t.rc(g.vext(*words), 1).err, "is running on domain 'other'")
    p.kill()
    p.wait()
    for words in ([COMMAND, "other", "s9"], ["snapshot-revert-external", "other", "s9"],
                  ["chain-repair", "other"], ["chain-repair", "other", "--abort"]):
        t.has(t.rc(g.vext(*words), 1).err,
              f"Give it its name back with: virsh domrename other {g.name}")
    t.has(t.rc(g.vext("chain-show", "other", "--check"), 1).out, f"'domrename other {g.name}'")
    g.virsh("snapshot-delete", "other", "s9", "--metadata")
    g.virsh("domrename", "other", g.name)
    repair(t, g, 0)
    no_operation(t, g)
    g.oracle.forget("s1")
    g.oracle.extra_files |= g.oracle._files()
    g.oracle.check_all()


@test(cases=["noticed first", "asked first"])
@requires("program", need_faults)
def libvirt_has_not_noticed_the_end_of_a_pull_when_qemu_dies(t, when):
    """Nothing was changed, says its XML; but the header was, and what was pulled is not written."""
    g = made(t, snapshots=["s1", "s2"], start=True)
    top, below = g.active("vda").path, g.chain("vda")[2]
    p = journals.stopped(t, g, "block-pull-running", COMMAND, g.name, "s2", "--bandwidth", "1",
                         *PULL)
    g.daemon.freeze()

    def header():
        info = json.loads(qemu_img("info", "-U", "--output=json", top, log=False).out)
        return info["full-backing-filename"]

    t.wait_for(lambda: header() == below, "the end of the pull")
    os.kill(g.qemu_pid(), signal.SIGKILL)
    if when == "noticed first":
        g.daemon.thaw()
    p.send_signal(signal.SIGCONT)
    if when == "asked first":
        g.daemon.thaw()
    out, err = p.communicate(timeout=90)
    t.eq(p.returncode, 3, out + err)
    repair(t, g, 0)
    g.oracle.deleted("s2")
    no_operation(t, g)


def killed_and_undefined(t, g, point):
    """Returns what the domain was."""
    killed(t, g, point)
    xml = g.virsh("dumpxml", g.name, "--inactive").out
    g.virsh("undefine", g.name, "--snapshots-metadata")
    return xml


@test
@requires("program", need_faults)
def another_domain_has_the_name(t):
    g = made(t)
    xml = killed_and_undefined(t, g, "step-1-before")
    g.define(xml.replace(g.uuid, "00000000-0000-4000-8000-000000000001"))
    repair(t, g, 3, "it has another UUID", "To drop the record of the operation, run: ")
    repair(t, g, 0, args=["--abort"])
    no_operation(t, g)


@test
@requires("program", need_faults)
def a_domain_that_is_not_defined_any_more(t):
    """Its record is named by chain-show --all, and dropped on request; the images stay."""
    g = made(t)
    xml = killed_and_undefined(t, g, "block-commit-running")
    shown = t.rc(g.daemon.vext("chain-show", "--all"), 0).out
    t.has(shown, f"{g.name}: undefined\n")
    shown = t.rc(g.daemon.vext("chain-show", "--all", "--check"), 1).out
    t.has(shown, f"'{COMMAND}' of domain '{g.name}', which is not defined any more, was "
                 "interrupted at")
    t.has(shown, f"chain-repair {g.name}")
    d, = json.loads(t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0).out)
    t.eq((d["domain"], d["operation"]["snapshots"]),
         ({"name": g.name, "uuid": g.uuid, "state": "undefined"}, ["s1"]))
    repair(t, g, 3, "To drop the record of the operation, run: ")
    r = repair(t, g, 0, args=["--abort"])
    t.eq(r.out, f"Dropped the record of {COMMAND}: the domain '{g.name}' that it was begun on is "
                "not there any more, its images stay as they are\n\n")
    no_operation(t, g)
    t.eq(t.rc(g.daemon.vext("chain-show", "--all", "--check"), 0).out.strip(), "")
    g.define(xml)
    g.oracle.forget("s1")       # the commit had begun
    g.oracle.check_active()


@test(cases=[(d, w) for d in ("commit", "pull") for w in ("running", "shut off")])
@requires("program", need_faults)
def who_looks_between_the_merge_and_the_metadata_is_not_alarmed(t, direction, state):
    g = made(t, snapshots=["s1", "s2"], start=state == "running")
    name = "s2" if direction == "pull" else "s1"    # a running guest pulls into its active image
    p = journals.stopped(t, g, "update-snapshots-before", COMMAND, g.name, name,
                         "--direction", direction)
    t.eq(t.rc(g.vext("chain-show", g.name, "--check"), 0).out.strip(), "")
    t.has(t.rc(g.vext("chain-show", g.name), 0).out, f"{COMMAND} {name} is under way since")
    goes_on(t, p, 0)
    g.oracle.deleted(name)


if __name__ == "__main__":
    main()
