#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness itself, checked with virsh alone: what it reports right and what it must catch."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402


@test(cases=["running", "shut-off"])
def stock_delete_leaves_the_right_content(t, state):
    g = t.guest(disks=2, start=state == "running")
    o = g.oracle
    o.write("vda", 0, "64k", 0xAA)
    o.write("vdb", "1M", "128k", 0xBB)
    o.snapshot("s1")
    o.write("vda", "32k", "64k", 0xCC)
    o.snapshot("s2", disks=["vda"])
    o.write("vda", "5M", "64k", 0xDD)
    o.write("vdb", "1M", "64k", 0)
    o.check_all(["s1", "s2"])
    o.check_chain_clean()
    t.eq(len(g.chain("vda")), 3, "layers of vda")
    t.eq(len(g.chain("vdb")), 2, "layers of vdb")
    if state == "running" and g.daemon.versions()[0] >= (9, 0, 0):
        g.virsh("snapshot-delete", g.name, "s2")
        o.deleted("s2")
    g.destroy()
    o.check_all()
    o.check_chain_clean(start=True, backing=False)


@test
def stock_blockcommit_and_a_stale_snapshot(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    o.snapshot("s1")
    o.write("vda", 0, "64k", 2)
    g.virsh("blockcommit", g.name, "vda", "--active", "--pivot", "--wait")
    o.check_active()
    # The snapshot's state is gone, and the image that it names is the active one.
    error = t.raises(Mismatch, o.check_snapshot, "s1")
    t.has(str(error), "active image")


@test(cases=["running", "shut-off"])
def a_damaged_frozen_image_is_noticed(t, state):
    g = t.guest(start=state == "running")
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    frozen = g.active("vda").path
    o.snapshot("s1")
    o.check_all()
    g.destroy()
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 65536 512", frozen], root=True)
    if state == "running":
        g.start()
    error = t.raises(Mismatch, o.check_snapshot, "s1")
    t.has(str(error), "offset 65536")
    t.has(str(error), "09 09")
    error = t.raises(Mismatch, o.check_all)
    t.has(str(error), "active disk vda")


@test
def what_is_left_over_is_noticed(t):
    g = t.guest()
    o = g.oracle
    o.snapshot("s1")
    o.check_chain_clean()
    stray = os.path.join(g.dir, "stray")
    with open(stray, "w", encoding="ascii"):
        pass
    t.has(str(t.raises(Mismatch, o.check_chain_clean)), stray)
    o.check_chain_clean(allow=[stray])
    os.unlink(stray)
    helper = Guest(g.daemon, g.name + ".virsh-ext", disks=0)
    t.has(str(t.raises(Mismatch, o.check_chain_clean)), "helper domain")
    helper.undefine()
    g.virsh("snapshot-delete", g.name, "s1", "--metadata")
    t.has(str(t.raises(Mismatch, o.check_all)), "expected ['s1']")
    o.deleted("s1")


@test
def a_stale_backing_store_is_noticed(t):
    g = t.guest(start=True)
    o = g.oracle
    for name in ("s1", "s2"):
        o.write("vda", 0, "64k", 1)
        o.snapshot(name)
    g.destroy()
    o.check_chain_clean()
    layers = g.chain("vda")
    qemu_img("rebase", "-f", "qcow2", "-F", "qcow2", "-b", layers[2], layers[0])
    t.has(str(t.raises(Mismatch, o.check_chain_clean)), "<backingStore>")


@test
def memory_state_is_watched(t):
    g = t.guest(start=True)
    o = g.oracle
    o.write("vda", 0, "64k", 1)
    o.snapshot("s1", memory=True)
    t.eq(g.state(), "running")
    o.check_all(["s1"])
    o.check_chain_clean()
    with open(g.memory_path("s1"), "r+b") as f:
        f.seek(-1, os.SEEK_END)
        byte = f.read(1)
        f.seek(-1, os.SEEK_END)
        f.write(bytes([byte[0] ^ 1]))
    t.has(str(t.raises(Mismatch, o.check_snapshot, "s1")), "was changed")
    os.unlink(g.memory_path("s1"))
    t.has(str(t.raises(Mismatch, o.check_snapshot, "s1")), "is gone")


@test
def a_revert_by_hand_is_followed(t):
    g = t.guest(disks=2)
    o = g.oracle
    o.write("vda", 0, "64k", 1)
    o.snapshot("s1", disks=["vda"])
    o.write("vda", 0, "64k", 2)
    o.write("vdb", 0, "64k", 3)
    overlay = os.path.join(g.dir, "again")
    frozen = g.disks["vda"].path
    image(overlay, backing=frozen)
    g.disks["vda"].path = overlay
    g.disks["vdb"].path = g.active("vdb").path
    g.define()
    t.has(str(t.raises(Mismatch, o.check_active)), "offset 0")
    o.revert("s1")
    o.check_all()
    # The overlay that the snapshot names in <disks> is no longer in use.
    t.raises(Mismatch, o.check_chain_clean)
    o.check_chain_clean(allow=[g.overlay_path("s1", "vda")], start=True)


@test(cases=["raw", "block", "block-qcow2", "volume", "relative", "shared-base", "scsi", "ide"])
def every_kind_of_disk(t, kind):
    base = t.path("base.qcow2")
    disk = {"raw": {"format": "raw"}, "block": {"kind": "block", "format": "raw"},
            "block-qcow2": {"kind": "block"}, "volume": {"kind": "volume"},
            "relative": {"backing": base, "relative": True}, "shared-base": {"backing": base},
            "scsi": {"target": "sda"}, "ide": {"target": "hda"}}[kind]
    if "backing" in disk:
        image(base, writes=[("1M", "1M", 7)])
    g = t.guest(disks=[disk])
    target = disk.get("target", "vda")
    o = g.oracle
    o.write(target, 0, "64k", 1)
    o.snapshot("s1", relative=kind == "relative")
    g.start()
    o.write(target, "64k", "1M", 2)
    o.snapshot("s2")
    o.write(target, "1M", "64k", 3)
    o.check_all(["s1", "s2"])
    o.check_chain_clean()
    t.eq(len(g.chain(target)), 4 if "backing" in disk else 3, "layers")


@test
def hostile_names(t):
    g = t.guest("a 'b' \"c\" <&>,;$HOME ü", dir=t.path("x, 'y' \"z\" <&>; ü"), start=True)
    o = g.oracle
    o.write("vda", 0, "64k", 1)
    o.snapshot("s, '1' \"<&> ü")
    o.write("vda", 0, "64k", 2)
    o.snapshot("-s2", memory=True)
    o.check_all(["s, '1' \"<&> ü", "-s2"])
    o.check_chain_clean()
    t.ok(g.qemu_pid(), "QEMU's process id is found")


@test
def reading_beside_a_block_job(t):
    g = t.guest(start=True)
    o = g.oracle
    o.fill("vda", 1)
    o.snapshot("s1")
    o.write("vda", 0, "8M", 2)
    o.snapshot("s2")
    o.write("vda", "4M", "8M", 3)
    layers = g.chain("vda")
    g.virsh("blockcommit", g.name, "vda", "--top", layers[1], "--base", layers[2],
            "--bandwidth", "1")
    o.write("vda", "20M", "64k", 4)
    t.has(g.virsh("blockjob", g.name, "vda").err, "Block Commit")
    o.check_active()
    g.virsh("blockjob", g.name, "vda", "--abort")


@test(cases=["restart", "kill9", "freeze"])
def guests_survive_their_daemon(t, way):
    d = t.daemon()
    g = t.guest(start=True)
    g.oracle.write("vda", 0, "64k", 1)
    pid, old = g.qemu_pid(), d.pid
    if way == "restart":
        d.restart()
    elif way == "kill9":
        d.kill9()
        t.eq(d.pid, None)
        d.start()
    else:
        d.freeze()
        t.raises(CommandError, d.virsh, "list", timeout=0.3)
        d.thaw()
    t.eq(d.pid == old, way == "freeze", "same libvirtd")
    t.eq(g.state(), "running")
    t.eq(g.qemu_pid(), pid)
    g.oracle.write("vda", "64k", "64k", 2)
    g.oracle.check_all()
    d.destroy()
    t.eq(d.qemu_pids(), [])


@test
def daemons_side_by_side(t):
    one, two = t.daemon(), t.daemon(fresh=True)
    a = t.guest(daemon=one, start=True)
    b = t.guest(daemon=two, disks=2)
    t.eq(one.virsh("list", "--all", "--name").lines, ["vm1"])
    t.eq((a.state(), b.state()), ("running", "shut off"))
    t.ok(a.qemu_pid() in one.qemu_pids(), "QEMU belongs to its daemon")
    t.eq(two.qemu_pids(), [])
    t.eq(one.virsh("list", "--name", readonly=True).lines, ["vm1"])
    t.ok(one.virsh("destroy", "vm1", readonly=True, check=False).rc, "read-only is read-only")
    t.has(one.virt_admin("server-list").out, "libvirtd")
    t.eq([len(v) for v in one.versions()], [3, 3], "version numbers")


@test
def the_embedded_driver(t):
    g = t.guest(daemon=t.embed(), start=True)
    g.oracle.write("vda", 0, "64k", 1)
    g.oracle.snapshot("s1")
    g.oracle.write("vda", 0, "64k", 2)
    g.oracle.check_all()
    g.oracle.check_chain_clean()
    t.ok(g.qemu_pid(), "QEMU lives on")


@test
def a_transient_guest(t):
    g = t.guest(transient=True)
    o = g.oracle
    o.write("vda", 0, "64k", 1)
    o.snapshot("s1")
    o.check_all()
    o.check_chain_clean()


@test
def a_full_file_system(t):
    small = faults.small_fs(t.path("small"), "32M")
    g = t.guest(dir=small, start=True)
    o = g.oracle
    o.write("vda", 0, "1M", 1)
    with faults.full(small, leave="256k"):
        t.raises(Mismatch, o.write, "vda", "8M", "2M", 2)
    o.write("vda", "8M", "2M", 2)
    if g.state() == "paused":
        g.resume()
    o.check_all()
    g.destroy()
    faults.unmount(small)


@test
def an_immutable_file(t):
    g = t.guest()
    g.oracle.snapshot("s1")
    with faults.immutable(g.disks["vda"].path):
        t.raises(CommandError, g.virsh, "blockcommit", g.name, "vda", "--active", "--pivot")
        t.raises(OSError, os.unlink, g.disks["vda"].path)
    g.oracle.write("vda", 0, "64k", 1)
    g.oracle.check_all()


@test
def a_killed_qemu(t):
    g = t.guest(start=True)
    g.oracle.write("vda", 0, "64k", 1)
    faults.kill_qemu(g)
    t.eq(g.state(), "shut off")
    g.oracle.check_all()
    g.start()
    g.oracle.check_all()


@test
def the_program_under_test_is_run(t):
    fake = t.path("fake")
    with open(fake, "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\n[ "$VEXT_FAULT" != b:kill:2 ] || kill -9 $$\n'
                '[ -z "$VEXT_FAULT_LIST" ] || printf "a\\nb\\nb\\n" >>"$VEXT_FAULT_LIST"\n'
                'echo "$@"; exit 3\n')
    os.chmod(fake, 0o755)
    g = t.guest()
    os.environ["VEXT"] = fake
    t.cleanup(os.environ.pop, "VEXT")
    result = t.rc(g.vext("chain-show", "vm1"), 3)
    t.eq(result.lines, [f"-c {g.daemon.uri} chain-show vm1"])
    t.raises(CommandError, g.vext, "chain-show", check=True)
    process = g.daemon.spawn_vext("chain-show")
    t.has(process.communicate(timeout=10)[0], "chain-show")
    t.eq(faults.points(g, "x", check=False), ["a", "b", "b:2"], "fault points")
    t.rc(faults.vext_at(g, "b:2", "kill", "x"), -9)
    t.rc(faults.vext_at(g, "a", "kill", "x"), 3)


@test
def nothing_outlives_a_killed_test(t):
    program = t.path("program.py")
    with open(program, "w", encoding="utf-8") as f:
        f.write("import sys\nsys.path.insert(0, sys.argv[1])\nfrom vext import *\n"
                "g = Guest(Daemon().start(), 'outlive', start=True)\n"
                "print('up', flush=True)\nimport time\ntime.sleep(60)\n")
    lib = os.path.join(util.srcdir(), "tests", "lib")

    def qemus():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if b"guest=outlive," in f.read():
                        found.append(pid)
            except OSError:
                pass
        return found

    for signo in (signal.SIGTERM, signal.SIGKILL):
        where = t.path(f"tmp{int(signo)}")
        os.mkdir(where)
        process = spawn([sys.executable, program, lib], env={"VEXT_TMPDIR": where})
        t.eq(process.stdout.readline(), "up\n")
        t.ok(qemus(), "the guest runs")
        process.send_signal(signo)
        process.wait(20)
        t.wait_for(lambda: not qemus(), "QEMU to die")
        if signo == signal.SIGTERM:
            t.eq(os.listdir(where), [], "what is left of the directories")


if __name__ == "__main__":
    main()
