"""What may be ordered of a rewriter: the words only, so that they can be said without a parser at hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """A PmtInf that stays, by its position: its new PmtInfId, and what it comes to with the payments that stay."""

    position: int
    payment_information_id: str
    payments: int
    control_sum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A pain.001 with these payments of another one alone, by their positions in it, in order.

    `now`: as ISO text with the offset of the place. `uetr_seed`: what new UETRs are made of (`identity.new_uetr`).
    Counts and sums are written where there were some.
    """

    message_id: str
    now: str
    control_sum: str
    batches: tuple[BatchOrder, ...]
    payments: tuple[int, ...]
    uetr_seed: str
    execution_date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The same pain.001.001.03 as pain.001.001.09. `uetr_seed`: what each payment's new UETR is made of; None: none."""

    uetr_seed: str | None
