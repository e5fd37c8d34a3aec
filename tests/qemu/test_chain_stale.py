#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What chain-show finds wrong with snapshots whose images somebody changed by hand."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402


@test
@requires("program")
def a_manual_commit_makes_a_snapshot_stale(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    shown = show(g)
    t.eq(codes(shown), ["stale-snapshot"])
    t.eq(shown["findings"][0]["severity"], "error")
    t.has(shown["findings"][0]["remedy"], "chain-repair")


@test
@requires("program")
def a_manual_commit_in_the_middle_costs_the_snapshots_below(t):
    """Not the one above, whose state the merged layers are; chain-repair judges the same way."""
    g = t.guest(start=True)
    for name in ("s1", "s2", "s3"):
        g.snapshot(name)
        g.oracle.write("vda", 0, "64k", 0x11)
    taken = max(int(g.snapshot_xml(n).findtext("creationTime")) for n in ("s1", "s2", "s3"))
    t.wait_for(lambda: time.time() >= taken + 1, "the next second")
    g.virsh("blockcommit", g.name, "vda", "--base", g.disks["vda"].path, "--top",
            os.path.join(g.dir, "vda.s1"), "--wait")
    t.eq([(f["code"], f["severity"], f["snapshot"]) for f in show(g)["findings"]],
         [("stale-snapshot", "error", "s1")])
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(g.snapshots(), ["s2", "s3"])
    t.eq(show(g)["findings"], [])


@test
@requires("program")
def a_manual_pull_costs_no_snapshot(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    g.snapshot("s2")
    g.virsh("blockpull", g.name, "vda", "--wait")
    t.eq(show(g)["findings"], [])


@test
@requires("program")
def an_active_commit_by_hand_costs_all_on_its_base(t):
    g = t.guest(start=True)
    for name in ("s1", "s2"):
        g.snapshot(name)
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    t.eq([(f["code"], f["severity"], f["snapshot"]) for f in show(g)["findings"]],
         [("stale-snapshot", "error", "s1"), ("stale-snapshot", "error", "s2")])


@test
@requires("program")
def a_layer_without_a_snapshot_is_a_finding(t):
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("unnamed", metadata=False)
    t.eq(codes(show(g)), ["unmanaged-layer"])


@test
@requires("program")
def a_job_is_shown(t):
    g = t.guest(start=True)
    o = g.oracle
    g.snapshot("s1")
    o.write("vda", 0, "20M", 1)
    g.virsh("blockcommit", g.name, "vda", "--active", "--bandwidth", "1")
    job = disk(show(g), "vda")["job"]
    t.eq((job["type"], job["ready"]), ("active-commit", False))
    t.ok(job["end"] >= job["cur"], "figures of the job")
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0")
    t.wait_for(lambda: "ready='yes'" in g.virsh("dumpxml", g.name).out, "the job to be ready")
    shown = show(g)
    t.eq(disk(shown, "vda")["job"]["ready"], True)
    t.eq(codes(shown), ["interrupted-operation"])
    g.virsh("blockjob", g.name, "vda", "--pivot")
    t.eq(disk(show(g), "vda")["job"], None)


@test
@requires("program")
def an_interrupted_operation_is_shown_and_its_helper_is_not(t):
    plugins = os.path.join(util.builddir(), "plugin", "faults", ".libs")
    if not os.path.exists(os.path.join(plugins, "snapshots.so")):
        skip("the plugin with fault points is not built")
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("s2")
    env = dict(os.environ, VIRSH_EXT_PLUGIN_PATH=plugins, VEXT_FAULT="step-1-before:kill")
    r = run([os.path.join(util.builddir(), "virsh-ext", "virsh-ext"), "-c", g.daemon.uri,
             "snapshot-delete-external", g.name, "s1"], env=env, check=False)
    t.ok(r.rc != 0, "the operation was killed")
    shown = show(g)
    operation = shown["operation"]
    t.eq((operation["command"], operation["snapshots"]), ("snapshot-delete-external", ["s1"]))
    t.ok(operation["id"] and operation["started"], "id and time")
    finding = next(f for f in shown["findings"] if f["code"] == "interrupted-operation")
    t.has(finding["remedy"], "chain-repair vm1")
    t.eq(show(g, readonly=True)["operation"], operation)
    r = t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0)
    t.eq([d["domain"]["name"] for d in json.loads(r.out)], ["vm1"])
    t.ok(not any(i["used_by"] for i in disk(shown, "vda")["images"]), "the helper is no user")
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(show(g)["operation"], None)
    t.eq(codes(show(g)), [])


@test
@requires("program")
def orphans_are_found_only_when_asked_for(t):
    g = t.guest()
    g.snapshot("s1")
    orphan = os.path.join(g.dir, "forgotten")
    image(orphan, backing=g.disks["vda"].path)
    image(orphan + "2", backing=orphan)
    image(os.path.join(g.dir, "unrelated"))
    t.eq(codes(show(g)), [])
    shown = show(g, "--orphans")
    t.eq(codes(shown), ["orphan-file", "orphan-file"])
    t.eq({f["image"] for f in shown["findings"]}, {orphan, orphan + "2"})
    t.guest("vm2", daemon=g.daemon, disks=[{"path": orphan + "2", "create": False}])
    t.ok("orphan-file" not in codes(show(g, "--orphans")), "used by vm2 now")


@test
@requires("program")
def what_a_job_copies_to_is_no_orphan(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    copy = os.path.join(g.dir, "copy")
    g.virsh("blockcopy", g.name, "vda", "--dest", copy, "--format", "qcow2", "--shallow",
            "--transient-job", "--wait")
    t.eq(codes(show(g, "--orphans")), [])
    g.virsh("blockjob", g.name, "vda", "--abort")
    t.eq(codes(show(g, "--orphans")), ["orphan-file"])


@test
@requires("program")
def words_are_completed(t):
    g = t.guest(disks=2)

    def complete(*words):
        r = t.rc(g.daemon.vext("complete", "--", *words), 0)
        return r.out.split()

    t.eq(complete("chain-show", "v"), ["vm1"])
    t.eq(complete("chain-show", "vm1", "--disk", ""), ["vda", "vdb"])
    t.has(complete("chain-show", "vm1", "--columns", "path,fo"), "path,format")


@test(cases=["off", "running"])
@requires("program")
def what_tells_of_a_lost_state_is_not_deleted(t, state):
    """Without the snapshot above nothing would say any more that the state below is lost."""
    g = t.guest(start=True)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "1M", 0x41 + i)
        o.snapshot(name)
    o.write("vda", "5M", "1M", 0x77)
    images = g.chain("vda")
    g.virsh("blockcommit", g.name, "vda", "--top", images[1], "--base", images[2], "--wait")
    if state == "off":
        g.destroy()
    r = t.rc(g.vext("snapshot-delete-external", g.name, "s3"), 1)
    t.has(r.err, "'s2' is lost")
    t.has(r.err, f"chain-repair {g.name}")
    t.rc(g.vext("snapshot-revert-external", g.name, "s2"), 1)
    t.rc(g.vext("chain-repair", g.name), 0)
    o.forget("s2")
    t.eq(g.snapshots(), ["s1", "s3"])
    t.rc(g.vext("snapshot-delete-external", g.name, "s3"), 0)
    o.deleted("s3")
    o.check_all()


@test
@requires("program")
def a_shell_goes_on_with_what_it_has_stopped(t):
    """The same process is not another client."""
    g = t.guest(start=True, size="64M")
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", 0, "48M", 0x31)
    o.snapshot("s2")
    r = g.vext(f"snapshot-delete-external {g.name} s1 --direction commit --bandwidth 1 --timeout 5;"
               f" chain-repair {g.name}")
    t.has(r.err, f"virsh-ext chain-repair {g.name}")
    t.ok("Another client" not in r.err, r)
    t.has(r.out, "Finished")
    o.deleted("s1")
    o.check_chain_clean()


if __name__ == "__main__":
    main()
