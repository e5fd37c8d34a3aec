#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""host-check on a real daemon and on the embedded driver."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403


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


@test
@requires("program")
def the_embedded_driver_has_no_admin_socket(t):
    e = t.embed()
    c = checks(e.vext("host-check", "--json"))
    t.eq(c["admin"]["result"], "WARN")
    t.has(c["admin"]["detail"], "embedded")


if __name__ == "__main__":
    main()
