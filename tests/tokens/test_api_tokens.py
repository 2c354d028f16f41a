"""API tokens: shown once, listed, limited, and ended everywhere at once (B9, J2, C12, T1, T5, T9, L11, L14)."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ApiTokens, ConfigurationError, DataError, LimitReached, NotSignedIn, Sessions, UsersTable
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore
from coatcheck.web.bearer import Bearer

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck import Event

DAY = timedelta(days=1)


@pytest.fixture
def tokens(sessions: Sessions) -> ApiTokens:
    return ApiTokens(sessions, prefix="acme", scopes=["invoices:read", "invoices:write"])


def test_T5_T9_a_token_is_shown_once(tokens: ApiTokens, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is in no repr, list, log or database; what scanners look for is in it, and is no secret (rule T1)."""
    caplog.set_level("DEBUG")
    new = tokens.create("ann", name="CI", scopes=["invoices:write", "invoices:read"])
    text = new.token.reveal()
    assert re.fullmatch(r"acme_[A-Za-z0-9]{43}[0-9a-f]{8}", text)
    found = tokens.get(text)
    assert found
    assert found == new.api_token
    assert hash(found) == hash(new.api_token)
    assert (found.user_id, found.name, found.scopes) == ("ann", "CI", ("invoices:read", "invoices:write"))
    assert found.allows("invoices:read", "invoices:write")
    assert not found.allows("invoices:read", "invoices:delete")
    with closing(sqlite3.connect(path)) as connection:
        rows = repr(connection.execute("SELECT * FROM coatcheck_sessions").fetchall())
    shown = repr((new, tokens.list("ann"), found)) + rows + caplog.text
    assert text not in shown
    assert text[5:48] not in shown
    assert new.api_token.id in shown


def test_T1_no_two_tokens_are_alike(tokens: ApiTokens) -> None:
    """Nothing but the prefix is the same in all; the checksum follows from the rest."""
    made = {tokens.create(f"user{number}", name="one").token.reveal() for number in range(50)}
    assert len({text[5:48] for text in made}) == 50
    assert {text[:5] for text in made} == {"acme_"}


def test_J2_C12_a_token_of_one_kind_is_none_of_another(sessions: Sessions, tokens: ApiTokens) -> None:
    """A cookie's token is no API token, nor the other way round, however it is dressed."""
    unsigned = Sessions(sessions.store)
    cookie, other = sessions.create("ann").token.reveal(), unsigned.create("ann").token
    token = tokens.create("ann", name="CI").token.reveal()
    assert not tokens.get(cookie)
    assert tokens.get(tokens.form.dressed(other)) is NotSignedIn.UNKNOWN
    for session_of in (sessions, unsigned):
        assert not session_of.get(token)
        assert not session_of.get(token[5:48])
    assert tokens.get(token)
    assert tokens.get("") is NotSignedIn.NO_TOKEN


def test_J2_a_prefix_that_begins_alike_is_another(sessions: Sessions, tokens: ApiTokens) -> None:
    """Who accepts both asks the one that a token says it is of."""
    others = ApiTokens(sessions, prefix="acme_ci")
    one, two = tokens.create("ann", name="one").token, others.create("ann", name="two").token
    assert [each.claims(token) for token in (one, two) for each in (tokens, others)] == [True, False, False, True]
    bearer = Bearer([tokens, others])
    assert all(bearer.get(token.reveal().encode()) for token in (one, two))


@pytest.mark.parametrize("purpose", ["api", "grant", "access", "console", "ticket:password-reset", "waiting:accounts"])
def test_J2_C12_no_sessions_have_the_purpose_of_other_tokens(purpose: str) -> None:
    """Theirs would be API tokens when they are dressed as such, with the scopes that their data say."""
    with pytest.raises(ConfigurationError, match="purpose"):
        Sessions(MemoryStore(), purpose=purpose)


def test_T7_a_mistyped_token_costs_no_look(clock: ManualClock) -> None:
    """The checksum tells; the store would not have answered."""
    store = FaultyStore(MemoryStore(clock=clock))
    with Sessions(store, clock=clock) as sessions:
        tokens = ApiTokens(sessions)
        text = tokens.create("ann", name="CI").token.reveal()
        store.fail("read", "poll", "find")
        wrong = [text[:-1], text + "0", text[:10] + ("a" if text[10] != "a" else "b") + text[11:], text.upper()]
        assert {tokens.get(each) for each in [*wrong, "../../x", "' OR 1=1", "é", "\0"]} == {NotSignedIn.MALFORMED}


def test_L7_a_token_that_was_ended_is_refused_at_once(
    sessions: Sessions, tokens: ApiTokens, path: str, keys: list[str]
) -> None:
    """By another process too, and by whatever ends it: the list, the user's end, a statement by hand."""
    with Sessions(f"sqlite:///{path}", keys=keys) as elsewhere:
        seen = ApiTokens(elsewhere, prefix="acme")
        made = [tokens.create("ann", name=f"number {number}") for number in range(4)]
        assert all(seen.get(each.token) for each in made)
        assert all(seen.lookup(each.token) for each in made)
        assert tokens.revoke(made[0].token)
        assert not seen.get(made[0].token)
        assert tokens.revoke_by_id(made[1].api_token.id, user_id="ann")
        assert not seen.get(made[1].token)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM coatcheck_sessions WHERE id = ?", [made[2].api_token.id])
        assert not seen.get(made[2].token)
        assert sessions.revoke_user("ann") == 1
        assert not seen.get(made[3].token)
    assert not tokens.revoke(made[3].token)


def test_L14_users_see_and_end_their_own(sessions: Sessions, tokens: ApiTokens) -> None:
    """And nobody ends a token as if it were a device, or a device as if it were a token."""
    token, device = tokens.create("ann", name="CI"), sessions.create("ann")
    assert not tokens.list("bob")
    assert not tokens.revoke_by_id(token.api_token.id, user_id="bob")
    assert not tokens.revoke_by_id(token.api_token.id, user_id=None)
    assert not sessions.revoke_by_id(token.api_token.id, user_id="ann")
    assert not tokens.revoke_by_id(device.session.id, user_id="ann")
    assert [each.id for each in sessions.list("ann")] == [device.session.id]
    assert [each.id for each in sessions.list_active()] == [device.session.id]
    assert [each.id for each in tokens.list("ann")] == [token.api_token.id]


def test_L12_signing_out_other_devices_leaves_tokens(sessions: Sessions, tokens: ApiTokens) -> None:
    """As tokens are not in the list of devices; `revoke_user` of the tokens ends them, and no session."""
    mine, other = sessions.create("ann"), sessions.create("ann")
    token = tokens.create("ann", name="CI")
    assert sessions.revoke_others(mine.session) == 1
    assert not sessions.get(other.token)
    assert tokens.get(token.token)
    assert tokens.revoke_user("ann") == 1
    assert not tokens.get(token.token)
    assert sessions.get(mine.token)


def test_L11_a_deleted_user_has_no_tokens(tmp_path: Path) -> None:
    """The trigger on the users table ends them, and they show the user as the table has it."""
    path = f"{tmp_path}/app.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
        connection.execute("INSERT INTO users VALUES (7, 'Ada', 'ada@example.org', 'editor')")
    with Sessions(SQLiteStore(path, users=UsersTable(table="users"))) as sessions:
        tokens = ApiTokens(sessions)
        token = tokens.create("7", name="CI").token
        found = tokens.get(token)
        assert found
        assert found.user
        assert found.user.role == "editor"
        with pytest.raises(DataError, match="no user"):
            tokens.create("8", name="CI")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM users")
        assert not tokens.get(token)


def test_L15_each_kind_has_a_limit_of_its_own(sessions: Sessions) -> None:
    """One token too many is refused, and none is ended for it; devices take no place."""
    tokens = ApiTokens(sessions, max_tokens=2)
    sessions.create("ann")
    made = [tokens.create("ann", name="one").token, tokens.create("ann", name="two").token]
    with pytest.raises(LimitReached, match="2 API tokens"):
        tokens.create("ann", name="three")
    assert all(map(tokens.get, made))
    tokens.create("bob", name="one")


def test_L4_a_token_ends_and_says_when_it_was_used(sessions: Sessions, clock: ManualClock) -> None:
    """Use never moves its end; it is noted to some minutes."""
    tokens = ApiTokens(sessions, lifetime=30 * DAY, longest=60 * DAY)
    month, week = tokens.create("ann", name="a"), tokens.create("ann", name="b", lifetime=7 * DAY)
    at = sessions.now() + 2 * DAY
    dated = tokens.create("ann", name="c", expires_at=at)
    assert abs(dated.api_token.expires_at - at) < timedelta(seconds=1)
    assert month.api_token.last_used_at is None
    clock.advance(6 * DAY)
    assert tokens.get(week.token)
    assert tokens.get(dated.token) is NotSignedIn.EXPIRED
    sessions.finish()
    used = {each.name: each.last_used_at for each in tokens.list("ann")}
    assert used == {"a": None, "b": sessions.now()}
    clock.advance(DAY)
    assert tokens.get(week.token) is NotSignedIn.EXPIRED
    clock.advance(23 * DAY - timedelta(seconds=1))
    assert tokens.get(month.token)
    clock.advance(timedelta(seconds=1))
    assert tokens.get(month.token) is NotSignedIn.EXPIRED


def test_S3_a_token_outlives_the_keys(path: str, sessions: Sessions, tokens: ApiTokens) -> None:
    """They sign what is replaced often; a token that lives for months is not signed."""
    token = tokens.create("ann", name="CI").token
    with Sessions(f"sqlite:///{path}", keys=["a key that has taken the place of both"]) as later:
        assert ApiTokens(later, prefix="acme").get(token)


def test_S15_events_say_that_it_is_a_token(tokens: ApiTokens, events: list[Event]) -> None:
    new = tokens.create("ann", name="CI")
    tokens.revoke(new.token)
    assert [(event.kind, event.session_id, event.detail) for event in events] == [
        ("created", new.api_token.id, "api"),
        ("revoked", new.api_token.id, "api"),
    ]


def test_what_cannot_be_is_refused(tokens: ApiTokens, sessions: Sessions) -> None:
    """Each names what is wrong."""
    for name in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(DataError, match="name="):
            tokens.create("ann", name=name)
    for scopes in (["invoices:delete"], ["in voices"], 'a"b', ["a"] * 65):
        with pytest.raises(DataError, match="scope"):
            tokens.create("ann", name="CI", scopes=scopes)
    with pytest.raises(DataError, match="scopes are"):
        ApiTokens(sessions).create("ann", name="CI", scopes=[f"s{number}" for number in range(65)])
    for lives in (timedelta(0), 367 * DAY):
        with pytest.raises(DataError, match="lifetime"):
            tokens.create("ann", name="CI", lifetime=lives)
    with pytest.raises(DataError, match="time zone"):
        tokens.create("ann", name="CI", expires_at=datetime(2030, 1, 1))  # noqa: DTZ001
    wrongs: tuple[dict[str, Any], ...] = (
        {"prefix": "Acme"},
        {"lifetime": 400 * DAY},
        {"longest": 4000 * DAY},
        {"max_tokens": 0},
    )
    for wrong in [*wrongs, {"max_tokens": 0}]:
        with pytest.raises(ConfigurationError, match="is not possible"):
            ApiTokens(sessions, **wrong)
