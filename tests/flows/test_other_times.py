"""Other times for some payments: by service level, local instrument and currency. A file goes by all that it holds.

20 November 2026 is a Friday, 26 November Thanksgiving; the bank's zone is Europe/Berlin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from h2h.gateway import Gateway
from h2h.kinds import Kind
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.lookout import Lookout
from h2h.sandbox.server import BankServer
from tests.shell.command import run as h2h

from .test_bad_world import SILENT
from .test_repair import OLD, REFUSED, Desk, says
from .world import MovableClock, World, answer, opened, payments, sample, send, world

EUR, USD = Kind(("SEPA",), None, "EUR"), Kind(("SEPA",), None, "USD")
DOLLARS = '{currencies = ["USD", "CAD"], opens = "07:00", cut_off = "13:00", calendar = "FEDWIRE"}'
INSTANT = '{local_instruments = ["INST"]}'
URGENT = '{service_levels = ["URGP"], currencies = ["EUR"], opens = "07:00", cut_off = "16:00"}'
MORNING = '{currencies = ["USD"], opens = "05:00", cut_off = "07:00"}'
OWN = {"opens": '"08:00"', "cut_off": '"15:30"', "lead": '"10m"', "days": '"mon-fri"'}
FOR_USD = "the cut-off for USD/CAD at 13:00 (Europe/Berlin) has passed; release it for the next window, or with --now"


def euros(message_id: str, count: int = 1) -> bytes:
    return payments(message_id, count)


def dollars(message_id: str) -> bytes:
    return payments(message_id).replace(b'Ccy="EUR"', b'Ccy="USD"')


def mixed(message_id: str) -> bytes:
    return payments(message_id, 2).replace(b'Ccy="EUR"', b'Ccy="USD"', 1)


def instant(message_id: str) -> bytes:
    return payments(message_id).replace(b"</SvcLvl>", b"</SvcLvl><LclInstrm><Cd>INST</Cd></LclInstrm>")


def urgent(message_id: str) -> bytes:
    """As it is said of the payment, and not of its batch."""
    plain = b"<PmtTpInf><SvcLvl><Cd>URGP</Cd></SvcLvl></PmtTpInf>"
    return payments(message_id, 2).replace(b"</PmtId>", b"</PmtId>" + plain, 1)


class Office(Desk):
    """A gateway whose folder has other times for some payments, at a moment."""

    def __init__(self, erp: World, bank: BankServer, gateway: Gateway, clock: MovableClock) -> None:
        super().__init__(erp, bank, gateway)
        self.clock = clock

    def sent(self, **files: bytes) -> dict[str, Transfer]:
        """Files dropped by their names, and what became of them, and of those before."""
        for name, content in files.items():
            self.erp.drop_file(content, f"{name}.xml")
        return {transfer.name.removesuffix(".xml"): transfer for transfer in send(self.gateway)}


@contextmanager
def at_work(folder: Path, now: str, *rows: str, **outbound: str) -> Iterator[Office]:
    settings = {**OWN, **outbound, "cut_offs": f"[{', '.join(rows)}]"}
    with world(folder, SILENT, outbound=settings, bank={"calendar": '"TARGET"'}) as (erp, bank):
        erp.write_settings()
        clock = MovableClock(f"{now}:00+01:00")
        with opened(erp, clock) as gateway:
            yield Office(erp, bank, gateway, clock)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+01:00")


def test_dollars_wait_while_euros_go(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-25T13:30", DOLLARS, after_cut_off='"next-window"') as office:
        found = office.sent(eur=euros("M1"), usd=dollars("M2"))
        assert (found["eur"].state, found["eur"].kinds) == (State.SENT, [EUR])
        assert (found["usd"].state, found["usd"].kinds) == (State.READY, [USD])
        assert found["usd"].due_at == at("2026-11-27T07:00")  # Thursday is closed in New York
        assert found["usd"].reason == "the window opens at 2026-11-27 06:00 UTC"
        office.clock.advance(days=1)
        assert office.sent(more=euros("M3"))["more"].state is State.SENT
        assert office.sent()["usd"].state is State.READY
        office.clock.advance(hours=17, minutes=31)
        assert office.sent()["usd"].state is State.SENT


def test_a_mixed_file_goes_by_the_earlier_cut_off(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T12:59", DOLLARS) as office:
        assert office.sent(both=mixed("M1"))["both"].state is State.SENT
        office.clock.advance(minutes=2)
        late = office.sent(late=mixed("M2"), eur=euros("M3", 3))
        assert (late["late"].state, late["late"].reason, late["late"].kinds) == (State.HELD, FOR_USD, [EUR, USD])
        assert late["eur"].state is State.SENT


def test_a_file_that_missed_several_says_so_in_the_order_in_which_they_closed(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T16:00", DOLLARS) as office:
        both = office.sent(both=mixed("M1"))["both"]
        what = "the cut-off for USD/CAD at 13:00 (Europe/Berlin) and the cut-off at 15:30 (Europe/Berlin) have passed"
        assert both.reason == f"{what}; release it for the next window, or with --now"


def test_a_mixed_file_waits_until_all_its_windows_are_open(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T07:30", DOLLARS) as office:
        found = office.sent(usd=dollars("M1"), both=mixed("M2"))
        assert found["usd"].state is State.SENT
        assert (found["both"].state, found["both"].due_at) == (State.READY, at("2026-11-20T08:00"))
        assert found["both"].reason == "all windows for its payments are open at 2026-11-20 07:00 UTC"


def test_a_calendar_beside_the_banks_closes_its_days_too(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-26T10:00", DOLLARS) as office:
        found = office.sent(eur=euros("M1"), usd=dollars("M2"))
        assert (found["eur"].state, found["usd"].state) == (State.SENT, State.READY)
        assert found["usd"].due_at == at("2026-11-27T07:00")


@pytest.mark.parametrize("row", [INSTANT, '{local_instruments = ["INST"], cut_off = "23:59", calendar = "EVERYDAY"}'])
def test_instant_payments_go_at_the_weekend_while_others_wait(tmp_path: Path, row: str) -> None:
    with at_work(tmp_path, "2026-11-21T11:00", row, DOLLARS) as office:
        found = office.sent(inst=instant("M1"), eur=euros("M2"), usd=dollars("M3"))
        assert (found["inst"].state, found["inst"].kinds) == (State.SENT, [Kind(("SEPA",), "INST", "EUR")])
        assert (found["eur"].state, found["eur"].due_at) == (State.READY, at("2026-11-23T08:00"))
        assert (found["usd"].state, found["usd"].due_at) == (State.READY, at("2026-11-23T07:00"))


def test_what_a_payment_says_of_itself_counts(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T15:45", URGENT) as office:
        [batch, one] = [Kind(("SEPA",), None, "EUR"), Kind(("URGP",), None, "EUR")]
        found = office.sent(both=urgent("M1"), one=urgent("M2").replace(b"<Cd>SEPA", b"<Cd>URGP"))
        assert (found["both"].state, found["both"].kinds) == (State.HELD, [batch, one])
        assert (found["both"].reason or "").startswith("the cut-off at 15:30")
        assert (found["one"].state, found["one"].kinds) == (State.SENT, [one])


def test_a_file_of_which_nothing_is_known_goes_by_all_the_windows(tmp_path: Path) -> None:
    """As those of before kinds were kept, and those of more kinds than are told apart."""
    many = "".join(
        f"<PmtTpInf><LclInstrm><Prtry>I{n}</Prtry></LclInstrm></PmtTpInf>\0" for n in range(101)
    ).encode().split(b"\0")  # fmt: skip
    first, *rest = payments("M1", 101).split(b"</PmtId>")
    odd = first + b"".join(b"</PmtId>" + own + piece for own, piece in zip(many, rest, strict=False))
    with at_work(tmp_path, "2026-11-20T13:30", DOLLARS) as office:
        found = office.sent(odd=odd)["odd"]
        assert (found.state, found.kinds, found.reason) == (State.HELD, None, FOR_USD)


def test_windows_that_are_never_open_together_are_for_a_person(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T06:00", MORNING, after_cut_off='"next-window"') as office:
        held = office.sent(both=mixed("M1"))["both"]
        never = "the windows for USD and for all other payments are never open at one time"
        advice = "drop its payments in files of their own, or release it with --now"
        assert (held.state, held.reason) == (State.HELD, f"{never}; {advice}")
        office.gateway.decisions.release(held.id, who="ann", reason="a try", now=False)
        assert office.sent()["both"].state is State.HELD
        office.gateway.decisions.release(held.id, who="ann", reason="the bank takes it", now=True)
        assert office.sent()["both"].state is State.SENT


def test_a_late_file_goes_all_the_same_where_its_folder_says_so(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T13:30", DOLLARS, after_cut_off='"send"') as office:
        late = office.sent(usd=dollars("M1"))["usd"]
        assert late.state is State.SENT
        [told] = [event for event in office.gateway.ledger.journal.of(late.id) if event.kind == "goes_late"]
        assert told.data["reason"].startswith("the cut-off for USD/CAD at 13:00 (Europe/Berlin) has passed; it goes")


def test_a_file_that_is_brought_to_a_newer_version_keeps_its_kinds(tmp_path: Path) -> None:
    newer = {"messages": '["pain.001.001.03"]', "upgrade": '"pain.001.001.09"', "upgrade_uetr": "true"}
    usd = sample("pain.001.001.03").replace(b'Ccy="EUR"', b'Ccy="USD"')
    with at_work(tmp_path, "2026-11-20T13:30", DOLLARS, **newer) as office:
        found = office.sent(usd=usd)["usd"]
        assert (found.message, found.original_message) == ("pain.001.001.09", "pain.001.001.03")
        assert (found.state, found.reason) == (State.HELD, FOR_USD)
        assert found.kinds
        assert {kind.currency for kind in found.kinds} == {"USD"}


def test_a_repair_has_the_kinds_of_its_own_payments(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T12:00", DOLLARS) as office:
        whole = office.sent(all=sample())["all"]
        assert whole.kinds == [Kind(("NURG",), None, "GBP"), EUR]
        office.hears(answer(OLD, "ACCP"))
        office.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        office.clock.advance(hours=1, minutes=30)
        new = office.repair()
        assert (new.state, new.kinds) == (State.HELD, [EUR])


def board(office: Office, now: str) -> list[str | None]:
    done = h2h(office.erp.config, "status", "--json", H2H_NOW=f"{now}:00+01:00")
    [folder] = json.loads(done.stdout)["banks"][0]["folders"]
    return [folder["cut_off"], folder["cut_off_for"], folder["opens"]]


OWN_CLOSES, USD_CLOSES = ["2026-11-20T14:20:00Z", None, None], ["2026-11-20T12:00:00Z", "USD/CAD", None]


def test_status_counts_down_to_the_cut_off_of_what_waits(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T06:30", DOLLARS) as office:
        assert board(office, "2026-11-20T12:00") == OWN_CLOSES  # nothing waits
        office.erp.drop_file(euros("M1"), "eur.xml")
        assert board(office, "2026-11-20T12:00") == USD_CLOSES  # nobody knows yet what is in it
        office.sent()
        assert board(office, "2026-11-20T12:00") == OWN_CLOSES
        office.sent(usd=dollars("M2"))
        assert board(office, "2026-11-20T12:00") == USD_CLOSES
        assert board(office, "2026-11-20T13:30") == OWN_CLOSES
        assert board(office, "2026-11-20T15:30") == [None, None, "2026-11-23T06:00:00Z"]
        assert "USD/CAD)" in h2h(office.erp.config, "status", H2H_NOW="2026-11-20T12:00:00+01:00").stdout


def test_what_is_held_counts_in_status_while_it_could_go(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T13:30", DOLLARS) as office:
        assert office.sent(usd=dollars("M1"))["usd"].state is State.HELD
        assert board(office, "2026-11-20T13:35") == OWN_CLOSES
        assert board(office, "2026-11-20T12:00") == USD_CLOSES


def test_alarms_name_the_cut_off_that_is_near_or_was_missed_and_only_the_files_that_go_by_it(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T12:00", DOLLARS) as it:
        for name, content in (("usd", dollars("USD")), ("eur", euros("EUR")), ("both", mixed("BOTH"))):
            it.erp.drop_file(content, f"{name}.xml")
        it.gateway.desks["box"].take_in()
        files = [row for row in it.gateway.ledger.views.files() if row.direction == "out"]
        for row in files:
            it.gateway.decisions.hold(row.id, who="ann", reason="is it ours?")

        def cut_offs() -> dict[str, str]:
            Lookout(it.gateway).round()
            return {row.word: row.text for row in it.gateway.ledger.alarms.rows() if row.word.startswith("cut_off")}

        assert cut_offs() == {}
        it.clock.advance(minutes=45)
        [(word, text)] = cut_offs().items()
        assert word == "cut_off_near"
        assert text.startswith("The cut-off for USD/CAD of box, from ")
        assert "usd.xml" in text
        assert "both.xml" in text
        assert "eur.xml" not in text
        it.clock.advance(minutes=30)
        [(word, text)] = cut_offs().items()
        assert word == "cut_off_missed"
        assert text.startswith("2 files, 3 payments")
        assert " missed the cut-off for USD/CAD of box on 2026-11-20 " in text
        passed = [event.data for event in it.gateway.ledger.journal.of("bank box") if event.kind == "cut-off"]
        assert [(event["folder"].rpartition(" ")[2], event["waiting"]) for event in passed] == [("USD/CAD", 2)]
