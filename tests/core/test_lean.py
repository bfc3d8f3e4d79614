"""A gateway that runs does not load what none of its work needs; what it needs later is still there."""

from __future__ import annotations

import subprocess
import sys

UNUSED = ("invoke", "yaml", "ssl", "_ssl", "unittest", "sqlalchemy.dialects.postgresql")
LOADED = f"""
import sys
from h2h import lean
lean.load()
import h2h.daemon, h2h.gateway
print(*[name for name in {UNUSED!r} if name in sys.modules])
import ssl
assert ssl.create_default_context().check_hostname
import paramiko, asyncio
assert paramiko.Transport and asyncio.run
lean.load()
assert sys.modules["ssl"] is ssl
"""


def test_what_nothing_uses_is_not_loaded_and_what_is_asked_for_later_is() -> None:
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stderr, done.stdout.split()) == ("", [])
