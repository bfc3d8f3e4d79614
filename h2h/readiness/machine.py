"""What of this machine the gateway stands on: modes of files and folders, where it may write, kinds of file systems."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from h2h.clashes import private_keys
from h2h.config import Reading
from h2h.config.toml_file import Place, about
from h2h.errors import Problem

NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.ceph", "fuse.gluster")
MOUNTS = Path("/proc/mounts")


def problems(reading: Reading) -> Iterator[Problem]:
    if reading.gateway:
        yield from _data_problems(reading.gateway.data, reading.source.at("gateway", "data"))
    yield from _open_to_all(reading)


def warnings(reading: Reading) -> Iterator[Problem]:
    if reading.gateway and (mode := _mode(reading.gateway.data) & 0o077):
        text = f"others may look into it (mode {0o700 | mode:04o}), where ledger and files are; do: chmod 700 on it"
        yield from about(text, reading.source.at("gateway", "data"))
    if reading.gateway and reading.ledger.url.startswith("sqlite"):
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace") if MOUNTS.exists() else ""
        kind = file_system(Path(os.path.realpath(reading.gateway.data)), mounts)
        if kind.startswith(NETWORK):
            text = f"stands on a network file system ({kind}), on which SQLite can lose what it wrote; use a local disk"
            yield from about(text, reading.source.at("gateway", "data"))


def closed(folder: Path) -> str | None:
    """Why h2h cannot work there; None where it can."""
    how = os.access in os.supports_effective_ids
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=how):
        return None
    return f"{folder} is closed to the user that runs h2h: it has to read and write there"


def file_system(folder: Path, mounts: str) -> str:
    """The kind of the file system that a folder is on, by the lines of /proc/mounts; of two, the later covers."""
    best, kind = Path("/"), ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        at = Path(point.replace("\\040", " "))
        if folder.is_relative_to(at) and len(at.parts) >= len(best.parts):
            best, kind = at, found
    return kind


def _data_problems(data: Path, place: Place) -> Iterator[Problem]:
    there = next(p for p in (data, *data.parents) if os.path.lexists(p))
    if not os.path.isdir(there):
        yield from about(f"{there} is not a folder", place)
    elif fault := closed(there):
        yield from about(fault, place)


def _open_to_all(reading: Reading) -> Iterator[Problem]:
    """What any user of this machine may change, or put another one in the place of: settings, and private keys."""
    settings = [(each.file, each.at()) for each in (reading.source, *(profile.source for profile in reading.profiles))]
    keys = [each for profile in reading.profiles for each in private_keys(profile)]
    for file, place in settings:
        yield from _writable(file, place)
    folders = {file.parent: place for file, place in reversed((*keys, *settings))}  # each told at the first place
    for folder, place in folders.items():
        yield from _writable(folder, place)


def _writable(path: Path, place: Place) -> Iterator[Problem]:
    mode = _mode(path)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield from about(f"{path} can be written by everybody (mode {mode:04o}); do: chmod o-w {path}", place)


def _mode(path: Path) -> int:
    """0 of what is not there, or may not be looked at, which is told elsewhere."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0
