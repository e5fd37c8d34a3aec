#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external on all kinds of storage, in branched trees, on the embedded driver."""
import os
import re
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *


def delete(g, *args, rc=0):
    r = g.vext("snapshot-delete-external", g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}\n{r.out}{r.err}")
    return r


def take(g, *names, **kwargs):
    """Writes and takes a snapshot of each name, and writes again."""
    o = g.oracle
    take.count = getattr(take, "count", 0)
    for name in names:
        for d in o.model:
            o.write(d, f"{take.count % 16 * 256 + 64}k", "512k", 1 + take.count % 250)
        o.snapshot(name, **kwargs)
        take.count += 1
    for d in o.model:
        o.write(d, f"{take.count % 16 * 256}k", "512k", 1 + take.count % 250)
    take.count += 1
    return g


def branch(g, name):
    """What a revert to the snapshot leaves: new overlays on its frozen images, it is current."""
    o = g.oracle
    xml = g.xml(inactive=True)
    abandoned = [s.path for s in g.active().values()]
    frozen = g.sources(g.snapshot_xml(name).find("domain"))
    for disk in xml.iterfind("devices/disk"):
        target = disk.find("target").get("dev")
        f = frozen[target]
        path = os.path.join(g.dir, f"{target}.on-{name}-{len(os.listdir(g.dir))}")
        qemu_img("create", "-q", "-f", "qcow2", "-b", f.path, "-F", f.format, path, log=False)
        disk.find("source").attrib.clear()
        disk.set("type", "file")
        disk.find("source").set("file", path)
        disk.find("driver").set("type", "qcow2")
        for b in disk.findall("backingStore"):
            disk.remove(b)
    g.define(ET.tostring(xml, encoding="unicode"))
    for path in abandoned:
        os.unlink(path)
    path = os.path.join(g.workdir, "redefine.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(g.virsh("snapshot-dumpxml", g.name, name, "--security-info").out)
    g.virsh("snapshot-create", g.name, path, "--redefine", "--current")
    o.revert(name)


@test(cases=[("running", "commit"), ("running", "auto"), ("off", "commit"), ("off", "pull")])
@requires("program")
def volume_disks(t, state, direction):
    g = t.guest(kind="volume", disks=2, start=state == "running")
    if state == "running" and g.daemon.versions()[0] < (9, 0, 0):
        raise Skip("this libvirt leaves the configuration of a volume on the frozen image")
    take(g, "s1", "s2", "s3")
    for name in ("s2", "s1", "s3"):
        delete(g, name, *(() if state == "running" and name == "s2" else
                          ("--direction", direction)))
        g.oracle.deleted(name)
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=["running", "off"])
@requires("program")
def block_disks(t, state):
    g = t.guest(kind="block", start=state == "running")
    take(g, "s1", "s2")
    delete(g, "s2")
    g.oracle.deleted("s2")
    delete(g, "s1")
    g.oracle.deleted("s1")


@test(cases=[(s, d) for s in ("running", "off") for d in ("commit", "pull")])
@requires("program")
def relative_backing_stays_relative(t, state, direction):
    g = t.guest(start=state == "running")
    take(g, "s1", "s2", "s3", relative=True)
    delete(g, "s3" if state == "running" and direction == "pull" else "s1",
           "--direction", direction)
    g.oracle.deleted("s3" if state == "running" and direction == "pull" else "s1")
    for path in g.chain("vda")[:-1]:
        info = qemu_img("info", "-U", "--output=json", path).out
        name = re.search(r'"backing-filename": "([^"]*)"', info)[1]
        t.ok(not name.startswith("/"), f"{name} is relative")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=[(s, d) for s in ("running", "off") for d in ("auto", "pull")])
@requires("program", "qemu-nbd")
def on_a_network_base(t, state, direction):
    """It has no path to be called by."""
    base, socket = image(t.path("base.raw"), "24M", "raw", writes=[(0, "4M", 0xba)]), t.path("nbd")
    os.chmod(base, 0o666)
    server = spawn(["qemu-nbd", "-r", "-f", "raw", "-t", "-e", "9", "-k", socket, "-x", "disk",
                    base])
    t.cleanup(server.kill)
    t.wait_for(lambda: os.path.exists(socket), "qemu-nbd")
    os.chmod(socket, 0o666)
    top = t.path("top.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"nbd+unix:///disk?socket={socket}",
             top)
    g = take(t.guest(disks=[{"path": top, "create": False}]), "s1", "s2")
    if state == "running":
        g.start()
    delete(g, "--all", "--direction", direction)
    g.oracle.deleted("s1", "s2")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test(cases=["s1", "s2", "s3", "s4"])
@requires("program")
def in_a_branched_tree(t, name):
    """s1 <- s2 <- s3 and s1 <- s4: s1's image carries two branches."""
    g = t.guest(disks=2)
    take(g, "s1", "s2", "s3")
    branch(g, "s1")
    take(g, "s4")
    t.eq(g.parent("s4"), "s1")
    delete(g, name)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean(start=True)
    rest = [s for s in ("s1", "s2", "s3", "s4") if s != name]
    delete(g, "--all")
    g.oracle.deleted(*rest)
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def an_image_is_pulled_into_its_branches_when_asked(t):
    g = t.guest()
    take(g, "s0", "s1", "s2")
    branch(g, "s1")
    take(g, "s3")
    carrier = g.sources(g.snapshot_xml("s1").find("domain"))["vda"].path
    r = delete(g, "s1")
    t.has(r.err, "stays as an unnamed layer")
    g.oracle.deleted("s1")
    t.ok(os.path.exists(carrier), "two branches stand on it")
    branch(g, "s0")
    take(g, "s4")
    r = delete(g, "s0", "--direction", "pull")
    g.oracle.deleted("s0")
    g.oracle.check_chain_clean(start=True)


@test(cases=["s2", "s3"])
@requires("program")
def of_the_branch_that_a_running_guest_does_not_use(t, name):
    g = t.guest()
    take(g, "s1", "s2", "s3")
    branch(g, "s1")
    take(g, "s4")
    g.start()
    delete(g, name)
    g.oracle.deleted(name)


@test
@requires("program")
def the_overlay_of_a_branch_that_goes_is_named_no_more(t):
    g = t.guest()
    take(g, "s1", "s2")
    branch(g, "s1")
    delete(g, "s2")
    g.oracle.deleted("s2")
    # it named s2's image, which was its overlay; libvirt would commit and unlink by that name
    for disk in g.snapshot_xml("s1").iterfind("disks/disk"):
        t.ok(os.path.exists(disk.find("source").get("file")), "s1's overlay is there")
    g.oracle.check_chain_clean(start=True)


@test(cases=[("s1", "commit"), ("s2", "pull"), ("s3", "commit")])
@requires("program")
def on_the_embedded_driver(t, name, direction):
    g = t.guest(daemon=t.embed())
    take(g, "s1", "s2", "s3")
    delete(g, name, "--direction", direction)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()
    t.eq(g.daemon.qemu_pids(), [])


@test
@requires("program")
def names_of_all_kinds(t):
    hostile = "a b'\"<&>;$(x)-é"
    g = t.guest(name="vm " + hostile, dir=t.path("dir " + hostile))
    take(g, "-s1", "s 2'\"<&>", "s3")
    delete(g, "--", "-s1")
    g.oracle.deleted("-s1")
    delete(g, "s 2'\"<&>")
    g.oracle.deleted("s 2'\"<&>")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def the_base_of_another_guest_is_left_alone(t):
    base = image(t.path("base.qcow2"), writes=[(0, "1M", 7)])
    other = t.guest(name="other", disks=[{"target": "vda", "backing": base}])
    other.oracle.write("vda", "1M", "64k", 9)
    g = t.guest(name="mine", disks=[{"target": "vda", "path": base, "create": False}])
    g.oracle.snapshot("s1")
    take(g, "s2")
    delete(g, "s1")
    g.oracle.deleted("s1")
    other.oracle.check_all()
    t.ok(os.path.exists(base), "the base is there")


if __name__ == "__main__":
    main()
