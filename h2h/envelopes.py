"""What files travel in, as a bank's profile asks for it: compressed, signed and encrypted.

Sealing is compressing, then PGP; opening is PGP alone, since readers unpack what is compressed. Which seal is wanted is
a value (model.Seal), so that it can be compared with the one that a file has already. Files of keys are read when they
are needed: one that was replaced counts at once.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, cast

from h2h.clock import Clock
from h2h.compressing import BLOCK, compressed
from h2h.config import Bank, Inbound, Outbound
from h2h.config.pgp import encrypts, signs
from h2h.credentials import Credentials
from h2h.errors import H2hError, NotDelivered, Unopened
from h2h.key_rows import KeyRows
from h2h.model import Finding, Seal, Severity
from h2h.openpgp import Form, Opened

ENDINGS = (".pgp", ".gpg", ".asc")  # of a file that PGP made
Sink = Callable[[bytes], Any]
Write = Callable[[Seal, BinaryIO, int, Sink], None]
"""Seals: (seal, source, its size, sink)."""


class Envelopes:
    """Of one bank."""

    def __init__(self, bank: Bank, *, credentials: Credentials, clock: Clock) -> None:
        self._bank, self._keys = bank, KeyRows(bank, credentials)
        self._clock = clock

    def wanted(self, folder: Outbound, name: str) -> Seal | None:
        """What a file of this folder that goes under this name has to be put into now; None where it goes as it is.

        Raises what stands in FAULTS.
        """
        if not folder.seals:
            return None
        now, packed = self._clock.now(), folder.compress
        key, subkey = self._keys.theirs_now(now) if encrypts(folder.pgp) else (None, None)
        return Seal(
            compress=packed,
            member=member_of(name) if packed == "zip" else None,
            pgp=folder.pgp,
            armour=folder.armour,
            signed_by=self._keys.ours_now(now) if signs(folder.pgp) else None,
            encrypted_to=(key,) if key else (),
            subkeys=(subkey,) if subkey else (),
        )

    @contextmanager
    def sealing(self, seals: Sequence[Seal]) -> Iterator[Write]:
        """Seals files so, in several threads at a time. Raises what stands in FAULTS, and so does what it gives."""
        if not any(seal.pgp for seal in seals):
            yield _packed
            return
        ours = {seal.signed_by for seal in seals if seal.signed_by}
        theirs = {fingerprint for seal in seals for fingerprint in seal.encrypted_to}
        with self._keys.smith(self._keys.ours(ours), self._keys.theirs(theirs), self._clock.now) as smith:

            def write(seal: Seal, source: BinaryIO, size: int, sink: Sink) -> None:
                if seal.pgp is None:
                    _packed(seal, source, size, sink)
                    return
                inner = _stream(seal, source, size) if seal.compress else source
                smith.seal(inner, sink, sign_with=seal.signed_by, encrypt_to=seal.encrypted_to, armour=seal.armour)

            yield write

    def open(self, folder: Inbound, source: BinaryIO, sink: Sink) -> Opened:
        """What a file of this folder holds. Raises what stands in FAULTS; what went to the sink is nothing then.

        NotDelivered where a key that may open it can be had later.
        """
        assert folder.pgp
        now, zone, pgp = self._clock.now(), self._bank.timezone, self._bank.pgp
        theirs = [row for row in pgp.their_keys if row.counts(now, zone)]
        ours, left_out = self._keys.openers()
        with self._keys.opening(ours, theirs, self._clock.now) as smith:
            try:
                return smith.open(source, sink, wanted=Form(folder.pgp), at_most=folder.max_size)
            except Unopened as error:
                if error.code != "PGP_NOT_FOR_US" or not left_out:
                    raise
                raise _for_none_had(error, left_out) from error

    def doubts(self, folder: Outbound, until: datetime) -> list[Finding]:
        """Why a file of this folder could not be sealed now, or at some time up to then."""
        now = self._clock.now()
        found: list[Finding] = []
        if signs(folder.pgp):
            found += self._keys.doubts(self._bank.pgp.our_keys, "sign", now, max(now, until))
        if encrypts(folder.pgp):
            found += self._keys.doubts(self._bank.pgp.their_keys, "encrypt", now, max(now, until))
        return found


def _for_none_had(error: Unopened, left_out: Sequence[H2hError]) -> H2hError:
    """It may be for a key of ours that was left out."""
    text = f"{error} Keys of ours could not be tried: {' '.join(map(str, left_out))}"
    later = any(isinstance(each, NotDelivered) for each in left_out)
    return NotDelivered(text) if later else Unopened(error.code, text)


def finding_of(error: H2hError) -> Finding:
    """Why a file from a bank was not opened: by the file's fault, or by that of a key or of GnuPG."""
    if isinstance(error, Unopened):
        return Finding(code=error.code, severity=Severity.ERROR, text=str(error))
    text = f"The file could not be opened: {error} When that is mended, have it read again with `h2h reread`."
    return Finding(code="PGP_KEY_UNUSABLE", severity=Severity.ERROR, text=text)


def _packed(seal: Seal, source: BinaryIO, size: int, sink: Sink) -> None:
    assert seal.compress
    for block in compressed(source, seal.compress, member=seal.member or "", size=size):
        sink(block)


def _stream(seal: Seal, source: BinaryIO, size: int) -> BinaryIO:
    """What is compressed, to be read."""
    assert seal.compress
    blocks = _Blocks(compressed(source, seal.compress, member=seal.member or "", size=size))
    return io.BufferedReader(cast(io.RawIOBase, blocks), BLOCK)


class _Blocks(io.RawIOBase):
    """Blocks that are made when they are read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = filter(None, blocks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stubs want any buffer
        block = self._rest or next(self._blocks, b"")
        size = min(len(buffer), len(block))
        buffer[:size], self._rest = block[:size], block[size:]
        return size


def without_ending(name: str, *endings: str) -> str:
    """The name without the ending, if it is one of these; something is always left."""
    stem, ending = posixpath.splitext(name)
    return stem if stem and ending.lower() in endings else name


def member_of(name: str) -> str:
    """How a file is called in the archive that goes under this name."""
    return without_ending(without_ending(name, *ENDINGS), ".zip")
