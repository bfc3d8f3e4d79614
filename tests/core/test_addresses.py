"""The rule on postal addresses: what breaks it, where addresses are read, and who is ready over many files."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pytest

from h2h.addresses import (
    CODES,
    MAX_TOLD,
    Faults,
    Form,
    PartyForms,
    Tally,
    breaches,
    form_of,
    is_country,
)
from h2h.messages import Catalog, read
from h2h.model import Address, Batch, Finding, Payment, Severity
from tests.changing import replace

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
VERSIONS = [row.name for row in CATALOG.rows if row.reader == "pain001"]
UNSTRUCTURED, INCOMPLETE, LINES, COUNTRY = CODES


def address(town: str | None, country: str | None, lines: int = 0, place: str = "Cdtr/PstlAdr") -> Address:
    written = tuple(f"line {n}" for n in range(lines))
    return Address(place=place, name="Noord", town=town, country=country, lines=written, line=7)


@pytest.mark.parametrize(
    ("town", "country", "lines", "found", "form"),
    [
        ("Lyon", "FR", 0, (), Form.STRUCTURED),
        ("Lyon", "FR", 1, (), Form.HYBRID),
        ("Lyon", "FR", 2, (), Form.HYBRID),
        ("Prishtina", "XK", 0, (), Form.STRUCTURED),
        ("Lyon", "FR", 3, (LINES,), Form.UNFIT),
        (None, None, 1, (UNSTRUCTURED,), Form.UNSTRUCTURED),
        (None, None, 7, (UNSTRUCTURED,), Form.UNSTRUCTURED),
        (None, None, 0, (INCOMPLETE,), Form.UNFIT),  # a street alone
        (None, "FR", 0, (INCOMPLETE,), Form.UNFIT),
        (None, "FR", 2, (INCOMPLETE,), Form.UNFIT),
        ("Lyon", None, 2, (INCOMPLETE,), Form.UNFIT),
        ("Lyon", None, 3, (INCOMPLETE, LINES), Form.UNFIT),
        ("Lyon", "ZZ", 0, (COUNTRY,), Form.UNFIT),
        ("Lyon", "UK", 3, (LINES, COUNTRY), Form.UNFIT),
    ],
)
def test_town_and_country_in_their_own_elements_and_two_lines_at_most(
    town: str | None, country: str | None, lines: int, found: tuple[str, ...], form: Form
) -> None:
    assert breaches(address(town, country, lines)) == found
    assert form_of(address(town, country, lines)) is form


def test_no_address_at_all_breaks_nothing() -> None:
    assert form_of(None) is Form.NONE


def test_what_is_a_country() -> None:
    assert all(map(is_country, ("DE", "GB", "CH", "XK", "PS", "TW")))
    assert not any(map(is_country, ("UK", "EU", "AA", "de", "DEU", "")))


def found(places: list[tuple[str, Address]], severity: Severity) -> list[Finding]:
    faults = Faults()
    for path, each in places:
        faults.look([each], path)
    return list(faults.findings(severity))


def test_a_finding_names_whose_address_it_is_the_place_and_what_to_do() -> None:
    [finding] = found([("/Document/PmtInf[1]", address(None, "FR", place="Dbtr/PstlAdr"))], Severity.ERROR)
    assert (finding.code, finding.severity, finding.line) == (INCOMPLETE, Severity.ERROR, 7)
    assert finding.path == "/Document/PmtInf[1]/Dbtr/PstlAdr"
    assert finding.text == (
        "The address of debtor 'Noord' has no TwnNm or no Ctry, which banks refuse from November 2026 on. Put both "
        "into it."
    )


def test_an_address_in_many_payments_is_told_once_and_too_many_addresses_are_counted() -> None:
    same = [(f"/p[{n}]", replace(address(None, None, 2), line=n)) for n in range(1, 31)]
    [once] = found(same, Severity.WARNING)
    assert (once.path, once.line) == ("/p[1]/Cdtr/PstlAdr", 1)
    assert "(30 times in this file)" in once.text
    others = [("/p", replace(address(None, None, 2), name=f"Creditor {n}")) for n in range(MAX_TOLD + 5)]
    *told, last = found(others, Severity.ERROR)
    assert len(told) == MAX_TOLD
    assert (last.code, last.severity) == ("FINDINGS_CUT", Severity.ERROR)
    assert last.text.startswith("5 more addresses")


PLACES_IN_BATCH = ("Dbtr", "UltmtDbtr")
PLACES_IN_PAYMENT = ("UltmtDbtr", "Cdtr", "UltmtCdtr")


@pytest.mark.parametrize("version", VERSIONS)
def test_addresses_of_parties_and_of_banks_without_a_bic_are_read_in_every_version(version: str) -> None:
    postal = "<PstlAdr><TwnNm>Bern</TwnNm><Ctry>CH</Ctry><AdrLine>A 1</AdrLine><AdrLine>B 2</AdrLine></PstlAdr>"
    bic = "BIC" if version.endswith(".03") else "BICFI"

    def party(name: str) -> str:
        return f"<{name}><Nm>{name} AG</Nm>{postal}</{name}>"

    def agent(name: str, identified: str = "") -> str:
        return f"<{name}><FinInstnId>{identified}<Nm>{name} AG</Nm>{postal}</FinInstnId></{name}>"

    with_bic = f"<{bic}>COBADEFFXXX</{bic}>"
    day = "<ReqdExctnDt>2026-11-18</ReqdExctnDt>" if version.endswith(".03") else (
        "<ReqdExctnDt><Dt>2026-11-18</Dt></ReqdExctnDt>"
    )  # fmt: skip
    text = (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><CstmrCdtTrfInitn>'
        "<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-16T09:00:00</CreDtTm><NbOfTxs>1</NbOfTxs>"
        f"{party('InitgPty')}</GrpHdr><PmtInf><PmtInfId>B</PmtInfId><PmtMtd>TRF</PmtMtd>{day}{party('Dbtr')}"
        f"<DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>{agent('DbtrAgt', with_bic)}"
        f"{party('UltmtDbtr')}<CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="EUR">1.00</InstdAmt></Amt>{party("UltmtDbtr")}{agent("IntrmyAgt1")}{agent("CdtrAgt")}'
        f"{party('Cdtr')}<CdtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></CdtrAcct>{party('UltmtCdtr')}"
        "</CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"
    )
    items = list(read(io.BytesIO(text.encode()), CATALOG, strict=True))
    [_, batch, payment] = items
    assert isinstance(batch, Batch)
    assert isinstance(payment, Payment)
    agents = [f"{name}/FinInstnId/PstlAdr" for name in ("IntrmyAgt1", "CdtrAgt")]
    assert [a.place for a in batch.addresses] == [f"{name}/PstlAdr" for name in PLACES_IN_BATCH]
    assert {a.place for a in payment.addresses} == {*(f"{name}/PstlAdr" for name in PLACES_IN_PAYMENT), *agents}
    for each in (*batch.addresses, *payment.addresses):
        assert each.name == f"{each.place.partition('/')[0]} AG"
        assert (each.town, each.country, each.lines, each.line) == ("Bern", "CH", ("A 1", "B 2"), 1)


def batch(*addresses: Address) -> Batch:
    return Batch(position=1, payment_information_id="B", debtor_iban="DE1", addresses=addresses)


def payment(name: str, *addresses: Address, account: str | None = "NL1") -> Payment:
    return Payment(
        position=1, batch=1, payment_information_id="B", instruction_id=None, end_to_end_id=None, uetr=None,
        amount=Decimal(1), currency="EUR", creditor_name=name, creditor_iban=account, addresses=addresses,
    )  # fmt: skip


GOOD, BAD, LONG = address("Lyon", "FR"), address(None, None, 2), address("Lyon", "FR", 3)
DEBTOR = address(None, None, 1, place="Dbtr/PstlAdr")


def tally(*files: list[Batch | Payment], most: int = 100) -> Tally:
    whole = Tally(most)
    for records in files:
        file = Tally(most)
        for record in records:
            file.add(record)
        whole.merge(file)
    return whole


def row(name: str, **counts: int) -> PartyForms:
    kinds = dict.fromkeys(("payments", "files", "ready", "none", "structured", "hybrid", "unstructured", "unfit"), 0)
    return PartyForms(role="Cdtr", name=name, account="NL1", **kinds | counts)


def test_creditors_are_counted_over_files_by_the_form_of_their_addresses() -> None:
    done = tally(
        [batch(), payment("A", GOOD), payment("A", GOOD), payment("B"), payment("C", BAD)],
        [batch(), payment("A", address("Lyon", "FR", 1)), payment("C", GOOD), payment("D", LONG), payment("D", LONG)],
    )
    assert done.parties() == [
        row("C", payments=2, files=2, ready=1, structured=1, unstructured=1),
        row("D", payments=2, files=1, unfit=2),
        row("A", payments=3, files=2, ready=3, structured=2, hybrid=1),
        row("B", payments=1, files=1, ready=1, none=1),
    ]
    totals = done.totals()
    assert (totals.files, totals.payments, totals.ready, totals.without_address) == (2, 8, 5, 1)


def test_a_payment_is_ready_only_if_its_debtor_is() -> None:
    done = tally([batch(DEBTOR), payment("A", GOOD), payment("B", GOOD), batch(), payment("B", GOOD)])
    assert (done.totals().payments, done.totals().ready) == (3, 1)
    first = done.parties()[0]
    assert (first.role, first.account, first.payments, first.unstructured) == ("Dbtr", "DE1", 2, 2)


def test_creditors_of_one_name_and_two_accounts_are_two() -> None:
    assert len(tally([payment("A"), payment("A", account="NL2")]).parties()) == 2


def test_more_parties_than_the_bound_are_not_listed_but_their_payments_are_counted() -> None:
    crowd = [payment(f"C{n}", BAD) for n in range(5)]
    for done in (tally(crowd, most=3), tally(crowd[:3], crowd[3:], most=3)):
        assert len(done.parties()) == 3
        totals = done.totals()
        assert (totals.payments, totals.ready, totals.parties, totals.left_out) == (5, 0, 3, 2)
