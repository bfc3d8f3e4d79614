"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """An ERP's folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
