"""What is known of a file that GnuPG has gone through: its status lines, what was wanted, and which keys there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from h2h.openpgp.gpg import Ended
from h2h.openpgp.keys import KeyFacts

COUNT = {
    "ENC_TO", "NEED_PASSPHRASE_SYM", "DECRYPTION_KEY", "BEGIN_DECRYPTION", "DECRYPTION_INFO", "DECRYPTION_OKAY",
    "DECRYPTION_FAILED", "GOODMDC", "BADMDC", "END_DECRYPTION", "PLAINTEXT", "NEWSIG", "GOODSIG", "EXPSIG",
    "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG", "VALIDSIG", "NO_PUBKEY", "NODATA", "UNEXPECTED", "BADARMOR",
    "IMPORTED", "IMPORT_OK", "FAILURE", "ERROR", "TRUNCATED",
}  # fmt: skip


class Form(StrEnum):
    """What a file has to be, at least. What it is beyond that has to be good as well."""

    SIGNED = "sign"
    ENCRYPTED = "encrypt"
    BOTH = "sign+encrypt"

    @property
    def signed(self) -> bool:
        return self is not Form.ENCRYPTED

    @property
    def encrypted(self) -> bool:
        return self is not Form.SIGNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that was opened. Keys are named by their fingerprints; None where it is not signed, or not encrypted."""

    signer: str | None  # the primary key, one of those that were pinned
    signed_at: datetime | None  # as the signer says
    opened_with: str | None  # the primary of the key of ours that it was encrypted to
    size: int  # bytes that went to the sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that GnuPG found to fit: VALIDSIG."""

    key: str
    primary: str
    made: datetime
    kind: str  # 00: of bytes, 01: of text, whose line ends do not count; others are not of files


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged: how GnuPG ended, what is wanted, and what keys there are, by fingerprints of the primaries."""

    ended: Ended
    wanted: Form
    ours: Mapping[str, KeyFacts]
    theirs: Mapping[str, KeyFacts]

    def count(self, *words: str) -> int:
        return sum(status.word in words for status in self.ended.said)

    def first(self, word: str) -> tuple[str, ...]:
        return next(iter(self.ended.words(word)), ())

    @property
    def is_changed(self) -> bool:
        """Then chance has made packets of what does not decrypt to what it was: anything may seem to be in it."""
        return self.count("BADMDC") > 0

    @property
    def order(self) -> str:
        return "".join(f"{status.word} " for status in self.ended.said if status.word in COUNT)

    @property
    def signature(self) -> Signature | None:
        words = self.first("VALIDSIG")
        if len(words) < 10:
            return None
        made = datetime.fromtimestamp(int(words[2]), UTC)
        return Signature(key=words[0], primary=words[9], made=made, kind=words[8])
