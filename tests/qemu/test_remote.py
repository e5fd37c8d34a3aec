#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our commands on a daemon whose files this machine cannot see (qemu+tcp, the directory of the
images is empty for the client): what cannot be known is said, and nothing is guessed."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *
from vext import matrix


def far(t, pool=False, daemon=None, **kwargs):
    """A guest on a daemon that also listens on TCP; g.far() runs the program over it."""
    d = daemon or t.daemon(tcp=True)
    g = t.guest(daemon=d, **kwargs)
    if pool:
        d.pool("images", g.dir)
    g.far = lambda *args, **kw: d.remote_vext(*args, hidden=g.dir, **kw)
    return g


def take(g, *names, **kwargs):
    o = g.oracle
    for i, name in enumerate(names):
        for d in o.model:
            o.write(d, f"{i}M", "1M", 0x10 + i)
            o.write(d, f"{8 + 64 * i}k", "32k", 0x40 + i)
        o.snapshot(name, **kwargs)
    for d in o.model:
        o.write(d, "9M", "512k", 0x77)
    return g


def no_pool_left(t, g, *expected):
    t.eq(sorted(g.virsh("pool-list", "--all", "--name").out.split()), sorted(expected))


def delete(t, g, *args):
    return t.rc(g.far("snapshot-delete-external", g.name, *args), 0)


def images(t, g):
    shown = json.loads(t.rc(g.far("chain-show", g.name, "--json"), 0).out)
    return shown["disks"][0]["images"], shown


@test
@requires("program")
def the_client_sees_nothing(t):
    g = far(t)
    r = util.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$1" && ls "$1"', "sh",
                  g.dir])
    t.eq(r.out, "")
    t.ok(os.path.exists(g.active("vda").path), "the daemon's image is there")


@test(cases=["running", "off"])
@requires("program")
def show_with_a_pool(t, state):
    g = far(t, start=state == "running")
    take(g, "s1", "s2")
    g.daemon.pool("images", g.dir)
    found, shown = images(t, g)
    t.eq([i["path"] for i in found if i["in_active_chain"]], g.chain("vda")[::-1])
    t.eq([i["snapshots"] for i in found], [["s1"], ["s2"], []])
    t.ok(all(i["allocation"] for i in found), f"sizes are known: {found}")
    t.eq(shown["findings"], [])


@test(cases=["running", "off"])
@requires("program")
def show_without_a_pool(t, state):
    g = far(t, start=state == "running")
    take(g, "s1", "s2")
    found, shown = images(t, g)
    paths = [i["path"] for i in found]
    t.eq(sorted(paths), sorted(g.chain("vda")))
    t.rc(g.far("chain-show", g.name), 0)
    t.rc(g.far("chain-show", g.name, "--table"), 0)
    t.rc(g.far("chain-show", "--all", "--orphans"), 0)
    if state == "off":
        t.ok([i for i in found if i["allocation"] is None], "sizes that nobody knows are null")
    t.ok(not [f for f in shown["findings"] if f["code"] == "missing-image"],
         f"nothing is called missing that merely cannot be seen: {shown['findings']}")
    no_pool_left(t, g)


@test(cases=[(s, d, p) for s in ("running", "off") for d in ("commit", "pull")
             for p in (False, True)])
@requires("program")
def delete_one(t, state, direction, pool):
    g = far(t, pool=pool, disks=2, start=state == "running")
    take(g, "s1", "s2", "s3")
    gone = "s3" if direction == "pull" and state == "running" else "s1"
    delete(t, g, gone, "--direction", direction)
    g.oracle.deleted(gone)
    g.oracle.check_chain_clean()
    rest = [s for s in ("s1", "s2", "s3") if s != gone]
    delete(t, g, *rest)
    g.oracle.deleted(*rest)
    g.destroy()
    g.oracle.check_chain_clean(start=True)
    for target in g.oracle.model:
        t.eq(len(g.chain(target)), 1)
    no_pool_left(t, g, *(["images"] if pool else []))


@test(cases=[False, True])
@requires("program")
def delete_with_memory(t, pool):
    g = far(t, pool=pool, start=True)
    take(g, "s1", "s2", memory=True)
    delete(t, g, "s1")
    g.oracle.deleted("s1")
    g.oracle.check_chain_clean()
    t.ok(not os.path.exists(g.memory_path("s1")), "the memory file is gone")
    t.ok(os.path.exists(g.memory_path("s2")), "the other's is there")
    no_pool_left(t, g, *(["images"] if pool else []))


@test
@requires("program")
def delete_with_memory_somewhere_else(t):
    """In a directory that no pool names and no image lies in."""
    g = far(t, start=True)
    folder = os.path.join(g.dir, "memory")
    os.mkdir(folder)
    o = g.oracle
    for i, name in enumerate(("s1", "s2")):
        o.write("vda", f"{i}M", "1M", 0x10 + i)
        memory = os.path.join(folder, name + ".memory")
        g.virsh("snapshot-create-as", g.name, name, "--memspec", f"file={memory}", "--diskspec",
                f"vda,snapshot=external,file={g.overlay_path(name, 'vda')}")
        o.taken(name)
    delete(t, g, "s1")
    o.deleted("s1")
    t.eq(os.listdir(folder), ["s2.memory"])
    no_pool_left(t, g)
    delete(t, g, "s2")
    o.deleted("s2")
    t.eq(os.listdir(folder), [])


@test(cases=["off", "running"])
@requires("program")
def a_full_clone_where_no_pool_is(t, state):
    """Another guest with a copy of the disk, in a directory of its own: it is in nobody's way."""
    g = far(t)
    take(g, "s1", "s2")
    folder = os.path.join(g.dir, "clone")
    os.mkdir(folder)
    path = os.path.join(folder, "clone.qcow2")
    qemu_img("convert", "-O", "qcow2", g.active("vda").path, path)
    clone = t.guest("clone", daemon=g.daemon, dir=folder, disks=[{"path": path}])
    clone.oracle.write("vda", "3M", "64k", 9)
    if state == "running":
        clone.start()
    for name in ("s1", "s2"):
        delete(t, g, name)
        g.oracle.deleted(name)
    clone.oracle.check_all()
    no_pool_left(t, g)
    g.oracle.check_chain_clean(start=True, allow=[path])


@test(cases=["off", "running"])
@requires("program")
def the_base_of_a_guest_that_is_shut_off_is_left_alone(t, state):
    """Nothing on the connection but the image's own header says what the other stands on."""
    g = far(t)
    path = os.path.join(g.dir, "other.qcow2")
    other = t.guest(name="other", daemon=g.daemon, dir=g.dir, disks=[
        {"target": "vda", "backing": g.active("vda").path, "path": path}])
    other.oracle.write("vda", "2M", "64k", 9)
    if state == "running":
        g.start()
    o = g.oracle
    o.extra_files.add(path)
    o.snapshot("s1")
    o.write("vda", "1M", "1M", 5)
    o.snapshot("s2")
    o.write("vda", "3M", "1M", 6)
    r = g.far("snapshot-delete-external", g.name, "s1", "--direction", "commit")
    t.rc(r, 1)
    o.check_all()
    r = g.far("snapshot-delete-external", g.name, "s1")
    t.ok(r.rc in (0, 1), r)
    if r.rc == 0:
        o.forget("s1")
    o.check_all()
    other.oracle.check_all()
    no_pool_left(t, g)


@test(cases=[(s, p) for s in ("running", "off") for p in (False, True)])
@requires("program")
def revert(t, state, pool):
    g = far(t, pool=pool, disks=2, start=state == "running")
    take(g, "s1", "s2")
    old = [s.path for s in g.active().values()]
    t.rc(g.far("snapshot-revert-external", g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True)
    t.eq(g.current(), "s1")
    for path in old:
        t.ok(not os.path.exists(path), f"{path} is gone")
    t.rc(g.far("snapshot-revert-external", g.name, "s2", "--running"), 0)
    g.oracle.revert("s2")
    g.oracle.check_all()
    t.eq(g.state(), "running")
    delete(t, g, "--all")
    g.oracle.deleted("s1", "s2")
    no_pool_left(t, g, *(["images"] if pool else []))


@test(cases=[False, True])
@requires("program")
def revert_with_memory(t, pool):
    g = far(t, pool=pool, start=True)
    take(g, "s1", "s2", memory=True)
    t.rc(g.far("snapshot-revert-external", g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.check_all()
    t.eq(g.state(), "running")
    g.oracle.check_chain_clean()
    no_pool_left(t, g, *(["images"] if pool else []))


def killed(t, point, *args, start=False):
    """A revert to s1, here, that was killed; it is gone on with from far away."""
    g = far(t, start=start)
    take(g, "s1")
    g.oracle.flush()
    r = run([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name, "s1",
             *args], check=False, env={**g.daemon.env(), **matrix.environment(point, "kill")})
    t.eq(r.rc, -9)
    return g, g.oracle


@test(timeout=120)
@requires("program", matrix.require_faults)
def an_overlay_that_has_been_written_stays_when_undone(t):
    """The guest ran on it, and then the configuration was put back by hand."""
    g, o = killed(t, "define-domain-after")
    before, overlay = g.overlay_path("s1", "vda"), g.active("vda").path
    o.write("vda", "4M", "1M", 0x33)
    g.define(g.virsh("dumpxml", g.name, "--inactive").out.replace(overlay, before))
    r = t.rc(g.far("chain-repair", g.name, "--abort"))
    t.has(r.err, f"'{overlay}' stays: it has been written to")
    t.ok(os.path.exists(overlay), "what the guest has written is gone")


@test(cases=["create-overlays-after", "define-domain-after"], timeout=120)
@requires("program", matrix.require_faults)
def undone_from_far_away(t, point):
    g, o = killed(t, point, start=True)
    t.rc(g.far("chain-repair", g.name, "--abort"))
    o.check_all()
    o.check_chain_clean()


@test(cases=["held", "resumed"], timeout=120)
@requires("program", matrix.require_faults)
def a_saved_state_of_a_guest_that_was_held(t, how):
    """Whether something was written on top of it cannot be seen from here."""
    g, o = killed(t, "define-domain-before", "--save-current", "kept", start=True)
    o.taken("kept")
    if how == "resumed":
        g.resume()
        o.write("vda", "4M", "1M", 0x33)
        t.has(t.rc(g.far("chain-repair", g.name), 3).err, "would be lost")
        t.rc(g.far("chain-repair", g.name, "--abort"))
    else:
        t.rc(g.far("chain-repair", g.name))
        o.revert("s1")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program")
def a_pool_that_knows_less_than_there_is(t):
    """The pool was read before the snapshots were taken."""
    g = far(t, pool=True)
    take(g, "s1", "s2")
    delete(t, g, "s1", "--direction", "commit")
    g.oracle.deleted("s1")
    g.oracle.check_chain_clean(start=True)


@test
@requires("program")
def a_dry_run_leaves_nothing(t):
    g = far(t)
    take(g, "s1", "s2")
    before = sorted(os.listdir(g.dir))
    r = t.rc(g.far("snapshot-delete-external", g.name, "s1", "--dry-run"), 0)
    t.has(r.out, "Would move")
    r = t.rc(g.far("snapshot-revert-external", g.name, "s1", "--dry-run"), 0)
    t.eq(sorted(os.listdir(g.dir)), before)
    g.oracle.check_all()
    no_pool_left(t, g)


if __name__ == "__main__":
    main()
