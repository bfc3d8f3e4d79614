"""ISO 20022 messages: which are known, whether a file is valid, and what it says.

`read` gives the records of model.py and the findings of one file; `Catalog` the messages that are known; `CODES` what
the finding codes mean. Importing this package, or the catalog alone, does not import lxml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2h.messages.catalog import Catalog, MessageType
from h2h.messages.codes import CODES

if TYPE_CHECKING:
    from h2h.messages.reading import read

__all__ = ["CODES", "Catalog", "MessageType", "read"]


def __getattr__(name: str) -> object:
    if name == "read":
        from h2h.messages.reading import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
