#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shells' completion files, each in the real shell on a terminal of its own.

A line is typed and completed; then a key writes the edited line to a file, which is compared.
The stock commands run on libvirt's test driver with hostile domain names.
"""
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.dirname(__file__) + "/../..")
BUILD = os.environ.get("top_builddir") or SRC
COMPLETION = os.path.join(SRC, "completion")
DEADLINE = 20

NODE = "<node>%s</node>" % "".join(
    "<domain type='test'><name>%s</name><memory>8192</memory><os><type>hvm</type></os></domain>"
    % name for name in ("my vm", "$(touch pwned)", "a:b=c", "star*"))


def on_terminal(argv, env, cwd, line, keys, out):
    """Types line and keys at the prompt of argv; returns the text that appears in out."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(127)
    seen = b""
    sent = False
    end = time.monotonic() + DEADLINE
    try:
        while time.monotonic() < end and not os.path.exists(out):
            if select.select([fd], [], [], 0.02)[0]:
                try:
                    seen += os.read(fd, 65536)
                except OSError:
                    break
            if not sent and b"READY> " in seen:
                os.write(fd, line.encode() + keys)
                sent = True
    finally:
        os.close(fd)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if not os.path.exists(out):
        return "nothing, but the terminal had %r" % seen
    with open(out) as f:
        return f.read().rstrip("\n")


class Shells:
    def __init__(self, tmp):
        self.tmp = tmp
        self.count = 0
        self.env = dict(os.environ, HOME=tmp, TERM="dumb", LC_ALL="C.UTF-8", ZDOTDIR=tmp,
                        PATH=os.path.join(BUILD, "virsh-ext") + ":" + os.environ["PATH"],
                        VIRSH_EXT_PLUGIN_PATH=os.path.join(BUILD, "plugin/.libs"))
        for name in ("VIRSH_DEFAULT_CONNECT_URI", "VEXT_WRAPPER", "VIRSH_DEBUG"):
            self.env.pop(name, None)
        self.env["LIBVIRT_DEFAULT_URI"] = "test:///default"
        with open(tmp + "/bashrc", "w") as f:
            f.write(""". '%s/virsh-ext.bash'
bind 'set enable-bracketed-paste off'
bind '"\\C-t": insert-completions'
bind -x '"\\C-o": printf "%%s\\n" "$READLINE_LINE" > "$OUT.new"; mv "$OUT.new" "$OUT"'
PS1='READY> '
""" % COMPLETION)
        with open(tmp + "/.zshrc", "w") as f:
            f.write("""fpath=('%s' $fpath)
autoload -Uz compinit && compinit -u -D
unset zle_bracketed_paste
write-line() { print -r -- "$BUFFER" > $OUT.new; mv $OUT.new $OUT }
zle -N write-line
bindkey '^O' write-line
bindkey '^T' complete-word
PS1='READY> '
""" % COMPLETION)

    def out(self):
        self.count += 1
        return "%s/out%d" % (self.tmp, self.count)

    def bash(self, line, key=b"\x14"):
        out = self.out()
        return on_terminal(["bash", "--noprofile", "--rcfile", self.tmp + "/bashrc", "-i"],
                           dict(self.env, OUT=out), self.tmp, line, key + b"\x0f", out)

    def zsh(self, line):
        out = self.out()
        return on_terminal(["zsh", "-d", "-i"], dict(self.env, OUT=out), self.tmp, line,
                           b"\x14\x0f", out)

    def fish(self, line):
        code = "source '%s/virsh-ext.fish'; complete -C $argv[1]" % COMPLETION
        r = subprocess.run(["fish", "--no-config", "-c", code, line], env=self.env, cwd=self.tmp,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60, text=True)
        return " ".join(sorted(r.stdout.split("\n"))).strip()


def cases(u):
    """(shell, what, line, whole line after completion; for fish the candidates)"""
    v = "virsh-ext -c %s " % u
    b = [
        ("a stock command", "virsh-ext dominf", "virsh-ext dominfo "),
        ("an own command", "virsh-ext chain-sh", "virsh-ext chain-show "),
        ("own and stock commands together", "virsh-ext snapshot-re",
         "virsh-ext snapshot-revert snapshot-revert-external "),
        ("global options", "virsh-ext --keep",
         "virsh-ext --keepalive-count --keepalive-interval "),
        ("a global option's name", "virsh-ext --rea", "virsh-ext --readonly "),
        ("a URI", "virsh-ext -c qemu:///sy", "virsh-ext -c qemu:///system "),
        ("a URI after =", "virsh-ext --connect=qemu:///sy", "virsh-ext --connect=qemu:///system "),
        ("an option of a stock command", v + "dominfo --dom", v + "dominfo --domain "),
        ("an option of an own command", v + "chain-show --orph", v + "chain-show --orphans "),
        ("a domain for a stock command", v + "dominfo --domain a", v + "dominfo --domain a:b=c "),
        ("a domain for an own command", v + "chain-show --domain a",
         v + "chain-show --domain a:b=c "),
        ("every domain, quoted", v + "dominfo --domain ",
         v + "dominfo --domain \\$\\(touch\\ pwned\\) a:b=c my\\ vm star\\* "),
        ("a value after =", v + "dominfo --domain=m", v + "dominfo --domain=my\\ vm "),
        ("an own command's value after =", v + "chain-show --domain=m",
         v + "chain-show --domain=my\\ vm "),
        ("a value behind colons", v + "dominfo --domain a:", v + "dominfo --domain a:b=c "),
        ("a value behind = and colons", v + "dominfo --domain=a:b=",
         v + "dominfo --domain=a:b=c "),
        ("a value begun with a backslash", v + "dominfo --domain my\\ v",
         v + "dominfo --domain my\\ vm "),
        ("nothing where there is nothing", v + "dominfo --domain nosuch",
         v + "dominfo --domain nosuch"),
        ("after -q", "virsh-ext -q -c %s dominfo --domain my" % u,
         "virsh-ext -q -c %s dominfo --domain my\\ vm " % u),
        ("after -d N", "virsh-ext -d 4 -c %s dominfo --domain my" % u,
         "virsh-ext -d 4 -c %s dominfo --domain my\\ vm " % u),
        ("after --connect=URI", "virsh-ext --connect=%s dominfo --domain my" % u,
         "virsh-ext --connect=%s dominfo --domain my\\ vm " % u),
        ("after a quoted URI", "virsh-ext -c '%s' dominfo --domain my" % u,
         "virsh-ext -c '%s' dominfo --domain my\\ vm " % u),
        ("after a bundle of options", "virsh-ext -qtc%s dominfo --domain my" % u,
         "virsh-ext -qtc%s dominfo --domain my\\ vm " % u),
        ("after -r -k N --keepalive-count N -e X",
         "virsh-ext -r -k 5 --keepalive-count 6 -e ^] --conn %s dominfo --domain my" % u,
         "virsh-ext -r -k 5 --keepalive-count 6 -e ^] --conn %s dominfo --domain my\\ vm " % u),
    ]
    result = [("bash",) + c for c in b]
    # With a Tab, readline closes the quote itself.
    result += [
        ("bash-tab", "a value in single quotes", v + "dominfo --domain 'my",
         v + "dominfo --domain 'my vm' "),
        ("bash-tab", "a value in double quotes, made safe", v + 'dominfo --domain "$',
         v + 'dominfo --domain "\\$(touch pwned)" '),
    ]
    result += [("zsh",) + c for c in [
        ("a stock command", "virsh-ext dominf", "virsh-ext dominfo "),
        ("an own command", "virsh-ext chain-sh", "virsh-ext chain-show "),
        ("a global option", "virsh-ext --rea", "virsh-ext --readonly "),
        ("an option", v + "dominfo --dom", v + "dominfo --domain "),
        ("a domain, quoted", v + "dominfo --domain my", v + "dominfo --domain my\\ vm "),
        ("a value after =", v + "dominfo --domain=a", v + "dominfo --domain=a:b=c "),
        ("after any options", "virsh-ext -qd4 --connect=%s -r dominfo --domain my" % u,
         "virsh-ext -qd4 --connect=%s -r dominfo --domain my\\ vm " % u),
    ]]
    result += [("fish",) + c for c in [
        ("a stock command", "virsh-ext dominf", "dominfo"),
        ("an own command", "virsh-ext chain-sh", "chain-show"),
        ("a global option", "virsh-ext --rea", "--readonly"),
        ("an option", v + "dominfo --dom", "--domain"),
        ("a domain", v + "dominfo --domain a", "a:b=c"),
        ("a domain with a blank", v + "dominfo --domain m", "my vm"),
        ("a value after =", v + "dominfo --domain=a", "--domain=a:b=c"),
        ("behind a value with a blank", v + "domdisplay --domain 'my vm' --al", "--all"),
        ("after any options", "virsh-ext -qd4 --connect=%s -r dominfo --domain a" % u, "a:b=c"),
    ]]
    return result


def main():
    with tempfile.TemporaryDirectory(prefix="vext-compl.") as tmp:
        # No colon or space in the name: the URI is typed as it is.
        node = tmp + "/node.xml"
        with open(node, "w") as f:
            f.write(NODE)
        shells = Shells(tmp)
        table = cases("test://" + node)
        print("1..%d" % (len(table) + 1))
        failed = 0
        for number, (shell, what, line, expected) in enumerate(table, 1):
            name = "%s completes %s" % (shell.split("-")[0], what)
            if not shutil.which(shell.split("-")[0]):
                print("ok %d - %s # SKIP no %s" % (number, name, shell))
                continue
            if shell == "bash-tab":
                got = shells.bash(line, b"\t")
            else:
                got = getattr(shells, shell)(line)
            # Readline of before 8.2 leaves the blank after the last match to the user.
            if got.rstrip() == expected.rstrip():
                print("ok %d - %s" % (number, name))
            else:
                failed += 1
                print("not ok %d - %s" % (number, name))
                print("#   typed    %r\n#   expected %r\n#   got      %r" % (line, expected, got))
            sys.stdout.flush()
        evaluated = os.path.exists(tmp + "/pwned")
        print("%sok %d - no name was evaluated" % ("not " if evaluated else "", len(table) + 1))
        return 1 if failed or evaluated else 0


if __name__ == "__main__":
    sys.exit(main())
