#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external on real guests: content of the disks and of every snapshot."""
import json
import os
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403


def revert(t, g, name, *args, rc=0):
    return t.rc(g.vext("snapshot-revert-external", g.name, name, *args), rc)


def three(g, memory=False):
    """Two snapshots and something written before, between and after."""
    o = g.oracle
    o.write("vda", 0, "64k", 0xaa)
    o.snapshot("s1", memory=memory)
    o.write("vda", "32k", "64k", 0xbb)
    o.snapshot("s2", memory=memory)
    o.write("vda", "1M", "64k", 0xcc)
    return o


@test
@requires("program")
def shut_off_to_an_older_one(t):
    g = t.guest(disks=2)
    o = three(g)
    gone = g.active("vda").path
    r = revert(t, g, "s1")
    t.has(r.out, "Domain snapshot s1 reverted")
    t.has(r.out, gone)
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(start=True)
    t.ok(not os.path.exists(gone), "what was written since s2 is still there")
    t.eq(g.current(), "s1")
    t.eq(g.state(), "shut off")


@test
@requires("program")
def running_ends_shut_off_like_virsh(t):
    g = t.guest(disks=2, start=True)
    o = three(g)
    revert(t, g, "s1")
    o.revert("s1")
    t.eq(g.state(), "shut off")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def running_and_paused_mean_what_they_mean_in_virsh(t):
    g = t.guest(start=True)
    o = three(g)
    revert(t, g, "s1", "--running")
    t.eq(g.state(), "running")
    o.revert("s1")
    o.check_all()
    o.write("vda", "2M", "64k", 0x11)
    revert(t, g, "s2", "--paused")
    t.eq(g.state(), "paused")
    o.revert("s2")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def the_same_again_and_again(t):
    g = t.guest(start=True)
    o = three(g)
    for i in range(3):
        revert(t, g, "s1", "--running")
        o.revert("s1")
        o.check_all()
        o.write("vda", f"{3 + i}M", "64k", 0x30 + i)
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def branches_grow_under_the_snapshot(t):
    g = t.guest()
    o = three(g)
    revert(t, g, "s1")
    o.revert("s1")
    o.write("vda", "4M", "64k", 0x44)
    o.snapshot("s3")
    o.write("vda", "5M", "64k", 0x55)
    t.eq(g.parent("s3"), "s1")
    revert(t, g, "s2")
    o.revert("s2")
    o.check_all()
    revert(t, g, "s3")
    o.revert("s3")
    o.check_all()
    o.check_chain_clean(start=True)
    shown = json.loads(t.rc(g.vext("chain-show", g.name, "--json"), 0).out)
    t.eq(shown["current_snapshot"], "s3")
    t.eq(sorted(s for i in shown["disks"][0]["images"] for s in i["snapshots"]),
         ["s1", "s2", "s3"])


@test
@requires("program")
def current_reverts_to_the_newest(t):
    g = t.guest()
    o = three(g)
    t.rc(g.vext("snapshot-revert-external", g.name, "--current"), 0)
    o.revert("s2")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def a_disk_left_out_keeps_its_content(t):
    g = t.guest(disks=2, start=True)
    o = g.oracle
    o.write("vdb", 0, "64k", 0x01)
    o.snapshot("s1", disks=["vda"])
    o.write("vda", 0, "64k", 0x02)
    o.write("vdb", "64k", "64k", 0x03)
    o.snapshot("s2")
    o.write("vdb", "128k", "64k", 0x04)
    kept = g.active("vdb").path
    revert(t, g, "s1", "--running")
    o.revert("s1")
    t.eq(g.active("vdb").path, kept)
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def memory_resumes_and_can_be_resumed_again(t):
    g = t.guest(start=True)
    o = three(g, memory=True)
    for _ in range(2):
        revert(t, g, "s1")
        t.eq(g.state(), "running")
        o.revert("s1")
        o.check_all()
        o.write("vda", "6M", "64k", 0x66)
    g.destroy()
    revert(t, g, "s2", "--paused")
    t.eq(g.state(), "paused")
    o.revert("s2")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def a_missing_memory_file_is_found_before_the_guest_is_touched(t):
    g = t.guest(start=True)
    o = three(g, memory=True)
    os.rename(g.memory_path("s1"), g.memory_path("s1") + ".away")
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, "memory")
    t.eq(g.state(), "running")
    os.rename(g.memory_path("s1") + ".away", g.memory_path("s1"))
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def save_current_keeps_what_would_be_discarded(t):
    g = t.guest(disks=2, start=True)
    o = three(g)
    r = revert(t, g, "s1", "--save-current", "kept", "--running")
    o.taken("kept")
    o.revert("s1")
    t.eq(g.state(), "running")
    o.check_all()
    o.check_chain_clean()
    t.eq(g.current(), "s1")
    t.eq(g.parent("kept"), "s2")
    revert(t, g, "kept", "--running")
    o.revert("kept")
    o.check_all()


@test
@requires("program")
def dry_run_changes_nothing_and_shows_the_plan(t):
    g = t.guest(start=True)
    o = three(g)
    before = g.xml(), sorted(os.listdir(g.dir))
    r = revert(t, g, "s1", "--dry-run")
    t.has(r.out, "Would move 0B, free ")
    j = json.loads(revert(t, g, "s1", "--dry-run", "--json").out)
    t.eq(j["operation"], "revert")
    t.eq(j["possible"], True)
    t.eq([s["action"] for s in j["steps"]],
         ["lock", "create-overlays", "define-domain", "stop-guest", "update-snapshots",
          "remove-file", "unlock"])
    t.eq(ET.tostring(before[0]), ET.tostring(g.xml()))
    t.eq(before[1], sorted(os.listdir(g.dir)))
    o.check_all()


@test
@requires("program")
def a_missing_frozen_image_is_refused(t):
    g = t.guest(start=True)
    three(g)
    frozen = g.chain("vda")[1]
    os.rename(frozen, frozen + ".away")
    j = json.loads(revert(t, g, "s2", "--dry-run", "--json", rc=1).out)
    t.eq(j["possible"], False)
    codes = [r["code"] for r in j["refusals"]]
    t.ok({"missing-image", "stale-snapshot"} & set(codes), codes)
    r = revert(t, g, "s2", rc=1)
    t.has(r.err, "is missing")
    t.eq(g.state(), "running")


@test
@requires("program")
def internal_and_unknown_snapshots_are_refused(t):
    g = t.guest()
    g.virsh("snapshot-create-as", g.name, "inner")
    r = revert(t, g, "inner", rc=1)
    t.has(r.err, "snapshot-revert")
    r = revert(t, g, "nothing", rc=1)
    t.has(r.err, "nothing")
    r = t.rc(g.vext("snapshot-revert-external", g.name), 1)
    t.has(r.err, "--snapshotname or --current is required")


@test
@requires("program")
def managed_save_is_in_the_way_unless_forced(t):
    g = t.guest(start=True)
    o = three(g)
    g.virsh("managedsave", g.name)
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, "managed save")
    revert(t, g, "s1", "--force")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def a_running_block_job_is_refused(t):
    g = t.guest(start=True)
    o = three(g)
    g.virsh("blockcommit", g.name, "vda", "--active", "--bandwidth", "1")
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, "job")
    g.virsh("blockjob", g.name, "vda", "--abort")
    o.check_active()  # the commit itself has changed s2's image


@test
@requires("program")
def the_configuration_comes_back(t):
    g = t.guest()
    o = three(g)
    xml = g.virsh("dumpxml", g.name, "--inactive").out
    xml = xml.replace("<memory unit='KiB'>", "<description>later</description>\n"
                      "  <memory unit='KiB'>")
    g.define(xml)
    revert(t, g, "s1")
    o.revert("s1")
    t.ok("later" not in g.virsh("dumpxml", g.name).out, "the description is still there")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def raw_base_records_its_format(t):
    g = t.guest(format="raw")
    o = three(g)
    revert(t, g, "s1")
    o.revert("s1")
    info = json.loads(qemu_img("info", "--output=json", "-f", "qcow2", g.active("vda").path).out)
    t.eq(info["backing-filename-format"], "raw")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program")
def transient_domain(t):
    g = t.guest(transient=True, start=True)
    o = three(g)
    r = revert(t, g, "s1", rc=1)
    t.has(r.err, "transient")
    revert(t, g, "s1", "--running")
    o.revert("s1")
    t.eq(sorted(g.snapshots()), ["s1", "s2"])
    t.eq(g.current(), "s1")


@test
@requires("program")
def the_result_can_be_deleted_from(t):
    g = t.guest()
    o = three(g)
    revert(t, g, "s1")
    o.revert("s1")
    o.write("vda", "7M", "64k", 0x77)
    t.rc(g.vext("snapshot-delete-external", g.name, "s2"), 0)
    o.deleted("s2")
    t.rc(g.vext("snapshot-delete-external", g.name, "s1"), 0)
    o.deleted("s1")
    o.check_chain_clean(start=True)


@test
@requires("program")
def embedded_driver(t):
    e = t.embed()
    g = t.guest(daemon=e)
    o = three(g)
    revert(t, g, "s1")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def takeover_serves_snapshot_revert(t):
    g = t.guest()
    o = three(g)
    env = dict(os.environ, VIRSH_EXT_TAKEOVER="1")
    r = t.rc(g.vext("snapshot-revert", g.name, "s1", env=env), 0)
    t.eq(r.out.strip(), "Domain snapshot s1 reverted")
    t.has(r.err, "warning: To be discarded: ")
    o.revert("s1")
    o.check_all()


if __name__ == "__main__":
    main()
