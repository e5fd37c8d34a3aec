#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the commands that change something say of what they did, or did not: names as they are,
the name that is meant, and all of what is thrown away."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402

DELETE, REVERT = "snapshot-delete-external", "snapshot-revert-external"
# libvirt takes both in a snapshot's name; the second would turn the text around it
BACKSLASH, TURNED = "b\\s", "r\u202eo"


def some(t, *names, **kwargs):
    g = t.guest(**kwargs)
    for i, name in enumerate(names):
        g.oracle.write("vda", f"{i}M", "1M", 0x21 + i, verify=False)
        g.oracle.snapshot(name)
    g.oracle.write("vda", "8M", "1M", 0x77, verify=False)
    return g


def utf8():
    return {"LC_ALL": "C.UTF-8"}


def killed(g, point, *args):
    """A first run that dies at the point. What it said before is not lost in its buffer."""
    # (AddressSanitizer does not want stdbuf's library before its own.)
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    process = util.spawn(["stdbuf", "-oL", *matrix.program(), "-c", g.daemon.uri, *args],
                         env={**matrix.environment(point, "kill"), "ASAN_OPTIONS": asan})
    out, err = process.communicate(timeout=60)
    if (process.returncode, err) != (-9, ""):
        raise AssertionError(f"the first run: {process.returncode} {out} {err}")
    return out


@test
@requires("program")
def a_backslash_in_a_name_is_one_in_every_sentence(t):
    g = some(t, "s1", BACKSLASH)
    for command in (DELETE, REVERT):
        r = t.rc(g.vext(command, g.name, BACKSLASH, "--dry-run"), 0)
        t.has(r.out, BACKSLASH)
        t.ok("\\\\" not in r.out, r.out)
    r = t.rc(g.vext(REVERT, g.name, BACKSLASH), 0)
    t.eq(r.lines[-1], f"Domain snapshot {BACKSLASH} reverted")
    r = t.rc(g.vext(DELETE, g.name, BACKSLASH), 0)
    t.eq(r.lines, [f"Domain snapshot {BACKSLASH} deleted"])
    r = t.rc(g.vext(DELETE, g.name, BACKSLASH), 1)
    t.has(r.err, f"error: Failed to delete snapshot '{BACKSLASH}'\n")


@test
@requires("program")
def what_turns_the_text_is_escaped_in_every_sentence(t):
    g = some(t, "s1", TURNED)
    for args in ([DELETE, g.name, TURNED, "--dry-run"], [REVERT, g.name, TURNED],
                 [DELETE, g.name, TURNED]):
        r = t.rc(g.vext(*args, env=utf8()), 0)
        t.has(r.out, r"r\u202eo")
        t.ok("\u202e" not in r.out + r.err, f"{r.out} {r.err}")


@test
@requires("program", matrix.require_faults)
def chain_repair_has_one_too(t):
    g = some(t, "s1", BACKSLASH)
    killed(g, "update-snapshots-before", DELETE, g.name, BACKSLASH)
    for args in (["chain-repair", g.name, "--dry-run"], ["chain-show", g.name]):
        r = t.rc(g.vext(*args), 0)
        t.has(r.out, f"{DELETE} of" if args[2:] else f"{DELETE} {BACKSLASH}, begun")
    t.ok("\\\\" not in g.vext("chain-repair", g.name, "--dry-run").out, "it is doubled")
    done = t.rc(g.vext("chain-repair", g.name), 0).out
    t.eq(done.splitlines()[0], f"Domain snapshot {BACKSLASH} deleted")


@test
@requires("program")
def the_name_that_is_unknown_is_in_the_error(t):
    g = some(t, "s1", "s2")
    for extra in ([], ["--dry-run"], ["--children"]):
        r = t.rc(g.vext(DELETE, g.name, "s2", "nope", *extra), 1)
        lines = r.err.splitlines()
        t.eq(lines[0], "error: Failed to delete snapshots 's2', 'nope'")
        t.has(lines[1], "no domain snapshot with matching name 'nope'")
    r = t.rc(g.vext(DELETE, g.name, "no1", "s1", "no2", "no1"), 1)
    t.eq(r.err.splitlines()[0], "error: Failed to delete snapshots 's1', 'no1', 'no2'")
    t.eq(sorted(g.snapshots()), ["s1", "s2"])


def discarded(out, word):
    """What a line says is thrown away, without the word that tells when."""
    return sorted(re.sub(rf"^{word} ", "", line) for line in out.splitlines()
                  if line.startswith(word))


@test(cases=[(p, h) for p in ("define-domain-before", "remove-file-before", "unlock-before")
             for h in ("again", "chain-repair")])
@requires("program", matrix.require_faults)
def a_revert_that_is_resumed_says_what_is_discarded(t, point, how):
    """As the first run did that died; also where the files have gone already."""
    g = some(t, "s1", "s2", disks=2)
    out = killed(g, point, REVERT, g.name, "s1")
    said = discarded(out, "To be discarded:")
    t.eq(len(said), 2, out)
    args = [REVERT, g.name, "s1"] if how == "again" else ["chain-repair", g.name]
    r = t.rc(g.vext(*args), 0)
    t.eq(discarded(r.out, "To be discarded:"), said)
    t.eq(discarded(r.out, "Discarded"), said)
    t.eq(r.lines[-1], "Domain snapshot s1 reverted" if how == "again"
         else f"Finished: {REVERT} of domain '{g.name}'")
    g.oracle.revert("s1")
    g.oracle.check_all()


@test
@requires("program", matrix.require_faults)
def a_revert_that_is_resumed_prints_its_plan_as_json(t):
    g = some(t, "s1", "s2")
    first = json.loads(t.rc(g.vext(REVERT, g.name, "s1", "--dry-run", "--json"), 0).out)
    killed(g, "define-domain-before", REVERT, g.name, "s1", "--json")
    plan = json.loads(t.rc(g.vext(REVERT, g.name, "s1", "--json"), 0).out)
    t.eq((plan["operation"], plan["snapshots"]), ("revert", ["s1"]))
    t.eq([s["action"] for s in plan["steps"]], [s["action"] for s in first["steps"]])
    t.eq(plan["bytes_freed"], first["bytes_freed"])


if __name__ == "__main__":
    main()
