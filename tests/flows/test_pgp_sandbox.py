"""The bank in a box with PGP and with packed files: a whole day with the gateway, and what the bank does not take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from h2h.errors import SettingsError, UsageError
from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Pgp, Scenario, load_scenario, parse_scenario
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from tests.forging import NOW, Forge, forge

from .test_bad_world import pull
from .world import MovableClock, World, only, opened, put, sample, send, transfers, world

GATEWAY = """\
[[bank.pgp.our_keys]]
file = "{folder}/corp.asc"
{theirs}
"""


@pytest.fixture(scope="module")
def workshop() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def corp(workshop: Forge) -> str:
    return workshop.key("Corp")


class WithPgp(World):
    """Whose profile names our key, and that of the bank."""

    theirs = ""

    def profile(self) -> str:
        head, channel = super().profile().split("[bank.channel]", 1)
        return head + GATEWAY.format(folder=self.folder, theirs=self.theirs) + "[bank.channel]" + channel


@contextmanager
def boxed(
    folder: Path, workshop: Forge, corp: str, form: str = "sign+encrypt", *, armour: bool = False, **options: Any
) -> Iterator[tuple[WithPgp, BankServer, MovableClock]]:
    clock = MovableClock(NOW.isoformat())
    folder.mkdir(exist_ok=True)
    (folder / "corp.asc").write_bytes(workshop.secret(corp))
    (folder / "corp.asc").chmod(0o600)
    (folder / "corp-public.asc").write_bytes(workshop.public(corp))
    pgp = Pgp(client_keys=(str(folder / "corp-public.asc"),), form=form, armour=armour)  # type: ignore[arg-type]
    outbound = {"pgp": f'"{form}"', "armour": str(armour).lower(), **options}
    with world(folder, Scenario(pgp=pgp), bank_clock=clock, outbound=outbound) as (plain, bank):
        erp = WithPgp(folder=folder, port=plain.port, fingerprint=plain.fingerprint, outbound=outbound)
        erp.inbound = {"pgp": f'"{form}"', "match": '"*"'}
        erp.theirs = bank.pgp_block()
        erp.write_settings()
        yield erp, bank, clock


def a_day(gateway: Gateway, bank: BankServer) -> None:
    bank.settle()
    bank.close_day()
    pull(gateway)


@pytest.mark.parametrize(
    ("form", "armour", "compress"),
    [
        ("sign+encrypt", False, '"gzip"'),
        ("sign+encrypt", True, '"zip"'),
        ("sign", False, None),
        ("encrypt", True, None),
    ],
)
def test_a_whole_day_by_pgp(
    tmp_path: Path, workshop: Forge, corp: str, form: str, armour: bool, compress: str | None
) -> None:
    options = {"compress": compress} if compress else {}
    with (
        boxed(tmp_path, workshop, corp, form, armour=armour, **options) as (erp, bank, clock),
        opened(erp, clock) as gateway,
    ):
        erp.drop_file(sample())
        assert only(send(gateway)).state is State.SENT
        assert (b"CstmrCdtTrfInitn" in only(bank.taken).data) == (form == "sign")
        a_day(gateway, bank)
        assert only(transfers(gateway)).verdict is Verdict.ACCEPTED
        came = [file for file in gateway.ledger.views.files() if file.direction == "in"]
        assert len(came) == 3
        assert {(file.state, file.opened_sha256 is None) for file in came} == {(MessageState.APPLIED, False)}
        assert all(statement.reconciles for statement in gateway.ledger.views.statements())


@pytest.mark.parametrize("compress", ["gzip", "zip"])
def test_the_bank_takes_packed_files_without_pgp(tmp_path: Path, compress: str) -> None:
    with world(tmp_path, outbound={"compress": f'"{compress}"'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(sample())
        with opened(erp) as gateway:
            send(gateway)
            a_day(gateway, bank)
            assert only(transfers(gateway)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("signer", ["nobody", "stranger"])
def test_the_bank_refuses_what_its_client_did_not_sign(tmp_path: Path, workshop: Forge, corp: str, signer: str) -> None:
    with boxed(tmp_path, workshop, corp) as (_, bank, clock):
        keys = (bank.folders.root / "keys" / "pgp.asc").read_bytes()
        workshop.run("--import", data=keys)
        theirs = bank.pgp_block().split('fingerprint = "')[1][:40]
        order = ["--encrypt", f"--recipient={theirs}"]
        if signer == "stranger":
            order += ["--sign", f"--local-user={workshop.key('Stranger')}"]
        put(bank.folders.inbox, "a.pgp", workshop.run(*order, data=sample(), at=clock.now()))
        bank.desk.arrived(bank.folders.inbox / "a.pgp")
        bank.settle()
        paper = only(list(bank.folders.outbox.iterdir()))
        assert paper.suffix == ".pgp"
        assert b"FF01" in workshop.run("--decrypt", data=paper.read_bytes(), at=clock.now())


def test_the_banks_key_is_the_same_after_it_was_started_anew(tmp_path: Path, workshop: Forge, corp: str) -> None:
    blocks = []
    for _ in range(2):
        with boxed(tmp_path, workshop, corp) as (_, bank, _clock):
            blocks.append(bank.pgp_block())
            (tmp_path / "client_key").unlink()
    assert blocks[0] == blocks[1] != ""


def test_a_scenario_names_keys_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "bank.toml").write_text('pgp = { client_keys = ["keys/corp.asc"] }\n')
    pgp = load_scenario(tmp_path / "bank.toml").pgp
    assert pgp is not None
    assert pgp.client_keys == (str(tmp_path / "keys" / "corp.asc"),)
    with pytest.raises(UsageError, match=r"corp\.asc cannot be read"):
        BankServer(tmp_path / "bank", Scenario(pgp=pgp), authorized_keys=[create_client_key(tmp_path / "key")])
    with pytest.raises(SettingsError, match="client_keys"):
        parse_scenario("pgp = { client_keys = [] }")
