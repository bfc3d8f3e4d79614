"""A week at two banks in two zones, over a long weekend in which the clocks change: what is told, and nothing else.

Easter 2027. TARGET is closed from Good Friday to Easter Monday, Fedwire is not; Europe's clocks go forward on Sunday.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from h2h.alerting.post import Post
from h2h.alerting.teller import Teller
from h2h.config import load
from h2h.credentials import Credentials
from h2h.errors import ChannelError
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lookout import Lookout
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.server import BankServer
from tests.flows.test_bad_world import SILENT
from tests.flows.test_statements_missing import FIRST, SECOND, THIRD, closing
from tests.flows.world import MovableClock, OneOfMany, answer, payments, put
from tests.suites.receivers import Came, MailServer, WebServer

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
FOURTH = ("66773.02", "49395.82")
FIFTH = ("49395.82", "32018.62")
THURSDAY = "statement_missing DAY DE89370400440532013000 2027-03-25 2027-03-25"
NUMBER = "statement_missing NUMBER DE89370400440532013000 EUR 2027-03-24 2027-03-30 223 3"
KINDS = ("alarm", "alarm over", "alarm taken", "cut-off", "day complete")
RECIPIENTS = """
[[alerts]]
name = "treasury"
to = "env:TREASURY"
repeat = "0s"

[[alerts]]
name = "pager"
to = "env:PAGER"
least = "urgent"
repeat = "2h"
"""
MORE = {
    "berlin": """
[[bank.answers]]
stage = "received"
within = "2h"
opens = "08:00"
closes = "18:00"

[[bank.answers]]
stage = "payment"
by = "10:00"
days = 1

[[bank.accounts]]
account = "DE89370400440532013000"
statements = "daily"
due = "09:00"
""",
    "newyork": """
[[bank.answers]]
stage = "received"
within = "3h"
opens = "09:00"
closes = "17:00"
warn = "30m"
""",
}


TO_TREASURY = [
    "1 warning at berlin: file held",
    "1 over at berlin: file held",
    "1 warning at newyork: answer missing",
    "1 urgent at newyork: answer missing",
    "1 over at newyork: answer missing",
    "1 warning at newyork: file held",
    "2 urgent at newyork: bank unreachable, cut-off near",
    "1 urgent, 1 warning at newyork: cut-off missed, file held",
    "1 over at newyork: bank unreachable",
    "3 over at newyork: cut-off missed, file held",
    "1 warning at berlin: statement missing",
    "1 warning at berlin: statement missing",
    "2 over at berlin: statement missing",
]
TO_THE_PAGER = [  # which is told again, as nobody takes an alarm, each time that somebody looks
    "1 urgent at newyork: answer missing",
    "still 1 urgent at newyork: answer missing",
    "1 over at newyork: answer missing",
    "2 urgent at newyork: bank unreachable, cut-off near",
    "1 urgent at newyork: cut-off missed",
    "still 1 urgent at newyork: cut-off missed",
    "1 over at newyork: bank unreachable",
    "1 over at newyork: cut-off missed",
]


class Week:
    """Both banks, the gateway between, and what happened since it was asked last."""

    def __init__(self, folder: Path, start: datetime, held: ExitStack) -> None:
        self._held = held
        self.clock = MovableClock(start.isoformat())
        create_client_key(folder / "client_key")
        self._key = folder / "client_key.pub"
        self._folder = folder
        self.mail, self.pager = held.enter_context(MailServer()), held.enter_context(WebServer())
        self.banks = {name: held.enter_context(self._server(name)) for name in MORE}
        self.erp = self._world("berlin", "Europe/Berlin", "TARGET", "15:30")
        self.erp.others = [self._world("newyork", "America/New_York", "FEDWIRE", "17:00")]
        self.erp.write_settings()
        self.erp.config.write_text(self.erp.config.read_text() + RECIPIENTS)
        for name, more in MORE.items():
            profile = folder / "banks" / f"{name}.toml"
            profile.write_text(profile.read_text() + more)
        self._running = self._gateway()
        self._last = 0

    def _server(self, name: str, port: int = 0) -> BankServer:
        return BankServer(self._folder / f"bank-{name}", SILENT, authorized_keys=[self._key], port=port)

    def _world(self, name: str, zone: str, calendar: str, cut_off: str) -> OneOfMany:
        bank = self.banks[name]
        return OneOfMany(
            folder=self._folder, name=name, port=bank.port, fingerprint=bank.host_key_fingerprint,
            bank={"timezone": f'"{zone}"', "calendar": f'"{calendar}"', "contact": f'"Desk of {name}"'},
            outbound={"opens": '"06:00"', "cut_off": f'"{cut_off}"', "warn": '"30m"'},
            retry={"first": '"1m"', "most": '"1m"'},
        )  # fmt: skip

    def _gateway(self) -> ExitStack:
        running = self._held.enter_context(ExitStack())
        self.gateway = Gateway(load(self.erp.config), self.clock)
        running.callback(self.gateway.close)
        running.enter_context(self.gateway.running())
        self.lookout = Lookout(self.gateway)
        post = Post(credentials=Credentials({"TREASURY": self.mail.address, "PAGER": self.pager.address}))
        self.teller = Teller(self.gateway.settings, self.gateway.ledger, self.clock, post, gather=timedelta(0))
        return running

    def restart(self) -> None:
        self._running.close()
        self._running = self._gateway()

    def at(self, local: str, zone: ZoneInfo = BERLIN) -> list[str]:
        """Go on to this time, let the gateway do what there is to do, and say what it told."""
        to = datetime.fromisoformat(local).replace(tzinfo=zone)
        self.clock.advance(seconds=(to - self.clock.now()).total_seconds())
        for name, desk in self.gateway.desks.items():
            desk.take_in()
            desk.hand_over()
            if desk.suspended_until():
                continue
            with suppress(ChannelError):
                desk.pull(self.gateway.bank(name).inbound[0])
        self.gateway.note_overdue(self.gateway.settings.banks)
        self.lookout.round()
        self.teller.round()
        return self.told()

    def told(self) -> list[str]:
        """In words of the test, in the order of the alphabet: files by their message ids."""
        new = list(self.gateway.ledger.journal._rows(self._last))
        self._last = new[-1].seq if new else self._last
        names = {row.id: row.message_id for row in self.gateway.ledger.views.files() if row.message_id}
        return sorted(_line(row.kind, json.loads(row.data), names) for row in new if row.kind in KINDS)

    def drop(self, bank: str, message_id: str) -> None:
        world = self.erp if bank == "berlin" else self.erp.others[0]
        world.drop_file(payments(message_id, 2), f"{message_id}.xml")

    def says(self, bank: str, message_id: str, status: str) -> None:
        paper = f"STS-{message_id}-{status}"
        self.puts(bank, paper, answer(message_id, status, paper_id=paper))

    def puts(self, bank: str, name: str, content: bytes) -> None:
        put(self.banks[bank].folders.outbox, f"{name}.xml", content)

    def file(self, message_id: str) -> Transfer:
        [row] = [r for r in self.gateway.ledger.views.files() if (r.message_id, r.direction) == (message_id, "out")]
        return self.gateway.ledger.transfers.get(row.id)

    def down(self, bank: str) -> None:
        self.banks[bank].stop()

    def up(self, bank: str) -> None:
        self.banks[bank] = self._held.enter_context(self._server(bank, self.banks[bank].port))


def _subjects(letters: Sequence[Came]) -> list[str]:
    return [came.subject.removeprefix("h2h test: ") for came in letters]


def _line(kind: str, data: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if kind == "day complete":
        return f"day complete {data['day']}: {data['accounts']}"
    if kind == "cut-off":
        passed = f", {data['passed']} at once" if data["passed"] > 1 else ""
        return f"cut-off {data['folder'].split('/')[-2]} {data['day']}: {data['waiting']} left{passed}"
    subject = data["subject"].rpartition("/")[2]
    for id_, message_id in names.items():
        subject = subject.replace(id_, message_id)
    what = {"alarm": data["urgency"], "alarm over": "over", "alarm taken": "taken"}[kind]
    return f"{what} {data['word']} {subject}".strip()


@contextmanager
def week(folder: Path, start: str) -> Iterator[Week]:
    with ExitStack() as held:
        yield Week(folder, datetime.fromisoformat(start).replace(tzinfo=BERLIN), held)


def test_a_week_at_two_banks(tmp_path: Path) -> None:
    with week(tmp_path, "2027-03-24 07:00") as it:
        it.puts("berlin", "tue", closing(221, "2027-03-23", *FIRST))
        assert it.at("2027-03-24 07:01") == ["day complete 2027-03-23: 1"]

        # Wednesday: a file goes, and is answered in time.
        it.drop("berlin", "WED")
        assert it.at("2027-03-24 10:00") == []
        it.says("berlin", "WED", "ACTC")
        assert it.at("2027-03-24 11:30") == []
        it.says("berlin", "WED", "ACSP")
        assert it.at("2027-03-24 16:00") == []
        it.puts("berlin", "wed", closing(222, "2027-03-24", *SECOND))

        # Thursday: one comes too late, and is released for the next window. At the other bank one is not answered.
        assert it.at("2027-03-25 08:30") == ["day complete 2027-03-24: 1"]
        it.drop("berlin", "LATE")
        assert it.at("2027-03-25 16:00") == ["warning file_held LATE"]
        it.drop("newyork", "MUTE")
        assert it.at("2027-03-25 17:00") == []  # noon in New York
        it.gateway.decisions.release(it.file("LATE").id, who="ann", reason="goes on Tuesday", now=False)
        assert it.at("2027-03-25 17:05") == ["over file_held LATE"]
        assert it.at("2027-03-25 14:29", NEW_YORK) == []
        assert it.at("2027-03-25 14:31", NEW_YORK) == ["warning answer_missing MUTE received"]
        assert it.at("2027-03-25 15:01", NEW_YORK) == ["urgent answer_missing MUTE received"]
        assert it.at("2027-03-25 20:00", NEW_YORK) == []

        # Good Friday, on which Berlin is closed. New York answers at last, and goes down over its cut-off.
        it.says("newyork", "MUTE", "ACSP")
        assert it.at("2027-03-26 09:00", NEW_YORK) == ["over answer_missing MUTE received"]
        it.down("newyork")
        it.drop("newyork", "HELD")
        it.gateway.desks["newyork"].take_in()
        it.gateway.decisions.hold(it.file("HELD").id, who="ann", reason="is it ours?")
        assert it.at("2027-03-26 16:00", NEW_YORK) == ["warning file_held HELD"]
        it.drop("newyork", "DOWN")
        assert it.at("2027-03-26 16:20", NEW_YORK) == []
        assert it.at("2027-03-26 16:31", NEW_YORK) == ["urgent bank_unreachable", "urgent cut_off_near out 2027-03-26"]
        assert it.at("2027-03-26 17:01", NEW_YORK) == [
            "cut-off newyork 2027-03-26: 2 left",
            "over cut_off_near out 2027-03-26",
            "urgent cut_off_missed out 2027-03-26",
            "warning file_held DOWN",
        ]
        assert it.at("2027-03-26 17:30", NEW_YORK) == []

        # The weekend: nothing runs. On Monday the gateway starts again and says nothing twice; the bank is back.
        it.restart()
        assert it.at("2027-03-29 08:55", NEW_YORK) == []
        it.up("newyork")
        assert it.at("2027-03-29 09:00", NEW_YORK) == ["over bank_unreachable"]
        it.gateway.decisions.release(it.file("HELD").id, who="ann", reason="it is ours", now=True)
        it.gateway.decisions.release(it.file("DOWN").id, who="ann", reason="the bank is back", now=True)
        assert it.at("2027-03-29 09:10", NEW_YORK) == [
            "over cut_off_missed out 2027-03-26",
            "over file_held DOWN",
            "over file_held HELD",
        ]
        it.says("newyork", "HELD", "ACSP")
        it.says("newyork", "DOWN", "ACSP")
        assert it.at("2027-03-29 12:00", NEW_YORK) == []

        # Tuesday, in summer time: Thursday's file goes. Thursday's statement does not come; that of Tuesday does.
        assert it.at("2027-03-30 06:01") == []
        it.says("berlin", "LATE", "ACSP")
        assert it.at("2027-03-30 08:30") == []
        assert it.at("2027-03-30 09:01") == [f"warning {THURSDAY}"]
        it.puts("berlin", "tue2", closing(224, "2027-03-30", *FOURTH))
        assert it.at("2027-03-31 08:30") == [f"warning {NUMBER}"]
        it.puts("berlin", "thu", closing(223, "2027-03-25", *THIRD))
        it.puts("berlin", "wed2", closing(225, "2027-03-31", *FIFTH))
        assert it.at("2027-04-01 11:00") == [
            *(f"day complete {day}: 1" for day in ("2027-03-25", "2027-03-30", "2027-03-31")),
            f"over {THURSDAY}",
            f"over {NUMBER}",
        ]
        assert it.lookout.look(it.clock.now()) == []
        assert _subjects(it.mail.letters) == TO_TREASURY
        assert _subjects(it.pager.letters) == TO_THE_PAGER


def test_a_clock_that_jumps_and_a_machine_that_sleeps_make_no_cut_off_pass_twice(tmp_path: Path) -> None:
    with week(tmp_path, "2027-03-24 07:00") as it:
        it.drop("berlin", "HELD")
        it.gateway.desks["berlin"].take_in()
        it.gateway.decisions.hold(it.file("HELD").id, who="ann", reason="is it ours?")
        assert it.at("2027-03-24 16:00") == [
            "cut-off berlin 2027-03-24: 1 left",
            "urgent cut_off_missed out 2027-03-24",
            "warning file_held HELD",
        ]
        assert it.at("2027-03-24 15:00") == ["over cut_off_missed out 2027-03-24", "urgent cut_off_near out 2027-03-24"]
        it.restart()
        assert it.at("2027-03-24 15:31") == ["over cut_off_near out 2027-03-24", "urgent cut_off_missed out 2027-03-24"]
        # A week's sleep: the cut-offs of five open days become one event.
        assert it.at("2027-04-02 08:00") == ["cut-off berlin 2027-04-01: 1 left, 4 at once"]
        assert it.at("2027-04-02 08:01") == []
