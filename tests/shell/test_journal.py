"""`h2h journal`: the chain, and its heads noted outside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from h2h.clock import Clock
from h2h.config import load
from h2h.gateway import Gateway
from tests.flows.world import payments, world

from .command import run as h2h

SETTINGS = '[gateway]\ndata = "data"\nenvironment = "test"\nanchor = "elsewhere/anchor"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway in whose journal one thing happened, with a place to note its head."""
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "h2h.toml"
    file.write_text(SETTINGS)
    happens(file)
    return file


def happens(config: Path) -> None:
    gateway = Gateway(load(config), Clock())
    gateway.ledger.journal.note(at=gateway.clock.now(), subject="test", kind="test", actor="test", data={})
    gateway.close()


def test_a_journal_without_any_head_noted_is_not_called_whole(config: Path) -> None:
    done = h2h(config, "journal", "verify")
    assert done.returncode == 1
    assert "holds no head to compare it with" in done.stdout


def test_a_journal_that_went_on_from_its_noted_head_is_whole(config: Path) -> None:
    assert "noted in" in h2h(config, "journal", "anchor").stdout
    assert "nothing has happened" in h2h(config, "journal", "anchor").stdout
    happens(config)
    done = h2h(config, "journal", "verify")
    assert (done.returncode, "whole: 2 events" in done.stdout) == (0, True)


def test_a_ledger_that_was_put_in_place_of_the_anchored_one_is_found(config: Path) -> None:
    h2h(config, "journal", "anchor")
    (config.parent / "data").rename(config.parent / "taken away")
    happens(config)
    done = h2h(config, "journal", "verify")
    assert done.returncode == 1
    assert "the chain was rebuilt" in done.stdout


def test_safe_mode_is_told_with_what_to_do_and_ends_by_a_persons_word(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        erp.write_settings()
        assert h2h(erp.config, "send").returncode == 0
        happens(erp.config)
        shutil.copytree(tmp_path / "data", tmp_path / "copy", ignore=shutil.ignore_patterns("h2h.head"))
        happens(erp.config)
        for part in (tmp_path / "data").glob("h2h.db*"):
            part.unlink()
        for part in (tmp_path / "copy").glob("h2h.db*"):
            shutil.copy(part, tmp_path / "data")
        erp.drop_file(payments("MSG-1"))
        early = h2h(erp.config, "journal", "accept", "--reason", "too soon")
        assert (early.returncode, "nothing to accept" in early.stderr) == (1, True)
        sent = h2h(erp.config, "send")
        assert (sent.returncode, "SAFE MODE" in sent.stderr, bank.taken) == (1, True, [])
        board = h2h(erp.config, "status")
        assert board.returncode == 1
        for said in ("nothing new is sent", "h2h resolve", "h2h journal accept", "event 2"):
            assert said in board.stdout
        assert h2h(erp.config, "journal", "accept").returncode == 2
        assert "has ended" in h2h(erp.config, "journal", "accept", "--reason", "compared with the bank").stdout
        assert h2h(erp.config, "send").returncode == 0
        assert [t.data for t in bank.taken] == [payments("MSG-1")]
        assert h2h(erp.config, "status").returncode == 0
        assert "accepted by" in h2h(erp.config, "journal", "verify").stdout
