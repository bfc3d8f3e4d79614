"""What is shown of a file before people approve it: whatever the file, bytes and ledger agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from h2h.approval import Need
from h2h.lifecycle import State
from h2h.resources import root
from tests.flows.world import MovableClock, only, opened, payments, sample, transfers, world

ALWAYS = "[{ always = true }]"
GOOD = sorted(path.stem for path in (root("samples") / "good").glob("pain.001.*.xml"))


@pytest.mark.parametrize("message", GOOD)
def test_every_version_can_be_looked_at(tmp_path: Path, message: str) -> None:
    asked = {"approvals": ALWAYS, "messages": f'["{message}"]', "execution_days": "[-9000, 9000]"}
    with world(tmp_path, outbound=asked) as (erp, _), opened(erp, MovableClock()) as gateway:
        erp.drop_file(sample(message))
        gateway.desks["box"].take_in()
        row = only(transfers(gateway))
        assert (row.state, row.approvals) == (
            State.HELD,
            [Need("Every file of this folder has to be approved", 1, None)],
        )
        sight = gateway.looking.at(row)
        assert (sight.sha256, sight.payments, sum(sight.totals.values())) == (row.sha256, row.payments, row.control_sum)


def test_of_an_upgraded_file_the_bytes_that_go_out_are_shown(tmp_path: Path) -> None:
    asked = {"approvals": ALWAYS, "upgrade": '"pain.001.001.09"', "upgrade_uetr": "true"}
    with world(tmp_path, outbound=asked) as (erp, _), opened(erp) as gateway:
        erp.drop_file(sample("pain.001.001.03"))
        gateway.desks["box"].take_in()
        row = only(transfers(gateway))
        assert row.original_sha256
        sight = gateway.looking.at(row)
        assert (sight.sha256, sight.payments) == (row.sha256, row.payments)
        done = gateway.decisions.release(row.id, who="ann", reason="so", now=True, sight=sight)
        assert (done.state, done.approved_by) == (State.READY, ["ann"])


def test_of_many_payments_the_ten_largest_are_shown(tmp_path: Path) -> None:
    content = payments("MSG-1", 1200).decode()
    for number in range(1, 30):
        content = content.replace("10.01</InstdAmt>", f"{number}.02</InstdAmt>", 1)
    content = content.replace("<CtrlSum>12012.00<", f"<CtrlSum>{12012 - 29 * 10.01 + sum(range(1, 30)) + 0.58:.2f}<")
    with world(tmp_path, outbound={"approvals": ALWAYS}) as (erp, _), opened(erp) as gateway:
        erp.drop_file(content.encode())
        gateway.desks["box"].take_in()
        row = only(transfers(gateway))
        assert row.state is State.HELD, row.reason
        largest = gateway.looking.at(row).largest
        assert [str(line.amount) for line in largest] == [f"{n}.02" for n in range(29, 19, -1)]
        assert [line.position for line in largest] == [*range(29, 19, -1)]
