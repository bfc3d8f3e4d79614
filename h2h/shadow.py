"""A shadow: what would become of the files that came lately, if another profile of their bank counted.

Each is looked at twice, by the profile in force and by the other one, both as at the moment when it came: what differs
is the profile's doing. Nothing is kept, sent or changed. What hangs on other files is not asked: duplicates, names
that were used, numbers of a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial

from h2h.archive import Archive
from h2h.config import Bank, Outbound
from h2h.confined import ConfinedReader
from h2h.ledger import Ledger
from h2h.ledger.messages import Message
from h2h.ledger.rows import Transfer
from h2h.mailbox import unnumbered
from h2h.model import Finding, Judgement, Severity
from h2h.outbound.names import Environment, final_name
from h2h.outbound.trial import tried
from h2h.schedule import NEVER, all_closing, all_opening

NOT_TAKEN = "NOT_TAKEN"
BETTER = ("VALID", "HELD", "INVALID", NOT_TAKEN)  # and so on to the worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """What becomes of a payment file. `goes_at`: when its windows are open; None where they never are together.

    `form`: what it is put into for the bank; `folder`, `answered_in`: places of the profile, in words.
    """

    verdict: str
    folder: str | None = None
    findings: tuple[str, ...] = ()
    name: str | None = None
    form: str | None = None
    goes_at: datetime | None = None
    cut_off: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inward:
    """What becomes of a file that the bank offered: by which block it is fetched, what is done with it."""

    verdict: str
    folder: str | None = None
    pgp: str | None = None
    after: str | None = None
    deliver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One file by both profiles. `changes`: the names of what differs."""

    id: str
    direction: str
    file: str
    at: datetime
    now: Outward | Inward
    then: Outward | Inward
    findings: tuple[Finding, ...] = ()  # by the other profile

    @property
    def changes(self) -> tuple[str, ...]:
        names = [field.name for field in fields(self.now)]
        return tuple(name for name in names if getattr(self.now, name) != getattr(self.then, name))

    @property
    def worse(self) -> bool:
        """Whether it would be refused, held or left alone, and is not now."""
        return BETTER.index(self.then.verdict) > BETTER.index(self.now.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A profile, and what reads by its schemas."""

    bank: Bank
    reader: ConfinedReader


class Shadow:
    def __init__(self, now: Side, then: Side, *, ledger: Ledger, archive: Archive, environment: Environment) -> None:
        self._now, self._then, self._ledger, self._archive = now, then, ledger, archive
        self._environment = environment

    def replayed(self, since: datetime) -> Iterator[Replayed]:
        """Raises Damaged where bytes were changed or lost."""
        name = self._now.bank.name
        for transfer in self._ledger.recent.transfers(name, since):
            yield self._outbound(transfer)
        for message in self._ledger.recent.messages(name, since):
            yield self._inbound(message)

    def _outbound(self, transfer: Transfer) -> Replayed:
        now, _ = self._outward(self._now, transfer)
        then, findings = self._outward(self._then, transfer)
        return Replayed(
            id=transfer.id,
            direction="out",
            file=transfer.name,
            at=transfer.received_at,
            now=now,
            then=then,
            findings=findings,
        )

    def _outward(self, side: Side, transfer: Transfer) -> tuple[Outward, tuple[Finding, ...]]:
        bank = side.bank
        folder = counterpart(bank, self._now.bank, transfer.watch)
        if folder is None or not fnmatchcase(transfer.name, folder.match) or transfer.size > folder.max_size:
            return Outward(verdict=NOT_TAKEN, folder=str(folder.watch) if folder else None), ()
        judgement = self._judged(side, folder, transfer)
        verdict = "INVALID" if not judgement.good else "HELD" if judgement.held else "VALID"
        findings = tuple(f for f in judgement.findings if f.severity is not Severity.INFO)
        if verdict == "INVALID":
            return Outward(verdict=verdict, folder=str(folder.watch), findings=_codes(findings)), findings
        windows = bank.windows_for(folder, transfer.kinds)
        goes_at = all_opening(windows, transfer.received_at)
        closes = all_closing(windows, goes_at) if goes_at else None
        return Outward(
            verdict=verdict,
            folder=str(folder.watch),
            findings=_codes(findings),
            name=self._name(bank, folder, transfer, goes_at or transfer.received_at),
            form=_form(folder),
            goes_at=goes_at,
            cut_off=None if closes == NEVER else closes,
        ), findings

    def _name(self, bank: Bank, folder: Outbound, transfer: Transfer, when: datetime) -> str:
        """With 1 for each number of a sequence; in words, where it can get none."""
        try:
            name = final_name(bank, folder, transfer, when, {}, environment=self._environment)
        except ValueError as error:
            return f"none: {error}"
        return f"{folder.remote.rstrip('/')}/{name}"

    def _judged(self, side: Side, folder: Outbound, transfer: Transfer) -> Judgement:
        """What was dropped, by the terms of the day on which it was."""
        dropped = transfer.original_sha256 or transfer.sha256
        opened = partial(self._archive.open, dropped, "judging")
        terms = side.bank.terms(folder, transfer.received_at)
        return tried(opened, f"{transfer.id} {dropped}", side.reader, terms, self._archive.scratch)

    def _inbound(self, message: Message) -> Replayed:
        return Replayed(
            id=message.id,
            direction="in",
            file=message.name,
            at=message.fetched_at,
            now=_inward(self._now.bank, message),
            then=_inward(self._then.bank, message),
        )


def counterpart(bank: Bank, now: Bank, watch: str) -> Outbound | None:
    """The folder that stands for the one in force: it watches the same place, or else stands in the same order."""
    if found := bank.outbound_for(watch):
        return found
    place = next((number for number, folder in enumerate(now.outbound) if str(folder.watch) == watch), None)
    return bank.outbound[place] if place is not None and place < len(bank.outbound) else None


def _form(folder: Outbound) -> str | None:
    parts = (folder.compress, folder.pgp, "armoured" if folder.armour else None)
    return ", ".join(filter(None, parts)) or None


def _codes(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(sorted({f"{finding.severity} {finding.code}" for finding in findings}))


def _inward(bank: Bank, message: Message) -> Inward:
    name = unnumbered(message.name)
    block = next((each for each in bank.inbound if each.takes(message.folder, name)), None)
    if block is None:
        return Inward(verdict=NOT_TAKEN)
    expected = message.message is None or message.message in block.messages
    return Inward(
        verdict="VALID" if expected else "INVALID",
        folder=block.place,
        pgp=block.pgp,
        after=block.after,
        deliver=str(block.deliver) if block.deliver else None,
    )
