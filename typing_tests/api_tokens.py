"""What type checkers must understand of API tokens and token pairs; never run."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, assert_type

from fastapi import FastAPI

from coatcheck import (
    ApiToken,
    ApiTokens,
    AsyncApiTokens,
    AsyncSessions,
    AsyncTokenPairs,
    NewApiToken,
    NotSignedIn,
    Session,
    Sessions,
    Token,
    TokenPair,
    TokenPairs,
    User,
)
from coatcheck.fastapi import ApiGuard

sessions = Sessions("sqlite:///app.db", keys=["key"])
tokens = ApiTokens(sessions, prefix="acme", scopes={"a"}, max_tokens=lambda user_id: 3 if user_id else None)

new = tokens.create("ada", name="CI", scopes=["a"], lifetime=timedelta(days=1))
assert_type(new, NewApiToken)
assert_type(new.token, Token)
found = tokens.get(new.token)
assert_type(found, ApiToken | NotSignedIn)
if found:
    assert_type(found, ApiToken)
    assert_type(found.user, User | None)
    assert_type(found.scopes, tuple[str, ...])
    assert_type(found.last_used_at, datetime | None)
assert_type(tokens.list("ada"), Sequence[ApiToken])
assert_type(tokens.revoke_by_id("id", user_id="ada"), bool)

pairs = TokenPairs(sessions)
pair = pairs.refresh(pairs.issue("ada", name="phone").refresh)
assert_type(pair, TokenPair | NotSignedIn)
if pair:
    assert_type(pair.grant, ApiToken)


async def awaited(sessions: AsyncSessions) -> None:
    """The same verbs, awaited; both kinds are accepted by a guard."""
    tokens, pairs = AsyncApiTokens(sessions), AsyncTokenPairs(sessions)
    assert_type(await tokens.get("token"), ApiToken | NotSignedIn)
    assert_type(tokens.lookup("token"), ApiToken | None)
    assert_type(await pairs.refresh("token"), TokenPair | NotSignedIn)
    app, guard = FastAPI(), ApiGuard(tokens, pairs, realm="shop")

    @app.get("/")
    async def index(
        token: Annotated[ApiToken, guard.scopes("a")], who: Annotated[ApiToken | Session, guard.either("a")]
    ) -> str | None:
        return who.user_id or token.user_id
