#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Long random walks: snapshot, write, revert, delete, branch, restart; all checked as it goes.

VEXT_WALK_STEPS=N   steps of each walk (default 200 of the first one, 60 of the three others)
VEXT_WALK_SEED=N    the seed of the first walk (default 1, "time" for the clock's); the others
                    follow
"""
import json
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403

STEPS = os.environ.get("VEXT_WALK_STEPS")
SEED = os.environ.get("VEXT_WALK_SEED", "1")
SEED = int(time.time()) % 1000000 if SEED == "time" else int(SEED)
MANY = 7  # snapshots; beyond that, deleting becomes likelier


class Walk:
    def __init__(self, t, guest, rng):
        self.t, self.g, self.o, self.rng = t, guest, guest.oracle, rng
        self.next_name = 1
        self.log = []
        self.stays = set()  # files that the program said it leaves

    def vext(self, *args):
        r = self.g.vext(*args)
        for line in r.err.splitlines():
            if "stays" in line:
                self.stays.update(re.findall(r"'(/[^']*)'", line))
        return r

    def say(self, text):
        self.log.append(text)

    def write(self):
        disk = self.rng.choice(sorted(self.g.disks))
        offset = self.rng.randrange(0, 15) << 20
        length = self.rng.choice([64 << 10, 256 << 10, 1 << 20])
        self.say(f"write {disk} {offset} {length}")
        self.o.write(disk, offset, length, self.rng.randrange(1, 256))
        return False

    def snapshot(self):
        name = f"s{self.next_name}"
        self.next_name += 1
        disks = sorted(self.g.disks)
        if len(disks) > 1 and self.rng.random() < 0.25:
            disks = [self.rng.choice(disks)]
        memory = self.g.state() == "running" and self.rng.random() < 0.25
        self.say(f"snapshot {name} of {disks}{' with memory' if memory else ''}")
        self.o.snapshot(name, disks=disks, memory=memory)
        return True

    def layer(self):
        self.say("unnamed layer")
        name = f"u{self.next_name}"
        self.next_name += 1
        self.o.snapshot(name, metadata=False)
        return True

    def revert(self):
        if not self.o.snapshots:
            return False
        name = self.rng.choice(sorted(self.o.snapshots))
        how = self.rng.choice([[], [], ["--running"], ["--paused"]])
        saved = None
        if len(self.o.snapshots) < MANY and self.rng.random() < 0.15:
            saved = f"s{self.next_name}"
            self.next_name += 1
            how = how + ["--save-current", saved]
        self.say(f"revert {name} {how}")
        self.t.rc(self.vext("snapshot-revert-external", self.g.name, name, *how), 0)
        if saved:
            self.o.taken(saved)
        self.o.revert(name)
        return True

    def delete(self):
        if not self.o.snapshots:
            return False
        names = sorted(self.o.snapshots)
        count = 1 if self.rng.random() < 0.6 else self.rng.randrange(1, len(names) + 1)
        chosen = self.rng.sample(names, count)
        args = list(chosen)
        if self.rng.random() < 0.25:
            args += ["--direction", self.rng.choice(["commit", "pull"])]
        self.say(f"delete {args}")
        r = self.vext("snapshot-delete-external", self.g.name, *args)
        if r.rc == 1 and "--direction" in args:
            # Only the direction may be impossible: then nothing has changed.
            j = json.loads(self.g.vext("snapshot-delete-external", self.g.name, *args,
                                       "--dry-run", "--json").out)
            self.t.ok(j["refusals"], "refused, and the dry run is not")
            self.say(f"refused: {[x['code'] for x in j['refusals']]}")
            return True
        self.t.rc(r, 0)
        self.o.forget(*chosen)
        return True

    def merge_layers(self):
        args = ["--unnamed"]
        if self.g.state() == "shut off":    # else libvirt may not be able to pull
            args += self.rng.choice([[], ["--direction", "pull"]])
        self.say(f"merge {args}")
        self.t.rc(self.vext("snapshot-delete-external", self.g.name, *args), 0)
        return True

    def state(self):
        now = self.g.state()
        if now == "shut off":
            self.say("start")
            self.g.start()
        elif now == "paused" or self.rng.random() < 0.4:
            self.say("resume or pause")
            (self.g.resume if now == "paused" else self.g.pause)()
        else:
            self.say("destroy")
            self.g.destroy()
        return False

    def step(self):
        kinds = [(self.write, 5), (self.snapshot, 4), (self.revert, 3), (self.state, 2),
                 (self.delete, 1 if len(self.o.snapshots) < MANY else 8), (self.layer, 0.4),
                 (self.merge_layers, 0.4)]
        action = self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        if action():
            self.o.check_all()


def walk(t, seed, disks, steps=60, daemon=None):
    steps = int(STEPS or steps)
    # With the name of the test this makes the same walk again.
    t.diag(f"seed {seed}: VEXT_WALK_SEED={SEED} VEXT_WALK_STEPS={steps}")
    rng = random.Random(seed)
    w = Walk(t, t.guest(disks=disks, size="16M", daemon=daemon), rng)
    try:
        for i in range(steps):
            w.say(f"{i}:")
            w.step()
        w.o.check_all()
        w.o.check_chain_clean(start=True, allow=w.stays)
        if w.o.snapshots:
            t.rc(w.vext("snapshot-delete-external", w.g.name, "--all"), 0)
        w.o.forget(*list(w.o.snapshots))
        w.o.check_all()
        w.o.check_chain_clean(start=True, allow=w.stays)
    except BaseException:
        t.diag("the walk: " + " ".join(w.log))
        raise


@test(timeout=300)
@requires("program")
def long_walk_with_two_disks(t):
    walk(t, SEED, 2, 200)


@test(timeout=300)
@requires("program")
def walk_with_one_disk(t):
    walk(t, SEED + 1, 1)


@test(timeout=300)
@requires("program")
def walk_with_two_disks(t):
    walk(t, SEED + 2, 2)


@test(timeout=300)
@requires("program")
def another_walk_with_one_disk(t):
    walk(t, SEED + 3, 1)


if __name__ == "__main__":
    main()
