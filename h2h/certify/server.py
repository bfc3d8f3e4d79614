"""The bank's server, as the report names it."""

from __future__ import annotations

from h2h.certify.bench import Bench
from h2h.certify.results import Server
from h2h.config import FolderSettings, SftpSettings


def server_of(bench: Bench) -> Server:
    channel = bench.bank.channel
    match channel:
        case FolderSettings(path=path):
            return Server(address=f"the folder {path}", user=None, pinned=(), facts={})
        case SftpSettings():
            address = f"{channel.host}:{channel.port}"
            return Server(address=address, user=channel.user, pinned=channel.host_keys, facts=_facts(bench))


def _facts(bench: Bench) -> dict[str, str]:
    """What it said of itself, as far as it was reached."""
    found = bench.probed
    if found is None or found.greeting is None:
        return {}
    met, server = found.greeting, found.server
    told = {
        "Addresses": ", ".join(met.addresses),
        "Server says": met.version,
        "Host keys shown": ", ".join(f"{key.fingerprint} ({key.kind})" for key in met.host_keys),
        "Algorithms": ", ".join(met.algorithms) + (", strict key exchange" if met.strict_kex else ""),
        "Logins offered": ", ".join(met.methods),
        "SFTP extensions": ", ".join(server.extensions) if server else "",
    }
    return {name: value for name, value in told.items() if value}
