"""What a sandbox bank plays beyond the textbook: late and repeated words, returns, collective entries, pages, gaps.

Every paper is held against the schemas, and the bank is stopped and started anew between the days.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from lxml import etree

from h2h.sandbox.bank import Bank, Paper
from h2h.sandbox.scenario import NEVER, Booking, Repeat, Rule, Scenario, Statuses, Then, When
from tests.changing import replace
from tests.core.talk import NOW, QUIET, UETR, Pay, Talk, accounted, message, order, texts, valid

BOTH = pytest.mark.parametrize("version", ["03", "09"])
GONE = Pay("20.00", name="Moved Away Ltd", id="GONE")
RETURN = Rule(when=When(creditor_name="Moved*"), then=Then.RETURN, text="No longer there.")
ACCEPTED = {"03": "ACCP", "09": "ACSP"}


def play(**keys: object) -> Talk:
    return Talk(replace(QUIET, **keys))  # type: ignore[arg-type]


def days(talk: Talk, count: int) -> list[list[etree._Element]]:
    """What is put out at the end of each of the next days."""
    found = []
    for _ in range(count):
        talk.restart()
        found.append(talk.close())
    return found


def kinds(papers: list[etree._Element]) -> list[str]:
    return [message(root)[:8] for root in papers]


def group(papers: list[etree._Element]) -> list[str]:
    return [status for root in papers for status in texts(root, "GrpSts")]


# Reports.


@BOTH
def test_a_late_word_comes_at_the_end_of_a_day_after_its_statement(version: str) -> None:
    talk = play(answer_days=2)
    assert group(talk.send(order([Pay("10.00")], version=version))) == ["ACTC"]
    first, second, third = days(talk, 3)
    assert (kinds(first), texts(first[0], "Ntry/Amt")) == (["camt.053"], ["10.00"])
    assert (kinds(second), group(second)) == (["camt.053", "pain.002"], [ACCEPTED[version]])
    assert kinds(third) == ["camt.053"]


def papers_of(scenario: Scenario) -> tuple[list[Paper], list[Paper], list[Paper]]:
    """Of one order: at once, and at the ends of two days."""
    bank, data = Bank(scenario, lambda: NOW), order([Pay("10.00")])
    return bank.receive(1, data) + bank.answer(1, data), bank.close_day(lambda _: data), bank.close_day(lambda _: data)


def test_a_word_comes_again_under_another_name() -> None:
    now, then, never = papers_of(replace(QUIET, repeat_answers=Repeat.FILE))
    assert (then[-1].data, then[-1].name == now[-1].name) == (now[-1].data, False)
    assert len(never) == 1


def test_a_word_comes_again_with_a_message_id_of_its_own() -> None:
    now, then, never = papers_of(replace(QUIET, repeat_answers=Repeat.MESSAGE))
    first, again = valid(now[-1].data), valid(then[-1].data)
    assert texts(first, "GrpHdr/MsgId") != texts(again, "GrpHdr/MsgId")
    assert etree.tostring(first).count(b"OrgnlMsgId") == etree.tostring(again).count(b"OrgnlMsgId")
    assert (group([again]), texts(again, "OrgnlMsgId")) == (group([first]), ["MSG-1"])
    assert len(never) == 1


def test_a_late_word_is_repeated_a_day_later() -> None:
    talk = play(answer_days=1, repeat_answers=Repeat.FILE)
    talk.send(order([Pay("10.00")]))
    assert [group(papers) for papers in days(talk, 3)] == [["ACSP"], ["ACSP"], []]


@BOTH
@pytest.mark.parametrize("late", [0, 1])
def test_an_older_word_comes_a_day_after_the_newer_one(version: str, late: int) -> None:
    talk = play(received_last=True, answer_days=late)
    papers = [talk.send(order([Pay("10.00")], version=version)), *days(talk, 2 + late)]
    said = [(day, root) for day, found in enumerate(papers) for root in found if message(root).startswith("pain")]
    assert [(day, group([root])) for day, root in said] == [(late, [ACCEPTED[version]]), (late + 1, ["ACTC"])]
    newer, older = (texts(root, "GrpHdr/MsgId")[0] for _, root in said)
    assert older < newer


def test_an_older_word_waits_through_a_stop_for_the_answer_to_its_file() -> None:
    talk = play(received_last=True)
    data = order([Pay("10.00")])
    talk.files[1] = data
    assert talk.bank.receive(1, data) == []
    talk.restart()
    assert kinds(talk.close()) == []
    assert group([valid(paper.data) for paper in talk.bank.answer(1, data)]) == ["ACSP"]
    assert group(talk.close()) == ["ACTC"]


def test_a_refused_file_is_refused_at_once_whatever_comes_late() -> None:
    talk = play(received_last=True, answer_days=3)
    assert group(talk.send(b"<a/>")) == ["RJCT"]


def test_a_bank_may_have_its_own_words_for_statuses_and_reasons() -> None:
    rules = (
        Rule(when=When(end_to_end_id="BAD"), then=Then.REJECT, proprietary="Z-17 closed"),
        Rule(when=When(end_to_end_id="WAIT"), then=Then.PENDING),
    )
    batch = [Pay("1.00"), Pay("2.00", id="BAD"), Pay("3.00", id="WAIT")]
    statuses = Statuses(accept="00", reject="99", pending="50")
    final = play(statuses=statuses, rule=rules).send(order(batch, [Pay("4.00")]))[-1]
    assert (texts(final, "GrpSts"), texts(final, "PmtInfSts"), texts(final, "TxSts")) == (
        ["PART"],
        ["PART", "00"],
        ["99", "50"],
    )
    assert (texts(final, "StsRsnInf/Rsn/Prtry"), texts(final, "StsRsnInf/Rsn/Cd")) == (["Z-17 closed"], [])
    assert texts(final, "DtldSts") == ["00", "50", "99"]
    old = play(statuses=statuses).send(order([Pay("1.00")], version="03"))[-1]
    assert texts(old, "GrpSts") == ["ACCP"]


# Returns.


@BOTH
def test_a_payment_comes_back_after_it_was_booked_with_its_references_and_a_reason(version: str) -> None:
    talk = play(rule=(replace(RETURN, days=2),))
    final = talk.send(order([Pay("10.00"), GONE], version=version))[-1]
    assert (group([final]), texts(final, "TxInfAndSts")) == ([ACCEPTED[version]], [])
    (first,), (second,), (third,), (fourth,) = days(talk, 4)
    assert (texts(first, "Ntry/Amt"), texts(first, "Ntry/CdtDbtInd")) == (["10.00", "20.00"], ["DBIT", "DBIT"])
    assert texts(first, "RtrInf") == texts(second, "Ntry/Amt") == texts(fourth, "Ntry/Amt") == []
    assert (texts(third, "Ntry/Amt"), texts(third, "Ntry/CdtDbtInd")) == (["20.00"], ["CRDT"])
    assert texts(third, "RtrInf/Rsn/Cd") == ["AC04"]
    assert texts(third, "RtrInf/AddtlInf") == ["No longer there."]
    for name in ("MsgId", "PmtInfId", "InstrId", "EndToEndId"):
        assert texts(third, f"Refs/{name}") == [texts(first, f"Refs/{name}")[1]]
    assert texts(third, "Refs/UETR") == ([UETR] if version == "09" else [])
    assert texts(third, "Cdtr/Pty/Nm" if version == "09" else "Cdtr/Nm") == ["Moved Away Ltd"]
    assert accounted(fourth)[2] == Decimal("99990.00")


def test_a_return_may_have_a_reason_of_the_banks_own_and_what_was_refused_never_comes_back() -> None:
    refused = Rule(when=When(end_to_end_id="BAD"), then=Then.REJECT)
    talk = play(rule=(refused, replace(RETURN, proprietary="R7", text=None)))
    talk.send(order([GONE, replace(GONE, id="BAD")]))
    first, second = days(talk, 2)
    assert texts(first[0], "Refs/EndToEndId") == ["GONE"]
    assert (texts(second[0], "RtrInf/Rsn/Prtry"), texts(second[0], "RtrInf/Rsn/Cd")) == (["R7"], [])


def test_of_a_batch_in_one_sum_one_payment_comes_back_by_itself() -> None:
    talk = play(rule=(RETURN,))
    talk.send(order([Pay("10.00"), GONE], booking="true"))
    (first,), (second,) = days(talk, 2)
    assert (texts(first, "Ntry/Amt"), texts(second, "Ntry/Amt")) == (["30.00"], ["20.00"])
    assert texts(second, "Refs/EndToEndId") == ["GONE"]
    assert texts(second, "Btch") == []


# Bookings.


@BOTH
@pytest.mark.parametrize(
    ("asked", "plays", "sums"),
    [
        ("true", Booking.AS_ORDERED, ["30.50"]),
        ("false", Booking.AS_ORDERED, ["10.00", "20.50"]),
        ("false", Booking.BATCH, ["30.50"]),
        ("true", Booking.SINGLE, ["10.00", "20.50"]),
    ],
)
def test_a_batch_is_booked_as_ordered_or_as_the_bank_does_it(
    version: str, asked: str, plays: Booking, sums: list[str]
) -> None:
    talk = play(batch_booking=plays)
    talk.send(order([Pay("10.00"), Pay("20.50")], booking=asked, version=version))
    assert texts(talk.close()[0], "Ntry/Amt") == sums


@BOTH
def test_a_batch_without_details_tells_only_how_many_payments_are_in_it(version: str) -> None:
    talk = play(batch_booking=Booking.BATCH, batch_details=False)
    talk.send(order([Pay("10.00"), Pay("20.50")], version=version))
    talk.restart()
    (statement,) = talk.close()
    assert (texts(statement, "Btch/NbOfTxs"), texts(statement, "Btch/PmtInfId")) == (["2"], ["BATCH-1"])
    assert statement.findall(".//{*}TxDtls") == []


@BOTH
def test_a_charge_for_each_payment_is_an_entry_of_its_own_or_in_that_of_the_payment(version: str) -> None:
    apart = play(payment_charge=Decimal("0.35"))
    within = play(payment_charge=Decimal("0.35"), charge_included=True)
    statements = []
    for talk in (apart, within):
        talk.send(order([Pay("10.00"), Pay("20.50")], version=version))
        statements += talk.close()
    assert texts(statements[0], "Ntry/Amt") == ["10.00", "20.50", "0.70"]
    assert texts(statements[1], "Ntry/Amt") == ["10.35", "20.85"]
    assert texts(statements[1], "AmtDtls/InstdAmt/Amt") == ["10.00", "20.50"]
    records = texts(statements[1], "Chrgs/Amt" if version == "03" else "Chrgs/Rcrd/Amt")
    assert records == ["0.35", "0.35"]
    assert statements[0].findall(".//{*}Chrgs") == []
    if version == "09":
        assert texts(statements[1], "TxDtls/Amt") == ["10.35", "20.85"]


@BOTH
def test_the_charge_in_a_batch_without_details_stands_in_the_entry_and_is_kept_when_a_payment_comes_back(
    version: str,
) -> None:
    keys = {"batch_booking": Booking.BATCH, "batch_details": False, "charge_included": True}
    talk = play(payment_charge=Decimal("0.35"), rule=(RETURN,), **keys)
    talk.send(order([Pay("10.00"), GONE], version=version))
    (first,), (second,) = days(talk, 2)
    assert texts(first, "Ntry/Amt") == ["30.70"]
    assert texts(first, "Ntry/Chrgs/Amt" if version == "03" else "Ntry/Chrgs/Rcrd/Amt") == ["0.70"]
    assert texts(second, "Ntry/Amt") == ["20.00"]
    assert second.findall(".//{*}Chrgs") == []


# Statements.


@BOTH
def test_a_statement_in_pages_carries_interim_balances_and_adds_up_page_by_page(version: str) -> None:
    talk = play(entries_per_page=2)
    talk.send(order([Pay(f"{n}.00", id=f"E{n}") for n in range(1, 6)], version=version))
    talk.restart()
    pages = talk.close()
    place = "GrpHdr/MsgPgntn" if version == "03" else "Stmt/StmtPgntn"
    said = [(texts(page, f"{place}/PgNb"), texts(page, f"{place}/LastPgInd")) for page in pages]
    assert said == [(["1"], ["false"]), (["2"], ["false"]), (["3"], ["true"])]
    assert [texts(page, "Bal/Tp/CdOrPrtry/Cd") for page in pages] == [
        ["OPBD", "ITBD"],
        ["ITBD", "ITBD"],
        ["ITBD", "CLBD"],
    ]
    sums = [accounted(page) for page in pages]
    assert all(opening + moved == closing for opening, moved, closing in sums)
    assert [opening for opening, _, _ in sums[1:]] == [closing for _, _, closing in sums[:-1]]
    assert len({texts(page, "Stmt/Id")[0] for page in pages}) == 1
    assert len({texts(page, "GrpHdr/MsgId")[0] for page in pages}) == 3
    assert {number for page in pages for number in texts(page, "ElctrncSeqNb")} == {"1"}
    assert [reference for page in pages for reference in texts(page, "NtryRef")] == [
        f"00001-{n:06}" for n in range(1, 6)
    ]
    assert [texts(page, "ElctrncSeqNb") for page in talk.close()] == [["2"]]


@pytest.mark.parametrize(("entries", "pages"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)])
def test_no_page_is_empty_but_that_of_an_empty_day(entries: int, pages: int) -> None:
    talk = play(entries_per_page=2, batch_booking=Booking.SINGLE)
    talk.send(order([Pay("1.00")]))
    talk.close()
    if entries:
        talk.send(order([Pay("1.00")] * entries, message_id="MSG-2"))
    papers = talk.close()
    assert len(papers) == pages
    assert all(len(texts(page, "Ntry/Amt")) == (entries and min(2, entries - 2 * n)) for n, page in enumerate(papers))


@BOTH
def test_a_statement_is_held_back_and_comes_days_later_as_it_was(version: str) -> None:
    talk = play(hold_statements=(2,), hold_days=2, entries_per_page=1)
    numbers = []
    for day in range(1, 6):
        batch = [Pay(f"{day}.00"), Pay(f"{day}.50")] if day == 2 else [Pay(f"{day}.00")]
        talk.send(order(batch, message_id=f"M-{day}", version=version))
        talk.restart()
        papers = talk.close()
        numbers.append([texts(paper, "ElctrncSeqNb")[0] for paper in papers])
        if day == 4:
            assert [texts(page, "Ntry/Amt") for page in papers[1:]] == [["2.00"], ["2.50"]]
            assert accounted(papers[1])[0] == Decimal("99999.00")
    assert numbers == [["1"], [], ["3"], ["4", "2", "2"], ["5"]]


def test_what_is_held_back_is_not_let_go_by_an_answer_at_the_end_of_a_day() -> None:
    talk = play(hold_statements=(1,), hold_days=2, rule=(Rule(then=Then.PENDING),))
    talk.send(order([Pay("1.00")]))
    assert kinds(talk.close()) == ["pain.002"]
    talk.send(order([Pay("2.00")], message_id="MSG-2"))
    first, second = days(talk, 2)
    assert (kinds(first), kinds(second)) == (["pain.002", "camt.053"], ["camt.053", "camt.053"])


@BOTH
def test_what_is_booked_is_told_during_the_day_and_has_the_same_reference_in_all_messages(version: str) -> None:
    talk = play(intraday=True, notifications=True, rule=(RETURN,))
    suffix = "02" if version == "03" else "08"
    first = talk.send(order([Pay("10.00", id="A")], version=version))
    second = talk.send(order([GONE], message_id="MSG-2", version=version))
    assert kinds(first)[2:] == kinds(second)[2:] == ["camt.054", "camt.052"]
    assert {message(root)[-2:] for root in first[2:]} == {suffix}
    assert [texts(root, "NtryRef") for root in first[2:]] == [["00001-000001"], ["00001-000001"]]
    assert [texts(root, "NtryRef") for root in second[2:]] == [["00001-000002"], ["00001-000001", "00001-000002"]]
    assert texts(second[3], "Bal/Tp/CdOrPrtry/Cd") == ["OPBD", "ITBD"]
    opening, moved, interim = accounted(second[3])
    assert opening + moved == interim
    assert second[2].findall(".//{*}Bal") == []
    (statement,) = talk.close()
    assert texts(statement, "NtryRef") == ["00001-000001", "00001-000002"]
    notification, statement = talk.close()
    assert (kinds([notification]), texts(notification, "RtrInf/Rsn/Cd")) == (["camt.054"], ["AC04"])
    assert texts(notification, "AcctSvcrRef") == texts(statement, "AcctSvcrRef")


def test_an_order_of_which_nothing_is_booked_tells_of_no_booking() -> None:
    talk = play(intraday=True, notifications=True, rule=(Rule(then=Then.REJECT),))
    assert kinds(talk.send(order([Pay("10.00")]))) == ["pain.002", "pain.002"]
    assert kinds(talk.close()) == ["camt.053"]


def test_all_plays_at_once_say_the_same_when_a_step_is_done_again_after_a_crash() -> None:
    scenario = Scenario(
        answer_days=1, repeat_answers=Repeat.MESSAGE, received_last=True, batch_booking=Booking.BATCH,
        intraday=True, notifications=True, entries_per_page=2, hold_statements=(1,), payment_charge=Decimal("0.35"),
        rule=(RETURN,),
    )  # fmt: skip
    talk, data = Talk(scenario), order([Pay("10.00"), GONE])
    talk.files[1] = data
    for step in (
        lambda: talk.bank.receive(1, data),
        lambda: talk.bank.answer(1, data),
        lambda: talk.bank.close_day(talk.files.__getitem__),
        lambda: talk.bank.close_day(talk.files.__getitem__),
    ):
        before = talk.bank.state
        papers = step()
        talk.bank.state = before
        talk.restart()
        assert step() == papers
        assert all(valid(paper.data) is not None for paper in papers)
    assert talk.bank.state.later == talk.bank.state.returns == ()


def test_a_bank_that_never_answers_repeats_nothing() -> None:
    talk = play(answer_seconds=NEVER, repeat_answers=Repeat.MESSAGE, answer_days=1)
    assert group(talk.send(order([Pay("10.00")]))) == ["ACTC"]
    assert [kinds(papers) for papers in days(talk, 2)] == [["camt.053"], ["camt.053"]]
