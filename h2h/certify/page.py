"""The report as one page of HTML: no scripts, nothing from outside, good on paper. Every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from h2h.certify.penny import FIELDS, STEPS
from h2h.certify.results import Evidence, Outcome, Report, Result

SHOWN_EVIDENCE = 200  # rows of one case; the JSON has all of them
STYLE = """
:root { --ink: #1b2430; --soft: #5c6876; --line: #d9dfe6; --paper: #fff; --good: #1c7c4a; --bad: #b3261e;
  --wait: #9a6700; --off: #6b7785; }
* { box-sizing: border-box; }
body { margin: 0; background: #f2f4f7; color: var(--ink); font: 14px/1.5 system-ui, "Segoe UI", "Liberation Sans",
  Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; }
.sheet { background: var(--paper); margin: 1.5rem 0; padding: 2.2rem 2.6rem; border: 1px solid var(--line);
  border-radius: 6px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .3rem 0; }
.soft, dt, th { color: var(--soft); }
.banner { display: flex; align-items: center; justify-content: space-between; gap: 1rem; margin: 1.2rem 0;
  padding: .8rem 1.1rem; border-radius: 6px; border: 1px solid; font-weight: 600; }
.banner.good { color: var(--good); background: #eaf6ef; border-color: #b7dfc7; }
.banner.bad { color: var(--bad); background: #fcedec; border-color: #efc0bd; }
.counts span { margin-left: 1.1rem; font-weight: 500; white-space: nowrap; }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .25rem 1rem; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 500; border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; }
td { vertical-align: top; border-bottom: 1px solid #edf0f3; padding: .35rem .6rem .35rem 0; overflow-wrap: anywhere; }
a { color: inherit; }
td.number, td.clock { white-space: nowrap; }
td.number { text-align: right; padding-right: 0; }
code, .mono { font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", "Liberation Mono", monospace; }
.tag { display: inline-block; min-width: 6.6rem; padding: .05rem .5rem; border-radius: 3px; text-align: center;
  font-size: 12px; font-weight: 600; white-space: nowrap; color: #fff; }
.PASSED { background: var(--good); } .FAILED { background: var(--bad); }
.NEEDS_PERSON { background: var(--wait); } .SKIPPED { background: var(--off); }
article { border-top: 1px solid var(--line); padding: 1.1rem 0 .6rem; }
article header { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
.evidence { margin-top: .5rem; font-size: 12.5px; }
.evidence td:first-child { width: 5.5rem; color: var(--soft); white-space: nowrap; }
.evidence td:last-child { width: 5.5rem; color: var(--soft); text-align: right; white-space: nowrap; }
.signatures { display: grid; grid-template-columns: 1fr 1fr; gap: 2.4rem; margin-top: 2.4rem; }
.signatures div p { border-top: 1px solid var(--ink); margin-top: 2.6rem; padding-top: .2rem; color: var(--soft); }
ol li { margin: .45rem 0; }
.field td { height: 2.1rem; } .field td:first-child { width: 22rem; color: var(--soft); }
@page { size: A4; margin: 16mm 15mm; }
@media print {
  body { background: none; font-size: 10.5pt; }
  main { max-width: none; }
  .sheet { border: 0; padding: 0; margin: 0; }
  .sheet + .sheet { break-before: page; }
  article, tr, .signatures { break-inside: avoid; }
  article.long { break-inside: auto; }
  .tag, .banner { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style></head>
<body><main>
"""
TALL = 12  # rows of evidence beyond which a case may go over a page's end


def page(report: Report) -> str:
    title = escape(f"Onboarding test of {report.bank}")
    sheets = (_summary(report), _cases(report), _signing(report), _penny(report))
    return HEAD.format(title=title, style=STYLE) + "".join(map(_sheet, sheets)) + "</main></body></html>\n"


def _sheet(content: str) -> str:
    return f'<section class="sheet">\n{content}</section>\n'


def _summary(report: Report) -> str:
    where = "a bank in a box on this machine" if report.sandbox else "the bank's test server"
    rows = "".join(_row(report, result) for result in report.results)
    return (
        f"<h1>Onboarding test: {escape(report.bank)}</h1>\n"
        f'<p class="soft">Run against {where} by {escape(report.by)} with h2h {escape(report.gateway)}</p>\n'
        f"{_banner(report)}{_facts(report)}"
        f"<h2 style='margin-top:1.6rem'>Cases</h2>\n<table><thead><tr><th>Case</th><th>What it is</th><th>Came to</th>"
        f"<th>From</th><th>Lasted</th></tr></thead>\n<tbody>{rows}</tbody></table>\n"
    )


def _banner(report: Report) -> str:
    if report.ended_early:
        word = "Broken off before its end"
    else:
        word = "Nothing failed" if report.good else f"{report.count(Outcome.FAILED)} failed"
    counts = "".join(f"<span>{report.count(one)} {escape(one.lower())}</span>" for one in Outcome)
    return f'<div class="banner {"good" if report.good else "bad"}">{word}<div class="counts">{counts}</div></div>\n'


def _facts(report: Report) -> str:
    profile, server = report.profile, report.server
    pairs = [
        ("Bank", report.bank),
        ("Environment", report.environment),
        ("Server", server.address),
        ("User there", server.user),
        ("Host key pinned", ", ".join(server.pinned) or None),
        *server.facts.items(),
        ("Profile", profile.file),
        ("Version", profile.version),
        ("Owner", profile.owner),
        ("SHA-256 of it", profile.sha256),
        ("Told of the test side", report.inputs),
        ("Begun", _moment(report, report.started)),
        ("Ended", _moment(report, report.ended)),
    ]
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>' for k, v in pairs if v)}</dl>\n"


def _row(report: Report, result: Result) -> str:
    return (
        f'<tr><td><a href="#{escape(result.case)}">{escape(result.case)}</a></td><td>{escape(result.title)}</td>'
        f'<td>{_tag(result.outcome)}</td><td class="clock">{_clock(report, result.started)}</td>'
        f'<td class="number">{_seconds(result)}</td></tr>\n'
    )


def _cases(report: Report) -> str:
    return "<h2>The cases, with their evidence</h2>\n" + "".join(_case(report, one) for one in report.results)


def _case(report: Report, result: Result) -> str:
    times = f"{_moment(report, result.started)} to {_clock(report, result.ended)}, {_seconds(result)}"
    tall = " class='long'" if len(result.evidence) > TALL else ""
    return (
        f'<article id="{escape(result.case)}"{tall}><header><h3>{escape(result.title)}</h3>'
        f"{_tag(result.outcome)}</header>\n"
        f'<p class="soft">{escape(result.case)} · {times}</p><p class="soft">{escape(result.proves)}</p>\n'
        f"<p>{escape(result.text)}</p>\n{_evidence(report, result.evidence)}</article>\n"
    )


def _evidence(report: Report, evidence: Iterable[Evidence]) -> str:
    rows = [_proof(report, one) for one in evidence]
    if not rows:
        return ""
    more = len(rows) - SHOWN_EVIDENCE
    rest = f"<tr><td></td><td>… and {more} more in the JSON file</td><td></td></tr>" if more > 0 else ""
    return f'<table class="evidence"><tbody>{"".join(rows[:SHOWN_EVIDENCE])}{rest}</tbody></table>\n'


def _proof(report: Report, one: Evidence) -> str:
    file = ""
    if one.sha256:
        file = f'<br><span class="mono">{escape(one.name or "")}, {one.size or 0:,} bytes, {escape(one.sha256)}</span>'
    at = _clock(report, one.at) if one.at else ""
    return f"<tr><td>{escape(one.sort)}</td><td>{escape(one.text)}{file}</td><td>{at}</td></tr>\n"


def _signing(report: Report) -> str:
    people = "".join(
        f"<div><strong>{who}</strong><p>Name, in capitals</p><p>Place and date</p><p>Signature</p></div>"
        for who in ("For the company", "For the bank")
    )
    return (
        f"<h2>Sign-off</h2>\n<p>The cases of this report were run against {escape(report.server.address)} as they "
        f"stand here, with the profile of SHA-256 <code>{escape(report.profile.sha256)}</code>.</p>\n"
        '<p>Open points, and what was agreed on them:</p>\n<div style="height:9rem"></div>\n'
        f'<div class="signatures">{people}</div>\n'
    )


def _penny(report: Report) -> str:
    steps = "".join(
        f"<li>{_code(step.replace(' BANK ', f' {report.bank} '))}</li>\n" for step in STEPS.strip().split("\n\n")
    )
    fields = "".join(f'<tr class="field"><td>{escape(name)}</td><td></td></tr>\n' for name in FIELDS)
    return (
        "<h2>The penny test in production</h2>\n<p>The last step before real files: one payment of the smallest "
        "amount, from an own account to an own account, seen through to the statement.</p>\n"
        f"<ol>{steps}</ol>\n<table><tbody>{fields}</tbody></table>\n"
    )


def _code(text: str) -> str:
    """What stands between backquotes, as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _tag(outcome: Outcome) -> str:
    return f'<span class="tag {outcome.name}">{escape(outcome)}</span>'


def _seconds(result: Result) -> str:
    return f"{(result.ended - result.started).total_seconds():.1f} s"


def _moment(report: Report, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(report.timezone)):%Y-%m-%d %H:%M:%S %Z}"


def _clock(report: Report, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(report.timezone)):%H:%M:%S}"
