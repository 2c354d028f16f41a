"""The audit trail, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from coatcheck.actors import Actor, acting, request_begins, request_ends
from coatcheck.errors import ConfigurationError
from coatcheck.stores.auditing import Noted
from coatcheck.stores.base import TICKET, AuditFilter, Device, NewSession, Renewal, Rotation, Selection, SessionFilter
from coatcheck.testing._async_suite.common import added, time_of
from coatcheck.testing._rows import SECOND, a_hash, a_row, to_create

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncAudits, AsyncStore
    from coatcheck.stores.base import AuditRow

ALL = AuditFilter()


class AsyncAuditing:
    """Each change of a session has its entry, once the trail is on; who reads it finds the newest first."""

    async def test_S15_each_change_has_its_entry(self, store: AsyncStore) -> None:
        """With the user and the session, and what more there is to say."""
        trail: Any = _auditing(store)
        now = await time_of(store)
        old_hash, old = await added(store, a_row(now - SECOND))
        trail.audit()
        new = NewSession(a_hash(), a_row(now), limit=1, replaces=old_hash)
        await store.create(new)
        await store.create(NewSession(a_hash(), visitor := a_row(now, user_id=None, authenticated_at=None)))
        await store.create(to_create(a_row(now, user_id=None, authenticated_at=None), kind=TICKET))
        last = NewSession(a_hash(), a_row(now + 1, ip=None, user_agent=None), limit=1)
        await store.create(last)
        assert await store.rotate(Rotation(last.token_hash, a_hash(), authenticated_at=now))
        if store.capabilities.devices:
            assert await trail.bind(last.record.id, Device("thumbprint", "{}", ""))
            assert not await trail.bind(last.record.id, Device("another", "{}", ""))
        await store.revoke(Selection(session_id=visitor.id))
        with acting("admin", address="::1"):
            await store.revoke(Selection(session_id=last.record.id, reason="why"))
            await store.revoke(Selection(session_id=last.record.id))
            await store.revoke_everyone()
        bound = [("bound", None, last.record.id, "thumbprint", None)] if store.capabilities.devices else []
        assert [_told(row) for row in await _entries(trail)] == [
            ("created", None, new.record.id, "Mozilla/5.0", "192.0.2.1"),
            ("revoked", None, old.id, "replaced", None),
            ("created", None, last.record.id, "", None),
            ("evicted", None, new.record.id, "", None),
            ("rotated", None, last.record.id, "reauthenticated", None),
            *bound,
            ("revoked", "admin", last.record.id, "why", "::1"),
            ("revoked", "admin", None, "everyone", "::1"),
        ]

    async def test_S15_who_acts_as_a_user_stands_in_the_entry(self, store: AsyncStore) -> None:
        """Whoever does it, and whatever `acting` says."""
        trail: Any = _auditing(store)
        if not store.capabilities.impersonates:
            pytest.skip("no session of this store can be tied to another one")
        now = await time_of(store)
        _, actor = await added(store, user_id="sue")
        trail.audit()
        row = a_row(now, authentication='{"actor": "sue"}')
        assert await trail.create_acting(to_create(row)._replace(reason="case 17"), actor.id)
        assert await trail.create_acting(to_create(a_row(now)), row.id) is None
        assert [_told(entry) for entry in await _entries(trail)] == [("created", "sue", row.id, "case 17", "192.0.2.1")]

    async def test_S15_in_a_request_it_is_whose_request_it_is(self, store: AsyncStore) -> None:
        """In what is about somebody else, a visitor too; in what is about themself nobody else acts."""
        trail: Any = _auditing(store)
        rows = [(await added(store, user_id=user))[1] for user in ("ann", "sue", None)]
        trail.audit()
        before = request_begins(_Request())
        try:
            for row in rows:
                await store.revoke(Selection(session_id=row.id))
            await store.revoke_everyone()
        finally:
            request_ends(before)
        await store.revoke_everyone()
        assert [_told(entry) for entry in await _entries(trail, AuditFilter(action="revoked"))] == [
            ("revoked", "sue", rows[0].id, "", "192.0.2.9"),
            ("revoked", None, rows[1].id, "", "192.0.2.9"),
            ("revoked", "sue", rows[2].id, "", "192.0.2.9"),
            ("revoked", "sue", None, "everyone", "192.0.2.9"),
            ("revoked", None, None, "everyone", None),
        ]

    async def test_S15_what_ends_together_has_an_entry_each(self, store: AsyncStore) -> None:
        """Those of a user, and those that a filter means; a visitor's, if somebody else has ended it."""
        trail: Any = _auditing(store)
        rows = [(await added(store, user_id=user))[1] for user in ("ann", "ann", "bob", None)]
        trail.audit()
        await store.revoke(Selection(user_id="ann"))
        assert {row.session_id for row in await _entries(trail)} == {rows[0].id, rows[1].id}
        if store.capabilities.searching:
            with acting("admin"):
                await trail.revoke_matching(SessionFilter())
            entries = await _entries(trail, AuditFilter(actor="admin"))
            assert {(row.action, row.session_id, row.user_id) for row in entries} == {
                ("revoked", row.id, row.user_id) for row in rows[2:]
            }

    @pytest.mark.parametrize("end", [True, False])
    async def test_S15_a_reused_token_has_an_entry(self, store: AsyncStore, *, end: bool) -> None:
        """Whether or not that ends the session; periodic rotation has none."""
        trail: Any = _auditing(store)
        if not store.capabilities.retires:
            pytest.skip("this store cannot retire tokens")
        token_hash, row = await added(store)
        trail.audit()
        await trail.renew(Renewal(token_hash, a_hash(), bytes(32), 0))
        assert await trail.reuse(token_hash, end=end)
        assert not await trail.reuse(token_hash, end=end)
        assert [_told(each) for each in await _entries(trail)] == [
            ("reused", None, row.id, "ended" if end else "", None)
        ]

    async def test_S15_entries_are_found_newest_first(self, store: AsyncStore) -> None:
        """By what they are about, in pages, and with the authority's time."""
        trail, began = _auditing(store), await time_of(store)
        for number in range(5):
            entry = Noted("mailed", f"user {number % 2}", f"s{number % 3}", 'ü\n"', "admin", "::1")
            await trail.record([entry, entry._replace(action="other", actor=None, user_id=None)])
        everything = await trail.entries(ALL, limit=100)
        assert [row.action for row in everything] == ["other", "mailed"] * 5
        assert [row.id for row in everything] == sorted((row.id for row in everything), reverse=True)
        assert everything[-1][2:] == ("mailed", "admin", "user 0", "s0", "::1", 'ü\n"')
        assert await trail.entries(ALL, limit=3, after=everything[3].id) == everything[4:7]
        for wanted, count in (
            (AuditFilter(user_id="user 1"), 2),
            (AuditFilter(session_id="s1"), 4),
            (AuditFilter(session_id="s1", action="other"), 2),
            (AuditFilter(actor="admin", user_id="user 0"), 3),
            (AuditFilter(since=began), 10),
            (AuditFilter(before=began), 0),
            (AuditFilter(since=everything[0].at + 1), 0),
        ):
            assert len(await trail.entries(wanted, limit=100)) == count, wanted

    async def test_S13_S15_old_entries_are_forgotten_in_batches(self, store: AsyncStore) -> None:
        """What is young enough stays."""
        trail = _auditing(store)
        for _ in range(3):
            await trail.record([Noted("mailed")])
        assert await trail.forget_entries(10_000 * SECOND, 10) == 0
        assert [await trail.forget_entries(-10_000 * SECOND, 2) for _ in range(3)] == [2, 1, 0]
        assert await _entries(trail) == []
        await trail.record([Noted("mailed")])
        assert len(await _entries(trail)) == 1

    async def test_S15_a_trail_that_is_off_says_nothing(self, store: AsyncStore) -> None:
        """But what it is told."""
        trail, (token_hash, _) = _auditing(store), await added(store)
        await store.revoke(Selection(token_hash=token_hash))
        await trail.record([Noted("mailed")])
        assert [row.action for row in await _entries(trail)] == ["mailed"]
        if not store.capabilities.transactions:
            with pytest.raises(ConfigurationError):
                await trail.record([Noted("mailed")], connection=object())


class _Request:
    def actor(self) -> Actor:
        return Actor(address="192.0.2.9", user_id="sue")


async def _entries(trail: AsyncAudits, wanted: AuditFilter = ALL) -> list[AuditRow]:
    """Return the entries, oldest first."""
    return list(await trail.entries(wanted, limit=100))[::-1]


def _told(row: AuditRow) -> tuple[str, str | None, str | None, str, str | None]:
    return row.action, row.actor, row.session_id, row.detail, row.address


def _auditing(store: AsyncStore) -> AsyncAudits:
    if not store.capabilities.audits:
        pytest.skip("this store keeps no audit trail")
    return cast("AsyncAudits", store)
