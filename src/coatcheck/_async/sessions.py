"""`AsyncSessions`: everything an application does with sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, cast

from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.reading_ahead import AsyncReadingAhead
from coatcheck._async.tiers import AsyncTiers
from coatcheck._async.touches import AsyncTouches
from coatcheck.core.addresses import canonical_address
from coatcheck.core.answers import Created, NotSignedIn, Rotated, Validated
from coatcheck.core.authentication import authentication_of, checked
from coatcheck.core.credentials import Credentials, presented_bytes
from coatcheck.core.drafts import changed_times, data_json, new_record, printable
from coatcheck.core.local_cache import KEY_SIZE, key_hash, key_of
from coatcheck.core.policy import Policy, expiries
from coatcheck.core.refusals import refuse
from coatcheck.core.session import NEVER, STAMP, Record, Session, copy_in
from coatcheck.core.session_copies import SessionCopies
from coatcheck.core.settings import CacheSettings
from coatcheck.core.times import duration_micros, duration_nanos, from_micros
from coatcheck.core.tokens import Token, TokenHash, new_token
from coatcheck.core.transport import Transport
from coatcheck.core.users import user_json
from coatcheck.errors import ConfigurationError, DataError, LimitReached
from coatcheck.fork import after_fork
from coatcheck.hooks import EventHook
from coatcheck.stores.base import Full, NewSession, Renewal, Rotation, Selection, SessionChange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.answers import Source
    from coatcheck.core.events import Event
    from coatcheck.core.health import Health
    from coatcheck.core.imported import ImportedTokens
    from coatcheck.core.settings import SharedCacheSettings
    from coatcheck.core.users import User
    from coatcheck.stores.async_protocol import AsyncRetires, AsyncStore
    from coatcheck.stores.base import Ended, Reading
    from coatcheck.stores.users import UsersTable

_new = object.__new__

_LARGEST_PAGE = 1000

_JITTER = 1_000_000
"""Microseconds; a clock that goes back by more was set back."""


class AsyncSessions:
    """Server-side sessions, validated from memory and revoked everywhere at once.

    A token is what the client presents: text, bytes or a `Token`. Every method that can write takes
    `connection`: a connection of the caller to the same database, inside a transaction, with which the write
    commits or vanishes.
    """

    def __init__(
        self,
        store: AsyncStore | str,
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
            store: A store, or a URL such as `sqlite:///app.db` or `postgresql://user:password@host/database`.
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
        self.tiers = AsyncTiers(
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
        self._clock = self.tiers.clock
        self._log = self.tiers.log
        self.imported = imported
        hashed = token_hash or TokenHash(purpose=purpose)
        self._credentials = Credentials(hashed, self.tiers.ring(purpose), imported)
        self._purpose = purpose
        self._load_users = load_users
        self._events = EventHook(on_event, self.now)
        self._latest = 0
        self._check_capabilities()
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
        self._reads: AsyncCachedReads[bytes, Reading] = AsyncCachedReads(
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
    def store(self) -> AsyncStore:
        """The authority."""
        return self.tiers.store

    @property
    def shared_cache_settings(self) -> SharedCacheSettings:
        """The settings of the cache between the processes."""
        return self.tiers.shared_settings

    @property
    def _retires(self) -> AsyncRetires | None:
        """The store, where tokens are rotated from time to time."""
        return None if self.policy.rotate_after is None else cast("AsyncRetires", self.store)

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

    async def open(self) -> Self:
        """Verify, and where configured create, the tables; a wrong configuration fails here.

        Raises:
            ConfigurationError: The database can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        await self.tiers.open()
        return self

    async def aclose(self) -> None:
        """Write pending touches and close all connections."""
        await self._touches.close()
        await self.tiers.aclose()

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
        # Session(copy) without the call of __init__, which is a tenth of it all
        session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    async def get(self, token: str | bytes | Token | None, *, connection: Any = None) -> Session | NotSignedIn:
        """Validate a token.

        Returns:
            The session, or why nobody is signed in.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        presented = token if type(token) is bytes else presented_bytes(token)
        if connection is None:
            copy = self._reads.lookup(key_hash(presented).digest()[:KEY_SIZE])
            if copy is None:
                return (await self.ask(presented)).answer
            session = _new(Session)
            session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return session
        token_hash = self._credentials.hash_of(presented)
        if isinstance(token_hash, NotSignedIn):
            return token_hash
        reading = await self._with_user(await self.store.read(token_hash, connection=connection))
        await self._noticed(token_hash, reading, connection)
        return self._judged(reading, None)

    async def ask(self, token: bytes) -> Validated:
        """Validate a token that `lookup` had no answer for, and say which tier answered in the end.

        It is the memory, when a look at the log was all that was missing, and none for a token that cannot be ours.

        Raises:
            Unavailable: Nobody can tell: the store did not answer.
        """
        token_hash = self._credentials.hash_of(token)
        if isinstance(token_hash, NotSignedIn):
            return Validated(token_hash, None)
        key = key_of(token)
        if self._ahead.able and self._ahead.is_due(in_memory=self._reads.cache.get(key) is not None):
            ahead = await self._ahead.read(token_hash)
            if ahead is not None:
                reading = await self._with_user(ahead)
                self._reads.keep_here(key, reading)  # whoever needs it has to ask the log anyway
                return await self._validated(token, token_hash, reading)
        nearby = (lambda: self._read_nearby(token_hash)) if self.store.capabilities.replica else None
        answer, source = await self._reads.get(key, lambda _: self._read(token_hash), nearby)
        if isinstance(answer, bytes):
            return Validated(Session(answer), source)
        return await self._validated(token, token_hash, answer, source)

    async def _validated(
        self, token: bytes, token_hash: bytes, reading: Reading, source: Source = "store"
    ) -> Validated:
        await self._noticed(token_hash, reading)
        answer = self._judged(reading, token)
        return Validated(answer, source, due=bool(answer) and self._copies.is_due(reading))

    async def _noticed(self, token_hash: bytes, reading: Reading, connection: Any = None) -> None:
        """Act on the use of a retired token after its grace (rule L17); the store sees to it that it is done once."""
        retired, store = reading.retired, self._retires
        if retired is None or store is None or reading.now < retired.until * 1000:
            return
        end = self.policy.on_reuse == "end"
        ended = await store.reuse(token_hash, end=end, connection=connection)
        if ended is None:
            return
        if end:
            self.tiers.changed(connection)
        self._events.emit("reused", ended.id, ended.user_id, "ended" if end else "")

    async def _read(self, token_hash: bytes) -> Reading:
        return await self._with_user(await self.store.read(token_hash))

    async def _read_nearby(self, token_hash: bytes) -> Reading | None:
        reading = await self.store.read_nearby(token_hash)
        if reading is None:
            return None
        # Expiry is judged by the authority's clock, and a replica's host has another one.
        return (await self._with_user(reading))._replace(now=self._log.now())

    def _judged(self, reading: Reading, presented: bytes | None) -> Session | NotSignedIn:
        record = reading.record
        if record is None:
            return NotSignedIn.UNKNOWN
        if reading.now >= record.ends_at() * 1000:
            return NotSignedIn.EXPIRED
        copy = self._copies.copy_of(reading, record, self._copies.ttl)
        if presented is not None and reading.now >= STAMP.unpack_from(copy)[2]:
            self._touches.note(key_of(presented), copy, reading.now)
        return Session(copy)

    async def recheck(self, session: Session, presented: bytes = b"") -> Session | NotSignedIn:  # noqa: ARG002
        """Validate again a session that was read earlier, such as the one of an open WebSocket.

        Args:
            session: The session.
            presented: Its token then, by which others are asked; here it may have got another since.

        Returns:
            The session itself if the log proves that nothing has changed; otherwise what the store says.

        Raises:
            Unavailable: The store did not answer.
        """
        await self._log.prove()
        if self._reads.admits(b"", copy_in(session)):
            return session
        reading = await self._with_user(await self.store.find(session.id))
        return self._judged(reading, None)

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

    def now(self) -> datetime:
        """Return the time by which sessions are created and judged, in UTC: the store's, as far as it is known."""
        return from_micros(self._log.best_now() // 1000)

    async def health(self) -> Health:
        """Say how every part is: by what is known, and by asking the store if nothing is. Never raises."""
        return await self.tiers.health(
            self._copies.places("health", b""),
            {"entries": len(self._reads.cache), "max_entries": self.cache_settings.max_entries},
        )

    @property
    def token_hash(self) -> TokenHash:
        """How tokens are hashed."""
        return self._credentials.token_hash

    @property
    def signing_keys(self) -> int:
        """How many keys sign and verify tokens; 0 when tokens are not signed."""
        return self._credentials.signing_keys

    @property
    def reads(self) -> AsyncCachedReads[bytes, Reading]:
        """The caches in front of the store."""
        return self._reads

    @property
    def has_shared_cache(self) -> bool:
        """Whether copies are shared between processes."""
        return self.tiers.shared is not None

    @property
    def events(self) -> EventHook:
        """Where events are told."""
        return self._events

    def secrets(self, context: bytes) -> tuple[bytes, ...]:
        """Return keys for something else that clients hold, made of the configured ones in their order; or none."""
        return self.tiers.secrets(self._purpose, context)

    @property
    def notes_clients(self) -> bool:
        """Whether a new address or browser is noted: somebody listens to events."""
        return self._events.wanted

    # --- beginning and continuing

    def new_token(self) -> Token:
        """Make a token for a session that is about to be created (rule T1); until then nobody is signed in by it."""
        return self._credentials.issued(new_token())

    async def create(
        self,
        user_id: str | None,
        *,
        ip: str | None = None,
        user_agent: str | None = None,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        idle_timeout: timedelta | None = None,
        lifetime: timedelta | None = None,
        methods: Sequence[str] = (),
        acr: str | None = None,
        actor_id: str | None = None,
        replaces: str | bytes | Token | None = None,
        token: Token | None = None,
        connection: Any = None,
    ) -> Created:
        """Begin a session under a new token.

        Args:
            user_id: Who has signed in; None for an anonymous visitor with something to store.
            ip: The client's address.
            user_agent: The browser's description of itself.
            data: The application's data: JSON, with text keys.
            remember: Whether the policy's second pair of durations applies, and a persistent cookie.
            idle_timeout: Instead of the policy's.
            lifetime: Instead of the policy's.
            methods: How the user has just proved who they are, by the names of RFC 8176 such as "pwd" and "otp".
            acr: The level of that, as an identity provider or the application calls it.
            actor_id: Who will act as the user, if it is somebody else: a support case, never hidden.
            replaces: The token the client held until now: its session ends in the same transaction, and of an
                anonymous one the keys in `policy.carry_over` move along.
            token: One from `new_token`, for frameworks that have to name it before the session is written, and that no
                client has presented yet (rule T6); None makes one. It may be the one that is replaced.
            connection: The caller's own connection.

        Raises:
            DataError: The data is not JSON or too large, the user does not exist, or the token is none of ours.
            LimitReached: The user has too many sessions, and the policy evicts none.
            Unavailable: The store did not answer.
        """
        limit = self.policy.limit_for(user_id)
        now = await self._now()
        record = new_record(
            user_id,
            now,
            remember=remember,
            idle=idle_timeout or self.policy.idle_for(remember=remember),
            lifetime=lifetime or self.policy.lifetime_for(remember=remember),
            ip=ip,
            user_agent=user_agent,
            data=data_json(data or {}, self.policy.max_data_bytes),
            authentication=checked(methods, acr, actor_id, now),
        )
        token = token or self.new_token()
        token_hash = self._credentials.hash_of(presented_bytes(token))
        if isinstance(token_hash, NotSignedIn):
            msg = "token= is none that new_token() has made"
            raise DataError(msg)
        old = self._credentials.hash_of(presented_bytes(replaces))
        new = NewSession(
            token_hash,
            record,
            limit,
            self.policy.when_full,
            old if isinstance(old, bytes) else None,
            self.policy.carry_over,
        )
        try:
            result = await self.store.create(new, connection=connection)
        except Full as full:
            asked = full.records if self.policy.when_full == "ask" else ()
            raise LimitReached(full.limit, tuple(map(self._session, asked))) from None
        if result.replaced is not None or result.evicted:
            self.tiers.changed(connection)
        self._events.emit("created", record.id, user_id)
        if result.replaced is not None:
            self._events.emit("revoked", result.replaced.id, result.replaced.user_id, "replaced")
        for evicted in result.evicted:
            self._events.emit("evicted", evicted.id, evicted.user_id)
        session = self._session(await self._described(result.record))
        return Created(session, token, tuple(map(self._session, result.evicted)))

    async def rotate(
        self,
        token: str | bytes | Token,
        *,
        reauthenticated: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        connection: Any = None,
    ) -> Rotated | NotSignedIn:
        """Give a session a new token; the old one is dead at once (rule L1).

        Args:
            token: The token until now.
            reauthenticated: Whether the user has just proved again who they are, which starts both timers anew.
                Rotation alone moves neither (rule L5).
            methods: How they have proved it. Methods that were used before keep the time at which they were (rule A2).
            acr: The level of that; None leaves what there was.
            connection: The caller's own connection.
        """
        old = self._credentials.hash_of(presented_bytes(token))
        if isinstance(old, NotSignedIn):
            return old
        fresh = new_token()
        rotation = Rotation(old, self._credentials.hash_of_new(fresh))
        if reauthenticated or methods:
            rotation = await self._restarted(rotation, methods, acr, connection)
        record = await self.store.rotate(rotation, connection=connection)
        if record is None:
            return NotSignedIn.UNKNOWN
        self.tiers.changed(connection)
        self._events.emit("rotated", record.id, record.user_id, "reauthenticated" if rotation.authenticated_at else "")
        return Rotated(self._session(await self._described(record)), self._credentials.issued(fresh))

    async def renew_token(self, token: str | bytes | Token, *, connection: Any = None) -> Rotated | NotSignedIn:
        """Give a session its next token in a periodic rotation; the old one stays good for `policy.rotation_grace`.

        All who ask for it in that time get the same new token (rule L16). Neither timer moves, and nothing that the
        session says (rules L5, A4). The middleware does so when `policy.rotate_after` says that a cookie is due.

        Args:
            token: The token until now, or one that is in its grace already.
            connection: The caller's own connection.

        Returns:
            The session and its token; UNKNOWN when this one is neither the session's nor in its grace. That is no sign
            of a theft: a request may have been slow.

        Raises:
            ConfigurationError: `policy.rotate_after` is not set.
            Unavailable: The store did not answer.
        """
        if self._retires is None:
            refuse(
                "rotate_after", None, "set it, such as to timedelta(hours=1): nobody notices retired tokens otherwise"
            )
        presented = presented_bytes(token)
        made = self._credentials.succession(presented)
        if isinstance(made, NotSignedIn):
            return made
        renewal = Renewal(*made, duration_micros(self.policy.rotation_grace))
        renewed = await self._retires.renew(renewal, connection=connection)
        if renewed is None:
            return NotSignedIn.UNKNOWN
        record = renewed.record
        if renewed.fresh:
            self.tiers.changed(connection)
            self._events.emit("rotated", record.id, record.user_id, "periodic")
        return Rotated(self._session(await self._described(record)), self._credentials.opened(renewed.seal, presented))

    async def _restarted(
        self, rotation: Rotation, methods: Sequence[str], acr: str | None, connection: Any
    ) -> Rotation:
        reading = await self.store.read(rotation.old_hash, connection=connection)
        if reading.record is None:
            return rotation
        now, record = reading.now // 1000, reading.record
        lifetime = None if record.expires_at is None else timedelta(microseconds=record.expires_at - _started(record))
        ends = expiries(now, timedelta(microseconds=record.idle_timeout), lifetime)
        proofs = authentication_of(record.authentication).renewed(methods, acr, now)
        return rotation._replace(
            authenticated_at=now,
            idle_expires_at=ends.idle_expires_at,
            expires_at=ends.expires_at,
            authentication=proofs.text(),
        )

    async def save(
        self,
        session: Session,
        changes: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        idle_timeout: timedelta | None = None,
        expires_at: datetime | None = None,
        connection: Any = None,
    ) -> Session | NotSignedIn:
        """Change keys of a session's data; other keys stay as whoever wrote them left them (rule S8).

        Args:
            session: The session, as it was read.
            changes: Keys to set.
            remove: Keys to remove.
            idle_timeout: A new idle timeout, which begins now.
            expires_at: A new absolute end; aware. None leaves it: saving alone never moves it (rule L4).
            connection: The caller's own connection.

        Returns:
            The session as it is now, or UNKNOWN when it has ended meanwhile: nothing brings it back.

        Raises:
            DataError: The data would not be JSON, or larger than `policy.max_data_bytes`; or a time is not possible.
        """
        data_json(changes, self.policy.max_data_bytes)
        change = SessionChange(session.id, changes, tuple(remove), self.policy.max_data_bytes)
        if idle_timeout is not None or expires_at is not None:
            change = change._replace(**changed_times(await self._now(), idle_timeout, expires_at))
        record = await self.store.save(change, connection=connection)
        if record is None:
            return NotSignedIn.UNKNOWN
        self.tiers.changed(connection)
        return self._session(await self._described(record))

    async def note_client(self, session: Session, *, ip: str | None, user_agent: str | None) -> bool:
        """Note that a session is used from a new address or browser: a signal, never a lock-out (rule S16).

        Returns:
            True for the one caller who noted the change; it has raised the event "client_changed".
        """
        address = None if ip is None else canonical_address(ip)
        noted = await self.store.relocate(session.id, address, printable(user_agent))
        if noted:
            self.tiers.changed(None)
            self._events.emit("client_changed", session.id, session.user_id, address or "")
        return noted

    async def flush(self) -> int:
        """Write pending touches now; returns how many sessions were confirmed."""
        return await self._touches.flush()

    async def finish(self) -> None:
        """Finish what was left for later: pending touches, values being loaded, copies for the shared cache."""
        await self.flush()
        await self.tiers.finish()

    # --- ending

    # With `wait`, each of these returns when no worker anywhere can accept what has ended: on SQLite at once, with a
    # server after a lease. It cannot wait for the caller's own transaction to commit.

    async def revoke(self, token: str | bytes | Token, *, wait: bool = False, connection: Any = None) -> bool:
        """End the session of a token; returns whether there was one."""
        token_hash = self._credentials.hash_of(presented_bytes(token))
        if isinstance(token_hash, NotSignedIn):
            return False
        selection = Selection(token_hash=token_hash)
        if await self._end(selection, connection, wait=wait):
            return True
        # Another request may just have given it the next token; from then on this one leads there.
        return self._retires is not None and bool(await self._end(selection, connection, wait=wait))

    async def revoke_by_id(
        self, session_id: str, *, user_id: str | None, wait: bool = False, connection: Any = None
    ) -> bool:
        """End a session by its public id, if it belongs to the user (rule L14).

        Args:
            session_id: The public id.
            user_id: Its owner. None, which an anonymous visitor's session has, owns nothing.
            wait: Whether to return only when nobody can accept it any more.
            connection: The caller's own connection.
        """
        if user_id is None:
            return False
        return bool(await self._end(Selection(session_id=session_id, user_id=user_id), connection, wait=wait))

    async def revoke_any(self, session_id: str, *, wait: bool = False, connection: Any = None) -> bool:
        """End a session by its public id, whoever's it is; for administrators."""
        return bool(await self._end(Selection(session_id=session_id), connection, wait=wait))

    async def revoke_others(self, session: Session, *, wait: bool = False, connection: Any = None) -> int:
        """End all sessions of the session's user but this one; returns how many."""
        if session.user_id is None:
            return 0
        return len(await self._end(Selection(user_id=session.user_id, keep=session.id), connection, wait=wait))

    async def revoke_user(self, user_id: str, *, wait: bool = False, connection: Any = None) -> int:
        """End all sessions of a user, as when their account is closed (rule L11); returns how many."""
        return len(await self._end(Selection(user_id=user_id), connection, wait=wait))

    async def revoke_everyone(self, *, wait: bool = False, connection: Any = None) -> int:
        """End every session there is; returns how many there were (rule L13)."""
        self.tiers.check_wait(connection, wait=wait)
        count = await self.store.revoke_everyone(connection=connection)
        self.tiers.changed(connection)
        self._events.emit("revoked", None, None, "everyone", sessions=count)
        await self.tiers.settled(wait=wait)
        return count

    async def _end(self, selection: Selection, connection: Any, *, wait: bool) -> Sequence[Ended]:
        self.tiers.check_wait(connection, wait=wait)
        ended = await self.store.revoke(selection, connection=connection)
        self.tiers.changed(connection)
        for session_id, user_id in ended:
            self._events.emit("revoked", session_id, user_id)
        await self.tiers.settled(wait=wait)
        return ended

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Make every process read a user's name, email and role again; for `load_users`, which has no triggers."""
        await self.store.invalidate_user(user_id, connection=connection)
        self.tiers.changed(connection)

    # --- looking around and cleaning up

    async def list(self, user_id: str, *, limit: int = 50, connection: Any = None) -> Sequence[Session]:
        """List a user's live sessions, newest first."""
        records = await self.store.list_sessions(user_id, _page_size(limit), connection=connection)
        return await self._sessions(records)

    async def list_active(self, *, limit: int = 200, connection: Any = None) -> Sequence[Session]:
        """List the live sessions of all users, latest activity first."""
        records = await self.store.list_sessions(None, _page_size(limit), connection=connection)
        return await self._sessions(records)

    async def find(self, session_id: str) -> Session | None:
        """Return a live session by its public id; for administrators."""
        reading = await self._with_user(await self.store.find(session_id))
        return self._judged(reading, None) or None

    async def sweep(self, *, batch: int = 1000, progress: Callable[[int], object] | None = None) -> int:
        """Delete expired sessions and old log entries, in bounded batches, while others go on working.

        Args:
            batch: How many rows one transaction deletes at the most.
            progress: Called after each batch with the number deleted so far.

        Returns:
            How many sessions were deleted.

        Raises:
            DataError: The batch is not at least one row.
        """
        if batch < 1:
            msg = f"batch={batch} is not possible: use 1 or more, such as 1000"
            raise DataError(msg)
        total = 0
        while True:
            ended = await self.store.sweep(batch)
            for session_id, user_id in ended:
                self._events.emit("expired", session_id, user_id)
            total += len(ended)
            if progress is not None:
                progress(total)
            if len(ended) < batch:
                return total

    # --- helpers

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

    async def _sessions(self, records: Sequence[Record]) -> Sequence[Session]:
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


def _started(record: Record) -> int:
    return record.created_at if record.authenticated_at is None else record.authenticated_at


def _page_size(limit: int) -> int:
    if not 1 <= limit <= _LARGEST_PAGE:
        msg = f"limit={limit} is not possible: use 1 to {_LARGEST_PAGE}"
        raise DataError(msg)
    return limit
