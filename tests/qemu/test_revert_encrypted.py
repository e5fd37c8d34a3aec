#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external on images encrypted with LUKS, whose secrets only XML names."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *
from vext.luks import encrypted, take

COMMAND = "snapshot-revert-external"


def header(path):
    return json.loads(qemu_img("info", "-U", "--output=json", "-f", "qcow2", path).out)


def reverted(t, g, name, encrypted, *args):
    """Reverts, and looks at what the new overlay is. (Comparing costs: libvirt makes keys that take
    seconds to try.)"""
    frozen = g.snapshot_xml(name).find(".//domain/devices/disk/source").get("file")
    before = g.virsh("dumpxml", g.name).out, sorted(os.listdir(os.path.dirname(frozen)))
    r = g.vext(COMMAND, g.name, name, *args)
    if r.rc == 1 and "qemu-img 5.2 is not able to" in r.err:
        t.has(r.err, "Nothing was changed")
        t.eq((g.virsh("dumpxml", g.name).out, sorted(os.listdir(os.path.dirname(frozen)))), before)
        skip("this qemu-img makes no overlay on an encrypted image")
    t.rc(r, 0)
    g.oracle.revert(name)
    info = header(g.active("vda").path)
    t.eq(info["full-backing-filename"], frozen)
    t.eq(info["backing-filename-format"], "qcow2")
    t.eq(bool(info.get("encrypted")), encrypted)


@test(cases=[("running", "disk"), ("off", "source")], timeout=200)
@requires("program")
def overlays_on_encrypted_images_are_encrypted(t, state, where):
    g = encrypted(t, where=where)
    take(t, g, "s1", "s2", kind="luks")
    running = ["--running"] if state == "running" else []
    if state == "off":
        g.destroy()
    reverted(t, g, "s2", True, *running)
    reverted(t, g, "s1", True, *running)
    g.oracle.check_chain_clean(start=state == "off")
    g.oracle.write("vda", "700k", "1M", 0x99)
    g.oracle.check_chain_clean(start=state == "off")


@test(timeout=200)
@requires("program")
def overlays_in_the_clear_stay_so_and_the_guest_starts_on_them(t):
    """On an encrypted root, as libvirt's own snapshots of a running guest make them."""
    g = encrypted(t)
    take(t, g, "s1", "s2")
    reverted(t, g, "s2", False, "--running")
    g.oracle.write("vda", "700k", "1M", 0x99)
    g.oracle.check_chain_clean()
    g.destroy()
    g.oracle.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
