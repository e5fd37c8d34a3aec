# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small guests without an operating system, their disks and their snapshots."""

import json
import os
import re
import stat
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from . import util

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size_of(value):
    """Bytes: an int, or text such as '64k' or '24M' (powers of 1024)."""
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d+)([bkmgt]?)(i?b)?", value.strip().lower())
    if not match:
        raise ValueError(f"not a size: {value!r}")
    return int(match[1]) * _UNITS[match[2]]


def qemu_img(*args, check=True, timeout=60, **kwargs):
    """Run qemu-img; the Result."""
    # For LUKS it times the key derivation, and gives up when a busy machine disturbs that.
    for _ in range(5):
        r = util.run(["qemu-img", *args], check=False, timeout=timeout, root=True, **kwargs)
        if r.rc == 0 or "accurate CPU usage" not in r.err:
            break
    if check and r.rc != 0:
        raise util.CommandError(r)
    return r


class Source:
    """What an XML <disk> says: type, path, format, and backing (list of paths, or None when
    there is no <backingStore>; closed tells that the list ends with an empty one)."""

    def __init__(self, element, volume_path=None):
        self.type = element.get("type")
        self.device = element.get("device", "disk")
        target = element.find("target")
        self.target = target.get("dev") if target is not None else None
        driver = element.find("driver")
        self.format = driver.get("type", "raw") if driver is not None else "raw"
        alias = element.find("alias")
        self.alias = alias.get("name") if alias is not None else None
        self.bus = target.get("bus") if target is not None else None
        self.mirror = element.find("mirror")
        self.path = self._path(element, volume_path)
        self.backing, self.closed = None, False
        store = element.find("backingStore")
        while store is not None:
            if self.backing is None:
                self.backing = []
            path = self._path(store, volume_path)
            if path is None:
                self.closed = True
                break
            self.backing.append(path)
            store = store.find("backingStore")

    @staticmethod
    def _path(element, volume_path):
        source = element.find("source")
        if source is None:
            return None
        for key in ("file", "dev", "name"):
            if source.get(key):
                return source.get(key)
        if source.get("volume") and volume_path:
            return volume_path(source.get("pool"), source.get("volume"))
        return None


class Disk:
    """One disk of a guest as it was made. path and format are those of the first image."""

    def __init__(self, target="vda", path=None, size="24M", format="qcow2", kind="file",
                 bus=None, backing=None, backing_format=None, relative=False, options=None,
                 create=True, device="disk", driver="", extra="", pool=None, volume=None):
        self.target, self.path, self.size = target, path, size_of(size)
        self.format, self.kind, self.device = format, kind, device
        self.bus = bus or {"v": "virtio", "s": "scsi", "h": "ide"}.get(target[0], "virtio")
        self.backing, self.backing_format, self.relative = backing, backing_format, relative
        self.options, self.create, self.driver, self.extra = options, create, driver, extra
        self.pool, self.volume = pool, volume
        self.blank = create and backing is None

    def make(self):
        """Create the first image."""
        if not self.create or self.device != "disk":
            return
        if self.kind == "block" and self.format == "raw":
            return      # the loop device is there, and blank
        args = ["create", "-q", "-f", self.format]
        if self.backing:
            backing = (os.path.relpath(self.backing, os.path.dirname(self.path))
                       if self.relative else self.backing)
            args += ["-b", backing, "-F", self.backing_format or "qcow2"]
        if self.options:
            args += ["-o", self.options]
        args.append(self.path)
        if not self.backing:
            args.append(str(self.size))
        qemu_img(*args, log=False)
        if self.backing:
            info = json.loads(qemu_img("info", "-U", "--output=json", "-f", self.format,
                                       self.path, log=False).out)
            self.size = info["virtual-size"]

    def xml(self):
        if self.kind == "file":
            source = f"<source file={quoteattr(self.path)}/>" if self.path else ""
        elif self.kind == "block":
            source = f"<source dev={quoteattr(self.path)}/>"
        elif self.kind == "volume":
            source = f"<source pool={quoteattr(self.pool)} volume={quoteattr(self.volume)}/>"
        else:
            raise ValueError(self.kind)
        return (f"<disk type='{self.kind}' device='{self.device}'>"
                f"<driver name='qemu' type='{self.format}' {self.driver}/>{source}"
                f"<target dev='{self.target}' bus='{self.bus}'/>{self.extra}</disk>")


class Guest:
    """A guest of a Daemon or an EmbedRoot, defined at once.

    disks: a number of virtio disks, or a list of dicts with the arguments of Disk (target,
    path, size, format 'qcow2'|'raw', kind 'file'|'block'|'volume', backing, backing_format,
    relative, options for qemu-img -o, driver and extra XML, create=False to use an image
    that's there). size, format and kind are the defaults for all disks. kind='block' makes a
    loop device, kind='volume' a volume of the directory pool 'pool-NAME' over dir.
    dir: where the images go, default DAEMON_DIR/images-NAME; files: memory states and overlays
    go there too. transient: created running instead of defined. xml: extra text for <devices>;
    top: extra text for <domain>. start: also start it."""

    def __init__(self, daemon, name="vm1", disks=1, size="24M", format="qcow2", kind="file",
                 dir=None, start=False, transient=False, memory=32, xml="", top="",
                 machine="pc", define=True):
        self.daemon, self.name = daemon, name
        self.uuid = str(uuid.uuid4())
        self.dir = dir or os.path.join(daemon.dir, f"images{_next()}")
        self.workdir = os.path.join(daemon.dir, f"work{_next()}")
        os.makedirs(self.dir, exist_ok=True)
        os.makedirs(self.workdir, exist_ok=True)
        self.transient = transient
        self.key = None         # the file with the passphrase of encrypted images
        self._oracle = None
        self._loops = []
        if isinstance(disks, int):
            disks = [{"target": "vd" + chr(ord("a") + i)} for i in range(disks)]
        self.disks = {}
        for number, item in enumerate(disks):
            args = {"target": "vd" + chr(ord("a") + number), "size": size, "format": format,
                    "kind": kind}
            args.update(item)
            disk = Disk(**args)
            self._place(disk)
            disk.make()
            if disk.kind == "volume":
                daemon.virsh("pool-refresh", disk.pool, log=False)
            self.disks[disk.target] = disk
        self.machine, self.memory, self.extra_xml, self.top = machine, memory, xml, top
        if define:
            self.define()
        if start and not transient:
            self.start()

    def _place(self, disk):
        suffix = ".qcow2" if disk.format == "qcow2" else ".img"
        if disk.path is None and disk.device == "disk":
            disk.path = os.path.join(self.dir, disk.target + suffix)
        if disk.kind == "block" and disk.create:
            backing_file = disk.path + ".loop"
            with open(backing_file, "wb") as f:
                # A qcow2 image needs room for its own tables.
                f.truncate(disk.size + (4 << 20 if disk.format == "qcow2" else 0))
            disk.path, fd = loop_device(backing_file)
            self._loops.append(fd)
        elif disk.kind == "volume":
            if disk.pool is None:
                disk.pool = f"pool-{self.name}"
                if not any(d.pool == disk.pool for d in self.disks.values()):
                    self.daemon.pool(disk.pool, self.dir)
            disk.volume = disk.volume or os.path.basename(disk.path)

    def domain_xml(self):
        """The XML that the guest is defined with."""
        disks = "".join(d.xml() for d in self.disks.values())
        scsi = ("<controller type='scsi' model='virtio-scsi'/>"
                if any(d.bus == "scsi" for d in self.disks.values()) else "")
        return (f"<domain type='qemu'><name>{escape(self.name)}</name>"
                f"<uuid>{self.uuid}</uuid>"
                f"<memory unit='MiB'>{self.memory}</memory><vcpu>1</vcpu>"
                f"<os><type arch='x86_64' machine='{self.machine}'>hvm</type></os>"
                "<features><acpi/></features>"
                f"{self.top}<devices><controller type='usb' model='none'/>"
                f"<memballoon model='none'/>{scsi}{disks}{self.extra_xml}</devices></domain>")

    def define(self, xml=None):
        """Define the guest (or create it, if it's transient) with its own or the given XML."""
        path = os.path.join(self.workdir, "domain.xml")
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(xml or self.domain_xml())
        self.virsh("create" if self.transient else "define", path)
        return self

    # --- running commands ---

    def virsh(self, *args, check=True, **kwargs):
        """Run virsh (the domain's name isn't added); the Result."""
        return self.daemon.virsh(*args, check=check, **kwargs)

    def vext(self, *args, check=False, **kwargs):
        """Run the program under test; the Result (failures are returned, not raised)."""
        return self.daemon.vext(*args, check=check, **kwargs)

    def hmp(self, command, check=True):
        """A command of QEMU's human monitor; its output."""
        return self.virsh("qemu-monitor-command", self.name, "--hmp", command, check=check).out

    def qmp(self, command, **arguments):
        """A command of QEMU's monitor, behind libvirt's back; what it returns."""
        request = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self.virsh("qemu-monitor-command", self.name, request).out)["return"]

    # --- state ---

    def state(self):
        """virsh domstate: 'running', 'paused', 'shut off', ..."""
        return self.virsh("domstate", self.name, log=False).out.strip()

    def is_active(self):
        return self.state() not in ("shut off", "crashed")

    def start(self, *args):
        """Start the guest; args as '--paused'."""
        self.virsh("start", self.name, *args)
        return self

    def destroy(self):
        """Turn the guest off, if it's on."""
        if self.is_active():
            self.virsh("destroy", self.name)
        return self

    def pause(self):
        self.virsh("suspend", self.name)
        return self

    def resume(self):
        self.virsh("resume", self.name)
        return self

    def undefine(self):
        """Remove the guest with its snapshot metadata; its images stay."""
        self.destroy()
        self.virsh("undefine", self.name, "--snapshots-metadata", "--managed-save")

    def release(self):
        """Give back the loop devices (the end of the program does it too)."""
        while self._loops:
            os.close(self._loops.pop())

    def qemu_pid(self):
        """The process id of the guest's QEMU, or None."""
        needle = f"guest={self.name.replace(',', ',,')},".encode("utf-8", "surrogateescape")
        for pid in self.daemon.qemu_pids():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if any(a.startswith(needle) for a in f.read().split(b"\0")):
                        return pid
            except OSError:
                pass
        return None

    # --- XML ---

    def xml(self, inactive=False):
        """The domain's XML as an ElementTree element."""
        args = ["--inactive"] if inactive else []
        return ET.fromstring(self.virsh("dumpxml", self.name, "--security-info", *args,
                                        log=False).out)

    def view(self):
        """Everything about the guest, read at once: a View."""
        return View(self)

    def _volume_path(self, pool, volume):
        return self.virsh("vol-path", volume, "--pool", pool, log=False).out.strip()

    def sources(self, domain):
        """{target: Source} of the disks in a <domain> or <inactiveDomain> element."""
        found = (Source(e, self._volume_path) for e in domain.iterfind("devices/disk"))
        return {s.target: s for s in found}

    def active(self, target=None):
        """{target: Source} in use now (the persistent ones when shut off); or one of them."""
        sources = self.sources(self.xml())
        return sources if target is None else sources[target]

    def chain(self, target, source=None):
        """Paths of the images behind the disk as their headers say, active image first."""
        source = source or self.active(target)
        return [path for path, _ in chain_of(source.path, source.format)]

    # --- snapshots ---

    def snapshots(self):
        """Names of the snapshots, as virsh lists them."""
        out = self.virsh("snapshot-list", self.name, "--name", log=False).out
        return [line for line in out.split("\n") if line]

    def snapshot_xml(self, name):
        """A snapshot's XML as an ElementTree element."""
        return ET.fromstring(self.virsh("snapshot-dumpxml", self.name, "--snapshotname", name,
                                        "--security-info", log=False).out)

    def current(self):
        """The name of the current snapshot, or None."""
        result = self.virsh("snapshot-current", self.name, "--name", check=False, log=False)
        return result.out.rstrip("\n") or None if result.rc == 0 else None

    def parent(self, name):
        """The name of a snapshot's parent, or None."""
        return self.snapshot_xml(name).findtext("parent/name")

    def tree(self):
        """{snapshot: parent or None}."""
        return {name: self.parent(name) for name in self.snapshots()}

    def overlay_path(self, snapshot, target):
        """Where snapshot() puts the overlay."""
        return os.path.join(self.dir, f"{target}.{snapshot.replace('/', '_')}")

    def memory_path(self, snapshot):
        """Where snapshot() puts the memory."""
        return os.path.join(self.dir, f"memory.{snapshot.replace('/', '_')}")

    def snapshot(self, name, disks=None, memory=False, metadata=True, files=None,
                 relative=False, args=(), check=True):
        """Take an external snapshot with virsh; the Result.

        disks: the targets in it, default all; the others get snapshot=no. memory: with the
        memory, True or a path (running guests). metadata=False: an unnamed layer. files:
        {target: overlay}. relative: the overlays' backing names are relative (made before,
        --reuse-external). The model copies are made by Oracle.snapshot(), not by this."""
        sources = self.active()
        argv = ["snapshot-create-as", self.name, "--name", name]
        if memory:
            path = self.memory_path(name) if memory is True else memory
            argv += ["--memspec", "file=" + path.replace(",", ",,")]
        else:
            argv += ["--disk-only"]
        if not metadata:
            argv += ["--no-metadata"]
        if relative:
            argv += ["--reuse-external"]
        for target, source in sources.items():
            if source.device != "disk":
                argv += ["--diskspec", f"{target},snapshot=no"]
            elif disks is not None and target not in disks:
                argv += ["--diskspec", f"{target},snapshot=no"]
            else:
                path = (files or {}).get(target) or self.overlay_path(name, target)
                if relative:
                    qemu_img("create", "-q", "-u", "-f", "qcow2",
                             "-b", os.path.relpath(source.path, os.path.dirname(path)),
                             "-F", source.format, path, str(self.virtual_size(source)), log=False)
                argv += ["--diskspec", f"{target},snapshot=external,file="
                         + path.replace(",", ",,")]
        return self.virsh(*argv, *args, check=check)

    @staticmethod
    def virtual_size(source):
        """The disk's size in bytes as the image says."""
        if source.format == "raw" and stat.S_ISREG(os.stat(source.path).st_mode):
            return os.stat(source.path).st_size
        return json.loads(qemu_img("info", "-U", "--output=json", "-f", source.format,
                                   source.path, log=False).out)["virtual-size"]

    @property
    def oracle(self):
        """The guest's Oracle, made at the first use: use it before anything is written."""
        if self._oracle is None:
            from .oracle import Oracle
            self._oracle = Oracle(self)
        return self._oracle


class View:
    """A guest as libvirt shows it at one time: state, xml and inactive_xml (elements; None for a
    transient guest), sources and inactive_sources, domains (names of all of the connection),
    snapshots ({name: element})."""

    def __init__(self, guest):
        name = guest.name
        dump = ["dumpxml", "--domain", name, "--security-info"]
        out = guest.daemon.virsh_batch(
            ["domstate", "--domain", name], dump, dump + ["--inactive"],
            ["snapshot-list", "--domain", name, "--name"], ["list", "--all", "--name"])
        self.state = out[0].strip()
        self.active = self.state not in ("shut off", "crashed")
        self.xml = self._parse(out[1], name)
        self.sources = guest.sources(self.xml)
        self.inactive_xml = None
        self.inactive_sources = self.sources
        if not guest.transient:
            self.inactive_xml = self._parse(out[2], name)
            self.inactive_sources = guest.sources(self.inactive_xml)
        names = [line for line in out[3].split("\n") if line]
        self.domains = [line for line in out[4].split("\n") if line]
        self.snapshots = {}
        if names:
            out = guest.daemon.virsh_batch(*(
                ["snapshot-dumpxml", "--domain", name, "--snapshotname", n, "--security-info"]
                for n in names))
            self.snapshots = {n: self._parse(o, n) for n, o in zip(names, out)}

    @staticmethod
    def _parse(text, name):
        if not text.strip():
            raise AssertionError(f"no XML of {name!r}: it's gone, or its daemon")
        return ET.fromstring(text)


_number = 0


def _next():
    global _number
    _number += 1
    return _number


def image(path, size="24M", format="qcow2", backing=None, backing_format="qcow2",
          relative=False, options=None, writes=()):
    """Create an image, for instance a shared base; writes: (offset, length, pattern byte)."""
    Disk(path=path, size=size, format=format, backing=backing, backing_format=backing_format,
         relative=relative, options=options).make()
    if writes:
        args = []
        for offset, length, pattern in writes:
            args += ["-c", f"write -P {pattern} {size_of(offset)} {size_of(length)}"]
        util.run(["qemu-io", "-f", format, *args, path], root=True, log=False)
    return path


def loop_device(path):
    """(device, fd): a loop device over the file that is there while the descriptor is open, or
    somebody else has it open; Skip where there is none to be had."""
    try:
        result = util.run(["losetup", "--show", "-f", path], check=False, log=False)
    except OSError as e:
        raise util.Skip(f"no loop devices: {e}")
    if result.rc != 0:
        raise util.Skip("no loop devices: " + result.err.strip())
    device = result.out.strip()
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    # In use, so it goes at the last close, even if that's the end of a killed program.
    util.run(["losetup", "-d", device], log=False)
    return device, fd


def chain_of(path, format):
    """[(path, format), ...] from the image down, by the headers; AssertionError if broken."""
    result = qemu_img("info", "-U", "--backing-chain", "--output=json", "-f", format, path,
                      log=False, check=False)
    if result.rc != 0:
        raise AssertionError(f"broken chain under {path}: {result.err.strip()}")
    chain = []
    for info in json.loads(result.out):
        name = info["filename"]
        if name.startswith("json:"):
            value = json.loads(name[5:])
            while isinstance(value.get("file"), dict):
                value = value["file"]
            name = value.get("filename") or value.get("file.filename") or name
        chain.append((name, info["format"]))
    chain[0] = (path, format)
    return chain
