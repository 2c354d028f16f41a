"""Sessions of a real Better Auth, on PostgreSQL and on SQLite, asked over HTTP, for asyncio and for threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from coatcheck import AsyncProviderSessions, NotSignedIn
from tests.servers.better_auth import PASSWORD, SECRET

if TYPE_CHECKING:
    from tests.servers.better_auth import BetterAuth, Visitor

REVALIDATE = timedelta(minutes=5)
OTHER_SECRET = "Qz7vM2kP9sXc4bT1yLr8hJd5gWn3fEa6"


def test_the_session_and_its_user_are_those_of_better_auth(
    better_auth: BetterAuth, visitor: Visitor, email: str, workers: Any
) -> None:
    session = workers(better_auth).get(visitor.presented)
    theirs = visitor.get("/get-session")
    assert (session.id, session.user_id) == (theirs["session"]["id"], theirs["user"]["id"])
    assert session.expires_at == datetime.fromisoformat(theirs["session"]["expiresAt"])
    assert session.created_at == session.authenticated_at == datetime.fromisoformat(theirs["session"]["createdAt"])
    user = session.user
    assert (user.email, user.email_verified, user.role) == (email, False, "member")
    assert user.attributes == {"tier": "gold", "twoFactorEnabled": False}
    assert user.created_at == datetime.fromisoformat(theirs["user"]["createdAt"])
    assert visitor.presented.partition(".")[0] not in f"{session!r} {dict(session.data)} {user!r}"


def test_a_hit_asks_nobody(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker = workers(better_auth)
    for _ in range(20):
        assert worker.get(visitor.presented)
    counts = better_auth.counts()
    assert counts == {"requests": {"/api/auth/get-session": 1}, "queries": 2}  # the session and its user


def test_I5_500_parallel_misses_ask_once(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker = workers(better_auth)

    async def crowd() -> list[Any]:
        return list(await asyncio.gather(*(worker.sessions.get(visitor.presented) for _ in range(500))))

    if isinstance(worker.sessions, AsyncProviderSessions):
        found = worker._runner.run(crowd())
    else:
        with ThreadPoolExecutor(100) as pool:
            found = list(pool.map(lambda _: worker.get(visitor.presented), range(500)))
    assert all(found)
    assert better_auth.questions == 1


def test_no_token_and_no_possible_token_ask_nobody(better_auth: BetterAuth, workers: Any) -> None:
    better_auth.reset()
    worker = workers(better_auth)
    assert worker.get("") is NotSignedIn.NO_TOKEN
    for token in ("x", "a.b", "../../x", "' OR 1=1", "Bearer x y", "x" * 10_000):
        assert worker.get(token) is NotSignedIn.MALFORMED
    assert better_auth.questions == 0


def test_T3_a_tampered_signature_asks_nobody_where_the_secret_is_known(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    token, _, signature = visitor.presented.partition(".")
    signature = unquote(signature)  # or the first of it may be a percent sign
    forged = quote(f"{token}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}", safe="")
    assert workers(better_auth, secrets=[SECRET]).get(forged) is NotSignedIn.MALFORMED
    assert better_auth.questions == 0
    worker = workers(better_auth)
    assert worker.get(forged) is NotSignedIn.UNKNOWN
    assert worker.get(forged) is NotSignedIn.UNKNOWN  # remembered for seconds
    assert better_auth.questions == 1
    worker.advance(timedelta(seconds=6))
    worker.get(forged)
    assert better_auth.questions == 2


def test_several_secrets_are_accepted_while_one_replaces_another(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    assert workers(better_auth, secrets=[OTHER_SECRET, SECRET]).get(visitor.presented)
    assert workers(better_auth, secrets=[OTHER_SECRET]).get(visitor.presented) is NotSignedIn.MALFORMED


def test_a_decoded_cookie_is_the_same_session(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker = workers(better_auth, secrets=[SECRET])
    decoded = visitor.presented.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    assert worker.get(decoded).id == worker.get(visitor.presented).id
    worker.sign_out(visitor.presented)
    assert worker.get(decoded) is NotSignedIn.UNKNOWN


# --- signing out through us


def test_I1_signed_out_here_is_refused_by_every_worker_at_once(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    one, other = workers(better_auth), workers(better_auth)
    presented = visitor.presented
    assert one.get(presented)
    assert other.get(presented)
    lines = one.sign_out(presented)
    assert one.get(presented) is NotSignedIn.UNKNOWN
    assert other.get(presented) is NotSignedIn.UNKNOWN
    for line in lines:
        visitor.take(line.decode())
    assert visitor.cookies == {}
    visitor.cookies = {better_auth.cookie: presented}
    assert visitor.get("/get-session") is None  # at Better Auth too


def test_signing_out_twice_and_without_a_session_is_fine(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    worker = workers(better_auth)
    worker.sign_out(visitor.presented)
    worker.sign_out(visitor.presented)
    assert worker.sign_out("nonsense") == ()


# --- what Better Auth ends by itself is seen within revalidate_after


def _seen_in_time(worker: Any, token: str) -> None:
    assert worker.get(token)  # nobody has told us
    worker.advance(REVALIDATE)
    assert worker.get(token) is NotSignedIn.UNKNOWN


def test_I1_a_sign_out_at_better_auth_is_seen_in_time(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker, presented = workers(better_auth), visitor.presented
    assert worker.get(presented)
    visitor.sign_out()
    _seen_in_time(worker, presented)


def test_I1_revoked_other_sessions_are_seen_in_time(
    better_auth: BetterAuth, visitor: Visitor, email: str, workers: Any
) -> None:
    worker = workers(better_auth)
    with better_auth.visitor() as elsewhere:
        elsewhere.sign_in(email)
        assert worker.get(elsewhere.presented)
        assert worker.get(visitor.presented)
        visitor.revoke_others()
        _seen_in_time(worker, elsewhere.presented)
        assert worker.get(visitor.presented)


def test_I1_a_deleted_user_is_seen_in_time(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker, presented = workers(better_auth), visitor.presented
    assert worker.get(presented)
    visitor.delete_user()
    _seen_in_time(worker, presented)


def test_L18_a_changed_user_is_seen_in_time_and_at_once_when_told(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    worker = workers(better_auth)
    before = worker.user(visitor.presented)
    visitor.update(role="admin")
    assert worker.user(visitor.presented).role == "member"
    worker.do("invalidate_user", before.id)
    assert worker.user(visitor.presented).role == "admin"
    visitor.change_email(f"new-{before.email}")
    worker.advance(REVALIDATE)
    assert worker.user(visitor.presented).email == f"new-{before.email}"


def test_L3_an_expired_session_is_refused_by_our_clock_and_by_theirs(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    worker = workers(better_auth, revalidate_after=timedelta(hours=1))
    assert worker.get(visitor.presented)
    worker.advance(timedelta(days=7, hours=1))
    assert worker.get(visitor.presented) is NotSignedIn.EXPIRED


# --- bearer tokens


def test_bearer_tokens_signed_and_raw(better_auth: BetterAuth, visitor: Visitor, workers: Any) -> None:
    worker = workers(better_auth, bearer=True, secrets=[SECRET])
    raw = visitor.presented.partition(".")[0]
    signed, unsigned = f"Bearer {visitor.presented}", f"Bearer {raw}"
    assert worker.get(signed).id == worker.get(unsigned).id == worker.get(visitor.presented).id
    assert worker.get(raw) is NotSignedIn.MALFORMED  # in a cookie it must be signed
    assert worker.get(f"Bearer {raw[::-1]}") is NotSignedIn.UNKNOWN
    worker.sign_out(unsigned)
    assert not any(map(worker.get, (signed, unsigned, visitor.presented)))


def test_T8_bearer_tokens_are_none_unless_they_are_wanted(
    better_auth: BetterAuth, visitor: Visitor, workers: Any
) -> None:
    assert workers(better_auth).get(f"Bearer {visitor.presented}") is NotSignedIn.MALFORMED


# --- "don't remember me"


def test_a_session_that_is_not_to_be_remembered_is_not_extended(
    better_auth: BetterAuth, visitor: Visitor, email: str, workers: Any
) -> None:
    """Better Auth gives it one day; extended, it would have seven, and a cookie that outlives the browser."""
    with better_auth.visitor() as brief:
        brief.sign_in(email, remember=False)
        assert "better-auth.dont_remember" in brief.cookies
        worker = workers(better_auth)
        transport = worker.sessions.transport("unused", bearer=False)
        headers = [(b"cookie", brief.header.encode())]
        presented = transport.find(headers, worker.sessions.well_formed)
        assert presented == brief.presented.encode() + b";"
        found = worker.do("ask", presented)
        assert found.set_cookies == ()
        assert found.answer.expires_at < datetime.now(UTC) + timedelta(days=2)
        assert brief.get("/get-session")["session"]["expiresAt"] == _iso(found.answer.expires_at)
        worker.sign_out(presented.decode())
        assert not worker.get(brief.presented)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- A3: half signed in is not signed in


def test_A3_two_factor_pending_is_no_session(
    better_auth: BetterAuth, visitor: Visitor, email: str, workers: Any
) -> None:
    visitor.post("/two-factor/enable", {"password": PASSWORD})
    secret = visitor.post("/two-factor/get-totp-uri", {"password": PASSWORD})["totpURI"]
    visitor.post("/two-factor/verify-totp", {"code": _code(secret)})
    worker = workers(better_auth)
    with better_auth.visitor() as half:
        answer = half.sign_in(email)
        assert answer["twoFactorRedirect"] is True
        transport = worker.sessions.transport("unused", bearer=False)
        assert transport.find([(b"cookie", half.header.encode())], worker.sessions.well_formed) == b""
        for value in half.cookies.values():  # whatever it was given, in the place of the session's cookie
            assert not worker.get(value)
        half.post("/two-factor/verify-totp", {"code": _code(secret)})
        assert worker.get(half.presented)


def _code(uri: str) -> str:
    """Return the code of now (RFC 6238)."""
    import base64
    import hmac
    import time
    from urllib.parse import parse_qs, urlsplit

    text = parse_qs(urlsplit(uri).query)["secret"][0]
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    digest = hmac.digest(key, (int(time.time()) // 30).to_bytes(8), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"
