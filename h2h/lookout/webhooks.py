"""Programs that do not take the events that they are told of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from h2h.alarms import Alarm, Urgency
from h2h.config import Webhook
from h2h.gateway import Gateway
from h2h.webhooks.arrears import Arrears, failing, sentence

PATIENCE = timedelta(minutes=5)  # what is taken at the second or third try is none of anybody's business
LOOK = "Look after the receiver, its address and its secret; it is tried again by itself, and nothing is lost."
STOPPED = "Mend the receiver, or take it out of the settings; with the next start of `h2h run` it is told what waits."
GAVE_UP = "The log names them; they are told no more. Let the receiver's owner see what became of these files."


def alarms(gateway: Gateway, now: datetime) -> Iterator[Alarm]:
    webhooks = {webhook.name: webhook for webhook in gateway.settings.webhooks}
    for arrears in failing(gateway.settings.webhooks, gateway.ledger.webhooks, now):
        if arrears.given_up:
            yield Alarm(
                word="webhook_gave_up",
                subject=arrears.webhook,
                urgency=Urgency.WARNING,
                text=f"The webhook {arrears.webhook} did not take {arrears.given_up:,} event(s), but took others.",
                step=GAVE_UP,
                passing=True,
            )
        if arrears.stopped or (arrears.since and now - arrears.since >= PATIENCE):
            yield _failing(webhooks[arrears.webhook], arrears, now)


def _failing(webhook: Webhook, arrears: Arrears, now: datetime) -> Alarm:
    long = arrears.since is not None and now - arrears.since >= webhook.give_up_after
    return Alarm(
        word="webhook_failing",
        subject=webhook.name,
        urgency=Urgency.URGENT if long else Urgency.WARNING,
        text=sentence(arrears),
        step=STOPPED if arrears.stopped else LOOK,
    )
