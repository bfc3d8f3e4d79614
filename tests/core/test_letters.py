"""What is due to whom, as a function of what stands, what was told, and the time; and the letter as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.alarms import Urgency
from h2h.alerting.letters import Due, Failing, Kind, Letter, Parcel, due, letter, trial
from h2h.config import Recipient
from h2h.ledger.alarms import AlarmRow
from h2h.ledger.tellings import Told
from h2h.masking import masker
from tests.changing import replace

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
URGENT, WARNING, NOTICE = Urgency.URGENT, Urgency.WARNING, Urgency.NOTICE


def who(name: str = "treasury", **settings: object) -> Recipient:
    return Recipient.model_validate({"name": name, "to": f"env:{name}", **settings})


TREASURY, PAGER, LAST = who(), who("pager", instead_of="treasury"), who("last", instead_of="pager")


def alarm(
    number: int = 1,
    urgency: Urgency = URGENT,
    *,
    ago: timedelta = timedelta(0),
    word: str = "held",
    bank: str = "box",
    ended: timedelta | None = None,
    **more: object,
) -> AlarmRow:
    row = AlarmRow(
        id=number,
        word=word,
        bank=bank,
        subject=f"T{number}",
        file="",
        urgency=urgency,
        text=f"File {number} waits.",
        step=f"Release {number}.",
        passing=False,
        raised_at=NOW - ago,
        ended_at=None if ended is None else NOW - ended,
    )
    return replace(row, **more)


def told(number: int = 1, name: str = "treasury", ago: timedelta = HOUR, urgency: Urgency = URGENT) -> Told:
    return Told(alarm_id=number, recipient=name, urgency=urgency, at=NOW - ago, times=1)


def fails(seconds: int = 30) -> Failing:
    return Failing(since=NOW, until=NOW + timedelta(seconds=seconds), text="Connection refused")


def news(
    alarms: Sequence[AlarmRow],
    heard: Sequence[Told] = (),
    recipients: Sequence[Recipient] = (TREASURY,),
    failing: dict[str, Failing] | None = None,
) -> dict[str, list[tuple[str, int]]]:
    """For each recipient with a letter, what stands in it."""
    found = due(alarms, heard, recipients, failing or {}, NOW)
    return {p.recipient.name: [(one.kind.value, one.number) for one in p.news] for p in found.parcels}


def waits(alarms: Sequence[AlarmRow], heard: Sequence[Told] = (), recipient: Recipient = TREASURY) -> timedelta | None:
    """How long until the next letter, where there is none now."""
    found = due(alarms, heard, [recipient], {}, NOW)
    assert found.parcels == ()
    return found.next_at - NOW if found.next_at else None


# When.


def test_what_is_urgent_is_told_at_once_and_takes_along_what_waits() -> None:
    assert news([alarm(1, URGENT), alarm(2, WARNING)]) == {"treasury": [("new", 1), ("new", 2)]}


def test_the_rest_is_gathered_for_a_minute_from_the_first_on() -> None:
    assert waits([alarm(1, WARNING, ago=timedelta(seconds=45)), alarm(2, WARNING)]) == timedelta(seconds=15)
    assert news([alarm(1, WARNING, ago=MINUTE), alarm(2, WARNING)]) == {"treasury": [("new", 1), ("new", 2)]}


def test_the_same_is_told_again_after_its_time_and_as_often() -> None:
    assert waits([alarm(ago=HOUR)], [told(ago=timedelta(minutes=59))]) == MINUTE
    assert news([alarm(ago=HOUR)], [told(ago=HOUR)]) == {"treasury": [("still", 1)]}


def test_reminders_keep_step() -> None:
    alarms = [alarm(number, ago=2 * HOUR) for number in (1, 2, 3)]
    heard = [told(1, ago=HOUR), told(2, ago=31 * MINUTE), told(3, ago=29 * MINUTE)]
    assert news(alarms, heard) == {"treasury": [("still", 1), ("still", 2)]}


def test_told_once_where_nothing_is_repeated() -> None:
    assert waits([alarm(ago=HOUR)], [told(ago=100 * HOUR)], who(repeat="0s")) is None


def test_what_somebody_took_is_told_no_more() -> None:
    taken = alarm(ago=HOUR, taken_by="ek")
    assert waits([taken], [told(ago=2 * HOUR)]) is None
    assert waits([taken]) is None


def test_what_became_more_urgent_is_new_and_what_became_less_is_not() -> None:
    assert news([alarm(1, URGENT, ago=HOUR)], [told(ago=MINUTE, urgency=WARNING)]) == {"treasury": [("new", 1)]}
    assert waits([alarm(1, WARNING, ago=HOUR)], [told(ago=MINUTE)]) == 59 * MINUTE


def test_its_end_is_told_once_to_whoever_heard_of_it() -> None:
    over = alarm(ago=HOUR, ended=MINUTE)
    assert news([over], [told()], [TREASURY, who("other")]) == {"treasury": [("over", 1)]}
    assert waits([over]) is None
    assert waits([over], [replace(told(), over_at=NOW)]) is None
    assert waits([alarm(ago=HOUR, ended=timedelta(0))], [told()]) == MINUTE


def test_of_what_passes_by_itself_there_is_neither_reminder_nor_end() -> None:
    passing = alarm(ago=HOUR, passing=True)
    assert news([passing]) == {"treasury": [("new", 1)]}
    assert waits([passing], [told(ago=2 * HOUR)]) is None
    assert waits([replace(passing, ended_at=NOW)], [told()]) is None


def test_what_passed_while_nobody_could_be_told_is_told_all_the_same() -> None:
    assert news([alarm(ago=HOUR, passing=True, ended=MINUTE)]) == {"treasury": [("new", 1)]}


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    ahead = timedelta(hours=-5)
    assert news([alarm(1, WARNING, ago=ahead)]) == {"treasury": [("new", 1)]}
    assert news([alarm(ago=ahead)], [told(ago=ahead)]) == {"treasury": [("still", 1)]}
    back = Failing(since=NOW + HOUR, until=NOW + 2 * HOUR, text="")
    assert news([alarm()], failing={"treasury": back}) == {"treasury": [("new", 1)]}


# Who.


@pytest.mark.parametrize(
    ("settings", "hears"),
    [
        ({}, [1, 2, 4, 5]),
        ({"least": "notice"}, [1, 2, 3, 4, 5]),
        ({"least": "urgent"}, [1, 4, 5]),
        ({"banks": ["box"]}, [1, 2]),
        ({"banks": ["other", "box"], "least": "urgent"}, [1, 4]),
    ],
)
def test_each_hears_of_its_banks_from_its_urgency_on(settings: dict[str, object], hears: list[int]) -> None:
    alarms = [alarm(1), alarm(2, WARNING), alarm(3, NOTICE), alarm(4, bank="other"), alarm(5, bank="")]
    assert news(alarms, recipients=[who(**settings)]) == {"treasury": [("new", number) for number in hears]}


def test_a_fall_back_is_told_while_those_before_it_fail() -> None:
    all_three = [TREASURY, PAGER, LAST]
    assert news([alarm()], recipients=all_three) == {"treasury": [("new", 1)]}
    assert news([alarm()], [], all_three, {"treasury": fails()}) == {"pager": [("new", 1)]}
    assert news([alarm()], [], all_three, {"treasury": fails(), "pager": fails()}) == {"last": [("new", 1)]}
    assert news([alarm()], [], all_three, {"pager": fails()}) == {"treasury": [("new", 1)]}
    assert news([alarm()], [], all_three, {name: fails() for name in ("treasury", "pager", "last")}) == {}


def test_a_fall_back_hears_what_the_other_would_have_and_reminds_as_it_would() -> None:
    first, pair = who(least="urgent", repeat="2h"), [who(least="urgent", repeat="2h"), PAGER]
    assert news([alarm(1), alarm(2, WARNING, ago=HOUR)], [], pair, {"treasury": fails()}) == {"pager": [("new", 1)]}
    heard = [told(1, "pager", ago=2 * HOUR)]
    assert news([alarm(ago=3 * HOUR)], heard, pair, {"treasury": fails()}) == {"pager": [("still", 1)]}
    assert news([alarm(ago=3 * HOUR)], [*heard, told(1, ago=HOUR)], pair, {"treasury": fails()}) == {}
    assert first.repeat == timedelta(hours=2)


def test_a_fall_back_that_heard_of_it_hears_of_its_end_though_the_other_is_well_again() -> None:
    over = [alarm(ago=HOUR, ended=MINUTE)]
    assert news(over, [told(1, "pager")], [TREASURY, PAGER]) == {"pager": [("over", 1)]}


def test_the_fall_back_stops_reminding_when_the_other_is_well_again() -> None:
    heard = [told(1, "pager", ago=9 * HOUR), told(1, ago=MINUTE)]
    assert news([alarm(ago=10 * HOUR)], heard, [TREASURY, PAGER]) == {}


def test_one_that_failed_is_tried_again_when_its_time_is_over() -> None:
    found = due([alarm()], [], [TREASURY], {"treasury": fails(30)}, NOW)
    assert found == Due(parcels=(), next_at=NOW + timedelta(seconds=30))
    assert news([alarm()], failing={"treasury": fails(0)}) == {"treasury": [("new", 1)]}


@given(st.data())
def test_whatever_is_told_is_due_no_more(data: st.DataObject) -> None:
    """What is written and noted as told leaves nothing to write at the same moment, for whoever does not fail."""
    urgencies, times = st.sampled_from(Urgency), st.integers(-3, 300).map(lambda minutes: minutes * MINUTE)
    alarms = [
        alarm(n, data.draw(urgencies), ago=data.draw(times), ended=data.draw(st.none() | times), passing=n % 3 == 0)
        for n in range(1, 8)
    ]
    recipients = [TREASURY, PAGER, LAST, who("box", banks=["box"], least="notice", repeat="0s")]
    failing = {name: fails() for name in data.draw(st.sets(st.sampled_from([r.name for r in recipients])))}
    heard = [
        told(n, r.name, data.draw(times), data.draw(urgencies))
        for n in range(1, 8)
        for r in recipients
        if data.draw(st.booleans())
    ]
    found = due(alarms, heard, recipients, failing, NOW)
    assert not {parcel.recipient.name for parcel in found.parcels} & failing.keys()
    known = {(one.recipient, one.alarm_id): one for one in heard}
    for parcel in found.parcels:
        for one in parcel.news:
            key = parcel.recipient.name, one.number
            if one.kind is Kind.OVER:
                known[key] = replace(known[key], over_at=NOW)
            else:
                known[key] = told(one.number, parcel.recipient.name, timedelta(0), one.alarm.urgency)
    assert due(alarms, [*known.values()], recipients, failing, NOW).parcels == ()


# How it is written.


def written(alarms: Iterable[AlarmRow], heard: Sequence[Told] = (), **more: str) -> Letter:
    [parcel] = due([*alarms], heard, [TREASURY], {}, NOW).parcels
    return in_words(replace(parcel, **more))


def in_words(parcel: Parcel) -> Letter:
    return letter(parcel, gateway="h2h production", host="gw1", now=NOW, mask=masker(["4711"]))


def test_a_letter_as_it_is_read() -> None:
    alarms = [
        alarm(7, WARNING, word="no_answer", ago=HOUR, text="No answer on T7."),
        alarm(3, word="cut_off_near", step=""),
        alarm(4, word="file_uncertain", text="File a\nb of account 4711 and DE89370400440532013000 waits."),
        alarm(5, word="cut_off_near"),
        alarm(1, bank="", word="room", ago=5 * HOUR),
        alarm(2, WARNING, ago=30 * HOUR, ended=28 * HOUR),
    ]
    found = written(alarms, [told(1, ago=2 * HOUR), told(2)])
    assert found.urgency is URGENT
    assert found.subject == ("h2h production: 3 urgent, 1 warning at box: cut-off near, file uncertain, no answer")
    assert (
        found.body
        == """\
3 urgent, 1 warning at box: cut-off near, file uncertain, no answer.

box, cut-off near: 2 urgent
  3  urgent, since 2026-11-20 10:00 UTC: File 3 waits.
  5  urgent, since 2026-11-20 10:00 UTC: File 5 waits.
      Next: Release 5.

box, file uncertain: 1 urgent
  4  urgent, since 2026-11-20 10:00 UTC: File a\\nb of account …1 and DE89…3000 waits.
      Next: Release 4.

box, no answer: 1 warning
  7  warning, since 2026-11-20 09:00 UTC: No answer on T7.
      Next: Release 7.

The gateway, room: still 1 urgent
  1  urgent, still, for 5 h: File 1 waits.
      Next: Release 1.

box, held: 1 over
  2  over, after 2 h: File 2 waits.

Who looks after one says so with `h2h ack NUMBER`; nobody is reminded of it then.

h2h production on gw1, 2026-11-20 10:00 UTC
"""
    )


@pytest.mark.parametrize(
    ("alarms", "heard", "subject"),
    [
        ([alarm(bank="", word="room")], [], "1 urgent at the gateway: room"),
        ([alarm(ago=3 * HOUR)], [told()], "still 1 urgent at box: held"),
        ([alarm(ago=3 * HOUR, ended=HOUR)], [told()], "1 over at box: held"),
        (
            [alarm(n, bank=f"bank{n}", word=f"word{n}") for n in range(1, 6)],
            [],
            "5 urgent at bank1, bank2, bank3 and 2 more: word1, word2, word3 and 2 more",
        ),
        ([alarm(1, NOTICE), alarm(2, WARNING), alarm(3)], [], "1 urgent, 1 warning at box: held"),
    ],
)
def test_subjects(alarms: list[AlarmRow], heard: list[Told], subject: str) -> None:
    assert written(alarms, heard).subject == f"h2h production: {subject}"


def test_a_burst_is_one_letter_with_the_most_urgent_and_totals_of_the_rest() -> None:
    alarms = [alarm(n, WARNING, word="late") for n in range(1, 150)] + [alarm(n) for n in range(150, 201)]
    found = written(alarms)
    numbers = [line.split()[0] for line in found.body.splitlines() if "since" in line]
    assert numbers == [str(n) for n in range(150, 170)]
    assert found.subject == "h2h production: 51 urgent, 149 warnings at box: held, late"
    assert "And 180 more, which `h2h alarms` lists:\n  box, held: 31 urgent\n  box, late: 149 warnings\n" in found.body


def test_the_first_line_of_a_letter_to_a_fall_back_says_why_it_comes() -> None:
    [parcel] = due([alarm()], [], [TREASURY, PAGER], {"treasury": fails()}, NOW).parcels
    assert "\n\ntreasury cannot be told (Connection refused), so pager is.\n\n" in in_words(parcel).body


def test_a_letter_that_only_tells_of_ends_is_not_urgent_and_asks_nobody_to_do_anything() -> None:
    found = written([alarm(ago=3 * HOUR, ended=HOUR)], [told()])
    assert found.urgency is None
    assert "h2h ack" not in found.body
    assert "Next:" not in found.body


def test_long_texts_are_cut_and_a_subject_is_one_line() -> None:
    found = written([alarm(text="x" * 10_000, step="y" * 10_000, word="w\r\nBcc: x" + "v" * 500)])
    assert len(found.body) < 3_000
    assert len(found.subject) <= 150
    assert found.subject.isprintable()


def test_a_trial_says_that_nothing_has_happened() -> None:
    found = trial("treasury", gateway="h2h test", host="gw1", now=NOW)
    assert (found.subject, found.urgency) == ("h2h test: a trial", NOTICE)
    assert "Nothing has happened" in found.body
