#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external of guests with UEFI: the variables lie in a file that is no disk."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

CODE, TEMPLATE = "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"
MARK = b"set by the guest"
PLACE = 0x18000     # in the spare block, which the firmware writes to when it is full only


def firmware():
    for path in (CODE, TEMPLATE):
        if not os.path.exists((util.test_root() or "") + path):
            return "missing: UEFI firmware (package ovmf)"
    return None


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Uefi:
    """A guest whose firmware has never run: its variables are the template's."""

    def __init__(self, t, how):
        self.t = t
        self.g = g = t.guest(machine="q35", memory=64, define=False)
        if how == "automatic":
            xml = g.domain_xml().replace("<os>", "<os firmware='efi'>")
            self.vars = os.path.join(g.daemon.lib, "qemu", "nvram", f"{g.name}_VARS.fd")
        else:
            self.vars = os.path.join(g.dir, "vars.fd")
            xml = g.domain_xml().replace(
                "hvm</type>", f"hvm</type><loader readonly='yes' type='pflash'>{CODE}</loader>"
                              f"<nvram template='{TEMPLATE}'>{self.vars}</nvram>")
        g.define(xml)
        g.start("--paused")
        self.template = read(self.vars)
        if how != "automatic":
            g.oracle.extra_files.add(os.path.realpath(self.vars))

    def mark(self):
        """What the guest has changed since."""
        self.g.destroy()
        with open(self.vars, "r+b") as f:
            f.seek(PLACE)
            f.write(MARK)
        return read(self.vars)

    def revert(self, *args):
        return self.t.rc(self.g.vext("snapshot-revert-external", self.g.name, "s1", *args), 0)


@test(cases=["automatic", "explicit"])
@requires("program", firmware)
def variables_stay_without_memory_and_are_reset_on_request(t, how):
    u = Uefi(t, how)
    g, o = u.g, u.g.oracle
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1")
    o.write("vda", "1M", "64k", 0xa2)
    changed = u.mark()

    r = u.revert("--paused")
    t.has(r.err, "UEFI variables stay as they are now: a snapshot without memory does not hold")
    o.revert("s1")
    t.eq(g.state(), "paused")
    t.ok(read(u.vars) == changed, "the variables have changed")
    o.check_all()

    r = u.revert("--paused", "--reset-nvram")
    t.has(r.err, "UEFI variables are reset")
    t.ok(read(u.vars) == u.template, "the variables are not the template's")
    o.check_all()

    changed = u.mark()
    r = u.revert("--reset-nvram")
    t.has(r.err, "UEFI variables are not reset before the domain is started: "
                 "use virsh start with --reset-nvram")
    t.ok(read(u.vars) == changed, "the variables have changed")
    g.virsh("start", g.name, "--reset-nvram", "--paused")
    t.ok(read(u.vars) == u.template, "what the note says does not help")
    g.destroy()
    o.check_all()
    o.check_chain_clean()


@test(cases=["automatic", "explicit"])
@requires("program", firmware)
def variables_come_back_with_the_memory(t, how):
    u = Uefi(t, how)
    g, o = u.g, u.g.oracle
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1", memory=True)
    for args, said in ((["--running"], "UEFI variables come back with the memory state"),
                       (["--running", "--reset-nvram"],
                        "UEFI variables are not reset: they come back with the memory state")):
        changed = u.mark()
        r = u.revert(*args)
        t.has(r.err, said)
        o.revert("s1")
        t.eq(g.state(), "running")
        t.ok(read(u.vars)[PLACE:PLACE + len(MARK)] != MARK, "the variables have not come back")
        t.ok(read(u.vars) != changed, "the variables have not come back")
        o.check_all()
    o.check_chain_clean()


@test
@requires("program", firmware)
def a_guest_that_has_become_uefi_since(t):
    """What is said goes by the configuration that comes back."""
    g = t.guest(machine="q35", memory=64)
    o = g.oracle
    o.snapshot("s1")
    xml = g.virsh("dumpxml", g.name, "--inactive", "--security-info").out
    g.define(re.sub("</type>", f"</type><loader readonly='yes' type='pflash'>{CODE}</loader>"
                    f"<nvram template='{TEMPLATE}'>{g.dir}/vars.fd</nvram>", xml, count=1))
    r = t.rc(g.vext("snapshot-revert-external", g.name, "s1"), 0)
    t.ok("UEFI" not in r.err, r.err)
    t.ok(g.xml().find("os/nvram") is None, "the firmware stays")
    o.revert("s1")
    o.check_all()


if __name__ == "__main__":
    main()
