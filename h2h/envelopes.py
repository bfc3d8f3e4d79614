"""What files travel in, as a bank's profile asks for it: compressed, signed and encrypted.

Sealing is compressing, then PGP. Which seal is wanted now is a value (model.Seal), so that it can be compared with the
one that a file has already.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any, BinaryIO

from h2h.compressing import compressed
from h2h.config import Outbound
from h2h.model import Seal

ENDINGS = (".pgp", ".gpg", ".asc")  # of a file that PGP made


class Envelopes:
    """Of one bank."""

    def wanted(self, folder: Outbound, name: str) -> Seal | None:
        """What a file of this folder that goes under this name has to be put into; None where it goes as it is."""
        if folder.compress is None:
            return None
        member = member_of(name) if folder.compress == "zip" else None
        return Seal(compress=folder.compress, member=member)

    def seal(self, seal: Seal, source: BinaryIO, size: int, sink: Callable[[bytes], Any]) -> None:
        """All of the source, which has so many bytes, to the sink."""
        assert seal.compress
        for block in compressed(source, seal.compress, member=seal.member or "", size=size):
            sink(block)


def without_ending(name: str, *endings: str) -> str:
    """The name without the ending, if it is one of these; something is always left."""
    stem, ending = posixpath.splitext(name)
    return stem if stem and ending.lower() in endings else name


def member_of(name: str) -> str:
    """How a file is called in the archive that goes under this name."""
    return without_ending(without_ending(name, *ENDINGS), ".zip")
