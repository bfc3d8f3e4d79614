"""export: rows on the screen and in files."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from h2h.ledger.exports import COLUMNS
from tests.shell.test_cli import Office


@pytest.mark.parametrize("what", COLUMNS)
def test_every_form_has_the_same_rows(made: Office, what: str, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in made.run("export", what, "--format", "jsonl").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(made.run("export", what).stdout)))
    assert len(rows) == len(lines) > 0
    assert [list(row) for row in (rows[0], lines[0])] == [[column.name for column in COLUMNS[what]]] * 2
    target = tmp_path / "rows.parquet"
    assert made.run("export", what, "--format", "parquet", "-o", str(target)).stdout == ""
    table = pq.read_table(target)
    assert table.num_rows == len(rows)
    assert [name for name in table.column_names if not name.endswith("_text")] == list(rows[0])
    column = COLUMNS[what][0].name
    assert table.column(column).to_pylist() == [line[column] for line in lines]


def test_a_file_is_there_when_it_is_whole(made: Office, tmp_path: Path) -> None:
    target = tmp_path / "payments.csv"
    assert made.run("export", "payments", "-o", str(target)).stdout == ""
    assert target.read_text().splitlines() == made.run("export", "payments").stdout.splitlines()
    assert list(tmp_path.iterdir()) == [target]
    assert "cannot be used" in made.run("export", "payments", "-o", str(tmp_path / "no" / "x"), status=1).stderr


def test_days_and_a_limit(made: Office) -> None:
    assert len(made.json("export", "payments", "--limit", "2")) == 2
    assert made.json("export", "files", "--to", "2026-11-19") == []
    assert made.json("export", "files", "--from", "2026-11-20") == made.json("export", "files")
    assert made.json("export", "entries", "--from", "2026-11-19", "--to", "2026-11-19") == made.json(
        "export", "entries"
    )
    assert made.json("export", "entries", "--to", "2026-11-18") == []


def test_parquet_needs_a_file_and_its_library(made: Office, tmp_path: Path) -> None:
    assert "name a file by -o" in made.run("export", "files", "--format", "parquet", status=2).stderr
    without = made.config.parent / "sitecustomize.py"
    without.write_text("import sys\nsys.modules['pyarrow'] = None\n")
    command = [sys.executable, "-m", "h2h", "-c", str(made.config), "export", "files", "--format", "parquet"]
    import subprocess

    done = subprocess.run(
        [*command, "-o", str(tmp_path / "x")], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{made.config.parent}:{Path.cwd()}"},
    )  # fmt: skip
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "pip install 'h2h[parquet]'" in done.stderr
