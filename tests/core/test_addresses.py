"""Client addresses: one client, one spelling, and no belief in what the client itself claims."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from coatcheck.core.addresses import canonical_address, client_address, network_of

PEER = "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:1.2.3.4", "1.2.3.4"),
        ("::ffff:102:304", "1.2.3.4"),
        ("0:0:0:0:0:ffff:0102:0304", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("FE80::1%25eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("::ffff:1.2.3.4%eth0", "1.2.3.4"),
        ("[::1]", "::1"),
        ("[::1]:443", "::1"),
        ("1.2.3.4:80", "1.2.3.4"),
        (" 1.2.3.4\t", "1.2.3.4"),
        ("::", "::"),
        ("::1:443", "::1:443"),
    ],
)
def test_S14_spellings_of_one_address_are_equal(text: str, expected: str) -> None:
    """Case, zeros, mapping into IPv6, a zone, brackets and a port do not make another client."""
    assert canonical_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "localhost",
        "testclient",
        "/run/app.sock",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4/32",
        "1.2.3.4:",
        "1.2.3.4:http",
        "1.2.3.4:123456",
        "1.2.3.4%eth0",
        "[1.2.3.4]",
        "[1.2.3.4]:80",
        "[::1",
        "::1]",
        "[::1]443",
        "[::1]:",
        "[[::1]]",
        "::1%",
        ":::",
        "1::2::3",
        "2001:db8::/64",
        "12345::",
        '"1.2.3.4"',
        "for=1.2.3.4",
        "1.2.3.4\n",
        "1.2.3.4, 5.6.7.8",
        "\u0661.2.3.4",
        "1.2.3.4\x00",
        "fe80::1%" + "x" * 1000,
        "1" * 65536,
        ":" * 65536,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_S14_what_is_no_address_is_none(text: str) -> None:
    """Text that is not exactly one address is none at all."""
    assert canonical_address(text) is None


@given(st.ip_addresses())
@example(IPv6Address("::ffff:0:0"))
def test_S14_canonical_form_is_stable(address: IPv4Address | IPv6Address) -> None:
    """Every address has a canonical form, which stands for itself in all tolerated spellings."""
    canonical = canonical_address(str(address))
    assert canonical is not None
    bracketed = f"[{canonical}]" if ":" in canonical else canonical
    exploded = address.exploded.upper()
    for spelling in (canonical, f"{bracketed}:443", exploded):
        assert canonical_address(spelling) == canonical


@given(st.ip_addresses(v=4))
def test_S14_mapped_address_is_the_address(address: IPv4Address) -> None:
    """A dual-stack socket and an IPv4 socket see the same client."""
    assert canonical_address(f"::ffff:{address}") == canonical_address(str(address)) == str(address)


@given(st.text(max_size=60))
def test_S14_arbitrary_text_raises_nothing(text: str) -> None:
    """Text from a header is an address or None, and its network can always be asked for."""
    assert canonical_address(text) is None or network_of(text)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:DB8:0:0:1::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "::ffff:1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.5", False),
        ("::1.2.3.4", "1.2.3.4", False),
        ("testclient", "testclient", True),
        ("testclient", "other", False),
    ],
)
def test_S14_clients_are_compared_by_network(left: str, right: str, *, same: bool) -> None:
    """IPv6 counts by its /64, IPv4 and anything else as a whole."""
    assert (network_of(left) == network_of(right)) is same


@given(st.ip_addresses(v=6))
def test_S14_network_contains_its_address(address: IPv6Address) -> None:
    """The network of an IPv6 address is the /64 around it."""
    assume(address.ipv4_mapped is None)
    network = IPv6Network(network_of(str(address)))
    assert address in network
    assert network.prefixlen == 64


def test_S14_network_of_ipv4_is_the_address() -> None:
    """IPv4 is returned as it is."""
    assert network_of("1.2.3.4") == "1.2.3.4"


@pytest.mark.parametrize(
    ("forwarded_for", "hops", "expected"),
    [
        # The header is ignored unless proxies are declared.
        ([b"6.6.6.6"], 0, PEER),
        ([b"6.6.6.6"], -1, PEER),
        ([], 1, PEER),
        # One proxy: the last entry.
        ([b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6", b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 6.6.6.7", b"6.6.6.8,1.1.1.1"], 1, "1.1.1.1"),
        # Two proxies: the last but one, wherever the lines break.
        ([b"6.6.6.6, 1.1.1.1, 10.0.0.2"], 2, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1", b"10.0.0.2"], 2, "1.1.1.1"),
        ([b"6.6.6.6", b"1.1.1.1", b"10.0.0.2"], 2, "1.1.1.1"),
        ([b"1.1.1.1,10.0.0.2"], 2, "1.1.1.1"),
        # Fewer entries than proxies: somebody bypassed one.
        ([b"6.6.6.6"], 2, PEER),
        ([b"6.6.6.6, 6.6.6.7"], 3, PEER),
        # The entry is no address: never the next one to the left.
        ([b"6.6.6.6, unknown"], 1, PEER),
        ([b"6.6.6.6, "], 1, PEER),
        ([b"6.6.6.6", b""], 1, PEER),
        ([b"6.6.6.6, , 10.0.0.2"], 2, PEER),
        ([b"6.6.6.6, \xff, 10.0.0.2"], 2, PEER),
        ([b""], 1, PEER),
        ([b",,,"], 2, PEER),
        # Spellings.
        ([b"6.6.6.6,\t[2001:DB8::1]:4711 "], 1, "2001:db8::1"),
        ([b"::ffff:1.1.1.1"], 1, "1.1.1.1"),
        ([b"1.1.1.1:5000"], 1, "1.1.1.1"),
        # Hostile lengths.
        ([b"6.6.6.6," * 10_000 + b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"," * 65_536], 3, PEER),
    ],
)
def test_S14_forwarded_for_is_counted_from_the_right(forwarded_for: list[bytes], hops: int, expected: str) -> None:
    """The entry that the outermost proxy of ours appended is the client; without it, the peer is."""
    assert client_address(PEER, forwarded_for, hops) == expected


@given(
    claims=st.lists(st.lists(st.sampled_from([b"6.6.6.6", b"", b" ", b"x", b"::1"]), max_size=4), max_size=4),
    appended=st.lists(st.sampled_from([b"10.0.0.2", b"unknown", b""]), max_size=3),
    client=st.sampled_from([b"1.1.1.1", b"unknown", b""]),
)
def test_S14_claims_of_the_client_change_nothing(
    claims: list[list[bytes]], appended: list[bytes], client: bytes
) -> None:
    """Whatever the client sends ahead, what our proxies append decides."""
    hops = 1 + len(appended)
    lines = [b", ".join(claim) for claim in claims]
    ours = b", ".join([client, *appended])
    expected = "1.1.1.1" if client == b"1.1.1.1" else PEER
    assert client_address(PEER, [*lines, ours], hops) == expected
    joined = b", ".join([*lines, ours])
    assert client_address(PEER, [joined], hops) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [(None, None), ("", None), ("testclient", None), ("::FFFF:10.0.0.1", PEER), ("fe80::1%eth0", "fe80::1")],
)
def test_S14_peer_is_canonical_or_unknown(peer: str | None, expected: str | None) -> None:
    """The peer's address is in the same form, and a peer without an address is nobody."""
    assert client_address(peer, [b"6.6.6.6"], 0) == expected
    assert client_address(peer, [b"unknown"], 1) == expected
    assert client_address(peer, [b"1.1.1.1"], 1) == "1.1.1.1"
