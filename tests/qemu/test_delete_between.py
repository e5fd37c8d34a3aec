#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external while it lies interrupted, or between the merges of its disks: somebody
comes to need an image, saves the guest, copies a disk or deletes other snapshots. What they have
stays theirs, and the operation can be finished or undone."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402
from vext.deletes import COMMAND, COMMIT, PULL, killed, made, no_operation, repair  # noqa: E402


def need_faults():
    matrix.require_faults()


def clone(t, g, disk, start=False):
    """A guest on the image that s1 has frozen."""
    base = g.sources(g.snapshot_xml("s1").find("domain"))[disk].path
    other = t.guest(name="clone", disks=[{"target": "vda", "backing": base}], dir=t.path("clone"))
    other.oracle.check_all()
    if start:
        other.start()
    return other


def drop(g):
    if g.is_active():
        g.destroy()
    g.virsh("undefine", g.name)
    for disk in g.disks.values():
        os.unlink(disk.path)


@test(cases=[(d, how) for d in ("vda", "vdb") for how in ("abort", "finish")])
@requires("program", need_faults)
def a_clone_of_an_image_that_was_to_be_committed_to(t, disk, how):
    g = made(t, disks=2)
    killed(t, g, "step-1-before")
    other = clone(t, g, disk)
    r = repair(t, g, 3, f"Disk '{disk}' cannot be merged now", "stands on",
               f"To undo the operation instead, run: virsh-ext chain-repair {g.name} --abort")
    t.has(r.err, "nothing is lost")
    other.oracle.check_all()
    g.oracle.check_all()
    if how == "abort":
        repair(t, g, 0, args=["--abort"])
        other.oracle.check_all()
    else:
        drop(other)
        repair(t, g, 0)
        g.oracle.forget("s1")
    no_operation(t, g)
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True,
                               allow=[] if how == "finish" else [other.disks["vda"].path])


@test(cases=["off", "running"])
@requires("program")
def a_clone_made_while_another_disk_is_merged(t, state):
    g = t.guest(disks=2, start=state == "running", size="32M")
    o = g.oracle
    for d in ("vda", "vdb"):
        o.write(d, 0, "4M", 0x11)
    o.snapshot("s1")
    o.write("vda", 0, "20M", 0x77)
    o.write("vdb", "1M", "64k", 0x77)
    o.snapshot("s2")
    p = g.daemon.spawn_vext(COMMAND, g.name, "s1", *COMMIT, "--bandwidth", "2")
    worker = g.name if state == "running" else g.name + ".virsh-ext"
    t.wait_for(lambda: g.virsh("blockjob", worker, "vda", "--raw", check=False,
                               log=False).out.strip(), "the job")
    other = clone(t, g, "vdb")
    g.virsh("blockjob", worker, "vda", "--bandwidth", "0", check=False)
    _, err = p.communicate(timeout=60)
    t.eq(p.returncode, 3, str(err))
    other.oracle.check_all()
    o.check_active()
    repair(t, g, 3, "Disk 'vdb' cannot be merged now")
    repair(t, g, 1, "can only be finished", args=["--abort"])
    other.oracle.check_all()
    drop(other)
    repair(t, g, 0)
    o.deleted("s1")
    no_operation(t, g)


@test
@requires("program", need_faults)
def a_clone_of_an_image_that_is_half_merged(t):
    """What it saw was no state of anything: the commit can only go on."""
    g = made(t)
    killed(t, g, "block-commit-running")
    clone(t, g, "vda")
    repair(t, g, 0)
    g.oracle.deleted("s1")


@test(cases=["step-1-before", "block-commit-running"])
@requires("program", need_faults)
def the_guest_is_saved(t, point):
    """Restored it would go on writing to what is not in the configuration any more."""
    g = made(t, start=point.startswith("step"))
    killed(t, g, point)
    if not g.is_active():
        g.virsh("destroy", g.name + ".virsh-ext", check=False)
        g.start()
    g.virsh("managedsave", g.name)
    repair(t, g, 3, "has a managed save image", "Start the domain, or discard the saved state")
    g.start()
    g.oracle.write("vda", "4M", "1M", 0x44)
    repair(t, g, 0)
    g.oracle.write("vda", "6M", "1M", 0x45)
    g.oracle.deleted("s1")
    g.destroy()
    g.oracle.check_active()


@test
@requires("program", need_faults)
def libvirt_merges_what_stands_above(t):
    """It is another plan then: that one is undone, and made anew."""
    g = made(t, snapshots=["s1", "s2", "s3"], start=True)
    killed(t, g, "step-1-before")
    if g.virsh("snapshot-delete", g.name, "s2", check=False).rc:
        raise Skip("this libvirt does not delete external snapshots")
    g.oracle.forget("s2")
    repair(t, g, 3, "does not stand on", "To undo the operation instead")
    g.oracle.check_all()
    repair(t, g, 0, args=["--abort"])
    g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, "s1", *COMMIT))
    g.oracle.deleted("s1")


@test(cases=["s3", "s4"])
@requires("program", need_faults)
def libvirt_deletes_another_snapshot(t, which):
    """It stays deleted, and the others say what libvirt has made of them."""
    g = made(t, snapshots=["s1", "s2", "s3", "s4"], start=True)
    killed(t, g, "step-1-before")
    if g.virsh("snapshot-delete", g.name, which, check=False).rc:
        raise Skip("this libvirt does not delete external snapshots")
    current = "s3" if which == "s4" else "s4"
    t.eq(g.current(), current)
    g.oracle.forget(which)
    repair(t, g, 0)
    g.oracle.deleted("s1")
    t.eq(g.current(), current)
    t.has(g.vext("chain-repair", g.name).out, "Nothing to repair")


@test(cases=["step-1-before", "update-snapshots-before", "step-3-before"])
@requires("program", need_faults)
def metadata_is_changed(t, point):
    """s3 is forgotten, s2 gets a description."""
    g = made(t, snapshots=["s1", "s2", "s3"], start=True)
    killed(t, g, point)
    path = os.path.join(g.workdir, "s2.xml")
    text = g.virsh("snapshot-dumpxml", g.name, "s2", "--security-info").out
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("<state>", "<description>mine</description>\n<state>", 1))
    g.virsh("snapshot-create", g.name, path, "--redefine")
    g.virsh("snapshot-delete", g.name, "s3", "--metadata")
    g.oracle.forget("s3")
    left = g.oracle._files()
    repair(t, g, 0)
    g.oracle.forget("s1")
    t.eq(g.snapshots(), ["s2"])
    t.has(g.virsh("snapshot-dumpxml", g.name, "s2").out, "<description>mine</description>")
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True, allow=left)


@test(cases=["update-snapshots-forgotten", "update-snapshots-redefined"])
@requires("program", need_faults)
def what_the_update_itself_took_away_comes_back(t, point):
    g = made(t, snapshots=["s1", "s2", "s3"], start=True)
    killed(t, g, point)
    # as a daemon that could not write it
    g.virsh("snapshot-delete", g.name, "s3", "--metadata")
    repair(t, g, 0)
    g.oracle.deleted("s1")
    t.eq(g.current(), "s3")


@test
@requires("program", need_faults)
def a_snapshot_deleted_with_its_images_does_not_come_back(t):
    g = made(t, snapshots=["s1", "s2", "s3"], start=True)
    killed(t, g, "update-snapshots-forgotten")
    if g.virsh("snapshot-delete", g.name, "s3", check=False).rc:
        raise Skip("this libvirt does not delete external snapshots")
    g.oracle.forget("s3")
    repair(t, g, 0)
    g.oracle.forget("s1")
    t.eq(g.snapshots(), ["s2"])
    g.oracle.check_all()


def copied(g, disk):
    return g.active(disk).mirror is not None


@test
@requires("program")
def a_disk_is_copied_while_another_one_is_merged(t):
    g = t.guest(disks=2, start=True, size="32M")
    o = g.oracle
    for d in ("vda", "vdb"):
        o.write(d, 0, "4M", 0x11)
    o.snapshot("s1")
    o.write("vda", 0, "20M", 0x22)
    o.write("vdb", "1M", "1M", 0x22)
    o.snapshot("s2")
    p = g.daemon.spawn_vext(COMMAND, g.name, "s1", *COMMIT, "--bandwidth", "2")
    t.wait_for(lambda: g.virsh("blockjob", g.name, "vda", "--raw", check=False,
                               log=False).out.strip(), "the job")
    g.virsh("blockcopy", g.name, "vdb", t.path("copy.qcow2"), "--format", "qcow2",
            "--transient-job")
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0", check=False)
    _, err = p.communicate(timeout=60)
    t.eq(p.returncode, 3, str(err))
    t.has(str(err), "Disk 'vdb' has a block job (copy) that somebody else began")
    t.ok(copied(g, "vdb"), "the copy goes on")
    g.virsh("blockjob", g.name, "vdb", "--abort")
    repair(t, g, 0)
    o.deleted("s1")


@test(cases=["finish", "abort"])
@requires("program", need_faults)
def a_disk_is_copied_while_it_lies_interrupted(t, how):
    """A copy that is ready waits for somebody, and that is not us."""
    g = made(t, start=True)
    killed(t, g, "step-1-before")
    g.virsh("blockcopy", g.name, "vda", t.path("copy.qcow2"), "--format", "qcow2",
            "--transient-job")
    t.wait_for(lambda: copied(g, "vda") and g.active("vda").mirror.get("ready") == "yes", "ready")
    repair(t, g, 3, "has a block job (copy) that somebody else began",
           f"virsh blockjob {g.name} vda --abort")
    t.ok(copied(g, "vda"), "the copy goes on")
    if how == "abort":
        repair(t, g, 0, args=["--abort"])
        t.ok(copied(g, "vda"), "the copy goes on")
        g.virsh("blockjob", g.name, "vda", "--abort")
        g.oracle.check_all()
        return
    g.virsh("blockjob", g.name, "vda", "--abort")
    repair(t, g, 0)
    g.oracle.deleted("s1")


@test(cases=["first", "second", "interrupted"])
@requires("program", need_faults)
def a_commit_that_is_refused_has_not_begun(t, when):
    """Somebody reads the base and lets nobody write to it."""
    g = made(t, disks=2)
    if when == "interrupted":
        killed(t, g, "step-1-before")
    base = g.sources(g.snapshot_xml("s1").find("domain"))["vdb" if when == "second" else "vda"].path
    p = spawn(["qemu-io", "-r", "-f", "qcow2", base], stdin=subprocess.PIPE)
    try:
        p.stdin.write("info\n")
        p.stdin.flush()
        p.stdout.readline()
        if when == "interrupted":
            repair(t, g, 3)
            repair(t, g, 0, args=["--abort"])
        else:
            r = g.vext(COMMAND, g.name, "s1", *COMMIT)
            t.rc(r, 3 if when == "second" else 1)
    finally:
        p.communicate("quit\n", timeout=20)
    if when == "second":
        repair(t, g, 0)
        g.oracle.deleted("s1")
        return
    no_operation(t, g)
    g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, "s1", *COMMIT))
    g.oracle.deleted("s1")


@test(cases=["off", "running"])
@requires("program")
def a_device_is_too_small(t, state):
    g = t.guest(format="raw", kind="block")
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    g.virsh("snapshot-create-as", g.name, "s1", "--disk-only", "--diskspec",
            f"vda,snapshot=external,file={g.overlay_path('s1', 'vda')}")
    o.taken("s1")
    qemu_img("resize", "-f", "qcow2", g.overlay_path("s1", "vda"), "48M")
    o.resize("vda", "48M")
    o.write("vda", "40M", "1M", 0x22)
    if state == "running":
        g.start()
    t.rc(g.vext(COMMAND, g.name, "s1", *COMMIT), 1)
    no_operation(t, g)
    o.check_all()
    t.rc(g.vext(COMMAND, g.name, "s1", "--direction", "pull"))
    o.forget("s1")
    o.check_all()


def frozen(g, name="s1", disk="vda"):
    return g.sources(g.snapshot_xml(name).find("domain"))[disk].path


def content(path):
    with open(path, "rb") as f:
        return f.read()


def put_on(g, path):
    """The user gives vda another image."""
    xml = re.sub("(?s)<backingStore.*</backingStore>|<backingStore/>", "",
                 g.virsh("dumpxml", g.name, "--inactive").out)
    g.define(xml.replace(g.active("vda").path, path))


def used(g):
    """The guest starts and writes to what it has now."""
    g.start()
    g.hmp('qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -P 0x99 4M 1M"')
    g.hmp('qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "flush"')
    g.destroy()
    return content(g.active("vda").path)


@test(cases=["beside", "elsewhere"])
@requires("program", need_faults)
def a_file_is_put_on_what_was_to_be_removed(t, where):
    """Nobody names the one or the other any more."""
    base = image(os.path.join(t.path("templates"), "base.qcow2") if where == "elsewhere"
                 and not os.makedirs(t.path("templates")) else t.path("base.qcow2"))
    g = t.guest(disks=[{"target": "vda", "path": base, "create": False}])
    g.oracle.write("vda", 0, "2M", 0x11)
    g.snapshot("s1")
    g.oracle.write("vda", "8M", "64k", 0x77)
    killed(t, g, "update-snapshots-after", *PULL)
    clone = image(os.path.join(os.path.dirname(base), "clone.qcow2"), backing=base)
    r = repair(t, g, 0)
    t.has(r.err, f"'{base}' stays: image '{clone}' needs it")
    qemu_img("compare", "-f", "qcow2", "-F", "qcow2", base, clone)
    no_operation(t, g)
    g.oracle.check_active()


@test
@requires("program", need_faults)
def not_all_can_be_read_when_files_are_to_be_removed(t):
    g = made(t)
    other = t.guest(name="other", start=True)
    top = g.active("vda").path
    killed(t, g, "update-snapshots-after", *COMMIT)
    other.virsh("managedsave", other.name)
    with open(os.path.join(g.daemon.lib, "qemu", "save", "other.save"), "r+b") as f:
        f.write(b"\0" * 64)
    r = repair(t, g, 0)
    t.has(r.err, f"'{top}' stays: What the managed save image of domain 'other' needs is not known")
    t.ok(os.path.exists(top), "it is there")
    g.oracle.forget("s1")
    g.oracle.check_active()


@test(cases=[(p, w) for p in ("step-1-before", "define-domain-before", "update-snapshots-before",
                              "remove-file-before") for w in ("the image", "an overlay of it")])
@requires("program", need_faults)
def the_guest_is_put_on_what_was_pulled(t, point, what):
    """What it writes there is its disk from then on."""
    g = made(t, start=True)
    g.destroy()
    base = frozen(g)
    killed(t, g, point, *PULL)
    g.virsh("destroy", g.name + ".virsh-ext", check=False)
    put_on(g, base if what == "the image" else
           image(os.path.join(g.dir, "new.qcow2"), backing=base))
    now = g.active("vda").path
    before = [used(g), content(base)]
    if point.startswith("step"):
        repair(t, g, 3, f"Disk 'vda' uses image '{base}' now", "To undo the operation instead")
        repair(t, g, 0, args=["--abort"])
    else:
        t.has(repair(t, g, 0).err, f"'{base}' stays: domain '{g.name}' needs it")
        t.eq(g.snapshots(), [])
    no_operation(t, g)
    t.eq(g.active("vda").path, now)
    t.ok([content(now), content(base)] == before, "what the guest has written is there")
    g.start()


@test(cases=["update-snapshots-forgotten", "update-snapshots-redefined"])
@requires("program", need_faults)
def what_came_after_a_snapshot_is_named_after_a_pull(t, point):
    """libvirt 9.0 has s2 name s1's image when that is forgotten: nobody has come to use it."""
    g = made(t, snapshots=["s0", "s1", "s2"])
    killed(t, g, point, *PULL)
    repair(t, g, 0)
    g.oracle.deleted("s1")
    t.eq(g.snapshot_xml("s0").find("disks/disk/source").get("file"), frozen(g, "s2"))
    g.oracle.check_chain_clean(start=True)


@test(cases=["the base", "an overlay of the base"])
@requires("program", need_faults)
def the_guest_is_put_on_a_base_to_which_nothing_was_committed(t, what):
    """The chain is as it is to be in the end, and what the top holds is in no other image."""
    g = made(t)
    base, top = frozen(g), g.active("vda").path
    kept = content(top)
    killed(t, g, "step-1-before", *COMMIT)
    put_on(g, base if what == "the base" else
           image(os.path.join(g.dir, "new.qcow2"), backing=base))
    now = used(g)
    repair(t, g, 3, f"does not stand on '{top}' any more, which has not been merged",
           f"have the disk stand on '{top}' again", "To undo the operation instead")
    repair(t, g, 0, args=["--abort"])
    no_operation(t, g)
    t.ok(content(top) == kept, "the top is there")
    t.ok(content(g.active("vda").path) == now, "what the guest has written is there")


@test(cases=["qcow2", "raw"])
@requires("program", need_faults)
def what_was_to_be_committed_is_pulled(t, base_format):
    """By virsh, past the image that was to go: another snapshot has its state there alone."""
    g = made(t, snapshots=["s1", "s2"], start=True, format=base_format)
    base = frozen(g)
    killed(t, g, "step-1-before", *COMMIT)
    g.virsh("blockpull", g.name, "vda", "--base", base, "--wait")
    repair(t, g, 3, "has not been merged", "To undo the operation instead")
    g.oracle.check_all()
    repair(t, g, 0, args=["--abort"])
    no_operation(t, g)
    g.oracle.check_all()


@test(cases=["step-1-before", "block-commit-running", "update-snapshots-forgotten"])
@requires("program", need_faults)
def a_snapshot_of_that_name_is_taken_anew(t, point):
    """It is another one, and nobody wanted it to go."""
    g = made(t, snapshots=["s0", "s1"])
    killed(t, g, point)
    g.virsh("destroy", g.name + ".virsh-ext", check=False)
    g.virsh("snapshot-delete", g.name, "s1", "--metadata", check=False)
    g.oracle.forget("s1")
    taken = int(time.time())
    util.wait_for(lambda: int(time.time()) > taken, "the next second")
    g.virsh("snapshot-create-as", g.name, "s1", "--disk-only", "--diskspec",
            f"vda,snapshot=external,file={g.dir}/new.qcow2")
    g.oracle.taken("s1")
    r = repair(t, g, 0)
    t.has(r.err, "Snapshot 's1' stays: it was taken after the operation was begun")
    t.ok("deleted" not in r.out, r.out)
    no_operation(t, g)
    t.eq((g.snapshots(), g.current()), (["s0", "s1"], "s1"))
    g.oracle.check_all()


@test(cases=["finish", "other"])
@requires("program", need_faults)
def a_clone_of_the_base_of_a_commit_that_was_recorded_and_never_begun(t, then):
    g = made(t)
    killed(t, g, "merge-recorded")
    if then == "finish":
        repair(t, g, 0)
        g.oracle.deleted("s1")
        return
    other = clone(t, g, "vda")
    repair(t, g, 3, "Disk 'vda' cannot be merged now", "stands on")
    other.oracle.check_all()
    drop(other)
    repair(t, g, 0)
    g.oracle.deleted("s1")


@test(cases=[(w, p) for w in ("first", "next")
             for p in ("remove-file-after", "update-snapshots-after")])
@requires("program", need_faults)
def what_was_merged_is_merged_on(t, which, point):
    """By libvirt, when only files were left to be removed."""
    g = made(t, snapshots=["s0", "s1", "s2"], start=True)
    top = g.overlay_path("s1", "vda")
    killed(t, g, point, *COMMIT)
    name = {"first": "s0", "next": "s2"}[which]
    if g.virsh("snapshot-delete", g.name, name, check=False).rc:
        raise Skip("this libvirt does not delete external snapshots")
    g.oracle.forget("s1", name)
    repair(t, g, 0)
    no_operation(t, g)
    t.ok(not os.path.exists(top), "it is removed")
    g.oracle.check_all()
    t.eq(g.snapshots(), ["s2" if which == "first" else "s0"])


@test
@requires("program", need_faults)
def a_pull_on_a_guest_that_was_started_since_is_undone(t):
    """It was planned for a helper; the job is ours all the same."""
    g = t.guest(size="32M")
    g.oracle.write("vda", 0, "20M", 0x11)
    g.oracle.snapshot("s1")
    g.oracle.write("vda", "24M", "64k", 0x77)
    killed(t, g, "step-1-before", *PULL)
    g.start()
    killed(t, g, "block-pull-running", *PULL, "--bandwidth", "1")
    t.ok(g.virsh("blockjob", g.name, "vda", "--raw").out.strip(), "the job runs")
    repair(t, g, 0, args=["--abort"])
    t.eq(g.virsh("blockjob", g.name, "vda", "--raw").out.strip(), "")
    no_operation(t, g)
    g.oracle.check_all()


@test
@requires("program", need_faults)
def undoing_goes_on_through_a_signal(t):
    """Its status tells that it was done."""
    g = made(t)
    killed(t, g, "start-helper-before", *PULL)
    r = run([*matrix.program(), "-c", g.daemon.uri, "chain-repair", g.name, "--abort"],
            env=matrix.environment("abort-taken-over", "int"), check=False)
    t.has(t.rc(r, 0).out, "Undone")
    no_operation(t, g)
    g.oracle.check_all()


@test(timeout=120)
@requires("program", need_faults)
def who_is_in_the_way_is_named(t):
    """Not the image of a snapshot that was to go, on which others stand."""
    g = made(t, snapshots=["s1", "s2"])
    t.rc(g.vext("snapshot-revert-external", g.name, "s1"))
    g.oracle.revert("s1")
    branch = g.sources(g.snapshot_xml("s2").find("domain"))["vda"].path
    r = run([*matrix.program(), "-c", g.daemon.uri, COMMAND, g.name, "--all", *COMMIT],
            env=matrix.environment("step-1-before", "kill"), check=False)
    t.eq(r.rc, -9, str(r))
    other = t.guest(name="clone", disks=[{"target": "vda", "backing": branch}],
                    dir=t.path("clone"))
    base = g.sources(g.snapshot_xml("s1").find("domain"))["vda"].path
    repair(t, g, 3, f"Image '{other.disks['vda'].path}' stands on '{base}' too")
    other.oracle.check_all()
    repair(t, g, 0, args=["--abort"])
    g.oracle.check_all()


@test
@requires("program", need_faults)
def files_are_to_be_kept_now(t):
    """An operation that would remove them is another one."""
    g = made(t)
    top = g.active("vda").path
    killed(t, g, "step-1-before", *COMMIT)
    r = t.rc(g.vext(COMMAND, g.name, "s1", "--keep-files"), 1)
    t.has(r.err, "has to be finished first")
    t.ok(os.path.exists(top), "it is there")
    g.oracle.check_all()
    repair(t, g, 0, args=["--abort"])
    t.rc(g.vext(COMMAND, g.name, "s1", "--keep-files", *COMMIT))
    t.ok(os.path.exists(top), "it is there")
    g.oracle.deleted("s1")


@test(cases=["step-1-before", "block-pull-running", "stop-helper-before",
             "update-snapshots-before", "update-snapshots-redefined", "remove-file-before"])
@requires("program", need_faults)
def a_raw_image_that_was_pulled_is_removed(t, point):
    """While the chain, or the snapshot that goes, names it, it is seen that it is an image."""
    g = made(t, format="raw", size="32M")
    root = frozen(g)
    killed(t, g, point, *PULL)
    r = repair(t, g, 0)
    no_operation(t, g)
    g.oracle.deleted("s1")
    g.oracle.check_all()
    if "redefined" in point or "remove" in point:
        t.has(r.err, f"'{root}' stays: nothing but the record")
        t.ok(os.path.exists(root), "it is there")
        return
    t.ok("stays" not in r.err, r.err)
    t.ok(not os.path.exists(root), "it is removed")
    g.oracle.check_chain_clean(start=True)


@test(cases=["", "taken over"])
@requires("program", need_faults)
def nothing_is_said_to_be_deleted_that_stays(t, how):
    """The same command goes on with what was begun; its name is another snapshot's by now."""
    g = made(t, snapshots=["s0", "s1"])
    killed(t, g, "update-snapshots-after", *COMMIT)
    taken = int(time.time())
    util.wait_for(lambda: int(time.time()) > taken, "the next second")
    g.virsh("snapshot-create-as", g.name, "s1", "--disk-only", "--diskspec",
            f"vda,snapshot=external,file={g.dir}/new.qcow2")
    if how:
        r = t.rc(g.vext("snapshot-delete", g.name, "s1", env={"VIRSH_EXT_TAKEOVER": "1"}), 0)
    else:
        r = t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    t.has(r.err, "Snapshot 's1' stays")
    t.eq(r.out.strip(), f"Finished: {COMMAND} of domain '{g.name}'")
    t.eq(g.snapshots(), ["s0", "s1"])


@test(timeout=120)
@requires("program", need_faults)
def what_was_pulled_when_undone_is_in_the_configuration(t):
    """What a disk stands on is written there, and the pull has changed it."""
    g = t.guest(start=True, disks=2)
    o = g.oracle
    for n, name in enumerate(("s1", "s2"), 1):
        for disk in g.disks:
            o.write(disk, f"{n}M", "1M", n)
        o.snapshot(name)
    g.destroy()
    killed(t, g, "define-domain-before", "--direction", "pull")
    repair(t, g, 0, args=["--abort"])
    o.check_all()
    t.rc(g.vext("chain-show", g.name, "--check"), 0)
    t.rc(g.vext(COMMAND, g.name, "s1", "--direction", "pull"), 0)
    o.deleted("s1")
    o.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
