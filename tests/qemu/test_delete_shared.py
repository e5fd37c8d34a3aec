#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external where somebody else needs an image, under whatever name: nobody's
content changes, and no file that somebody needs goes."""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

COMMAND = "snapshot-delete-external"


def take(g, *names, at=0, **kwargs):
    """Writes and takes a snapshot of each name, and writes again."""
    o = g.oracle
    for i, name in enumerate(names, at):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
            o.write(d, f"{8 + 64 * i}k", "32k", 0x40 + i)
        o.snapshot(name, **kwargs)
    for d in o.model:
        o.write(d, f"{12 + at}M", "512k", 0x77 + at)
    return g


def delete(g, *args, rc=0):
    r = g.vext(COMMAND, g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}\n{r.out}{r.err}")
    return r


def frozen(g, name, target="vda"):
    """The image that holds the snapshot's state."""
    return g.sources(g.snapshot_xml(name).find("domain"))[target].path


def content(path, format="qcow2"):
    """A digest of what a guest sees of the image."""
    raw = path + ".raw-of-test"
    qemu_img("convert", "-U", "-f", format, "-O", "raw", path, raw, log=False)
    digest = subprocess.run(["sha256sum", raw], capture_output=True, text=True,
                            check=True).stdout.split()[0]
    os.unlink(raw)
    return digest


def redefine(g, name, edit, *args):
    """Defines the snapshot again with its XML edited."""
    path = os.path.join(g.workdir, "redefine.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(edit(g.virsh("snapshot-dumpxml", g.name, name, "--security-info").out))
    g.virsh("snapshot-create", g.name, path, "--redefine", *args)


def edit_domain(g, edit):
    xml = g.xml(inactive=True)
    edit(xml)
    g.define(ET.tostring(xml, encoding="unicode"))


# How another guest comes by an image of ours: a path that says the same thing differently.
def plainly(t, g, path):
    return path


def by_hard_link(t, g, path):
    other = t.path("link-" + os.path.basename(path))
    os.link(path, other)
    return other


def by_symlink(t, g, path):
    other = t.path("symlink-" + os.path.basename(path))
    os.symlink(path, other)
    return other


def by_symlinked_directory(t, g, path):
    other = t.path("linked")
    os.symlink(g.dir, other)
    return os.path.join(other, os.path.basename(path))


def by_dots(t, g, path):
    return os.path.join(g.dir, "..", os.path.basename(g.dir), ".", os.path.basename(path))


WAYS = [plainly, by_hard_link, by_symlink, by_symlinked_directory, by_dots]


@test(cases=[(w, s) for w in WAYS for s in ("s1", "s2")])
@requires("program")
def another_guest_stands_on_the_frozen_image(t, way, name):
    g = take(t.guest(), "s1", "s2", "s3")
    base = way(t, g, frozen(g, name))
    other = t.guest(name="other", disks=[{"target": "vda", "backing": base}],
                    dir=t.path("others"))
    other.oracle.write("vda", "1M", "64k", 9)
    r = g.vext(COMMAND, g.name, name, "--direction", "commit")
    t.rc(r, 1)
    other.oracle.check_all()
    g.oracle.check_all()
    delete(g, name)
    g.oracle.deleted(name)
    other.oracle.check_all()
    other.oracle.check_chain_clean(start=True)
    delete(g, "--all")
    g.oracle.deleted(*[s for s in ("s1", "s2", "s3") if s != name])
    other.oracle.check_all()
    other.oracle.check_chain_clean(start=True)
    g.oracle.check_chain_clean(start=True, allow=g.oracle._files())


@test(cases=["s1", "s2"])
@requires("program")
def another_guest_stands_there_through_a_snapshot_only(t, name):
    """Its disk is elsewhere by now; its snapshot's state is an overlay on an image of ours."""
    g = take(t.guest(), "s1", "s2", "s3")
    other = t.guest(name="other", disks=[{"target": "vda", "backing": frozen(g, name)}],
                    dir=t.path("others"))
    take(other, "x1")
    plain = image(t.path("plain.qcow2"))
    xml = other.xml(inactive=True)
    xml.find("devices/disk/source").set("file", plain)
    for b in xml.findall("devices/disk/backingStore"):
        xml.find("devices/disk").remove(b)
    other.define(ET.tostring(xml, encoding="unicode"))
    before = content(frozen(other, "x1"))
    t.rc(g.vext(COMMAND, g.name, name, "--direction", "commit"), 1)
    delete(g, name)
    g.oracle.deleted(name)
    delete(g, "--all")
    t.eq(content(frozen(other, "x1")), before)
    g.oracle.deleted(*[s for s in ("s1", "s2", "s3") if s != name])


@test(cases=["s1", "s2", "s3"])
@requires("program")
def a_clone_in_the_same_directory_that_no_domain_uses(t, name):
    g = take(t.guest(), "s1", "s2", "s3")
    clone = image(os.path.join(g.dir, "clone.qcow2"), backing=frozen(g, name),
                  writes=[("2M", "64k", 5)])
    before = content(clone)
    delete(g, "--all")
    g.oracle.deleted("s1", "s2", "s3")
    t.eq(content(clone), before)


@test(cases=["s1", "s2"])
@requires("program")
def a_clone_in_another_pool_that_no_domain_uses(t, name):
    g = take(t.guest(), "s1", "s2", "s3")
    os.makedirs(t.path("clones"))
    clone = image(t.path("clones", "clone.qcow2"), backing=frozen(g, name),
                  writes=[("2M", "64k", 5)])
    g.daemon.pool("clones", t.path("clones"))
    g.virsh("pool-refresh", "clones")
    before = content(clone)
    delete(g, "--all")
    g.oracle.deleted("s1", "s2", "s3")
    t.eq(content(clone), before)


@test(cases=[("s1", "--direction", "commit"), ("s1",), ("s2",), ("--all",)])
@requires("program")
def two_disks_of_the_guest_have_the_image(t, *args):
    """vdb's root image is vdc too: libvirt defines and takes snapshots of such a thing."""
    g = t.guest(disks=2)
    o = g.oracle
    shared = g.active("vdb").path

    def add(xml):
        disk = ET.fromstring(ET.tostring(xml.find("devices/disk[2]")))
        disk.find("target").set("dev", "vdc")
        for a in disk.findall("address"):
            disk.remove(a)
        xml.find("devices").append(disk)
    edit_domain(g, add)
    o.write("vdb", "1M", "1M", 7)
    before = content(shared)
    for name in ("s1", "s2"):
        o.snapshot(name, disks=["vda", "vdb"])
        o.write("vdb", "2M", "1M", 8)
    r = g.vext(COMMAND, g.name, *args)
    t.eq(g.active("vdc").path, shared)
    t.eq(content(shared), before)
    if r.rc == 0:
        o.forget(*(("s1", "s2") if "--all" in args else args[:1]))
    o.check_all()


@test(cases=["s2", "twin"])
@requires("program")
def two_snapshots_with_one_frozen_image(t, name):
    """The same snapshot defined a second time under another name."""
    g = take(t.guest(), "s1", "s2", "s3")
    redefine(g, "s2", lambda x: re.sub("<name>s2</name>", "<name>twin</name>", x, count=1))
    g.oracle.snapshots["twin"] = {"vda": g.oracle.snapshots["s2"]["vda"] + ".twin"}
    subprocess.run(["cp", g.oracle.snapshots["s2"]["vda"], g.oracle.snapshots["twin"]["vda"]],
                   check=True)
    g.oracle.check_all()
    delete(g, name)
    g.oracle.deleted(name)
    delete(g, "s1")
    g.oracle.deleted("s1")
    rest = "twin" if name == "s2" else "s2"
    delete(g, rest)
    g.oracle.deleted(rest)
    g.oracle.check_chain_clean(start=True)


@test(cases=["s1", "s2", "s3"])
@requires("program")
def a_domain_renamed_since(t, name):
    g = take(t.guest(), "s1", "s2", "s3")
    r = g.virsh("domrename", g.name, "renamed", check=False)
    if r.rc != 0:
        # libvirt renames no domain with snapshots: it is done by defining both again
        saved = {n: g.virsh("snapshot-dumpxml", g.name, n, "--security-info").out
                 for n in ("s1", "s2", "s3")}
        xml = g.virsh("dumpxml", g.name, "--inactive").out
        g.virsh("undefine", g.name, "--snapshots-metadata")
        g.define(xml.replace(f"<name>{g.name}</name>", "<name>renamed</name>"))
        g.name = "renamed"
        for n in ("s1", "s2", "s3"):
            path = os.path.join(g.workdir, "s.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(saved[n].replace("<name>vm1</name>", "<name>renamed</name>"))
            g.virsh("snapshot-create", "renamed", path, "--redefine")
    g.name = "renamed"
    delete(g, name)
    g.oracle.deleted(name)
    g.oracle.check_chain_clean(start=True)


@test(cases=["s1", "s2"])
@requires("program")
def a_disk_that_has_another_target_now(t, name):
    g = take(t.guest(disks=2), "s1", "s2")

    def rename(xml):
        for disk in xml.iterfind("devices/disk"):
            if disk.find("target").get("dev") == "vdb":
                disk.find("target").set("dev", "vdc")
                for a in disk.findall("address"):
                    disk.remove(a)
    edit_domain(g, rename)
    g.oracle.model["vdc"] = g.oracle.model.pop("vdb")
    before = content(g.active("vdc").path)
    r = g.vext(COMMAND, g.name, name)
    if r.rc == 0:
        g.oracle.forget(name)
    g.oracle.check_all()
    r = g.vext(COMMAND, g.name, "--all")
    g.oracle.check_active()
    t.eq(content(g.active("vdc").path), before)


@test(cases=["s1", "s2"])
@requires("program")
def a_disk_that_was_detached(t, name):
    g = take(t.guest(disks=2), "s1", "s2")
    tip = g.active("vdb").path
    before = content(tip)
    config = ET.tostring(g.xml(inactive=True), encoding="unicode")

    def detach(xml):
        devices = xml.find("devices")
        for disk in devices.findall("disk"):
            if disk.find("target").get("dev") == "vdb":
                devices.remove(disk)
    edit_domain(g, detach)
    model = g.oracle.model.pop("vdb")
    r = g.vext(COMMAND, g.name, name)
    g.oracle.check_active()
    if r.rc == 0:
        g.oracle.forget(name)
    g.oracle.check_all()
    t.ok(os.path.exists(tip), "what the guest wrote last on the detached disk is there")
    t.eq(content(tip), before)
    # and attached again
    xml = ET.fromstring(config)
    now = g.xml(inactive=True)
    for disk in xml.iterfind("devices/disk"):
        for b in disk.findall("backingStore"):
            disk.remove(b)
        if disk.find("target").get("dev") == "vdb":
            now.find("devices").append(disk)
    g.define(ET.tostring(now, encoding="unicode"))
    g.oracle.model["vdb"] = model
    g.oracle.check_all()
    rest = [s for s in ("s1", "s2") if s in g.oracle.snapshots]
    delete(g, *rest)
    g.oracle.deleted(*rest)


@test(cases=[("s1", "off"), ("s2", "off"), ("s3", "off"), ("s1", "running"), ("s2", "running"),
             ("s3", "running")])
@requires("program")
def with_an_internal_snapshot_in_the_overlay(t, name, state):
    """What an internal snapshot needs is its image and all below, as they are."""
    g = t.guest()
    take(g, "s1", "s2")
    g.virsh("snapshot-create-as", g.name, "i1")
    holder, model = g.active("vda").path, t.path("model")
    subprocess.run(["cp", g.oracle.model["vda"], model], check=True)
    g.oracle.snapshots["i1"] = {}
    take(g, "s3", at=3)
    if state == "running":
        g.start()
    r = g.vext(COMMAND, g.name, name)
    if r.rc == 0:
        g.oracle.forget(name)
    g.oracle.check_all()
    g.destroy()
    raw = t.path("i1.raw")
    qemu_img("convert", "-f", "qcow2", "-l", "i1", "-O", "raw", holder, raw)
    qemu_img("compare", "-f", "raw", "-F", "raw", raw, model)


if __name__ == "__main__":
    main()
