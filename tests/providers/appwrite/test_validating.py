"""What Appwrite's answers come to, and for how long they are kept."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from coatcheck import NotSignedIn, Unavailable
from coatcheck.core.local_cache import key_of
from coatcheck.core.session import copy_in
from coatcheck.core.times import from_micros
from coatcheck.providers.base import HTTPSettings
from tests.servers.appwrite import CUT, PROJECT, Appwrite, Asked, Said, error, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.testing import ManualClock
    from tests.providers.appwrite.worker import Worker

    Work = Callable[..., Worker]

ACCOUNT = "/v1/account"
CURRENT = "/v1/account/sessions/current"
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def paths(appwrite: Appwrite) -> list[str]:
    return [asked.path for asked in appwrite.asked]


def now_of(clock: ManualClock) -> datetime:
    return from_micros(clock.now() // 1000)


# --- who is signed in


def test_E7_a_session_costs_two_requests_and_a_hit_none(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    worker = work()
    sessions = [worker.session(secret) for _ in range(5)]
    assert paths(appwrite) == [ACCOUNT, CURRENT]
    for asked in appwrite.asked:
        assert asked.headers["x-appwrite-project"] == PROJECT
        assert asked.headers["x-appwrite-session"] == secret
        assert not {"x-appwrite-jwt", "cookie", "authorization", "origin"} & set(asked.headers)
    assert sessions[0] == sessions[-1]


def test_E7_the_user_and_the_session_are_typed(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    issued = appwrite.found(secret)
    issued.changes = {"factors": ["password", "totp"], "mfaUpdatedAt": "2100-01-01T00:05:00.000+00:00"}
    session = work().session(secret)
    assert (session.id, session.user_id, session.ip) == (issued.id, "ada", "192.0.2.7")
    assert (session.created_at, session.expires_at) == (issued.created, issued.expires)
    assert session.authenticated_at == datetime(2100, 1, 1, 0, 5, tzinfo=UTC)
    assert (session.data["clientName"], session.data["factors"]) == ("Firefox", ["password", "totp"])
    user = session.user
    assert user is not None
    assert (user.id, user.name, user.email, user.email_verified) == ("ada", "Ada", "ada@example.com", True)
    assert (user.labels, user.attributes["prefs"]) == (("vip",), {"theme": "pink"})
    assert user.created_at == user.updated_at == datetime(2020, 10, 15, 6, 38, tzinfo=UTC)


def test_T9_what_is_a_credential_somewhere_else_is_not_kept(appwrite: Appwrite, work: Work) -> None:
    """Neither the hash of the password nor the tokens of the service that the user has signed in with."""
    secret = appwrite.sign_in()
    copy = copy_in(work().session(secret))
    for word in (b"argon2", b"of-another-service", json.loads(base64.b64decode(secret))["secret"].encode()):
        assert word not in copy


@pytest.mark.parametrize("spelt", [str, lambda secret: quote(secret, safe="")], ids=["as it is", "percent-encoded"])
def test_T8_the_cookie_may_be_percent_encoded(appwrite: Appwrite, work: Work, spelt: Callable[[str], str]) -> None:
    secret = appwrite.sign_in("user-with")
    assert secret.endswith("=")
    assert work().session(spelt(secret)).user_id == "user-with"
    assert {asked.headers["x-appwrite-session"] for asked in appwrite.asked} == {secret}


def test_E7_a_jwt_names_its_session(appwrite: Appwrite, work: Work) -> None:
    """Appwrite knows no current session of a JWT: it is asked for by its id, which the JWT has."""
    secret = appwrite.sign_in()
    jwt = appwrite.jwt(secret)
    session = work().session(jwt)
    assert session.id == appwrite.found(secret).id
    assert paths(appwrite) == [ACCOUNT, f"/v1/account/sessions/{session.id}"]
    for asked in appwrite.asked:
        assert asked.headers["x-appwrite-jwt"] == jwt
        assert "x-appwrite-session" not in asked.headers


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "short",
        "not a token at all, with spaces",
        "../../../v1/health" + "x" * 20,
        "a" * 20 + "\r\nX-Appwrite-Key: x",
        "a" * 20 + "%0d%0aX",
        "ä" * 20,
        "a.b.c",
        signed({"userId": "ada"}),
        signed({"userId": "ada", "sessionId": ""}),
        signed({"userId": "ada", "sessionId": "../prefs"}),
        signed({"userId": "ada", "sessionId": "current"}),
        signed({"userId": "ada", "sessionId": "s", "exp": "soon"}),
        signed({"userId": "ada", "sessionId": "s", "exp": 1e300}),
        signed({"userId": "ada", "sessionId": ["s"]}),
        ".".join([base64.urlsafe_b64encode(b"[]").decode().rstrip("=")] * 3),
        "a" * 10_000,
    ],
)
def test_T7_what_cannot_be_a_token_is_asked_of_nobody(appwrite: Appwrite, work: Work, presented: str) -> None:
    assert work().get(presented) in {NotSignedIn.NO_TOKEN, NotSignedIn.MALFORMED}
    assert not appwrite.asked


def test_T3_an_altered_token_is_refused_by_appwrite(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    jwt = appwrite.jwt(secret)
    worker = work()
    assert worker.session(secret)
    assert worker.session(jwt)
    assert worker.get(secret[:-4] + "AAA=") is NotSignedIn.UNKNOWN
    assert worker.get(jwt[:-4] + "AAAA") is NotSignedIn.UNKNOWN


# --- who is not


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (401, "user_unauthorized"),
        (401, "general_unauthorized_scope"),
        (401, "user_jwt_invalid"),
        (401, "user_invalid_token"),
        (401, "user_blocked"),
        (401, "user_more_factors_required"),
        (401, "user_session_not_found"),
        (403, "user_blocked"),
        (404, "user_not_found"),
        (404, "user_session_not_found"),
        (412, "user_password_reset_required"),
    ],
)
def test_E7_an_error_about_the_visitor_is_not_signed_in(
    appwrite: Appwrite, work: Work, status: int, kind_of_error: str
) -> None:
    secret = appwrite.sign_in()
    appwrite.answer = lambda _: error(status, kind_of_error)
    worker = work()
    assert worker.get(secret) is NotSignedIn.UNKNOWN
    assert worker.get(secret) is NotSignedIn.UNKNOWN
    assert paths(appwrite) == [ACCOUNT], "a refusal is remembered for some seconds, and the session not asked for"


@pytest.mark.parametrize(
    "happens",
    [
        lambda appwrite, secret: appwrite.end(secret),
        lambda appwrite, _: appwrite.block("ada"),
        lambda appwrite, _: appwrite.change_password("ada"),
    ],
    ids=["signed out", "blocked", "password changed"],
)
def test_N3_whoever_was_signed_out_there_is_not_signed_in(
    appwrite: Appwrite, work: Work, happens: Callable[[Appwrite, str], None]
) -> None:
    secret = appwrite.sign_in()
    happens(appwrite, secret)
    assert work().get(secret) is NotSignedIn.UNKNOWN


@pytest.mark.parametrize("status", [401, 403])
def test_N3_a_blocked_user_is_not_signed_in_with_any_release(appwrite: Appwrite, work: Work, status: int) -> None:
    secret = appwrite.sign_in()
    appwrite.block("ada")
    appwrite.blocked_status = status
    assert work().get(secret) is NotSignedIn.UNKNOWN


def test_a_user_whose_status_is_false_is_not_signed_in(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    appwrite.accounts["ada"].changes = {"status": False}
    assert work().get(secret) is NotSignedIn.UNKNOWN


@pytest.mark.parametrize("as_jwt", [False, True], ids=["secret", "JWT"])
def test_a_session_that_ends_between_the_two_requests_is_not_signed_in(
    appwrite: Appwrite, work: Work, *, as_jwt: bool
) -> None:
    secret = appwrite.sign_in()
    token = appwrite.jwt(secret) if as_jwt else secret

    def ended_meanwhile(asked: Asked) -> None:
        if asked.path != ACCOUNT:
            appwrite.end(secret)

    appwrite.during = ended_meanwhile
    assert work().get(token) is NotSignedIn.UNKNOWN
    assert len(appwrite.asked) == 2


def test_A3_a_jwt_of_a_session_that_wants_a_second_factor_is_not_signed_in(appwrite: Appwrite, work: Work) -> None:
    """Appwrite asks for the factor where the secret is presented, and with a JWT does not."""
    secret = appwrite.sign_in()
    appwrite.accounts["ada"].changes = {"mfa": True}
    worker = work(refused_for=timedelta(0))
    assert worker.get(appwrite.jwt(secret)) is NotSignedIn.UNKNOWN
    appwrite.found(secret).changes = {"factors": ["password", "totp"]}
    assert worker.session(appwrite.jwt(secret))


def test_A1_an_anonymous_session_proves_nothing_about_who_it_is(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    appwrite.found(secret).changes = {"provider": "anonymous"}
    assert work().session(secret).authenticated_at is None


# --- who cannot be told


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (error(404, "project_not_found"), "project='shop': use the id of a project"),
        (error(400, "general_argument_invalid"), "400 for project='shop'"),
        (error(403, "general_unknown_origin"), "platforms of the project"),
        (error(403, "general_service_disabled"), "enable the Account service"),
        (error(403, "user_jwt_and_cookie_set"), "403 for project='shop'"),
        (error(401, "general_access_forbidden"), "host name"),
        (error(404, "general_route_not_found"), "with the version at its end"),
        (Said(401, b"<h1>Who are you?</h1>"), "what stands between"),
        (Said(401, b'{"type": ["user_unauthorized"]}'), "what stands between"),
        (Said(302, b"", (("Location", "https://elsewhere.example"),)), "redirects"),
        (Said(200, b"<h1>Hello</h1>"), "not JSON"),
        (Said(200, b"[1, 2]"), "no object"),
        (Said(200, b"{}"), "userId"),
        (Said(204), "204"),
        (error(451, "general_region_access_denied"), "451"),
    ],
    ids=lambda value: f"{value.status} {value.body[:40]!r}" if isinstance(value, Said) else "",
)
def test_N3_what_is_not_about_the_visitor_is_unavailable_and_says_how_to_mend_it(
    appwrite: Appwrite, work: Work, caplog: pytest.LogCaptureFixture, said: Said, reason: str
) -> None:
    """The log is told once, not for each request, and again when it has been well in between."""
    secret = appwrite.sign_in()
    worker = work(revalidate_after=timedelta(0))
    for _ in range(2):
        appwrite.answer = lambda asked: said if asked.path != ACCOUNT or said.body != b"{}" else None
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                worker.get(secret)
            assert caught.value.__cause__ is None
        appwrite.answer = lambda _: None
        assert worker.session(secret)
    told = [record for record in caplog.records if record.getMessage() == "coatcheck.provider_nonsense"]
    assert len(told) == 2
    for record in told:
        assert (record.levelno, record.__dict__["provider"]) == (logging.WARNING, "appwrite")
        assert reason in record.__dict__["reason"] or said.body == b"{}"


@pytest.mark.parametrize("said", [error(429, "general_rate_limit_exceeded", ("Retry-After", "17")), error(503, "x")])
def test_N3_too_many_requests_and_errors_of_the_server_are_unavailable(
    appwrite: Appwrite, work: Work, said: Said
) -> None:
    secret = appwrite.sign_in()
    appwrite.answer = lambda _: said
    with pytest.raises(Unavailable) as caught:
        work().get(secret)
    assert caught.value.retry_after == (17 if said.status == 429 else 1)


def test_N3_a_cut_connection_is_asked_again_and_then_unavailable(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    worker = work()
    appwrite.answer = lambda _: CUT if len(appwrite.asked) == 1 else None
    assert worker.session(secret)
    appwrite.answer = lambda _: CUT
    with pytest.raises(Unavailable):
        worker.get(appwrite.sign_in("eve"))


def test_N3_the_two_requests_share_one_timeout(appwrite: Appwrite, work: Work, clock: ManualClock) -> None:
    secret = appwrite.sign_in()
    appwrite.during = lambda _: clock.advance(2 * SECOND)
    worker = work(http=HTTPSettings(timeout=3 * SECOND, retries=0))
    with pytest.raises(Unavailable, match="in time"):
        worker.get(secret)
    appwrite.during = lambda _: clock.advance(SECOND)
    assert worker.session(secret)


FIELDS: list[tuple[str, str, Any]] = [
    ("account", "$id", None),
    ("account", "$id", 7),
    ("account", "$id", "x" * 300),
    ("account", "$id", "\ud800"),
    ("account", "name", 7),
    ("account", "email", ["a@example.com"]),
    ("account", "emailVerification", "yes"),
    ("account", "labels", "vip"),
    ("account", "labels", [7]),
    ("account", "status", None),
    ("account", "status", 1),
    ("account", "registration", "yesterday"),
    ("account", "$updatedAt", "2020-10-15T06:38:00"),
    ("session", "$id", ""),
    ("session", "userId", "somebody-else"),
    ("session", "expire", ""),
    ("session", "expire", 4102444800),
    ("session", "expire", "0001-01-01T00:00:00+14:00"),
    ("session", "expire", "9999-12-31T23:59:59-14:00"),
    ("session", "expire", "1969-12-31T00:00:00Z"),
    ("session", "$createdAt", None),
    ("session", "mfaUpdatedAt", "never"),
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_S2_a_field_that_is_not_what_it_should_be_is_unavailable(
    appwrite: Appwrite, work: Work, caplog: pytest.LogCaptureFixture, field: tuple[str, str, Any]
) -> None:
    """Never a session, never "not signed in", and what stood in the field is nowhere to be read."""
    part, name, value = field
    secret = appwrite.sign_in()
    changed = appwrite.accounts["ada"] if part == "account" else appwrite.found(secret)
    changed.changes = {name: value}
    with pytest.raises(Unavailable) as caught:
        work().get(secret)
    said = [str(caught.value), *(str(record.__dict__.get("reason")) for record in caplog.records)]
    assert not isinstance(value, str) or len(value) < 5 or not any(value in text for text in said)


# --- for how long


def test_E1_an_answer_is_kept_for_five_minutes_under_the_hash_of_its_token(
    appwrite: Appwrite, work: Work, clock: ManualClock
) -> None:
    secret = appwrite.sign_in()
    worker = work()
    worker.session(secret)
    cache = worker.sessions._reads.cache
    assert len(cache) == 1
    assert cache.get(key_of(secret.encode())) is not None
    clock.advance(5 * MINUTE - SECOND)
    worker.session(secret)
    assert len(appwrite.asked) == 2
    clock.advance(SECOND)
    worker.session(secret)
    assert len(appwrite.asked) == 4


def test_E1_a_session_that_ends_earlier_is_kept_until_then(appwrite: Appwrite, work: Work, clock: ManualClock) -> None:
    """The smaller of the configured time and what remains; the answer is EXPIRED, by aware datetimes (E2)."""
    secret = appwrite.sign_in(lasts=2 * MINUTE)
    worker = work()
    session = worker.session(secret)
    assert session.expires_at == now_of(clock) + 2 * MINUTE
    clock.advance(2 * MINUTE - SECOND)
    assert worker.session(secret)
    assert len(appwrite.asked) == 2
    clock.advance(SECOND)
    appwrite.found(secret)  # Appwrite itself takes it in this very second
    assert worker.get(secret) is NotSignedIn.EXPIRED


def test_E1_a_jwt_is_kept_until_its_own_end_at_most(appwrite: Appwrite, work: Work, clock: ManualClock) -> None:
    """Its `exp` is not verified here, and only shortens what Appwrite has granted."""
    secret = appwrite.sign_in()
    jwt = appwrite.jwt(secret, lasts=MINUTE)
    worker = work(serve_stale_for=timedelta(hours=1))
    assert worker.session(jwt).expires_at == now_of(clock) + MINUTE
    clock.advance(MINUTE - SECOND)
    assert worker.session(jwt)
    assert len(appwrite.asked) == 2
    clock.advance(SECOND)
    appwrite.answer = lambda _: CUT
    with pytest.raises(Unavailable):  # not served stale either
        worker.get(jwt)
    appwrite.answer = lambda _: None
    clock.advance(MINUTE)
    assert worker.get(jwt) is NotSignedIn.UNKNOWN
    assert worker.session(secret)


def test_E1_a_jwt_cannot_outlive_its_session(appwrite: Appwrite, work: Work, clock: ManualClock) -> None:
    secret = appwrite.sign_in(lasts=MINUTE)
    worker = work()
    assert worker.session(appwrite.jwt(secret)).expires_at == now_of(clock) + MINUTE


def test_E1_with_a_time_of_zero_everything_is_asked(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    worker = work(revalidate_after=timedelta(0))
    for _ in range(3):
        worker.session(secret)
    assert len(appwrite.asked) == 6


def test_E8_a_short_and_a_long_session_each_end_at_their_own_time(
    appwrite: Appwrite, work: Work, clock: ManualClock
) -> None:
    """Appwrite says when a session ends: a normal one and one of "remember me" differ in nothing else."""
    short, long = appwrite.sign_in(lasts=timedelta(days=1)), appwrite.sign_in(lasts=timedelta(days=30))
    worker = work()
    ends = [worker.session(token).expires_at for token in (short, long)]
    assert ends == [now_of(clock) + timedelta(days=1), now_of(clock) + timedelta(days=30)]
    for _ in range(29):
        clock.advance(timedelta(days=1, seconds=1))
        assert worker.get(short) is NotSignedIn.UNKNOWN
        assert worker.session(long)
    clock.advance(timedelta(days=1))
    assert worker.get(long) is NotSignedIn.UNKNOWN


def test_E2_a_password_change_after_the_copy_was_made_is_seen(appwrite: Appwrite, work: Work) -> None:
    secret = appwrite.sign_in()
    worker, other = work(), work()
    assert worker.session(secret)
    assert other.session(secret)
    appwrite.change_password("ada")
    assert other.session(secret), "nobody has told us yet: within revalidate_after"
    worker.do("invalidate_user", "ada")
    assert worker.get(secret) is NotSignedIn.UNKNOWN
    assert other.get(secret) is NotSignedIn.UNKNOWN
    fresh = appwrite.sign_in()
    assert worker.session(fresh), "what is read afterwards is served and kept"
    asked = len(appwrite.asked)
    assert worker.session(fresh)
    assert len(appwrite.asked) == asked
