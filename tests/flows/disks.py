"""Small real disks: tmpfs file systems of a few megabytes, which only root may mount."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2
LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = 4096


class Disk:
    """`fill` leaves no more than some pages of it free; `empty` gives the room back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / ".ballast"

    def fill(self, pages_left: int = 0) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            while self.free() > pages_left * PAGE:
                try:
                    file.write(bytes(min(self.free() - pages_left * PAGE, 1 << 20)))
                except OSError:
                    return

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def read_only(self, yes: bool) -> None:
        _mount(self.folder, MS_REMOUNT | (MS_RDONLY if yes else 0), b"")


@contextmanager
def disk(folder: Path, megabytes: int = 8) -> Iterator[Disk]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _mount(folder, 0, f"size={megabytes}m".encode())
    except PermissionError:
        pytest.skip("only root may mount a small disk")
    try:
        yield Disk(folder)
    finally:
        LIBC.umount2(os.fsencode(folder), MNT_DETACH)


def _mount(folder: Path, flags: int, options: bytes) -> None:
    if LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(flags), options):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
