"""Whether a place that a bank's rule names can be in a message at all: one that is misspelt would never be asked of."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from h2h.bank_rules import Place
from h2h.messages.facets import Types


def stands(types: Types, place: Place) -> bool:
    """By the schema, whatever it says of attributes. True where a part of it is not understood."""
    top = types.at(("Document",))
    if top is None:
        return True
    owners = [top] if place.owner is None else [kind for name, kind in _all(types, top) if name == place.owner]
    if place.owner is None:
        return any(name == place.below[0] for name, _ in _all(types, top))
    return any(_leads(types, kind, place.below) for kind in owners)


def _all(types: Types, top: etree._Element) -> Iterator[tuple[str, etree._Element | None]]:
    """Every element below, by name and type; each type once."""
    seen, waiting = {top}, [top]
    while waiting:
        for name, kind in types.inside(waiting.pop()).items():
            yield name, kind
            if kind is not None and kind not in seen:
                seen.add(kind)
                waiting.append(kind)


def _leads(types: Types, kind: etree._Element | None, below: tuple[str, ...]) -> bool:
    for name in below:
        inside = types.inside(kind) if kind is not None else {name: None}
        if name not in inside:
            return False
        kind = inside[name]
    return True
