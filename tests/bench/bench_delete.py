#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What deleting snapshots writes and how long it takes: ours, virsh's own, and blockcommit by hand.

For each chain, running and shut off, on copies of the same images: bytes that the QEMUs of the
daemon wrote meanwhile (wchar in /proc/PID/io, since write_bytes leaves out what is rewritten in
the cache; one that starts writes 1.4 MiB before it does anything) and wall-clock time. The
content of the disk is compared afterwards. VEXT_BENCH_MIB: the size of the large layers (128).

    small under large    128 MiB were written since the snapshot over a layer of 1 MiB
    large under small    1 MiB was written since the snapshot over a layer of 128 MiB
    ten layers           the same 64 MiB were written after each of ten snapshots; all are deleted
"""
import os
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *

BIG = int(os.environ.get("VEXT_BENCH_MIB", "128"))
REWRITTEN = 64
METHODS = ("virsh-ext", "virsh", "by hand")


class Written:
    """What the daemon's QEMUs write, also those that come and go."""

    def __init__(self, daemon):
        self.daemon, self.seen, self.end = daemon, {}, threading.Event()
        self._look()
        self.before = dict(self.seen)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _look(self):
        for pid in self.daemon.qemu_pids():
            try:
                with open(f"/proc/{pid}/io", encoding="ascii") as f:
                    self.seen[pid] = int(f.read().split("wchar: ")[1].split()[0])
            except (OSError, IndexError):
                pass

    def _run(self):
        while not self.end.wait(0.02):
            self._look()

    def bytes(self):
        self._look()
        self.end.set()
        self.thread.join()
        return sum(n - self.before.get(pid, 0) for pid, n in self.seen.items())


class Chain:
    """A guest with snapshots that can be put back to how it was."""

    def __init__(self, t, size, writes):
        """writes: (snapshot taken before or None, offset, MiB, pattern) in order."""
        self.g = g = t.guest(size=f"{size}M", start=True)
        self.names = []
        for name, offset, mib, pattern in writes:
            if name:
                g.snapshot(name)
                self.names.append(name)
            source = g.active("vda")
            device = f"/machine/peripheral/{source.alias}/virtio-backend"
            for at in range(0, mib, 16):
                g.hmp(f'qemu-io -d {device} "write -P {pattern} {offset + at}M '
                      f'{min(16, mib - at)}M"')
        g.hmp(f'qemu-io -d {device} "flush"')
        g.destroy()
        self.domain = g.virsh("dumpxml", g.name, "--security-info", "--inactive", log=False).out
        self.snapshots = [g.virsh("snapshot-dumpxml", g.name, n, "--security-info", log=False).out
                          for n in self.names]
        self.saved = g.dir + ".saved"
        shutil.move(g.dir, self.saved)
        self.raw = os.path.join(g.workdir, "raw")
        self.frozen = [g.sources(g.snapshot_xml(n).find("domain"))["vda"].path
                       for n in self.names]
        self.active = g.active("vda")
        self.put_back()
        qemu_img("convert", "-f", "qcow2", "-O", "raw", self.active.path, self.raw, log=False)

    def put_back(self):
        g = self.g
        g.undefine()
        shutil.rmtree(g.dir, ignore_errors=True)
        util.run(["cp", "-r", "--sparse=always", "--reflink=auto", self.saved, g.dir], log=False)
        g.define(self.domain)
        for n, xml in enumerate(self.snapshots):
            path = os.path.join(g.workdir, f"s{n}.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(xml)
            g.virsh("snapshot-create", g.name, path, "--redefine", "--current", log=False)

    def check(self, t):
        self.g.destroy()
        now = self.g.active("vda")
        r = qemu_img("compare", "-f", "qcow2", "-F", "raw", now.path, self.raw, check=False,
                     log=False)
        t.rc(r, 0)

    def drop(self):
        self.g.undefine()
        shutil.rmtree(self.g.dir)
        shutil.rmtree(self.saved)
        os.unlink(self.raw)


def by_ours(c, names):
    c.g.vext("snapshot-delete-external", c.g.name, *names, check=True)


def by_virsh(c, names):
    for name in names:
        c.g.virsh("snapshot-delete", c.g.name, name)


def by_hand(c, names):
    g = c.g
    off = not g.is_active()
    if off:
        g.start("--paused")
    tops = c.frozen[1:] + [c.active.path]
    merged = None
    for name in names:
        n = c.names.index(name)
        base, top = merged or c.frozen[n], tops[n]
        last = ["--active", "--pivot"] if top == c.active.path else []
        g.virsh("blockcommit", g.name, "vda", "--base", base, "--top", top, "--wait", *last)
        g.virsh("snapshot-delete", g.name, name, "--metadata")
        os.unlink(top)
        merged = base
    if off:
        g.destroy()


def mib(n):
    return f"{n / (1 << 20):.1f} MiB"


def table(t, title, size, writes, names):
    c = Chain(t, size, writes)
    figures = {}
    for state in ("running", "shut off"):
        for method, run_it in zip(METHODS, (by_ours, by_virsh, by_hand)):
            c.put_back()
            if state == "running":
                c.g.start()
            written = Written(c.g.daemon)
            start = time.monotonic()
            try:
                run_it(c, names)
                seconds = time.monotonic() - start
                figures[state, method] = (written.bytes(), seconds)
                c.check(t)
            except util.CommandError as e:
                written.bytes()
                t.diag(f"{method}, {state}: {e.result.err.strip()}")
                if method == METHODS[0]:
                    raise
    for (state, method), (count, seconds) in figures.items():
        t.diag(f"{title:<20} {state:<9} {method:<10} {mib(count):>12} {seconds:8.2f} s")
    c.drop()
    return figures


def figures_are_right(t, figures, most):
    """Ours writes about what it must, and no more than the others."""
    for state in ("running", "shut off"):
        ours = figures[state, METHODS[0]][0]
        t.ok(ours < (most << 20) * 1.2 + (4 << 20), f"{state}: wrote {mib(ours)}")
        for method in METHODS[1:]:
            if (state, method) in figures:
                t.ok(ours < figures[state, method][0] * 1.1 + (4 << 20),
                     f"{state}: wrote {mib(ours)}, more than {method}")


@test(timeout=120)
@requires("program")
def small_under_large(t):
    f = table(t, "small under large", BIG + 32,
              [(None, 0, 4, 1), ("s1", 2, 1, 2), ("s2", 16, BIG, 3)], ["s2"])
    figures_are_right(t, f, 1)


@test(timeout=120)
@requires("program")
def large_under_small(t):
    f = table(t, "large under small", BIG + 32,
              [(None, 0, 4, 1), ("s1", 16, BIG, 2), ("s2", 2, 1, 3)], ["s2"])
    figures_are_right(t, f, 1)


@test(timeout=120)
@requires("program")
def ten_layers(t):
    names = [f"s{i}" for i in range(1, 11)]
    f = table(t, "ten layers", REWRITTEN + 8,
              [(None, 0, REWRITTEN, 1)] + [(n, 0, REWRITTEN, 2 + i)
                                           for i, n in enumerate(names)], names)
    figures_are_right(t, f, REWRITTEN)


if __name__ == "__main__":
    main()
