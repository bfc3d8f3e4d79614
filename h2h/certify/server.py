"""What the bank's server says of itself: for the report, asked once."""

from __future__ import annotations

from h2h.certify.bench import Bench
from h2h.certify.results import Server
from h2h.channels.ssh import open_wire
from h2h.config import FolderSettings, SftpSettings
from h2h.errors import ChannelError


def server_of(bench: Bench) -> Server:
    """Without `facts` where it was not reached, or cannot be asked once more."""
    channel = bench.bank.channel
    match channel:
        case FolderSettings(path=path):
            return Server(address=f"the folder {path}", user=None, pinned=(), facts={})
        case SftpSettings():
            address = f"{channel.host}:{channel.port}"
            facts = _facts(bench, channel) if bench.reached else {}
            return Server(address=address, user=channel.user, pinned=channel.host_keys, facts=facts)


def _facts(bench: Bench, channel: SftpSettings) -> dict[str, str]:
    reference = channel.key_passphrase
    try:
        passphrase = bench.credentials.secret(reference) if reference else None
        transport, _ = open_wire(channel, passphrase=passphrase)
    except ChannelError:
        return {}
    try:
        key = transport.get_remote_server_key()
        return {
            "Server says": transport.remote_version,
            "Host key shown": f"{key.fingerprint} ({key.get_name()})",
            "Cipher": getattr(transport, "remote_cipher", ""),
            "MAC": getattr(transport, "remote_mac", ""),
        }
    finally:
        transport.close()
