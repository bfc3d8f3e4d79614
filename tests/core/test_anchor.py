"""The journal's head, noted in a file outside."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from h2h.anchor import AnchorFile
from h2h.errors import StoreError
from h2h.ledger.journal import Anchor

AT = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


def head(seq: int) -> Anchor:
    return Anchor(seq=seq, hash=f"{seq:064x}", at=AT)


def test_heads_are_read_back_as_they_were_noted_in_order(tmp_path: Path) -> None:
    file = AnchorFile(tmp_path / "anchor")
    assert [file.note(head(1)), file.note(head(7))] == [True, True]
    assert file.read() == [head(1), head(7)]


def test_a_head_that_is_the_last_one_already_is_not_noted_again(tmp_path: Path) -> None:
    file = AnchorFile(tmp_path / "anchor")
    file.note(head(1))
    assert file.note(head(1)) is False
    assert len(file.read()) == 1


def test_where_nothing_was_noted_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert AnchorFile(tmp_path / "anchor").read() == []


@pytest.mark.parametrize(
    "text", ["no json\n", '{"seq": 1}\n', '{"seq": "x", "hash": "", "at": "2026-11-16"}\n', "[]\n"]
)
def test_a_file_of_something_else_is_told_and_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "anchor").write_text(text)
    with pytest.raises(StoreError, match="cannot be read"):
        AnchorFile(tmp_path / "anchor").read()


def test_a_place_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be noted"):
        AnchorFile(tmp_path / "away" / "anchor").note(head(1))
