#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""host-check on a real daemon and on the embedded driver."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402


def checks(result):
    return {c["code"]: c for c in json.loads(result.out)["checks"]}


@test
@requires("program")
def a_healthy_daemon_has_no_failure(t):
    d = t.daemon()
    r = t.rc(d.vext("host-check", "--json"), 0)
    c = checks(r)
    t.eq(c["libvirt"]["result"], "PASS" if not c["libvirt"]["detail"].startswith("11.") else "WARN")
    t.eq(c["helper"]["result"], "PASS")
    t.eq(c["admin"]["result"], "PASS")
    t.has(c["log"]["detail"], "filters")
    t.has(c["clients"]["detail"], "unix")
    t.has(c["workers"]["detail"], "workers")


@test
@requires("program")
def text_has_a_line_per_check(t):
    d = t.daemon()
    r = t.rc(d.vext("host-check"), 0)
    lines = [line for line in r.out.splitlines() if line.strip()]
    t.ok(all(": PASS" in line or ": WARN" in line for line in lines), r.out)
    t.eq(len({line.rindex(": " + ("PASS" if ": PASS" in line else "WARN")) for line in lines}), 1)


@test
@requires("program")
def a_read_only_connection_says_that_nothing_can_be_changed(t):
    d = t.daemon()
    r = d.vext("-r", "host-check", "--json")
    t.eq(checks(r)["helper"]["result"], "WARN")
    t.has(checks(r)["helper"]["detail"], "read-only")


@test
@requires("program")
def a_pool_over_the_images_is_noticed(t):
    g = t.guest(disks=1)
    c = checks(g.vext("host-check", "--json"))
    t.eq(c["pools"]["result"], "WARN")
    where = g.dir
    t.has(c["pools"]["detail"], where)
    t.rc(g.virsh("pool-create-as", "images", "dir", "--target", where), 0)
    t.eq(checks(g.vext("host-check", "--json"))["pools"]["result"], "PASS")


def two_directories(t, top, base):
    """A guest whose active image is in one directory, and what its snapshot froze in another."""
    os.makedirs(top)
    g = t.guest(dir=base, disks=1)
    g.oracle.write("vda", 0, "8M", 0x21)
    g.oracle.snapshot("s1", files={"vda": os.path.join(top, "vda.s1")})
    g.oracle.write("vda", "8M", "2M", 0x22)
    return g


@test
@requires("program")
def the_directories_of_all_images_that_a_merge_writes_are_looked_at(t):
    top, base, template = (t.path(n) for n in ("top", "base", "template"))
    g = two_directories(t, top, base)
    c = checks(g.vext("host-check", "--json"))
    t.eq(c["directories"]["result"], "PASS")
    for dir in (top, base):
        t.has(c["directories"]["detail"], dir + ": ")
        t.has(c["pools"]["detail"], dir)
    # what two guests stand on is written by none
    os.makedirs(template)
    shared = os.path.join(template, "t.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", shared, "24M")
    for name in ("vm2", "vm3"):
        t.guest(name, dir=top, disks=[{"path": os.path.join(top, name), "backing": shared}])
    c = checks(g.vext("host-check", "--json"))
    t.ok(template not in c["directories"]["detail"] + c["pools"]["detail"], c)


@test
@requires("program")
def a_directory_without_space_is_noticed(t):
    """That of a base image: what is above it is committed into it."""
    top, base = t.path("top"), faults.small_fs(t.path("base"), "16M")
    g = two_directories(t, top, base)
    t.eq(checks(g.vext("host-check", "--json"))["directories"]["result"], "PASS")
    with faults.full(base, leave="1M"):
        r = t.rc(g.vext("host-check", "--json"), 0)
    c = checks(r)["directories"]
    t.eq(c["result"], "WARN")
    t.has(c["detail"], base + ": 1.0 MiB free, a merge may take up to 2.")
    t.ok(top not in c["detail"], c)


@test
@requires("program")
def a_directory_that_cannot_be_written_is_noticed(t):
    top, base = t.path("top"), faults.small_fs(t.path("base"), "16M")
    g = two_directories(t, top, base)
    run(["mount", "-o", "remount,ro", base])
    c = checks(g.vext("host-check", "--json"))["directories"]
    t.eq((c["result"], c["detail"]), ("WARN", base + ": Read-only file system"))


@test
@requires("program")
def a_driver_that_cannot_do_it_is_said_so(t):
    r = t.rc(util.run([*util.program(), "-c", "test:///default", "host-check", "--json"],
                      check=False), 1)
    c = checks(r)
    t.eq((c["driver"]["result"], json.loads(r.out)["result"]), ("FAIL", "FAIL"))
    t.has(c["driver"]["detail"], "only with QEMU's")
    # nothing that takes QEMU is claimed
    t.eq(sorted(c), ["admin", "driver", "libvirt"])
    t.eq(checks(t.daemon().vext("host-check", "--json"))["driver"]["result"], "PASS")


@test(cases=["", "bin"])
@requires("program", matrix.require_faults)
def no_helper_program_is_taken_from_where_one_happens_to_be(t, value):
    """An empty value would look along PATH, a relative one below the present directory."""
    d = t.daemon()
    folder, ran = t.path("bin"), t.path("ran")
    os.makedirs(folder)
    fake = os.path.join(folder, "daemon-admin")
    with open(fake, "w") as f:
        f.write(f"#!/bin/sh\ntouch '{ran}'\n")
    os.chmod(fake, 0o755)
    env = {**matrix.environment(), "PATH": f"{folder}:{os.environ['PATH']}"}
    for libexec, taken in ((folder, True), (value, False)):
        env["VIRSH_EXT_LIBEXECDIR"] = libexec
        r = util.run([*matrix.program(), "-c", d.uri, "host-check"], env=env, cwd=t.dir)
        t.has(r.out, "admin socket")
        t.eq(os.path.exists(ran), taken, f"the program ran with {libexec!r}")
        if taken:
            os.unlink(ran)


@test
@requires("program")
def the_embedded_driver_has_no_admin_socket(t):
    e = t.embed()
    c = checks(e.vext("host-check", "--json"))
    t.eq(c["admin"]["result"], "WARN")
    t.has(c["admin"]["detail"], "embedded")


if __name__ == "__main__":
    main()
