#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU as an ordinary user who owns the images, and clients who may not read them."""
import os
import pwd
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

USER = "nobody"


def daemon(t):
    try:
        pw = pwd.getpwnam(USER)
    except KeyError:
        raise Skip(f"no user {USER}")
    return t.daemon(qemu_conf=f'user = "{USER}"\ngroup = "+{pw.pw_gid}"\n'), pw


def guest(t, start):
    d, pw = daemon(t)
    g = t.guest(daemon=d, disks=2)
    o = g.oracle
    os.chown(g.dir, pw.pw_uid, pw.pw_gid)
    os.chmod(g.dir, 0o700)
    for disk in g.disks.values():
        os.chown(disk.path, pw.pw_uid, pw.pw_gid)
        os.chmod(disk.path, 0o600)
    if start:
        g.start()
    return g, o, pw


def take(o, *names, **kwargs):
    for i, name in enumerate(names):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
        o.snapshot(name, **kwargs)
    for d in o.model:
        o.write(d, "9M", "512k", 0x77)


@test(cases=["running", "off"])
@requires("program")
def delete(t, state):
    g, o, pw = guest(t, state == "running")
    take(o, "s1", "s2", "s3")
    for name in ("s2", "s3", "s1"):
        t.rc(g.vext("snapshot-delete-external", g.name, name), 0)
        o.deleted(name)
    g.destroy()
    o.check_chain_clean(start=True)


@test(cases=["running", "off", "memory"])
@requires("program")
def revert(t, state):
    g, o, pw = guest(t, state != "off")
    take(o, "s1", "s2", memory=state == "memory")
    how = ["--running"] if state == "running" else []
    for name in ("s1", "s2", "s1"):
        t.rc(g.vext("snapshot-revert-external", g.name, name, *how), 0)
        o.revert(name)
        o.check_all()
        t.eq(g.state(), "shut off" if state == "off" else "running")
    if state != "off":
        for source in g.active().values():
            t.eq(os.stat(source.path).st_uid, pw.pw_uid, f"owner of {source.path}")
        o.write("vda", "5M", "1M", 0x33)
    t.rc(g.vext("snapshot-delete-external", g.name, "--all"), 0)
    o.deleted("s1", "s2")


@test(cases=[0o711, 0o700])
@requires("program")
def a_client_who_may_not_read_the_images(t, mode):
    """Same machine, but what the images stand on is known to the daemon alone."""
    if not util.have("setpriv"):
        raise Skip("missing: setpriv")
    g = t.guest()
    o = g.oracle
    take(o, "s1", "s2", "s3")
    for name in os.listdir(g.dir):
        os.chmod(os.path.join(g.dir, name), 0o600)
    os.chmod(g.dir, mode)

    os.chmod(t.path(), 0o755)
    program = util.program_copy(t.path())

    def client(*args):
        return util.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         *program, "-c", g.daemon.uri, *args], check=False)
    t.rc(client("snapshot-delete-external", g.name, "s2"), 0)
    o.deleted("s2")
    t.rc(client("snapshot-revert-external", g.name, "s1"), 0)
    o.revert("s1")
    o.check_all()
    t.rc(client("snapshot-delete-external", g.name, "--all"), 0)
    o.deleted("s1", "s3")
    o.check_chain_clean(start=True)
    t.eq(g.virsh("pool-list", "--all", "--name").out.strip(), "")


if __name__ == "__main__":
    main()
