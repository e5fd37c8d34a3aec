#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-show on what others made to break it: image headers, XML, names. A clear finding, or none;
never a crash, an escape for the terminal, or time and memory without a bound."""

import os
import struct
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402

# Of the process; what a chain of three images takes is far below.
MEMORY = 512 << 20
WAYS = ([], ["--table"], ["--check"], ["--orphans"], ["--json"], ["--all", "--json", "--orphans"])


def bounded(t, g):
    """All ways to print g, within bounds and without anything for a terminal. What --json says."""
    # AddressSanitizer takes terabytes of address space.
    limited = {} if "ASAN_OPTIONS" in os.environ else {"VEXT_WRAPPER": f"prlimit --as={MEMORY}"}
    for way in WAYS:
        r = g.vext("chain-show", *([] if "--all" in way else [g.name]), *way, env=limited,
                   timeout=30)
        t.ok(r.rc in (0, 1), f"chain-show {way} ends with {r.rc}: {r.err[-500:]}")
        t.eq(r.err, "", f"errors of {way}")
        for bad in "\x1b\x9b\x07\u202e\r":
            t.ok(bad not in r.out, f"{bad!r} in the output of {way}")
    return show(g)


def patched(path, *patches):
    with open(path, "r+b") as f:
        for at, data in patches:
            f.seek(at)
            f.write(data)


def named(path, name, at=5000):
    """A header that names this backing file."""
    patched(path, (8, struct.pack(">QI", at, len(name))), (at, name))


def extension(kind, size):
    return struct.pack(">II", kind, size)


def escapes():
    return (b"/img/\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xae\r\n'\"`$(reboot)" * 40)[:1023]


HEADERS = {
    # what QEMU refuses too
    "huge-l1": (lambda p: patched(p, (36, b"\x7f\xff\xff\xff")), "unreadable-image"),
    "no-room-for-the-size": (lambda p: patched(p, (24, b"\x7f" + b"\xff" * 7)), "unreadable-image"),
    "no-refcounts": (lambda p: patched(p, (56, b"\0" * 4)), "unreadable-image"),
    "unknown-feature": (lambda p: patched(p, (72, b"\x80" + b"\0" * 7)), "unreadable-image"),
    "many-snapshots": (lambda p: patched(p, (60, b"\xff" * 4)), "unreadable-image"),
    "extension-without-end": (lambda p: patched(p, (112, extension(1, 0xfffffff8))),
                              "unreadable-image"),
    "name-beyond-the-file": (lambda p: (named(p, b"/x" * 500, at=60000), os.truncate(p, 60010)),
                             "unreadable-image"),
    "name-too-long": (lambda p: patched(p, (8, struct.pack(">QI", 512, 1024))),
                      "unreadable-image"),
    "header-of-4-gigabytes": (lambda p: patched(p, (100, b"\xff" * 4)), "unreadable-image"),
    # what could be opened
    "name-of-escapes": (lambda p: named(p, escapes()), "missing-image"),
    "name-with-a-zero-byte": (lambda p: named(p, b"/nowhere\0/img/x"), "missing-image"),
    "name-of-the-image-itself": (lambda p: named(p, os.fsencode(p)), "backing-loop"),
    "name-of-a-device": (lambda p: named(p, b"/dev/zero"), "unreadable-image"),
    "name-of-a-directory": (lambda p: named(p, b"/"), "unreadable-image"),
    "deep-json": (lambda p: named(p, (b'json:{"file":' * 90)[:1023]), None),
    "json-brackets": (lambda p: named(p, (b"json:" + b"[" * 1018)), None),
    "long-uri": (lambda p: named(p, (b"nbd://" + b"%1b@:/" * 200)[:1023]), None),
    "extensions-of-nothing": (lambda p: patched(p, (104, extension(1, 0) * 8000)), None),
}


@test(cases=list(HEADERS))
@requires("program", "prlimit")
def headers(t, name):
    spoil, code = HEADERS[name]
    g = t.guest()
    g.snapshot("s1")
    top = g.active("vda").path
    spoil(top)
    shown = bounded(t, g)
    found = [f for f in shown["findings"] if f["code"] == code]
    if code:
        t.ok(found, f"no {code} but {codes(shown)}")
        t.ok(found[0]["remedy"], "a remedy")
    if code == "unreadable-image" and "name-of-a" not in name:
        t.has(found[0]["message"], "qcow2 image")
    # the domain is shown all the same, and the state that it had
    t.eq(shown["snapshots"][0]["name"], "s1")
    t.eq(disk(shown, "vda")["active"], top)


@test
@requires("program", "prlimit")
def clusters_full_of_extensions(t):
    """The largest header that there can be, in every image of a chain."""
    g = t.guest(disks=[{"options": "cluster_size=2M"}])
    for i in range(20):
        g.snapshot(f"s{i}")
    paths = g.chain("vda")
    for path, backing in zip(paths, paths[1:] + [None]):
        end = 2 << 20
        if backing:
            end -= 1100
            named(path, os.fsencode(backing), at=end)
        format = extension(0xe2792aca, 5) + b"qcow2\0\0\0"
        patched(path, (104, format + extension(1, 0) * ((end - 104 - len(format)) // 8)))
    t.eq(len(disk(bounded(t, g), "vda")["images"]), 21)


def redefined(t, g, name, change):
    """The snapshot once more, with its XML changed; the Result of virsh."""
    root = ET.fromstring(g.virsh("snapshot-dumpxml", g.name, name).out)
    change(root)
    path = t.path("snapshot.xml")
    with open(path, "wb") as f:
        f.write(ET.tostring(root))
    return g.virsh("snapshot-create", g.name, path, "--redefine", check=False)


def deep(root):
    inner = ET.SubElement(root.find("domain"), "metadata")
    for _ in range(240):
        inner = ET.SubElement(inner, "{urn:x}x")


def large(root):
    ET.SubElement(root, "description").text = "\u202e\u009b2J& <" * 100000


def wide(root):
    meta = ET.SubElement(ET.SubElement(root.find("domain"), "metadata"), "{urn:x}x")
    for i in range(20000):
        ET.SubElement(meta, "{urn:x}y", a="1", b=str(i))


def chained(root):
    """An explicit chain of 190 images that there are not, in the middle of which one is itself."""
    inner = root.find("domain/devices/disk")
    top = inner.find("source").get("file")
    for i in range(190):
        inner = ET.SubElement(inner, "backingStore", type="file")
        ET.SubElement(inner, "format", type="qcow2")
        ET.SubElement(inner, "source", file=top if i == 95 else f"/nowhere/\u202e{i}'\"`")


def far(root):
    root.find("creationTime").text = "9223372036854775807"


XML = {"deep": deep, "large": large, "wide": wide, "chained": chained, "far": far}


@test(cases=list(XML))
@requires("program", "prlimit")
def xml_of_a_snapshot(t, name):
    g = t.guest()
    g.snapshot("s1")
    r = redefined(t, g, "s1", XML[name])
    if r.rc != 0:
        skip("this libvirt refuses it: " + r.err.strip()[:100])
    shown = bounded(t, g)
    t.eq([s["name"] for s in shown["snapshots"]], ["s1"])
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq(disk(shown, "vda")["images"][0]["snapshots"], ["s1"])


@test
@requires("program", "prlimit")
def names_of_snapshots_and_domains(t):
    names = ["-x", "--all", "a'b\"c`d", "$(reboot)", "a, b", "\u009b31m", "\u202eevil", "x" * 200,
             "%s%n", "\\x1b[2J"]
    g = t.guest("vm \u009b2J'\"-\u202e")
    taken = []
    for i, name in enumerate(names):
        overlay = os.path.join(g.dir, f"o{i}")
        path = t.path("snapshot.xml")
        root = ET.Element("domainsnapshot")
        ET.SubElement(root, "name").text = name
        each = ET.SubElement(ET.SubElement(root, "disks"), "disk", name="vda", snapshot="external")
        ET.SubElement(each, "source", file=overlay)
        with open(path, "wb") as f:
            f.write(ET.tostring(root))
        if g.virsh("snapshot-create", "--domain", g.name, path, "--disk-only",
                   check=False).rc == 0:
            taken.append(name)
    t.ok(taken == names, f"libvirt took only {taken}")
    shown = bounded(t, g)
    t.eq([s["name"] for s in shown["snapshots"]], taken)
    t.eq([i["snapshots"] for i in disk(shown, "vda")["images"]], [[n] for n in taken] + [[]])
    # each name is what can be typed
    for name in taken:
        t.rc(g.virsh("snapshot-info", "--domain", g.name, "--snapshotname", name), 0)


@test(cases=["snapshot-delete-external", "snapshot-revert-external"])
@requires("program")
def a_name_that_is_too_long_for_the_record_is_refused(t, command):
    """libvirt has a file for each domain, and writes it under a longer name first."""
    for length, rc in ((238, 1), (237, 0)):
        g = t.guest(name="n" * length)
        g.snapshot("s1")
        r = t.rc(g.vext(command, g.name, "s1"), rc)
        if rc:
            t.has(r.err, "is too long")
            t.has(r.err, f"virsh domrename {g.name} NEWNAME")


@test
@requires("program")
def a_guest_with_the_name_of_a_helper_is_not_to_be_undefined(t):
    t.guest(name="x.virsh-ext")
    g = t.guest(name="x")
    g.snapshot("s1")
    for args in (["chain-show", "x", "--check"], ["snapshot-delete-external", "x", "s1"],
                 ["snapshot-revert-external", "x", "s1"], ["chain-repair", "x"]):
        r = t.rc(g.vext(*args), 1)
        t.has(r.out + r.err, "which did not make it")
        t.has(r.out + r.err, "'virsh domrename x.virsh-ext NEWNAME'")
        t.ok("undefine" not in r.out + r.err, r)
    t.rc(g.virsh("domrename", "x.virsh-ext", "y"), 0)
    t.rc(g.vext("snapshot-delete-external", "x", "s1"), 0)


if __name__ == "__main__":
    main()
