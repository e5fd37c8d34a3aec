#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""10,000 images and 2,000 snapshots: model, findings, pictures, plans in a second and 100 MiB."""

import os
import re
import subprocess
import sys

SECONDS, MIB = 1.0, 100

build = os.environ.get("top_builddir", ".")
program = os.path.join(build, "tests", "unit", "test_scale")
if not os.path.exists(program):
    subprocess.run(["make", "-C", build, "tests/unit/test_scale"], check=True,
                   stdout=subprocess.DEVNULL)
out = subprocess.run([program, "--tap"], check=True, stdout=subprocess.PIPE, text=True).stdout
print("\n".join(line[2:] for line in out.splitlines() if re.match(r"# [\w ]+: [\d.]+ ", line)))
seconds = float(re.search(r"together: ([\d.]+) s", out)[1])
memory = int(re.search(r"memory: (\d+) MiB", out)[1])
sys.exit(0 if seconds < SECONDS and memory < MIB else 1)
