"""A real Better Auth with what its advisories are about: cookie cache, second factor, several sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, Session
from tests.providers.better_auth.test_http import _code
from tests.providers.better_auth.workers import working
from tests.servers.better_auth import PASSWORD, BetterAuth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.processes

COOKIE = "better-auth.session_token"
COPY = "better-auth.session_data"


@pytest.fixture(scope="module")
def server() -> Iterator[BetterAuth]:
    with BetterAuth(cookie_cache=True, two_factor=True, multi_session=True) as server:
        yield server


@pytest.fixture
def worker(server: BetterAuth, tmp_path: Path) -> Iterator[Any]:
    with working("threads", f"sqlite:///{tmp_path}/log.db") as make:
        yield make(server)


def whose(worker: Any, cookies: dict[str, str]) -> str | NotSignedIn:
    """Return who is signed in for our middleware, by all that a browser sends."""
    header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
    transport = worker.sessions.transport("unused", bearer=False)
    session: Session | NotSignedIn = worker.get(
        transport.find([(b"cookie", header)], worker.sessions.well_formed).decode()
    )
    return session if isinstance(session, NotSignedIn) else session.user_id or ""


def test_A3_GHSA_xg6x_h9c9_2m83_half_signed_in_is_not_signed_in_by_a_cached_cookie(
    server: BetterAuth, worker: Any
) -> None:
    """Before the second factor the cookie cache was valid. Here no copy in a cookie is ever read.

    Variants: the copy of a session that has passed both factors, and each of the pending cookies under each name.
    """
    with server.visitor() as whole, server.visitor() as half:
        whole.sign_up("two@example.com")
        whole.post("/two-factor/enable", {"password": PASSWORD})
        uri = whole.post("/two-factor/get-totp-uri", {"password": PASSWORD})["totpURI"]
        whole.post("/two-factor/verify-totp", {"code": _code(uri)})
        assert whose(worker, whole.cookies)
        assert half.sign_in("two@example.com")["twoFactorRedirect"] is True
        assert not whose(worker, half.cookies)
        assert not whose(worker, {**half.cookies, COPY: whole.cookies[COPY]})
        for value in half.cookies.values():
            assert not whose(worker, {COOKIE: value})
            assert not whose(worker, {COOKIE: value, COPY: whole.cookies[COPY]})
        half.post("/two-factor/verify-totp", {"code": _code(uri)})
        assert whose(worker, half.cookies)


def test_L18_L7_a_changed_password_ends_what_the_cached_cookie_still_claims(server: BetterAuth, worker: Any) -> None:
    """Better Auth PR #4530 (change-password trusted the cached cookie), #6893 and PR #6966 (ended sessions live on).

    Better Auth itself still takes the thief's copy; we ask about the token, and it is over.
    """
    with server.visitor() as owner, server.visitor() as thief:
        owner.sign_up("changed@example.com")
        thief.sign_in("changed@example.com")
        kept = dict(thief.cookies)
        change = {"currentPassword": PASSWORD, "newPassword": "another good one", "revokeOtherSessions": True}
        owner.post("/change-password", change)
        assert thief.get("/get-session"), "as the advisory says, the copy is believed there"
        assert whose(worker, kept) is NotSignedIn.UNKNOWN
        assert whose(worker, {COPY: kept[COPY]}) is NotSignedIn.NO_TOKEN
        assert whose(worker, owner.cookies)


def test_L14_C12_unsigned_multi_session_cookies_end_nobodys_session(server: BetterAuth, worker: Any) -> None:
    """The write-up on multi-session sign-out: `_multi-*` cookies that the attacker has written ended others' sessions.

    Variants: the victim's bare token, and its public id, as the attacker's own cookie when they sign out here.
    """
    with server.visitor() as victim, server.visitor() as attacker:
        victim.sign_up("victim@example.com")
        attacker.sign_up("attacker@example.com")
        token = victim.presented.partition(".")[0]
        session_id = victim.get("/get-session")["session"]["id"]
        forged = {f"{COOKIE}_multi-{token.lower()}": f"{token}.forged", f"{COOKIE}_multi-{token}": token}
        assert whose(worker, {**attacker.cookies, **forged})
        for value in (token, f"{token}.{'A' * 43}=", session_id, f"{session_id}.{'A' * 43}="):
            worker.sign_out(value)
            assert not whose(worker, {COOKIE: value})
            assert whose(worker, victim.cookies), "the victim is signed in still"
        attacker.cookies.update(forged)
        worker.sign_out(attacker.presented)
        assert not whose(worker, attacker.cookies)
        assert whose(worker, victim.cookies)
        assert whose(worker, {**forged, COOKIE: victim.cookies[COOKIE]})
