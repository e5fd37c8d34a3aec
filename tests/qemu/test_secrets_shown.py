#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must not be in any output: passwords and cookies in the XML of domains and snapshots,
credentials, and the files that hold them."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402,F403
from vext import journals, matrix  # noqa: E402

DELETE, REVERT, REPAIR = "snapshot-delete-external", "snapshot-revert-external", "chain-repair"
VNC = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='hushvnc'/>"
COOKIES = ("<disk type='network' device='cdrom'><driver name='qemu' type='raw'/>"
           "<source protocol='https' name='iso?token=hushtoken'>"
           "<host name='127.0.0.1' port='9'/><cookies>"
           "<cookie name='session'>hushcookie</cookie></cookies></source>"
           "<target dev='sda' bus='sata'/><readonly/></disk>"
           "<controller type='sata' index='0'/>")


def quiet(t, r, *more):
    """The Result; nothing of what is secret is in its output."""
    for word in ("hush", *more):
        t.ok(word not in r.out + r.err, f"{word!r} in {r}")
    return r


def some(t, xml=VNC, **kwargs):
    g = t.guest(xml=xml, **kwargs)
    for i, name in enumerate(("s1", "s2", "s3")):
        g.oracle.write("vda", f"{i}M", "1M", 0x21 + i, verify=False)
        g.oracle.snapshot(name)
    return g


LOOKING = [["chain-show", "vm1"], ["chain-show", "vm1", "--table"], ["chain-show", "vm1", "--json"],
           ["chain-show", "vm1", "--check", "--orphans"], ["host-check"], ["host-check", "--json"],
           [DELETE, "vm1", "s2", "--dry-run"], [DELETE, "vm1", "s2", "--dry-run", "--json"],
           [REVERT, "vm1", "s1", "--dry-run"], [REVERT, "vm1", "s1", "--dry-run", "--json"],
           [REPAIR, "vm1", "--dry-run"], [REPAIR, "vm1", "--dry-run", "--json"]]


@test(cases=["running", "off"])
@requires("program")
def secrets_in_xml_are_in_no_output(t, how):
    g = some(t, VNC if how == "running" else VNC + COOKIES, start=how == "running")
    t.has(g.virsh("dumpxml", g.name, "--security-info").out, "hushvnc")
    for args in LOOKING:
        quiet(t, g.vext(*args))
    quiet(t, t.rc(g.vext(DELETE, g.name, "s2", "--verbose"), 0))
    quiet(t, t.rc(g.vext(REVERT, g.name, "s1", "--verbose"), 0))
    quiet(t, t.rc(g.vext(DELETE, g.name, "--all", "--json"), 0))
    # they are still there
    t.has(g.virsh("dumpxml", g.name, "--security-info", "--inactive").out, "hushvnc")


@test(cases=[DELETE, REVERT])
@requires("program", matrix.require_faults)
def nor_in_that_of_what_fails_and_goes_on(t, command):
    g = some(t)
    process = util.spawn([*matrix.program(), "-c", g.daemon.uri, command, g.name, "s2",
                          "--verbose"],
                         env=matrix.environment("update-snapshots-before", "kill"))
    out, err = process.communicate(timeout=60)
    t.eq(process.returncode, -9, f"{out} {err}")
    t.ok("hush" not in out + err, f"{out} {err}")
    for args in LOOKING:
        quiet(t, g.vext(*args))
    # somebody takes the password out: what the journal was cleared of cannot be put back
    xml = g.virsh("dumpxml", g.name, "--security-info", "--inactive").out
    g.define(xml.replace("hushvnc", "hushnew"))
    quiet(t, g.vext(REPAIR, g.name, "--verbose"))
    # and what libvirt itself complains of
    quiet(t, t.rc(g.vext("-r", DELETE, g.name, "s1"), 1))


@test
@requires("program")
def an_images_name_has_none(t):
    """A header can name what it stands on with a password in it."""
    top = t.path("top.qcow2")
    for spec in ("https://anna:hushpw@127.0.0.1:9/i?sig=hushsig",
                 'json:{"driver":"raw","file":{"driver":"https","url":"https://127.0.0.1:9/i",'
                 '"cookie":"hushcookie","x":["ftp://anna:hushpw@127.0.0.1/i"]}}',
                 "rbd:pool/image:id=admin:key=hushkey\\:hush:key=hushkey"):
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", spec, "-F", "raw", top, "24M")
        g = t.guest(disks=[{"path": top, "create": False}])
        for args in LOOKING[:6]:
            quiet(t, g.vext(*args))
        g.undefine()


@test
@requires("program")
def nor_has_what_qemu_says_of_one(t):
    """It cannot open the medium, and tells with which URL."""
    g = some(t, COOKIES.replace("name='iso?token=hushtoken'",
                                "name='iso' query='Signature=hushsig&amp;tok=hushtok'"))
    for args in LOOKING:
        quiet(t, g.vext(*args))
    r = quiet(t, t.rc(g.vext(REVERT, g.name, "s1", "--running"), 1))
    t.has(r.err, "https://127.0.0.1:9/iso?Signature=***&tok=***")


def authenticated(t, password, content=None):
    """A host of the test driver that asks for a password, and the file that has one."""
    node, auth = t.path("node.xml"), t.path("auth-of-anna.conf")
    with open(node, "w", encoding="ascii") as f:
        f.write("<node><auth><user password='hushpw'>anna</user></auth><domain type='test'>"
                "<name>vm1</name><memory>1024</memory><os><type>hvm</type></os></domain></node>")
    with open(auth, "w", encoding="ascii") as f:
        f.write(content or f"[credentials-c]\nusername=anna\npassword={password}\n"
                           "[auth-test-localhost]\ncredentials=c\n")
    return f"test://{node}", auth


@test(cases=["right", "wrong", "missing", "broken", "unreadable"])
@requires("program")
def credentials_and_their_file_are_in_no_output(t, how):
    uri, auth = authenticated(t, "hushwrong" if how == "wrong" else "hushpw",
                              "hush\x01 [" if how == "broken" else None)
    if how == "missing":
        os.unlink(auth)
    elif how == "unreadable":
        os.unlink(auth)
        os.mkdir(auth)
    for where, env in ((f"{uri}?authfile={auth}", {}), (uri, {"LIBVIRT_AUTH_FILE": auth})):
        # from the file alone: nobody is there to be asked
        for args in (*LOOKING, [DELETE, "vm1", "s1"], [REVERT, "vm1", "s1"], [REPAIR, "vm1"]):
            r = quiet(t, util.run([*util.program(), "-c", where, *args], env=env, check=False),
                      "auth-of-anna")
            t.ok(how == "right" or (r.rc == 1 and "failed to connect" in r.err), r)
        if how == "right":
            t.rc(util.run([*util.program(), "-c", where, "chain-show", "vm1"], env=env), 0)


@test
@requires("program")
def nor_where_the_daemon_has_a_problem(t):
    """The URI has the file; what cannot be had of the daemon is said without it."""
    d = t.daemon()
    g = some(t)
    auth = t.path("auth-of-anna.conf")
    program = [*util.program(), "-c", f"{d.uri}&authfile={auth}"]
    os.rename(d.admin_socket, d.admin_socket + ".away")
    for args in (["host-check"], ["host-check", "--json"],
                 [DELETE, g.name, "s1", "--daemon-log", t.path("log")],
                 [DELETE, g.name, "nope"]):
        quiet(t, util.run([*program, *args], check=False), "auth-of-anna")
    os.rename(d.admin_socket + ".away", d.admin_socket)
    d.kill9()
    r = quiet(t, util.run([*program, "chain-show", g.name], check=False), "auth-of-anna")
    t.rc(r, 1)


@test
@requires("program", matrix.require_faults)
def nor_where_the_daemon_is_restarted_meanwhile(t):
    g = some(t)
    uri = f"{g.daemon.uri}&authfile={t.path('auth-of-anna.conf')}"
    p = journals.stopped(t, g, "remove-file-before", DELETE, g.name, "s2", "--direction",
                         "commit", uri=uri)
    g.daemon.restart()
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    t.eq(p.returncode, 3, err)
    t.has(err, "authfile=*** due to end of file")
    t.ok("auth-of-anna" not in out + err and "cause is unknown" not in err, err)
    t.rc(g.vext(REPAIR, g.name), 0)
    g.oracle.deleted("s2")


if __name__ == "__main__":
    main()
