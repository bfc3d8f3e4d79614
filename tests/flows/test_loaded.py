"""What a gateway that runs has loaded: libraries are most of its memory, and it has no use for all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.flows.process import NewDaemon, daemon, environment
from tests.flows.world import sample, until, world

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
    "pcre2",
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
BY_THE_WAY = ("invoke", "yaml", "unittest", "ssl", "_ssl", "sqlalchemy.dialects.postgresql")
TOLD = "import atexit, sys\natexit.register(lambda: print('loaded:', *sys.modules))"
LATER = """
import sys
from h2h import lean
lean.load()
import ssl
assert ssl.create_default_context().check_hostname
lean.load()
assert sys.modules["ssl"] is ssl
"""


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


def test_nor_does_it_load_what_its_libraries_would(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        erp.write_settings()
        with daemon(erp.config, TOLD, NewDaemon) as running:
            until(lambda: " started " in running.log(), "a daemon that runs")
            assert running.terminate() == 0
        [told] = [line for line in running.log().splitlines() if line.startswith("loaded:")]
        loaded = set(told.split())
        assert {"paramiko", "asyncio", "apscheduler"} <= loaded
        assert [name for name in (*NOT_NEEDED, *BY_THE_WAY) if name in loaded] == []


def test_what_was_left_out_is_there_for_who_asks_later() -> None:
    command = [sys.executable, "-c", LATER]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
