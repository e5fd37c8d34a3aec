# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose disk is encrypted with LUKS, and snapshots of them."""

import json
import os

from .guest import qemu_img

NUMBER = "6c6ea8d5-0000-4000-8000-000000000001"
SECRET = (f"<encryption format='luks' engine='qemu'><secret type='passphrase' uuid='{NUMBER}'/>"
          "</encryption>")


_blank = []


def luks(t, path, key, backing=None):
    """A blank qcow2 image with LUKS, on a qcow2 image or on none. One is made, the others are
    copies: qemu-img measures for seconds how long the key may take, and at times gives up."""
    if not _blank:
        first = os.path.join(os.path.dirname(t.dir), "blank.qcow2")
        t.wait_for(lambda: qemu_img("create", "-q", "-f", "qcow2", "--object",
                                    f"secret,id=s0,file={key}", "-o", "encrypt.format=luks,"
                                    "encrypt.key-secret=s0,encrypt.iter-time=1", first, "24M",
                                    check=False).rc == 0, "an encrypted image", timeout=60)
        with open(first, "rb") as f:
            _blank.append(f.read())
        os.unlink(first)
    with open(path, "wb") as f:
        f.write(_blank[0])
    if backing:
        name = {"driver": "qcow2", "encrypt": {"format": "luks", "key-secret": "s0"},
                "file": {"driver": "file", "filename": path}}
        qemu_img("rebase", "-q", "-u", "--object", f"secret,id=s0,file={key}", "-b", backing,
                 "-F", "qcow2", "json:" + json.dumps(name))
    return path


def encrypted(t, start=True, where="disk"):
    """A guest whose disk is encrypted; where: <encryption> in the disk or in its source."""
    d = t.daemon()
    text = t.path("secret.xml")
    with open(text, "w", encoding="ascii") as f:
        f.write(f"<secret ephemeral='yes' private='yes'><uuid>{NUMBER}</uuid></secret>")
    d.virsh("secret-define", text)
    key = t.path("key")
    with open(key, "w", encoding="ascii") as f:
        f.write("letmein")
    d.virsh("secret-set-value", NUMBER, "--file", key, "--plain")
    images = t.path("images")
    os.mkdir(images)
    path = luks(t, os.path.join(images, "vda.qcow2"), key)
    g = t.guest(dir=images, define=False, disks=[
        {"path": path, "create": False, "extra": SECRET if where == "disk" else ""}])
    g.key = key
    xml = g.domain_xml()
    if where == "source":
        xml = xml.replace(f'file="{path}"/>', f'file="{path}">{SECRET}</source>')
    g.define(xml)
    if start:
        g.start()
    return g


def take(t, g, *names, kind="clear"):
    """Snapshots with something written before each and after the last; kind: of the overlays."""
    o = g.oracle
    for name in names:
        n = len(o.snapshots) + 1
        o.write("vda", f"{n}M", "1M", 0x10 + n)
        if kind == "luks":
            now, path = g.active("vda"), g.overlay_path(name, "vda")
            luks(t, path, g.key, now.path)
            xml = os.path.join(g.workdir, "snapshot.xml")
            with open(xml, "w", encoding="ascii") as f:
                f.write(f"<domainsnapshot><name>{name}</name><disks><disk name='vda' "
                        f"snapshot='external'><driver type='qcow2'/><source file='{path}'>"
                        f"{SECRET}</source></disk></disks></domainsnapshot>")
            g.virsh("snapshot-create", g.name, xml, "--disk-only", "--reuse-external")
            o.taken(name)
        else:
            o.snapshot(name)
    o.write("vda", "512k", f"{len(o.snapshots)}M", 0x77)
