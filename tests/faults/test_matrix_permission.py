#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault matrix: a QEMU that is an ordinary user's may not look into a directory any more."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import denied, matrix  # noqa: E402

if __name__ == "__main__":
    matrix.main([(s, denied.permissions(s)) for s in denied.scenarios()],
                qemu_conf='user = "nobody"')
