# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the shell share: virsh and virsh-ext in a clean environment, and TAP."""
import atexit
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.dirname(__file__) + "/../..")
BUILD = os.environ.get("top_builddir") or SRC
VIRSH = os.environ.get("VIRSH") or shutil.which("virsh") or "/usr/bin/virsh"
EXT = os.path.join(BUILD, "virsh-ext", "virsh-ext")
CC = shlex.split(os.environ.get("CC") or "cc")
# Such as valgrind; in front of runs of virsh-ext that are waited for.
WRAPPER = shlex.split(os.environ.get("VEXT_WRAPPER", ""))
TIMEOUT = 60

tmp = tempfile.mkdtemp(prefix="vext-shell-")
atexit.register(shutil.rmtree, tmp, ignore_errors=True)
# What a command line writes by accident goes away with it.
os.chdir(tmp)
plugins = os.path.join(tmp, "plugins")

ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": tmp, "LC_ALL": "C",
       "TERM": "dumb", "XDG_CACHE_HOME": os.path.join(tmp, "cache"),
       "XDG_RUNTIME_DIR": os.path.join(tmp, "run"),
       # libvirt's own warnings (a host name that cannot be looked up) come with the time.
       "LIBVIRT_LOG_OUTPUTS": "3:file:/dev/null"}
for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        ENV[name] = os.environ[name]


class Done:
    """What a run left: status (negative: the signal), out and err as text."""

    def __init__(self, status, out, err):
        self.status = status
        self.out = out.decode("utf-8", "backslashreplace")
        self.err = err.decode("utf-8", "backslashreplace")

    def same(self, other):
        return (self.status, self.out, self.err) == (other.status, other.out, other.err)

    def __str__(self):
        return "status %s\nout %r\nerr %r" % (self.status, self.out, self.err)


def run(program, argv, stdin=b"", env=None, cwd=None, merge=False):
    """Runs it; stdin: bytes for a pipe, or an open file. merge: stderr goes into out."""
    full = dict(ENV)
    if program != VIRSH:
        full["VIRSH_EXT_PLUGIN_PATH"] = plugins
        full["VIRSH_EXT_VIRSH"] = VIRSH
    for key, value in (env or {}).items():
        if value is None:
            full.pop(key, None)
        else:
            full[key] = value
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    wrapper = WRAPPER if program == EXT else []
    p = subprocess.run(wrapper + [program] + argv, stdout=subprocess.PIPE, env=full, cwd=cwd,
                       stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                       timeout=TIMEOUT, **given)
    return Done(p.returncode, p.stdout, p.stderr or b"")


def ext(argv, **kwargs):
    return run(EXT, argv, **kwargs)


def build_plugin(folder, name="example.so", defines=(), manifest=True):
    """Compiles the example plugin; returns its path."""
    os.makedirs(folder, mode=0o755, exist_ok=True)
    path = os.path.join(folder, name)
    command = CC + ["-shared", "-fPIC", "-o", path, "-I" + os.path.join(SRC, "include")]
    command += ["-D" + d for d in defines]
    command += [os.path.join(SRC, "tests/unit/example-plugin.c")]
    command += shlex.split(subprocess.run(["pkg-config", "--cflags", "--libs", "libvirt"],
                                          check=True, stdout=subprocess.PIPE, text=True).stdout)
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    os.chmod(path, 0o755)
    if manifest:
        p = subprocess.run([EXT, "--vext-print-manifest", path], env=ENV, check=True,
                           stdout=subprocess.PIPE)
        with open(path[:-3] + ".commands", "wb") as f:
            f.write(p.stdout)
    return path


# what is ours in the output of `help` and -h, and the program's name
OUR_GROUPS = re.compile(r"(?m)^ Examples \(help keyword 'example'\):?\n(?:    .*\n)*\n?")


def normal(done):
    """The run with virsh-ext's name, its groups, its version and times taken out."""
    for side in ("out", "err"):
        text = getattr(done, side)
        text = re.sub(r"(?m)^virsh-ext \d+\.\d+\.\d+.*\n", "", text)
        text = OUR_GROUPS.sub("", text)
        text = re.sub(r"(?m)^example-\S+\n", "", text)     # complete
        text = text.replace(EXT, "virsh").replace(VIRSH, "virsh").replace("virsh-ext", "virsh")
        text = re.sub(r"\(Time: [0-9.]+ ms\)", "(Time: N ms)", text)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+]\d{4}", "TIME", text)
        text = re.sub(r"(?m)^(Domain snapshot )\d{10,}( created)$", r"\1TIME\2", text)
        text = re.sub(r"CPU time: +[0-9.]+s", "CPU time: Ns", text)
        setattr(done, side, text)
    return done


class Tap:
    def __init__(self):
        self.n = 0
        self.failed = 0

    def ok(self, good, name, detail=""):
        self.n += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.n, name.replace("\n", "\\n")
                                .replace("#", "\\#")))
        if not good:
            for line in str(detail).split("\n"):
                print("#   " + line[:1500])

    def end(self):
        print("1..%d" % self.n)
        sys.exit(1 if self.failed else 0)


def need_program():
    if not os.access(EXT, os.X_OK):
        print("1..0 # SKIP virsh-ext is not built")
        sys.exit(0)
    if not os.access(VIRSH, os.X_OK):
        print("1..0 # SKIP virsh is not installed")
        sys.exit(0)
