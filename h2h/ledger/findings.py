"""Findings of transfers and messages, as rows; and the codes of what neither readers nor rules find."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, insert, select

from h2h.ledger import tables as t
from h2h.model import Finding, Severity

CODES = {
    "APPROVAL_NEEDED": "people have to approve the file before it is sent",
    "ALIKE_PAYMENTS": "the payments are alike to those of one earlier file",
    "DEBIT_OF_REFUSED": "a statement debits a payment that the bank had refused",
    "DEBIT_TWICE": "a payment was debited more than once, and not given back",
    "DEBIT_UNKNOWN": "booked debits match no payment of ours",
    "DUPLICATE_BYTES": "the same bytes were taken before",
    "DUPLICATE_CONTENT": "the same content was taken before, written down in another way",
    "DUPLICATE_MESSAGE_ID": "the message id was used before by a debtor at this bank",
    "DUPLICATE_PAYMENTS": "every payment was in earlier files",
    "FETCH_CUT": "a file that the bank gives only once did not arrive whole",
    "FOLDER_UNKNOWN": "the folder at the bank from which a file came is not in the settings any more",
    "INTERNAL": "the gateway itself failed on the file",
    "MESSAGE_ID_ANSWERED": "the bank spoke of the message id before any file had it",
    "ORIGIN_MANIFEST": "the manifest of a payment file is wrong, or is not for this file",
    "ORIGIN_NO_MANIFEST": "a payment file came without the manifest that its folder asks for",
    "ORIGIN_OWNER": "a payment file belongs to a user whom its folder does not name",
    "ORIGIN_UNKNOWN": "a payment file was gone before its origin could be checked",
    "NOT_STORABLE": "a file from the bank has a value that the ledger's database cannot hold",
    "TOO_MANY_RECORDS": "a file from the bank with more entries than are applied at once",
    "OUTBOUND_MESSAGE_CAME_IN": "a payment order came in from the bank",
    "PAYMENT_RETURNED": "a payment that was sent came back",
    "PAYMENT_REPEATED": "one payment was in an earlier file",
    "REPAIR_OF_REFUSED": "the file was made of payments that the bank refused in another one",
    "REPAIR_IMPOSSIBLE": "something in a file cannot be carried over into a repair",
    "REPEATED_PAYMENTS": "some payments were in earlier files",
    "REPORT_AMBIGUOUS": "a report fits several files, or a status several payments",
    "REPORT_CONFLICT": "a status contradicts one that was final",
    "REPORT_STATUS_UNKNOWN": "a report has a status that is no code, nor in the bank's profile",
    "REPORT_UNKNOWN": "a report answers a message id that was never sent",
    "REPORT_UNKNOWN_BATCH": "a report names a batch that its file does not have",
    "REPORT_UNKNOWN_PAYMENT": "a report names a payment that its file does not have",
    "REPORT_UNSENT": "a report answers a file that was not handed over",
    "STATEMENT_CONFLICT": "a statement came before with another content",
    "STATEMENT_GAP": "numbers were left out before a statement",
    "STATEMENT_OPENING": "a statement does not open where the one before it closed",
    "STATEMENT_PAGE": "the page before this one is not there",
    "STATEMENT_REPEATED": "a statement was read before, from another file",
    "UPGRADE_IMPOSSIBLE": "something in a file has no place in the version that its bank wants",
    "UPGRADE_MADE": "a file goes to the bank in a newer version of its message",
}
KEPT = 1000  # findings kept for one file; a file with more is broken as a whole


class Found:
    """What was found in one file: the first of it, as much as is kept; the first of each sort; the number of all."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self.first: list[Finding] = []
        self.count = 0
        self._sorts: dict[tuple[str, Severity], Finding] = {}
        self.extend(findings)

    def add(self, finding: Finding) -> None:
        self.count += 1
        self._sorts.setdefault((finding.code, finding.severity), finding)
        if len(self.first) < KEPT:
            self.first.append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)

    def join(self, other: Found) -> None:
        """What was found after all this."""
        self.count += other.count
        for sort, finding in other._sorts.items():
            self._sorts.setdefault(sort, finding)
        self.first += other.first[: KEPT - len(self.first)]

    def sorts(self) -> Collection[Finding]:
        """One of each code and severity: the first, in their order."""
        return self._sorts.values()


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
