"""Client addresses: one spelling for each, and whom to believe about them (rule S14)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_NETWORK_BITS: Final = 64
_SITE_BITS: Final = 48
_SUBNET_BITS: Final = 24
_LONGEST: Final = 128

# "[::1]", "[::1]:443" and "1.2.3.4:80"; a bare IPv6 address has colons of its own, so no port can follow it.
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[^\[\]]*)?)\](?::[0-9]{1,5})?")
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}")


def canonical_address(text: str) -> str | None:
    """Return the one spelling of an IP address, or None if the text is none.

    IPv6 is compressed and in lower case (RFC 5952). An IPv4 address mapped into IPv6 becomes IPv4, since both
    are one client. A zone, which only means something on the machine itself, and a port are dropped.
    """
    text = text.strip(" \t")
    if len(text) > _LONGEST:
        return None
    if bracketed := _BRACKETED.fullmatch(text):
        return _spelled(bracketed[1], bracketed=True)
    if with_port := _WITH_PORT.fullmatch(text):
        return _spelled(with_port[1])
    return _spelled(text)


def network_of(address: str) -> str:
    """Return what two addresses of one client have in common: IPv4 as it is, IPv6 by its /64.

    A single subscriber has a whole /64 and changes addresses within it (RFC 8981). A text that is no address
    is returned as it is.
    """
    canonical = canonical_address(address)
    if canonical is None or ":" not in canonical:
        return canonical or address
    return str(IPv6Network((canonical, _NETWORK_BITS), strict=False))


def neighbourhood_of(address: str) -> str:
    """Return where an address belongs to: the /24 of IPv4, the /48 of IPv6.

    A subscriber who gets another address now and then mostly stays within it. A text that is no address is returned
    as it is.
    """
    canonical = canonical_address(address)
    if canonical is None:
        return address
    return str(ip_network((canonical, _SITE_BITS if ":" in canonical else _SUBNET_BITS), strict=False))


def client_address(peer: str | None, forwarded_for: Sequence[bytes], trusted_hops: int) -> str | None:
    """Return the address of the client, as far as it can be known.

    Every proxy appends to X-Forwarded-For the address that it was called from. Only the entries of our own
    proxies can be believed, and these are the last ones; whatever stands left of them the client made up.

    Args:
        peer: The address at the other end of the connection; None for a Unix socket.
        forwarded_for: The X-Forwarded-For header, one item for every line, in order.
        trusted_hops: How many proxies of ours the request passes. 0 ignores the header.

    Returns:
        The canonical address; that of the peer if the header has not enough entries, or if the entry is no
        address; None if the peer has none either.
    """
    claimed = _from_right(forwarded_for, trusted_hops) if trusted_hops > 0 else None
    if claimed is not None and (address := canonical_address(claimed)) is not None:
        return address
    return None if peer is None else canonical_address(peer)


def _from_right(lines: Sequence[bytes], position: int) -> str | None:
    # Empty entries count, though lists may ignore them (RFC 9110 section 5.6.1.2): a proxy of ours that
    # appended nothing would otherwise move our finger to an entry that the client wrote.
    entries = b",".join(lines).rsplit(b",", position)
    return entries[-position].decode("latin-1") if len(entries) >= position else None


def _spelled(text: str, *, bracketed: bool = False) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return None if bracketed else str(address)
    mapped = address.ipv4_mapped
    return str(mapped or IPv6Address(int(address)))
