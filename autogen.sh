#!/bin/sh
# Generates the build system and configures the tree: ./autogen.sh [configure's arguments]
set -e
srcdir=$(dirname "$0")
(cd "$srcdir" && autoreconf -fi)
[ -n "$NOCONFIGURE" ] || "$srcdir/configure" "$@"
