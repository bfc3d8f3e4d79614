"""A command as a person runs it, in a process of its own."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.forked import start

SECONDS = 120


def run(config: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As `python -m h2h -c CONFIG …`, with `variables` in its environment."""
    command = ["h2h", "-c", str(config), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = start(command, out, err, **variables)
        process.join(SECONDS)
        assert process.exitcode is not None, f"{command} did not end within {SECONDS} s"
        said = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(command, process.exitcode, *said)
