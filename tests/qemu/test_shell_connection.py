#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The session's connection of own commands: lost, reported and opened again, as virsh's."""

import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext import util  # noqa: E402


def plugin(t):
    """The folder of the example plugin, built for this test."""
    folder = t.path("plugins")
    os.mkdir(folder, 0o755)
    flags = util.run(["pkg-config", "--cflags", "--libs", "libvirt"]).out.split()
    util.run(shlex.split(os.environ.get("CC") or "cc") +
             ["-shared", "-fPIC", "-I" + os.path.join(util.srcdir(), "include"),
              os.path.join(util.srcdir(), "tests/unit/example-plugin.c"),
              "-o", folder + "/example.so"] + flags)
    return folder


class Shell:
    """virsh-ext with pipes: a line in, its output and errors out."""

    def __init__(self, t, uri):
        env = dict(os.environ, VIRSH_EXT_PLUGIN_PATH=plugin(t), LC_ALL="C")
        program = os.path.join(util.builddir(), "virsh-ext", "virsh-ext")
        self.process = subprocess.Popen([program, "-q", "-c", uri], stdin=subprocess.PIPE, env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        t.cleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()

    def until(self, text):
        """What is printed up to the text."""
        seen = b""
        while text.encode() not in seen:
            chunk = os.read(self.process.stdout.fileno(), 4096)
            if not chunk:
                break
            seen += chunk
        return seen.decode()

    def line(self, line, text):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.until(text)


@test
@requires("program")
def a_lost_connection_is_opened_again(t):
    daemon = t.daemon()
    shell = Shell(t, daemon.uri)
    t.has(shell.line("example-uri", "cwd="), "uri=" + daemon.uri.split("?")[0])
    daemon.stop()
    t.has(shell.until("Disconnected"), "error: Disconnected")
    daemon.start()
    t.has(shell.line("example-uri", "cwd="), "error: Reconnected to the hypervisor\n")
    t.ok("Reconnected" not in shell.line("example-uri", "cwd="), "it is said once")


@test
@requires("program")
def a_daemon_that_is_gone_is_an_error(t):
    daemon = t.daemon()
    shell = Shell(t, daemon.uri)
    shell.line("example-uri", "cwd=")
    daemon.stop()
    shell.until("Disconnected")
    # the second time too, as virsh
    for _ in range(2):
        t.has(shell.line("example-uri", "error: Failed to connect socket"),
              "error: Failed to reconnect to the hypervisor\n")
    daemon.start()
    t.has(shell.line("example-uri", "cwd="), "uri=")


if __name__ == "__main__":
    main()
