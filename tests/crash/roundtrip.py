"""What a round trip comes to, whatever happened on the way: each file once at the bank, each answer applied once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import create_engine, text

from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from tests.flows.world import World, payments, transfers, until

FILES = {"A": payments("MSG-A", 2), "B": payments("MSG-B", 1)}
BANK = Scenario(credits_per_day=0)
PAPERS = 5  # of each file "received" and "accepted", and one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger made of the bank's papers: rows."""

    statuses: int
    statements: int
    entries: int
    booked: int
    open_attempts: int


ONCE = Books(statuses=6, statements=1, entries=3, booked=3, open_attempts=0)


def books(erp: World) -> Books:
    engine = create_engine(f"sqlite:///{erp.folder / 'data' / 'h2h.db'}")
    with engine.connect() as connection:

        def count(query: str) -> int:
            return int(connection.execute(text(f"SELECT count(*) FROM {query}")).scalar_one())

        found = Books(
            statuses=count("report"),
            statements=count("statement"),
            entries=count("entry"),
            booked=count("payment WHERE booked_by IS NOT NULL"),
            open_attempts=count("attempt WHERE ended_at IS NULL"),
        )
    engine.dispose()
    return found


def drop(erp: World) -> None:
    for name, content in FILES.items():
        erp.drop_file(content, f"{name}.xml")


class Play:
    """The bank's part. `cut_short` tells that the gateway is gone; then `go` may be called again with the next one."""

    def __init__(self, bank: BankServer, views: Gateway) -> None:
        self._bank = bank
        self._views = views
        self._day_is_open = True

    def go(self, cut_short: Callable[[], object] = lambda: False) -> None:
        until(lambda: cut_short() or self._answered(), "the bank's answers to both files")
        if self._answered() and self._day_is_open:
            self._bank.close_day()
            self._day_is_open = False
        until(lambda: cut_short() or self._over(), "every paper of the bank applied, removed and handed over")

    def _answered(self) -> bool:
        return [t.verdict for t in transfers(self._views)] == [Verdict.ACCEPTED] * len(FILES)

    def _over(self) -> bool:
        came = [f for f in self._views.ledger.views.files() if f.direction == "in" and f.state == MessageState.APPLIED]
        pending = self._views.ledger.messages.not_handed_over("box")
        return len(came) == PAPERS and not pending and not any(self._bank.folders.outbox.iterdir())


def check(erp: World, views: Gateway, taken: list[bytes]) -> None:
    """Never twice, never lost, never altered; and what came back stands in the books once."""
    assert sorted(taken) == sorted(FILES.values())
    assert sorted((t.message_id, t.state) for t in transfers(views)) == [("MSG-A", State.SENT), ("MSG-B", State.SENT)]
    assert books(erp) == ONCE
    assert sorted(p.name for p in erp.drop.iterdir()) == [".h2h", "processed"]
    assert sorted(p.name[-5:] for p in (erp.drop / "processed").iterdir()) == ["A.xml", "B.xml"]
    assert list((erp.drop / ".h2h" / "claims").iterdir()) == []
    assert len(list(erp.deliver.iterdir())) == 2 * PAPERS
    assert views.ledger.journal.verify().fault is None
