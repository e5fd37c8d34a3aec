#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random histories: a guest, operations that are killed at any point, other clients that work on
while one lies interrupted, attempts to go on that are killed too, and one that is not. Then nothing
is lost: what the guest sees, every snapshot, and what others have put on its images.

VEXT_HISTORIES=N    how many (default 24; 1 with VEXT_SEED)
VEXT_SEED=N         the seed of the first one (default 1, "time" for the clock's); the others follow

A failure prints the seed and what was done. An operation that neither chain-repair nor its --abort
ends as it lies is "stuck": it is counted and told, with what it took to end it as the message says,
and it is a failure when nothing does."""
import collections
import json
import os
import random
import re
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402
from vext.matrix import DELETE, REPAIR, REVERT  # noqa: E402
from vext.oracle import compare, copy_sparse  # noqa: E402

SIZE = "16M"
FACTOR = float(os.environ.get("VEXT_TEST_TIMEOUT_FACTOR", "1"))
POINTS = 32         # more than most operations pass; one that is not reached kills nobody
ALARMS = ("CRITICAL", "WARNING **", "runtime error:", "AddressSanitizer", "LeakSanitizer")


def torn(err):
    """Whether a QEMU (before 9.2) died before it had written where what it pulled lies: the image
    is as it was again when the operation is gone on with, and not before."""
    return "do not start it before the operation is finished" in err


class Clone:
    """Something that others have put on an image: a guest, or a file that no guest uses."""

    def __init__(self, path, chain, guest, model):
        self.path, self.chain, self.guest, self.model = path, chain, guest, model
        # What it stands on was half merged or is written to: that was its maker's mistake.
        self.volatile = False


class Operation:
    """One that may lie interrupted."""

    def __init__(self, argv, names, target=None, save=None):
        self.argv, self.names, self.target, self.save = argv, names, target, save
        self.points = []        # that were passed, by all who worked on it
        self.renewed = set()    # names of snapshots that somebody else has taken meanwhile
        self.said = ""

    @property
    def merging(self):
        return any(p.endswith(("commit-running", "pull-running", "pivot-running"))
                   for p in self.points)


class History:
    def __init__(self, t, seed, count):
        self.t, self.seed, self.count = t, seed, count
        self.rng = random.Random(seed)
        self.log = []
        self.op = None
        self.clones = []
        self.maybe = {}         # snapshots whose metadata others have removed meanwhile
        self.branches = {}      # while a revert lies interrupted: target -> {image: Branch}
        self.stays = set()
        self.damaged = set()    # snapshots whose metadata libvirt has changed
        self.numbers = 0
        self.killed_qemu = self.torn = False
        self.title = None
        self.neighbour = None

    def say(self, text):
        self.log.append(text)

    def number(self):
        self.numbers += 1
        return self.numbers

    def chance(self, p):
        return self.rng.random() < p

    # --- the world ---

    def make(self):
        rng, d = self.rng, self.t.daemon()
        name = f"h{self.seed}"
        top = os.path.join(d.dir, name)
        kind = rng.choice(["plain", "plain", "plain", "raw", "shared"])
        disks = [{"target": f"vd{c}"} for c in "ab"[:rng.choice([1, 1, 2])]]
        if kind == "raw":
            disks[0]["format"] = "raw"
        if kind == "shared":
            os.makedirs(top)
            base = image(os.path.join(top, "base.qcow2"), SIZE, writes=[(0, "4M", 0xba)])
            disks[0].update(backing=base)
        self.g = self.guest = self.t.guest(name, disks=disks, size=SIZE, dir=top)
        self.o = self.oracle = self.g.oracle
        self.say(f"{kind} guest with {len(disks)} disks")
        if kind == "shared":
            self.neighbour = self.t.guest(
                name + "n", disks=[{"backing": base}], dir=os.path.join(d.dir, name + "n"))
            self.neighbour.oracle.write("vda", "1M", "64k", 0x0b)
            if self.chance(0.5):
                self.neighbour.start()
        if self.chance(0.6):
            self.say("running")
            self.g.start()
        for _ in range(rng.randrange(1, 4)):
            self.write()
            self.snapshot()
        self.write()

    def end(self):
        for g in [self.g, self.neighbour] + [c.guest for c in self.clones]:
            if g:
                for name in (g.name + ".virsh-ext", g.name):
                    for words in (["destroy", name], ["undefine", name, "--snapshots-metadata",
                                                      "--managed-save"]):
                        self.t.daemon().virsh(*words, check=False, log=False, timeout=90)

    def helper_runs(self):
        return bool(matrix.qemu_of(self.g.daemon, self.g.name + ".virsh-ext"))

    def saved(self):
        return "Managed save:   yes" in self.g.virsh("dominfo", self.g.name, log=False).out

    # --- what the disks contain while a revert lies interrupted ---

    def begin(self, op):
        self.op = op
        if op.target:
            self.branches = {t: {self.g.active(t).path: (m, "old")}
                             for t, m in self.o.model.items()}

    def sync(self):
        """Has the oracle know what belongs to the images in use now."""
        if not self.op or not self.op.target:
            return
        sources = self.g.active()
        for target in list(self.o.model):
            source, known = sources[target], self.branches[target]
            if source.path not in known:
                frozen = self.o.snapshots.get(self.op.target, {}).get(target)
                self.o.flush()
                tried = []
                for model, kind in [(frozen, "new")] + [m for m in known.values()]:
                    if not model:
                        continue
                    tried.append(compare(source.path, source.format, model))
                    if not tried[-1]:
                        copy = copy_sparse(model, os.path.join(self.o.dir,
                                                               f"{target}.b{self.number()}"))
                        known[source.path] = (copy, kind)
                        if kind == "new" and not compare(source.path, source.format,
                                                         self.o.model[target]):
                            known[source.path] = (copy, "any")
                        break
                else:
                    raise Mismatch(f"{target} ({source.path}) has the content of no known state: "
                                   f"{tried}")
            self.o.model[target] = known[source.path][0]

    def content(self):
        """What the guest sees, and what everybody else has, is right at any time."""
        self.sync()
        problems = []
        helped = self.helper_runs()     # it keeps in memory where the data of what it writes lies
        if not helped:
            self.o.flush()
        for target, source in () if helped or self.torn else self.g.active().items():
            difference = compare(source.path, source.format, self.o.model[target])
            if difference:
                problems.append(f"{target} ({source.path}): {difference}")
        self.o._report(problems)
        self.others()

    def others(self):
        problems = []
        if self.neighbour:
            self.neighbour.oracle.check_active()
        for c in self.clones:
            if not os.path.exists(c.path):
                problems.append(f"the file of another client is gone: {c.path}")
            elif not c.volatile:
                difference = compare(c.path, "qcow2", c.model)
                if difference:
                    problems.append(f"the content of another client is changed: {c.path}: "
                                    f"{difference}")
        self.o._report(problems)

    def whole(self):
        """Nothing lies interrupted: all is as it has to be."""
        listed = self.g.snapshots()
        for name, (copies, memory) in list(self.maybe.items()):
            if name in listed and name not in self.o.snapshots:
                self.o.snapshots[name] = copies
                if memory:
                    self.o.memory[name] = memory
        self.maybe = {}
        if self.damaged:
            self.begin(Operation([REPAIR, self.g.name], set()))
            rc, out, err = self.run(self.op.argv)
            self.op = None
            for name in self.damaged & set(self.o.snapshots) if rc in (1, 3) else ():
                # It says which image is the wrong one, and how to forget about it.
                self.say(f"forget {name}")
                # (virsh's own way would have libvirt 9.0 spoil the next one.)
                self.g.vext(DELETE, self.g.name, name, "--metadata")
                self.o.forget(name)
                self.o.extra_files |= self.o._files()
            self.damaged = set()
        self.o.check_all()
        self.others()
        if self.title and self.g.xml(inactive=True).findtext("title") != self.title:
            raise Mismatch("the edit of the domain is lost")

    # --- what anybody does ---

    def write(self):
        if self.op:
            self.sync()
        if self.saved() and not self.g.is_active():
            return              # its memory would not fit any more
        disk = self.rng.choice(sorted(self.o.model))
        offset = self.rng.randrange(0, 14) << 20
        length = self.rng.choice([64 << 10, 512 << 10, 1 << 20])
        pattern, zero = self.rng.randrange(1, 256), self.chance(0.2)
        source = self.g.active(disk)
        self.say(f"write {disk} {offset >> 20}M {length >> 10}k {'zeros' if zero else pattern}")
        for c in self.clones:
            c.volatile |= source.path in c.chain
        if not source.alias and self.op and self.helper_runs():
            self.say("(locked)")
            return
        if not zero:
            self.o.write(disk, offset, length, pattern)
            return
        command = f"write -z {self.rng.choice(['', '-u '])}{offset} {length}"
        if source.alias:
            self.o._monitor((source, command), (source, "flush"))
        else:
            run(["qemu-io", "-f", source.format, "-c", command, "-c", "flush", source.path],
                root=True)
        with open(self.o.model[disk], "r+b") as f:
            os.pwrite(f.fileno(), bytes(length), offset)
        self.o._read_back(source, offset, length, 0)

    def snapshot(self, name=None):
        """virsh snapshot-create-as; also while something lies interrupted."""
        if self.op:
            self.sync()
            if self.saved():
                return False    # libvirt would go on with the image that it froze
        name = name or f"s{self.number()}"
        disks = sorted(self.o.model)
        if len(disks) > 1 and self.chance(0.25):
            disks = [self.rng.choice(disks)]
        memory = self.g.state() == "running" and self.chance(0.2)
        number = self.number()
        files = {d: os.path.join(self.g.dir, f"{d}.{name}.{number}") for d in disks}
        if memory:
            memory = os.path.join(self.g.dir, f"memory.{name}.{number}")
        self.say(f"snapshot {name} of {disks}{' with memory' if memory else ''}")
        before = {t: s.path for t, s in self.g.active().items()}
        r = self.o.snapshot(name, disks=disks, memory=memory, files=files, check=False)
        if r.rc:
            self.say(f"(refused: {r.err.strip()})")
            for path in files.values():
                if os.path.exists(path):
                    os.unlink(path)
            if not self.op and not self.saved():
                raise AssertionError(f"virsh's own snapshot fails: {r}")
            return False
        if self.op and self.op.target:
            for target in disks:
                self.branches[target][files[target]] = self.branches[target][before[target]]
                self.retire(target, before[target])
        return True

    def layer(self):
        """One that no snapshot names."""
        self.sync()
        if self.saved():
            return
        number = self.number()
        target = self.rng.choice(sorted(self.o.model))
        path = os.path.join(self.g.dir, f"{target}.layer{number}")
        self.say(f"unnamed layer {path}")
        before = self.g.active(target).path
        r = self.g.snapshot(f"layer{number}", disks=[target], files={target: path},
                            metadata=False, check=False)
        if r.rc:
            self.say(f"(refused: {r.err.strip()})")
            if os.path.exists(path):
                os.unlink(path)
        elif self.op and self.op.target:
            self.o.extra_files.add(os.path.realpath(path))  # a revert goes on without it
            known = self.branches[target]
            known[path] = known[before]
            self.retire(target, before)

    def retire(self, target, path):
        """Its model goes on with the image on top; what it holds itself stays as it is."""
        model, kind = self.branches[target][path]
        copy = os.path.join(self.o.dir, f"{target}.b{self.number()}")
        self.branches[target][path] = (copy_sparse(model, copy), kind)

    def power(self):
        state = self.g.state()
        if state == "shut off":
            self.say("start")
            r = self.g.virsh("start", self.g.name, check=False)
            if r.rc:
                self.say(f"(refused: {r.err.strip()})")
                if not self.op:
                    raise AssertionError(f"the guest does not start: {r}")
        elif state == "paused":
            self.say("resume")
            self.g.virsh("resume", self.g.name, check=False)
        elif self.chance(0.3):
            self.say("pause")
            self.g.pause()
        else:
            self.say("destroy")
            self.g.destroy()

    # --- what other clients do while something lies interrupted ---

    def other_clone(self):
        """On the image of a snapshot; of one that is being merged it is nobody's state."""
        self.sync()
        listed = self.g.snapshots()
        names = [n for n in self.o.snapshots if n in listed and self.o.snapshots[n]]
        if not names:
            return
        name = self.rng.choice(names)
        target = self.rng.choice(sorted(self.o.snapshots[name]))
        source = self.g.sources(self.g.snapshot_xml(name).find("domain"))[target]
        if source.path == self.g.active(target).path:
            return
        guest = self.chance(0.6)
        number = self.number()
        where = os.path.join(self.g.daemon.dir, f"clone{self.seed}.{number}")
        path = os.path.join(where if guest else self.g.dir, f"clone{number}.qcow2")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.say(f"{'guest' if guest else 'file'} {path} on {source.path}, the image of {name}")
        image(path, backing=source.path, backing_format=source.format)
        model = os.path.join(self.o.dir, f"clone{number}")
        wrong = compare(source.path, source.format, self.o.snapshots[name][target])
        g = None
        if guest:
            g = self.t.guest(f"h{self.seed}c{number}", disks=[{"path": path, "create": False}],
                             daemon=self.g.daemon, dir=where)
        qemu_img("convert", "-U", "-f", "qcow2", "-O", "raw", path, model, log=False)
        c = Clone(path, self.g.chain(target, source), g, model)
        c.volatile = bool(wrong) or (self.op.target is None and self.op.merging)
        self.clones.append(c)
        self.o.extra_files.add(os.path.realpath(path))
        self.say(f"(volatile: {c.volatile})")

    def forgotten(self, name):
        """libvirt 9.0 has the children name its images as theirs: chain-repair corrects that."""
        self.damaged |= {n for n, parent in self.g.tree().items() if parent == name}
        self.say(f"virsh snapshot-delete --metadata {name}")
        self.o.extra_files |= self.o._files()   # some of which nobody knows then
        return self.g.virsh("snapshot-delete", self.g.name, name, "--metadata",
                            check=False).rc == 0

    def other_forgets(self):
        listed = [n for n in self.g.snapshots() if n in self.o.snapshots]
        if not listed:
            return
        name = self.rng.choice(listed)
        if name == self.op.target:
            return
        if self.forgotten(name):
            self.maybe[name] = (self.o.snapshots.pop(name), self.o.memory.pop(name, None))

    def other_renews(self):
        """A snapshot of the name of one that is to go."""
        if self.op.target or not self.op.names:
            return
        name = self.rng.choice(sorted(self.op.names))
        if name in self.g.snapshots():
            self.forgotten(name)
        if name in self.g.snapshots():
            return
        self.o.forget(name)
        now = int(time.time())
        util.wait_for(lambda: int(time.time()) > now, "the next second")
        if self.snapshot(name):
            self.op.renewed.add(name)

    def other_saves(self):
        if self.g.state() in ("running", "paused"):
            self.say("managedsave")
            self.g.virsh("managedsave", self.g.name, check=False)

    def other_edits(self):
        title = f"title {self.number()}"
        self.say("edit the title")
        if self.g.virsh("desc", self.g.name, "--config", "--title", title, check=False).rc == 0 \
                and not self.op.target:
            self.title = title

    def other_ends_helper(self):
        self.say("destroy the helper")
        self.g.virsh("destroy", self.g.name + ".virsh-ext", check=False)

    def other_reverts(self):
        """libvirt before 9.9 refuses it for all external ones."""
        names = [n for n in self.g.snapshots() if n in self.o.snapshots]
        if names and self.g.daemon.versions()[0] < (9, 9, 0):
            name = self.rng.choice(names)
            self.say(f"virsh snapshot-revert {name}")
            r = self.g.virsh("snapshot-revert", self.g.name, name, check=False)
            if r.rc == 0:
                raise AssertionError("libvirt reverts to external snapshots")

    def overlays(self, path):
        """How many images stand on it, of the ones that can be found."""
        found = 0
        for name in self.o._files() | {c.path for c in self.clones}:
            r = qemu_img("info", "-U", "--output=json", name, check=False, log=False)
            if r.rc == 0:
                backing = json.loads(r.out).get("full-backing-filename")
                found += backing is not None and os.path.realpath(backing) == \
                    os.path.realpath(path)
        return found

    def other_deletes(self):
        """libvirt itself, where it does that right: in a chain, of a running guest."""
        listed = self.g.snapshots()
        names = [n for n in listed if n in self.o.snapshots and n not in self.op.names]
        if self.op.target or not names or not self.g.is_active():
            return
        name, tree = self.rng.choice(names), self.g.tree()
        if len([n for n, p in tree.items() if p == name]) > 1:
            return
        for target in self.o.snapshots[name]:
            frozen = self.g.sources(self.g.snapshot_xml(name).find("domain"))[target].path
            chain = self.g.chain(target)
            if frozen not in chain[1:]:
                return
            if self.overlays(frozen) != 1 or self.overlays(chain[chain.index(frozen) - 1]) > 1:
                return
        self.say(f"virsh snapshot-delete {name}")
        self.o.extra_files |= self.o._files()   # libvirt forgets about the memory
        r = self.g.virsh("snapshot-delete", self.g.name, name, check=False)
        if r.rc:
            self.say(f"(refused: {r.err.strip()})")
        elif name not in self.g.snapshots():
            self.o.forget(name)

    def other_command(self):
        """One that is not to be begun: what lies interrupted has to be finished first."""
        if self.g.name + ".virsh-ext" not in self.g.view().domains:
            return
        names = [n for n in self.g.snapshots() if n in self.o.snapshots]
        if not names:
            return
        command, name = self.rng.choice([DELETE, REVERT]), self.rng.choice(names)
        if self.op.argv[0] == command and (name in self.op.names or name == self.op.target):
            return
        rc, out, err = self.run([command, self.g.name, name])
        if rc != 1:
            raise AssertionError(f"another operation is not refused: {rc}\n{out}{err}")

    def other_looks(self):
        for argv in ([REPAIR, self.g.name, "--dry-run"], ["chain-show", self.g.name, "--check"],
                     [REPAIR, self.g.name, "--abort", "--dry-run", "--json"]):
            self.run(argv)

    def other(self):
        actions = [
            (self.power, 4), (self.write, 4), (self.snapshot, 2), (self.layer, 0.7),
            (self.other_clone, 2), (self.other_forgets, 1), (self.other_renews, 1),
            (self.other_deletes, 1), (self.other_saves, 1.5), (self.other_edits, 1),
            (self.other_ends_helper, 0.7), (self.other_reverts, 0.3), (self.other_command, 0.7),
            (self.other_looks, 0.7)]
        self.rng.choices([a for a, _ in actions], [w for _, w in actions])[0]()

    # --- our commands ---

    def run(self, argv, fault=None):
        """A command of ours; fault: None, or (action, count) at a point. Status and output."""
        op, g = self.op, self.g
        listing = os.path.join(g.workdir, "points")
        if os.path.exists(listing):
            os.unlink(listing)
        how, count = fault or (None, 0)
        action = how if how in ("kill", "int") else "stop"
        env = matrix.environment("*" if fault else None, action, count, listing=listing)
        self.say(f"{' '.join(argv)}{f' [{how} at {count}]' if fault else ''}")
        process = util.spawn([*matrix.program(), "-c", g.daemon.uri, *argv], env=env)
        event = matrix.Event(self, process)
        try:
            if action == "stop" and fault:
                state = util.wait_for(lambda: matrix._stopped_or_ended(process),
                                      "the client to get there", 60 * FACTOR)
                if state == "stopped":
                    {"qemu": matrix.kill_qemu, "daemon": matrix.daemon_killed}[how](event)
                    self.killed_qemu |= how == "qemu"
                    process.send_signal(signal.SIGCONT)
            try:
                out, err = process.communicate(timeout=90 * FACTOR)
            except Exception:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"the client does not end\n{out}{err}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        rc = process.returncode
        util.history.append(util.Result([*argv], rc, out, err, 0))
        if os.path.exists(listing):
            with open(listing, encoding="utf-8") as f:
                op.points += f.read().split()
        last = op.points[-1] if op.points else ""
        self.say(f"-> {rc}{f' at {last}' if rc == -9 else ''}")
        if rc not in (0, 1, 3) and not (rc == -9 and how == "kill"):
            raise AssertionError(f"exit status {rc}\n{out}{err}")
        if any(a in err for a in ALARMS):
            raise AssertionError(f"an alarm\n{err}")
        if rc == 3 and "virsh-ext chain-repair " not in err.strip().split("\n")[-1]:
            raise AssertionError(f"the last line does not say how to go on:\n{err}")
        for line in err.splitlines():
            if "stay" in line:
                self.stays.update(re.findall(r"'(/[^']*)'", line))
        if rc in (1, 3):
            self.say("(" + " | ".join(line.removeprefix("error: ")
                                      for line in err.strip().splitlines()) + ")")
        op.said += out + err
        return rc, out, err

    def fault(self, points=POINTS):
        how = self.rng.choices(["kill", "qemu", "daemon", "int"], [6, 1.5, 1, 0.7])[0]
        return how, self.rng.randrange(1, points)

    def attempt(self, argv, fault=None):
        self.sync()
        before = dict(self.o.model)
        if argv is self.op.argv and {"--all", "--children", "--children-only"} & set(argv) \
                and self.g.name + ".virsh-ext" not in self.g.view().domains:
            # It is begun anew, and others have taken snapshots meanwhile.
            self.op.names = self.named(argv)
            self.op.renewed -= self.op.names
        rc, out, err = self.run(argv, fault)
        save = self.op.save
        if save and save not in self.o.snapshots and save not in self.maybe \
                and save in self.g.snapshots():
            # What the guest saw when it was begun.
            now, self.o.model = self.o.model, before
            self.o.taken(save)
            self.o.model = now
        self.torn = rc != 0 and (self.torn or torn(err))
        return rc, out, err

    def named(self, argv):
        """The snapshots that there are now of --all and of NAME --children."""
        tree = self.g.tree()
        if "--all" in argv:
            return set(tree)
        first = argv[[w.startswith("--child") for w in argv].index(True) - 1]
        chosen, more = set(), {first} & set(tree)
        while more - chosen:
            chosen |= more
            more = {n for n, parent in tree.items() if parent in chosen}
        return chosen - {first} if "--children-only" in argv else chosen

    def delete(self):
        names = sorted(self.o.snapshots)
        if not names:
            return
        rng, how = self.rng, self.rng.random()
        if how < 0.6:
            chosen, args = rng.sample(names, 1), []
        elif how < 0.8:
            chosen, args = rng.sample(names, rng.randrange(1, len(names) + 1)), []
        elif how < 0.9:
            args = [rng.choice(names), rng.choice(["--children", "--children-only"])]
            chosen = self.named(args)
            if not chosen:
                return
        else:
            chosen, args = names, ["--all"]
        argv = [DELETE, self.g.name, *(args or chosen)]
        if self.chance(0.5):
            argv += ["--direction", rng.choice(["commit", "pull"])]
        if self.chance(0.15):
            argv += ["--bandwidth", "1"]
        self.operate(Operation(argv, set(chosen)))

    def revert(self):
        names = sorted(self.o.snapshots)
        if not names:
            return
        name = self.rng.choice(names)
        argv = [REVERT, self.g.name, name] + self.rng.choice([[], [], ["--running"], ["--paused"]])
        save = None
        if self.chance(0.25):
            save = f"s{self.number()}"
            argv += ["--save-current", save]
        if self.chance(0.1):
            argv += ["--force"]
        self.title = None       # the configuration of before comes with it
        self.operate(Operation(argv, set(), name, save))

    def operate(self, op):
        self.begin(op)
        rc, out, err = self.attempt(op.argv, self.fault() if self.chance(0.85) else None)
        if rc == 0:
            self.settle("forward", out)
            return
        if rc == 1:
            # "Nothing was changed" is a promise.
            self.settle("back", out)
            return
        if self.torn:
            self.recover()
            return
        self.content()
        for _ in range(self.rng.randrange(0, 5)):
            self.other()
            self.content()
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            argv = self.rng.choice([[REPAIR, self.g.name], [REPAIR, self.g.name, "--abort"],
                                    op.argv])
            rc, out, err = self.attempt(argv, self.fault(30 if len(argv) == 2 else 6))
            if rc == 0:
                self.recovered(argv, out)
                return
            if self.torn:
                break
            self.content()
            for _ in range(self.rng.randrange(0, 3)):
                self.other()
                self.content()
        self.recover()

    def operation_that_works(self, argv):
        self.begin(Operation(argv, set(self.o.snapshots)))
        rc, out, err = self.attempt(argv)
        if rc:
            raise AssertionError(f"--all is refused: {rc}\n{out}{err}")
        self.settle("forward", out)

    # --- going on ---

    def recovered(self, argv, out):
        if "Undone" in out:
            self.settle("back", out)
        elif argv[0] != REPAIR or "Finished" in out:
            self.settle("forward", out)
        else:
            self.settle("either", out)

    def recover(self):
        """One attempt that nobody kills; where it is refused, what the message says."""
        repair, abort = [REPAIR, self.g.name], [REPAIR, self.g.name, "--abort"]
        first = self.rng.choice([repair, abort, self.op.argv])
        said = ""
        for argv in [first] + [a for a in (repair, abort) if a != first]:
            rc, out, err = self.attempt(argv)
            if rc == 0:
                self.recovered(argv, out)
                return
            said += err
            self.content()
        ways = [("destroy", self.g.destroy),
                ("start", lambda: self.g.virsh("start", self.g.name, check=False)),
                ("destroy again", self.g.destroy),
                ("managedsave-remove", lambda: self.g.virsh("managedsave-remove", self.g.name,
                                                            check=False)),
                ("remove the clones", self.drop_clones)]
        if self.saved():
            ways.insert(0, ("start it from its saved state", ways[1][1]))
        if self.clones and ("stand" in said or "need" in said):
            ways.insert(0, ways.pop())
        done = []
        for name, way in ways:
            self.say(name)
            way()
            done.append(name)
            for argv in (repair, abort):
                rc, out, err = self.attempt(argv)
                if rc == 0:
                    self.count["stuck until: " + ", ".join(done)] += 1
                    print(f"# stuck: seed {self.seed}: {' '.join(self.op.argv)}: until "
                          f"{', '.join(done)}, then {' '.join(argv)}\n#    "
                          + said.strip().replace("\n", "\n#    "), flush=True)
                    print("# " + " ".join(self.log).replace("\n", "\n# "), flush=True)
                    self.recovered(argv, out)
                    return
                self.content()
        self.count["stuck for good"] += 1
        raise AssertionError(f"stuck for good:\n{said}")

    def drop_clones(self):
        for c in self.clones:
            if c.guest:
                c.guest.virsh("undefine", c.guest.name, check=False)
            if os.path.exists(c.path):
                os.unlink(c.path)
        self.clones = []

    def settle(self, outcome, out):
        """It is over; tells the oracle what has to be there now, and checks it."""
        op = self.op
        self.count[f"{op.argv[0].split('-')[1]}, {outcome}"] += 1
        self.say(f"= {outcome}")
        if op.target:
            self.settle_revert(outcome)
        else:
            listed = set(self.g.snapshots())
            mine = op.names & set(self.o.snapshots) - op.renewed
            if outcome == "forward":
                left = {n for n in mine & listed if f"'{n}' stays" not in op.said}
                if left:
                    raise Mismatch(f"not deleted: {sorted(left)}")
            gone = mine - listed
            if gone and (outcome == "back" or (outcome == "either" and gone != mine)):
                raise Mismatch(f"gone and not to be: {sorted(gone)}")
            self.o.forget(*gone)
            for name in op.names - op.renewed:
                self.maybe.pop(name, None)
        self.op, self.branches = None, {}
        self.whole()

    def settle_revert(self, outcome):
        op = self.op
        self.sync()
        for target, source in self.g.active().items():
            model, kind = self.branches[target][source.path]
            if target in self.o.snapshots[op.target]:
                wrong = {"forward": "old", "back": "new"}.get(outcome)
                frozen = self.o.snapshots[op.target][target]
                if kind == wrong and compare(model, "raw", frozen):
                    raise Mismatch(f"{target} is {kind} ({source.path}), but the outcome is "
                                   f"{outcome}")
            # What was written to the new ones meanwhile nobody has asked to discard.
            for path, (other, kind) in self.branches[target].items():
                if kind == "new" and path != source.path \
                        and compare(other, "raw", self.o.snapshots[op.target][target]):
                    if not os.path.exists(path):
                        raise Mismatch(f"what was written to {path} is gone")
                    difference = compare(path, "qcow2", other)
                    if difference:
                        raise Mismatch(f"what was written to {path}: {difference}")
                    self.o.extra_files.add(os.path.realpath(path))

    # --- the whole ---

    def step(self):
        kinds = [(self.write, 3), (self.snapshot, 2), (self.layer, 0.3), (self.power, 1),
                 (self.delete, 3.5), (self.revert, 3.5)]
        self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def play(self):
        self.make()
        self.whole()
        for i in range(self.rng.randrange(6, 13)):
            self.say(f"\n{i}:")
            if self.saved():
                self.say("start it from its saved state")
                self.g.virsh("start", self.g.name)
            self.step()
        self.whole()
        if self.o.snapshots and not self.clones and self.chance(0.5):
            # All that is left behind is of use.
            self.title = None
            self.operation_that_works([DELETE, self.g.name, "--all"])
        self.g.destroy()
        self.o.check_chain_clean(start=True, allow=self.stays, leaks=self.killed_qemu)


def play(t, seed, count):
    util.history.clear()
    h = History(t, seed, count)
    try:
        h.play()
        return True
    except Exception as e:
        print(f"# --- VEXT_SEED={seed} fails: {str(e).splitlines()[0] if str(e) else e!r}")
        where = "".join(traceback.format_exception(e)[-4:])
        for line in (" ".join(h.log) + "\n" + where).splitlines():
            print("# " + line)
        if os.environ.get("VEXT_TEST_VERBOSE"):
            for result in util.history[-int(os.environ["VEXT_TEST_VERBOSE"]):]:
                for line in str(result).splitlines():
                    print("# " + line)
        if t.daemon().pid is None:
            t.daemon().start()
        return False
    finally:
        h.end()


def main():
    seed = os.environ.get("VEXT_SEED")
    number = int(os.environ.get("VEXT_HISTORIES") or (1 if seed and seed != "time" else 24))
    seed = int(time.time()) % 1000000 if seed == "time" else int(seed or "1")
    count, failed = collections.Counter(), 0
    try:
        t = T(sandbox.tmpdir())
        matrix.require_faults()
        t.daemon()
    except Skip as e:
        print(f"1..0 # SKIP {e}")
        return 0
    try:
        print(f"1..{number}", flush=True)
        for i in range(number):
            start = time.monotonic()
            good = play(t, seed + i, count)
            failed += not good
            print(f"{'ok' if good else 'not ok'} {i + 1} - history of seed {seed + i}")
            print(f"# {time.monotonic() - start:.1f} s", flush=True)
        for what, n in sorted(count.items()):
            print(f"# {n:4} × {what}")
        stuck = sum(n for what, n in count.items() if what.startswith("stuck"))
        print(f"# {number} histories, {failed} failed, {stuck} stuck", flush=True)
    finally:
        t._finish()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
