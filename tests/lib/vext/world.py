# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with a history at random, and what others do to it: its own user, other clients of
libvirt, whoever puts something on its images. tests/faults/test_random_histories.py adds our
commands and what kills them."""
import json
import os
import random
import time

from . import matrix, util
from .guest import image, qemu_img
from .oracle import Mismatch, compare, copy_sparse
from .util import run

SIZE = "16M"


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


class World:
    """One guest, its oracle, and everybody else. t: the test; seed: of all that is chosen; count:
    a Counter of what happened."""

    def __init__(self, t, seed, count):
        self.t, self.seed, self.count = t, seed, count
        self.rng = random.Random(seed)
        self.log = []
        self.op = None
        self.clones = []
        self.maybe = {}         # snapshots whose metadata others have removed meanwhile
        self.branches = {}      # while a revert lies interrupted: target -> {image: (model, kind)}
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
