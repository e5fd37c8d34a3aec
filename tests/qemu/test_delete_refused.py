#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-delete-external: what it refuses, before anything was changed, with reason and remedy;
and how it can be stopped."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

COMMAND = "snapshot-delete-external"


def some(t, count=2, start=False, **kwargs):
    g = t.guest(start=start, **kwargs)
    o = g.oracle
    for i in range(count):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x21 + i)
        o.snapshot(f"s{i + 1}")
    for d in o.model:
        o.write(d, "8M", "4M", 0x77)
    return g


def state(g):
    """Everything that a refusal must not change."""
    view = g.view()
    files = {}
    for name in sorted(os.listdir(g.dir)):
        path = os.path.join(g.dir, name)
        if os.path.isfile(path):
            s = os.stat(path)
            files[name] = (s.st_ino, s.st_size, s.st_mtime_ns if not view.active else None)
    return (files, sorted(view.domains),
            g.virsh("dumpxml", g.name, "--security-info").out,
            {n: g.virsh("snapshot-dumpxml", g.name, n, "--security-info").out
             for n in view.snapshots}, g.current())


def refused(t, g, code, *args):
    """Refused, with and without --dry-run, with the code in --json, and nothing is changed."""
    before = state(g)
    r = t.rc(g.vext(COMMAND, g.name, *args), 1)
    lines = r.err.strip().split("\n")
    t.ok(lines[0].startswith("error: Failed to delete snapshot"), lines[0])
    t.ok(len(lines) >= 2 and all(line.startswith("error: ") for line in lines), r.err)
    t.rc(g.vext(COMMAND, g.name, *args, "--dry-run"), 1)
    r = t.rc(g.vext(COMMAND, g.name, *args, "--dry-run", "--json"), 1)
    plan = json.loads(r.out)
    t.eq(plan["possible"], False)
    t.ok(code in [x["code"] for x in plan["refusals"]], f"{code} in {plan['refusals']}")
    t.eq(state(g), before)
    g.oracle.check_all()
    return r


@test
@requires("program")
def an_unknown_name(t):
    refused(t, some(t), "unknown-snapshot", "nothing")


@test
@requires("program")
def an_internal_snapshot(t):
    g = t.guest()
    g.virsh("snapshot-create-as", g.name, "i1")
    g.oracle.taken("i1")
    refused(t, g, "internal-snapshot", "i1")


@test
@requires("program")
def a_managed_save(t):
    g = some(t, start=True)
    g.virsh("managedsave", g.name)
    refused(t, g, "managed-save", "s1")


@test
@requires("program")
def a_block_job(t):
    g = some(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--bandwidth", "1")
    r = g.vext(COMMAND, g.name, "s1")
    t.rc(r, 1)
    t.has(r.err, "job")
    g.virsh("blockjob", g.name, "vda", "--abort")
    g.oracle.check_active()     # what the job wrote into the snapshots' images is its own doing


@test
@requires("program")
def a_missing_image(t):
    g = some(t)
    path = g.chain("vda")[1]
    os.rename(path, path + ".away")
    r = g.vext(COMMAND, g.name, "s2")
    t.rc(r, 1)
    t.has(r.err, path)
    os.rename(path + ".away", path)
    g.oracle.check_all()


@test
@requires("program")
def a_checkpoint(t):
    g = some(t, start=True)
    supported(g.virsh("checkpoint-create-as", g.name, "c1", check=False))
    r = g.vext(COMMAND, g.name, "s2", "--direction", "commit")
    t.rc(r, 1)
    g.oracle.check_all()


@test
@requires("program")
def no_space(t):
    small = faults.small_fs(t.path("small"), "24M")
    g = some(t, dir=small)
    with faults.full(small, leave="256k"):
        before = [os.stat(p).st_size for p in g.chain("vda")]
        r = t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "pull"), 1)
        t.has(r.err, "free")
        t.eq([os.stat(p).st_size for p in g.chain("vda")], before)
    g.oracle.check_all()


@test(cases=["off", "running"])
@requires("program")
def there_is_space_for_what_is_written_over(t, state):
    """The overlay holds as much as is free nowhere, but its base has room for all of it."""
    small = faults.small_fs(t.path("small"), "24M")
    g = t.guest(dir=small, start=state == "running")
    o = g.oracle
    o.write("vda", 0, "4M", 0x11)
    o.snapshot("s1")
    o.write("vda", 0, "4M", 0x22)
    with faults.full(small, leave="512k"):
        t.rc(g.vext(COMMAND, g.name, "s1", "--direction", "commit"), 0)
    o.deleted("s1")
    o.check_chain_clean(start=state == "off")


@test
@requires("program")
def a_read_only_connection(t):
    g = some(t)
    before = state(g)
    r = g.daemon.vext("-r", COMMAND, g.name, "s1", readonly=True)
    t.rc(r, 1)
    t.eq(state(g), before)


@test
@requires("program")
def options_that_exclude_each_other(t):
    g = some(t)
    for args in (("--current", "s1"), ("--all", "s1"), ("s1", "--children", "--children-only"),
                 (), ("s1", "--direction", "up"), ("s1", "--timeout", "0"),
                 ("s1", "--bandwidth", "x")):
        t.rc(g.vext(COMMAND, g.name, *args), 1)
    g.oracle.check_all()


@test
@requires("program")
def a_second_client_while_the_first_is_at_it(t):
    g = some(t, start=True, size="64M")
    g.oracle.write("vda", "12M", "48M", 0x55)
    p = g.daemon.spawn_vext(COMMAND, g.name, "s2", "--direction", "commit", "--bandwidth", "1")
    try:
        t.wait_for(lambda: 'job' in g.virsh("blockjob", g.name, "vda", "--raw", check=False).out
                   or g.virsh("blockjob", g.name, "vda", "--raw", check=False).out.strip(),
                   "the job to run")
        r = t.rc(g.vext(COMMAND, g.name, "s1"), 1)
        t.has(r.err, "s2")
        t.has(r.err, "Wait until it has finished")
        # how a client on another machine sees that somebody is at work
        t.eq(g.virsh("domstate", g.name + ".virsh-ext").out.strip(), "paused")
        t.rc(g.vext(COMMAND, g.name, "s2"), 1)
        g.virsh("blockjob", g.name, "vda", "--bandwidth", "0")
    finally:
        p.wait(30)
    t.eq(p.returncode, 0)
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean()


def stopped(t, g, sign, *args):
    """The program with a job that is slow gets the signal when the job runs; the Result."""
    p = g.daemon.spawn_vext(COMMAND, g.name, *args, "--bandwidth", "1")
    t.wait_for(lambda: g.virsh("blockjob", g.name, "vda", "--raw", check=False).out.strip(),
               "the job to run")
    p.send_signal(sign)
    out, err = p.communicate(timeout=30)
    return p.returncode, err.decode() if isinstance(err, bytes) else err


@test
@requires("program")
def interrupted_pull_changes_nothing_and_goes_on(t):
    g = some(t, start=True, size="64M")
    g.oracle.write("vda", "12M", "48M", 0x55)
    g.oracle.snapshot("s3")
    before = g.chain("vda")
    rc, err = stopped(t, g, signal.SIGINT, "s3", "--direction", "pull")
    t.eq(rc, 3)
    t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
    g.oracle.check_all()
    t.eq(g.chain("vda"), before)
    t.rc(g.vext("chain-repair", g.name))
    g.oracle.deleted("s3")
    g.oracle.check_chain_clean()


@test(cases=["again", "chain-repair"])
@requires("program")
def interrupted_commit_goes_on(t, how):
    g = some(t, start=True, size="64M")
    g.oracle.write("vda", "12M", "48M", 0x55)
    rc, err = stopped(t, g, signal.SIGINT, "s2", "--direction", "commit")
    t.eq(rc, 3)
    t.has(err.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
    g.oracle.check_active()
    g.oracle.check_snapshot("s1")
    if how == "again":
        r = t.rc(g.vext(COMMAND, g.name, "s2"))
        t.has(r.out, "Domain snapshot s2 deleted")
    else:
        t.rc(g.vext("chain-repair", g.name))
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean()


@test(cases=["commit", "pull"])
@requires("program")
def the_time_limit(t, direction):
    g = some(t, start=True, size="64M")
    g.oracle.write("vda", "12M", "48M", 0x55)
    g.oracle.snapshot("s3")
    r = g.vext(COMMAND, g.name, "s3" if direction == "pull" else "s2", "--direction", direction,
               "--bandwidth", "1", "--timeout", "4")
    t.rc(r, 3)
    g.oracle.check_active()
    name = "s3" if direction == "pull" else "s2"
    t.rc(g.vext(COMMAND, g.name, name))
    g.oracle.deleted(name)
    g.oracle.check_chain_clean()


@test(cases=["running", "off"])
@requires("program")
def the_file_system_gets_full_meanwhile(t, state):
    small = faults.small_fs(t.path("small"), "160M")
    g = some(t, start=state == "running", size="64M", dir=small)
    g.oracle.write("vda", "12M", "48M", 0x55)
    worker = g.name if state == "running" else g.name + ".virsh-ext"
    p = g.daemon.spawn_vext(COMMAND, g.name, "s2", "--direction", "commit", "--bandwidth", "1")
    t.wait_for(lambda: g.virsh("blockjob", worker, "vda", "--raw", check=False).out.strip(),
               "the job to run")
    ballast = os.path.join(small, ".ballast")
    try:
        with open(ballast, "wb", buffering=0) as f:
            while f.write(bytes(1 << 16)):      # the job takes its share meanwhile
                pass
    except OSError:
        pass
    try:
        g.virsh("blockjob", worker, "vda", "--bandwidth", "0", check=False)
        _, err = p.communicate(timeout=30)
        t.eq(p.returncode, 3)
        text = err.decode() if isinstance(err, bytes) else err
        t.has(text, f"the file system of '{small}' is full")
        t.has(text.strip().split("\n")[-1], f"virsh-ext chain-repair {g.name}")
        t.rc(g.vext("chain-repair", g.name), 3)
    finally:
        os.unlink(ballast)
    g.oracle.check_active()
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean(start=state == "off")


@test
@requires("program")
def progress_with_verbose(t):
    g = some(t, start=True)
    r = t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "commit", "--verbose"))
    t.has(r.err, "Block commit of vda: [100 %]")
    g.oracle.deleted("s2")


@test
@requires("program")
def take_over_of_the_stock_command(t):
    g = some(t, count=3)
    r = g.vext("snapshot-delete", g.name, "s2", env={"VIRSH_EXT_TAKEOVER": "1"})
    t.rc(r, 0)
    t.has(r.out, "Domain snapshot s2 deleted")
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def take_over_says_what_virsh_says(t):
    """One line for the snapshot that was named, not one for each that goes with it."""
    g = some(t, count=5)
    for words, gone, line in ((["s4", "--children-only"], ["s5"], "s4 children deleted"),
                              (["--children", "s3"], ["s3", "s4"], "s3 deleted"),
                              (["--current", "--children-only"], [], "s2 children deleted"),
                              (["--current"], ["s2"], "s2 deleted")):
        r = t.rc(g.vext("snapshot-delete", g.name, *words, env={"VIRSH_EXT_TAKEOVER": "1"}))
        t.eq(r.out.strip("\n"), "Domain snapshot " + line)
        g.oracle.deleted(*gone)


if __name__ == "__main__":
    main()
