"""Secrets and keys: each is had, and each key opened, exactly as it will be when it is needed.

What only the gateway itself can have, where this command cannot, is no problem: it is told as not tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from h2h.clock import clock_for
from h2h.config import Profile, Reading, SftpSettings
from h2h.config.toml_file import KeyPath, Place, about
from h2h.credentials import Credentials
from h2h.errors import Problem, Refused


def problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    yield from _main_problems(reading, credentials)
    yield from _alert_problems(reading, credentials)
    yield from _webhook_problems(reading, credentials)
    for profile in reading.profiles:
        yield from _login_problems(profile, credentials)


def not_tried(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    for profile in reading.profiles:
        for reference, place in _passphrases(profile):
            if reference and (why := credentials.absence(reference)):
                yield from about(f"the key was not tried: {why}", place)
    for what, place, reference in _unseen(reading):
        if why := credentials.absence(reference):
            yield from about(f"the {what} was not looked at: {why}", place)


def pgp_faults(
    reading: Reading, credentials: Credentials, environ: Mapping[str, str]
) -> Iterator[tuple[Problem, bool]]:
    """What is wrong with keys of PGP; and whether it is that their time is over, for which files are held."""
    using = [profile for profile in reading.profiles if profile.bank.pgp.our_keys or profile.bank.pgp.their_keys]
    if not using:
        return
    from h2h.key_rows import faults  # here, as few banks have any

    environment = reading.gateway.environment if reading.gateway else "production"
    now = clock_for(environment, environ.get("H2H_NOW")).now()
    for profile in using:
        for fault in faults(profile.bank, credentials, now):
            place = profile.source.at("bank", "pgp", *fault.key)
            yield from ((problem, fault.ends) for problem in about(fault.text.rstrip("."), place))


def _main_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Secrets of the main file that are of no bank."""
    for place, reference in _of_main(reading):
        if not credentials.absence(reference):
            try:
                credentials.secret(reference)
            except Refused as error:
                yield from about(str(error).rstrip("."), place)


def _alert_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Whether each address is one; nobody is told anything."""
    if not reading.alerts:
        return
    from h2h.alerting.post import Post  # here, as few commands tell anybody

    places = {one.name: reading.source.at("alerts", n, "to") for n, one in enumerate(reading.alerts)}
    tried = {one.name: one.to for one in reading.alerts if not credentials.absence(one.to)}
    for name, fault in Post(credentials=credentials).faults(tried).items():
        yield from about(fault, places[name])


def _webhook_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Whether each can be told, as far as it is known here; nobody is told anything."""
    if not reading.webhooks:
        return
    from h2h.webhooks.post import secret_fault, tls  # here, as few gateways tell any

    for n, webhook in enumerate(reading.webhooks):
        for reference in webhook.secret:
            fault = None if credentials.absence(reference) else secret_fault(reference, credentials)
            yield from about(fault, reading.source.at("webhooks", n, "secret")) if fault else ()
        try:
            tls(webhook)
        except Refused as error:
            yield from about(str(error).rstrip("."), reading.source.at("webhooks", n, "ca"))


def _login_problems(profile: Profile, credentials: Credentials) -> Iterator[Problem]:
    channel = profile.bank.channel
    if isinstance(channel, SftpSettings):
        yield from _key_problems(channel, profile, credentials)
        if then := channel.by_next_key():
            yield from _key_problems(then, profile, credentials, ("next_key", "file"), ("next_key", "passphrase"))


def _key_problems(
    channel: SftpSettings,
    profile: Profile,
    credentials: Credentials,
    file: KeyPath = ("key_file",),
    secret: KeyPath = ("key_passphrase",),
) -> Iterator[Problem]:
    """Whether the key opens, exactly as it will be opened for the bank."""
    from h2h.channels.ssh import load_key
    from h2h.channels.ssh_keys import facts

    key_file, passphrase = (profile.source.at("bank", "channel", *key) for key in (file, secret))
    reference, opened = channel.key_passphrase, None
    if reference and credentials.absence(reference):
        return
    try:
        opened = credentials.secret(reference) if reference else None
    except Refused as error:
        yield from about(str(error).rstrip("."), passphrase)
        return
    try:
        load_key(channel.key_file, passphrase=opened)
        weakness = facts(channel.key_file, lambda: opened).weakness
        yield from about(weakness, key_file) if weakness else ()
    except Refused as error:
        yield from about(str(error).rstrip("."), key_file, passphrase)


def _passphrases(profile: Profile) -> Iterator[tuple[str | None, Place]]:
    channel, at = profile.bank.channel, profile.source.at
    if isinstance(channel, SftpSettings):
        yield channel.key_passphrase, at("bank", "channel", "key_passphrase")
        if channel.next_key:
            yield channel.next_key.passphrase, at("bank", "channel", "next_key", "passphrase")


def _unseen(reading: Reading) -> Iterator[tuple[str, Place, str]]:
    """Where a secret may not be had from here and now: what it is, where it is referred to, and how."""
    yield from (("secret", place, reference) for place, reference in _of_main(reading))
    for n, recipient in enumerate(reading.alerts):
        yield "address", reading.source.at("alerts", n, "to"), recipient.to
    for n, webhook in enumerate(reading.webhooks):
        yield from (("secret", reading.source.at("webhooks", n, "secret"), one) for one in webhook.secret)
    for profile in reading.profiles:
        for n, outbound in enumerate(profile.bank.outbound):
            if outbound.manifest_key:
                yield "key", profile.source.at("bank", "outbound", n, "manifest_key"), outbound.manifest_key
        for n, row in enumerate(profile.bank.pgp.our_keys):
            if row.passphrase:
                yield "passphrase", profile.source.at("bank", "pgp", "our_keys", n, "passphrase"), row.passphrase


def _of_main(reading: Reading) -> Iterator[tuple[Place, str]]:
    if reading.ledger.password:
        yield reading.source.at("ledger", "password"), reading.ledger.password
    for key, reference in reading.vault.references.items() if reading.vault else ():
        yield reading.source.at("vault", key), reference
