"""MT940 and BAI2, read back by libraries of others: figures agree, and what is not there is told as a loss."""

from __future__ import annotations

import os
import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import mt940
import pytest
from bai2 import bai2
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from h2h.booked import EntryBatch, StatementNote
from h2h.currencies import DECIMALS
from h2h.formats import Form, Loss, Why, convert
from h2h.formats import mt940 as mt940_writer
from h2h.formats.characters import SWIFT, ascii_text, swift
from h2h.formats.losses import leaves
from h2h.messages import Catalog, read
from h2h.model import Balance, Entry, EntryDetail, Finding, Reason, Record, Severity, Statement, StatementFile, total
from h2h.reported import ReferredDocument, StructuredRemittance
from h2h.resources import root
from tests.changing import replace

LONG = bool(os.environ.get("H2H_LONG"))
CORPUS = root("schemas").parent.parent / "shared" / "corpus"
FILES = sorted([*CORPUS.glob("camt053/*"), *(root("samples") / "good").glob("camt.053*")])


@cache
def catalog() -> Catalog:
    return Catalog.load(root("schemas"))


def records_of(file: Path) -> list[Record]:
    with file.open("rb") as source:
        return [item for item in read(source, catalog(), strict=False) if not isinstance(item, Finding)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    text: str
    losses: list[Loss]
    findings: list[Finding]

    @property
    def refused(self) -> list[str]:
        return [finding.code for finding in self.findings if finding.severity is Severity.ERROR]

    def why(self, field: str, entry: int | None = None) -> Why | None:
        return next((loss.why for loss in self.losses if (loss.field, loss.entry) == (field, entry)), None)


def converted(records: Iterable[Record | Finding], form: Form) -> Converted:
    items = list(convert(records, form))
    return Converted(
        text="".join(item for item in items if isinstance(item, str)),
        losses=[item for item in items if isinstance(item, Loss)],
        findings=[item for item in items if isinstance(item, Finding)],
    )


# A plain statement.

HEAD = StatementFile(message="camt.053.001.08", message_id="MSG-1", created_at="2026-11-20T06:30:00")
STATEMENT = Statement(
    position=1, statement_id="STM-1", electronic_sequence_number="221", iban="DE89370400440532013000", currency="EUR",
    balances=(
        Balance(type="OPBD", amount=Decimal("100.00"), currency="EUR", direction="CRDT", date="2026-11-18"),
        Balance(type="CLBD", amount=Decimal("90.00"), currency="EUR", direction="CRDT", date="2026-11-19"),
    ),
)  # fmt: skip
DETAIL = EntryDetail(position=1, end_to_end_id="E2E-1", remittance=("Invoice 1",), creditor_name="Ravel")
ENTRY = Entry(
    position=1, statement=1, amount=Decimal("10.00"), currency="EUR", direction="DBIT", status="BOOK",
    booking_date="2026-11-19", value_date="2026-11-19", account_servicer_reference="BANK-1",
    transaction_code="PMNT/ICDT/ESCT", details=(DETAIL,),
)  # fmt: skip


def plain(*entries: Entry, statement: Statement = STATEMENT) -> list[Record]:
    numbered = (replace(entry, position=at) for at, entry in enumerate(entries, start=1))
    return [HEAD, statement, *numbered]


def balances(opening: str, closing: str, **changed: Any) -> Statement:
    """The plain statement with these signed balances."""
    figures = [(Decimal(text), balance) for text, balance in zip((opening, closing), STATEMENT.balances, strict=True)]
    new = (replace(b, amount=abs(d), direction="DBIT" if d < 0 else "CRDT") for d, b in figures)
    return replace(STATEMENT, balances=tuple(new), **changed)


def line_61(*entries: Entry, statement: Statement = STATEMENT) -> str:
    text = converted(plain(*entries, statement=statement), Form.MT940).text
    return next(line for line in text.splitlines() if line.startswith(":61:"))


def test_a_plain_statement_as_mt940() -> None:
    assert converted(plain(ENTRY), Form.MT940).text.split("\r\n") == [
        ":20:STM-1",
        ":25:DE89370400440532013000",
        ":28C:221/1",
        ":60F:C261118EUR100,00",
        ":61:2611191119D10,00NTRFE2E-1//BANK-1",
        ":86:/CDTR/Ravel/REMI/Invoice 1/TXCD/PMNT/ICDT/ESCT",
        ":62F:C261119EUR90,00",
        "-",
        "",
    ]


def test_a_plain_statement_as_bai2() -> None:
    assert converted(plain(ENTRY), Form.BAI2).text.split("\n") == [
        "01,UNKNOWN,UNKNOWN,261120,0630,221,,,2/",
        "02,UNKNOWN,UNKNOWN,1,261119,,EUR,2/",
        "03,DE89370400440532013000,EUR,010,10000,,,015,9000,,,100,0,0,,400,1000,1,/",
        "16,495,1000,V,261119,,BANK-1,E2E-1,CDTR=Ravel REMI=Invoice 1 TXCD=PMNT/ICDT/ESCT",
        "49,21000,3/",
        "98,21000,1,5/",
        "99,21000,1,7/",
        "",
    ]


@pytest.mark.parametrize(
    ("direction", "reversal", "mark"),
    [("CRDT", None, "C"), ("CRDT", False, "C"), ("DBIT", False, "D"), ("DBIT", True, "RC"), ("CRDT", True, "RD")],
)
def test_a_debit_that_takes_a_credit_back_is_rc_and_the_other_rd(direction: str, reversal: bool, mark: str) -> None:
    line = line_61(replace(ENTRY, direction=direction, reversal=reversal))
    assert line.startswith(f":61:2611191119{mark}10,00")


def test_reversals_have_type_codes_of_their_own() -> None:
    entries = [replace(ENTRY, reversal=True), replace(ENTRY, reversal=True, direction="CRDT")]
    text = converted(plain(*entries, statement=balances("1", "1")), Form.BAI2).text
    assert [line.split(",")[1] for line in text.splitlines() if line.startswith("16")] == ["552", "252"]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_not_told_and_every_value_of_it_is_a_loss(form: Form, status: str) -> None:
    waiting = replace(ENTRY, status=status, position=2)
    found = converted([HEAD, STATEMENT, ENTRY, waiting], form)
    assert "CONVERT_SUM" not in [finding.code for finding in found.findings]
    assert {loss.field for loss in found.losses if loss.entry == 2} == {name for name, _ in leaves(waiting)}
    assert found.why("amount", 2) is Why.NOT_BOOKED
    assert found.text == converted([HEAD, STATEMENT, ENTRY], form).text


@pytest.mark.parametrize("form", Form)
def test_an_entry_without_status_is_booked(form: Form) -> None:
    assert converted(plain(replace(ENTRY, status=None)), form).text == converted(plain(ENTRY), form).text


@pytest.mark.parametrize("form", Form)
def test_prcd_opens_a_statement_without_opbd(form: Form) -> None:
    opening = replace(STATEMENT.balances[0], type="PRCD")
    found = converted(plain(ENTRY, statement=replace(STATEMENT, balances=(opening, STATEMENT.balances[1]))), form)
    assert found.text == converted(plain(ENTRY), form).text
    assert found.why("balances[1].type") is Why.NO_PLACE  # that it was the closing balance of the time before


REFUSED = {
    "CONVERT_ACCOUNT": ({"iban": None}, {}),
    "CONVERT_BALANCE": ({"balances": STATEMENT.balances[:1]}, {}),
    "CONVERT_CURRENCY": ({}, {"currency": "USD"}),
    "CONVERT_AMOUNT": ({}, {"direction": None}),
    "CONVERT_DATE": ({"balances": (replace(STATEMENT.balances[0], date=None), STATEMENT.balances[1])}, {}),
}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("code", REFUSED)
def test_what_cannot_be_told_whole_is_refused(form: Form, code: str) -> None:
    of_statement, of_entry = REFUSED[code]
    statement = replace(STATEMENT, **of_statement)  # type: ignore[arg-type]
    found = converted(plain(replace(ENTRY, **of_entry), statement=statement), form)  # type: ignore[arg-type]
    assert (found.refused, found.text) == ([code], "")


@pytest.mark.parametrize("form", Form)
def test_two_balances_in_different_currencies_are_no_pair(form: Form) -> None:
    other = replace(STATEMENT.balances[1], currency="USD")
    found = converted(plain(ENTRY, statement=replace(STATEMENT, balances=(STATEMENT.balances[0], other))), form)
    assert found.refused == ["CONVERT_BALANCE"]


@pytest.mark.parametrize("form", Form)
def test_a_balance_without_direction_is_no_balance(form: Form) -> None:
    other = replace(STATEMENT.balances[1], direction=None)
    found = converted(plain(ENTRY, statement=replace(STATEMENT, balances=(STATEMENT.balances[0], other))), form)
    assert found.refused == ["CONVERT_BALANCE"]
    assert "CLBD in EUR without amount or direction" in found.findings[0].text


def test_an_account_that_is_too_long_for_mt940_is_refused() -> None:
    statement = replace(STATEMENT, iban=None, account="A" * 36)
    assert converted(plain(ENTRY, statement=statement), Form.MT940).refused == ["CONVERT_ACCOUNT"]


def test_an_amount_that_is_too_long_for_mt940_is_refused() -> None:
    entry = replace(ENTRY, amount=Decimal("1234567890123.00"))
    assert converted(plain(entry), Form.MT940).refused == ["CONVERT_AMOUNT"]


def test_a_currency_of_unknown_decimals_is_refused_by_bai2() -> None:
    statement = replace(STATEMENT, balances=tuple(replace(b, currency="XXX") for b in STATEMENT.balances))
    assert converted(plain(replace(ENTRY, currency="XXX"), statement=statement), Form.BAI2).refused == [
        "CONVERT_CURRENCY"
    ]


@pytest.mark.parametrize("form", Form)
def test_a_statement_that_does_not_add_up_is_told_as_it_is_and_found(form: Form) -> None:
    found = converted(plain(ENTRY, statement=balances("100", "91")), form)
    assert ([finding.code for finding in found.findings], found.refused) == (["CONVERT_SUM"], [])
    assert "opens at 100" in found.findings[0].text


@pytest.mark.parametrize("form", Form)
def test_what_is_no_statement_is_refused(form: Form) -> None:
    assert converted(records_of(root("samples") / "good" / "pain.001.001.09.xml"), form).refused == ["CONVERT_KIND"]
    assert converted([replace(HEAD, message="camt.052.001.08"), STATEMENT], form).refused == ["CONVERT_KIND"]


def test_pages_open_and_close_with_intermediate_balances() -> None:
    first, last = STATEMENT.balances
    between = replace(first, type="ITBD", amount=Decimal("95.00"))
    one = converted(plain(statement=replace(STATEMENT, page_number="1", balances=(first, between))), Form.MT940).text
    two = converted(plain(statement=replace(STATEMENT, page_number="2", balances=(between, last))), Form.MT940).text
    assert (":60F:C261118EUR100,00" in one, ":62M:C261118EUR95,00" in one, ":28C:221/1" in one) == (True, True, True)
    assert (":60M:C261118EUR95,00" in two, ":62F:C261119EUR90,00" in two, ":28C:221/2" in two) == (True, True, True)


def test_a_long_statement_takes_several_messages_that_follow_on_each_other() -> None:
    entries = [replace(ENTRY, amount=Decimal(at), direction="CRDT" if at % 3 else "DBIT") for at in range(1, 200)]
    closing = Decimal(100) + total(entry.signed for entry in entries)
    text = converted(plain(*entries, statement=balances("100.00", str(closing))), Form.MT940).text
    messages = [f"{message}\r\n-\r\n" for message in text.split("\r\n-\r\n")[:-1]]
    assert len(messages) > 5
    assert max(map(len, messages)) <= mt940_writer.MOST_CHARACTERS
    fields = [
        [line.split(":")[1:] for line in message.split("\r\n") if line[:3] in (":60", ":62")] for message in messages
    ]
    assert [opened[0][0] for opened in fields] == ["60F"] + ["60M"] * (len(messages) - 1)
    assert [closed[1][0] for closed in fields] == ["62M"] * (len(messages) - 1) + ["62F"]
    assert [closed[1][1] for closed in fields[:-1]] == [opened[0][1] for opened in fields[1:]]
    assert [f":28C:221/{at}\r\n" in message for at, message in enumerate(messages, start=1)] == [True] * len(messages)
    assert _mt940_figures(text) == [(Decimal("100.00"), [e.signed for e in entries], closing)]
    for message in messages:
        ((opening, booked, reached),) = _mt940_figures(message)
        assert total((opening, *booked)) == reached


def test_a_reference_that_does_not_fit_stands_whole_in_the_text_and_never_cut_in_its_field() -> None:
    long = "A-REFERENCE-OF-TWENTY-NINE-XX"
    for reference in (long, "/SLASH", "SLASH/", "TWO//SLASHES", "Ümlaut"):
        entry = replace(ENTRY, account_servicer_reference=None, details=(replace(DETAIL, end_to_end_id=reference),))
        assert line_61(entry).endswith("NTRFNONREF")
    found = converted(plain(replace(ENTRY, details=(replace(DETAIL, end_to_end_id=long),))), Form.MT940)
    assert (f"/EREF/{long}/" in found.text, found.why("details[1].end_to_end_id", 1)) == (True, None)


def test_prose_is_cut_where_there_is_no_room_and_a_reference_left_out() -> None:
    detail = replace(DETAIL, remittance=("x" * 140, "y" * 140, "z" * 140), uetr="a2ac77fd-36c6-4c2a-b238-f89b35daa570")
    found = converted(plain(replace(ENTRY, details=(detail,))), Form.MT940)
    cut = next(loss for loss in found.losses if loss.field == "details[1].remittance[3]")
    assert (cut.why, cut.value, cut.written, cut.line) == (Why.CUT, "z" * 140, "z" * len(cut.written or ""), None)
    assert found.why("details[1].uetr", 1) is Why.NO_ROOM
    assert "a2ac77fd" not in found.text.replace("\r\n", "")


def test_of_a_reference_all_is_told_or_nothing() -> None:
    uetr = "a2ac77fd-36c6-4c2a-b238-f89b35daa570"
    fates = set()
    for length in range(240, 391, 5):
        detail = replace(DETAIL, remittance=("x" * length,), uetr=uetr)
        found = converted(plain(replace(ENTRY, details=(detail,))), Form.MT940)
        told = uetr in found.text.replace("\r\n", "")
        assert (uetr[:6] in found.text.replace("\r\n", "")) == told
        assert found.why("details[1].uetr", 1) is (None if told else Why.NO_ROOM)
        fates.add(told)
    assert fates == {True, False}


@given(st.text(alphabet="ab -:/", max_size=390))
def test_a_text_in_lines_reads_the_same_when_they_are_put_together(text: str) -> None:
    text = "/" + mt940_writer.STYLE.in_characters(text)
    lines = mt940_writer.wrapped(text)
    assert "".join(lines) == text
    assert [line for line in lines if len(line) > 65 or line[0] in " :-"] == []
    assert [line for line in lines[:-1] if line.endswith(" ")] == []


def test_a_rule_of_hyphens_is_shortened_and_told() -> None:
    detail = replace(DETAIL, remittance=("Invoice", "-" * 140))
    found = converted(plain(replace(ENTRY, details=(detail,))), Form.MT940)
    assert "/REMI/Invoice/REMI/-/" in found.text.replace("\r\n", "")
    assert found.why("details[1].remittance[2]", 1) is Why.CHARACTERS


def test_commas_and_slashes_stand_in_the_text_of_bai2_alone_and_none_ends_a_line() -> None:
    detail = replace(DETAIL, end_to_end_id="RG/2026,1", remittance=("a / b, " * 19, "ends in/"), creditor_name="A, B/C")
    entry = replace(ENTRY, account_servicer_reference="B/1", details=(detail,))
    found = converted(plain(entry, statement=replace(STATEMENT, owner="Müller, Söhne / Co")), Form.BAI2)
    (first, *rest) = (line for line in found.text.splitlines() if line[:3] in ("16,", "88,"))
    assert first.startswith("16,495,1000,V,261119,,,,EREF=RG/2026,1 CDTR=A, B/C REMI=a / b, a / b,")
    assert [line for line in (first, *rest) if line.endswith("/") or line.startswith("88,/")] == []
    assert "REMI=ends in. SREF=B/1" in " ".join([first, *(line[3:] for line in rest)])
    assert found.why("details[1].remittance[2]", 1) is Why.CHARACTERS
    assert found.text.splitlines()[1].startswith("02,Mueller Soehne Co,UNKNOWN,")
    assert found.why("owner") is Why.CHARACTERS


def test_no_text_is_cut_after_a_slash() -> None:
    for length in (2_000, 2_001):
        detail = replace(DETAIL, remittance=(("x/" * length)[:length],))
        found = converted(plain(replace(ENTRY, details=(detail,))), Form.BAI2)
        assert [line for line in found.text.splitlines() if line.startswith("16") and line.endswith("/")] == []
        assert found.why("details[1].remittance[1]", 1) is Why.CUT


def test_of_a_time_only_the_day_is_told() -> None:
    entry = replace(ENTRY, value_date="2026-11-19T10:15:00+01:00", booking_date="2026-11-19T10:15:00+01:00")
    assert line_61(entry).startswith(":61:2611191119D")
    found = converted(plain(entry), Form.MT940)
    loss = next(loss for loss in found.losses if loss.field == "value_date")
    assert (loss.why, loss.written) == (Why.SHORTENED, "2026-11-19")
    assert "/BKDT/2026-11-19T10:15:00+01:00" in found.text.replace("\r\n", "")


def test_the_number_is_the_electronic_one_else_the_legal_one_of_five_digits_else_none() -> None:
    for electronic, legal, number, lost in (
        ("221", "7", "221", {"legal_sequence_number": Why.NO_PLACE}),
        (None, "7", "7", {}),
        ("2026000221", None, "00221", {"electronic_sequence_number": Why.CUT}),
        (None, None, "0", {"electronic_sequence_number": Why.STAND_IN}),
        ("2026/221", None, "0", {"electronic_sequence_number": Why.CUT}),
    ):
        statement = replace(STATEMENT, electronic_sequence_number=electronic, legal_sequence_number=legal)
        found = converted(plain(ENTRY, statement=statement), Form.MT940)
        assert f":28C:{number}/1\r\n" in found.text
        assert {x.field: x.why for x in found.losses if x.field.endswith("sequence_number")} == lost


@pytest.mark.parametrize("form", Form)
def test_the_words_of_the_bank_on_a_whole_statement_are_a_loss_and_no_obstacle(form: Form) -> None:
    note = StatementNote(statement=1, text="Rates of 2026-11-19 apply")
    found = converted([*plain(ENTRY), note, replace(STATEMENT, position=2), replace(ENTRY, statement=2)], form)
    assert (found.refused, found.why("text")) == ([], Why.NO_PLACE)
    assert found.text.count("E2E-1") == 2


def test_agents_purpose_documents_and_ids_stand_in_the_text() -> None:
    detail = replace(
        DETAIL, creditor_agent="BQEXFRPPXXX", creditor_id="FR12ZZZ123456", purpose="SUPP", structured=("RF712348231",),
        structured_remittance=(
            StructuredRemittance(reference="RF712348231", documents=(ReferredDocument(number="INV-7"),)),
        ),
    )  # fmt: skip
    batch = EntryBatch(payment_information_id="LIEF", number_of_transactions="1")
    entry = replace(ENTRY, details=(detail,), batches=(batch,), batch_payment_information_id="LIEF")
    found = converted(plain(entry), Form.MT940)
    text = found.text.replace("\r\n", "")
    assert "/CDTR/Ravel/CDTB/BQEXFRPPXXX/REMI/Invoice 1/STRD/RF712348231/DOCN/INV-7/PREF/LIEF/PURP/SUPP/" in text
    assert text.count("RF712348231") == text.count("LIEF") == 1
    told = (
        "details[1].structured_remittance[1].reference",
        "batches[1].payment_information_id",
        "details[1].creditor_id",
    )
    assert [found.why(field, 1) for field in told] == [None] * 3


def test_a_batch_is_one_entry_and_its_details_are_losses() -> None:
    details = tuple(replace(DETAIL, position=at, end_to_end_id=f"E2E-{at}") for at in (1, 2))
    found = converted(plain(replace(ENTRY, details=details, batch_payment_information_id="LIEF")), Form.MT940)
    assert line_61(replace(ENTRY, details=details, batch_payment_information_id="LIEF")).endswith("NTRFLIEF//BANK-1")
    assert {found.why(f"details[{at}].{name}", 1) for at in (1, 2) for name in ("end_to_end_id", "remittance[1]")} == {
        Why.SEVERAL
    }


def test_a_date_that_nobody_said_is_told_as_a_stand_in() -> None:
    entry = replace(ENTRY, value_date=None, booking_date=None)
    assert line_61(entry).startswith(":61:261119D10,00")
    assert converted(plain(entry), Form.MT940).why("value_date", 1) is Why.STAND_IN
    assert "16,495,1000,,BANK-1" in converted(plain(entry), Form.BAI2).text


def test_a_booking_date_is_written_only_where_its_year_is_understood() -> None:
    entry = replace(ENTRY, booking_date="2026-01-05", value_date="2025-12-30")
    assert line_61(entry).startswith(":61:2512300105D")
    far = replace(ENTRY, booking_date="2026-11-19", value_date="2025-12-30")
    assert line_61(far).startswith(":61:251230D")
    assert "/BKDT/2026-11-19" in converted(plain(far), Form.MT940).text


def test_more_decimals_than_the_currency_has_are_told_by_mt940_and_rounded_by_bai2() -> None:
    entry = replace(ENTRY, amount=Decimal("9.99501"), details=(replace(DETAIL, amount=Decimal("9.99501")),))
    records = plain(entry, statement=balances("100", "90.00499"))
    assert ":61:2611191119D9,99501NTRF" in converted(records, Form.MT940).text
    found = converted(records, Form.BAI2)
    assert "16,495,1000," in found.text
    assert {found.why("amount", 1), found.why("details[1].amount", 1), found.why("balances[2].amount")} == {
        Why.DECIMALS
    }


def test_amounts_are_in_the_units_of_their_currency() -> None:
    for currency, minor in (("JPY", "10"), ("EUR", "1000"), ("KWD", "10000")):
        statement = replace(STATEMENT, balances=tuple(replace(b, currency=currency) for b in STATEMENT.balances))
        text = converted(plain(replace(ENTRY, currency=currency), statement=statement), Form.BAI2).text
        assert f"16,495,{minor},V" in text
    assert line_61(replace(ENTRY, amount=Decimal("10.5"))).startswith(":61:2611191119D10,50N")


def test_a_negative_balance_has_its_sign() -> None:
    records = plain(ENTRY, statement=balances("-90", "-100"))
    assert "010,-9000,,,015,-10000" in converted(records, Form.BAI2).text
    assert ":60F:D261118EUR90,00" in converted(records, Form.MT940).text


def test_bai2_tells_one_day_which_is_that_of_the_closing_balance() -> None:
    found = converted(plain(ENTRY), Form.BAI2)
    assert (found.why("balances[1].date"), found.why("balances[2].date")) == (Why.NO_PLACE, None)


def test_available_balances() -> None:
    more = [
        replace(STATEMENT.balances[1], type=kind, date=day)
        for kind, day in (("FWAV", "2026-11-20"), ("CLAV", "2026-11-19"), ("FWAV", "2026-11-21"))
    ]
    statement = replace(STATEMENT, balances=(*STATEMENT.balances, *more))
    found = converted(plain(ENTRY, statement=statement), Form.MT940)
    assert [line for line in found.text.splitlines() if line[:3] in (":64", ":65")] == [
        ":64:C261119EUR90,00",
        ":65:C261120EUR90,00",
        ":65:C261121EUR90,00",
    ]
    assert "045,9000,," in converted(plain(ENTRY, statement=statement), Form.BAI2).text


def test_a_value_cannot_pass_for_another_word() -> None:
    detail = replace(DETAIL, remittance=("see /UETR/ and REMI", " UETR=1 PREF"))
    for form, word in ((Form.MT940, "/UETR/"), (Form.BAI2, " UETR=")):
        found = converted(plain(replace(ENTRY, details=(detail,))), form)
        assert word not in found.text


def test_characters() -> None:
    assert (
        swift("Müller & Söhne_GmbH, Straße 5; „A“ [x] €5 50%") == "Mueller + Soehne-GmbH, Strasse 5, 'A' (x) EUR5 50."
    )
    assert ascii_text("Ærøskøbing – Łódź\r\n\tΑθήνα Київ") == "AEroskobing - Lodz Athina Kiyiv"
    assert swift("e\u0301\u202e\U0001f600 ½") == "e.. 1/2"


@given(st.text(max_size=300))
def test_whatever_stands_in_a_text_only_the_characters_of_the_form_come_out(text: str) -> None:
    assert set(swift(text)) <= SWIFT
    assert ascii_text(text).isascii()
    assert (ascii_text(text).isprintable(), "  " in swift(text)) == (True, False)
    assert swift(swift(text)) == swift(text)


# Read back.


def _mt940_figures(text: str) -> list[tuple[Decimal, list[Decimal], Decimal]]:
    """Of each statement the opening balance, the entries and the closing balance; messages that follow on are one."""
    found: list[tuple[Decimal, list[Decimal], Decimal]] = []
    for message in mt940.parse_statements(text, options=mt940.Options.all()):
        data = message.data
        opening = data.get("final_opening_balance") or data["intermediate_opening_balance"]
        closing = data.get("final_closing_balance") or data["intermediate_closing_balance"]
        entries = [t.data["amount"].amount for t in message.transactions if "amount" in t.data]
        if "final_opening_balance" in data or not found or found[-1][2] != opening.amount.amount:
            found.append((opening.amount.amount, entries, closing.amount.amount))
        else:
            found[-1] = (found[-1][0], found[-1][1] + entries, closing.amount.amount)
    return found


def _bai2_figures(text: str, currency: str) -> list[tuple[Decimal, list[Decimal], Decimal]]:
    """The same; the library itself holds every control total and number of records to what it reads."""
    found = []
    for group in bai2.parse_from_string(text).children:
        (account,) = group.children
        scale = Decimal(1).scaleb(-DECIMALS[account.header.currency])
        summary = {item.type_code.code: item.amount * scale for item in account.header.summary_items}
        signs = {"credit": 1, "debit": -1}
        entries = [d.amount * scale * signs[d.type_code.transaction.value] for d in account.children]
        assert summary["100"] == sum((e for e in entries if e > 0), Decimal())
        assert summary["400"] == -sum((e for e in entries if e < 0), Decimal())
        assert {d.type_code.level.value for d in account.children} <= {"detail"}
        found.append((summary["010"], entries, summary["015"]))
    return found


def _statements(records: Sequence[Record]) -> Iterator[tuple[Statement, list[Entry]]]:
    for statement in records:
        if isinstance(statement, Statement):
            own = (entry for entry in records if isinstance(entry, Entry) and entry.statement == statement.position)
            yield statement, [entry for entry in own if entry.status in (None, "BOOK")]


def _balance(statement: Statement, *kinds: str) -> Decimal | None:
    there = [b for kind in kinds for b in statement.balances if b.type == kind and b.signed is not None]
    return there[0].signed if there else None


def _agree(head: StatementFile, statement: Statement, entries: list[Entry], form: Form) -> Converted:
    found = converted([head, statement, *entries], form)
    if found.refused:
        return found
    (figures,) = _mt940_figures(found.text) if form is Form.MT940 else _bai2_figures(found.text, "")
    wanted = [entry.signed for entry in entries]
    rounded = form is Form.BAI2 and any(loss.why is Why.DECIMALS for loss in found.losses)
    if not rounded:
        assert figures == (_balance(statement, "OPBD", "PRCD", "ITBD"), wanted, _balance(statement, "CLBD", "ITBD"))
    assert len(figures[1]) == len(wanted)
    return found


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_a_library_reads_of_a_real_statement_is_what_stood_in_it(file: Path, form: Form) -> None:
    records = records_of(file)
    if not records or not isinstance(records[0], StatementFile):
        pytest.skip("not a statement that can be read")
    for statement, entries in _statements(records):
        found = _agree(records[0], statement, entries, form)
        usable = [balance for balance in statement.balances if balance.signed is not None]
        pairs = {b.currency for b in usable if b.type in ("OPBD", "PRCD")} & {
            b.currency for b in usable if b.type == "CLBD"
        }
        assert not pairs or "CONVERT_BALANCE" not in found.refused, found.findings
        _nothing_is_lost_silently(records[0], statement, entries, form, found)


def test_a_whole_file_with_several_statements_is_one_file() -> None:
    second = replace(STATEMENT, position=2, statement_id="STM-2")
    records = [HEAD, STATEMENT, ENTRY, second, replace(ENTRY, statement=2), replace(ENTRY, statement=2, position=2)]
    assert len(_mt940_figures(converted(records, Form.MT940).text)) == 2
    figures = _bai2_figures(converted(records, Form.BAI2).text, "EUR")
    assert [len(entries) for _, entries, _ in figures] == [1, 2]


# Nothing is lost silently: of every value of the records, whatever they come to hold.

TOLD_BY_FIGURES = {
    "amount",
    "currency",
    "direction",
    "reversal",
    "status",
    "value_date",
    "booking_date",
    "type",
    "date",
}


def _nothing_is_lost_silently(
    head: StatementFile, statement: Statement, entries: Sequence[Entry], form: Form, found: Converted
) -> None:
    if found.refused:
        return
    lost = {(loss.entry, loss.field) for loss in found.losses}
    texts = _texts(found.text, form)
    assert len(texts) == len(entries) + 1
    for entry, text in [(None, texts[0]), *zip(entries, texts[1:], strict=True)]:
        record = entry or statement
        for field, value in leaves(record):
            name = field.rpartition(".")[2]
            if (entry.position if entry else None, field) not in lost and name not in TOLD_BY_FIGURES:
                assert value in text, (field, value, text)
    for loss in found.losses:
        if loss.why in (Why.CUT, Why.CHARACTERS) and loss.written:
            assert (
                loss.written
                in texts[entries.index(next(e for e in entries if e.position == loss.entry)) + 1 if loss.entry else 0]
            )


def _texts(text: str, form: Form) -> list[str]:
    """All that is told outside of entries, then of each entry, without what folds it into lines."""
    if form is Form.MT940:
        lines = text.replace("\r\n:", "\n:").replace("\r\n-\r\n", "\n-\n").replace("\r\n", "").split("\n")
        head = [line for line in lines if not line.startswith((":61:", ":86:"))]
        bodies: list[str] = []
        for line in lines:
            if line.startswith(":61:"):
                bodies.append(line)
            if line.startswith(":86:"):
                bodies[-1] += line
        return ["\n".join(head), *bodies]
    records = text.replace("/\n88,", ",").replace("\n88,", " ").split("\n")
    return ["\n".join(r for r in records if not r.startswith("16,")), *(r for r in records if r.startswith("16,"))]


TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("ABCxyz0189/,-: .=?+'_&ÄßŁ€\u00a0\n"), st.characters(codec="utf-8")),
    min_size=1,
    max_size=150,
)
AMOUNT = st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False)
CODES = st.sampled_from(["PMNT/ICDT/ESCT", "PMNT/RDDT/UPDD", "PMNT/MCOP/CHRG", "FORX/SPOT/OTHR", "X//", ""])
DAYS = st.sampled_from([None, "2026-11-19", "2026-11-18", "2025-02-28", "2026-11-19T10:15:00+01:00", "2026-13-01"])
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from([None, "BOOK", "PDNG", "INFO"]), "direction": st.sampled_from(["CRDT", "DBIT"]),
    "currency": st.just("EUR"), "booking_date": DAYS, "value_date": DAYS, "transaction_code": CODES,
    "balances": st.just(()), "position": st.just(1), "statement": st.just(1), "amount": AMOUNT,
}  # fmt: skip


def anything(kind: Any, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A record of this kind with anything in its fields, those that are new ones included."""
    hints = typing.get_type_hints(kind)
    known = {**NAMED, **fixed}
    return st.builds(
        kind, **{name: known[name] if name in known else _of(hints[name]) for name in kind.__struct_fields__}
    )


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint is str:
        return TEXT
    if hint is Decimal:
        return AMOUNT
    if hint is bool:
        return st.booleans()
    if hint is int or hint is type(None):
        return st.none()
    if isinstance(hint, types.UnionType):
        return st.one_of(*map(_of, reversed(typing.get_args(hint))))
    if typing.get_origin(hint) is tuple:
        return st.lists(_of(typing.get_args(hint)[0]), max_size=2).map(tuple)
    assert issubclass(hint, Struct), hint
    return anything(hint)


@st.composite
def books(draw: st.DrawFn) -> list[Record]:
    entries = [
        replace(entry, position=at) for at, entry in enumerate(draw(st.lists(anything(Entry), max_size=4)), start=1)
    ]
    opening = draw(AMOUNT) - 5 * 10**8
    closing = opening + total(entry.signed for entry in entries if entry.status in (None, "BOOK"))
    figures = balances(str(opening), str(closing)).balances
    statement = replace(draw(anything(Statement)), iban="DE89370400440532013000", account=None, balances=figures)
    return [draw(anything(StatementFile, message=st.just("camt.053.001.08"))), statement, *entries]


@pytest.mark.parametrize("form", Form)
@given(records=books())
@settings(max_examples=500 if LONG else 10, deadline=None, derandomize=not LONG)
def test_of_any_statement_figures_agree_and_no_value_is_lost_silently(form: Form, records: list[Record]) -> None:
    head, statement, *entries = records
    assert isinstance(head, StatementFile)
    assert isinstance(statement, Statement)
    booked = [entry for entry in entries if isinstance(entry, Entry) and entry.status in (None, "BOOK")]
    found = _agree(head, statement, booked, form)
    assert not found.refused
    assert "CONVERT_SUM" not in [finding.code for finding in found.findings]
    _nothing_is_lost_silently(head, statement, booked, form, found)
    for message in found.text.split("\r\n-\r\n") if form is Form.MT940 else []:
        assert len(message) <= mt940_writer.MOST_CHARACTERS
        assert max(len(line) for line in message.split("\r\n")) <= 69  # five characters of a tag, 65 of text
        lines = message.removesuffix("\r\n-\r\n").split("\r\n")
        tag = re.compile(r":\d\d[A-Z]?:")
        assert [line for line in lines if line.startswith(("-", ":", " ")) and not tag.match(line)] == []


@pytest.mark.parametrize("form", Form)
def test_a_value_that_no_form_knows_is_a_loss_by_itself(form: Form) -> None:
    returned = replace(DETAIL, return_reason=Reason(code="AC04", originator="DOBKATWW"))
    assert (
        converted(plain(replace(ENTRY, details=(returned,))), form).why("details[1].return_reason.originator", 1)
        is Why.NO_PLACE
    )
