# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways to make things go wrong."""

import contextlib
import os
import shutil
import signal

from . import sandbox, util
from .guest import size_of


def kill_qemu(guest):
    """SIGKILL the guest's QEMU and wait until libvirt has noticed."""
    pid = guest.qemu_pid()
    assert pid, f"no QEMU of {guest.name}"
    os.kill(pid, signal.SIGKILL)
    util.wait_for(lambda: guest.qemu_pid() is None, "QEMU to die")
    if getattr(guest.daemon, "pid", None):
        util.wait_for(lambda: not guest.is_active(), "libvirt to notice that QEMU is dead")


def points(guest, *args, check=True):
    """Run the program under test undisturbed; the names of the fault points that it passed, in
    order, the n-th passage of a name as 'NAME:n'. Skip if it was built without them."""
    path = os.path.join(guest.workdir, "fault-points")
    with open(path, "w", encoding="ascii"):
        pass
    guest.vext(*args, env={"VEXT_FAULT_LIST": path}, check=check)
    with open(path, encoding="utf-8") as f:
        names = f.read().split()
    if not names:
        raise util.Skip("virsh-ext is built without fault points")
    seen, found = {}, []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}:{seen[name]}")
    return found


def vext_at(guest, point, action, *args, **kwargs):
    """Run the program under test with an action ('kill', 'int', 'exit', 'stop') at a point as
    points() names it; the Result (rc is -9 after 'kill', 99 after 'exit')."""
    name, _, count = point.partition(":")
    fault = f"{name}:{action}" + (f":{count}" if count else "")
    env = {**kwargs.pop("env", {}), "VEXT_FAULT": fault}
    return guest.vext(*args, env=env, **kwargs)


def small_fs(path, size="64M"):
    """Mount a tmpfs of the given size on path (made if missing); the path. The daemons see it,
    and it goes away with the test program, or by unmount()."""
    sandbox.enter()
    os.makedirs(path, exist_ok=True)
    sandbox.mount("tmpfs", path, "tmpfs", 0, f"size={size_of(size)},mode=0755")
    return path


def unmount(path):
    """Take a small_fs() away."""
    sandbox.umount(path)


def free(path):
    """Bytes free in the file system."""
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


@contextlib.contextmanager
def full(path, leave=0):
    """Fill the file system of the directory up to the given number of bytes that stay free.
    Only on a small_fs()."""
    ballast = os.path.join(path, ".ballast")
    size = free(path) - size_of(leave)
    assert size < 1 << 30, "not a small file system"
    try:
        with open(ballast, "wb") as f:
            try:
                os.posix_fallocate(f.fileno(), 0, max(size, 1))
            except OSError:
                pass
        yield ballast
    finally:
        if os.path.exists(ballast):
            os.unlink(ballast)


@contextlib.contextmanager
def immutable(*paths):
    """chattr +i on the files or directories for a while; Skip where that can't be done."""
    if not shutil.which("chattr"):
        raise util.Skip("missing: chattr")
    done = []
    try:
        for path in paths:
            result = util.run(["chattr", "+i", path], check=False, log=False)
            if result.rc != 0:
                raise util.Skip("chattr +i: " + result.err.strip())
            done.append(path)
        yield
    finally:
        for path in done:
            util.run(["chattr", "-i", path], check=False, log=False)
