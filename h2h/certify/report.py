"""The report as files: certify-BANK.json, stable and for programs, and certify-BANK.html, to print and sign."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from h2h.certify.page import page
from h2h.certify.results import Outcome, Report
from h2h.records import json_value

FORM = "h2h certify 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    html: Path
    json: Path


def write(report: Report, folder: Path) -> Written:
    """Both files; closed to others, as account numbers stand in them."""
    written = Written(html=folder / f"certify-{report.bank}.html", json=folder / f"certify-{report.bank}.json")
    _put(written.json, as_json(report))
    _put(written.html, page(report))
    return written


def as_json(report: Report) -> str:
    """`totals` counts the outcomes; times are UTC."""
    totals = {outcome.name.lower(): report.count(outcome) for outcome in Outcome}
    values = json_value(report)
    results: Sequence[object] = values.pop("results")
    whole = {"form": FORM, "good": report.good, **values, "totals": totals, "cases": results}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _put(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
