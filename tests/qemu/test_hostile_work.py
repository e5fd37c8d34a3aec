#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delete, revert and repair with what a guest, or whoever gives names, did to mislead them."""
import ctypes
import json
import os
import signal
import struct
import sys
import xml.sax.saxutils as sax

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext import faults, util  # noqa: E402
from vext.chains import codes, far_away, forget_format, show  # noqa: E402
from vext.journals import overlays_in_journal, stopped  # noqa: E402
from vext.matrix import environment, program, require_faults  # noqa: E402

DELETE, REVERT, REPAIR = "snapshot-delete-external", "snapshot-revert-external", "chain-repair"
FAN_OPEN, AT_FDCWD = 0x20, -100


class Watched:
    """A file, and who has opened it."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(b"the host's own\n" * 4096)
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.fanotify_init(2 | 1, os.O_RDONLY)    # FAN_NONBLOCK | FAN_CLOEXEC
        if self.fd < 0 or libc.fanotify_mark(self.fd, 1, ctypes.c_uint64(FAN_OPEN), AT_FDCWD,
                                             os.fsencode(path)) < 0:
            skip(f"no fanotify: {os.strerror(ctypes.get_errno())}")

    def openers(self):
        """pids"""
        found = set()
        while True:
            try:
                data = os.read(self.fd, 4096)
            except BlockingIOError:
                return found
            while data:
                size, _, _, _, _, fd, pid = struct.unpack_from("=IBBHQii", data)
                data = data[size:]
                os.close(fd)
                found.add(pid)

    def check(self, t, but=()):
        t.eq(self.openers() - set(but), set(), "who has opened the file that a guest named")


def header(backing, data_file=False):
    """The first cluster of a qcow2 image that stands on the file, or keeps its data in it."""
    name = os.fsencode(backing)
    features = 4 if data_file else 0
    head = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0 if data_file else 1024,
                       0 if data_file else len(name), 16, 24 << 20, 0, 1, 3 << 16, 1 << 16, 1, 0, 0,
                       features, 0, 0, 4, 104)
    if data_file:
        head += struct.pack(">II", 0x44415441, len(name)) + name + b"\0" * (-len(name) % 8)
    else:
        head += struct.pack(">II", 0xE2792ACA, 3) + b"raw".ljust(8, b"\0")
    head = head.ljust(1024, b"\0") + (b"" if data_file else name)
    return head.ljust(65536, b"\0")


def guest_writes(t, g, data):
    """The guest puts the bytes at the beginning of vda; the oracle knows."""
    path = t.path("written")
    with open(path, "wb") as f:
        f.write(data)
    source = g.active("vda")
    command = f"write -s {path} 0 {len(data)}"
    if source.alias:
        g.oracle._monitor((source, command), (source, "flush"))
    else:
        util.run(["qemu-io", "-f", source.format, "-c", command, "-c", "flush", source.path],
                 root=True, log=False)
    with open(g.oracle.model["vda"], "r+b") as f:
        os.pwrite(f.fileno(), data, 0)


def raw_with_snapshots(t, state, data):
    """A raw image; what the guest writes reaches it when s1 is committed."""
    g = t.guest(format="raw", start=state == "running")
    o = g.oracle
    o.write("vda", "1M", "64k", 0x11)
    o.snapshot("s1")
    guest_writes(t, g, data)
    o.snapshot("s2")
    o.write("vda", "2M", "64k", 0x22)
    o.snapshot("s3")
    o.write("vda", "3M", "64k", 0x33)
    return g


@test(cases=[(k, s) for k in ("backing", "data-file") for s in ("off", "running")])
@requires("program")
def a_raw_image_that_a_commit_makes_look_like_another(t, kind, state):
    """Its first bytes are the guest's, and are no header, before as after."""
    secret = Watched(t.path("secret"))
    g = raw_with_snapshots(t, state, header(secret.path, kind == "data-file"))
    o = g.oracle
    base = g.chain("vda")[-1]
    t.rc(g.vext(DELETE, g.name, "s1", "--direction", "commit"), 0)
    o.deleted("s1")
    with open(base, "rb") as f:
        t.eq(f.read(4), b"QFI\xfb", "the raw image begins with")
    for command in (["chain-show", g.name, "--orphans"], ["chain-show", "--all", "--json"],
                    [REPAIR, g.name], [REVERT, g.name, "s2", "--dry-run"],
                    [DELETE, g.name, "s2", "s3", "--dry-run"]):
        r = t.rc(g.vext(*command), 0)
        t.ok(os.path.basename(secret.path) not in r.out + r.err, f"it is named: {r}")
    shown = show(g)
    t.eq([f["code"] for f in shown["findings"]], [])
    t.eq([i["format"] for i in shown["disks"][0]["images"]], ["raw", "qcow2", "qcow2"])
    secret.check(t)
    t.rc(g.vext(REVERT, g.name, "s2"), 0)
    # The volume is made in a pool; for one the daemon opens, for its size, what headers name.
    secret.check(t, but=[g.daemon.pid])
    o.revert("s2")
    o.write("vda", "5M", "64k", 0x55)
    t.rc(g.vext(DELETE, g.name, "--all"), 0)
    o.forget("s2", "s3")
    o.check_chain_clean(start=not g.is_active())
    secret.check(t)


@test(cases=["off", "running"])
@requires("program")
def it_begins_to_look_so_in_the_middle(t, state):
    """The bytes change between the look before the first step and the looks after it; then the
    client dies, and another one looks."""
    require_faults()
    secret = Watched(t.path("secret"))
    g = raw_with_snapshots(t, state, header(secret.path))
    for point in ("block-commit-running", "remove-file-before"):
        p = util.spawn([*program(), "-c", g.daemon.uri, DELETE, g.name, "s1", "--direction",
                        "commit"], env=environment(point, "kill"))
        p.communicate(timeout=60)
        t.eq(p.returncode, -signal.SIGKILL, point)
        t.rc(g.vext("chain-show", g.name, "--orphans"), 0)
    t.rc(g.vext(REPAIR, g.name), 0)
    g.oracle.deleted("s1")
    g.oracle.check_chain_clean(start=state == "off")
    t.eq(show(g)["disks"][0]["images"][0]["format"], "raw")
    secret.check(t)


@test(cases=["commit", "pull", "revert"])
@requires("program")
def a_pipe_that_a_guest_names_stops_nobody(t, how):
    """Who opens it to read waits until somebody writes."""
    pipe = t.path("pipe")
    os.mkfifo(pipe)
    g = t.guest(disks=[{}, {"target": "vdb", "format": "raw"}])
    with open(g.disks["vdb"].path, "r+b") as f:
        f.write(header(pipe))
    o = g.oracle
    with open(o.model["vdb"], "r+b") as f:
        f.write(header(pipe))
    for i, name in enumerate(("s1", "s2")):
        o.write("vda", f"{i}M", "64k", 0x11 + i)
        o.snapshot(name, disks=["vda"])
    command = [REVERT, g.name, "s1"] if how == "revert" else [DELETE, g.name, "s2", "--direction",
                                                              how]
    for way in (["--dry-run"], []):
        t.rc(g.vext(*command, *way, timeout=30), 0)
    t.rc(g.vext("chain-show", "--all", "--orphans", timeout=30), 0)
    if how == "revert":
        o.revert("s1")
    else:
        o.deleted("s2")
    o.check_all()


@test
@requires("program")
def far_away_a_format_that_is_not_recorded_is_not_guessed(t):
    """A pool says what the bytes look like, and those of a raw image are the guest's."""
    secret, base, top = Watched(t.path("secret")), t.path("base.raw"), t.path("top.qcow2")
    image(base, format="raw")
    image(top, backing=base, backing_format="raw")
    forget_format(top)
    with open(base, "r+b") as f:
        f.write(header(secret.path))
    g = t.guest(disks=[{"path": top, "create": False}])
    g.snapshot("s1")
    g.daemon.pool("images", os.path.dirname(top))
    secret.openers()    # libvirt's own qemu-img, for the snapshot
    far = [*util.program(), "-c", far_away(t, g.daemon)]
    r = t.rc(util.run([*far, "chain-show", g.name, "--check"], check=False), 1)
    t.has(r.out, "[format-not-recorded]")
    for command in (["chain-show", g.name, "--json"], [DELETE, g.name, "s1"],
                    [REVERT, g.name, "s1"]):
        r = util.run([*far, *command], check=False)
        t.ok("secret" not in r.out + r.err, r)
        t.eq(r.rc, 0 if command[0] == "chain-show" else 1)
    secret.check(t, but=[g.daemon.pid])


@test(cases=["off", "running"])
@requires("program")
def a_link_where_the_saved_state_goes_on_is_not_followed(t, state):
    require_faults()
    g = t.guest(start=state == "running")
    g.oracle.snapshot("s1")
    g.oracle.write("vda", "1M", "64k", 0x31)
    steps = json.loads(g.vext(REVERT, g.name, "s1", "--save-current", "kept", "--dry-run",
                              "--json").out)["steps"]
    t.ok(any(s["action"] == "create-snapshot" for s in steps), steps)
    p = stopped(t, g, "create-snapshot-before", REVERT, g.name, "s1", "--save-current", "kept")
    stolen, made = t.path("stolen"), overlays_in_journal(g, "save_overlays")
    for path in made:
        os.symlink(stolen, path)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    t.ok(p.returncode in (1, 3), f"{p.returncode} {out} {err}")
    t.has(err, "exists already")
    t.ok(not os.path.exists(stolen), "nothing is written through the link")
    for path in made:
        os.unlink(path)
    if p.returncode == 3:
        t.rc(g.vext(REPAIR, g.name, "--abort"), 0)
    g.oracle.check_all()


# --- what is said of hostile names ---------------------------------------------------------------

TERMINAL = "\x1b\x9b\x07\u202e\b"
NAME = "s1 \u009b2J\u202e'\"`$(reboot)"


def quiet(t, r):
    for bad in TERMINAL:
        t.ok(bad not in r.out + r.err, f"{bad!r} is printed by {r.argv}:\n{r}")
    return r


def named_snapshot(t, g, name):
    """An external snapshot with the name, its overlay in a folder of that name."""
    folder = t.path("d " + name)
    os.makedirs(folder, exist_ok=True)
    overlay = os.path.join(folder, f"{name}.{len(os.listdir(folder))}")
    path = t.path("snapshot.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"<domainsnapshot><name>{sax.escape(name)}</name><disks><disk name='vda' "
                "snapshot='external' type='file'><driver type='qcow2'/>"
                f"<source file={sax.quoteattr(overlay)}/></disk></disks></domainsnapshot>")
    g.virsh("snapshot-create", "--domain", g.name, "--disk-only", path)
    g.oracle.taken(name)


@test(cases=["off", "running"])
@requires("program")
def names_reach_the_terminal_as_text(t, state):
    """Progress, plans, results and errors of the commands that change things."""
    require_faults()
    g = t.guest(start=state == "running")
    o = g.oracle
    for name in (NAME, "s2" + NAME, "s3" + NAME):
        o.write("vda", "1M", "1M", 0x31)
        named_snapshot(t, g, name)
    o.write("vda", "2M", "64k", 0x77)
    for command in ([DELETE, NAME], [DELETE, "--all"], [REVERT, NAME]):
        for way in (["--dry-run"], ["--dry-run", "--json"]):
            quiet(t, t.rc(g.vext(command[0], g.name, *command[1:], *way), 0))
    quiet(t, t.rc(g.vext(DELETE, g.name, "nobody" + NAME), 1))
    quiet(t, t.rc(g.vext(REVERT, g.name, "nobody" + NAME), 1))
    quiet(t, t.rc(g.vext(REPAIR, "nobody" + NAME), 1))
    second = "s2" + NAME
    command = [DELETE, g.name, second, "--direction", "commit", "--verbose"]
    with faults.immutable(g.chain("vda")[-2]):
        r = quiet(t, t.rc(g.vext(*command), 1))
        t.has(r.err, r"/d s1 \u009b2J\u202e'")
    r = util.run([*program(), "-c", g.daemon.uri, *command], check=False,
                 env=environment("block-commit-running", "int"))
    quiet(t, t.rc(r, 3))
    t.has(r.err, r"/d s1 \u009b2J\u202e'")
    quiet(t, t.rc(g.vext("chain-show", g.name, "--check"), 1))
    quiet(t, t.rc(g.vext(REPAIR, g.name, "--dry-run"), 0))
    quiet(t, t.rc(g.vext(REPAIR, g.name, "--dry-run", "--json"), 0))
    r = quiet(t, t.rc(g.vext(REPAIR, g.name, "--verbose"), 0))
    t.has(r.out + r.err, r"s2s1 \u009b2J\u202e'")
    o.deleted(second)
    quiet(t, t.rc(g.vext(REVERT, g.name, NAME, "--verbose", "--save-current", "x" + NAME),
                  0))
    o.taken("x" + NAME)
    o.revert(NAME)
    quiet(t, t.rc(g.vext(DELETE, g.name, "s3" + NAME, "--children", "--verbose"), 0))
    o.forget("s3" + NAME, "x" + NAME)
    o.check_chain_clean(start=not g.is_active())


@test
@requires("program")
def a_backing_name_of_escapes_in_an_error(t):
    """A header can hold what XML cannot."""
    g = t.guest()
    g.snapshot("s1")
    g.snapshot("s2")
    name = f"{g.dir}/\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n".encode()[:1000]
    with open(g.active("vda").path, "r+b") as f:
        f.seek(5000)
        f.write(name)
        f.seek(8)
        f.write(struct.pack(">QI", 5000, len(name)))
    t.has(codes(show(g)), "missing-image")
    for command in ([DELETE, "s1"], [DELETE, "s2"], [REVERT, "s1"]):
        for way in ([], ["--dry-run"], ["--dry-run", "--json"]):
            quiet(t, g.vext(command[0], g.name, *command[1:], *way))
    quiet(t, g.vext(REPAIR, g.name))


# --- who may do it -------------------------------------------------------------------------------

@test(cases=["off", "running"])
@requires("program")
def a_read_only_connection_changes_nothing(t, state):
    require_faults()
    g = t.guest(start=state == "running")
    o = g.oracle
    for i, name in enumerate(("s1", "s2")):
        o.write("vda", f"{i}M", "64k", 0x20 + i)
        o.snapshot(name)

    def all_of_it():
        found = [g.virsh("dumpxml", g.name, log=False).out,
                 g.virsh("dumpxml", g.name, "--inactive", log=False).out]
        found += [g.virsh("snapshot-dumpxml", g.name, s, log=False).out for s in g.snapshots()]
        return found + [sorted((p, os.stat(p).st_mtime_ns) for p in o._files())]

    for command in ([DELETE, g.name, "s1"], [REVERT, g.name, "s1"],
                    [REVERT, g.name, "s1", "--save-current", "kept"], [REPAIR, g.name]):
        before = all_of_it()
        plain = g.daemon.vext("-r", *command, readonly=True)
        g.daemon.vext("-r", *command, "--dry-run", readonly=True)
        t.eq(all_of_it(), before, command)
        if command[0] != REPAIR:
            t.rc(plain, 1)
            t.has(plain.err, "read-only")
    p = util.spawn([*program(), "-c", g.daemon.uri, DELETE, g.name, "s1", "--direction", "commit"],
                   env=environment("step-2-before", "kill"))
    p.communicate(timeout=60)
    t.eq(p.returncode, -signal.SIGKILL)
    for command in ([REPAIR, g.name], [REPAIR, g.name, "--abort"], [DELETE, g.name, "s1"]):
        before = all_of_it()
        r = t.rc(g.daemon.vext("-r", *command, readonly=True), 1)
        t.has(r.err, "read-only")
        t.eq(all_of_it(), before, command)
    t.rc(g.vext(REPAIR, g.name), 0)
    o.deleted("s1")


@test(cases=[(s, c) for s in ("off", "running") for c in (DELETE, REVERT, REPAIR)])
@requires("program")
def from_another_connection_the_second_is_refused(t, state, command):
    """The first lives, if only just; when it is dead the second takes it over."""
    require_faults()
    g = t.guest(start=state == "running")
    o = g.oracle
    for i, name in enumerate(("s1", "s2", "s3")):
        o.write("vda", f"{i}M", "64k", 0x20 + i)
        o.snapshot(name)
    uri = far_away(t, g.daemon)
    p = util.spawn([*program(), "-c", g.daemon.uri, DELETE, g.name, "s1", "--direction", "commit"],
                   env=environment("step-2-before", "stop"))
    try:
        t.wait_for(lambda: g.name + ".virsh-ext" in g.view().domains, "the first to begin")
        t.wait_for(lambda: open(f"/proc/{p.pid}/stat").read().split()[2] == "T", "it to stop")
        before = {path: os.stat(path).st_mtime_ns for path in o._files()}
        argv = [command, g.name] + {DELETE: ["s2"], REVERT: ["s1"], REPAIR: []}[command]
        far = [*util.program(), "-c", uri]
        for way in ([], ["--dry-run"]):
            r = t.rc(util.run([*far, *argv, *way], check=False), 1)
            t.has(r.err, DELETE)
            t.has(r.err, "s1")
        t.rc(util.run([*far, REPAIR, g.name, "--abort"], check=False), 1)
        t.rc(util.run([*far, DELETE, g.name, "s1", "--direction", "commit"], check=False), 1)
        t.eq({path: os.stat(path).st_mtime_ns for path in o._files()}, before)
    finally:
        p.kill()
        p.communicate()
    t.rc(util.run([*far, REPAIR, g.name], check=False), 0)
    o.deleted("s1")
    o.check_chain_clean(start=state == "off")


if __name__ == "__main__":
    main()
