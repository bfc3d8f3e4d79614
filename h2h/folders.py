"""Watched folders: taking the files that are complete, filing them away; and writing files for others atomically.

A complete file is claimed by renaming it into a hidden folder on the same file system, under the id that it will
have: the rename is atomic, and a restart finds what was under way. Names are data. The watched folder itself is never
made.

    WATCH/invoice.xml                        dropped by the ERP
    WATCH/.h2h/claims/T261121-…/invoice.xml  claimed, with its manifest if it has one
    WATCH/processed/T261121-…-invoice.xml    taken over
    WATCH/rejected/T261121-…-invoice.xml     refused, with its report beside it (.report.txt, .report.json)
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from h2h import manifest
from h2h.config import Outbound
from h2h.errors import FolderError, StillChanging
from h2h.model import TransferId
from h2h.open_folder import OpenFolder, words
from h2h.sightings import Lookout, Scan, Told, manifest_of, same, stands, taken
from h2h.syncs import sync_all
from h2h.text import harmless, printable

NAME_BYTES = 150  # of an original name kept in a local one
OURS = ".h2h"
CLAIMS = "claims"
STUCK_AFTER = timedelta(minutes=1)

_ID = re.compile(r"T[0-9A-Z-]{1,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`fault`: why the claim cannot be looked into."""

    id: TransferId
    path: Path
    fault: str | None = None

    @property
    def name(self) -> str:
        return printable(self.path.name)


class WatchedFolder:
    def __init__(self, settings: Outbound, used_before: Callable[[], bool] = lambda: False) -> None:
        """`used_before`: whether files were taken from this path by an earlier run; then our own folder is in it."""
        self.path = settings.watch
        self._settings = settings
        self._used_before = used_before
        self._lookout = Lookout(settings, apart=(settings.processed, settings.rejected, OURS))

    @contextmanager
    def _opened(self) -> Iterator[OpenFolder]:
        """The folder itself. An empty mount point whose disk is away is not: nothing is looked for or made in it."""
        with OpenFolder.at(self.path) as folder:
            if not folder.has(OURS) and self._used_before():
                text = (
                    f"{printable(str(self.path))} is not the folder that it was: files were taken from it, and {OURS} "
                    "is gone. Is its disk mounted? If this is a new folder in its place, run `h2h init`."
                )
                raise FolderError(text)
            yield folder

    @contextmanager
    def _claims(self, folder: OpenFolder) -> Iterator[OpenFolder]:
        with folder.inside(OURS) as ours, ours.inside(CLAIMS) as claims:
            yield claims

    @contextmanager
    def _place(self, claimed: Claimed) -> Iterator[OpenFolder]:
        with self._opened() as folder, self._claims(folder) as claims, claims.inside(claimed.id) as place:
            yield place

    # Which files are complete?

    def scan(self, monotonic: float, now: datetime | None = None) -> Scan:
        """Look at every name once; without `now`, patience has no end."""
        with translated(self.path), self._opened() as folder:
            return self._lookout.scan(folder, monotonic, now)

    def glance(self, now: datetime) -> Scan:
        """For people: what a scan would tell of files that stood long enough to settle."""
        self.scan(0.0)
        return self.scan(float("inf"), now)

    # Claim.

    def prepare(self, ids: Sequence[TransferId]) -> None:
        """Places for several claims, durable by one sync. `claims` removes those that are not used in the end."""
        with (
            translated(self.path), self._opened() as folder,
            folder.made(OURS, 0o700) as ours, ours.made(CLAIMS, 0o700) as claims,
        ):  # fmt: skip
            claims.make(*ids, mode=0o700)

    def claim(self, name: str, transfer_id: TransferId) -> Claimed | None:
        """Take a file that a scan found complete; None where it is gone, or is not that file any more.

        It is ours for certain once it is `secured`.
        """
        seen = self._lookout.forget(name)
        with translated(self.path), self._opened() as folder:
            if seen is None or not stands(folder, name, seen):
                return None
            with (
                folder.made(OURS, 0o700) as ours, ours.made(CLAIMS, 0o700) as claims,
                claims.made(transfer_id, 0o700) as place,
            ):  # fmt: skip
                if not taken(folder, name, place, seen.identity, local_name(transfer_id, name)):
                    claims.remove_folder(transfer_id)
                    return None
        return Claimed(id=transfer_id, path=place.path / name)

    def secured(self, claims: Sequence[Claimed]) -> list[Claimed]:
        """Make claims durable, several by the same syncs; only then take what belongs to each."""
        with translated(self.path), self._opened() as folder, self._claims(folder) as claimed_in:
            with ExitStack() as opened:
                sync_all([opened.enter_context(claimed_in.inside(claimed.id)).handle for claimed in claims])
            for each in (claimed_in, folder):
                each.sync()
            return [self._with_companions(folder, claimed_in, claimed) for claimed in claims]

    def _with_companions(self, folder: OpenFolder, claims: OpenFolder, claimed: Claimed) -> Claimed:
        try:
            with claims.inside(claimed.id) as place:
                self._take_companions(folder, claimed.path.name, place)
        except OSError as error:
            return replace(claimed, fault=f"What belongs to it cannot be taken: {words(error)}.")
        return claimed

    def _take_companions(self, folder: OpenFolder, name: str, place: OpenFolder) -> None:
        """Marker and manifest that stood there when the file was claimed are its own; later ones are the next file's.

        Done again after a crash: a marker left behind would make the next file of that name complete too early. The
        claim was made when its folder changed last; both times are the file system's.
        """
        claimed_at = os.fstat(place.handle).st_mtime_ns
        for marker in self._lookout.markers(name):
            if folder.has_file(marker, not_after=claimed_at):
                folder.remove(marker)
        if self._settings.manifest_key and folder.has_file(name + manifest.SUFFIX, not_after=claimed_at):
            folder.move(name + manifest.SUFFIX, place, name + manifest.SUFFIX)

    def claims(self) -> list[Claimed]:
        """What was claimed and not filed away yet, by this run or an earlier one; what a crash cut short is ended."""
        return self._standing(mend=True)

    def _standing(self, *, mend: bool) -> list[Claimed]:
        with translated(self.path), self._opened() as folder, suppress(FileNotFoundError):
            with self._claims(folder) as claims:
                found = [self._claim_in(folder, claims, name, mend=mend) for name in claims.names()]
            return [claimed for claimed in found if claimed is not None]
        return []

    def _claim_in(self, folder: OpenFolder, claims: OpenFolder, name: str, *, mend: bool) -> Claimed | None:
        transfer_id = TransferId(name)
        if not _ID.fullmatch(name):
            return Claimed(id=transfer_id, path=claims.path / name, fault="The gateway did not make this. Remove it.")
        try:
            with claims.inside(name) as place:
                inside = place.names()
                if inside and mend:
                    if same(folder, place, inside[0]):
                        place.remove(inside.pop(0))  # a crash came while it was put back
                    else:
                        self._take_companions(folder, inside[0], place)
            if not inside and mend:
                claims.remove_folder(name)  # a crash came between making the folder and the rename
        except OSError as error:
            return Claimed(id=transfer_id, path=claims.path / name, fault=f"It cannot be looked into: {words(error)}.")
        return Claimed(id=transfer_id, path=claims.path / name / inside[0]) if inside else None

    def stuck(self, now: datetime) -> tuple[Told, ...]:
        """What was claimed, cannot be finished, and waits for a person."""
        found = [(claimed, self._fault(claimed, now)) for claimed in self._standing(mend=False)]
        return tuple((claimed.name, f"taken as {printable(claimed.id)}: {why}") for claimed, why in found if why)

    def _fault(self, claimed: Claimed, now: datetime) -> str | None:
        try:
            with self.open(claimed) as file, self._place(claimed) as place:
                if os.fstat(file.fileno()).st_size > self._settings.max_size:
                    return f"It grew beyond {self._settings.max_size} bytes. Remove it from {place.path}."
                stands = now.timestamp() - os.fstat(place.handle).st_mtime
        except (FolderError, OSError) as error:
            return str(error)
        return "It is not filed away; the log says why." if stands > STUCK_AFTER.total_seconds() else None

    # What was claimed.

    @contextmanager
    def open(self, claimed: Claimed) -> Iterator[BinaryIO]:
        """The claimed file's bytes, opened once and without following links; StillChanging if it changed meanwhile."""
        if claimed.fault:
            raise FolderError(f"{printable(str(claimed.path))}: {claimed.fault}")
        with translated(claimed.path), self._place(claimed) as place, place.open(claimed.path.name) as file:
            before = os.fstat(file.fileno())
            if before.st_nlink > 1:
                raise OSError(None, "it has a second name (a hard link), under which it may be changed. Remove that")
            yield file
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
                after.st_size, after.st_mtime_ns, after.st_ctime_ns,
            ):  # fmt: skip
                raise StillChanging(f"{printable(str(claimed.path))} is still being written to.")

    def manifest(self, claimed: Claimed) -> bytes | None:
        """What stands in the claimed file's manifest, up to a byte more than may; None where it has none."""
        with translated(claimed.path), self._place(claimed) as place:
            return manifest_of(place, claimed.path.name)

    def file_away(self, claimed: Claimed, *, rejected: bool, reports: Mapping[str, bytes]) -> Path:
        """Move a claimed file to `processed` or `rejected`; reports (by suffix) are written beside it first.

        It stays there for certain once it is `let_go`.
        """
        where = self._settings.rejected if rejected else self._settings.processed
        name, target = claimed.path.name, local_name(claimed.id, claimed.path.name)
        with (
            translated(self.path), self._opened() as folder, folder.made(where) as filed,
            self._claims(folder) as claims, claims.inside(claimed.id) as place,
        ):  # fmt: skip
            for suffix, content in reports.items():
                with filed.create(target + suffix) as file:
                    file.write(content)
            if place.has_file(name + manifest.SUFFIX):
                place.move(name + manifest.SUFFIX, filed, target + manifest.SUFFIX)
            place.move(name, filed, target)
        return filed.path / target

    def let_go(self, claims: Sequence[Claimed]) -> None:
        """Make it durable that these were filed away, by the same syncs; then their claims end."""
        with translated(self.path), self._opened() as folder, self._claims(folder) as claimed_in:
            for name in (self._settings.processed, self._settings.rejected):
                with suppress(FileNotFoundError), folder.inside(name) as filed:
                    filed.sync()
            failed: list[OSError] = []
            for claimed in claims:
                try:
                    claimed_in.remove_folder(claimed.id)
                except OSError as error:  # somebody put something into it
                    failed.append(error)
            if failed:
                raise failed[0]


def owner_of(file: BinaryIO) -> int:
    """The user id of whoever owns an open file."""
    return os.fstat(file.fileno()).st_uid


@contextmanager
def atomic_writer(target: Path) -> Iterator[BinaryIO]:
    """Write a file so that nobody ever sees half of it; it survives a crash once the block is left.

    Nothing appears under `target` if the block raises.
    """
    with translated(target.parent), OpenFolder.at(target.parent) as folder, folder.create(target.name) as file:
        yield file


def local_name(file_id: str, name: str) -> str:
    """A name of ours for a file from outside: its id, then what is harmless of its own name."""
    return f"{file_id}-{harmless(printable(name))[-NAME_BYTES:]}"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"{printable(str(path))} cannot be used: {words(error)}.") from error
