"""What a pain.002 says of a file, of its batches and of its payments, and what that does to what was known."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.model import BatchStatus, Payment, PaymentStatus, Reason, StatusReport
from h2h.verdicts import (
    FINAL,
    REFUSALS,
    STATION,
    StatusStep,
    Verdict,
    answers,
    split,
    status_step,
    verdict_of,
    verdict_over,
)

codes = st.sampled_from([*STATION, "XXXX", "PART"])
verdicts = st.frozensets(st.sampled_from(Verdict))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (None, Verdict.NONE),
        ("RCVD", Verdict.PENDING),
        ("PDNG", Verdict.PENDING),
        ("ACTC", Verdict.PENDING),
        ("ACCP", Verdict.ACCEPTED),
        ("ACWC", Verdict.ACCEPTED),
        ("ACSP", Verdict.ACCEPTED),
        ("ACSC", Verdict.ACCEPTED),
        ("ACCC", Verdict.ACCEPTED),
        ("CPUC", Verdict.ACCEPTED),  # cash picked up by the creditor
        ("RJCT", Verdict.REJECTED),
        ("CANC", Verdict.REJECTED),
        ("BLCK", Verdict.PENDING),  # neither posted to the creditor nor returned to the debtor
        ("WHAT", Verdict.PENDING),
    ],
)
def test_what_a_status_means_for_a_payment(status: str | None, verdict: Verdict) -> None:
    assert verdict_of(status) is verdict


def test_only_a_refusal_means_that_nothing_was_paid() -> None:
    assert {s for s in STATION if verdict_of(s) is Verdict.REJECTED} == REFUSALS == {"RJCT", "CANC"}


@pytest.mark.parametrize(
    ("of", "over"),
    [
        ({}, Verdict.NONE),
        ({Verdict.NONE}, Verdict.NONE),
        ({Verdict.ACCEPTED}, Verdict.ACCEPTED),
        ({Verdict.REJECTED}, Verdict.REJECTED),
        ({Verdict.ACCEPTED, Verdict.REJECTED}, Verdict.PARTIAL),
        ({Verdict.NONE, Verdict.REJECTED}, Verdict.PARTIAL),
        ({Verdict.PENDING, Verdict.REJECTED}, Verdict.PARTIAL),
        ({Verdict.NONE, Verdict.ACCEPTED}, Verdict.PENDING),
        ({Verdict.PENDING, Verdict.ACCEPTED}, Verdict.PENDING),
    ],
)
def test_the_verdict_on_a_file_from_those_on_its_payments(of: set[Verdict], over: Verdict) -> None:
    assert verdict_over(frozenset(of)) is over


@given(verdicts)
def test_a_file_is_rejected_only_if_every_payment_is(of: frozenset[Verdict]) -> None:
    assert (verdict_over(of) is Verdict.REJECTED) == (of == {Verdict.REJECTED})
    assert (verdict_over(of) is Verdict.ACCEPTED) == (of == {Verdict.ACCEPTED})


# What a new status does to the one known.


@given(codes)
def test_a_first_or_a_repeated_status_is_taken(new: str) -> None:
    assert status_step(None, new) is StatusStep.TAKE
    assert status_step(new, new) is StatusStep.TAKE


@given(st.sampled_from(sorted(FINAL)), codes)
def test_a_final_status_is_never_overwritten_by_another_meaning(known: str, new: str) -> None:
    if status_step(known, new) is StatusStep.TAKE:
        assert verdict_of(new) is verdict_of(known)


@given(codes, codes)
def test_a_status_never_goes_back_to_an_earlier_station(known: str, new: str) -> None:
    if status_step(known, new) is StatusStep.TAKE:
        assert STATION.get(new, 0) >= STATION.get(known, 0)


@given(codes, codes)
def test_a_conflict_is_a_contradiction_of_something_final(known: str, new: str) -> None:
    if status_step(known, new) is StatusStep.CONFLICT:
        assert known in FINAL
        assert verdict_of(new) is not verdict_of(known)


def test_a_contradiction_of_a_final_status_is_never_silent() -> None:
    accepted = {s for s in STATION if verdict_of(s) is Verdict.ACCEPTED}
    refused, final = REFUSALS, FINAL & accepted
    for known, new in [*product(refused, accepted), *product(final, refused)]:
        assert status_step(known, new) is StatusStep.CONFLICT


@pytest.mark.parametrize(
    "way", [["RCVD", "ACTC", "ACCP", "ACSP", "ACSC", "ACCC"], ["ACTC", "ACWP", "BLCK"], ["ACSP", "RJCT"]]
)
def test_the_usual_way_is_taken_step_by_step(way: list[str]) -> None:
    assert all(status_step(known, new) is StatusStep.TAKE for known, new in pairwise(way))


# The answers of one report.


def report(status: str | None) -> StatusReport:
    return StatusReport(
        message="pain.002.001.10", message_id="S", created_at=None, original_message_id="M", original_message=None,
        status=status, reasons=(Reason(code="XX01"),),
    )  # fmt: skip


def batches(*statuses: str | None) -> list[BatchStatus]:
    return [BatchStatus(position=n, payment_information_id=f"B{n}", status=s) for n, s in enumerate(statuses, 1)]


def payments(*statuses: tuple[int, str | None]) -> list[PaymentStatus]:
    return [PaymentStatus(position=n, batch=b, end_to_end_id=f"P{n}", status=s) for n, (b, s) in enumerate(statuses, 1)]


def told(*args: object) -> list[str]:
    """The answers in short: who: status, with a ~ where it was inferred."""
    return [
        f"{a.payment.end_to_end_id if a.payment else a.batch or 'file'}: {'~' if a.inferred else ''}{a.status}"
        for a in answers(*args)  # type: ignore[arg-type]
    ]


def test_the_file_comes_first_then_its_batches_then_its_payments() -> None:
    found = told(report("ACSP"), batches("ACSP", "RJCT"), payments((1, "RJCT"), (2, "ACSP")))
    assert found == ["file: ACSP", "B1: ACSP", "B2: RJCT", "P1: RJCT", "P2: ACSP"]


@pytest.mark.parametrize(
    ("status", "inner", "listed", "expected"),
    [
        ("PART", [], [(0, "RJCT")], ["file: ~ACCP", "P1: RJCT"]),
        ("PART", [], [(0, "RJCT"), (0, "CANC")], ["file: ~ACCP", "P1: RJCT", "P2: CANC"]),
        ("PART", [], [(0, "RJCT"), (0, "BLCK")], ["P1: RJCT", "P2: BLCK"]),
        ("PART", [], [(0, "RJCT"), (0, "PDNG")], ["P1: RJCT", "P2: PDNG"]),
        ("PART", [], [(0, "RJCT"), (0, None)], ["P1: RJCT"]),
        ("PART", [], [], []),
        ("PART", ["RJCT"], [], ["file: ~ACCP", "B1: RJCT"]),
        ("PART", ["PART"], [(1, "RJCT")], ["B1: ~ACCP", "P1: RJCT"]),
        ("PART", [None], [(1, "RJCT")], ["P1: RJCT"]),
        ("PART", ["ACSP", "RJCT"], [], ["B1: ACSP", "B2: RJCT"]),
        (None, [None], [(1, "RJCT")], ["P1: RJCT"]),
        (None, [], [], []),
    ],
)
def test_what_is_not_listed_follows_only_where_everything_listed_is_refused(
    status: str | None, inner: list[str | None], listed: list[tuple[int, str | None]], expected: list[str]
) -> None:
    assert told(report(status), batches(*inner), payments(*listed)) == expected


@given(
    st.one_of(st.none(), codes),
    st.lists(st.one_of(st.none(), codes), max_size=3),
    st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), codes)), max_size=5),
)
def test_every_status_that_was_said_is_an_answer_and_part_never_is(
    status: str | None, inner: list[str | None], listed: list[tuple[int, str | None]]
) -> None:
    found = answers(report(status), batches(*inner), payments(*listed))
    said = [a for a in found if not a.inferred and a.payment is None]
    levels = [s for s in [status, *inner] if s not in (None, "PART")]
    assert sorted(a.status for a in said) == sorted(levels)  # type: ignore[type-var]
    assert all(a.status == "ACCP" for a in found if a.inferred)
    assert len([a for a in found if a.payment]) == len([s for _, s in listed if s])


def test_a_banks_own_words_stand_for_codes_on_every_level_and_are_kept_beside_them() -> None:
    words = {"A": "ACSP", "P": "PART", "R": "RJCT"}
    found = answers(report("P"), batches("A", "P"), payments((2, "R"), (2, "ACSC"), (2, "X")), words)
    assert [(a.status, a.said) for a in found] == [("ACSP", "A"), ("RJCT", "R"), ("ACSC", None), ("X", None)]
    [meant, refused] = answers(report("P"), [], payments((0, "R")), words)
    assert (meant.status, meant.said, meant.inferred, refused.said) == ("ACCP", "P", True, "R")


def test_reasons_stay_with_the_level_that_gave_them() -> None:
    [whole, one] = answers(report("ACSP"), [], payments((0, "RJCT")))
    assert ([r.code for r in whole.reasons], one.reasons) == (["XX01"], ())


def test_records_of_another_kind_are_a_fault_of_ours() -> None:
    good = [report("ACCP"), *batches("ACCP"), *payments((1, "ACCP"))]
    assert [len(kind) for kind in split(good)] == [1, 1, 1]
    stray = Payment(
        position=1, batch=1, payment_information_id=None, instruction_id=None, end_to_end_id=None, uetr=None,
        amount=None, currency=None,
    )  # fmt: skip
    with pytest.raises(AssertionError, match="Payment"):
        split([stray])
