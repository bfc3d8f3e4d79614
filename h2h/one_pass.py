"""The business rules on a file of orders as one pass over its records, while they come: no order is kept here.

What payments (rules.py) and direct debits (direct_debits.py) have in common: totals of the file and of each batch,
references that repeat, identifications that are blank; and the order in which all of it is told. Orders are looked at
column by column, many at a time: a rule that sees at a glance that it finds nothing in them is not asked of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from h2h import checks
from h2h.columns import TOGETHER, Columns, in_columns
from h2h.looked import Looked
from h2h.model import EXACT, Finding, Severity
from h2h.references import Aside, References, Referred

MAX_RULE_FINDINGS = 500


class Head(checks.Claims, Protocol):
    @property
    def message_id(self) -> str | None: ...


class Group(checks.Claims, Protocol):
    @property
    def position(self) -> int: ...
    @property
    def payment_information_id(self) -> str | None: ...


class Order(Protocol):
    @property
    def position(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def end_to_end_id(self) -> str | None: ...
    @property
    def amount(self) -> Decimal | None: ...
    @property
    def line(self) -> int | None: ...


H = TypeVar("H", bound=Head)
G = TypeVar("G", bound=Group)
T = TypeVar("T", bound=Order)


class Bunch(Generic[T]):
    """Some orders of one batch, one after the other, as they are looked at together."""

    __slots__ = ("amounts", "orders", "sum")

    def __init__(self, orders: Columns[T]) -> None:
        self.orders = orders
        self.amounts: list[Decimal] = [amount for amount in self.column("amount") if amount is not None]
        with localcontext(EXACT):
            self.sum = sum(self.amounts, Decimal())

    def column(self, name: str) -> Sequence[Any]:
        return self.orders.column(name)


class Rule(NamedTuple, Generic[T]):
    """`finds`: what is against an order at this path. `clears`: sees at a glance that it finds nothing in a bunch."""

    finds: Callable[[T, str], Iterator[Finding]]
    clears: Callable[[Bunch[T]], bool]


class OnePass(ABC, Generic[H, G, T]):
    """Tell it each batch, and after it each of its orders; then ask for the findings."""

    file: str  # the path of the message
    name: str  # of the element that is an order

    def __init__(self, aside: Aside | None = None) -> None:
        """`aside`: for what is to be kept of each order, where they may be too many for memory."""
        self._count, self._sum = 0, Decimal()
        self._aside, self._references = aside, References(aside)
        self._blank = Told()
        self._told = Told()
        self._inside: _Inside[G, T] = _Inside(None, 0)

    def group(self, group: G) -> None:
        self._close()
        self._inside = _Inside(group, group.position)
        if group.payment_information_id is None:
            self._blank.add(checks.blank(f"{self._path()}/PmtInfId", group.line))

    def order(self, order: T) -> None:
        inside = self._inside
        if order.batch != inside.position:
            inside = self._outside(order.batch)
        inside.waiting.append(order)
        if len(inside.waiting) >= TOGETHER:
            self._look_at_waiting(inside)

    def orders(self, orders: Columns[T]) -> None:
        """Of one batch, as they come one behind the other."""
        batches = orders.column("batch")
        if batches.count(self._inside.position) != len(orders):
            for order in orders:
                self.order(order)
            return
        self._look_at_waiting(self._inside)
        self._look(self._inside, orders)

    def looked(self, said: Looked) -> None:
        """Of orders that were looked at where they were read."""
        inside = self._inside if said.batch == self._inside.position else self._outside(said.batch)
        self._look_at_waiting(inside)
        self._references.extend_hashed(said.references)
        if not said.clear:
            self._ask(inside, Bunch(cast(Columns[T], said.payments())))
        self._come(inside, said.many, said.amount)

    def findings(self, header: H, orders: Iterable[T], *, valid: bool) -> Iterator[Finding]:
        """All of them, when all records were told. `orders`: the same again; `valid`: whether the schema takes it."""
        self._close()
        path = f"{self.file}/GrpHdr"
        yield from checks.totals(header, self._count, self._sum, path)
        yield from self.header_findings(header, path)
        yield from self._told
        yield from self._asked_for(orders).repeated(self._referred(orders))
        yield from self.further_findings()
        if valid:
            if header.message_id is None:
                yield checks.blank(f"{path}/MsgId", header.line)
            yield from self._blank

    @abstractmethod
    def header_findings(self, header: H, path: str) -> Iterator[Finding]: ...

    @abstractmethod
    def group_findings(self, group: G, path: str) -> Iterator[Finding]: ...

    @abstractmethod
    def rules(self) -> Sequence[Rule[T]]:
        """On orders, in the order in which they are asked."""

    def further_findings(self) -> Iterator[Finding]:
        return iter(())

    def _outside(self, batch: int) -> _Inside[G, T]:
        """For orders that do not stand in the batch before them."""
        self._close()
        self._inside = _Inside(None, batch)
        return self._inside

    def _look_at_waiting(self, inside: _Inside[G, T]) -> None:
        if inside.waiting:
            orders, inside.waiting = inside.waiting, []
            self._look(inside, Columns.of(orders))

    def _look(self, inside: _Inside[G, T], orders: Columns[T]) -> None:
        """Rules that find nothing in all of them are not asked of each."""
        bunch = Bunch(orders)
        self._references.extend(orders.column("end_to_end_id"))
        self._ask(inside, bunch)
        self._come(inside, len(orders), bunch.sum)

    def _ask(self, inside: _Inside[G, T], bunch: Bunch[T]) -> None:
        rules = (Rule(self._blanks, none_is_blank), *self.rules())  # not kept: they know this, which would never end
        doubtful = [rule.finds for rule in rules if not rule.clears(bunch)]
        for index, order in enumerate(bunch.orders if doubtful else (), start=inside.count + 1):
            if self._told.hopeless or inside.told.hopeless:
                break
            path = f"{self._path()}/{self.name}[{index}]"
            for finds in doubtful:
                inside.told.extend(finds(order, path))

    @staticmethod
    def _come(inside: _Inside[G, T], many: int, amount: Decimal) -> None:
        inside.count += many
        inside.sum = EXACT.add(inside.sum, amount)

    def _close(self) -> None:
        """The batch is told whole: what is against itself stands before what is against its orders."""
        inside, path = self._inside, self._path()
        self._look_at_waiting(inside)
        self._count += inside.count
        self._sum = EXACT.add(self._sum, inside.sum)
        if (group := inside.group) is not None:
            self._told.extend(checks.totals(group, inside.count, inside.sum, path))
            self._told.extend(self.group_findings(group, path))
        self._told.extend(inside.told)
        self._inside = _Inside(None, 0)

    def _path(self) -> str:
        """Of the batch that is under way."""
        return f"{self.file}/PmtInf[{self._inside.position}]" if self._inside.position else self.file

    def _blanks(self, order: T, _path: str) -> Iterator[Finding]:
        """Kept for the end: they count where the schema has nothing against the file."""
        if order.end_to_end_id is None:
            self._blank.add(checks.blank(self._end_to_end(order), order.line))
        return iter(())

    def _referred(self, orders: Iterable[T]) -> Iterator[Referred]:
        return (Referred(each.end_to_end_id, each.position, self._end_to_end(each), each.line) for each in orders)

    def _asked_for(self, orders: Iterable[T]) -> References:
        """Who can say which references repeat."""
        if not self._references.unexplained:
            return self._references
        again = References(self._aside)
        for some in in_columns(orders):
            again.extend(some.column("end_to_end_id"))
        return again

    def _end_to_end(self, order: T) -> str:
        return f"{self.file}/PmtInf[{order.batch}]/{self.name}/PmtId/EndToEndId"


def none_is_blank(bunch: Bunch[T]) -> bool:
    return None not in bunch.column("end_to_end_id")


class _Inside(Generic[G, T]):
    """The batch that is under way, and what came in it."""

    __slots__ = ("count", "group", "position", "sum", "told", "waiting")

    def __init__(self, group: G | None, position: int) -> None:
        self.group, self.position = group, position
        self.count, self.sum = 0, Decimal()
        self.told = Told()
        self.waiting: list[T] = []


class Told:
    """The first findings, and one that stands for the rest and is as bad as the worst of it."""

    def __init__(self, most: int = MAX_RULE_FINDINGS) -> None:
        self._most = most
        self._first: list[Finding] = []
        self._rest: set[Severity] = set()

    def add(self, finding: Finding) -> None:
        if len(self._first) < self._most:
            self._first.append(finding)
        else:
            self._rest.add(finding.severity)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)

    @property
    def hopeless(self) -> bool:
        """Nothing that is added makes a difference any more."""
        return Severity.ERROR in self._rest

    def __iter__(self) -> Iterator[Finding]:
        yield from self._first
        if self._rest:
            worst = next(severity for severity in Severity if severity in self._rest)
            text = f"The rules find more than {self._most} faults; what is listed is enough to begin with."
            yield Finding(code="FINDINGS_CUT", severity=worst, text=text)
