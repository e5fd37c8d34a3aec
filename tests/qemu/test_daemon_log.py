#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--daemon-log: the daemon's log in a file for the time of an operation, and nothing of it left."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

ADMIN = os.path.join(os.environ.get("top_builddir", os.getcwd()), "plugin/admin/daemon-admin")


def settings(d):
    return [d.virt_admin(c).out for c in ("daemon-log-filters", "daemon-log-outputs")]


def snapshots(t):
    g = t.guest(disks=1)
    g.start()
    for name in ("s1", "s2"):
        g.snapshot(name)
    return g


def begin(d, path):
    """daemon-admin, as virsh-ext starts it, when it has changed the settings."""
    p = subprocess.Popen([ADMIN, "log", path, d.admin_uri], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    if p.stdout.readline() != "ready\n":
        raise AssertionError("daemon-admin failed")
    return p


def end(t, p):
    p.stdin.close()
    t.eq(p.wait(timeout=30), 0)


@test
@requires("program")
def the_log_of_an_operation_is_written(t):
    g = snapshots(t)
    before, path = settings(g.daemon), t.path("log")
    t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", path), 0)
    t.eq(settings(g.daemon), before)
    with open(path) as f:
        t.has(f.read(), "block-commit")


@test
@requires("program")
def the_sockets_of_a_modular_daemon_are_found(t):
    """virtqemud calls its sockets by its own name. Distributions that have it build no libvirtd."""
    g = snapshots(t)
    d, path = g.daemon, t.path("log")
    dir = t.path("modular")
    os.mkdir(dir)
    os.symlink(d.socket, os.path.join(dir, "virtqemud-sock"))
    os.symlink(d.admin_socket, os.path.join(dir, "virtqemud-admin-sock"))
    uri = f"qemu:///system?socket={dir}/virtqemud-sock"
    program = [*util.program(), "-c", uri]
    t.rc(util.run([*program, "snapshot-delete-external", g.name, "s1", "--daemon-log", path],
                  check=False), 0)
    with open(path) as f:
        t.has(f.read(), "block-commit")
    r = util.run([*program, "host-check", "--json"], check=False)
    t.eq([c["result"] for c in json.loads(r.out)["checks"] if c["code"] == "admin"], ["PASS"])


@test
@requires("program")
def a_daemon_whose_socket_is_there_is_asked(t):
    d = t.daemon()
    for other in (t.path("none"), t.path("stale")):
        if other.endswith("stale"):
            s = socket.socket(socket.AF_UNIX)
            s.bind(other)
            s.close()
        r = util.run([ADMIN, "show", f"virtqemud:///system?socket={other}", d.admin_uri])
        t.rc(r, 0)
        t.has(r.out, "filters")
    r = util.run([ADMIN, "show", f"virtqemud:///system?socket={t.path('none')}"], check=False)
    t.rc(r, 1)
    t.has(r.err, "No such file")


@test
@requires("program")
def settings_are_put_back_after_a_failure(t):
    g = snapshots(t)
    before = settings(g.daemon)
    r = g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", "/nowhere/log")
    t.eq(r.rc, 1)
    t.eq(settings(g.daemon), before)
    t.has(g.virsh("snapshot-list", g.name, "--name").out, "s1")


def put_back_after(t, number):
    g = snapshots(t)
    before = settings(g.daemon)
    p = g.daemon.spawn_vext("snapshot-delete-external", g.name, "s1", "--bandwidth", "1",
                            "--daemon-log", t.path("log"), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    t.wait_for(lambda: settings(g.daemon) != before, "the settings are changed")
    p.send_signal(number)
    p.communicate(timeout=60)
    t.wait_for(lambda: settings(g.daemon) == before, "the settings are put back")


@test
@requires("program")
def settings_are_put_back_after_an_interrupt(t):
    put_back_after(t, signal.SIGINT)


@test
@requires("program")
def settings_are_put_back_when_the_client_is_killed(t):
    put_back_after(t, signal.SIGKILL)


@test
@requires("program")
def two_at_a_time_leave_nothing(t):
    d = t.daemon()
    d.virt_admin("daemon-log-filters", "3:rpc 4:util")
    before = settings(d)
    one = begin(d, t.path("one"))
    two = begin(d, t.path("two"))
    end(t, one)
    t.has(settings(d)[1], t.path("two"))
    end(t, two)
    t.eq(settings(d), before)


@test
@requires("program")
def what_somebody_set_meanwhile_stays(t):
    d = t.daemon()
    one = begin(d, t.path("one"))
    d.virt_admin("daemon-log-filters", "3:rpc " + d.virt_admin("daemon-log-filters").out
                 .split(":", 1)[1].strip())
    end(t, one)
    t.has(settings(d)[0], "3:*rpc*")
    t.eq("qemu_blockjob" in settings(d)[0], False)


@test
@requires("program")
def without_the_admin_socket_nothing_is_begun(t):
    g = snapshots(t)
    os.rename(g.daemon.admin_socket, g.daemon.admin_socket + ".away")
    r = g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", t.path("log"))
    os.rename(g.daemon.admin_socket + ".away", g.daemon.admin_socket)
    t.eq(r.rc, 1)
    t.has(r.err, "libvirt-admin-sock")
    t.has(g.virsh("snapshot-list", g.name, "--name").out, "s1")


if __name__ == "__main__":
    main()
