"""Statuses are taken a few at a time and put aside: with the outcome of all at once."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from h2h.ledger import report_matching, report_rows, reports
from h2h.model import Record
from h2h.spool import Spool
from tests.suites.books import Book, Pay, batch, debit, loose, pay, says, statement, tx
from tests.suites.test_ledger_windows import fresh, left_by

KEPT = (
    "SELECT transfer_id, position, status, reasons, status_at FROM payment ORDER BY 1, 2",
    "SELECT transfer_id, position, verdict FROM batch ORDER BY 1, 2",
    "SELECT id, state, verdict, reason FROM transfer ORDER BY 1",
    "SELECT id, transfer_id, level, batch, payment, status, said, reasons, effect FROM report ORDER BY id",
    "SELECT id, message_id, payment_information_id, instruction_id, end_to_end_id, uetr FROM report ORDER BY id",
    "SELECT subject, code, severity, text FROM finding ORDER BY id",
    "SELECT id, state, reason FROM message ORDER BY id",
    "SELECT subject, kind, data FROM event ORDER BY seq",
    "SELECT position, statement_id, chain, day, booked, reconciles, matched, entries FROM statement ORDER BY id",
)
WORDS = ("ACTC", "ACSP", "ACSC", "RJCT", "RJCT", "PDNG", "WHAT", None)
REASONS = (None, None, "AC04", "AM04")


def story(seed: int) -> tuple[list[list[Pay]], list[list[Record]]]:
    """Files over few references, and reports on them: payments named twice, or by what several have; late words,
    contradictions, whole batches, files that are named alike; several reports in one file."""
    chance = Random(seed)

    def status() -> Any:
        name = chance.choice([f"E{chance.randrange(14)}", "NOTPROVIDED"])
        more = {"instruction_id": f"I{chance.randrange(14)}"} if chance.random() < 0.4 else {}
        return tx(name, chance.choice(WORDS), reason=chance.choice(REASONS), **more)

    def report() -> list[Record]:
        number = chance.randrange(2)
        inside = [
            batch(
                f"MSG-{number}-{n}",
                chance.choice([None, "PART", *WORDS]),
                *(status() for _ in range(chance.randrange(4))),
            )
            for n in range(1, chance.randrange(1, 4))
        ]
        if chance.random() < 0.3:
            inside = [loose(*(status() for _ in range(5)))]
        whole = chance.choice([None, None, "PART", *WORDS])
        return says(f"MSG-{number}", whole, *inside, reason=chance.choice(REASONS))

    files = [
        [
            pay(chance.choice([f"E{n}", "NOTPROVIDED"]), f"{n + 1}.00", batch=1 + n // 7, instruction=f"I{n}")
            for n in range(14)
        ]
        for _ in range(2)
    ]
    told = [report() + (report() if chance.random() < 0.3 else []) for _ in range(6)]
    told.append([*statement("S1", debit("1.00", "E0"), debit("2.00", "E1"))])
    told.append([*statement("S1", debit("2.0", "E1"), debit("1.000", "E0"))])
    return files, told


def told(book: Book, seed: int) -> list[list[Any]]:
    return left_by(book, *story(seed), KEPT)


@pytest.mark.parametrize("seed", range(5))
def test_how_many_statuses_are_looked_at_together_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    with fresh(tmp_path, "whole") as book:
        expected = told(book, seed)
    assert {row[-1] for row in expected[3]} >= {"take", "orphan"}
    monkeypatch.setattr(reports, "CHUNK", 1)
    monkeypatch.setattr(report_matching, "CHUNK", 1)
    monkeypatch.setattr(report_rows, "Spool", lambda kind: Spool(kind, in_memory=1))
    with fresh(tmp_path, "alone") as book:
        assert told(book, seed) == expected
