"""Every effect of the gateway, with a place to stop before it and after it. The doors are wrapped; they know nothing.

A point is written as "before Transfers.publishing 1": the first call of that verb, for however many files, before it
begins. The points "in Transfers.publishing 1" lie within its transaction: rows are written, and nothing is committed;
each further event in it is a point of its own ("in Transfers.judged 1, event 2"). With `requests` each request to
the bank's server is two points instead of the channel's verbs: "before RENAME 1", when it has not left, and
"sent RENAME 1", when it has, and its answer is not read; and so is each note of the journal's head.
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
from h2h.archive import Archive, Incoming
from h2h.channels.folder import FolderChannel
from h2h.channels.sftp import SftpChannel
from h2h.channels.sftp_wire import Kind, Wire
from h2h.folders import WatchedFolder, atomic_writer
from h2h.ledger.messages import Messages
from h2h.ledger.sealings import Sealings
from h2h.ledger.transfers import Transfers
from h2h.witness import Witness

CHANNELS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (SftpChannel, ("stage_many", "publish_many", "place", "look_many", "discard", "move", "list", "fetch")),
    (FolderChannel, ("stage_many", "publish", "place", "look", "discard", "move", "list", "fetch")),
)
DOORS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (WatchedFolder, ("prepare", "claim", "secured", "file_away", "let_go")),
    (Incoming, ("place", "keep")),
    (Archive, ("secure",)),
    (
        Transfers,
        (
            "received_many",
            "judged_many",
            "lease_many",
            "made",
            "publishing_many",
            "sent_many",
            "in_doubt",
            "look_again",
            "not_delivered",
        ),
    ),
    (Sealings, ("sealed_many",)),
    (Messages, ("kept", "opened", "applied", "discarded", "handed_over")),
)
JOURNALS = (h2h.ledger.moves, h2h.ledger.messages)

Reached = Callable[[str], None]
Replace = Callable[[Any, str, Any], None]


class Effects:
    """Counts the effects and tells `reached` of every point, in the order in which they come."""

    def __init__(self, reached: Reached, *, requests: bool = False) -> None:
        self._reached = reached
        self._requests = requests
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._verb = threading.local()

    def install(self, replace: Replace = setattr) -> None:
        """Wrap the doors, by setattr or by something that undoes it later."""
        for door, names in DOORS:
            for name in names:
                replace(door, name, self._wrapped(getattr(door, name), f"{door.__name__}.{name}"))
        for module in JOURNALS:
            replace(module, "record", self._recorded(module.record))
        replace(h2h.inbound, "atomic_writer", self._written(atomic_writer))
        if self._requests:
            replace(Wire, "send", self._asked(Wire.send))
            replace(Witness, "note", self._wrapped(Witness.note, "Witness.note"))
        else:
            for channel, names in CHANNELS:
                for name in names:
                    replace(channel, name, self._wrapped(getattr(channel, name), f"Channel.{name}"))

    def _wrapped(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        name = name.removesuffix("_many")

        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            number = self._next(name)
            self._reached(f"before {name} {number}")
            around = getattr(self._verb, "name", "?"), getattr(self._verb, "events", 0)
            self._verb.name, self._verb.events = f"{name} {number}", 0
            done = original(*arguments, **named)
            self._verb.name, self._verb.events = around
            self._reached(f"after {name} {number}")
            return done

        return wrapped

    def _recorded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> None:
            original(*arguments, **named)
            self._verb.events = events = getattr(self._verb, "events", 0) + 1
            further = f", event {events}" if events > 1 else ""
            self._reached(f"in {getattr(self._verb, 'name', '?')}{further}")

        return wrapped

    def _asked(self, original: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(original)
        def wrapped(wire: Wire, kind: Kind, *fields: bytes) -> int:
            name = _request(kind, *fields)
            number = self._next(name)
            self._reached(f"before {name} {number}")
            asked = original(wire, kind, *fields)
            wire.flush()
            self._reached(f"sent {name} {number}")
            return asked

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


def _request(kind: Kind, *fields: bytes) -> str:
    """The name of a request; an extended one is called by what it asks for, as in POSIX-RENAME."""
    if kind is Kind.EXTENDED:
        return fields[0][4:].partition(b"@")[0].decode("ascii", "replace").upper()
    return kind.name
