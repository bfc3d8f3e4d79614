"""What makes two files, two debtors or two payments the same: pure functions from records to keys.

content_hash   what a file orders, however it is written down
debtor_keys    the accounts that a file debits: a message id is used once for each
new_uetr       a UETR for one payment of one file; the same whenever it is asked for
derived_id     a new identification that shows from which it came
Trace          a payment as its debtor sees it: the fingerprint's values, and what tells it from others like it
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, defstruct

from h2h.columns import Columns, in_columns
from h2h.model import Batch, Judgement, Payment, PaymentFile

MAX_ID = 35  # characters of an identification, as in MsgId
_DERIVED = re.compile(r"-R[0-9]{1,3}$")

NO_REFERENCE = frozenset({"NOTPROVIDED", "NOT PROVIDED", "NONREF"})

# Not part of the content: where a thing stands in the file, the version of the message and when it was written down,
# and what follows from the rest (the business rules hold the sums against the payments); nor where somebody lives:
# an order written again with better addresses is the same order.
NOT_CONTENT: dict[type[Struct], frozenset[str]] = {
    PaymentFile: frozenset({"message", "created_at", "number_of_transactions", "control_sum", "line"}),
    Batch: frozenset({"position", "number_of_transactions", "control_sum", "addresses", "line"}),
    Payment: frozenset({"position", "payment_information_id", "execution_date", "addresses", "line"}),
}


def content_hash(judgement: Judgement, payments: Iterable[Columns[Payment]] | None = None) -> str:
    """SHA-256 over every value that was read, in document order; blanks, prefixes, encoding and the like are no value.

    The message id is one of the values: the same payments under a new one are for the radar, which forgets. What is
    empty leaves no mark, so that a value that is read some day changes no hash of a file that lacks it. `payments`: the
    judgement's own, for whoever looks at them as they pass.
    """
    digest = hashlib.sha256()
    for record in chain((judgement.header,), judgement.batches):
        if record is not None:
            digest.update(content_of_one(record))
    for some in in_columns(judgement.payments) if payments is None else payments:
        digest.update(content_of(some))
    return digest.hexdigest()


def content_of(records: Columns[Any]) -> bytes:
    """What is hashed of them: a line of JSON for each."""
    kind = _CONTENT[records.kind]
    values = [records.column(name) for name in CONTENT[records.kind]]
    lines = _LINES([*map(kind, *map(_written, values))])
    if _is_plain(lines):
        return lines
    return _LINES([*map(kind, *([_plain(value) for value in _written(column)] for column in values))])


def content_of_one(record: Struct) -> bytes:
    """The same of one record, which is quicker than a column for each of its values."""
    values = (getattr(record, name) for name in CONTENT[type(record)])
    return _LINES([_CONTENT[type(record)](*(amount_key(v) if type(v) is Decimal else _plain(v) for v in values))])


def _written(values: Sequence[Any]) -> Sequence[Any]:
    if Decimal not in set(map(type, values)):
        return values
    return [amount_key(value) if type(value) is Decimal else value for value in values]


def _plain(value: Any) -> Any:
    """Blanks and the forms of letters are no value."""
    return " ".join(unicodedata.normalize("NFC", value).split()) if type(value) is str else value


def _is_plain(lines: bytes) -> bool:
    """Whether it can be seen at a glance that no value has blanks that do not count, or letters of several forms: what
    is no ASCII and what is written with a backslash is not looked at."""
    unclear = (b"\\", b"  ", b'" ', b' "')
    return lines.isascii() and not any(each in lines for each in unclear)


def _content_type(kind: type) -> Callable[..., Any]:
    """A record of what counts, in the order of names."""
    names = CONTENT[kind]
    return defstruct(f"{kind.__name__}Content", [(name, Any, None) for name in names], omit_defaults=True)


_LINES = msgspec.json.Encoder().encode_lines
CONTENT = {kind: sorted(set(kind.__struct_fields__) - left_out) for kind, left_out in NOT_CONTENT.items()}
_CONTENT = {kind: _content_type(kind) for kind in NOT_CONTENT}


def amount_key(amount: Decimal) -> str:
    """A number in its shortest form: 10.50 and 10.5 are one amount."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def account_key(account: str) -> str:
    """An account without blanks, in capitals: IBANs are written in both ways."""
    return "".join(account.split()).upper()


def debtor_keys(batches: Sequence[Batch]) -> set[str]:
    """The debtor accounts of a file; one that names none counts as a debtor of its own."""
    return {account_key(b.debtor_iban or b.debtor_account or "") for b in batches}


def new_uetr(seed: str, position: int) -> str:
    """A version 4 UUID in lower case. `seed`: what no other file has."""
    digest = hashlib.sha256(f"{seed}\0{position}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def derived_id(old: str, number: int) -> str:
    """The n-th that is derived from an identification, in its characters and at most 35: ABC, ABC-R1, ABC-R2."""
    ending = f"-R{number}"
    return _DERIVED.sub("", old)[: MAX_ID - len(ending)].rstrip() + ending


class Traits(NamedTuple):
    """What two alike payments have in common. `creditor` is an account, or a name where there is none."""

    debtor: str
    creditor: str
    amount: str
    currency: str

    def fingerprint(self) -> int:
        """64 bits with sign, for a column of the ledger; two different payments may have the same one."""
        digest = hashlib.sha256("\0".join(self).encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A payment in normal form. `reference` is its EndToEndId where one was provided, `words` its remittance text."""

    position: int
    traits: Traits
    reference: str | None
    words: str | None


def trace(
    *,
    position: int,
    debtor_account: str | None,
    creditor_account: str | None,
    creditor_name: str | None,
    amount: Decimal | None,
    currency: str | None,
    end_to_end_id: str | None,
    remittance: str | None,
) -> Trace | None:
    """None where debtor, creditor, amount or currency is unknown: nothing can be said of such a payment."""
    found = traits(debtor_account, creditor_account, creditor_name, amount, currency)
    if found is None:
        return None
    return Trace(position=position, traits=found, reference=_reference(end_to_end_id), words=_words(remittance))


def traits(
    debtor_account: str | None,
    creditor_account: str | None,
    creditor_name: str | None,
    amount: Decimal | None,
    currency: str | None,
) -> Traits | None:
    creditor = f"account {account_key(creditor_account)}" if creditor_account else _name_key(creditor_name)
    if not debtor_account or not creditor or amount is None or not currency:
        return None
    return Traits(account_key(debtor_account), creditor, amount_key(amount), currency)


def fingerprints(debtors: Mapping[int, str], payments: Columns[Payment]) -> Iterator[int | None]:
    """Of each. `debtors`: the account that is debited, by the position of the batch."""
    names = ("batch", "creditor_iban", "creditor_account", "creditor_name", "amount", "currency")
    for batch, iban, other, name, amount, currency in zip(*map(payments.column, names), strict=True):
        account, debtor = iban or other, debtors.get(batch)
        creditor = f"account {account_key(account)}" if account else _name_key(name)
        if debtor is not None and creditor and amount is not None and currency:
            yield Traits(debtor, creditor, amount_key(amount), currency).fingerprint()
        else:
            yield None


def debtors_of(batches: Sequence[Batch]) -> dict[int, str]:
    said = ((b.position, b.debtor_iban or b.debtor_account) for b in batches)
    return {position: account_key(account) for position, account in said if account}


def _name_key(name: str | None) -> str | None:
    words = _words(name)
    return f"name {words}" if words else None


def _words(text: str | None) -> str | None:
    return " ".join(text.casefold().split()) or None if text else None


def _reference(end_to_end_id: str | None) -> str | None:
    named = (end_to_end_id or "").strip()
    return None if not named or named.upper() in NO_REFERENCE else named
