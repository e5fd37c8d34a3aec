#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How qemu-img is run on images that others made: with limits, and on files that were opened and
looked at, not on names that something else can have by then."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

DELETE = "snapshot-delete-external"


def wrapped(t, script):
    """The environment in which the script is qemu-img; $REAL is the real one."""
    folder = t.path("bin")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "qemu-img")
    with open(path, "w") as f:
        f.write(f"#!/bin/bash\nREAL='{shutil.which('qemu-img')}' LOG='{t.path('log')}'\n{script}\n")
    os.chmod(path, 0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def some(t, **kwargs):
    g = t.guest(**kwargs)
    for i, name in enumerate(("s1", "s2")):
        g.oracle.write("vda", f"{i}M", "1M", 0x21 + i)
        g.oracle.snapshot(name)
    g.oracle.write("vda", "8M", "3M", 0x77)
    return g


def log(t):
    try:
        with open(t.path("log")) as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


@test
@requires("program")
def a_pull_above_a_template_maps_no_more_than_it_must(t):
    """The two that say what it costs, and what is written before and after the flush."""
    template = image(t.path("template.qcow2"), writes=[(0, "4M", 5)])
    g = some(t, disks=[{"target": "vda", "backing": template}])
    env = wrapped(t, 'echo "$*" >>"$LOG"; exec "$REAL" "$@"')
    t.rc(g.vext(DELETE, g.name, "s2", "--direction", "pull", env=env), 0)
    t.eq([line.split()[0] for line in log(t)], ["map"] * 4)
    g.oracle.deleted("s2")


@test(cases=["file", "block"])
@requires("program")
def a_map_has_limits_and_no_names(t, kind):
    """And its figures are right: those of what was written above s2's image."""
    g = some(t, kind=kind)
    env = wrapped(t, 'echo "$(ulimit -v) $(ulimit -t) $(ulimit -f) $*" >>"$LOG"; '
                     'exec "$REAL" "$@"')
    r = t.rc(g.vext(DELETE, g.name, "s2", "--direction", "commit", "--dry-run", env=env), 0)
    t.has(r.out, "Would move 3M,")
    maps = [line for line in log(t) if " map " in line]
    t.ok(maps, "it was mapped")
    for line in maps:
        memory, seconds, size, args = line.split(" ", 3)
        t.eq((memory, seconds, size), ("1048576", "10", "65536"))
        t.has(args, "/dev/fd/")
        t.ok(g.dir not in args and "/dev/loop" not in args, args)


@test
@requires("program")
def a_deep_chain_of_a_large_disk_fits_into_the_limits(t):
    top = t.path("0")
    qemu_img("create", "-q", "-f", "qcow2", top, "2T")
    for i in range(1, 60):
        below, top = top, t.path(str(i))
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, top, "2T")
    g = t.guest(disks=[{"path": top, "create": False}])
    g.snapshot("s1")
    r = t.rc(g.vext(DELETE, g.name, "s1", "--dry-run", "--json"), 0)
    plan = json.loads(r.out)
    t.eq((plan["bytes_exact"], plan["bytes_moved"]), (True, 0))


@test
@requires("program")
def a_map_without_end_ends(t):
    """What cannot be measured is said to be a guess."""
    g = some(t)
    env = wrapped(t, 'test "$1" = map || exec "$REAL" "$@"; exec yes "[1,"')
    r = t.rc(g.vext(DELETE, g.name, "s2", "--dry-run", env=env), 0)
    t.has(r.out, "Would move ")
    t.rc(g.vext(DELETE, g.name, "s2", env=env), 0)
    g.oracle.deleted("s2")
    g.oracle.check_all()


@test
@requires("program")
def an_image_that_is_exchanged_is_not_looked_into(t):
    """While the map is made another image has the name of s2's; the figures are the old one's."""
    g = some(t)
    frozen = g.snapshot_xml("s2").find("domain/devices/disk/source").get("file")
    other = t.path("other.qcow2")
    image(other)
    env = wrapped(t, f'test "$1" = map || exec "$REAL" "$@"; mv {frozen} {frozen}.away; '
                     f'cp {other} {frozen}; "$REAL" "$@"; rc=$?; mv {frozen}.away {frozen}; '
                     'echo map >>"$LOG"; exit $rc')
    r = t.rc(g.vext(DELETE, g.name, "s2", "--direction", "pull", "--dry-run", env=env), 0)
    t.has(r.out, "Would move 1M,")
    t.ok(log(t), "it was mapped")


@test
@requires("program")
def the_header_of_another_format_is_read_so_too(t):
    """What qemu-img complains of has the image's own name."""
    base, top = t.path("base.vdi"), t.path("top.qcow2")
    qemu_img("create", "-q", "-f", "vdi", base, "24M")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "vdi", "-b", base, top)
    g = t.guest(disks=[{"path": top, "create": False}])
    env = wrapped(t, 'echo "$(ulimit -v) $(ulimit -t) $*" >>"$LOG"; exec "$REAL" "$@"')
    t.rc(g.vext("chain-show", g.name, "--check", env=env), 0)
    t.eq(log(t), ["1048576 10 info --output=json -U -f vdi /dev/fd/100"])
    with open(base, "r+b") as f:
        f.truncate(100)
    r = t.rc(g.vext("chain-show", g.name, "--check"), 1)
    t.has(r.out, base)
    t.ok("/dev/fd" not in r.out, r.out)


if __name__ == "__main__":
    main()
