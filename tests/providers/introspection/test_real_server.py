"""Against a real OAuth 2.0 server: what it says of tokens, and what is no answer."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, Unavailable
from coatcheck.core.session import Record
from coatcheck.providers.base import HTTPSettings
from tests.providers.asking import Asking, asking, introspection
from tests.servers.oidc_provider import SECRET, Browser, OIDCProvider
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.core.identities import ProviderAnswer


@contextmanager
def api(kind: str, provider: OIDCProvider, **settings: Any) -> Iterator[Asking]:
    with asking(introspection(kind, provider, **settings)) as it:
        yield it


def of(it: Asking, token: str) -> Record | NotSignedIn:
    answer: ProviderAnswer = it.identify(token.encode())
    return answer.identity


@pytest.mark.parametrize(
    "how", [{}, {"client_id": "poster", "auth": "post"}], ids=["in a header, form-encoded", "in the form"]
)
def test_J7_an_active_token_is_its_users(kind: str, oidc: OIDCProvider, browser: Browser, how: dict[str, str]) -> None:
    """Also with a secret that has a colon, a space and a percent sign in it (RFC 6749 section 2.3.1)."""
    tokens = browser.sign_in("ada")
    with api(kind, oidc, **how, scopes=["orders:read"]) as it:
        found = of(it, tokens.access)
        assert isinstance(found, Record)
        assert found.user_id == "ada"
        assert tokens.access not in repr(found)
        assert it.available


def test_J2_what_is_no_access_token_of_a_user_is_none(kind: str, oidc: OIDCProvider, browser: Browser) -> None:
    """A refresh token, an ID token and a made-up one; a client's own token is a session of nobody."""
    tokens = browser.sign_in("ada")
    with api(kind, oidc) as it:
        for token in (tokens.refresh, tokens.id, "made-up"):
            assert of(it, token) is NotSignedIn.UNKNOWN
        robot = of(it, oidc.robot())
        assert isinstance(robot, Record)
        assert robot.user_id is None
        assert it.available


def test_J2_a_token_for_somebody_else_is_none(kind: str, oidc: OIDCProvider, browser: Browser) -> None:
    token = browser.sign_in("ada").access
    others: list[dict[str, Any]] = [
        {"audience": "https://other.example.com"},
        {"issuer": oidc.issuer + "/"},
        {"scopes": ["orders:read", "orders:write"]},
    ]
    for other in others:
        with api(kind, oidc, **other) as it:
            assert of(it, token) is NotSignedIn.UNKNOWN


def test_a_revoked_token_is_none(kind: str, oidc: OIDCProvider, browser: Browser) -> None:
    token = browser.sign_in("ada").access
    with api(kind, oidc) as it:
        assert of(it, token)
        oidc.revoke(token)
        assert of(it, token) is NotSignedIn.UNKNOWN


def test_signing_out_revokes_the_token_there(kind: str, oidc: OIDCProvider, browser: Browser) -> None:
    token = browser.sign_in("ada").access
    with api(kind, oidc, revocation_url=oidc.revocation) as it:
        assert it.sign_out(token.encode()) == ()
        assert of(it, token) is NotSignedIn.UNKNOWN
    wrong = {"revocation_url": oidc.revocation, "client_secret": "wrong"}
    with api(kind, oidc, **wrong) as it, pytest.raises(Unavailable, match="not revoked"):
        it.sign_out(token.encode())


def test_an_expired_token_is_none(kind: str) -> None:
    """Whether the server says so first, or our clock."""
    place = OIDCProvider({"web": "http://127.0.0.1:9/"}, lifetime=3)
    with place as provider, Browser(provider) as somebody, api(kind, provider) as it:

        def young() -> tuple[str, Record] | None:
            token = somebody.sign_in("ada").access
            found = of(it, token)
            return (token, found) if isinstance(found, Record) else None  # a loaded machine is slower than that

        token, found = until(young, "a token that has not expired yet") or ("", None)
        assert found is not None
        assert found.expires_at is not None
        end = found.expires_at / 1_000_000
        until(lambda: time.time() > end, "the token has expired")
        assert of(it, token) in {NotSignedIn.UNKNOWN, NotSignedIn.EXPIRED}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"client_secret": "wrong"}, "401 .invalid_client.*check client_id, client_secret and auth"),
        ({"client_id": "stranger"}, "401 .invalid_client.*check client_id, client_secret and auth"),
        ({"auth": "bearer"}, "check"),
        ({"url": "/nowhere"}, "404.*address"),
        ({"url": "/.well-known/openid-configuration"}, "40[45].*address"),
        ({"url": "/jwks"}, "40[45].*address"),
    ],
    ids=str,
)
def test_I4_a_wrong_setting_is_an_outage_that_says_how_to_mend_it(
    kind: str, oidc: OIDCProvider, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], says: str
) -> None:
    """Once, and not with every request; never "not signed in", and never with a secret."""
    caplog.set_level(logging.DEBUG)
    if "url" in wrong:
        wrong = {"url": oidc.issuer + wrong["url"]}
    with api(kind, oidc, **wrong) as it:
        for _ in range(2):
            with pytest.raises(Unavailable, match=says) as error:
                it.identify(b"some-token-or-other")
        assert not it.available
    shown = caplog.text + str([record.__dict__ for record in caplog.records]) + repr(error.value)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["coatcheck.provider_nonsense"]
    for secret in ("some-token-or-other", SECRET, "wrong'"):
        assert secret not in shown


def test_I4_a_server_that_is_away_is_unavailable_and_comes_back(kind: str) -> None:
    """Failing, paused, killed, and there again."""
    hasty = HTTPSettings(timeout=timedelta(seconds=1), retries=0, failures=100)
    with OIDCProvider({"web": "http://127.0.0.1:9/"}) as provider, api(kind, provider, settings=hasty) as it:
        until(lambda: _answers(it), "it answers")
        provider.fail(500)
        with pytest.raises(Unavailable, match="500"):
            it.identify(b"token")
        provider.fail(429)
        with pytest.raises(Unavailable, match="429"):
            it.identify(b"token")
        provider.fail(0)
        provider.pause()
        try:
            with pytest.raises(Unavailable):
                it.identify(b"token")
        finally:
            provider.resume()
        until(lambda: _answers(it), "it answers again")
        provider.kill()
        with pytest.raises(Unavailable):
            it.identify(b"token")
        provider.start()
        until(lambda: _answers(it), "it is back")


def _answers(it: Asking) -> bool:
    try:
        return of(it, "token") is NotSignedIn.UNKNOWN
    except Unavailable:
        return False


def test_many_ask_at_once(oidc: OIDCProvider, browser: Browser) -> None:
    """The pool of connections bounds them; each gets its own answer."""
    users = {browser.sign_in("ada").access: "ada"}

    async def ask() -> None:
        it = introspection("asyncio", oidc)
        try:
            tokens = [*users, "made-up"] * 50
            answers = await asyncio.gather(*(it.identify(token.encode()) for token in tokens))
        finally:
            await it.aclose()
        for token, answer in zip(tokens, answers, strict=True):
            found = answer.identity
            assert (found.user_id if isinstance(found, Record) else None) == users.get(token)

    asyncio.run(ask())
