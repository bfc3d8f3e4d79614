"""The file that was seen is the file that is taken: what tells a file from others, and renaming it without a gap."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from h2h.open_folder import OpenFolder


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
