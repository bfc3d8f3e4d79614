"""Values that stand in examples and templates, and were not filled in yet."""

from __future__ import annotations

from collections.abc import Iterator

from h2h.config import Profile, Reading, SftpSettings
from h2h.config.toml_file import about
from h2h.errors import Problem

RESERVED = (".example", ".invalid", ".test")  # RFC 2606 and RFC 6761, as are
EXAMPLES = (".example.com", ".example.net", ".example.org")


def problems(reading: Reading) -> Iterator[Problem]:
    if reading.vault and _for_examples(reading.vault.host):
        text = f"{reading.vault.host} is a name for examples; write your own"
        yield from about(text, reading.source.at("vault", "address"))
    for n, webhook in enumerate(reading.webhooks):
        if _for_examples(webhook.host):
            text = f"{webhook.host} is a name for examples; write the receiver's own"
            yield from about(text, reading.source.at("webhooks", n, "url"))
    for profile in reading.profiles:
        if isinstance(profile.bank.channel, SftpSettings):
            yield from _of_server(profile.bank.channel, profile)


def _of_server(channel: SftpSettings, profile: Profile) -> Iterator[Problem]:
    at = profile.source.at
    if _for_examples(channel.host):
        text = f"{channel.host} is a name for examples; write the server that the bank told you"
        yield from about(text, at("bank", "channel", "host"))
    for number, pin in enumerate(channel.host_keys):
        if len(set(pin.removeprefix("SHA256:"))) == 1:
            text = f"{pin} is a placeholder; write the fingerprint that the bank told you"
            yield from about(text, at("bank", "channel", "host_keys", number))


def _for_examples(name: str) -> bool:
    host = name.lower().rstrip(".")
    return host.endswith(RESERVED) or f".{host}".endswith(EXAMPLES)
