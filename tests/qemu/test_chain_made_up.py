#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-show of what somebody made up: names, XML and image headers. A clear finding, never a
crash, in bounded time and memory."""

import os
import resource
import struct
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402


def harmless(t, g, limit=32 << 10):
    """What every kind of output keeps to; JSON is the one returned."""
    for how in ([], ["--table"], ["--check"], ["--orphans"]):
        r = g.daemon.vext("chain-show", "--domain", g.name, *how, timeout=60)
        t.ok(r.rc in (0, 1), f"{how}: exit status {r.rc}: {r.err}")
        t.eq([c for c in r.out if c != "\n" and not c.isprintable()], [], f"{how}: characters")
        t.ok(len(r.out) < limit, f"{how}: {len(r.out)} characters")
    return show(g, timeout=60)


# --- XML ------------------------------------------------------------------------------------------

BLANKS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


def redefine(g, name, more="", inside=""):
    """Metadata of a snapshot that libvirt takes from anyone who may write them."""
    domain = g.virsh("dumpxml", g.name, "--inactive").out
    domain = domain[domain.index("<domain"):].replace("<devices>", inside + "<devices>", 1)
    xml = (f"<domainsnapshot><name>{escape(name, BLANKS)}</name>{more}<state>disk-snapshot</state>"
           "<creationTime>1700000000</creationTime>"
           "<disks><disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>"
           f"<source file='{g.dir}/gone.qcow2'/></disk></disks>{domain}</domainsnapshot>")
    path = os.path.join(g.dir, "snapshot.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(xml)
    r = g.virsh("snapshot-create", "--domain", g.name, "--redefine", "--disk-only", path,
                check=False)
    os.unlink(path)
    return r


NAMES = ["new\nline", "cr\rlf", "tab\t", "-x", "--all", "quote'\"<&>", "\u202egnp.2s",
         "c1\u009b31m", "\u2028", "* active", "percent%s%n", " ", "n" * 5000, "$(x)`x`;x", "*",
         "\\n"]


@test
@requires("program")
def names_of_snapshots(t):
    g = t.guest()
    taken = [name for name in NAMES if redefine(g, name).rc == 0]
    t.ok(len(taken) > len(NAMES) // 2, f"libvirt takes most of them: {len(taken)}")
    shown = harmless(t, g, limit=256 << 10)
    t.eq(sorted(disk(shown, "vda")["images"][0]["snapshots"]), sorted(taken))
    # each claims the state that the guest overwrites
    t.eq(sorted(f["snapshot"] for f in shown["findings"]), sorted(taken))


@test
@requires("program")
def snapshots_with_huge_and_deep_xml(t):
    g = t.guest()
    deep = ("<metadata><x:a xmlns:x='http://x'>" + "<x:a>" * 200 + "</x:a>" * 200 +
            "</x:a></metadata>")
    for name, more, inside in (("deep", "", deep),
                               ("huge", f"<description>{'d' * 3000000}</description>", ""),
                               ("words", "<description>&#60;!DOCTYPE &amp;lol;</description>", "")):
        t.rc(redefine(g, name, more, inside), 0)
    shown = harmless(t, g)
    t.eq(disk(shown, "vda")["images"][0]["snapshots"], ["deep", "huge", "words"])
    t.eq(codes(shown), ["stale-snapshot"] * 3)


# --- headers --------------------------------------------------------------------------------------

def patched(path, *patches):
    with open(path, "r+b") as f:
        for at, data in patches:
            f.seek(at)
            f.write(data)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


ESC = b"\x1b]0;x\x07\x1b[31m\xc2\x9b1m\r\n"
HEADERS = {
    "l1": [(36, u32(0x7fffffff)), (40, u64(1 << 62))],
    "refcounts": [(48, u64(1 << 62)), (56, u32(0xffffffff))],
    "snapshots": [(60, u32(0xffffffff)), (64, u64(1 << 62))],
    "size": [(24, u64((1 << 64) - 1))],
    "cluster": [(20, u32(0xffffffff))],
    "encryption": [(32, u32(9))],
    "refcount-order": [(96, u32(7))],
    "extensions-empty": [(112, (u32(1) + u32(0)) * 8000)],
    "extension-huge": [(112, u32(1) + u32(0xffffffff))],
    "extension-wraps": [(112, u32(1) + u32(0xfffffff8))],
    "name-beyond": [(8, u64(65000)), (16, u32(1023))],
    "name-behind-the-end": [(8, u64(1 << 40)), (16, u32(10))],
    "name-long": [(8, u64(4096)), (16, u32(1024)), (4096, b"x" * 1024)],
    "name-escapes": [(8, u64(4096)), (16, u32(1023)), (4096, (b"/" + ESC * 100)[:1023])],
    "name-json-deep": [(8, u64(4096)), (16, u32(1023)),
                       (4096, (b"json:" + b"[" * 1018))],
    "name-json": [(8, u64(4096)), (16, u32(1023)),
                  (4096, b'json:{"file":{"filename":"/'.ljust(1020, b"x") + b'"}}')],
    "format-long": [(112, u32(0xe2792aca) + u32(16) + b"f" * 16)],
    "format-huge": [(112, u32(0xe2792aca) + u32(60000) + ESC * 3000)],
    "data-file-huge": [(72, u64(4)), (112, u32(0x44415441) + u32(60000) + ESC * 3000)],
    "data-file-device": [(72, u64(4)), (112, u32(0x44415441) + u32(8) + b"/dev/tty" + bytes(8))],
}


@test(cases=list(HEADERS))
@requires("program")
def headers(t, name):
    """What QEMU refuses to open is a finding, and only that."""
    g = t.guest()
    path = g.disks["vda"].path
    os.truncate(path, 1 << 20)
    patched(path, *HEADERS[name])
    shown = harmless(t, g)
    if name == "data-file-huge":    # qemu-img opens no data file to tell about an image
        t.eq(codes(shown), ["unreadable-image"])
        return
    if name == "data-file-device":  # QEMU 5.2 opens it, which without a terminal fails
        t.ok("unreadable-image" not in codes(shown), shown)
        return
    opened = qemu_img("info", "-U", "-f", "qcow2", path, check=False)
    t.eq("unreadable-image" in codes(shown), opened.rc != 0, opened.err)


def huge_table(path):
    """A VDI image of which qemu-img reads a table of 2 GiB."""
    entries = 0x1fffff80
    header = b"<<< QEMU VM Virtual Disk Image >>>\n".ljust(64, b"\0")
    header += struct.pack("<IIIII", 0xbeda107f, 0x10001, 0x180, 1, 0) + bytes(256)
    header += struct.pack("<IIIIIII", 512, 512 + entries * 4, 0, 0, 0, 512, 0)
    header += struct.pack("<QIIII", entries << 20, 1 << 20, 0, entries, 0)
    with open(path, "wb") as f:
        f.write(header)
    os.truncate(path, 3 << 30)


@test
@requires("program")
def a_table_that_would_fill_the_memory(t):
    base, top = t.path("base.vdi"), t.path("top.qcow2")
    huge_table(base)
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "vdi", "-b", base, top, "24M")
    g = t.guest(disks=[{"path": top, "create": False}])
    shown = show(g, timeout=60)
    t.eq(codes(shown), ["unreadable-image"])
    t.ok(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20, "less than 1 GiB")


if __name__ == "__main__":
    main()
