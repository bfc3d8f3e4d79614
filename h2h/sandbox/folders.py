"""What lies where in the root of a sandbox bank.

    client/in  client/out  client/archive    all that a client sees, as /in, /out and /archive
    taken/000001-name                        every file that the bank ever took from /in, byte by byte, numbered
    keys/host_ed25519                        the bank's host key
    state.json                               what the bank remembers
    lock                                     held while a bank runs on this root

Taking is one rename, so a file is either in /in or taken, whatever is killed when. Files appear in /out by rename.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from h2h.errors import AlreadyRunning

TEMPORARY_SUFFIXES = (".part", ".tmp", ".filepart")
_TAKEN_NAME = re.compile(r"(\d{6,})-(.*)", re.DOTALL)
_NAME_LIMIT = 200  # characters of a client's name that are kept: with the number the file system's 255 must suffice


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    number: int
    name: str
    path: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


def is_final(name: str) -> bool:
    """Whether the bank looks at a file of this name at all."""
    return not name.startswith(".") and not name.lower().endswith(TEMPORARY_SUFFIXES)


class Folders:
    def __init__(
        self,
        root: Path,
        marker: str | None = None,
        *,
        names: re.Pattern[str] | None = None,
        papers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`names`: those that are taken, with their numbers in order; `papers`: folders for kinds of papers."""
        self.root = root.resolve()
        self.marker = marker
        self._names = names
        self.client = self.root / "client"
        self.inbox = self.client / "in"
        self.outbox = self.client / "out"
        self.archive = self.client / "archive"
        self.taken_folder = self.root / "taken"
        self.host_key_file = self.root / "keys" / "host_ed25519"
        self.state_file = self.root / "state.json"
        self._taking = threading.Lock()
        self._papers = {kind: self.client / folder.lstrip("/") for kind, folder in papers.items()}
        for folder in (self.inbox, self.outbox, self.archive, self.taken_folder, *self._papers.values()):
            folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[int, Taken] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the root while a bank works on it: two would answer twice and lose each other's books."""
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(f"Another sandbox bank runs on {self.root}; stop it first.") from error
            self._known = {taken.number: taken for taken in self.taken()}
            yield

    def is_arrival(self, path: Path) -> bool:
        """A regular file, directly in /in, under a final name; where there are markers, with its marker beside it."""
        try:
            regular = stat.S_ISREG(path.lstat().st_mode)
        except OSError:
            return False
        whole = self.marker is None or (path.suffix != self.marker and self._marker_of(path).exists())
        return regular and path.parent == self.inbox and is_final(path.name) and whole and self._in_turn(path.name)

    def _in_turn(self, name: str) -> bool:
        """Whether the bank takes this name now: of its form, and with the number that comes next, on its day."""
        if self._names is None:
            return True
        found = self._names.fullmatch(name)
        if found is None or "number" not in found.groupdict():
            return found is not None
        before = [earlier for taken in self._known.values() if (earlier := self._names.fullmatch(taken.name))]
        day = found.groupdict().get("day")
        same = [int(earlier["number"]) for earlier in before if earlier.groupdict().get("day") == day]
        return int(found["number"]) == max(same, default=0) + 1

    def announced(self, path: Path) -> Path:
        """The file that a marker tells of; any other file tells of itself."""
        return path.with_name(path.name.removesuffix(self.marker)) if self.marker else path

    def _marker_of(self, path: Path) -> Path:
        return path.with_name(f"{path.name}{self.marker}")

    def take(self, path: Path, *, keep: bool) -> Taken | None:
        """Move (or, with `keep`, copy) a file out of /in; None where it is no longer there."""
        with self._taking:
            name, number = path.name[:_NAME_LIMIT], max(self._known, default=0) + 1
            target = self.taken_folder / f"{number:06d}-{name}"
            try:
                if keep:
                    _write(target, path.read_bytes())
                else:
                    path.rename(target)
            except FileNotFoundError:
                return None
            if self.marker and not keep:
                self._marker_of(path).unlink(missing_ok=True)
            self._known[number] = Taken(number=number, name=name, path=target)
            return self._known[number]

    def data(self, number: int) -> bytes:
        return self._known[number].data

    def taken(self) -> list[Taken]:
        found = ((_TAKEN_NAME.fullmatch(path.name), path) for path in self.taken_folder.iterdir())
        files = [Taken(number=int(match[1]), name=match[2], path=path) for match, path in found if match]
        return sorted(files, key=lambda taken: taken.number)

    def arrivals(self) -> list[Path]:
        """What lies in /in under a final name, oldest first."""
        found = [path for path in self.inbox.iterdir() if self.is_arrival(path)]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def has_copy(self, path: Path) -> bool:
        """Whether these bytes were already taken under this name (where taken files stay in /in)."""
        name, data = path.name[:_NAME_LIMIT], path.read_bytes()
        return any(taken.name == name and taken.data == data for taken in self.taken())

    def put(self, name: str, data: bytes) -> None:
        kind = next((kind for kind in self._papers if kind in name), None)
        _write((self._papers[kind] if kind else self.outbox) / name, data)

    def save_state(self, data: bytes) -> None:
        _write(self.state_file, data)

    def load_state(self) -> bytes | None:
        return self.state_file.read_bytes() if self.state_file.exists() else None


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
