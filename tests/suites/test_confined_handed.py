"""The file as a reader process has it: block by block, and the next one asked for ahead of its time."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from h2h.confined import Limits, worker
from h2h.confined.wire import BLOCK, Want, Wire, a_line
from h2h.confined.worker import _Handed

PATIENCE_SECONDS = 30.0
CONTENT = Random(7).randbytes(6 * BLOCK + 100)


class Gateway:
    """Hands out what is asked for."""

    def __init__(self) -> None:
        self.ours, self.its = map(Wire, a_line())
        self.offsets: list[int] = []
        self._heard = threading.Condition()
        self._thread = threading.Thread(target=self._serve)

    def hear(self, count: int) -> None:
        """Wait until so much was asked for."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.offsets) >= count, PATIENCE_SECONDS), self.offsets

    def _serve(self) -> None:
        while True:
            [word] = self.ours.receive()
            if not isinstance(word, Want):
                return
            with self._heard:
                self.offsets.append(word.offset)
                self._heard.notify_all()
            self.ours.send(CONTENT[word.offset : word.offset + word.size])


@contextmanager
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[io.BufferedReader, Gateway]]:
    """Ends only where nothing is on its way any more."""
    monkeypatch.setattr(worker, "allow_cpu", lambda _: None)  # of the process of the tests
    gateway = Gateway()
    gateway._thread.start()
    file = _Handed(gateway.its, len(CONTENT), Limits())
    try:
        yield io.BufferedReader(file, BLOCK), gateway  # type: ignore[type-var]
        file.settle()
    finally:
        gateway.its.send(b"the end")
        gateway._thread.join()
    gateway.ours.send(b"nothing before this")
    assert gateway.its.receive() == [b"nothing before this"]
    for wire in (gateway.ours, gateway.its):
        wire.close()


def test_who_reads_on_has_the_next_block_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with handed(monkeypatch) as (source, gateway):
        seen = b""
        for blocks in range(1, 7):
            seen += source.read(BLOCK)
            gateway.hear(min(blocks + (blocks > 1), 7))
        assert seen + source.read() == CONTENT
        assert gateway.offsets[:7] == [at * BLOCK for at in range(7)]


def test_what_was_asked_for_ahead_and_is_not_wanted_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(11)
    with handed(monkeypatch) as (source, gateway):
        taken = 0
        for _ in range(300):
            offset, size = random.randrange(len(CONTENT)), random.choice((10, 5_000, BLOCK, 3 * BLOCK))
            source.seek(offset)
            assert source.read(size) == CONTENT[offset : offset + size]
            taken += min(size, len(CONTENT) - offset)
        assert len(gateway.offsets) <= 1.5 * (taken / BLOCK + 300)


def test_a_small_room_is_not_filled_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "holds", lambda *_: False)
    with handed(monkeypatch) as (source, gateway):
        source.read(3 * BLOCK)
        assert gateway.offsets == [0, BLOCK, 2 * BLOCK]
