"""`AsyncProviderSessions`: sessions that somebody else issued, validated from memory."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.tiers import AsyncTiers
from coatcheck.core.answers import NotSignedIn, Validated
from coatcheck.core.coherence import EVERYONE, session_subject, user_subject
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.endings import (
    doubted_subjects,
    ended_subject,
    login_tag,
    once_subject,
    outdated_subject,
    session_tag,
    signed_out_name,
    signed_out_subject,
    token_tag,
)
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.identity_copies import IdentityCopies, IdentityReading, tags_of
from coatcheck.core.local_cache import KEY_SIZE, key_hash, key_of
from coatcheck.core.refusals import refuse
from coatcheck.core.refused_tokens import Refusal, RefusedTokens
from coatcheck.core.session import Session, copy_in, times_of
from coatcheck.core.settings import ProviderSettings
from coatcheck.core.times import duration_nanos, from_micros, to_micros
from coatcheck.core.transport import AMBIGUOUS, Transport
from coatcheck.errors import Unavailable
from coatcheck.fork import after_fork
from coatcheck.hooks import EventHook
from coatcheck.providers.base import NotesCookies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.events import Event
    from coatcheck.core.health import Health
    from coatcheck.core.session import Record
    from coatcheck.core.settings import SharedCacheSettings
    from coatcheck.core.tokens import Token
    from coatcheck.providers.async_protocol import AsyncProvider
    from coatcheck.stores.async_protocol import AsyncStore

_LONGEST_TOKEN = 8192
_MOST_REFUSED = 10_000
_SECOND = 1_000_000  # in the microseconds of a record

_DOUBTED_FOR = timedelta(seconds=5)
"""How long an answer about a user is kept whose sessions are said to end: it may still be the old one."""

_new = object.__new__


def _unused(*_: object) -> None:
    """Note no use: when its sessions are used is the provider's business."""


class AsyncProviderSessions:
    """Sessions of a provider such as Better Auth, validated from memory and signed out everywhere at once.

    To the application a provider is just another authority: the middleware, the dependencies and the JSON API take this
    in the place of `AsyncSessions`. A token is what the client presents: text, bytes or a `Token`.
    """

    def __init__(
        self,
        provider: AsyncProvider,
        store: AsyncStore | str,
        *,
        settings: ProviderSettings | None = None,
        shared_cache: AsyncSharedCache | str | None = None,
        shared_cache_settings: SharedCacheSettings | None = None,
        keys: Sequence[str | bytes] | None = None,
        deployment: str = "coatcheck",
        on_event: Callable[[Event], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Wire the sessions to their provider.

        Args:
            provider: Who issues and ends the sessions.
            store: Where the invalidation log stands, by which workers hear of each other's sign-outs: a store, or a URL
                such as `sqlite:///sign-outs.db` or `postgresql://user:password@host/database`.
            settings: How long the provider's answers may stand in for asking it.
            shared_cache: A cache between the processes, or its URL such as `valkey://host`; needs `keys`, by which
                nobody else can write into it.
            shared_cache_settings: Its time to live and how long a request waits for it.
            keys: Keys of 32 bytes or more.
            deployment: The name that the keys are bound to.
            on_event: Called with each event, after it happened; what it raises is logged and goes no further.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self.provider = provider
        self.settings = settings or ProviderSettings()
        wanted = self.settings.revalidate_after
        self.revalidate_after: timedelta = provider.revalidate_after if wanted is None else wanted
        self.tiers = AsyncTiers(
            store,
            shared_cache=shared_cache,
            shared_cache_settings=shared_cache_settings,
            keys=keys,
            deployment=deployment,
            lease=self.settings.lease,
            serve_stale_for=timedelta(0),  # without its log the provider itself is asked
            clock=clock,
        )
        if self.store.capabilities.eventual:
            refuse("store", type(self.store).__name__, "what has ended stands in an invalidation log: use D1")
        self._clock = self.tiers.clock
        self._log = self.tiers.log
        self._events = EventHook(on_event, self.now)
        kept = duration_nanos(self.revalidate_after)
        self._stale = duration_nanos(self.settings.serve_stale_for)
        self._copies = IdentityCopies(
            revalidate_after=kept,
            max_entries=self.settings.max_entries,
            memory_ttl=None if self.settings.memory_ttl is None else duration_nanos(self.settings.memory_ttl),
            shared_ttl=self.tiers.shared_settings.ttl_ns,
            secrets=self.tiers.secrets(f"provider {provider.name} {provider.conditions}"),
        )
        self._refused_for = min(kept, duration_nanos(self.settings.refused_for))
        self._reads: AsyncCachedReads[bytes, IdentityReading] = AsyncCachedReads(
            self._log,
            self._copies,
            unchanged=self.store.unchanged,
            clock=self._clock,
            on_use=_unused,
            shared=self.tiers.shared,
        )
        self.forked()
        after_fork(self)

    @property
    def store(self) -> AsyncStore:
        """Where the log stands."""
        return self.tiers.store

    def forked(self) -> None:
        """Drop what belongs to the parent process; the tiers do so by themselves."""
        self._refused = RefusedTokens(most=_MOST_REFUSED, keep=self._refused_for)
        self._reads.forked()
        self.provider.forked()

    async def open(self) -> Self:
        """Verify, and where configured create, the tables; a wrong configuration fails here.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        await self.tiers.open()
        try:
            await self.provider.open()
        except BaseException:
            await self.tiers.aclose()
            raise
        return self

    async def aclose(self) -> None:
        """Close all connections."""
        await self.provider.aclose()
        await self.tiers.aclose()

    async def finish(self) -> None:
        """Finish what was left for later: copies for the shared cache, values being loaded."""
        await self.tiers.finish()

    async def sweep(self, *, batch: int = 1000) -> int:
        """Delete old log entries, and expired sessions of our own where the store has some; returns how many of those.

        Raises:
            Unavailable: The store did not answer.
        """
        total = 0
        while True:
            ended = len(await self.store.sweep(batch))
            total += ended
            if ended < batch:
                return total

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- validating

    def lookup(self, token: str | bytes | Token) -> Session | None:
        """Answer from memory, at once; None says nothing: ask `get`."""
        presented = token if type(token) is bytes else presented_bytes(token)
        copy = self._reads.lookup(key_hash(presented).digest()[:KEY_SIZE])
        if copy is None:
            return None
        session = _new(Session)
        session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    async def get(self, token: str | bytes | Token | None) -> Session | NotSignedIn:
        """Validate a token.

        Returns:
            The session, or why nobody is signed in.

        Raises:
            Unavailable: Nobody can tell: the provider did not answer.
        """
        presented = presented_bytes(token)
        return self.lookup(presented) or (await self.ask(presented)).answer

    async def ask(self, token: bytes) -> Validated:
        """Validate a token that `lookup` had no answer for, and say which tier answered in the end.

        Raises:
            Unavailable: Nobody can tell: the provider did not answer.
        """
        if not token:
            return Validated(NotSignedIn.NO_TOKEN, None)
        if not self.well_formed(token):
            return Validated(NotSignedIn.MALFORMED, None)
        key = key_of(token)
        proven = await self._log.can_prove()
        refused = self._refusal(key, token)
        if refused is not None:
            return Validated(refused, "memory")
        try:
            return await self._answer(key, token, proven=proven)
        except Unavailable:
            copy = await self._past(key)
            if copy is None:
                raise
            return Validated(Session(copy), "stale")

    def _refusal(self, key: bytes, presented: bytes) -> NotSignedIn | None:
        """Return why a token is refused without asking the provider: it has ended, or was refused just now."""
        tag, knowledge = token_tag(presented), self._log.knowledge
        if knowledge.knows(ended_subject(tag)):
            return NotSignedIn.UNKNOWN
        refused = self._refused.get(key, self._clock.monotonic())
        if refused is None or knowledge.outdated(refused.as_of, (outdated_subject(tag),)):
            return None
        return refused.reason

    async def _answer(self, key: bytes, presented: bytes, *, proven: bool) -> Validated:
        led: list[IdentityReading] = []

        async def identify(knowledge: Knowledge | None) -> IdentityReading:
            led.append(await self._identify(key, presented, knowledge))
            return led[-1]

        if proven:
            try:
                return self._validated(*await self._reads.get(key, identify), led)
            except Unavailable:
                if not self._log.failing:
                    raise
        # What only bounds what we remember must not fail what the provider can answer.
        self._log.follow()
        read = await self._reads.without_log(key, lambda: identify(None))
        return self._validated(read, "shared" if isinstance(read, bytes) else "store", led)

    def _validated(self, answer: bytes | IdentityReading, source: Source, led: Sequence[IdentityReading]) -> Validated:
        if isinstance(answer, bytes):
            return Validated(Session(answer), source)
        # Only who has asked hands the provider's cookies on; who waited for that may be answered later than they are.
        mine = any(answer is reading for reading in led)
        return Validated(self._judged(answer), source, answer.answer.set_cookies if mine else ())

    async def _identify(self, key: bytes, presented: bytes, knowledge: Knowledge | None) -> IdentityReading:
        """Ask the provider. Where the log stood is taken before: what ended meanwhile outdates what it says."""
        epoch, as_of = ("", 0) if knowledge is None else (knowledge.epoch, knowledge.as_of)
        reached, began, now = self._log.knowledge.as_of, self._clock.monotonic(), self._log.best_now()
        refused = self._refusal(key, presented)
        if refused is not None:  # as somebody was told for whom this call has waited
            return IdentityReading("", 0, now, ProviderAnswer(refused))
        answer = await self.provider.identify(presented)
        record = answer.identity
        if isinstance(record, NotSignedIn):
            # Not even while the provider is away is it served from before, where that is wanted of others.
            self._reads.drop(key)
            self._refused.add(key, Refusal(record, reached), began, admitted=answer.valid_for)
            return IdentityReading(epoch, as_of, now, answer)
        own = (token_tag(presented), session_tag(record.id))
        answer = answer._replace(tags=(*own, *answer.tags))
        if self._has_ended(answer.tags) or self._was_signed_out(record):
            # The provider has not noticed yet: another said so, or it has told us before it did it itself.
            answer = ProviderAnswer(NotSignedIn.UNKNOWN)
        elif record.user_id is not None and self._is_doubted(record.user_id, now):
            admitted = _DOUBTED_FOR if answer.valid_for is None else min(answer.valid_for, _DOUBTED_FOR)
            answer = answer._replace(valid_for=admitted)
        return IdentityReading(epoch, as_of, now, answer)

    def _is_doubted(self, user_id: str, now: int) -> bool:
        return any(map(self._log.knowledge.knows, doubted_subjects(user_id, now)))

    def _has_ended(self, tags: Iterable[bytes]) -> bool:
        knowledge = self._log.knowledge
        return any(knowledge.knows(ended_subject(tag)) for tag in tags)

    def _was_signed_out(self, record: Record) -> bool:
        """Tell whether the user was signed out everywhere after this session began, or in the same second."""
        if record.user_id is None:
            return False
        moment = self._log.knowledge.latest(signed_out_name(record.user_id))
        began = record.created_at if record.authenticated_at is None else record.authenticated_at
        return moment is not None and began // _SECOND <= moment

    def _judged(self, reading: IdentityReading) -> Session | NotSignedIn:
        record = reading.answer.identity
        if isinstance(record, NotSignedIn):
            return record
        if reading.now >= record.ends_at() * 1000:
            return NotSignedIn.EXPIRED
        return Session(self._copies.copy_of(reading, record))

    async def _past(self, key: bytes) -> bytes | None:
        """Return a session that should be revalidated, while the provider cannot be asked and where that is wanted."""
        # The provider may have taken longer to fail than a proof is good.
        if not self._stale or not await self._log.can_prove():
            return None
        copy = self._reads.past(key, self._stale)
        if copy is None or self._log.best_now() >= min(times_of(copy)[1:3]) * 1000:
            return None
        return copy

    async def recheck(self, session: Session, presented: bytes) -> Session | NotSignedIn:
        """Validate again a session that was read earlier, such as the one of an open WebSocket.

        Args:
            session: The session.
            presented: The token that it was found by.

        Returns:
            The session itself if the log proves that nothing has changed, why not if it says that it has ended, and
            otherwise what the provider says.

        Raises:
            Unavailable: The provider did not answer.
        """
        copy = copy_in(session)
        if await self._log.can_prove() and self._reads.admits(b"", copy):
            return session
        if self._has_ended(tags_of(copy)):
            return NotSignedIn.UNKNOWN  # also while the provider is away, which would leave it open
        return (await self.ask(presented)).answer

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be a token of the provider, by its form and, where that is known, its signature."""
        presented = presented_bytes(token)
        if not 0 < len(presented) <= _LONGEST_TOKEN or presented == AMBIGUOUS:
            return False
        return self.provider.well_formed(presented)

    def transport(self, cookie: str, *, bearer: bool) -> Transport:
        """Return where tokens stand in a request.

        Args:
            cookie: The name of the cookie, where the provider has none.
            bearer: Whether bearer tokens are read, where the provider does not say.
        """
        own = self.provider.bearer
        noted = self.provider.noted_cookies if isinstance(self.provider, NotesCookies) else ()
        # Where it is about bearer tokens and names no cookie, none is read: a cookie that the application has for
        # something else would be sent to somebody else's server.
        names = self.provider.cookies or (() if own else (cookie,))
        return Transport(
            cookies=tuple(name.encode() for name in names),
            bearer=bearer if own is None else own,
            marks_bearer=self.provider.marks_bearer,
            noted=tuple(name.encode() for name in noted),
        )

    @property
    def notes_clients(self) -> bool:
        """Whether a new address or browser is noted: that is the provider's business."""
        return False

    def now(self) -> datetime:
        """Return the time by which sessions are judged, in UTC: the store's, as far as it is known."""
        return from_micros(self._log.best_now() // 1000)

    @property
    def events(self) -> EventHook:
        """Where events are told."""
        return self._events

    @property
    def reads(self) -> AsyncCachedReads[bytes, IdentityReading]:
        """The caches in front of the provider."""
        return self._reads

    async def health(self) -> Health:
        """Say how every part is: by what is known, and by asking the store if nothing is. Never raises."""
        return await self.tiers.health(
            self._copies.places("health", b""),
            {"entries": len(self._reads.cache), "max_entries": self.settings.max_entries},
            provider=(self.provider.name, self.provider.available),
        )

    # --- ending

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
        gone = [(user_id, to_micros(moment) // _SECOND) for user_id, moment in signed_out]
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
