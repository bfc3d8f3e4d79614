"""Log lines: one per event, a stable `event` word, ids, and what was said; never file content, never secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from h2h.text import escaped

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime"}


class LineFormatter(logging.Formatter):
    """time level event key=value …; values that need it are quoted as JSON, so that a line stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
        event = fields.pop("event", record.name)
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        said = record.getMessage()
        if said != event and (not fields or record.levelno >= logging.WARNING):
            fields.setdefault("text", said)
        words = [at, record.levelname, str(event), *(f"{k}={_value(v)}" for k, v in fields.items())]
        line = " ".join(words)
        if not record.exc_info:
            return line
        traceback = self.formatException(record.exc_info).splitlines()
        return "\n".join([line, *map(escaped, traceback)])


def _value(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and text and not set(text) & set(' "=')
    quoted = text if plain else json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def start_logging(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("h2h").setLevel(level)
