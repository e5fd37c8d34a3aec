# SPDX-License-Identifier: LGPL-2.1-or-later
"""The oracle: what every disk and every snapshot has to contain.

Each write is repeated on a raw model file beside the disk, and each snapshot gets a copy of the
model. After an operation check_all() compares what the guest sees, and the images that each
snapshot's XML names now, with the models."""

import hashlib
import json
import os
import re

from . import util
from .guest import chain_of, qemu_img, size_of


class Mismatch(AssertionError):
    """Content or metadata is not what it has to be."""


def copy_sparse(source, target):
    """Copy a file, keeping its holes and its times."""
    with open(source, "rb") as src, open(target, "wb") as dst:
        size = os.fstat(src.fileno()).st_size
        dst.truncate(size)
        offset = 0
        while offset < size:
            try:
                start = os.lseek(src.fileno(), offset, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(src.fileno(), start, os.SEEK_HOLE)
            while start < end:
                data = os.pread(src.fileno(), min(end - start, 1 << 20), start)
                os.pwrite(dst.fileno(), data, start)
                start += len(data)
            offset = end
    # When an image was last written tells a commit into it from a pull.
    st = os.stat(source)
    os.utime(target, ns=(st.st_atime_ns, st.st_mtime_ns))
    return target


def _digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _unlocked(path, format, key=None, read_only=True):
    """A json: name of the chain that takes no locks, for images that a block job holds; and with
    the key's file that encrypted images want."""
    node = None
    for name, fmt in reversed(chain_of(path, format)):
        driver = "host_device" if name.startswith("/dev/") else "file"
        layer = {"driver": fmt, "read-only": read_only,
                 "file": {"driver": driver, "filename": name, "locking": "off",
                          "read-only": read_only}}
        if fmt != "raw":
            layer["backing"] = node
        if key and json.loads(qemu_img("info", "-U", "--output=json", "-f", fmt, name,
                                       log=False).out).get("encrypted"):
            layer["encrypt"] = {"format": "luks", "key-secret": "key"}
        node = layer
    return "json:" + json.dumps(node)


def _locked_out(err):
    return "lock" in err or "consistent read" in err


def compare(path, format, model, key=None):
    """None if the image (with its chain) has the model's content and size, else what differs."""
    if key:
        result = qemu_img("compare", "-U", "--object", f"secret,id=key,file={key}", "-F", "raw",
                          _unlocked(path, format, key), model, check=False, log=False)
        text = (result.out + result.err).strip()
        return None if result.rc == 0 and "size mismatch" not in text else text
    result = qemu_img("compare", "-U", "-f", format, "-F", "raw", path, model, check=False,
                      log=False)
    if result.rc > 1 and _locked_out(result.err):
        try:
            name = _unlocked(path, format)
        except AssertionError as e:
            return str(e)
        result = qemu_img("compare", "-U", "-F", "raw", name, model, check=False, log=False)
    text = (result.out + result.err).strip()
    if result.rc == 0 and "size mismatch" not in text:
        return None
    found = re.search(r"offset (\d+)", result.out)
    if result.rc == 1 and found:
        offset = int(found[1])
        return (f"content differs first at offset {offset} (0x{offset:x}): expected "
                f"{_bytes_at(model, 'raw', offset)}, found {_bytes_at(path, format, offset)}")
    return text or f"qemu-img compare exited with {result.rc}"


def _bytes_at(path, format, offset):
    result = util.run(["qemu-io", "-U", "-r", "-f", format, "-c", f"read -v {offset} 8", path],
                      check=False, log=False, root=True)
    found = re.search(r"^[0-9a-f]+:\s+((?:[0-9a-f]{2} ?)+)", result.out, re.M)
    return found[1].strip() if found else "?"


class Oracle:
    """The models of one guest's disks. Use Guest.oracle."""

    def __init__(self, guest):
        self.guest = guest
        self.dir = os.path.join(guest.workdir, "model")
        os.makedirs(self.dir, exist_ok=True)
        self.model = {}         # target -> raw file: what the guest has to see
        self.snapshots = {}     # name -> {target: raw file}
        self.memory = {}        # name -> (path, digest)
        self.extra_files = set()
        self._copies = 0
        for target, disk in guest.disks.items():
            if disk.device != "disk":
                continue
            path = os.path.join(self.dir, target)
            if disk.blank or guest.key:     # encrypted: made by the test, and blank
                with open(path, "wb") as f:
                    f.truncate(disk.size)
            else:
                qemu_img("convert", "-U", "-f", disk.format, "-O", "raw", disk.path, path,
                         log=False)
            self.model[target] = path
        self.extra_files.update(self._files() - self._chain_files())

    # --- writing ---

    def write(self, disk, offset, length, pattern, verify=True):
        """Write length bytes of the pattern (0 to 255) into the guest's disk and its model.

        Works on running, paused and shut-off guests. offset and length: bytes or '64k'."""
        offset, length = size_of(offset), size_of(length)
        source = self.guest.active(disk)
        command = f"write -P {pattern} {offset} {length}"
        if source.alias:        # only a running guest's disks have one
            self._monitor((source, command), (source, "flush"))
        elif self.guest.key:
            util.run(["qemu-io", "--object", f"secret,id=key,file={self.guest.key}", "-c", command,
                      "-c", "flush", _unlocked(source.path, source.format, self.guest.key, False)],
                     root=True, log=False)
        else:
            util.run(["qemu-io", "-f", source.format, "-c", command, "-c", "flush", source.path],
                     root=True, log=False)
        with open(self.model[disk], "r+b") as f:
            os.pwrite(f.fileno(), bytes([pattern]) * length, offset)
        if verify:
            self._read_back(source, offset, length, pattern)

    def _monitor(self, *jobs):
        """Have QEMU's own qemu-io do things: (source, command), ..."""
        commands = []
        for source, command in jobs:
            device = f"/machine/peripheral/{source.alias}"
            if source.bus == "virtio":
                device += "/virtio-backend"
            commands.append(["qemu-monitor-command", self.guest.name, "--hmp",
                             f'qemu-io -d {device} "{command}"'])
        for (_, command), out in zip(jobs, self.guest.daemon.virsh_batch(*commands)):
            if out.strip():
                raise Mismatch(f"qemu-io in QEMU: {command}: {out.strip()}")

    def _read_back(self, source, offset, length, pattern):
        # The monitor's qemu-io never reports a failure.
        if self.guest.key:
            return              # check_active() sees it
        argv = ["qemu-io", "-U", "-r", "-c", f"read -P {pattern} {offset} {length}"]
        result = util.run([*argv, "-f", source.format, source.path], check=False, log=False,
                          root=True)
        if result.rc != 0 and _locked_out(result.err):
            result = util.run([*argv, _unlocked(source.path, source.format)], check=False,
                              log=False, root=True)
        if result.rc != 0 or "failed" in result.out + result.err:
            raise Mismatch(f"what was written is not there: {result}\n"
                           + self.guest.daemon.qemu_log(self.guest.name)[-1000:])

    def fill(self, disk, pattern, offset=0, length=None):
        """write() to the end of the disk."""
        length = os.path.getsize(self.model[disk]) - size_of(offset) if length is None else length
        self.write(disk, offset, length, pattern)

    def flush(self, view=None):
        """Have a running guest's QEMU write its caches out, so that the images can be read."""
        sources = view.sources if view else self.guest.active()
        jobs = [(s, "flush") for t, s in sources.items() if t in self.model and s.alias]
        if jobs:
            self._monitor(*jobs)

    # --- snapshots ---

    def snapshot(self, name, **kwargs):
        """Guest.snapshot(), and copies of the models (none for metadata=False)."""
        result = self.guest.snapshot(name, **kwargs)
        if result.rc == 0 and kwargs.get("metadata", True):
            self.taken(name)
        return result

    def taken(self, name):
        """A snapshot has been taken in some other way: copy the models of its disks."""
        root = self.guest.snapshot_xml(name)
        copies = {}
        for element in root.iterfind("disks/disk"):
            target = element.get("name")
            if element.get("snapshot") == "external" and target in self.model:
                self._copies += 1
                copies[target] = copy_sparse(self.model[target],
                                             os.path.join(self.dir, f"{target}.{self._copies}"))
        self.snapshots[name] = copies
        memory = root.find("memory")
        if memory is not None and memory.get("file"):
            self.memory[name] = (memory.get("file"), _digest(memory.get("file")))

    def forget(self, *names):
        """Snapshots were deleted on purpose."""
        for name in names:
            for path in self.snapshots.pop(name, {}).values():
                os.unlink(path)
            self.memory.pop(name, None)

    def revert(self, name, disks=None):
        """The guest was reverted: its disks now have to contain the snapshot's state.

        disks: only these; default all that are part of the snapshot, the others stay."""
        for target, path in self.snapshots[name].items():
            if disks is None or target in disks:
                copy_sparse(path, self.model[target])

    def resize(self, disk, size):
        """The disk was resized on purpose."""
        os.truncate(self.model[disk], size_of(size))

    # --- checking ---

    def check_active(self, view=None):
        """Compare what the guest sees with the models."""
        view = view or self.guest.view()
        self.flush(view)
        problems = []
        for target, model in self.model.items():
            if target not in view.sources:
                problems.append(f"disk {target} is gone from the domain")
                continue
            source = view.sources[target]
            difference = compare(source.path, source.format, model, self.guest.key)
            if difference:
                problems.append(f"active disk {target} ({source.path}): {difference}")
            now = view.inactive_sources.get(target)
            if now is None or not _same(now.path, source.path):
                problems.append(f"disk {target}: running on {source.path}, but the persistent "
                                f"XML names {now and now.path}")
        self._report(problems)

    def check_snapshot(self, name, view=None):
        """Compare the images that the snapshot's XML names now with its models."""
        if name not in self.snapshots:
            raise Mismatch(f"the oracle knows no snapshot {name!r}")
        problems, seen = [], {}
        view = view or self.guest.view()
        if name not in view.snapshots:
            raise Mismatch(f"snapshot {name!r} is gone")
        root = view.snapshots[name]
        active = {t: s.path for t, s in view.sources.items()}
        if root.find("domain") is None:
            problems.append(f"snapshot {name}: no <domain> in its XML")
        for kind in ("domain", "inactiveDomain"):
            element = root.find(kind)
            if element is None:
                continue
            sources = self.guest.sources(element)
            for target, model in self.snapshots[name].items():
                where = f"snapshot {name}, <{kind}>, disk {target}"
                if target not in sources:
                    problems.append(f"{where}: not in the XML")
                    continue
                source = sources[target]
                if target in active and _same(source.path, active[target]):
                    problems.append(f"{where}: names the active image {source.path}")
                    continue
                key = (source.path, source.format, model)
                if key not in seen:
                    seen[key] = compare(source.path, source.format, model, self.guest.key)
                if seen[key]:
                    problems.append(f"{where} ({source.path}): {seen[key]}")
        if name in self.memory:
            path, digest = self.memory[name]
            element = root.find("memory")
            now = element.get("file") if element is not None else None
            if now != path:
                problems.append(f"snapshot {name}: memory file is {now}, was {path}")
            elif not os.path.exists(path):
                problems.append(f"snapshot {name}: memory file {path} is gone")
            elif _digest(path) != digest:
                problems.append(f"snapshot {name}: memory file {path} was changed")
        self._report(problems)

    def check_all(self, snapshots=None):
        """check_active() and check_snapshot() for every snapshot that virsh lists.

        snapshots: the names that have to be there, no more and no less (default: those that
        were taken and not forgotten)."""
        view = self.guest.view()
        names = list(view.snapshots)
        expected = list(self.snapshots) if snapshots is None else list(snapshots)
        problems = []
        if sorted(names) != sorted(expected):
            problems.append(f"snapshots are {sorted(names)}, expected {sorted(expected)}")
        for check, args in [(self.check_active, ())] + [
                (self.check_snapshot, (n,)) for n in names if n in self.snapshots]:
            try:
                check(*args, view=view)
            except Mismatch as e:
                problems.append(str(e))
        self._report(problems)

    def deleted(self, *names):
        """forget() them and check_all()."""
        self.forget(*names)
        self.check_all()

    def check_chain_clean(self, start=False, allow=(), backing=True, leaks=False):
        """Check that nothing is left over or damaged.

        qcow2 images consistent and without leaks, no helper domain, no block job, no file in
        the guest's directory that no chain, snapshot or allow (paths) accounts for, and
        (backing) no <backingStore> that contradicts the images. start: also that the guest
        starts (a shut-off guest is started and turned off again) with the right content.
        leaks: clusters that nothing refers to are no damage: a QEMU that is killed while it
        writes leaves some."""
        problems = []
        view = self.guest.view()
        used = {s.path for s in view.sources.values()} if view.active else set()
        helper = self.guest.name + ".virsh-ext"
        if helper in view.domains:
            problems.append(f"helper domain {helper} is left")
        for source in view.sources.values():
            if source.mirror is not None:
                problems.append(f"a block job is left on {source.target}")
        chains = self._chains(view, problems, backing)
        for path, format in sorted(set(sum(chains, []))):
            if format != "qcow2" or path in used:
                continue
            argv = ["-f", format, path]
            if self.guest.key:
                argv = ["--object", f"secret,id=key,file={self.guest.key}",
                        _unlocked(path, format, self.guest.key)]
            result = qemu_img("check", "-U", "-q", *argv, check=False, log=False)
            if result.rc != 0 and not (leaks and result.rc == 3):
                problems.append(f"{path}: qemu-img check exits with {result.rc}: "
                                f"{(result.out + result.err).strip()}")
        known = {os.path.realpath(p) for p, _ in sum(chains, [])}
        known |= self.extra_files | {os.path.realpath(p) for p in allow}
        known |= {os.path.realpath(p) for p, _ in self.memory.values()}
        for path in sorted(self._files() - known):
            problems.append(f"file left over: {path}")
        if start and not view.active:
            try:
                self.guest.start()
                self.check_active()
            except (util.CommandError, Mismatch) as e:
                problems.append(f"does not start: {e}")
            self.guest.destroy()
        self._report(problems)

    def _files(self):
        found = set()
        for top, _, names in os.walk(self.guest.dir):
            found.update(os.path.realpath(os.path.join(top, n)) for n in names)
        return found

    def _chain_files(self):
        return {os.path.realpath(p) for p, _ in sum(self._chains(self.guest.view(), [], False), [])}

    def _chains(self, view, problems, backing):
        """The chains of the domain and of all snapshots, as lists of (path, format)."""
        chains, cache = [], {}
        roots = [("the domain", view.xml)]
        if view.inactive_xml is not None:
            roots.append(("the persistent domain", view.inactive_xml))
        for name, root in view.snapshots.items():
            for kind in ("domain", "inactiveDomain"):
                if root.find(kind) is not None:
                    roots.append((f"snapshot {name}'s <{kind}>", root.find(kind)))
        for where, element in roots:
            for target, source in self.guest.sources(element).items():
                if source.device != "disk" or source.path is None:
                    continue
                key = (source.path, source.format)
                if key not in cache:
                    try:
                        cache[key] = chain_of(*key)
                    except AssertionError as e:
                        problems.append(f"{where}, disk {target}: {e}")
                        continue
                chain = cache[key]
                chains.append(chain)
                if backing and source.backing is not None:
                    headers = [os.path.realpath(p) for p, _ in chain[1:]]
                    listed = [os.path.realpath(p) for p in source.backing]
                    if listed != headers[:len(listed)] or (
                            source.closed and len(listed) != len(headers)):
                        problems.append(f"{where}, disk {target}: <backingStore> says "
                                        f"{source.backing}, the images {headers}")
        return chains

    @staticmethod
    def _report(problems):
        if problems:
            raise Mismatch("\n".join(dict.fromkeys(problems)))


def _same(a, b):
    if a is None or b is None:
        return a == b
    try:
        return os.path.samefile(a, b)
    except OSError:
        return a == b
