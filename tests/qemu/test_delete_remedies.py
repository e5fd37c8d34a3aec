#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What snapshot-delete-external says to do when it refuses, typed as it is printed."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext.chains import follow, forget_format, remedies  # noqa: E402

COMMAND = "snapshot-delete-external"


def some(t, start=False, **kwargs):
    g = t.guest(start=start, **kwargs)
    o = g.oracle
    for i in (1, 2):
        o.write("vda", f"{i}M", "1M", 0x20 + i)
        o.snapshot(f"s{i}")
    o.write("vda", "8M", "4M", 0x77)
    return g


def remedy(t, g, code, *args):
    """The remedy in --json and the text, which say the same with and without --dry-run."""
    plan = json.loads(t.rc(g.vext(COMMAND, g.name, *args, "--dry-run", "--json"), 1).out)
    t.eq(json.loads(t.rc(g.vext(COMMAND, g.name, *args, "--json"), 1).out), plan)
    t.eq((plan["possible"], plan["steps"]), (False, []))
    refusal = next(r for r in plan["refusals"] if r["code"] == code)
    texts = [t.rc(g.vext(COMMAND, g.name, *args, *more), 1).err for more in ([], ["--dry-run"])]
    t.eq(texts[0], texts[1])
    t.ok(refusal["message"] in texts[0] and refusal["remedy"] in texts[0], texts[0])
    return refusal["remedy"]


def typed(t, g, text, **fill):
    """Types the last command of a remedy, whole or in quotes or after a colon."""
    command = re.findall(r"\bvirsh(?:-ext)? ((?:[^']|'(?=\w))+)", text)[-1]
    return follow(t, g, command.strip(), **fill)


@test
@requires("program")
def unknown_names_are_listed(t):
    g = some(t)
    r = typed(t, g, remedy(t, g, "unknown-snapshot", "nothing"))
    t.has(r.out, "s2")


@test
@requires("program")
def the_tree_where_none_is_current(t):
    g = some(t)
    xml = t.path("s2.xml")
    with open(xml, "w", encoding="utf-8") as f:
        f.write(g.virsh("snapshot-dumpxml", g.name, "s2", "--security-info").out)
    g.virsh("snapshot-delete", g.name, "s2", "--metadata")
    g.virsh("snapshot-delete", g.name, "s1", "--metadata")
    with open(xml, encoding="utf-8") as f:
        text = re.sub(r"<parent>.*?</parent>", "", f.read(), flags=re.S)
    with open(xml, "w", encoding="utf-8") as f:
        f.write(text)
    g.virsh("snapshot-create", g.name, xml, "--redefine")
    r = typed(t, g, remedy(t, g, "no-current-snapshot", "--current"))
    t.has(r.out, "s2")


@test
@requires("program")
def an_internal_snapshot_is_for_virsh(t):
    g = t.guest()
    g.virsh("snapshot-create-as", g.name, "i1")
    typed(t, g, remedy(t, g, "internal-snapshot", "i1"))
    t.eq(g.snapshots(), [])


@test
@requires("program")
def a_managed_save_is_discarded(t):
    g = some(t, start=True)
    g.virsh("managedsave", g.name)
    typed(t, g, remedy(t, g, "managed-save", "s1"))
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")


@test(cases=["abort", "take over"])
@requires("program")
def a_block_job_is_ended(t, how):
    """Ended with virsh it would have cost s2 its state, and nothing would say so."""
    g = some(t, start=True)
    g.virsh("blockcommit", g.name, "vda", "--active", "--shallow", "--wait")
    repair, abort = re.findall(r"'(virsh.*?)'", remedy(t, g, "active-job", "s1"))
    t.eq((repair, abort), (f"virsh-ext chain-repair {g.name}",
                           f"virsh-ext chain-repair {g.name} --abort"))
    follow(t, g, (abort if how == "abort" else repair).removeprefix("virsh-ext "))
    t.eq(g.snapshots(), ["s1"])
    g.oracle.forget("s2")
    g.oracle.extra_files |= g.oracle._files()
    g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, "--all"), 0)
    g.oracle.forget("s1")
    g.oracle.check_all()


@test
@requires("program")
def a_commit_below_is_not_to_be_ended(t):
    """Nobody could tell any more which state it has cost."""
    g = some(t, start=True)
    g.snapshot("s3")
    chain = g.chain("vda")
    g.virsh("blockcommit", g.name, "vda", "--top", chain[1], "--base", chain[2], "--bandwidth", "1")
    t.eq(re.findall(r"'(virsh.*?)'", remedy(t, g, "active-job", "s1")),
         [f"virsh-ext chain-repair {g.name}"])
    r = t.rc(g.vext("chain-repair", g.name, "--abort"), 1)
    t.eq(re.findall(r"'(virsh.*?)'", r.err), [f"virsh-ext chain-repair {g.name}"])
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0")
    t.rc(g.vext("chain-repair", g.name), 0)
    g.oracle.check_active()


@test
@requires("program")
def a_backup_is_ended(t):
    g = some(t, start=True)
    xml = t.path("backup.xml")
    with open(xml, "w", encoding="utf-8") as f:
        f.write(f"<domainbackup mode='pull'><server transport='unix' socket='{t.path('nbd')}'/>"
                "</domainbackup>")
    supported(g.virsh("backup-begin", g.name, xml, check=False))
    typed(t, g, remedy(t, g, "backup-job", "s1"))
    t.wait_for(lambda: g.vext(COMMAND, g.name, "s1", "--dry-run").rc == 0, "the backup's end")
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")


@test
@requires("program")
def checkpoints_are_deleted(t):
    g = some(t, start=True)
    supported(g.virsh("checkpoint-create-as", g.name, "c1", check=False))
    text = remedy(t, g, "checkpoints", "s1")
    listing, delete = re.findall(r"'virsh (.*?)'", text)
    t.has(follow(t, g, listing).out, "c1")
    follow(t, g, delete, NAME="c1")
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")


@test
@requires("program")
def bitmaps_are_removed(t):
    g = some(t)
    path = g.sources(g.snapshot_xml("s2").find("domain"))["vda"].path
    qemu_img("bitmap", "--add", path, "b1")
    command, = re.findall(r"'(.*?)'", remedy(t, g, "bitmaps", "s2"))
    follow(t, g, command, NAME="b1")
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    g.oracle.deleted("s2")


@test
@requires("program")
def a_format_that_is_not_recorded_is_shown(t):
    """libvirt starts no domain, so no helper either, on such an image."""
    g = some(t)
    image = g.active("vda").path
    forget_format(image)
    record, = re.findall(r"'(qemu-img .*?)'", typed(t, g, remedy(t, g, "format-not-recorded",
                                                                 "s2"), rc=1).out)
    follow(t, g, record, FORMAT="qcow2")
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    g.oracle.deleted("s2")


@test
@requires("program")
def the_metadata_where_an_image_is_missing(t):
    g = some(t)
    path = g.chain("vda")[1]
    os.rename(path, path + ".away")
    t.has(remedy(t, g, "missing-image", "s2"), "--metadata")
    t.rc(g.vext(COMMAND, g.name, "s2", "--metadata"), 0)
    t.eq(g.snapshots(), ["s1"])
    os.rename(path + ".away", path)
    g.oracle.forget("s2")
    g.oracle.check_all()


@test
@requires("program")
def the_metadata_of_a_snapshot_that_names_no_image(t):
    """libvirt takes no such snapshot, but reads one from its own files."""
    daemon = t.daemon(fresh=True)
    g = some(t, daemon=daemon)
    daemon.stop()
    path = os.path.join(daemon.lib, "qemu/snapshot", g.name, "s2.xml")
    with open(path, "r+", encoding="utf-8") as f:
        text = re.sub(r"<(domain|inactiveDomain) .*?</\1>", "", f.read(), flags=re.S)
        f.seek(0)
        f.truncate()
        f.write(text)
    daemon.start()
    typed(t, g, remedy(t, g, "no-domain", "s2"))
    t.eq(g.snapshots(), ["s1"])
    g.oracle.forget("s2")
    g.oracle.check_all()
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")


@test
@requires("program")
def a_configuration_that_names_another_chain_is_repaired(t):
    g = some(t)
    source = re.search(r"<source file='[^']*'[^>]*/>", g.virsh("dumpxml", g.name).out)[0]
    g.define(g.virsh("dumpxml", g.name).out.replace(source, source + "<backingStore/>"))
    typed(t, g, remedy(t, g, "chain-mismatch", "s2"), rc=1)
    follow(t, g, remedies(t, g, "chain-mismatch")[0])
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    g.oracle.deleted("s2")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def headers_that_say_something_else_than_qemu_has_open(t):
    """Somebody has changed one under the running guest, and puts it back as he is told to look."""
    g = some(t, start=True)
    top, below, root = g.chain("vda")
    opened = f"driver=qcow2,file.driver=file,file.filename={top},file.locking=off"
    qemu_img("rebase", "-u", "--image-opts", opened, "-F", "qcow2", "-b", root)
    typed(t, g, remedy(t, g, "chain-mismatch", "s2"), rc=1)
    t.has(follow(t, g, remedies(t, g, "chain-mismatch")[0]).out, below)
    qemu_img("rebase", "-u", "--image-opts", opened, "-F", "qcow2", "-b", below)
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    g.oracle.deleted("s2")


@test
@requires("program")
def a_configuration_that_names_another_image_is_edited(t):
    g = some(t, start=True)
    top, below, _ = g.chain("vda")
    g.define(re.sub(r"<backingStore.*?</backingStore>\s*(?=<target)", "",
                    g.virsh("dumpxml", g.name, "--inactive").out,
                    flags=re.S).replace(top, below))
    command = remedy(t, g, "config-mismatch", "s1")
    t.eq(command, f"virsh edit {g.name}")
    editor = t.path("editor")
    with open(editor, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\nsed -i 's,{below},{top},' \"$1\"\n")
    os.chmod(editor, 0o755)
    t.rc(g.vext("edit", g.name, env={**g.daemon.env(), "EDITOR": editor}), 0)
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    g.destroy()
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def an_interrupted_operation_is_finished(t):
    g = some(t, start=True, size="64M")
    g.oracle.write("vda", "12M", "48M", 0x55)
    t.rc(g.vext(COMMAND, g.name, "s2", "--direction", "commit", "--bandwidth", "1",
                "--timeout", "3"), 3)
    text = remedy(t, g, "interrupted-operation", "s1")
    typed(t, g, text)
    g.oracle.deleted("s2")
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")


@test
@requires("program")
def what_libvirt_left_half_deleted(t):
    """libvirt marks the snapshot below the one whose state is gone."""
    g = t.guest(start=True)     # 9.0 begins no deletion of what was taken shut off
    if g.daemon.versions()[0] < (9, 0, 0):
        raise Skip("this libvirt does not delete external snapshots")
    o = g.oracle
    for i in (1, 2, 3):
        o.write("vda", f"{i}M", "1M", 0x20 + i)
        o.snapshot(f"s{i}")
    o.write("vda", "8M", "4M", 0x77)
    g.destroy()
    frozen = g.sources(g.snapshot_xml("s2").find("domain"))["vda"].path
    user = t.guest("vm2", disks=[{"backing": frozen}], start=True)
    user_image = user.active("vda").path
    t.rc(g.virsh("snapshot-delete", g.name, "s2", check=False), 1)   # vm2 holds a lock
    user.destroy()
    user.undefine()
    os.unlink(user_image)
    t.rc(g.vext(COMMAND, g.name, "s3"), 0)      # has nothing to do with it
    o.deleted("s3")
    text = remedy(t, g, "delete-in-progress", "s1")
    t.eq(text, f"virsh-ext {COMMAND} {g.name} s2")
    typed(t, g, text)
    o.deleted("s2")
    t.ok("InProgress" not in g.virsh("snapshot-dumpxml", g.name, "s1").out, "the mark is gone")
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    o.deleted("s1")
    o.check_chain_clean(start=True)


@test
@requires("program")
def another_direction(t):
    g = some(t, start=True)
    t.eq(remedy(t, g, "not-active", "s1", "--direction", "pull"), "Use --direction auto")
    t.rc(g.vext(COMMAND, g.name, "s1", "--direction", "auto"), 0)
    g.oracle.deleted("s1")


@test(cases=["pull", "auto"])
@requires("program")
def another_direction_where_there_is_no_space(t, asked):
    """What would take the chain's root away is not chosen, but named."""
    small = faults.small_fs(t.path("small"), "24M")
    g = t.guest(dir=small)
    o = g.oracle
    o.write("vda", 0, "2M", 0x11)
    if asked == "pull":
        o.write("vda", "8M", "4M", 0x12)
    o.snapshot("s1")
    o.write("vda", 0, "2M", 0x22)
    if asked == "auto":
        o.write("vda", "8M", "4M", 0x23)
    with faults.full(small, leave="1M"):
        text = remedy(t, g, "no-space", "s1", "--direction", asked)
        other = re.fullmatch("Make room, or try (--direction (auto|pull))", text)
        t.rc(g.vext(COMMAND, g.name, "s1", *other[1].split()), 0)
    o.deleted("s1")
    o.check_chain_clean(start=True)


@test
@requires("program")
def unnamed_layers_that_were_interrupted(t):
    """An operation of no snapshot is named, refused beside, and gone on with."""
    g = t.guest(start=True, size="64M")
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", "2M", "1M", 0x22)
    o.snapshot("n1", metadata=False)
    o.write("vda", "12M", "48M", 0x55)
    t.rc(g.vext(COMMAND, g.name, "--unnamed", "--direction", "commit", "--bandwidth", "1",
                "--timeout", "3"), 3)
    t.has(g.vext("chain-show", g.name).out, f"{COMMAND}, begun ")
    # all snapshots is not what was begun
    plan = json.loads(t.rc(g.vext(COMMAND, g.name, "--all", "--dry-run", "--json"), 1).out)
    t.has(plan["refusals"][0]["message"], f"({COMMAND}) on domain")
    t.rc(g.vext(COMMAND, g.name, "--all"), 1)
    t.eq(t.rc(g.vext(COMMAND, g.name, "--unnamed"), 0).out, "Unnamed layers merged\n\n")
    o.check_all()
    g.destroy()
    o.check_chain_clean(start=True)
    t.eq(len(g.chain("vda")), 2)


if __name__ == "__main__":
    main()
