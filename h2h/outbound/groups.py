"""Groups: which of the transfers that are due may be handed over together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from h2h.ledger.rows import Transfer
from h2h.lifecycle import State

SMALL = 256 * 1024  # bytes of a file that goes with others


def groups(due: Sequence[Transfer], most: int, alone: Collection[str] = ()) -> Iterator[Sequence[Transfer]]:
    """In their order, those together that may go together: what is due is cut, never sorted. `alone`: the watched
    folders of whose files each goes by itself."""
    group: list[Transfer] = []
    for transfer in due:
        company = all(_in_company(one) and one.watch not in alone for one in (*group[-1:], transfer))
        if group and not (len(group) < most and company):
            yield group
            group = []
        group.append(transfer)
    if group:
        yield group


def _in_company(transfer: Transfer) -> bool:
    """Small, new, and never failed: what may have broken the line under others goes alone from then on."""
    return transfer.state is State.READY and transfer.size <= SMALL and not transfer.failures
