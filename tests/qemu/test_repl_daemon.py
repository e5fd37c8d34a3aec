#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interactive shell with a real daemon: what one virsh keeps, lost connections, jobs."""

import os
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import main, requires, test, util  # noqa: E402
from vext.terminal import shell, stock  # noqa: E402


@test
@requires("program")
def autodestroy_holds_until_the_shell_ends(t):
    g = t.guest()
    term = shell(t, uri=g.daemon.uri).prompt()
    t.has(term.line(f"start {g.name} --autodestroy"), "started")
    t.has(term.line(f"example-show {g.name}; domstate {g.name}"), "running")
    t.eq(g.state(), "running")
    term.send("quit\n")
    t.eq(term.exited(), 0)
    util.wait_for(lambda: g.state() == "shut off", "the guest's end")


@test(cases=[stock, shell])
@requires("program")
def a_lost_connection_is_reported_and_opened_again(t, start):
    d = t.daemon()
    term = start(t, uri=d.uri).prompt()
    t.has(term.line("list"), "Id")
    if start is shell:
        t.has(term.line("example-uri"), "uri=qemu")
    d.restart()
    # at the prompt, by the virsh behind it
    term.until("error: Disconnected from qemu:///system")
    if start is shell:
        term.prompt()
    text = term.line("list")
    t.has(text, "Reconnected to the hypervisor")
    t.has(text, "Id")
    if start is shell:
        t.has(term.line("example-uri"), "uri=qemu")
        d.stop()
        term.wait(lambda text: text.count("error: Disconnected from") >= 2, "the report")
        term.prompt()
        t.has(term.line("example-uri"), "error: ")
        d.start()
        t.has(term.line("example-uri"), "uri=qemu")
        t.has(term.line("list"), "Id")


@test(cases=[stock, shell])
@requires("program")
def interrupt_aborts_a_job(t, start):
    g = t.guest(start=True)
    g.oracle.write("vda", 0, "8M", 1)
    term = start(t, uri=g.daemon.uri).prompt()
    term.send(f"blockcopy {g.name} vda {t.path('copy')} --bandwidth 1 --wait --verbose "
              "--transient-job\n")
    term.until("Block Copy: [")
    term.send("\x03")
    term.until("Copy aborted").prompt()
    t.has(term.line(f"domstate {g.name}"), "running")
    t.eq(g.virsh("blockjob", g.name, "vda").lines, [])


@test(cases=[stock, shell])
@requires("program")
def a_console_gets_the_terminal(t, start):
    g = t.guest()
    g.define(g.domain_xml().replace("</devices>", "<serial type='pty'/></devices>"))
    term = start(t, "-e", "^X", uri=g.daemon.uri).prompt()
    term.send(f"start {g.name} --console\n")
    term.until("Escape character is ^X")
    util.wait_for(lambda: not termios.tcgetattr(term.master)[3] & termios.ISIG, "raw mode")
    term.send("\x18")
    term.prompt()
    t.has(term.line(f"domstate {g.name}"), "running")
    term.send(f"console {g.name}\n")
    term.wait(lambda text: text.count("Escape character is ^X") == 2, "the console again")
    util.wait_for(lambda: not termios.tcgetattr(term.master)[3] & termios.ISIG, "raw mode")
    term.send("\x18")
    term.prompt()
    t.has(term.line("echo a"), "a\n")


@test
@requires("program")
def own_and_stock_commands_take_turns_on_the_embedded_driver(t):
    g = t.guest(daemon=t.embed())
    term = shell(t, uri=g.daemon.uri).prompt()
    t.has(term.line("list --all"), g.name)
    t.has(term.line("example-uri; domstate vm1; example-uri"), "shut off")
    t.has(term.line("example-uri"), "uri=qemu:///embed")
    t.has(term.line("domin\tvm\t"), "shut off")
    t.has(term.line("connect test:///default"), "\n")
    t.has(term.line("example-uri"), "uri=test:///default")
    t.has(term.line("list"), "test")
    t.has(term.line(f"connect {g.daemon.uri}"), "\n")
    t.has(term.line("example-uri; list --all"), g.name)
    term.send("\x04")
    t.eq(term.exited(), 0)
    r = g.daemon.vext("list --all; host-check; domstate vm1")
    t.has(r.out, "shut off")


if __name__ == "__main__":
    main()
