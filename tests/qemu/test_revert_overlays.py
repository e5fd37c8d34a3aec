#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The new images that snapshot-revert-external makes: names, modes, owners, and whose they are."""
import json
import os
import pwd
import re
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import faults, matrix  # noqa: E402
from vext.chains import far_away  # noqa: E402
from vext.journals import overlays_in_journal, stopped  # noqa: E402


def revert(t, g, *args, rc=0, **how):
    return t.rc(g.vext("snapshot-revert-external", g.name, *args, **how), rc)


def one(g, **how):
    g.oracle.write("vda", 0, "64k", 0xa1)
    g.oracle.snapshot("s1", **how)
    g.oracle.write("vda", "1M", "64k", 0xa2)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def info(path):
    return json.loads(qemu_img("info", "-U", "--output=json", "-f", "qcow2", path).out)


@test(cases=["600", "640", "644", "400"])
@requires("program")
def nobody_may_read_it_who_may_not_read_the_frozen_image(t, text):
    of_frozen = int(text, 8)
    g = t.guest()
    one(g)
    os.chmod(g.chain("vda")[1], of_frozen)
    revert(t, g, "s1", "--running")
    new = g.active("vda").path
    t.eq(oct(mode(new)), oct(of_frozen | 0o600))
    g.oracle.revert("s1")
    g.oracle.write("vda", "2M", "64k", 0xa3)
    g.oracle.check_all()
    g.oracle.check_chain_clean()


@test
@requires("program")
def nobody_may_read_it_with_the_embedded_driver(t):
    g = t.guest(daemon=t.embed())
    one(g)
    before = os.umask(0o022)
    os.umask(before)
    revert(t, g, "s1")
    t.eq(oct(mode(g.active("vda").path)), oct(0o600))
    g.oracle.revert("s1")
    g.oracle.check_all()


@test(cases=["600", "644"])
@requires("program")
def nobody_may_read_it_where_no_volume_can_be_made(t, text):
    """A pool that is defined and not active keeps any other one off its directory."""
    of_frozen = int(text, 8)
    g = t.guest()
    one(g)
    os.chmod(g.chain("vda")[1], of_frozen)
    g.daemon.pool("images", g.dir)
    g.virsh("pool-destroy", "images")
    revert(t, g, "s1", "--running")
    t.eq(oct(mode(g.active("vda").path)), oct(of_frozen))
    g.oracle.revert("s1")
    g.oracle.write("vda", "2M", "64k", 0xa3)
    g.oracle.check_all()


@test
@requires("program")
def it_belongs_to_whom_the_frozen_image_belongs(t):
    """Without dynamic ownership libvirt gives QEMU no access to what is not its own."""
    pw = pwd.getpwnam("nobody")
    d = t.daemon(qemu_conf=f'user = "nobody"\ngroup = "+{pw.pw_gid}"\ndynamic_ownership = 0\n')
    g = t.guest(daemon=d)
    o = g.oracle
    one(g)
    for path in (g.dir, *g.chain("vda")):
        os.chown(path, pw.pw_uid, pw.pw_gid)
    g.start()
    revert(t, g, "s1", "--running")
    o.revert("s1")
    new = os.stat(g.active("vda").path)
    t.eq((new.st_uid, new.st_gid), (pw.pw_uid, pw.pw_gid))
    o.write("vda", "2M", "64k", 0xa3)
    o.check_all()


@test(cases=["4k", "2M"])
@requires("program")
def it_has_the_cluster_size_of_the_frozen_image(t, size):
    if t.daemon().versions()[0] < (7, 4, 0):
        skip("this libvirt does not tell it")
    g = t.guest(disks=[{"options": f"cluster_size={size}"}])
    one(g)
    revert(t, g, "s1")
    g.oracle.revert("s1")
    t.eq(info(g.active("vda").path)["cluster-size"], size_of(size))
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True)


@test(cases=["running", "shut_off"])
@requires("program")
def a_directory_that_has_a_pool(t, state):
    g = t.guest(kind="file", start=state == "running")
    g.daemon.pool("images", g.dir)
    one(g)
    revert(t, g, "s1")
    g.oracle.revert("s1")
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True)
    pools = g.virsh("pool-list", "--all", "--name").out.split()
    t.eq(pools, ["images"])


@test
@requires("program")
def long_names_are_cut_between_characters(t):
    g = t.guest(disks=[{"path": t.path("a" + "\u00fc" * 60 + ".qcow2")}])
    g.oracle.snapshot("s1", files={"vda": t.path("o1")})
    revert(t, g, "s1")
    name = os.path.basename(g.active("vda").path)
    t.ok(name.startswith("a" + "\u00fc" * 31 + ".s1-"), name)
    g.oracle.revert("s1")
    g.oracle.check_all()


@test
@requires("program")
def a_name_that_a_snapshot_cannot_have_is_refused_before_anything_changes(t):
    g = t.guest(start=True)
    o = g.oracle
    one(g)
    before = sorted(os.listdir(g.dir))
    for name in ("a/b", "..", ".x", "z" * 248, "\u00fc" * 124, "a\x01b"):
        for args in (["--dry-run"], []):
            r = revert(t, g, "s1", "--save-current=" + name, *args, rc=1)
            t.has(r.err, "cannot be a snapshot's name")
        j = json.loads(revert(t, g, "s1", "--dry-run", "--json", "--save-current=" + name,
                              rc=1).out)
        t.eq([r["code"] for r in j["refusals"]], ["bad-name"])
    t.eq(g.current(), "s1")
    t.eq(sorted(os.listdir(g.dir)), before)
    # And those that it can have.
    for name in ("z" * 247, "-x", "a b", "$(id)", "<&>'\""):
        revert(t, g, "s1", "--running", "--save-current=" + name)
        o.taken(name)
        o.revert("s1")
    o.check_all()
    o.check_chain_clean()


def planned(t, g):
    """What the overlays of a revert to s1 would be."""
    steps = revert(t, g, "s1", "--dry-run", "--json", "--save-current", "kept").out
    return re.findall(r"[^/\"]*-\d{8}T\d{6}Z[^/\"]*", steps)


@test
@requires("program")
def names_cannot_be_guessed(t):
    """Neither from the time nor from a name that was there before."""
    g = t.guest(disks=[{}, {}])
    g.oracle.snapshot("s1")
    seen = set()
    for _ in range(3):
        seen |= {name.rpartition("-")[2] for name in planned(t, g)}
    t.ok(len(seen) >= 6, f"random parts: {seen}")
    revert(t, g, "s1")
    made = [os.path.basename(g.active(d).path) for d in ("vda", "vdb")]
    t.ok(re.fullmatch(r"vda\.s1-\d{8}T\d{6}Z-[a-kmnp-z2-9]{8}\.qcow2", made[0]), made)
    t.eq(len(seen | {name.rpartition("-")[2] for name in made}), len(seen) + 2)
    g.oracle.revert("s1")
    g.oracle.check_all()


def plant(t, path, how):
    """Somebody's file, or a link to nothing, through which libvirt would write."""
    if how == "link":
        os.symlink(t.path("elsewhere"), path)
        return
    with open(path, "w", encoding="ascii") as f:
        f.write("somebody's")


@test(cases=[(s, k, h) for s in ("running", "off") for k in ("overlays", "save_overlays")
             for h in ("file", "link")] + [("off", "overlays", "file-far")])
@requires("program")
def what_has_come_to_the_recorded_name_is_left_alone_and_nothing_is_changed(t, state, kind, how):
    """By somebody who reads the journal, in the moment before the overlays are made. (A link to
    nothing no client sees that is on another host: there it is the name that nobody can guess.)"""
    matrix.require_faults()
    g = t.guest(start=state == "running")
    o = g.oracle
    one(g)
    how, _, where = how.partition("-")
    before = g.virsh("dumpxml", g.name).out, g.current(), sorted(os.listdir(g.dir))
    point = ("create-overlays" if kind == "overlays" else "create-snapshot") + "-before"
    save = [] if kind == "overlays" else ["--save-current", "kept"]
    p = stopped(t, g, point, "snapshot-revert-external", g.name, "s1", *save,
                uri=far_away(t, g.daemon) if where else None)
    path, = overlays_in_journal(g, kind)
    plant(t, path, how)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    t.eq(p.returncode, 1, f"exit status ({out} {err})")
    t.has(err, "exists already")
    if how == "file":
        with open(path, encoding="ascii") as f:
            t.eq(f.read(), "somebody's")
    t.ok(not os.path.exists(t.path("elsewhere")), "written through a link")
    os.unlink(path)
    t.eq((g.virsh("dumpxml", g.name).out, g.current(), sorted(os.listdir(g.dir))), before)
    o.check_all()
    revert(t, g, "s1", *save)
    if save:
        o.taken("kept")
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(start=state == "off")


@test(cases=["create-overlays-before", "create-overlays-made", "define-domain-after"])
@requires("program")
def an_operation_that_goes_on_keeps_the_names_that_it_recorded(t, point):
    matrix.require_faults()
    g = t.guest()
    one(g)
    p = stopped(t, g, point, "snapshot-revert-external", g.name, "s1")
    path, = overlays_in_journal(g)
    p.kill()
    p.communicate(timeout=60)
    t.rc(g.vext("chain-repair", g.name), 0)
    t.eq(g.active("vda").path, path)
    g.oracle.revert("s1")
    g.oracle.check_all()
    g.oracle.check_chain_clean(start=True)


def on_nbd(t, image, socket):
    """A guest whose disk is an export of a qemu-nbd of its own."""
    qemu_img("create", "-q", "-f", "raw", image, "24M")
    server = util.spawn(["qemu-nbd", "-f", "raw", "-k", socket, "-t", "-e", "8", "-x", "e1", image])
    t.cleanup(server.kill)
    t.wait_for(lambda: os.path.exists(socket), "qemu-nbd")
    os.chmod(socket, 0o777)
    g = t.guest(define=False, disks=[{"path": image, "create": False}])
    xml = g.domain_xml()
    start, end = xml.index("<disk "), xml.index("</disk>") + len("</disk>")
    g.define(xml[:start] + f"""<disk type='network' device='disk'><driver name='qemu' type='raw'/>
        <source protocol='nbd' name='e1'><host transport='unix' socket='{socket}'/></source>
        <target dev='vda' bus='virtio'/></disk>""" + xml[end:])
    g.start()
    return g


def write(g, where, pattern):
    for command in (f"write -P {pattern:#x} {where} 64k", "flush"):
        g.hmp(f'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "{command}"')


def sees(t, g, where, pattern):
    path = g.active("vda").path
    r = util.run(["qemu-io", "-r", "-U", "-f", "qcow2", "-c", f"read -P {pattern:#x} {where} 64k",
                  path], check=False)
    t.ok(r.rc == 0 and "failed" not in r.out, f"{r} {r.out} {r.err}")


@test(cases=["running", "off"])
@requires("program")
def an_image_behind_a_network_is_refused_and_what_stands_on_it_is_not(t, state):
    g = on_nbd(t, t.path("base.img"), t.path("nbd.sock"))
    write(g, "0", 0x11)
    g.snapshot("s1", files={"vda": os.path.join(g.dir, "o1")})
    write(g, "1M", 0x22)
    g.snapshot("s2", files={"vda": os.path.join(g.dir, "o2")})
    write(g, "1M", 0x33)
    if state == "off":
        g.destroy()
    before = g.virsh("dumpxml", g.name).out, sorted(os.listdir(g.dir))
    for args in (["--dry-run"], ["--running"]):
        r = revert(t, g, "s1", *args, rc=1)
        t.has(r.err, "is neither a file nor a device, and libvirt makes no overlay on it")
    t.eq((g.virsh("dumpxml", g.name).out, sorted(os.listdir(g.dir))), before)
    for n in (1, 2):
        revert(t, g, "s2", "--running")
        t.ok(g.active("vda").path.startswith(f"{g.dir}/o1.s2-"), g.active("vda").path)
        sees(t, g, "0", 0x11)
        sees(t, g, "1M", 0x22)
        write(g, "1M", 0x40 + n)
        sees(t, g, "1M", 0x40 + n)
    t.eq(g.current(), "s2")


@test(cases=["file", "dangling_link"])
@requires("program", matrix.require_faults)
def a_file_that_comes_to_its_name_is_not_touched(t, kind):
    """Between the plan and the step, and when the operation is taken up again."""
    g = t.guest(start=True)
    o = g.oracle
    one(g)
    killed = util.spawn([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external",
                         g.name, "s1"], env=matrix.environment("create-overlays-before", "kill"))
    killed.communicate(timeout=60)
    t.eq(killed.returncode, -9)
    shown = t.rc(g.vext("chain-repair", g.name, "--dry-run"), 0).out
    t.eq(t.rc(g.vext("snapshot-revert-external", g.name, "s1", "--dry-run"), 0).out, shown)
    start = shown.index(g.dir + "/vda.s1-")
    path = shown[start:shown.index(".qcow2", start)] + ".qcow2"
    if kind == "file":
        with open(path, "w", encoding="ascii") as f:
            f.write("somebody's")
    else:
        os.symlink(t.path("elsewhere"), path)
    r = t.rc(g.vext("chain-repair", g.name), 3)
    t.has(r.err, path)
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    if kind == "file":
        with open(path, encoding="ascii") as f:
            t.eq(f.read(), "somebody's")
    else:
        t.eq(os.readlink(path), t.path("elsewhere"))
        t.ok(not os.path.exists(path), "written through a link")
    t.eq(g.state(), "running")
    o.check_all()
    o.check_chain_clean(allow=[path])


@test(cases=["directory", "file"])
@requires("program")
def the_present_image_is_missing(t, what):
    """A revert is what brings such a guest back."""
    g = t.guest()
    o = g.oracle
    o.write("vda", 0, "64k", 0xa1)
    os.mkdir(t.path("gone"))
    o.snapshot("s1", files={"vda": t.path("gone/o1")})
    os.unlink(t.path("gone/o1"))
    if what == "directory":
        os.rmdir(t.path("gone"))
    r = revert(t, g, "s1", "--save-current", "kept", rc=1)
    t.has(r.err, "there is nothing to be saved")
    r = revert(t, g, "s1")
    t.has(r.err, "is missing: nothing of it is left to be discarded")
    t.eq(os.path.dirname(g.active("vda").path), g.dir)
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(start=True)


@test
@requires("program", matrix.require_faults)
def of_several_none_stays_when_one_cannot_be_made(t):
    g = t.guest(disks=2, start=True)
    o = g.oracle
    small = faults.small_fs(t.path("small"), "8M")
    o.snapshot("s1", files={"vda": os.path.join(g.dir, "a"), "vdb": os.path.join(small, "b")})
    o.write("vda", "1M", "64k", 0xa2)
    before = sorted(os.listdir(g.dir)), sorted(os.listdir(small))
    with faults.full(small):
        r = revert(t, g, "s1", rc=1)
    t.has(r.err, "No space left on device")
    t.has(r.err, "Nothing was changed")
    left = sorted(os.listdir(small))
    if t.daemon().versions()[0] < (7, 4, 0):
        # the daemon leaves the file that it could not write, without a header: nothing proves
        # that it is not somebody else's
        left = [name for name in left if not name.startswith("vdb.s1-")]
    t.eq((sorted(os.listdir(g.dir)), left), before)
    t.eq(g.state(), "running")
    o.check_all()


if __name__ == "__main__":
    main()
