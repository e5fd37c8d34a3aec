#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin outside the tree builds with what is installed, and works."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.dirname(__file__) + "/../..")
BUILD = os.environ.get("top_builddir") or SRC
EXAMPLE = os.path.join(SRC, "docs/example-plugin")
tests = []


def run(*argv, env=None, cwd=None):
    r = subprocess.run(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=120)
    return r.returncode, r.stdout, r.stderr


def check(name, got, expected):
    tests.append(got == expected)
    print("%sok %d - %s" % ("" if tests[-1] else "not ", len(tests), name))
    if not tests[-1]:
        print("#   expected %r\n#   got      %r" % (expected, got))
    sys.stdout.flush()


def main(tmp):
    make_env = {k: v for k, v in os.environ.items()
                if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "VEXT_WRAPPER")}
    root = tmp + "/root"
    status, out, err = run("make", "-s", "--no-print-directory", "-C", BUILD, "DESTDIR=" + root,
                           "prefix=/usr", "exec_prefix=/usr", "libdir=/usr/lib",
                           "includedir=/usr/include", "install-includeHEADERS",
                           "install-pkgconfigDATA", env=make_env)
    if status:
        print(err.replace("\n", "\n# "))
    check("header and pkg-config file are installed",
          (status, os.listdir(root + "/usr/include"), os.listdir(root + "/usr/lib/pkgconfig")),
          (0, ["virsh-ext-plugin.h"], ["virsh-ext.pc"]))

    folder = tmp + "/plugin"
    shutil.copytree(EXAMPLE, folder)
    for here, subs, names in os.walk(folder):
        os.chmod(here, 0o755)
    env = dict(make_env, PKG_CONFIG_PATH=root + "/usr/lib/pkgconfig")
    config = "pkg-config --define-variable=prefix=%s/usr" % root
    flags = "-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror"
    status, out, err = run("make", "-s", "PKG_CONFIG=" + config, "CFLAGS=" + flags, cwd=folder,
                           env=env)
    check("the example builds with them, without a warning", (status, err), (0, ""))
    status, out, err = run("pkg-config", "--variable=plugindir", "virsh-ext", env=env)
    check("the pkg-config file says where plugins go",
          (status, out.endswith("/virsh-ext/plugins\n")), (0, True))

    env = dict(os.environ, VIRSH_EXT_PLUGIN_PATH=folder, LC_ALL="C.UTF-8",
               LIBVIRT_DEFAULT_URI="test:///default")
    # The sanitizers' library has to come before a plugin that was built without them.
    program = [BUILD + "/run", BUILD + "/virsh-ext/virsh-ext"]
    env.pop("VEXT_WRAPPER", None)
    os.chmod(folder, 0o755)
    check("its command runs", run(*program, "hello", "Bob", env=env), (0, "Hello Bob\n\n", ""))
    check("its command runs among stock ones",
          run(*program, "echo a; hello --name B; echo c", env=env),
          (0, "a\nHello B\n\nc\n", ""))
    status, out, err = run(*program, "help", "hello", env=env)
    check("its help has virsh's form", (status, out.split(), err),
          (0, "NAME hello - greet SYNOPSIS hello [<name>] DESCRIPTION Greet somebody. OPTIONS "
              "[--name] <string> whom to greet".split(), ""))
    status, out, err = run(*program, "help", "greetings", env=env)
    check("its group is known by its keyword", (status, "hello" in out, err), (0, True, ""))
    check("a wrong option is virsh's error", run(*program, "hello", "--bogus", env=env),
          (1, "", "error: command 'hello' doesn't support option --bogus\n"))
    status, out, err = run(*program, "-q", "complete", "--", "hell", env=env)
    check("its name is completed", out.split(), ["hello"])

    os.chmod(folder, 0o777)
    safe = tmp + "/safe"
    os.mkdir(safe, 0o755)
    os.symlink("../plugin/hello.so", safe + "/hello.so")
    status, out, err = run(*program, "hello", env=dict(env, VIRSH_EXT_PLUGIN_PATH=safe))
    check("it is refused when a link leads to a folder that others can write",
          (status, "others can write the folder it lies in" in err, "Hello" in out),
          (1, True, False))
    os.chmod(folder, 0o755)
    check("a link to a safe folder is followed",
          run(*program, "hello", env=dict(env, VIRSH_EXT_PLUGIN_PATH=safe))[0], 0)
    os.chmod(folder, 0o777)
    status, out, err = run(*program, "hello", env=env)
    check("it is refused when others can write the folder",
          (status, "unknown command: 'hello'" in err, "Hello" in out), (1, True, False))

    with open(EXAMPLE + "/hello.c") as f:
        code = f.read().split("*/\n", 2)[2].strip()
    with open(SRC + "/docs/virsh-ext-plugin.rst") as f:
        manual = re.sub("(?m)^   ", "", f.read())
    check("the man page shows the same plugin", code in manual, True)

    print("1..%d" % len(tests))
    return 0 if all(tests) else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vext-plugin.") as directory:
        sys.exit(main(directory))
