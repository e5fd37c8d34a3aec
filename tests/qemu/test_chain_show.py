#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chain-show on real guests: every kind of source that one machine can give, and what is broken."""

import hashlib
import json
import os
import struct
import sys
from xml.sax.saxutils import escape, quoteattr

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402

STATES = ["running", "shut-off"]


def files_of(directory):
    """Content and times of all files: what reading must not change."""
    found = {}
    for here, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(here, name)
            with open(path, "rb") as f:
                found[path] = hashlib.sha256(f.read()).hexdigest(), os.stat(path).st_mtime_ns
    return found


# --- what is normal -------------------------------------------------------------------------------

@test(cases=STATES)
@requires("program")
def snapshots_are_named_at_the_images_with_their_state(t, state):
    g = t.guest(disks=2, start=state == "running")
    base = g.active("vda").path
    g.snapshot("s1")
    g.snapshot("s2", disks=["vda"])
    before = files_of(g.dir) if state == "shut-off" else None
    shown = show(g)
    t.eq(shown["domain"]["name"], g.name)
    t.eq(shown["domain"]["state"], state.replace("-", " "))
    t.eq(shown["current_snapshot"], "s2")
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1", "vda.s2"])
    t.eq(chain(shown, "vdb"), ["vdb.qcow2", "vdb.s1"])
    t.eq([i["snapshots"] for i in disk(shown, "vda")["images"]], [["s1"], ["s2"], []])
    t.eq([i["role"] for i in disk(shown, "vda")["images"]], ["root", "layer", "active"])
    t.eq([i["depth"] for i in disk(shown, "vda")["images"]], [2, 1, 0])
    root = image_of(shown, "vda", base)
    t.eq(root["virtual_size"], 24 << 20)
    t.eq(root["allocation"], os.stat(base).st_blocks * 512)
    t.eq(disk(shown, "vda")["active"], g.active("vda").path)
    t.eq(shown["findings"], [])
    if before:
        t.eq(files_of(g.dir), before, "files")
    t.rc(g.vext("chain-show", g.name, "--check"), 0)


@test(cases=STATES)
@requires("program")
def a_read_only_connection_shows_the_same(t, state):
    g = t.guest(start=state == "running")
    g.snapshot("s1")
    t.eq(show(g, readonly=True), show(g))


@test
@requires("program")
def a_transient_guest_by_name_id_and_uuid(t):
    g = t.guest(transient=True)
    g.snapshot("s1")
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq(shown["findings"], [])
    for word in (g.virsh("domid", g.name).out.strip(), g.virsh("domuuid", g.name).out.strip()):
        r = t.rc(g.daemon.vext("chain-show", word, "--json"), 0)
        t.eq(json.loads(r.out), shown)
    r = t.rc(g.daemon.vext("chain-show", "nosuch"), 1)
    t.has(r.err, "error: failed to get domain 'nosuch'")


@test
@requires("program")
def an_empty_drive_and_several_disks(t):
    g = t.guest(disks=[{}, {"format": "raw"}, {"target": "hda", "device": "cdrom",
                                               "format": "raw"}])
    shown = show(g)
    t.eq([d["target"] for d in shown["disks"]], ["vda", "vdb", "hda"])
    t.eq(disk(shown, "hda")["active"], None)
    t.eq(disk(shown, "hda")["images"], [])
    raw = disk(shown, "vdb")["images"][0]
    t.eq((raw["format"], raw["virtual_size"], raw["role"]), ("raw", 24 << 20, "active"))
    t.eq(shown["findings"], [])
    r = t.rc(g.vext("chain-show", g.name, "--disk", "vdb", "--json"), 0)
    t.eq([d["target"] for d in json.loads(r.out)["disks"]], ["vdb"])
    r = t.rc(g.vext("chain-show", g.name, "--disk", "vdz"), 1)
    t.has(r.err, "error: Domain 'vm1' has no disk 'vdz'")


@test(cases=[(kind, state) for kind in ("block", "volume") for state in STATES])
@requires("program")
def block_devices_and_volumes(t, kind, state):
    g = t.guest(disks=[{"kind": kind}], start=state == "running")
    if kind == "volume" and state == "running" and g.daemon.versions()[0] < (9, 0, 0):
        raise Skip("this libvirt leaves the configuration of a volume on the frozen image")
    g.snapshot("s1", files={"vda": os.path.join(g.dir, "vda.s1")})
    shown = show(g)
    t.eq(len(disk(shown, "vda")["images"]), 2)
    t.eq([i["snapshots"] for i in disk(shown, "vda")["images"]], [["s1"], []])
    root = disk(shown, "vda")["images"][0]
    t.eq(root["virtual_size"], 24 << 20)
    t.ok(root["allocation"], "the allocation of the root is known")
    # libvirt 7.0 takes a snapshot of a running guest on a volume and leaves its configuration
    left = state == "running" and "<disk type='volume'" in g.virsh("dumpxml", g.name,
                                                                  "--inactive").out
    t.eq(codes(shown), ["stale-snapshot"] if left else [])


@test(cases=STATES)
@requires("program")
def a_raw_base_is_never_looked_into(t, state):
    """What the guest writes into a raw disk may look like an image with a backing file."""
    g = t.guest(disks=[{"format": "raw"}], start=state == "running")
    secret = t.path("secret")
    image(secret)
    fake = t.path("fake")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", secret, fake)
    g.destroy()
    with open(fake, "rb") as f, open(g.active("vda").path, "r+b") as disk_file:
        disk_file.write(f.read())
    if state == "running":
        g.start()
    g.snapshot("s1")
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.img", "vda.s1"])
    t.eq(disk(shown, "vda")["images"][0]["backing"], None)
    t.ok("secret" not in json.dumps(shown), "what the guest wrote is not followed")
    shown = show(g, "--orphans")
    t.ok("secret" not in json.dumps(shown), "nor with --orphans")


@test(cases=STATES)
@requires("program")
def a_branch_is_shown_beside_the_active_chain(t, state):
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("s2")
    tip = g.active("vda").path
    root = g.disks["vda"].path
    # back to s1, as a revert would do it
    branch = os.path.join(g.dir, "vda.branch")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", root, branch)
    g.define(g.virsh("dumpxml", g.name, "--inactive").out.replace(tip, branch))
    if state == "running":
        g.start()
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.branch"])
    others = [i["path"] for i in disk(shown, "vda")["images"] if not i["in_active_chain"]]
    t.eq(sorted(map(os.path.basename, others)), ["vda.s1", "vda.s2"])
    t.eq(image_of(shown, "vda", os.path.join(g.dir, "vda.s1"))["snapshots"], ["s2"])
    t.eq(shown["findings"], [])


@test(cases=STATES)
@requires("program")
def a_shared_base_names_its_other_users(t, state):
    base = t.path("template.qcow2")
    image(base)
    args = {"disks": [{"backing": base, "backing_format": "qcow2"}]}
    g = t.guest(start=state == "running", **args)
    other = t.guest("vm2", daemon=g.daemon, **args)
    shown = show(g)
    t.eq(image_of(shown, "vda", base)["used_by"], [other.name])
    t.eq(codes(shown), ["shared-image"])
    t.eq(shown["findings"][0]["severity"], "notice")
    r = t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0)
    t.eq([d["domain"]["name"] for d in json.loads(r.out)], ["vm1", "vm2"])


@test(cases=[(way, state) for way in ("symlink", "hard-link", "bind-mount") for state in STATES])
@requires("program")
def one_file_by_two_names_is_one_image(t, way, state):
    base = t.path("template.qcow2")
    image(base)
    link = t.path("link.qcow2")
    if way == "symlink":
        os.symlink(base, link)
    elif way == "hard-link":
        os.link(base, link)
    else:
        sandbox.enter()
        with open(link, "wb"):
            pass
        sandbox.mount(base, link, None, sandbox.MS_BIND)
        t.cleanup(sandbox.umount, link)
    g = t.guest(disks=[{"backing": link, "backing_format": "qcow2"}], start=state == "running")
    other = t.guest("vm2", daemon=g.daemon, disks=[{"backing": base, "backing_format": "qcow2"}])
    root = disk(show(g), "vda")["images"][0]
    t.eq(root["used_by"], [other.name])
    t.eq(codes(show(g)), ["shared-image"])


@test(cases=STATES)
@requires("program")
def relative_backing_is_followed(t, state):
    g = t.guest(start=state == "running")
    g.snapshot("s1", relative=True)
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq(disk(shown, "vda")["images"][1]["backing"], g.disks["vda"].path)
    t.eq(codes(shown), ["relative-backing"])


@test(cases=[("qcow2", "shut-off"), ("raw", "running"), ("raw", "shut-off")])
@requires("program")
def json_backing_names_are_understood(t, format, state):
    # libvirt 9.0 starts no guest on one whose driver is qcow2
    base, top = t.path("base"), t.path("top.qcow2")
    image(base, format=format)
    name = "json:" + json.dumps({"driver": format, "file": {"driver": "file", "filename": base}})
    qemu_img("create", "-q", "-f", "qcow2", "-F", format, "-b", name, top)
    g = t.guest(disks=[{"path": top, "create": False}], start=state == "running")
    shown = show(g)
    t.eq(chain(shown, "vda"), ["base", "top.qcow2"])
    t.eq(disk(shown, "vda")["images"][0]["format"], format)
    t.eq(shown["findings"], [])


@test(cases=STATES)
@requires("program", "qemu-nbd")
def a_network_base_is_named(t, state):
    base, socket = t.path("base.raw"), t.path("nbd")
    image(base, format="raw")
    server = spawn(["qemu-nbd", "-f", "raw", "-t", "-e", "9", "-k", socket, "-x", "disk", base])
    t.cleanup(server.kill)
    t.wait_for(lambda: os.path.exists(socket), "qemu-nbd")
    os.chmod(socket, 0o777)
    top = t.path("top.qcow2")
    url = f"nbd+unix:///disk?socket={socket}"
    qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", url, top)
    g = t.guest(disks=[{"path": top, "create": False}], start=state == "running")
    shown = show(g)
    root = disk(shown, "vda")["images"][0]
    t.eq((root["path"], root["format"], root["role"]), (url, "raw", "root"))
    t.eq(shown["findings"], [])


@test
@requires("program")
def encrypted_images_need_no_secret(t):
    luks = t.path("luks.qcow2")
    r = qemu_img("create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x", "-o",
                 "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", luks, "24M",
                 check=False)
    if r.rc:
        skip("qemu-img makes no LUKS image here: " + r.err.strip())
    raw = t.path("luks.raw")
    qemu_img("create", "-q", "-f", "luks", "--object", "secret,id=s,data=x",
             "-o", "key-secret=s,iter-time=10", raw, "24M")
    g = t.guest(disks=[{"path": luks, "create": False}, {"path": raw, "create": False,
                                                         "format": "raw"}], define=False)
    secret = "<encryption format='luks'><secret type='passphrase' usage='x'/></encryption>"
    g.define(g.domain_xml().replace(f"file=\"{luks}\"/>", f"file=\"{luks}\">{secret}</source>")
             .replace(f"file=\"{raw}\"/>", f"file=\"{raw}\">{secret}</source>"))
    shown = show(g)
    t.eq(image_of(shown, "vda", luks)["virtual_size"], 24 << 20)
    t.eq(image_of(shown, "vdb", raw)["virtual_size"], 24 << 20)
    t.eq(shown["findings"], [])


@test
@requires("program")
def a_data_file_counts(t):
    top, data = t.path("top.qcow2"), t.path("data")
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "24M")
    run(["qemu-io", "-f", "qcow2", "-c", "write 0 1M", top])
    g = t.guest(disks=[{"path": top, "create": False}])
    t.ok(disk(show(g), "vda")["images"][0]["allocation"] >= 1 << 20, "the data file is counted")
    os.unlink(data)
    t.eq(codes(show(g)), ["unreadable-image"])


@test
@requires("program")
def other_formats_are_asked_of_qemu_img(t):
    base, top = t.path("base.vmdk"), t.path("top.qcow2")
    image(base, format="vmdk")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "vmdk", "-b", base, top)
    g = t.guest(disks=[{"path": top, "create": False}])
    shown = show(g)
    t.eq(image_of(shown, "vda", base)["virtual_size"], 24 << 20)
    t.eq(shown["findings"], [])


@test
@requires("program")
def sources_that_only_have_a_name(t):
    g = t.guest(xml="<disk type='network'><driver name='qemu' type='raw'/>"
                "<source protocol='rbd' name='pool/disk'><host name='mon' port='6789'/></source>"
                "<target dev='vdb'/></disk>"
                "<disk type='network'><driver name='qemu' type='qcow2'/>"
                "<source protocol='nbd' name='x'><host name='::1'/></source>"
                "<target dev='vdc'/></disk>")
    shown = show(g)
    t.eq(disk(shown, "vdb")["active"], "rbd://mon:6789/pool/disk")
    t.eq(disk(shown, "vdc")["active"], "nbd://[::1]:10809/x")
    t.eq(disk(shown, "vdc")["images"][0]["virtual_size"], None)
    t.eq(shown["findings"], [])


@test
@requires("program")
def internal_snapshots_beside_external_ones(t):
    g = t.guest()
    g.virsh("snapshot-create-as", g.name, "inside")
    t.eq(disk(show(g), "vda")["images"][0]["snapshots"], ["inside"])
    t.eq(codes(show(g)), [])
    g.snapshot("outside")
    shown = show(g)
    t.eq([i["snapshots"] for i in disk(shown, "vda")["images"]], [["inside", "outside"], []])
    t.eq(codes(shown), ["internal-and-external"])


@test
@requires("program")
def reading_waits_for_no_lock_and_takes_none(t):
    """A shut-off guest's image that another process holds open for writing is read; and while
    chain-show runs again and again the guest starts."""
    g = t.guest(start=True)
    g.snapshot("s1")
    t.eq(codes(show(g)), [])
    g.destroy()
    for _ in range(3):
        reader = g.daemon.spawn_vext("chain-show", g.name)
        g.start()
        t.eq(reader.wait(), 0)
        g.destroy()


# --- what is broken -------------------------------------------------------------------------------

@test
@requires("program")
def a_missing_image_is_a_finding(t):
    g = t.guest()
    g.snapshot("s1")
    root = g.disks["vda"].path
    os.rename(root, root + ".away")
    shown = show(g)
    t.eq(codes(shown), ["missing-image", "stale-snapshot"])
    t.eq({f["image"] for f in shown["findings"]}, {root})
    t.ok(all(f["remedy"] for f in shown["findings"]), "each finding has a remedy")
    r = t.rc(g.vext("chain-show", g.name, "--check"), 1)
    t.has(r.out, "missing-image")


@test
@requires("program")
def a_loop_is_a_finding(t):
    a, b = t.path("a.qcow2"), t.path("b.qcow2")
    for path in (a, b):
        image(path)
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", b, a)
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", a, b)
    g = t.guest(disks=[{"path": a, "create": False}])
    t.eq(set(codes(show(g))), {"backing-loop"})
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", a, a)
    t.eq(codes(show(g)), ["backing-loop"])


@test
@requires("program")
def an_image_whose_format_nobody_recorded_is_not_opened(t):
    bottom, base, top = (t.path(n) for n in ("bottom.qcow2", "base.qcow2", "top.qcow2"))
    image(bottom)
    image(base, backing=bottom)
    image(top, backing=base)
    forget_format(top)
    g = t.guest(disks=[{"path": top, "create": False}])
    shown = show(g)
    t.eq(chain(shown, "vda"), ["base.qcow2", "top.qcow2"])
    t.eq(image_of(shown, "vda", base)["format"], None)
    t.eq(image_of(shown, "vda", base)["virtual_size"], None)
    t.eq(codes(shown), ["format-not-recorded"])
    t.has(shown["findings"][0]["remedy"], "qemu-img rebase -u")


@test
@requires("program")
def damaged_headers_are_findings(t):
    g = t.guest(disks=3)
    paths = [g.disks[d].path for d in ("vda", "vdb", "vdc")]
    with open(paths[0], "r+b") as f:
        f.write(b"garbage")
    with open(paths[1], "r+b") as f:
        f.seek(8)
        f.write(b"\xff" * 16)
    os.truncate(paths[2], 10)
    shown = show(g)
    t.eq(codes(shown), ["unreadable-image"] * 3)
    with open(paths[0], "r+b") as f:
        f.write(b"QFI\xfb\0\0\0\3")
        f.seek(72)
        f.write(struct.pack(">Q", 2))   # corrupt
    t.has(codes(show(g)), "corrupt-image")


@test
@requires("program")
def a_fifo_in_place_of_an_image_does_not_hang(t):
    g = t.guest()
    path = g.disks["vda"].path
    os.unlink(path)
    os.mkfifo(path)
    t.eq(codes(show(g, timeout=20)), ["unreadable-image"])


NAMES = ["with blank", "new\nline", "quote'\"<&>", "-x", "tab\tand\\n", "h\u00e9llo \u202eworld",
         "percent%s%n", "a:b", "comma,x=y", "json:{}"]


@test(cases=[str(i) for i in range(len(NAMES))])
@requires("program")
def hostile_names(t, number):
    name = NAMES[int(number)]
    folder = t.path("d " + name)
    os.mkdir(folder)
    base, overlay = os.path.join(folder, name), os.path.join(folder, name + ".o")
    image(base)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay)
    if "\n" in name or "\t" in name:
        # libvirt 9.0 makes blanks of them in a snapshot's domain
        g = t.guest(disks=[{"path": overlay, "create": False}])
    else:
        g = t.guest(disks=[{"path": base, "create": False}])
        xml = t.path("snapshot.xml")
        with open(xml, "w", encoding="utf-8") as f:
            f.write(f"<domainsnapshot><name>{escape('s1 ' + name)}</name>"
                    "<disks><disk name='vda' snapshot='external' type='file'>"
                    f"<source file={quoteattr(overlay)}/></disk></disks></domainsnapshot>")
        g.virsh("snapshot-create", "--domain", g.name, "--disk-only", "--reuse-external", xml)
    shown = show(g)
    t.eq([i["path"] for i in disk(shown, "vda")["images"]], [base, overlay])
    t.eq(shown["findings"], [])
    tree = t.rc(g.vext("chain-show", g.name), 0).out
    for bad in "\t\x1b\u202e":
        t.ok(bad not in tree, f"no {bad!r} reaches the terminal")


@test
@requires("program")
def a_backing_name_that_is_not_utf8(t):
    folder = t.path("d").encode()
    os.mkdir(folder)
    base, top = folder + b"/b\xff\xfe", t.path("d/top.qcow2")
    image(t.path("d/b"))
    os.rename(folder + b"/b", base)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top])
    g = t.guest(disks=[{"path": top, "create": False}])
    shown = show(g)
    t.eq(len(disk(shown, "vda")["images"]), 2)
    t.eq(disk(shown, "vda")["images"][0]["virtual_size"], 24 << 20)
    t.rc(g.vext("chain-show", g.name), 0)
    t.rc(g.vext("chain-show", g.name, "--table"), 0)


# --- disks that have changed since ----------------------------------------------------------------

@test
@requires("program")
def a_disk_that_was_taken_out_shows_what_its_snapshots_keep(t):
    g = t.guest(disks=2)
    g.snapshot("s1")
    g.virsh("detach-disk", g.name, "vdb", "--config")
    shown = show(g)
    t.eq([d["target"] for d in shown["disks"]], ["vda", "vdb"])
    gone = disk(shown, "vdb")
    t.eq((gone["active"], gone["attached"], gone["job"]), (None, False, None))
    t.eq([(os.path.basename(i["path"]), i["snapshots"], i["in_active_chain"], i["depth"])
          for i in gone["images"]], [("vdb.qcow2", ["s1"], False, None),
                                     ("vdb.s1", [], False, None)])
    t.ok("attached" not in disk(shown, "vda"), "the other is there")
    t.has(t.rc(g.vext("chain-show", g.name), 0).out, "vdb: not in the domain any more")
    r = t.rc(g.vext("chain-show", g.name, "--disk", "vdb", "--table"), 0)
    t.has(r.out, "vdb.qcow2")
    g.virsh("attach-disk", g.name, os.path.join(g.dir, "vdb.s1"), "vdb", "--config",
            "--driver", "qemu", "--subdriver", "qcow2")
    t.eq(chain(show(g), "vdb"), ["vdb.qcow2", "vdb.s1"])
    t.ok("attached" not in disk(show(g), "vdb"), "it is back")


@test
@requires("program")
def a_disk_with_another_target_now(t):
    g = t.guest(disks=[{"target": "sda"}])
    g.snapshot("s1")
    xml = g.virsh("dumpxml", g.name, "--inactive").out
    g.define(xml.replace("<target dev='sda'", "<target dev='sdb'")
             .replace("unit='0'/>", "unit='1'/>"))
    shown = show(g)
    t.eq([d["target"] for d in shown["disks"]], ["sdb"])
    t.eq([i["snapshots"] for i in disk(shown, "sdb")["images"]], [["s1"], []])
    t.eq(shown["findings"], [])
    t.ok("without an image" not in t.rc(g.vext("chain-show", g.name), 0).out, "s1 has one")


# --- volumes, sizes, formats ----------------------------------------------------------------------

@test(cases=["inactive", "not read anew", "gone"])
@requires("program")
def a_volume_whose_pool_does_not_tell_its_path(t, how):
    directory = t.path("pool")
    os.mkdir(directory)
    d = t.daemon()
    d.virsh("pool-define-as", "pool-vm1", "dir", "--target", directory)
    d.virsh("pool-start", "pool-vm1")
    g = t.guest(daemon=d, dir=directory, disks=[{"kind": "volume", "pool": "pool-vm1"}])
    g.snapshot("s1")
    before = show(g)
    t.eq([i["snapshots"] for i in disk(before, "vda")["images"]], [["s1"], []])
    if how == "not read anew":
        root = g.disks["vda"].path
        os.rename(root, root + ".away")
        d.virsh("pool-refresh", "pool-vm1")
        os.rename(root + ".away", root)
    else:
        d.virsh("pool-destroy", "pool-vm1")
    if how == "gone":
        d.virsh("pool-undefine", "pool-vm1")
        t.eq(codes(show(g)), [])    # it is not known what is where, and nothing is made up
    else:
        t.eq(show(g), before)


@test
@requires("program", "qemu-nbd")
def sizes_of_network_images_are_those_that_qemu_sees(t):
    base, socket = t.path("base.raw"), t.path("nbd")
    image(base, format="raw")
    server = spawn(["qemu-nbd", "-f", "raw", "-t", "-e", "9", "-k", socket, "-x", "disk", base])
    t.cleanup(server.kill)
    t.wait_for(lambda: os.path.exists(socket), "qemu-nbd")
    os.chmod(socket, 0o777)
    g = t.guest(disks=[], start=True,
                xml="<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' "
                f"name='disk'><host transport='unix' socket='{socket}'/></source>"
                "<target dev='vdb'/></disk>")
    t.eq(disk(show(g), "vdb")["images"][0]["virtual_size"], 24 << 20)
    g.virsh("snapshot-create-as", g.name, "s1", "--disk-only", "--diskspec",
            f"vdb,snapshot=external,file={t.path('vdb.s1')}")
    t.eq([(i["format"], i["virtual_size"], i["allocation"] is None)
          for i in disk(show(g), "vdb")["images"]],
         [("raw", 24 << 20, False), ("qcow2", 24 << 20, False)])


@test
@requires("program")
def a_format_that_only_the_running_domain_knows_is_not_recorded(t):
    base, top = t.path("base.qcow2"), t.path("top.qcow2")
    image(base)
    image(top, backing=base)
    forget_format(top)
    g = t.guest(disks=[{"path": top, "create": False}])
    t.eq(codes(show(g)), ["format-not-recorded"])
    g.start()      # libvirt looks itself where that is safe
    t.eq(codes(show(g)), ["format-not-recorded"])


@test
@requires("program")
def a_configuration_that_cuts_the_chain_off(t):
    """<backingStore/> has QEMU read zeros where the images below have data."""
    g = t.guest()
    g.snapshot("s1")
    source = f"<source file='{g.active('vda').path}'/>"
    g.define(g.virsh("dumpxml", g.name, "--inactive").out
             .replace(source, source + "<backingStore/>"))
    shown = show(g)
    t.eq(codes(shown), ["chain-mismatch"])
    t.has(shown["findings"][0]["remedy"], "chain-repair vm1")
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(codes(show(g)), [])


# --- all domains ---------------------------------------------------------------------------------

@test
@requires("program")
def findings_and_tables_of_all_name_the_domain_even_if_it_is_the_only_one(t):
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("unnamed", metadata=False)
    t.has(t.rc(g.daemon.vext("chain-show", "--all", "--check"), 1).out, "warning: vm1: vda: ")
    t.has(t.rc(g.daemon.vext("chain-show", "--all", "--table"), 0).out, "DOMAIN")
    t.has(t.rc(g.daemon.vext("-q", "chain-show", "--all", "--table"), 0).out, "vm1 ")
    t.ok("DOMAIN" not in g.daemon.vext("-q", "chain-show", "--all", "--table").out, "-q: no header")


# --- connections ----------------------------------------------------------------------------------

@test
@requires("program")
def the_embedded_driver(t):
    g = t.guest(daemon=t.embed())
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.qcow2"])


@test
@requires("program")
def a_remote_running_guest_is_read_through_libvirt_alone(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    shown = show_far(t, g)
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq([i["snapshots"] for i in disk(shown, "vda")["images"]], [["s1"], []])
    t.eq([i["allocation"] is None for i in disk(shown, "vda")["images"]], [False, False])
    t.eq(shown["findings"], [])


@test
@requires("program")
def a_remote_guest_that_is_shut_off_says_what_is_unknown(t):
    g = t.guest()
    g.snapshot("s1")
    shown = show_far(t, g)
    active = disk(shown, "vda")["images"][0]
    t.eq((os.path.basename(active["path"]), active["in_active_chain"]), ("vda.s1", True))
    t.eq(active["backing"], None)
    t.eq(shown["findings"], [])
    g.daemon.pool("images", g.dir)
    shown = show_far(t, g)
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq([i["virtual_size"] for i in disk(shown, "vda")["images"]], [24 << 20] * 2)
    image(os.path.join(g.dir, "forgotten"), backing=g.disks["vda"].path)
    g.daemon.virsh("pool-refresh", "images")
    t.eq(codes(show_far(t, g, "--orphans")), ["orphan-file"])


@test
@requires("program", "setpriv")
def a_user_who_may_not_read_the_images(t):
    """Nothing is made up: what libvirt tells is shown, for the rest there is a finding."""
    g = t.guest(disks=[{}, {"format": "raw"}], start=True)
    g.snapshot("s1")
    for image_disk in g.disks.values():
        os.chmod(image_disk.path, 0o600)
    for path in (t.path(), g.daemon.dir, os.path.dirname(g.daemon.dir), g.dir):
        os.chmod(path, 0o755)

    program = util.program_copy(t.path())

    def unprivileged():
        r = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 *program, "-r", "-c", g.daemon.ro_uri, "chain-show", g.name, "--json"],
                check=False)
        if "socket" in r.err:
            skip("nobody cannot connect here: " + r.err.strip())
        t.rc(r, 0)
        return json.loads(r.out)

    shown = unprivileged()
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq(shown["findings"], [])
    g.destroy()
    for target in g.disks:
        os.chmod(g.active(target).path, 0o600)
    shown = unprivileged()
    t.eq(chain(shown, "vda"), ["vda.s1"])
    t.eq(codes(shown), ["unreadable-image"] * 3)    # two overlays and the frozen vda.qcow2
    g.daemon.pool("images", g.dir)
    shown = unprivileged()
    t.eq(chain(shown, "vda"), ["vda.qcow2", "vda.s1"])
    t.eq(chain(shown, "vdb"), ["vdb.img", "vdb.s1"])
    t.eq(shown["findings"], [])


@test
@requires("program")
def the_json_is_what_the_schema_says(t):
    schema = os.path.join(util.srcdir(), "docs", "chain-show.schema.json")
    if not os.path.exists(schema):
        skip("there is no schema")
    try:
        import jsonschema
    except ImportError:
        skip("python3-jsonschema is not installed")
    with open(schema, encoding="utf-8") as f:
        validator = jsonschema.validators.validator_for(json.load(f))
    with open(schema, encoding="utf-8") as f:
        validator = validator(json.load(f))
    g = t.guest(disks=[{}, {"target": "hda", "device": "cdrom", "format": "raw"}], start=True)
    g.snapshot("s1", disks=["vda"])
    validator.validate(show(g))
    g.destroy()
    os.rename(g.disks["vda"].path, g.disks["vda"].path + ".away")
    shown = show(g)
    validator.validate(shown)
    r = t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0)
    validator.validate(json.loads(r.out))
    del shown["disks"]
    t.raises(jsonschema.ValidationError, validator.validate, shown)


if __name__ == "__main__":
    main()
