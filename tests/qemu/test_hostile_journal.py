#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journal is metadata of a domain: who may define domains can write anything into it."""
import base64
import json
import os
import socket
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402

LOCK, MERGE, CREATE, STOP, DEFINE, RESTORE, START, REMOVE, UNLOCK = 0, 4, 2, 7, 8, 10, 11, 12, 13
DELETE, REVERT = 0, 1
XMLNS = "https://virsh-ext.org/xmlns"


def file_image(path, source=True, key=None):
    return {"key": key or path, "path": path, "format": "raw", "allocation": 0, "born": 0,
            "source": {"type": 1, "path": path, "pool": None, "volume": None, "protocol": None,
                       "name": None, "host": None, "other": None, "xml": None,
                       "disk_type": None} if source else None}


def step(action, **more):
    return {"action": action, "merge": 0, "file": 0, "bytes": 0, **more}


def plan(uuid, operation, *steps, **more):
    command = ("snapshot-delete-external", "snapshot-revert-external")[operation]
    return {"format": 1, "operation": operation, "domain": "vm1", "uuid": uuid,
            "command": command, "snapshots": ["s"], "refusals": [], "notes": [], "merges": [],
            "files": [], "steps": [step(LOCK), *steps, step(UNLOCK)], "alternatives": [],
            "wanted": [], "renames": [], "bytes_moved": 0, "bytes_freed": 0, "bytes_exact": True,
            "metadata_only": False, "keep_files": False, "new_current": None,
            "current_changes": False, "overlays": [], "save_overlays": [], "kept_disks": [],
            "save_current": None, "memory_file": None, "want_state": "shutoff",
            "was_running": False, "force": False, "reset_nvram": False, "discarded_bytes": 0,
            **more}


def uuid_of(g):
    return g.virsh("domuuid", g.name, log=False).out.strip()


def plant(t, g, the_plan, snapshot="<domainsnapshot><name>s</name></domainsnapshot>", uuid=None):
    payload = {"uuid": uuid or uuid_of(g), "plan": json.dumps(the_plan),
               "domain_xml": g.virsh("dumpxml", g.name, "--inactive", log=False).out,
               "snapshots": [{"name": "s", "xml": snapshot}]}
    packed = base64.b64encode(zlib.compress(json.dumps(payload).encode())).decode()
    path = t.path("helper.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"<domain type='qemu'><name>{g.name}.virsh-ext</name><memory unit='MiB'>16</memory>"
                f"<metadata><operation xmlns='{XMLNS}/operation/1' format='1' id='i' "
                f"domain='{g.name}' command='x' started='2026-01-01T00:00:00Z'>"
                f"<payload>{packed}</payload></operation>"
                f"<progress xmlns='{XMLNS}/progress/1' owner='o' client='c' process='' step='0' "
                "action='x' committing='no' suspended='no'/></metadata>"
                "<os><type arch='x86_64'>hvm</type></os></domain>")
    g.virsh("define", path)


def unplant(g):
    g.virsh("destroy", g.name + ".virsh-ext", check=False)
    g.virsh("undefine", g.name + ".virsh-ext", check=False)


@test
@requires("program")
def files_that_are_none_of_its_own_stay(t):
    g = t.guest()
    paths = [t.path("passwd"), t.path("shadow")]
    for path in paths:
        with open(path, "w", encoding="ascii") as f:
            f.write("root:x\n")
    uuid = uuid_of(g)
    st = os.stat(paths[1])
    known = f"inode:{st.st_dev}:{st.st_ino}"
    files = [{"image": None, "memory_file": paths[0], "disk": None, "bytes": 0},
             {"image": file_image(paths[1]), "memory_file": None, "disk": None, "bytes": 0},
             {"image": file_image(paths[1], key=known), "memory_file": None, "disk": None,
              "bytes": 0}]
    steps = [step(REMOVE), step(REMOVE, file=1), step(REMOVE, file=2)]
    for command in (["chain-repair"], ["snapshot-delete-external"]):
        plant(t, g, plan(uuid, DELETE, *steps, files=files))
        g.vext(*command, g.name, *(["s"] if len(command[0]) > 12 else []))
        for path in paths:
            t.ok(os.path.exists(path), f"{path} is there after {command[0]}")
        unplant(g)


@test(cases=["files", "merges"])
@requires("program")
def what_only_an_image_of_its_own_stands_on_stays(t, where):
    """Whoever can write the record can make an image on any file, too."""
    g = t.guest()
    path = t.path("passwd")
    with open(path, "w", encoding="ascii") as f:
        f.write("root:x\n" * 200)
    planted = image(t.path("planted.qcow2"), backing=path, backing_format="raw")
    known = [f"inode:{os.stat(p).st_dev}:{os.stat(p).st_ino}" for p in (path, planted)]
    files = [{"image": file_image(path, key=known[0]), "memory_file": None, "disk": "vda",
              "bytes": 0},
             {"image": dict(file_image(planted, key=known[1]), format="qcow2"),
              "memory_file": None, "disk": "vda", "bytes": 0}]
    steps = [step(REMOVE), step(REMOVE, file=1)]
    plant(t, g, plan(uuid_of(g), DELETE, *(steps if where == "files" else steps[::-1]),
                     files=files))
    r = g.vext("chain-repair", g.name)
    t.ok(os.path.exists(path), r)
    unplant(g)


def birth(path):
    """In nanoseconds, or 0 where the file system does not keep it."""
    whole, _, part = run(["stat", "-c", "%.9W", path]).out.strip().partition(".")
    return int(whole) * 10**9 + int((part or "0").ljust(9, "0")) if whole != "0" else 0


@test(cases=["the same", "another"])
@requires("program")
def a_file_with_the_inode_of_one_that_was_to_go_stays(t, file):
    """When the one is gone the next is given its inode; its birth is another."""
    g = t.guest()
    path = image(t.path("next.qcow2"))
    if not birth(path):
        raise Skip("this file system does not keep when a file was made")
    st = os.stat(path)
    gone = file_image(path, key=f"inode:{st.st_dev}:{st.st_ino}")
    gone["born"] = birth(path) - (10**9 if file == "another" else 0)
    plant(t, g, plan(uuid_of(g), DELETE, step(REMOVE), files=[
        {"image": gone, "memory_file": None, "disk": "vda", "bytes": 0}]))
    r = t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(os.path.exists(path), file == "another", r)


@test
@requires("program")
def it_is_about_no_other_domain(t):
    g, h = t.guest(), t.guest("vm2", start=True)
    before = h.virsh("dumpxml", h.name, "--inactive").out
    theirs = uuid_of(h)
    for uuid in (None, theirs):
        plant(t, g, plan(theirs, REVERT, step(STOP)), uuid=uuid)
        r = t.rc(g.vext("chain-repair", g.name), 3 if uuid else 1)
        t.eq(h.state(), "running", r)
        unplant(g)
    xml = before.replace("<devices>", "<description>theirs</description><devices>")
    plant(t, g, plan(uuid_of(g), REVERT, step(DEFINE)),
          snapshot=f"<domainsnapshot><name>s</name>{xml}</domainsnapshot>")
    g.vext("chain-repair", g.name)
    t.eq(h.virsh("dumpxml", h.name, "--inactive").out, before)
    t.eq(h.state(), "running")


def incomplete(uuid):
    none = file_image("/x", source=False)
    yield "no steps", {**plan(uuid, DELETE), "steps": []}
    yield "no domain", plan(None, DELETE)
    yield "no snapshot", plan(uuid, REVERT, step(DEFINE), snapshots=[])
    yield "another snapshot", plan(uuid, REVERT, step(CREATE), snapshots=["other"])
    yield "no state", plan(uuid, REVERT, step(START), want_state=None)
    yield "no memory", plan(uuid, REVERT, step(RESTORE))
    yield "a file without a source", plan(uuid, DELETE, step(REMOVE), files=[
        {"image": none, "memory_file": None, "disk": None, "bytes": 0}])
    yield "an overlay without one", plan(uuid, REVERT, step(CREATE), overlays=[
        {"disk": "vda", "frozen": none, "overlay": none}])
    yield "a merge without one", plan(uuid, DELETE, step(MERGE), merges=[
        {"disk": "vda", "direction": 1, "base": none, "top": none, "below": None, "above": None,
         "range": [none, none], "gone": [], "live": False, "top_is_active": False,
         "relative": False, "bytes": 0, "other_bytes": 0}])


@test
@requires("program")
def one_that_cannot_be_run_is_refused(t):
    g = t.guest()
    for what, the_plan in incomplete(uuid_of(g)):
        plant(t, g, the_plan)
        for way in ([], ["--dry-run"], ["--dry-run", "--json"], ["--abort"]):
            r = t.rc(g.vext("chain-repair", g.name, *way), 1)
            t.has(r.err, "cannot be read", what)
        t.rc(g.vext("chain-show", g.name), 0)
        for command in ("snapshot-delete-external", "snapshot-revert-external"):
            t.rc(g.vext(command, g.name, "s"), 1)
        unplant(g)


@test(cases=["all", "step", "committing"])
@requires("program")
def one_that_does_not_say_how_far_it_is_is_not_undone(t, what):
    """A commit may have begun: that is not taken for one that has not."""
    g = t.guest()
    plant(t, g, plan(uuid_of(g), DELETE, step(REMOVE), files=[
        {"image": None, "memory_file": "/x", "disk": None, "bytes": 0}]))
    helper = g.name + ".virsh-ext"
    if what == "all":
        g.virsh("metadata", helper, f"{XMLNS}/progress/1", "--config", "--remove")
    else:
        rest = {"step": "committing='no'", "committing": "step='0'"}[what]
        g.virsh("metadata", helper, f"{XMLNS}/progress/1", "--config", "--key", "vext-progress",
                "--set", f"<progress owner='o' client='c' process='' {rest} suspended='no'/>")
    for way in (["--abort"], ["--abort", "--dry-run"], []):
        r = t.rc(g.vext("chain-repair", g.name, *way), 1)
        t.has(r.err, "does not say how far")
    t.ok(helper in g.daemon.virsh("list", "--all", "--name").out, "the record stays")
    unplant(g)


@test(cases=["document", "entity", "parameter"])
@requires("program")
def its_xml_reads_nothing_from_elsewhere(t, kind):
    """It is packed: libvirt, which accepts no such XML for domains, does not see it."""
    g = t.guest()
    secret = t.path("secret")
    with open(secret, "w", encoding="ascii") as f:
        f.write("what-only-the-file-says")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for url in (f"http://127.0.0.1:{server.getsockname()[1]}/x", f"file://{secret}"):
            head = {"document": f"<!DOCTYPE domainsnapshot SYSTEM '{url}'>",
                    "entity": f"<!DOCTYPE x [<!ENTITY e SYSTEM '{url}'>]>",
                    "parameter": f"<!DOCTYPE x [<!ENTITY % e SYSTEM '{url}'> %e;]>"}[kind]
            inside = "<description>&e;</description>" if kind == "entity" else ""
            plant(t, g, plan(uuid_of(g), REVERT, step(DEFINE)),
                  snapshot=f"{head}<domainsnapshot><name>s</name>{inside}</domainsnapshot>")
            for args in (["chain-show", g.name], ["chain-show", g.name, "--json"],
                         ["chain-repair", g.name, "--dry-run"], ["chain-repair", g.name],
                         ["chain-repair", g.name, "--abort"]):
                r = g.vext(*args)
                t.ok("what-only" not in r.out + r.err, r)
            t.raises(BlockingIOError, server.accept)
            unplant(g)


if __name__ == "__main__":
    main()
