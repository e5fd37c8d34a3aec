#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody needs and nobody here can see, or understand, may stand on any image: it is not
there now, its format is recorded nowhere or twice, its pool is gone, it may not be read. Into what
may have such a one on it nothing is committed, and it stays; it can be pulled."""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import codes, forget_format, show  # noqa: E402

DELETE, REVERT = "snapshot-delete-external", "snapshot-revert-external"


def content(path, format="qcow2"):
    """What a guest sees of an image."""
    raw = path + ".raw-of-test"
    qemu_img("convert", "-U", "-f", format, "-O", "raw", path, raw, log=False)
    with open(raw, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    os.unlink(raw)
    return digest


class Mount:
    """A file system that is there, and is not, and is there again."""

    def __init__(self, t):
        self.path = faults.small_fs(t.path("mnt"))
        self.files = {}

    def away(self):
        for name in os.listdir(self.path):
            with open(os.path.join(self.path, name), "rb") as f:
                self.files[name] = f.read()
        faults.unmount(self.path)

    def back(self):
        for name, data in self.files.items():
            with open(os.path.join(self.path, name), "wb") as f:
                f.write(data)


def victim(t, *names, **kwargs):
    """vm1 with snapshots, and the image that the last of them froze."""
    g = t.guest(**kwargs)
    g.oracle.write("vda", 0, "4M", 0x11)
    for i, name in enumerate(names or ("s1",)):
        g.oracle.snapshot(name)
        g.oracle.write("vda", f"{i}M", "64k", 0x77 + i)
    return g, g.chain("vda")[1]


def other(t, g, path, format="qcow2", name="vm2", **kwargs):
    return t.guest(name, daemon=g.daemon, dir=t.path(name),
                   disks=[{"path": path, "create": False, "format": format, **kwargs}])


def leaves_alone(t, g, name, because, kept):
    """A commit is refused with the reason, auto pulls, and what may be needed stays."""
    r = t.rc(g.vext(DELETE, g.name, name, "--direction", "commit"), 1)
    t.has(r.err, because)
    g.oracle.check_all()
    r = t.rc(g.vext(DELETE, g.name, name), 0)
    t.has(r.err, "but stays")
    t.ok(os.path.exists(kept), f"{kept} is there")
    g.oracle.deleted(name)


def commits(t, g, name):
    t.rc(g.vext(DELETE, g.name, name, "--direction", "commit"), 0)
    g.oracle.deleted(name)


# --- the own chain ------------------------------------------------------------------------------

@test(cases=[(w, n) for w in ("middle", "top") for n in ("s1", "s2", "s3", "--all")])
@requires("program")
def nothing_is_done_while_an_image_of_the_own_chain_is_missing(t, where, name):
    """F(s1) <- O1(s2) <- O2(s3) <- A."""
    g, mount = t.guest(), Mount(t)
    for i, s in enumerate(("s1", "s2", "s3")):
        g.oracle.write("vda", f"{i}M", "1M", 0x11 * (i + 1))
        there = s == {"middle": "s2", "top": "s3"}[where]
        g.oracle.snapshot(s, files={"vda": mount.path + "/o"} if there else None)
    g.oracle.write("vda", "3M", "1M", 0x44)
    mount.away()
    r = t.rc(g.vext(DELETE, g.name, name), 1)
    t.has(r.err, f"Image '{mount.path}/o' of disk 'vda' is missing")
    mount.back()
    g.oracle.check_all()
    g.start()


@test
@requires("program")
def nor_where_the_client_alone_does_not_see_it(t):
    """As a service with file systems of its own."""
    g, mount = t.guest(), Mount(t)
    g.oracle.snapshot("s1")
    g.oracle.write("vda", 0, "1M", 0x11)
    g.oracle.snapshot("s2", files={"vda": mount.path + "/o"})
    g.oracle.write("vda", "1M", "1M", 0x22)
    r = util.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                  f"mount -t tmpfs tmpfs {mount.path}; exec \"$@\"", "sh", *util.program(), "-c",
                  g.daemon.uri, DELETE, g.name, "s2"], check=False)
    t.rc(r, 1)
    t.has(r.err, "is missing")
    g.oracle.check_all()


@test
@requires("program")
def the_metadata_can_be_deleted_all_the_same(t):
    g, _ = victim(t, "s1", "s2")
    os.unlink(g.overlay_path("s1", "vda"))
    t.rc(g.vext(DELETE, g.name, "s2"), 1)
    t.rc(g.vext(DELETE, g.name, "s2", "--metadata"), 0)
    t.eq(g.snapshots(), ["s1"])


@test(cases=["commit", "auto"])
@requires("program")
def a_branch_of_the_own_tree_is_not_there(t, direction):
    """s2 preserves O1, which stands on s1's image and lies on storage that is not mounted."""
    g, mount = t.guest(), Mount(t)
    g.oracle.write("vda", 0, "1M", 0x11)
    g.oracle.snapshot("s1", files={"vda": mount.path + "/o1"})
    g.oracle.write("vda", "1M", "1M", 0x22)
    g.oracle.snapshot("s2")
    g.oracle.write("vda", "2M", "1M", 0x33)
    t.rc(g.vext(REVERT, g.name, "s1"), 0)
    g.oracle.revert("s1")
    g.oracle.write("vda", 0, "1M", 0x99)
    mount.away()
    r = g.vext(DELETE, g.name, "s1", "--direction", direction)
    t.rc(r, 0 if direction == "auto" else 1)
    t.has(r.err, "o1' stands on is not known: it is missing")
    mount.back()
    if direction == "auto":
        g.oracle.forget("s1")
    g.oracle.check_all()


# --- another guest's ----------------------------------------------------------------------------

@test(cases=["root", "middle", "dangling-link"])
@requires("program")
def an_image_of_another_guest_is_not_there(t, where):
    g, base = victim(t, *(("s1", "s2") if where == "middle" else ("s1",)))
    name = "s2" if where == "middle" else "s1"
    mount = Mount(t)
    path = os.path.join(mount.path, "vm2.qcow2")
    image(path, backing=base)
    other(t, g, path)
    before = content(path)
    mount.away()
    if where == "dangling-link":
        os.symlink("/nowhere/vm2.qcow2", path)
    leaves_alone(t, g, name, f"What image '{path}' stands on is not known: it is missing; domain "
                             "'vm2' needs it", base)
    if where == "dangling-link":
        os.unlink(path)
    mount.back()
    t.eq(content(path), before, "what vm2 sees")


@test(cases=["raw", "cdrom", "discarded", "told"])
@requires("program")
def what_is_not_there_and_needs_nothing_is_in_nobodys_way(t, kind):
    g, base = victim(t)
    path = t.path("gone")
    if kind == "raw":
        other(t, g, path, "raw")
    elif kind == "cdrom":
        other(t, g, path, "raw", device="cdrom", target="hda")
    elif kind == "discarded":       # libvirt's own revert leaves such names behind
        vm2 = t.guest("vm2", daemon=g.daemon)
        vm2.snapshot("x", files={"vda": path})
        vm2.define(vm2.virsh("dumpxml", vm2.name, "--inactive").out
                   .replace(path, vm2.disks["vda"].path))
        os.unlink(path)
    else:
        other(t, g, path, extra="<backingStore/>")
    commits(t, g, "s1")


@test
@requires("program")
def what_the_configuration_says_that_it_stands_on_counts(t):
    g, base = victim(t)
    other(t, g, t.path("gone"), extra="<backingStore type='file'><format type='qcow2'/>"
                                      f"<source file='{base}'/><backingStore/></backingStore>")
    r = t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 1)
    t.has(r.err, f"Domain 'vm2' needs image '{base}'")


@test
@requires("program")
def a_revert_keeps_what_may_be_needed(t):
    g, _ = victim(t)
    head, mount = g.active("vda").path, Mount(t)
    path = os.path.join(mount.path, "vm2.qcow2")
    image(path, backing=head)
    other(t, g, path)
    before = content(path)
    mount.away()
    r = t.rc(g.vext(REVERT, g.name, "s1"), 0)
    t.has(r.err, f"'{head}' of disk 'vda' stays: What image '{path}' stands on is not known")
    mount.back()
    t.eq(content(path), before, "what vm2 sees")


def on_base(t, base, name="vm2.qcow2", **kwargs):
    path = t.path(name)
    image(path, backing=base, **kwargs)
    return path


@test
@requires("program")
def a_layer_of_another_guest_has_no_recorded_format(t):
    g, base = victim(t)
    layer = on_base(t, base, "layer")
    path = on_base(t, layer)
    forget_format(path)
    other(t, g, path)
    before = content(path)
    leaves_alone(t, g, "s1", f"What image '{layer}' stands on is not known: its format is "
                             "recorded nowhere; domain 'vm2' needs it", base)
    t.eq(content(path), before, "what vm2 sees")


@test
@requires("program")
def one_without_a_recorded_format_that_names_no_other_is_in_nobodys_way(t):
    """As qemu-img made them for years, on raw templates."""
    g, _ = victim(t)
    template = t.path("template")
    qemu_img("create", "-q", "-f", "raw", template, "24M")
    path = t.path("vm2.qcow2")
    image(path, backing=template, backing_format="raw")
    forget_format(path)
    other(t, g, path)
    commits(t, g, "s1")


@test(cases=["gone", "inactive"])
@requires("program")
def the_pool_of_another_guests_volume(t, state):
    g, base = victim(t, format="raw")
    g.virsh("pool-define-as", "P", "dir", "--target", g.dir)
    g.virsh("pool-start", "P")
    t.guest("vm2", daemon=g.daemon, dir=t.path("vm2"),
            disks=[{"pool": "P", "volume": os.path.basename(base), "kind": "volume",
                    "create": False, "format": "raw"}])
    before = content(base, "raw")
    g.virsh("pool-destroy", "P")
    if state == "gone":
        g.virsh("pool-undefine", "P")
        r = t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 1)
        t.has(r.err, f"which file volume 'P/{os.path.basename(base)}' is")
    t.rc(g.vext(DELETE, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    t.eq(content(base, "raw"), before, "vm2's disk")


@test
@requires("program")
def qcow2_on_the_network_stands_on_our_base(t):
    g, base = victim(t)
    path = on_base(t, base, "served")
    before = content(path)
    vm2 = t.guest("vm2", daemon=g.daemon, define=False)
    vm2.define(vm2.domain_xml().replace("<disk type='file'", "<disk type='network'")
               .replace(f"<source file=\"{vm2.disks['vda'].path}\"/>",
                        "<source protocol='nbd' name='x'><host transport='unix' "
                        f"socket='{t.path('nbd')}'/></source>"))
    leaves_alone(t, g, "s1", "images on the network are not opened; domain 'vm2' needs it", base)
    t.eq(content(path), before, "what vm2 would see")


@test
@requires("program")
def a_part_of_our_base(t):
    g, base = victim(t, format="raw")
    path = t.path("vm2.qcow2")
    spec = {"driver": "raw", "offset": 0, "size": 8 << 20,
            "file": {"driver": "file", "filename": base}}
    qemu_img("create", "-q", "-f", "qcow2", "-b", "json:" + json.dumps(spec), "-F", "raw", path)
    other(t, g, path)
    before = content(path)
    leaves_alone(t, g, "s1", "It is not known of which file 'json:", base)
    t.eq(content(path), before, "what vm2 sees")


@test(cases=["before", "after"])
@requires("program")
def a_backup_guest_has_it_as_raw(t, order):
    """Whoever is read first."""
    g, base = victim(t)
    path = on_base(t, base)
    backup = {"before": "a", "after": "z"}[order]
    for name in sorted(("vm2", backup)):
        other(t, g, path, "qcow2" if name == "vm2" else "raw", name=name)
    before = content(path)
    t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 1)
    t.rc(g.vext(DELETE, g.name, "s1"), 0)
    g.oracle.deleted("s1")
    t.eq(content(path), before, "what vm2 sees")


# --- what the client may not read ---------------------------------------------------------------

def closed(t, pool=False):
    """vm1, beside whose images lies an overlay of nobody's that others cannot read; and a client
    as such a user."""
    g, base = victim(t)
    if pool:
        g.daemon.pool("images", g.dir)
    for path in (t.path(), g.daemon.dir, os.path.dirname(g.daemon.dir), g.dir):
        os.chmod(path, 0o755)
    hidden = os.path.join(g.dir, "hidden")
    image(hidden, backing=base)
    for name in os.listdir(g.dir):
        os.chmod(os.path.join(g.dir, name), 0o644)
    os.chmod(hidden, 0o600)
    if pool:
        g.virsh("pool-refresh", "images")
    program = util.program_copy(t.path())

    def client(*args):
        return util.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *program,
                         "-c", g.daemon.uri, *args], check=False)
    return g, base, hidden, client


@test
@requires("program", "setpriv")
def an_overlay_that_the_client_may_not_read(t):
    g, base, hidden, client = closed(t)
    before = content(hidden)
    shown = json.loads(t.rc(client("chain-show", g.name, "--json", "--orphans"), 0).out)
    t.eq([(u["code"], u["path"]) for u in shown["unknown"]], [("file", hidden)])
    r = t.rc(client(DELETE, g.name, "s1", "--dry-run", "--direction", "commit"), 0)
    t.has(r.out + r.err, "would be damaged by the commit")
    r = t.rc(client(DELETE, g.name, "s1"), 0)
    t.has(r.err, f"but stays: Not all files in directory '{g.dir}' could be read: '{hidden}'")
    t.ok(os.path.exists(base), "the base is there")
    g.oracle.deleted("s1")
    t.eq(content(hidden), before, "the overlay")


@test
@requires("program", "setpriv")
def of_which_a_pool_tells(t):
    g, _, hidden, client = closed(t, pool=True)
    shown = json.loads(t.rc(client("chain-show", g.name, "--json", "--orphans"), 0).out)
    t.eq((shown["unknown"], codes(shown)), ([], ["orphan-file"]))
    r = t.rc(client(DELETE, g.name, "s1", "--direction", "commit"), 1)
    t.has(r.err, f"File '{hidden}', which no domain and no snapshot uses, looks like an image")
    t.eq(codes(show(g, "--orphans")), ["orphan-file"])


@test
@requires("program", "setpriv")
def a_running_guest_whose_middle_can_only_be_committed(t):
    """It is not done unasked."""
    g, _, hidden, client = closed(t)
    g.oracle.snapshot("s2")
    os.chmod(g.active("vda").path, 0o644)
    g.start()
    os.unlink(hidden)
    with open(hidden, "wb"):
        os.chmod(hidden, 0)
    r = t.rc(client(DELETE, g.name, "s1"), 1)
    t.has(r.err, "--direction commit")
    t.rc(client(DELETE, g.name, "s1", "--direction", "commit"), 0)
    g.oracle.deleted("s1")


if __name__ == "__main__":
    main()
