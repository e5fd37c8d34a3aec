# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces of its own for a test program: nothing that it starts or mounts outlives it.

enter() moves the calling program into new mount and process namespaces:

    the program as started    waits, then removes the temporary directory
      +- process 1            reaps orphans (libvirt waits for dead QEMUs otherwise)
           +- the program     goes on from enter() here

When the program ends or is killed in whatever way, the kernel kills process 1 and with it
every daemon and every QEMU, and the mounts go with the namespace."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from .util import Skip, test_root

CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC = 1, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 18, 1 << 19, 1 << 20
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_entered = False
_tmpdir = None


def _check(rc, what):
    if rc != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def mount(source, target, fstype=None, flags=0, data=None):
    """mount(2)."""
    def enc(s):
        return None if s is None else os.fsencode(s)
    _check(_libc.mount(enc(source), enc(target), enc(fstype), ctypes.c_ulong(flags), enc(data)),
           f"mount {target}")


def umount(target):
    """umount2(2), lazily."""
    _check(_libc.umount2(os.fsencode(target), 2), f"umount {target}")


def die_with_parent():
    """For preexec_fn: be killed when the parent ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tmpdir():
    """The temporary directory of this program. It's short: UNIX sockets lie in it."""
    enter()
    return _tmpdir


def _remove(path):
    if os.environ.get("VEXT_TEST_KEEP"):
        print(f"# kept {path}", flush=True)
        return
    try:
        shutil.rmtree(path)
    except OSError:
        subprocess.run(["chattr", "-R", "-i", "-a", path], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(path, ignore_errors=True)


def why_not():
    """Why there can be no sandbox here, or None."""
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists("/proc/self/ns/pid"):
        return "no process namespaces"
    return None


def enter():
    """Move this program into its sandbox; call it once, before threads are started.

    Raises Skip where that isn't permitted. A second call does nothing."""
    global _entered, _tmpdir
    if _entered:
        return
    reason = why_not()
    if reason:
        raise Skip("needs root and namespaces of its own: " + reason)
    parent = os.environ.get("VEXT_TMPDIR") or "/tmp"
    try:
        # A trial in a child: after a failed unshare this process couldn't go on normally.
        pid = os.fork()
        if pid == 0:
            try:
                unshare(CLONE_NEWNS | CLONE_NEWPID)
                mount(None, "/", None, MS_REC | MS_PRIVATE)
                os._exit(0)
            except OSError:
                os._exit(1)
        if os.waitpid(pid, 0)[1] != 0:
            raise Skip("mount and process namespaces are not permitted here")
    except OSError as e:
        raise Skip(f"namespaces: {e}")
    _tmpdir = tempfile.mkdtemp(prefix="vx", dir=parent)
    os.chmod(_tmpdir, 0o755)
    sys.stdout.flush()
    sys.stderr.flush()
    unshare(CLONE_NEWPID)
    init = os.fork()
    if init:
        _wait_outside(init)
    die_with_parent()
    inner = os.fork()
    if inner:
        _process_one(inner)
    _entered = True
    unshare(CLONE_NEWNS)
    # Nothing goes back to the host; what's mounted here later reaches the daemons' namespaces.
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(None, "/", None, MS_REC | MS_SHARED)
    mount("proc", "/proc", "proc")
    _hide_kvm()
    if test_root():
        _prepare_root(test_root())


def _wait_outside(init):
    """The original process: hand signals on, wait, clean up, end as the program ended."""
    def stop(_signo, _frame):
        os.kill(init, signal.SIGKILL)
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signo, stop)
    while True:
        try:
            _, status = os.waitpid(init, 0)
            break
        except InterruptedError:
            continue
    _remove(_tmpdir)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def _process_one(inner):
    """Process 1 of the namespace: reap everything, end with the program."""
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)
    while True:
        pid, status = os.wait()
        if pid == inner:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _hide_kvm():
    """Put something in the place of /dev/kvm that nobody, not even root, can open to write.

    With a node that can be opened and not be used, libvirt probes QEMU at every call."""
    if os.path.exists("/dev/kvm"):
        nokvm = os.path.join(_tmpdir, "nokvm")
        with open(nokvm, "w", encoding="ascii"):
            pass
        mount(nokvm, "/dev/kvm", None, MS_BIND)
        mount(None, "/dev/kvm", None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def _prepare_root(root):
    """Make the tree of VEXT_TEST_ROOT usable: system directories and our own at the same path."""
    for path in ["/proc", "/sys", "/dev", "/tmp"] + (
            [] if _tmpdir.startswith("/tmp/") else [_tmpdir]):
        os.makedirs(root + path, exist_ok=True)
        mount(path, root + path, None, MS_BIND | MS_REC)
    os.makedirs(root + "/run", exist_ok=True)
    mount("tmpfs", root + "/run", "tmpfs")
