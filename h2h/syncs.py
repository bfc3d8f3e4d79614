"""Making many files and folders durable at a time: a file system writes down together what is asked of it together,
where one sync after the other waits for the disk each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

AT_ONCE = 8
FEW = 3  # for so many no threads are begun


def sync_all(handles: Sequence[int]) -> None:
    """All of them are durable afterwards. Raises OSError where one of them is not."""
    if len(handles) <= FEW:
        _sync_each(handles)
        return
    with ThreadPoolExecutor(AT_ONCE, "sync") as threads:
        for _ in threads.map(_sync_each, [handles[at::AT_ONCE] for at in range(AT_ONCE)]):
            pass


def sync_folders(folders: Iterable[str]) -> None:
    """Make the names in these folders durable."""
    with ExitStack() as opened:
        handles: list[int] = []
        for folder in folders:
            handles.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            opened.callback(os.close, handles[-1])
        sync_all(handles)


def _sync_each(handles: Sequence[int]) -> None:
    for handle in handles:
        os.fsync(handle)
