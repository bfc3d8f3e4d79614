"""The same with other values, whichever kind of frozen class it is of: a record, or a dataclass."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

from msgspec import Struct, structs

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    if isinstance(value, Struct):
        return cast(T, structs.replace(value, **changes))
    return cast(T, dataclasses.replace(cast(Any, value), **changes))
