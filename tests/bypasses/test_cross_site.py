"""Requests that another site has the visitor's browser make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked

pytestmark = pytest.mark.processes

EVIL = "Origin: https://evil.example"
FOREIGN = [
    ["Sec-Fetch-Site: cross-site", EVIL],
    ["Sec-Fetch-Site: same-site", "Origin: https://blog.shop.example"],
    ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-origin, cross-site"],
    ["Sec-Fetch-Site: SAME-ORIGIN", EVIL],
    ["Sec-Fetch-Site: cross-site", "Origin: null"],
    [EVIL],
    ["Origin: null"],
    ["Origin: http://shop.example.evil.example"],
    ["Origin: https://shop.example"],  # the request came by http, so this is another origin
    ["Origin: http://shop.example", EVIL],
    ["Origin: http://shop.example:8080"],
    ["Referer: http://shop.example/"],
    [],
]

FORBIDDEN = [("POST", "/out"), ("POST", "/in/attacker"), ("DELETE", "/devices/x"), ("post", "/out"), ("PUT", "/out")]
OVERRIDES = ["X-HTTP-Method-Override: POST", "X-HTTP-Method: DELETE", "X-Method-Override: POST"]


@pytest.fixture(params=["flask", "starlette"])
def site(request: pytest.FixtureRequest) -> Attacked:
    """Those whose requests we check; Django's own middleware does so there, as its settings say."""
    found: Attacked = request.getfixturevalue(f"{request.param}_site")
    return found


def test_X6_CVE_2026_22030_another_site_neither_signs_in_nor_out(site: Attacked) -> None:
    """Form actions were not covered; variants in each header that a browser may send, and in the method."""
    victim = site.signed_in("victim")
    for lines in FOREIGN:
        for method, path in FORBIDDEN:
            reply = site.wire.ask(method, path, victim.line, *lines)
            # 400 is gunicorn's answer to a method in small letters.
            assert reply.status == 403 or (method == "post" and reply.status == 400), (method, path, lines)
            assert reply.all("set-cookie") == []
    nobody = site.wire.ask("POST", "/in/attacker", EVIL, "Sec-Fetch-Site: cross-site")
    assert nobody.status == 403, "who has no session yet could be signed in as the attacker"
    for override in OVERRIDES:
        assert site.wire.ask("GET", "/out", victim.line, override, "Sec-Fetch-Site: cross-site").status in {404, 405}
    assert victim.who() == "victim"


def test_X5_CVE_2025_47909_a_trusted_origin_is_the_whole_of_it(starlette_site: Attacked) -> None:
    """CVE-2025-24358: another scheme, port, subdomain or suffix is another origin."""
    victim = starlette_site.signed_in("victim")
    for origin, status in {
        "https://trusted.example": 200,
        "https://TRUSTED.example:443": 200,
        "http://trusted.example": 403,
        "https://trusted.example:8443": 403,
        "https://a.trusted.example": 403,
        "https://trusted.example.evil.example": 403,
        "https://trusted.example@evil.example": 403,
        "https://trusted.example/": 403,
        "https://trusted.example https://evil.example": 403,
        "https://trusted.example\xaa": 403,
        "https:trusted.example": 403,
    }.items():
        lines = [victim.line, f"Origin: {origin}", "Sec-Fetch-Site: cross-site"]
        assert starlette_site.wire.ask("POST", "/set/a/b", *lines).status == status, origin


def test_X4_CVE_2025_47910_an_exemption_is_for_one_path_and_method(starlette_site: Attacked) -> None:
    victim = starlette_site.signed_in("victim")

    def asked(method: str, path: str) -> int:
        return starlette_site.wire.ask(method, path, victim.line, EVIL, "Sec-Fetch-Site: cross-site").status

    assert asked("POST", "/hook/") == 200
    for path in ("/hook", "/hook/../out", "//hook/", "/hook/%2e%2e/out", "/hook/;/../out", "/hook%2f..%2fout"):
        assert asked("POST", path) == 403, path
    for path in ("/HOOK/", "/hook/x", "/hook//", "/./hook/", "/hook/%00"):
        assert asked("POST", path) == 403, path
    for path in ("http://shop.example/out", "/out?/hook/", "/out;/hook/", "/out%00/hook/", "/out#/hook/"):
        assert asked("POST", path) in {400, 403, 404}, path
    assert asked("PUT", "/hook/") == 403
    assert asked("post", "/hook/") == 403
    assert victim.who() == "victim"


def test_X7_a_socket_of_another_site_is_refused(starlette_site: Attacked) -> None:
    """A handshake is a GET, and no safe one."""
    victim = starlette_site.signed_in("victim")
    shake = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    shake.append("Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==")
    for lines in ([EVIL], ["Origin: null"], []):
        reply = starlette_site.wire.ask("GET", "/socket", victim.line, *shake, *lines)
        assert reply.status == 403, lines
