"""camt.052, .053 and .054: everything that a bank says of an entry and of the transactions behind it."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pytest

from h2h.booked import (
    AmountDetail,
    Availability,
    CreditLine,
    EntryBatch,
    EntryTotals,
    Exchange,
    Reference,
    RelatedDate,
    SequenceRange,
)
from h2h.messages import Catalog, read
from h2h.model import Balance, Entry, EntryDetail, Finding, Reason, Record, Statement, StatementFile, StatementNote
from h2h.reported import Charge, Money, Party, ReferredDocument, RemittanceAmount, StructuredRemittance
from tests.changing import replace

PROJECT = Path(__file__).resolve().parents[2]
KNOWN = Catalog.load(PROJECT / "schemas")
ROOTS = {"camt.052": "BkToCstmrAcctRpt", "camt.053": "BkToCstmrStmt", "camt.054": "BkToCstmrDbtCdtNtfctn"}
GROUPS = {"camt.052": "Rpt", "camt.053": "Stmt", "camt.054": "Ntfctn"}
CAMT053 = next(row for row in KNOWN.rows if row.name == "camt.053.001.08")
CATALOG = Catalog(
    (*KNOWN.rows, *(replace(CAMT053, name=f"{n}.001.00", namespace=f"urn:{n}", root=r) for n, r in ROOTS.items()))
)


def items(inside: str, *, family: str = "camt.053", header: str = "", root: str = "") -> list[Record | Finding]:
    """What is read of one group with this inside it, under a namespace that no schema is for."""
    root, group = root or ROOTS[family], GROUPS[family]
    text = (
        f'<Document xmlns="urn:bank:{family}.001.08"><{root}><GrpHdr><MsgId>M</MsgId>{header}</GrpHdr>'
        f"<{group}><Id>S</Id>{inside}</{group}></{root}></Document>"
    )
    return list(read(io.BytesIO(text.encode()), CATALOG, strict=False))


def records(inside: str, *, family: str = "camt.053", header: str = "", root: str = "") -> list[Record]:
    found = items(inside, family=family, header=header, root=root)
    assert {each.code for each in found if isinstance(each, Finding)} == {"MSG_UNKNOWN"}
    return [each for each in found if not isinstance(each, Finding)]


def statement(inside: str, *, family: str = "camt.053", header: str = "") -> Statement:
    _, found, *_ = records(inside, family=family, header=header)
    assert isinstance(found, Statement)
    return found


def entry(inside: str) -> Entry:
    found = records(f'<Ntry><Amt Ccy="EUR">10.00</Amt><CdtDbtInd>DBIT</CdtDbtInd>{inside}</Ntry>')[-1]
    assert isinstance(found, Entry)
    return found


def detail(inside: str) -> EntryDetail:
    (found,) = entry(f"<NtryDtls><TxDtls>{inside}</TxDtls></NtryDtls>").details
    return found


@pytest.mark.parametrize("family", ROOTS)
def test_a_report_a_statement_and_a_notification_give_the_same_records(family: str) -> None:
    group = GROUPS[family]
    found = records(
        '<Ntry><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>'
        f"<Addtl{group}Inf>Balances are provisional</Addtl{group}Inf>",
        family=family,
    )
    assert [type(each) for each in found] == [StatementFile, Statement, Entry, StatementNote]
    assert [each.message for each in found[:2]] == [f"{family}.001.08"] * 2  # type: ignore[union-attr]
    assert found[3] == StatementNote(statement=1, text="Balances are provisional", line=1)


@pytest.mark.parametrize("root", ["BkToCstmrDbtCdtNtfctnV01", "BkToCstmrDbtCdtNtfctn"])
def test_the_first_version_is_read_under_its_own_names(root: str) -> None:
    """Of 2006: a root with a version in it, transactions directly in the entry, other identifications."""
    account = "<Acct><Id><PrtryAcct><Id>4711</Id></PrtryAcct></Id><Svcr><FinInstnId><NmAndAdr><Nm>B</Nm></NmAndAdr>"
    found = records(
        f"{account}</FinInstnId></Svcr></Acct>"
        '<Ntry><Amt Ccy="SEK">5</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>'
        "<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs></TxDtls></Ntry>",
        family="camt.054",
        root=root,
    )
    assert isinstance(found[1], Statement)
    assert (found[1].account, found[1].servicer) == ("4711", "B")
    assert isinstance(found[2], Entry)
    assert [(each.end_to_end_id, each.amount) for each in found[2].details] == [("E", Decimal(5))]


@pytest.mark.parametrize("family", ROOTS)
def test_the_page_is_that_of_the_group_else_of_the_file(family: str) -> None:
    header = "<MsgPgntn><PgNb>2</PgNb><LastPgInd>false</LastPgInd></MsgPgntn>"
    own = f"<{GROUPS[family]}Pgntn><PgNb>3</PgNb><LastPgInd>true</LastPgInd></{GROUPS[family]}Pgntn>"
    found = statement("", family=family, header=header)
    assert (found.page_number, found.last_page) == ("2", False)
    found = statement(own, family=family, header=header)
    assert (found.page_number, found.last_page) == ("3", True)


def test_a_statement_says_what_its_entries_come_to() -> None:
    totals = (
        "<TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>5.5</Sum></TtlCdtNtries>"
        "<TtlDbtNtries><NbOfNtries>2</NbOfNtries><Sum>2.5</Sum></TtlDbtNtries>"
    )
    said = EntryTotals(
        number="3",
        sum=Decimal("8.0"),
        net=Decimal("3.0"),
        net_direction="CRDT",
        credit_number="1",
        credit_sum=Decimal("5.5"),
        debit_number="2",
        debit_sum=Decimal("2.5"),
    )
    for net in (
        "<TtlNetNtryAmt>3.0</TtlNetNtryAmt><CdtDbtInd>CRDT</CdtDbtInd>",  # 2009
        "<TtlNetNtry><Amt>3.0</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry>",
    ):
        every = f"<TtlNtries><NbOfNtries>3</NbOfNtries><Sum>8.0</Sum>{net}</TtlNtries>"
        assert statement(f"<TxsSummry>{every}{totals}</TxsSummry>").totals == said
    assert statement("").totals is None


def test_a_statement_says_which_numbers_it_stands_for() -> None:
    ranges = "<FrToSeq><FrSeq>1</FrSeq><ToSeq>3</ToSeq></FrToSeq><FrSeq>8</FrSeq><ToSeq>2</ToSeq><NEQSeq>5</NEQSeq>"
    assert statement(f"<RptgSeq>{ranges}</RptgSeq>").reporting_sequence == (
        SequenceRange(kind="FrToSeq", first="1", last="3"),
        SequenceRange(kind="FrSeq", first="8"),
        SequenceRange(kind="ToSeq", last="2"),
        SequenceRange(kind="NEQSeq", first="5", last="5"),
    )


def test_a_balance_keeps_its_own_type_its_credit_lines_and_when_it_is_available() -> None:
    found = statement(
        "<Bal><Tp><CdOrPrtry><Prtry>HOUSE</Prtry></CdOrPrtry><SubTp><Cd>ADJT</Cd></SubTp></Tp><CdtLine>"
        '<Incl>false</Incl><Tp><Cd>PRAG</Cd></Tp><Amt Ccy="EUR">500</Amt></CdtLine><Amt Ccy="EUR">1.00</Amt>'
        "<CdtDbtInd>DBIT</CdtDbtInd><Dt><DtTm>2026-11-16T09:00:00</DtTm></Dt><Avlbty><Dt><NbOfDays>2</NbOfDays></Dt>"
        '<Amt Ccy="EUR">3</Amt><CdtDbtInd>CRDT</CdtDbtInd></Avlbty></Bal>'
    )
    assert found.balances == (
        Balance(
            type="HOUSE",
            subtype="ADJT",
            amount=Decimal("1.00"),
            currency="EUR",
            direction="DBIT",
            date="2026-11-16T09:00:00",
            credit_lines=(CreditLine(included=False, type="PRAG", amount=Decimal(500), currency="EUR"),),
            availability=(Availability(amount=Decimal(3), currency="EUR", direction="CRDT", days="2"),),
        ),
    )


def test_two_entries_that_are_alike_stay_two() -> None:
    one = '<Ntry><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>'
    assert [each.position for each in records(one + one) if isinstance(each, Entry)] == [1, 2]


def test_every_batch_of_an_entry_is_kept_and_each_transaction_knows_its_own() -> None:
    first = "<Btch><MsgId>M1</MsgId><PmtInfId>P1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch><TxDtls/><TxDtls/>"
    second = '<Btch><PmtInfId>P2</PmtInfId><TtlAmt Ccy="EUR">4</TtlAmt><CdtDbtInd>DBIT</CdtDbtInd></Btch><TxDtls/>'
    blocks = (first, second, "<TxDtls/>")
    found = entry("".join(f"<NtryDtls>{block}</NtryDtls>" for block in blocks))
    assert found.batches == (
        EntryBatch(message_id="M1", payment_information_id="P1", number_of_transactions="2"),
        EntryBatch(payment_information_id="P2", total=Decimal(4), currency="EUR", direction="DBIT"),
    )
    assert (found.batch_message_id, found.batch_payment_information_id) == ("M1", "P1")
    assert found.batch_number_of_transactions == "2"
    assert [(each.position, each.batch) for each in found.details] == [(1, 1), (2, 1), (3, 2), (4, 0)]


@pytest.mark.parametrize(("number", "amount"), [("", "10.00"), ("1", "10.00"), ("01", "10.00"), ("7", None)])
def test_the_one_transaction_that_is_shown_of_a_batch_has_not_the_amount_of_all(
    number: str, amount: str | None
) -> None:
    said = f"<Btch><NbOfTxs>{number}</NbOfTxs></Btch>" if number else ""
    (found,) = entry(f"<NtryDtls>{said}<TxDtls/></NtryDtls>").details
    assert found.amount == (Decimal(amount) if amount else None)
    assert found.direction == ("DBIT" if amount else None)


def test_amounts_keep_their_kind_and_their_exchange_at_the_entry_and_at_the_transaction() -> None:
    details = (
        '<AmtDtls><InstdAmt><Amt Ccy="USD">9.50</Amt><CcyXchg><SrcCcy>USD</SrcCcy><TrgtCcy>EUR</TrgtCcy>'
        "<UnitCcy>EUR</UnitCcy><XchgRate>1.0876</XchgRate><CtrctId>FX1</CtrctId><QtnDt>2026-11-16T09:00:00</QtnDt>"
        '</CcyXchg></InstdAmt><TxAmt><Amt Ccy="EUR">8.73</Amt></TxAmt>'
        '<PrtryAmt><Tp>IBS</Tp><Amt Ccy="EUR">8.70</Amt></PrtryAmt></AmtDtls>'
    )
    exchange = Exchange(
        source_currency="USD",
        target_currency="EUR",
        unit_currency="EUR",
        rate=Decimal("1.0876"),
        contract="FX1",
        quoted_at="2026-11-16T09:00:00",
    )
    amounts = (
        AmountDetail(kind="InstdAmt", amount=Decimal("9.50"), currency="USD", exchange=exchange),
        AmountDetail(kind="TxAmt", amount=Decimal("8.73"), currency="EUR"),
        AmountDetail(kind="PrtryAmt", type="IBS", amount=Decimal("8.70"), currency="EUR"),
    )
    assert entry(details).amounts == detail(details).amounts == amounts
    assert (detail(details).instructed_amount, detail(details).instructed_currency) == (Decimal("9.50"), "USD")


def test_charges_are_read_in_the_form_of_2009_and_in_that_of_today() -> None:
    agent = "<FinInstnId><BIC>BEISDEFFXXX</BIC></FinInstnId>"
    said = '<Amt Ccy="EUR">1.50</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
    old = f"<Tp><Cd>COMM</Cd></Tp><Br>SHAR</Br><Pty>{agent}</Pty>"
    new = '<ChrgInclInd>true</ChrgInclInd><Tp><Prtry><Id>FEE</Id></Prtry></Tp><Tax><Amt Ccy="EUR">0.30</Amt></Tax>'
    total = '<TtlChrgsAndTaxAmt Ccy="EUR">1.80</TtlChrgsAndTaxAmt>'
    euro = {"amount": Decimal("1.50"), "currency": "EUR", "direction": "DBIT"}
    found = entry(f"<Chrgs>{said}{old}</Chrgs><Chrgs>{said}</Chrgs>")
    assert found.charges == (Charge(**euro, type="COMM", bearer="SHAR", agent="BEISDEFFXXX"), Charge(**euro))  # type: ignore[arg-type]
    found = entry(f"<Chrgs>{total}<Rcrd>{said}{new}</Rcrd><Rcrd>{said}</Rcrd></Chrgs>")
    tax = Money(amount=Decimal("0.30"), currency="EUR")
    assert found.charges == (Charge(**euro, included=True, proprietary="FEE", tax=tax), Charge(**euro))  # type: ignore[arg-type]
    assert found.charges_totals == (Money(amount=Decimal("1.80"), currency="EUR"),)
    assert detail(f"<Chrgs>{total}<Rcrd>{said}</Rcrd></Chrgs>").charges_totals == found.charges_totals


def test_references_of_every_kind_are_kept() -> None:
    flat = {
        "MsgId": "message_id",
        "AcctSvcrRef": "account_servicer_reference",
        "PmtInfId": "payment_information_id",
        "InstrId": "instruction_id",
        "EndToEndId": "end_to_end_id",
        "UETR": "uetr",
        "TxId": "transaction_id",
        "MndtId": "mandate_id",
    }
    others = ("ChqNb", "ClrSysRef", "AcctOwnrTxId", "AcctSvcrTxId", "MktInfrstrctrTxId", "PrcgId")
    said = "".join(f"<{name}>{name.upper()}</{name}>" for name in (*flat, *others, "EndToEndId"))
    own = "<Prtry><Tp>A</Tp><Ref>1</Ref></Prtry><Prtry><Tp>B</Tp><Ref>2</Ref></Prtry>"
    found = detail(f"<Refs>{said}{own}</Refs>")
    assert {field: getattr(found, field) for field in flat.values()} == {f: n.upper() for n, f in flat.items()}
    assert found.references == (
        *(Reference(kind=name, value=name.upper()) for name in (*others, "EndToEndId")),
        Reference(kind="Prtry", type="A", value="1"),
        Reference(kind="Prtry", type="B", value="2"),
    )


def test_parties_are_known_by_name_else_by_identification_in_every_form() -> None:
    found = detail(
        "<RltdPties><InitgPty><Id><OrgId><Othr><Id>O1</Id></Othr></OrgId></Id></InitgPty>"
        "<Dbtr><Pty><Nm>Debtor</Nm><Id><OrgId><LEI>L1</LEI></OrgId></Id></Pty></Dbtr>"
        "<DbtrAcct><Id><Othr><Id>4711</Id></Othr></Id></DbtrAcct><UltmtDbtr><Nm>Old</Nm></UltmtDbtr>"
        "<Cdtr><Agt><FinInstnId><BICFI>BEISDEFFXXX</BICFI></FinInstnId></Agt></Cdtr>"
        "<CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct>"
        "<Prtry><Tp>BROKER</Tp><Pty><Pty><Nm>Third</Nm></Pty></Pty></Prtry></RltdPties>"
    )
    assert (found.debtor_name, found.debtor_id, found.debtor_account) == ("Debtor", "L1", "4711")
    assert (found.creditor_name, found.creditor_id) == (None, "BEISDEFFXXX")
    assert found.creditor_account == "DE89370400440532013000"
    assert found.parties == (
        Party(role="InitgPty", id="O1"),
        Party(role="UltmtDbtr", name="Old"),
        Party(role="Prtry", type="BROKER", name="Third"),
    )


def test_agents_are_known_by_bic_else_by_another_identification_else_by_name() -> None:
    found = detail(
        "<RltdAgts><DbtrAgt><FinInstnId><BIC>BEISDEFFXXX</BIC><Nm>Bank</Nm></FinInstnId></DbtrAgt>"
        "<CdtrAgt><FinInstnId><Nm>No number</Nm></FinInstnId></CdtrAgt>"
        "<IntrmyAgt1><FinInstnId><ClrSysMmbId><MmbId>021000021</MmbId></ClrSysMmbId><Nm>N</Nm></FinInstnId></IntrmyAgt1>"
        "<Prtry><Tp>X</Tp><Agt><FinInstnId><BICFI>BQEXFRPPXXX</BICFI></FinInstnId></Agt></Prtry></RltdAgts>"
    )
    assert (found.debtor_agent, found.creditor_agent) == ("BEISDEFFXXX", "No number")
    assert found.agents == (
        Party(role="IntrmyAgt1", id="021000021", name="N"),
        Party(role="Prtry", type="X", id="BQEXFRPPXXX"),
    )


def test_remittance_keeps_every_text_and_every_document() -> None:
    structured = (
        "<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp><Nb>R1</Nb><RltdDt>2026-10-01</RltdDt>"
        "</RfrdDocInf><RfrdDocInf><Nb>R2</Nb><RltdDt><Tp><Cd>INDA</Cd></Tp><Dt>2026-10-02</Dt></RltdDt></RfrdDocInf>"
        '<RfrdDocAmt><DuePyblAmt Ccy="EUR">9</DuePyblAmt><DscntApldAmt><Tp><Cd>APDS</Cd></Tp><Amt Ccy="EUR">1</Amt>'
        '</DscntApldAmt><AdjstmntAmtAndRsn><Amt Ccy="EUR">2</Amt><CdtDbtInd>DBIT</CdtDbtInd><Rsn>CUT</Rsn>'
        '</AdjstmntAmtAndRsn><RmtdAmt Ccy="EUR">6</RmtdAmt></RfrdDocAmt><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd>'
        "</CdOrPrtry><Issr>ISO</Issr></Tp><Ref>RF18</Ref></CdtrRefInf><Invcr><Nm>Seller</Nm></Invcr>"
        "<AddtlRmtInf>a</AddtlRmtInf><AddtlRmtInf>b</AddtlRmtInf></Strd><Strd><AddtlRmtInf>c</AddtlRmtInf></Strd>"
    )
    found = detail(f"<RmtInf><Ustrd>one</Ustrd><Ustrd>two</Ustrd>{structured}</RmtInf>")
    assert (found.remittance, found.structured) == (("one", "two"), ("RF18",))
    assert found.structured_remittance == (
        StructuredRemittance(
            reference="RF18",
            type="SCOR",
            issuer="ISO",
            documents=(
                ReferredDocument(type="CINV", number="R1", date="2026-10-01"),
                ReferredDocument(number="R2", date="2026-10-02"),
            ),
            amounts=(
                RemittanceAmount(kind="DuePyblAmt", amount=Decimal(9), currency="EUR"),
                RemittanceAmount(kind="DscntApldAmt", amount=Decimal(1), currency="EUR", type="APDS"),
                RemittanceAmount(
                    kind="AdjstmntAmtAndRsn", amount=Decimal(2), currency="EUR", direction="DBIT", type="CUT"
                ),
                RemittanceAmount(kind="RmtdAmt", amount=Decimal(6), currency="EUR"),
            ),
            invoicer="Seller",
            additional=("a", "b"),
        ),
        StructuredRemittance(additional=("c",)),
    )


def test_a_return_keeps_its_reason_and_what_was_returned() -> None:
    code = "<Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn><Prtry><Cd>NTRF</Cd></Prtry>"
    found = detail(
        f"<RtrInf><OrgnlBkTxCd>{code}</OrgnlBkTxCd><Orgtr><Nm>Their bank</Nm></Orgtr><Rsn><Cd>AC04</Cd></Rsn>"
        "<AddtlInf>closed</AddtlInf></RtrInf>"
    )
    assert found.return_reason == Reason(code="AC04", text="closed", originator="Their bank")
    assert (found.returned_transaction_code, found.returned_proprietary_code) == ("PMNT/ICDT/ESCT", "NTRF")
    assert detail("<RtrInf><Rsn><Prtry>OWN</Prtry></Rsn></RtrInf>").return_reason == Reason(proprietary="OWN")


def test_bank_transaction_codes_purpose_dates_and_the_rest() -> None:
    code = "<BkTxCd><Prtry><Cd>NTRF+166</Cd><Issr>DK</Issr></Prtry></BkTxCd>"
    found = detail(
        f"{code}<Purp><Prtry>RENT</Prtry></Purp><LclInstrm><Cd>INST</Cd></LclInstrm><RltdDts>"
        "<AccptncDtTm>2026-11-16T09:00:00</AccptncDtTm><Prtry><Tp>X</Tp><Dt><Dt>2026-11-17</Dt></Dt></Prtry></RltdDts>"
        '<Tax><TtlTaxAmt Ccy="EUR">1</TtlTaxAmt></Tax><AddtlTxInf>more</AddtlTxInf>'
    )
    assert (found.proprietary_code, found.proprietary_issuer, found.transaction_code) == ("NTRF+166", "DK", None)
    assert (found.purpose, found.local_instrument, found.additional_information) == ("RENT", "INST", "more")
    assert found.dates == (
        RelatedDate(kind="AccptncDtTm", date="2026-11-16T09:00:00"),
        RelatedDate(kind="Prtry", type="X", date="2026-11-17"),
    )
    assert found.tax == Money(amount=Decimal(1), currency="EUR")
    said = entry(f"{code}<AddtlInfInd><MsgNmId>camt.054</MsgNmId><MsgId>N7</MsgId></AddtlInfInd>")
    assert (said.proprietary_code, said.proprietary_issuer, said.told_in) == ("NTRF+166", "DK", "N7")


def test_an_amount_that_cannot_be_read_is_a_finding_wherever_it_stands() -> None:
    exchange = "<AmtDtls><TxAmt><Amt Ccy='EUR'>1</Amt><CcyXchg><XchgRate>1,08</XchgRate></CcyXchg></TxAmt></AmtDtls>"
    found = items(f'<Ntry><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd>{exchange}</Ntry>')
    (fault,) = [each for each in found if isinstance(each, Finding) and each.code == "VALUE_UNREADABLE"]
    assert fault.path == "/Document/BkToCstmrStmt/Stmt[1]/Ntry[1]/AmtDtls/TxAmt/CcyXchg/XchgRate"
    assert isinstance(found[-1], Entry)
    assert found[-1].amounts[0].exchange == Exchange(rate=None)
