"""What stands in headers: cookies that are read as others, planted pairs, caches in front, forwarded addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.servers.waiting import until

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked
    from tests.bypasses.wire import Wire

pytestmark = pytest.mark.processes

LOOKS = ["get", "in", "len", "bool", "iteration"]


# --- H1, H2


@pytest.mark.parametrize("name", ["flask", "starlette", "django"])
def test_H1_CVE_2023_30861_no_shared_cache_shows_one_visitor_anothers_page(
    caching: Wire, request: pytest.FixtureRequest, name: str
) -> None:
    """CVE-2026-27205, CVE-2026-35192, CVE-2014-1418: a caching nginx that ignores Set-Cookie, and "public" pages.

    Variants: whoever comes first has no session; and a page whose session is only refreshed.
    """
    site: Attacked = request.getfixturevalue(f"{name}_site")
    first, second = site.signed_in("first"), site.signed_in("second")
    first.post("/set/secret/of-the-first")
    until(lambda: all("of-the-first" in first.get("/all").text for _ in range(4)), "every process has heard of it")
    assert caching.ask("GET", f"/{name}/plain").status == 200
    assert caching.ask("GET", f"/{name}/plain").all("x-cached") == ["HIT"], "the cache keeps what depends on nobody"
    for way in LOOKS:
        path = f"/{name}/look/{way}"
        caching.ask("GET", f"{path}?nobody-first")
        for query in ("", "?nobody-first"):
            mine = caching.ask("GET", path + query, first.line)
            assert "of-the-first" in mine.text, way
            for line in ([second.line], [], ["Cookie: other=1"]):
                theirs = caching.ask("GET", path + query, *line)
                assert "of-the-first" not in theirs.text, way
                assert first.token not in repr(theirs.headers)


@pytest.mark.parametrize("name", ["flask", "starlette", "django"])
def test_H2_CVE_2026_35192_no_shared_cache_keeps_a_session_cookie(
    caching: Wire, request: pytest.FixtureRequest, name: str
) -> None:
    site: Attacked = request.getfixturevalue(f"{name}_site")
    visitor = site.signed_in("first")
    for path in ("/step-up", "/privileges", "/out"):
        reply = visitor("POST", path)
        assert [line for line in reply.all("set-cookie") if line.startswith(site.cookie)]
        assert all("no-store" in line for line in reply.all("cache-control"))
        assert reply.all("cache-control")
    assert caching.ask("GET", f"/{name}/me", "Accept: application/json").status == 401


# --- C8, C9, C7


def test_C8_CVE_2023_23934_a_nameless_cookie_is_not_read_as_ours(site: Attacked) -> None:
    """`=__Host-session=bad`, as a sibling domain can plant it; variants in white space, case and quotation marks."""
    victim, attacker = site.signed_in("victim"), site.signed_in("attacker")
    name, bad = site.cookie, attacker.token
    planted = [f"={name}={bad}", f"; ={name}={bad}", f'"{name}"={bad}', f"{name.swapcase()}={bad}", f"{name} ={bad}"]
    planted += [f"\x85{name}={bad}", f"\xa0{name}={bad}", f"{name}\t={bad}", f"a,{name}={bad}", f"a {name}={bad}"]
    for pair in planted:
        assert site.wire.ask("GET", "/me", f"Cookie: {pair}").text != "attacker", pair
        for line in (f"{pair}; {name}={victim.token}", f"{name}={victim.token}; {pair}"):
            assert site.wire.ask("GET", "/me", f"Cookie: {line}").text in {"victim", ""}, line


def test_C7_two_session_cookies_are_decided_by_no_order(site: Attacked) -> None:
    """Whoever can plant one of the same name, from a sibling domain or another path, wins nothing."""
    victim, attacker = site.signed_in("victim"), site.signed_in("attacker")
    name = site.cookie
    pairs = [f"{name}={victim.token}", f"{name}={attacker.token}"]
    for both in (pairs, pairs[::-1]):
        assert site.wire.ask("GET", "/me", f"Cookie: {'; '.join(both)}").status == 401
        assert site.wire.ask("GET", "/me", *(f"Cookie: {pair}" for pair in both)).status == 401


@pytest.mark.parametrize("junk", ['"\\', "\\", "a[b]=c; ", "=;", "a=b; ", "s.0=x; ", '"', " ;"])
def test_C9_CVE_2024_52804_no_cookie_header_stops_the_server(starlette_site: Attacked, junk: str) -> None:
    """CVE-2024-7592, CVE-2016-7401, CVE-2026-40303: as long as servers take it; and the good pair is found behind it.

    How the time grows, `make fuzz` says.
    """
    owner = starlette_site.signed_in()
    long = junk * (60_000 // len(junk))
    reply = starlette_site.wire.ask("GET", "/me", f"Cookie: {long}; {owner.cookie}={owner.token}")
    assert (reply.status, reply.text) == (200, "ada")
    chunks = "; ".join(f"{owner.cookie}.{number}={'x' * 20}" for number in range(1500))
    assert starlette_site.wire.ask("GET", "/me", f"Cookie: {chunks}").status == 401


def test_C5_GHSA_78cv_mqj4_43f7_nothing_that_a_client_says_gets_into_a_cookie(site: Attacked) -> None:
    """CVE-2026-0672, CVE-2026-3644: what is set is always of one form, whatever the request says of itself."""
    nasty = "x%0d%0aSet-Cookie:%20evil=1;%20Domain=example.org"
    form = re.compile(rf"{site.cookie}=[A-Za-z0-9._-]+(; [A-Za-z-]+(=[A-Za-z0-9/, :]+)?)*")
    for target in (f"/in/{nasty}", f"/set/{nasty}/{nasty}", f"/in/ada?next={nasty}"):
        reply = site.browser()("POST", target, "User-Agent: x\t; Domain=evil", "X-Forwarded-For: 1.2.3.4; Path=/x")
        given = [line for line in reply.all("set-cookie") if not line.startswith("csrftoken")]
        assert all(form.fullmatch(line) for line in given), given
        assert "evil" not in repr(reply.all("set-cookie"))


# --- S14, S12


def test_S14_CVE_2026_45364_one_address_is_one_however_it_is_written(starlette_site: Attacked) -> None:
    """Variants: what a client puts left of the proxy's entry, and a header whose name only looks like it."""

    def noted(*lines: str) -> str:
        browser = starlette_site.browser()
        browser.post("/in/addressed", *lines)
        newest = browser.get("/devices").json()[0]
        return str(newest["ip"])

    spellings = ["2001:db8::1", "2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "[2001:db8::1]:443", "2001:db8::1%eth0"]
    assert {noted(f"X-Forwarded-For: {each}") for each in spellings} == {"2001:db8::1"}
    assert {noted(f"X-Forwarded-For: {each}") for each in ("::ffff:1.2.3.4", "1.2.3.4", "1.2.3.4:80")} == {"1.2.3.4"}
    assert noted("X-Forwarded-For: 6.6.6.6, 1.2.3.4") == "1.2.3.4"
    assert noted("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4") == "1.2.3.4"
    assert noted("X_Forwarded_For: 6.6.6.6", "Forwarded: for=6.6.6.6") == "127.0.0.1"


@pytest.mark.parametrize("name", ["flask", "starlette"])
def test_S12_CVE_2016_4423_a_huge_user_name_is_refused(request: pytest.FixtureRequest, name: str) -> None:
    """Django's users have a length of their own."""
    site: Attacked = request.getfixturevalue(f"{name}_site")
    rows = site.rows()
    for size in (256, 4000):
        assert site.browser()("POST", f"/in/{'u' * size}").status == 422
    assert site.rows() == rows
