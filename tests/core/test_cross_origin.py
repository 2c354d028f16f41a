"""Requests of other origins: who may use the visitor's cookie."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.cross_origin import (
    AMBIGUOUS,
    CROSS_SITE,
    ORIGIN_MISMATCH,
    ORIGIN_MISSING,
    CrossOriginPolicy,
    CrossOriginRequest,
)
from coatcheck.errors import ConfigurationError

TRUSTED = "https://trusted.example"
POLICY = CrossOriginPolicy(trusted_origins={TRUSTED, "https://port.example:8443"}, exempt=["POST /hook/"])
OWN = b"https://shop.example"


def make_request(
    method: str = "POST",
    site: str | bytes | None = None,
    origin: str | bytes | None = None,
    **changes: Any,
) -> CrossOriginRequest:
    """Return a request of a visitor with a session cookie to https://shop.example."""
    request = CrossOriginRequest(
        method=method,
        path="/",
        scheme="https",
        host=(b"shop.example",),
        origin=() if origin is None else (origin.encode() if isinstance(origin, str) else origin,),
        sec_fetch_site=() if site is None else (site.encode() if isinstance(site, str) else site,),
        has_session_cookie=True,
    )
    return request._replace(**changes)


OTHERS = [None, "https://evil.example", "null", "https://shop.example", TRUSTED]


@pytest.mark.parametrize(
    ("method", "site", "origin", "expected"),
    [
        # each line of the truth table of the rule
        *(("POST", "same-origin", origin, None) for origin in OTHERS),
        ("POST", "none", None, None),
        *(
            ("POST", site, origin, CROSS_SITE)
            for site in ("same-site", "cross-site", "junk", "SAME-ORIGIN", "None", "*")
            for origin in (None, "https://evil.example", "null", "https://shop.example")
        ),
        *(("POST", site, TRUSTED, None) for site in ("cross-site", "same-site")),
        ("POST", None, "https://shop.example", None),
        ("POST", None, "http://shop.example", ORIGIN_MISMATCH),
        ("POST", None, "https://evil.example", ORIGIN_MISMATCH),
        ("POST", None, "null", ORIGIN_MISMATCH),
        ("POST", None, TRUSTED, None),
        ("POST", None, None, ORIGIN_MISSING),
        *(
            (method, site, origin, None)
            for method in ("GET", "HEAD", "OPTIONS")
            for site in ("cross-site", None)
            for origin in OTHERS
        ),
        *(
            (method, "cross-site", None, CROSS_SITE)
            for method in ("TRACE", "post", "get", "Get", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE", "")
        ),
        # An empty value counts as absent.
        ("POST", "", "https://shop.example", None),
        ("POST", "", "https://evil.example", ORIGIN_MISMATCH),
        ("POST", "", "", ORIGIN_MISSING),
        ("POST", "cross-site", "", CROSS_SITE),
    ],
)
def test_X1_truth_table(method: str, site: str | None, origin: str | None, expected: str | None) -> None:
    """Every line of the recommended truth table holds."""
    assert POLICY.refusal(make_request(method, site, origin)) == expected


@pytest.mark.parametrize("has_session_cookie", [True, False])
@pytest.mark.parametrize("allow_missing", [True, False])
@pytest.mark.parametrize("websocket", [True, False])
def test_X1_missing_headers_matter_with_a_cookie_only(
    *, has_session_cookie: bool, allow_missing: bool, websocket: bool
) -> None:
    """Without either header, only a request with a cookie is refused, and it only by default."""
    policy = CrossOriginPolicy(allow_missing=allow_missing)
    request = make_request("GET" if websocket else "POST", has_session_cookie=has_session_cookie, websocket=websocket)
    expected = ORIGIN_MISSING if has_session_cookie and not allow_missing else None
    assert policy.refusal(request) == expected


@pytest.mark.parametrize("allow_missing", [True, False])
@pytest.mark.parametrize(("site", "origin"), [("cross-site", None), ("same-site", "https://a.shop.example")])
def test_X6_cross_site_request_without_a_cookie_is_refused(
    site: str, origin: str | None, *, allow_missing: bool
) -> None:
    """Another site cannot sign the visitor in, though there is no cookie yet."""
    request = make_request(site=site, origin=origin, path="/login", has_session_cookie=False)
    assert CrossOriginPolicy(allow_missing=allow_missing).refusal(request) == CROSS_SITE


def test_X6_foreign_origin_without_a_cookie_is_refused() -> None:
    """An old browser, which sends Origin alone, cannot be made to sign in either."""
    request = make_request(origin="https://evil.example", path="/login", has_session_cookie=False)
    assert POLICY.refusal(request) == ORIGIN_MISMATCH


@pytest.mark.parametrize("header", ["host", "origin", "sec_fetch_site"])
@pytest.mark.parametrize("exempt", [True, False])
def test_X1_duplicated_headers_are_refused(header: str, *, exempt: bool) -> None:
    """Two lines of a header are refused even if both say the same and the path is exempt."""
    request = make_request(site="same-origin", origin="https://shop.example", path="/hook/" if exempt else "/")
    assert POLICY.refusal(request) is None
    assert POLICY.refusal(request._replace(**{header: getattr(request, header) * 2})) == AMBIGUOUS


@pytest.mark.parametrize(
    ("header", "joined"),
    [
        ("sec_fetch_site", b"same-origin, cross-site"),
        ("sec_fetch_site", b"same-origin,same-origin"),
        ("sec_fetch_site", b"same-origin "),
        ("origin", b"https://shop.example, https://evil.example"),
        ("origin", b"https://shop.example https://evil.example"),
        ("origin", b"https://trusted.example,https://trusted.example"),
        ("host", b"shop.example, evil.example"),
        ("host", b"shop.example\tevil.example"),
    ],
)
def test_X1_joined_headers_are_refused(header: str, joined: bytes) -> None:
    """Several values in one header are refused, also where another header would have decided."""
    request = make_request(site="same-origin", origin=TRUSTED)
    changes: dict[str, Any] = {header: (joined,)}
    assert POLICY.refusal(request._replace(**changes)) == AMBIGUOUS


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "same"),
    [
        ("https", "shop.example", "https://shop.example", True),
        ("https", "shop.example", "https://shop.example:443", True),
        ("https", "shop.example:443", "https://shop.example", True),
        ("https", "Shop.Example", "https://shop.example", True),
        ("https", "shop.example", "HTTPS://SHOP.example", True),
        ("http", "shop.example:80", "http://shop.example", True),
        ("http", "localhost:8000", "http://localhost:8000", True),
        ("http", "shop_api:8000", "http://shop_api:8000", True),
        ("https", "[2001:DB8::1]", "https://[2001:db8::1]", True),
        ("https", "[2001:db8:0::1]:443", "https://[2001:db8::1]", True),
        ("wss", "shop.example", "https://shop.example", True),
        ("WSS", "shop.example:443", "https://shop.example", True),
        ("ws", "localhost:8000", "http://localhost:8000", True),
        ("ws", "shop.example", "https://shop.example", False),
        ("wss", "shop.example", "http://shop.example", False),
        ("wss", "shop.example", "wss://shop.example", False),
        ("http", "shop.example", "https://shop.example", False),
        ("https", "shop.example", "http://shop.example", False),
        ("https", "shop.example", "https://shop.example:80", False),
        ("https", "shop.example:8443", "https://shop.example", False),
        ("https", "shop.example", "https://shop.example.", False),
        ("https", "shop.example", "https://shop.example.evil.example", False),
        ("https", "shop.example", "https://evil-shop.example", False),
        ("https", "shop.example", "https://a.shop.example", False),
        ("https", "shop.example", "shop.example", False),
        ("https", "shop.example", "://shop.example", False),
        ("https", "shop.example", "https:shop.example", False),
        ("https", "shop.example", "https://shop.example/", False),
        ("https", "shop.example", "https://user@shop.example", False),
        ("https", "shop.example", "https://shop.example#", False),
        ("https", "shop.example", "https://shop.example:", False),
        ("https", "shop.example", "https://shop.example:0443x", False),
        ("https", "shop.example", "https://shop.example\\", False),
        ("https", "[::1]", "https://[::1", False),
        ("https", "[::zz]", "https://[::zz]", False),
        ("https", "[:]", "https://[:]", False),
        ("https", "", "https://", False),
        ("https", "shop.example:0", "https://shop.example:0", False),
        ("https", "shop.example:70000", "https://shop.example:70000", False),
        ("https", "shop.example@evil", "https://shop.example@evil", False),
        ("", "shop.example", "://shop.example", False),
        ("https", "stri\xdfe.example", "https://stri\xdfe.example", False),
    ],
)
def test_X1_own_origin_is_scheme_host_and_port(scheme: str, host: str, origin: str, *, same: bool) -> None:
    """Origin must be the request's own scheme, host and port; only case and a default port are equal."""
    request = make_request(origin=origin.encode("latin-1"), scheme=scheme, host=(host.encode("latin-1"),))
    assert POLICY.refusal(request) == (None if same else ORIGIN_MISMATCH)


def test_X1_missing_host_equals_no_origin() -> None:
    """A request without Host has no origin of its own."""
    assert POLICY.refusal(make_request(origin="https://shop.example", host=())) == ORIGIN_MISMATCH


@given(origin=st.binary(max_size=60), site=st.binary(max_size=20))
def test_X1_arbitrary_headers_never_pass_nor_raise(origin: bytes, site: bytes) -> None:
    """Bytes that are neither our origin nor trusted nor a known word are refused."""
    request = make_request(site=site, origin=origin)
    known = site in {b"same-origin", b"none"} or origin.lower().startswith((OWN, b"https://trusted.example"))
    assert POLICY.refusal(request) is not None or known


@pytest.mark.parametrize("site", ["cross-site", None])
@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        (TRUSTED, True),
        ("https://trusted.example:443", True),
        ("https://port.example:8443", True),
        ("http://trusted.example", False),
        ("https://trusted.example.evil.example", False),
        ("https://trusted.evil", False),
        ("https://a.trusted.example", False),
        ("https://atrusted.example", False),
        ("https://trusted.example:8443", False),
        ("https://port.example", False),
        ("https://port.example:443", False),
        ("https://trusted.example/", False),
        ("https://evil.example/https://trusted.example", False),
        ("null", False),
    ],
)
def test_X5_trusted_origins_are_exact(site: str | None, origin: str, *, trusted: bool) -> None:
    """Neither another scheme or port nor a longer or shorter host is the trusted origin."""
    refused = CROSS_SITE if site else ORIGIN_MISMATCH
    assert POLICY.refusal(make_request(site=site, origin=origin)) == (None if trusted else refused)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://Trusted.Example", "https://trusted.example"),
        ("HTTPS://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_X5_trusted_origins_are_kept_in_one_form(given_: str, kept: str) -> None:
    """Case and default ports are settled once, at construction."""
    assert CrossOriginPolicy(trusted_origins=(given_,)).trusted_origins == frozenset({kept})


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "a.example",
        "//a.example",
        "https://",
        "https://*.example",
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?",
        "https://user@a.example",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:\u0664\u0664\u0663",
        "https://bücher.example",
        "https://\u212aelvin.example",
        "https://a.example\n",
        " https://a.example",
        "https://[::1",
        "https://[::g]",
        "https://[fe80::1%eth0]",
        "wss://a.example",
        "WS://a.example",
    ],
)
def test_X5_what_is_no_full_origin_is_refused(origin: str) -> None:
    """An entry that could match more, less or other than was meant is an error at construction."""
    with pytest.raises(ConfigurationError) as caught:
        CrossOriginPolicy(trusted_origins=[TRUSTED, origin])
    assert f"cross-origin trusted_origins={origin!r} is not possible: use " in str(caught.value)


def test_X5_websocket_origin_in_the_settings_names_the_fix() -> None:
    """The origin of a page is http or https, whatever it connects to."""
    with pytest.raises(ConfigurationError, match=r"'https://a\.example:8443'"):
        CrossOriginPolicy(trusted_origins=["wss://a.example:8443"])


@pytest.mark.parametrize(
    ("method", "path", "exempt"),
    [
        ("POST", "/hook/", True),
        ("POST", "/hook", False),
        ("POST", "/hook/x", False),
        ("POST", "/hook/../x", False),
        ("POST", "/hook/.", False),
        ("POST", "//hook/", False),
        ("POST", "/hook//", False),
        ("POST", "/Hook/", False),
        ("POST", "/hook/?a", False),
        ("POST", "/hook/\n", False),
        ("POST", "/hook%2F", False),
        ("PUT", "/hook/", False),
        ("post", "/hook/", False),
        ("POST ", "/hook/", False),
    ],
)
@pytest.mark.parametrize(
    ("site", "origin", "reason"),
    [("cross-site", None, CROSS_SITE), (None, "null", ORIGIN_MISMATCH), (None, None, ORIGIN_MISSING)],
)
def test_X4_exemption_is_exact(
    method: str, path: str, site: str | None, origin: str | None, reason: str, *, exempt: bool
) -> None:
    """An exemption covers one method and one path, and no variant of either."""
    request = make_request(method, site, origin, path=path)
    assert POLICY.refusal(request) == (None if exempt else reason)


def test_X4_pairs_and_strings_are_the_same_exemption() -> None:
    """Both spellings are kept as pairs."""
    policy = CrossOriginPolicy(exempt=["POST /hook/", ("POST", "/hook/"), ("PUT", "/a")])
    assert policy.exempt == frozenset({("POST", "/hook/"), ("PUT", "/a")})


@pytest.mark.parametrize(
    "item",
    [
        "",
        "/hook/",
        "POST",
        "POST ",
        "POST hook",
        "post /hook/",
        "* /hook/",
        "POST,PUT /hook/",
        "POST  /hook/",
        "POST /hook/ ",
        "POST /hook/*",
        "POST /hook/{id}",
        "POST /hook/?a=b",
        "POST /hook/#a",
        "POST //hook/",
        "POST /hook//",
        "POST /a/../hook/",
        "POST /hook/..",
        "POST /./hook",
        "POST /hook\\x",
        "POST /hook\n",
        ("POST",),
        ("POST", "/a", "/b"),
        ("/hook/", "POST"),
    ],
)
def test_X4_what_is_no_exact_exemption_is_refused(item: Any) -> None:
    """A pattern, or a path that no router reports, is an error at construction."""
    with pytest.raises(ConfigurationError) as caught:
        CrossOriginPolicy(exempt=[item])
    assert f"cross-origin exempt={item!r} is not possible: " in str(caught.value)


@pytest.mark.parametrize("path", ["/.well-known/x", "/a.b/..c", "/a/...", "/", "/a%2Fb"])
def test_X4_dots_within_a_name_are_no_dot_segments(path: str) -> None:
    """Paths that merely contain dots can be exempt."""
    policy = CrossOriginPolicy(exempt=[("POST", path)])
    assert policy.refusal(make_request(site="cross-site", path=path)) is None


@pytest.mark.parametrize("setting", ["trusted_origins", "exempt"])
def test_X4_X5_single_text_instead_of_a_list_is_refused(setting: str) -> None:
    """A text is not taken for a list of its letters."""
    value: Any = "https://a.example" if setting == "trusted_origins" else "POST /hook/"
    with pytest.raises(ConfigurationError, match=rf"^cross-origin {setting}=.*put it in a list"):
        CrossOriginPolicy(**{setting: value})


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
@pytest.mark.parametrize(
    ("site", "origin", "expected"),
    [
        ("cross-site", "https://evil.example", CROSS_SITE),
        ("same-site", "https://a.shop.example", CROSS_SITE),
        (None, "https://evil.example", ORIGIN_MISMATCH),
        (None, "http://shop.example", ORIGIN_MISMATCH),
        (None, "null", ORIGIN_MISMATCH),
        (None, None, ORIGIN_MISSING),
        (None, "https://shop.example", None),
        ("same-origin", "https://shop.example", None),
        ("cross-site", TRUSTED, None),
        (None, TRUSTED, None),
    ],
)
def test_X7_websocket_handshake_is_never_safe(
    method: str, site: str | None, origin: str | None, expected: str | None
) -> None:
    """A handshake is checked like a POST, although it is a GET, or a CONNECT over HTTP/2."""
    request = make_request(method, site, origin, scheme="wss", websocket=True)
    assert POLICY.refusal(request) == expected


def test_X7_handshake_can_be_exempt() -> None:
    """An exemption of a GET concerns its handshakes, the only GETs that are checked."""
    policy = CrossOriginPolicy(exempt=["GET /live"])
    request = make_request("GET", "cross-site", "https://evil.example", websocket=True)
    assert policy.refusal(request) == CROSS_SITE
    assert policy.refusal(request._replace(path="/live")) is None
