"""Numbers in names at the bank: each is used once, by one file, and none is left out, on both databases."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from h2h.errors import NotAllowed
from h2h.ledger.leases import Book as Names
from h2h.ledger.leases import Nameless, Planned
from h2h.ledger.rows import Transfer
from h2h.ledger.sequences import Counter
from h2h.lifecycle import Actor, State, Trigger
from h2h.verdicts import Verdict
from tests import alone
from tests.crash.test_schedules import Day
from tests.flows.world import World, transfers
from tests.suites.books import LATER, LEASE, NOW, ROUTE, Book

pytestmark = pytest.mark.every_database
DAYS = 300 if os.environ.get("H2H_LONG") else 4
RUN, TODAY = Counter("/in"), Counter("/in", "2026-11-20")


def numbered(row: Transfer, number: int, names: Names) -> Planned:
    """Names of numbers alone, so that they are used up, and handed on, with them."""
    running, today = names.number(RUN), names.number(TODAY)
    path = f"/in/PAY_20261120_{today:03}_{running:05}.xml"
    path = path if not names.taken_for_good(path) else path.replace(".xml", "-2.xml")
    return Planned(temporary=f"/in/.{row.id}-{number}.part", remote=path, numbers={RUN: running, TODAY: today})


def lease(book: Book, row: Transfer) -> Transfer | None:
    return alone.lease(book.transfers, row, "node/1", numbered, ROUTE, NOW, LEASE)


def number(row: Transfer | None) -> str:
    assert row
    assert row.remote
    return row.remote.removeprefix("/in/PAY_20261120_").removesuffix(".xml")


def failed(book: Book, row: Transfer) -> Transfer:
    given = {"step": "stage", "outcome": "NOT_DELIVERED", "text": "no", "failures": 1, "due_at": LATER}
    return book.transfers.not_delivered(row, **given, now=NOW)  # type: ignore[arg-type]


def ready(book: Book, name: str) -> Transfer:
    return book.ready(name, f"MSG-{name}")


def published(book: Book, name: str) -> Transfer:
    leased = lease(book, ready(book, name))
    assert leased
    return alone.publishing(book.transfers, leased, NOW)


def sent(book: Book, name: str) -> Transfer:
    return book.transfers.sent(published(book, name), {"answer": "OK"}, NOW)


def test_a_number_that_was_planned_and_not_used_goes_to_the_next_file_with_its_name(book: Book) -> None:
    first = lease(book, ready(book, "T1"))
    assert number(first) == "001_00001"
    assert first
    waits = failed(book, first)
    second = lease(book, ready(book, "T2"))
    assert number(second) == "001_00001"
    assert second
    book.transfers.sent(alone.publishing(book.transfers, second, NOW), {}, NOW)
    assert number(lease(book, waits)) == "002_00002"


def test_files_of_one_series_go_one_after_the_other(book: Book) -> None:
    first, second = lease(book, ready(book, "T1")), ready(book, "T2")
    assert lease(book, second) is None
    waits = book.transfers.get("T2")
    assert (waits.state, waits.due_at) == (State.READY, NOW + LEASE)
    assert waits.reason
    assert waits.reason.startswith("T1 is on its way")
    assert first
    under_way = alone.publishing(book.transfers, first, NOW)
    assert lease(book, waits) is None
    book.transfers.in_doubt(under_way, "gone", {}, NOW)
    assert number(lease(book, book.transfers.get("T2"))) == "002_00002"


def test_a_file_in_doubt_keeps_its_number_and_goes_again_under_it(book: Book) -> None:
    book.transfers.in_doubt(published(book, "T1"), "gone", {}, NOW)
    sent(book, "T2")
    again = lease(book, book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON))
    assert number(again) == "001_00001"
    assert again
    again = lease(book, book.transfers.take_back(again, NOW + 2 * LEASE))
    assert number(again) == "001_00001"
    assert again
    book.transfers.sent(alone.publishing(book.transfers, again, NOW), {}, NOW)
    assert number(lease(book, ready(book, "T3"))) == "003_00003"


def test_nobody_gets_the_number_of_a_file_in_doubt_that_is_withdrawn_later(book: Book) -> None:
    book.transfers.in_doubt(published(book, "T1"), "gone", {}, NOW)
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    book.decide("T1", Trigger.CANCEL)
    assert number(lease(book, ready(book, "T2"))) == "002_00002"
    assert [one.unsettled for one in book.ledger.sequences.counted()] == [[1], [1]]


def test_a_number_is_told_whose_file_was_brought_to_the_bank_by_hand(book: Book) -> None:
    """Under another name: the bank still misses the number."""
    book.transfers.in_doubt(published(book, "T1"), "gone", {}, NOW)
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    book.ledger.people.sent_by_hand("T1", who="ann", how="portal", reason="urgent", now=NOW)
    assert [one.unsettled for one in book.ledger.sequences.counted()] == [[1], [1]]


def test_a_file_that_the_bank_refused_gets_a_new_number(book: Book) -> None:
    row = sent(book, "T1")
    assert number(row) == "001_00001"
    told = {"who": "ann", "how": "telephone", "reason": "she said so"}
    book.ledger.people.confirmed("T1", Verdict.REJECTED, **told, now=NOW)
    again = book.ledger.people.resend("T1", who="bob", reason="asked", now=NOW)
    assert number(lease(book, again)) == "002_00002"


def test_a_number_under_which_the_bank_has_somebody_elses_file_is_used_up(book: Book) -> None:
    leased = lease(book, ready(book, "T1"))
    assert leased
    held = book.transfers.stop_staging(leased, Trigger.CLASH, "there already", NOW)
    assert number(lease(book, book.decide(held.id, Trigger.RELEASE))) == "002_00002"


def test_a_file_for_which_there_is_no_name_is_held(book: Book) -> None:
    row = ready(book, "T1")
    leased = alone.lease(book.transfers, row, "node/1", lambda *_: Nameless(reason="used up"), ROUTE, NOW, LEASE)
    assert leased is None
    held = book.transfers.get("T1")
    assert (held.state, held.reason, held.due_at, held.attempts) == (State.HELD, "used up", None, 0)


def test_numbers_can_be_set_beyond_and_never_back(book: Book) -> None:
    who = {"who": "ann", "reason": "the old program", "now": NOW}
    assert book.ledger.sequences.go_beyond("acme", RUN, 122, **who)
    assert not book.ledger.sequences.go_beyond("acme", RUN, 122, **who)
    assert not book.ledger.sequences.go_beyond("acme", RUN, 7, **who)
    assert number(sent(book, "T1")) == "001_00123"
    assert book.ledger.sequences.last("acme", "/in") == {"": 123, "2026-11-20": 1}
    leased = lease(book, ready(book, "T2"))
    with pytest.raises(NotAllowed, match="T2 is being uploaded"):
        book.ledger.sequences.go_beyond("acme", RUN, 200, **who)
    assert number(leased) == "002_00124"
    [event] = [one for one in book.ledger.journal.of("bank acme") if one.kind == "numbers begin beyond"]
    assert (event.actor, event.data["was"], event.data["last"]) == ("ann", 0, 122)


def test_a_number_of_another_day_is_not_kept(book: Book) -> None:
    """The next day's names hold that day's date."""

    def tomorrow(row: Transfer, number: int, names: Names) -> Planned:
        day = names.number(Counter("/in", "2026-11-21"))
        path = f"/in/PAY_20261121_{day:03}_{names.number(RUN):05}.xml"
        numbers = {RUN: names.number(RUN), Counter("/in", "2026-11-21"): day}
        return Planned(temporary=f"/in/.{row.id}-{number}.part", remote=path, numbers=numbers)

    sent(book, "T0")
    book.transfers.in_doubt(published(book, "T1"), "gone", {}, NOW)
    row = book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    leased = alone.lease(book.transfers, row, "node/1", tomorrow, ROUTE, NOW, LEASE)
    assert leased
    assert leased.remote == "/in/PAY_20261121_001_00002.xml"
    assert book.ledger.sequences.days(leased) == {"2026-11-21"}
    book.transfers.sent(alone.publishing(book.transfers, leased, NOW), {"answer": "OK"}, NOW)
    told = [(one.counter.day, one.last, one.unsettled) for one in book.ledger.sequences.counted()]
    assert told == [("", 2, []), ("2026-11-20", 2, [2]), ("2026-11-21", 1, [])]


# Random days.


class NumberedDay(Day):
    """Files go under numbers of the day, and under one that runs on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, seed: int, url: str) -> None:
        self._url = url
        super().__init__(folder, patch, seed)

    def _world(self, folder: Path) -> World:
        erp = super()._world(folder)
        erp.ledger = self._url
        erp.outbound |= {"name": '"P{date:%Y%m%d}_{sequence_day:03}_{sequence:05}.xml"', "unique": '"refuse"'}
        return erp

    def check(self) -> None:
        super().check()
        for name, contents in self.bank.names.items():
            assert len(contents) == 1, f"several files under {name}"
        with self._gateway() as gateway:
            used: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
            for transfer in transfers(gateway):
                for day, one, running in self._names_of(gateway.ledger.journal.of(transfer.id)):
                    used[day][one].add(transfer.id)
                    used[""][running].add(transfer.id)
        for day, numbers in used.items():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"a hole on {day}"
            assert all(len(files) == 1 for files in numbers.values()), f"two files on {day}"

    @staticmethod
    def _names_of(events: list[object]) -> Iterator[tuple[str, int, int]]:
        """Those under which the file was published, or met somebody else's."""
        planned = ""
        for event in events:
            planned = event.data.get("remote", planned)  # type: ignore[attr-defined]
            clash = event.kind == "HELD" and "is there at the bank already" in str(event.data.get("reason"))  # type: ignore[attr-defined]
            if event.kind == "PUBLISHING" or clash:  # type: ignore[attr-defined]
                found = re.search(r"/P(\d{8})_(\d{3})_(\d{5})\.xml", planned)
                assert found, planned
                yield found[1], int(found[2]), int(found[3])


@pytest.mark.parametrize("seed", range(1, DAYS + 1))
def test_whatever_a_day_brings_numbers_have_no_hole_and_no_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, seed: int
) -> None:
    day = NumberedDay(tmp_path / "day", monkeypatch, seed, url)
    day.play()
    day.check()
