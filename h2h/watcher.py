"""Events of the file system: they hasten a look at a folder, and are never relied upon.

A folder that is removed, unmounted or made again gets no events any more (its emitter is dead, silently); `mend`
finds that and watches it anew. Network file systems may give no events at all, and the queue of the system may
overflow and drop some: the rounds look by themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask

log = logging.getLogger(__name__)

EVENTS: list[type[FileSystemEvent]] = [FileClosedEvent, FileCreatedEvent, FileMovedEvent]


class _Arrivals(InotifyEmitter):
    """Asks for what comes into a folder, never for what leaves it, as each file does that is claimed: the library holds
    that back for half a second, and searches what it holds for each name that comes.
    """

    def get_event_mask_from_filter(self) -> Mask:
        wanted = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_CREATE
        return Mask(wanted | InotifyConstants.IN_DELETE_SELF)


class _Wake(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._wake()


class Watcher:
    def __init__(self, wakes: Mapping[Path, Callable[[], None]]) -> None:
        """Call a folder's function whenever something happens in it."""
        self._wakes = wakes
        self._observer = BaseObserver(_Arrivals)
        self._watches: dict[Path, tuple[ObservedWatch, tuple[int, int]]] = {}

    def start(self) -> None:
        self._observer.start()
        self.mend()

    def mend(self) -> list[Path]:
        """Watch every folder that is there and not watched (any more); the ones that are missing."""
        missing = []
        for folder, wake in self._wakes.items():
            found = _identity(folder)
            watched = self._watches.get(folder)
            if found is None:
                missing.append(folder)
                self._let_go(folder)
            elif watched is None or watched[1] != found or not self._alive(watched[0]):
                self._let_go(folder)
                self._watch_anew(folder, wake, found)
        return missing

    def _alive(self, watch: ObservedWatch) -> bool:
        """A folder made again may have the number of the old one: then only the dead emitter tells."""
        return any(emitter.watch == watch and emitter.is_alive() for emitter in self._observer.emitters)

    def _let_go(self, folder: Path) -> None:
        if (watched := self._watches.pop(folder, None)) is not None:
            self._observer.unschedule(watched[0])

    def _watch_anew(self, folder: Path, wake: Callable[[], None], found: tuple[int, int]) -> None:
        try:
            watch = self._observer.schedule(_Wake(wake), str(folder), event_filter=EVENTS)
        except OSError as error:  # the system gives no more watches, or the folder went: rounds look by themselves
            log.warning("folder not watched", extra={"event": "watch_failed", "folder": folder, "text": str(error)})
        else:
            self._watches[folder] = (watch, found)
        wake()  # for what came before it was watched

    def stop(self) -> None:
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join(timeout=5)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
