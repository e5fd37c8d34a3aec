#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interactive shell on a terminal, compared with virsh's where virsh has the same."""

import os
import re
import shlex
import signal
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import main, requires, skip, test, util  # noqa: E402
from vext import terminal  # noqa: E402
from vext.terminal import (NOISE, PROMPT, Terminal, alive, example_plugin,  # noqa: E402
                           start_event)

URI = "test:///default"


def shell(t, *args, uri=URI, **kwargs):
    return terminal.shell(t, *args, uri=uri, **kwargs)


def stock(t, *args, uri=URI, **kwargs):
    return terminal.stock(t, *args, uri=uri, **kwargs)


def plain(text):
    """Without what may differ: our name, times."""
    text = NOISE.sub("", text).replace("virsh-ext", "virsh")
    return re.sub(r"\(Time: [0-9.]+ ms\)", "(Time: N ms)", text)


def same(t, lines, args=(), env=None, uri=URI, end="\x04"):
    """Both shells print the same for these lines and end the same way."""
    seen = []
    for start in (stock, shell):
        term = start(t, *args, env=env, uri=uri)
        term.wait(lambda text, term=term: PROMPT.search(text) or term.closed, "the prompt")
        for line in lines:
            if term.closed:
                break
            start = len(term.text)
            term.send(line + "\n")
            term.wait(lambda text, term=term, start=start: term.closed or (
                "\n" in text[start:] and PROMPT.search(text)), f"the prompt after {line!r}")
        if not term.closed and end:
            term.send(end)
        status = term.exited()
        seen.append((status, plain(term.text)))
    t.eq(seen[1], seen[0], "our shell's transcript")
    return seen[1]


SCRIPTS = {
    "commands": ["list", "list --all; domuuid test", "domstate test", "  echo  a   b  "],
    "errors": ["bogus", "list; bogus", "list --bogus", "dominfo", "dominfo nope", "echo 'a",
               "echo \"a", "echo a\\", "list extra", "dominfo --domain", "start --x=y test"],
    "blank": ["", "   ", "# comment", ";", "; ;", "echo a # b", "echo a;# b;"],
    "quotes": ["echo 'a b' \"c d\" e\\ f", "echo --shell 'it'\\''s'", "echo --xml '<a>'",
               "echo 'a;b'; echo c", "echo ä€😀"],
    "help": ["help list", "list --help", "help bogus", "help echo; echo b"],
    "folder": ["cd /tmp", "pwd", "cd /nonexistent", "pwd", "cd /", "pwd"],
    "state": ["destroy test", "list --all", "start test", "list", "suspend test", "list",
              "snapshot-create-as test s1", "snapshot-list test --name", "shutdown test"],
    "connect": ["uri", "connect bogus:///", "uri", f"connect {URI} --readonly", "uri",
                "destroy test", f"connect --name {URI}", "destroy test",
                "connect; list --all", f"connect {URI}; uri; connect nope:///; uri"],
    "terminal": ["console test", "edit nope", "edit", "echo a; edit nope; echo b", "edit 'x",
                 "console", "edit --help", "net-edit nope; bogus", "desc test --edit --bogus"],
    "quit": ["echo a; quit; echo b"],
    "exit": ["exit"],
    "quit-help": ["quit --help", "quit"],
    "long": ["echo " + "x" * 3000],
}


@test(cases=sorted(SCRIPTS))
def prints_what_virsh_prints(t, name):
    same(t, SCRIPTS[name])


@test
def read_only_quiet_and_timing_are_virshs(t):
    same(t, ["list", "destroy test", "connect", "destroy test"], args=["-r"])
    same(t, ["list", "echo a", "cd /", "bogus"], args=["-q"])
    same(t, ["list", "echo a; echo b", "bogus"], args=["-t"])


@test
def without_a_uri_it_connects_with_the_first_command_that_needs_it(t):
    env = {"LIBVIRT_DEFAULT_URI": URI}
    same(t, ["echo a", "list", "uri"], uri=None, env=env)
    same(t, ["uri"], uri=None, env={"VIRSH_DEFAULT_CONNECT_URI": URI})
    same(t, ["uri", f"connect {URI}", "uri"], uri=None, env={"LIBVIRT_DEFAULT_URI": "nope:///"})


@test
def a_uri_that_fails_ends_it_at_once(t):
    status, _ = same(t, [], uri="nope:///", end=None)
    t.eq(status, 1)


@test
def the_end_of_input_ends_it(t):
    status, text = same(t, ["echo a"], end="\x04")
    t.eq(status, 0)
    t.ok(text.endswith("virsh # \n"), f"a line's end after the prompt: {text!r}")


@test
def standard_error_goes_where_it_was_sent(t):
    seen = []
    for argv in ([terminal.virsh()], util.program()):
        path = t.path("err")
        term = Terminal(t, ["sh", "-c", 'exec "$@" 2>' + path, "sh", *argv, "-c", URI],
                        env={"VIRSH_EXT_PLUGIN_PATH": example_plugin(t)}).prompt()
        term.line("list; list")
        term.line("bogus")
        term.line("dominfo nope; echo a; dominfo nope")
        term.line("connect test:///nope")
        term.send("\x04")
        term.exited()
        with open(path, encoding="utf-8") as f:
            seen.append((plain(term.text), NOISE.sub("", f.read())))
    t.eq(seen[1], seen[0])
    t.has(seen[1][1], "unknown command: 'bogus'")


@test
def interrupt_at_the_prompt_ends_it(t):
    seen = []
    for start in (stock, shell):
        term = start(t).prompt()
        term.send("echo ab")
        term.until("echo ab")
        term.send("\x03")
        seen.append(term.exited())
    t.eq(seen, [-signal.SIGINT, -signal.SIGINT])


@test
def interrupt_ends_event_and_not_the_shell(t):
    for start in (stock, shell):
        term = start(t).prompt()
        start_event(term)
        term.send("\x03")
        term.until("events received: 0").prompt()
        t.eq(term.line("echo still here").strip(), "still here")


@test
def type_ahead_waits_for_its_turn(t):
    term = shell(t).prompt()
    term.send("echo one\necho two; example-status 0\nexample-uri\nlist\necho three\n")
    term.until("echo three\nthree\n").prompt()
    text = plain(term.text)
    order = [text.index(x) for x in ("\none", "\ntwo", "\nuri=", "1    test", "\nthree")]
    t.eq(order, sorted(order), "the order of the outputs")


@test
def own_and_stock_commands_share_a_line(t):
    term = shell(t).prompt()
    t.eq(term.line("echo a; example-show dom --flag; echo b").split(),
         "a name=example-show domain=dom extra=(none) mode=(none) flag=yes timeout=0:0 "
         "size=0:0 readonly=no shown b".split())
    t.eq(term.line("example-show --bogus"),
         "error: command 'example-show' doesn't support option --bogus\n")
    t.eq(term.line("echo a; example-show --bogus; echo b"),
         "error: command 'example-show' doesn't support option --bogus\n")
    t.eq(term.line("example-uri; bogus"), "error: unknown command: 'bogus'\n")
    t.eq(term.line("example-status 1; echo b").split("\n")[-3:], ["", "b", ""])
    term.send("echo a; quit; example-uri\n")
    t.eq(term.exited(), 0)
    t.ok("uri=" not in term.text, "nothing runs after quit")


@test
def own_commands_follow_connect_and_cd(t):
    term = shell(t).prompt()
    folder = os.path.realpath(t.dir)
    t.eq(term.line("example-uri").split(), ["uri=" + URI, "cwd=" + os.getcwd()])
    term.line("cd " + folder)
    t.has(term.line("example-uri"), "cwd=" + folder)
    t.has(term.line("example-show d"), "readonly=no")
    other = t.path("node.xml")
    with open(other, "w") as f:
        f.write("<node><domain type='test'><name>other</name><memory>1</memory>"
                "<os><type>hvm</type></os></domain></node>")
    t.eq(term.line(f"connect test://{other} --readonly"), "\n")
    t.ok(term.text.endswith("virsh-ext > "), "the prompt says read-only")
    t.has(term.line("example-uri"), f"uri=test://{other}")
    t.has(term.line("example-show d"), "readonly=yes")
    t.has(term.line("list; example-uri"), "other")
    # a failed one leaves everything as it is
    t.has(term.line("connect nope:///"), "error:")
    t.has(term.line("example-uri"), f"uri=test://{other}")
    t.has(term.line("connect nope:///; example-uri"), f"uri=test://{other}")
    t.has(term.line(f"connect {URI}; example-uri; uri"), f"uri={URI}")
    t.ok(term.text.endswith("virsh-ext # "), "the prompt says read-write")


@test
def interrupt_ends_an_own_command_and_not_the_shell(t):
    term = shell(t).prompt()
    term.send("example-wait\n")
    term.until("waiting\n")
    term.send("\x03")
    term.until("error: Interrupted\n").prompt()
    t.eq(term.line("echo a"), "a\n")


@test
def history_is_kept_in_a_file_of_its_own(t):
    lines = ["list", "list", "bogus", "  ", "echo a"]
    same(t, lines + ["quit"])
    with open(t.path("cache/libvirt/virsh/history")) as f:
        theirs = f.read()
    with open(t.path("cache/libvirt/virsh-ext/history")) as f:
        ours = f.read()
    t.eq(ours, theirs)
    term = shell(t).prompt()
    term.send("\x10\x10\n")         # the line before quit
    term.until("\na\n").prompt()
    term.send("quit\n")
    term.exited()
    with open(t.path("cache/libvirt/virsh/history")) as f:
        t.eq(f.read(), theirs, "virsh's own history")
    term = shell(t, env={"VIRSH_HISTSIZE": "2"}).prompt()
    term.send("quit\n")
    term.exited()
    with open(t.path("cache/libvirt/virsh-ext/history")) as f:
        t.eq(f.read(), "quit\nquit\n")


@test
def a_bad_history_size_is_reported_as_by_virsh(t):
    for value in ("x", "-1", "500001", "12x"):
        same(t, ["echo a"], env={"VIRSH_HISTSIZE": value})
    t.ok(not os.path.exists(t.path("cache/libvirt/virsh-ext")), "no history is written")


@test
def tab_completes_stock_and_own_commands(t):
    term = shell(t).prompt()
    t.has(term.line("dominfo te\t"), "running")
    t.has(term.line("dominf\tte\t"), "running")
    t.has(term.line("dominfo --dom\ttest"), "running")
    t.has(term.line("echo a; dominfo te\t"), "running")
    t.has(term.line("example-u\t"), "uri=" + URI)
    t.has(term.line("example-sh\tte\t--fl\t"), "domain=test")
    t.has(term.line("example-show --domain=te\t --flag"), "domain=test")
    t.has(term.line("example-uri; dominfo te\t"), "running")
    os.mkdir(t.path("a folder"))
    term.line("cd " + t.dir)
    # two candidates are listed
    term.send("example-\t\t")
    term.until("example-uri").until("example-wait")
    term.send("\x15list\n")
    term.until("running")


@test
def tab_completes_file_names(t):
    os.makedirs(t.path("folder/below/deeper"))
    os.mkdir(t.path("folder/beside"))
    with open(t.path("folder/below/file"), "w", encoding="utf-8"):
        pass
    for start in (stock, shell):
        term = start(t).prompt()
        term.line("cd " + t.path("fol") + "\tbel\tdee\t")
        t.eq(term.line("pwd").strip(), t.path("folder/below/deeper"), str(start))
        term.line("cd ..")
        t.has(term.line("define fi\t"), "Document is empty")
        term.line("cd " + t.path("folder/be") + "\tside")
        t.eq(term.line("pwd").strip(), t.path("folder/beside"), str(start))


@test
def an_editor_gets_the_terminal(t):
    editor = t.path("editor")
    with open(editor, "w") as f:
        f.write("#!/bin/sh\ntest -t 0 && test -t 1 && tty && echo \"TERM=$TERM\"\n"
                "read -r answer\necho \"answer=$answer\"\n")
    os.chmod(editor, 0o755)
    for start in (stock, shell):
        term = start(t, env={"EDITOR": editor, "VISUAL": editor, "TERM": "vt100"}).prompt()
        term.send("edit test\n")
        term.until("TERM=vt100\n")
        term.send("yes\n")
        term.until("answer=yes\n").prompt()
        t.has(term.text, "not changed")
        t.has(term.line("echo a"), "a\n")


@test(cases=["TERM", "HUP", "KILL", "INT"])
def no_child_stays_behind(t, name):
    number = signal.Signals["SIG" + name]
    for doing in ("nothing", "event", "example-wait"):
        term = shell(t).prompt()
        virsh = term.virsh()
        if doing == "event":
            start_event(term)
        elif doing == "example-wait":
            term.send("example-wait\n")
            term.until("waiting\n")
        os.kill(term.pid, number)
        if doing != "nothing" and name == "INT":    # that command ends, as in virsh
            term.until("rror: Interrupted" if doing == "example-wait" else "received: 0")
            term.prompt().send("quit\n")
            t.eq(term.exited(), 0, doing)
        else:
            t.eq(term.exited(), -number, doing)
        util.wait_for(lambda pid=virsh: not alive(pid), "virsh's end")


@test
def a_hangup_ends_everything(t):
    term = shell(t).prompt()
    pids = [term.pid, term.virsh()]
    term.line("list")
    os.close(term.master)
    term.master = os.open("/dev/null", os.O_RDONLY)
    util.wait_for(lambda: os.waitpid(term.pid, os.WNOHANG)[0], "the shell's end")
    term.status = 0
    util.wait_for(lambda: not any(alive(p) for p in pids), "the end of all")


@test
def a_killed_virsh_is_reported_and_replaced(t):
    term = shell(t).prompt()
    virsh = term.virsh()
    os.kill(virsh, signal.SIGKILL)
    term.until("signal 9")
    t.has(term.line("list"), "running")
    t.ok(term.virsh() != virsh, "another virsh runs")
    start_event(term)
    os.kill(term.virsh(), signal.SIGSEGV)
    util.wait_for(lambda: (term.read(0.1), term.text.count("by signal 11"))[1], "the report")
    t.has(term.prompt().line("list"), "running")


@test
def a_virsh_that_the_user_kills_takes_the_shell_with_it(t):
    term = shell(t).prompt()
    start_event(term)
    os.kill(term.virsh(), signal.SIGTERM)
    t.eq(term.exited(), -signal.SIGTERM)


@test
def without_virsh_own_commands_work(t):
    term = shell(t, env={"VIRSH_EXT_VIRSH": "/nonexistent/virsh"}).prompt()
    t.has(term.text, "Welcome to virsh-ext, the virtualization interactive terminal.")
    t.has(term.line("example-uri"), "uri=" + URI)
    t.has(term.line("list"), "error:")
    t.has(term.line("example-uri; list"), "error:")
    term.send("\x04")
    t.eq(term.exited(), 0)
    t.ok(term.text.endswith("virsh-ext # \n"), "a line's end after the prompt")


@test
def itself_in_virshs_place_is_refused(t):
    term = shell(t, env={"VIRSH_EXT_VIRSH":
                         os.path.join(util.builddir(), "virsh-ext/virsh-ext")})
    t.eq(term.exited(), 1)
    t.has(term.text, "VIRSH_EXT_VIRSH")


@test
@requires("bash")
def suspend_and_resume_with_job_control(t):
    if os.environ.get("VEXT_WRAPPER"):
        skip("the processes have the wrapper's name")

    def asleep(pid):
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    term = Terminal(t, ["bash", "--norc", "--noprofile", "-i"],
                    env={"PS1": "sh$ ", "VIRSH_EXT_PLUGIN_PATH": example_plugin(t)})
    term.until("sh$ ")
    term.send(shlex.join(util.program() + ["-c", URI]) + "\n")
    term.prompt()
    pids = [pid for pid, comm in term.children() if comm in ("virsh", "virsh-ext")]
    # while a stock command runs
    start_event(term)
    term.send("\x1a")
    term.wait(lambda text: text.endswith("sh$ "), "the outer shell")
    util.wait_for(lambda: all(asleep(p) for p in pids), "both being stopped")
    term.send("fg\n")
    util.wait_for(lambda: not any(asleep(p) for p in pids), "going on")
    term.until("fg\n").send("\x03")
    term.until("events received: 0").prompt()
    t.has(term.line("list"), "running")
    # at the prompt
    term.send("echo ab")
    term.until("echo ab")
    term.send("\x1a")
    term.wait(lambda text: text.endswith("sh$ "), "the outer shell")
    term.send("fg\n")
    term.wait(lambda text: text.count("fg\n") == 2, "fg")
    util.wait_for(lambda: not any(asleep(p) for p in pids), "going on")
    term.send("c\n")
    term.until("\nabc\n").prompt()
    # while an own command runs
    term.send("example-wait\n")
    term.until("waiting\n")
    term.send("\x1a")
    term.wait(lambda text: text.endswith("sh$ "), "the outer shell")
    term.send("fg\n")
    term.wait(lambda text: text.count("fg\n") == 3, "fg")
    util.wait_for(lambda: not any(asleep(p) for p in pids), "going on")
    term.send("\x03")
    term.until("error: Interrupted\n").prompt()
    term.send("quit\n")
    term.wait(lambda text: text.endswith("sh$ "), "the outer shell")


@test
def a_name_and_a_password_are_asked_for_on_the_terminal(t):
    def login(term, password, n=1):
        term.wait(lambda text: text.count("Enter username") == n, "the question for the name")
        term.send("Bob\n")
        term.wait(lambda text: text.count("Enter Bob's password") == n, "the next one")
        util.wait_for(lambda: not termios.tcgetattr(term.master)[3] & termios.ECHO, "no echo")
        term.send(password + "\n")
        return term

    node = t.path("node.xml")
    with open(node, "w", encoding="utf-8") as f:
        f.write("<node><auth><user password='secret'>Bob</user></auth><domain type='test'>"
                "<name>other</name><memory>1</memory><os><type>hvm</type></os></domain></node>")
    for start in (stock, shell):
        term = login(start(t, uri="test://" + node), "secret").prompt()
        t.ok("secret" not in term.text, "the password is not shown")
        t.has(term.line("list"), "other")
        term = login(start(t, uri="test://" + node), "wrong")
        t.eq(term.exited(), 1)
        t.has(term.text, "authentication failed")
    # by the one that takes the place of a dead one, and by an own command's connection
    term = login(shell(t, uri="test://" + node), "secret").prompt()
    os.kill(term.virsh(), signal.SIGKILL)
    term.until("signal 9").prompt()
    term.send("list\n")
    login(term, "secret", 2).until("other").prompt()
    t.eq(term.text.count("Welcome"), 1)
    term.send("example-uri\n")
    login(term, "secret", 3).until("uri=test://" + node).prompt()
    term.send("quit\n")
    t.eq(term.exited(), 0)


FAKE = r'''
import os, signal, sys, termios
signal.signal(signal.SIGINT, lambda *a: None)
prompt = "virsh # "
normal = termios.tcgetattr(0)
def mode(lflag_off, vintr=None):
    a = termios.tcgetattr(0)
    a[3] &= ~lflag_off
    if vintr is not None:
        a[6][termios.VINTR] = vintr
    termios.tcsetattr(0, termios.TCSANOW, a)
while True:
    mode(termios.ICANON)
    os.write(1, prompt.encode())
    line = b""
    quote = False
    while True:
        c = os.read(0, 1)
        if not c or (c == b"\x04" and not quote):
            sys.exit(0)
        if c == b"\n" and not quote:
            break
        if c == b"\x16" and not quote:
            quote = True
            continue
        if c >= b" " or quote:
            line += c
        quote = False
    termios.tcsetattr(0, termios.TCSANOW, normal)
    if line == b"job":
        mode(termios.ICANON, b"\0")
        os.write(1, b"job runs\n")
        c = os.read(0, 1)
        termios.tcsetattr(0, termios.TCSANOW, normal)
        os.write(1, b"job got %d of %d\n" % (c[0], normal[6][termios.VINTR][0]))
    elif line == b"ask":
        os.write(1, b"name: ")
        os.write(1, b"got " + os.read(0, 100))
    elif line == b"part":
        os.write(1, b"a v")
        tty = open("/dev/tty", "rb+", buffering=0)
        os.write(1, b" b\n")
        tty.write(b"password: ")
        os.write(1, b"got " + tty.readline())
    elif line == b"quit":
        sys.exit(0)
    elif line:
        os.write(1, b"ran " + line + b"\n")
'''


@test
def keys_reach_a_command_that_reads_them(t):
    fake = t.path("fake-virsh")
    with open(fake, "w") as f:
        f.write("#!" + sys.executable + "\n" + FAKE)
    os.chmod(fake, 0o755)
    term = shell(t, env={"VIRSH_EXT_VIRSH": fake}).prompt()
    term.send("job\n")
    term.until("job runs\n")
    # Ctrl-C reaches a job as a character, once the terminal is in its mode
    util.wait_for(lambda: termios.tcgetattr(term.master)[6][termios.VINTR] != b"\x03",
                  "the terminal's mode")
    term.send("x\x03")
    term.until("job got 3 of 3\n").prompt()
    t.eq(term.line("one"), "ran one\n")
    # a question on standard input
    term.send("ask\n")
    term.until("name: ")
    term.send("Bob\n")
    term.until("got Bob\n").prompt()
    # one on the terminal itself, which may come before what was said on the way
    term.send("part\n")
    term.until(" b\n").until("password: ")
    term.send("secret\n")
    term.until("got secret\n").prompt()
    t.eq(term.line("two"), "ran two\n")


if __name__ == "__main__":
    if not os.access(terminal.virsh(), os.X_OK):
        print("1..0 # SKIP no virsh")
        sys.exit(0)
    main(sandbox=False)
