"""What webhooks are still to be told, where they fail: for status, and for whoever has to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from h2h.config import Webhook
from h2h.ledger.webhooks import PAGE, Progress, Webhooks
from h2h.webhooks.body import sort_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """`waiting`: events, or at least so many (`more`). `since`: when the first of those that wait failed; None where
    only some were `given_up` lately. `stopped`: it answered that it wants no more."""

    webhook: str
    waiting: int
    more: bool
    since: datetime | None
    stopped: bool
    given_up: int
    text: str | None


def failing(webhooks: Sequence[Webhook], ledger: Webhooks, now: datetime) -> list[Arrears]:
    """Those receivers alone that do not take what they are told."""
    found = []
    for webhook in webhooks:
        progress = ledger.progress(webhook.name, now)
        if progress and (progress.stopped_at or progress.waiting or progress.gave_up):
            found.append(_arrears(webhook, ledger, progress))
    return found


def _arrears(webhook: Webhook, ledger: Webhooks, progress: Progress) -> Arrears:
    page = ledger.after(progress.seq) if progress.waiting else []
    sorts = [(sort_of(happened), happened.bank) for happened in page]
    unseen = sum(1 for sort, bank in sorts if sort and webhook.hears(sort, bank))
    failed = [row for row in progress.waiting if row.since]
    return Arrears(
        webhook=webhook.name,
        waiting=len(progress.waiting) + unseen,
        more=len(page) == PAGE,
        since=min((row.since for row in failed if row.since), default=None),
        stopped=progress.stopped_at is not None,
        given_up=progress.gave_up,
        text=failed[-1].text if failed else None,
    )


def sentence(arrears: Arrears) -> str:
    """For a person: how many wait, since when and why."""
    number = f"{'at least ' if arrears.more else ''}{arrears.waiting:,} event(s)"
    since = f" since {arrears.since:%Y-%m-%d %H:%M} UTC" if arrears.since else ""
    why = f": the receiver {arrears.text.rstrip('.')}." if arrears.text else "."
    gave_up = f" {arrears.given_up:,} were given up." if arrears.given_up else ""
    waits = f"The webhook {arrears.webhook} has {number} waiting{since}{why}" if arrears.waiting else ""
    return waits + gave_up if waits else f"The webhook {arrears.webhook}:{gave_up}"
