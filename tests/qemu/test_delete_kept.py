#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What snapshot-delete-external leaves alone: templates that the guest is cloned from anew, images
that the user keeps himself, what a smaller overlay cut off, memory that has another name."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

COMMAND = "snapshot-delete-external"


def delete(t, g, *args, rc=0):
    return t.rc(g.vext(COMMAND, g.name, *args), rc)


def frozen(g, name, target="vda"):
    return g.sources(g.snapshot_xml(name).find("domain"))[target].path


def content(path):
    with open(path, "rb") as f:
        return f.read()


def redefine(g, name, edit):
    path = os.path.join(g.workdir, "redefine.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(edit(g.virsh("snapshot-dumpxml", g.name, name, "--security-info").out))
    g.virsh("snapshot-create", g.name, path, "--redefine")


def replace_disk(g, old, new):
    xml = re.sub("(?s)<backingStore.*</backingStore>|<backingStore/>", "",
                 g.virsh("dumpxml", g.name, "--inactive").out)
    g.define(xml.replace(old, new))


def cloned_anew(t, middle=False):
    """template (<- middle) <- s1, whose overlay is gone, and template <- fresh, active."""
    os.mkdir(t.path("templates"))
    names = [t.path("templates", "t1.qcow2")]
    image(names[0], writes=[(0, "1M", 5)])
    if middle:
        names.append(image(t.path("templates", "t2.qcow2"), backing=names[0],
                           writes=[("1M", "1M", 6)]))
    g = t.guest(disks=[{"target": "vda", "backing": names[-1]}])
    g.oracle.write("vda", "2M", "1M", 0x11)
    g.oracle.snapshot("s1")
    old = g.active("vda").path
    fresh = image(os.path.join(g.dir, "fresh.qcow2"), backing=names[0],
                  writes=[(0, "64k", 0x99)])
    replace_disk(g, old, fresh)
    os.unlink(old)
    return g, names, fresh


@test(cases=[(s, m, a) for s in ("off", "running") for m in (False, True)
             for a in ("s1", "--all", "s1 --direction commit", "s1 --direction pull",
                       "s1 --unnamed")])
@requires("program")
def a_template_of_which_the_guest_is_a_fresh_clone(t, state, middle, args):
    g, names, fresh = cloned_anew(t, middle)
    if state == "running":
        g.start()
    before = [content(n) for n in names]
    delete(t, g, *args.split(), "--dry-run")
    delete(t, g, *args.split())
    t.ok([content(n) for n in names] == before, "the templates are as they were")
    t.eq(g.active("vda").path, fresh)
    t.eq(os.listdir(g.dir), ["fresh.qcow2"])


@test(cases=["s1", "--all", "s1 --direction pull"])
@requires("program")
def a_disk_that_the_user_keeps_himself(t, args):
    base = image(t.path("base.qcow2"), writes=[(0, "1M", 5)])
    g = t.guest(disks=[{"target": "vda"}, {"target": "vdb", "backing": base}])
    g.oracle.write("vda", "1M", "1M", 0x11)
    g.oracle.write("vdb", "1M", "1M", 0x11)
    kept = g.active("vdb").path
    path = t.path("s1.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'>"
                f"<source file='{g.overlay_path('s1', 'vda')}'/></disk>"
                "<disk name='vdb' snapshot='manual'/></disks></domainsnapshot>")
    r = g.virsh("snapshot-create", g.name, path, "--disk-only", check=False)
    if "unknown disk snapshot setting" in r.err:
        skip("libvirt before 8.2 leaves no disk to its user")
    t.rc(r, 0)
    copy = t.path("copy.qcow2")
    with open(copy, "wb") as f:
        f.write(content(kept))
    replace_disk(g, kept, copy)
    before = [content(p) for p in (base, kept, copy)]
    r = delete(t, g, *args.split())
    t.has(r.err, f"Image '{kept}' of disk 'vdb' stays as it is: snapshot 's1' leaves it to you")
    t.ok([content(p) for p in (base, kept, copy)] == before, "nothing of vdb has changed")
    g.oracle.check_active()


def shrunk(t, start=False):
    """24M (s1) <- 12M (s2) <- 24M"""
    g = t.guest()
    o = g.oracle
    o.write("vda", 0, "24M", 0x11)
    for name, size, more in (("s1", "12M", ["--shrink"]), ("s2", "24M", [])):
        o.snapshot(name)
        qemu_img("resize", "-f", "qcow2", *more, g.overlay_path(name, "vda"), size)
        o.resize("vda", size)
    o.write("vda", "20M", "1M", 0x22)
    o.check_all()
    if start:
        g.start()
    return g


@test(cases=[(n, d) for n in ("s1", "s2", "--all") for d in ("auto", "commit", "pull")])
@requires("program")
def a_disk_that_was_smaller_for_a_while(t, name, direction):
    """What was cut off must not come back: for the guest, nor for a snapshot."""
    g = shrunk(t)
    o = g.oracle
    r = g.vext(COMMAND, g.name, name, "--direction", direction)
    if direction != {"s2": "commit"}.get(name, "pull") and (name, direction) != ("s2", "auto"):
        t.rc(r, 1)
        t.has(r.err, f"Image '{g.overlay_path('s1', 'vda')}' is smaller than '{frozen(g, 's1')}'")
        t.has(r.err, "--direction " + ("pull" if direction == "auto" else "auto"))
        o.check_all()
        return
    t.rc(r, 0)
    o.deleted(*(("s1", "s2") if name == "--all" else (name,)))
    o.check_chain_clean(start=True)


@test(cases=["auto", "commit", "pull"])
@requires("program")
def in_the_middle_while_the_guest_runs(t, direction):
    g = shrunk(t, start=True)
    r = delete(t, g, "s1", "--direction", direction, rc=1)
    if direction == "auto":
        t.has(r.err, "Do it while the domain is shut off")
    g.oracle.check_all()
    g.destroy()
    delete(t, g, "s1", "--direction", "pull")
    g.oracle.deleted("s1")


@test(cases=["off", "running"])
@requires("program")
def a_base_that_cannot_grow(t, state):
    g = t.guest(format="raw", kind="block")
    o = g.oracle
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1")
    qemu_img("resize", "-f", "qcow2", g.overlay_path("s1", "vda"), "48M")
    o.resize("vda", "48M")
    o.write("vda", "40M", "1M", 0x22)
    if state == "running":
        g.start()
    for direction in ("auto", "commit"):
        r = delete(t, g, "s1", "--direction", direction, rc=1)
        t.has(r.err, "which cannot grow")
    o.check_all()
    delete(t, g, "s1", "--direction", "pull")
    o.deleted("s1")


def by_symlink(t, g, path):
    other = t.path("link")
    os.symlink(path, other)
    return other


def by_symlinked_directory(t, g, path):
    os.symlink(g.dir, t.path("dir"))
    return t.path("dir", os.path.basename(path))


def by_dots(t, g, path):
    return os.path.join(g.dir, "..", os.path.basename(g.dir), os.path.basename(path))


@test(cases=[by_symlink, by_symlinked_directory, by_dots])
@requires("program")
def memory_that_another_snapshot_calls_otherwise(t, way):
    g = t.guest(start=True)
    o = g.oracle
    memory = os.path.join(g.dir, "mem")
    o.write("vda", 0, "1M", 0x11)
    o.snapshot("s1", memory=memory)
    o.write("vda", "1M", "1M", 0x22)
    other = way(t, g, memory)
    o.snapshot("s2", memory=other)
    before = content(memory)
    r = delete(t, g, "s1")
    t.has(r.err, f"'{memory}' stays: snapshot 's2' of domain 'vm1' needs it")
    t.ok(content(memory) == before, "the memory of s2 is there")
    o.deleted("s1")
    delete(t, g, "s2")
    t.ok(not os.path.exists(memory) or way is by_symlink, "it goes with the last that names it")


@test(cases=["--unnamed", "s2", "s3", "--all"])
@requires("program")
def a_state_that_is_in_another_image_than_named(t, args):
    """As libvirt 9.0 leaves it when it deletes s1 with --metadata."""
    g = t.guest()
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "64k", 0x10 + i)
        o.snapshot(name)
    o.write("vda", "8M", "64k", 0x77)
    state, named = frozen(g, "s2"), frozen(g, "s1")
    g.virsh("snapshot-delete", g.name, "s1", "--metadata")
    o.forget("s1")
    if frozen(g, "s2") != named:
        redefine(g, "s2", lambda xml: xml.replace(f"'{state}'", f"'{named}'"))
    files = sorted(os.listdir(g.dir))
    r = delete(t, g, *args.split(), rc=1)
    t.has(r.err, f"Snapshot 's2' names '{named}' as its state, but the image that followed it "
                 f"stands on '{state}'")
    t.has(r.err, f"chain-repair {g.name}")
    t.eq(sorted(os.listdir(g.dir)), files)
    t.rc(g.vext("chain-repair", g.name), 0)
    o.check_all()
    delete(t, g, *args.split())
    o.deleted(*{"--unnamed": (), "--all": ("s2", "s3")}.get(args, (args,)))


@test(cases=["off", "running"])
@requires("program")
def a_disk_that_was_taken_out(t, state):
    """What is planned is what is done: its images stay as they are."""
    g = t.guest(disks=2)
    o = g.oracle
    for d in ("vda", "vdb"):
        o.write(d, 0, "4M", 0x11)
    o.snapshot("s1")
    for d in ("vda", "vdb"):
        o.write(d, "1M", "64k", 0x77)
    images = [frozen(g, "s1", "vdb"), g.active("vdb").path]
    before = [content(i) for i in images]
    g.virsh("detach-disk", g.name, "vdb", "--config")
    o.model.pop("vdb")
    if state == "running":
        g.start()
    for args in (["--direction", "commit", "--dry-run"], ["--direction", "commit"]):
        t.has(delete(t, g, "s1", *args, rc=1).err, "Domain 'vm1' has no disk 'vdb' any more")
    for args in (["--dry-run"], []):
        r = delete(t, g, "s1", *args)
        t.has(r.out + r.err, "Domain 'vm1' has no disk 'vdb' any more")
    t.ok([content(i) for i in images] == before, "its images are as they were")
    o.forget("s1")
    o.check_active()


if __name__ == "__main__":
    main()
