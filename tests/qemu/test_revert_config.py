#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external: the configuration comes back, with disks and devices that were added
or removed since the snapshot."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403


def revert(t, g, name, *args, rc=0):
    return t.rc(g.vext("snapshot-revert-external", g.name, name, *args), rc)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def add_disk(g, target="vdb"):
    """Attaches a new disk, live where the guest runs, and has a model of it; its image's path."""
    path = os.path.join(g.dir, f"{target}.qcow2")
    image(path, size="24M")
    how = ["--config"] + (["--live"] if g.is_active() else [])
    g.virsh("attach-disk", g.name, path, target, "--driver", "qemu", "--subdriver", "qcow2", *how)
    model = os.path.join(g.oracle.dir, target)
    with open(model, "wb") as f:
        f.truncate(24 << 20)
    g.oracle.model[target] = model
    g.oracle.write(target, 0, "64k", 0xb0)
    return path


def remove_disk(g, target="vdb"):
    """Detaches a disk of a guest that is shut off: where its content is now, and its model."""
    path = g.active(target).path
    g.virsh("detach-disk", g.name, target, "--config")
    return path, g.oracle.model.pop(target)


@test(cases=["running", "shut_off"])
@requires("program")
def a_disk_added_since_leaves_and_comes_back(t, state):
    g = t.guest(start=state == "running")
    o = g.oracle
    how = ["--running"] if state == "running" else []
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1")
    first = add_disk(g)
    o.write("vda", "1M", "64k", 0xa2)
    o.snapshot("s2")
    o.write("vdb", "1M", "64k", 0xb2)
    second = g.active("vdb").path
    before = digest(second)

    r = revert(t, g, "s1", *how)
    t.has(r.err, f"Disk 'vdb' is not in snapshot 's1' and leaves the domain; its image '{second}' "
                 "is kept")
    t.eq(sorted(g.active()), ["vda"])
    model = o.model.pop("vdb")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(allow=[second])
    t.eq(digest(second), before)

    revert(t, g, "s2", *how)
    o.model["vdb"] = model
    o.revert("s2")
    t.eq(g.chain("vdb")[1:], [first])
    o.check_all()
    o.check_chain_clean(start=True, allow=[second])


@test
@requires("program")
def a_disk_added_since_is_in_what_save_current_keeps(t):
    g = t.guest(start=True)
    o = g.oracle
    o.snapshot("s1")
    add_disk(g)
    o.write("vda", "1M", "64k", 0xa2)
    revert(t, g, "s1", "--save-current", "kept", "--running")
    o.taken("kept")
    t.eq(sorted(o.snapshots["kept"]), ["vda", "vdb"])
    model = o.model.pop("vdb")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean()
    revert(t, g, "kept", "--running")
    o.model["vdb"] = model
    o.revert("kept")
    o.check_all()
    o.check_chain_clean()


@test(cases=["running", "shut_off"])
@requires("program")
def a_disk_removed_since_comes_back(t, state):
    g = t.guest(disks=2)
    o = g.oracle
    o.write("vdb", 0, "64k", 0xb1)
    o.snapshot("s1")
    o.write("vdb", "1M", "64k", 0xb2)
    left, model = remove_disk(g)
    before = digest(left)
    o.write("vda", "1M", "64k", 0xa2)
    if state == "running":
        g.start()
    o.snapshot("s2")

    revert(t, g, "s1", *(["--running"] if state == "running" else []))
    o.model["vdb"] = model
    o.revert("s1")
    t.eq(sorted(g.active()), ["vda", "vdb"])
    o.check_all()
    t.eq(digest(left), before)
    o.check_chain_clean(allow=[left])

    revert(t, g, "s2")
    o.model.pop("vdb")
    o.revert("s2")
    t.eq(sorted(g.active()), ["vda"])
    o.check_all()


@test
@requires("program")
def a_removed_disk_that_was_left_out_keeps_its_content(t):
    g = t.guest(disks=2)
    o = g.oracle
    o.write("vdb", 0, "64k", 0xb1)
    o.snapshot("s1", disks=["vda"])
    o.write("vdb", "1M", "64k", 0xb2)
    left, model = remove_disk(g)
    g.start()
    revert(t, g, "s1", "--running")
    o.model["vdb"] = model
    o.revert("s1")
    t.eq(g.active("vdb").path, left)
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def a_removed_disk_that_a_later_snapshot_froze_is_not_written_to(t):
    g = t.guest(disks=2)
    o = g.oracle
    o.snapshot("s1", disks=["vda"])
    o.write("vdb", 0, "64k", 0xb1)
    o.snapshot("s2")
    remove_disk(g)
    g.start()
    r = revert(t, g, "s1", "--running", rc=1)
    t.has(r.err, "holds the state of snapshot 's2'")
    t.eq(g.state(), "running")
    o.check_all()


@test
@requires("program")
def a_removed_disk_whose_image_is_gone_is_found_before_the_guest_is_touched(t):
    g = t.guest(disks=2)
    o = g.oracle
    o.snapshot("s1", disks=["vda"])
    left, _ = remove_disk(g)
    os.unlink(left)
    g.start()
    for args in (["--running", "--dry-run"], ["--running"], ["--paused"]):
        r = revert(t, g, "s1", *args, rc=1)
        t.has(r.err, f"Image '{left}' of disk 'vdb' is missing")
    t.eq(g.state(), "running")
    o.check_all()


@test
@requires("program")
def another_kind_of_disk_at_the_same_place(t):
    """What was a disk is a CD-ROM now and the other way round: neither takes the other's image."""
    iso = t.path("one.iso")
    with open(iso, "wb") as f:
        f.truncate(1 << 20)
    cdrom = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
             f"<source file='{iso}'/><target dev='sda' bus='sata'/></disk>")
    g = t.guest(disks=[{}, {"target": "sda", "bus": "sata"}])
    o = g.oracle
    o.snapshot("s1", disks=["vda"])     # sda is a disk, and left out
    o.write("sda", 0, "64k", 0xb1)
    o.snapshot("s2")
    o.write("sda", "1M", "64k", 0xb2)
    left, model = remove_disk(g, "sda")
    xml = g.virsh("dumpxml", g.name, "--inactive", "--security-info").out
    g.define(xml.replace("</devices>", cdrom + "</devices>"))
    o.snapshot("s3", disks=["vda"])     # it is a CD-ROM
    g.start()

    r = revert(t, g, "s1", "--running", rc=1)
    t.has(r.err, "holds the state of snapshot 's2'")
    o.check_all()

    revert(t, g, "s2")
    o.model["sda"] = model
    o.revert("s2")
    t.eq(os.path.dirname(g.active("sda").path), g.dir)
    o.check_all()
    o.write("sda", "2M", "64k", 0xb3)
    now = g.active("sda").path

    revert(t, g, "s3", "--running")
    o.model.pop("sda")
    o.revert("s3")
    t.eq((g.active("sda").path, g.active("sda").format), (iso, "raw"))
    o.check_all()
    o.check_chain_clean(allow=[left, now])


def media(g, path=None):
    g.virsh("change-media", g.name, "sda", *([path, "--update"] if path else ["--eject"]),
            "--config", *(["--live"] if g.is_active() else []))


@test
@requires("program")
def a_cdrom_comes_back_and_is_never_written_to(t):
    iso = [t.path(name) for name in ("one.iso", "two.iso")]
    for number, path in enumerate(iso):
        with open(path, "wb") as f:
            f.write(bytes([number + 1]) * (1 << 20))
    before = [digest(path) for path in iso]
    g = t.guest(start=True, disks=[{}, {"target": "sda", "bus": "sata", "device": "cdrom",
                                        "format": "raw", "path": iso[0]}],
                xml="<controller type='sata' index='0'/>")
    o = g.oracle
    o.snapshot("s1")
    media(g, iso[1])
    o.write("vda", "1M", "64k", 0xa2)
    o.snapshot("s2")
    for name, path in (("s1", iso[0]), ("s2", iso[1]), ("s1", iso[0])):
        revert(t, g, name, "--running")
        o.revert(name)
        t.eq(g.active("sda").path, path)
        o.check_all()
        t.eq([digest(p) for p in iso], before)
    o.check_chain_clean()


@test
@requires("program")
def a_cdrom_that_is_gone_is_found_before_the_guest_is_touched(t):
    iso = t.path("one.iso")
    with open(iso, "wb") as f:
        f.truncate(1 << 20)
    g = t.guest(start=True, disks=[{}, {"target": "sda", "bus": "sata", "device": "cdrom",
                                        "format": "raw", "path": iso}],
                xml="<controller type='sata' index='0'/>")
    o = g.oracle
    o.snapshot("s1")
    media(g)
    os.unlink(iso)
    r = revert(t, g, "s1", "--running", rc=1)
    t.has(r.err, f"'{iso}'")
    t.eq(g.state(), "running")
    # Where it is not started, nobody needs the medium yet.
    r = revert(t, g, "s1")
    t.has(r.err, f"'{iso}'")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean()


@test(cases=["running", "shut_off"])
@requires("program")
def devices_added_or_removed_since(t, state):
    rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    g = t.guest(xml=rng, start=state == "running")
    o = g.oracle
    how = ["--running"] if state == "running" else []
    o.snapshot("s1")
    xml = g.virsh("dumpxml", g.name, "--inactive", "--security-info").out
    start = xml.index("<rng")
    stop = xml.index("</rng>") + len("</rng>")
    g.define(xml[:start] + "<watchdog model='i6300esb'/>" + xml[stop:])
    g.destroy()
    if state == "running":
        g.start()
    o.snapshot("s2")
    for name, there, gone in (("s1", "rng", "watchdog"), ("s2", "watchdog", "rng")):
        revert(t, g, name, *how)
        o.revert(name)
        for inactive in (False, True):
            devices = g.xml(inactive=inactive).find("devices")
            t.ok(devices.find(there) is not None, f"{there} is not there after {name}")
            t.ok(devices.find(gone) is None, f"{gone} is there after {name}")
        o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def another_machine_since_a_memory_snapshot(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1", memory=True)
    g.destroy()
    xml = g.virsh("dumpxml", g.name, "--inactive", "--security-info").out
    g.define(xml.replace("<vcpu placement='static'>1<", "<vcpu placement='static'>2<")
             .replace(str(32 << 10), str(64 << 10)))
    g.start()
    o.write("vda", "1M", "64k", 0xa2)
    revert(t, g, "s1")
    o.revert("s1")
    t.eq(g.state(), "running")
    for inactive in (False, True):
        t.eq(g.xml(inactive=inactive).findtext("vcpu"), "1")
        t.eq(g.xml(inactive=inactive).findtext("memory"), str(32 << 10))
    o.check_all()
    o.check_chain_clean()


def plugged_in(t, memory):
    """A guest with a disk that its persistent configuration does not have."""
    g = t.guest(start=True)
    path = image(os.path.join(g.dir, "vdb.qcow2"))
    g.virsh("attach-disk", g.name, path, "vdb", "--driver", "qemu", "--subdriver", "qcow2",
            "--live")
    g.oracle.snapshot("s1", memory=memory)
    return g, [path, g.active("vdb").path]


@test(cases=["--running", "--paused", None])
@requires("program")
def a_disk_that_was_plugged_in_for_the_running_guest_only(t, how):
    g, files = plugged_in(t, memory=False)
    o = g.oracle
    g.destroy()
    r = revert(t, g, "s1", *([how] if how else []))
    t.has(r.err, "Disk 'vdb' was plugged in for the running guest only and does not come back")
    t.eq(sorted(g.active()), ["vda"])
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(allow=files)


@test
@requires("program")
def memory_with_a_disk_that_was_plugged_in_for_the_running_guest_only(t):
    g, files = plugged_in(t, memory=True)
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, "the memory state needs it, and the configuration does not have it")
    t.eq(g.state(), "running")
    g.oracle.check_chain_clean(allow=files)


@test(cases=["left out", "shared"])
@requires("program")
def a_removed_disk_whose_image_another_guest_has(t, how):
    """Two guests would write it."""
    g = t.guest(disks=[{}, {"format": "raw"}])
    o = g.oracle
    o.snapshot("s1", disks=["vda"])
    path = g.active("vdb").path
    remove_disk(g)
    extra = "<shareable/>" if how == "shared" else ""
    t.guest("vm2", disks=[{"path": path, "format": "raw", "create": False,
                             "extra": extra}])
    if how == "shared":
        revert(t, g, "s1")
        t.eq(g.active("vdb").path, path)
        return
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, f"its image '{path}' is that of disk 'vda' of domain 'vm2'")
    t.ok("vdb" not in g.active(), "the disk is there")


if __name__ == "__main__":
    main()
