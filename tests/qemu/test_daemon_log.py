#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--daemon-log: the daemon's log in a file for the time of an operation, and nothing of it left."""
import os
import signal
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
    p = subprocess.Popen([ADMIN, d.admin_uri, "log", path], stdin=subprocess.PIPE,
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
