"""The client's address: one spelling for each, and only trusted proxies are believed (S14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError
from coatcheck.web.settings import WebSettings
from tests.web.application import site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def address_of(folder: Path, hops: int, peer: str | None, *lines: str) -> str | None:
    """Return the address that a sign-in over these X-Forwarded-For lines is stored with."""
    async with site(folder, middleware={"trusted_hops": hops}) as it:
        browser = it.browser(address=None if peer is None else (peer, 1))
        browser.headers = [("x-forwarded-for", line) for line in lines]
        await browser.post("/sign-in", {"user": "alice"})
        stored: str | None = (await browser.get("/me")).json()["ip"]
        assert it.sql("SELECT ip FROM coatcheck_sessions") == [(stored,)]
        return stored


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:0102:0304", "1.2.3.4"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", None),
        (None, None),
    ],
)
async def test_S14_one_address_has_one_spelling(tmp_path: Path, peer: str | None, expected: str | None) -> None:
    assert await address_of(tmp_path, 0, peer) == expected


@pytest.mark.parametrize("lines", [("6.6.6.6",), ("6.6.6.6", "7.7.7.7"), ("6.6.6.6, 7.7.7.7",), ("",), ("x" * 5000,)])
async def test_S14_without_trusted_proxies_the_header_means_nothing(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert await address_of(tmp_path, 0, "1.2.3.4", *lines) == "1.2.3.4"


@pytest.mark.parametrize(
    ("hops", "lines", "expected"),
    [
        (1, ("9.9.9.9",), "9.9.9.9"),
        (1, ("6.6.6.6, 9.9.9.9",), "9.9.9.9"),
        (1, ("6.6.6.6", "9.9.9.9"), "9.9.9.9"),
        (2, ("6.6.6.6, 9.9.9.9, 10.0.0.1",), "9.9.9.9"),
        (2, ("6.6.6.6", "9.9.9.9", "10.0.0.1"), "9.9.9.9"),
        (2, ("9.9.9.9",), "1.2.3.4"),
        (1, ("[2001:DB8::9]:443",), "2001:db8::9"),
        (1, ("6.6.6.6, unknown",), "1.2.3.4"),
        (1, (), "1.2.3.4"),
    ],
)
async def test_S14_what_a_client_adds_to_the_header_is_not_believed(
    tmp_path: Path, hops: int, lines: tuple[str, ...], expected: str
) -> None:
    """Only the entries of the site's own proxies count, from the right."""
    assert await address_of(tmp_path, hops, "1.2.3.4", *lines) == expected


@pytest.mark.parametrize("hops", [-1, 21])
def test_S14_an_impossible_number_of_proxies_is_refused(hops: int) -> None:
    with pytest.raises(ConfigurationError, match="trusted_hops"):
        WebSettings(trusted_hops=hops)
