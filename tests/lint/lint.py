# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lints share: the tree's files, C without comments and strings, TAP."""
import os
import re
import sys

SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.dirname(__file__) + "/../..")
BUILD = os.environ.get("top_builddir") or SRC
FOLDERS = ("include", "virsh-ext", "plugin", "tests", "docs", "completion")


def files(*endings, folders=FOLDERS):
    """Paths relative to the source tree, sorted; nothing that a build put there."""
    found = []
    for folder in folders:
        for here, subs, names in os.walk(os.path.join(SRC, folder)):
            subs[:] = [s for s in subs if s not in (".libs", ".deps", "__pycache__", "logs",
                                                    "corpus")]
            found += [os.path.relpath(os.path.join(here, n), SRC) for n in names
                      if n.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as f:
        return f.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(code):
    """The same text, places kept, comments blanked."""
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith("/") else m[0], code)


def without_strings(code):
    """The same text, places kept, comments and what is in quotes blanked."""
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith("/")
                     else m[0][0] + blank(m[0][1:-1]) + m[0][-1], code)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def calls(code, name_pattern):
    """Yields (line, name, [argument, ...]) of each call; code has no comments."""
    plain = without_strings(code)
    for m in re.finditer(r"(?<![\w])(%s)\s*\(" % name_pattern, plain):
        depth, start, arguments = 1, m.end(), []
        for i in range(m.end(), len(plain)):
            c = plain[i]
            if c in "([{":
                depth += 1
            elif c in ")]}":
                depth -= 1
            if depth == 0 or (c == "," and depth == 1):
                arguments.append(code[start:i].strip())
                start = i + 1
            if depth == 0:
                break
        yield line_of(code, m.start()), m[1], arguments


class Tap:
    """Collects tests and prints them: each is a name and a list of complaints."""

    def __init__(self):
        self.results = []

    def test(self, name, complaints, skip=None):
        self.results.append((name, list(complaints), skip))

    def finish(self):
        print("1..%d" % len(self.results))
        failed = 0
        for number, (name, complaints, skip) in enumerate(self.results, 1):
            if skip:
                print("ok %d - %s # SKIP %s" % (number, name, skip))
                continue
            print("%sok %d - %s" % ("not " if complaints else "", number, name))
            failed += bool(complaints)
            for complaint in complaints:
                print("#   %s" % complaint)
        sys.exit(1 if failed else 0)
