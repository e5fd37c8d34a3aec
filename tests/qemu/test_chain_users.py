#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-show and delete on images that somebody else needs too."""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402


def clone(t, g, **kwargs):
    """vm2, with a disk of its own on the image that s1 of @g froze."""
    path = t.path("vm2.qcow2")
    image(path, backing=g.disks["vda"].path)
    return t.guest("vm2", daemon=g.daemon, disks=[{"path": path, "create": False}], **kwargs), path


def moves_on(t, other, path):
    """vm2's configuration names another image than @path from now on."""
    image(t.path("elsewhere.qcow2"))
    other.define(other.virsh("dumpxml", other.name, "--inactive").out
                 .replace(path, t.path("elsewhere.qcow2")))


def refuses_to_commit(t, g, path):
    """No delete writes to what vm2 stands on, whatever vm2's configuration names."""
    with open(path, "rb") as f:
        before = f.read()
    base = content(g.disks["vda"].path)
    r = g.vext("snapshot-delete-external", g.name, "s1", "--direction", "commit")
    t.rc(r, 1)
    t.has(r.err, "vm2")
    t.eq(content(g.disks["vda"].path), base, "what vm2 stands on")
    with open(path, "rb") as f:
        t.eq(f.read(), before, "vm2's image")


def content(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@test
@requires("program")
def what_only_a_managed_save_needs_is_used(t):
    """It is restored with the disks that it was saved with, whatever vm2 was given since."""
    g = t.guest()
    g.snapshot("s1")
    g.oracle.write("vda", 0, "64k", 0x11)
    other, path = clone(t, g, start=True)
    other.virsh("managedsave", other.name)
    moves_on(t, other, path)
    for shown in (show(g), show(g, readonly=True), show(g, "--orphans")):
        t.eq(image_of(shown, "vda", g.disks["vda"].path)["used_by"], ["vm2"])
        t.eq(image_of(shown, "vda", path)["used_by"], ["vm2"])
        t.eq(codes(shown), ["shared-image"])
    refuses_to_commit(t, g, path)


@test
@requires("program")
def what_only_a_snapshot_needs_is_used(t):
    g = t.guest()
    g.snapshot("s1")
    g.oracle.write("vda", 0, "64k", 0x11)
    other, path = clone(t, g)
    other.snapshot("x", files={"vda": t.path("vm2.x")})
    moves_on(t, other, t.path("vm2.x"))
    r = t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0)
    for shown in (show(g), next(d for d in json.loads(r.out) if d["domain"]["name"] == g.name)):
        for name in (g.disks["vda"].path, path, t.path("vm2.x")):
            t.eq(image_of(shown, "vda", name)["used_by"], ["vm2"], name)
        t.eq(codes(shown), ["shared-image"])
    refuses_to_commit(t, g, path)


@test(cases=["running", "shut-off", "cdrom"])
@requires("program")
def an_image_below_that_another_writes(t, how):
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("s2")
    path = os.path.join(g.dir, "vda.s1")
    more = {"device": "cdrom", "target": "hda"} if how == "cdrom" else {}
    t.guest("vm2", daemon=g.daemon, disks=[{"path": path, "create": False, **more}],
            start=how == "running")
    found = {(f["code"], f["severity"], f["image"], f.get("snapshot"))
             for f in show(g)["findings"] if f["image"] == path}
    t.eq(found, {"running": {("shared-image", "error", path, None),
                             ("stale-snapshot", "error", path, "s2")},
                 "shut-off": {("shared-image", "warning", path, None)},
                 "cdrom": {("shared-image", "notice", path, None)}}[how])


if __name__ == "__main__":
    main()
