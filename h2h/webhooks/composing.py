"""The deliverers of a gateway, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from h2h.clock import Clock
from h2h.config import Settings
from h2h.credentials import Credentials
from h2h.ledger.webhooks import Webhooks
from h2h.masking import masker
from h2h.webhooks.body import Mask
from h2h.webhooks.deliverer import Deliverer
from h2h.webhooks.post import Post


def deliverers(
    settings: Settings,
    ledger: Webhooks,
    clock: Clock,
    credentials: Credentials,
    stop: Callable[[], bool],
) -> list[Deliverer]:
    own = settings.accounts()
    usual = masker(own)

    def hiding(more: Sequence[str]) -> Mask:
        return masker([*own, *more]) if more else usual

    return [
        Deliverer(
            webhook,
            ledger,
            clock,
            Post(webhook, clock, credentials, stop),
            environment=settings.gateway.environment,
            masker=hiding,
        )
        for webhook in settings.webhooks
    ]
