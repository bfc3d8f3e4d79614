"""What the entries of a statement leave to be told of: payments that came back or were debited oddly, and debits that
are not ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from h2h.cash import BOOKED, Role, by_the_bank
from h2h.columns import Columns
from h2h.ledger.window import Candidate, Key
from h2h.model import Entry, EntryDetail, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """An entry's effect on one payment, as it was before, where that is worth a look."""

    role: Role
    transfer_id: str
    position: int
    booked_by: int | None
    status: str | None
    amount: Decimal | None
    currency: str | None
    end_to_end_id: str | None
    instruction_id: str | None
    uetr: str | None
    creditor_name: str | None
    booking_date: str | None
    line: int | None

    @property
    def key(self) -> Key:
        return self.transfer_id, self.position


class Unmatched:
    """Final debits that match nothing of ours, but for those that the bank makes by itself."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, Decimal] = {}
        self.line: int | None = None

    def add(self, entry: Entry, detail: EntryDetail | None = None) -> None:
        if by_the_bank(entry.transaction_code, entry.proprietary_code):
            return
        if detail is not None and by_the_bank(detail.transaction_code, detail.proprietary_code):
            return
        amount, currency = (detail.amount, detail.currency) if detail else (entry.amount, entry.currency)
        self._count(1, entry.line, currency, [amount])

    def add_all(self, entries: Columns[Entry]) -> None:
        """The final debits among these entries."""
        names = ("direction", "status", "amount", "currency", "line")
        codes = [*zip(entries.column("transaction_code"), entries.column("proprietary_code"), strict=True)]
        theirs = {code for code in set(codes) if by_the_bank(*code)}
        said = zip(*map(entries.column, names), codes, strict=True)
        sums: defaultdict[str | None, list[Decimal]] = defaultdict(list)
        lines: list[int | None] = []
        for direction, status, amount, currency, line, code in said:
            if direction != "DBIT" or status not in (None, BOOKED) or amount is None or code in theirs:
                continue
            sums[currency].append(amount)
            lines.append(line)
        for currency, amounts in sums.items():
            self._count(len(amounts), min(filter(None, lines), default=None), currency, amounts)

    def _count(self, count: int, line: int | None, currency: str | None, amounts: Iterable[Decimal | None]) -> None:
        """They may come in another order than in the file: told is the first line."""
        name = currency or "?"
        self.line = min((each for each in (self.line, line) if each), default=None)
        self.count += count
        self.sums[name] = total((self.sums.get(name), *amounts))


def touched_by(entry: Entry, payment: Candidate, found: Role) -> Touched:
    names = (
        "transfer_id", "position", "booked_by", "status", "amount", "currency", "end_to_end_id", "instruction_id",
        "uetr", "creditor_name",
    )  # fmt: skip
    known = {name: getattr(payment, name) for name in names}
    return Touched(role=found, booking_date=entry.booking_date, line=entry.line, **known)
