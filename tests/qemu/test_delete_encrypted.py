#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external on images encrypted with LUKS, whose secrets only XML names."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *
from vext.luks import encrypted, take

COMMAND = "snapshot-delete-external"


def delete(g, *args, rc=0):
    r = g.vext(COMMAND, g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}\n{r.out}{r.err}")
    return r


@test(cases=[(s, d, w) for s in ("running", "off") for d in ("commit", "pull")
             for w in ("s1", "s2", "s3", "s1-s2")], timeout=120)
@requires("program")
def encrypted_overlays(t, state, direction, which):
    g = encrypted(t, where="source" if which == "s1" else "disk")
    take(t, g, "s1", "s2", "s3", kind="luks")
    names = which.split("-")
    if state == "off":
        g.destroy()
    elif direction == "pull" and which != "s3":
        skip("a running guest pulls only into the image that it writes")
    delete(g, *names, "--direction", direction)
    g.oracle.deleted(*names)
    g.destroy()
    g.oracle.check_chain_clean(start=True)
    # and once more, on what that left
    left = [n for n in ("s1", "s2", "s3") if n not in names]
    delete(g, left[0])
    g.oracle.deleted(left[0])
    g.oracle.check_chain_clean(start=True)


@test(cases=["running", "off"], timeout=120)
@requires("program")
def overlays_in_the_clear_go_into_an_encrypted_base_but_not_the_other_way_round(t, state):
    g = encrypted(t)
    take(t, g, "s1", "s2", "s3")
    first = json.loads(qemu_img("info", "-U", "--output=json", "-f", "qcow2",
                                g.overlay_path("s1", "vda")).out)
    if first["backing-filename-format"] != "qcow2":
        skip("this libvirt records 'luks' as the format of an encrypted qcow2 image")
    if state == "off":
        g.destroy()
    r = delete(g, "s1", "--direction", "pull", "--dry-run", rc=1)
    if state == "off":
        t.has(r.err, "is encrypted, and")
    delete(g, "s2")
    g.oracle.deleted("s2")
    delete(g, "s1")
    g.oracle.deleted("s1")
    g.destroy()
    g.oracle.check_chain_clean(start=True)
    delete(g, "--all")
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean(start=True)
    t.eq(len(g.chain("vda")), 1)


@test(timeout=120)
@requires("program")
def what_libvirt_cannot_start_any_more_can_be_merged(t):
    """A snapshot taken while shut off: libvirt forgets the secret of what it puts below."""
    g = encrypted(t, start=False)
    o = g.oracle
    o.write("vda", "1M", "1M", 0x11)
    r = g.snapshot("s1", check=False)
    if r.rc != 0:
        skip("this libvirt takes no snapshot of an encrypted image of a guest that is shut off")
    o.taken("s1")
    t.ok(g.virsh("start", g.name, check=False).rc != 0, "libvirt starts it")
    o.write("vda", "2M", "1M", 0x22)
    delete(g, "s1")
    o.deleted("s1")
    o.check_chain_clean(start=True)


@test(timeout=120)
@requires("program")
def without_a_secret_it_is_refused(t):
    g = encrypted(t)
    take(t, g, "s1", kind="luks")
    g.destroy()
    for name in [None, "s1"]:
        xml = (g.virsh("dumpxml", g.name, "--inactive").out if name is None else
               g.virsh("snapshot-dumpxml", g.name, name).out)
        while "<encryption" in xml:
            start, end = xml.index("<encryption"), xml.index("</encryption>")
            xml = xml[:start] + xml[end + len("</encryption>"):]
        path = os.path.join(g.workdir, "without.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(xml)
        if name is None:
            g.virsh("define", path)
        else:
            g.virsh("snapshot-create", g.name, path, "--redefine", "--current")
    before = g.virsh("dumpxml", g.name).out, g.virsh("snapshot-dumpxml", g.name, "s1").out
    r = delete(g, "s1", rc=1)
    t.has(r.err, "is encrypted, and neither the domain nor a snapshot says with which secret")
    t.has(r.err, f"virsh edit {g.name}")
    r = delete(g, "s1", "--dry-run", "--json", rc=1)
    t.eq([x["code"] for x in json.loads(r.out)["refusals"]], ["encrypted"])
    t.eq((g.virsh("dumpxml", g.name).out, g.virsh("snapshot-dumpxml", g.name, "s1").out), before)


if __name__ == "__main__":
    main()
