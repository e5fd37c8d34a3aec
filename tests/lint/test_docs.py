#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""README, man pages and --help say the same."""
import os
import re
import subprocess

import lint

PROGRAM = [os.path.join(lint.BUILD, "run"), os.path.join(lint.BUILD, "virsh-ext/virsh-ext")]
ENV = dict(os.environ, LC_ALL="C.UTF-8", LIBVIRT_DEFAULT_URI="test:///default")
ENV.pop("VEXT_WRAPPER", None)
tap = lint.Tap()


def help_of(what):
    r = subprocess.run(PROGRAM + ["help", what], env=ENV, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return r.stdout if r.returncode == 0 else ""


def section(text, title):
    m = re.search(r"^ *%s\n(.*?)(?=^ {0,2}[A-Z]{4,}\n|\Z)" % title, text, re.M | re.S)
    return m[1] if m else ""


def sections(rst, underline):
    """{title: text} of the sections with this underline."""
    found = {}
    parts = re.split(r"(?m)^(\S[^\n]*)\n%s{3,}\n" % re.escape(underline), rst)
    for title, text in zip(parts[1::2], parts[2::2]):
        found[title] = re.split(r"(?m)^\S[^\n]*\n={3,}\n", text)[0]
    return found


manual = lint.read("docs/virsh-ext.rst")
described = sections(manual[manual.index("\nEXTERNAL SNAPSHOTS\n"):], "-")
described = {k: v for k, v in described.items() if re.fullmatch("[a-z-]+", k)}
commands = [line.split()[0] for line in help_of("external").split("\n")
            if re.match(r"^ {4}[a-z]", line)]

tap.test("the program knows its own commands", [] if commands else ["`help external` is empty"])
tap.test("every command has its place in the man page",
         ["%s is not described" % c for c in commands if c not in described])
tap.test("the man page describes no other command",
         ["%s does not exist" % c for c in described if c not in commands])

for command in commands:
    text = help_of(command)
    options = set(re.findall(r"^ +\[?--([a-z0-9-]+)", section(text, "OPTIONS"), re.M))
    options |= set(re.findall(r"^ +<([a-z0-9-]+)>", section(text, "OPTIONS"), re.M))
    rst = described.get(command, "")
    m = re.search(r"Syntax::\n\n(.*?)\n\n(?! )|Syntax: ``(.*?)``", rst, re.S)
    syntax = (m[1] or m[2]) if m else ""
    documented = set(re.findall(r"--([a-z0-9-]+)", syntax)) | \
        {p for p in re.findall(r"<([a-z0-9-]+)>", syntax) if p not in ("string", "number")}
    complaints = ["--%s is in --help only" % o for o in sorted(options - documented)]
    complaints += ["--%s is in the man page's syntax only" % o
                   for o in sorted(documented - options)]
    spoken = set(re.findall(r"``--([a-z0-9-]+)``", rst))
    complaints += ["--%s is in the man page's text only" % o for o in sorted(spoken - options)]
    complaints += ["--%s is not explained in the man page" % o
                   for o in sorted(options - spoken) if "--" + o in syntax]
    if not options:
        complaints.append("--help shows no option")
    tap.test("man page and --help of %s list the same options" % command, complaints)

readme = lint.read("README.md")
first_screen = "\n".join(readme.split("\n")[:30])
tap.test("the two commands are on the README's first screen",
         [c for c in ("./autogen.sh --deps && make demo", "./autogen.sh --deps && make check")
          if c not in first_screen])
tap.test("commands that the README shows exist",
         ["%s" % c for c in sorted(set(re.findall(
             r"\b(?:snapshot-\w+-external|chain-[a-z]+|host-check)\b", readme)))
          if c not in commands])
own = set().union(*(re.findall(r"--([a-z0-9-]+)", help_of(c)) for c in commands)) \
    if commands else set()
complaints = []
for line in readme.split("\n"):
    m = re.search(r"virsh-ext (?:-\S+ )*(snapshot-\w+-external|chain-\w+|host-check)\b(.*)",
                  line)
    if m:
        known = set(re.findall(r"--([a-z0-9-]+)", help_of(m[1])))
        complaints += ["%s --%s" % (m[1], o) for o in re.findall(r" --([a-z0-9-]+)", m[2])
                       if o not in known]
tap.test("options that the README shows exist", complaints)
variables = set()
for path in lint.files(".c", folders=("virsh-ext", "plugin")):
    variables |= set(re.findall(r'getenv\w*\("(VIRSH_EXT_\w+)"', lint.read(path)))
tap.test("every environment variable is described",
         [v for v in sorted(variables) if v not in manual])
functions = re.findall(r"\(\*(\w+)\)\(", lint.read("include/virsh-ext-plugin.h"))
tap.test("every function of the plugin interface is described",
         [f for f in functions if f not in ("handler", "VextCompleter", "VextClaims") and
          f not in lint.read("docs/virsh-ext-plugin.rst")])

tap.finish()
