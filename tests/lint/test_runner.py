#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/run-tests: no kind of failure may look like success."""

import importlib.machinery
import importlib.util
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402

RUNNER = os.path.join(util.srcdir(), "tests", "run-tests")


def load():
    loader = importlib.machinery.SourceFileLoader("run_tests", RUNNER)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


# Output, exit status; passed, failed, skipped
OUTPUTS = {
    "all-pass": ("1..2\nok 1 - a\nok 2 - b\n", 0, (2, 0, 0)),
    "plan-at-the-end": ("ok 1 - a\nok 2\n1..2\n", 0, (2, 0, 0)),
    "not-ok": ("1..2\nok 1 - a\nnot ok 2 - b\n", 1, (1, 1, 0)),
    "not-ok-with-status-0": ("1..1\nnot ok 1 - b\n", 0, (0, 1, 0)),
    "skip": ("1..2\nok 1 - a # SKIP no tool\nok 2 - b\n", 0, (1, 0, 1)),
    "failed-skip": ("1..1\nnot ok 1 - a # SKIP no tool\n", 1, (0, 1, 0)),
    "glib-skip": ("# random seed: R02\n1..1\nok 1 /a/b # SKIP\n", 0, (0, 0, 1)),
    "todo": ("1..1\nnot ok 1 - a # TODO later\n", 0, (0, 0, 1)),
    "skip-all": ("1..0 # SKIP not root\n", 0, (0, 0, 1)),
    "status-77": ("", 77, (0, 0, 1)),
    "status-77-too-late": ("1..2\nok 1\n", 77, (1, 1, 0)),
    "too-few": ("1..3\nok 1\nok 2\n", 0, (2, 1, 0)),
    "too-many": ("1..1\nok 1\nok 2\n", 0, (2, 1, 0)),
    "twice-the-same": ("1..2\nok 1\nok 1\n", 0, (2, 1, 0)),
    "no-plan": ("ok 1\n", 0, (1, 1, 0)),
    "two-plans": ("1..1\nok 1\n1..1\n", 0, (1, 1, 0)),
    "nothing": ("", 0, (0, 1, 0)),
    "crash": ("1..2\nok 1\n", -11, (1, 1, 0)),
    "crash-at-the-end": ("1..1\nok 1\n", -11, (1, 1, 0)),
    "status-without-failure": ("1..1\nok 1\n", 99, (1, 1, 0)),
    "bail-out": ("1..1\nok 1\nBail out! disk full\n", 0, (1, 1, 0)),
    "other-output": ("1..1\nokay then\nok-ish\n  ok 7\nok 1 - a\n", 0, (1, 0, 0)),
}


@test(cases=list(OUTPUTS))
def judges(t, name):
    text, status, expected = OUTPUTS[name]
    outcome = load().parse(text, status)
    t.eq((outcome.passed, outcome.failed, sum(outcome.skipped.values())), expected)


@test
def a_hang_is_a_failure(t):
    outcome = load().parse("1..1\nok 1\n", -15, 3)
    t.eq(outcome.failed, 1)
    t.has(outcome.problems[0], "no end after 3 s")


def script(t, name, text):
    path = t.path(name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def run_tests(t, *args, env=None):
    return run([sys.executable, RUNNER, "--logdir", t.path("logs"), *args], check=False,
               env={"VEXT_BUILDDIR": t.dir, "VEXT_WRAPPER": None, "MALLOC_PERTURB_": None,
                    **(env or {})})


@test
def the_last_line_is_the_sum(t):
    good = script(t, "good.sh", "echo 1..2; echo ok 1 - a; echo ok 2 - b '#' SKIP no b\n")
    bad = script(t, "bad.sh", "echo 1..1; echo why not; echo not ok 1 - c; exit 1\n")
    result = t.rc(run_tests(t, good), 0)
    t.eq(result.out.splitlines()[-1], "1 passed, 0 failed, 1 skipped")
    result = t.rc(run_tests(t, "-j", "2", good, bad), 1)
    t.eq(result.out.splitlines()[-1], "1 passed, 1 failed, 1 skipped")
    t.has(result.out, "why not")
    t.has(result.out, "PASS good.sh")
    t.has(result.out, "FAIL bad.sh")
    with open(t.path("logs", "bad.log"), encoding="utf-8") as f:
        t.has(f.read(), "why not")
    t.rc(run_tests(t, t.path("missing.sh")), 1)
    t.rc(run_tests(t, t.path("missing")), 1)


@test
def a_hanging_program_is_killed_with_its_children(t):
    pid = t.path("pid")
    hang = script(t, "hang.sh", f"echo 1..1; sleep 100 & echo $! > '{pid}'; sleep 100\n")
    result = t.rc(run_tests(t, "--timeout", "0.5", hang), 1)
    t.has(result.out, "no end after 0.5 s")
    with open(pid, encoding="ascii") as f:
        child = f.read().strip()

    def dead():
        try:
            with open(f"/proc/{child}/stat", encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True
    t.wait_for(dead, "the child to die")


@test
def programs_get_a_clean_environment(t):
    show = script(t, "show.py", "import os\nprint('1..1')\nfor k in sorted(os.environ):\n"
                  "    print(k + '=' + os.environ[k])\n"
                  "print('ok' if os.path.isdir(os.environ['HOME']) else 'not ok')\n")
    result = t.rc(run_tests(t, "-v", show, env={"LANGUAGE": "de", "VIRSH_EXT_TAKEOVER": "1",
                                                "LIBVIRT_DEFAULT_URI": "test:///default"}), 0)
    for line in ("LC_ALL=C.UTF-8", "VEXT_BUILDDIR=" + t.dir, "VEXT_SRCDIR=", "MALLOC_PERTURB_=",
                 "VEXT_TMPDIR=/tmp/vt"):
        t.has(result.out, "\n" + line)
    for name in ("LANGUAGE", "VIRSH_EXT_TAKEOVER", "LIBVIRT_DEFAULT_URI"):
        t.ok(f"\n{name}=" not in result.out, name + " is handed on")
    home = [line for line in result.lines if line.startswith("HOME=")][0][5:]
    t.ok(not os.path.exists(home), "the temporary directory is left")


if __name__ == "__main__":
    main(sandbox=False)
