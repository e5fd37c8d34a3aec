# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of chain-show share: its JSON and what is in it, remedies, far connections."""

import json
import os
import re
import shlex
import struct

from . import util
from .util import run

__all__ = ["chain", "codes", "disk", "far_away", "follow", "forget_format", "image_of", "remedies",
           "show", "show_far"]


def show(g, *args, daemon=None, **kwargs):
    """chain-show's JSON object of a guest."""
    result = (daemon or g.daemon).vext("chain-show", "--domain", g.name, "--json", *args, **kwargs)
    if result.rc:
        raise AssertionError(f"chain-show failed: {result.err}")
    return json.loads(result.out)


def disk(shown, target):
    return next(d for d in shown["disks"] if d["target"] == target)


def chain(shown, target):
    """Base names of the active chain, root first."""
    return [os.path.basename(i["path"]) for i in disk(shown, target)["images"]
            if i["in_active_chain"]]


def image_of(shown, target, path):
    return next(i for i in disk(shown, target)["images"] if i["path"] == path)


def codes(shown):
    return sorted(f["code"] for f in shown["findings"])


def forget_format(path):
    """Takes the record of the backing file's format out of a qcow2 header."""
    with open(path, "r+b") as f:
        header = f.read(4096)
        at = header.index(struct.pack(">I", 0xE2792ACA))
        f.seek(at)
        f.write(struct.pack(">I", 0x00C0FFEE))


def remedies(t, g, code, *args):
    """The commands that chain-show names for the findings of a code, as they are printed."""
    found = []
    lines = g.daemon.vext("chain-show", "--domain", g.name, "--check", *args).out.splitlines()
    for finding, remedy in zip(lines, lines[1:]):
        if finding.endswith(f"[{code}]"):
            found += re.findall(r"'((?:[^'\"]|\"(?:\\\\.|[^\"])*\")+)'", remedy)
    t.ok(found, f"a command among {lines}")
    return found


def follow(t, g, command, how="shell", rc=0, **fill):
    """Runs a command as it is printed, with what it leaves open filled in: typed into a shell
    behind the program's name, or (how="batch") given to the program as it is."""
    for name, value in fill.items():
        command = re.sub(rf"\b{name}\b…?", lambda _: shlex.quote(value), command, count=1)
    if command.split()[0] in ("qemu-img", "rm"):
        return run(["sh", "-c", command])
    if how == "batch":
        return t.rc(g.daemon.vext(command), rc)
    program = shlex.join([*util.program(), "-c", g.daemon.uri])
    return t.rc(run(["sh", "-c", f"{program} {command}"], check=False), rc)


def far_away(t, daemon):
    """A URI of the daemon that names another host."""
    script = t.path("bridge")
    socket_path = daemon.uri.split("socket=")[1].split("&")[0]
    with open(script, "w") as f:
        f.write(f"""#!/usr/bin/python3
import os, select, socket
s = socket.socket(socket.AF_UNIX)
s.connect({socket_path!r})
while True:
    ready, _, _ = select.select([0, s], [], [])
    for source in ready:
        data = os.read(0, 65536) if source == 0 else s.recv(65536)
        if not data:
            os._exit(0)
        if source == 0:
            s.sendall(data)
        else:
            while data:
                data = data[os.write(1, data):]
""")
    os.chmod(script, 0o755)
    return f"qemu+ext://faraway.example/system?command={script}"


def show_far(t, g, *args):
    r = run([*util.program(), "-c", far_away(t, g.daemon), "chain-show", g.name, "--json", *args],
            check=False)
    t.rc(r, 0)
    return json.loads(r.out)
