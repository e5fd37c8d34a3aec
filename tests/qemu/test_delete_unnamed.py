#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that belong to no snapshot: when snapshot-delete-external merges them, and when not."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext.chains import *  # noqa: E402,F403

COMMAND = "snapshot-delete-external"


def layers(t, *names, start=False, **kwargs):
    """Snapshots with something written before each; a name '-' makes an unnamed layer."""
    g = t.guest(start=start, **kwargs)
    for i, name in enumerate(names):
        g.oracle.write("vda", f"{i}M", "1M", 0x31 + i)
        g.oracle.snapshot(f"n{i}" if name == "-" else name, metadata=name != "-")
    g.oracle.write("vda", "512k", "2M", 0x77)
    return g


def branches(t, *before, start=False):
    """before… <- s1 <- a1 and s1 <- b1, which is where the guest is now."""
    g = layers(t, *before, "s1", "a1")
    t.rc(g.vext("snapshot-revert-external", g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.write("vda", "5M", "1M", 0x51)
    g.oracle.snapshot("b1")
    g.oracle.write("vda", "6M", "1M", 0x52)
    if start:
        g.start()
    return g


def carrier_of(g, name="s1"):
    return g.sources(g.snapshot_xml(name).find("domain"))["vda"].path


def finish(g, depth, *deleted, allow=()):
    g.oracle.deleted(*deleted)
    g.destroy()
    g.oracle.check_chain_clean(start=True, allow=allow)
    if len(g.chain("vda")) != depth:
        raise AssertionError(g.chain("vda"))


def unmanaged(g):
    return [f for f in show(g)["findings"] if f["code"] == "unmanaged-layer"]


@test(cases=["off", "running", "paused"])
@requires("program")
def the_remedy_that_chain_show_names_merges_them(t, state):
    g = layers(t, "s1", "-", "s2", "-", start=state != "off")
    if state == "paused":
        g.pause()
    t.eq(len(unmanaged(g)), 2)
    command = remedies(t, g, "unmanaged-layer")[0]
    t.eq(command, f"{COMMAND} {g.name} --unnamed")
    r = t.rc(g.vext(*command.split(), "--dry-run"), 0)
    t.has(r.out, "Merge unnamed layers of domain vm1:")
    t.eq(len(unmanaged(g)), 2)
    t.eq(t.rc(g.vext(*command.split()), 0).out, "Unnamed layers merged\n\n")
    t.eq(unmanaged(g), [])
    t.eq(t.rc(g.vext(*command.split()), 0).out, "Nothing to do\n\n")
    t.eq(json.loads(t.rc(g.vext(*command.split(), "--json"), 0).out)["steps"], [])
    finish(g, 3)


@test(cases=[("off", "--all"), ("running", "--all"), ("off", "s1"), ("off", "s1 --children")])
@requires("program")
def none_is_left_where_no_snapshot_is(t, state, args):
    """Nobody could tell it from a template afterwards."""
    g = layers(t, "s1", "-", "-", start=state == "running")
    t.rc(g.vext(COMMAND, g.name, *args.split()), 0)
    finish(g, 1, "s1")


@test
@requires("program")
def others_stay_until_it_is_asked_for(t):
    g = layers(t, "s1", "-", "s2")
    t.rc(g.vext(COMMAND, g.name, "s2"), 0)
    g.oracle.deleted("s2")
    t.eq(len(g.chain("vda")), 3)
    t.rc(g.vext(COMMAND, g.name, "--unnamed"), 0)
    finish(g, 2)


@test(cases=["off", "running"])
@requires("program")
def together_with_a_snapshot(t, state):
    g = layers(t, "s1", "-", "s2", "-", "s3", start=state == "running")
    t.rc(g.vext(COMMAND, g.name, "s2", "--unnamed"), 0)
    finish(g, 3, "s2")


@test(cases=["auto", "commit", "pull"])
@requires("program")
def a_template_below_all_snapshots_stays(t, direction):
    base = image(t.path("base.qcow2"), writes=[(0, "1M", 0x55)])
    g = layers(t, "s1", "-", disks=[{"backing": base}])
    before = os.stat(base).st_mtime_ns
    t.rc(g.vext(COMMAND, g.name, "s1", "--unnamed", "--direction", direction), 0)
    t.eq(os.stat(base).st_mtime_ns, before)
    finish(g, 2, "s1")


@test(cases=[(s, o) for s in ("off", "running") for o in ("a1", "b1")])
@requires("program")
def a_branch_point_goes_with_its_second_last_branch(t, state, branch):
    """s1's name goes first; its image does when one branch is left."""
    g = branches(t, "s0", start=state == "running")
    carrier = carrier_of(g)
    r = t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    t.has(r.err, f"Image '{carrier}' of disk 'vda' stays as an unnamed layer: "
                 "2 images stand on it")
    g.oracle.deleted("s1")
    found, = unmanaged(g)
    t.eq(found["image"], carrier)
    shown = next(i for i in disk(show(g), "vda")["images"] if i["path"] == carrier)
    t.eq((shown["role"], shown["snapshots"]), ("layer", []))
    if branch == "b1":      # the guest is on it: its images are needed
        g.destroy()
        t.rc(g.vext("snapshot-revert-external", g.name, "a1"), 0)
        g.oracle.revert("a1")
        if state == "running":
            g.start()
    t.rc(g.vext(COMMAND, g.name, branch), 0)
    t.eq(unmanaged(g), [])
    finish(g, 3, branch)


@test(cases=["off", "running"])
@requires("program")
def a_branch_point_is_pulled_into_its_branches_when_asked(t, state):
    """Here the guest runs on an image right above it."""
    g = layers(t, "s0", "s1", "a1")
    t.rc(g.vext("snapshot-revert-external", g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.write("vda", "5M", "1M", 0x51)
    if state == "running":
        g.start()
    carrier = carrier_of(g)
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    # not asked for: said so, and nothing is done
    r = t.rc(g.vext(COMMAND, g.name, "--unnamed"), 0)
    t.eq(r.out, "Nothing to do\n\n")
    t.has(r.err, "2 images stand on it")
    command, = remedies(t, g, "unmanaged-layer")
    t.eq(command, f"{COMMAND} {g.name} --unnamed --direction pull")
    t.rc(g.vext(*command.split()), 0)
    t.ok(not os.path.exists(carrier), "the branch point's file is gone")
    t.eq(unmanaged(g), [])
    finish(g, 2)


@test
@requires("program")
def why_a_running_guest_keeps_a_branch_point(t):
    """libvirt pulls only into the image that the guest writes."""
    g = branches(t, "s0", start=True)
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    command = f"{COMMAND} {g.name} --unnamed --direction pull".split()
    r = t.rc(g.vext(*command), 0)
    t.has(r.err, "A running domain pulls only into the image that it writes")
    t.eq(len(unmanaged(g)), 1)
    g.destroy()
    t.rc(g.vext(*command), 0)
    t.eq(unmanaged(g), [])
    finish(g, 3)


@test
@requires("program")
def a_root_with_two_branches(t):
    """It may be a template: of a root that no snapshot names nobody knows whose it is."""
    g = branches(t)
    root = carrier_of(g)
    t.rc(g.vext(COMMAND, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    r = t.rc(g.vext(COMMAND, g.name, "--unnamed", "--direction", "pull"), 0)
    t.eq(r.out, "Nothing to do\n\n")
    t.has(r.err, f"Image '{root}' of disk 'vda' is below all snapshots and may be a template")
    t.rc(g.vext(COMMAND, g.name, "--root", "--direction", "pull"), 0)
    t.ok(not os.path.exists(root), "the root's file is gone")
    finish(g, 2)


@test(cases=[(s, d) for s in ("off", "running") for d in ("auto", "pull")])
@requires("program")
def a_root_that_a_revert_left_one_branch_of(t, state, direction):
    """It cannot be told from a template: what is said about it leads out."""
    g = layers(t, "s1", "a1")
    root = carrier_of(g)
    for name in ("s1", "a1"):
        t.rc(g.vext("snapshot-revert-external", g.name, name), 0)
        g.oracle.revert(name)
        if name == "s1":
            g.oracle.write("vda", "5M", "1M", 0x51)
            t.has(t.rc(g.vext(COMMAND, g.name, "s1"), 0).err, "stays as an unnamed layer")
            g.oracle.deleted("s1")
    if state == "running":
        g.start()
    r = t.rc(g.vext(COMMAND, g.name, "--unnamed"), 0)
    t.eq(r.out, "Nothing to do\n\n")
    t.has(r.err, f"Image '{root}' of disk 'vda' is below all snapshots and may be a template: "
                 "if it is not, --root merges it too")
    r = g.vext(COMMAND, g.name, "--root", "--direction", direction)
    if (state, direction) == ("running", "pull"):       # a1's image is not the one it writes
        t.rc(r, 1)
        t.has(r.err, "Use --direction auto")
        t.rc(g.vext(COMMAND, g.name, "a1", "--root", "--direction", "pull"), 0)
        finish(g, 1, "a1")
        return
    t.eq(t.rc(r, 0).out, "Unnamed layers merged\n\n")
    t.eq(os.path.exists(root), direction == "auto")
    finish(g, 2)


@test
@requires("program")
def what_another_domain_stands_on_is_not_touched(t):
    g = layers(t, "s1", "-", "s2")
    layer = g.chain("vda")[1]
    other = t.guest("vm2", disks=[{"backing": layer}])
    other.oracle.write("vda", "2M", "1M", 0x66)
    t.rc(g.vext(COMMAND, g.name, "--unnamed"), 0)
    t.rc(g.vext(COMMAND, g.name, "--all"), 0)
    g.oracle.deleted("s1", "s2")
    other.oracle.check_all()
    g.oracle.check_all()
    t.ok(os.path.exists(layer), "the file that the other domain stands on is there")


@test
@requires("program")
def which_options_go_together(t):
    g = layers(t, "s1", "-")
    for args, message in [(["--unnamed", "--metadata"], "mutually exclusive"),
                          (["--root", "--metadata"], "mutually exclusive"),
                          (["--unnamed", "--children"], "--snapshotname or --current")]:
        t.has(t.rc(g.vext(COMMAND, g.name, *args), 1).err, message)
    t.eq(len(unmanaged(g)), 1)


if __name__ == "__main__":
    main()
