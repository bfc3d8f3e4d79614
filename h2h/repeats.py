"""The radar: which payments of a file repeat payments of earlier files, and what that means for the file.

    same    debtor, creditor, amount and currency are equal, and so are the EndToEndId or the remittance text
    alike   debtor, creditor, amount and currency are equal, no more

    every payment of the file is the same as an earlier one               it is a duplicate
    some are                                                              it is held
    nearly all are alike to those of one earlier file of about its size   it is held: probably one run, exported anew
    otherwise                                                             nothing: rents and salaries come back

Earlier payments are counted, not only looked up: two equal payments against one earlier one are one repeat.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from h2h.identity import Trace, Traits
from h2h.model import Finding, Judgement, Payment, Severity, TransferId

SHOWN = 20  # repeated payments with a finding of their own; the others are counted
NEARLY_ALL = (9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierFile:
    id: TransferId
    bank: str
    name: str
    state: str
    received_at: datetime
    payments: int

    def __str__(self) -> str:
        taken = f"taken {self.received_at:%Y-%m-%d %H:%M} UTC for {self.bank}"
        return f"{self.name} ({self.id}, {taken}, now {self.state})"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A payment of an earlier file."""

    file: EarlierFile
    trace: Trace


@dataclass(frozen=True, slots=True)
class Pair:
    """A payment of the new file and the earlier one that it repeats."""

    new: Trace
    earlier: Earlier

    @property
    def certain(self) -> bool:
        """Equal references; equal texts alone count where there is no reference to say otherwise."""
        return self.new.reference is None or self.new.reference == self.earlier.trace.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """What the radar found: the file repeats `of` as a whole, or has to be looked at by a person."""

    duplicate: bool
    of: TransferId
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All payments of one fingerprint: those of the new file, and those of others that may have been paid, oldest
    first. Their values may differ all the same."""

    new: Sequence[Trace]
    earlier: Sequence[Earlier]


def find_repeats(judgement: Judgement, groups: Iterable[Group]) -> Repeats | None:
    """None where nothing is repeated. Payments pair within their group alone, so that one group is held at a time."""
    found = _Found()
    for group in groups:
        found.take(group)
    count = len(judgement.payments)
    if not found.pairs:
        return _alike(found, count)
    whole = found.pairs == count
    summary = _all_repeated(found) if whole else _some_repeated(found, count)
    return Repeats(duplicate=whole, of=found.most.id, findings=[summary, *_each(judgement, found.first)])


class _Found:
    """What the groups come to."""

    def __init__(self) -> None:
        self.pairs = 0
        self.by_reference = 0
        self.first: list[Pair] = []  # as many as are shown
        self.files: dict[TransferId, EarlierFile] = {}
        self.repeated: Counter[TransferId] = Counter()
        self.alike: Counter[TransferId] = Counter()

    def take(self, group: Group) -> None:
        self.files |= {one.file.id: one.file for one in group.earlier}
        pairs = same_pairs(group.new, group.earlier)
        self.pairs += len(pairs)
        self.by_reference += sum(pair.new.reference is not None and _same_reference(pair) for pair in pairs)
        self.repeated.update(pair.earlier.file.id for pair in pairs)
        if pairs:
            self.first = sorted([*self.first, *pairs], key=lambda pair: pair.new.position)[:SHOWN]
        if not self.pairs:
            self._count_alike(group)

    def _count_alike(self, group: Group) -> None:
        wanted = Counter(trace.traits for trace in group.new)
        by_file: defaultdict[TransferId, Counter[Traits]] = defaultdict(Counter)
        for one in group.earlier:
            by_file[one.file.id][one.trace.traits] += 1
        self.alike.update({file: (wanted & known).total() for file, known in by_file.items()})

    @property
    def most(self) -> EarlierFile:
        """The earlier file that is repeated most; of several the oldest."""
        repeated = (self.files[file] for file in self.repeated)
        return max(repeated, key=lambda f: (self.repeated[f.id], -f.received_at.timestamp()))

    @property
    def others(self) -> int:
        return len(self.repeated) - 1


def same_pairs(new: Sequence[Trace], earlier: Sequence[Earlier]) -> list[Pair]:
    """Pairs by reference first, by remittance text then; nobody is in two pairs."""
    marks: tuple[Callable[[Trace], str | None], ...] = (lambda t: t.reference, lambda t: t.words)
    pairs: list[Pair] = []
    for mark in marks:
        found = list(_paired(new, earlier, mark))
        pairs += found
        done, used = {p.new.position for p in found}, {id(p.earlier) for p in found}
        new = [t for t in new if t.position not in done]
        earlier = [e for e in earlier if id(e) not in used]
    return pairs


def _paired(new: Sequence[Trace], earlier: Sequence[Earlier], mark: Callable[[Trace], str | None]) -> Iterator[Pair]:
    pool: defaultdict[tuple[Traits, str], list[Earlier]] = defaultdict(list)
    for one in reversed(earlier):
        if text := mark(one.trace):
            pool[one.trace.traits, text].append(one)
    for trace in new:
        if (text := mark(trace)) and (left := pool.get((trace.traits, text))):
            yield Pair(trace, left.pop())


def _alike(found: _Found, count: int) -> Repeats | None:
    for file in sorted(found.files.values(), key=lambda f: (f.received_at, f.id)):
        alike = found.alike[file.id]
        if _nearly(alike, count) and _nearly(alike, file.payments):
            return Repeats(duplicate=False, of=file.id, findings=[_probably_again(alike, count, file)])
    return None


def _nearly(count: int, of: int) -> bool:
    part, whole = NEARLY_ALL
    return count > 0 and count * whole >= of * part


# In words.

FILE = "/Document/CstmrCdtTrfInitn"


def _all_repeated(found: _Found) -> Finding:
    text = (
        f"Every payment of this file ({found.pairs}) was in {_where(found)}: same debtor account, creditor, "
        f"amount and currency, and {_marks(found)}. Nothing is sent. If they are to be paid once more, two persons "
        "have to release the file."
    )
    return Finding(code="DUPLICATE_PAYMENTS", severity=Severity.ERROR, text=text, path=FILE)


def _some_repeated(found: _Found, count: int) -> Finding:
    more = f"; the first {SHOWN} are listed" if found.pairs > SHOWN else ""
    text = (
        f"{found.pairs} of {count} payments were in {_where(found)}: same debtor account, creditor, amount and "
        f"currency, and {_marks(found)}{more}. Release the file if they are to be paid once more; else cancel it and "
        "have it made without them."
    )
    return Finding(code="REPEATED_PAYMENTS", severity=Severity.WARNING, text=text, path=FILE)


def _probably_again(alike: int, count: int, file: EarlierFile) -> Finding:
    text = (
        f"{alike} of {count} payments are alike to those of {file}, which has {file.payments}: same debtor account, "
        "creditor, amount and currency, with other references and texts. Probably one payment run was exported twice. "
        "Release the file if it is a run of its own; else cancel it."
    )
    return Finding(code="ALIKE_PAYMENTS", severity=Severity.WARNING, text=text, path=FILE)


def _where(found: _Found) -> str:
    more = f" and {found.others} more files" if found.others > 1 else " and one more file" if found.others else ""
    return f"{found.most}{more}"


def _marks(found: _Found) -> str:
    if found.by_reference in (0, found.pairs):
        return "EndToEndId" if found.by_reference else "remittance text"
    return f"EndToEndId ({found.by_reference}) or remittance text ({found.pairs - found.by_reference})"


def _same_reference(pair: Pair) -> bool:
    return pair.new.reference == pair.earlier.trace.reference


def _each(judgement: Judgement, pairs: Sequence[Pair]) -> Iterator[Finding]:
    wanted = {pair.new.position for pair in pairs}
    payments: dict[int, Payment] = {}
    first: dict[int, int] = {}
    for payment in judgement.payments:
        first.setdefault(payment.batch, payment.position)
        if payment.position in wanted:
            payments[payment.position] = payment
    for pair in pairs:
        payment = payments[pair.new.position]
        index = payment.position - first[payment.batch] + 1
        yield _one(pair, payment, f"{FILE}/PmtInf[{payment.batch}]/CdtTrfTxInf[{index}]")


def _one(pair: Pair, payment: Payment, path: str) -> Finding:
    to = payment.creditor_iban or payment.creditor_account or payment.creditor_name
    mark = f"EndToEndId {payment.end_to_end_id}" if _same_reference(pair) and pair.new.reference else "remittance text"
    text = (
        f"Payment {payment.position} ({payment.amount} {payment.currency} to {to}) was payment "
        f"{pair.earlier.trace.position} of {pair.earlier.file}; {mark} is the same too."
    )
    return Finding(code="PAYMENT_REPEATED", severity=Severity.WARNING, text=text, path=path, line=payment.line)
