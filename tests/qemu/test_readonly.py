#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""On a read-only connection nothing is changed: not the domain, its snapshots, its files, the pools
or the daemon."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

DISPLAY = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='hushhush'/>"


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def files(top):
    """Everything below a directory: what it is, and, of files, all that says it was not touched."""
    found = {}
    for folder, names, others in os.walk(top):
        for name in names + others:
            path = os.path.join(folder, name)
            s = os.lstat(path)
            found[path] = (s.st_ino, s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns,
                           s.st_ctime_ns, digest(path) if os.path.isfile(path) else None)
    return found


def state(t, g):
    """What a change could be seen by."""
    d = g.daemon
    names = sorted(g.snapshots())
    return {
        "files": files(g.dir), "elsewhere": sorted(os.listdir(t.path())),
        "domains": d.virsh("list", "--all").out,
        "live": g.virsh("dumpxml", g.name, "--security-info").out,
        "configured": g.virsh("dumpxml", g.name, "--inactive", "--security-info").out,
        "snapshots": {n: g.virsh("snapshot-dumpxml", g.name, n, "--security-info").out
                      for n in names},
        "current": g.current(), "pools": d.virsh("pool-list", "--all", "--details").out,
        "jobs": [g.virsh("blockjob", g.name, "vda", check=False).out],
        "log": [d.virt_admin(c).out for c in ("daemon-log-filters", "daemon-log-outputs")],
    }


def some(t, start):
    """A guest with snapshots and, for chain-show, with something to find out."""
    g = t.guest(start=start, xml=DISPLAY)
    for i, name in enumerate(("s1", "s2", "s3")):
        g.oracle.write("vda", f"{i}M", "1M", 0x21 + i)
        g.oracle.snapshot(name)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", g.chain("vda")[-1],
             os.path.join(g.dir, "orphan.qcow2"))
    # nothing of the guest's own in the middle of it
    if start:
        g.pause()
    return g


@test(cases=["running", "off"])
@requires("program")
def what_only_looks_changes_nothing(t, how):
    g = some(t, how == "running")
    before = state(t, g)
    for args, rc in ((["chain-show", g.name], 0), (["chain-show", "--all", "--table"], 0),
                     (["chain-show", g.name, "--json", "--orphans"], 0),
                     (["chain-show", g.name, "--check", "--orphans"], 1),
                     (["host-check"], 0), (["host-check", "--json"], 0)):
        r = t.rc(g.vext("-r", *args), rc)
        t.ok("hushhush" not in r.out + r.err, r)
        t.eq(state(t, g), before, f"after {args}")
    t.has(g.vext("-r", "chain-show", g.name, "--check", "--orphans").out, "[orphan-file]")


@test(cases=["running", "off"])
@requires("program")
def what_changes_something_is_refused_with_the_log_of_the_daemon_too(t, how):
    g = some(t, how == "running")
    path = t.path("daemon.log")
    before = state(t, g)
    for args in (["snapshot-delete-external", g.name, "s1"],
                 ["snapshot-delete-external", g.name, "--all"],
                 ["snapshot-revert-external", g.name, "s1"],
                 ["snapshot-revert-external", g.name, "s1", "--save-current", "now"],
                 ["chain-repair", g.name]):
        for more in ([], ["--daemon-log", path], ["--daemon-log", path, "--dry-run"]):
            r = g.vext("-r", *args, *more)
            # there is nothing to repair
            t.ok(r.rc == 1 or args[0] == "chain-repair", r)
            t.ok("hushhush" not in r.out + r.err, r)
            t.eq(state(t, g), before, f"after {args} {more}")
    t.ok(not os.path.exists(path), "the daemon's log was begun")


@test
@requires("program")
def a_socket_that_is_read_only_is_said_to_be(t):
    """Nobody asked for such a connection: the URI names the socket."""
    g = some(t, False)
    before = state(t, g)
    uri = g.daemon.uri.replace("libvirt-sock", "libvirt-sock-ro")
    for args in (["snapshot-delete-external", g.name, "s1"],
                 ["snapshot-delete-external", g.name, "s1", "--dry-run"],
                 ["snapshot-revert-external", g.name, "s1"]):
        r = t.rc(util.run([*util.program(), "-c", uri, *args], check=False), 1)
        t.has(r.err, "The connection is read-only")
        t.eq(state(t, g), before, f"after {args}")


if __name__ == "__main__":
    main()
