# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs on a terminal: virsh-ext's shell and virsh's, driven through a pty."""

import fcntl
import os
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time

from . import util

PROMPT = re.compile(r"virsh(-ext)? [#>] \Z")
# polkit's agent, started by virsh on a terminal, says this at a moment of its own
NOISE = re.compile(r"Authorization not available\. Check if polkit service is running[^\n]*\n")


def virsh():
    """The stock virsh."""
    return os.environ.get("VIRSH") or "/usr/bin/virsh"


def example_plugin(t):
    """The folder of the example plugin, built for this test."""
    folder = t.path("plugins")
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o755)
        flags = util.run(["pkg-config", "--cflags", "--libs", "libvirt"]).out.split()
        cc = shlex.split(os.environ.get("CC") or "cc")
        util.run(cc + ["-shared", "-fPIC", "-DEXAMPLE_NAME=\"example\"",
                       "-I" + os.path.join(util.srcdir(), "include"),
                       os.path.join(util.srcdir(), "tests/unit/example-plugin.c"),
                       "-o", folder + "/example.so"] + flags)
    return folder


class Terminal:
    """A program on a terminal of its own, which is its session's."""

    def __init__(self, t, argv, env=None, cwd=None):
        full = dict(os.environ, TERM="dumb", INPUTRC="/dev/null", LC_ALL="C.UTF-8",
                    XDG_CACHE_HOME=t.path("cache"))
        for name in ("VIRSH_HISTSIZE", "LIBVIRT_DEFAULT_URI", "VIRSH_DEFAULT_CONNECT_URI"):
            full.pop(name, None)
        full.update(env or {})
        self.text = ""
        self.closed = False
        self.status = None
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(slave, fd)
                os.closerange(3, 64)
                if cwd:
                    os.chdir(cwd)
                os.execvpe(argv[0], argv, full)
            finally:
                os._exit(127)
        os.close(slave)
        t.cleanup(self.end)

    def read(self, timeout):
        ready = select.select([self.master], [], [], timeout)[0]
        if not ready or self.closed:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        self.closed = not data
        self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return True

    def wait(self, condition, what, timeout=20):
        """Read until condition(text) is true."""
        deadline = time.monotonic() + timeout
        while not condition(self.text):
            if self.closed or time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}; the terminal: {self.text!r}")
            self.read(0.1)
        return self.text

    def send(self, keys):
        os.write(self.master, keys.encode())

    def prompt(self):
        self.wait(lambda text: PROMPT.search(text), "the prompt")
        return self

    def line(self, line):
        """Type a line; what it printed, when the prompt is there again."""
        start = len(self.text)
        self.send(line + "\n")
        self.wait(lambda text: "\n" in text[start:] and PROMPT.search(text),
                  f"the prompt after {line!r}")
        return NOISE.sub("", self.text[start:]).split("\n", 1)[1].rsplit("virsh", 1)[0]

    def until(self, part):
        """Wait for the text to come."""
        self.wait(lambda text: part in text, repr(part))
        return self

    def exited(self, timeout=20):
        """Wait for the end: exit status, or minus the signal."""
        deadline = time.monotonic() + timeout
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"still runs; the terminal: {self.text!r}")
            else:
                self.read(0.02)
        while not self.closed and self.read(0.2):
            pass
        return self.status

    def children(self):
        """All processes below."""
        found, todo = [], [self.pid]
        while todo:
            r = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(todo.pop())],
                               stdout=subprocess.PIPE, text=True, check=False)
            for line in r.stdout.splitlines():
                pid, comm = line.split(None, 1)
                if comm != "ps":
                    found.append((int(pid), comm))
                    todo.append(int(pid))
        return found

    def virsh(self):
        """The pid of the virsh behind the shell."""
        return [pid for pid, comm in self.children() if comm == "virsh"][0]

    def end(self):
        if self.status is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(self.pid, 0)
        os.close(self.master)


def shell(t, *args, env=None, uri=None, **kwargs):
    """Our shell with the example plugin, at its prompt."""
    full = {"VIRSH_EXT_PLUGIN_PATH": example_plugin(t)}
    full.update(env or {})
    return Terminal(t, util.program() + (["-c", uri] if uri else []) + list(args), env=full,
                    **kwargs)


def stock(t, *args, env=None, uri=None, **kwargs):
    return Terminal(t, [virsh()] + (["-c", uri] if uri else []) + list(args), env=env, **kwargs)


def catches(pid, sig):
    with open(f"/proc/{pid}/status") as f:
        mask = int(re.search(r"^SigCgt:\s*(\w+)", f.read(), re.M)[1], 16)
    return bool(mask & 1 << sig - 1)


def start_event(term):
    """Let virsh wait for events, and return when Ctrl-C would end just that."""
    term.send("event --all --loop\n")
    term.until("event --all --loop\n")
    pid = term.virsh() if any(c == "virsh" for _, c in term.children()) else term.pid
    # at its prompt it catches both
    util.wait_for(lambda: catches(pid, signal.SIGINT) and not catches(pid, signal.SIGTERM),
                  "virsh's handler")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
