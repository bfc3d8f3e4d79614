"""Payments that were looked at where they were read: what they come to, and themselves as bytes, for who needs them.

Where a file is read by several processes at once, what is asked of all payments is asked there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from h2h.columns import Columns, Inside, code_of, names_of
from h2h.errors import ReaderError
from h2h.model import Address, Batch, Payment
from h2h.soundness import is_sound, reckonable


class Shift(NamedTuple):
    """What is to be added where they were read as if they stood further in front."""

    position: int = 0
    batch: int = 0
    line: int = 0


NO_SHIFT = Shift()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """So many payments of one batch, one behind the other. `written`: as columns; `amount`: their sum; `references`:
    see `references.hashed`; `clear`: no rule finds anything in any of them."""

    written: bytes
    many: int
    batch: int
    amount: Decimal
    references: bytes
    clear: bool
    shift: Shift = NO_SHIFT

    def __post_init__(self) -> None:
        """Raises ValueError for a sum that cannot be reckoned with."""
        if not reckonable(self.amount):
            raise ValueError("no amount")

    def payments(self) -> Columns[Payment]:
        """Raises ReaderError where they are not what was said of them."""
        try:
            found: Columns[Payment] = code_of(Payment).decode(self.written)
            sound = len(found) == self.many and is_sound(found)
        except (msgspec.MsgspecError, ValueError, ArithmeticError) as error:
            raise ReaderError(f"Payments that were read are in no known form ({error}).") from error
        if not sound:
            raise ReaderError("Payments that were read are not those that were looked at.")
        return _shifted(found, self.shift) if any(self.shift) else found


def shifted_batch(batch: Batch, shift: Shift) -> Batch:
    addresses = tuple(_moved(address, shift.line) for address in batch.addresses)
    return structs.replace(
        batch, position=batch.position + shift.batch, addresses=addresses, line=_further(batch.line, shift.line)
    )


def _shifted(payments: Columns[Payment], shift: Shift) -> Columns[Payment]:
    by = {"position": shift.position, "batch": shift.batch, "line": shift.line}
    values: list[Sequence[Any]] = []
    for name, column in zip(names_of(Payment), payments.values, strict=True):
        if name == "addresses":
            values.append(_addresses(column, shift.line))
        else:
            values.append([_further(each, by[name]) for each in column] if name in by else column)
    return Columns(Payment, values)


def _addresses(column: Sequence[Any], lines: int) -> Sequence[Any]:
    if isinstance(column, Inside):
        said = {**column.columns}
        if "line" in said:
            said["line"] = [_further(line, lines) for line in said["line"]]
        return Inside(column.kind, said)
    return [tuple(_moved(address, lines) for address in each) for each in column]


def _moved(address: Address, lines: int) -> Address:
    return structs.replace(address, line=_further(address.line, lines))


def _further(number: int | None, by: int) -> int | None:
    return None if number is None else number + by
