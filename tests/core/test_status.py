"""The status of a transfer for an ERP: as JSON, and as the one pain.002 that its bank might have written."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2h.formats.pain002 import CODE, MESSAGES, OURS, code_of, status_over, write_pain_002
from h2h.formats.status import BatchStanding, FileStanding, PaymentStanding, headed, parts, write_json
from h2h.life import CODES, MEANS, Stage
from h2h.lifecycle import State
from h2h.messages import Catalog, read
from h2h.model import BatchStatus, Finding, PaymentStatus, Reason, StatusReport
from h2h.resources import root
from h2h.verdicts import Verdict
from tests.changing import replace

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
UETR = "a2ac77fd-36c6-4c2a-b238-f89b35daa570"
FILE = FileStanding(
    transfer="T261120-0A1B2C3D", bank="acme", file="run.xml", sha256="0" * 64, message="pain.001.001.09",
    message_id="MSG-1", state=State.SENT, verdict=Verdict.PARTIAL, reason=None, duplicate_of=None, received_at=AT,
    sent_at=AT, count=3, control_sum=Decimal("60.00"), currencies=("EUR",),
    batches=(
        BatchStanding(position=1, payment_information_id="LIEF-2026-47", count=2, control_sum=Decimal("30.00")),
        BatchStanding(position=2, payment_information_id="0123456789REST", count=1, control_sum=Decimal("30.00")),
    ),
)  # fmt: skip


def payment(position: int, stage: Stage, status: str | None = None, batch: int = 1, **more: Any) -> PaymentStanding:
    values = {
        "payment_information_id": FILE.batches[batch - 1].payment_information_id, "instruction_id": f"I-{position}",
        "end_to_end_id": f"E-{position}", "uetr": None, "amount": Decimal(f"{position}0.00"), "currency": "EUR",
        "means": MEANS[stage],
    }  # fmt: skip
    return PaymentStanding(position=position, batch=batch, stage=stage, status=status, **values | more)


REFUSED = payment(
    2,
    Stage.REJECTED,
    "RJCT",
    reasons=({"code": "AC04", "text": "x" * 105 + "closed", "means": "the account is closed"},),
)
STANDING = (
    payment(1, Stage.BOOKED, "ACSP", account_servicer_reference="B-1"),
    REFUSED,
    payment(3, Stage.SETTLED, "ACSC", 2, uetr=UETR),
)


@cache
def catalog() -> Catalog:
    return Catalog.load(root("schemas"))


def written(file: FileStanding, payments: Sequence[PaymentStanding], message: str) -> bytes:
    target = io.BytesIO()
    write_pain_002(file, lambda: iter(payments), target, message=message, message_id="T-1", at=AT)
    return target.getvalue()


def read_back(content: bytes) -> tuple[StatusReport, list[BatchStatus], list[PaymentStatus]]:
    """What our own reader makes of it; strict, so that the schema has nothing against it either."""
    items = list(read(io.BytesIO(content), catalog(), strict=True))
    assert [item for item in items if isinstance(item, Finding)] == []
    (report,) = (item for item in items if isinstance(item, StatusReport))
    batches = [item for item in items if isinstance(item, BatchStatus)]
    return report, batches, [item for item in items if isinstance(item, PaymentStatus)]


@pytest.mark.parametrize("message", MESSAGES)
def test_one_report_says_of_every_payment_what_is_known_last(message: str) -> None:
    report, batches, payments = read_back(written(FILE, STANDING, message))
    assert (report.message_id, report.original_message_id, report.original_message) == (
        "T-1",
        "MSG-1",
        "pain.001.001.09",
    )
    assert (report.status, report.original_number_of_transactions) == ("PART", "3")
    assert report.original_control_sum == Decimal("60.00")
    assert [(b.payment_information_id, b.status, b.number_of_transactions) for b in batches] == [
        ("LIEF-2026-47", "PART", "2"), ("0123456789REST", "ACSC", "1"),
    ]  # fmt: skip
    assert [(p.instruction_id, p.end_to_end_id, p.status, p.amount, p.batch) for p in payments] == [
        ("I-1", "E-1", "ACSC", Decimal("10.00"), 1), ("I-2", "E-2", "RJCT", Decimal("20.00"), 1),
        ("I-3", "E-3", "ACSC", Decimal("30.00"), 2),
    ]  # fmt: skip
    assert payments[1].reasons == (Reason(code="AC04", text="x" * 105 + "closed"),)
    assert payments[0].account_servicer_reference == "B-1"
    assert payments[2].uetr == (UETR if message != "pain.002.001.03" else None)
    assert {(c.status, c.number, c.sum) for c in report.counts} == {
        ("ACSC", "2", Decimal("40.00")), ("RJCT", "1", Decimal("20.00")),
    }  # fmt: skip
    assert {(c.status, c.number) for c in batches[0].counts} == {("ACSC", "1"), ("RJCT", "1")}


def test_a_newer_version_keeps_the_banks_own_code() -> None:
    waiting = payment(1, Stage.IN_PROCESS, "ACWP")
    assert [read_back(written(FILE, [waiting], m))[2][0].status for m in MESSAGES] == ["ACSP", "ACWP"]
    booked = replace(waiting, stage=Stage.BOOKED)
    assert [read_back(written(FILE, [booked], m))[2][0].status for m in MESSAGES] == ["ACSC", "ACSC"]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("state", OURS)
def test_what_the_gateway_refused_or_a_person_took_back_is_refused_with_the_reason(state: State, message: str) -> None:
    file = replace(FILE, state=state, reason="IBAN_INVALID: mend it.")
    report, batches, payments = read_back(written(file, [payment(n, Stage.NOT_SENT) for n in (1, 2)], message))
    assert (report.status, batches[0].status, [p.status for p in payments]) == ("RJCT", "RJCT", ["RJCT", "RJCT"])
    assert payments[0].reasons == report.reasons == (Reason(code=OURS[state], text="IBAN_INVALID: mend it."),)
    nothing = replace(file, message=None, message_id=None, count=None, control_sum=None, batches=())
    report, *rest = read_back(written(nothing, [], message))
    assert (report.status, report.original_message_id, rest) == ("RJCT", "NOTPROVIDED", [[], []])


@pytest.mark.parametrize("message", MESSAGES)
def test_what_was_not_sent_or_is_in_doubt_is_pending(message: str) -> None:
    for state, stage in (
        (State.HELD, Stage.NOT_SENT),
        (State.UNCERTAIN, Stage.IN_DOUBT),
        (State.SENT, Stage.SUBMITTED),
    ):
        report, _, (one,) = read_back(written(replace(FILE, state=state), [payment(1, stage)], message))
        assert (report.status, one.status) == ("PDNG", "PDNG")


@pytest.mark.parametrize(
    ("codes", "status"),
    [({"ACSC"}, "ACSC"), ({"ACSC", "ACSP"}, "ACSP"), ({"RJCT"}, "RJCT"), ({"RJCT", "CANC"}, "RJCT"),
     ({"RJCT", "ACSC"}, "PART"), ({"CANC", "PDNG"}, "PART"), ({"PDNG", "ACSC"}, "PDNG"), ({"BLCK"}, "PDNG"),
     ({"ACFC"}, "ACCP"), (set(), None)],
)  # fmt: skip
def test_the_status_of_a_batch_follows_from_those_of_its_payments(codes: set[str], status: str | None) -> None:
    assert status_over(codes) == status


def test_every_stage_has_a_code_and_every_code_one_that_the_first_version_has() -> None:
    assert set(CODE) == set(Stage)
    first = {"ACTC", "RJCT", "PDNG", "ACCP", "ACSP", "ACSC", "ACWC"}
    for stage in Stage:
        for status in (None, *CODES, "NEWC"):
            assert code_of(payment(1, stage, status), State.SENT, MESSAGES[0]) in first
            assert code_of(payment(1, stage, status), State.SENT, MESSAGES[1]) in CODES


def test_nothing_in_it_can_be_obeyed_by_a_terminal() -> None:
    tricky = replace(REFUSED, reasons=({"proprietary": "P\u009b31m", "text": "turned \u202e round"},))
    content = written(FILE, [tricky], MESSAGES[1])
    assert content.isascii()
    assert read_back(content)[2][0].reasons == (Reason(proprietary="P\u009b31m", text="turned \u202e round"),)


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=300)
REASON = st.dictionaries(st.sampled_from(["code", "proprietary", "text", "means", "originator"]), TEXT, max_size=3)


@st.composite
def standings(draw: st.DrawFn) -> tuple[FileStanding, list[PaymentStanding]]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    batches = tuple(
        BatchStanding(position=n, payment_information_id=draw(TEXT), count=size, control_sum=None)
        for n, size in enumerate(sizes, start=1)
    )
    made = [
        PaymentStanding(
            position=at, batch=batch.position, payment_information_id=batch.payment_information_id,
            instruction_id=draw(st.none() | TEXT), end_to_end_id=draw(TEXT),
            uetr=draw(st.none() | TEXT | st.just(UETR)),
            amount=draw(st.none() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-5)), currency="EUR",
            stage=draw(st.sampled_from(Stage)), means="", status=draw(st.sampled_from([None, *CODES, "NEWC"])),
            reasons=tuple(draw(st.lists(REASON, max_size=2))), account_servicer_reference=draw(st.none() | TEXT),
        )
        for at, batch in enumerate((b for b in batches for _ in range(b.count)), start=1)
    ]  # fmt: skip
    state = draw(st.sampled_from(State))
    file = replace(FILE, batches=batches, state=state, reason=draw(st.none() | TEXT), message_id=draw(st.none() | TEXT))
    return file, made


@pytest.mark.parametrize("message", MESSAGES)
@given(standing=standings())
@settings(max_examples=40, deadline=None)
def test_whatever_stands_in_a_file_the_report_is_valid_and_consistent(
    message: str, standing: tuple[FileStanding, list[PaymentStanding]]
) -> None:
    file, payments = standing
    report, batches, statuses = read_back(written(file, payments, message))
    codes = [code_of(one, file.state, message) for one in payments]
    assert [status.status for status in statuses] == codes
    assert {c.status: c.number for c in report.counts} == {code: str(n) for code, n in Counter(codes).items()}
    for batch in batches:
        own = [status.status for status in statuses if status.batch == batch.position]
        assert batch.status == status_over(filter(None, own))
        assert batch.number_of_transactions == str(len(own))
    assert report.status == status_over(codes)


# JSON.


def _json(file: FileStanding, payments: Sequence[PaymentStanding]) -> dict[str, Any]:
    target = io.BytesIO()
    target.write(headed(3, AT))
    write_json(file, parts(payments), payments, target)
    found: dict[str, Any] = json.loads(target.getvalue())
    return found


def test_as_json_it_says_all_of_the_file_its_stages_and_its_payments() -> None:
    said = _json(FILE, STANDING)
    assert list(said) == [
        "version", "at", "transfer", "bank", "file", "sha256", "message", "message_id", "state", "verdict", "reason",
        "duplicate_of", "received_at", "sent_at", "count", "control_sum", "currencies", "batches", "stages", "payments",
    ]  # fmt: skip
    assert (said["version"], said["at"], said["state"], said["verdict"]) == (
        3,
        "2026-11-20T09:00:00Z",
        "SENT",
        "PARTIAL",
    )
    assert said["stages"] == {
        "SETTLED": {"count": 1, "sums": {"EUR": "30.00"}}, "REJECTED": {"count": 1, "sums": {"EUR": "20.00"}},
        "BOOKED": {"count": 1, "sums": {"EUR": "10.00"}},
    }  # fmt: skip
    assert [(p["end_to_end_id"], p["stage"], p["amount"]) for p in said["payments"]] == [
        ("E-1", "BOOKED", "10.00"), ("E-2", "REJECTED", "20.00"), ("E-3", "SETTLED", "30.00"),
    ]  # fmt: skip
    assert said["payments"][1]["reasons"][0]["means"] == "the account is closed"
    assert _json(replace(FILE, batches=()), [])["payments"] == []


def test_payments_are_read_one_by_one() -> None:
    """Neither form holds them all: the second is asked for after the first was written."""
    target = io.BytesIO()
    sizes: list[int] = []

    def slowly() -> Iterator[PaymentStanding]:
        for at in range(1, 2_000):
            sizes.append(target.tell())
            yield payment(at, Stage.BOOKED)

    write_json(FILE, {}, slowly(), target)
    assert sizes[-1] > sizes[0] + 100_000
    target, sizes = io.BytesIO(), []
    write_pain_002(replace(FILE, batches=FILE.batches[:1]), slowly, target, message=MESSAGES[0], message_id="T", at=AT)
    assert sizes[-1] > 100_000
