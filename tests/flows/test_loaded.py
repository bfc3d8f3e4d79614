"""What a gateway that runs has loaded: libraries are most of its memory, and it has no use for all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.flows.process import environment
from tests.flows.world import sample, world

RUNNING = """
import sys
from pathlib import Path
import h2h.cli.work, h2h.daemon
from h2h.clock import Clock
from h2h.config import load
from h2h.gateway import Gateway

gateway = Gateway(load(Path(sys.argv[1])), Clock())
with gateway.running():
    for desk in gateway.desks.values():
        desk.take_in()
        desk.hand_over()
        desk.pull(desk.bank.inbound[0])
    gateway.ledger.views.board([*gateway.desks], Clock().now())
gateway.close()
print(*sorted(sys.modules))
"""
NOT_NEEDED = (
    "alembic",  # a new ledger is made at once, an up-to-date one is known by its number
    "asyncssh",
    "click.testing",
    "lxml",  # what is read is read in reader processes
    "mako",
    "psycopg",
    "pyarrow",
    "pytest",
    "rich",
    "sqlalchemy.orm",
    "xmlschema",
    "h2h.drill",
    "h2h.evidence",
    "h2h.messages.walk",
    "h2h.sandbox",
)


def test_a_gateway_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """With a new ledger, and with one that is up to date."""
    with world(tmp_path) as (erp, _):
        erp.write_settings()
        erp.drop_file(sample())
        for _ in range(2):
            command = [sys.executable, "-c", RUNNING, str(erp.config)]
            done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=True)
            loaded = set(done.stdout.splitlines()[-1].split())
            assert {"sqlalchemy", "paramiko"} <= loaded
            assert [name for name in NOT_NEEDED if name in loaded] == []
