#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pull whose QEMU died after cutting the image off, before what it pulled was written."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402


def killed_before_the_pull(t, snapshots):
    """A guest with s1 … s4, and a delete of some that died with its helper not yet at work."""
    matrix.require_faults()
    g = t.guest()
    o = g.oracle
    for i in range(1, 5):
        o.write("vda", f"{i}M", "1M", 0x20 + i)
        o.snapshot(f"s{i}")
    o.write("vda", "6M", "64k", 0x55)
    r = run([*matrix.program(), "-c", g.daemon.uri, "snapshot-delete-external", g.name,
             *snapshots, "--direction", "pull"], check=False,
            env={**g.daemon.env(), **matrix.environment("start-helper-after", "kill")})
    t.eq(r.rc, -9)
    t.wait_for(lambda: not any(g.name in n for n in g.daemon.virsh(
        "list", "--name").out.split()), "the helper's end")
    return g


def cut(g, top, below):
    """What QEMU's death leaves at the worst moment: the header says done, nothing was copied."""
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, top)


@test(cases=[("s2",), ("s2", "s3")])
@requires("program")
def what_was_not_copied_is_copied_again(t, *snapshots):
    g = killed_before_the_pull(t, snapshots)
    cut(g, g.overlay_path(snapshots[-1], "vda"), g.disks["vda"].path)
    r = g.vext("chain-repair", g.name, "--abort")
    t.eq(r.rc, 1)
    t.has(r.err, "cut off")
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.deleted(*snapshots)
    g.oracle.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
