"""Better Auth as it can be configured, and answers that are none of it."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ConfigurationError, NotSignedIn, Unavailable
from coatcheck.providers.better_auth import AsyncBetterAuth
from coatcheck.providers.better_auth.signature import signed
from tests.providers.scripted import Scripted, reply
from tests.servers.better_auth import SECRET, BetterAuth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.better_auth import Visitor

OTHER_SECRET = "Qz7vM2kP9sXc4bT1yLr8hJd5gWn3fEa6"
TOKEN = "wAduVepqDuUbijcog0nBESwfTnjKF9W0"
COOKIE = signed(TOKEN, SECRET)
SESSION: dict[str, dict[str, Any]] = {
    "session": {
        "id": "s1",
        "userId": "u1",
        "token": TOKEN,
        "createdAt": "2026-11-29T22:00:00.000Z",
        "updatedAt": "2026-11-29T22:00:00.000Z",
        "expiresAt": "2099-01-01T00:00:00.000Z",
    },
    "user": {"id": "u1", "name": "Ada", "email": "ada@example.com", "emailVerified": True},
}


@contextmanager
def signed_in(**options: Any) -> Iterator[tuple[BetterAuth, Visitor]]:
    """Run a server of its own, with somebody who has registered."""
    with BetterAuth(**options) as server, server.visitor() as visitor:
        visitor.sign_up("ada@example.com")
        server.reset()
        yield server, visitor


def presented(worker: Any, header: str) -> str:
    """Return what the middleware finds in a Cookie header."""
    transport = worker.sessions.transport("unused", bearer=False)
    found: bytes = transport.find([(b"cookie", header.encode())], worker.sessions.well_formed)
    return found.decode()


def test_A3_the_cookie_cache_never_decides(workers: Any) -> None:
    """A browser still has the signed copy of a session that has ended: Better Auth itself accepts it for minutes."""
    with signed_in(cookie_cache=True) as (server, visitor):
        assert "better-auth.session_data" in visitor.cookies
        with server.visitor() as elsewhere:
            elsewhere.sign_in("ada@example.com")
            elsewhere.revoke_others()
        assert visitor.get("/get-session")  # so it is, there
        assert workers(server).get(presented(workers(server), visitor.header)) is NotSignedIn.UNKNOWN


def test_the_cookie_cache_is_handed_on(workers: Any) -> None:
    with signed_in(cookie_cache=True) as (server, visitor):
        found = workers(server).do("ask", visitor.presented.encode())
        [line] = found.set_cookies
        assert line.startswith(b"better-auth.session_data=")
        del visitor.cookies["better-auth.session_data"]
        visitor.take(line.decode())
        server.reset()
        assert visitor.get("/get-session")["session"]["id"] == found.answer.id
        assert server.counts()["queries"] == 0  # Better Auth takes it for its own


def test_the_sliding_refresh_is_handed_on(workers: Any) -> None:
    with signed_in(update_age=0) as (server, visitor):
        before = visitor.presented
        worker = workers(server)
        found = worker.do("ask", before.encode())
        [line] = found.set_cookies
        assert line.startswith(b"better-auth.session_token=")
        assert b"Max-Age=604800" in line
        visitor.take(line.decode())
        assert visitor.presented == before
        assert worker.do("ask", before.encode()).set_cookies == ()  # from memory: there is nothing new


@pytest.mark.parametrize("known", [None, True])
def test_secure_cookies_with_a_prefix_and_a_path_of_their_own(workers: Any, known: bool | None) -> None:
    with signed_in(secure_cookies=True, cookie_prefix="shop", base_path="/auth") as (server, visitor):
        settings: dict[str, Any] = {"cookie_prefix": "shop", "base_path": "/auth", "secure_cookies": known}
        worker = workers(server, **settings)
        assert worker.sessions.provider.cookies[0] == "__Secure-shop.session_token"
        assert worker.get(presented(worker, visitor.header))
        for line in worker.sign_out(visitor.presented):
            visitor.take(line.decode())
        assert visitor.cookies == {}
        assert presented(workers(server, **settings | {"secure_cookies": False}), visitor.header) == ""


def test_a_rotated_secret_signs_everybody_out_as_at_better_auth(workers: Any) -> None:
    with signed_in() as (server, visitor):
        old = visitor.presented
        worker = workers(server, revalidate_after=timedelta(minutes=5))
        assert worker.get(old)
        server.options["secret"] = OTHER_SECRET
        server.restart()
        assert worker.get(old)  # within the bound
        worker.advance(timedelta(minutes=5))
        assert worker.get(old) is NotSignedIn.UNKNOWN
        visitor.sign_in("ada@example.com")
        assert workers(server, secrets=[OTHER_SECRET, SECRET]).get(visitor.presented)


def test_a_session_that_has_expired_there_is_refused_and_its_cookie_deleted(workers: Any) -> None:
    with signed_in(expires_in=1, update_age=3600) as (server, visitor):
        header = visitor.header
        while visitor.get("/get-session"):
            pass
        found = workers(server).do("ask", header.partition("=")[2].encode())
        assert found.answer is NotSignedIn.UNKNOWN
        [token, *_] = found.set_cookies
        assert token.startswith(b"better-auth.session_token=;")
        assert b"Max-Age=0" in token


def test_a_limit_of_better_auth_is_an_outage_and_no_sign_out(workers: Any) -> None:
    """It knows all of us as one visitor; its answer has a Retry-After of its own."""
    with signed_in(rate_limit={"window": 60, "max": 3}) as (server, visitor):
        worker = workers(server, revalidate_after=timedelta(0))
        for _ in range(3):
            assert worker.get(visitor.presented)
        with pytest.raises(Unavailable, match="answered 429") as caught:
            worker.get(visitor.presented)
        assert 30 < caught.value.retry_after <= 60


def test_an_untrusted_origin_is_an_outage_that_says_what_to_do(workers: Any, caplog: pytest.LogCaptureFixture) -> None:
    with signed_in(base_url="https://shop.example.com", secure_cookies=False) as (server, visitor):
        worker = workers(server)
        for _ in range(2):
            with pytest.raises(Unavailable, match="trustedOrigins"):
                worker.sign_out(visitor.presented)
        [warning] = [record for record in caplog.records if record.message == "coatcheck.provider_nonsense"]
        assert f"{server.url}/api/auth/sign-out answered 403" in warning.__dict__["reason"]
        assert worker.get(visitor.presented)  # nobody is signed out
        workers(server, origin="https://shop.example.com").sign_out(visitor.presented)
        assert worker.get(visitor.presented) is NotSignedIn.UNKNOWN


def test_a_wrong_path_is_an_outage_that_says_what_to_do(workers: Any, caplog: pytest.LogCaptureFixture) -> None:
    with signed_in() as (server, visitor):
        worker = workers(server, base_path="/auth")
        for _ in range(3):
            with pytest.raises(Unavailable, match="answered 404"):
                worker.get(visitor.presented)
        [warning] = [record for record in caplog.records if record.message == "coatcheck.provider_nonsense"]
        assert warning.levelno == logging.WARNING
        assert "base_path" in warning.__dict__["reason"]


# --- against a stand-in: what a real one does not say


def test_only_the_sessions_cookie_is_sent(workers: Any) -> None:
    with Scripted(reply(200, json.dumps(SESSION).encode())) as server:
        worker = workers(server, url=server.url)
        header = f"theme=dark; better-auth.session_data=x; better-auth.session_token={COOKIE}; _ga=1"
        assert worker.get(presented(worker, header))
        [asked] = server.asked
        names = [f"{start}better-auth.session_token={COOKIE}" for start in ("__Secure-", "")]
        assert asked.headers["cookie"].split("; ") == names
        assert asked.line == "GET /api/auth/get-session HTTP/1.1"


def test_only_better_auths_own_cookies_are_handed_on(workers: Any) -> None:
    lines = [
        *(
            "better-auth.session_token=a; Path=/",
            "__Secure-better-auth.session_data.0=b",
            "better-auth.dont_remember=c",
        ),
        *("_balancer=1", "other.session_token=1", "better-authx.session_token=1", "__Host-session=1"),
    ]
    with Scripted(reply(200, json.dumps(SESSION).encode(), *(f"Set-Cookie: {line}" for line in lines))) as server:
        found = workers(server, url=server.url).do("ask", COOKIE.encode())
    assert [line.decode() for line in found.set_cookies] == lines[:3]


NONSENSE = [
    *(reply(200, body) for body in (b"", b"{}", b"[]", b"true", b"<html>", b'{"session":null,"user":null}')),
    *(reply(status, b"null") for status in (201, 204, 301, 302, 400, 401, 403, 404, 410, 429, 500, 502)),
    reply(401, b'{"code":"UNAUTHORIZED"}'),
    reply(200, json.dumps(SESSION | {"user": {"id": "somebody-else"}}).encode()),
]


@pytest.mark.parametrize("number", range(len(NONSENSE)))
def test_I4_nonsense_is_an_outage_and_never_a_sign_out(workers: Any, number: int) -> None:
    with Scripted(NONSENSE[number]) as server:
        worker = workers(server, url=server.url)
        with pytest.raises(Unavailable) as caught:
            worker.get(COOKIE)
        assert TOKEN not in str(caught.value)
        with pytest.raises(Unavailable):
            worker.sign_out(COOKIE)
        server.answers = [reply(200, json.dumps(SESSION).encode())]
        assert worker.get(COOKIE)


def test_S11_somebody_elses_answer_is_none(workers: Any) -> None:
    """As a cache in front of Better Auth would give it."""
    theirs = {**SESSION, "session": {**SESSION["session"], "token": "somebody-elses"}}
    with (
        Scripted(reply(200, json.dumps(theirs).encode())) as server,
        pytest.raises(Unavailable, match="a cache stands before Better Auth"),
    ):
        workers(server, url=server.url).get(COOKIE)


def test_a_session_that_vanishes_while_it_is_extended_is_none(workers: Any) -> None:
    with Scripted(reply(401, b'{"code":"FAILED_TO_GET_SESSION","message":"Failed to get session"}')) as server:
        assert workers(server, url=server.url).get(COOKIE) is NotSignedIn.UNKNOWN


def test_I1_a_sign_out_that_better_auth_could_not_do_is_an_outage(workers: Any) -> None:
    """It says "success" where its database has failed to delete the session, and only its log knows."""
    there = reply(200, json.dumps(SESSION).encode())
    with Scripted(there, reply(200, b'{"success":true}'), there) as server:
        worker = workers(server, url=server.url)
        with pytest.raises(Unavailable, match="has not ended a session"):
            worker.sign_out(COOKIE)
        assert [asked.line.split()[0] for asked in server.asked] == ["GET", "POST", "GET"]
        assert server.asked[1].headers["origin"] == server.url
        assert "disableRefresh=true" in server.asked[2].line


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "auth.example.com"}, "url="),
        ({"base_path": "api/auth"}, "base_path="),
        ({"base_path": "/api?x"}, "base_path="),
        ({"cookie_prefix": ""}, "cookie_prefix="),
        ({"cookie_prefix": "a b"}, "cookie_prefix="),
        ({"cookie_prefix": "__Secure-shop"}, "secure_cookies=True"),
        ({"origin": "https://a/b"}, "origin="),
        ({"origin": "shop"}, "origin="),
        ({"secrets": ["short"]}, "secrets[0]"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AsyncBetterAuth(**{"url": "https://auth.example.com"} | settings)
    assert problem in str(caught.value)


def test_what_answers_depend_on_has_no_secret_in_it() -> None:
    one = AsyncBetterAuth("https://a.example.com", secrets=[SECRET])
    assert SECRET not in one.conditions
    others = [
        AsyncBetterAuth("https://b.example.com"),
        AsyncBetterAuth("https://a.example.com", base_path="/auth"),
        AsyncBetterAuth("https://a.example.com", cookie_prefix="shop"),
        AsyncBetterAuth("https://a.example.com", bearer=True),
    ]
    assert one.conditions not in {other.conditions for other in others}
