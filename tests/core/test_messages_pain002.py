"""pain.002: everything that a bank says of a file, a batch and a payment, in every version."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

from h2h.messages import Catalog, read
from h2h.model import BatchStatus, Finding, PaymentStatus, Reason, Record, StatusReport
from h2h.reported import Charge, Money, OriginalTransaction, Party, StatusCount, StructuredRemittance

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")


def records(inside: str, *, root: str = "CstmrPmtStsRpt") -> list[Record]:
    text = f'<Document xmlns="urn:bank:pain.002.001.99"><{root}>{inside}</{root}></Document>'
    items = list(read(io.BytesIO(text.encode()), CATALOG, strict=False))
    assert [each.code for each in items if isinstance(each, Finding)] == ["MSG_UNKNOWN"]
    return [each for each in items if not isinstance(each, Finding)]


def payment(inside: str) -> PaymentStatus:
    found = records(f"<OrgnlPmtInfAndSts><TxInfAndSts>{inside}</TxInfAndSts></OrgnlPmtInfAndSts>")[-1]
    assert isinstance(found, PaymentStatus)
    return found


def test_a_report_says_who_speaks_and_how_many_have_each_status() -> None:
    counts = (
        "<NbOfTxsPerSts><DtldNbOfTxs>2</DtldNbOfTxs><DtldSts>RJCT</DtldSts><DtldCtrlSum>9.5</DtldCtrlSum>"
        "</NbOfTxsPerSts><NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>ACCP</DtldSts></NbOfTxsPerSts>"
    )
    said = (
        StatusCount(status="RJCT", number="2", sum=Decimal("9.5")),
        StatusCount(status="ACCP", number="1"),
    )
    report, batch = records(
        "<GrpHdr><MsgId>R</MsgId><InitgPty><Id><OrgId><AnyBIC>BEISDEFFXXX</AnyBIC></OrgId></Id></InitgPty>"
        "<FwdgAgt><FinInstnId><Nm>Forwards</Nm></FinInstnId></FwdgAgt><DbtrAgt><FinInstnId><BICFI>BEISDEFFXXX</BICFI>"
        "</FinInstnId></DbtrAgt></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId>"
        f"<OrgnlCreDtTm>2026-11-16T09:00:00</OrgnlCreDtTm>{counts}</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>{counts}</OrgnlPmtInfAndSts>"
    )
    assert isinstance(report, StatusReport)
    assert (report.initiating_party, report.forwarding_agent) == ("BEISDEFFXXX", "Forwards")
    assert (report.debtor_agent, report.creditor_agent) == ("BEISDEFFXXX", None)
    assert report.original_created_at == "2026-11-16T09:00:00"
    assert isinstance(batch, BatchStatus)
    assert batch.original_message_id == "M"
    assert report.counts == batch.counts == said


def test_the_first_version_has_its_own_names_and_no_batches() -> None:
    agent = "<FinInstnId><BIC>BEISDEFFXXX</BIC></FinInstnId>"
    report, status = records(
        "<GrpHdr><MsgId>R</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId><GrpSts>PART</GrpSts>"
        "</OrgnlGrpInfAndSts><TxInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId><OrgnlEndToEndId>E</OrgnlEndToEndId>"
        "<OrgnlTxId>T</OrgnlTxId><TxSts>RJCT</TxSts><StsRsnInf><StsOrgtr><Nm>Bank</Nm></StsOrgtr><StsRsn><Cd>AC01</Cd>"
        "</StsRsn><AddtlStsRsnInf>no account</AddtlStsRsnInf></StsRsnInf>"
        f'<ChrgsInf><ChrgsAmt Ccy="EUR">1</ChrgsAmt><ChrgsPty>{agent}</ChrgsPty></ChrgsInf></TxInfAndSts>',
        root="pain.002.001.02",
    )
    assert isinstance(report, StatusReport)
    assert (report.original_message_id, report.status) == ("M", "PART")
    assert status == PaymentStatus(
        position=1,
        batch=0,
        payment_information_id="P",
        end_to_end_id="E",
        transaction_id="T",
        status="RJCT",
        reasons=(Reason(code="AC01", text="no account", originator="Bank"),),
        charges=(Charge(amount=Decimal(1), currency="EUR", agent="BEISDEFFXXX"),),
        line=1,
    )


def test_a_payment_has_its_charges_its_references_and_may_name_its_own_original() -> None:
    found = payment(
        '<ChrgsInf><Amt Ccy="EUR">1.50</Amt><Agt><FinInstnId><BICFI>BEISDEFFXXX</BICFI></FinInstnId></Agt><Tp><Cd>OURC'
        "</Cd></Tp></ChrgsInf><OrgnlGrpInf><OrgnlMsgId>M9</OrgnlMsgId></OrgnlGrpInf><ClrSysRef>CL</ClrSysRef>"
        "<AcctSvcrRef>AS</AcctSvcrRef><AccptncDtTm>2026-11-16T09:00:00</AccptncDtTm>"
    )
    assert found.charges == (Charge(amount=Decimal("1.50"), currency="EUR", type="OURC", agent="BEISDEFFXXX"),)
    assert (found.clearing_system_reference, found.account_servicer_reference) == ("CL", "AS")
    assert (found.original_message_id, found.accepted_at) == ("M9", "2026-11-16T09:00:00")
    assert found.original is None


def test_what_the_report_repeats_of_the_payment_is_kept_in_every_form() -> None:
    shared = (
        '<IntrBkSttlmAmt Ccy="EUR">5.00</IntrBkSttlmAmt><Amt><EqvtAmt><Amt Ccy="EUR">5.00</Amt></EqvtAmt></Amt>'
        "<IntrBkSttlmDt>2026-11-18</IntrBkSttlmDt><RmtInf><Ustrd>a</Ustrd><Ustrd>b</Ustrd><Strd><CdtrRefInf>"
        "<Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf><DbtrAcct><Id><Othr><Id>4711</Id></Othr></Id></DbtrAcct>"
        "<CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct><Purp><Cd>SALA</Cd></Purp>"
    )
    old = (
        "<ReqdExctnDt>2026-11-17</ReqdExctnDt><MndtRltdInf><MndtId>MA</MndtId></MndtRltdInf><Dbtr><Nm>D</Nm></Dbtr>"
        "<Cdtr><Nm>C</Nm></Cdtr><UltmtCdtr><Nm>U</Nm></UltmtCdtr>"
        "<CdtrAgt><FinInstnId><BIC>BEISDEFFXXX</BIC></FinInstnId></CdtrAgt>"
    )
    new = (
        "<ReqdExctnDt><Dt>2026-11-17</Dt></ReqdExctnDt><MndtRltdInf><DrctDbtMndt><MndtId>MA</MndtId></DrctDbtMndt>"
        "</MndtRltdInf><Dbtr><Pty><Nm>D</Nm></Pty></Dbtr><Cdtr><Pty><Nm>C</Nm></Pty></Cdtr>"
        "<UltmtCdtr><Pty><Nm>U</Nm></Pty></UltmtCdtr>"
        "<CdtrAgt><FinInstnId><BICFI>BEISDEFFXXX</BICFI></FinInstnId></CdtrAgt>"
    )
    for form in (old, new):
        found = payment(f"<OrgnlTxRef>{shared}{form}</OrgnlTxRef>")
        assert (found.amount, found.currency) == (Decimal("5.00"), "EUR")
        assert found.original == OriginalTransaction(
            settlement_amount=Money(amount=Decimal("5.00"), currency="EUR"),
            settlement_date="2026-11-18",
            requested_execution_date="2026-11-17",
            mandate_id="MA",
            purpose="SALA",
            debtor_name="D",
            debtor_account="4711",
            creditor_name="C",
            creditor_account="DE89370400440532013000",
            creditor_agent="BEISDEFFXXX",
            parties=(Party(role="UltmtCdtr", name="U"),),
            remittance=("a", "b"),
            structured=(StructuredRemittance(reference="RF18"),),
        )


def test_an_instruction_id_is_found_under_the_name_that_some_banks_misspell() -> None:
    assert payment("<OrgnlInstrdId>I</OrgnlInstrdId>").instruction_id == "I"
    assert payment("<OrgnlInstrdId>J</OrgnlInstrdId><OrgnlInstrId>I</OrgnlInstrId>").instruction_id == "I"
