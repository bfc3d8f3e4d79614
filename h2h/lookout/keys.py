"""Keys that end, and have nothing to take their place; and banks that show a host key which nobody has accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from h2h.alarms import Alarm, Urgency
from h2h.config import Bank, Settings, SftpSettings
from h2h.errors import HostKeyChanged
from h2h.gateway import Gateway
from h2h.inventory import Key, Kind
from h2h.ledger.keys import HostKey
from h2h.ledger.outlook import Contact
from h2h.ledger.rows import Transfer
from h2h.lookout.banks import could_go
from h2h.lookout.words import call, steps, total, utc

EARLY = (
    (timedelta(days=7), Urgency.URGENT),
    (timedelta(days=30), Urgency.WARNING),
    (timedelta(days=60), Urgency.NOTICE),
)
COMPARE = (
    "Ask the bank, by another way than this line, for the fingerprint of its new key, and compare all of it. If it is "
    "the same: `h2h keys accept {bank} FINGERPRINT --reason …`, by two persons. If not, somebody stands between us and "
    "the bank."
)


def note_known(gateway: Gateway, now: datetime) -> None:
    """From when on keys of ours are known, since they do not tell it themselves."""
    ours = {key.fingerprint for key in gateway.inventory.listed() if key.ours and key.fingerprint}
    gateway.ledger.keys.note_known(ours, now)


def ending(settings: Settings, keys: Sequence[Key], now: datetime) -> Iterator[Alarm]:
    """Each key that ends soon, or has ended, unless another one is in force then."""
    for key in keys:
        end = key.ends
        if end is None or any(_takes_over(other, key, end) for other in keys):
            continue
        urgency = next((urgency for before, urgency in EARLY if end - now <= before), None)
        if urgency:
            yield _ending(key, end, urgency, settings.bank(key.bank), over=end <= now)


def _takes_over(other: Key, key: Key, end: datetime) -> bool:
    """Whether it does the same, can be used, and is in force when `key` ends."""
    same = (other.bank, other.kind, other.ours, other.use) == (key.bank, key.kind, key.ours, key.use)
    if other is key or not same or other.fingerprint is None or other.fault:
        return False
    return (other.starts is None or other.starts <= end) and (other.ends is None or other.ends > end)


def _ending(key: Key, end: datetime, urgency: Urgency, bank: Bank | None, *, over: bool) -> Alarm:
    whose = "Our key" if key.ours else "The certificate" if key.kind is Kind.CERTIFICATE else "The bank's key"
    by = f" by {key.ends_by}" if end == key.expires and key.ends_by != "itself" else ""
    return Alarm(
        word="key_expired" if over else "key_expires",
        bank=key.bank,
        subject=f"{key.use} {key.fingerprint}",
        urgency=urgency,
        text=f"{whose} {key.fingerprint} ({key.use}, {key.file}) {'ended' if over else 'ends'} at {utc(end)}{by}, and "
        f"none {'took' if over else 'takes'} its place.",
        step=steps(_step(key), call(bank)),
    )


def _step(key: Key) -> str:
    match key.kind:
        case Kind.SSH if key.ends_by.endswith("-cert.pub"):
            return f"Have the key signed anew, and put the certificate in the place of {key.ends_by}."
        case Kind.SSH:
            return (
                f"`h2h keys new ssh {key.bank}` makes another one and a letter; when the bank has it, name it as "
                "bank.channel.next_key with the hour of the change, and try it: `h2h check --online --key next`."
            )
        case Kind.PGP if key.ours:
            return (
                f"`h2h keys new pgp {key.bank} --user-id …` makes another one and a letter; give the bank its public "
                "part, and add a row to bank.pgp.our_keys with the hour of the change."
            )
        case _:
            return f"Ask who gave it to us for the next one, and name that beside, or in the place of, {key.file}."


def host_keys(
    settings: Settings,
    contacts: Mapping[str, Contact],
    rows: Sequence[HostKey],
    files: Sequence[Transfer],
    now: datetime,
) -> Iterator[Alarm]:
    """Banks that nothing goes to, as their server shows a key that is not pinned."""
    for bank in settings.banks:
        contact, channel = contacts.get(bank.name), bank.channel
        if contact is None or contact.error_class != HostKeyChanged.__name__ or not isinstance(channel, SftpSettings):
            continue
        known = [row for row in rows if (row.bank, row.server) == (bank.name, channel.address)]
        last = max((row.last_shown_at for row in known if row.last_shown_at), default=None)
        shown = ", ".join(_shown(row) for row in known if last and row.last_shown_at == last)
        pins = [*channel.host_keys, *(row.fingerprint for row in known if row.counts)]
        waits = [file for file in files if file.bank == bank.name and could_go(bank, file, now)]
        yield Alarm(
            word="host_key_changed",
            bank=bank.name,
            subject=channel.address,
            text=f"The server of {bank.name}, {channel.address}, shows another host key: {shown}. Known as the bank's: "
            f"{', '.join(pins)}. Nothing was said to it about us, and nothing goes to this bank or comes from it."
            f"{f' {total(waits)} wait for it.' if waits else ''}",
            step=steps(COMPARE.format(bank=bank.name), call(bank)),
        )


def _shown(row: HostKey) -> str:
    proposed = f", proposed by {row.proposed_by}" if row.counts or row.pending else ""
    withdrawn = f", withdrawn by {row.withdrawn_by}" if row.withdrawn_at else ""
    first = f"first seen at {utc(row.shown_at)}" if row.shown_at else ""
    return f"{row.fingerprint} ({row.algorithm}, {first}{proposed}{withdrawn})"
