"""What programs are told of: all, in order for each subject, whatever fails. On both databases, over real HTTP."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h2h.clock import Clock
from h2h.config import Webhook
from h2h.credentials import Credentials
from h2h.errors import StoreError
from h2h.ledger import Ledger
from h2h.ledger import webhooks as ledger_webhooks
from h2h.ledger.journal import record
from h2h.masking import masker
from h2h.webhooks import deliverer
from h2h.webhooks.arrears import failing
from h2h.webhooks.deliverer import FEW, Deliverer
from h2h.webhooks.post import Post
from tests.listening import SECRET, Receiver, Request, answers, closes, receiver, takes
from tests.suites.books import NOW, Book, pay, says

ENVIRON = {"HOOK": SECRET}


class TestClock(Clock):
    """Stands until it is moved."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(NOW)
        self.passed = 0.0

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


class Told:
    """One receiver, and what tells it: anew with each `start`, as after a restart."""

    def __init__(self, book: Book, heard: Receiver, **more: Any) -> None:
        self.book, self.receiver, self.clock = book, heard, TestClock()
        values: dict[str, Any] = {"name": "erp", "url": heard.url, "secret": "env:HOOK", "addresses": ["127.0.0.0/8"]}
        self.webhook = Webhook.model_validate({**values, **more})
        self.begin()
        self.start()

    def begin(self) -> None:
        self.book.ledger.webhooks.begin([self.webhook.name], NOW)

    def start(self) -> None:
        ledger = self.book.ledger.webhooks
        self.deliverer = Deliverer(
            self.webhook, ledger, self.clock, RealTime(self.webhook), environment="test", masker=masker
        )

    def rounds(self, seconds: float = 0.0) -> None:
        """As a worker goes round, for so long by the clock."""
        end = self.clock.passed + seconds
        while True:
            rest = self.deliverer.round()
            if self.clock.passed + rest > end:
                self.clock.passed = end
                return
            self.clock.passed += rest


def RealTime(webhook: Webhook) -> Post:  # noqa: N802 reads as what it is
    """Requests take time by the real clock."""
    return Post(webhook, Clock(NOW), Credentials(ENVIRON))


@pytest.fixture
def told(book: Book, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Told]]:
    monkeypatch.setattr(random, "random", lambda: 1.0)
    with receiver() as heard:
        yield lambda behave=takes, **more: Told(book, _behaving(heard, behave), **more)


def _behaving(heard: Receiver, behave: Callable[[Request], None]) -> Receiver:
    heard.behave = behave
    return heard


def refuses(*subjects: str, status: int = 500) -> Callable[[Request], None]:
    return lambda request: request.answer(status if request.heard.said["subject"] in subjects else 200)


def happens(book: Book, subject: str, *kinds: str, **data: Any) -> None:
    for kind in kinds:
        with book.ledger._database.transaction() as connection:
            record(connection, at=NOW, subject=subject, kind=kind, actor="gateway", data=data)


def waiting(book: Book) -> list[tuple[str, bool]]:
    progress = book.ledger.webhooks.progress("erp", NOW)
    assert progress is not None
    return [(one.subject, one.since is not None) for one in progress.waiting]


def test_a_webhook_is_told_of_what_happens_after_it_was_set_up(book: Book, told: Callable[..., Told]) -> None:
    book.received("T0")
    erp = told()
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT"))
    erp.begin()  # at the next start
    erp.rounds()
    assert erp.receiver.told("T0") == []
    assert erp.receiver.told("T1") == book.kinds("T1")
    assert erp.receiver.told("M1") == ["KEPT", "APPLIED"]
    assert {heard.said["bank"] for heard in erp.receiver.taken} == {"acme"}
    assert waiting(book) == []
    erp.rounds(100)
    assert len(erp.receiver.asked) == len(erp.receiver.taken)


def test_it_hears_the_banks_and_kinds_of_events_that_it_asked_for(book: Book, told: Callable[..., Told]) -> None:
    erp = told(banks=["acme"], events=["verdict", "alarm", "cut-off", "gap"])
    book.sent("T1", "MSG-1", pay("A"))
    book.received("T2", bank="other")
    book.report(says("MSG-1", "RJCT"))
    for subject in ("bank acme", "bank other", "gateway"):
        happens(book, subject, "alarm", "cut-off", "bank unreachable")
    happens(book, "account DE02120300000000202051", "gap", bank="acme", account="DE02120300000000202051")
    happens(book, "account 123456789", "gap", bank="other", account="123456789")
    erp.rounds()
    assert erp.receiver.told() == [
        "T1 verdict REJECTED",
        "bank acme alarm",
        "bank acme cut-off",
        "account DE02…2051 gap",
    ]


def test_that_somebody_was_told_is_not_told(book: Book, told: Callable[..., Told]) -> None:
    erp = told()
    happens(book, "T1", "status told")
    happens(book, "gateway", "alarms told", "alarm")
    erp.rounds()
    assert erp.receiver.told() == ["gateway alarm"]


def test_what_fails_holds_back_its_own_subject_alone_and_comes_again(book: Book, told: Callable[..., Told]) -> None:
    erp = told(refuses("T1"))
    for kind in ("one", "two", "three"):
        happens(book, "T1", kind)
        happens(book, "T2", kind)
    erp.rounds()
    assert erp.receiver.told() == ["T2 one", "T2 two", "T2 three"]
    assert waiting(book) == [("T1", True), ("T1", False), ("T1", False)]
    happens(book, "T1", "four")
    erp.rounds()
    erp.receiver.behave = takes
    erp.rounds()
    assert erp.receiver.told("T1") == []  # not yet
    erp.rounds(2)
    assert erp.receiver.told("T1") == ["one", "two", "three", "four"]
    assert waiting(book) == []


def test_the_same_event_is_the_same_bytes_and_id_however_often_it_is_told(
    book: Book, told: Callable[..., Told]
) -> None:
    erp = told(answers(500))
    happens(book, "T1", "one", text="Grüße", n=1)
    erp.rounds(20)
    erp.start()
    erp.rounds(20)
    assert len(erp.receiver.asked) > 4
    assert len({heard.body for heard in erp.receiver.asked}) == 1
    assert len({heard.headers["H2H-Event-Id"] for heard in erp.receiver.asked}) == 1
    assert len({heard.headers["H2H-Timestamp"] for heard in erp.receiver.asked}) >= 1


@pytest.mark.parametrize("behave", [answers(500), closes], ids=["answers 500", "closes"])
def test_a_receiver_that_is_away_is_asked_less_and_less_and_gets_all_when_it_is_back(
    book: Book, told: Callable[..., Told], behave: Callable[[Request], None]
) -> None:
    erp = told(behave)
    for number in range(30):
        happens(book, f"T{number}", "one", "two")
    erp.rounds(1800)
    assert FEW <= len(erp.receiver.asked) <= 20
    assert sum(failed for _, failed in waiting(book)) <= 20
    erp.receiver.behave = takes
    erp.rounds(3600)
    assert sorted(erp.receiver.told()) == sorted(f"T{n} {kind}" for n in range(30) for kind in ("one", "two"))
    for number in range(30):
        assert erp.receiver.told(f"T{number}") == ["one", "two"]


def test_one_that_is_back_gets_what_waits_with_the_first_that_it_takes(book: Book, told: Callable[..., Told]) -> None:
    erp = told(answers(500))
    happens(book, "T1", "one", "two")
    erp.rounds(100)  # tried at 63 s, and due again at 127 s
    erp.receiver.behave = takes
    happens(book, "T2", "one")
    erp.rounds()
    assert erp.receiver.told() == ["T2 one", "T1 one", "T1 two"]


def test_what_was_taken_is_not_told_again_after_a_restart_and_what_was_not_is(
    book: Book, told: Callable[..., Told]
) -> None:
    erp = told(refuses("T1"))
    happens(book, "T1", "one")
    happens(book, "T2", "one")
    happens(book, "T1", "two")
    erp.rounds()
    erp.receiver.behave = takes
    happens(book, "T2", "two")
    erp.start()
    erp.rounds()  # at once, as whoever starts it wants to try now
    assert erp.receiver.told("T1") == ["one", "two"]
    assert erp.receiver.told("T2") == ["one", "two"]


@pytest.mark.parametrize("verb", ["taken", "failed", "held", "passed"])
def test_a_crash_before_it_was_noted_tells_it_again_and_leaves_nothing_out(
    book: Book, told: Callable[..., Told], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashes(*_: object, **__: object) -> None:
        raise StoreError("The power is off.")

    erp = told(refuses("T1"))
    for subject in ("T1", "T2", "T1"):
        happens(book, subject, "one")
    happens(book, "T2", "status told")
    with monkeypatch.context() as patch:
        patch.setattr(book.ledger.webhooks, verb, crashes)
        with pytest.raises(StoreError):
            erp.rounds()
    erp.receiver.behave = takes
    erp.start()
    erp.rounds()
    numbers = [heard.said["id"].split("-")[0] for heard in erp.receiver.taken]
    assert sorted(set(numbers)) == ["1", "2", "3"]
    assert len(numbers) == (4 if verb == "taken" else 3)
    assert numbers.index("1") < numbers.index("3")


def test_what_happens_between_commit_and_telling_is_lost_by_no_crash(
    book: Book, url: str, told: Callable[..., Told]
) -> None:
    erp = told()
    book.sent("T1", "MSG-1", pay("A"))  # the gateway dies here
    book.ledger.close()
    ledger = Ledger(url, Path("/nowhere"))
    erp.book = Book(ledger)
    erp.begin()
    erp.start()
    erp.rounds()
    assert erp.receiver.told("T1") == erp.book.kinds("T1")
    ledger.close()


def test_one_that_wants_no_more_is_told_no_more_until_the_next_start(book: Book, told: Callable[..., Told]) -> None:
    erp = told(answers(410))
    happens(book, "T1", "one", "two")
    happens(book, "T2", "one")
    erp.rounds(7200)
    assert len(erp.receiver.asked) == 1
    [arrears] = failing([erp.webhook], book.ledger.webhooks, NOW)
    assert (arrears.stopped, arrears.waiting, arrears.text) == (
        True, 3, "answered 410: it wants to be told nothing more",
    )  # fmt: skip
    erp.receiver.behave = takes
    book.ledger.webhooks.resume(["other"])
    erp.start()
    erp.rounds()
    assert erp.receiver.taken == []
    book.ledger.webhooks.resume(["erp"])
    erp.rounds()
    assert erp.receiver.told() == ["T2 one", "T1 one", "T1 two"]


def test_a_receiver_that_asks_for_time_gets_it(book: Book, told: Callable[..., Told]) -> None:
    erp = told(answers(503, retry_after="600"))
    happens(book, "T1", "one")
    happens(book, "T2", "one")
    erp.rounds(599)
    assert len(erp.receiver.asked) == 1
    erp.receiver.behave = takes
    erp.rounds(2)
    assert sorted(erp.receiver.told()) == ["T1 one", "T2 one"]


def test_an_event_that_alone_is_never_taken_is_given_up_and_those_behind_it_go_on(
    book: Book, told: Callable[..., Told]
) -> None:
    erp = told(lambda request: request.answer(400 if request.heard.said["kind"] == "bad" else 200), give_up_after="3h")
    happens(book, "T0", "good")
    erp.rounds(60)
    happens(book, "T1", "bad", "good")
    erp.rounds(6 * 3600)
    assert erp.receiver.told() == ["T0 good"]  # nothing else was taken since: perhaps it is the receiver
    happens(book, "T2", "good")
    erp.rounds(2 * 3600)
    assert erp.receiver.told() == ["T0 good", "T2 good", "T1 good"]
    [arrears] = failing([erp.webhook], book.ledger.webhooks, erp.clock.now())
    assert (arrears.given_up, arrears.waiting, arrears.since) == (1, 0, None)
    asked = len(erp.receiver.asked)
    erp.rounds(6 * 3600)
    assert len(erp.receiver.asked) == asked
    assert failing([erp.webhook], book.ledger.webhooks, NOW + timedelta(days=30)) == []


def test_pages_of_the_journal_leave_nothing_out(
    book: Book, told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (ledger_webhooks, deliverer):
        monkeypatch.setattr(module, "PAGE", 3)
    erp = told(events=["verdict"])
    for number in range(5):
        happens(book, "T1", "noise", f"verdict {number}", "noise")
    erp.rounds()
    assert erp.receiver.told("T1") == [f"verdict {n}" for n in range(5)]


@settings(
    max_examples=100 if os.environ.get("H2H_LONG") else 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(["T1", "T2", "T3", "fail", "mend", "restart", "time"]), max_size=25), st.data())
def test_whatever_fails_and_restarts_each_subject_is_told_all_in_order_and_once(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[str], data: st.DataObject
) -> None:
    import shutil

    folder = tmp_path_factory.mktemp("story")
    shutil.copy(sqlite_template, folder / "h2h.db")
    ledger = Ledger(f"sqlite:///{folder / 'h2h.db'}", folder)
    try:
        with receiver() as heard:
            erp = Told(Book(ledger), heard)
            happened: dict[str, list[str]] = {}
            for number, step in enumerate(steps):
                if step.startswith("T"):
                    happens(erp.book, step, str(number))
                    happened.setdefault(step, []).append(str(number))
                elif step == "fail":
                    bad = data.draw(st.sets(st.sampled_from(["T1", "T2", "T3"])))
                    heard.behave = refuses(*bad)
                elif step == "mend":
                    heard.behave = takes
                elif step == "restart":
                    erp.start()
                erp.rounds(3.0 if step == "time" else 0.0)
            heard.behave = takes
            erp.rounds(3 * 3600)
            assert {subject: heard.told(subject) for subject in happened} == happened
            assert len(heard.taken) == sum(map(len, happened.values()))
    finally:
        ledger.close()


def test_nothing_that_was_told_is_kept(book: Book, told: Callable[..., Told]) -> None:
    erp = told()
    for number in range(20):
        happens(book, f"T{number}", "one")
    erp.rounds()
    with book.ledger._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM webhook_waiting").scalar() == 0
        assert connection.exec_driver_sql("SELECT seq FROM webhook").scalar() == book.ledger.journal.last().seq
