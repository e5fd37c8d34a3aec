#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may know whom: arrows point down only, and only the backend calls libvirt."""
import os
import re
import subprocess

import lint

# layer -> the layers whose headers it may include
MAY_INCLUDE = {
    "model": {"model"},
    "xml": {"xml", "model"},
    "plan": {"plan", "model"},
    "text": {"text", "plan", "model"},
    "backend": {"backend", "xml", "model"},
    "journal": {"journal", "backend", "plan", "xml", "model"},
    "exec": {"exec", "journal", "backend", "plan", "xml", "model"},
    "admin": {"admin"}, # a program of its own that the backend starts
}
PURE = ("model", "xml", "plan", "text")
# The names of the objects may be kept above the backend, not used; letting go of them is no use.
LETTING_GO = re.compile(r"^vir(\w*Free|ConnectClose|\w*Ref|(Reset|Save|GetLast|SetErrorFunc)\w*)$")
LIBVIRT_HEADER_OK = ("include/virsh-ext-plugin.h", "plugin/backend/", "plugin/admin/",
                     "virsh-ext/", "tests/", "docs/")

tap = lint.Tap()


def includes(path):
    code = lint.without_comments(lint.read(path))
    for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', code, re.M):
        yield lint.line_of(code, m.start()), m[1]


def layer_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "plugin" and len(parts) > 2 else None


complaints = []
for path in lint.files(".c", ".h", folders=("plugin",)):
    layer = layer_of(path)
    if layer is None:
        continue
    if layer not in MAY_INCLUDE:
        complaints.append("%s: the layer %s is not known here" % (path, layer))
        continue
    for line, header in includes(path):
        other = layer_of(header)
        if other and other not in MAY_INCLUDE[layer]:
            complaints.append("%s:%d: %s includes %s" % (path, line, layer, header))
tap.test("a layer includes only layers below it", complaints)

complaints = []
for path in lint.files(".c", ".h", folders=("virsh-ext", "plugin", "include")):
    for line, header in includes(path):
        if path.startswith("virsh-ext/") and header.startswith("plugin/") or \
           path.startswith("plugin/") and header.startswith("virsh-ext/"):
            complaints.append("%s:%d: includes %s" % (path, line, header))
tap.test("shell and plugin meet in the public header alone", complaints)

complaints = []
for path in lint.files(".c", ".h"):
    for line, header in includes(path):
        if header.startswith("libvirt/") and not path.startswith(LIBVIRT_HEADER_OK):
            complaints.append("%s:%d: includes <%s>" % (path, line, header))
tap.test("only the backend includes libvirt's headers", complaints)

complaints = []
for path in lint.files(".c", ".h", folders=("virsh-ext", "include")):
    code = lint.without_comments(lint.read(path))
    for m in re.finditer(r"virDomain(Snapshot|Block)|snapshot-\w+-external|chain-show", code):
        complaints.append("%s:%d: %s" % (path, lint.line_of(code, m.start()), m[0]))
tap.test("the shell knows nothing of snapshots", complaints)


def objects(folder):
    """(source, object) of each source of the folder, as built for the plugin."""
    built = os.path.join(lint.BUILD, folder, ".libs")
    names = os.listdir(built) if os.path.isdir(built) else []
    for path in lint.files(".c", folders=(folder,)):
        if os.path.dirname(path) != folder:
            continue
        stem = os.path.basename(path)[:-2]
        for name in names:
            made = os.path.join(built, name)
            # What is older than its source is of another build.
            if re.fullmatch(r"(?:\w+_la-)?%s\.o" % re.escape(stem), name) and \
                    os.path.getmtime(made) >= os.path.getmtime(os.path.join(lint.SRC, path)):
                yield path, made


def libvirt_symbols(path):
    out = subprocess.run(["nm", "-u", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return sorted(set(re.findall(r"\b(vir[A-Z]\w*)", out)))


for layer in PURE:
    found = list(objects("plugin/" + layer))
    tap.test("%s is pure: no symbol of libvirt in its objects" % layer,
             ["%s uses %s" % (source, ", ".join(symbols)) for source, symbols in
              ((s, libvirt_symbols(o)) for s, o in found) if symbols],
             None if found else "nothing built in plugin/%s" % layer)

found = [f for folder in ("plugin/journal", "plugin/exec", "plugin") for f in objects(folder)]
tap.test("journal, executor and commands reach libvirt through the backend",
         ["%s uses %s" % (source, ", ".join(symbols)) for source, symbols in
          ((s, [x for x in libvirt_symbols(o) if not LETTING_GO.match(x)]) for s, o in found)
          if symbols],
         None if found else "nothing built")

tap.finish()
