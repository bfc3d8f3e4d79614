"""Four eyes as the ledger asks for them: what a judged file needs, and a person's approval of the bytes as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from h2h.approval import SOMEBODY_ELSE, Approved, Need, Rule, Sight, Sums, finding, lacking, may, needs, wanted
from h2h.errors import NotAllowed
from h2h.ledger.creditors import new_accounts
from h2h.ledger.judged import Outcome, first_error
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Trigger


def asked_of(
    connection: Connection, row: Transfer, rules: Sequence[Rule], sums: Sums, now: datetime
) -> list[Need] | None:
    """What the rules ask of a file whose payments are stored; None where its folder has none."""
    if not rules:
        return None
    return needs(rules, sums, lambda known_for: new_accounts(connection, row, now - known_for))


def held_for_approval(found: Outcome, needed: Sequence[Need]) -> Outcome:
    """A good file that people have to approve is held; what else is wrong with it is told first."""
    if not needed or found.trigger not in (Trigger.JUDGED_GOOD, Trigger.JUDGED_HOLD):
        return found
    findings = [*found.findings, *map(finding, needed)]
    return replace(found, trigger=Trigger.JUDGED_HOLD, reason=first_error(findings), findings=findings)


def approved_again(row: Transfer, who: str, sight: Sight | None, now: datetime, *, again: bool) -> list[Approved]:
    """The approvals of its bytes with this one; the same as before where nothing is lacking. NotAllowed for whoever had
    a hand in the file, approved it already, or is not asked, and where other bytes were seen. `again`: it is to go once
    more."""
    left = still_lacking(row, again=again)
    if not left:
        return row.approved
    name = row.id
    if who in row.makers:
        raise NotAllowed(
            f"{name}: you had a hand in it (dropped, repaired, held or proposed it), and whoever has does not approve "
            f"it. {wanted(left)}"
        )
    if who in row.approved_by:
        raise NotAllowed(f"{name}: you approved it already, and somebody else has to. {wanted(left)}")
    if not may(left, who):
        raise NotAllowed(f"{name}: you are not named among those who approve it. {wanted(left)}")
    if sight is None or sight.sha256 != row.sha256:
        raise NotAllowed(f"{name}: these are not the bytes that you were shown; look again.")
    at = now.isoformat(timespec="seconds")
    return [*row.approved, Approved(by=who, sha256=row.sha256, at=at)]


def still_lacking(row: Transfer, *, again: bool = False) -> list[Need]:
    """What four eyes still ask for before it goes; `again`: once more, for which somebody else is asked always."""
    needed = row.approvals or (SOMEBODY_ELSE if again and row.approvals is not None else ())
    return lacking(needed, row.approved_by)


def told(row: Transfer, sight: Sight | None) -> Mapping[str, Any]:
    """What the journal says of an approval: which bytes, what they come to as it was shown, by which rules, and who."""
    shown = ("payments", "batches", "totals", "execution_dates", "new_accounts") if sight else ()
    return {
        "sha256": row.sha256,
        "seen": {name: getattr(sight, name) for name in shown},
        "rules": [need.rule for need in row.approvals or ()],
        "approved_by": row.approved_by,
        "lacking": [str(need) for need in still_lacking(row)],
    }
