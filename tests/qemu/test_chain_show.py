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

STATES = ["running", "shut-off"]


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


@test(cases=STATES)
@requires("program")
def one_file_by_two_names_is_one_image(t, state):
    base = t.path("template.qcow2")
    image(base)
    link = t.path("link.qcow2")
    os.symlink(base, link)
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


def forget_format(path):
    """Takes the record of the backing file's format out of a qcow2 header."""
    with open(path, "r+b") as f:
        header = f.read(4096)
        at = header.index(struct.pack(">I", 0xE2792ACA))
        f.seek(at)
        f.write(struct.pack(">I", 0x00C0FFEE))


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


# --- findings about snapshots ---------------------------------------------------------------------

@test
@requires("program")
def a_manual_commit_makes_a_snapshot_stale(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    shown = show(g)
    t.eq(codes(shown), ["stale-snapshot"])
    t.eq(shown["findings"][0]["severity"], "error")
    t.has(shown["findings"][0]["remedy"], "chain-repair")


@test
@requires("program")
def a_layer_without_a_snapshot_is_a_finding(t):
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("unnamed", metadata=False)
    t.eq(codes(show(g)), ["unmanaged-layer"])


@test
@requires("program")
def a_job_is_shown(t):
    g = t.guest(start=True)
    o = g.oracle
    g.snapshot("s1")
    o.write("vda", 0, "20M", 1)
    g.virsh("blockcommit", g.name, "vda", "--active", "--bandwidth", "1")
    job = disk(show(g), "vda")["job"]
    t.eq((job["type"], job["ready"]), ("active-commit", False))
    t.ok(job["end"] >= job["cur"], "figures of the job")
    g.virsh("blockjob", g.name, "vda", "--bandwidth", "0")
    t.wait_for(lambda: "ready='yes'" in g.virsh("dumpxml", g.name).out, "the job to be ready")
    shown = show(g)
    t.eq(disk(shown, "vda")["job"]["ready"], True)
    t.eq(codes(shown), ["interrupted-operation"])
    g.virsh("blockjob", g.name, "vda", "--pivot")
    t.eq(disk(show(g), "vda")["job"], None)


@test
@requires("program")
def an_interrupted_operation_is_shown_and_its_helper_is_not(t):
    plugins = os.path.join(util.builddir(), "plugin", "faults", ".libs")
    if not os.path.exists(os.path.join(plugins, "snapshots.so")):
        skip("the plugin with fault points is not built")
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("s2")
    env = dict(os.environ, VIRSH_EXT_PLUGIN_PATH=plugins, VEXT_FAULT="step-1-before:kill")
    r = run([os.path.join(util.builddir(), "virsh-ext", "virsh-ext"), "-c", g.daemon.uri,
             "snapshot-delete-external", g.name, "s1"], env=env, check=False)
    t.ok(r.rc != 0, "the operation was killed")
    shown = show(g)
    operation = shown["operation"]
    t.eq((operation["command"], operation["snapshots"]), ("snapshot-delete-external", ["s1"]))
    t.ok(operation["id"] and operation["started"], "id and time")
    finding = next(f for f in shown["findings"] if f["code"] == "interrupted-operation")
    t.has(finding["remedy"], "chain-repair vm1")
    t.eq(show(g, readonly=True)["operation"], operation)
    r = t.rc(g.daemon.vext("chain-show", "--all", "--json"), 0)
    t.eq([d["domain"]["name"] for d in json.loads(r.out)], ["vm1"])
    t.ok(not any(i["used_by"] for i in disk(shown, "vda")["images"]), "the helper is no user")
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(show(g)["operation"], None)
    t.eq(codes(show(g)), [])


@test
@requires("program")
def orphans_are_found_only_when_asked_for(t):
    g = t.guest()
    g.snapshot("s1")
    orphan = os.path.join(g.dir, "forgotten")
    image(orphan, backing=g.disks["vda"].path)
    image(orphan + "2", backing=orphan)
    image(os.path.join(g.dir, "unrelated"))
    t.eq(codes(show(g)), [])
    shown = show(g, "--orphans")
    t.eq(codes(shown), ["orphan-file", "orphan-file"])
    t.eq({f["image"] for f in shown["findings"]}, {orphan, orphan + "2"})
    t.guest("vm2", daemon=g.daemon, disks=[{"path": orphan + "2", "create": False}])
    t.ok("orphan-file" not in codes(show(g, "--orphans")), "used by vm2 now")


@test
@requires("program")
def what_a_job_copies_to_is_no_orphan(t):
    g = t.guest(start=True)
    g.snapshot("s1")
    copy = os.path.join(g.dir, "copy")
    g.virsh("blockcopy", g.name, "vda", "--dest", copy, "--format", "qcow2", "--shallow",
            "--transient-job", "--wait")
    t.eq(codes(show(g, "--orphans")), [])
    g.virsh("blockjob", g.name, "vda", "--abort")
    t.eq(codes(show(g, "--orphans")), ["orphan-file"])


@test
@requires("program")
def words_are_completed(t):
    g = t.guest(disks=2)

    def complete(*words):
        r = t.rc(g.daemon.vext("complete", "--", *words), 0)
        return r.out.split()

    t.eq(complete("chain-show", "v"), ["vm1"])
    t.eq(complete("chain-show", "vm1", "--disk", ""), ["vda", "vdb"])
    t.has(complete("chain-show", "vm1", "--columns", "path,fo"), "path,format")


# --- connections ----------------------------------------------------------------------------------

@test
@requires("program")
def the_embedded_driver(t):
    g = t.guest(daemon=t.embed())
    shown = show(g)
    t.eq(chain(shown, "vda"), ["vda.qcow2"])


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
