# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small TAP framework: @test functions, main() at the end of the program.

Every test gets a T with a directory of its own, daemons and guests that end with the test,
and checks. Arguments of the program: names (or shell patterns) of tests to run; -l lists them."""

import fnmatch
import functools
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from . import sandbox as _sandbox
from . import util
from .daemon import Daemon, EmbedRoot
from .guest import Guest
from .util import Skip

_tests = []


class TestTimeout(BaseException):
    """Not an Exception: no test is to catch it."""


class _Test:
    def __init__(self, function, name, timeout, args):
        self.function, self.name, self.timeout, self.args = function, name, timeout, args


def test(function=None, *, timeout=60, cases=None):
    """Decorator: the function is a test, called with a T. cases: a list of values, each making
    a test of its own, called as function(t, value)."""
    def register(f):
        if cases is None:
            _tests.append(_Test(f, f.__name__, timeout, ()))
        else:
            for case in cases:
                words = case if isinstance(case, (tuple, list)) else (case,)
                label = "-".join(str(getattr(w, "__name__", w)) for w in words)
                _tests.append(_Test(f, f"{f.__name__}[{label}]", timeout, tuple(words)))
        return f
    return register(function) if function else register


def requires(*needs):
    """Decorator under @test: skip unless all needs are met. A need is the name of a program,
    'program' (virsh-ext is built), or a function that returns None or the reason to skip."""
    def decorate(f):
        @functools.wraps(f)
        def wrapped(*args):
            for need in needs:
                if callable(need):
                    reason = need()
                    if reason:
                        raise Skip(reason)
                elif need == "program":
                    util.require_program()
                else:
                    util.require_programs(need)
            return f(*args)
        return wrapped
    return decorate


def skip(reason):
    """End the running test as skipped."""
    raise Skip(reason)


def supported(result):
    """The result, unless this libvirt says that it cannot do this at all: then skip()."""
    if result.rc and "not supported" in result.err:
        skip(result.err.strip())
    if result.rc:
        raise util.CommandError(result)
    return result


class T:
    """What a test function is given."""

    def __init__(self, directory):
        self.dir = directory
        self._cleanups = []
        self._daemons = []
        self._daemon = None

    def path(self, *parts):
        """A path in the test's directory."""
        return os.path.join(self.dir, *parts)

    def cleanup(self, function, *args):
        """Call the function after the test, last registered first."""
        self._cleanups.append((function, args))

    def diag(self, text):
        """Print a diagnostic line."""
        for line in str(text).splitlines():
            print("# " + line)

    def daemon(self, fresh=False, **kwargs):
        """The test's private libvirtd, started at the first call; fresh=True: one more."""
        if self._daemon is None or fresh or kwargs:
            daemon = Daemon(**kwargs)
            self._daemons.append(daemon)
            self.cleanup(daemon.destroy)
            daemon.start()
            if self._daemon is None:
                self._daemon = daemon
            return daemon
        return self._daemon

    def embed(self, **kwargs):
        """A root of the embedded driver."""
        root = EmbedRoot(**kwargs)
        self._daemons.append(root)
        self.cleanup(root.destroy)
        return root

    def guest(self, name="vm1", daemon=None, **kwargs):
        """A Guest of the given or the test's daemon, with its images in a directory of it."""
        guest = Guest(daemon or self.daemon(), name, **kwargs)
        self.cleanup(guest.release)
        return guest

    def fail(self, text):
        raise AssertionError(text)

    def ok(self, condition, text):
        """Fail with the text unless the condition is true."""
        if not condition:
            raise AssertionError(text)

    def eq(self, got, expected, what="value"):
        """Fail unless both are equal."""
        if got != expected:
            raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")

    def has(self, text, part, what="text"):
        """Fail unless the part is in the text."""
        if part not in text:
            raise AssertionError(f"{what}: {part!r} is not in {text!r}")

    def rc(self, result, expected=0):
        """Fail unless the command ended with this exit status; the Result."""
        if result.rc != expected:
            raise AssertionError(f"exit status {result.rc}, expected {expected}: {result}")
        return result

    def raises(self, exception, function, *args, **kwargs):
        """Fail unless the call raises the exception; the exception."""
        try:
            function(*args, **kwargs)
        except exception as e:
            return e
        raise AssertionError(f"{getattr(function, '__name__', function)} did not raise "
                             f"{exception.__name__}")

    def wait_for(self, condition, what, timeout=15):
        return util.wait_for(condition, what, timeout)

    def _finish(self):
        problems = []
        while self._cleanups:
            function, args = self._cleanups.pop()
            try:
                function(*args)
            except Exception as e:
                problems.append(f"cleanup {getattr(function, '__name__', function)}: {e}")
        return problems


def _alarm(_signo, _frame):
    raise TestTimeout()


def _print_failure(t, error):
    lines = "".join(traceback.format_exception(error)).splitlines()
    print("# --- failure")
    for line in lines:
        print("# " + line)
    print("# --- commands")
    for result in util.history[-40:]:
        for line in str(result).splitlines():
            print("# " + line)
    for daemon in t._daemons:
        print(f"# --- log of the daemon in {daemon.dir}")
        for line in daemon.log_tail(12).splitlines():
            print("# " + line)


def _run_one(number, item, top):
    directory = os.path.join(top, f"t{number}")
    os.makedirs(directory, exist_ok=True)
    t = T(directory)
    util.history.clear()
    start = time.monotonic()
    status, note, error = True, "", None
    factor = float(os.environ.get("VEXT_TEST_TIMEOUT_FACTOR", "1"))
    signal.signal(signal.SIGALRM, _alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, item.timeout * factor)
        takes = len(inspect.signature(item.function).parameters)
        item.function(*((t,) + item.args)[:takes])
    except Skip as e:
        note = f" # SKIP {e}"
    except TestTimeout as e:
        status, error = False, e
        print(f"# timeout after {item.timeout * factor:g} s")
    except Exception as e:
        status, error = False, e
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if error is not None:
        _print_failure(t, error)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        problems = t._finish()
    except TestTimeout:
        problems = ["cleanup took more than 60 s"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if problems:
        status = False
        t.diag("\n".join(problems))
    name = item.name.replace("#", "_")
    print(f"{'ok' if status else 'not ok'} {number} - {name}{note}")
    if os.environ.get("VEXT_TEST_TIMES"):
        print(f"# {time.monotonic() - start:.2f} s")
    sys.stdout.flush()
    if os.environ.get("VEXT_TEST_KEEP") and not status:
        print(f"# kept {directory}")
    else:
        subprocess.run(["chattr", "-R", "-f", "-i", directory], check=False,
                       stderr=subprocess.DEVNULL) if shutil.which("chattr") else None
        shutil.rmtree(directory, ignore_errors=True)
    return status


def main(sandbox=True):
    """Run the tests named on the command line, or all; exit. sandbox=False: for tests that
    need no daemon, and neither root nor namespaces."""
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    if "-l" in sys.argv[1:] or "--list" in sys.argv[1:]:
        for item in _tests:
            print(item.name)
        sys.exit(0)
    chosen = [item for item in _tests if not names or any(
        n == item.name or n == item.function.__name__ or fnmatch.fnmatch(item.name, n)
        for n in names)]
    if not chosen:
        print("1..0 # SKIP no test of that name")
        sys.exit(1 if names else 0)
    temporary = None
    if sandbox:
        try:
            top = _sandbox.tmpdir()
        except Skip as e:
            print(f"1..0 # SKIP {e}")
            sys.exit(0)
    else:
        top = temporary = tempfile.mkdtemp(prefix="vx",
                                           dir=os.environ.get("VEXT_TMPDIR") or "/tmp")
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    try:
        for number, item in enumerate(chosen, 1):
            if not _run_one(number, item, top):
                failed += 1
    finally:
        if temporary and not os.environ.get("VEXT_TEST_KEEP"):
            shutil.rmtree(temporary, ignore_errors=True)
    sys.stdout.flush()
    sys.exit(1 if failed else 0)
