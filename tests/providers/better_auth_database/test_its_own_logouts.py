"""What Better Auth ends or changes itself is seen by workers that would have believed their memory for an hour."""

# ruff: noqa: S608 - statements typed by hand into the tests' own databases

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.answers import NotSignedIn
from tests.providers.better_auth_database.hands import COUNT, in_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.better_auth_database.hands import Database
    from tests.providers.better_auth_database.worker import Worker
    from tests.servers.better_auth import Visitor

    Workers = Callable[..., Worker]

pytestmark = pytest.mark.processes


def seen(worker: Worker, auth: Database, token: str, event: Callable[[Any], bool]) -> None:
    """Wait until it is seen; on SQLite there is nothing to wait for."""
    if auth.kind == "sqlite":
        assert event(worker.get(token))
    worker.until(token, event)


def refused(answer: Any) -> bool:
    return answer is NotSignedIn.UNKNOWN


def test_N10_a_sign_out_at_better_auth_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    here.warm(token)
    visitor.sign_out()
    seen(here, auth, token, refused)


def test_N10_other_sessions_revoked_at_better_auth_are_seen_and_this_one_stays(
    auth: Database, worker: Workers, visitor: Visitor
) -> None:
    here = worker(auth)
    mine, email = visitor.presented, here.get(visitor.presented).user.email
    with auth.server.visitor() as elsewhere:
        elsewhere.sign_in(email)
        other = elsewhere.presented
    here.warm(other)
    here.warm(mine)
    visitor.revoke_others()
    seen(here, auth, other, refused)
    assert here.get(mine)


def test_N10_a_deleted_user_is_refused(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    here.warm(token)
    visitor.delete_user()
    seen(here, auth, token, refused)


def test_N10_a_banned_user_is_refused(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    user = here.warm(token).user_id
    with auth.server.visitor() as admin:
        admin_id = admin.sign_up(auth.new_address())["id"]
        auth.by_hand(f"""UPDATE "user" SET role = 'admin' WHERE id = '{admin_id}'""")
        admin.post("/admin/ban-user", {"userId": user})
    seen(here, auth, token, refused)


def test_N10_a_changed_name_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    here.warm(token)
    visitor.update(name="Another Name")
    seen(here, auth, token, lambda answer: answer.user.name == "Another Name")


def test_N10_a_changed_address_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token, address = worker(auth), visitor.presented, auth.new_address()
    here.warm(token)
    visitor.change_email(address)
    seen(here, auth, token, lambda answer: answer.user.email == address)


def test_N10_a_changed_role_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    user = here.warm(token).user_id
    with auth.server.visitor() as admin:
        admin_id = admin.sign_up(auth.new_address())["id"]
        auth.by_hand(f"""UPDATE "user" SET role = 'admin' WHERE id = '{admin_id}'""")
        admin.post("/admin/set-role", {"userId": user, "role": "admin"})
    seen(here, auth, token, lambda answer: answer.user.role == "admin")


def test_N10_a_changed_further_field_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    assert here.warm(token).user.attributes["tier"] == "gold"
    visitor.update(tier="lead")
    seen(here, auth, token, lambda answer: answer.user.attributes["tier"] == "lead")


@pytest.mark.parametrize("which", ["session", "user"])
def test_N10_a_row_deleted_by_hand_is_seen(auth: Database, worker: Workers, visitor: Visitor, which: str) -> None:
    here, token = worker(auth), visitor.presented
    session = here.warm(token)
    key = session.id if which == "session" else session.user_id
    auth.by_hand(f"""DELETE FROM "{which}" WHERE id = '{key}'""")
    seen(here, auth, token, refused)


def test_N10_a_session_shortened_by_hand_is_seen(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, token = worker(auth), visitor.presented
    session = here.warm(token)
    auth.by_hand(f"""UPDATE "session" SET "expiresAt" = '2001-01-01T00:00:00.000Z' WHERE id = '{session.id}'""")
    seen(here, auth, token, lambda answer: answer is NotSignedIn.EXPIRED)


def test_A4_our_own_sign_out_is_one_at_better_auth_too(auth: Database, worker: Workers, visitor: Visitor) -> None:
    here, there, token = worker(auth), worker(auth), visitor.presented
    here.warm(token)
    there.warm(token)
    lines = here.do("sign_out", token)
    assert here.get(token) is NotSignedIn.UNKNOWN
    seen(there, auth, token, refused)
    for line in lines:
        visitor.take(line.decode())
    assert not visitor.cookies
    visitor.cookies = {auth.server.cookie: token}
    assert visitor.get("/get-session") is None


def test_L18_a_session_that_is_used_is_given_more_time_without_a_word(
    auth: Database, worker: Workers, visitor: Visitor
) -> None:
    here, token = worker(auth), visitor.presented
    session = here.warm(token)
    # So old that Better Auth extends it with its next use.
    auth.by_hand(f"""UPDATE "session" SET "expiresAt" = '{in_days(2)}' WHERE id = '{session.id}'""")
    here.until(token, lambda answer: answer.expires_at < session.expires_at)
    here.warm(token)
    asked, written = here.queries, auth.by_hand(COUNT)
    assert visitor.get("/get-session")["session"]["id"] == session.id
    [later] = auth.by_hand(f"""SELECT "expiresAt" > '{in_days(5)}' FROM "session" WHERE id = '{session.id}'""")
    assert later in {"t", "1"}, "Better Auth has not extended it"
    assert auth.by_hand(COUNT) == written
    assert here.get(token)
    assert here.queries == asked
