"""`h2h journal`: the chain, and its heads noted outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2h.clock import Clock
from h2h.config import load
from h2h.gateway import Gateway

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
