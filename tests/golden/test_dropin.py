#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Command lines of virsh, each given to virsh and to virsh-ext: same output, errors and status.

On libvirt's test driver; the name of the program and our additions to the help are taken out
before both are compared. Three ways: as they are; beside an own command in the same batch, so
that virsh-ext has to divide the line; as a script on standard input.
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shell  # noqa: E402

shell.need_program()
shell.build_plugin(shell.plugins)
tap = shell.Tap()
T = ["-c", "test:///default"]
BAD = ["-c", "test:///nonexistent/file.xml"]

stock = sorted(set(re.findall(r"(?m)^    (\S+)", shell.run(shell.VIRSH, ["help"]).out)))
cases = []      # (argv, environment)


def add(*argv, **env):
    cases.append((list(argv), env))


# --- global options
for option in ("-h", "--help", "--hel", "-v", "-V", "--version", "--version=short",
               "--version=long", "--version=x", "--vers", "-vV", "-qv", "-Z", "--bogus", "-",
               "--", "-c", "--connect", "-d", "-d x", "-dx", "-d9", "-d-1", "-d4", "-e", "-e^",
               "-e^A", "-ea", "-e^1", "-eab", "-k", "-kx", "-k-1", "-k1", "-k0x10", "-K", "-Kx",
               "-K-1", "-K3", "-l", "-q", "-r", "-t", "--quiet=1", "--help=x", "--readonly=x",
               "--debug=2", "--debug", "--keepalive-interval", "--keepalive-interval=2", "-qrt",
               "-qZ", "-Zv", "-vZ", "--timing", "--log=/nonexistent/log", "-l/nonexistent/log",
               "--escape=^]", "--escape=", "--con=x", "--k=1", "-W", "-o"):
    add(*(option.split(" ") + ["echo", "a"]))
for options in (["-c", ""], ["-c", "test:///default", "-c", ""], BAD + T, T + BAD, BAD,
                ["--connect=test:///default"], ["-ctest:///default"], ["-c", "bogus:///x"],
                ["-c", "http://["], T + ["-r"], T + ["-q"], T + ["-qr"], T + ["-t"],
                T + ["-k", "5", "-K", "3"], T + ["-k0"], T + ["-d0"], T + ["-d", "1"]):
    for words in (["list"], ["echo", "a"], ["list; bogus"], ["bogus"], ["uri"],
                  ["domid test; domstate test"]):
        add(*(options + words))

# --- the environment
for env in ({"VIRSH_DEFAULT_CONNECT_URI": "test:///default"},
            {"VIRSH_DEFAULT_CONNECT_URI": ""},
            {"VIRSH_DEFAULT_CONNECT_URI": "bogus:///x"},
            {"LIBVIRT_DEFAULT_URI": "test:///default"},
            {"VIRSH_DEFAULT_CONNECT_URI": "test:///default", "LIBVIRT_DEFAULT_URI": "bogus:///"},
            {"VIRSH_DEFAULT_CONNECT_URI": "bogus:///", "LIBVIRT_DEFAULT_URI": "test:///default"},
            {"VIRSH_DEBUG": "0", "LIBVIRT_DEFAULT_URI": "test:///default"},
            {"VIRSH_DEBUG": "9"}, {"VIRSH_DEBUG": "x"}, {"VIRSH_DEBUG": ""},
            {"VIRSH_LOG_FILE": "/nonexistent/log"}, {"VIRSH_LOG_FILE": ""},
            {"LIBVIRT_DEBUG": "x"}):
    for words in (["uri"], ["echo", "a"], ["-d", "3", "echo", "b"], ["-c", "test:///default",
                                                                      "uri"], ["bogus"]):
        add(*words, **env)

# --- grammar
lines = ["", " ", ";", ";;", "# c", "\n", "\t", "echo", "echo a", "echo a b", "echo  a   b",
         "echo 'a b'", 'echo "a b"', "echo a\\ b", "echo 'a", 'echo "a', "echo a\\", "echo ''",
         'echo ""', "echo 'a\"b'", 'echo "a\'b"', 'echo "a\\"b"', "echo 'a\\b'", "echo a;echo b",
         "echo a ; echo b", "echo a\necho b", "echo a # c", "echo a#c", "# c\necho a", "echo \\#",
         "echo a\\\nb", "echo a \\\n b", "\\\necho a", "echo -- --shell", "echo --shell 'a b'",
         "echo --xml '<'", "echo --split a,b", "echo --shell=a", "echo --bogus", "echo --",
         "echo -a", "echo ---a", "echo --string a", "echo --string=a b", "echo --str a",
         "echo --xml --xml", "ECHO a", "'echo' a", "e'ch'o a", "bogus", "'bogus x'",
         "echo a; bogus", "bogus; echo a", "echo a; echo 'b", "echo a; echo \"b", "quit", "exit",
         "quit; echo a",
         "echo a; quit; echo b", "echo a; quit; bogus", "quit --help", "quit x", "exit --bogus",
         "echo \xe4\xf6", "echo a\rb", "help", "help ''", "help list", "help domain",
         "help 'Domain Management'", "help bogus", "help a b", "help --bogus list", "help --list",
         "help --command list", "help --command=list", "help --help", "help -- list",
         "help; echo a", "help bogus; echo a", "list --help", "list --help; echo a",
         "list --bogus --help", "list --help --bogus", "list x --help", "list --help=1",
         "cd /", "pwd", "cd /; pwd", "connect", "connect --readonly", "self-test"]
for number, line in enumerate(lines):
    add(line)
    add(*([["-q"], ["-t"], T][number % 3] + [line]))
for words in (["", ""], [" ", "x"], ["echo", "a;", "b"], ["echo", "'a"], ["echo", "#", "a"],
              ["echo", "a\\"], ["echo", ""], ["echo", "--", "--xml"], ["echo", "a", ";", "quit"],
              ["quit", "x"], ["help", "list", "x"], ["help", ""], ["help", "--command"],
              ["list", "--help"], ["--", "echo", "a"], ["--", "list"], ["bogus", "--help"],
              ["help", "snapshot"], ["help", "host"], ["cd", "/nonexistent"], ["list;", "x"]):
    add(*words)

# --- commands
for line in ["list", "list --all", "list --name", "list --uuid --all", "list --title",
             "list --inactive", "list --all --name --uuid", "list --table --name", "list x",
             "dominfo test", "dominfo", "dominfo ''", "dominfo bogus", "dominfo --domain test",
             "dominfo --domain=test", "dominfo test x", "dominfo --domain test test",
             "dominfo --domain", "domid 1", "domname 1", "domuuid test", "domstate test --reason",
             "domblklist test", "vcpucount test", "vcpucount test --live --config",
             "setvcpus test x", "setvcpus test -1", "setvcpus test 1 --maximum --live",
             "setmem test 1x", "setmem test 99999999999999999999", "setmem test --size",
             "setmem test 1 2", "memtune test --hard-limit x", "suspend test",
             "suspend test; domstate test; resume test; domstate test",
             "destroy test; list --all", "undefine test", "destroy test; undefine test; list",
             "start test", "shutdown test --mode x", "reboot test --mode x",
             "snapshot-list test", "snapshot-list test --tree --roots",
             "snapshot-list test --parent --roots", "snapshot-delete test s1",
             "snapshot-delete test", "snapshot-revert test", "snapshot-revert test s1",
             "snapshot-current test", "snapshot-create test",
             "snapshot-create-as test s1; snapshot-list test; snapshot-delete test s1",
             "snapshot-create-as test s1; snapshot-create-as test s2; snapshot-list test --tree",
             "snapshot-delete test s1 --children --children-only", "net-list", "net-info default",
             "net-dumpxml default", "pool-list", "pool-info default-pool", "vol-list default-pool",
             "nodeinfo", "capabilities", "hostname", "sysinfo", "version", "maxvcpus", "freecell",
             "nodedev-list", "iface-list", "secret-list", "nwfilter-list", "uri", "domcapabilities",
             "event --list", "event --timeout 0", "event --timeout 99999999999", "event",
             "dumpxml test", "dumpxml test --xpath //name", "domdisplay test", "vncdisplay test",
             "define /nonexistent", "create /dev/null", "attach-disk test", "desc test",
             "metadata test urn:x", "schedinfo test", "connect test:///default",
             "connect test:///default; uri", "connect bogus:///; uri",
             "connect test:///default --readonly; destroy test",
             "connect --readonly --name test:///default; uri", "migrate test",
             "blockcommit test vda", "blockjob test vda --info --abort", "domblkinfo test vda",
             "send-key test --codeset linux", "send-key test x", "domrename test t2; list",
             "autostart test; list --autostart", "domjobinfo test", "guestinfo test"]:
    add(*(T + [line]))
    if ";" not in line and "'" not in line:
        add(*(T + ["-q"] + line.split(" ")))
add(*(T + ["-r", "destroy", "test"]))
add(*(T + ["-r", "list"]))
for number, name in enumerate(stock):
    if number % 4 == 0:
        add("help", name)
    if number % 8 == 1 and name not in ("cd", "connect", "quit", "exit"):
        add(name, "--bogus")
        add(name + " --help; " + name + " --x=1")

# --- completion
for words in (["snapshot-"], ["snapshot-delete"], ["snapshot-delete", ""],
              ["snapshot-delete", "test", ""], ["snapshot-delete", "test", "--ch"], [""],
              ["zzz"], ["list", "--a"], ["dominfo", ""], ["dominfo", "t"],
              ["dominfo", "--domain", ""], ["help", "snap"], ["list;", "dom"], ["echo", "'a"],
              ["dominfo", "--", ""], ["list", "--all", "--"], ["attach-disk", "test", ""]):
    add(*(T + ["complete", "--"] + words))
    add(*(T + ["-q", "complete", "--"] + words))
    add(*(T + ["-t", "complete", "--"] + words))
add("complete")
add("complete", "--help")
add("complete", "--", "dominfo", "")
add("complete", "--bogus")


def title(argv, env):
    return " ".join(["%s=%s" % e for e in env.items()] + ["virsh"] + [repr(a) for a in argv])


def compare(case):
    argv, env = case
    return (shell.normal(shell.run(shell.VIRSH, argv, env=env)),
            shell.normal(shell.ext(argv, env=env)))


# --- beside an own command: with -q that adds nothing to the output
mixed = [line for line in lines + ["list", "dominfo", "dominfo test", "list x", "setmem test 1x",
                                   "connect test:///default; uri", "domid test; domstate test"]
         if not re.search(r"^ *$|help$|help ''|self-test|[;\n]$|^[;#\n\t]|cd|quit;", line)]


def compare_mixed(line):
    argv = T + ["-q"]
    return (shell.normal(shell.run(shell.VIRSH, argv + [line])),
            shell.normal(shell.ext(argv + ["example-status 0; " + line])))


# --- scripts; an own line after each of the others is taken out again
scripts = ["", "\n", "echo a\n", "echo a", "bogus\necho b\n", "list\ndominfo test\nquit\necho c\n",
           "echo 'a\necho b\n", "cd /\npwd\n", "help list\n", "echo a; echo b\n\n\n; \n# c\n",
           "connect test:///default --readonly\nuri\ndestroy test\n", "exit", "quit\nx\n",
           "snapshot-create-as test s1\nsnapshot-list test\nsnapshot-delete test s1\n",
           "echo " + "x" * 200 + "\n", "cd /tmp\npwd\ncd\npwd\n", "connect bogus:///\nlist\n",
           "help\n", "define /dev/stdin\n", "echo a\\\n", "\xe4\n", "dominfo bogus\nlist\n",
           "echo a\0b\n\0echo c\0\n", "quit; list --bogus\necho a\n", "exit; \"\n",
           "self-test x\necho a\n"]
OWN = "example-status 0"


def compare_script(case):
    options, script, way = case
    data = script.encode("latin1")
    if way == "file":
        path = os.path.join(shell.tmp, "script-%d" % id(case))
        with open(path, "wb") as f:
            f.write(data)
        with open(path, "rb") as f:
            left = shell.run(shell.VIRSH, T + options, stdin=f)
        with open(path, "rb") as f:
            right = shell.ext(T + options, stdin=f)
        return shell.normal(left), shell.normal(right)
    left = shell.run(shell.VIRSH, T + options, stdin=data, merge=way == "merged")
    if way == "own":
        # the words are not text of virsh's: every line is synchronised
        data = b"".join(l + b"\n" + (OWN.encode() + b"\n" if l else b"")
                        for l in data.split(b"\n")[:-1])
        right = shell.ext(T + options, stdin=data)
        right.out = re.sub(r"virsh [\#>] %s\n(\n(\(Time: .*\)\n\n)?)?" % OWN, "", right.out)
    else:
        right = shell.ext(T + options, stdin=data, merge=way == "merged")
    return shell.normal(left), shell.normal(right)


script_cases = [(options, script, way) for script in scripts
                for options in ([], ["-q"], ["-r"])
                for way in ("pipe", "file", "merged", "own")
                if options != ["-r"] or way == "pipe"
                if not (way == "own" and (not script.endswith("\n") or "quit" in script or
                                          "stdin" in script or options == ["-q"] or
                                          "x" * 200 in script))]


# --- signals
def signalled(program, argv, sig, stdin):
    env = dict(shell.ENV, VIRSH_EXT_PLUGIN_PATH=shell.plugins, VIRSH_EXT_VIRSH=shell.VIRSH)
    p = subprocess.Popen([program] + argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, env=env)
    try:
        if stdin:
            p.stdin.write(stdin)
            p.stdin.flush()
        seen = b""
        while b"ready" not in seen.replace(b"echo ready", b""):
            chunk = os.read(p.stdout.fileno(), 4096)
            if not chunk:
                break
            seen += chunk
        wait_for_sleep(p.pid)
        p.send_signal(sig)
        out, _ = p.communicate(timeout=30)
        return p.returncode
    finally:
        p.kill()
        p.wait()


def wait_for_sleep(pid):
    """Until the process waits for something; it had printed what comes before that."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open("/proc/%d/stat" % pid) as f:
            if f.read().rsplit(")", 1)[1].split()[0] == "S":
                return


def all_same(kind, names, function, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (left, right) in zip(names, pool.map(function, items)):
            tap.ok(left.same(right), kind + name, "virsh: %s\nvirsh-ext: %s" % (left, right))


all_same("", [title(*c) for c in cases], compare, cases)
all_same("beside an own command: ", [repr(l) for l in mixed], compare_mixed, mixed)
all_same("script: ", ["%r %s %s" % (s, " ".join(o), w) for o, s, w in script_cases],
         compare_script, script_cases)
for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL,
            signal.SIGUSR1):
    # a shell that waits for its next line
    results = [signalled(p, T, sig, b"echo ready\n") for p in (shell.VIRSH, shell.EXT)]
    tap.ok(results[0] == results[1], "a shell gets %s" % sig.name, results)
tap.end()
