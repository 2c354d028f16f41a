"""Whose sessions somebody may end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck import Sessions

if TYPE_CHECKING:
    from pathlib import Path


def test_L14_nobody_owns_nothing(tmp_path: Path) -> None:
    """The user id of an anonymous visitor's session, None, ends neither another's session nor another visitor's."""
    with Sessions(f"sqlite:///{tmp_path}/app.db") as sessions:
        ada, visitor = sessions.create("ada"), sessions.create(None, data={"cart": []})
        for other in (ada, visitor):
            assert not sessions.revoke_by_id(other.session.id, user_id=visitor.session.user_id)
            assert sessions.get(other.token)
        assert sessions.revoke_any(visitor.session.id)
        assert not sessions.get(visitor.token)
