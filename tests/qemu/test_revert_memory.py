#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot-revert-external with a memory file that does not fit: found before anything changed, or
the way back is open."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import matrix  # noqa: E402


def memory_guest(t, name="vm1", **kwargs):
    g = t.guest(name, start=True, **kwargs)
    o = g.oracle
    o.write("vda", 0, "64k", 0xa1)
    o.snapshot("s1", memory=True)
    o.write("vda", "1M", "64k", 0xa2)
    return g


def revert(t, g, *args, rc=0):
    return t.rc(g.vext("snapshot-revert-external", g.name, "s1", *args), rc)


def edit(path, old, new):
    """Changes the configuration in a memory file, of which libvirt has recorded the length."""
    with open(path, "r+b") as f:
        head = f.read(64 << 10)
        assert head.count(old) >= 1 and len(old) == len(new), head[:4000]
        f.seek(head.index(old))
        f.write(new)


def refused_untouched(t, g, text):
    memory = g.oracle.memory.pop("s1")
    files = sorted(os.listdir(g.dir))
    r = revert(t, g, rc=1)
    t.has(r.err, text)
    t.eq(g.state(), "running")
    t.eq(sorted(os.listdir(g.dir)), files)
    g.oracle.check_all()
    g.oracle.check_chain_clean(allow=[memory[0]])


@test
@requires("program")
def the_memory_of_another_domain_is_refused(t):
    other = memory_guest(t, "vm2")
    g = memory_guest(t)
    os.replace(other.memory_path("s1"), g.memory_path("s1"))
    refused_untouched(t, g, "It was saved of another domain, 'vm2'")
    t.has(revert(t, g, "--force", rc=1).err, "another domain")
    t.eq(other.state(), "running")
    t.eq(g.state(), "running")


@test
@requires("program")
def a_machine_that_this_host_does_not_know_is_refused(t):
    g = memory_guest(t)
    machine = g.xml().find("os/type").get("machine")
    edit(g.memory_path("s1"), machine.encode(), machine[:-1].encode() + b"x")
    refused_untouched(t, g, f"'{machine[:-1]}x' is not supported")


@test
@requires("program")
def a_cpu_that_this_host_does_not_have_is_refused(t):
    cpu = ("<cpu mode='custom' match='exact' check='full'><model>qemu64</model>"
           "<feature policy='require' name='lahf_lm'/>"
           "<feature policy='require' name='hypervisor'/></cpu>")
    try:
        g = memory_guest(t, top=cpu)
    except CommandError as e:
        if "doesn't match specification" in str(e):
            skip("this QEMU's qemu64 has other features")
        raise
    edit(g.memory_path("s1"), b"name='hypervisor'", b"name='avx512ifma'")
    refused_untouched(t, g, "avx512ifma")


@test
@requires("program")
def a_memory_file_cut_short_leaves_both_ways_open(t):
    g = memory_guest(t)
    o = g.oracle
    path = g.memory_path("s1")
    whole = os.path.join(g.workdir, "whole")
    with open(path, "rb") as f, open(whole, "wb") as to:
        to.write(f.read())
    os.truncate(path, os.path.getsize(whole) // 2)

    r = revert(t, g, rc=3)
    t.has(r.err, f"To go on, run: virsh-ext chain-repair {g.name}")
    t.rc(g.vext("chain-repair", g.name, "--abort"), 0)
    t.eq(g.state(), "shut off")
    with open(whole, "rb") as f, open(path, "wb") as to:
        to.write(f.read())
    o.check_all()
    o.check_chain_clean(start=True)

    os.truncate(path, os.path.getsize(whole) // 2)
    t.has(revert(t, g, rc=1).err, "Nothing was changed")    # it did not run
    o.check_active()

    g.start()
    os.truncate(path, os.path.getsize(whole) // 2)
    revert(t, g, rc=3)
    with open(whole, "rb") as f, open(path, "wb") as to:
        to.write(f.read())
    t.rc(g.vext("chain-repair", g.name), 0)
    o.revert("s1")
    t.eq(g.state(), "running")
    o.check_all()
    o.check_chain_clean()


@test
@requires("program", lambda: matrix.require_faults())
def a_managed_save_that_was_dropped_is_not_called_unchanged(t):
    g = t.guest(start=True)
    o = g.oracle
    o.snapshot("s1")
    o.write("vda", 0, "64k", 0xa1)
    g.virsh("managedsave", g.name)
    r = t.rc(run([*matrix.program(), "-c", g.daemon.uri, "snapshot-revert-external", g.name, "s1",
                  "--force"], check=False, env=matrix.environment("define-domain-after", "int")), 3)
    t.ok("Nothing was changed" not in r.err, r.err)
    t.rc(g.vext("chain-repair", g.name), 0)
    o.revert("s1")
    o.check_all()
    o.check_chain_clean(start=True)


if __name__ == "__main__":
    main()
