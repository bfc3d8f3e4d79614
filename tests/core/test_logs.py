"""Log lines: one line for each event, whatever stands in the text, and nothing that a terminal would obey."""

from __future__ import annotations

import logging

import pytest

from h2h.logs import LineFormatter

HOSTILE = "a\nb\x1b[2J\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}\udce9\u2028"


def line(**fields: object) -> str:
    record = logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO", "event": "seen", **fields})
    return LineFormatter().format(record)


def test_a_value_that_cannot_be_shown_is_escaped_and_stays_on_its_line() -> None:
    said = line(file=HOSTILE)
    assert said.isprintable()
    assert r'file="a\nb\u001b[2J\u009b31m\u202e\udce9\u2028"' in said


def test_a_traceback_cannot_reach_the_terminal_either() -> None:
    with pytest.raises(ValueError, match="a") as raised:
        raise ValueError(HOSTILE)
    said = line(exc_info=(raised.type, raised.value, raised.tb))
    assert all(part.isprintable() for part in said.split("\n"))


def test_a_plain_value_is_written_plainly() -> None:
    assert line(file="run.xml", n=1).endswith("seen file=run.xml n=1")
    assert line(file="two words").endswith('file="two words"')
