"""The gate's answers to nginx, Traefik, Caddy and Envoy, in the form in which each of them asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import User
from coatcheck.errors import Unavailable
from coatcheck.stores.sqlite import AsyncSQLiteStore
from tests.serve.asked import COOKIE, asked, cookie

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck.serve.application import Served
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

PROXIES = ["nginx", "traefik", "caddy", "envoy"]
PAGE = ("Accept", "text/html,*/*;q=0.8")
HEADERS = ["user", "session", "email", "name", "role", "actor"]


def identity(answer: Answer) -> dict[str, list[str]]:
    return {name: answer.all(f"x-coatcheck-{name}") for name in HEADERS}


NOBODY = {name: [""] for name in HEADERS}


@pytest.mark.parametrize("proxy", PROXIES)
async def test_the_three_answers(proxy: str, tmp_path: Path) -> None:
    """With every identity header once in each of them, so that what a client has forged is overwritten."""
    async with asked(tmp_path) as gate:
        anonymous = await gate.ask(proxy)
        assert (anonymous.status, identity(anonymous)) == (401, NOBODY)
        token = await gate.token("ada")
        [session] = await gate.sessions.list("ada")
        welcome = await gate.ask(proxy, cookie(token), ("X-Coatcheck-User", "root"))
        assert (welcome.status, welcome.body) == (200, b"")
        assert identity(welcome) == {**NOBODY, "user": ["ada"], "session": [session.id]}
        assert welcome.all("cache-control") == ["no-store"]

        async def away(_: bytes) -> None:
            raise Unavailable("the store is away", retry_after=3)

        gate.sessions.ask = away  # type: ignore[method-assign,assignment]
        unknown = await gate.ask(proxy, cookie("x" * 43), PAGE)
        assert (unknown.status, identity(unknown), unknown.all("retry-after")) == (503, NOBODY, ["3"])
        assert unknown.all("set-cookie") == []


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_browser_is_sent_to_sign_in_and_back(proxy: str, tmp_path: Path) -> None:
    """Nginx is told where in a header: it takes any answer but 401 and 403 for a failure."""
    async with asked(tmp_path, serve={"sign_in_url": "/login"}) as gate:
        answer = await gate.ask(proxy, PAGE, uri="/orders?a=1&b=%20")
        address = "/login?next=%2Forders%3Fa%3D1%26b%3D%2520"
        if proxy == "nginx":
            assert (answer.status, answer.all("x-coatcheck-sign-in"), answer.all("location")) == (401, [address], [])
        else:
            assert (answer.status, answer.all("location")) == (302, [address])
        program = await gate.ask(proxy, uri="/orders")
        assert (program.status, program.all("location"), program.all("x-coatcheck-sign-in")) == (401, [], [""])
        posted = await gate.ask(proxy, PAGE, ("Sec-Fetch-Site", "same-origin"), method="POST")
        assert (posted.status, posted.all("location")) == (401, [])


@pytest.mark.parametrize("proxy", PROXIES)
async def test_where_everybody_is_let_through_nobody_is_somebody(proxy: str, tmp_path: Path) -> None:
    async with asked(tmp_path, serve={"sign_in_url": "/login"}) as gate:
        anonymous = await gate.ask(f"optional/{proxy}", PAGE)
        assert (anonymous.status, identity(anonymous)) == (200, NOBODY)
        visitor = await gate.ask(f"optional/{proxy}", cookie(await gate.token(None, data={"cart": 1})))
        assert (visitor.status, identity(visitor)) == (200, NOBODY)
        assert identity(await gate.ask(f"optional/{proxy}", cookie(await gate.token("ada"))))["user"] == ["ada"]


@pytest.mark.parametrize("proxy", PROXIES)
async def test_X1_X7_requests_of_other_sites_are_refused(proxy: str, tmp_path: Path) -> None:
    """By what the browser says of them; a WebSocket's handshake is one although it is a GET."""
    async with asked(tmp_path) as gate:
        signed_in = cookie(await gate.token())
        cross = [signed_in, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
        own = [signed_in, ("Origin", "https://shop.example.org")]
        handshake = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        for headers, method, status in (
            (cross, "POST", 403),
            (cross, "get", 403),
            (cross, "TRACE", 403),
            (cross, "GET", 200),
            ([*cross, handshake], "GET", 403),
            ([*own, handshake], "GET", 200),
            (own, "POST", 200),
            ([signed_in], "DELETE", 403),
        ):
            answer = await gate.ask(proxy, *headers, method=method)
            assert (answer.status, identity(answer)["user"]) == (status, ["ada" if status == 200 else ""]), method


async def test_X5_an_origin_counts_with_its_scheme_and_port(tmp_path: Path) -> None:
    async with asked(tmp_path, serve={"trusted_origins": ["https://pages.example.org"]}) as gate:
        signed_in = cookie(await gate.token())
        for origin, host, scheme, status in (
            ("https://pages.example.org", "shop.example.org", "https", 200),
            ("http://pages.example.org", "shop.example.org", "https", 403),
            ("http://shop.example.org", "shop.example.org", "https", 403),
            ("http://shop.example.org:8080", "shop.example.org:8080", "http", 200),
            ("https://shop.example.org.evil", "shop.example.org", "https", 403),
        ):
            answer = await gate.ask("traefik", signed_in, ("Origin", origin), method="POST", host=host, scheme=scheme)
            assert answer.status == status, origin


@pytest.mark.parametrize("missing", ["Method", "Proto", "Host", "Uri"])
async def test_a_proxy_that_does_not_say_what_it_asks_about_gets_no_yes(missing: str, tmp_path: Path) -> None:
    """Nor one that says it twice: a client may have said the other."""
    said = {"Method": "GET", "Proto": "https", "Host": "shop.example.org", "Uri": "/"}
    async with asked(tmp_path) as gate:
        signed_in = cookie(await gate.token())
        headers = [(f"X-Forwarded-{name}", value) for name, value in said.items()]
        assert (await gate.request("GET", "/auth/forward", signed_in, *headers)).status == 200
        fewer = [pair for pair in headers if not pair[0].endswith(missing)]
        twice = [*headers, (f"X-Forwarded-{missing}", said[missing])]
        empty = [*fewer, (f"X-Forwarded-{missing}", "")]
        for sent in (fewer, twice, empty):
            answer = await gate.request("GET", "/auth/nginx", signed_in, *sent)
            assert (answer.status, identity(answer)) == (400, NOBODY)
        bad = [*fewer, (f"X-Forwarded-{missing}", "a b\x7f")]
        status = (await gate.request("GET", "/auth/nginx", signed_in, *bad)).status
        assert status == (400 if missing in {"Method", "Proto"} else 200)


async def test_who_is_signed_in_is_told_under_other_names_and_in_any_script(tmp_path: Path) -> None:
    """Whatever stands in a users table or came from elsewhere, it makes no second header and no other text."""

    async def load(ids: object) -> dict[str, User]:
        return {"7": User("7", name=" Ada\r\nX-Coatcheck-Role: admin", email="ädä@example.org", role="50%")}

    from coatcheck import Settings
    from coatcheck.serve.application import Served
    from tests.serve.asked import Asked
    from tests.web.browser import started

    options = {"headers": ["user=Remote-User", "name", "email", "role", "email_verified", "labels", "authenticated"]}
    settings = Settings.load(environ={}, store=f"sqlite:///{tmp_path}/gate.db", serve=options)
    served = Served(settings, load_users=load)
    async with started(served):
        gate = Asked(served)
        answer = await gate.ask("caddy", cookie(await gate.token("7")))
        assert answer.all("remote-user") == ["7"]
        assert answer.all("x-coatcheck-user") == []
        assert answer.all("x-coatcheck-name") == ["%20Ada%0D%0AX-Coatcheck-Role: admin"]
        assert answer.all("x-coatcheck-email") == ["%C3%A4d%C3%A4@example.org"]
        assert answer.all("x-coatcheck-role") == ["50%25"]
        assert answer.all("x-coatcheck-labels") == answer.all("x-coatcheck-email-verified") == [""]
        assert answer.all("x-coatcheck-authenticated")[0].isdecimal()


async def test_L7_a_revoked_session_is_refused_with_the_next_question(tmp_path: Path) -> None:
    async with asked(tmp_path) as gate:
        signed_in = cookie(await gate.token())
        assert (await gate.ask("envoy", signed_in)).status == 200
        await gate.sessions.revoke_user("ada")
        assert (await gate.ask("envoy", signed_in)).status == 401


async def test_T8_only_the_declared_transport_is_read(tmp_path: Path) -> None:
    async with asked(tmp_path) as gate:
        token = await gate.token()
        for header in (("Authorization", f"Bearer {token}"), ("Cookie", f"session={token}"), ("X-Session", token)):
            assert (await gate.ask("nginx", header)).status == 401
        assert (await gate.ask("nginx", uri=f"/?{COOKIE}={token}")).status == 401
    async with asked(tmp_path, serve={"bearer": True}) as gate:
        assert (await gate.ask("nginx", ("Authorization", f"Bearer {token}"))).status == 200
        refused = await gate.ask("nginx", ("Authorization", "Bearer nonsense"))
        assert (refused.status, refused.all("www-authenticate")) == (401, ["Bearer"])


async def test_it_answers_where_it_is_asked_and_nowhere_else(tmp_path: Path) -> None:
    async with asked(tmp_path) as gate:
        for path in (
            "/auth/",
            "/auth/apache",
            "/auth/nginx/x",
            "/auth/optional",
            "/auth//nginx",
            "/",
            "/internal/sessions",
        ):
            answer = await gate.request("GET", path, cookie(await gate.token()))
            assert answer.status == 404, path
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await gate.request("GET", path)).status == 200
        head = await gate.request("HEAD", "/auth/envoy/x", ("Host", "a"), ("X-Forwarded-Proto", "https"))
        assert (head.status, head.body) == (401, b"")


async def test_what_it_has_answered_is_counted(tmp_path: Path) -> None:
    async with asked(tmp_path) as gate:
        await gate.ask("nginx", cookie(await gate.token()))
        await gate.ask("nginx")
        await gate.request("GET", "/auth/nginx")
        text = (await gate.request("GET", "/metrics")).body.decode()
        for answer in ("signed_in", "anonymous", "misconfigured"):
            assert f'answer="{answer}"}} 1\n' in text
        assert 'answer="unavailable"} 0\n' in text
        assert 'coatcheck_part_ok{process="' in text


async def test_the_json_api_believes_the_proxy_about_the_scheme(tmp_path: Path) -> None:
    """A browser that says only its origin has used https, and the gate is asked over http."""
    async with asked(tmp_path) as gate:
        signed_in = cookie(await gate.token())
        own = [signed_in, ("Host", "shop.example.org"), ("Origin", "https://shop.example.org")]
        assert (await gate.request("POST", "/api/sign-out", *own)).status == 403
        assert (await gate.request("POST", "/api/sign-out", *own, ("X-Forwarded-Proto", "gopher"))).status == 400
        answer = await gate.request("POST", "/api/sign-out", *own, ("X-Forwarded-Proto", "https"))
        assert answer.status == 204


def test_an_application_is_made_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each of a server's workers makes it."""
    from coatcheck.serve.application import from_environment

    monkeypatch.setenv("COATCHECK_STORE", f"sqlite:///{tmp_path}/gate.db")
    served: Served = from_environment()
    store = served.sessions.store
    assert isinstance(store, AsyncSQLiteStore)
    assert store.path == f"{tmp_path}/gate.db"
