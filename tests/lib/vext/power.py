# SPDX-License-Identifier: LGPL-2.1-or-later
"""A power cut for the fault matrix.

The images lie on an ext4 of their own in a file, with a journal that is not committed by time. What
the file holds in a moment is what the disk of a host would: what nobody has flushed is not in it.
The cut: that is copied, everything dies, and the copy is mounted in the file system's place.

libvirt's own files are not cut off: it flushes what it writes before it goes on."""

import json
import os
import shutil
import signal

from . import faults, matrix, sandbox, util
from .guest import loop_device
from .oracle import copy_sparse

SIZE = 512 << 20
OPTIONS = "commit=3600"


class PoweredScenario(matrix.Scenario):
    """A Scenario whose images a power cut can cut off."""

    def prepare(self, t, number):
        if not shutil.which("mkfs.ext4"):
            raise util.Skip("missing: mkfs.ext4")
        self.top = os.path.join(t.daemon().dir, f"m{number}")
        self.disk = os.path.join(t.daemon().dir, f"disk{number}.0")
        os.makedirs(self.top)
        with open(self.disk, "wb") as f:
            f.truncate(SIZE)
        util.run(["mkfs.ext4", "-q", "-F", self.disk], log=False)
        self._mount()
        super().prepare(t, number)

    def make_directory(self, path):
        os.makedirs(path)

    def restore(self):
        super().restore()
        util.run(["sync", "-f", self.top], log=False)

    def points(self):
        self.restore()
        r = self.guest.vext(*self.argv(), "--dry-run", "--json")
        self.removed = [s["path"] for s in json.loads(r.out)["steps"]
                        if s["action"] == "remove-file"]
        return super().points()

    def release(self):
        faults.unmount(self.top)
        os.close(self.loop)

    def _mount(self):
        device, self.loop = loop_device(self.disk)
        sandbox.mount(device, self.top, "ext4", 0, OPTIONS)

    def cut(self, daemon):
        """What nobody has flushed is gone, and everything that ran is dead."""
        number = int(self.disk.rpartition(".")[2]) + 1
        after = f"{self.disk.rpartition('.')[0]}.{number}"
        copy_sparse(self.disk, after)
        daemon.kill9()
        for pid in daemon.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        util.wait_for(lambda: not daemon.qemu_pids(), "QEMU to die")
        self.release()
        os.unlink(self.disk)
        self.disk = after
        self._mount()
        daemon.start()


def power_cut(e):
    os.kill(e.process.pid, signal.SIGKILL)
    e.scenario.cut(e.daemon)


def cut_after_repair(number):
    """The client dies when it has unlinked the number-th file and not flushed the directory; it is
    repaired, and then the power is cut: with the record gone nobody would know of the file."""
    def act(e):
        path = e.scenario.removed[number - 1]
        os.unlink(path)
        os.kill(e.process.pid, signal.SIGKILL)
        e.process.wait()
        r = e.guest.vext(matrix.REPAIR, e.guest.name)
        if r.rc != 0 or "Finished" not in r.out:
            raise AssertionError(f"chain-repair failed: {r}")
        e.scenario.cut(e.daemon)
        if os.path.exists(path):
            raise AssertionError(f"'{path}' is back after the power cut")
    return act


def cuts(scenario, every=1):
    """A power cut before and after each step, and inside where no job writes at that time."""
    turns = matrix.Turns(scenario)

    def make(points):
        for point, n in matrix.places(points, every):
            if not point.endswith("-running"):
                yield matrix.Injection("power cut", point, power_cut, n, **turns.next())
        for n in range(1, points["remove-file-before"] + 1):
            yield matrix.Injection("power cut after the repair", "remove-file-before",
                                   cut_after_repair(n), n)
    return make
