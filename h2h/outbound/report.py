"""What judge found, for the ERP engineer: as text to read and as JSON to process. The same words as `h2h validate`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from h2h.model import Finding


def report(
    *,
    file: str,
    verdict: str,
    message: str | None,
    message_id: str | None,
    payments: int | None,
    control_sum: Decimal | None,
    findings: Iterable[Finding],
) -> dict[str, Any]:
    """The one shape of a judgement for programs."""
    return {
        "file": file,
        "verdict": verdict,
        "message": message,
        "message_id": message_id,
        "payments": payments,
        "control_sum": None if control_sum is None else format(control_sum, "f"),
        "findings": [finding_record(f) for f in findings],
    }


def finding_record(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "path": finding.path,
        "line": finding.line,
        "text": finding.text,
    }


def json_report(found: dict[str, Any]) -> bytes:
    return (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode()


def text_report(found: dict[str, Any], *, transfer_id: str, at: str) -> bytes:
    """The report that lies beside a refused file."""
    head = [
        f"{found['file']}: {found['verdict']}. Nothing of it was sent to the bank.",
        "",
        f"  transfer    {transfer_id}",
        f"  refused at  {at}",
        f"  message     {found['message'] or 'unknown'}",
        f"  message id  {found['message_id'] or 'unknown'}",
        f"  findings    {len(found['findings'])}",
        "",
    ]
    return "\n".join([*head, *(line for f in found["findings"] for line in finding_lines(f)), ""]).encode()


def finding_lines(finding: dict[str, Any]) -> list[str]:
    place = f"line {finding['line']}" if finding["line"] else "whole file"
    lines = [f"{finding['severity']} {finding['code']} ({place})", f"  {finding['text']}"]
    return [*lines, f"  at {finding['path']}", ""] if finding["path"] else [*lines, ""]
