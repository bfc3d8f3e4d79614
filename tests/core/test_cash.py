"""What an entry of a statement is to our payments: by message, status, direction and code."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.cash import Kind, Role, Weight, by_the_bank, gives_back, kind_of, reference, references, role, weight, written
from h2h.model import Entry, EntryDetail, Reason

amounts = st.decimals(min_value=0, max_value=Decimal("9999999999999.99999"), places=5).map(lambda d: d.normalize())


def entry(**values: object) -> Entry:
    return Entry(position=1, statement=1, amount=Decimal(1), currency="EUR", **{"direction": "DBIT", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("camt.052.001.02", Kind.REPORT),
        ("camt.053.001.08", Kind.STATEMENT),
        ("camt.054.001.14", Kind.NOTIFICATION),
        ("camt.999.001.01", Kind.STATEMENT),
        ("", Kind.STATEMENT),
    ],
)
def test_which_message_a_statement_came_in(message: str, kind: Kind) -> None:
    assert kind_of(message) is kind


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [None, "BOOK", "PDNG", "INFO", "FUTR", "book", "X"])
def test_only_what_is_booked_counts_and_only_a_statement_makes_it_final(kind: Kind, status: str | None) -> None:
    final = kind is Kind.STATEMENT and status in (None, "BOOK")
    advice = kind is not Kind.STATEMENT and status == "BOOK"
    assert weight(kind, status) is (Weight.FINAL if final else Weight.ADVICE if advice else Weight.NOTHING)


@pytest.mark.parametrize(
    ("direction", "reversal", "found"),
    [
        ("DBIT", None, Role.DEBIT),
        ("DBIT", False, Role.DEBIT),
        ("DBIT", True, None),
        ("CRDT", None, Role.RETURN),
        ("CRDT", True, Role.RETURN),
        (None, None, None),
        ("X", None, None),
    ],
)
def test_the_sign_comes_from_the_direction_alone(direction: str | None, reversal: bool | None, found: Role) -> None:
    assert role(entry(direction=direction, reversal=reversal)) is found


@pytest.mark.parametrize(
    ("said", "detail", "told"),
    [
        ({}, {}, False),
        ({"reversal": True}, {}, True),
        ({"reversal": False}, {}, False),
        ({}, {"return_reason": Reason(code="AC04")}, True),
        ({}, {"returned_transaction_code": "PMNT/ICDT/ESCT"}, True),
        ({"transaction_code": "PMNT/ICDT/RRTN"}, {}, True),
        ({"transaction_code": "PMNT/ICDT/ESCT"}, {"transaction_code": "PMNT/RCDT/RPCR"}, True),
        ({"transaction_code": "RRTN/ICDT/ESCT"}, {}, False),
    ],
)
def test_a_bank_has_several_ways_to_say_that_it_gives_back(
    said: dict[str, object], detail: dict[str, object], told: bool
) -> None:
    assert gives_back(entry(**said), EntryDetail(position=1, **detail)) is told  # type: ignore[arg-type]
    assert gives_back(entry(**said)) is (told and not detail)


@pytest.mark.parametrize(
    ("code", "proprietary", "why"),
    [
        ("PMNT/MDOP/CHRG", None, "charges"),
        ("ACMT/MDOP/INTR", None, "interest"),
        ("PMNT/RDDT/ESDD", None, "direct debit"),
        ("PMNT/ICDT/COMM", None, "charges"),
        ("PMNT/ICDT/TAXE", None, "taxes"),
        ("PMNT/ICDT/ESCT", None, None),
        (None, "NCHG", "charges"),
        (None, "NDDT+105+00931", "direct debit"),
        (None, "FINT", "interest"),
        (None, "NTRF+116+00931", None),
        (None, "CHG", None),
        (None, None, None),
    ],
)
def test_what_the_bank_debits_by_itself_is_known_by_its_code(
    code: str | None, proprietary: str | None, why: str | None
) -> None:
    assert by_the_bank(code, proprietary) == why


@pytest.mark.parametrize("value", [None, "", "  ", "NOTPROVIDED", "notprovided", "NONREF"])
def test_some_references_name_nothing(value: str | None) -> None:
    assert reference(value) is None


@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(("notprovided", " NONREF ", "Not Provided", " A ")))))
def test_many_references_name_what_each_does(values: list[str | None]) -> None:
    assert references(values) == {value: name for value in values if value and (name := reference(value))}


def test_a_reference_names_by_what_stands_in_it() -> None:
    assert reference(" RF-1 ") == "RF-1"


@given(amounts, st.integers(0, 5))
def test_however_an_amount_is_written_it_is_among_the_ways(amount: Decimal, more: int) -> None:
    plain = format(amount, "f")
    whole, _, decimals = plain.partition(".")
    longer = decimals.ljust(min(5, len(decimals) + more), "0")
    as_written = f"{whole}.{longer}" if longer else whole
    ways = written(Decimal(as_written))
    assert as_written in [format(way, "f") for way in ways]
    assert set(ways) == {amount}
    assert written(amount) == ways
