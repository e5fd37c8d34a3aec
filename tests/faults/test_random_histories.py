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
import os
import re
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402
from vext.matrix import DELETE, REPAIR, REVERT  # noqa: E402
from vext.oracle import compare  # noqa: E402
from vext.world import Operation, World  # noqa: E402

FACTOR = float(os.environ.get("VEXT_TEST_TIMEOUT_FACTOR", "1"))
POINTS = 32         # more than most operations pass; one that is not reached kills nobody
ALARMS = ("CRITICAL", "WARNING **", "runtime error:", "AddressSanitizer", "LeakSanitizer")


def torn(err):
    """Whether a QEMU (before 9.2) died before it had written where what it pulled lies: the image
    is as it was again when the operation is gone on with, and not before."""
    return "do not start it before the operation is finished" in err


class History(World):
    """In which our commands run, and are killed."""

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

    # --- what other clients do with our commands ---

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

    def wake(self):
        if self.saved():
            self.say("start it from its saved state")
            self.g.virsh("start", self.g.name)

    def play(self):
        self.make()
        self.whole()
        for i in range(self.rng.randrange(6, 13)):
            self.say(f"\n{i}:")
            self.wake()
            self.step()
        self.whole()
        if self.o.snapshots and not self.clones and self.chance(0.5):
            # All that is left behind is of use.
            self.wake()
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
