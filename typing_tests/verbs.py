"""What type checkers must understand of the public names; never run."""

from datetime import datetime, timedelta
from typing import assert_type

from coatcheck import (
    AsyncAuditTrail,
    AsyncFleetNumbers,
    AsyncSessions,
    AsyncSessionSearch,
    AuditEntry,
    AuditPage,
    AuditTrail,
    Created,
    Filter,
    FleetNumbers,
    FleetReading,
    ImportedTokens,
    NotSignedIn,
    Policy,
    Rotated,
    Session,
    SessionPage,
    Sessions,
    SessionSearch,
    Token,
    acting,
)

sessions = Sessions("sqlite:///app.db", policy=Policy(max_sessions=lambda user_id: 3 if user_id else None))

answer = sessions.get("token")
assert_type(answer, Session | NotSignedIn)
if answer:
    assert_type(answer, Session)
    assert_type(answer.user_id, str | None)
    assert_type(answer.expires_at, datetime | None)
else:
    assert_type(answer, NotSignedIn)

created = sessions.create("ada", idle_timeout=timedelta(hours=1))
assert_type(created, Created)
assert_type(created.token, Token)
assert_type(created.token.reveal(), str)
assert_type(sessions.rotate(created.token), Rotated | NotSignedIn)
assert_type(sessions.renew_token(created.token), Rotated | NotSignedIn)
assert_type(sessions.revoke(created.token), bool)
assert_type(sessions.revoke_user("ada"), int)


async def verbs(sessions: AsyncSessions) -> None:
    """The same verbs, awaited."""
    answer = await sessions.get("token")
    assert_type(answer, Session | NotSignedIn)
    assert_type(await sessions.create(None, data={"cart": [1]}), Created)
    assert_type(sessions.lookup(b"token"), Session | None)
    assert_type(await sessions.save(created.session, {"cart": []}, remove=["draft"]), Session | NotSignedIn)


async def numbers(sessions: AsyncSessions) -> None:
    """Anybody may read what all have told; asyncio's goes with asyncio's."""
    assert_type(await AsyncFleetNumbers(sessions, every=timedelta(seconds=5)).read(), FleetReading)
    assert_type(FleetNumbers(Sessions("sqlite:///app.db")).read(), FleetReading)
    FleetNumbers(sessions)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tokens_of_another_library() -> None:
    imported: ImportedTokens | None = AsyncSessions(
        "sqlite:///app.db", imported=ImportedTokens(library="litestar", cookie="session")
    ).imported
    Sessions("sqlite:///app.db", imported=imported)
    Sessions("sqlite:///app.db", imported="litestar")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ImportedTokens("litestar")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def administrators(sessions: Sessions, for_asyncio: AsyncSessions) -> None:
    """Finding, ending and looking back."""
    search, trail = SessionSearch(sessions), AuditTrail(sessions)
    assert_type(search.find(Filter(text="ada"), limit=10), SessionPage)
    assert_type(search.find().after, str | None)
    assert_type(search.count(), int)
    with acting("admin", address="::1"):
        assert_type(search.revoke(Filter(user_id="ada"), wait=True), int)
    assert_type(trail.entries(user_id="ada"), AuditPage)
    assert_type(trail.entries().entries[0], AuditEntry)
    assert_type(await AsyncSessionSearch(for_asyncio).find(), SessionPage)
    assert_type(await AsyncAuditTrail(for_asyncio).entries(action="created"), AuditPage)
    search.revoke()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Filter("ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
