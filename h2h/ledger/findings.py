"""Findings of transfers and messages, as rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from h2h.ledger import tables as t
from h2h.model import Finding, Severity

KEPT = 1000  # findings kept for one file; a file with more is broken as a whole


def store_findings(connection: Connection, subject: str, findings: Sequence[Finding]) -> None:
    rows = [
        {"subject": subject, "code": f.code, "severity": f.severity, "path": f.path, "line": f.line, "text": f.text}
        for f in findings[:KEPT]
    ]
    if rows:
        connection.execute(insert(t.finding), rows)


def load_findings(connection: Connection, subject: str) -> list[Finding]:
    rows = connection.execute(select(t.finding).where(t.finding.c.subject == subject).order_by(t.finding.c.id))
    return [Finding(code=r.code, severity=Severity(r.severity), path=r.path, line=r.line, text=r.text) for r in rows]
