"""Writes an invented pain.001 or pain.008 as its version has it."""

from __future__ import annotations

from collections.abc import Sequence

from h2h.messages import MessageType
from h2h.model import (
    Address,
    Batch,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitFile,
    Payment,
    PaymentFile,
)
from tests.core.chance import Chance
from tests.core.inventing_orders import SEQUENCES, ToldDebits, ToldPayments
from tests.core.writing import Element, Part, Pen, amount, box, flag, frame, leaf, moment, number

USTRD = 140


def payments_message(file: ToldPayments, row: MessageType, chance: Chance) -> Element:
    pen = Pen(row.generation, chance)
    batches = [_batch(pen, row, batch, inside) for batch, inside in file.batches]
    return frame(row.root, _header(pen, file.head), batches)


def _header(pen: Pen, head: PaymentFile | DirectDebitFile) -> Element:
    return frame(
        "GrpHdr",
        leaf("MsgId", head.message_id),
        leaf("CreDtTm", head.created_at),
        pen.noise(lambda: frame("Authstn", leaf("Cd", "AUTH"))),
        leaf("NbOfTxs", head.number_of_transactions),
        number("CtrlSum", head.control_sum),
        pen.party("InitgPty", head.initiating_party, pen.chance.maybe(pen.chance.bic)),
        pen.noise(lambda: pen.agent("FwdgAgt", pen.chance.bic())),
    )


def _batch(pen: Pen, row: MessageType, said: Batch, inside: Sequence[Payment]) -> Element:
    executed = leaf if row.name == "pain.001.001.03" else moment
    own = {each.place: each for each in said.addresses}
    return frame(
        "PmtInf",
        leaf("PmtInfId", said.payment_information_id),
        leaf("PmtMtd", said.payment_method),
        flag("BtchBookg", said.batch_booking, pen.chance),
        leaf("NbOfTxs", said.number_of_transactions),
        number("CtrlSum", said.control_sum),
        _payment_kind(pen, said),
        executed("ReqdExctnDt", said.requested_execution_date),
        _party(pen, "Dbtr", said.debtor_name, own) or frame("Dbtr"),
        _account(pen, "DbtrAcct", said.debtor_iban, said.debtor_account) or frame("DbtrAcct"),
        _agent(pen, "DbtrAgt", said.debtor_agent, own) or frame("DbtrAgt", frame("FinInstnId")),
        _party(pen, "UltmtDbtr", None, own),
        pen.noise(lambda: leaf("ChrgBr", "SHAR")),
        pen.account("ChrgsAcct", said.charges_account),
        [_payment(pen, each) for each in inside],
    )


def _kind(
    pen: Pen, level: str | None, instrument: str | None, sequence: str | None = None, further: Sequence[str] = ()
) -> Element | None:
    return box(
        "PmtTpInf",
        pen.noise(lambda: leaf("InstrPrty", "HIGH")),
        pen.code("SvcLvl", level),
        [each for said in further if (each := pen.code("SvcLvl", said))],
        pen.code("LclInstrm", instrument, most=35),
        leaf("SeqTp", sequence),
    )


def _payment_kind(pen: Pen, said: Batch | Payment) -> Element | None:
    return _kind(pen, said.service_level, said.local_instrument, further=said.further_service_levels)


def _payment(pen: Pen, said: Payment) -> Element:
    own = {each.place: each for each in said.addresses}
    return frame(
        "CdtTrfTxInf",
        _ids(said),
        _payment_kind(pen, said),
        _amount(said),
        _party(pen, "UltmtDbtr", None, own),
        [each for n in (1, 2, 3) if (each := _agent(pen, f"IntrmyAgt{n}", None, own))],
        _agent(pen, "CdtrAgt", said.creditor_agent, own),
        _party(pen, "Cdtr", said.creditor_name, own),
        _account(pen, "CdtrAcct", said.creditor_iban, said.creditor_account),
        _party(pen, "UltmtCdtr", None, own),
        pen.noise(lambda: frame("Purp", leaf("Cd", "SALA"))),
        _remittance(pen, said.remittance),
    )


def _ids(said: Payment | DirectDebit) -> Element:
    return frame(
        "PmtId", leaf("InstrId", said.instruction_id), leaf("EndToEndId", said.end_to_end_id), leaf("UETR", said.uetr)
    )


def _amount(said: Payment) -> Element:
    if not said.equivalent:
        return frame("Amt", amount("InstdAmt", said.amount, said.currency))
    value = amount("Amt", said.amount, said.currency)
    return frame("Amt", frame("EqvtAmt", value, leaf("CcyOfTrf", said.transfer_currency)))


def _party(pen: Pen, role: str, name: str | None, own: dict[str, Address]) -> Element | None:
    address = own.get(f"{role}/PstlAdr")
    return box(role, leaf("Nm", address.name if address else name), _address(pen, address) if address else None)


def _agent(pen: Pen, role: str, bic: str | None, own: dict[str, Address]) -> Element | None:
    if bic:
        return pen.agent(role, bic)
    address = own.get(f"{role}/FinInstnId/PstlAdr")
    if address is None:
        return pen.noise(lambda: frame(role, frame("FinInstnId", frame("Othr", leaf("Id", "NOTPROVIDED")))))
    return frame(role, frame("FinInstnId", leaf("Nm", address.name), _address(pen, address)))


def _address(pen: Pen, said: Address) -> Element:
    empty = not (said.town or said.country or said.lines)
    street: Part = leaf("StrtNm", "Weg") if empty or pen.chance.yes() else None
    return frame(
        "PstlAdr",
        street,
        leaf("TwnNm", said.town),
        leaf("Ctry", said.country),
        [Element("AdrLine", line) for line in said.lines],
    )


def _account(pen: Pen, role: str, iban: str | None, other: str | None) -> Element | None:
    return pen.account(role, iban or other)


def _remittance(pen: Pen, said: str | None) -> Element | None:
    """As words, cut where a piece is full or before a word; or as references, each of which is a word or the whole."""
    if said is None:
        return None
    if len(said) <= 35 and pen.chance.yes():
        structured = frame("Strd", frame("CdtrRefInf", leaf("Ref", said)))
        return frame("RmtInf", structured, pen.noise(lambda: frame("Strd", leaf("AddtlRmtInf", "aside"))))
    return frame("RmtInf", [Element("Ustrd", piece) for piece in pen.pieces(said, USTRD)])


def debits_message(file: ToldDebits, row: MessageType, chance: Chance) -> Element:
    pen = Pen(row.generation, chance)
    batches = [_debit_batch(pen, batch, inside) for batch, inside in file.batches]
    return frame(row.root, _header(pen, file.head), batches)


def _debit_batch(pen: Pen, said: DirectDebitBatch, inside: Sequence[DirectDebit]) -> Element:
    return frame(
        "PmtInf",
        leaf("PmtInfId", said.payment_information_id),
        leaf("PmtMtd", said.payment_method),
        flag("BtchBookg", said.batch_booking, pen.chance),
        leaf("NbOfTxs", said.number_of_transactions),
        number("CtrlSum", said.control_sum),
        _kind(pen, said.service_level, said.local_instrument, said.sequence_type),
        leaf("ReqdColltnDt", said.requested_collection_date),
        frame("Cdtr", leaf("Nm", said.creditor_name)),
        _account(pen, "CdtrAcct", said.creditor_iban, said.creditor_account),
        _agent(pen, "CdtrAgt", said.creditor_agent, {}) or frame("CdtrAgt", frame("FinInstnId")),
        _scheme(pen, said.creditor_scheme_id),
        [_debit(pen, each, said) for each in inside],
    )


def _scheme(pen: Pen, said: str | None) -> Element | None:
    kind = pen.chance.of(("PrvtId", "OrgId"))
    return frame("CdtrSchmeId", frame("Id", frame(kind, frame("Othr", leaf("Id", said))))) if said else None


def _debit(pen: Pen, said: DirectDebit, batch: DirectDebitBatch) -> Element:
    """What is that of its batch, too, may be left to it."""
    c = pen.chance
    sequence = None if said.sequence_type == batch.sequence_type and c.yes() else said.sequence_type
    scheme = None if said.creditor_scheme_id == batch.creditor_scheme_id and c.yes() else said.creditor_scheme_id
    mandate = box("MndtRltdInf", leaf("MndtId", said.mandate_id), leaf("DtOfSgntr", said.mandate_signed))
    assert sequence is None or sequence in SEQUENCES
    return frame(
        "DrctDbtTxInf",
        _ids(said),
        box("PmtTpInf", leaf("SeqTp", sequence)),
        amount("InstdAmt", said.amount, said.currency),
        box("DrctDbtTx", mandate, _scheme(pen, scheme)),
        _agent(pen, "DbtrAgt", said.debtor_agent, {}) or frame("DbtrAgt", frame("FinInstnId")),
        frame("Dbtr", leaf("Nm", said.debtor_name)),
        _account(pen, "DbtrAcct", said.debtor_iban, said.debtor_account),
        _remittance(pen, said.remittance),
    )
