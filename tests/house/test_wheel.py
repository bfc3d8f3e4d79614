"""The wheel carries all it needs: installed in a fresh environment, it does the whole job far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    # What is compiled is kept, whatever is asked for here: the demo starts many processes, which load the same modules.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=kept
    )


def test_the_demo_works_from_a_wheel_in_a_fresh_environment(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path / "dist", HERE, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    wheel = next((tmp_path / "dist").glob("*.whl"))
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    index = run(*pip, "download", "-q", "--no-deps", "-d", tmp_path / "probe", "tzdata", cwd=tmp_path)
    if index.returncode:
        pytest.skip("no package index can be reached to install the wheel's dependencies from")
    # What the demo does not import need not be compiled: that would be half of the work.
    install = ("install", "-q", "--no-compile", "-c", HERE / "constraints.txt", wheel)
    installed = run(*pip, *install, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    demo = run(tmp_path / "venv" / "bin" / "h2h", "demo", "shown", cwd=tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "All of it happened" in demo.stdout
    assert "AC04 the account is closed" in demo.stdout
    inside = run(python, "-c", "from h2h.resources import root; print(root('schemas'))", cwd=tmp_path)
    assert str(tmp_path / "venv") in inside.stdout
