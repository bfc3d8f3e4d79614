"""A transfer as the ledger's other parts and the flows see it: one row of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from h2h.approval import Approved, Need, Rule, approved_of, counting, lacking, needs_of
from h2h.errors import NotAllowed
from h2h.kinds import Kind, kinds_of
from h2h.lifecycle import State
from h2h.model import AsSent, Finding, Judgement, TransferId
from h2h.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row of the transfer table."""

    id: TransferId
    bank: str
    watch: str
    name: str
    sha256: str
    content_sha256: str | None
    size: int
    state: State
    verdict: Verdict
    verdict_by: str | None
    reason: str | None
    received_at: datetime
    message: str | None
    message_id: str | None
    payments: int | None
    control_sum: Decimal | None
    currencies: list[str] | None
    execution_date: str | None
    duplicate_of: TransferId | None
    due_at: datetime | None
    remote: str | None
    temporary: str | None
    sent_at: datetime | None
    answered_at: datetime | None
    attempts: int
    failures: int
    late_allowed: str | None
    proposed_by: str | None
    owner: str | None
    lease_until: datetime | None
    fence: int
    version: int
    repair_of: TransferId | None
    original_sha256: str | None
    original_message: str | None
    kinds: list[Kind] | None
    purged_at: datetime | None
    erased_at: datetime | None
    sealed_sha256: str | None
    sealed_size: int | None
    sealed_by: str | None
    makers: list[str]
    approvals: list[Need] | None
    approved: list[Approved]

    @property
    def sent_sha256(self) -> str:
        """Of the bytes that go to the bank; `sha256` is that of what was judged."""
        return self.sealed_sha256 or self.sha256

    @property
    def sent_size(self) -> int:
        return self.size if self.sealed_size is None else self.sealed_size

    @property
    def approved_by(self) -> list[str]:
        """Who approved its bytes as they are, and had no hand in them."""
        return counting(self.approved, self.sha256, self.makers)

    @property
    def lacking(self) -> list[Need]:
        """What four eyes still ask for."""
        return lacking(self.approvals or (), self.approved_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that was claimed, or made of another one, and kept in the archive."""

    id: TransferId
    bank: str
    watch: str
    name: str
    sha256: str
    size: int
    repair_of: TransferId | None = None
    makers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What judge found of a file that was received. `as_sent`: what goes to the bank in its place; `approvals`: the
    rules by which people have to approve it; `profile`: by which version of the bank's settings it was judged."""

    id: TransferId
    judgement: Judgement
    as_sent: AsSent | None = None
    approvals: Sequence[Rule] = ()
    profile: str | None = None

    def after(self, doubts: Sequence[Finding]) -> Judged:
        """With what speaks against the file's origin before all else."""
        return replace(self, judgement=replace(self.judgement, findings=[*doubts, *self.judgement.findings]))


def received_of(transfer: Transfer) -> Received:
    return Received(
        id=transfer.id,
        bank=transfer.bank,
        watch=transfer.watch,
        name=transfer.name,
        sha256=transfer.sha256,
        size=transfer.size,
        repair_of=transfer.repair_of,
        makers=transfer.makers,
    )


def refuse_purged(file_id: str, purged_at: datetime | None) -> None:
    """NotAllowed where nothing can be done with a file any more, nor be told of what was in it."""
    if purged_at is not None:
        raise NotAllowed(
            f"{file_id} was purged on {purged_at:%Y-%m-%d}, as [retention] in the settings says: its bytes and its "
            f"records are gone. What stays stands in `h2h show {file_id}`."
        )


def as_read(value: Any) -> Any:
    """A value that was written as it is read: instants come back in UTC."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


_NAMES = tuple(field.name for field in fields(Transfer))


def transfer_of(row: Sequence[Any]) -> Transfer:
    """A row of the whole table, whose columns stand in the order of the fields above."""
    values = dict(zip(_NAMES, row, strict=True))
    values["state"], values["verdict"] = State(values["state"]), Verdict(values["verdict"])
    values["kinds"] = kinds_of(values["kinds"])
    values["makers"] = values["makers"] or []
    values["approvals"], values["approved"] = needs_of(values["approvals"]), approved_of(values["approved"])
    return Transfer(**values)
