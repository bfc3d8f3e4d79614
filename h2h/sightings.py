"""Which files of a folder are complete, and that the file which was seen is the file that is taken.

Names are data; links, devices, folders, hidden, temporary and foreign names are left alone and told. Nothing is
changed by looking.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from h2h import manifest
from h2h.config import Outbound
from h2h.open_folder import OpenFolder, words
from h2h.text import printable
from h2h.whole import document_ends

TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")
LISTED = 10_000  # names of a kind told of in one scan; the rest waits for the next
SETTLING = "it may still be changing"

Told = tuple[str, str]
"""A name, safe to show, and what is to be said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What stands in a folder: complete files, files that wait for something, what is left alone; and why.

    `error`: why nothing could be taken from the folder at all.
    """

    ready: tuple[str, ...] = ()
    waiting: tuple[Told, ...] = ()
    ignored: tuple[Told, ...] = ()
    error: str | None = None

    @property
    def settling(self) -> bool:
        """Whether a little time alone may complete a file."""
        return any(why == SETTLING for _, why in self.waiting)


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a file from another one and from itself after a change. Renaming it changes none of this."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Sighting:
    identity: Identity
    changed: int  # ctime: unlike mtime, nobody can set it back
    since: float
    whole: bool | None = None  # None: not looked at yet

    def shows(self, found: os.stat_result) -> bool:
        return self.identity == Identity.of(found) and self.changed == found.st_ctime_ns


class Lookout:
    """Looks at one folder again and again. `apart`: names in it that are ours, and are not told of."""

    def __init__(self, settings: Outbound, *, apart: Collection[str]) -> None:
        self._settings = settings
        self._apart = apart
        self._sightings: dict[str, Sighting] = {}

    def scan(self, folder: OpenFolder, monotonic: float, now: datetime | None = None) -> Scan:
        """Look at every name once.

        A file is complete when it stood unchanged for `settle` and its document ends, or when its marker is there;
        and when its manifest is there, if it needs one. What lacks its end or its manifest for longer than
        `patience` is ready, too: judge says what is wrong. Without `now`, patience has no end.
        """
        ready: list[str] = []
        waiting: dict[str, str] = {}
        ignored: dict[str, str] = {}
        with os.scandir(folder.handle) as found:
            for entry in found:
                if entry.name in self._apart:
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                    if why := self._left_alone(folder, entry.name, status):
                        _note(ignored, entry.name, why)
                    elif why := self._lacks(folder, entry.name, status, monotonic, now):
                        _note(waiting, entry.name, why)
                    else:
                        ready.append(entry.name)
                except FileNotFoundError:
                    continue  # gone since it was listed
                except OSError as error:
                    _note(ignored, entry.name, words(error))
                if len(ready) == LISTED:
                    break
        self._sightings = {name: seen for name, seen in self._sightings.items() if name in waiting} | {
            name: self._sightings[name] for name in ready
        }
        return Scan(ready=tuple(sorted(ready)), waiting=_told(waiting), ignored=_told(ignored))

    def forget(self, name: str) -> Sighting | None:
        """What the last scan saw under this name. Another file under it is looked at as a new one."""
        return self._sightings.pop(name, None)

    def markers(self, name: str) -> set[str]:
        """Any of these completes the file, where the folder has markers."""
        marker = self._settings.marker
        return {name + marker, os.path.splitext(name)[0] + marker} if marker else set()

    def _left_alone(self, folder: OpenFolder, name: str, status: os.stat_result) -> str | None:
        if why := self._name_left_alone(name):
            return why
        if stat.S_ISLNK(status.st_mode):
            return "a link"
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        if status.st_nlink > 1:
            return "it has a second name (a hard link), under which it may be changed"
        if status.st_size == 0:
            return "empty"
        if status.st_size > self._settings.max_size:
            return f"larger than {self._settings.max_size} bytes"
        if not os.access(name, os.R_OK, dir_fd=folder.handle):
            return "not readable for the gateway"
        return None if _movable(folder, status) else "the gateway may not move it: the folder is sticky"

    def _name_left_alone(self, name: str) -> str | None:
        if name.startswith("."):
            return "hidden name"
        if name.lower().endswith(TEMPORARY):
            return "temporary name"
        if self._settings.marker and name.endswith(self._settings.marker):
            return "marker"
        if self._settings.manifest_key and name.endswith(manifest.SUFFIX):
            return "manifest"
        return None if fnmatchcase(name, self._settings.match) else f"foreign name: not {self._settings.match}"

    def _lacks(
        self, folder: OpenFolder, name: str, status: os.stat_result, monotonic: float, now: datetime | None
    ) -> str | None:
        """What a file waits for."""
        seen = self._sighting(name, status, monotonic)
        lacks = None
        if self._settings.marker:
            if not any(folder.has_file(marker) for marker in self.markers(name)):
                return "its marker is not there"
        elif monotonic - seen.since < self._settings.settle.total_seconds():
            return SETTLING
        elif not self._whole(folder, name, seen):
            lacks = "its document does not end: half a file"
        if lacks is None and self._settings.manifest_key and not manifest.ends(manifest_of(folder, name) or b""):
            lacks = f"{printable(name)}{manifest.SUFFIX} is not there, or does not end"
        age = now.timestamp() - status.st_ctime if now else 0.0
        if lacks is None or (now and age >= self._settings.patience.total_seconds()):
            return None
        return f"{lacks}; refused if that stays so for {self._settings.patience.total_seconds():g} s"

    def _sighting(self, name: str, status: os.stat_result, monotonic: float) -> Sighting:
        known = self._sightings.get(name)
        if known is None or not known.shows(status):
            known = Sighting(Identity.of(status), status.st_ctime_ns, monotonic)
            self._sightings[name] = known
        return known

    def _whole(self, folder: OpenFolder, name: str, seen: Sighting) -> bool:
        if seen.whole is None:
            with folder.open(name) as file:
                seen = replace(seen, whole=document_ends(file))
            self._sightings[name] = seen
        return bool(seen.whole)


def manifest_of(folder: OpenFolder, name: str) -> bytes | None:
    """What stands in a file's manifest, up to a byte more than may; None where it has none."""
    if not folder.has_file(name + manifest.SUFFIX):
        return None
    with folder.open(name + manifest.SUFFIX) as file:
        return file.read(manifest.MAX_BYTES + 1)


def stands(folder: OpenFolder, name: str, seen: Sighting) -> bool:
    with suppress(FileNotFoundError):
        return seen.shows(folder.look(name))
    return False


def same(folder: OpenFolder, place: OpenFolder, name: str) -> bool:
    """Whether both hold the same file under this name."""
    return folder.has(name) and os.path.samestat(folder.look(name), place.look(name))


def taken(folder: OpenFolder, name: str, place: OpenFolder, expected: Identity, aside: str) -> bool:
    """Rename the file into the claim. One that took its place in that very moment is put back; `aside`: or under this
    name, where its own is taken."""
    try:
        folder.move(name, place, name)
    except FileNotFoundError:
        return False
    if Identity.of(place.look(name)) == expected:
        return True
    try:
        place.link(name, folder, name)
        place.remove(name)
    except OSError:  # a third file has the name already, or the file system has no links
        place.move(name, folder, aside)
    return False


def _note(told: dict[str, str], name: str, why: str) -> None:
    if len(told) < LISTED:
        told[name] = why


def _told(told: Mapping[str, str]) -> tuple[Told, ...]:
    return tuple(sorted((printable(name), why) for name, why in told.items()))


def _movable(folder: OpenFolder, status: os.stat_result) -> bool:
    """In a sticky folder, only the owner of the file or of the folder may rename it."""
    about = os.fstat(folder.handle)
    return not about.st_mode & stat.S_ISVTX or os.geteuid() in (0, status.st_uid, about.st_uid)
