"""The kinds of payments that a file holds, gathered by columns, against what is seen payment by payment."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.columns import Columns
from h2h.kinds import MOST, Kind, Kinds, kinds_of
from h2h.model import Batch, Payment

SEPA = Batch(position=1, payment_information_id="B1", service_level="SEPA")
INSTANT = Batch(position=2, payment_information_id="B2", service_level="SEPA", local_instrument="INST")
SILENT = Batch(position=3, payment_information_id="B3")
BATCHES = (SEPA, INSTANT, SILENT)


def payment(batch: int = 1, currency: str | None = "EUR", **said: object) -> Payment:
    return Payment(
        position=1,
        batch=batch,
        payment_information_id=None,
        instruction_id=None,
        end_to_end_id=None,
        uetr=None,
        amount=Decimal(1),
        currency=currency,
        **said,  # type: ignore[arg-type]
    )


def kind(level: str, instrument: str | None = None, currency: str | None = "EUR") -> Kind:
    return Kind(tuple(level.split()), instrument, currency)


def gathered(*payments: Payment) -> list[Kind] | None:
    kinds = Kinds(BATCHES)
    for at in range(0, len(payments), 7):
        kinds.look(Columns.of(payments[at : at + 7]))
    return kinds.told()


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (payment(1), kind("SEPA")),
        (payment(2), kind("SEPA", "INST")),
        (payment(3), kind("")),
        (payment(9), kind("")),  # a payment outside of any batch
        (payment(3, currency=None), kind("", None, None)),
        (payment(3, service_level="URGP", currency="USD"), kind("URGP", None, "USD")),
        (payment(3, service_level="G001", further_service_levels=("URGP",)), kind("G001 URGP")),
        (payment(1, local_instrument="INST"), kind("SEPA", "INST")),  # each of the two may stand at another place
        (payment(2, service_level="URGP"), kind("URGP", "INST")),
        (payment(2, service_level="URGP", local_instrument="B2B"), kind("URGP", "B2B")),
        (payment(1, equivalent=True, transfer_currency="USD"), kind("SEPA", None, "USD")),  # what is transferred
    ],
)
def test_what_a_payment_says_counts_and_what_it_leaves_out_is_its_batchs(one: Payment, told: Kind) -> None:
    assert gathered(one) == [told]


def test_service_levels_of_a_batch_count_all_of_them() -> None:
    kinds = Kinds([Batch(position=1, payment_information_id=None, service_level="G001", further_service_levels=("X",))])
    kinds.look(Columns.of([payment(1)]))
    assert kinds.told() == [kind("G001 X")]


def test_in_words() -> None:
    assert [*map(str, (kind("G001 URGP", "INST", "USD"), kind("", None, None)))] == ["G001 URGP INST USD", ""]


payments = st.builds(
    payment,
    st.integers(1, 4),
    st.sampled_from(["EUR", "USD", None]),
    service_level=st.sampled_from([None, "URGP", "SEPA"]),
    local_instrument=st.sampled_from([None, "INST"]),
)


@given(st.lists(payments, min_size=1, max_size=40))
def test_gathered_by_columns_they_are_those_of_each_payment(some: list[Payment]) -> None:
    each = [one for found in map(gathered, some) for one in found or ()]
    assert gathered(*some) == sorted({*each}, key=lambda k: [k[0], k[1] or "", k[2] or ""])


def many(number: int) -> list[Payment]:
    return [payment(1, local_instrument=f"I{n}") for n in range(number)]


def test_so_many_are_told_apart_and_of_more_nothing_is_known() -> None:
    assert len(gathered(*many(MOST), *many(MOST)) or ()) == MOST
    assert gathered(*many(MOST + 1)) is None


def test_memory_does_not_grow_with_kinds_that_are_not_told_apart() -> None:
    kinds = Kinds(BATCHES)
    for n in range(1_000):
        kinds.look(Columns.of([payment(1, local_instrument=f"I{n}")]))
    assert len(kinds._found) == MOST + 1


def test_they_come_back_as_they_were_stored() -> None:
    assert kinds_of([[["SEPA"], None, "EUR"], [[], "INST", None]]) == [kind("SEPA"), kind("", "INST", None)]
    assert kinds_of(None) is None
