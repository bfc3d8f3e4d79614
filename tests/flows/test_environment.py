"""A ledger is one of test or of production, from its first gateway on; files for test do not go out in production."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from h2h.errors import UsageError
from h2h.lifecycle import State
from tests.flows.world import CERTAIN, World, only, opened, payments, send, transfers, world
from tests.shell.command import run as h2h

PRODUCTION = {"environment": '"production"'}


def noted(erp: World) -> list[tuple[str, str]]:
    with sqlite3.connect(erp.folder / "data" / "h2h.db") as database:
        return database.execute("SELECT subject, data FROM event WHERE kind = 'environment'").fetchall()


def test_a_ledger_of_test_never_opens_for_production(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway:
            assert only(send(gateway)).state is State.SENT
        with opened(erp):
            pass
        assert [data.replace(" ", "") for _, data in noted(erp)] == ['{"is":"test"}']  # once
        erp.gateway_settings = dict(PRODUCTION)
        erp.write_settings()
        for command in (["status"], ["files"], ["send"], ["journal", "verify"]):
            done = h2h(erp.config, *command)
            assert done.returncode == 2, command
            assert "is one of test, and the settings say production" in done.stderr
        with pytest.raises(UsageError, match="is one of test"), opened(erp):
            pass
        assert len(bank.taken) == 1


def test_a_ledger_of_before_is_of_the_gateway_that_first_works_on_it(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        with opened(erp) as gateway:
            send(gateway)
        with sqlite3.connect(erp.folder / "data" / "h2h.db") as database:
            database.execute("DELETE FROM environment")
        erp.gateway_settings = dict(PRODUCTION)
        erp.write_settings()
        assert h2h(erp.config, "status").returncode == 0  # whoever only looks settles nothing
        with opened(erp):
            pass
        assert [data.replace(" ", "") for _, data in noted(erp)] == ['{"is":"test"}', '{"is":"production"}']
        erp.gateway_settings = {}
        erp.write_settings()
        assert "is one of production, and the settings say test" in h2h(erp.config, "status").stderr


@pytest.mark.parametrize("environment", ["test", "production"])
def test_a_file_goes_out_in_the_environment_that_it_is_for(tmp_path: Path, environment: str) -> None:
    stated = {"environment": f'"{environment}"'}
    with world(tmp_path, outbound={"test_files": '"TEST*"'}) as (erp, bank):
        erp.gateway_settings, erp.bank, erp.facts = stated, stated, dict(CERTAIN)
        erp.write_settings()
        erp.drop_file(payments("TEST-1"), "a.xml")
        erp.drop_file(payments("MSG-2"), "b.xml")
        erp.drop_file(payments("MSG-3"), "TEST_c.xml")
        with opened(erp) as gateway:
            send(gateway)
            found = {file.name: (file.state, (file.reason or "").partition(":")[0]) for file in transfers(gateway)}
        right, refused = (State.SENT, ""), State.INVALID
        if environment == "test":
            wanted = {"a.xml": right, "b.xml": (refused, "NOT_A_TEST_FILE"), "TEST_c.xml": right}
        else:
            wanted = {"a.xml": (refused, "TEST_FILE"), "b.xml": right, "TEST_c.xml": (refused, "TEST_FILE")}
        assert found == wanted
        assert len(bank.taken) == [state for state, _ in wanted.values()].count(State.SENT)
        (tmp_path / "b.xml").write_bytes(payments("MSG-4"))
        done = h2h(erp.config, "validate", str(tmp_path / "b.xml"), "--bank", "box")
        assert ("NOT_A_TEST_FILE" in done.stdout) == (environment == "test")


def test_status_shows_which_it_is(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        erp.write_settings()
        assert "test, no real payments" in h2h(erp.config, "status").stdout.splitlines()[0]
        erp.gateway_settings = dict(PRODUCTION)
        erp.write_settings()
        assert "PRODUCTION" in h2h(erp.config, "status").stdout.splitlines()[0]
