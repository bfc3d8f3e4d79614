"""A bank whose profile names schemas of its own: they decide on what goes to it and comes from it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2h.errors import ReaderError
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from tests.national import STATUS, STATUS_NAMESPACE, national, national_status

from .test_bad_world import pull
from .world import World, answer, only, opened, payments, put, send, transfers, world

INBOUND = {"messages": f'["{STATUS}", "pain.002.001.10"]'}


def without_uetr(message_id: str) -> bytes:
    """Good by the rules of ISO, not by those of the bank."""
    start, _, rest = payments(message_id).decode().partition("<UETR>")
    return (start + rest.partition("</UETR>")[2]).encode()


def own(folder: Path) -> dict[str, str]:
    return {"schemas": f'"{national_status(national(folder / "national"))}"'}


def test_what_goes_out_is_held_against_the_banks_own_schema(tmp_path: Path) -> None:
    with world(tmp_path, bank=own(tmp_path), inbound=INBOUND) as (erp, bank):
        erp.write_settings()
        erp.drop_file(without_uetr("MSG-1"), "bad.xml")
        erp.drop_file(payments("MSG-2"), "good.xml")
        with opened(erp) as gateway:
            sent = send(gateway)
            found = {transfer.name: transfer.state for transfer in sent}
            [bad] = [transfer for transfer in sent if transfer.name == "bad.xml"]
            [finding] = gateway.ledger.views.history(bad.id).findings
        assert (finding.code, "UETR" in finding.text) == ("XSD_MISSING", True)
        assert found == {"bad.xml": State.INVALID, "good.xml": State.SENT}
        assert [taken.name for taken in bank.taken] == ["MSG-2.xml"]


def test_another_bank_of_the_same_gateway_is_not_concerned(tmp_path: Path) -> None:
    with world(tmp_path, bank=own(tmp_path), inbound=INBOUND) as (erp, bank):
        other = World(folder=tmp_path, port=erp.port, fingerprint=erp.fingerprint, name="other")
        other.outbound = {"watch": f'"{tmp_path / "other"}"', "remote": '"/in"'}
        other.inbound = {"deliver": f'"{tmp_path / "answers"}"'}
        (tmp_path / "other").mkdir()
        (tmp_path / "answers").mkdir()
        erp.others = [other]
        erp.write_settings()
        (tmp_path / "other" / "payments.xml").write_bytes(without_uetr("MSG-1"))
        with opened(erp) as gateway:
            assert only(send(gateway, "other")).state is State.SENT
        assert [taken.name for taken in bank.taken] == ["MSG-1.xml"]


@pytest.mark.parametrize("schemas", [True, False])
def test_what_comes_in_under_the_banks_own_namespace_is_validated(tmp_path: Path, schemas: bool) -> None:
    options = {"bank": own(tmp_path), "inbound": INBOUND} if schemas else {}
    with world(tmp_path, **options) as (erp, bank):
        erp.write_settings()
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway:
            send(gateway)
            said = answer("MSG-1").replace(b"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10", STATUS_NAMESPACE.encode())
            put(bank.folders.outbox, "report.xml", said)
            pull(gateway)
            message = only([f for f in gateway.ledger.views.files() if f.name == "report.xml"])
            assert (message.state, message.message) == (MessageState.APPLIED, STATUS if schemas else STATUS[:15])
            codes = [f.code for f in gateway.ledger.views.history(message.id).findings]
            assert codes == ([] if schemas else ["MSG_UNKNOWN"])


def test_a_schema_that_breaks_while_the_gateway_runs_is_a_fault_of_the_world_and_of_no_file(tmp_path: Path) -> None:
    with world(tmp_path, bank=own(tmp_path), inbound=INBOUND) as (erp, bank):
        erp.write_settings()
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway:
            schema = tmp_path / "national" / "purposes.xsd"
            whole = schema.read_text()
            desk = gateway.desks["box"]
            schema.write_text("<other/>")
            with pytest.raises(ReaderError, match=r"payments\.xsd cannot be used"):
                desk.take_in()
            schema.unlink()
            with pytest.raises(ReaderError, match=r"purposes\.xsd cannot be read"):
                desk.take_in()
            assert only(transfers(gateway)).state is State.RECEIVED
            schema.write_text(whole)
            assert only(send(gateway)).state is State.SENT
        assert len(bank.taken) == 1
