"""From the ERP's folder to the bank and back, in one process, with real parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario
from h2h.verdicts import Verdict

from .world import sample, world


def test_a_dropped_file_reaches_the_bank_and_its_answers_and_statement_come_back(tmp_path: Path) -> None:
    with world(tmp_path, Scenario()) as (erp, bank):
        gateway = erp.gateway()
        erp.drop_file(sample(), "run.xml")
        with gateway.running():
            desk = gateway.desks["box"]
            desk.take_in()
            desk.hand_over()
            transfer = gateway.ledger.transfers.in_state(State.SENT)[0]
            assert [t.data for t in bank.taken] == [sample()]
            bank.settle()
            bank.close_day()
            desk.pull(desk.bank.inbound[0])
            after = gateway.ledger.transfers.get(transfer.id)
            statements = gateway.ledger.views.statements()
        gateway.close()
    assert after.verdict is Verdict.ACCEPTED
    assert statements
    assert all(s.reconciles for s in statements)
    assert sum(s.matched for s in statements) > 0
    delivered = sorted(p.name for p in erp.deliver.iterdir())
    assert any(name.endswith(".jsonl") for name in delivered)
    lines = [json.loads(line) for p in erp.deliver.glob("*.jsonl") for line in p.read_text().splitlines()]
    assert {"StatusReport", "Statement", "Entry"} <= {line["record"] for line in lines}


def test_one_round_sends_everything_that_is_due_however_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.transfers.DUE_LIMIT", 2)
    with world(tmp_path, Scenario()) as (erp, bank):
        gateway = erp.gateway()
        for number in range(5):
            erp.drop_file(sample(message_id=f"MSG-{number}"), f"{number}.xml")
        with gateway.running():
            desk = gateway.desks["box"]
            desk.take_in()
            desk.hand_over()
        gateway.close()
        assert sorted(taken.name for taken in bank.taken) == [f"MSG-{number}.xml" for number in range(5)]
