"""What proxies say is never believed blindly: no text crashes the gate, and none leads a browser to somebody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.serve.forwarded import NotForwarded, Seen, is_plain, seen_in_headers, sign_in_address
from coatcheck.serve.identity import header_value
from coatcheck.web.pages import safe_next
from tests.serve.asked import asked

if TYPE_CHECKING:
    from pathlib import Path

HEADERS = st.binary(max_size=60)
ODD = st.text(st.sampled_from("/\\%2fF5cC.eE?#@:;&=evilxample \t\r\n\x00\x7f\xff"), max_size=40)
URIS = st.one_of(ODD, ODD.map("/".__add__), st.text(max_size=40))


ELSEWHERE = [b"evil.example", b"shop.example.org@evil.example", b"shop.example.org:8443:1", b"shop.example.org.", b""]


def seen(uri: str, host: bytes = b"shop.example.org", scheme: str = "https") -> Seen:
    return Seen("GET", scheme, host, uri)


@given(URIS)
def test_sign_in_leads_back_to_a_path_of_the_same_site_or_nowhere(uri: str) -> None:
    """However often whoever redirects afterwards decodes it."""
    address = sign_in_address("/login", "next", seen(uri), frozenset())
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "/login", "")
    back = parse_qs(parts.query, keep_blank_values=True).get("next")
    if back is None:
        assert address == "/login"
        return
    assert back == [uri]
    assert safe_next(uri, "/refused") == uri
    for target in (uri, unquote(uri), unquote(unquote(uri))):
        path = target.partition("?")[0]
        assert not path.replace("\\", "/").startswith("//")
        if "\\" not in path and path.isascii() and path.isprintable():
            assert urlsplit(urljoin("https://shop.example.org/login", target)).netloc == "shop.example.org"


@given(URIS, st.one_of(HEADERS, st.just(b"shop.example.org"), st.sampled_from(ELSEWHERE)))
def test_a_page_elsewhere_leads_back_to_an_origin_that_was_named(uri: str, host: bytes) -> None:
    origins = ServeOptions(origins=("https://shop.example.org", "https://shop.example.org:8443")).accepted_origins()
    address = sign_in_address("https://login.example.net/in", "rd", seen(uri, host), origins)
    parts = urlsplit(address)
    assert address.startswith("https://login.example.net/in")
    for back in parse_qs(parts.query).get("rd", []):
        assert back.startswith("https://shop.example.org/")
        assert urlsplit(back).netloc == "shop.example.org"


@pytest.mark.parametrize("host", [b"shop.example.org", b"SHOP.example.org", b"shop.example.org:443"])
def test_it_leads_back_to_the_very_address(host: bytes) -> None:
    origins = ServeOptions(origins=("https://shop.example.org",)).accepted_origins()
    address = sign_in_address("https://login.example.net/", "next", seen("/a?b=c", host), origins)
    assert address == "https://login.example.net/?next=https%3A%2F%2Fshop.example.org%2Fa%3Fb%3Dc"
    other = sign_in_address("https://login.example.net/", "next", seen("/a", host, "http"), origins)
    assert other == "https://login.example.net/"


@pytest.mark.parametrize(
    "uri",
    [
        *("//evil.example", "/\\evil.example", "/%2fevil.example", "/%5Cevil.example", "/./ /evil", "/.//evil.example"),
        *("/x/..//evil.example", "/x/%2e%2E//evil.example", "/%2e/evil", "https://evil.example/", "", "x", "/#x"),
        *("/a b", "/%", "/%zz", "/" + "a" * 2048, "/\xe4", "*", "/x?#", "/\t/x"),
    ],
)
def test_what_could_be_read_as_something_else_is_not_handed_on(uri: str) -> None:
    assert not is_plain(uri)


@pytest.mark.parametrize(
    "uri", ["/", "/a/b.c", "/..a", "/a?b=//evil", "/%20%C3%A4", "/a//b", "/?q={|}^`[]", "/a;b=1,2"]
)
def test_what_browsers_send_is(uri: str) -> None:
    assert is_plain(uri)


NAMES = [b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri", b"host"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), HEADERS), max_size=8))
def test_headers_say_what_was_asked_or_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        found = seen_in_headers(headers)
    except NotForwarded:
        return
    assert found.scheme in {"http", "https"}
    assert found.method.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=50))
@example("100%41")
@example(" ada ")
def test_a_header_says_the_very_text_and_nothing_more(text: str) -> None:
    value = header_value(text)
    assert all(0x20 <= octet < 0x7F for octet in value)
    assert value == value.strip()
    assert unquote(value.decode(), errors="surrogatepass") == text


def test_surrogates_are_no_crash_and_a_long_text_says_nothing() -> None:
    assert header_value("\ud800") == b"%ED%A0%80"
    assert header_value("x" * 1024) == b"x" * 1024
    assert header_value("x" * 1025) == header_value("\xe4" * 200) == b""


COOKIES = st.one_of(
    HEADERS,
    st.text(st.sampled_from("__Host-session=; \t\"'\\,x.%\x00\xff"), max_size=60).map(
        lambda text: text.encode("latin-1")
    ),
)


def test_no_request_crashes_the_gate(tmp_path: Path) -> None:
    """Whatever stands in cookies, in headers and in the address: an answer of the five, and no identity."""

    @given(
        st.sampled_from(["nginx", "traefik", "envoy", "optional/nginx", "optional/envoy"]),
        COOKIES,
        URIS.filter(str.isascii),
        HEADERS,
        st.one_of(st.sampled_from(["GET", "POST", "get"]), st.text(st.characters(max_codepoint=255), max_size=12)),
    )
    def ask(way: str, cookies: bytes, uri: str, other: bytes, method: str) -> None:
        headers = [("Cookie", cookies.decode("latin-1")), ("Origin", other.decode("latin-1")), ("Accept", "text/html")]
        host = other.decode("latin-1") or "h"

        async def answered() -> None:
            answer = await gate.ask(way, *headers, method=method, uri=uri, host=host)
            assert answer.status in {200, 302, 400, 401, 403, 404}
            assert answer.all("x-coatcheck-user") == [""] or answer.status == 404
            assert answer.all("set-cookie") == []
            for place in (*answer.all("location"), *answer.all("x-coatcheck-sign-in")):
                assert place in {"", "/login"} or place.startswith("/login?next=%2F")

        runner.run(answered())

    with asyncio.Runner() as runner:
        opened = asked(tmp_path, serve={"sign_in_url": "/login"})
        gate = runner.run(opened.__aenter__())
        try:
            ask()
        finally:
            runner.run(opened.__aexit__(None, None, None))
