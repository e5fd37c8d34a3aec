# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test harness: private daemons, small guests, an oracle of disk contents, TAP.

A test program (Python's standard library only, tests/qemu/test_*.py and the like):

    #!/usr/bin/python3
    # SPDX-License-Identifier: LGPL-2.1-or-later
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
    from vext import *

    @test
    @requires("program")                    # skip unless virsh-ext is built
    def delete_the_middle_snapshot_of_a_running_guest(t):
        g = t.guest(disks=2, start=True)    # on a libvirtd of its own; defined and running
        o = g.oracle                        # before anything is written
        o.write("vda", 0, "64k", 0xaa)      # into the disk and into its model
        o.snapshot("s1")                    # virsh snapshot-create-as, and copies of the models
        o.write("vdb", "1M", "64k", 0xbb)
        o.snapshot("s2", disks=["vda"])     # vdb is left out
        o.write("vda", "32k", "64k", 0xcc)
        r = t.rc(g.vext("snapshot-delete-external", g.name, "s1"), 0)
        t.has(r.out, "Domain snapshot s1 deleted")
        o.deleted("s1")                     # active disks and the other snapshots: right?
        o.check_chain_clean()               # no leak, stray file, helper domain or job
        t.eq(g.current(), "s2")

    if __name__ == "__main__":
        main()                              # arguments: names of tests; -l lists

util     run(argv) -> Result(rc, out, err, lines), wait_for(condition, what), spawn
daemon   Daemon: start stop kill9 restart freeze thaw destroy, uri ro_uri admin_uri env() virsh()
         vext() remote_vext() spawn_vext() virt_admin() pool() versions() qemu_pids() log_tail();
         EmbedRoot
guest    Guest: virsh vext hmp, state start destroy pause resume undefine define, xml active
         chain sources, snapshot snapshots snapshot_xml current parent tree; image(), qemu_img()
oracle   Oracle: write fill flush snapshot taken forget revert resize, check_active
         check_snapshot check_all deleted check_chain_clean (failures are Mismatch)
faults   kill_qemu small_fs full immutable points vext_at
tap      test requires skip supported main, T: dir path daemon embed guest cleanup
         ok eq has rc raises

A program of several tests runs in mount and process namespaces of its own (sandbox.py); what it
starts ends with it. Variables: VEXT (the program under test), VEXT_BUILDDIR, VEXT_SRCDIR,
VEXT_TEST_KEEP=1 (keep the directories), VEXT_TEST_TIMES=1, VEXT_TEST_TIMEOUT_FACTOR,
VEXT_TEST_ROOT (a Debian tree made by tests/lib/make-root whose libvirt and QEMU are used)."""

from . import faults, guest, oracle, sandbox, util
from .daemon import Daemon, EmbedRoot
from .guest import Disk, Guest, image, qemu_img, size_of
from .oracle import Mismatch, Oracle
from .tap import T, main, requires, skip, supported, test
from .util import CommandError, Result, Skip, run, spawn, wait_for

__all__ = ["CommandError", "Daemon", "Disk", "EmbedRoot", "Guest", "Mismatch", "Oracle",
           "Result", "Skip", "T", "faults", "guest", "image", "main", "oracle", "qemu_img",
           "requires", "run", "sandbox", "size_of", "skip", "spawn", "supported", "test", "util",
           "wait_for"]
