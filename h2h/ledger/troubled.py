"""Which files somebody should look at: what waits, what does not get on, what was refused or found odd lately."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, or_, select, type_coerce

from h2h.ledger import tables as t
from h2h.ledger.messages import MessageState
from h2h.ledger.payment_views import LIMIT
from h2h.lifecycle import State
from h2h.verdicts import Verdict

WAITING_FOR_SOMEBODY = (State.DUPLICATE, State.HELD, State.UNCERTAIN, State.FAILED)
OF_GAPS = ("STATEMENT_GAP", "STATEMENT_OPENING", "STATEMENT_PAGE")  # findings
NEWS = timedelta(days=3)  # how long something that cannot be mended any more stays on the board


def troubled_transfers(now: datetime) -> list[Select[Any]]:
    """What waits for somebody, what does not get on, and what was refused lately, by us or by the bank.

    Each is a query of its own, so that each has its index; the sums of text keep SQLite from all that ever was.
    """
    c = t.transfer.c
    newest = (type_coerce(c.received_at, String) + "").desc()
    stuck = c.state.in_([State.READY, State.PUBLISHING]) & (c.attempts > 0) & c.reason.is_not(None)
    ways = (c.state.in_(WAITING_FOR_SOMEBODY), stuck, *refused_lately(now))
    return [select(t.transfer).where(way).order_by(newest).limit(LIMIT) for way in ways]


def refused_lately(now: datetime) -> list[ColumnElement[bool]]:
    """Of a transfer: refused, by us or by the bank, and still news: it came lately, or the bank's word did."""
    c, r, m = t.transfer.c, t.report.c, t.message.c
    by_the_bank = (c.verdict + "").in_([Verdict.REJECTED, Verdict.PARTIAL])
    refused = ((c.state + "") == State.INVALID) | by_the_bank
    told = select(r.transfer_id).join(t.message, m.id == r.message_id).where(m.fetched_at > now - NEWS)
    return [refused & (c.received_at > now - NEWS), by_the_bank & c.id.in_(told)]


def troubled_messages(now: datetime) -> Select[Any]:
    """What could not be read, and what was found in the others, unless it was a gap and all of that has come."""
    c = t.message.c
    gaps = select(t.gap.c.id).where(t.gap.c.shown_by == c.id)
    healed = gaps.exists() & ~gaps.where(t.gap.c.healed_at.is_(None)).exists()
    gap = or_(*(c.reason.startswith(f"{code}:") for code in OF_GAPS))
    remarkable = ((c.state + "") == MessageState.APPLIED) & c.reason.is_not(None) & ~(gap & healed)
    troubled = ((c.state + "") == MessageState.UNREADABLE) | remarkable
    return select(t.message).where(troubled, c.fetched_at > now - NEWS).order_by(c.fetched_at.desc()).limit(LIMIT)
