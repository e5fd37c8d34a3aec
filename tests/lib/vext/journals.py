# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the journal of an operation under way says."""

import base64
import json
import os
import re
import zlib

from . import util
from .matrix import environment, program

__all__ = ["journal_text", "overlays_in_journal", "stopped"]


def journal_text(g, **kwargs):
    """The helper's XML, and its packed part as text."""
    xml = g.virsh("dumpxml", g.name + ".virsh-ext", **kwargs).out
    payload = re.search(r"<[^>]*payload>([^<]*)<", xml)
    assert payload, "the helper has no journal"
    return xml, zlib.decompress(base64.b64decode(payload.group(1))).decode()


def overlays_in_journal(g, kind="overlays"):
    """Paths of the new overlays that are recorded; kind: overlays or save_overlays."""
    plan = json.loads(json.loads(journal_text(g)[1])["plan"])
    return [o["overlay"]["path"] for o in plan[kind]]


def stopped(t, g, point, *args, uri=None):
    """The command as a process that has stopped at a fault point."""
    p = util.spawn([*program(), "-c", uri or g.daemon.uri, *args], env=environment(point, "stop"))

    def state():
        assert p.poll() is None, f"it ended with {p.returncode}: {''.join(p.communicate())}"
        with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
            return f.read().split()[2]

    t.wait_for(lambda: state() == "T", "it to stop")
    return p
