#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--daemon-log: the daemon's log in a file for the time of an operation, and nothing of it left."""
import contextlib
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


def leave(d, path):
    """The settings as a daemon-admin leaves them that is killed."""
    p = begin(d, path)
    p.kill()
    p.communicate(timeout=30)


def helper_of(client):
    """The process id of the daemon-admin that a client has started."""
    with open(f"/proc/{client.pid}/task/{client.pid}/children", encoding="ascii") as f:
        return next(int(child) for child in f.read().split()
                    if os.readlink(f"/proc/{child}/exe").endswith("/daemon-admin"))


def log_check(d):
    """host-check's line on the log settings."""
    r = d.vext("host-check", "--json")
    return next(c for c in json.loads(r.out)["checks"] if c["code"] == "log")


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


@test(cases=["missing", "immutable"])
@requires("program")
def a_file_that_cannot_be_opened_is_no_fault_of_the_socket(t, how):
    g = snapshots(t)
    os.mkdir(t.path("dir"))
    with contextlib.ExitStack() as stack:
        if how == "immutable":
            stack.enter_context(faults.immutable(t.path("dir")))
        path = t.path("dir", "log") if how == "immutable" else "/nowhere/log"
        r = t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", path), 1)
    t.has(r.err, f"failed to open {path}: ")
    t.ok("socket" not in r.err and "as root" not in r.err, r.err)


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
def settings_are_put_back_when_the_process_group_is_killed(t):
    g = snapshots(t)
    before = settings(g.daemon)
    p = g.daemon.spawn_vext("snapshot-delete-external", g.name, "s1", "--bandwidth", "1",
                            "--daemon-log", t.path("log"), start_new_session=True)
    t.wait_for(lambda: settings(g.daemon) != before, "the settings are changed")
    os.killpg(p.pid, signal.SIGKILL)
    p.communicate(timeout=60)
    t.wait_for(lambda: settings(g.daemon) == before, "the settings are put back")


@test
@requires("program")
def what_a_killed_helper_left_is_put_back_by_the_next_client(t):
    g = snapshots(t)
    d = g.daemon
    d.virt_admin("daemon-log-filters", "1:qemu.qemu_block 3:rpc 1:*")
    before = settings(d)
    helpers = [begin(d, t.path(name)) for name in ("one", "two")]
    for p in helpers:
        p.kill()
        p.communicate(timeout=30)
    t.has(settings(d)[1], t.path("one"))
    t.has(settings(d)[1], t.path("two"))
    t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", t.path("two")), 0)
    t.eq(settings(d), before)


@test
@requires("program")
def a_repair_puts_back_what_the_killed_client_left(t):
    g = snapshots(t)
    d = g.daemon
    before = settings(d)
    p = d.spawn_vext("snapshot-delete-external", g.name, "s1", "--bandwidth", "1", "--daemon-log",
                     t.path("log"))
    t.wait_for(lambda: g.name + ".virsh-ext" in d.virsh("list", "--all", "--name").out,
               "the operation is recorded")
    os.kill(helper_of(p), signal.SIGKILL)   # first: it would put things back when the client dies
    p.kill()
    p.communicate(timeout=60)
    t.has(settings(d)[1], t.path("log"))
    t.rc(g.vext("chain-repair", g.name, "--dry-run"), 0)
    t.has(settings(d)[1], t.path("log"))
    t.has(t.rc(g.vext("chain-repair", g.name), 0).err, t.path("log"))
    t.eq(settings(d), before)


@test
@requires("program")
def host_check_tells_how_to_put_back_what_was_left(t):
    d = t.daemon()
    d.virt_admin("daemon-log-filters", "3:rpc 1:*")
    before = settings(d)
    live = begin(d, t.path("live"))
    t.eq(log_check(d)["result"], "PASS")
    leave(d, t.path("left"))
    check = log_check(d)
    t.eq(check["result"], "WARN")
    t.has(check["detail"], t.path("left"))
    remedy = check["detail"][check["detail"].index("virt-admin -c"):]
    t.rc(util.run(["sh", "-c", remedy]), 0)
    t.eq(log_check(d)["result"], "PASS")
    t.has(settings(d)[1], t.path("live"))
    end(t, live)
    t.eq(settings(d), before)


@test
@requires("program")
def a_helper_that_is_killed_meanwhile_is_told_of(t):
    g = snapshots(t)
    before = settings(g.daemon)
    p = g.daemon.spawn_vext("snapshot-delete-external", g.name, "s1", "--bandwidth", "1",
                            "--daemon-log", t.path("log"))
    t.wait_for(lambda: settings(g.daemon) != before, "the settings are changed")
    os.kill(helper_of(p), signal.SIGKILL)
    p.send_signal(signal.SIGINT)
    t.has(p.communicate(timeout=60)[1], "host-check")
    t.eq(log_check(g.daemon)["result"], "WARN")


@test
@requires("program")
def a_daemon_that_was_restarted_is_left_as_it_is(t):
    """It has lost what was set, and its own output to the file is not ours."""
    d, path = t.daemon(), t.path("log")
    one = begin(d, path)
    with open(os.path.join(d.etc, "libvirtd.conf"), "r+") as f:
        conf = f.read().replace(f"3:file:{d.logfile}", f"1:file:{path}")
        f.seek(0)
        f.truncate()
        f.write(conf)
    d.restart()
    before = settings(d)
    t.has(before[1], path)
    end(t, one)
    t.eq(settings(d), before)


@test
@requires("program")
def a_daemon_that_has_ended_has_nothing_to_put_back(t):
    d = t.daemon()
    one = begin(d, t.path("log"))
    d.stop()
    end(t, one)
    leave(d.start(), t.path("log"))
    d.restart()
    t.eq(log_check(d)["result"], "PASS")


@test(cases=["1", "3"])
@requires("program")
def a_file_that_is_an_output_already_is_refused(t, level):
    g = snapshots(t)
    d, path = g.daemon, t.path("log")
    d.virt_admin("daemon-log-outputs", f"{level}:file:{path} 4:stderr")
    before = settings(d)
    other = os.path.join(os.path.dirname(path), ".", "none", "..", "log")
    for name in (path, other):
        r = g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", name)
        t.eq(r.rc, 1)
        t.has(r.err, f"already (output '{level}:file:{path}')")
        t.eq(settings(d), before)
    t.has(g.virsh("snapshot-list", g.name, "--name").out, "s1")


@test(cases=["1:*", "4:*", "2:**", "1:++", "3:+util", "3:++util", "1:*rpc*", "2:q?mu", "3:*+*",
             "4:qemu 1:qemu.qemu_block 1:qemu.qemu_block", " 1:util   2:rpc "])
@requires("program")
def any_filter_may_be_there(t, filters):
    d, path = t.daemon(), t.path("log")
    d.virt_admin("daemon-log-filters", filters)
    before = settings(d)
    one = begin(d, path)
    t.has(settings(d)[0], before[0].split(":", 1)[1].strip())
    end(t, one)
    t.eq(settings(d), before)


@test
@requires("program")
def any_output_may_be_there(t):
    d = t.daemon()
    d.virt_admin("daemon-log-outputs",
                 f"2:stderr 4:journald 3:syslog:virsh-ext 4:file:{t.path('other')}")
    before = settings(d)
    one = begin(d, t.path("log"))
    t.has(settings(d)[1], before[1].split(":", 1)[1].strip())
    end(t, one)
    t.eq(settings(d), before)


@test
@requires("program")
def the_operation_is_logged_whatever_is_filtered(t):
    g = snapshots(t)
    g.daemon.virt_admin("daemon-log-filters", "4:*")
    before, path = settings(g.daemon), t.path("log")
    t.rc(g.vext("snapshot-delete-external", g.name, "s1", "--daemon-log", path), 0)
    t.eq(settings(g.daemon), before)
    with open(path) as f:
        t.has(f.read(), "block-commit")


@test
@requires("program", "setpriv")
def who_may_not_use_the_admin_socket_is_told_who_may(t):
    g = snapshots(t)
    os.chmod(t.path(), 0o755)
    os.chmod(g.daemon.admin_socket, 0o700)
    program = util.program_copy(t.path())

    def client(*args):
        return util.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         *program, "-c", g.daemon.uri, *args], check=False)
    r = client("snapshot-delete-external", g.name, "s1", "--metadata", "--daemon-log",
               t.path("log"))
    t.eq(r.rc, 1)
    t.has(r.err, "Permission denied")
    t.has(r.err, "as root")
    t.has(g.virsh("snapshot-list", g.name, "--name").out, "s1")
    checks = json.loads(client("host-check", "--json").out)["checks"]
    t.has(next(c for c in checks if c["code"] == "admin")["detail"], "as root")


@test(cases=["log", "./log", "/a b", "/a:b"])
@requires("program")
def a_name_that_the_daemon_cannot_have_is_refused_always(t, name):
    g = snapshots(t)
    runs = [("snapshot-delete-external", g.name, "s1"), ("snapshot-revert-external", g.name, "s1"),
            ("chain-repair", g.name), ("snapshot-delete-external", "--unnamed", g.name)]
    before = settings(g.daemon)
    said = set()
    for run in runs:
        for more in ([], ["--dry-run"], ["--json"]):
            r = g.vext(*run, *more, "--daemon-log", name)
            t.eq((r.rc, r.out.strip()), (1, ""))
            said.add(r.err)
    t.eq(len(said), 1)
    t.has(said.pop(), f"The daemon's log file '{name}' must be an absolute path")
    t.eq(settings(g.daemon), before)


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
def many_that_begin_and_end_at_once_leave_nothing(t):
    d = t.daemon()
    d.virt_admin("daemon-log-filters", "3:rpc 1:*")
    before = settings(d)
    for _ in range(5):
        helpers = [subprocess.Popen([ADMIN, "log", t.path(str(i)), d.admin_uri], text=True,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for i in range(6)]
        for p in helpers:
            t.eq(p.stdout.readline(), "ready\n")
        for i in range(6):
            t.has(settings(d)[1], t.path(str(i)))
        for p in helpers:
            p.stdin.close()
        for p in helpers:
            t.eq(p.wait(timeout=30), 0)
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
