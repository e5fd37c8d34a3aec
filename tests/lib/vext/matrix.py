# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix: an operation on a real guest, something goes wrong at a named point of it, it
is recovered, and then the oracle says whether anything is lost.

A Scenario is a guest with snapshots and a command. It is prepared once; every injection begins
with a copy of it. An Injection is a point of plugin/exec/fault.h and what happens there: either
the client does it to itself (kill, int), or the client stops, the test does something to the
world, and the client goes on.

A program lists scenarios and injections and calls main(): a TAP line for each injection, and a
table of what was injected and seen at the end."""

import collections
import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback

from . import faults, sandbox, util
from .oracle import copy_sparse
from .tap import T
from .util import Skip

DELETE = "snapshot-delete-external"
REVERT = "snapshot-revert-external"
REPAIR = "chain-repair"


def program():
    """argv of virsh-ext itself; the plugin with the fault points is chosen by environment()."""
    return [os.path.join(util.builddir(), "virsh-ext", "virsh-ext")]


def environment(point=None, action=None, count=1, listing=None):
    build = util.builddir()
    env = {"VIRSH_EXT_PLUGIN_PATH": os.path.join(build, "plugin", "faults", ".libs"),
           "VIRSH_EXT_LIBEXECDIR": os.path.join(build, "plugin", "admin")}
    if point:
        env["VEXT_FAULT"] = f"{point}:{action}:{count}"
    if listing:
        env["VEXT_FAULT_LIST"] = listing
    return env


def require_faults():
    util.require_program()
    if not os.path.exists(os.path.join(util.builddir(), "plugin", "faults", ".libs",
                                       "snapshots.so")):
        raise Skip("the plugin with fault points is not built")


class Scenario:
    """A guest with the snapshots s1, s2, s3 and the command to run on it.

    command: DELETE or REVERT; names: the snapshots to be deleted, or the one reverted to;
    options: further arguments; disks; running; memory: the snapshots hold the memory too.
    Every image has a directory of its own, a small file system each."""

    def __init__(self, command, names, options=(), disks=1, running=False, memory=False):
        self.command, self.names, self.options = command, list(names), list(options)
        self.disks, self.running, self.memory = disks, running, memory
        self.guest = self.oracle = None

    @property
    def label(self):
        words = ["delete" if self.command == DELETE else "revert", *self.options, *self.names]
        words += ["of a running guest" if self.running else "of a guest that is shut off"]
        if self.memory:
            words.append("with memory")
        words.append(f"with {self.disks} disk{'s' if self.disks > 1 else ''}")
        return " ".join(w.removeprefix("--direction") or "by" for w in words)

    @property
    def kind(self):
        """What the table groups by."""
        return "delete" if self.command == DELETE else "revert"

    def argv(self, again=False):
        """again: as somebody would type it who has seen what the first one did."""
        options = self.options
        if again and self.save and self.save in self.guest.snapshots():
            options = [o for o in options if o not in ("--save-current", self.save)]
        return [self.command, self.guest.name, *self.names, *options]

    @property
    def save(self):
        """The name that --save-current gives, or None."""
        if "--save-current" not in self.options:
            return None
        return self.options[self.options.index("--save-current") + 1]

    def look(self):
        """Tells the oracle of the snapshot that --save-current has made."""
        if self.save and self.save not in self.oracle.snapshots \
                and self.save in self.guest.snapshots():
            self.oracle.taken(self.save)

    # --- making and copying ---

    def prepare(self, t, number):
        daemon = t.daemon()
        top = os.path.join(daemon.dir, f"m{number}")
        self.guest = g = t.guest(f"vm{number}", disks=self.disks, start=self.running, dir=top)
        self.oracle = o = g.oracle
        self.dirs = [top]
        for i, name in enumerate(("s1", "s2", "s3")):
            for d in o.model:
                o.write(d, f"{i}M", "1M", 0x10 + i, verify=False)
                o.write(d, f"{8 + i}M", "64k", 0x40 + i, verify=False)
            directory = os.path.join(top, name)
            self.make_directory(directory)
            self.dirs.append(directory)
            files = {d: os.path.join(directory, d) for d in o.model}
            memory = os.path.join(directory, "memory") if self.memory else False
            o.snapshot(name, files=files, memory=memory)
        for d in o.model:
            o.write(d, "3M", "512k", 0x77)
        g.destroy()
        self.saved = os.path.join(daemon.dir, f"saved{number}")
        os.makedirs(self.saved)
        self.files = {}
        for path in sorted(o._files()):
            self.files[path] = copy_sparse(path, os.path.join(self.saved, str(len(self.files))))
        for path in list(o.model.values()) + [p for c in o.snapshots.values()
                                              for p in c.values()]:
            self.files[path] = copy_sparse(path, os.path.join(self.saved, str(len(self.files))))
        self.snapshots = {n: dict(c) for n, c in o.snapshots.items()}
        self.memories = dict(o.memory)
        self.domain_xml = g.virsh("dumpxml", g.name, "--inactive", "--security-info",
                                  log=False).out
        self.snapshot_xml = [g.virsh("snapshot-dumpxml", g.name, n, "--security-info",
                                     log=False).out for n in ("s1", "s2", "s3")]

    def make_directory(self, path):
        faults.small_fs(path, "96M" if self.memory else "48M")

    def release(self):
        """At the end."""
        for directory in self.dirs[1:]:
            faults.unmount(directory)

    def restore(self):
        """As it was prepared, whatever has happened to it."""
        g, o = self.guest, self.oracle
        d = g.daemon
        names = d.virsh("list", "--all", "--name", log=False).out.split()
        for name in (g.name + ".virsh-ext", g.name):
            if name in names:
                d.virsh("destroy", name, check=False, log=False)
                d.virsh("undefine", name, "--snapshots-metadata", "--managed-save", check=False,
                        log=False)
        for path in o._files():
            if path not in self.files:
                os.unlink(path)
        for path, saved in self.files.items():
            if os.path.exists(path):
                os.unlink(path)
            copy_sparse(saved, path)
        o.snapshots = {n: dict(c) for n, c in self.snapshots.items()}
        o.memory = dict(self.memories)
        g.define(self.domain_xml)
        commands = []
        for i, xml in enumerate(self.snapshot_xml):
            path = os.path.join(g.workdir, f"s{i}.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(xml)
            commands.append(["snapshot-create", g.name, path, "--redefine"]
                            + (["--current"] if i == 2 else []))
        d.virsh_batch(*commands)
        if self.running:
            g.start()

    # --- running ---

    def spawn(self, env, uri=None, extra=()):
        g = self.guest
        return util.spawn([*program(), "-c", uri or g.daemon.uri, *self.argv(), *extra], env=env)

    def points(self):
        """The points that the command passes, in order: [(name, how many times), …]."""
        self.restore()
        listing = os.path.join(self.guest.workdir, "points")
        process = self.spawn(environment(listing=listing))
        out, err = process.communicate(timeout=60)
        if process.returncode:
            raise AssertionError(f"without a fault: exit status {process.returncode}\n{out}{err}")
        self.finished()
        self.check()
        with open(listing, encoding="utf-8") as f:
            counts = collections.Counter(line.strip() for line in f)
        os.unlink(listing)
        return counts

    # --- judging ---

    def finished(self):
        """The command has succeeded: tell the oracle."""
        if self.command == DELETE:
            self.oracle.forget(*self.names)
        else:
            self.look()
            self.oracle.revert(self.names[0])

    def check(self, leaks=False):
        if self.command == DELETE and self.running and self.guest.is_active():
            state = self.guest.state()
            if state != "running":
                raise AssertionError(f"the guest is left {state}")
        if self.save and self.save not in self.oracle.snapshots:
            raise AssertionError(f"--save-current has made no snapshot '{self.save}'")
        self.oracle.check_all()
        self.oracle.check_chain_clean(start=True, leaks=leaks)


class Injection:
    """What goes wrong. action: "kill" or "int" for the client itself, or a function of an Event
    that is called while the client is stopped."""

    def __init__(self, fault, point, action, count=1, extra=(), retry="run", late=None):
        self.fault, self.point, self.action, self.count = fault, point, action, count
        self.extra, self.retry, self.late = extra, retry, late

    @property
    def label(self):
        again = f" ({self.count})" if self.count > 1 else ""
        return f"{self.fault} at {self.point}{again}, then {self.retry}"


class Event:
    """What an action gets. undo: functions to call when the client has ended."""

    def __init__(self, scenario, process):
        self.scenario, self.process, self.undo = scenario, process, []
        self.guest, self.oracle = scenario.guest, scenario.oracle
        self.daemon = self.guest.daemon
        self.relay = None
        self.verify = []        # functions to call at the end


# --- what can go wrong ---------------------------------------------------------------------------

def qemu_of(daemon, name):
    needle = f"guest={name},".encode()
    for pid in daemon.qemu_pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if any(a.startswith(needle) for a in f.read().split(b"\0")):
                    return pid
        except OSError:
            pass
    return None


def kill_qemu(e):
    """kill -9 of the QEMUs at work: the guest's, the helper's."""
    for name in (e.guest.name, e.guest.name + ".virsh-ext"):
        pid = qemu_of(e.daemon, name)
        if pid:
            os.kill(pid, signal.SIGKILL)
            util.wait_for(lambda: qemu_of(e.daemon, name) is None, "QEMU to die")


def daemon_killed(e):
    e.daemon.kill9()
    e.daemon.start()


def daemon_restarted(e):
    # libvirt 9.0 may wait 30 s for itself: it destroys the helper of a client that it disconnects
    # while a block job of that ends. An init system's patience ends as well.
    e.daemon.restart(timeout=10, force=True)


def no_space(directory):
    """The file system of one image directory (0: the first images', 1: those of s1, …)."""
    def act(e):
        path = e.scenario.dirs[directory]
        context = faults.full(path)
        context.__enter__()
        e.undo.append(lambda: context.__exit__(None, None, None))
    act.__name__ = f"no space {directory}"
    return act


def immutable(what):
    """chattr +i on a file or a directory; what: a function of the scenario."""
    def act(e):
        context = faults.immutable(*what(e.scenario))
        context.__enter__()
        e.undo.append(lambda: context.__exit__(None, None, None))
    return act


def cut(e):
    e.relay.cut()


def other_starts(e):
    """Somebody starts the guest and writes. QEMU's locks may forbid it while a helper runs."""
    result = e.guest.virsh("start", e.guest.name, check=False)
    # What is written in the middle of a revert is before it or after it: nobody can say.
    if result.rc == 0 and e.scenario.command == DELETE:
        e.oracle.write("vda", "5M", "64k", 0xe1)


def other_stops(e):
    e.guest.virsh("destroy", e.guest.name, check=False)


def other_undefines(e):
    running = e.guest.is_active()
    result = e.guest.virsh("undefine", e.guest.name, check=False)
    # One that runs becomes transient and keeps its snapshots until it stops.
    if result.rc == 0 and not running:
        raise AssertionError("libvirt undefined a domain with snapshots")


def other_snapshots(e):
    """Somebody takes a snapshot and writes on."""
    files = {d: os.path.join(e.guest.dir, f"{d}.other") for d in e.oracle.model}
    result = e.guest.snapshot("other", files=files, check=False)
    if result.rc == 0:
        e.oracle.taken("other")
        # While a helper runs QEMU's locks allow nobody to write.
        if e.guest.is_active() or not qemu_of(e.daemon, e.guest.name + ".virsh-ext"):
            e.oracle.write("vda", "6M", "64k", 0xe2)
    else:
        for path in files.values():
            if os.path.exists(path):
                os.unlink(path)


def other_edits(e):
    """Somebody changes the title of the domain: it must be there afterwards."""
    e.guest.virsh("desc", e.guest.name, "--config", "--title", "edited meanwhile")

    def verify():
        title = e.guest.xml(inactive=True).findtext("title")
        if title != "edited meanwhile":
            raise AssertionError(f"the edit of the domain is lost: title {title!r}")
    if e.scenario.command == DELETE:
        e.verify.append(verify)


def time_is_over(e):
    time.sleep(1.05)    # the command's --timeout 1, while it stands still


class Relay:
    """A socket that hands on to the daemon's, until it is cut."""

    def __init__(self, daemon, path):
        self.target, self.path = daemon.socket, path
        self.pairs, self.lock = [], threading.Lock()
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.path}"

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            with self.lock:
                self.pairs += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Existing connections end, new ones are refused."""
        self.listener.close()
        with self.lock:
            for s in self.pairs:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


# --- running one --------------------------------------------------------------------------------

def _stopped_or_ended(process):
    if process.poll() is not None:
        return "ended"
    try:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
            state = f.read().rpartition(")")[2].split()[0]
    except OSError:
        return None
    return "stopped" if state == "T" else None


def _as_told(g, argv):
    """Runs a command of ours; when it refuses with a remedy, does what the remedy says."""
    r = g.vext(*argv)
    if r.rc == 1 and "Use --direction auto" in r.err:
        r = g.vext(*argv[:argv.index("--direction")])
    elif r.rc == 3 and "shut the domain down" in r.err:
        g.destroy()
        r = g.vext(REPAIR, g.name)
    return r


def _recover(scenario, injection, event, rc):
    """Goes on until the operation is finished (or undone, then from the beginning). What was
    seen, for the table."""
    g, o = scenario.guest, scenario.oracle
    seen = {0: "finished", 1: "unchanged", 3: "stopped"}.get(rc, "died")
    if rc == 0:
        return "finished"
    scenario.look()
    if rc == 1:
        # "Nothing was changed" is a promise.
        o.check_all()
        o.check_chain_clean(leaks=injection.action is kill_qemu)
    if scenario.running and not g.is_active() and injection.late == "start":
        g.start()
    if not scenario.running and not g.is_active() and injection.late == "write":
        # A helper that outlived its daemon keeps the guest from starting, as it should.
        if g.virsh("start", g.name, check=False).rc == 0:
            o.write("vda", "7M", "64k", 0xe3)
    if scenario.save and not scenario.running and rc == 3 and g.is_active() \
            and injection.retry != "chain-repair --abort":
        g.destroy()     # as the message says: what is saved does not go away again
    helper = g.name + ".virsh-ext"
    if rc != 1 and helper not in g.view().domains:
        # It died before it began or after all was done.
        if scenario.command == DELETE and not set(scenario.names) & set(g.snapshots()):
            return seen + ", was done"
        if scenario.command == DELETE:
            o.check_all()
    if injection.retry == "chain-repair --abort":
        r = g.vext(REPAIR, g.name, "--abort")
        if r.rc == 0 and "Undone" in r.out:
            scenario.look()
            o.check_all()
            o.check_chain_clean(leaks=injection.action is kill_qemu)
            seen += ", undone"
        elif r.rc == 0:
            seen += ", nothing to undo"
        elif r.rc != 1:
            raise AssertionError(f"--abort: {r}")
        else:
            seen += ", no way back"
    if injection.retry == "chain-repair":
        r = _as_told(g, [REPAIR, g.name])
        if r.rc != 0:
            raise AssertionError(f"chain-repair failed: {r}")
        if "Finished" in r.out:
            return seen + ", repaired"
        seen += ", nothing to repair"
    argv = scenario.argv(again=True)
    r = _as_told(g, argv)
    if r.rc == 1 and g.is_active() != scenario.running and not scenario.save:
        # What can be done may depend on whether the guest runs now.
        r = _as_told(g, argv[:2] + [*scenario.names])
    if r.rc != 0 and not g.vext("chain-show", g.name).out:
        raise AssertionError("chain-show fails")
    if r.rc != 0:
        raise AssertionError(f"running it again failed: {r}")
    return seen + ", run again"


def inject(scenario, injection):
    """One line of the matrix; what was seen. AssertionError when anything is wrong."""
    scenario.restore()
    g = scenario.guest
    action = injection.action if isinstance(injection.action, str) else "stop"
    relay = None
    if injection.action is cut:
        relay = Relay(g.daemon, os.path.join(g.daemon.s, "relay"))
    process = scenario.spawn(environment(injection.point, action, injection.count),
                             uri=relay.uri if relay else None, extra=injection.extra)
    event = Event(scenario, process)
    event.relay = relay
    try:
        if action == "stop":
            state = util.wait_for(lambda: _stopped_or_ended(process), "the client to get there", 30)
            # The time may be over before: no less a moment than any other.
            if state == "ended" and injection.action is not time_is_over:
                out, err = process.communicate()
                raise AssertionError(f"the point was not reached: exit status "
                                     f"{process.returncode}\n{out}{err}")
            if state == "stopped":
                injection.action(event)
            process.send_signal(signal.SIGCONT)
        try:
            out, err = process.communicate(timeout=60)
        except Exception:
            process.kill()
            process.communicate()
            raise AssertionError("the client does not end")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for undo in reversed(event.undo):
            undo()
        if relay:
            relay.cut()
    rc = process.returncode
    if action == "kill" and rc != -signal.SIGKILL:
        raise AssertionError(f"the point was not reached: exit status {rc}\n{out}{err}")
    if rc not in (0, 1, 3) and action != "kill" and rc != -signal.SIGKILL:
        raise AssertionError(f"exit status {rc}\n{out}{err}")
    # libvirt's own library may log something after it.
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    if rc == 3 and "virsh-ext chain-repair " not in said[-1]:
        raise AssertionError(f"the last line does not say how to go on:\n{err}")
    if injection.fault == "no space" and "The block " in err and \
            "failed: No space left on device" not in err:
        raise AssertionError(f"QEMU's reason is missing:\n{err}")
    try:
        seen = _recover(scenario, injection, event, rc)
        scenario.finished()
        scenario.check(leaks=injection.action is kill_qemu)
        for verify in event.verify:
            verify()
    except Exception as e:
        raise AssertionError(f"{e}\n--- the interrupted command ended with {rc}:\n{out}{err}")
    return seen


# --- the injections of a scenario ----------------------------------------------------------------

RETRIES = ("run", "chain-repair", "chain-repair --abort")


class Turns:
    """The ways to recover, one after the other."""

    def __init__(self, scenario):
        self.n = 0
        self.delete = scenario.command == DELETE
        self.running = scenario.running

    def next(self):
        n, self.n = self.n, self.n + 1
        late = None
        if self.delete and (n // 3) % 2:
            late = "start" if self.running else "write"
        return {"retry": RETRIES[n % 3], "late": late}


def steps(points, when="before"):
    return [p for p in points if p.startswith("step-") and p.endswith("-" + when)]


def places(points, every=1):
    """(point, count) of the steps' beginnings and ends and of what the steps pass inside."""
    places = []
    for point, times in points.items():
        alias = point.endswith(("-before", "-after")) and not point.startswith("step-")
        places += [] if alias else [(point, n) for n in range(1, times + 1)]
    return places[::every]


def kills(scenario, every=1):
    """SIGKILL of the client before, in and after each step."""
    turns = Turns(scenario)

    def make(points):
        for point, n in places(points, every):
            yield Injection("SIGKILL of the client", point, "kill", n, **turns.next())
    return make


def signals(scenario, every=1):
    """SIGINT, and the end of --timeout."""
    turns = Turns(scenario)

    def make(points):
        for point, n in places(points, every):
            if point.endswith("-after"):
                continue
            yield Injection("SIGINT", point, "int", n, **turns.next())
            if scenario.command == DELETE:
                yield Injection("--timeout", point, time_is_over, n, extra=["--timeout", "1"],
                                **turns.next())
    return make


def deaths(scenario, every=1):
    """QEMU, the daemon and the connection die."""
    turns = Turns(scenario)

    def make(points):
        for point, n in places(points, every):
            if point.endswith("-after"):
                continue
            for fault, action in (("kill -9 of QEMU", kill_qemu),
                                  ("kill -9 of the daemon", daemon_killed),
                                  ("restart of the daemon", daemon_restarted),
                                  ("connection cut", cut)):
                yield Injection(fault, point, action, n, **turns.next())
    return make


def others(scenario, every=1):
    """Another client is at it."""
    turns = Turns(scenario)

    def make(points):
        for i, (point, n) in enumerate(places(points, every)):
            if point.endswith("-after"):
                continue
            if not scenario.running:
                yield Injection("another client starts it", point, other_starts, n,
                                **turns.next())
            else:
                yield Injection("another client stops it", point, other_stops, n, **turns.next())
            if scenario.command == DELETE:
                yield Injection("another client's snapshot", point, other_snapshots, n,
                                **turns.next())
            yield Injection("another client's edit", point, other_edits, n, **turns.next())
            if i % 3 == 0:
                yield Injection("another client's undefine", point, other_undefines, n,
                                **turns.next())
    return make


def _overlay(directory):
    def files(scenario):
        top = scenario.dirs[directory]
        return [os.path.join(top, n) for n in sorted(os.listdir(top))
                if os.path.isfile(os.path.join(top, n)) and n.startswith("vd")]
    return files


def storage(scenario, points_at=()):
    """No space, immutable images, immutable directories: each image directory in turn."""
    turns = Turns(scenario)

    def make(points):
        places = [p for p in points if p in points_at] or steps(points)[:3]
        for point in places:
            for directory in range(1, 4):
                yield Injection("no space", point, no_space(directory), **turns.next())
            for directory in range(4):
                yield Injection("image immutable", point, immutable(_overlay(directory)),
                                **turns.next())
                yield Injection("directory immutable", point,
                                immutable(lambda s, d=directory: [s.dirs[d]]), **turns.next())
    return make


def all_of(*makers):
    """The injections of all of them."""
    def make(points):
        for maker in makers:
            yield from maker(points)
    return make


# --- the whole ---------------------------------------------------------------------------------

class Matrix:
    """Runs injections, counts, prints."""

    def __init__(self, **daemon):
        self.number = self.failed = 0
        self.table = collections.OrderedDict()
        self.t = T(sandbox.tmpdir())
        self.daemon = daemon

    def ok(self, good, name):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)

    def one(self, scenario, injection):
        name = f"{scenario.label}: {injection.label}"
        row = self.table.setdefault((scenario.kind, injection.fault), collections.Counter())
        util.history.clear()
        start = time.monotonic()
        try:
            row["injected"] += 1
            row[inject(scenario, injection)] += 1
            good = True
        except Skip as e:
            row["injected"] -= 1
            row["skipped"] += 1
            self.ok(True, f"{name} # SKIP {e}")
            return
        except Exception as e:
            good = False
            row["FAILED"] += 1
            for line in "".join(traceback.format_exception(e)).splitlines()[-60:]:
                print("# " + line)
            for result in util.history[-14:]:
                for line in str(result).splitlines():
                    print("# " + line)
            if self.t._daemon.pid is None:
                self.t._daemon.start()
        if os.environ.get("VEXT_TEST_TIMES"):
            print(f"# {time.monotonic() - start:.2f} s")
        self.ok(good, name)

    def print_table(self):
        print("# what was injected, how often, and what was seen before nothing was lost")
        for (kind, fault), row in self.table.items():
            seen = ", ".join(f"{n} × {what}" for what, n in row.most_common()
                             if what != "injected")
            print(f"# {kind:7}{fault:28}{row['injected']:5}   {seen}")
        total = sum(row["injected"] for row in self.table.values())
        lost = sum(row["FAILED"] for row in self.table.values())
        print(f"# {total} injections, {lost} failed")

    def run(self, rows):
        """rows: (Scenario, function of its points -> Injections)."""
        try:
            require_faults()
            self.t.daemon(**self.daemon)
            for number, (scenario, injections) in enumerate(rows):
                try:
                    scenario.prepare(self.t, number)
                    points = scenario.points()
                except Skip as e:
                    self.ok(True, f"{scenario.label}: without a fault # SKIP {e}")
                    continue
                except Exception as e:
                    for line in "".join(traceback.format_exception(e)).splitlines():
                        print("# " + line)
                    self.ok(False, f"{scenario.label}: without a fault")
                    continue
                self.ok(True, f"{scenario.label}: without a fault")
                for injection in injections(points):
                    self.one(scenario, injection)
                scenario.restore()
                scenario.guest.undefine()
                scenario.release()
            self.print_table()
        except Skip as e:
            print(f"1..0 # SKIP {e}")
            return 0
        finally:
            self.t._finish()
        print(f"1..{self.number}", flush=True)
        return 1 if self.failed else 0


def main(rows, **daemon):
    """Runs the rows; arguments: words that the names of injections must contain.

    daemon: of Daemon()."""
    words = sys.argv[1:]

    def chosen(scenario, injections):
        def pick(points):
            for injection in injections(points):
                name = f"{scenario.label}: {injection.label}"
                if all(w in name for w in words):
                    yield injection
        return pick
    try:
        matrix = Matrix(**daemon)
    except Skip as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    labels = [s.label for s, _ in rows]
    about = [w for w in words if any(w in label for label in labels)]
    sys.exit(matrix.run([(s, chosen(s, i)) for s, i in rows if all(w in s.label for w in about)]))
