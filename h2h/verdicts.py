"""The bank's verdict: what the status codes of pain.002 mean, and what a report does to what was known.

A report speaks on three levels (file, batch, payment) and often lists only what went wrong. `answers` turns it into
one list of answers, most particular last, so that the ledger only has to apply them in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from h2h.model import BatchStatus, PaymentStatus, Reason, Record, StatusReport


class Verdict(StrEnum):
    NONE = "none"
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"


# Status codes of pain.002, from the ISO external code sets for group, batch and transaction status. A higher rank is
# a later station on the way of a payment; a final one is never overwritten by another.
STATION = {
    "RCVD": 1, "PDNG": 1, "PRES": 1, "ACTC": 2, "PATC": 2, "ACFW": 2, "RCVC": 2, "RVNA": 2, "RVNM": 2, "RVMC": 2,
    "RVCM": 2, "RVNC": 2, "ACCP": 3, "ACWC": 3, "ACFC": 3, "ACSP": 4, "ACPD": 4, "ACIS": 4, "ACWP": 4, "ACSC": 5,
    "ACCC": 6, "CPUC": 6, "BLCK": 9, "RJCT": 9, "CANC": 9,
}  # fmt: skip
FINAL = frozenset({"ACSC", "ACCC", "CPUC", "BLCK", "RJCT", "CANC"})
PART = "PART"  # of a file or a batch: some were accepted, of others nothing is known yet
KNOWN = frozenset({*STATION, PART})
REFUSALS = frozenset({"RJCT", "CANC"})
DUPLICATE_CODES = frozenset({"AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})  # ISO external status reasons
# The money has left the debtor and neither arrives nor comes back: no refusal, since paying again would pay twice.
BLOCKED = "BLCK"


def verdict_of(status: str | None) -> Verdict:
    """The verdict on one payment that a status code stands for; an unknown code settles nothing."""
    if status is None:
        return Verdict.NONE
    if status in REFUSALS:
        return Verdict.REJECTED
    if status == BLOCKED:
        return Verdict.PENDING
    return Verdict.ACCEPTED if STATION.get(status, 0) >= STATION["ACCP"] else Verdict.PENDING


def verdict_over(verdicts: frozenset[Verdict]) -> Verdict:
    """The verdict on a batch or a file from those on its payments. PARTIAL as soon as only some are refused."""
    if not verdicts or verdicts == {Verdict.NONE}:
        return Verdict.NONE
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return Verdict.PARTIAL if Verdict.REJECTED in verdicts or Verdict.PARTIAL in verdicts else Verdict.PENDING


class StatusStep(StrEnum):
    TAKE = "take"
    LATE = "late"  # an earlier station than the one known: nothing changes
    CONFLICT = "conflict"  # contradicts a final status: nothing changes, and it is a finding
    REPEAT = "repeat"  # says what is known: nothing changes
    EARLY = "early"  # came before the file was known to be at the bank, and was taken then


# After these nothing is sent again on the bank's word: it contradicts itself, or may be of an earlier copy of the file.
DOUBTFUL = (StatusStep.CONFLICT, StatusStep.EARLY)


def status_step(known: str | None, new: str) -> StatusStep:
    """What a newly reported status does to the one known."""
    if known is None or known == new:
        return StatusStep.TAKE
    rank, known_rank = STATION.get(new, 0), STATION.get(known, 0)
    if known in FINAL and not (known == "ACSC" and new in ("ACCC", "CPUC")):
        return StatusStep.CONFLICT if verdict_of(new) is not verdict_of(known) and rank >= 3 else StatusStep.LATE
    return StatusStep.TAKE if rank >= known_rank else StatusStep.LATE


def hand_step(noted: Verdict, said: Verdict) -> StatusStep:
    """What the bank's own word does to a verdict that a person had noted by hand: it agrees, tells nothing yet, or
    contradicts. The bank's word counts in the end."""
    if said in (Verdict.NONE, Verdict.PENDING):
        return StatusStep.LATE
    return StatusStep.TAKE if said is noted else StatusStep.CONFLICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status for the whole file, for one batch (by its PmtInfId), or for one payment.

    `said` is the bank's word, where that is another one.
    """

    status: str
    said: str | None = None
    reasons: tuple[Reason, ...] = ()
    batch: str | None = None
    payment: PaymentStatus | None = None
    inferred: bool = False  # not said, but meant: the report lists only the refused ones


NO_WORDS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a report says: of the file and its batches, then of single payments. Those may be too many for memory:
    they are gone through as often as wanted."""

    levels: Sequence[Answer]
    payments: Iterable[Answer]

    def __iter__(self) -> Iterator[Answer]:
        yield from self.levels
        yield from self.payments


def answers(
    report: StatusReport,
    batches: Sequence[BatchStatus],
    payments: Collection[PaymentStatus],
    words: Mapping[str, str] = NO_WORDS,
) -> Said:
    """What the report says of the file, then of its batches, then of its payments.

    "Not listed" takes the status of the level above. Where that is PART and everything listed is refused, what is
    not listed was accepted; otherwise PART tells nothing of the rest. `words`: codes for the bank's own words.
    """
    said = {_code(word, words) for word in (report.status, *(batch.status for batch in batches))}
    inside = _refused(payments, words) if PART in said else {}
    whole = [_code(b.status, words) in REFUSALS for b in batches] or [*inside.values()]
    found = [replace(answer, reasons=report.reasons) for answer in _level(report.status, whole, words)]
    for batch in batches:
        listed = [inside[batch.position]] if batch.position in inside else []
        of = batch.payment_information_id
        found += [replace(a, batch=of, reasons=batch.reasons) for a in _level(batch.status, listed, words)]
    return Said(levels=found, payments=_OfPayments(payments, words))


class _OfPayments(Iterable[Answer]):
    def __init__(self, payments: Iterable[PaymentStatus], words: Mapping[str, str]) -> None:
        self._payments, self._words = payments, words

    def __iter__(self) -> Iterator[Answer]:
        for payment in self._payments:
            if status := _code(payment.status, self._words):
                said = _other(payment.status, status)
                yield Answer(status=status, said=said, reasons=payment.reasons, payment=payment)


def _refused(payments: Iterable[PaymentStatus], words: Mapping[str, str]) -> dict[int, bool]:
    """Of each batch in which payments are listed, whether all of these are refused."""
    found: dict[int, bool] = {}
    for payment in payments:
        refused = _code(payment.status, words) in REFUSALS
        found[payment.batch] = refused and found.get(payment.batch, True)
    return found


def _code(word: str | None, words: Mapping[str, str]) -> str | None:
    return words.get(word, word) if word else None


def _other(word: str | None, status: str) -> str | None:
    return word if word != status else None


def _level(word: str | None, refused: Sequence[bool], words: Mapping[str, str]) -> Iterator[Answer]:
    """`refused`: of what is listed below it."""
    status = _code(word, words)
    meant = "ACCP" if status == PART and refused and all(refused) else None if status == PART else status
    if meant is not None:
        yield Answer(status=meant, said=_other(word, meant), inferred=status != meant)


def split(records: Iterable[Record]) -> tuple[list[StatusReport], list[BatchStatus], list[PaymentStatus]]:
    """The records of one pain.002 by kind."""
    reports: list[StatusReport] = []
    batches: list[BatchStatus] = []
    payments: list[PaymentStatus] = []
    for record in records:
        match record:
            case StatusReport():
                reports.append(record)
            case BatchStatus():
                batches.append(record)
            case PaymentStatus():
                payments.append(record)
            case _:
                raise AssertionError(f"a {type(record).__name__} in a status report")
    return reports, batches, payments
