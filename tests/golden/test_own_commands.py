#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Own commands, with the example plugin: grammar, help, batches, take-over, signals, loading."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shell  # noqa: E402
from shell import ext  # noqa: E402

shell.need_program()
shell.build_plugin(shell.plugins)
tap = shell.Tap()
T = ["-c", "test:///default"]

HELP_SHOW = """  NAME
    example-show - show how a command line is read

  SYNOPSIS
    example-show <domain> [<extra>] [--flag] [--other] [--mode <string>] [--timeout <number>] \
[--size <number>] [[--words] <string>]...

  DESCRIPTION
    Prints every option as it was read.

  OPTIONS
    [--domain] <string>  domain name, id or uuid
    [--extra] <string>  one more word
    --flag           a flag
    --other          a flag that excludes the first
    --mode <string>  a word by name
    --timeout <number>  seconds
    --size <number>  a scaled number
    [--words] <string>  more words


"""
GROUP = """ Examples (help keyword 'example'):
    example-show                   show how a command line is read
    example-uri                    print the connection's URI
    example-status                 end with a status
    example-wait                   wait for a signal
    example-delete                 take over snapshot-delete
"""


def check(name, done, status=0, out=None, err="", has=None):
    good = done.status == status and (err is None or done.err == err) and \
        (out is None or done.out == out) and (has is None or has in done.out)
    tap.ok(good, name, "%s\nexpected status %s\nout %r\nerr %r" % (done, status, out, err))


def show(**given):
    """What example-show prints for what was given."""
    values = dict(name="example-show", domain="(none)", extra="(none)", mode="(none)", flag="no",
                  timeout="0:0", size="0:0")
    words = given.pop("words", ())
    readonly = given.pop("readonly", "no")
    values.update(given)
    return "".join("%s=%s\n" % item for item in values.items()) + \
        "".join("word=%s\n" % w for w in words) + "readonly=%s\nshown\n\n" % readonly


# --- grammar: words, and the same in one string
for words, expected in ((["d"], show(domain="d")),
                        (["--domain", "d"], show(domain="d")),
                        (["--domain=d", "e", "w"], show(domain="d", extra="e", words=["w"])),
                        (["d", "--flag", "e"], show(domain="d", flag="yes", extra="e")),
                        (["--", "--d"], show(domain="--d")),
                        (["d", "--timeout", "5"], show(domain="d", timeout="1:5")),
                        (["d", "--timeout=5", "--size=3"],
                         show(domain="d", timeout="1:5", size="1:3072")),
                        (["d", "--timeout=5", "--size=3MB"],
                         show(domain="d", timeout="1:5", size="1:3000000")),
                        (["d", "--mode="], show(domain="d", mode=""))):
    check("example-show %s" % words, ext(["example-show"] + words), out=expected)
    check("'example-show %s'" % " ".join(words), ext(["example-show " + " ".join(words)]),
          out=expected)
check("no lexing of words", ext(["example-show", "a;b", "'c"]),
      out=show(domain="a;b", extra="'c"))
check("quotes", ext(["example-show 'a b' \"c\\\"d\" e\\ f"]),
      out=show(domain="a b", extra='c"d', words=["e f"]))
bad = ext(["-c", "test:///\x1b]0;t\x07\x9b2J", "example-uri"])
tap.ok(bad.status == 1 and "\x1b" not in bad.err and "\x07" not in bad.err and
       "\x9b" not in bad.err and "\\x1b]0;t\\x07\\u009b2J" in bad.err,
       "no error message commands the terminal", "%s %r" % (bad, bad.err))
for line in (["help", "\x1b]0,t\x07\u202e"], ["\x1b]0,t\x07\u202e"],
             ["echo a; \x1b]0,t\x07\u202e; echo b"]):
    bad = ext(T + line)
    tap.ok(bad.status == 1 and "\x1b" not in bad.err and "\x07" not in bad.err and
           "\u202e" not in bad.err and "\\x1b]0,t\\x07\\u202e'" in bad.err,
           "nor one of a command that does not exist", "%s %r" % (bad, bad.err))
check("read-only", ext(["-r", "example-show", "d"]), out=show(domain="d", readonly="yes"))
check("quiet", ext(["-q", "example-show", "d"]), out=show(domain="d")[:-len("shown\n\n")])
timed = ext(["-t", "example-show", "d"])
check("timing", timed, out=None, has="shown\n\n(Time: ")
tap.ok(bool(re.search(r"shown\n\n\(Time: \d+\.\d{3} ms\)\n\n$", timed.out)), "timing's form",
       timed)

# --- errors while parsing: nothing runs, no trailer
for line, message in (("example-show", "command 'example-show' requires <domain> option"),
                      ("example-show d --bogus",
                       "command 'example-show' doesn't support option --bogus"),
                      ("example-show d --flag=1", "invalid '=' after option --flag"),
                      ("example-show d --flag --flag", "option --flag already seen"),
                      ("example-show d --mode", "expected syntax: --mode <string>"),
                      ("example-show d --timeout", "expected syntax: --timeout <number>"),
                      ("example-uri x", "unexpected data 'x'"),
                      ("example-uri 'x", "unexpected data 'x'"),
                      ('example-uri "x', 'missing "'),
                      ("example-uri x\\", "dangling \\"),
                      ("example-uri; list --bogus",
                       "command 'list' doesn't support option --bogus"),
                      ("list --bogus; example-uri x",
                       "command 'list' doesn't support option --bogus"),
                      ("example-uri x; list --bogus", "unexpected data 'x'"),
                      ("bogus; example-uri", "unknown command: 'bogus'"),
                      ("example-uri; bogus", "unknown command: 'bogus'"),
                      ("example-uri; echo \"x", 'missing "'),
                      ("example-uri; quit; bogus", "unknown command: 'bogus'")):
    check("parse error: " + line, ext(T + [line]), status=1, out="",
          err="error: %s\n" % message)

# --- errors while running: the trailer follows
for line, message in (("example-show d --flag --other",
                       "Options --flag and --other are mutually exclusive"),
                      ("example-show d --size 1", "Option --timeout is required by option --size"),
                      ("example-show ''",
                       "Failed to get option 'domain': Option argument is empty")):
    check("run error: " + line, ext([line]), status=1, out="\n", err="error: %s\n" % message)
check("a number that is none", ext(["example-show", "d", "--timeout", "x"]), status=1, out=None,
      err="error: Numeric value 'x' for <timeout> option is malformed or out of range\n")
check("a number out of range", ext(["example-show", "d", "--timeout", "0"]), status=1, out=None,
      err="error: Numeric value '0' for <timeout> option is malformed or out of range\n")
check("a scaled number that is none",
      ext(["example-show", "d", "--timeout", "1", "--size", "1x"]), status=1, out=None,
      err="error: Scaled numeric value '1x' for <size> option is malformed or out of range\n")
for status in (0, 1, 3):
    check("status %d" % status, ext(["example-status", str(status)]), status=status,
          out="half a line\n" if status else "\n",
          err="error: Failed to do as asked\nwarning: It was asked for\n" if status else "")

# --- help
check("help of a command", ext(["help", "example-show"]), out=HELP_SHOW)
check("--help", ext(["example-show", "--help"]), out=HELP_SHOW)
check("--help waives what is missing", ext(["example-show --help; echo a"]),
      out=HELP_SHOW + "a\n")
check("--help does not waive errors", ext(["example-show", "--help", "--bogus"]), status=1,
      out="", err="error: command 'example-show' doesn't support option --bogus\n")
check("help by option", ext(["help", "--command", "example-show"]), out=HELP_SHOW)
check("help of the group by keyword", ext(["help", "example"]), out=GROUP + "\n")
check("help of the group by name", ext(["help", "Examples"]), out=GROUP + "\n")
done = ext(["help"])
stock = shell.run(shell.VIRSH, ["help"])
check("help has virsh's groups and ours", done, out=stock.out[:-1] + GROUP + "\n\n")
done = ext(["-h"])
check("-h has ours", done, has=GROUP.replace("):", ")"))
tap.ok(done.out.index("Examples (help") < done.out.index("(specify help"), "-h ends as virsh's",
       done)
for option in ("-v", "--version"):
    check(option, ext([option]), out=None,
          has=shell.run(shell.VIRSH, [option]).out + "virsh-ext ")
check("-V", ext(["-V"]), has="virsh-ext ")
check("self-test", ext(["self-test"]), out="\n")
check("one word after -- ", ext(["--", "example-show d"]), out=show(domain="d"))

# --- completion
check("complete a name", ext(["complete", "--", "example-s"]),
      out="example-show\nexample-status\n\n")
check("complete options", ext(T + ["-q", "complete", "--", "example-show", "d", "--"]),
      out="--extra\n--flag\n--other\n--mode\n--timeout\n--size\n--words\n")
check("complete a value", ext(T + ["-q", "complete", "--", "example-show", "--mode", "c"]),
      out="commit\n")
check("complete --opt=val", ext(T + ["-q", "complete", "--", "example-show", "--mode=p"]),
      out="--mode=pull\n")
check("complete a domain", ext(T + ["-q", "complete", "--", "example-show", "t"]), out="test\n")
check("complete without connection is quiet",
      ext(["-q", "complete", "--", "example-show", "t"],
          env={"VIRSH_DEFAULT_CONNECT_URI": "bogus:///"}), status=1, out="")
check("complete a name of both", ext(T + ["-q", "complete", "--", "ec"]), out="echo\n")
check("complete behind another command", ext(T + ["-q", "complete", "--", "list;", "example-u"]),
      out="example-uri\n")
bad = shell.run(shell.VIRSH, ["-c", "bogus:///", "complete", "--", "snapshot-"])
for words in (["example-"], ["snapshot-"], ["dominfo", ""]):
    check("complete %s with a -c that cannot be reached" % words,
          ext(["-c", "bogus:///", "complete", "--"] + words), status=1, out=bad.out, err=bad.err)


def loads_libvirt(words):
    """Whether virsh-ext's own process, not the virsh it starts, loads libvirt."""
    path = os.path.join(shell.tmp, "loads")
    p = subprocess.Popen([shell.EXT] + words, stdout=subprocess.DEVNULL,
                         env=dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins,
                                  VIRSH_EXT_VIRSH=shell.VIRSH, LD_DEBUG="files",
                                  LD_DEBUG_OUTPUT=path))
    p.wait(timeout=shell.TIMEOUT)
    with open("%s.%d" % (path, p.pid), encoding="utf-8", errors="replace") as f:
        return "libvirt.so" in f.read()


for options in (T, []):
    for words in (["example-"], ["e"], ["help", "example-"]):
        tap.ok(not loads_libvirt(options + ["complete", "--"] + words),
               "libvirt is not loaded to complete names: %s" % (options + words))
tap.ok(loads_libvirt(T + ["example-uri"]), "libvirt is loaded to connect")
check("complete for help", ext(["-q", "complete", "--", "help", "example-u"]),
      out="example-uri\n")

# --- connection
URI = "uri=test:///default\ncwd=%s\n\n" % os.getcwd()
check("-c", ext(T + ["example-uri"]), out=URI)
check("VIRSH_DEFAULT_CONNECT_URI",
      ext(["example-uri"], env={"VIRSH_DEFAULT_CONNECT_URI": "test:///default"}), out=URI)
check("LIBVIRT_DEFAULT_URI",
      ext(["example-uri"], env={"LIBVIRT_DEFAULT_URI": "test:///default"}), out=URI)
bad = shell.run(shell.VIRSH, ["-c", "bogus:///", "list"])
check("-c that cannot be reached", ext(["-c", "bogus:///", "example-status", "0"]), status=1,
      out=bad.out, err=bad.err)
bad = shell.run(shell.VIRSH, ["list"], env={"VIRSH_DEFAULT_CONNECT_URI": "bogus:///"})
check("a connection that is not needed is not opened",
      ext(["example-status", "0"], env={"VIRSH_DEFAULT_CONNECT_URI": "bogus:///"}), out="\n")
check("a default that cannot be reached",
      ext(["example-uri"], env={"VIRSH_DEFAULT_CONNECT_URI": "bogus:///"}), status=1,
      out="\n", err=bad.err)
bad = shell.run(shell.VIRSH, T + ["-k", "1", "list"])
check("keepalive that the driver has not", ext(T + ["-k", "1", "example-uri"]), status=bad.status,
      out=None, err=bad.err)

# --- batches
check("own between stock", ext(T + ["-q", "domid test; example-uri; domname 1"]),
      out="1\n" + URI[:-1] + "test\n")
check("the status is the last one's", ext(T + ["example-status 3; domid test"]), out=None, err=None)
check("the status is the last one's (2)", ext(T + ["domid test; example-status 3"]), status=3,
      out=None, err=None)
check("all run", ext(T + ["-q", "dominfo bogus; example-status 1; domid test"]), out=None,
      err=None, has="half a line1\n")
check("quit stops", ext(T + ["-q", "domid test; quit; example-uri"]), out="1\n")
check("quit after own", ext(T + ["-q", "example-status 3; quit; domid test"]), out=None, err=None)
check("connect is carried over",
      ext(["-q", "connect test:///default; example-uri; uri"]),
      out=URI[:-1] + "test:///default\n")
check("connect --readonly is carried over",
      ext(T + ["-q", "connect --readonly --name test:///default; example-show d; destroy test"]),
      status=1, out=None, err=None, has="readonly=yes")
check("comments and newlines", ext(["-q", "echo a # b\nexample-status 0 # c\necho d"]),
      out="ad")
check("a lone own command behind separators", ext(["-q", ";; example-status 0;;"]), out="")
log = os.path.join(shell.tmp, "log")
ext(["-l", log, "example-status", "1"])
closed = subprocess.run([shell.EXT, "-q", "example-status 3; echo a"], stdout=subprocess.PIPE,
                        env=dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins),
                        preexec_fn=lambda: (os.close(0), os.close(2)))
tap.ok(closed.stdout == b"half a linea" and closed.returncode == 0, "closed descriptors", closed)
with open(log) as f:
    text = f.read()
tap.ok("ERROR Failed to do as asked" in text, "errors go to the log", text)
# what is opened later must not get the number of a closed stream, and then the output
log = os.path.join(shell.tmp, "log2")
closed = subprocess.run([shell.EXT, "-l", log, "example-show d; example-status 3"],
                        stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1),
                        env=dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins))
with open(log) as f:
    text = f.read()
tap.ok("ERROR Failed to do as asked" in text and "name=" not in text and
       b"write" not in closed.stderr and closed.returncode == 3,
       "output that is closed goes nowhere", "%s %r" % (closed, text))
check("a debug level out of range", ext(["-d9", "example-status", "0"]),
      out="\n", err="error: ignoring debug level 9 out of range [0-4]\n")
check("VIRSH_DEBUG that is none", ext(["example-status", "0"], env={"VIRSH_DEBUG": "x"}),
      out="\n", err="error: VIRSH_DEBUG not set with a valid numeric value\n" * 2)
check("the same beside a stock command",
      ext(["-q", "example-status 0; echo a"], env={"VIRSH_DEBUG": "x"}),
      out=None, err="error: VIRSH_DEBUG not set with a valid numeric value\n" * 2, has="a")

with open("/dev/full", "wb") as full:
    p = subprocess.run([shell.EXT, "example-show", "d"], stdout=full, stderr=subprocess.PIPE,
                       env=dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins))
tap.ok(p.returncode == 1 and b"error: Cannot write the output: No space" in p.stderr,
       "output that cannot be written", p)

# --- an embedded driver: only one process at a time can have it
root = os.path.join(shell.tmp, "embed")
if os.path.exists("/usr/bin/qemu-system-x86_64") and not os.environ.get("ASAN_OPTIONS"):
    E = ["-c", "qemu:///embed?root=" + root]
    done = ext(E + ["-q", "echo a; example-uri; list --name; example-status 3"])
    if "failed to connect" not in done.err:
        check("an embedded driver, in turn with virsh", done, status=3, err=None,
              has="auri=qemu:///embed")
        check("an embedded driver, unclaimed take-over",
              ext(E + ["snapshot-delete", "none", "s1"], env={"VIRSH_EXT_TAKEOVER": "1"}),
              status=1, out="\n", err="error: failed to get domain 'none'\n")

# --- scripts
script = b"cd /\nexample-uri\nexample-show 'x\necho b; example-status 3; echo c\n"
done = ext(T + ["-q"], stdin=script)
check("own commands in a script", done, status=0, err=None, has="cwd=/\n")
tap.ok("domain=x\n" in done.out and "b" in done.out and "half a line" in done.out,
       "all lines of the script ran", done)
tap.ok("sync" not in done.out, "nothing of the synchronising is seen", done)
done = ext(T + ["-q"], stdin=b"example-show\nlist --bogus; example-uri\necho after\n")
tap.ok(done.status == 0 and done.err == "error: command 'example-show' requires <domain> option\n"
       "error: command 'list' doesn't support option --bogus\n" and "after" in done.out and
       "uri=" not in done.out, "errors in a script", done)
done = ext(T + ["-q"], stdin=b"example-status 1\nexample-status 0", merge=True)
tap.ok(done.status == 0 and done.out.endswith("virsh # example-status 0\nvirsh # \n"),
       "a last line without a newline", done)

# --- take-over
SNAPSHOT = ["snapshot-delete", "test", "ext1"]
stock = shell.run(shell.VIRSH, T + SNAPSHOT)
check("take-over is off by default", ext(T + SNAPSHOT), status=stock.status, out=stock.out,
      err=stock.err)
ON = {"VIRSH_EXT_TAKEOVER": "1"}
check("take-over of what is claimed", ext(T + SNAPSHOT, env=ON),
      out="own snapshot-delete\ndomain=test\nsnapshotname=ext1\n\n")
check("take-over in a batch", ext(T + ["-q", "domid test; %s; domid test" % " ".join(SNAPSHOT)],
                                  env=ON),
      out="1\nown snapshot-delete\ndomain=test\nsnapshotname=ext1\n1\n")
check("an option of our own", ext(T + SNAPSHOT + ["--dry-run"], env=ON), has="own snapshot-delete")
for words in (["snapshot-delete", "test", "s1"], ["snapshot-delete", "test"],
              ["snapshot-delete"], ["snapshot-delete", "test", "ext1", "--children"],
              ["snapshot-delete", "--help"], ["snapshot-delete", "test", "ext1", "x"],
              ["snapshot-delete", "test", "s1", "--dry-run"]):
    stock = shell.run(shell.VIRSH, T + words)
    check("left to virsh: " + " ".join(words), ext(T + words, env=ON), status=stock.status,
          out=stock.out, err=stock.err)
check("only 1 turns it on", ext(T + SNAPSHOT, env={"VIRSH_EXT_TAKEOVER": "yes"}), status=1,
      out=None, err=None)

done = ext(T + ["-q"], env=ON, stdin=b"snapshot-delete test none --dry-run\necho after\n")
tap.ok("aftervirsh #" in done.out and done.status == 0 and
       done.err == "error: command 'snapshot-delete' doesn't support option --dry-run\n",
       "a script with an unclaimed take-over that virsh cannot read", done)

# --- virsh is missing, or is not virsh
NONE = {"VIRSH_EXT_VIRSH": "/nonexistent/virsh"}
check("own commands without virsh", ext(T + ["example-uri"], env=NONE), out=URI)
done = ext(["list"], env=NONE)
check("others without virsh", done, status=1, out="", err=None)
tap.ok("error: Cannot run virsh" in done.err and "/nonexistent/virsh" in done.err,
       "it is said which", done)
check("help without virsh", ext(["help"], env=NONE), has=GROUP)
check("a batch without virsh", ext(T + ["example-uri; list"], env=NONE), status=1, out="", err=None)
done = ext(T + ["-q"], env=NONE, stdin=b"example-uri\nlist\nexample-status 0\nquit\nexample-uri\n")
tap.ok(done.out.count("uri=") == 1 and "Cannot run virsh" in done.err and done.status == 0,
       "a script without virsh", done)
check("a folder in virsh's place", ext(["-q"], env={"VIRSH_EXT_VIRSH": shell.tmp},
                                       stdin=b"example-status 0\n"), out="", err="")
link = os.path.join(shell.tmp, "virsh")
os.symlink(shell.EXT, link)
for name, value in (("itself", shell.EXT), ("a link to itself", link)):
    done = ext(["list"], env={"VIRSH_EXT_VIRSH": value})
    check("virsh is " + name, done, status=1, out="", err=None)
    tap.ok("VIRSH_EXT_VIRSH" in done.err, "it is said why", done)
loop = os.path.join(shell.tmp, "loop")
with open(loop, "w") as f:
    f.write("#!/bin/sh\nexec %s \"$@\"\n" % shell.EXT)
os.chmod(loop, 0o755)
check("virsh is a script that calls virsh-ext", ext(["list"], env={"VIRSH_EXT_VIRSH": loop}),
      status=1, out="", err=None)

agent = os.path.join(shell.tmp, "agent")
with open(agent, "w") as f:
    f.write("#!/bin/sh\necho Authorization not available. >&2\nexit 1\n")
os.chmod(agent, 0o755)
check("completion when polkit's agent says something",
      ext(T + ["-q", "complete", "--", "example-sh"], env={"VIRSH_EXT_VIRSH": agent}),
      out="example-show\n", err=None)

# --- signals
# A shell starts what goes into the background with these ignored, and that is passed on.
for sig in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(sig) == signal.SIG_IGN:
        signal.signal(sig, signal.SIG_DFL)


def start(argv, **kwargs):
    env = dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins, VIRSH_EXT_VIRSH=shell.VIRSH)
    p = subprocess.Popen([shell.EXT] + argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=env, **kwargs)
    return p


def read_until(p, text):
    seen = b""
    while text not in seen:
        chunk = os.read(p.stdout.fileno(), 4096)
        if not chunk:
            break
        seen += chunk
    return seen


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(c) for c in f.read().split()]


def wait_for(condition):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    return condition()


for sig, line, status, out in ((signal.SIGINT, "example-wait; echo after", 0, b"\nafter\n"),
                               (signal.SIGINT, "example-wait", 3, b"\n"),
                               (signal.SIGTERM, "example-wait; echo after", -15, b""),
                               (signal.SIGHUP, "example-wait", -1, b""),
                               (signal.SIGQUIT, "example-wait", -3, b""),
                               (signal.SIGINT, "example-wait --deaf; echo after", -2, b"")):
    p = start([line])
    read_until(p, b"waiting")
    p.send_signal(sig)
    rest, err = p.communicate(timeout=30)
    tap.ok(p.returncode == status and rest.replace(b"\n", b"").endswith(out.strip()) and
           (b"after" in rest) == (b"after" in out), "%s during %s" % (sig.name, line),
           (p.returncode, rest, err))
p = start(["example-wait"], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
read_until(p, b"waiting")
p.send_signal(signal.SIGHUP)
p.send_signal(signal.SIGINT)
rest, err = p.communicate(timeout=30)
tap.ok(p.returncode == 3, "an ignored signal stays ignored", (p.returncode, rest, err))

def catches_interrupt(pid):
    """Whether this is a virsh in `event`, which catches SIGINT."""
    try:
        if os.readlink("/proc/%d/exe" % pid) == os.path.realpath(shell.EXT):
            return False    # not virsh yet
        with open("/proc/%d/status" % pid) as f:
            return int(re.search(r"SigCgt:\t(\w+)", f.read())[1], 16) & 2
    except (OSError, TypeError):
        return False


EVENT = "example-status 0; event --domain test --event lifecycle; example-status 0"
for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    argv = T + ["event", "--domain", "test", "--event", "lifecycle"]
    alone = subprocess.Popen([shell.VIRSH] + argv, stdin=subprocess.DEVNULL, env=shell.ENV,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = start(T + ["-q", EVENT])
    wait_for(lambda: catches_interrupt(alone.pid))
    wait_for(lambda: any(catches_interrupt(c) for c in children(p.pid)))
    alone.send_signal(sig)
    p.send_signal(sig)
    alone.wait(timeout=30)
    p.communicate(timeout=30)
    expected = alone.returncode if alone.returncode < 0 else 0
    tap.ok(p.returncode == expected, "%s sent while virsh runs" % sig.name,
           (p.returncode, alone.returncode))
p = start(T + ["-q", EVENT])
child = wait_for(lambda: [c for c in children(p.pid) if catches_interrupt(c)])[0]
p.kill()
p.wait()
tap.ok(bool(wait_for(lambda: not catches_interrupt(child))), "no virsh is left behind")

# --- loading
PLAIN = {"VIRSH_EXT_PLUGIN_PATH": None}


def with_plugins(folder, argv=("example-status", "0"), **kwargs):
    return ext(list(argv), env=dict({"VIRSH_EXT_PLUGIN_PATH": folder}, **kwargs))


def refused(name, done, part, works=False):
    tap.ok(done.status == (0 if works else 1) and part in done.err and "warning: " in done.err,
           name, done)


def folder(label, **kwargs):
    path = os.path.join(shell.tmp, label)
    shell.build_plugin(path, manifest=False, **kwargs)
    return path


plain = folder("plain")
check("a plugin without a list of commands", with_plugins(plain), out="\n")
os.chmod(plain, 0o757)
refused("a folder that others can write", with_plugins(plain), "others can write the folder")
if os.geteuid() == 0:       # another user's own group may
    os.chmod(plain, 0o775)
    refused("a folder that the group can write", with_plugins(plain),
            "others can write the folder")
os.chmod(plain, 0o755)
os.chmod(os.path.join(plain, "example.so"), 0o757)
refused("a file that others can write", with_plugins(plain), "others can write the file")
os.chmod(os.path.join(plain, "example.so"), 0o755)
if os.geteuid() == 0:
    os.chown(os.path.join(plain, "example.so"), 12345, -1)
    refused("a file of another user", with_plugins(plain), "others can write the file")
    os.chown(os.path.join(plain, "example.so"), 0, -1)
refused("another interface", with_plugins(folder("api", defines=["EXAMPLE_BAD_API"])),
        "it was made for interface 2, this is interface 1")
refused("a bad table", with_plugins(folder("table", defines=["EXAMPLE_BAD_TABLE"])),
        "command 'example-bad' has no description")
refused("a command of virsh's", with_plugins(folder("stock", defines=["EXAMPLE_STOCK_NAME"])),
        "command 'list' is virsh's")
stock = shell.run(shell.VIRSH, T + ["list"])
done = with_plugins(os.path.join(shell.tmp, "stock"), T + ["list"])
tap.ok(done.out == stock.out and done.status == 0, "virsh's command stays virsh's", done)
refused("a plugin that cannot work here", with_plugins(folder("null", defines=["EXAMPLE_NULL"])),
        "it cannot work here")
if not os.environ.get("ASAN_OPTIONS"):
    crash = folder("crash", defines=["EXAMPLE_CRASH"])
    check("a plugin that crashes is named", with_plugins(crash), status=-signal.SIGABRT, out="",
          err="error: Plugin '%s/example.so' crashed while it was loaded\n" % crash)
junk = os.path.join(shell.tmp, "junk")
os.makedirs(junk, mode=0o755)
with open(os.path.join(junk, "junk.so"), "w") as f:
    f.write("no module\n")
refused("a file that is no module", with_plugins(junk), "junk.so")
refused("a module beside a file that is none", with_plugins(junk + ":" + plain), "junk.so", True)
two = folder("two", name="other.so")
refused("two plugins of one name", with_plugins(plain + ":" + two, ["help", "example"]),
        "is loaded already", True)
two = folder("two2", name="other.so", defines=['EXAMPLE_NAME="other"'])
refused("two plugins with one command", with_plugins(plain + ":" + two, ["help", "example"]),
        "has the command 'example-show' already", True)
check("a folder that does not exist", with_plugins("/nonexistent", T + ["domid", "test"]),
      out="1\n\n")
p = subprocess.run([shell.EXT] + T + ["example-status 0; domid nope"], env=dict(
    shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins, VIRSH_EXT_VIRSH=shell.VIRSH),
    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
tap.ok(p.returncode == 1 and b"nope" in p.stderr,
       "a parent that ignores SIGCHLD: virsh's status is known all the same", p)
if os.geteuid() == 0:
    # for another user a set-uid program: the environment is not to be trusted
    suid = os.path.join(shell.tmp, "suid")
    shutil.copy(shell.EXT, suid)
    os.chmod(suid, 0o4755)
    os.chmod(shell.tmp, 0o755)
    if not os.statvfs(shell.tmp).f_flag & os.ST_NOSUID:
        p = subprocess.run([suid, "example-status", "0"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, user=65534, group=65534,
                           env=dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins,
                                    VIRSH_EXT_VIRSH="/bin/true"))
        # virsh itself does not work that way either, but it is asked, and not /bin/true
        tap.ok(p.returncode == 1 and (b"setuid" in p.stderr or b"unknown command" in p.stderr),
               "set-uid: plugins and virsh of the environment are ignored", p)
        p = subprocess.run([suid, "--vext-print-manifest", shell.plugins + "/example.so"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=65534,
                           group=65534, env=shell.ENV)
        tap.ok(p.returncode == 1 and p.stdout == b"", "set-uid: no plugin is loaded by name", p)
    os.chmod(shell.tmp, 0o700)
lying = folder("lying")
with open(os.path.join(lying, "example.commands"), "w") as f:
    f.write("group example Examples\nexample-show\nexample-absent\n")
check("a list that lacks a command", with_plugins(lying), status=1, out=None, err=None)
check("a list with a command that does not exist",
      with_plugins(lying, ["example-absent"]), status=1, out="",
      err="error: unknown command: 'example-absent'\n")
done = with_plugins(lying, ["self-test"])
tap.ok(done.status == 1 and "does not agree" in done.err, "self-test finds that", done)
missing = os.path.join(shell.tmp, "missing")
shutil.copytree(shell.plugins, missing)
with open(os.path.join(missing, "example.so"), "w") as f:
    f.write("no module\n")
check("the list of commands is enough for help", with_plugins(missing, ["help"]), has=GROUP)
check("stock commands do not load plugins", with_plugins(missing, T + ["domid", "test"]),
      out="1\n\n")
for words in (["domid", "test"], ["help", "list"], ["echo a; list"], ["complete", "--", "domi"]):
    p = subprocess.run(["ldd", shell.EXT], stdout=subprocess.PIPE, text=True)
    check("no plugin is loaded for %s" % words, with_plugins(missing, T + words), out=None)
tap.ok("libvirt" not in p.stdout and "glib" not in p.stdout,
       "the program is not linked with libvirt and GLib", p.stdout)
tap.end()
