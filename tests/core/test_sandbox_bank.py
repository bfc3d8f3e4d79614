"""What a sandbox bank says and books: its answers are valid by the schemas, and its statements add up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from h2h.sandbox.bank import Bank, Paper
from h2h.sandbox.scenario import NEVER, Generation, Rule, Scenario, Then, When, parse_scenario
from tests.core.talk import (
    MIXED,
    NOW,
    QUIET,
    UETR,
    Pay,
    Talk,
    accounted,
    decided,
    message,
    order,
    read,
    schema_file,
    texts,
)

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"


@pytest.mark.parametrize("prefix", ["", "pain"])
@pytest.mark.parametrize(
    ("version", "answer", "accepted", "statement"),
    [("03", "pain.002.001.03", "ACCP", "camt.053.001.02"), ("09", "pain.002.001.10", "ACSP", "camt.053.001.08")],
)
def test_an_order_is_received_then_accepted_then_booked_in_its_own_generation(
    version: str, answer: str, accepted: str, statement: str, prefix: str
) -> None:
    talk = Talk()
    received, final = talk.send(order([Pay("10.00")], version=version, prefix=prefix))
    assert [message(received), message(final)] == [answer, answer]
    assert (texts(received, "GrpSts"), received.findall(".//{*}OrgnlPmtInfAndSts")) == (["ACTC"], [])
    assert (texts(final, "GrpSts"), texts(final, "PmtInfSts")) == ([accepted], [accepted])
    assert texts(final, "OrgnlMsgId") == ["MSG-1"]
    assert texts(final, "OrgnlMsgNmId") == [f"pain.001.001.{version}"]
    assert [message(root) for root in talk.close()] == [statement]


@pytest.mark.parametrize("generation", list(Generation))
@pytest.mark.parametrize("version", ["03", "09"])
def test_a_scenario_can_fix_the_generation_of_all_answers(version: str, generation: Generation) -> None:
    talk = Talk(Scenario(generation=generation))
    answers = talk.send(order([Pay("10.00")], version=version)) + talk.close()
    suffixes = {Generation.Y2009: ["03", "03", "02"], Generation.Y2019: ["10", "10", "08"]}[generation]
    assert [message(root)[-2:] for root in answers] == suffixes


@pytest.mark.parametrize("version", ["03", "09"])
def test_in_a_mixed_order_only_payments_of_mixed_batches_that_are_not_accepted_are_listed(version: str) -> None:
    fine, closed = Pay("10.00", id="FINE"), Pay("20.00", name="Closed Ltd", id="BAD")
    final = decided(MIXED, [fine], [fine, closed], [closed, closed], version=version)
    accepted = "ACCP" if version == "03" else "ACSP"
    assert texts(final, "GrpSts") == ["PART"]
    assert texts(final, "PmtInfSts") == [accepted, "PART", "RJCT"]
    assert texts(final, "OrgnlPmtInfAndSts/StsRsnInf/Rsn/Cd") == ["AC04"]
    assert texts(final, "OrgnlEndToEndId") == ["BAD"]
    assert texts(final, "TxInfAndSts/TxSts") == ["RJCT"]
    assert texts(final, "TxInfAndSts/StsRsnInf/Rsn/Cd") == ["AC04"]
    assert texts(final, "TxInfAndSts/StsRsnInf/AddtlInf") == ["Closed."]
    assert dict(zip(texts(final, "DtldSts"), texts(final, "DtldNbOfTxs"), strict=True)) == {accepted: "2", "RJCT": "3"}


def test_an_order_of_which_nothing_is_accepted_is_rejected() -> None:
    final = decided(MIXED, [Pay("5.00", name="Closed Ltd")], [Pay("1000.01")])
    assert texts(final, "GrpSts") == ["RJCT"]
    assert texts(final, "PmtInfSts") == ["RJCT", "RJCT"]
    assert texts(final, "OrgnlPmtInfAndSts/StsRsnInf/Rsn/Cd") == ["AC04", "AM02"]


def test_where_reasons_differ_within_a_rejected_batch_its_payments_are_listed_with_them() -> None:
    final = decided(MIXED, [Pay("5.00", name="Closed Ltd"), Pay("1000.01")])
    assert texts(final, "PmtInfSts") == ["RJCT"]
    assert texts(final, "OrgnlPmtInfAndSts/StsRsnInf/Rsn/Cd") == []
    assert texts(final, "TxInfAndSts/StsRsnInf/Rsn/Cd") == ["AC04", "AM02"]


@pytest.mark.parametrize(
    ("payment", "fits"),
    [
        (Pay("100.01"), False),
        (Pay("100.01", currency="USD"), True),
        (Pay("100.00", currency="USD"), False),
        (Pay("100.01", currency="USD", id="A-1"), True),
        (Pay("100.01", currency="USD", id="B-1"), False),
    ],
)
def test_all_conditions_of_a_rule_must_hold(payment: Pay, fits: bool) -> None:
    when = When(amount_above=Decimal(100), currency="USD", end_to_end_id="[AE]*", creditor_iban="FR*")
    final = Talk(Scenario(rule=(Rule(when=when, then=Then.REJECT),))).send(order([payment]))[-1]
    assert texts(final, "GrpSts") == (["RJCT"] if fits else ["ACSP"])
    assert texts(final, "StsRsnInf/Rsn/Cd") == (["MS03"] if fits else [])


def test_the_first_rule_that_fits_decides() -> None:
    rules = (Rule(when=When(creditor_name="Muster AG"), then=Then.ACCEPT), Rule(then=Then.REJECT))
    assert texts(Talk(Scenario(rule=rules)).send(order([Pay("1.00")]))[-1], "GrpSts") == ["ACSP"]


def test_a_pending_payment_is_accepted_and_booked_at_the_end_of_the_day() -> None:
    talk = Talk(parse_scenario(MIXED + "", file="mixed"))
    final = talk.send(order([Pay("1.00"), Pay("2.00", id="WAIT-1"), Pay("3.00", name="Closed Ltd", id="BAD")]))[-1]
    assert texts(final, "TxSts") == ["PDNG", "RJCT"]
    last, statement = talk.close()
    assert texts(last, "OrgnlEndToEndId") == ["BAD"]
    assert texts(statement, "TxDtls/Refs/MsgId") == ["MSG-1", "MSG-1"]
    assert {"E2E", "WAIT-1"} <= set(texts(statement, "EndToEndId"))
    (statement,) = talk.close()
    assert texts(statement, "TxDtls/Refs/MsgId") == []


def test_a_wholly_pending_order_has_that_status() -> None:
    final = decided(MIXED, [Pay("2.00", id="WAIT-1")])
    assert (texts(final, "GrpSts"), texts(final, "PmtInfSts"), texts(final, "TxSts")) == (["PDNG"], ["PDNG"], [])


@pytest.mark.parametrize(
    ("data", "reason", "named"),
    [
        (b"", "FF01", "NOTPROVIDED"),
        (b"HELLO", "FF01", "NOTPROVIDED"),
        (order([Pay("1.00")])[:-20], "FF01", "NOTPROVIDED"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + order([Pay("1.00")]), "FF01", "NOTPROVIDED"),
        (b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.008.001.02'/>", "FF01", "NOTPROVIDED"),
        (order(), "FF01", "MSG-1"),
        (order([]), "FF01", "MSG-1"),
        (order([Pay("1.00")], header="<NbOfTxs>2</NbOfTxs>"), "AM18", "MSG-1"),
        (order([Pay("1.00")], header="<NbOfTxs>one</NbOfTxs>"), "AM18", "MSG-1"),
        (order([Pay("1.00")], header="<NbOfTxs>1</NbOfTxs><CtrlSum>1.01</CtrlSum>"), "AM10", "MSG-1"),
        (order([Pay("1.00")], header="<NbOfTxs>1</NbOfTxs><CtrlSum>x</CtrlSum>"), "AM10", "MSG-1"),
        (order([Pay("1.00")]).replace(b">1.00</InstdAmt>", b">1,00</InstdAmt>"), "AM12", "MSG-1"),
        (order([Pay("1.00", currency="eur")]), "AM11", "MSG-1"),
    ],
)
def test_what_cannot_be_carried_out_is_rejected_as_a_whole_with_its_reason(
    data: bytes, reason: str, named: str
) -> None:
    talk = Talk()
    (answer,) = talk.send(data)
    assert (texts(answer, "GrpSts"), texts(answer, "OrgnlMsgId")) == (["RJCT"], [named])
    assert texts(answer, "OrgnlGrpInfAndSts/StsRsnInf/Rsn/Cd") == [reason]
    assert "".join(texts(answer, "AddtlInf")).endswith(".")
    assert talk.close() == []


def test_the_control_sum_is_a_number_not_a_text_and_may_be_left_out() -> None:
    talk = Talk()
    for n, header in enumerate(("<NbOfTxs>01</NbOfTxs><CtrlSum>1.000</CtrlSum>", "<NbOfTxs>1</NbOfTxs>")):
        answers = talk.send(order([Pay("1.0")], message_id=f"M-{n}", header=header))
        assert [texts(answer, "GrpSts") for answer in answers] == [["ACTC"], ["ACSP"]]


def test_a_message_id_that_came_before_is_rejected_and_not_booked_again() -> None:
    talk = Talk()
    talk.send(order([Pay("10.00")]))
    talk.restart()
    (answer,) = talk.send(order([Pay("10.00", id="OTHER")]))
    assert texts(answer, "GrpSts") == ["RJCT"]
    assert texts(answer, "StsRsnInf/Rsn/Cd") == ["DU01"]
    (statement,) = talk.close()
    assert texts(statement, "EndToEndId") == ["E2E"]


def test_a_step_done_again_after_a_crash_says_the_same() -> None:
    bank, data = Bank(QUIET, lambda: NOW), order([Pay("10.00")])
    before = bank.state
    papers = bank.receive(1, data) + bank.answer(1, data)
    bank.state = before
    assert bank.receive(1, data) + bank.answer(1, data) == papers


@pytest.mark.parametrize(
    ("scenario", "statuses"),
    [
        (Scenario(received_seconds=NEVER), ["ACSP", "RJCT"]),
        (Scenario(answer_seconds=NEVER), ["ACTC", "RJCT"]),
        (Scenario(received_seconds=NEVER, answer_seconds=NEVER), []),
    ],
)
def test_a_bank_that_never_says_so_books_all_the_same(scenario: Scenario, statuses: list[str]) -> None:
    talk = Talk(scenario)
    answers = talk.send(order([Pay("10.00")])) + talk.send(order([Pay("10.00")]))
    assert [status for answer in answers for status in texts(answer, "GrpSts")] == statuses
    (statement,) = talk.close()
    assert texts(statement, "TxDtls/Refs/PmtInfId") == ["BATCH-1"]


@pytest.mark.parametrize("version", ["03", "09"])
def test_a_batch_is_booked_in_one_sum_where_the_order_asks_for_it(version: str) -> None:
    talk = Talk(Scenario(credits_per_day=0, charge=Decimal(0), rule=parse_scenario(MIXED).rule))
    batch = [Pay("10.00", id="A"), Pay("20.50", id="B"), Pay("5.00", name="Closed Ltd", id="C")]
    talk.send(order(batch, version=version, booking="true"))
    (statement,) = talk.close()
    assert texts(statement, "Ntry/Amt") == ["30.50"]
    assert texts(statement, "Btch/PmtInfId") == ["BATCH-1"]
    assert texts(statement, "Btch/NbOfTxs") == ["2"]
    assert texts(statement, "TxDtls/Refs/EndToEndId") == ["A", "B"]


@pytest.mark.parametrize("booking", ["false", "0"])
def test_else_every_payment_is_an_entry_of_its_own(booking: str) -> None:
    talk = Talk()
    talk.send(order([Pay("10.00", id="A"), Pay("20.50", id="B")], booking=booking))
    (statement,) = talk.close()
    assert texts(statement, "Ntry/Amt") == ["10.00", "20.50"]
    assert statement.findall(".//{*}Btch") == []
    assert texts(statement, "TxDtls/Refs/UETR") == [UETR, UETR]
    assert texts(statement, "Cdtr/Pty/Nm") == ["Muster AG", "Muster AG"]
    assert texts(statement, "Ustrd") == ["Invoice 4711", "Invoice 4711"]


@pytest.mark.parametrize("version", ["03", "09"])
def test_a_payment_in_another_currency_is_booked_at_its_counter_value(version: str) -> None:
    talk = Talk(Scenario(credits_per_day=0, charge=Decimal(0), exchange_rate=Decimal("0.915")))
    talk.send(order([Pay("100.01", currency="USD"), Pay("5.00")], version=version))
    (statement,) = talk.close()
    assert texts(statement, "Ntry/Amt") == ["91.51", "5.00"]
    assert [amount.get("Ccy") for amount in statement.findall(".//{*}Amt")].count("USD") == 1
    assert texts(statement, "AmtDtls/InstdAmt/Amt") == ["100.01"]


def test_each_currency_of_an_account_number_is_an_account() -> None:
    talk = Talk()
    talk.send(order([Pay("1.00", currency="CHF")], message_id="A", currency="CHF"))
    talk.send(order([Pay("2.00")], message_id="B"))
    assert [(texts(s, "Acct/Ccy"), texts(s, "Ntry/Amt")) for s in talk.close()] == [
        (["CHF"], ["1.00"]),
        (["EUR"], ["2.00"]),
    ]


def test_an_account_that_sent_only_what_was_rejected_has_a_statement_without_it() -> None:
    talk = Talk(Scenario(rule=(Rule(then=Then.REJECT),), charge=Decimal("4.50"), credits_per_day=0))
    talk.send(order([Pay("1.00")]))
    (statement,) = talk.close()
    assert texts(statement, "Ntry/Amt") == ["4.50"]


def test_statements_follow_each_other_in_number_and_balance_through_a_restart() -> None:
    talk = Talk(Scenario(opening_balance=Decimal("-20.00")))
    chain = []
    for day in range(3):
        talk.send(order([Pay("7.00")], message_id=f"DAY-{day}"))
        (statement,) = talk.close()
        opening, moved, closing = accounted(statement)
        assert opening + moved == closing
        chain.append((texts(statement, "ElctrncSeqNb"), opening, closing))
        talk.restart()
    assert [number for number, _, _ in chain] == [["1"], ["2"], ["3"]]
    assert chain[0][1] == Decimal("-20.00")
    assert [opening for _, opening, _ in chain[1:]] == [closing for _, _, closing in chain[:-1]]


def test_incoming_payments_depend_on_seed_account_and_day_alone() -> None:
    def days(seed: int) -> list[list[str]]:
        talk = Talk(Scenario(seed=seed, charge=Decimal(0)))
        talk.send(order([Pay("7.00")]))
        return [texts(talk.close()[0], "Ntry/Amt")[-2:] for _ in range(2)]

    assert days(1) == days(1)
    assert days(1) != days(2)
    assert days(1)[0] != days(1)[1]


def test_no_two_papers_share_a_name_or_a_message_id() -> None:
    talk = Talk()
    papers: list[Paper] = []
    for number in range(1, 4):
        data = order([Pay("1.00")], message_id=f"M-{number}")
        papers += talk.bank.receive(number, data) + talk.bank.answer(number, data) + talk.bank.close_day(lambda _: b"")
    assert len({paper.name for paper in papers}) == len(papers) == 9
    assert len({texts(root, "GrpHdr/MsgId")[0] for root in read(papers)}) == 9


def test_values_longer_than_their_type_are_cut_so_that_the_answers_stay_valid() -> None:
    talk = Talk(
        parse_scenario('[[rule]]\nwhen = { amount_above = "5" }\nthen = "reject"\ntext = "%s"' % ("word " * 60))
    )
    long = [Pay("9.00", name="N" * 200, id="I" * 50), Pay("1.00", name="N" * 200, id="I" * 50)]
    final = talk.send(order(long, message_id="M" * 40))[-1]
    assert "".join(texts(final, "AddtlInf")) == "word " * 60
    talk.close()


ANSWERS = [(order([Pay("1.00"), Pay("2.00", name="Closed Ltd")], version=version), version) for version in ("03", "09")]


@pytest.mark.parametrize(("data", "version"), ANSWERS, ids=["2009", "2019"])
def test_a_second_validator_finds_the_answers_valid_too(data: bytes, version: str) -> None:
    talk = Talk(parse_scenario(MIXED))
    for root in talk.send(data)[-1:] + talk.close():
        xmlschema.XMLSchema(str(schema_file(message(root)))).validate(etree.tostring(root).decode())


_PAYMENTS = st.builds(
    Pay,
    amount=st.decimals(min_value="0.01", max_value="99999.99", places=2).map(str),
    name=st.sampled_from(["Closed Ltd", "Muster AG", "Ünïcode &amp; Söhne"]),
    currency=st.sampled_from(["EUR", "USD", "CHF"]),
    id=st.sampled_from(["E2E", "WAIT-1", "NOTPROVIDED"]),
)


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(_PAYMENTS, min_size=1, max_size=4), min_size=1, max_size=3),
    version=st.sampled_from(["03", "09"]),
    booking=st.sampled_from(["true", "false"]),
)
def test_whatever_is_ordered_answers_are_valid_and_the_statement_adds_up(
    batches: list[list[Pay]], version: str, booking: str
) -> None:
    talk = Talk(parse_scenario(MIXED))
    talk.send(order(*batches, version=version, booking=booking))
    opening, moved, closing = accounted(talk.close()[-1])
    assert opening + moved == closing


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the collected files are not at hand")
@pytest.mark.parametrize("generation", [None, *Generation])
def test_files_collected_in_the_field_never_break_the_bank(generation: Generation | None) -> None:
    talk = Talk(Scenario(generation=generation, rule=parse_scenario(MIXED).rule))
    files = sorted(path for path in CORPUS.glob("pain00*/*") if path.is_file())
    assert len(files) > 50
    for path in files:
        assert talk.send(path.read_bytes())
    for _ in range(2):
        assert all(opening + moved == closing for opening, moved, closing in map(accounted, _statements(talk)))


def _statements(talk: Talk) -> list[etree._Element]:
    return [root for root in talk.close() if message(root).startswith("camt")]
