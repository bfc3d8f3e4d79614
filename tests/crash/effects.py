"""Every effect of a round trip, with a place to stop before it and after it. The doors are wrapped; they know nothing.

A point is written as "before Transfers.publishing 1": the first call of that verb, before it begins. The points
"in Transfers.publishing" lie within its transaction: its rows are written, and nothing is committed.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h2h.inbound
import h2h.ledger.messages
import h2h.ledger.moves
from h2h.archive import Incoming
from h2h.channels.folder import FolderChannel
from h2h.channels.sftp import SftpChannel
from h2h.folders import WatchedFolder
from h2h.ledger.messages import Messages
from h2h.ledger.transfers import Transfers

CHANNEL = ("stage", "publish", "look", "discard", "list", "fetch")
DOORS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (WatchedFolder, ("claim", "file_away")),
    (Incoming, ("keep",)),
    (Transfers, ("received", "judged", "lease", "publishing", "sent", "in_doubt", "look_again", "not_delivered")),
    (Messages, ("kept", "applied", "discarded", "handed_over")),
    (SftpChannel, CHANNEL),
    (FolderChannel, CHANNEL),
)
JOURNALS = (h2h.ledger.moves, h2h.ledger.messages)

Reached = Callable[[str], None]
Replace = Callable[[Any, str, Any], None]


class Effects:
    """Counts the effects and tells `reached` of every point, in the order in which they come."""

    def __init__(self, reached: Reached) -> None:
        self._reached = reached
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._verb = threading.local()

    def install(self, replace: Replace = setattr) -> None:
        """Wrap the doors, by setattr or by something that undoes it later."""
        for door, names in DOORS:
            for name in names:
                kind = "Channel" if door in (SftpChannel, FolderChannel) else door.__name__
                replace(door, name, self._wrapped(getattr(door, name), f"{kind}.{name}"))
        for module in JOURNALS:
            replace(module, "record", self._recorded(module.record))  # type: ignore[attr-defined]
        replace(h2h.inbound, "atomic_writer", self._written(h2h.inbound.atomic_writer))

    def _wrapped(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            number = self._next(name)
            self._reached(f"before {name} {number}")
            self._verb.name = f"{name} {number}"
            done = original(*arguments, **named)
            self._reached(f"after {name} {number}")
            return done

        return wrapped

    def _recorded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> None:
            original(*arguments, **named)
            self._reached(f"in {getattr(self._verb, 'name', '?')}")

        return wrapped

    def _written(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def wrapped(*arguments: Any) -> Iterator[Any]:
            number = self._next("delivery")
            with original(*arguments) as file:
                yield file
                self._reached(f"before delivery {number}")
            self._reached(f"after delivery {number}")

        return wrapped

    def _next(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]
