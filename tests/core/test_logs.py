"""Log lines: one event word, nothing told twice."""

from __future__ import annotations

import logging

import pytest

from h2h.logs import LineFormatter


def line(message: str, level: int = logging.INFO, **fields: object) -> str:
    record = logging.makeLogRecord({"name": "h2h.x", "levelno": level, "levelname": "L", "msg": message, **fields})
    return LineFormatter().format(record).split(" ", 1)[1]


@pytest.mark.parametrize(
    ("message", "level", "fields", "shown"),
    [
        ("stopped", logging.INFO, {"event": "stopped"}, "L stopped"),
        ("running", logging.INFO, {"event": "started", "banks": 1}, "L started banks=1"),
        ("taken", logging.INFO, {"event": "taken", "number": 1, "file": "a b"}, 'L taken number=1 file="a b"'),
        ("no folder", logging.ERROR, {"event": "folder_missing"}, 'L folder_missing text="no folder"'),
        ("pull failed", logging.ERROR, {"event": "pull_failed", "text": "why"}, "L pull_failed text=why"),
    ],
)
def test_a_line_has_one_event_word_and_says_nothing_twice(
    message: str, level: int, fields: dict[str, object], shown: str
) -> None:
    assert line(message, level, **fields) == shown
