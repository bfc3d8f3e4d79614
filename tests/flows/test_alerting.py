"""Alarms come to real servers, each once, again until somebody takes them, and by another way where one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from h2h.alarms import Alarm, Urgency
from h2h.alerting.post import Post
from h2h.alerting.teller import Teller
from h2h.credentials import Credentials
from h2h.daemon import Daemon
from h2h.errors import StoreError
from h2h.gateway import Gateway
from h2h.ledger.tellings import Tellings
from h2h.trouble import noted
from tests.suites.receivers import Came, MailServer, WebServer

from .world import MovableClock, World, until

NOW = "2026-11-20T10:00:00+00:00"
IBAN = "DE89370400440532013000"
NO_ROOM = {"min_free": str(10**18)}  # what the lookout finds urgent at once


class Story:
    """A gateway that tells the servers of a test; nothing else of it runs."""

    def __init__(self, gateway: Gateway, clock: MovableClock, environ: dict[str, str]) -> None:
        self.gateway, self.clock, self.environ = gateway, clock, environ
        self.troubles: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        self.teller = Teller(
            self.gateway.settings,
            self.gateway.ledger,
            self.clock,
            Post(credentials=Credentials(self.environ)),
            told=self._told,
        )

    def _told(self, where: str, text: str | None) -> None:
        self.troubles.pop(where, None)
        if text is not None:
            self.troubles[where] = text

    def stand(self, *subjects: str, urgency: Urgency = Urgency.URGENT) -> None:
        found = [
            Alarm(
                word="held",
                bank="box",
                subject=subject,
                urgency=urgency,
                text=f"{subject} of {IBAN} and account 47110815 waits.",
                step="Release it.",
            )
            for subject in subjects
        ]
        self.gateway.ledger.alarms.note(found, self.clock.now())

    def after(self, **by: float) -> None:
        """A round after that time."""
        self.clock.advance(**by)
        self.teller.round()


@contextmanager
def story(folder: Path, **recipients: tuple[str, str]) -> Iterator[Story]:
    """`recipients`: each with its address and what else is said of it."""
    erp = a_world(folder, {name: more for name, (_, more) in recipients.items()})
    clock = MovableClock(NOW)
    gateway = Gateway(erp.settings(), clock)
    try:
        yield Story(gateway, clock, {name.upper(): address for name, (address, _) in recipients.items()})
    finally:
        gateway.close()


def a_world(folder: Path, recipients: dict[str, str], **gateway: str) -> World:
    """One bank that is a folder; `recipients`: what is said of each besides its name and address."""
    for part in ("in", "out"):
        (folder / "bank" / part).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/bank"'}
    outbound = {"accounts": '["47110815"]'}
    alerts = "".join(f'[[alerts]]\nname = "{n}"\nto = "env:{n.upper()}"\n{more}\n' for n, more in recipients.items())
    erp = _Told(folder=folder, port=0, fingerprint="", channel=channel, outbound=outbound, gateway_settings=gateway)
    erp.alerts = alerts
    return erp


class _Told(World):
    alerts = ""

    def write_settings(self) -> None:
        super().write_settings()
        self.config.write_text(self.config.read_text() + "\n" + self.alerts)


def subjects(letters: Sequence[Came]) -> list[str]:
    return [came.subject.removeprefix("h2h test: ") for came in letters]


def test_from_the_first_letter_to_the_last_by_mail(tmp_path: Path) -> None:
    with MailServer() as mail, story(tmp_path, treasury=(mail.address, "")) as told:
        told.stand("T1", "T2")
        told.teller.round()
        told.after(minutes=40)
        told.stand("T2")  # T1 is over
        told.after(minutes=2)
        told.after(minutes=20)
        [row] = told.gateway.ledger.alarms.rows()
        told.gateway.ledger.alarms.take(row.id or 0, "ek", "I call them", told.clock.now())
        told.after(hours=3)
        told.stand()
        told.after(minutes=2)
        told.after(hours=3)
        letters = mail.letters
    assert subjects(letters) == [
        "2 urgent at box: held",
        "1 over at box: held",
        "still 1 urgent at box: held",
        "1 over at box: held",
    ]
    assert "T1 of DE89…3000 and account …15 waits." in letters[0].body
    assert "still, for 1 h: T2" in letters[2].body
    assert [came for came in letters if IBAN in came.body or "47110815" in came.body] == []


def test_what_is_not_urgent_is_gathered(tmp_path: Path) -> None:
    with WebServer() as web, story(tmp_path, treasury=(web.address, "")) as told:
        told.stand("T1", urgency=Urgency.WARNING)
        assert 0 < told.teller.round() <= 60
        told.stand("T1", "T2", urgency=Urgency.WARNING)
        told.after(seconds=30)
        assert web.letters == []
        told.after(seconds=31)
        assert subjects(web.letters) == ["2 warnings at box: held"]


def test_after_a_restart_nobody_is_told_again_but_what_was_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreError("the disk is full")

    with WebServer() as web, story(tmp_path, treasury=(web.address, "")) as told:
        told.stand("T1")
        told.teller.round()
        told.restart()
        told.teller.round()
        assert subjects(web.letters) == ["1 urgent at box: held"]
        told.stand("T1", "T2")
        with monkeypatch.context() as patch:
            patch.setattr(Tellings, "note", fails)
            for _ in range(3):  # the letter is taken once, and waits to be noted
                with pytest.raises(StoreError):
                    told.teller.round()
        assert len(web.letters) == 2
        told.restart()
        told.teller.round()
        assert ["T2 of" in came.body for came in web.letters] == [False, True, True]
        assert ["T1 of" in came.body for came in web.letters] == [True, False, False]


def test_what_was_taken_and_could_not_be_noted_is_noted_later_and_not_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreError("the disk is full")

    with WebServer() as web, story(tmp_path, treasury=(web.address, "")) as told:
        told.stand("T1")
        with monkeypatch.context() as patch:
            patch.setattr(Tellings, "note", fails)
            with pytest.raises(StoreError):
                told.teller.round()
        told.teller.round()
        told.restart()
        told.teller.round()
        assert len(web.letters) == 1


def test_a_fall_back_is_told_at_once_and_the_first_when_it_is_well_again(tmp_path: Path) -> None:
    with WebServer(500, 500, 200) as web, MailServer() as mail:
        recipients = {"treasury": (web.address, ""), "pager": (mail.address, 'instead_of = "treasury"')}
        with story(tmp_path, **recipients) as told:
            told.stand("T1")
            told.teller.round()
            assert subjects(mail.letters) == ["1 urgent at box: held"]
            assert "treasury cannot be told (Failed to send JSON POST notification: " in mail.letters[0].body
            assert "so pager is." in mail.letters[0].body
            assert told.troubles == {}
            told.after(seconds=10)  # left alone for a while
            assert len(web.asked) == 1
            told.after(seconds=31)  # and fails again
            told.after(minutes=2)
            assert (len(web.asked), len(mail.letters)) == (3, 1)
            assert subjects(web.letters) == ["1 urgent at box: held"]
            told.stand()
            told.after(minutes=2)
        assert subjects(web.letters) == subjects(mail.letters) == ["1 urgent at box: held", "1 over at box: held"]


@pytest.mark.parametrize("answer", [500, "close", "slow", "away"])
def test_where_every_way_fails_it_is_a_trouble_until_one_is_well_again(tmp_path: Path, answer: int | str) -> None:
    with WebServer() as other, WebServer(answer, 200, elsewhere=f"http://127.0.0.1:{other.port}/x") as web:
        recipients = {
            "treasury": (web.address + "?rto=1", ""),
            "pager": ("json://127.0.0.1:1/hook/secret-token", 'instead_of = "treasury"'),
        }
        with story(tmp_path, **recipients) as told:
            told.stand("T1")
            told.teller.round()
            [(where, text)] = told.troubles.items()
            assert where == "alerts treasury"
            assert text.startswith("treasury cannot be told of alarms, nor anybody instead: ")
            assert "secret-token" not in text
            told.after(minutes=1)
            assert (told.troubles, subjects(web.letters)) == ({}, ["1 urgent at box: held"])
            assert (other.asked, other.letters) == ([], [])


def test_a_failure_is_logged_once_until_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with WebServer(500, 500, 200, 500) as web, story(tmp_path, treasury=(web.address, "")) as told:
        told.stand("T1")
        told.teller.round()
        told.after(minutes=1)
        assert len(web.asked) == 2
        told.after(minutes=2)
        assert len(web.letters) == 1
        told.stand("T1", "T2")
        told.teller.round()
    events = [getattr(record, "event", "") for record in caplog.records]
    assert [event for event in events if event == "alert_failed"] == ["alert_failed", "alert_failed"]


def test_one_who_hangs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    with MailServer("hangs") as mail, WebServer() as web:
        recipients = {"treasury": (f"{mail.address}&cto=1", ""), "other": (web.address, "")}
        with story(tmp_path, **recipients) as told:
            told.stand("T1")
            told.teller.round()
            assert subjects(web.letters) == ["1 urgent at box: held"]
            assert list(told.troubles) == ["alerts treasury"]


def test_a_burst_is_one_letter(tmp_path: Path) -> None:
    with MailServer() as mail, story(tmp_path, treasury=(mail.address, "")) as told:
        told.stand(*(f"T{n}" for n in range(200)))
        told.teller.round()
        told.after(minutes=1)
        assert subjects(mail.letters) == ["200 urgent at box: held"]
        assert "And 180 more, which `h2h alarms` lists:\n  box, held: 180 urgent" in mail.letters[0].body


# The daemon.


@contextmanager
def daemon(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> Iterator[tuple[Gateway, threading.Thread]]:
    """Runs, and is stopped at the end."""
    monkeypatch.setenv("TREASURY", address)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # not in the main thread here
    gateway = a_world(folder, {"treasury": ""}, **NO_ROOM).gateway()
    try:
        with gateway.running():
            running = Daemon(gateway)
            thread = threading.Thread(target=running.run)
            thread.start()
            try:
                yield gateway, thread
            finally:
                running.stop()
                thread.join(30)
    finally:
        gateway.close()


def test_the_daemon_tells_what_the_lookout_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer() as web, daemon(tmp_path, monkeypatch, web.address):
        until(lambda: web.letters, "a letter")
        assert subjects(web.letters) == ["1 urgent at the gateway: room"]


def test_what_fails_is_a_trouble_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer(500) as web, daemon(tmp_path, monkeypatch, web.address) as (gateway, _):
        until(lambda: noted(gateway.trouble_file), "a trouble")
        [trouble] = noted(gateway.trouble_file)
        assert trouble.where == "alerts treasury"
        assert "error=500" in trouble.text


def test_a_mail_server_that_hangs_does_not_hold_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with MailServer("hangs") as mail:
        with daemon(tmp_path, monkeypatch, mail.address) as (_, thread):
            assert mail.connected.wait(30)
        assert not thread.is_alive()
        assert [r for r in caplog.records if getattr(r, "event", "") in ("stop_forced", "alert_failed")] == []
