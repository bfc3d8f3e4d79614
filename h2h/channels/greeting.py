"""Whom we would talk to: addresses, host keys of every type, algorithms. Asked before anything about us is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from h2h.channels.facts import Greeting, ShownKey
from h2h.channels.names import shown
from h2h.channels.ssh import addresses_of, connecting, handshake, quiet_paramiko
from h2h.config import SftpSettings
from h2h.errors import ChannelError

MAX_ADDRESSES = 8  # of one name, each asked by itself
MAX_TYPES = 8


class _Noting(paramiko.Transport):
    """Remembers by what the keys were exchanged; paramiko forgets it when they are."""

    agreed_kex = ""
    methods: Sequence[str] = ()
    agreed_on_strict_kex: bool
    _kex_info: dict[str, type]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "kex_engine" and value is not None:
            self.agreed_kex = next((known for known, kind in self._kex_info.items() if kind is type(value)), "")
        super().__setattr__(name, value)


def greet(settings: SftpSettings) -> Greeting:
    """One connection for each type of host key; at further addresses until one is pinned.

    Raises NotDelivered or Refused where no allowed address answers.
    """
    quiet_paramiko()
    with connecting(settings):
        every, allowed = addresses_of(settings, any_=True), addresses_of(settings)
    seen: list[tuple[_Noting, ShownKey]] = []
    failed: list[ChannelError] = []
    for address in allowed[:MAX_ADDRESSES]:
        try:
            seen += _shown_at(settings, address, all_types=not seen)
        except ChannelError as error:
            failed.append(error)
    if not seen:
        raise failed[0]
    transport, _ = seen[0]
    return Greeting(
        addresses=every,
        allowed=allowed,
        silent=[str(error) for error in failed],
        version=shown(transport.remote_version),
        host_keys=[key for _, key in seen],
        algorithms=_agreed(transport),
        strict_kex=transport.agreed_on_strict_kex,
        methods=next((tuple(each.methods) for each, key in seen if key.pinned), ()),
    )


def _shown_at(settings: SftpSettings, address: str, *, all_types: bool) -> list[tuple[_Noting, ShownKey]]:
    """The key that the server shows at first, then those of other types, each without those before it."""
    there = settings.model_copy(update={"host": address})
    found: list[tuple[_Noting, ShownKey]] = []
    while len(found) < MAX_TYPES and (all_types or not any(key.pinned for _, key in found)):
        types = [key.kind for _, key in found]
        with connecting(there):
            transport = _met(there, types, ask_methods=all_types)
        key = transport.host_key if transport else None
        if transport is None or key is None or key.get_name() in types:
            break
        pinned = key.fingerprint in settings.host_keys
        shown_key = ShownKey(fingerprint=key.fingerprint, kind=key.get_name(), pinned=pinned, address=address)
        found.append((transport, shown_key))
    return found


def _met(settings: SftpSettings, without: Sequence[str], *, ask_methods: bool) -> _Noting | None:
    """A transport after its key exchange, closed again; None where the server has no host key of another type."""
    try:
        transport = handshake(settings, without=without, kind=_Noting)
    except IncompatiblePeer:
        if without:
            return None
        raise
    if ask_methods and transport.host_key and transport.host_key.fingerprint in settings.host_keys:
        transport.methods = _methods(transport, settings)
    transport.close()
    return transport


def _methods(transport: _Noting, settings: SftpSettings) -> Sequence[str]:
    """As any SSH client asks for them, by logging in with nothing; empty where the server does not say."""
    transport.auth_timeout = settings.connect_timeout.total_seconds()
    try:
        transport.auth_none(settings.user)
    except paramiko.BadAuthenticationType as error:
        return [shown(method) for method in error.allowed_types]
    except (paramiko.SSHException, EOFError, OSError):
        return ()
    return ("none",)


def _agreed(transport: _Noting) -> list[str]:
    aead = "gcm" in transport.local_cipher or "poly1305" in transport.local_cipher
    return [transport.agreed_kex, transport.local_cipher, *([] if aead else [transport.local_mac or ""])]
