"""Where the files are that come with the program: in the wheel below `_data`, in a checkout beside the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def root(name: str) -> Path:
    """The folder `schemas`, `samples` or `config`."""
    inside = Path(str(files("h2h"))) / "_data" / name
    return inside if inside.is_dir() else Path(__file__).resolve().parent.parent / name
