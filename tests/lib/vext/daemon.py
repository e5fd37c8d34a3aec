# SPDX-License-Identifier: LGPL-2.1-or-later
"""Private libvirtd processes and roots for the embedded driver.

Each Daemon has a mount namespace with private directories in the place of libvirt's own
(/run/libvirt, /etc/libvirt, ...), so any number of them run side by side, see nothing of the
host's libvirt, and can be restarted and killed. Everything else is the test program's own view,
mounts made later included. See sandbox.py for what ends them."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from . import sandbox, util
from .util import Skip

PRIVATE = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt",
           "cache": "/var/cache/libvirt", "log": "/var/log/libvirt"}

QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
"""
QEMU_USER = """\
user = "root"
group = "root"
"""

_counter = 0


def _caps_seed():
    """Where the capabilities of QEMU are kept between daemons: probing them takes 0.4 s.

    libvirt itself checks whether they are still right (times of the programs, the kernel)."""
    build = os.environ.get("VEXT_BUILDDIR")
    # Among the logs, since "make clean" removes them.
    top = os.path.join(build, "tests", "logs") if build else None
    if not top or not os.access(build, os.W_OK):
        top = os.environ.get("VEXT_TMPDIR") or sandbox.tmpdir()
    return os.path.join(top, "qemu-capabilities" + (util.test_root() or "").replace("/", "-"))


def _seed_caps(cache):
    target = os.path.join(cache, "qemu", "capabilities")
    os.makedirs(target, exist_ok=True)
    for path in glob.glob(os.path.join(_caps_seed(), "*.xml")):
        # A kept time is part of what libvirt compares.
        shutil.copy2(path, target)


def _keep_caps(cache):
    seed = _caps_seed()
    for path in glob.glob(os.path.join(cache, "qemu", "capabilities", "*.xml")):
        target = os.path.join(seed, os.path.basename(path))
        try:
            if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(path):
                continue
            os.makedirs(seed, exist_ok=True)
            fd, temp = tempfile.mkstemp(dir=seed)
            os.close(fd)
            shutil.copy2(path, temp)
            os.replace(temp, target)
        except OSError:
            pass


def _qemu_conf(extra):
    # Of two lines with one name libvirt takes the first.
    return QEMU_CONF + ("" if "user = " in extra else QEMU_USER) + extra + "\n"


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    """A private libvirtd. Daemon().start(), or use it as a context manager.

    qemu_conf, libvirtd_conf: lines to add to the configuration files. debug: log everything.
    tcp: it also listens on a port of the loopback device, tcp_uri, without authentication.
    small: the directories of what it writes of domains and snapshots are small file systems.
    Attributes: dir, uri, ro_uri, admin_uri, socket, admin_socket, pidfile, logfile, etc (its
    /etc/libvirt seen from outside; likewise lib, run, cache, log), pid (None unless running)."""

    def __init__(self, dir=None, qemu_conf="", libvirtd_conf="", debug=False,
                 tcp=False, small=False):
        global _counter
        sandbox.enter()
        util.require_programs("libvirtd", "virsh", "qemu-img", "qemu-io")
        if not (util.have("qemu-system-x86_64")):
            raise Skip("missing: qemu-system-x86_64")
        _counter += 1
        self.dir = dir or os.path.join(sandbox.tmpdir(), f"d{_counter}")
        for name in list(PRIVATE) + ["s"]:
            os.makedirs(os.path.join(self.dir, name), exist_ok=True)
            setattr(self, name, os.path.join(self.dir, name))
        os.chmod(self.dir, 0o755)
        self.small = []
        if small:
            for path in (os.path.join(self.etc, "qemu"), os.path.join(self.lib, "qemu")):
                os.makedirs(path)
                sandbox.mount("tmpfs", path, "tmpfs", 0, "size=2M,mode=0755")
                self.small.append(path)
        self.socket = os.path.join(self.s, "libvirt-sock")
        self.ro_socket = self.socket + "-ro"
        self.admin_socket = os.path.join(self.s, "libvirt-admin-sock")
        self.pidfile = os.path.join(self.dir, "pid")
        self.logfile = os.path.join(self.dir, "libvirtd.log")
        self.uri = f"qemu:///system?socket={self.socket}"
        self.ro_uri = f"qemu:///system?socket={self.ro_socket}"
        self.admin_uri = f"libvirtd:///system?socket={self.admin_socket}"
        self.tcp_uri = None
        if tcp:
            port = _free_port()
            self.tcp_uri = f"qemu+tcp://127.0.0.1:{port}/system"
            libvirtd_conf += ('\nlisten_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\n'
                              f'listen_addr = "127.0.0.1"\ntcp_port = "{port}"\n')
        self._process = None
        self._namespaces = set()
        self._versions = None
        with open(os.path.join(self.etc, "qemu.conf"), "w", encoding="utf-8") as f:
            f.write(_qemu_conf(qemu_conf))
        with open(os.path.join(self.etc, "libvirtd.conf"), "w", encoding="utf-8") as f:
            f.write(f'unix_sock_dir = "{self.s}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
                    'unix_sock_ro_perms = "0777"\nunix_sock_rw_perms = "0777"\n'
                    f'log_outputs = "{1 if debug else 3}:file:{self.logfile}"\n'
                    + (f"log_level = {1 if debug else 3}\n") + libvirtd_conf + "\n")
        _seed_caps(self.cache)

    def _enter(self):
        """In the child, before exec: the private directories."""
        sandbox.die_with_parent()
        sandbox.unshare(sandbox.CLONE_NEWNS)
        sandbox.mount(None, "/", None, sandbox.MS_REC | sandbox.MS_SLAVE)
        root = util.test_root() or ""
        for name, path in PRIVATE.items():
            os.makedirs(root + path, exist_ok=True)
            sandbox.mount(os.path.join(self.dir, name), root + path, None,
                          sandbox.MS_BIND | sandbox.MS_REC)
        if root:
            os.chroot(root)
            os.chdir("/")
        os.setsid()

    @property
    def pid(self):
        if self._process and self._process.poll() is None:
            return self._process.pid
        return None

    def start(self, wait=True):
        """Start libvirtd and wait until it answers. Guests that survived are taken up again."""
        assert self.pid is None, "libvirtd is running already"
        for path in (self.socket, self.ro_socket, self.admin_socket):
            if os.path.lexists(path):
                os.unlink(path)
        env = dict(os.environ)
        for key in list(env):
            # Not for the daemon: they slow it down or lead it elsewhere.
            if key.startswith(("LIBVIRT_", "VIRSH_", "MALLOC_", "G_", "XDG_")):
                del env[key]
        env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        with open(os.path.join(self.dir, "libvirtd.out"), "ab") as out:
            self._process = subprocess.Popen(
                ["libvirtd", "-p", self.pidfile, "-f", "/etc/libvirt/libvirtd.conf",
                 *(["--listen"] if self.tcp_uri else [])],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                preexec_fn=self._enter)
        self._namespaces.add(os.readlink(f"/proc/{self._process.pid}/ns/mnt"))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=30):
        """Wait until the daemon answers."""
        def ready():
            if self._process.poll() is not None:
                raise AssertionError(f"libvirtd ended with {self._process.returncode}\n"
                                     + self.log_tail())
            # It's there before it listens.
            with socket.socket(socket.AF_UNIX) as s:
                return s.connect_ex(self.socket) == 0
        util.wait_for(ready, "libvirtd's socket", timeout)
        util.run(["virsh", "-c", self.uri, "version"], timeout=timeout, root=True, log=False)
        self._namespaces.add(os.readlink(f"/proc/{self._process.pid}/ns/mnt"))

    def stop(self, timeout=20, force=False):
        """Stop libvirtd as an init system would (SIGTERM); its guests go on. force: as an init
        system would also when the timeout is over, SIGKILL."""
        if self.pid is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                if not force:
                    raise AssertionError("libvirtd did not end on SIGTERM\n" + self.log_tail())
        self._process = None
        _keep_caps(self.cache)

    def kill9(self):
        """Kill libvirtd with SIGKILL; its guests go on."""
        if self.pid is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self, **how):
        """stop() and start()."""
        self.stop(**how)
        return self.start()

    def freeze(self):
        """Stop libvirtd in its tracks (SIGSTOP); thaw() lets it go on."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def qemu_pids(self):
        """Process ids of all QEMUs that this daemon has started, dead parents or not."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.readlink(f"/proc/{entry}/ns/mnt") not in self._namespaces:
                    continue
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    argv0 = f.read().split(b"\0")[0]
            except OSError:
                continue
            if b"qemu-system" in argv0:
                found.append(int(entry))
        return found

    def destroy(self):
        """End the daemon and all its guests, at once."""
        _keep_caps(self.cache)
        self.kill9()
        for pid in self.qemu_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        util.wait_for(lambda: not self.qemu_pids(), "QEMU to die")
        while self.small:
            sandbox.umount(self.small.pop())

    def __enter__(self):
        return self if self.pid else self.start()

    def __exit__(self, *_exc):
        self.destroy()

    def env(self, readonly=False):
        """Variables that make virsh and virsh-ext use this daemon without -c."""
        uri = self.ro_uri if readonly else self.uri
        return {"LIBVIRT_DEFAULT_URI": uri, "VIRSH_DEFAULT_CONNECT_URI": uri}

    def log_tail(self, lines=30):
        """The end of the daemon's log."""
        text = ""
        for path in (self.logfile, os.path.join(self.dir, "libvirtd.out")):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += "".join(f.readlines()[-lines:])
        return text

    def qemu_log(self, name):
        """QEMU's log of the domain."""
        path = os.path.join(self.log, "qemu", name + ".log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def virsh(self, *args, check=True, timeout=60, readonly=False, **kwargs):
        """Run virsh on this daemon; the Result."""
        uri = self.ro_uri if readonly else self.uri
        return util.run(["virsh", "-q", "-c", uri, *args], check=check, timeout=timeout,
                        root=True, **kwargs)

    def virsh_batch(self, *commands, timeout=60):
        """Run several commands, each a list of words, in one virsh; their outputs.

        It saves time: a virsh takes 15 ms. Failures show as outputs that are empty."""
        words = []
        mark = "==next=="
        for command in commands:
            words.append(" ".join(re.sub(r"([^\w/.=+-])", r"\\\1", w) for w in command))
        text = f"; echo '{mark}'; ".join(words)
        result = self.virsh(text, check=False, timeout=timeout, log=False)
        outputs = result.out.split(mark)
        if len(outputs) != len(commands):
            raise util.CommandError(result)
        return outputs

    def virt_admin(self, *args, check=True, **kwargs):
        """Run virt-admin on this daemon; the Result."""
        return util.run(["virt-admin", "-c", self.admin_uri, *args], check=check, root=True,
                        **kwargs)

    def vext(self, *args, check=False, timeout=120, readonly=False, **kwargs):
        """Run the program under test on this daemon; the Result. Its failures are returned."""
        uri = self.ro_uri if readonly else self.uri
        return util.run([*util.program(), "-c", uri, *args], check=check, timeout=timeout,
                        **kwargs)

    def remote_vext(self, *args, hidden, check=False, timeout=120, **kwargs):
        """vext() over TCP (tcp=True) in a mount namespace where the directory hidden is empty,
        as it is on another machine than the daemon's."""
        script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
        return util.run(["unshare", "-m", "sh", "-c", script, "sh", hidden, *util.program(),
                         "-c", self.tcp_uri, *args], check=check, timeout=timeout, **kwargs)

    def spawn_vext(self, *args, **kwargs):
        """Start the program under test in the background; the Popen (text pipes)."""
        return util.spawn([*util.program(), "-c", self.uri, *args], **kwargs)

    def versions(self):
        """(libvirt's, QEMU's) version, each a tuple as (9, 0, 0), of this daemon."""
        if self._versions is None:
            out = self.virsh("version", "--daemon", log=False).out
            found = [re.search(what + r".*?(\d+)\.(\d+)\.(\d+)", out)
                     for what in ("against daemon", "hypervisor: QEMU")]
            self._versions = tuple(tuple(map(int, m.groups())) for m in found)
        return self._versions

    def pool(self, name, path):
        """Make and start a directory pool."""
        os.makedirs(path, exist_ok=True)
        self.virsh("pool-create-as", name, "dir", "--target", path)
        return name


class EmbedRoot:
    """A root for qemu:///embed, with the interface of Daemon where that makes sense.

    Every client process is the driver itself and no two can run at once. There is no storage
    API, and guests started by a client live on after it."""

    def __init__(self, dir=None, qemu_conf=""):
        global _counter
        sandbox.enter()
        if util.test_root():
            raise Skip("the embedded driver is the host's own, not that of VEXT_TEST_ROOT")
        util.require_programs("virsh", "qemu-img", "qemu-io", "qemu-system-x86_64")
        _counter += 1
        self.dir = dir or os.path.join(sandbox.tmpdir(), f"e{_counter}")
        self.etc = os.path.join(self.dir, "etc")
        self.log = os.path.join(self.dir, "log")
        self.cache = os.path.join(self.dir, "cache")
        self.logfile = os.path.join(self.dir, "none.log")
        os.makedirs(self.etc, exist_ok=True)
        os.makedirs(self.log, exist_ok=True)
        self.uri = self.ro_uri = f"qemu:///embed?root={self.dir}"
        with open(os.path.join(self.etc, "qemu.conf"), "w", encoding="utf-8") as f:
            f.write(_qemu_conf(qemu_conf))
        _seed_caps(self.cache)

    env = Daemon.env
    virsh = Daemon.virsh
    virsh_batch = Daemon.virsh_batch
    vext = Daemon.vext
    spawn_vext = Daemon.spawn_vext
    qemu_log = Daemon.qemu_log

    def log_tail(self, lines=30):
        return ""

    def start(self):
        return self

    def qemu_pids(self):
        """Process ids of the QEMUs of this root."""
        found = []
        needle = os.fsencode(self.dir) + b"/"
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as f:
                        cmdline = f.read()
                except OSError:
                    continue
                if b"qemu-system" in cmdline.split(b"\0")[0] and needle in cmdline:
                    found.append(int(entry))
        return found

    def destroy(self):
        """End all guests of this root."""
        _keep_caps(self.cache)
        for pid in self.qemu_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        util.wait_for(lambda: not self.qemu_pids(), "QEMU to die")

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.destroy()
