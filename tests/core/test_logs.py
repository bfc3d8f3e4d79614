"""Log lines: one line for each event, whatever stands in the text, and nothing that a terminal would obey."""

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


HOSTILE = "a\nb\x1b[2J\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}\udce9\u2028"


def shown_line(**fields: object) -> str:
    record = logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO", "event": "seen", **fields})
    return LineFormatter().format(record)


def test_a_value_that_cannot_be_shown_is_escaped_and_stays_on_its_line() -> None:
    said = shown_line(file=HOSTILE)
    assert said.isprintable()
    assert r'file="a\nb\u001b[2J\u009b31m\u202e\udce9\u2028"' in said


def test_a_traceback_cannot_reach_the_terminal_either() -> None:
    with pytest.raises(ValueError, match="a") as raised:
        raise ValueError(HOSTILE)
    said = shown_line(exc_info=(raised.type, raised.value, raised.tb))
    assert all(part.isprintable() for part in said.split("\n"))


def test_a_plain_value_is_written_plainly() -> None:
    assert shown_line(file="run.xml", n=1).endswith("seen file=run.xml n=1")
    assert shown_line(file="two words").endswith('file="two words"')
