"""A watched folder on a real file system, and what an ERP and a round of the intake do with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from h2h.config import Outbound
from h2h.folders import Claimed, WatchedFolder
from h2h.model import TransferId

ID = TransferId("T261120-00000001")


def settings(folder: Path, **changes: Any) -> Outbound:
    """`settle` in seconds; everything else as it stands in a file of settings."""
    values: dict[str, Any] = {"watch": str(folder), "messages": ["pain.001.001.09"], "remote": "/in"}
    settle = timedelta(seconds=changes.pop("settle", 5))
    return Outbound.model_validate(values | changes).model_copy(update={"settle": settle})


def watch(folder: Path, **changes: Any) -> WatchedFolder:
    return WatchedFolder(settings(folder, **changes))


def write(drop: Path, name: str = "run.xml", content: bytes = b"<x/>") -> Path:
    path = drop / name
    path.write_bytes(content)
    return path


def take(folder: WatchedFolder, name: str = "run.xml", transfer_id: str = ID) -> Claimed | None:
    """What a round does with a file that is complete."""
    assert name in folder.scan(1e6).ready
    claimed = folder.claim(name, TransferId(transfer_id))
    return folder.secured([claimed])[0] if claimed else None


def file_away(folder: WatchedFolder, claimed: Claimed, *, rejected: bool = False, **reports: bytes) -> Path:
    """What a round does at the end, with reports by their last suffix."""
    target = folder.file_away(claimed, rejected=rejected, reports={f".report.{k}": v for k, v in reports.items()})
    folder.let_go([claimed])
    return target
