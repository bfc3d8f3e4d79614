"""The wheel carries all it needs: installed in a fresh environment, it does the whole job far from the checkout.

The libraries it needs are those of this environment; with H2H_LONG=1 they come from the index, as the wheel asks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
LONG = bool(os.environ.get("H2H_LONG"))


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    # What is compiled is kept, whatever is asked for here: the demo starts many processes, which load the same modules.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=kept
    )


@pytest.mark.long
def test_the_demo_works_from_a_wheel_in_a_fresh_environment(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path / "dist", HERE, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    wheel = next((tmp_path / "dist").glob("*.whl"))
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    if LONG:
        index = run(*pip, "download", "-q", "--no-deps", "-d", tmp_path / "probe", "tzdata", cwd=tmp_path)
        if index.returncode:
            pytest.skip("no package index can be reached to install the wheel's dependencies from")
    else:  # the libraries that we have, but not what is installed for editing
        here = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).stdout.strip()
        (Path(here) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    # What the demo does not import need not be compiled: that would be half of the work.
    dependencies = ("-c", HERE / "constraints.txt") if LONG else ("--no-deps", "--no-index")
    installed = run(*pip, "install", "-q", "--no-compile", *dependencies, wheel, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    demo = run(tmp_path / "venv" / "bin" / "h2h", "demo", "shown", cwd=tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "All of it happened" in demo.stdout
    assert "AC04 the account is closed" in demo.stdout
    inside = run(python, "-c", "from h2h.resources import root; print(root('schemas'))", cwd=tmp_path)
    assert str(tmp_path / "venv") in inside.stdout
