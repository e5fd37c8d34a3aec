#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files beside the images that nobody names and that begin as images do: some stand on an image of
ours and are to block what changes it, and what some begin with a guest has written."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import codes, show, show_far  # noqa: E402

DELETE = "snapshot-delete-external"


def content(path):
    with open(path, "rb") as f:
        return f.read()


def header_on(t, backing, data_file=None):
    """The bytes of an image that names a backing file and maybe a data file, whether there are any
    or not."""
    path, data = t.path("made-for-its-header"), t.path("")
    named = data_file and data + "x" * (len(data_file) - len(data))
    more = f",data_file={named}" if named else ""
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-o",
             f"backing_file={backing},backing_fmt=qcow2{more}", path, "24M")
    made = content(path)
    os.unlink(path)
    if named:
        os.unlink(named)
        made = made.replace(os.fsencode(named), os.fsencode(data_file))
    return made


def raw_with(path, data):
    with open(path, "wb") as f:
        f.write(data)
        f.truncate(24 << 20)
    return path


def victim(t, **kwargs):
    """vm1 with s1 and s2; a commit of s1 writes into its root."""
    g = t.guest(**kwargs)
    for i, name in enumerate(("s1", "s2")):
        g.oracle.write("vda", f"{i}M", "64k", 0x11 + i)
        g.oracle.snapshot(name)
    return g, g.chain("vda")[-1]


def commits(t, g):
    t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 0)
    g.oracle.deleted("s1")
    g.oracle.check_all()


def refused(t, g, because):
    """The file blocks the commit, and nothing is changed."""
    before = {p: content(p) for p in g.chain("vda")}
    r = t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 1)
    t.has(r.err, because)
    t.eq({p: content(p) for p in g.chain("vda")}, before, "the images")
    return r


@test(cases=[(s, w) for s in ("off", "running") for w in ("itself", "link", "hard-link")])
@requires("program")
def what_a_guest_writes_into_its_raw_disk_is_not_believed(t, state, where):
    """It may say that it is an image on another guest's."""
    g, root = victim(t)
    folder = g.dir if where == "itself" else t.path("elsewhere")
    os.makedirs(folder, exist_ok=True)
    raw = raw_with(os.path.join(folder, "vm2.raw"), header_on(t, root))
    if where != "itself":
        (os.symlink if where == "link" else os.link)(raw, os.path.join(g.dir, "vm2.raw"))
    t.guest("vm2", daemon=g.daemon, start=state == "running",
            disks=[{"path": raw, "create": False, "format": "raw"}])
    t.eq(codes(show(g, "--orphans")), [])
    commits(t, g)


@test(cases=["serial", "nvram"])
@requires("program")
def nor_what_it_writes_into_another_file_of_its_domain(t, kind):
    g, root = victim(t)
    path = raw_with(os.path.join(g.dir, "written"), header_on(t, root))
    xml = f"<serial type='file'><source path='{path}'/></serial>" if kind == "serial" else ""
    other = t.guest("vm2", daemon=g.daemon, xml=xml, disks=[{}], define=False)
    text = other.domain_xml()
    if kind == "nvram":
        text = text.replace("</os>", f"<loader readonly='yes' type='pflash'>{root}</loader>"
                                     f"<nvram>{path}</nvram></os>")
    other.define(text)
    t.eq(codes(show(g, "--orphans")), [])
    commits(t, g)


@test(cases=["undefined", "detached"])
@requires("program")
def of_a_file_that_nobody_names_any_more_it_is_said_that_it_may_be_a_guests_disk(t, how):
    g, root = victim(t)
    raw = raw_with(os.path.join(g.dir, "vm2.raw"), header_on(t, root))
    other = t.guest("vm2", daemon=g.daemon,
                    disks=[{}, {"path": raw, "create": False, "format": "raw"}])
    t.eq(codes(show(g, "--orphans")), [])
    if how == "undefined":
        other.virsh("undefine", other.name)
    else:
        other.virsh("detach-disk", other.name, "vdb", "--config")
    refused(t, g, f"File '{raw}', which no domain and no snapshot uses, looks like an image")
    finding, = show(g, "--orphans")["findings"]
    t.eq((finding["code"], finding["image"]), ("orphan-file", raw))
    t.has(finding["message"], "looks like")
    t.has(finding["remedy"], "raw disk")


def trap(t):
    """A folder's name, and whether anybody has looked up what is in it since: a link's time of
    access tells."""
    folder, link = t.path("far-away"), t.path("trap")
    os.makedirs(folder, exist_ok=True)
    os.symlink(folder, link)

    def looked():
        before = os.lstat(link).st_atime_ns
        return before != armed

    os.utime(link, ns=(10**9, 10**9), follow_symlinks=False)
    armed = os.lstat(link).st_atime_ns
    os.path.exists(os.path.join(link, "x"))
    if not looked():
        skip("the file system does not tell who follows a link")
    os.utime(link, ns=(10**9, 10**9), follow_symlinks=False)
    armed = os.lstat(link).st_atime_ns
    return link, looked


@test(cases=["backing", "data-file"])
@requires("program")
def what_such_a_file_names_is_not_even_looked_up(t, kind):
    """It might hang, or mount something."""
    g, root = victim(t)
    link, looked = trap(t)
    if kind == "backing":
        data = header_on(t, os.path.join(link, "disk"))
    else:
        data = header_on(t, "/nowhere", os.path.join(link, "data" + "a" * 40))
    raw_with(os.path.join(g.dir, "nobodys"), data)
    t.ok(not looked(), "the test itself looked")
    for command in (["chain-show", g.name, "--orphans"], [DELETE, g.name, "s1", "--dry-run"]):
        t.rc(g.vext(*command), 0)
        t.ok(not looked(), f"{command} looks up what a guest may have written")


@test
@requires("program")
def what_such_a_file_says_hides_no_image(t):
    """That an image is its data file, for one: a commit would go on below that."""
    g, root = victim(t)
    real = os.path.join(g.dir, "real" + "l" * 40)
    image(real, backing=root)
    raw_with(os.path.join(g.dir, "nobodys"), header_on(t, "/nowhere", real))
    refused(t, g, "reallll")
    t.eq([f["image"] for f in show(g, "--orphans")["findings"]], [real])


@test(cases=["plain", "relative", "link", "hard-link", "folder", "real-folder", "images-folder",
             "on-another"])
@requires("program")
def an_image_on_one_of_ours_blocks_however_it_names_it(t, how):
    folder = t.path("real-folder")
    os.makedirs(folder)
    if how == "real-folder":    # the domain says 'images', the file what that leads to
        os.symlink(folder, t.path("images"))
        folder = t.path("images")
    g, root = victim(t, dir=folder)
    name = os.path.basename(root)
    said = root
    if how == "relative":
        said = name
    elif how in ("link", "hard-link"):
        said = os.path.join(folder, "alias")
        (os.symlink if how == "link" else os.link)(root, said)
    elif how == "folder":       # that nothing else names
        os.symlink(folder, t.path("alias"))
        said = os.path.join(t.path("alias"), name)
    elif how == "real-folder":
        said = os.path.join(t.path("real-folder"), name)
    elif how == "images-folder":    # where another domain has its images
        t.guest("vm2", daemon=g.daemon, dir=t.path("others"), disks=[{}])
        said = os.path.join(t.path("others"), "alias")
        os.symlink(root, said)
    elif how == "on-another":
        image(os.path.join(folder, "between"), backing=root)
        os.symlink(os.path.join(folder, "between"), os.path.join(folder, "alias"))
        said = os.path.join(folder, "alias")
    stray = raw_with(os.path.join(folder, "stray"), header_on(t, said))
    shown = show(g, "--orphans")
    t.ok(stray in [f["image"] for f in shown["findings"]], shown["findings"])
    refused(t, g, "between" if how == "on-another" else "stray")


@test
@requires("program")
def an_image_on_a_file_of_another_name_or_folder_blocks_nothing(t):
    g, root = victim(t)
    os.makedirs(t.path("others"))
    for i, said in enumerate((os.path.join(g.dir, "not-there"), t.path("others/disk"),
                              "nbd://host/export", "json:{}")):
        raw_with(os.path.join(g.dir, f"stray{i}"), header_on(t, said))
    t.eq(codes(show(g, "--orphans")), [])
    commits(t, g)


@test
@requires("program")
def far_away_the_raw_disk_of_a_domain_is_not_believed_either(t):
    g, root = victim(t)
    raw = raw_with(os.path.join(g.dir, "vm2.raw"), header_on(t, root))
    other = t.guest("vm2", daemon=g.daemon,
                    disks=[{"path": raw, "create": False, "format": "raw"}])
    g.daemon.pool("images", g.dir)
    t.eq(codes(show_far(t, g, "--orphans")), [])
    other.virsh("undefine", other.name)
    finding, = show_far(t, g, "--orphans")["findings"]
    t.has(finding["remedy"], "raw disk")


if __name__ == "__main__":
    main()
