#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes written and time of deleting snapshots: virsh-ext, virsh's own snapshot-delete, and the
hand-written sequence (blockcommit one by one), on the same images, in one run.

Bytes are those of the I/O accounting of the QEMU processes that copy, read until they end. Each
row is checked by the oracle afterwards: a fast wrong answer does not count."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

MIB = 1 << 20
FAILED = []


class Written:
    """Bytes that the daemon's QEMUs write in the block."""

    def __init__(self, daemon):
        self.daemon, self.first, self.last, self.stop = daemon, {}, {}, threading.Event()

    def sample(self):
        for pid in self.daemon.qemu_pids():
            self.first.setdefault(pid, self.read(pid) if self.early else 0)
            self.last[pid] = self.read(pid) or self.last.get(pid, 0)

    @staticmethod
    def read(pid):
        try:
            with open(f"/proc/{pid}/io", encoding="ascii") as f:
                return int(dict(line.split(": ") for line in f)["write_bytes"])
        except (OSError, KeyError, ValueError):
            return 0

    def loop(self):
        while not self.stop.is_set():
            self.sample()
            time.sleep(0.005)

    def __enter__(self):
        self.early = True
        self.sample()
        self.early = False
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()
        self.start = time.monotonic()
        return self

    def __exit__(self, *_exc):
        self.seconds = time.monotonic() - self.start
        self.stop.set()
        self.thread.join()
        self.sample()
        self.bytes = sum(self.last[p] - self.first[p] for p in self.last)


def under_large(g, o):
    """A small layer under a large one: s1's image is deleted from below 128 MiB."""
    o.snapshot("s1")
    o.write("vda", 0, "1M", 1)
    o.snapshot("s2")
    o.write("vda", "8M", "128M", 2, verify=False)
    return ["s2"]


def over_large(g, o):
    """A large layer under a small one."""
    o.snapshot("s1")
    o.write("vda", 0, "128M", 1, verify=False)
    o.snapshot("s2")
    o.write("vda", "8M", "1M", 2)
    return ["s2"]


def ten(g, o):
    """Ten layers that rewrite the same 64 MiB."""
    names = [f"s{i}" for i in range(1, 11)]
    for i, name in enumerate(names):
        o.snapshot(name)
        o.write("vda", 0, "64M", 1 + i, verify=False)
    return names


def ours(g, names):
    r = g.vext("snapshot-delete-external", g.name, *names, timeout=300)
    if r.rc:
        raise AssertionError(r.err)


def native(g, names):
    for name in reversed(names):
        r = g.virsh("snapshot-delete", g.name, name, check=False, timeout=300)
        if r.rc:
            raise util.Skip(r.err.strip().split("\n")[-1])


def by_hand(g, names):
    """What people type: from the top, commit each overlay into the image below it."""
    if not g.is_active():
        raise util.Skip("needs a running guest")
    for name in reversed(names):
        xml = g.snapshot_xml(name)
        frozen = g.sources(xml.find("domain"))["vda"].path
        overlay = xml.find("disks/disk[@name='vda']/source").get("file")
        active = g.active("vda").path == overlay
        g.virsh("blockcommit", g.name, "vda", "--base", frozen, "--top", overlay, "--wait",
                *(["--active", "--pivot"] if active else []), timeout=300)
        g.virsh("snapshot-delete", g.name, name, "--metadata")
        os.unlink(overlay)


def row(t, label, fill, running, how):
    row.count = getattr(row, "count", 0) + 1
    g = t.guest(name=f"vm{row.count}", size="192M", start=True)
    t.cleanup(g.destroy)
    o = g.oracle
    names = fill(g, o)
    o.flush()
    if not running:
        g.destroy()
    try:
        with Written(g.daemon) as w:
            how(g, names)
    except util.Skip as e:
        print(f"{label:34} {how.__name__:8}  not possible: {e}", flush=True)
        return None
    g.destroy()
    if how is not by_hand:
        o.deleted(*names)
    else:
        o.check_active()
    print(f"{label:34} {how.__name__:8} {w.bytes / MIB:8.1f} MiB {w.seconds:7.2f} s", flush=True)
    return w.bytes


def bench(t):
    for text, fill in (("small layer under a large one", under_large),
                       ("large layer under a small one", over_large),
                       ("ten layers of the same 64 MiB", ten)):
        for running in (True, False):
            label = f"{text}, {'running' if running else 'shut off'}"[:44]
            result = {how: row(t, label, fill, running, how) for how in (ours, native, by_hand)}
            others = [b for how, b in result.items() if how is not ours and b is not None]
            # metadata of the images: refcount and L2 tables
            if others and result[ours] > min(others) + 2 * MIB:
                FAILED.append(label)


if __name__ == "__main__":
    test(bench, timeout=900)
    main()
