# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running commands and keeping a record of them for the diagnostics of a failing test."""

import os
import shlex
import shutil
import signal
import subprocess
import time

# A shell starts what runs in its background with SIGINT ignored, and so would be what we start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Skip(Exception):
    """Raised where a test can't run here; the text is the reason."""


class CommandError(AssertionError):
    """A command that had to succeed has failed."""

    def __init__(self, result, why=None):
        super().__init__(f"{why or 'command failed'}: {result}")
        self.result = result


class Result:
    """What a command did: argv, rc, out, err (text) and seconds."""

    def __init__(self, argv, rc, out, err, seconds):
        self.argv, self.rc, self.out, self.err, self.seconds = argv, rc, out, err, seconds

    @property
    def lines(self):
        """Lines of out that aren't empty, stripped."""
        return [line.strip() for line in self.out.splitlines() if line.strip()]

    def __str__(self):
        text = f"$ {shlex.join(self.argv)}\n[rc {self.rc}, {self.seconds:.2f} s]"
        for name, value in (("out", self.out), ("err", self.err)):
            if value and value.strip():
                if len(value) > 3000:
                    value = value[:1500] + "\n[...]\n" + value[-1500:]
                text += f"\n{name}: {value.rstrip()}"
        return text


history = []        # the Results of the running test, printed when it fails


def run(argv, check=True, timeout=60, env=None, input=None, cwd=None, log=True, root=False):
    """Run a command and return its Result.

    check: raise CommandError unless it exits with 0. timeout: seconds, then it's killed and
    CommandError raised whatever check says. env: variables to add (None removes one). root:
    run it in the tree of VEXT_TEST_ROOT if that's set."""
    argv = [os.fspath(a) for a in argv]
    if root:
        argv = in_root(argv)
    full_env = os.environ.copy()
    for key, value in (env or {}).items():
        if value is None:
            full_env.pop(key, None)
        else:
            full_env[key] = value
    start = time.monotonic()
    process = subprocess.Popen(argv, stdin=subprocess.PIPE if input is not None
                               else subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=full_env, cwd=cwd)
    data = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input
    late = False
    try:
        out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        out, err = process.communicate()
    except BaseException:
        # The test's own time is over: show what the command has said so far.
        process.kill()
        out, err = process.communicate()
        history.append(Result(argv, process.returncode, out.decode("utf-8", "replace"),
                              err.decode("utf-8", "replace"), time.monotonic() - start))
        raise
    result = Result(argv, process.returncode, out.decode("utf-8", "surrogateescape"),
                    err.decode("utf-8", "surrogateescape"), time.monotonic() - start)
    if log:
        history.append(result)
    if late:
        raise CommandError(result, f"no end after {timeout} s")
    if check and result.rc != 0:
        raise CommandError(result)
    return result


def spawn(argv, env=None, **kwargs):
    """Start a command in the background: a Popen whose streams are pipes in text mode."""
    full_env = os.environ.copy()
    full_env.update(env or {})
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([os.fspath(a) for a in argv], env=full_env, text=True, **kwargs)


def wait_for(condition, what, timeout=15, interval=0.01):
    """Poll condition() until it's true and return its value; AssertionError at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(interval)


def test_root():
    """The other Debian tree in which libvirt, virsh and qemu-img are run, or None."""
    return os.environ.get("VEXT_TEST_ROOT") or None


def in_root(argv):
    """argv, run in VEXT_TEST_ROOT if that's set. All paths in it must be absolute."""
    root = test_root()
    return ["chroot", root] + list(argv) if root else list(argv)


def have(program):
    """Whether the program is there (in VEXT_TEST_ROOT if that's set)."""
    root = test_root()
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    if root:
        path = ":".join(root + p for p in path.split(":") if p.startswith("/"))
    return shutil.which(program, path=path) is not None


def require_programs(*names):
    """Skip unless all the programs are there."""
    missing = [n for n in names if not have(n)]
    if missing:
        raise Skip("missing: " + ", ".join(missing))


def srcdir():
    """The top of the source tree."""
    return os.environ.get("VEXT_SRCDIR") or os.path.abspath(
        os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def builddir():
    """The top of the build tree."""
    return os.environ.get("VEXT_BUILDDIR") or srcdir()


def program():
    """argv of the program under test: $VEXT, else virsh-ext of the build tree."""
    if os.environ.get("VEXT"):
        return shlex.split(os.environ["VEXT"])
    return [os.path.join(builddir(), "run"), "virsh-ext"]


def program_copy(directory):
    """argv of a copy of the program in directory, for users who cannot enter the build tree."""
    target = os.path.join(directory, "program")
    os.mkdir(target, 0o755)
    for built in ("virsh-ext/virsh-ext", "plugin/.libs/snapshots.so", "plugin/admin/daemon-admin"):
        shutil.copy(os.path.join(builddir(), built), target)
    return ["env", "VIRSH_EXT_PLUGIN_PATH=" + target, "VIRSH_EXT_LIBEXECDIR=" + target,
            os.path.join(target, "virsh-ext")]


def require_program():
    """Skip unless the program under test is built."""
    argv = program()
    if argv[-1] == "virsh-ext" and len(argv) == 2:
        if not os.path.exists(os.path.join(builddir(), "virsh-ext", "virsh-ext")):
            raise Skip("virsh-ext is not built in " + builddir())
