"""A channel that leaves alone what lay at the bank before: what others wait for is neither fetched nor removed. One
whose line is cut in the middle of its first upload, and one that spoils what it carries.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Self

from h2h.certify.orders import spoilt
from h2h.channels import Channel, Made, Renaming, Upload, all_wanted
from h2h.model import Look, Receipt, RemoteFile, Staged


class Blinkers:
    """See h2h.channels.Channel. `hidden` are not listed; what is fetched is noted in `fetched`."""

    def __init__(self, channel: Channel, hidden: set[RemoteFile], fetched: set[RemoteFile]) -> None:
        self._channel = channel
        self._hidden = hidden
        self._fetched = fetched

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._channel.__exit__(*exc)

    def alive(self) -> bool:
        return self._channel.alive()

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        return self._channel.stage_many(uploads, made)

    def look_many(self, paths: Sequence[str]) -> Sequence[Look | Exception]:
        return self._channel.look_many(paths)

    def publish_many(self, renamings: Sequence[Renaming]) -> Sequence[Receipt | Exception]:
        return self._channel.publish_many(renamings)

    @property
    def replaces(self) -> bool:
        return self._channel.replaces

    def look(self, path: str) -> Look:
        return self._channel.look(path)

    def place(self, path: str, source: BinaryIO) -> Receipt:
        return self._channel.place(path, source)

    def list(self, folder: str) -> list[RemoteFile]:
        return [file for file in self._channel.list(folder) if file not in self._hidden]

    def fetch(self, file: RemoteFile, sink: BinaryIO, start: int = 0) -> int:
        size = self._channel.fetch(file, sink, start)
        self._fetched.add(file)
        return size

    def discard(self, path: str) -> None:
        self._channel.discard(path)

    def move(self, path: str, target: str) -> None:
        self._channel.move(path, target)


class Cut(Blinkers):
    """Its line is cut once half of the first file is on its way."""

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        first, *others = uploads
        halved = Upload(path=first.path, opened=lambda: _instead(first.opened(), self._half))
        return self._channel.stage_many([halved, *others], made)

    def _half(self, data: bytes) -> BinaryIO:
        return _Half(data, self._cut)

    def _cut(self) -> None:
        self._channel.__exit__(None, None, None)


class Spoiling(Blinkers):
    """Carries files that break their schema in place of those that were judged."""

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        return self._channel.stage_many([_spoilt(upload) for upload in uploads], made)

    def place(self, path: str, source: BinaryIO) -> Receipt:
        return self._channel.place(path, io.BytesIO(spoilt(source.read())))


def _spoilt(upload: Upload) -> Upload:
    return Upload(path=upload.path, opened=lambda: _instead(upload.opened(), lambda data: io.BytesIO(spoilt(data))))


@contextmanager
def _instead(opened: AbstractContextManager[BinaryIO], made: Callable[[bytes], BinaryIO]) -> Iterator[BinaryIO]:
    with opened as source:
        yield made(source.read())


class _Half(io.BytesIO):
    def __init__(self, data: bytes, cut: Callable[[], None]) -> None:
        super().__init__(data)
        self._half = len(data) // 2
        self._cut = cut

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            self._cut()
            return super().read(size)
        return super().read(self._half)
