"""Reads files from outside in processes of their own, which can do nothing but read what they are handed.

`ConfinedReader.read` means the same as `h2h.messages.read`. A reader process has the schemas in its memory before its
limits are set; after that it opens no file and no socket, starts no process, and has so much memory and processor
time for a file. One that dies is a finding on the file that it was reading; the next file gets another one.

    limits.py   what a reader process may use, and how it confines itself
    wire.py     the only words that are spoken with it: batches of frozen records, never code
    worker.py   what runs in it
    process.py  one reader process, as the gateway sees it
    deaths.py   how reading may end before its end, and what is then said about the file
    pool.py     the reader processes that are kept and used again
    halves.py   a large file as two files, for two processes at once
    reader.py   ConfinedReader

Nothing outside of worker.py imports lxml.
"""

from __future__ import annotations

from h2h.confined.deaths import CODES
from h2h.confined.halves import Whole
from h2h.confined.limits import Limits
from h2h.confined.reader import ConfinedReader

__all__ = ["CODES", "ConfinedReader", "Limits", "Whole"]
