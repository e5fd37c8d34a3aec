#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external of a shut-off domain, stopped by a signal, the time or a full disk."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402

COMMAND = "snapshot-delete-external"


def large(t, disks=1, **kwargs):
    """s1 <- s2 with much in the disk since; s1's image has much too."""
    g = t.guest(size="64M", disks=disks, **kwargs)
    o = g.oracle
    for d in o.model:
        o.write(d, "4M", "24M", 0x21)
    o.snapshot("s1")
    for d in o.model:
        o.write(d, "1M", "1M", 0x22)
    o.snapshot("s2")
    for d in o.model:
        o.write(d, "30M", "24M", 0x23)
    return g


def helper_gone(t, g):
    t.eq([n for n in g.daemon.virsh("list", "--all", "--name").out.split() if n != g.name], [])


def begin(t, g, *args):
    p = g.daemon.spawn_vext(COMMAND, g.name, *args, "--bandwidth", "1")
    t.wait_for(lambda: g.virsh("blockjob", g.name + ".virsh-ext", "vda", "--raw",
                               check=False).out.strip(), "the job to run")
    return p


def end(p):
    out, err = p.communicate(timeout=60)
    return p.returncode, err.decode() if isinstance(err, bytes) else err


@test(cases=[(s, d, drop) for s in ("SIGINT", "SIGTERM")
             for d, drop in (("commit", False), ("pull", False), ("pull", True))])
@requires("program")
def by_a_signal(t, sign, direction, drop):
    """What goes on is said, and the same command goes on, too; a pull can be dropped."""
    g = large(t)
    name = "s2" if direction == "commit" else "s1"
    chain = g.chain("vda")
    p = begin(t, g, name, "--direction", direction)
    p.send_signal(getattr(signal, sign))
    rc, err = end(p)
    if sign == "SIGINT":
        t.eq(rc, 3)
        t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
        g.oracle.check_active()
        g.oracle.check_snapshot("s1")
        r = t.rc(g.vext(COMMAND, g.name, name, "--direction", direction, "--dry-run"), 0)
        t.has(r.out, "was interrupted at step")
        t.rc(g.vext(COMMAND, g.name, name, "--dry-run", "--json"), 0)
    if direction == "pull":
        t.eq(g.chain("vda"), chain)
        g.oracle.check_all()
        if drop:
            t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
            helper_gone(t, g)
            g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, name, "--direction", direction), 0)
    g.oracle.deleted(name)
    helper_gone(t, g)
    g.oracle.check_chain_clean(start=True)


@test(cases=["commit", "pull"])
@requires("program")
def by_the_time_limit(t, direction):
    g = large(t)
    name = "s2" if direction == "commit" else "s1"
    start = time.monotonic()
    r = g.vext(COMMAND, g.name, name, "--direction", direction, "--bandwidth", str(1 << 20),
               "--bytes", "--timeout", "3")
    t.rc(r, 3)
    t.ok(2 < time.monotonic() - start < 15, "stopped when it was said")
    g.oracle.check_active()
    g.oracle.check_snapshot("s1")
    if direction == "pull":
        g.oracle.check_all()
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.deleted(name)
    helper_gone(t, g)
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def a_domain_that_is_called_like_an_id(t):
    """virsh would take the number for another domain's id."""
    g = large(t, name="1")
    p = begin(t, g, "s2", "--direction", "commit")
    p.send_signal(signal.SIGINT)
    rc, err = end(p)
    t.eq(rc, 3)
    t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.uuid}")
    t.rc(g.vext("chain-repair", g.uuid), 0)
    g.oracle.deleted("s2")
    helper_gone(t, g)


@test
@requires("program")
def a_domain_that_was_renamed_meanwhile(t):
    """libvirt allows it when the last snapshot is gone; what is to be removed is not forgotten."""
    matrix.require_faults()
    g = t.guest()
    g.oracle.write("vda", 0, "1M", 0x11)
    g.oracle.snapshot("s1")
    g.oracle.write("vda", "1M", "1M", 0x22)
    p = util.spawn([*matrix.program(), "-c", g.daemon.uri, COMMAND, g.name, "s1", "--direction",
                    "commit"], env=matrix.environment("remove-file-before", "kill"))
    p.communicate(timeout=60)
    t.eq(p.returncode, -9)
    g.virsh("domrename", g.name, "other")
    for args, rc in (([], 3), (["--abort"], 1)):
        t.has(t.rc(g.vext("chain-repair", g.name, *args), rc).err, "virsh domrename other vm1")
    g.virsh("domrename", "other", g.name)
    t.rc(g.vext("chain-repair", g.name))
    g.oracle.deleted("s1")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def the_bandwidth_is_kept(t):
    """24 MiB at 8 MiB/s."""
    g = large(t)
    start = time.monotonic()
    t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "commit", "--bandwidth", "8"), 0)
    t.ok(time.monotonic() - start > 2, "not faster than that")
    g.oracle.deleted("s2")


@test
@requires("program")
def sizes_in_bytes(t):
    g = large(t)
    r = t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "commit", "--dry-run", "--bytes"), 0)
    t.has(r.out, "Would move 251")
    t.ok("MiB" not in r.out and "M," not in r.out, r.out)


@test(cases=["commit", "pull"])
@requires("program")
def files_are_kept(t, direction):
    g = large(t)
    before = set(os.listdir(g.dir))
    t.rc(g.vext(COMMAND, g.name, "--all", "--keep-files", "--direction", direction), 0)
    t.eq(set(os.listdir(g.dir)), before)
    left = [os.path.join(g.dir, f) for f in before]
    g.oracle.deleted("s1", "s2")
    t.eq(len(g.chain("vda")), 1)
    g.oracle.check_chain_clean(start=True, allow=left)


@test(cases=[(s, d) for s in ("off", "running") for d in ("commit", "pull")])
@requires("program")
def by_the_second_disk_when_the_first_is_done(t, state, direction):
    small = faults.small_fs(t.path("small"), "96M")
    g = t.guest(size="64M", disks=[{}, {"path": os.path.join(small, "vdb.qcow2")}],
                start=state == "running")
    o = g.oracle
    o.write("vdb", "4M", "24M", 0x21)
    o.write("vda", "4M", "1M", 0x21)
    o.snapshot("s1", files={"vda": os.path.join(g.dir, "vda.s1"),
                            "vdb": os.path.join(small, "vdb.s1")})
    o.write("vdb", "30M", "24M", 0x22)
    o.write("vda", "1M", "1M", 0x22)
    worker = g.name if state == "running" else g.name + ".virsh-ext"
    p = g.daemon.spawn_vext(COMMAND, g.name, "s1", "--direction", direction, "--bandwidth", "2")
    t.wait_for(lambda: g.virsh("blockjob", worker, "vdb", "--raw", check=False).out.strip(),
               "the second job to run")
    ballast = os.path.join(small, ".ballast")
    try:
        with open(ballast, "wb", buffering=0) as f:
            while f.write(bytes(1 << 16)):
                pass
    except OSError:
        pass
    try:
        rc, err = end(p)
        t.eq(rc, 3)
        t.has(err, f"the file system of '{small}' is full")
        t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
    finally:
        os.unlink(ballast)
    o.check_active()
    t.rc(g.vext(COMMAND, g.name, "s1", "--direction", direction), 0)
    o.deleted("s1")
    helper_gone(t, g)
    g.destroy()
    o.check_chain_clean(start=True)


@test(cases=[(h, d) for h in ("SIGINT", "--timeout") for d in ("commit", "pull")])
@requires("program")
def at_the_second_disk_of_a_domain_that_is_shut_off(t, how, direction):
    """It goes on as is said, also after the guest has run; or what was pulled is left at that."""
    g = t.guest(size="64M", disks=2)
    o = g.oracle
    o.write("vdb", "4M", "24M", 0x21)
    o.write("vda", "4M", "512k", 0x21)
    o.snapshot("s1")
    o.write("vdb", "30M", "24M", 0x22)
    o.write("vda", "1M", "512k", 0x22)
    args = ["--timeout", "4"] if how == "--timeout" else []
    p = g.daemon.spawn_vext(COMMAND, g.name, "s1", "--direction", direction, "--bandwidth", "2",
                            *args)
    t.wait_for(lambda: g.virsh("blockjob", g.name + ".virsh-ext", "vdb", "--raw",
                               check=False).out.strip(), "the second job to run")
    if not args:
        p.send_signal(signal.SIGINT)
    rc, err = end(p)
    t.eq(rc, 3, err)
    last = err.strip().split("\n")[-1]
    t.ok(last.startswith("error: ") and last.endswith(f"virsh-ext chain-repair {g.name}"), last)
    o.check_active()
    t.eq(g.snapshots(), ["s1"])
    r = t.rc(g.vext("snapshot-revert-external", g.name, "s1"), 1)
    t.has(r.err, f"virsh-ext chain-repair {g.name}")
    if (how, direction) == ("SIGINT", "pull"):
        t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
        o.check_all()
        t.rc(g.vext(COMMAND, g.name, "s1", "--direction", "pull"), 0)
        o.deleted("s1")
        o.check_chain_clean(start=True)
        return
    if direction == "commit":
        t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    g.start()
    o.write("vda", "2M", "1M", 0x33)
    o.write("vdb", "40M", "1M", 0x33)
    g.destroy()
    t.rc(g.vext("chain-repair", g.name), 0)
    o.deleted("s1")
    helper_gone(t, g)
    o.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
