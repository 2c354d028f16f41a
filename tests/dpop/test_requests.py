"""Requests with tokens that are bound to a key: what gets in, what does not, and what it is told (rule J8)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions, ConfigurationError, DPoP, NotSignedIn, Policy, Sessions
from coatcheck import fastapi as for_fastapi
from coatcheck.asgi import SessionMiddleware, context_of
from coatcheck.starlette import proof_key
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.wsgi import SessionMiddleware as WSGISessionMiddleware
from coatcheck.wsgi import context_of as wsgi_context_of
from tests.dpop.client import ORIGIN, Client
from tests.web.application import KEY, application, site
from tests.web.browser import Answer, Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from tests.web.application import Site

pytestmark = pytest.mark.anyio

SETTINGS = DPoP(origins=(ORIGIN,))
ALGORITHMS = 'algs="ES256 RS256"'


async def issue(request: Request) -> Response:
    """Be a token endpoint: give whoever signs a token for their key."""
    thumbprint = await proof_key(request)
    created = await context_of(request.scope).sessions.create("robot", key_thumbprint=thumbprint)
    return JSONResponse({"access_token": created.token.reveal(), "token_type": "DPoP"})


class Api(NamedTuple):
    """A site, a client of it, and the client's token."""

    site: Site
    client: Client
    token: str

    async def ask(self, headers: Iterable[tuple[str, str]], path: str = "/private", method: str = "GET") -> Answer:
        return await Browser(self.site.app, headers=list(headers), user_agent=None).request(method, path, headers=[])

    async def signed(self, path: str = "/private", **changes: Any) -> Answer:
        return await self.ask(self.client.headers("GET", path, self.token, **changes), path)


@asynccontextmanager
async def api(
    folder: Path, settings: DPoP | None = SETTINGS, policy: Policy | None = None, **middleware: Any
) -> AsyncGenerator[Api]:
    given = {"dpop": settings, **middleware}
    how: dict[str, Any] = {"policy": policy, "middleware": given}
    async with site(folder, keys=[KEY], routes=[Route("/token", issue, methods=["POST"])], **how) as it:
        client = Client(now=lambda: it.clock.now() / 1e9)
        created = await it.sessions.create("robot", key_thumbprint=client.thumbprint)
        yield Api(it, client, created.token.reveal())


async def test_J8_a_token_is_bound_from_its_issuing_to_its_end(tmp_path: Path) -> None:
    """The client signs for the token, then each request; a proof more is not a session more."""
    async with api(tmp_path) as it:
        signed = [("dpop", it.client.proof("POST", f"{ORIGIN}/token"))]
        issued = await it.ask(signed, "/token", "POST")
        assert issued.json()["token_type"] == "DPoP"
        token = issued.json()["access_token"]
        session = await it.site.sessions.get(token)
        assert session
        assert session.key_thumbprint == it.client.thumbprint
        assert session.device_bound
        for path in ("/private", "/private?page=2"):
            answer = await it.ask(it.client.headers("GET", path, token), path)
            assert (answer.status, answer.json()["user"], answer.all("set-cookie")) == (200, "robot", [])
            assert answer.vary() >= {"cookie", "authorization"}
        rotated = await it.site.sessions.rotate(token)
        assert rotated
        assert rotated.session.key_thumbprint == it.client.thumbprint
        assert (await it.ask(it.client.headers("GET", "/private", token))).status == 401


async def test_J8_a_proof_counts_once(tmp_path: Path) -> None:
    async with api(tmp_path) as it:
        headers = it.client.headers("GET", "/private", it.token)
        assert (await it.ask(headers)).status == 200
        again = await it.ask(headers)
        assert again.status == 401
        assert again.json() == {**again.json(), "reason": "device_unproven"}
        told = 'DPoP error="invalid_dpop_proof", error_description="it was used before", '
        assert again.all("www-authenticate") == [told + ALGORITHMS]


async def test_S7_of_many_requests_with_one_proof_one_gets_in(tmp_path: Path) -> None:
    async with api(tmp_path) as it:
        headers = it.client.headers("GET", "/private", it.token)
        answers = await asyncio.gather(*(it.ask(headers) for _ in range(40)))
        assert sorted(answer.status for answer in answers) == [200] + [401] * 39


@pytest.mark.parametrize("bearer", [False, True], ids=["by DPoP alone", "bearer tokens too"])
async def test_J8_a_bound_token_is_no_bearer_token_and_no_cookie(tmp_path: Path, *, bearer: bool) -> None:
    async with api(tmp_path, bearer=bearer) as it:
        proof = ("dpop", it.client.proof("GET", f"{ORIGIN}/private", it.token))
        as_bearer = [("authorization", f"Bearer {it.token}")]
        for headers in (as_bearer, [*as_bearer, proof]):
            refused = await it.ask(headers)
            assert refused.status == 401
            lines = refused.all("www-authenticate")
            assert lines == (
                [
                    'Bearer error="invalid_token", error_description="the token is not one for this scheme"',
                    f"DPoP {ALGORITHMS}",
                ]
                if bearer
                else [f"DPoP {ALGORITHMS}"]
            )
        cookie = [("cookie", f"__Host-session={it.token}")]
        for headers in (cookie, [*cookie, proof]):
            assert (await it.ask(headers)).status == 401
        proof = ("dpop", it.client.proof("GET", f"{ORIGIN}/private", it.token))
        both = [*it.client.headers("GET", "/private", it.token), *as_bearer]
        assert (await it.ask(both)).status == 401
        assert (await it.ask([("authorization", f"DPoP {it.token}"), proof])).status == 200


async def test_J8_L16_a_bound_token_that_comes_without_its_proof_is_not_exchanged(tmp_path: Path) -> None:
    """In a cookie it counts for nothing; exchanged, it would be lost to its client, who hears of no successor."""
    policy = Policy(rotate_after=timedelta(hours=1))
    for settings in (SETTINGS, None):
        async with api(tmp_path, settings, policy=policy) as it:
            it.site.clock.advance(timedelta(hours=1))
            for _ in range(2):
                stolen = await it.ask([("cookie", f"__Host-session={it.token}")])
                assert (stolen.status, stolen.all("set-cookie")) == (401, [])
            if settings is not None:
                assert (await it.signed()).status == 200
            assert "rotated" not in {event.kind for event in it.site.events}


async def test_J8_a_bound_token_is_refused_where_nobody_reads_proofs(tmp_path: Path) -> None:
    """As by a server that was not told to: nothing takes it for a bearer token."""
    async with api(tmp_path, None, bearer=True) as it:
        assert (await it.signed()).status == 401
        for line in (("authorization", f"Bearer {it.token}"), ("cookie", f"__Host-session={it.token}")):
            assert (await it.ask([line])).json()["reason"] == NotSignedIn.DEVICE.value


async def test_J8_an_unbound_token_is_refused_with_a_proof(tmp_path: Path) -> None:
    """It would look as if stealing it were of no use."""
    async with api(tmp_path, bearer=True) as it:
        token = (await it.site.sessions.create("robot")).token.reveal()
        refused = await it.ask(it.client.headers("GET", "/private", token))
        assert refused.status == 401
        assert 'DPoP error="invalid_token"' in refused.all("www-authenticate")[1]
        assert (await it.ask([("authorization", f"Bearer {token}")])).status == 200
        browser = await it.site.signed_in()
        assert (await browser.get("/private")).status == 200


async def test_J8_the_key_is_the_tokens(tmp_path: Path) -> None:
    async with api(tmp_path) as it:
        thief = Client(now=it.client.now)
        refused = await it.ask(thief.headers("GET", "/private", it.token))
        assert refused.status == 401
        told = 'DPoP error="invalid_token", error_description="it is of another key than the token\'s", '
        assert refused.all("www-authenticate") == [told + ALGORITHMS]
        unproven = [event for event in it.site.events if event.kind == "unproven"]
        assert [(event.user_id, event.detail) for event in unproven] == [("robot", "invalid_token")]


async def test_J8_what_is_asked_for_without_a_token_says_how(tmp_path: Path) -> None:
    async with api(tmp_path, bearer=True) as it:
        assert (await it.ask([])).all("www-authenticate") == ["Bearer", f"DPoP {ALGORITHMS}"]
        ended = (await it.site.sessions.create("robot", key_thumbprint=it.client.thumbprint)).token
        await it.site.sessions.revoke(ended)
        unknown = await it.ask(it.client.headers("GET", "/private", ended.reveal()))
        assert 'error="invalid_token"' in unknown.all("www-authenticate")[1]
        assert (await it.ask([], "/me")).json()["user"] is None


async def test_J8_another_method_or_address_is_another_request(tmp_path: Path) -> None:
    """Whatever the Host of a request says, or a proxy: the address is the one that is configured."""
    async with api(tmp_path, trusted_hops=1) as it:
        wrong = [
            it.client.headers("POST", "/private", it.token),
            it.client.headers("GET", "/private/", it.token),
            it.client.headers("GET", "/me", it.token),
        ]
        for headers in wrong:
            assert (await it.ask(headers)).status == 401
        elsewhere = it.client.proof("GET", "https://evil.example/private", it.token)
        forwarded = [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https"), ("host", "evil.example")]
        for more in ([], forwarded, [("forwarded", "host=evil.example;proto=https")]):
            headers = [("authorization", f"DPoP {it.token}"), ("dpop", elsewhere), *more]
            assert (await it.ask(headers)).status == 401
        inside = [*it.client.headers("GET", "/private", it.token), ("x-forwarded-host", "api.example")]
        assert (await it.ask(inside)).status == 200


async def test_J8_a_nonce_is_asked_for_and_renewed(tmp_path: Path) -> None:
    """The first answer brings it; after half of its life the next comes by itself, and never a refusal."""
    settings = DPoP(origins=(ORIGIN,), nonces=True)
    async with api(tmp_path, settings) as it:
        first = await it.signed()
        nonce = first.header("dpop-nonce")
        told = 'DPoP error="use_dpop_nonce", error_description="it needs the nonce that comes with this answer", '
        assert (first.status, first.all("www-authenticate")) == (401, [told + ALGORITHMS])
        assert not [event for event in it.site.events if event.kind == "unproven"], "it is how clients begin"
        second = await it.signed(claims={"nonce": nonce})
        assert (second.status, second.header("dpop-nonce")) == (200, None)
        it.site.clock.advance(settings.nonce_ttl * 0.6)
        third = await it.signed(claims={"nonce": nonce})
        assert third.status == 200
        renewed = third.header("dpop-nonce")
        assert renewed not in {None, nonce}
        it.site.clock.advance(settings.nonce_ttl * 0.6)
        assert (await it.signed(claims={"nonce": nonce})).status == 401
        assert (await it.signed(claims={"nonce": renewed})).status == 200


async def test_J8_a_token_endpoint_answers_as_the_rfc_has_it(tmp_path: Path) -> None:
    settings = DPoP(origins=(ORIGIN,), nonces=True)
    async with api(tmp_path, settings) as it:
        none = await it.ask([], "/token", "POST")
        assert (none.status, none.json()["error"]) == (400, "invalid_dpop_proof")
        assert none.header("content-type") == "application/json"
        asked = await it.ask([("dpop", it.client.proof("POST", f"{ORIGIN}/token"))], "/token", "POST")
        assert (asked.status, asked.json()["error"]) == (400, "use_dpop_nonce")
        proof = it.client.proof("POST", f"{ORIGIN}/token", claims={"nonce": asked.header("dpop-nonce")})
        assert (await it.ask([("dpop", proof)], "/token", "POST")).status == 200
        again = await it.ask([("dpop", proof)], "/token", "POST")
        assert (again.status, again.json()["error"]) == (400, "invalid_dpop_proof")


async def test_J8_sockets_and_streams_are_requests_too(tmp_path: Path) -> None:
    async with api(tmp_path) as it:
        headers = it.client.headers("GET", "/echo", it.token)
        browser = Browser(it.site.app, user_agent=None)
        async with browser.websocket("/echo", [("origin", "https://testserver"), *headers]) as socket:
            await socket.accepted()
        async with browser.websocket("/echo", [("origin", "https://testserver"), *headers]) as socket:
            assert (await socket.denied()).status == 401


async def test_J8_what_is_used_is_remembered_for_as_long_as_it_could_be_used(tmp_path: Path) -> None:
    """And no longer: the table stays as small as the requests of two minutes."""
    async with api(tmp_path) as it:
        for _ in range(5):
            assert (await it.signed()).status == 200
        headers = it.client.headers("GET", "/private", it.token, claims={"iat": int(it.client.now()) + 60})
        assert (await it.ask(headers)).status == 200
        it.site.clock.advance(SETTINGS.window * 2)
        assert (await it.ask(headers)).status == 401
        it.site.clock.advance(SETTINGS.life)
        for _ in range(5):
            assert (await it.signed()).status == 200
        assert len(it.site.sql("SELECT name FROM coatcheck_spent")) <= 6


async def test_FastAPI_has_the_guard_the_key_and_the_description(tmp_path: Path) -> None:
    sessions = AsyncSessions(AsyncSQLiteStore(str(tmp_path / "app.db")), keys=[KEY])
    app = FastAPI()
    app.add_middleware(for_fastapi.SessionMiddleware, sessions=sessions, dpop=SETTINGS)

    @app.post("/token")
    async def token(request: Request, thumbprint: for_fastapi.ProofKey) -> dict[str, str]:
        created = await context_of(request.scope).sessions.create("robot", key_thumbprint=thumbprint)
        return {"access_token": created.token.reveal(), "token_type": "DPoP"}

    @app.get("/things")
    async def things(session: for_fastapi.BoundSession) -> str | None:
        return session.key_thumbprint

    client = Client()
    async with started(app):
        asked = Browser(app, headers=[("dpop", client.proof("POST", f"{ORIGIN}/token"))])
        issued = (await asked.post("/token")).json()["access_token"]
        answer = await Browser(app, headers=client.headers("GET", "/things", issued)).get("/things")
        assert answer.json() == client.thumbprint
        assert app.openapi()["components"]["securitySchemes"]["dpop"] == {"type": "http", "scheme": "dpop"}


def test_WSGI_has_the_same_gate(tmp_path: Path) -> None:
    sessions = Sessions(f"sqlite:///{tmp_path}/app.db", keys=[KEY])

    def app(environ: Any, start_response: Any) -> list[bytes]:
        user = wsgi_context_of(environ).require().user_id or ""
        start_response("200 OK", [])
        return [user.encode()]

    served = WSGISessionMiddleware(app, sessions, dpop=SETTINGS)
    client, statuses = Client(), list[str]()
    token = sessions.create("robot", key_thumbprint=client.thumbprint).token.reveal()
    proof = client.proof("GET", f"{ORIGIN}/shop/a%20thing", token)
    for sent in (proof, proof, f"{proof},{proof}"):
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "/shop",
            "PATH_INFO": "/a thing",
            "HTTP_AUTHORIZATION": f"DPoP {token}",
            "HTTP_DPOP": sent,
        }
        served(environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type]
    assert statuses == ["200 OK", "401 Unauthorized", "401 Unauthorized"]
    sessions.close()


async def test_what_the_settings_need_is_said(tmp_path: Path) -> None:
    async with AsyncSessions(f"sqlite:///{tmp_path}/app.db") as unsigned:
        with pytest.raises(ConfigurationError, match="keys are missing: nonces are signed"):
            SessionMiddleware(application(unsigned), unsigned, dpop=DPoP(origins=(ORIGIN,), nonces=True))
        with pytest.raises(ConfigurationError, match="dpop=None is not possible"):
            async with site(tmp_path, name="other.db", routes=[Route("/token", issue, methods=["POST"])]) as it:
                await it.browser().post("/token")
