#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virsh-ext adds to virsh's own time: both side by side, alternating, in one run.

Prints the best time of each in milliseconds (other work on the machine only adds to it) and what
is added. Exits 1 when handing on a stock command adds more than LIMIT, or completion is not as
fast as virsh's within it; for what only virsh-ext has, virsh completes the like.
"""
import os
import subprocess
import sys
import time

LIMIT = 3.0     # milliseconds
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "60"))
SERIES = 5      # at most so many times ROUNDS, where the machine has other things to do
VIRSH = os.environ.get("VIRSH", "/usr/bin/virsh")
EXT = os.path.join(os.environ.get("top_builddir", "."), "virsh-ext", "virsh-ext")
T = ["-c", "test:///default"]

LINES = [       # (title, words, whether the limit holds[, virsh's words])
    ("list", T + ["list"], True),
    ("echo a (no connection)", ["echo", "a"], True),
    ("a batch", T + ["list; dominfo test"], True),
    ("help list", ["help", "list"], True),
    ("a parse error", ["list", "--bogus"], True),
    ("complete a domain", T + ["complete", "--", "dominfo", ""], True),
    ("complete a command", T + ["complete", "--", "snapshot-"], True),
    ("the same, no connection", ["complete", "--", "snapshot-"], True),
    ("complete an own option", T + ["complete", "--", "chain-show", "--"], True,
     T + ["complete", "--", "domblklist", "--"]),
    ("complete an own value", T + ["complete", "--", "chain-show", "t"], True,
     T + ["complete", "--", "domblklist", "t"]),
    ("help (with our groups)", ["help"], False),
]


def once(program, words):
    begin = time.perf_counter()
    subprocess.run([program] + words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


failed = False
print("%-26s %9s %9s %9s" % ("", "virsh", "virsh-ext", "added"))
for title, words, limited, *theirs in LINES:
    virsh, ext = [], []
    for _ in range(SERIES):
        for _ in range(ROUNDS):
            virsh.append(once(VIRSH, theirs[0] if theirs else words))
            ext.append(once(EXT, words))
        added = min(ext) - min(virsh)
        slow = limited and added > LIMIT
        if not slow:
            break
    failed |= slow
    print("%-26s %6.1f ms %6.1f ms %6.1f ms%s" % (
        title, min(virsh), min(ext), added, "  more than %.0f ms" % LIMIT if slow else ""))
sys.exit(1 if failed else 0)
