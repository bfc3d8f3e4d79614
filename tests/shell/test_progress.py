"""The progress bar: on a terminal alone, for large files alone, and never ahead of what is done."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.payments import parts, write
from h2h.cli.output import AHEAD_BYTES, LARGE_BYTES, Shown, with_bar

PAYMENTS = 24_000  # of some 950 bytes: a bar is drawn ten times a second, on fast machines too
DONE = re.compile(r"([0-9.]+)/([0-9.]+) MB")


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """The exit status of h2h, and what it shows on the terminal that its standard error is."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-m", "h2h", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, env=environment) as process:
        os.close(its)
        seen = b""
        while block := _read(ours):
            seen += block
    os.close(ours)
    return process.returncode, seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # nobody has the other end any more
        return b""


def test_judging_a_large_file_shows_how_much_of_it_is_done(tmp_path: Path) -> None:
    file = tmp_path / "large.xml"
    write(file, PAYMENTS)
    assert file.stat().st_size > LARGE_BYTES
    status, seen = on_a_terminal("validate", str(file))
    shown = [(float(done), float(of)) for done, of in DONE.findall(seen)]
    assert status == 0
    assert "judging" in seen
    assert {of for _, of in shown} == {round(file.stat().st_size / 1e6, 1)}
    assert shown == sorted(shown)
    assert any(0 < done < of for done, of in shown)


def test_a_small_file_shows_none(tmp_path: Path) -> None:
    file = tmp_path / "small.xml"
    file.write_text("".join(parts(3)), encoding="utf-8")
    assert on_a_terminal("validate", str(file)) == (0, "")


def test_without_a_terminal_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    source = io.BytesIO(b" " * LARGE_BYTES)
    with with_bar(source, LARGE_BYTES, "judging") as same:
        assert same is source
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("behind", [0, AHEAD_BYTES])
def test_what_is_told_as_done_is_never_more_than_what_was_taken_before(behind: int) -> None:
    told: list[int] = []
    source = Shown(io.BytesIO(b" " * (12 << 20)), told.append, behind)
    taken, before = 0, []
    while True:
        before.append(taken)
        if not (block := source.read(1 << 20)):
            break
        taken += len(block)
    assert told == [max(0, each - behind) for each in before]
    assert max(told) == (12 << 20) - behind
    source.seek(1 << 20)
    source.read(1)
    assert told[-1] == max(0, (1 << 20) - behind)


def test_as_much_is_left_out_while_sending_as_may_be_on_its_way() -> None:
    from h2h.channels.sftp_blocks import BYTES_AHEAD

    assert AHEAD_BYTES >= BYTES_AHEAD
