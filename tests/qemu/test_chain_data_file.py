#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""External data files of qcow2 images: a guest's data in a file that no chain names."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402


def guest(t):
    """vm1, whose data are in the raw file that is returned with it."""
    top, data = t.path("top.qcow2"), t.path("data")
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", top, "24M")
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", top])
    return t.guest(disks=[{"path": top, "create": False}]), data


def content(path):
    with open(path, "rb") as f:
        return f.read()


@test
@requires("program")
def another_domain_that_uses_it_raw_is_seen_and_does_not_commit_into_it(t):
    g, data = guest(t)
    other = t.guest("vm2", daemon=g.daemon, disks=[{"path": data, "create": False,
                                                    "format": "raw"}])
    t.eq(codes(show(g)), ["shared-image"])
    t.eq(image_of(show(other), "vda", data)["used_by"], ["vm1"])
    overlay = t.path("vm2.s1")
    other.snapshot("s1", files={"vda": overlay})
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 0 64k", overlay])
    before = content(data)
    r = t.rc(other.vext("snapshot-delete-external", "vm2", "s1", "--direction", "commit"), 1)
    t.has(r.err, "vm1")
    t.rc(other.vext("snapshot-delete-external", "vm2", "s1"), 0)
    t.eq(content(data), before, "what vm1 reads")


@test
@requires("program")
def what_the_guest_writes_into_it_makes_no_orphan_of_it(t):
    """It may begin as an image that stands on one of the chain does."""
    g, data = guest(t)
    base, fake = t.path("base.qcow2"), t.path("fake")
    image(base)
    image(fake, backing=base)
    with open(data, "r+b") as f:
        f.write(content(fake))
    os.unlink(fake)
    t.guest("vm2", daemon=g.daemon, disks=[{"path": base, "create": False}])
    for name in ("vm1", "vm2"):
        r = t.rc(g.daemon.vext("chain-show", name, "--orphans", "--check"), 0)
        t.eq(r.out.strip(), "", name)


@test
@requires("program")
def that_of_an_image_that_nobody_uses_is_found_too(t):
    """That it is one says only a file that may be a guest's raw disk."""
    base, old, data, fake = (t.path(n) for n in ("base.qcow2", "old.qcow2", "data", "fake"))
    image(base)
    image(fake, backing=base)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, "-o", f"data_file={data}",
             old, "24M")
    with open(data, "r+b") as f:
        f.write(content(fake))
    os.unlink(fake)
    g = t.guest(disks=[{"path": base, "create": False}])
    r = t.rc(g.vext("chain-show", g.name, "--orphans", "--check", "--json"), 1)
    t.eq(sorted(os.path.basename(f["image"]) for f in json.loads(r.out)["findings"]),
         ["data", "old.qcow2"])


@test
@requires("program")
def a_layer_with_one_stays_with_it(t):
    base, middle, data = t.path("base.qcow2"), t.path("middle.qcow2"), t.path("data")
    image(base)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, "-o", f"data_file={data}",
             middle)
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", middle])
    g = t.guest(disks=[{"path": middle, "create": False}])
    for name in ("s1", "s2"):
        g.snapshot(name)
    before = content(data)
    for direction in ("commit", "pull"):
        r = t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--direction", direction), 1)
        t.has(r.err, "external data file")
    r = t.rc(g.vext("snapshot-delete-external", g.name, "--all"), 0)
    t.has(r.err, "stays as an unnamed layer")
    t.eq(content(data), before, "the data file")
    t.eq(chain(show(g), "vda")[:2], ["base.qcow2", "middle.qcow2"])


if __name__ == "__main__":
    main()
