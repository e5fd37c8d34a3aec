#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own test scripts of virsh, run with virsh-ext in virsh's place.

The scripts are not part of this tree. VEXT_LIBVIRT_SOURCE says where they come from:

    a folder    an unpacked source tree of libvirt, of the version of the virsh that is installed
    fetch       tests/lib/fetch-libvirt-source gets them from the package's source (.ci/run)

Without it, and where they cannot be fetched, all are skipped. Each script runs with virsh first.
One that virsh itself does not pass here says nothing of us and is skipped; one that virsh passes,
virsh-ext has to pass, both by virsh-ext's own name and called as virsh. Arguments: the scripts to
run.
"""
import os
import shlex
import subprocess
import sys

SOURCE = os.environ.get("VEXT_LIBVIRT_SOURCE")
if not SOURCE:
    print("1..0 # SKIP VEXT_LIBVIRT_SOURCE names no source tree of libvirt")
    sys.exit(0)
if SOURCE != "fetch":
    SOURCE = os.path.abspath(SOURCE)    # before shell goes to its own directory

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shell  # noqa: E402

SCRIPTS = ["virsh-auth", "virsh-checkpoint", "virsh-cpuset", "virsh-define-dev-segfault",
           "virsh-int-overflow", "virsh-optparse", "virsh-output", "virsh-read-bufsiz",
           "virsh-read-non-seekable", "virsh-schedinfo", "virsh-self-test", "virsh-snapshot",
           "virsh-start", "virsh-undefine", "virsh-uriprecedence", "virsh-vcpupin"]
LIMIT = 240     # seconds for a script; virsh-output starts virsh some eighty times
SKIPPED = 77    # the status by which a script says so
FETCH_LIMIT = 400


def fetch():
    """Fetches the scripts; skips everything when they cannot be had."""
    folder = os.path.join(shell.tmp, "libvirt")
    program = os.path.join(os.path.abspath(shell.SRC), "tests", "lib", "fetch-libvirt-source")
    try:
        p = subprocess.run(["sh", program, folder], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FETCH_LIMIT,
                           check=False, text=True, errors="backslashreplace")
        status, lines = p.returncode, p.stdout.splitlines()
    except subprocess.TimeoutExpired:
        status, lines = 1, ["libvirt's source was not there after %d s" % FETCH_LIMIT]
    if status == 1:
        for line in lines:
            print("# " + line)
        print("1..0 # SKIP " + (lines or ["fetch-libvirt-source says nothing"])[-1])
        sys.exit(0)
    if status:
        print("Bail out! fetch-libvirt-source: status %d: %s" % (status, " / ".join(lines)))
        sys.exit(1)
    return folder


shell.need_program()
if SOURCE == "fetch":
    SOURCE = fetch()
if not os.path.exists(os.path.join(SOURCE, "tests", "test-lib.sh")):
    print("Bail out! VEXT_LIBVIRT_SOURCE: no tests/test-lib.sh in '%s'" % SOURCE)
    sys.exit(1)
scripts = sys.argv[1:] or SCRIPTS


def build_tree(name, content=None, link=None):
    """A directory as the scripts expect libvirt's build tree, with tools/virsh; its path."""
    path = os.path.join(shell.tmp, name)
    virsh = os.path.join(path, "tools", "virsh")
    os.makedirs(os.path.dirname(virsh))
    if link:
        os.symlink(link, virsh)
    else:
        with open(virsh, "w", encoding="utf-8") as f:
            f.write(content)
        os.chmod(virsh, 0o755)
    return path


def run(script, tree):
    """Runs it on that build tree: status (None: it took too long) and all it printed."""
    folder = os.path.join(tree, "tests")
    os.makedirs(folder, exist_ok=True)
    env = dict(shell.ENV, abs_top_builddir=tree, abs_builddir=folder, abs_top_srcdir=SOURCE,
               abs_srcdir=os.path.join(SOURCE, "tests"), LIBVIRT_AUTOSTART="0",
               VIR_TEST_EXPENSIVE="1", VIR_TEST_DEBUG="1", VIRSH_EXT_VIRSH=shell.VIRSH,
               VIRSH_EXT_PLUGIN_PATH=os.path.join(os.path.abspath(shell.BUILD),
                                                  "plugin", ".libs"))
    try:
        p = subprocess.run([os.path.join(SOURCE, "tests", script)], env=env, cwd=folder,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "backslashreplace")
    return p.returncode, p.stdout.decode("utf-8", "backslashreplace")


def reason(status, text):
    """Why a script says nothing here, in a line."""
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1].strip()[:100].replace("#", "") if lines else "no output"
    if status == SKIPPED:
        return "the script skips itself: " + last
    if status is None:
        return "virsh itself takes longer than %d s" % LIMIT
    return "virsh itself fails with status %d: %s" % (status, last)


ext = os.path.abspath(shell.EXT)
stock_tree = build_tree("stock", link=shell.VIRSH)
ways = [("as virsh-ext", build_tree("wrapped",
                                    "#!/bin/sh\nexec %s \"$@\"\n" % shlex.quote(ext))),
        ("as virsh", build_tree("linked", link=ext))]

print("1..%d" % (len(scripts) * len(ways)), flush=True)
number = failed = 0
for script in scripts:
    if os.path.exists(os.path.join(SOURCE, "tests", script)):
        stock = run(script, stock_tree)
        skip = "" if stock[0] == 0 else reason(*stock)
    else:
        skip = "this libvirt has no such script"
    for way, tree in ways:
        number += 1
        name = "%s, %s" % (script, way)
        if skip:
            print("ok %d - %s # SKIP %s" % (number, name, skip), flush=True)
            continue
        status, text = run(script, tree)
        failed += status != 0
        print("%sok %d - %s" % ("" if status == 0 else "not ", number, name), flush=True)
        if status != 0:
            print("# " + ("status %d" % status if status is not None
                          else "no end after %d s" % LIMIT))
            for line in text.splitlines()[-60:]:
                print("#   " + line)
sys.exit(failed > 0)
