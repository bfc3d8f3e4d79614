"""What is due to whom, and how it is written: pure.

A recipient gets one letter with all that is new to it. What is urgent goes at once, the rest within GATHER, so that
what comes together is told together. What stands is told again each `repeat` until somebody takes it; that it is over
is told to whoever heard of it. A fall-back gets what the one that fails should have got.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from h2h.alarms import Urgency
from h2h.config import Recipient
from h2h.config.alerts import GATHER
from h2h.ledger.alarms import AlarmRow
from h2h.ledger.tellings import Told
from h2h.text import one_line

LISTED = 20  # alarms in one letter; the rest is counted
LONGEST = 500  # characters of a sentence
LONGEST_SUBJECT = 150
NAMED = 3  # banks, and words, in a subject
PLURALS = {Urgency.URGENT: "urgent", Urgency.WARNING: "warnings", Urgency.NOTICE: "notices"}


class Kind(StrEnum):
    NEW = "new"  # or more urgent than it was when it was told
    STILL = "still"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One alarm, as one recipient has to hear of it. `at`: when it is to be told at the latest."""

    kind: Kind
    alarm: AlarmRow
    at: datetime

    @property
    def number(self) -> int:
        assert self.alarm.id is not None
        return self.alarm.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A recipient that did not take a letter: since when it is left alone, until when, and why."""

    since: datetime
    until: datetime
    text: str

    def at(self, now: datetime) -> bool:
        """A clock that was set back ends it."""
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """News for one recipient. `instead`: who could not be told, and why."""

    recipient: Recipient
    news: tuple[News, ...]
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What to write now, and when to look again; None where nothing waits for a time."""

    parcels: tuple[Parcel, ...]
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`urgency` is empty where all that it tells is over."""

    subject: str
    body: str
    urgency: Urgency | None


# What is due.


def due(
    alarms: Sequence[AlarmRow],
    told: Sequence[Told],
    recipients: Sequence[Recipient],
    failing: Mapping[str, Failing],
    now: datetime,
    gather: timedelta = GATHER,
) -> Due:
    """`alarms`: the open ones, and those that are over lately; `told`: what was told of them."""
    by_name = {recipient.name: recipient for recipient in recipients}
    heard = {name: {one.alarm_id: one for one in told if one.recipient == name} for name in by_name}
    away = {name: one for name, one in failing.items() if one.at(now)}
    parcels, times = [], [one.until for one in away.values()]
    for recipient in recipients:
        if recipient.name in away:
            continue
        news = _news_for(recipient, by_name, heard, away, alarms, now, gather)
        later = [one.at for one in news if one.at > now]
        if len(later) < len(news):
            early = now + first_of(recipient, by_name).repeat / 2
            ripe = tuple(_together(news, now, early))
            parcels.append(Parcel(recipient=recipient, news=ripe, instead=_instead(recipient, away)))
        times += later
    return Due(parcels=tuple(parcels), next_at=min(times, default=None))


def stands_in(recipient: Recipient, by_name: Mapping[str, Recipient], away: Collection[str]) -> bool:
    """Whether it is told what is new: always, or as a fall-back while all before it fail."""
    while recipient.instead_of is not None:
        if recipient.instead_of not in away:
            return False
        recipient = by_name[recipient.instead_of]
    return True


def first_of(recipient: Recipient, by_name: Mapping[str, Recipient]) -> Recipient:
    """Who is told if nobody fails."""
    while recipient.instead_of is not None:
        recipient = by_name[recipient.instead_of]
    return recipient


def _news_for(
    recipient: Recipient,
    by_name: Mapping[str, Recipient],
    heard: Mapping[str, Mapping[int, Told]],
    away: Collection[str],
    alarms: Sequence[AlarmRow],
    now: datetime,
    gather: timedelta,
) -> list[News]:
    first = first_of(recipient, by_name)
    found = [*_news(first, heard[recipient.name], alarms, now, gather)]
    if first is recipient:
        return found
    missed = {one.number: one.at for one in _news(first, heard[first.name], alarms, now, gather)}
    missed = missed if stands_in(recipient, by_name, away) else {}
    over = [one for one in found if one.kind is Kind.OVER]
    rest = [one for one in found if one.kind is not Kind.OVER and one.number in missed]
    return over + [replace(one, at=max(one.at, missed[one.number])) for one in rest]


def _news(
    route: Recipient, heard: Mapping[int, Told], alarms: Sequence[AlarmRow], now: datetime, gather: timedelta
) -> Iterator[News]:
    """Of all alarms that go this way, to somebody who heard this much."""
    for alarm in alarms:
        assert alarm.id is not None
        told = heard.get(alarm.id)
        if alarm.ended_at is not None:
            if told and not told.over_at and not alarm.passing:
                yield News(kind=Kind.OVER, alarm=alarm, at=_after(alarm.ended_at, gather, now))
            elif not told and alarm.passing and route.hears(alarm.bank, alarm.urgency):
                yield News(kind=Kind.NEW, alarm=alarm, at=now)  # nobody could be told while it was so
        elif alarm.taken_by or not route.hears(alarm.bank, alarm.urgency):
            continue
        elif told is None or alarm.urgency.rank > told.urgency.rank:
            at = now if alarm.urgency is Urgency.URGENT else _after(alarm.raised_at, gather, now)
            yield News(kind=Kind.NEW, alarm=alarm, at=at)
        elif route.repeat and not alarm.passing:
            yield News(kind=Kind.STILL, alarm=alarm, at=_after(told.at, route.repeat, now))


def _after(since: datetime, wait: timedelta, now: datetime) -> datetime:
    """Now where the clock was set back since."""
    return now if now < since else since + wait


def _together(news: Sequence[News], now: datetime, early: datetime) -> Iterator[News]:
    """All that is new, and if it is time for a reminder those that would come soon, so that they keep step."""
    reminding = any(one.kind is Kind.STILL and one.at <= now for one in news)
    yield from (one for one in news if one.kind is not Kind.STILL or (reminding and one.at <= early))


def _instead(recipient: Recipient, away: Mapping[str, Failing]) -> str:
    if recipient.instead_of is None or recipient.instead_of not in away:
        return ""
    return f"{recipient.instead_of} cannot be told ({away[recipient.instead_of].text}), so {recipient.name} is."


# How it is written.


def letter(parcel: Parcel, *, gateway: str, host: str, now: datetime, mask: Callable[[str], str]) -> Letter:
    """`gateway`: which it is, as in "h2h production"; `mask` makes accounts unreadable."""
    news = sorted(parcel.news, key=_place)
    listed, rest = news[:LISTED], news[LISTED:]
    head = _headline(news)
    parts = [f"{head}."]
    parts += [parcel.instead] if parcel.instead else []
    parts += _groups(listed, now)
    parts += [_uncounted(rest)] if rest else []
    if any(one.kind is not Kind.OVER and one.alarm.ended_at is None for one in news):
        parts.append("Who looks after one says so with `h2h ack NUMBER`; nobody is reminded of it then.")
    parts.append(f"{gateway} on {host}, {_clock(now)}")
    worst = max((one.alarm.urgency for one in news if one.kind is not Kind.OVER), key=_rank, default=None)
    subject = one_line(mask(f"{gateway}: {head}"), LONGEST_SUBJECT)
    return Letter(subject=subject, body=mask("\n\n".join(parts)) + "\n", urgency=worst)


def trial(name: str, *, gateway: str, host: str, now: datetime) -> Letter:
    """What shows that a recipient can be told."""
    body = f"This is how {name} is told of alarms. Nothing has happened; nothing has to be done.\n\n{gateway} on {host}"
    return Letter(subject=f"{gateway}: a trial", body=f"{body}, {_clock(now)}\n", urgency=Urgency.NOTICE)


def _rank(urgency: Urgency) -> int:
    return urgency.rank


def _place(news: News) -> tuple[int, int, str, str, datetime, int]:
    """What is new and most urgent first; what is over last."""
    alarm = news.alarm
    kind, urgency = [*Kind].index(news.kind), -alarm.urgency.rank
    return kind, urgency, alarm.bank, alarm.word, alarm.raised_at, news.number


def _headline(news: Sequence[News]) -> str:
    """2 urgent, 1 warning at mybank: cut-off near, file uncertain."""
    kind = news[0].kind
    alarms = [one.alarm for one in news if one.kind is kind]
    match kind:
        case Kind.NEW:
            head = _counted(alarms)
        case Kind.STILL:
            head = f"still {_counted(alarms)}"
        case Kind.OVER:
            head = f"{len(alarms)} over"
    banks = _some([alarm.bank or "the gateway" for alarm in alarms])
    return f"{head} at {banks}: {_some([_spoken(alarm.word) for alarm in alarms])}"


def _counted(alarms: Collection[AlarmRow]) -> str:
    counts = [(urgency, sum(alarm.urgency is urgency for alarm in alarms)) for urgency in reversed(Urgency)]
    return ", ".join(f"{n} {urgency if n == 1 else PLURALS[urgency]}" for urgency, n in counts if n)


def _some(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")


def _spoken(word: str) -> str:
    return word.replace("cut_off", "cut-off").replace("_", " ")


def _groups(news: Sequence[News], now: datetime) -> Iterator[str]:
    """By kind, bank and word, in the order of the most urgent of each."""
    order: dict[tuple[Kind, str, str], int] = {}
    for one in news:
        order.setdefault(_group(one), len(order))
    for (kind, bank, word), found in groupby(sorted(news, key=lambda one: order[_group(one)]), key=_group):
        those = list(found)
        total = f"{len(those)} over" if kind is Kind.OVER else _counted([one.alarm for one in those])
        still = "still " if kind is Kind.STILL else ""
        lines = [f"{bank or 'The gateway'}, {_spoken(word)}: {still}{total}"]
        yield "\n".join([*lines, *(line for one in those for line in _lines(one, now))])


def _group(news: News) -> tuple[Kind, str, str]:
    return news.kind, news.alarm.bank, news.alarm.word


def _lines(news: News, now: datetime) -> Iterator[str]:
    alarm = news.alarm
    match news.kind:
        case Kind.NEW:
            when = f"{alarm.urgency}, since {_clock(alarm.raised_at)}"
        case Kind.STILL:
            when = f"{alarm.urgency}, still, for {_span(now - alarm.raised_at)}"
        case Kind.OVER:
            when = f"over, after {_span((alarm.ended_at or now) - alarm.raised_at)}"
    yield f"  {alarm.id}  {when}: {one_line(alarm.text, LONGEST)}"
    if alarm.step and news.kind is not Kind.OVER:
        yield f"      Next: {one_line(alarm.step, LONGEST)}"


def _uncounted(news: Sequence[News]) -> str:
    """The totals of what is not listed."""
    lines = []
    for (kind, bank, word), found in groupby(sorted(news, key=_group), key=_group):
        alarms = [one.alarm for one in found]
        total = f"{len(alarms)} over" if kind is Kind.OVER else _counted(alarms)
        lines.append(f"  {bank or 'The gateway'}, {_spoken(word)}: {total}")
    return "\n".join([f"And {len(news)} more, which `h2h alarms` lists:", *lines])


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(time: timedelta) -> str:
    minutes = max(0, int(time.total_seconds()) // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
