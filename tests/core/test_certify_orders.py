"""The test files of `h2h certify`: good by the gateway's own judgement in every version, and spoilt on purpose."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.certify.inputs import Party
from h2h.certify.orders import Order, Pay, PaymentType, spoilt, written
from h2h.messages import Catalog, MessageType, read
from h2h.model import Judgement, Severity
from h2h.outbound.judge import judge
from h2h.resources import root
from h2h.rules import Terms
from h2h.sandbox.orders import read_order

CATALOG = Catalog.load(root("schemas"))
VERSIONS = [row for row in CATALOG.rows if row.reader == "pain001"]
TERMS = Terms(today=date(2026, 11, 23), unusual_dates=Severity.HOLD, addresses=Severity.ERROR)
DEBTOR = Party(account="DE89370400440532013000", name="Müller & Söhne <TEST>")
CREDITOR = Party(account="DE02120300000000202051", agent="BYLADEM1001")
SEPA = PaymentType(currency="EUR", service_level="SEPA")
each_version = pytest.mark.parametrize("row", VERSIONS, ids=lambda row: row.name)


def order(row: MessageType, amounts: list[Decimal], of: PaymentType = SEPA, debtor: Party = DEBTOR) -> Order:
    return Order(
        message=row,
        message_id="C26112307565801",
        created=datetime(2026, 11, 23, 8, tzinfo=UTC),
        execution=date(2026, 11, 23),
        debtor=debtor,
        kind=of,
        payments=[
            Pay(end_to_end_id=f"C26112307565801-{n}", amount=amount, creditor=CREDITOR, remittance="a test")
            for n, amount in enumerate(amounts, start=1)
        ],
    )


def judged(data: bytes) -> Judgement:
    return judge(read(io.BytesIO(data), CATALOG, strict=True, expected=None), TERMS)


@each_version
@pytest.mark.parametrize("agent", [None, "COBADEFFXXX"])
def test_a_test_file_is_good_in_every_version(row: MessageType, agent: str | None) -> None:
    debtor = DEBTOR.model_copy(update={"agent": agent})
    instant = PaymentType(currency="EUR", service_level="SEPA", local_instrument="INST")
    found = judged(written(order(row, [Decimal("1.01"), Decimal("1.02")], instant, debtor)))
    assert [*found.findings] == []
    assert found.header
    assert (found.header.message, found.header.control_sum) == (row.name, Decimal("2.03"))
    (batch,) = found.batches
    assert (batch.service_level, batch.local_instrument, batch.debtor_agent) == ("SEPA", "INST", agent)
    assert [one.creditor_iban for one in found.payments] == [CREDITOR.account] * 2


@each_version
def test_a_spoilt_file_is_refused_by_us_and_by_the_bank_and_no_byte_longer(row: MessageType) -> None:
    data = written(order(row, [Decimal("1.01")]))
    bad = spoilt(data)
    assert len(bad) == len(data)
    assert not judged(bad).good
    assert (refusal := read_order(bad).refusal)
    assert refusal.code == "AM12"


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_counts_and_sums_are_those_of_the_payments(cents: list[int]) -> None:
    amounts = [Decimal(each) / 100 for each in cents]
    found = judged(written(order(VERSIONS[-1], amounts)))
    assert found.header
    assert (found.header.number_of_transactions, found.header.control_sum) == (str(len(amounts)), sum(amounts))
    assert [one.amount for one in found.payments] == amounts
