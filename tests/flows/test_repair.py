"""Repair: what the bank refused goes out once more in a new file, by a person's word, and nothing else ever does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from h2h.confined import ConfinedReader
from h2h.errors import FolderError, NotAllowed, Stale, StoreError
from h2h.foothold import Foothold
from h2h.gateway import Gateway
from h2h.ledger.repairs import Repairs
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.messages.orders import Selection
from h2h.outbound.proof import ranges
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from tests.changing import replace

from .test_bad_world import SILENT, pull
from .test_restored import copy_ledger, put_ledger_back
from .world import World, answer, opened, put, sample, send, transfers, world

WHO = {"who": "ann", "reason": "the account number was mended at the bank"}
REFUSED = "ZA-2026-004706"
BATCH = {"ZA-2026-004706": "EINZEL-2026-47", "ZA-2026-004702": "LIEF-2026-47"}
OLD = "MMB-20261116-0001"


def says(message_id: str, *payments: tuple[str, str, str], batches: dict[str, str] | None = None) -> bytes:
    """A pain.002 that lists payments (EndToEndId, status, reason) in their batches, and says PART of the whole."""
    where = batches or BATCH
    listed = "".join(
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{where[name]}</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>{name}"
        f"</OrgnlEndToEndId><TxSts>{status}</TxSts><StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        "</OrgnlPmtInfAndSts>"
        for name, status, reason in payments
    )
    whole = answer(message_id, "PART", paper_id="STS").decode()
    return whole.replace("</OrgnlGrpInfAndSts>", f"</OrgnlGrpInfAndSts>{listed}").encode()


class Desk:
    """A gateway that has handed one file over, and a bank that answers when it is told to."""

    def __init__(self, erp: World, bank: BankServer, gateway: Gateway) -> None:
        self.erp, self.bank, self.gateway = erp, bank, gateway
        self._papers = 0

    def hears(self, content: bytes) -> None:
        self._papers += 1
        put(self.bank.folders.outbox, f"answer-{self._papers}.xml", content)
        pull(self.gateway)

    @property
    def old(self) -> Transfer:
        return transfers(self.gateway)[0]

    @property
    def new(self) -> Transfer:
        [found] = transfers(self.gateway)[1:]
        return found

    def repair(self, transfer: Transfer | None = None, execution_date: date | None = None) -> Transfer:
        gateway = self.gateway
        plan = gateway.ledger.repair_rehearsal.plan((transfer or self.old).id)
        with gateway.repair.built(plan, execution_date) as built:
            return gateway.repair.keep(built, gateway.ledger.repairs, **WHO)

    def release(self, transfer: Transfer, who: str = "ann") -> Transfer:
        return self.gateway.decisions.release(transfer.id, who=who, reason="looked at it", now=True)

    def sends(self) -> None:
        send(self.gateway)

    def bytes_of(self, transfer: Transfer) -> bytes:
        with self.gateway.archive.open(transfer.sha256) as source:
            return source.read()


@contextmanager
def desk(folder: Path, content: bytes = sample(), **settings: Any) -> Iterator[Desk]:
    with world(folder, SILENT, **settings) as (erp, bank):
        erp.write_settings()
        erp.drop_file(content)
        with opened(erp) as gateway:
            send(gateway)
            yield Desk(erp, bank, gateway)


@pytest.fixture
def partly(tmp_path: Path) -> Iterator[Desk]:
    """One of eight payments was refused, the others were accepted."""
    with desk(tmp_path, duplicates_days=5) as found:
        found.hears(answer(OLD, "ACCP"))
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        assert found.old.verdict is Verdict.PARTIAL
        yield found


def elements(content: bytes, name: str) -> list[etree._Element]:
    return list(etree.fromstring(content).iter(f"{{*}}{name}"))


def plain(element: etree._Element, *left_out: str) -> bytes:
    """An element in canonical form, without indentation."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False), etree.XMLParser(remove_blank_text=True))
    for name in left_out:
        for each in list(copy.iter(f"{{*}}{name}")):
            each.getparent().remove(each)  # type: ignore[union-attr]
    return etree.tostring(copy, method="c14n2")


def texts(content: bytes, name: str) -> list[str | None]:
    return [element.text for element in elements(content, name)]


# The whole way.


def test_the_refused_payment_alone_goes_out_once_more_by_a_persons_word(partly: Desk) -> None:
    made = partly.repair()
    assert (made.state, made.repair_of, made.payments) == (State.HELD, partly.old.id, 1)
    assert f"Repair of {partly.old.id} (payments.xml): 1 of its 8 payments" in str(made.reason)
    partly.sends()
    assert len(partly.bank.taken) == 1
    partly.release(made)
    partly.sends()
    assert [file.name for file in partly.bank.taken] == [f"{OLD}.xml", f"{OLD}-R1.xml"]
    first, second = (file.data for file in partly.bank.taken)
    assert hashlib.sha256(second).hexdigest() == made.sha256
    [was] = [e for e in elements(first, "CdtTrfTxInf") if REFUSED in etree.tostring(e).decode()]
    [sent] = elements(second, "CdtTrfTxInf")
    assert plain(sent, "UETR") == plain(was, "UETR")
    assert partly.new.state is State.SENT
    new_batch = {REFUSED: "EINZEL-2026-47-R1"}
    partly.hears(says(f"{OLD}-R1", (REFUSED, "ACSC", "G000"), batches=new_batch))
    assert partly.new.verdict is Verdict.ACCEPTED
    assert partly.old.verdict is Verdict.PARTIAL


def test_names_counts_and_sums_are_those_of_the_new_file_and_all_else_is_as_it_stood(partly: Desk) -> None:
    old, new = partly.bytes_of(partly.old), partly.bytes_of(partly.repair())
    assert texts(new, "MsgId") == [f"{OLD}-R1"]
    assert texts(new, "PmtInfId") == ["EINZEL-2026-47-R1"]
    assert texts(new, "NbOfTxs") == ["1", "1"]
    [amount] = texts(new, "InstdAmt")
    assert texts(new, "CtrlSum") == [amount, amount]
    changed = ("MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "PmtInfId", "CdtTrfTxInf")
    assert plain(elements(new, "GrpHdr")[0], *changed) == plain(elements(old, "GrpHdr")[0], *changed)
    assert plain(elements(new, "PmtInf")[0], *changed) == plain(elements(old, "PmtInf")[1], *changed)
    [uetr] = texts(new, "UETR")
    assert uetr is not None
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uetr)
    assert uetr not in texts(old, "UETR")


def test_the_file_that_was_sent_is_never_touched(partly: Desk) -> None:
    before, bytes_before = partly.old, partly.bytes_of(partly.old)
    partly.repair()
    assert partly.old == before
    assert partly.bytes_of(partly.old) == bytes_before == sample()


def test_both_files_tell_of_each_other_and_the_proof_stands_in_the_journal(partly: Desk) -> None:
    made = partly.repair()
    step = (made.id, 1, partly.old.id, 6)
    for transfer in (made, partly.old):
        [found] = partly.gateway.ledger.views.history(transfer.id).sent_again
        assert (found.transfer, found.payment, found.origin, found.origin_payment) == step
    told = [row.sent_again[0] for row in partly.gateway.ledger.views.payments(REFUSED)]
    assert [(t.transfer, t.payment, t.origin, t.origin_payment) for t in told] == [step, step]
    event = next(e for e in partly.gateway.ledger.journal.of(made.id) if e.kind == "repair")
    assert (event.actor, event.data["of"], event.data["positions"]) == ("ann", partly.old.id, "6")
    assert (event.data["payments"], event.data["of_payments"]) == (1, 8)
    assert (event.data["sha256"], event.data["of_sha256"]) == (made.sha256, partly.old.sha256)
    assert event.data["not_inside"] == {"accepted": 7}
    old = partly.gateway.ledger.journal.of(partly.old.id)[-1]
    assert (old.kind, old.actor, old.data["in"], old.data["reason"]) == ("repaired", "ann", made.id, WHO["reason"])


def test_another_execution_date_is_the_one_thing_more_that_changes(partly: Desk) -> None:
    new = partly.bytes_of(partly.repair(execution_date=date(2026, 12, 1)))
    assert [e[0].text for e in elements(new, "ReqdExctnDt")] == ["2026-12-01"]


def test_a_date_long_over_is_judged_as_ever(tmp_path: Path) -> None:
    with desk(tmp_path, outbound={"unusual_dates": '"hold"', "execution_days": "[-9000, 9000]"}) as found:
        found.release(found.old) if found.old.state is State.HELD else None
        found.sends()
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        made = found.repair(execution_date=date(1999, 1, 1))
        assert made.state is State.HELD
        codes = [f.code for f in found.gateway.ledger.views.history(made.id).findings]
        assert codes[:2] == ["REPAIR_OF_REFUSED", "EXECUTION_DATE_UNUSUAL"]


@pytest.mark.parametrize("version", ["pain.001.001.03", "pain.001.001.09"])
def test_several_payments_of_several_batches_stay_in_their_order_and_version(tmp_path: Path, version: str) -> None:
    content = sample(version)
    names = [str(n) for n in texts(content, "EndToEndId")]
    batches = {
        str(name.text): str(batch[0].text)
        for batch in elements(content, "PmtInf")
        for name in batch.iter("{*}EndToEndId")
    }
    chosen = [names[1], names[3], names[4]]
    [message_id] = texts(content, "MsgId")
    with desk(tmp_path, content) as found:
        found.hears(says(str(message_id), *((name, "RJCT", "AC01") for name in chosen), batches=batches))
        made = found.repair()
        new = found.bytes_of(made)
        assert texts(new, "EndToEndId") == chosen
        assert made.message == version
        assert [row.origin_payment for row in found.gateway.ledger.views.history(made.id).sent_again] == [2, 4, 5]
        before = {plain(e, "UETR") for e in elements(content, "CdtTrfTxInf")}
        assert {plain(e, "UETR") for e in elements(new, "CdtTrfTxInf")} <= before
        assert ("UETR" in new.decode()) is (version == "pain.001.001.09")


def test_a_prefix_stays_and_so_does_every_character_of_a_value(tmp_path: Path) -> None:
    text = sample().decode().replace("</", "</p:").replace("<", "<p:").replace("<p:/p:", "</p:").replace("<p:?", "<?")
    text = text.replace("xmlns=", "xmlns:p=").replace("Talleres Ebro SL", "  Straße &amp; Söhne &lt;&quot;'\u00a0ß")
    text = re.sub(r"<p:Ustrd>[^<]*", "<p:Ustrd> a&#13;b&#9;&gt; c\n ", text)
    with desk(tmp_path, text.encode()) as found:
        found.hears(says(OLD, ("ZA-2026-004705", "RJCT", "AC01"), batches={"ZA-2026-004705": "EINZEL-2026-47"}))
        new = found.bytes_of(found.repair())
        assert b"<p:CdtTrfTxInf>" in new
        [was] = [e for e in elements(text.encode(), "CdtTrfTxInf") if b"004705" in etree.tostring(e)]
        assert plain(elements(new, "CdtTrfTxInf")[0], "UETR") == plain(was, "UETR")


# What is never inside.


@pytest.mark.parametrize("status", ["ACCP", "ACSC", "PDNG", "ACTC", "BLCK", "RVMC", "XXXX"])
def test_only_what_the_bank_refused_is_inside(tmp_path: Path, status: str) -> None:
    with desk(tmp_path) as found:
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04"), ("ZA-2026-004702", status, "G000")))
        made = found.repair()
        assert texts(found.bytes_of(made), "EndToEndId") == [REFUSED]
        plan_left = found.gateway.ledger.journal.of(made.id)[-1].data["not_inside"]
        assert sum(plan_left.values()) == 7


def test_what_was_refused_as_a_duplicate_is_never_inside(tmp_path: Path) -> None:
    with desk(tmp_path) as found:
        found.hears(says(OLD, (REFUSED, "RJCT", "AM05")))
        with pytest.raises(NotAllowed, match=r"1 refused as a duplicate \(AM05\)"):
            found.repair()


def test_nothing_is_made_of_a_file_that_was_accepted_or_not_answered(tmp_path: Path) -> None:
    with desk(tmp_path) as found:
        with pytest.raises(NotAllowed, match="the bank's word on it is none"):
            found.repair()
        found.hears(answer(OLD, "ACSC"))
        with pytest.raises(NotAllowed, match="the bank's word on it is ACCEPTED"):
            found.repair()


def test_a_persons_note_that_the_bank_refused_it_is_not_enough(tmp_path: Path) -> None:
    with desk(tmp_path) as found:
        note = {"how": "telephone, Ms Ek", "reason": "no pain.002 came"}
        found.gateway.decisions.confirm(found.old.id, Verdict.REJECTED, who="ann", **note)
        with pytest.raises(NotAllowed, match=r"is ann's word, and no report says which payments.*h2h resend"):
            found.repair()


def test_a_contradicted_refusal_is_not_repaired(partly: Desk) -> None:
    partly.hears(says(OLD, (REFUSED, "ACSC", "G000")))
    with pytest.raises(NotAllowed, match="contradicts itself"):
        partly.repair()


def test_a_file_that_was_refused_as_a_whole_is_repaired_as_a_whole(tmp_path: Path) -> None:
    with desk(tmp_path) as found:
        found.hears(answer(OLD, "RJCT", reason="DT01"))
        made = found.repair()
        assert (made.payments, made.control_sum) == (8, found.old.control_sum)


# Never twice.


def test_what_was_sent_again_is_not_sent_again_once_more_unless_that_was_withdrawn(partly: Desk) -> None:
    first = partly.repair()
    with pytest.raises(NotAllowed, match=rf"7 accepted; 1 sent again in {first.id}"):
        partly.repair()
    partly.gateway.decisions.cancel(first.id, **WHO)
    second = partly.repair()
    assert (second.state, second.message_id) == (State.HELD, f"{OLD}-R2")


def test_of_two_repairs_that_were_built_at_once_one_is_entered(partly: Desk) -> None:
    gateway = partly.gateway
    plan = gateway.ledger.repair_rehearsal.plan(partly.old.id)
    with gateway.repair.built(plan, None) as one, gateway.repair.built(plan, None) as other:
        gateway.repair.keep(one, gateway.ledger.repairs, **WHO)
        with pytest.raises((NotAllowed, Stale)):
            gateway.repair.keep(other, gateway.ledger.repairs, **WHO)
    assert len(transfers(gateway)) == 2


def test_what_was_refused_once_more_may_go_once_more_by_one_way_only(partly: Desk) -> None:
    second = partly.release(partly.repair())
    partly.sends()
    partly.hears(answer(f"{OLD}-R1", "RJCT", reason="AC04"))
    third = partly.repair(partly.gateway.ledger.transfers.get(second.id))
    assert (third.repair_of, third.message_id) == (second.id, f"{OLD}-R2")
    for way in (
        lambda: partly.repair(),
        lambda: partly.repair(partly.gateway.ledger.transfers.get(second.id)),
        lambda: partly.gateway.decisions.resend(second.id, **WHO),
    ):
        with pytest.raises(NotAllowed, match=third.id):
            way()


def test_the_first_file_may_be_repaired_anew_after_its_repair_was_refused_and_then_that_one_goes_nowhere(
    partly: Desk,
) -> None:
    second = partly.release(partly.repair())
    partly.sends()
    partly.hears(answer(f"{OLD}-R1", "RJCT", reason="AC04"))
    third = partly.repair()
    assert third.repair_of == partly.old.id
    with pytest.raises(NotAllowed, match=third.id):
        partly.gateway.decisions.resend(second.id, **WHO)
    partly.gateway.decisions.cancel(third.id, **WHO)
    assert partly.gateway.decisions.resend(second.id, **WHO).state is State.READY


def unnamed(content: bytes) -> bytes:
    """No references and no words: nothing but its place tells a payment from the next one like it."""
    text = re.sub(r"<EndToEndId>[^<]*", "<EndToEndId>NOTPROVIDED", content.decode())
    return re.sub(r"\s*<RmtInf>.*?</RmtInf>", "", text, flags=re.DOTALL).encode()


def test_the_old_file_is_not_resent_beside_its_repair_even_if_nobody_could_see_that_they_are_the_same(
    tmp_path: Path,
) -> None:
    with desk(tmp_path, unnamed(sample())) as found:
        found.hears(answer(OLD, "RJCT", reason="AC04"))
        made = found.repair()
        with pytest.raises(NotAllowed, match=f"may be paid, or was, in {made.id}"):
            found.gateway.decisions.resend(found.old.id, **WHO)
        found.gateway.decisions.cancel(made.id, **WHO)
        assert found.gateway.decisions.resend(found.old.id, **WHO).state is State.READY


def test_a_repair_is_not_released_after_the_bank_said_that_it_paid_after_all(partly: Desk) -> None:
    made = partly.repair()
    partly.hears(says(OLD, (REFUSED, "ACSC", "G000")))
    for who in ("ann", "bob"):
        with pytest.raises(NotAllowed, match=f"may be paid, or was, in {partly.old.id}"):
            partly.release(made, who)
    partly.sends()
    assert len(partly.bank.taken) == 1


def test_a_released_repair_that_waits_is_held_when_the_bank_says_that_it_paid_after_all(partly: Desk) -> None:
    made = partly.release(partly.repair())
    partly.hears(says(OLD, (REFUSED, "ACSC", "G000")))
    partly.sends()
    assert len(partly.bank.taken) == 1
    held = partly.gateway.ledger.transfers.get(made.id)
    assert (held.state, held.proposed_by) == (State.HELD, "bank")


def dropped_anew(name: str) -> bytes:
    """The refused payment in a file of the ERP's own, under another message id."""
    tree = etree.fromstring(sample(message_id="ANEW"))
    for payment in list(tree.iter("{*}CdtTrfTxInf")):
        if name not in etree.tostring(payment).decode():
            payment.getparent().remove(payment)  # type: ignore[union-attr]
    for batch in list(tree.iter("{*}PmtInf")):
        if batch.find("{*}CdtTrfTxInf") is None:
            batch.getparent().remove(batch)  # type: ignore[union-attr]
    for leaf in [*tree.iter("{*}CtrlSum"), *tree.iter("{*}NbOfTxs")]:
        leaf.getparent().remove(leaf) if "CtrlSum" in leaf.tag else setattr(leaf, "text", "1")  # type: ignore[union-attr,func-returns-value]
    return etree.tostring(tree)


def test_what_the_erp_dropped_anew_is_not_sent_again_beside_it_whatever_the_radar_is_set_to(tmp_path: Path) -> None:
    with desk(tmp_path, duplicates_days=0) as found:
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        found.erp.drop_file(dropped_anew(REFUSED), "anew.xml")
        found.sends()
        assert found.new.state is State.SENT
        with pytest.raises(NotAllowed, match="stand in another file too"):
            found.repair()
        assert len(transfers(found.gateway)) == 2


def test_the_radar_has_its_say_on_payments_of_other_files_that_are_like_it(tmp_path: Path) -> None:
    """Within its days, as of any file: the same creditor, amount and text, under another reference."""
    anew = dropped_anew(REFUSED).replace(b">ZA-2026-004706<", b">ANOTHER<")
    with desk(tmp_path, duplicates_days=5) as found:
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        found.erp.drop_file(anew, "anew.xml")
        found.sends()
        other = found.new
        assert other.state is State.SENT
        made = found.repair()
        assert (made.state, made.duplicate_of) == (State.DUPLICATE, other.id)
        assert found.release(made).state is State.HELD
        with pytest.raises(NotAllowed, match="somebody else"):
            found.release(made)
        assert found.release(made, "bob").state is State.READY


def test_what_was_sent_again_is_a_duplicate_when_the_erp_drops_it_anew(partly: Desk) -> None:
    partly.release(partly.repair())
    partly.sends()
    partly.erp.drop_file(dropped_anew(REFUSED), "anew.xml")
    partly.sends()
    assert [t.state for t in transfers(partly.gateway)] == [State.SENT, State.SENT, State.DUPLICATE]


# What cannot be carried over.


@pytest.mark.parametrize("whole", [True, False], ids=["of the file", "of the payment"])
def test_supplementary_data_is_not_carried_over_and_nothing_is_stored(tmp_path: Path, whole: bool) -> None:
    data = '<SplmtryData><Envlp><x:a xmlns:x="urn:x">1</x:a></Envlp></SplmtryData>'
    text = sample().decode()
    if whole:
        text = text.replace("</CstmrCdtTrfInitn>", f"{data}</CstmrCdtTrfInitn>")
    else:
        head, mid, tail = text.partition(REFUSED)
        text = head + mid + tail.replace("</CdtTrfTxInf>", f"{data}</CdtTrfTxInf>", 1)
    with desk(tmp_path, text.encode(), outbound={"supplementary_data": '["urn:x"]'}) as found:
        found.hears(says(OLD, (REFUSED, "RJCT", "AC04"), ("ZA-2026-004702", "ACCP", "G000")))
        archived = len(list((found.erp.folder / "data" / "archive").rglob("*")))
        with pytest.raises(NotAllowed, match=r"REPAIR_IMPOSSIBLE.*SplmtryData"):
            found.repair()
        assert len(transfers(found.gateway)) == 1
        assert len(list((found.erp.folder / "data" / "archive").rglob("*"))) == archived


# The proof.


def everything(order: Selection) -> Selection:
    return replace(order, payments=tuple(range(1, 9)))


LIES: dict[str, Callable[[bytes], bytes]] = {
    "another amount": lambda b: re.sub(rb">[0-9.]+</InstdAmt>", b">0.01</InstdAmt>", b),
    "another creditor": lambda b: re.sub(rb"(<Cdtr>\s*<Nm>)[^<]*", rb"\1Somebody Else", b),
    "another account": lambda b: re.sub(rb"(<CdtrAcct>\s*<Id>\s*<IBAN>)[^<]*", rb"\1DE02120300000000202051", b),
    "another reference": lambda b: b.replace(REFUSED.encode(), b"ZA-2026-004705"),
    "another date": lambda b: re.sub(rb"<Dt>[^<]*</Dt>", b"<Dt>2026-12-24</Dt>", b),
    "another debtor's name": lambda b: re.sub(rb"(<Dbtr>\s*<Nm>)[^<]*", rb"\1Somebody Else", b),
    "the old message id": lambda b: b.replace(f"{OLD}-R1".encode(), OLD.encode()),
    "the old batch id": lambda b: b.replace(b"EINZEL-2026-47-R1", b"EINZEL-2026-47"),
    "the same UETR": lambda b: re.sub(rb"<UETR>[^<]*", b"<UETR>00000000-0000-4000-8000-000000000001", b),
    "the payment twice": lambda b: re.sub(rb"(<CdtTrfTxInf>.*</CdtTrfTxInf>)", rb"\1\1", b, flags=re.DOTALL),
    "no payment": lambda b: re.sub(rb"<CdtTrfTxInf>.*</CdtTrfTxInf>", b"", b, flags=re.DOTALL),
    "the old file": lambda _: sample(),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_is_not_what_it_should_be_is_never_stored(
    partly: Desk, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    honest = ConfinedReader.selected

    def selected(reader: ConfinedReader, source: Any, order: Selection) -> Iterator[Any]:
        yield LIES[lie](b"".join(honest(reader, source, order)))  # type: ignore[arg-type]

    monkeypatch.setattr(ConfinedReader, "selected", selected)
    with pytest.raises(NotAllowed):
        partly.repair()
    assert len(transfers(partly.gateway)) == 1


def test_an_accepted_payment_that_slips_in_is_found(partly: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ConfinedReader.selected
    monkeypatch.setattr(ConfinedReader, "selected", lambda r, s, o: honest(r, s, everything(o)))
    with pytest.raises(NotAllowed):
        partly.repair()
    assert len(transfers(partly.gateway)) == 1


def twins(count: int) -> bytes:
    """Payments of the second batch that are the same in all that anybody could tell them apart by."""
    text = sample().decode()
    found = re.search(rf"<CdtTrfTxInf>(?:(?!<CdtTrfTxInf>).)*{REFUSED}.*?</CdtTrfTxInf>", text, re.DOTALL)
    assert found
    twin = re.sub(r"\s*<UETR>[^<]*</UETR>", "", found[0])
    text = text.replace(found[0], twin * count)
    head, initiator, rest = re.sub(r"\s*<CtrlSum>[^<]*</CtrlSum>", "", text).partition("<InitgPty>")
    head = re.sub(r"<NbOfTxs>\d+", f"<NbOfTxs>{text.count('<CdtTrfTxInf>')}", head)
    return (head + initiator + re.sub(r"\s*<NbOfTxs>[^<]*</NbOfTxs>", "", rest)).encode()


def test_payments_that_nobody_can_tell_apart_are_not_repaired_one_by_one(tmp_path: Path) -> None:
    with desk(tmp_path, twins(2)) as found:
        found.hears(says(OLD, ("ZA-2026-004702", "RJCT", "AC04")))
        ledger = found.gateway.ledger
        with ledger._database.transaction() as connection:  # as no report could say it
            connection.exec_driver_sql("UPDATE payment SET status = 'RJCT' WHERE position = 6")
        with pytest.raises(NotAllowed, match="is like one that it refused"):
            found.repair()


# A bad world.


def test_a_crash_before_the_ledger_knows_leaves_nothing_but_bytes(
    partly: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def full(*_: object, **__: object) -> Transfer:
            raise StoreError("the disk is full")

        patch.setattr(Repairs, "enter", full)
        with pytest.raises(StoreError):
            partly.repair()
    assert len(transfers(partly.gateway)) == 1
    assert partly.repair().state is State.HELD


def test_no_room_for_the_new_file_is_told_in_a_sentence(partly: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("h2h.outbound.repair.tempfile.TemporaryFile", full)
    with pytest.raises(StoreError, match=r"cannot be written in .*: No space left"):
        partly.repair()


def test_a_folder_that_is_away_keeps_nothing_back(partly: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise FolderError("the disk is away")

    monkeypatch.setattr(Foothold, "leave", away)
    assert partly.repair().state is State.HELD


def test_a_ledger_that_was_put_back_from_before_the_repair_finds_that_there_was_one(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(sample())
        with opened(erp) as gateway:
            send(gateway)
            found = Desk(erp, bank, gateway)
            found.hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        copy_ledger(erp)
        with opened(erp) as gateway:
            found = Desk(erp, bank, gateway)
            made = found.release(found.repair())
            found.sends()
        put_ledger_back(erp)
        with opened(erp) as gateway:
            found = Desk(erp, bank, gateway)
            assert gateway.ledger.restored.safe_mode()
            entered = gateway.ledger.transfers.get(made.id)
            assert (entered.state, entered.sha256) == (State.UNCERTAIN, made.sha256)
            with pytest.raises(NotAllowed, match="older than what happened"):
                found.repair()
            gateway.accept_restored(who="ann", reason="compared with the bank")
            with pytest.raises(NotAllowed, match="stand in another file too"):
                found.repair()


def test_a_folder_that_is_not_in_the_settings_any_more_sends_nothing_again(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(sample())
        with opened(erp) as gateway:
            send(gateway)
            Desk(erp, bank, gateway).hears(says(OLD, (REFUSED, "RJCT", "AC04")))
        erp.outbound = {"watch": f'"{tmp_path}/elsewhere"'}
        (tmp_path / "elsewhere").mkdir()
        with opened(erp) as gateway, pytest.raises(NotAllowed, match="not in the settings any more"):
            Desk(erp, bank, gateway).repair()


@pytest.mark.parametrize(
    ("positions", "said"), [([], ""), ([4], "4"), ([1, 2, 3, 7, 9, 10], "1-3,7,9-10"), (range(1, 4001, 2), "…")]
)
def test_positions_are_told_in_short(positions: Sequence[int], said: str) -> None:
    assert ranges(positions).endswith(said)
    assert ranges(positions).count(",") <= 1_000
