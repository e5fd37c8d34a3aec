#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The remedies that chain-show names, typed as they are printed."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402

ODD = "my \"vm\" $x `y` it's \\"


@test(cases=[(n, h) for n in ("plain", "odd") for h in ("shell", "batch")])
@requires("program")
def one_after_the_other_until_nothing_is_wrong(t, names, how):
    """Names as a user may have chosen them."""
    odd = names == "odd"
    snapshot = 's "1" $x' if odd else "s1"
    folder = t.path('images $y "z"' if odd else "images")
    g = t.guest(ODD.replace("\\", "") if odd else "vm1", dir=folder,
                disks=[{}, {}, {"target": "hda", "device": "cdrom", "format": "raw"}])
    iso = os.path.join(folder, "x.iso")
    with open(iso, "wb") as f:
        f.truncate(1 << 20)
    root = g.disks["vda"].path
    g.virsh("change-media", g.name, "hda", iso, "--insert", "--config")
    g.snapshot(snapshot, files={d: os.path.join(folder, d + ".s1") for d in ("vda", "vdb")})
    g.snapshot("unnamed", metadata=False)
    image(os.path.join(folder, "forgotten"), backing=root)
    forget_format(os.path.join(folder, "vdb.s1"))
    os.unlink(iso)

    t.eq(sorted(set(codes(show(g, "--orphans")))),
         ["format-not-recorded", "missing-image", "orphan-file", "unmanaged-layer"])
    orphan, = remedies(t, g, "orphan-file", "--orphans")
    follow(t, g, orphan)
    t.ok(not os.path.exists(os.path.join(folder, "forgotten")), "the orphan is gone")
    eject, = remedies(t, g, "missing-image")
    t.eq(eject.split()[0], "change-media")
    follow(t, g, eject, how)
    record, = remedies(t, g, "format-not-recorded")
    follow(t, g, record, FORMAT="qcow2")
    t.eq(set(codes(show(g, "--orphans"))), {"unmanaged-layer"})
    first, second = remedies(t, g, "unmanaged-layer")
    t.eq(first, second)
    t.eq(first.split()[0], "snapshot-delete-external")
    follow(t, g, first, how)
    t.eq(show(g, "--orphans")["findings"], [])
    t.eq([len(disk(show(g), d)["images"]) for d in ("vda", "vdb")], [2, 2])


@test(cases=["shell", "batch"])
@requires("program")
def names_that_look_like_options(t, how):
    """The command of a finding about a snapshot called --all deletes that one alone."""
    g = t.guest("--tree")
    g.virsh("snapshot-create-as", "--domain", g.name, "--name", "s1", "--disk-only")
    g.virsh("snapshot-create-as", "--domain", g.name, "--name", "--children", "--disk-only")
    g.virsh("snapshot-create-as", "--domain", g.name, "--name", "s3", "--disk-only")
    shown = show(g)
    frozen = next(i for i in disk(shown, "vda")["images"] if i["snapshots"] == ["--children"])
    os.rename(frozen["path"], frozen["path"] + ".away")
    t.eq(set(codes(show(g))), {"missing-image", "stale-snapshot"})
    repair, forget = remedies(t, g, "stale-snapshot")[:2]
    t.eq(repair, "chain-repair -- --tree")
    t.eq(forget, "snapshot-delete-external --metadata -- --tree --children")
    follow(t, g, forget, how)
    t.eq(sorted(g.virsh("snapshot-list", "--name", "--domain", g.name).out.split()), ["s1", "s3"])
    os.rename(frozen["path"] + ".away", frozen["path"])
    t.eq(codes(show(g)), ["unmanaged-layer"])
    delete, = remedies(t, g, "unmanaged-layer")
    t.eq(delete, "snapshot-delete-external --unnamed -- --tree")


@test(cases=[(s, h) for s in ("running", "shut-off") for h in ("shell", "batch")])
@requires("program")
def a_disk_without_its_image_is_taken_out(t, state, how):
    g = t.guest("my \"vm\" $x", disks=2, start=state == "running")
    g.oracle.write("vda", 0, "64k", 0x11)
    os.unlink(g.disks["vdb"].path)
    t.eq(codes(show(g)), ["missing-image"])
    command, = remedies(t, g, "missing-image")
    t.eq(command.split()[0], "detach-disk")
    follow(t, g, command, how)
    if state == "running":
        g.destroy()
    t.eq(show(g)["findings"], [])
    t.eq([d["target"] for d in show(g)["disks"]], ["vda"])
    g.start()
    del g.oracle.model["vdb"]
    g.oracle.check_active()


@test
@requires("program")
def a_missing_backing_file(t):
    """The domain does not start before it is back or the disk is out."""
    g = t.guest(disks=2)
    g.snapshot("s1", disks=["vdb"])
    os.unlink(g.disks["vdb"].path)
    t.eq(codes(show(g)), ["missing-image", "stale-snapshot"])
    command, = remedies(t, g, "missing-image")
    follow(t, g, command)
    t.eq(codes(show(g)), ["stale-snapshot"])
    repair, forget = remedies(t, g, "stale-snapshot")
    # the image is gone for good: that is said, and not called a success
    t.ok(f"virsh-ext {forget}" in follow(t, g, repair, rc=1).err, "the way out")
    t.eq(codes(show(g)), ["stale-snapshot"])
    follow(t, g, forget)
    t.eq(show(g)["findings"], [])
    g.start()


@test
@requires("program", "setpriv")
def an_image_that_this_user_may_not_read(t):
    """Its remedy shows what the header says to one who may."""
    g = t.guest()
    g.snapshot("s1")
    path = g.active("vda").path
    with open(path, "r+b") as f:
        f.write(b"QFI\xfb\0\0\0\7")
    t.eq(codes(show(g)), ["unreadable-image"])
    command, = remedies(t, g, "unreadable-image")
    t.eq(command, f"qemu-img info -U -f qcow2 {path}")
    r = run(["sh", "-c", command], check=False)
    t.has(r.out + r.err, "Unsupported qcow2 version 7")


@test
@requires("program")
def a_missing_data_file(t):
    top, data = t.path("top.qcow2"), t.path("data")
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "24M")
    g = t.guest(disks=[{"path": top, "create": False}])
    os.rename(data, data + ".away")
    t.eq(codes(show(g)), ["unreadable-image"])
    command, = remedies(t, g, "unreadable-image")
    t.has(follow(t, g, command).out, data)
    os.rename(data + ".away", data)
    t.eq(codes(show(g)), [])


@test
@requires("program")
def an_image_that_is_marked_as_corrupt(t):
    g = t.guest()
    o = g.oracle
    o.write("vda", 0, "1M", 0x22)
    g.snapshot("s1")
    o.taken("s1")
    path = g.disks["vda"].path
    with open(path, "r+b") as f:
        f.seek(72)
        f.write((2).to_bytes(8, "big"))
    t.eq(codes(show(g)), ["corrupt-image"])
    command, = remedies(t, g, "corrupt-image")
    follow(t, g, command)
    t.eq(show(g)["findings"], [])
    g.start()
    o.check_all()


def deep(t, n, **kwargs):
    """A guest on a chain of n images, each with a block of its own."""
    paths = [t.path(f"{i}.qcow2") for i in range(n)]
    image(paths[0])
    for below, path in zip(paths, paths[1:]):
        image(path, backing=below)
    g = t.guest(disks=[{"path": paths[-1], "create": False}], **kwargs)
    for i in (0, n // 2, n - 1):
        qemu_io(paths[i], f"write -P {i + 1} {i}M 64k" if i < 24 else f"write -P 77 {i % 24}M 64k")
    return g, paths


def qemu_io(path, command):
    run(["qemu-io", "-f", "qcow2", "-c", command, path])


def seen(path):
    """What a guest sees in an image."""
    raw = path + ".seen"
    qemu_img("convert", "-U", "-f", "qcow2", "-O", "raw", path, raw)
    with open(raw, "rb") as f:
        data = f.read()
    os.unlink(raw)
    return data


def limit(g):
    """Images in a chain that libvirt starts."""
    return 25 if (11, 0, 0) <= g.daemon.versions()[0] < (12, 0, 0) else 200


@test(timeout=180)
@requires("program")
def a_chain_near_the_limit_without_snapshots(t):
    d = t.daemon()
    g = t.guest("probe", daemon=d)
    n = limit(g) - 2
    g, paths = deep(t, n, daemon=d)
    before = seen(paths[-1])
    t.eq(codes(show(g)), ["deep-chain"])
    g.start()
    command, = remedies(t, g, "deep-chain")
    t.eq(command, "blockpull vm1 vda --wait")
    follow(t, g, command)
    t.eq(show(g)["findings"], [])
    g.destroy()
    t.eq(seen(paths[-1]), before, "what the guest sees")


@test(timeout=180)
@requires("program")
def a_chain_beyond_the_limit_without_snapshots(t):
    d = t.daemon()
    n = limit(t.guest("probe", daemon=d)) + 1
    g, paths = deep(t, n, daemon=d)
    before = seen(paths[-1])
    t.rc(g.virsh("start", g.name, check=False), 1)
    t.eq([(f["code"], f["severity"]) for f in show(g)["findings"]], [("deep-chain", "error")])
    command, = remedies(t, g, "deep-chain")
    follow(t, g, command)
    t.eq(show(g)["findings"], [])
    t.eq(seen(paths[-1]), before, "what the guest sees")
    g.start()


@test(timeout=240, cases=["near", "beyond"])
@requires("program")
def a_deep_chain_with_snapshots(t, how):
    d = t.daemon()
    n = limit(t.guest("probe", daemon=d)) - 2
    g, paths = deep(t, n, daemon=d)
    names = ["s1", "s2"] if how == "near" else ["s1", "s2", "s3", "s4"]
    g.snapshot(names[0])
    before = seen(g.active("vda").path)
    for name in names[1:2]:
        g.snapshot(name)
    if how == "beyond":
        # libvirt takes none so deep: as an older version, or another client, left them
        for name in names[2:]:
            old = g.active("vda").path
            new = os.path.join(g.dir, f"vda.{name}")
            image(new, backing=old)
            xml = t.path(name + ".xml")
            domain = g.virsh("dumpxml", g.name, "--inactive").out
            with open(xml, "w", encoding="utf-8") as f:
                f.write(f"<domainsnapshot><name>{name}</name><state>shutoff</state>"
                        f"<parent><name>{g.current()}</name></parent>"
                        f"<creationTime>{int(time.time())}</creationTime>"
                        f"<disks><disk name='vda' snapshot='external' type='file'>"
                        f"<driver type='qcow2'/><source file='{new}'/></disk></disks>"
                        f"{domain}</domainsnapshot>")
            g.define(domain.replace(old, new))
            g.virsh("snapshot-create", g.name, xml, "--redefine", "--current")
    t.eq({(f["code"], f["severity"]) for f in show(g)["findings"]},
         {("deep-chain", "warning" if how == "near" else "error")})
    if how == "beyond":
        r = t.rc(g.vext("snapshot-delete-external", g.name, "s4"), 1)
        t.has(r.err, "Delete snapshots at the lower end of the chain first")
    command, = remedies(t, g, "deep-chain")
    follow(t, g, command, NAME="s1")
    t.eq(seen(g.active("vda").path), before, "what the guest sees")
    t.ok("s1" not in g.snapshots(), "s1 is gone")
    t.eq(len(disk(show(g), "vda")["images"]), n + len(names) - 1)
    if how == "beyond":
        for name in ("s2", "s4"):
            t.rc(g.vext("snapshot-delete-external", g.name, name), 0)
        t.eq(seen(g.active("vda").path), before, "what the guest sees")
        g.start()


@test
@requires("program")
def the_remedy_of_a_loop_works(t):
    a, b, c = (t.path(n) for n in ("a.qcow2", "b.qcow2", "c.qcow2"))
    for path in (a, b, c):
        image(path)
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", b, a)
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", a, b)
    g = t.guest(disks=[{"path": a, "create": False}])
    commands = remedies(t, g, "backing-loop")
    t.eq(sorted(w.split()[-1] for w in commands), [a, b])
    follow(t, g, next(w for w in commands if w.split()[-1] == b), FORMAT="qcow2", FILE=c)
    t.eq(show(g)["findings"], [])
    t.eq(chain(show(g), "vda"), ["c.qcow2", "b.qcow2", "a.qcow2"])


@test
@requires("program")
def the_remedies_of_relative_names_and_internal_snapshots_work(t):
    g = t.guest()
    g.virsh("snapshot-create-as", g.name, "inside")
    g.snapshot("s1", relative=True)
    shown = show(g)
    t.eq(codes(shown), ["internal-and-external", "relative-backing"])
    command, = remedies(t, g, "relative-backing")
    follow(t, g, command, FORMAT="qcow2", FILE=g.disks["vda"].path)
    command, = remedies(t, g, "internal-and-external")
    follow(t, g, command)
    t.eq(show(g)["findings"], [])
    t.eq(chain(show(g), "vda"), ["vda.qcow2", "vda.s1"])


if __name__ == "__main__":
    main()
