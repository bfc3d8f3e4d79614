"""What every file has that is made of something else: a place in it, which may be anywhere."""

from __future__ import annotations

import io


class RawSource(io.RawIOBase):
    """A file of `size` bytes, read from `at` on. Whoever derives from it says what stands there: `readinto`."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence])
        return self.at
