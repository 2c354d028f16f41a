"""`AsyncProviderSessions`: sessions that somebody else issued, validated from memory and ended everywhere at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck._async.provider_reads import AsyncProviderReads
from coatcheck.core.coherence import EVERYONE, session_subject, user_subject
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.endings import (
    doubted_subjects,
    ended_subject,
    login_tag,
    once_subject,
    outdated_subject,
    second_of,
    session_tag,
    signed_out_subject,
    token_tag,
)
from coatcheck.core.local_cache import key_of
from coatcheck.core.times import to_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from coatcheck.core.tokens import Token


class AsyncProviderSessions(AsyncProviderReads):
    """Sessions of a provider such as Better Auth, validated from memory and signed out everywhere at once.

    To the application a provider is just another authority: the middleware, the dependencies and the JSON API take this
    in the place of `AsyncSessions`. A token is what the client presents: text, bytes or a `Token`.
    """

    # With `wait`, each of these returns when no worker anywhere can accept what has ended: on SQLite at once, with a
    # server after a lease.

    async def sign_out(self, token: str | bytes | Token, *, wait: bool = False) -> tuple[bytes, ...]:
        """End the session of a token: at the provider, and then in every worker.

        In this order: an entry from before the provider has ended it would not outdate what it says until then.

        Returns:
            Values of Set-Cookie that the provider has for the client.

        Raises:
            Unavailable: Nobody knows whether it has ended; every worker asks the provider again. Or it has ended, and
                the store could not be told: then others accept it for `revalidate_after` at most. Try again.
        """
        presented = presented_bytes(token)
        if not self.well_formed(presented):
            return ()
        try:
            answer = self.lookup(presented) or (await self.ask(presented)).answer
            set_cookies = await self.provider.sign_out(presented)
        except BaseException:
            # Who gave up waiting knows as little of what has become of it as who got no answer.
            await self.invalidate(presented)
            raise
        self._reads.drop(key_of(presented))  # whatever becomes of the log, here it is known
        tags = [token_tag(presented)]
        if answer:
            tags += [session_tag(answer.id)]
        await self._write([ended_subject(tag) for tag in tags], wait=wait)
        if answer:
            self._events.emit("revoked", answer.id, answer.user_id)
        return set_cookies

    async def invalidate(self, token: str | bytes | Token, *, wait: bool = False) -> None:
        """Make every worker ask the provider about a token again, also where it was refused just now."""
        await self._write([outdated_subject(token_tag(presented_bytes(token)))], wait=wait)

    async def invalidate_user(self, user_id: str, *, wait: bool = False) -> None:
        """Make every worker ask the provider about all sessions of a user again, as after a change of the password.

        No copy from before is served any more, however long its session can live.
        """
        await self._write([user_subject(user_id)], wait=wait)

    async def invalidate_everyone(self, *, wait: bool = False) -> None:
        """Make every worker ask the provider about everybody again."""
        await self._write([EVERYONE], wait=wait)

    async def session_ended(self, session_id: str, *, wait: bool = False) -> None:
        """Refuse a session that has ended at the provider, by its public id; also where the provider still accepts it.

        It is refused for as long as the log is kept, two hours; by then the provider must refuse it by itself.
        """
        await self._write([session_subject(session_id), ended_subject(session_tag(session_id))], wait=wait)
        self._events.emit("revoked", session_id, None, "told")

    async def told(
        self,
        message: tuple[str, str],
        *,
        logins: Iterable[tuple[str, str]] = (),
        sessions: Iterable[str] = (),
        users: Iterable[str] = (),
        signed_out: Iterable[tuple[str, datetime]] = (),
    ) -> bool:
        """Act on a message that counts only once: a logout token, or a webhook.

        Args:
            message: Who has sent it, and its id there.
            logins: Sessions at an identity provider that have ended: issuer and `sid`.
            sessions: Ids of sessions of the provider that have ended.
            users: Ids of users about whom the provider is to be asked again. Whoever tells may do so before it ends
                their sessions, so for some minutes what is said of them is kept for a few seconds only.
            signed_out: Ids of users, each with when all their sessions ended; what they began in that second or before
                is refused, also where the provider still accepts it. Aware datetimes.

        Returns:
            False for a message that was acted on already. Of two at the same moment both may be: that does no harm.

        Raises:
            Unavailable: The store did not answer; the sender must send it again.
        """
        await self._log.prove()
        once = once_subject(*message)
        if self._log.knowledge.knows(once):
            return False
        ids = tuple(sessions)
        tags = [login_tag(*login) for login in logins] + [session_tag(session_id) for session_id in ids]
        gone = [(user_id, second_of(to_micros(moment))) for user_id, moment in signed_out]
        subjects = [*map(ended_subject, tags), *map(session_subject, ids)]
        for user_id in (*users, *(user_id for user_id, _ in gone)):
            subjects += [user_subject(user_id), doubted_subjects(user_id, self._log.best_now())[0]]
        await self._write([*subjects, *(signed_out_subject(*each) for each in gone), once], wait=False)
        for session_id in ids:
            self._events.emit("revoked", session_id, None, "told")
        return True

    async def _write(self, subjects: Sequence[str], *, wait: bool) -> None:
        await self.store.invalidate(subjects)
        self.tiers.changed(None)
        await self.tiers.settled(wait=wait)
