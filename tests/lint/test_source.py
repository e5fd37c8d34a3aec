#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""House rules that a machine can check."""
import os
import re
import subprocess

import lint

MAX_COLUMNS = 100
MAX_LINES = 850
MAX_TEST_LINES = 1000

tap = lint.Tap()
c_files = lint.files(".c", ".h")
product = [p for p in c_files if p.startswith(("virsh-ext/", "plugin/", "include/"))]
scripts = lint.files(".py", ".sh", ".bash", ".fish") + \
    [p for p in ("tests/run-tests", "docs/demo", ".ci/run", "autogen.sh", "run.in")
     if os.path.exists(os.path.join(lint.SRC, p))]
code = {p: lint.without_comments(lint.read(p)) for p in c_files}


def each_line(paths, wrong):
    for path in paths:
        for number, line in enumerate(lint.read(path).split("\n"), 1):
            if wrong(line):
                yield "%s:%d: %s" % (path, number, line.strip()[:60])


def each_match(paths, pattern, texts=code):
    for path in paths:
        for m in re.finditer(pattern, texts[path]):
            yield "%s:%d: %s" % (path, lint.line_of(texts[path], m.start()), m[0].strip()[:60])


tap.test("lines end before column %d" % (MAX_COLUMNS + 1),
         each_line(c_files + scripts, lambda l: len(l) > MAX_COLUMNS))
tap.test("C and Python are indented with blanks, without blanks at a line's end",
         each_line(c_files + scripts, lambda l: "\t" in l or l != l.rstrip()))
tap.test("a file is at most about 800 lines long",
         ["%s: %d lines" % (p, n) for p, n in
          ((p, lint.read(p).count("\n")) for p in c_files)
          if n > (MAX_TEST_LINES if p.startswith("tests/") else MAX_LINES)])
tap.test("every source names its licence first",
         [p for p in c_files if not lint.read(p).startswith(
             "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n")] +
         [p for p in scripts if "SPDX-License-Identifier: LGPL-2.1-or-later" not in
          "".join(lint.read(p).split("\n")[:2]) and lint.read(p).strip()])
tap.test("every source says what it is for",
         [p for p in product if not re.match(r"/\* SPDX[^\n]*\n(/\*|//)", lint.read(p))])
tap.test("config.h comes first where it is used",
         [p for p in product if '#include "config.h"' in code[p] and
          re.search(r"#include\s+(\S+)", code[p])[1] != '"config.h"'])

plain = {p: lint.without_strings(lint.read(p)) for p in c_files}
tap.test("no shell is run",
         list(each_match(product, r"\b(system|popen|wordexp|g_spawn_command_line_\w+"
                         r"|g_shell_parse_argv)\s*\(", plain)) +
         list(each_match(product, r'"(/bin/)?(ba|da|z)?sh"')))
tap.test("no function that cannot know its bounds or report an error",
         each_match(product, r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof"
                    r"|alloca|g_alloca|g_newa|tmpnam|mktemp|tempnam)\s*\(", plain))
tap.test("XML is parsed without network, DTDs and entities",
         list(each_match(product, r"XML_PARSE_(NOENT|DTDLOAD|DTDATTR|DTDVALID|XINCLUDE|HUGE)\b"
                         r"|\bxml(SubstituteEntitiesDefault|ParseFile|ParseMemory|ReadFile"
                         r"|ParseDoc)\b", plain)) +
         ["%s:%d: %s without XML_PARSE_NONET" % (p, line, name) for p in product
          for line, name, arguments in lint.calls(code[p], r"xml(?:Ctxt)?Read\w+")
          if not any("NONET" in a for a in arguments) and not any(
              re.search(r"\bflags\b|\boptions\b|_OPTIONS\b|_FLAGS\b", a) for a in arguments)])
tap.test("files are opened so that no child inherits them",
         ["%s:%d: %s" % (p, line, name) for p in product
          for line, name, arguments in lint.calls(code[p], r"open|openat|pipe|fopen|socketpair")
          if (name in ("open", "openat") and not any("O_CLOEXEC" in a for a in arguments))
          or name == "pipe"
          or (name == "fopen" and "e" not in arguments[-1])
          or (name == "socketpair" and "SOCK_CLOEXEC" not in arguments[1])])


def unused():
    """gcc takes a variable with a cleanup for used; clang does not, and CI builds with both."""
    for path in c_files:
        for m in re.finditer(r"\n( +)g_auto\w*(?:\(\w+\))?[^;=()]*?(\w+) = NULL;", plain[path]):
            block = plain[path][m.end():]
            end = re.search(r"\n {0,%d}\}" % (len(m[1]) - 4), block)
            if not re.search(r"\b%s\b" % m[2], block[:end.start() if end else len(block)]):
                yield "%s:%d: %s" % (path, lint.line_of(plain[path], m.end()), m[2])


tap.test("a variable that is freed by itself is used", unused())

# --- messages ---------------------------------------------------------------------------------

SAYS = r"(?:\w+(?:->|\.))?(?:error|warn)|g_set_error|g_set_error_literal|g_prefix_error" \
    r"|g_prefix_error_literal|g_propagate_prefixed_error|g_error_new|g_error_new_literal" \
    r"|vext_error|vext_warn|vext_print_error"
WORDS = re.compile(r'"(?:[^"\\]|\\.)*?[A-Za-z]{2}(?:[^"\\]|\\.)*"')


def letters(literal):
    return re.sub(r"%[-+ #0-9.*$]*[hlzjt]*[a-zA-Z]|\\.|%%|G_\w+|PRI\w+", "", literal)


# What virsh itself prints untranslated, and text for our own developers.
def unmarked():
    for path in product:
        for line, name, arguments in lint.calls(code[path], SAYS):
            for argument in arguments:
                if argument.startswith('"') and re.search("[A-Za-z]{2}", letters(argument)):
                    yield "%s:%d: %s(%s" % (path, line, name, argument[:50])


def marked():
    """(path, line, text) of each marked string, adjacent literals joined."""
    for path in product:
        if path == "include/vext-i18n.h":
            continue
        for line, name, arguments in lint.calls(code[path], r"_|N_|P_"):
            for argument in arguments[:2 if name == "P_" else 1]:
                yield path, line, argument, "".join(
                    m[1] for m in re.finditer(r'"((?:[^"\\]|\\.)*)"', argument))


tap.test("what the user reads is marked for translation", unmarked())
tap.test("marked text is whole sentences, not pieces to glue",
         ["%s:%d: %r" % (p, line, text) for p, line, argument, text in marked()
          if '"' in argument and (text != text.strip(" ") or
                                  not re.search("[A-Za-z]", letters(text)))] +
         list(each_match(product, r'\b_\("(?:[^"\\]|\\.)*"\)\s*"|"\s*_\("')) +
         ["%s:%d: %s of translated pieces" % (p, line, name) for p in product
          for line, name, arguments in lint.calls(code[p], r"g_strconcat|g_strjoin")
          if sum("_(" in a for a in arguments) > 1])
tap.test("marked text is a constant",
         ["%s:%d: %s" % (p, line, argument[:50]) for p, line, argument, text in marked()
          if '"' in argument and re.sub(
              r'"(?:[^"\\]|\\.)*"|\s|G_\w+_FORMAT|PRI[a-z]\w+|VEXT_\w+', "", argument)])


def badly_written():
    for path in product:
        for line, name, arguments in lint.calls(code[path], SAYS):
            for argument in arguments:
                m = re.match(r'_\("((?:[^"\\]|\\.)*)"', argument)
                if not m:
                    continue
                text = "".join(x[1] for x in re.finditer(r'"((?:[^"\\]|\\.)*)"', argument))
                if text.endswith(".") and not text.endswith("..") or text.endswith("\\n"):
                    yield "%s:%d: ends in a full stop or newline: %s" % (path, line, text[:50])
                # What a GError says may follow a colon, and virsh's own words begin small.
                if re.match(r"(?!command ')[a-z]{2,} ", text) and path.startswith("plugin/") and \
                        name.endswith(("error", "warn")) and "->" in name:
                    yield "%s:%d: begins small: %s" % (path, line, text[:50])


tap.test("messages begin with a capital and end without a full stop", badly_written())

# --- scripts ----------------------------------------------------------------------------------

complaints = []
for path in scripts:
    full = os.path.join(lint.SRC, path)
    first = lint.read(path).split("\n", 1)[0]
    shell = "bash" if "bash" in first or path.endswith(".bash") else \
        "sh" if first.startswith("#!/bin/sh") else None
    if shell:
        r = subprocess.run([shell, "-n", full], stderr=subprocess.PIPE, text=True)
        complaints += r.stderr.split("\n")[:-1]
    elif path.endswith(".py") or "python" in first:
        try:
            compile(lint.read(path), path, "exec")
        except SyntaxError as e:
            complaints.append(str(e))
tap.test("scripts can be parsed", complaints)
tap.test("tests do not sleep for a fixed time",
         ["%s:%d" % (p, n) for p in lint.files(".py", folders=("tests",)) if "/lib/" not in p
          for n, line in enumerate(lint.read(p).split("\n"), 1)
          if re.match(r"\s*(time\.)?sleep\(\s*([1-9]|0\.[3-9])", line)])

tap.finish()
