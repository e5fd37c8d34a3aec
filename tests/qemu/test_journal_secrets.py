#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the journal of an interrupted operation tells a read-only client, and what is not lost by
its not telling: passwords of displays."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402
from vext.journals import journal_text  # noqa: E402

PASSWORD = "hushhush"
DISPLAY = f"<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='{PASSWORD}'/>"


def interrupted(t, point, *args, **kwargs):
    """A guest with s1, s2, s3 whose operation was killed at the point."""
    matrix.require_faults()
    g = t.guest(xml=DISPLAY, **kwargs)
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "1M", 0x10 + i, verify=False)
        o.snapshot(name)
    process = util.spawn([*matrix.program(), "-c", g.daemon.uri, args[0], g.name, *args[1:]],
                         env=matrix.environment(point, "kill"))
    out, err = process.communicate(timeout=60)
    t.eq((process.returncode, out, err)[0], -9, f"exit status ({out} {err})")
    return g


def told(t, g):
    """All that a read-only client can read of the journal."""
    text = "".join(journal_text(g, readonly=True))
    t.has(text, "graphics")
    return text


def passwords(g, name=None):
    """How often the password stands in the secure XML of the domain or a snapshot."""
    command = ["snapshot-dumpxml", g.name, name] if name else ["dumpxml", g.name, "--inactive"]
    return g.virsh(*command, "--security-info").out.count(f"passwd='{PASSWORD}'")


@test
@requires("program")
def passwords_are_not_in_the_journal_and_survive_a_killed_delete(t):
    g = interrupted(t, "update-snapshots-forgotten", "snapshot-delete-external", "s2")
    t.ok(PASSWORD not in told(t, g), "the journal tells the password")
    r = g.vext("chain-repair", g.name)
    t.eq(r.rc, 0)
    t.eq([passwords(g), passwords(g, "s1"), passwords(g, "s3")], [1, 1, 1])
    g.oracle.forget("s2")
    g.oracle.check_all()


@test
@requires("program")
def passwords_survive_a_killed_revert(t):
    g = interrupted(t, "update-snapshots-before", "snapshot-revert-external", "s2")
    t.ok(PASSWORD not in told(t, g), "the journal tells the password")
    r = g.vext("chain-repair", g.name)
    t.eq(r.rc, 0)
    t.eq([passwords(g)] + [passwords(g, s) for s in ("s1", "s2", "s3")], [1, 1, 1, 1])


@test
@requires("program")
def passwords_survive_a_revert_that_is_undone(t):
    g = interrupted(t, "update-snapshots-before", "snapshot-revert-external", "s2")
    r = g.vext("chain-repair", g.name, "--abort")
    t.eq(r.rc, 0)
    t.eq([passwords(g)] + [passwords(g, s) for s in ("s1", "s2", "s3")], [1, 1, 1, 1])
    g.oracle.check_all()


if __name__ == "__main__":
    main()
