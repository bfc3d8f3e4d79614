"""Which of the addresses that a name stands for may be connected to: public ones, and others that are listed. Pure.

A name is given by whoever owns it. Without this it could lead a request to the machine itself, to its neighbours or to
what a cloud tells its machines alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


def allowed(addresses: Iterable[str], listed: Sequence[str]) -> list[str]:
    """Those that may be used, in their order, each once."""
    networks = [ip_network(network) for network in listed]
    return [address for address in dict.fromkeys(addresses) if _may(address, networks)]


def _may(text: str, networks: Sequence[object]) -> bool:
    address = _meant(ip_address(text.partition("%")[0]))
    if any(address in network for network in networks):  # type: ignore[operator]
        return True
    return address.is_global and not address.is_multicast


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_loopback(address: str) -> bool:
    return _meant(ip_address(address.partition("%")[0])).is_loopback
