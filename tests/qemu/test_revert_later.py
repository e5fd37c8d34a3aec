#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-repair of a revert that was interrupted, after others have worked on the domain."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402

REVERT = "snapshot-revert-external"


def need_faults():
    matrix.require_faults()


def kill_at(t, g, point, *args):
    """The revert to s1, killed at the point of the fault build."""
    r = run([*matrix.program(), "-c", g.daemon.uri, REVERT, g.name, "s1", *args], check=False,
            env={**g.daemon.env(), **matrix.environment(point, "kill")})
    t.eq(r.rc, -9)


def killed(t, start=True, point="stop-guest-before", *args, disks=1, memory=False):
    """A guest with snapshot s1, 0x22 written since, whose revert to s1 was killed."""
    g = t.guest(start=start, disks=disks)
    o = g.oracle
    for disk in g.disks:
        o.write(disk, 0, "1M", 0x11)
    o.snapshot("s1", memory=memory)
    for disk in g.disks:
        o.write(disk, "1M", "1M", 0x22)
    o.flush()
    kill_at(t, g, point, *args)
    return g, o


def other_snapshot(o, name="s9", **kwargs):
    """Taken by somebody else, who works on then."""
    o.snapshot(name, **kwargs)
    for disk in o.model:
        o.write(disk, "2M", "1M", 0x33)
    o.flush()


def finished(t, g, o):
    """It can neither be gone on with nor has it left anything."""
    t.has(t.rc(g.vext("chain-repair", g.name)).out, "Nothing to repair")
    t.rc(g.vext("chain-show", g.name, "--check"))
    o.check_all()
    o.check_chain_clean(start=True)


def starts_and_finished(t, g, o):
    """From a managed save, or on its disks."""
    g.start()
    o.check_all()
    g.destroy()
    finished(t, g, o)


@test(cases=["off", "running"], timeout=120)
@requires("program", need_faults)
def undone_after_a_snapshot_was_taken(t, how):
    """The image of before is that snapshot's state now: the guest's newest data are above it."""
    g, o = killed(t, disks=2)
    other_snapshot(o)
    if how == "off":
        g.destroy()
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.eq(g.current(), "s9")
    t.ok(g.active("vda").path.endswith(".s9"), "the newest data are not used")
    o.check_all()
    if how == "off":
        g.start()
    o.write("vda", "3M", "64k", 0x99)
    o.check_all()
    g.destroy()
    finished(t, g, o)


@test(cases=["off", "running"], timeout=120)
@requires("program", need_faults)
def finished_after_a_snapshot_was_taken(t, how):
    """It had the old and the new configuration in it, and named two images as its state."""
    g, o = killed(t)
    other_snapshot(o)
    newest = g.active("vda").path
    if how == "off":
        g.destroy()
    r = t.rc(g.vext("chain-repair", g.name))
    t.has(r.err, f"What was written since snapshot 's9', which was taken meanwhile, stays in "
                 f"'{newest}'")
    o.revert("s1")
    t.eq(g.current(), "s1")
    o.check_all()
    o.extra_files.add(os.path.realpath(newest))
    finished(t, g, o)
    t.rc(g.vext("snapshot-delete-external", g.name, "s9"))
    o.deleted("s9")


@test(timeout=120)
@requires("program", need_faults)
def an_unnamed_layer_is_not_guessed(t):
    """Whose image stands on that of before is not known: it is not written below it."""
    g, o = killed(t)
    o.snapshot("other", metadata=False)
    o.write("vda", "2M", "1M", 0x33)
    newest, below = g.active("vda"), g.chain("vda")[1]
    g.destroy()
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, f"Other images stand on '{below}'")
    t.rc(g.vext("chain-repair", g.name))
    o.revert("s1")
    t.ok(os.path.exists(newest.path) and os.path.exists(below), "somebody's image is gone")
    o.check_all()


@test(cases=["create-overlays-after", "define-domain-after", "stop-guest-before"], timeout=120)
@requires("program", need_faults)
def not_finished_over_a_state_that_was_written(t, point):
    """A commit by hand has taken the snapshot's state away."""
    g, o = killed(t, True, point)
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    o.write("vda", "3M", "1M", 0x44)
    o.flush()
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, "has been written since the revert was planned")
    t.has(r.err, f"to undo what was begun, run: virsh-ext chain-repair {g.name} --abort")
    t.eq(g.state(), "running")
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    o.check_active()
    g.destroy()
    g.start()
    o.check_active()


@test(timeout=120)
@requires("program", need_faults)
def a_written_state_and_a_guest_that_is_off(t):
    """Which image is the right one nobody can know but the user."""
    g, o = killed(t)
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    o.write("vda", "3M", "1M", 0x44)
    base, wrong = g.active("vda").path, g.sources(g.xml(inactive=True))["vda"].path
    g.destroy()
    t.has(t.rc(g.vext("chain-repair", g.name), 3).err, "has been written since")
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, f"first, with: virsh edit {g.name}")
    g.define(g.virsh("dumpxml", g.name, "--inactive").out.replace(wrong, base))
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.ok(not os.path.exists(wrong), "the overlay is left")
    o.check_active()


@test(cases=["--dry-run", ""])
@requires("program", need_faults)
def what_was_written_since_is_said(t, option):
    g, o = killed(t)
    o.write("vda", "4M", "2M", 0x33)
    o.flush()
    r = t.rc(g.vext("chain-repair", g.name, *([option] if option else [])))
    t.has(r.out, "Would discard 3.3M" if option else "To be discarded: 3.3M of disk 'vda'")
    if option:
        t.eq(g.state(), "running")
    else:
        o.revert("s1")
        finished(t, g, o)


@test(cases=["create-overlays-before", "define-domain-before", "stop-guest-before", "off",
             "restarted"], timeout=120)
@requires("program", need_faults)
def what_was_to_be_saved_is_not_thrown_away(t, how):
    point = how if how.endswith("before") else "stop-guest-before"
    if how == "restarted":
        point = "define-domain-before"
    g, o = killed(t, True, point, "--save-current", "keep")
    o.taken("keep")
    if how == "restarted":
        g.destroy()
        g.start()
    o.write("vda", "4M", "1M", 0x33)
    o.flush()
    if how == "off":
        g.destroy()
    for args in ((), ()):
        r = t.rc(g.vext("chain-repair", g.name, *args), 3)
        t.has(r.err, "is not in snapshot 'keep' and would be lost")
        t.eq(g.state(), "shut off" if how == "off" else "running")
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    o.check_all()
    t.eq(g.current(), "keep")
    if how != "off":
        g.destroy()
    finished(t, g, o)


@test(cases=["stop-guest-before", "update-snapshots-before"], timeout=120)
@requires("program", need_faults)
def nothing_written_since_it_was_saved(t, point):
    g, o = killed(t, True, point, "--save-current", "keep")
    o.taken("keep")
    t.rc(g.vext("chain-repair", g.name))
    o.revert("s1")
    finished(t, g, o)


@test(cases=["off", "running"], timeout=120)
@requires("program", need_faults)
def no_memory_over_disks_that_were_written(t, how):
    """Somebody has started the domain on the reverted disks while the client was stopped."""
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1", memory=True)
    o.write("vda", "1M", "1M", 0x22)
    o.flush()
    if how == "off":
        g.destroy()
    point = "update-snapshots-before" if how == "off" else "stop-guest-before"
    process = spawn([*matrix.program(), "-c", g.daemon.uri, REVERT, g.name, "s1"],
                    env=matrix.environment(point, "stop"))

    def stopped():
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] == "T"
    try:
        t.wait_for(lambda: process.poll() is not None or stopped(), "the point")
        if how == "running":
            g.destroy()
        g.start()
        o.revert("s1")
        o.write("vda", 0, "64k", 0x99)
        o.flush()
        pid = g.qemu_pid()
        if how == "off":
            g.destroy()
    finally:
        process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    t.eq(process.returncode, 3, err)
    t.has(err, "the memory state does not fit them any more")
    if how == "running":
        t.eq(g.qemu_pid(), pid, "the guest was ended")
    o.check_all()
    r = t.rc(g.vext("chain-repair", g.name))
    if how == "off":
        t.has(r.err, "has run since the revert and is not started again")
        t.eq(g.state(), "shut off")
    else:
        t.eq(g.qemu_pid(), pid, "the guest was ended")
        g.destroy()
    finished(t, g, o)


@test(cases=["abort", "forward"], timeout=120)
@requires("program", need_faults)
def a_snapshot_of_the_reverted_disks(t, how):
    """It can only be finished, and what was put on top stays on top."""
    g = t.guest()
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1")
    o.write("vda", "1M", "1M", 0x22)
    o.snapshot("s2")
    o.write("vda", "2M", "1M", 0x33)
    kill_at(t, g, "define-domain-after")
    o.revert("s1")
    o.snapshot("s9")
    o.write("vda", "3M", "1M", 0x44)
    o.check_all()
    if how == "abort":
        r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
        t.has(r.err, f"To finish it, run: virsh-ext chain-repair {g.name}")
        t.eq(g.current(), "s9")
    t.rc(g.vext("chain-repair", g.name))
    t.eq((g.current(), g.tree()), ("s9", {"s1": None, "s2": "s1", "s9": "s1"}))
    finished(t, g, o)


@test(timeout=120)
@requires("program", need_faults)
def an_overlay_that_is_another_snapshots_stays(t):
    """The configuration was put back by hand: undoing leaves what somebody needs."""
    g, o = killed(t, False, "define-domain-after")
    before, overlay = g.overlay_path("s1", "vda"), g.active("vda").path
    o.snapshot("s9")
    g.define(g.virsh("dumpxml", g.name, "--inactive").out.replace(g.active("vda").path, before))
    r = t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.has(r.err, f"'{overlay}' stays: it is in use")
    t.ok(os.path.exists(overlay), "somebody's image is gone")
    t.eq(g.active("vda").path, before)
    o.check_active()


@test(timeout=120)
@requires("program", need_faults)
def a_disk_that_was_attached_is_not_dropped(t):
    g, o = killed(t)
    extra = t.path("extra.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", extra, "8M")
    g.virsh("attach-disk", g.name, extra, "vdb", "--subdriver", "qcow2", "--config")
    for option in ("--dry-run", None):
        r = t.rc(g.vext("chain-repair", g.name, "--abort", *([option] if option else [])), 1)
        t.has(r.err, "Somebody has changed the configuration of domain")
        t.ok("vdb" in g.sources(g.xml(inactive=True)), "the disk is gone")
    t.rc(g.vext("chain-repair", g.name))
    o.revert("s1")
    t.eq(g.sources(g.xml(inactive=True))["vdb"].path, extra)


@test(timeout=120)
@requires("program", need_faults)
def a_configuration_that_is_not_ours_is_left(t):
    g, o = killed(t, True, "define-domain-before")
    g.virsh("desc", g.name, "--config", "mine")
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.eq(g.virsh("desc", g.name, "--config").out.strip(), "mine")
    o.check_all()
    g.destroy()
    finished(t, g, o)


def with_a_kept_disk(t):
    """A guest whose snapshot s1 leaves vdb out, and both written since."""
    g = t.guest(disks=2, start=True)
    g.oracle.snapshot("s1", disks=["vda"])
    for disk in ("vda", "vdb"):
        g.oracle.write(disk, 0, "1M", 0x11)
    return g, g.oracle


@test(cases=["abort", "forward"], timeout=120)
@requires("program", need_faults)
def a_layer_on_all_disks_while_one_is_kept(t, how):
    g, o = with_a_kept_disk(t)
    kill_at(t, g, "stop-guest-before")
    other_snapshot(o)
    newest = g.active("vda").path
    if how == "abort":
        t.rc(g.vext("chain-repair", g.name, "--abort"))
        o.check_all()
        g.destroy()
    else:
        t.rc(g.vext("chain-repair", g.name))
        o.revert("s1")
        o.extra_files.add(os.path.realpath(newest))
    finished(t, g, o)


@test(cases=["kept", "overlay"], timeout=120)
@requires("program", need_faults)
def what_others_did_before_it_was_defined(t, what):
    """It cannot be gone on with, and is undone."""
    g, o = with_a_kept_disk(t)
    before = set(os.listdir(g.dir))
    kill_at(t, g, "define-domain-before")
    if what == "kept":
        other_snapshot(o)
    else:
        overlay, = set(os.listdir(g.dir)) - before
        qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", os.path.join(g.dir, overlay),
                 t.path("top.qcow2"), "24M")
        t.guest("vm2", disks=[{"path": t.path("top.qcow2"), "create": False}], daemon=g.daemon)
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, "Somebody has changed the image of disk 'vdb'" if what == "kept" else
          "is in use and not removed")
    t.has(r.err, f"to undo what was begun, run: virsh-ext chain-repair {g.name} --abort")
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.eq(g.state(), "running")
    o.check_all()


@test(cases=["--save-current", "--running", "--paused", "--reset-nvram"], timeout=120)
@requires("program", need_faults)
def asked_for_again_with_more(t, option):
    """What is to be saved now the first one was not to save: it would be thrown away."""
    g, o = killed(t, True, "create-overlays-after")
    options = [option, "keep"] if option == "--save-current" else [option]
    for dry in ([], ["--dry-run"], ["--dry-run", "--json"]):
        r = t.rc(g.vext(REVERT, g.name, "s1", *options, *dry), 1)
        t.has(r.err + r.out, "was asked for with other options")
        t.has(r.err + r.out, f"run: virsh-ext chain-repair {g.name} --abort")
    t.eq((g.state(), g.snapshots()), ("running", ["s1"]))
    o.check_all()
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    if option == "--save-current":
        t.rc(g.vext(REVERT, g.name, "s1", *options))
        o.taken("keep")
        o.revert("s1")
    else:
        g.destroy()
    finished(t, g, o)


@test(cases=[("create-overlays-before", False), ("define-domain-after", False),
             ("define-domain-after", True)], timeout=120)
@requires("program", need_faults)
def a_managed_save_of_the_old_disks(t, point, force):
    """The domain would be started from it, on those disks."""
    g, o = killed(t, True, point, "--running", *(["--force"] if force else []))
    g.virsh("managedsave", g.name)
    if not force:
        r = t.rc(g.vext("chain-repair", g.name), 3)
        t.has(r.err, f"drop it with: virsh managedsave-remove {g.name}")
        t.has(r.err, f"run: virsh-ext chain-repair {g.name} --abort")
        t.eq(g.state(), "shut off")
        t.has(g.virsh("dominfo", g.name).out, r"Managed save:   yes")
        g.virsh("managedsave-remove", g.name)
    t.rc(g.vext("chain-repair", g.name))
    o.revert("s1")
    t.eq(g.state(), "running")
    o.check_all()
    g.destroy()
    finished(t, g, o)


@test(timeout=120)
@requires("program", need_faults)
def undone_with_a_managed_save_of_the_old_disks(t):
    g, o = killed(t, True, "define-domain-after", "--running")
    g.virsh("managedsave", g.name)
    t.rc(g.vext("chain-repair", g.name, "--abort"))
    starts_and_finished(t, g, o)


@test(timeout=120)
@requires("program", need_faults)
def a_managed_save_of_the_reverted_disks_is_kept(t):
    g, o = killed(t, False, "define-domain-after", "--force")
    o.revert("s1")
    g.start()
    o.write("vda", "2M", "64k", 0x55)
    g.virsh("managedsave", g.name)
    t.rc(g.vext("chain-repair", g.name))
    t.has(g.virsh("dominfo", g.name).out, r"Managed save:   yes")
    starts_and_finished(t, g, o)


@test(cases=["", "--force"], timeout=120)
@requires("program", need_faults)
def a_managed_save_of_a_snapshot_of_the_reverted_disks_is_kept(t, option):
    """Its memory is that of what stands on them: it is nothing to be dropped."""
    g, o = killed(t, True, "remove-file-before", *([option] if option else []))
    o.revert("s1")
    if not g.is_active():
        g.start()
    other_snapshot(o)
    g.virsh("managedsave", g.name)
    t.rc(g.vext("chain-repair", g.name))
    t.has(g.virsh("dominfo", g.name).out, r"Managed save:   yes")
    starts_and_finished(t, g, o)


@test(timeout=120)
@requires("program", need_faults)
def what_a_guest_has_written_stays_when_undone(t):
    """It ran on the reverted disks; then the configuration was put back by hand."""
    g, o = killed(t, False, "define-domain-after")
    before, overlay = g.overlay_path("s1", "vda"), g.active("vda").path
    o.write("vda", "4M", "1M", 0x33)
    g.define(g.virsh("dumpxml", g.name, "--inactive").out.replace(overlay, before))
    r = t.rc(g.vext("chain-repair", g.name, "--abort"))
    t.has(r.err, f"'{overlay}' stays: it has been written to")
    t.ok(os.path.exists(overlay), "what the guest has written is gone")
    t.eq(g.active("vda").path, before)


@test(timeout=120)
@requires("program", need_faults)
def what_stays_is_not_said_to_be_discarded(t):
    """Another guest has been made on the image of before meanwhile."""
    g, o = killed(t)
    old, clone = g.active("vda").path, t.path("clone.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", old, clone, "24M")
    t.guest("vm2", disks=[{"path": clone, "create": False}], daemon=g.daemon)
    r = t.rc(g.vext("chain-repair", g.name))
    t.has(r.err, f"'{old}' stays: domain 'vm2' needs it")
    t.ok("Discarded" not in r.out, r.out)
    t.ok(os.path.exists(old), "another guest's image is gone")
    o.revert("s1")
    o.check_all()


@test(timeout=120)
@requires("program", need_faults)
def finished_over_a_written_state_where_nothing_leads_back(t):
    """Neither that nor --abort would be possible, ever."""
    g, o = killed(t, False, "remove-file-after")
    o.revert("s1")
    frozen = g.sources(g.snapshot_xml("s1").find("domain"))["vda"].path
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x44 5M 64k", frozen])
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, "are being removed already")
    t.rc(g.vext("chain-repair", g.name))
    t.has(t.rc(g.vext("chain-repair", g.name)).out, "Nothing to repair")


@test(timeout=120)
@requires("program", need_faults)
def it_is_known_how_far_it_ever_was(t):
    """Gone on with, it does again what was done: a kill there does not make it undone."""
    g, o = killed(t, False, "remove-file-after")
    r = run([*matrix.program(), "-c", g.daemon.uri, "chain-repair", g.name], check=False,
            env={**g.daemon.env(), **matrix.environment("update-snapshots-after", "kill")})
    t.eq(r.rc, -9, r)
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.has(r.err, "are being removed already")
    t.rc(g.vext("chain-repair", g.name), 0)
    o.revert("s1")
    finished(t, g, o)


if __name__ == "__main__":
    main()
