"""Signing out through us: first at Appwrite, then in every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import CookieSettings, NotSignedIn, Unavailable
from tests.servers.appwrite import CUT, PROJECT, Appwrite, Asked, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.appwrite.worker import Worker

    Work = Callable[..., Worker]

OWN = f"a_session_{PROJECT}"


def deletions(appwrite: Appwrite) -> list[str]:
    return [asked.path for asked in appwrite.asked if asked.method == "DELETE"]


def test_L7_a_session_that_is_signed_out_here_has_ended_there_and_in_every_worker(
    appwrite: Appwrite, work: Work
) -> None:
    secret = appwrite.sign_in()
    worker, other = work(), work()
    worker.session(secret)
    other.session(secret)
    worker.do("sign_out", secret)
    assert deletions(appwrite) == ["/v1/account/sessions/current"]
    assert not appwrite.sessions
    assert worker.get(secret) is NotSignedIn.UNKNOWN
    assert other.get(secret) is NotSignedIn.UNKNOWN
    assert [event.kind for event in worker.events] == ["revoked"]


def test_L7_a_jwt_ends_its_session_and_the_secret_with_it(appwrite: Appwrite, work: Work) -> None:
    """All that is known of one session goes together, though it is known by two tokens."""
    secret = appwrite.sign_in()
    jwt = appwrite.jwt(secret)
    worker, other = work(), work()
    session = worker.session(jwt)
    other.session(secret)
    worker.do("sign_out", jwt)
    assert deletions(appwrite) == [f"/v1/account/sessions/{session.id}"]
    assert not appwrite.sessions
    for token in (jwt, secret):
        assert worker.get(token) is NotSignedIn.UNKNOWN
        assert other.get(token) is NotSignedIn.UNKNOWN


def test_L7_what_appwrite_would_still_accept_is_refused_after_signing_out(appwrite: Appwrite, work: Work) -> None:
    """Appwrite keeps a cache of its own: a request that it answers from there changes nothing here."""
    secret = appwrite.sign_in()
    worker = work()
    worker.session(secret)
    kept = dict(appwrite.sessions)
    worker.do("sign_out", secret)
    appwrite.sessions = kept
    assert worker.get(secret) is NotSignedIn.UNKNOWN
    assert worker.get(appwrite.jwt(secret)) is NotSignedIn.UNKNOWN, "the session is refused, whatever stands for it"


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (401, "general_unauthorized_scope"),
        (401, "user_unauthorized"),
        (401, "user_jwt_invalid"),
        (404, "user_session_not_found"),
    ],
)
def test_a_session_that_had_ended_before_is_signed_out(
    appwrite: Appwrite, work: Work, status: int, kind_of_error: str
) -> None:
    secret = appwrite.sign_in()
    worker = work()
    worker.session(secret)
    appwrite.answer = lambda asked: error(status, kind_of_error) if asked.method == "DELETE" else None
    worker.do("sign_out", secret)
    assert worker.get(secret) is NotSignedIn.UNKNOWN


@pytest.mark.parametrize(
    "said",
    [
        error(429, "general_rate_limit_exceeded"),
        error(500, "general_unknown"),
        error(404, "project_not_found"),
        error(404, "general_route_not_found"),
        error(403, "general_service_disabled"),
        error(401, "user_blocked"),
        error(403, "user_blocked"),
        error(200, ""),
        CUT,
    ],
    ids=lambda said: f"{said.status} {said.body[-40:]!r}",
)
def test_N3_any_other_answer_is_unavailable_and_nobody_is_signed_out(appwrite: Appwrite, work: Work, said: Any) -> None:
    """Every worker asks again, because the session may have ended."""
    secret = appwrite.sign_in()
    worker, other = work(), work()
    worker.session(secret)
    other.session(secret)
    appwrite.answer = lambda asked: said if asked.method == "DELETE" else None
    with pytest.raises(Unavailable):
        worker.do("sign_out", secret)
    asked = len(appwrite.asked)
    assert worker.session(secret)
    assert other.session(secret)
    assert len(appwrite.asked) == asked + 4


def test_C10_the_browser_forgets_the_cookies_by_appwrites_own_lines(appwrite: Appwrite, work: Work) -> None:
    """It alone knows on which domain it has set them; one line for each name (C6), and no cookie of anything else."""
    secret = appwrite.sign_in()
    worker = work()
    worker.session(secret)

    def with_another(asked: Asked) -> Any:
        if asked.method != "DELETE":
            return None
        said = appwrite._truth(asked)
        return said._replace(headers=(*said.headers, ("Set-Cookie", "balancer=node-7; path=/")))

    appwrite.answer = with_another
    lines = worker.do("sign_out", secret)
    assert [line.partition(b"=")[0].decode() for line in lines] == [OWN, f"{OWN}_legacy"]
    assert all(b"=deleted; expires=Thu, 01-Jan-1970" in line and b"domain=.example.com" in line for line in lines)


def test_C10_the_browser_forgets_the_cookies_of_a_session_that_had_ended(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    appwrite.end(secret)
    first, second = work().do("sign_out", secret)
    assert first.startswith(f"{OWN}=; Expires=Thu, 01 Jan 1970".encode())
    assert second.startswith(f"{OWN}_legacy=; ".encode())


@pytest.mark.parametrize("cookie", ["__Host-shop", CookieSettings(name="shop", path="/app", domain="example.com")])
def test_C10_the_browser_forgets_the_applications_own_cookie(appwrite: Appwrite, work: Work, cookie: Any) -> None:
    """Appwrite does not know of it: its attributes are those of the setting."""
    secret = appwrite.sign_in()
    worker = work(cookie=cookie)
    (line,) = worker.do("sign_out", secret)
    if isinstance(cookie, str):
        assert (
            line
            == b"__Host-shop=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
        )
    else:
        assert b"shop=; " in line
        assert b"Domain=example.com; Path=/app" in line


def test_what_cannot_be_a_token_is_signed_out_by_nobody(appwrite: Appwrite, work: Work) -> None:
    worker = work()
    assert worker.do("sign_out", "not one") == ()
    assert worker.wait_for(worker.provider.sign_out(b"not one")) == ()
    assert worker.wait_for(worker.provider.identify(b"not one")).identity is NotSignedIn.MALFORMED
    assert not appwrite.asked


def test_E3_one_token_can_be_invalidated(appwrite: Appwrite, work: Work) -> None:
    """As by a webhook of Appwrite's: every worker asks about this token again, and about no other."""
    ended, other = appwrite.sign_in(), appwrite.sign_in()
    worker, neighbour = work(), work()
    for token in (ended, other):
        worker.session(token)
        neighbour.session(token)
    appwrite.end(ended)
    worker.do("invalidate", ended)
    asked = len(appwrite.asked)
    assert neighbour.get(ended) is NotSignedIn.UNKNOWN
    assert neighbour.session(other)
    assert len(appwrite.asked) == asked + 1


@pytest.mark.parametrize("at", ["/v1/account", "/v1/account/sessions/current"])
def test_L8_a_read_that_was_under_way_at_the_sign_out_brings_nothing_back(
    appwrite: Appwrite, work: Work, at: str
) -> None:
    """Appwrite has answered "signed in" just before; the answer lands late, and loses (N2)."""
    secret = appwrite.sign_in()
    worker, other = work(), work()

    def signed_out_meanwhile(asked: Asked) -> Any:
        if asked.path != at:
            return None
        said = appwrite._truth(asked)
        appwrite.answer = lambda _: None
        other.do("sign_out", secret)
        return said

    appwrite.answer = signed_out_meanwhile
    worker.get(secret)
    assert not appwrite.sessions
    assert worker.sessions.lookup(secret) is None
    assert worker.get(secret) is NotSignedIn.UNKNOWN
