#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a client may not see is said, and the rest is shown: access control (polkit), directories,
another host, domains and snapshots that come and go."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vext import *  # noqa: E402
from vext.chains import *  # noqa: E402

POLKITD = "/usr/lib/polkit-1/polkitd"

BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# The subject is nobody; polkit lets root do everything. The domain's name is told by libvirt.
RULES = """\
polkit.addRule(function(action, subject) {{
    var id = action.id, name = action.lookup("domain_name");
    if (id.indexOf("org.libvirt") != 0)
        return polkit.Result.NOT_HANDLED;
    if ({denied})
        return polkit.Result.NO;
    return polkit.Result.YES;
}});
"""


def controlled(t, denied):
    """A daemon that denies to other users what the expression in JavaScript says."""
    if util.test_root():
        skip("polkit runs beside the daemon, not in VEXT_TEST_ROOT")
    if not os.path.exists(POLKITD):
        skip("polkitd is not installed")
    sandbox.enter()
    bus, config, rules = t.path("bus"), t.path("bus.conf"), t.path("rules.d")
    os.mkdir(rules)
    with open(config, "w", encoding="utf-8") as f:
        f.write(BUS.format(socket=bus))
    with open(os.path.join(rules, "00-test.rules"), "w", encoding="utf-8") as f:
        f.write(RULES.format(denied=denied))
    for path in (os.path.dirname(t.path()), t.path(), rules):
        os.chmod(path, 0o755)
    sandbox.mount(rules, "/etc/polkit-1/rules.d", None, sandbox.MS_BIND)
    t.cleanup(sandbox.umount, "/etc/polkit-1/rules.d")
    address = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=" + bus}
    for argv in (["dbus-daemon", "--nofork", "--config-file", config],
                 [POLKITD, "--no-debug"]):
        process = spawn(argv, env=address, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        preexec_fn=sandbox.die_with_parent)
        t.cleanup(process.kill)
        t.wait_for(lambda: os.path.exists(bus), "the message bus")
    t.wait_for(lambda: run(["gdbus", "call", "--address", "unix:path=" + bus, "--dest",
                            "org.freedesktop.DBus", "--object-path", "/", "--method",
                            "org.freedesktop.DBus.GetNameOwner", "org.freedesktop.PolicyKit1"],
                           check=False, log=False).rc == 0, "polkitd")
    os.environ.update(address)
    t.cleanup(os.environ.pop, "DBUS_SYSTEM_BUS_ADDRESS")
    d = t.daemon(libvirtd_conf='access_drivers = [ "polkit" ]')
    for path in (d.dir, os.path.dirname(d.dir)):
        os.chmod(path, 0o755)
    return d


def nobody(t):
    """Runs the program as a user whom the daemon lets do no more than the rules say."""
    program = util.program_copy(t.path())

    def client(d, *args):
        return run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *program,
                    "-c", d.uri, *args], check=False)
    return client


@test
@requires("program", "setpriv", "dbus-daemon", "gdbus")
def secrets_are_not_asked_for(t):
    d = controlled(t, '/read-secure/.test(id)')
    client = nobody(t)
    g = t.guest(daemon=d, start=True)
    g.snapshot("s1")
    r = client(d, "dumpxml", g.name, "--security-info")
    t.rc(r, 1)
    t.has(r.err, "access denied")
    expected = json.loads(t.rc(d.vext("chain-show", g.name, "--json"), 0).out)
    for args in ([g.name], ["--all"]):
        shown = json.loads(t.rc(client(d, "chain-show", *args, "--json"), 0).out)
        t.eq(shown, [expected] if args == ["--all"] else expected)
    # what would have to be defined again is not made up without its secrets
    t.rc(client(d, "snapshot-delete-external", g.name, "s1", "--dry-run"), 0)
    t.rc(client(d, "snapshot-delete-external", g.name, "s1"), 1)
    t.eq(g.snapshots(), ["s1"])


@test
@requires("program", "setpriv", "dbus-daemon", "gdbus")
def a_domain_that_cannot_be_read_costs_the_others_nothing(t):
    d = controlled(t, 'name == "vm2" && /domain.read$/.test(id)')
    client = nobody(t)
    g = t.guest(daemon=d)
    g.snapshot("s1")
    t.guest("vm2", daemon=d)
    t.guest("vm3", daemon=d)
    t.rc(client(d, "dumpxml", "vm2"), 1)
    r = t.rc(client(d, "chain-show", "--all", "--json"), 1)
    t.has(r.err, "error: Failed to read domain 'vm2'\nerror: access denied")
    shown = {s["domain"]["name"]: s for s in json.loads(r.out)}
    t.eq(sorted(shown), ["vm1", "vm2", "vm3"])
    t.eq([i["snapshots"] for i in shown["vm1"]["disks"][0]["images"]], [["s1"], []])
    t.eq((shown["vm1"]["findings"], shown["vm3"]["findings"], shown["vm2"]["disks"]), ([], [], []))
    t.eq([f["code"] for f in shown["vm2"]["findings"]], ["unreadable-domain"])
    t.eq([u["code"] for u in shown["vm1"]["unknown"]], ["domain"])
    r = t.rc(client(d, "chain-show", "--all", "--check"), 1)
    t.has(r.out, "[unreadable-domain]")
    r = t.rc(client(d, "chain-show", "--all"), 1)
    t.has(r.out, "vm3: shut off")
    # alone: others are incomplete, it is an error
    r = t.rc(client(d, "chain-show", "vm1", "--orphans"), 0)
    t.has(r.err, "warning: What domain 'vm2' uses is not known: access denied")
    t.has(r.err, "warning: Files that nobody uses were not looked for")
    t.eq(json.loads(t.rc(client(d, "chain-show", "vm1", "--json"), 0).out)["unknown"],
         shown["vm1"]["unknown"])
    r = t.rc(client(d, "chain-show", "vm2"), 1)
    t.has(r.err, "error: Failed to read the images and snapshots\nerror: access denied")
    t.eq(r.out, "\n")


def unknown(shown):
    return [(u["code"], u["disk"], u["path"]) for u in shown["unknown"]]


def show_to_who_knows_the_names(t, g):
    """The images can be read by everybody, their directory only be passed through."""
    for path in (t.path(), g.daemon.dir, os.path.dirname(g.daemon.dir)):
        os.chmod(path, 0o755)
    for name in os.listdir(g.dir):
        os.chmod(os.path.join(g.dir, name), 0o644)
    os.chmod(g.dir, 0o711)


@test
@requires("program", "setpriv")
def a_directory_that_cannot_be_looked_through(t):
    """Its images are there for those who know their names."""
    g = t.guest()
    g.snapshot("s1")
    image(os.path.join(g.dir, "forgotten"), backing=g.disks["vda"].path)
    show_to_who_knows_the_names(t, g)
    client = nobody(t)
    expected = show(g)
    t.eq(expected["unknown"], [])
    t.eq(json.loads(t.rc(client(g.daemon, "chain-show", g.name, "--json"), 0).out), expected)
    shown = json.loads(t.rc(client(g.daemon, "chain-show", g.name, "--json", "--orphans"), 0).out)
    t.eq(unknown(shown), [("directory", None, g.dir)])
    t.eq(shown["findings"], [])
    r = t.rc(client(g.daemon, "chain-show", g.name, "--orphans", "--check"), 0)
    t.has(r.err, f"warning: Directory '{g.dir}' could not be looked through: ")
    t.eq(show(g, "--orphans")["unknown"], [])
    # nor entered: the images cannot be seen
    os.chmod(g.dir, 0o700)
    shown = json.loads(t.rc(client(g.daemon, "chain-show", g.name, "--json"), 0).out)
    t.eq(codes(shown), ["unreadable-image"] * 2)
    t.eq({u["code"] for u in shown["unknown"]}, {"backing"})


@test
@requires("program", "setpriv")
def a_commit_says_that_it_cannot_see_all_that_stands_on_the_image(t):
    g = t.guest()
    g.snapshot("s1")
    show_to_who_knows_the_names(t, g)
    client = nobody(t)

    def warned(direction):
        r = t.rc(client(g.daemon, "snapshot-delete-external", g.name, "s1", "--dry-run",
                        "--direction", direction), 0)
        return f"stands on '{g.disks['vda'].path}' would be damaged by the commit" in r.out

    t.eq(warned("commit"), True)
    t.eq(warned("pull"), False)
    t.eq(warned("auto"), False)         # it pulls, and leaves the root to who may stand on it
    os.chmod(g.dir, 0o755)
    t.eq(warned("commit"), False)


@test
@requires("program", "setpriv")
def auto_pulls_where_it_cannot_see_all_that_stands_on_the_image(t):
    g = t.guest()
    g.snapshot("s1")
    g.oracle.write("vda", 0, "4M", 0x44)
    g.snapshot("s2")
    client = nobody(t)
    show_to_who_knows_the_names(t, g)

    def planned():
        r = t.rc(client(g.daemon, "snapshot-delete-external", g.name, "s2", "--dry-run",
                        "--json"), 0)
        plan = json.loads(r.out)
        return [s["action"] for s in plan["steps"] if "block" in s["action"]], plan["notes"]

    pulls, (note,) = planned()
    t.eq(pulls, ["block-pull"])
    t.has(note, f"but stays: Directory '{g.dir}' could not be looked through")
    os.chmod(g.dir, 0o755)
    t.eq(planned(), (["block-commit"], []))


@test
@requires("program")
def what_is_unknown_of_another_host(t):
    g = t.guest()
    g.snapshot("s1")
    active = g.active("vda").path
    shown = show_far(t, g)
    t.eq(unknown(shown), [("backing", "vda", active), ("backing", "vda", g.disks["vda"].path)])
    t.has(shown["unknown"][0]["message"], "on another host")
    t.eq(disk(shown, "vda")["images"][0]["backing_known"], False)
    t.ok(("directory", None, g.dir) in unknown(show_far(t, g, "--orphans")), "no pool, no orphans")
    g.daemon.pool("images", g.dir)
    t.eq(show_far(t, g, "--orphans")["unknown"], [])
    t.eq(show(g)["unknown"], [])


@test(cases=["running", "shut-off"])
@requires("program")
def snapshots_of_the_memory_alone(t, state):
    g = t.guest(start=state == "running")
    if state == "running":
        memory = t.path("memory")
        g.virsh("snapshot-create-as", g.name, "m", "--memspec", memory, "--diskspec",
                "vda,snapshot=no")
    g.snapshot("s1")
    found = {s["name"]: s for s in show(g)["snapshots"]}
    t.eq(found["s1"]["disks"], [{"target": "vda", "kind": "external"}])
    t.eq(found["s1"]["memory"], None)
    if state == "running":
        t.eq(found["m"]["disks"], [{"target": "vda", "kind": "no"}])
        t.eq(found["m"]["memory"], {"kind": "external", "path": memory,
                                    "allocation": os.stat(memory).st_size})
        t.eq((found["m"]["parent"], found["s1"]["parent"], found["m"]["state"]),
             (None, "m", "running"))
        t.has(t.rc(g.vext("chain-show", g.name), 0).out,
              "Snapshot without an image of these disks: m")


@test(timeout=120)
@requires("program")
def domains_and_snapshots_that_come_and_go(t):
    """What was there when the list was made need not be there when it is read."""
    g = t.guest()
    other = t.guest("vm2", daemon=g.daemon)
    xml = t.path("vm2.xml")
    with open(xml, "w", encoding="utf-8") as f:
        f.write(g.virsh("dumpxml", other.name).out)
    once = f"undefine vm2 --snapshots-metadata; define {xml}; "
    snapshot = t.path("snapshot.xml")
    with open(snapshot, "w", encoding="utf-8") as f:
        f.write("<domainsnapshot><name>s</name><state>shutoff</state><creationTime>1"
                f"</creationTime>{g.virsh('dumpxml', other.name).out}</domainsnapshot>")
    once += f"snapshot-create vm2 {snapshot} --redefine; " * 3
    changer = spawn(["virsh", "-q", "-c", g.daemon.uri, once * 150])
    t.cleanup(changer.kill)
    rounds, seen = 0, set()
    while changer.poll() is None:
        r = t.rc(g.daemon.vext("chain-show", "--all", "--json", log=False), 0)
        shown = {d["domain"]["name"]: d for d in json.loads(r.out)}
        t.ok("vm1" in shown, "vm1 is always there")
        t.eq((shown["vm1"]["findings"], shown["vm1"]["unknown"]), ([], []))
        if "vm2" in shown:
            t.ok(shown["vm2"]["domain"]["state"], "what is shown was there")
        seen.add("vm2" in shown)
        rounds += 1
    t.ok(rounds > 3, "it was read meanwhile")
    t.diag(f"{rounds} rounds, vm2 there: {sorted(seen)}")


if __name__ == "__main__":
    main()
