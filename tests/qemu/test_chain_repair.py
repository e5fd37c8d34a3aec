#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-repair: block jobs that virsh left running, metadata that its merges left stale, and what
it must leave alone. Interrupted operations of our own: test_faults_quick.py, tests/faults."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403


def three(t, apart=False, disks=1, **kwargs):
    """Snapshots s1, s2, s3, each disk written to before, between and after them."""
    g = t.guest(disks=disks, **kwargs)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i, verify=False)
        if apart:
            next_second()
        o.snapshot(name)
    for d in o.model:
        o.write(d, "3M", "512k", 0x77)
    return g


def repair(g, *args, rc=0):
    r = g.vext("chain-repair", g.name, *args)
    if r.rc != rc:
        raise AssertionError(f"{r}")
    return r


def nothing(t, g):
    """Another run finds nothing, and the findings are gone."""
    t.has(repair(g).out, f"Nothing to repair on domain '{g.name}'")


def next_second():
    """Images tell by the second when they were written."""
    now = int(time.time())
    util.wait_for(lambda: int(time.time()) > now + 1, "the next second")


def checked(g, lost):
    """The snapshots that stay are right, and the chain is clean but for files left to the user."""
    before = set(g.oracle._files())
    g.oracle.deleted(*lost)
    g.oracle.check_chain_clean(start=True, allow=before)


@test(cases=[True, False])
@requires("program")
def there_is_nothing_to_do(t, running):
    g = three(t, start=running)
    nothing(t, g)
    plan = json.loads(repair(g, "--dry-run", "--json").out)
    t.eq(plan["operation"], "repair")
    t.eq(plan["steps"], [])
    g.oracle.check_all()


@test
@requires("program")
def a_ready_commit_is_finished(t):
    g = three(t, disks=2, start=True)
    for disk in ("vda", "vdb"):
        g.virsh("blockcommit", g.name, disk, "--active", "--shallow", "--wait")
    r = repair(g, "--dry-run")
    t.has(r.out, "Disk 'vdb': wait for the block commit that runs and switch to its base")
    t.has(r.out, "Snapshot 's3' is forgotten: disk 'vdb': a commit has written to its image")
    t.eq(g.snapshots(), ["s1", "s2", "s3"])
    t.ok(g.active("vda").mirror is not None, "--dry-run changed something")
    r = repair(g)
    t.has(r.err, "Snapshot 's3' is forgotten")
    checked(g, ["s3"])
    t.eq(g.current(), "s2")
    nothing(t, g)


@test
@requires("program")
def a_commit_that_runs_is_waited_for(t):
    g = three(t, start=True, size="64M")
    g.oracle.write("vda", "8M", "40M", 0x99)
    g.virsh("blockcommit", g.name, "vda", "--active", "--shallow", "--bandwidth", "20")
    r = repair(g, "--verbose")
    t.has(r.err, "Snapshot 's3' is forgotten")
    checked(g, ["s3"])


@test
@requires("program")
def a_pull_that_runs_is_waited_for(t):
    g = three(t, start=True)
    g.virsh("blockpull", g.name, "vda", "--bandwidth", "1", "--base",
            g.disks["vda"].path)
    repair(g)
    checked(g, [])
    t.eq(len(g.chain("vda")), 2)
    nothing(t, g)


@test
@requires("program")
def a_copy_is_for_the_user_to_decide(t):
    g = three(t, start=True)
    target = os.path.join(g.dir, "copy")
    g.virsh("blockcopy", g.name, "vda", target, "--wait", "--transient-job")
    r = repair(g, rc=1)
    t.has(r.err, "virsh blockjob vm1 vda --pivot")
    t.has(r.err, "chain-repair vm1 --abort")
    plan = json.loads(repair(g, "--json", "--dry-run", rc=1).out)
    t.eq(plan["refusals"][0]["code"], "copy-job")
    repair(g, "--abort")
    checked(g, [])
    t.ok(g.active("vda").mirror is None, "the copy still runs")


@test
@requires("program")
def an_aborted_commit_costs_the_snapshot_below(t):
    g = three(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--shallow", "--wait")
    r = repair(g, "--abort")
    t.has(r.err, "Snapshot 's3' is forgotten")
    checked(g, ["s3"])
    t.has(g.active("vda").path, "vda.s3")


@test(cases=[True, False])
@requires("program")
def a_manual_commit_of_the_active_image(t, delete):
    g = three(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--shallow", "--wait", "--pivot",
            *(["--delete"] if delete else []))
    t.has(repair(g, "--dry-run").out, "Snapshot 's3' is forgotten")
    t.eq(g.snapshots(), ["s1", "s2", "s3"])
    repair(g)
    checked(g, ["s3"])
    t.eq(g.current(), "s2")
    nothing(t, g)
    t.rc(g.vext("snapshot-delete-external", g.name, "s1"))
    checked(g, ["s1"])


@test(cases=[(True, True), (True, False), (False, True)])
@requires("program")
def a_manual_commit_in_the_middle(t, delete, running):
    g = three(t, disks=2, start=True)
    next_second()
    for disk in ("vda", "vdb"):
        g.virsh("blockcommit", g.name, disk, "--top", g.overlay_path("s2", disk),
                "--base", g.overlay_path("s1", disk), "--wait",
                *(["--delete"] if delete else []))
    if not running:
        g.destroy()
    plan = json.loads(repair(g, "--dry-run", "--json").out)
    t.eq(plan["snapshots"], ["s2"])
    t.eq(plan["bytes_moved"], 0)
    r = repair(g)
    t.has(r.err, "Snapshot 's2' is forgotten")
    checked(g, ["s2"])
    t.eq(g.tree(), {"s1": None, "s3": "s1"})
    nothing(t, g)
    if delete:
        t.rc(g.vext("snapshot-delete-external", g.name, "s1"))
        checked(g, ["s1"])


@test
@requires("program")
def a_manual_commit_over_a_range(t):
    g = three(t, start=True)
    next_second()
    g.virsh("blockcommit", g.name, "vda", "--top", g.overlay_path("s2", "vda"),
            "--base", g.disks["vda"].path, "--wait", "--delete")
    repair(g)
    checked(g, ["s1", "s2"])
    t.eq(g.tree(), {"s3": None})
    nothing(t, g)


@test(cases=[True, False])
@requires("program")
def a_merge_of_which_the_time_says_nothing_is_refused(t, more):
    g = three(t, disks=2 if more else 1, start=True)
    next_second()
    if more:    # of this one it is clear, but what it costs would say something of the other
        g.virsh("blockcommit", g.name, "vdb", "--active", "--shallow", "--wait", "--pivot")
    g.virsh("blockcommit", g.name, "vda", "--top", g.overlay_path("s2", "vda"),
            "--base", g.overlay_path("s1", "vda"), "--wait", "--delete")
    # A copy: when it was made says nothing of when the snapshot was taken.
    born = int(g.snapshot_xml("s3").findtext("creationTime")) * 10**9
    os.utime(g.overlay_path("s1", "vda"), ns=(born, born))
    if not more:
        g.destroy()
    copy = g.overlay_path("s3", "vda")
    shutil.copy2(copy, copy + ".copy")
    os.rename(copy + ".copy", copy)
    r = repair(g, rc=1)
    t.has(r.err, "whether downwards or upwards cannot be told")
    t.has(r.err, "'virsh-ext chain-repair vm1 --merged commit' after a blockcommit")
    t.eq(g.snapshots(), ["s1", "s2", "s3"])
    plan = json.loads(repair(g, "--dry-run", "--json", rc=1).out)
    t.eq([r["code"] for r in plan["refusals"]], ["merged-somehow"])
    if not more:
        t.has(repair(g, "--dry-run", "--merged", "pull").out, "Snapshot 's3' is forgotten")
    t.eq(repair(g, "--merged", "copy", rc=1).err, "error: Unknown merge 'copy': commit or pull\n")
    repair(g, "--merged", "commit")
    checked(g, ["s2", "s3"] if more else ["s2"])
    nothing(t, g)


@test(cases=[(running, name) for running in (True, False) for name in ("s1", "s2")])
@requires("program")
def a_snapshot_that_names_an_image_too_far_down(t, running, name):
    """libvirt 9.0 does it to the children of a snapshot whose metadata is deleted."""
    g = three(t, start=running, disks=2)
    child = {"s1": "s2", "s2": "s3"}[name]
    g.virsh("snapshot-delete", g.name, name, "--metadata")
    state = g.sources(g.snapshot_xml(child).find("domain"))["vda"].path
    if state == g.overlay_path(name, "vda"):
        skip("this libvirt leaves the children as they are")
    g.oracle.forget(name)
    t.has(g.vext("chain-show", g.name, "--check").out, "[stale-snapshot]")
    t.rc(g.vext("snapshot-revert-external", g.name, child), 1)
    t.has(repair(g, "--dry-run").out, f"Snapshot '{child}': the state of disk 'vdb' is in "
          f"'{g.overlay_path(name, 'vdb')}'")
    repair(g)
    g.oracle.check_all()
    nothing(t, g)
    t.ok("stale" not in g.vext("chain-show", g.name, "--check").out, "it is still stale")
    t.rc(g.vext("snapshot-revert-external", g.name, child))
    g.oracle.revert(child)
    g.oracle.check_all()


@test(cases=[True, False])
@requires("program")
def a_manual_pull(t, remove):
    # The base was written last before the newest snapshot was taken, and that is to be seen.
    g = three(t, apart=True, start=True)
    next_second()
    g.virsh("blockpull", g.name, "vda", "--base", g.overlay_path("s1", "vda"), "--wait")
    gone = g.overlay_path("s2", "vda")
    if not remove:
        # Everything is still there: s3 is a branch of its own now.
        nothing(t, g)
        checked(g, [])
        return
    os.unlink(gone)
    r = repair(g)
    t.has(r.err, "Snapshot 's3' is forgotten")
    checked(g, ["s3"])
    overlay = g.snapshot_xml("s2").find("disks/disk[@name='vda']/source").get("file")
    t.eq(overlay, g.overlay_path("s3", "vda"))
    nothing(t, g)
    t.rc(g.vext("snapshot-delete-external", g.name, "s2"))
    checked(g, ["s2"])


@test
@requires("program")
def a_manual_pull_of_everything(t):
    g = three(t, start=True)
    g.virsh("blockpull", g.name, "vda", "--wait")
    nothing(t, g)
    checked(g, [])


@test
@requires("program")
def a_missing_image_alone_is_no_reason_to_forget(t):
    g = three(t)
    path = g.overlay_path("s1", "vda")
    os.rename(path, path + ".away")
    r = repair(g, rc=1)
    t.has(r.err, f"Image '{path}' with the state of snapshot 's2' is missing")
    t.has(r.err, "virsh-ext snapshot-delete-external vm1 s2 --metadata")
    t.eq(g.snapshots(), ["s1", "s2", "s3"])
    os.rename(path + ".away", path)
    checked(g, [])


@test
@requires("program")
def a_commit_down_to_the_root_costs_all(t):
    g = three(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--wait", "--pivot", "--delete")
    t.eq(json.loads(repair(g, "--dry-run", "--json").out)["snapshots"], ["s1", "s2", "s3"])
    repair(g)
    checked(g, ["s1", "s2", "s3"])
    nothing(t, g)


@test
@requires("program")
def a_shallow_copy_is_followed(t):
    g = three(t, start=True)
    old, target = g.active("vda").path, os.path.join(g.dir, "copy")
    g.virsh("blockcopy", g.name, "vda", target, "--wait", "--pivot", "--shallow",
            "--transient-job")
    repair(g)
    overlay = g.snapshot_xml("s3").find("disks/disk[@name='vda']/source").get("file")
    t.eq(overlay, target)
    checked(g, [])
    nothing(t, g)
    os.unlink(old)
    t.rc(g.vext("snapshot-delete-external", g.name, "s3"))
    checked(g, ["s3"])


@test(cases=["edit", "forget"])
@requires("program")
def a_configuration_that_would_write_a_state(t, way):
    g = three(t)
    config = g.virsh("dumpxml", g.name, "--inactive").out
    g.define(config.replace(g.overlay_path("s3", "vda"), g.overlay_path("s2", "vda")))
    r = repair(g, rc=1)
    t.has(r.err, "the domain is configured to write to")
    t.has(r.err, "with 'virsh edit vm1', or forget the snapshot with 'virsh-ext "
          "snapshot-delete-external vm1 s3 --metadata'")
    if way == "edit":
        g.define(config)
        checked(g, [])
    else:
        t.rc(g.vext("snapshot-delete-external", g.name, "s3", "--metadata"))
        t.eq(g.snapshots(), ["s1", "s2"])
    nothing(t, g)


@test
@requires("program")
def a_stale_backing_store_in_the_configuration(t):
    g = three(t, start=True)
    g.destroy()
    config = g.virsh("dumpxml", g.name, "--inactive").out
    t.has(config, "<backingStore")
    wrong = config.replace(g.overlay_path("s1", "vda"), g.dir + "/gone")
    g.define(wrong)
    t.has(repair(g, "--dry-run").out, "the configuration lists")
    repair(g)
    checked(g, [])
    nothing(t, g)


@test
@requires("program")
def a_current_snapshot_is_found(t):
    g = three(t)
    g.virsh("snapshot-delete", g.name, "s3", "--metadata")
    g.oracle.forget("s3")
    xml = g.virsh("snapshot-dumpxml", g.name, "s2").out
    g.virsh("snapshot-delete", g.name, "s2", "--metadata")
    g.virsh("snapshot-delete", g.name, "s1", "--metadata")
    path = os.path.join(g.workdir, "s2.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(xml.replace("<parent>", "<!--").replace("</parent>", "-->"))
    g.virsh("snapshot-create", g.name, path, "--redefine")
    g.oracle.forget("s1")
    t.eq(g.current(), None)
    repair(g)
    t.eq(g.current(), "s2")
    g.oracle.check_all()


@test
@requires("program")
def a_readonly_connection_is_refused(t):
    g = three(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--shallow", "--wait")
    r = g.vext("chain-repair", g.name, readonly=True)
    t.eq(r.rc, 1)
    t.ok(g.active("vda").mirror is not None, "a read-only connection changed something")


@test(cases=[
    ("2", "x", "it was written by another version"), ("1", "!!!!", "it is empty"),
    ("1", "AAAA", "Invalid compressed data"), (None, None, "did not make it")])
@requires("program")
def a_journal_that_cannot_be_read_stops_everything(t, version, payload, reason):
    g = three(t)
    uri = "https://virsh-ext.org/xmlns/operation/1"
    hostile = "\u009b2J"
    element = "" if version is None else (
        f"<operation xmlns='{uri}' format='{version}' id='i' domain='vm1' command='{hostile}' "
        f"started='{hostile}'><snapshot>{hostile}</snapshot><payload>{payload}</payload>"
        "</operation>")
    path = os.path.join(g.workdir, "helper.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("<domain type='qemu'><name>vm1.virsh-ext</name><memory unit='MiB'>16</memory>"
                f"<metadata>{element}</metadata><os><type arch='x86_64'>hvm</type></os></domain>")
    g.virsh("define", path)
    before = g.virsh("dumpxml", g.name).out
    # Somebody's own guest can have such a name.
    remedy = ("drop it with 'virsh undefine vm1.virsh-ext'" if version else
              "another name with 'virsh domrename vm1.virsh-ext NEWNAME'")
    for args in ([], ["--abort"]):
        r = repair(g, *args, rc=1)
        t.has(r.err, reason)
        t.has(r.err, remedy)
    for command in ("snapshot-delete-external", "snapshot-revert-external", "chain-show"):
        r = g.vext(command, g.name, *(["s2"] if command != "chain-show" else []))
        t.eq(r.rc, 0 if command == "chain-show" else 1)
        t.ok(hostile not in r.out + r.err, "an escape was sent to the terminal")
        if command != "chain-show":
            t.has(r.err, reason)
            t.has(r.err, remedy)
            t.eq(r.out.strip(), "")
            t.rc(g.vext(command, g.name, "s2", "--dry-run"), 1)
    for args in ([g.name], [g.name, "--check"], ["--all", "--check"]):
        r = g.vext("chain-show", *args)
        t.eq(r.rc, 1 if "--check" in args else 0)
        t.has(r.out, reason)
        t.has(r.out, remedy)
        t.eq(r.out.count("error:"), 1)
    t.eq(g.virsh("dumpxml", g.name).out, before)
    g.virsh("undefine", "vm1.virsh-ext")
    checked(g, [])
    nothing(t, g)


@test
@requires("program")
def an_unknown_domain_fails(t):
    r = t.daemon().vext("chain-repair", "nobody")
    t.eq(r.rc, 1)
    t.has(r.err, "failed to get domain 'nobody'")


if __name__ == "__main__":
    main()
