"""Ways to get a provider's sessions wrong: each replaces a piece of the real thing, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck import NotSignedIn, Unavailable
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck.core.coherence import Knowledge
from coatcheck.core.endings import ended_subject, outdated_subject, session_tag, token_tag
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.identity_copies import IdentityCopies, IdentityReading
from coatcheck.core.refused_tokens import RefusedTokens
from coatcheck.core.session import STAMP, Session
from tests.coherence.value_mistakes import stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    Mistake = Callable[[pytest.MonkeyPatch], None]
    Sessions = AsyncProviderSessions


def _reading(patch: pytest.MonkeyPatch, alter: Callable[[Sessions, IdentityReading], IdentityReading]) -> None:
    """Alter what was read."""
    real = AsyncProviderSessions._identify

    async def identify(self: Sessions, key: bytes, presented: bytes, known: Knowledge | None) -> IdentityReading:
        return alter(self, await real(self, key, presented, known))

    patch.setattr(AsyncProviderSessions, "_identify", identify)


def stamped_on_landing(patch: pytest.MonkeyPatch) -> None:
    """An answer claims to be as new as what is known when it lands."""
    _reading(patch, lambda self, reading: reading._replace(as_of=self._log.knowledge.as_of))


def stamped_with_the_newest(patch: pytest.MonkeyPatch) -> None:
    """An answer claims to be newer than the newest entry, though older numbers may not have been committed yet."""

    def newest(self: Sessions, reading: IdentityReading) -> IdentityReading:
        knowledge = self._log.knowledge
        return reading._replace(as_of=max(knowledge.newest + 1, knowledge.floor))

    _reading(patch, newest)


def counted_from_landing(patch: pytest.MonkeyPatch) -> None:
    """The time to live counts from when the answer lands."""
    _reading(patch, lambda self, reading: reading._replace(now=self._log.best_now()))


def said_before_it_ends(patch: pytest.MonkeyPatch) -> None:
    """A sign-out tells the workers to ask again, and then ends the session at the provider."""

    async def sign_out(self: Sessions, token: Any, *, wait: bool = False) -> tuple[bytes, ...]:
        answer = await self.get(token)
        tags = [token_tag(token), *([session_tag(answer.id)] if isinstance(answer, Session) else [])]
        await self._write(list(map(outdated_subject, tags)), wait=wait)
        return await self.provider.sign_out(token)

    patch.setattr(AsyncProviderSessions, "sign_out", sign_out)


def ended_before_it_ends(patch: pytest.MonkeyPatch) -> None:
    """A sign-out says that a session has ended, and then tries to end it at the provider."""

    async def sign_out(self: Sessions, token: Any, *, wait: bool = False) -> tuple[bytes, ...]:
        await self.session_ended((await self.get(token)).id, wait=wait)  # type: ignore[union-attr]
        return await self.provider.sign_out(token)

    patch.setattr(AsyncProviderSessions, "sign_out", sign_out)


def nothing_said(patch: pytest.MonkeyPatch) -> None:
    """A sign-out ends the session at the provider and drops the copy here."""

    async def write(self: Sessions, subjects: Any, *, wait: bool) -> None:
        self._reads.cache.young.clear()

    patch.setattr(AsyncProviderSessions, "_write", write)


def failures_unsaid(patch: pytest.MonkeyPatch) -> None:
    """A sign-out that got no answer, or that nobody waited for, says nothing."""

    async def invalidate(self: Sessions, token: Any, *, wait: bool = False) -> None:
        """Do nothing."""

    patch.setattr(AsyncProviderSessions, "invalidate", invalidate)


def endings_forgotten(patch: pytest.MonkeyPatch) -> None:
    """An entry that says that something has ended outdates copies, and refuses no later answer."""
    real = Knowledge.knows
    patch.setattr(Knowledge, "knows", lambda self, subject: subject[0] != "e" and real(self, subject))


def refused_and_kept(patch: pytest.MonkeyPatch) -> None:
    """What has ended is refused to who asks, and kept as the provider says it."""
    real = IdentityCopies.kept
    identify = AsyncProviderSessions._identify
    patch.setattr(AsyncProviderSessions, "_has_ended", lambda *_: False)

    async def judged(self: Sessions, key: bytes, presented: bytes, known: Knowledge | None) -> IdentityReading:
        reading = await identify(self, key, presented, known)
        if any(self._log.knowledge.knows(subject) for tag in reading.answer.tags for subject in [ended_subject(tag)]):
            if (copy := real(self._copies, reading)) is not None:
                self._reads.cache.put(key, copy)
            return reading._replace(answer=reading.answer._replace(identity=NotSignedIn.UNKNOWN))
        return reading

    patch.setattr(AsyncProviderSessions, "_identify", judged)


def tags_missing(patch: pytest.MonkeyPatch) -> None:
    """A copy does not say what else it may be called."""
    real = IdentityCopies._stamped

    def stamped(self: IdentityCopies, reading: IdentityReading, record: Any, ttl: int) -> bytes:
        return real(self, reading._replace(answer=reading.answer._replace(tags=())), record, ttl)

    patch.setattr(IdentityCopies, "_stamped", stamped)


def without_subject(kind: str) -> Mistake:
    """Return the mistake of not looking for entries of one kind."""

    def mistake(patch: pytest.MonkeyPatch) -> None:
        real = IdentityCopies.subjects

        def subjects(self: IdentityCopies, key: bytes, copy: bytes) -> Iterator[str]:
            return (subject for subject in real(self, key, copy) if not subject.startswith(kind))

        patch.setattr(IdentityCopies, "subjects", subjects)

    return mistake


def doubts_ignored(patch: pytest.MonkeyPatch) -> None:
    """What is said of a user whose sessions are about to end is kept like anything else."""
    patch.setattr(AsyncProviderSessions, "_is_doubted", lambda *_: False)


def shared_life_counted_anew(patch: pytest.MonkeyPatch) -> None:
    """A copy out of the shared cache lives as long as an answer of the provider."""
    real = AsyncCachedReads.from_shared

    async def from_shared(self: Any, key: bytes, usable: Any) -> bytes | None:
        copy = await real(self, key, usable)
        if copy is None:
            return None
        as_of = STAMP.unpack_from(copy)[0]
        renewed = stamped(copy, as_of, later=self._log.now() + self._copies.ttl - STAMP.unpack_from(copy)[1])
        self.cache.put(key, renewed)
        return renewed

    patch.setattr(AsyncCachedReads, "from_shared", from_shared)


def shared_unjudged(patch: pytest.MonkeyPatch) -> None:
    """What the shared cache returns is served without the rule."""

    async def from_shared(self: Any, key: bytes, _: Any) -> bytes | None:
        knowledge, cache = self.view
        copy = None if self._shared is None else await self._shared.get(self._copies.places(knowledge.epoch, key))
        if copy is not None:
            cache.put(key, copy)
        return copy

    patch.setattr(AsyncCachedReads, "from_shared", from_shared)


def epoch_unchecked(patch: pytest.MonkeyPatch) -> None:
    """What was answered in another life of the log is kept in this one."""

    async def ask(self: Any, key: bytes, read: Any) -> Any:
        answer = await read(self.view[0])
        self._fill(self.cache, key, answer)
        return answer

    patch.setattr(AsyncCachedReads, "_ask", ask)


def trusting_follower(patch: pytest.MonkeyPatch) -> None:
    """Who waits for somebody else's question takes the answer, though it was asked earlier."""

    async def get(self: Any, key: bytes, read: Any, nearby: Any = None, usable: Any = bool) -> Any:
        await self._log.prove()
        if (copy := self.lookup(key)) is not None:
            return copy, "memory"
        flight = self._flights.claim(key)
        if flight is not None and (answer := await self._flights.wait(flight)) is not None:
            return answer, "store"
        return await self._lead(key, lambda: self._read(key, read, nearby, usable)), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def single_flight_missing(patch: pytest.MonkeyPatch) -> None:
    """Everybody who misses asks."""

    async def get(self: Any, key: bytes, read: Any, nearby: Any = None, usable: Any = bool) -> Any:
        await self._log.prove()
        if (copy := self.lookup(key)) is not None:
            return copy, "memory"
        return await self._read(key, read, nearby, usable), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def stale_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A session whose time is over is served whatever the log has said about it."""

    def past(self: Any, key: bytes, grace: int) -> bytes | None:
        copy = self.cache.get(key)
        return None if copy is None or self._log.now() >= STAMP.unpack_from(copy)[1] + grace else copy

    patch.setattr(AsyncCachedReads, "past", past)


def stale_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A session whose time is over is served however long ago that was."""
    real = AsyncCachedReads.past
    patch.setattr(AsyncCachedReads, "past", lambda self, key, _: real(self, key, 2**62))


def stale_after_refusal(patch: pytest.MonkeyPatch) -> None:
    """What the provider has refused stays in memory, for when it does not answer."""
    patch.setattr(AsyncCachedReads, "drop", lambda *_: None)


def refusals_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A token that was refused once is refused whatever is said later."""
    real = RefusedTokens.get
    patch.setattr(Knowledge, "outdated", _without("i:", Knowledge.outdated))
    patch.setattr(RefusedTokens, "get", lambda self, key, _: real(self, key, 0))


def refusals_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A token that was refused just now is refused though somebody says that the provider is to be asked again."""
    real = AsyncProviderSessions._refusal

    def refusal(self: Sessions, key: bytes, presented: bytes) -> NotSignedIn | None:
        found = self._refused.get(key, self._clock.monotonic())
        return real(self, key, presented) if found is None else found.reason

    patch.setattr(AsyncProviderSessions, "_refusal", refusal)


def _without(kind: str, real: Any) -> Any:
    def outdated(self: Knowledge, as_of: int, subjects: Any) -> bool:
        return bool(real(self, as_of, [subject for subject in subjects if not subject.startswith(kind)]))

    return outdated


def outage_is_no_session(patch: pytest.MonkeyPatch) -> None:
    """A provider that does not answer has said that nobody is signed in."""
    real = AsyncProviderSessions._identify

    async def identify(self: Sessions, key: bytes, presented: bytes, known: Knowledge | None) -> IdentityReading:
        try:
            return await real(self, key, presented, known)
        except Unavailable:
            nobody = ProviderAnswer(NotSignedIn.UNKNOWN)
            return IdentityReading("", 0, self._log.best_now(), nobody)

    patch.setattr(AsyncProviderSessions, "_identify", identify)
