"""What the verbs of our own sessions stand on: the store, the policy, and how tokens are judged."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from coatcheck._async.audit_trail import switch_on
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.reading_ahead import AsyncReadingAhead
from coatcheck._async.tiers import AsyncTiers
from coatcheck._async.touches import AsyncTouches
from coatcheck._async.validating import AsyncValidating
from coatcheck.core.authentication import authentication_of
from coatcheck.core.credentials import Credentials, presented_bytes
from coatcheck.core.policy import Policy
from coatcheck.core.refusals import refuse
from coatcheck.core.session import NEVER, STAMP, Record, Session
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.settings import CacheSettings
from coatcheck.core.times import duration_nanos
from coatcheck.core.tokens import Token, TokenHash, is_reserved
from coatcheck.core.told import ToldLately
from coatcheck.core.transport import Transport
from coatcheck.core.users import user_json
from coatcheck.errors import ConfigurationError
from coatcheck.fork import after_fork
from coatcheck.stores.base import SESSION, Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.events import Event, EventKind
    from coatcheck.core.health import Health
    from coatcheck.core.imported import ImportedTokens
    from coatcheck.core.settings import SharedCacheSettings
    from coatcheck.core.users import User
    from coatcheck.stores.async_protocol import AsyncRetires, AsyncStore
    from coatcheck.stores.users import UsersTable

_UNPROVEN_EVERY = timedelta(hours=1)
"""How often the audit trail tells that a session was presented without the proof that it needs."""

_JITTER = 1_000_000
"""Microseconds; a clock that goes back by more was set back."""


class AsyncSessionBase(AsyncValidating[Reading]):
    """The parts that sessions are made of, and what they say about themselves."""

    _kind = SESSION
    _signs = True

    def __init__(
        self,
        store: AsyncStore | AsyncTiers | str,
        *,
        policy: Policy | None = None,
        cache: CacheSettings | None = None,
        shared_cache: AsyncSharedCache | str | None = None,
        shared_cache_settings: SharedCacheSettings | None = None,
        purpose: str = "session",
        token_hash: TokenHash | None = None,
        imported: ImportedTokens | None = None,
        keys: Sequence[str | bytes] | None = None,
        deployment: str = "coatcheck",
        users: UsersTable | None = None,
        load_users: Callable[[Sequence[str]], Awaitable[Mapping[str, User]]] | None = None,
        on_event: Callable[[Event], None] | None = None,
        flush_every: timedelta = timedelta(seconds=1),
        clock: Clock | None = None,
    ) -> None:
        """Wire the sessions to their store.

        Args:
            store: A store, or a URL such as `sqlite:///app.db` or `postgresql://user:password@host/database`. Or the
                tiers of other sessions, which then are shared, with what was said of them.
            policy: Timeouts and limits.
            cache: Size, time to live and lease of the local cache.
            shared_cache: A cache between the processes, or its URL such as `valkey://host`; needs `keys`, by which
                nobody else can write into it.
            shared_cache_settings: Its time to live and how long a request waits for it.
            purpose: What the tokens are for; tokens of two purposes are never interchangeable.
            token_hash: How tokens are hashed, for tables adopted from another system.
            imported: Whose tokens are accepted besides ours, after `coatcheck import`.
            keys: Keys of 32 bytes or more that sign what the client holds: the first signs, all verify. Without
                keys a token is not signed, and a forged one costs a look into the store.
            deployment: The name that signatures are bound to.
            users: The application's users table, when `store` is a URL.
            load_users: Instead of a users table: returns the users with these ids.
            on_event: Called with each event, after it happened; what it raises is logged and goes no further.
            flush_every: How long touches are gathered.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong, or asks for what the store cannot do.
        """
        self.policy = policy or Policy()
        self.cache_settings = cache or CacheSettings()
        tiers = (
            store
            if isinstance(store, AsyncTiers)
            else AsyncTiers(
                store,
                users=users,
                shared_cache=shared_cache,
                shared_cache_settings=shared_cache_settings,
                keys=keys,
                deployment=deployment,
                lease=self.cache_settings.lease,
                serve_stale_for=self.cache_settings.serve_stale_for,
                clock=clock,
            )
        )
        super().__init__(tiers, on_event)
        self.imported = imported
        self._check_purpose(purpose)
        hashed = token_hash or TokenHash(purpose=purpose)
        self._credentials = Credentials(hashed, self.tiers.ring(purpose) if self._signs else None, imported)
        self._purpose = purpose
        self._load_users = load_users
        self._latest = 0
        self._unproven = ToldLately(duration_nanos(_UNPROVEN_EVERY))
        self._check_capabilities()
        switch_on(self.store, self.policy)
        touch_every = duration_nanos(self.policy.touch_every)
        self._touches = AsyncTouches(
            self.store,
            self.policy,
            touch_every=touch_every,
            flush_every=flush_every.total_seconds(),
            cache=lambda: self._reads.cache,
        )
        self._copies = SessionCopies(
            self.cache_settings,
            touch_every=touch_every,
            rotate_after=NEVER if self.policy.rotate_after is None else duration_nanos(self.policy.rotate_after),
            shared_ttl=self.shared_cache_settings.ttl_ns,
            secrets=self.tiers.secrets(purpose),
        )
        self._reads = AsyncCachedReads(
            self._log,
            self._copies,
            unchanged=self.store.unchanged,
            clock=self._clock,
            on_use=self._touches.note,
            shared=self.tiers.shared,
        )
        self._ahead = AsyncReadingAhead(self.store, self._log, lease=self.cache_settings.lease_ns)
        after_fork(self)

    @property
    def shared_cache_settings(self) -> SharedCacheSettings:
        """The settings of the cache between the processes."""
        return self.tiers.shared_settings

    @property
    def _retires(self) -> AsyncRetires | None:
        """The store, where tokens are rotated from time to time."""
        return None if self.policy.rotate_after is None else cast("AsyncRetires", self.store)

    def _check_purpose(self, purpose: str) -> None:
        if is_reserved(purpose):
            refuse("purpose", purpose, "it is that of API tokens, tickets or operators; use another, such as 'admin'")

    def _check_capabilities(self) -> None:
        if self.store.capabilities.eventual and self.policy.touch_every < timedelta(seconds=1):
            msg = f"touch_every={self.policy.touch_every} is not possible: KV takes one write a second; use 1 minute"
            raise ConfigurationError(msg)
        if self.policy.max_sessions is not None and not self.store.capabilities.exact_limits:
            msg = f"max_sessions={self.policy.max_sessions!r} needs a store with exact limits, such as SQLite"
            raise ConfigurationError(msg)
        if self.policy.rotate_after is not None and not self.store.capabilities.retires:
            fix = "use None, or a store that can retire tokens: SQLite, D1, PostgreSQL or Valkey"
            refuse("rotate_after", self.policy.rotate_after, fix)

    def forked(self) -> None:
        """Drop what belongs to the parent process; the tiers do so by themselves."""
        self._touches.forked()
        self._reads.forked()

    async def aclose(self) -> None:
        """Write pending touches and close all connections."""
        await self._touches.close()
        await super().aclose()

    def transport(self, cookie: str, *, bearer: bool) -> Transport:
        """Return where tokens stand in a request: in a cookie of this name, or behind `Authorization: Bearer` too."""
        names = [cookie] if self.imported is None else dict.fromkeys((cookie, self.imported.cookie_name))
        return Transport(cookies=tuple(name.encode() for name in names), bearer=bearer)

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be a token of ours: its form, and with keys its signature."""
        return isinstance(self._credentials.hash_of(presented_bytes(token)), bytes)

    def renewed(self, token: str | bytes | Token) -> Token | None:
        """Return a token with a new signature, if an older key than the first has signed it (rule S3)."""
        return self._credentials.renewed(presented_bytes(token))

    async def health(self) -> Health:
        """Say how every part is: by what is known, and by asking the store if nothing is. Never raises."""
        return await self._health(self._copies.places("health", b""), self.cache_settings.max_entries)

    @property
    def credentials(self) -> Credentials:
        """How tokens are judged and handed out, for what moves sessions between tokens of several purposes."""
        return self._credentials

    @property
    def token_hash(self) -> TokenHash:
        """How tokens are hashed."""
        return self._credentials.token_hash

    @property
    def signing_keys(self) -> int:
        """How many keys sign and verify tokens; 0 when tokens are not signed."""
        return self._credentials.signing_keys

    @property
    def has_shared_cache(self) -> bool:
        """Whether copies are shared between processes."""
        return self.tiers.shared is not None

    def secrets(self, context: bytes) -> tuple[bytes, ...]:
        """Return keys for something else that clients hold, made of the configured ones in their order; or none."""
        return self.tiers.secrets(self._purpose, context)

    @property
    def notes_clients(self) -> bool:
        """Whether a new address or browser is noted: somebody listens to events."""
        return self._events.wanted

    def _told(self, kind: EventKind, record: Record, detail: str) -> None:
        proofs = authentication_of(record.authentication)
        self._events.emit(kind, record.id, record.user_id, detail, actor_id=proofs.actor)

    async def _with_user(self, reading: Reading) -> Reading:
        if reading.record is None or self._load_users is None:
            return reading
        return reading._replace(record=await self._described(reading.record))

    async def _described(self, record: Record) -> Record:
        """Return the record with its user, where a loader brings it; read after `as_of`, so never too new for it."""
        if self._load_users is None or record.user_id is None:
            return record
        users = await self._load_users([record.user_id])
        return record._replace(user=user_json(users.get(record.user_id)))

    async def described(self, records: Sequence[Record]) -> Sequence[Session]:
        """Return what records of the store show: sessions, with their users."""
        if self._load_users is not None:
            ids = sorted({record.user_id for record in records if record.user_id is not None})
            users = await self._load_users(ids)
            records = [record._replace(user=user_json(users.get(record.user_id or ""))) for record in records]
        return [self._session(record) for record in records]

    def _session(self, record: Record) -> Session:
        return Session(STAMP.pack(0, 0, 0) + record.pack())

    async def _now(self) -> int:
        """Return the store's time in microseconds; a worker's own clock may be wrong."""
        await self._log.prove()
        now = self._log.now() // 1000
        # Each poll measures the store's time anew, some microseconds off; what begins later is to be later.
        if now < self._latest < now + _JITTER:
            now = self._latest + 1
        self._latest = now
        return now
