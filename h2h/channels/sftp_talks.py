"""Many talks over one SFTP session at once, each written as if it were alone, so that their requests overlap.

A talk is a generator: it sends a request, yields its number, and is handed the reply. Replies are read in the order in
which they were asked for; a talk begins before the one after it, so that the first requests of talks keep their order.
What goes wrong in one talk is its own outcome. A wire that breaks is the outcome of every talk that has not ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

from h2h.channels.sftp_wire import Garbled, Lost, Reply, Wire

AT_ONCE = 32  # talks under way; with so many a file has one block in flight, or two
T = TypeVar("T")
Talk = Generator[int, Reply, T]


def together(wire: Wire, talks: Sequence[Talk[T]]) -> list[T | Exception]:
    """The outcome of each, in their order; replies still due to earlier requests are read first and dropped."""
    outcomes: dict[int, T | Exception] = {}
    waiting: deque[tuple[int, int]] = deque()  # the number of the talk, and of the request that it waits for
    broken = _drained(wire)

    def go_on(number: int, step: Callable[[], int]) -> None:
        nonlocal broken
        try:
            waiting.append((number, step()))
        except StopIteration as end:
            outcomes[number] = end.value
        except Exception as error:
            outcomes[number] = error
            broken = error if isinstance(error, Lost | Garbled) else broken

    begun = 0
    while broken is None and (waiting or begun < len(talks)):
        if begun < len(talks) and len(waiting) < AT_ONCE:
            go_on(begun, partial(next, talks[begun]))
            begun += 1
            continue
        number, request = waiting.popleft()
        try:
            reply = wire.reply_to(request)
        except (Lost, Garbled) as error:
            broken = error
            go_on(number, partial(talks[number].throw, error))
        else:
            go_on(number, partial(talks[number].send, reply))
    while waiting:
        number, _ = waiting.popleft()
        assert broken is not None
        go_on(number, partial(talks[number].throw, broken))
    return [outcomes[number] if number in outcomes else _never_begun(broken) for number in range(len(talks))]


def _drained(wire: Wire) -> Exception | None:
    try:
        wire.drain()
    except (Lost, Garbled) as error:
        return error
    return None


def _never_begun(broken: Exception | None) -> Exception:
    assert broken is not None
    return broken
