#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What chain-show costs.

A chain of 200 images with 200 snapshots against qemu-img info --backing-chain on the same chain;
--all over 100, 200 and 300 domains on one base, with how often the base is opened."""

import json
import os
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402

LAYERS, SNAPSHOTS = 200, 200
DOMAINS = (100, 200, 300)
ROUNDS = 7


def vext(daemon, *args):
    """The program itself, as it is installed: without the launcher of the build tree."""
    build = util.builddir()
    env = dict(os.environ,
               VIRSH_EXT_PLUGIN_PATH=os.path.join(build, "plugin", ".libs"))
    return run([os.path.join(build, "virsh-ext", "virsh-ext"), "-c", daemon.uri, *args], env=env,
               log=False)


def seconds(*commands):
    """Medians of the commands' times, taken in turns."""
    times = [[] for _ in commands]
    for _ in range(ROUNDS + 1):
        for number, command in enumerate(commands):
            times[number].append(command().seconds)
    return [statistics.median(t[1:]) for t in times]


def chain(directory, layers):
    """Paths of a chain, the root first."""
    paths = [os.path.join(directory, f"layer{i:03}.qcow2") for i in range(layers)]
    for i, path in enumerate(paths):
        backing = ["-u", "-F", "qcow2", "-b", paths[i - 1]] if i else []
        qemu_img("create", "-q", "-f", "qcow2", *backing, path, "24M", log=False)
    return paths


def snapshot_xml(g, uuid, number, frozen, overlay):
    domain = g.domain_xml().replace(g.disks["vda"].path, frozen)
    parent = f"<parent><name>s{number - 1}</name></parent>" if number else ""
    domain = domain.replace("<name>", f"<uuid>{uuid}</uuid><name>", 1)
    return (f"<domainsnapshot><name>s{number}</name><state>shutoff</state>{parent}"
            f"<creationTime>{1700000000 + number}</creationTime><disks>"
            f"<disk name='vda' snapshot='external' type='file'><source file='{overlay}'/></disk>"
            f"</disks>{domain}</domainsnapshot>")


@test(timeout=120)
@requires("program")
def deep_chain(t):
    paths = chain(t.path(), LAYERS)
    g = t.guest(disks=[{"path": paths[-1], "create": False}])
    uuid = g.virsh("domuuid", g.name).out.strip()
    commands = []
    for i in range(SNAPSHOTS):
        path = t.path(f"s{i}.xml")
        lower = min(i, LAYERS - 2)
        with open(path, "w", encoding="utf-8") as f:
            f.write(snapshot_xml(g, uuid, i, paths[lower], paths[lower + 1]))
        commands.append(["snapshot-create", g.name, path, "--redefine"])
    g.daemon.virsh_batch(*commands)
    ours, theirs = seconds(
        lambda: vext(g.daemon, "chain-show", g.name),
        lambda: qemu_img("info", "--backing-chain", "-f", "qcow2", paths[-1], log=False))
    shown = json.loads(g.vext("chain-show", g.name, "--json", log=False).out)
    t.eq(sum(len(i["snapshots"]) for i in shown["disks"][0]["images"]), SNAPSHOTS)
    print(f"# {LAYERS} images, {SNAPSHOTS} snapshots: chain-show {ours * 1000:.0f} ms, "
          f"qemu-img info --backing-chain {theirs * 1000:.0f} ms", flush=True)
    t.ok(ours <= theirs, "chain-show takes no longer than qemu-img info --backing-chain")


def opens(daemon, path, *args):
    """How often a command opens a file; None without strace."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile() as log:
        run(["strace", "-f", "-qq", "-e", "trace=openat,open", "-o", log.name, *util.program(),
             "-c", daemon.uri, *args], log=False)
        return sum(f'"{path}"' in line for line in log.read().decode("utf-8", "replace")
                   .splitlines())


@test(timeout=300)
@requires("program")
def many_domains_on_one_base(t):
    base = t.path("base.qcow2")
    image(base)
    daemon = t.daemon()
    made, times = 0, []
    template = None
    for count in DOMAINS:
        commands = []
        for i in range(made, count):
            overlay = t.path(f"vm{i}.qcow2")
            if template is None:
                qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay,
                         log=False)
                template = overlay
            else:
                shutil.copyfile(template, overlay)
            g = Guest(daemon, f"vm{i}", disks=[{"path": overlay, "create": False}],
                      dir=t.path(), define=False)
            xml = t.path(f"vm{i}.xml")
            with open(xml, "w", encoding="utf-8") as f:
                f.write(g.domain_xml())
            commands.append(["define", xml])
        daemon.virsh_batch(*commands)
        made = count
        times += seconds(lambda: vext(daemon, "chain-show", "--all", "--table"))
        print(f"# --all over {count} domains: {times[-1] * 1000:.0f} ms, "
              f"the base opened {opens(daemon, base, 'chain-show', '--all')} times", flush=True)
    t.ok(times[-1] < 2 * times[0] * DOMAINS[-1] / DOMAINS[0], "the time grows linearly")
    count = opens(daemon, base, "chain-show", "--all")
    if count is not None:
        t.eq(count, 1, "opens of the base")


if __name__ == "__main__":
    main()
