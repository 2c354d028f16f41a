"""What a session of Django's knows of ours: pure, the same for threads and event loops."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.serializers import JSONSerializer

from coatcheck.actors import Actor
from coatcheck.core.addresses import client_address
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.policy import LONGEST
from coatcheck.core.session import Session, copy_in
from coatcheck.django.previous import token_of
from coatcheck.django.running import running
from coatcheck.errors import DataError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.tokens import Token

USER_KEY: Final = "_auth_user_id"
"""Where `django.contrib.auth` keeps who has signed in."""

EXPIRY_KEY: Final = "_session_expiry"
"""Where `set_expiry` keeps what it was given."""

_SHORTEST: Final = timedelta(seconds=1)


class Times(NamedTuple):
    """How long a session is to live from now on, by what the application has set for it.

    Attributes:
        idle_timeout: How long it may stay unused, or with Django's own rule unchanged.
        expires_at: When it ends whatever happens; None for the policy's lifetime.
    """

    idle_timeout: timedelta
    expires_at: datetime | None


class StoredSession(SessionBase):
    """The state of one request's session. Its key is the token, of which the store has a hash only."""

    _record: Session | None = None
    _ahead = False
    """Whether it was read for itself, and its data is still to be taken from it."""
    _planned = False
    """Whether the key is a name for a session that is not written yet."""
    _fresh = False
    """Whether the key was made here: no client has presented it."""
    _signed_in = False
    """Whether somebody has signed in by this request."""
    due = False
    """Whether the browser should get another key, in a periodic rotation."""
    outage: Unavailable | None = None
    """That the store could not be asked for this request."""
    unsent = False
    """Whether the session is stored as it is, and the browser has yet to be told its key."""
    joined = False
    """Whether the session has become another one inside of a transaction of Django's, which may have been undone."""
    _meta: Mapping[str, Any] | None = None

    if TYPE_CHECKING:

        def _get_session(self, *, no_load: bool = False) -> dict[str, Any]: ...

        async def _aget_session(self, *, no_load: bool = False) -> dict[str, Any]: ...

    def __init__(self, session_key: str | None = None) -> None:
        """Take the key of a cookie; nothing is read."""
        super().__init__(session_key)
        self._presented = session_key or None
        self.cookies_beside: dict[str, bytes] = {}
        """Further cookies that the response brings, by their names: each a value of Set-Cookie."""

    def seen_in(self, meta: Mapping[str, Any]) -> None:
        """Note the request's headers, which a new session takes address and browser from."""
        self._meta = meta

    @property
    def is_attended(self) -> bool:
        """Whether our middleware has seen the request, which alone sends the cookies beside the session's."""
        return self._meta is not None

    def noted(self, outage: Unavailable) -> None:
        """Remember an outage, whoever sees the exception; and not the exception itself, whose frames would live on."""
        self.outage = Unavailable(str(outage), retry_after=outage.retry_after)

    # --- being looked at

    @property
    def session_key(self) -> str | None:
        """The token; whoever reads it makes the response depend on the cookie (rule H1)."""
        self.accessed = True
        return self._session_key

    if hasattr(SessionBase, "__bool__"):  # Django 6.1

        def __bool__(self) -> bool:
            self.accessed = True
            return bool(self._session_key or self.__dict__.get("_session_cache"))

    def is_empty(self) -> bool:
        """Tell whether there is nothing: no session, and nothing to store.

        With SESSION_SAVE_EVERY_REQUEST the middleware writes whatever is not empty, and an unknown key is nothing (L9).
        """
        if django_settings.SESSION_SAVE_EVERY_REQUEST and self._session_key and not self._is_read():
            accessed = self.accessed
            self._get_session()
            self.accessed = accessed
        return not self._session_key and not self.__dict__.get("_session_cache")

    @property
    def record(self) -> Session | None:
        """The session as it was last read or written; None before, and when there is none."""
        return self._record

    @property
    def is_only_read(self) -> bool:
        """Whether there is a session, as far as is known, and nothing to be saved or to be said of it."""
        return not self.modified and self.outage is None and self._session_key is not None

    @property
    def has_known_key(self) -> bool:
        """Whether the key is the one that the browser has presented, where keys change from time to time."""
        key = self._session_key
        return key is not None and key == self._presented and running.wiring().settings.policy.rotate_after is not None

    @property
    def verifies_key(self) -> bool:
        """Whether a known key is to come once more, since its cookie could end before there is another one."""
        if not self.has_known_key:
            return False
        rotate_after = running.wiring().settings.policy.rotate_after
        age = timedelta(seconds=self.get_session_cookie_age())
        cache = self.__dict__.get("_session_cache", {})
        return EXPIRY_KEY in cache or (rotate_after is not None and rotate_after >= age)

    async def aread_quietly(self) -> None:
        """Read the session ahead, which does not count as a look at it."""
        accessed = self.accessed
        await self._aget_session()
        self.accessed = accessed

    def _is_read(self) -> bool:
        return "_session_cache" in self.__dict__

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._signed_in |= key == USER_KEY

    async def aset(self, key: str, value: Any) -> None:
        """Set a key."""
        await super().aset(key, value)
        self._signed_in |= key == USER_KEY

    # --- what is to be stored

    def _began(self, record: Session, key: Token | None = None) -> None:
        """Note how the session is stored now, and by which key."""
        self._record, self._planned = record, False
        if key is not None:
            self._session_key, self._fresh = key.reveal(), True

    def _plan(self, sessions: Sessions | AsyncSessions) -> None:
        """Name a session that is written when it is saved."""
        self._session_key, self._fresh, self._planned = sessions.new_token().reveal(), True, True
        self._record = None

    def take_up(self, record: Session, key: Token) -> None:
        """Be another session from now on, as it is stored."""
        self._began(record, key)
        self._session_cache = self._decoded(record)
        self._ahead = self._signed_in = self.due = False
        self.accessed = True
        self.is_saved()

    def is_saved(self) -> None:
        """Note that nothing is left to be saved, and that the response is to bring the key."""
        self.modified, self.unsent = False, True

    def _undo(self) -> None:
        """Be again what the browser has presented: its session, and the cookies beside it, are what they were."""
        self._forget()
        self.__dict__.pop("_session_cache", None)
        self.cookies_beside.clear()
        self._session_key = self._presented
        self.modified = self.unsent = False

    def _forget(self) -> None:
        self._record, self._ahead, self._planned, self._fresh = None, False, False, False

    def _token(self, sessions: Sessions | AsyncSessions) -> Token:
        return token_of(self._session_key or "", sessions)

    def _plain(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return data as the JSON it becomes.

        Raises:
            DataError: SESSION_SERIALIZER makes no JSON of it (rule S1).
        """
        try:
            plain: Any = json.loads(self.serializer().dumps(dict(data)))
        except (UnicodeDecodeError, json.JSONDecodeError):
            plain = None
        if not isinstance(plain, dict):
            name = django_settings.SESSION_SERIALIZER
            msg = f"SESSION_SERIALIZER={name!r} is not possible: it has to make JSON objects, as JSONSerializer does"
            raise DataError(msg)
        return cast("dict[str, Any]", plain)

    def _decoded(self, record: Session) -> dict[str, Any]:
        if self.serializer is JSONSerializer:
            return dict(record.data)
        decoded: dict[str, Any] = self.serializer().loads(json.dumps(dict(record.data)).encode())
        return decoded

    def _changes(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return which keys differ from what was stored, and which are not there any more (rule S8)."""
        # Read anew from the bytes: what the view holds may have been changed in place.
        before: Mapping[str, Any] = {} if self._record is None else Session(copy_in(self._record)).data
        changes = {key: value for key, value in data.items() if key not in before or before[key] != value}
        return changes, [key for key in before if key not in data]

    def _user_of(self, data: Mapping[str, Any]) -> str | None:
        user = data.get(USER_KEY)
        return None if user is None else str(user)

    def _carried(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what moves along when somebody signs in: all, as Django has it, or what the policy names (rule L2)."""
        allowed = running.wiring().settings.policy.carry_over
        record = self._record
        if not allowed or record is None or record.user_id is not None:
            return data
        before = Session(copy_in(record)).data
        return {
            key: value
            for key, value in data.items()
            if key.startswith("_") or key in allowed or key not in before or before[key] != value
        }

    def _times(self, data: Mapping[str, Any]) -> Times | None:
        """Return how long the session is to live; None when its time is over."""
        expiry = data.get(EXPIRY_KEY)
        if isinstance(expiry, str):
            end = self._aware(datetime.fromisoformat(expiry))
            left = min(end - datetime.now(UTC), LONGEST)
            return Times(left, datetime.now(UTC) + left) if left >= _SHORTEST else None
        wiring = running.wiring()
        policy = wiring.settings.policy
        usual = policy.idle_timeout if wiring.idle_is_own else timedelta(seconds=self.get_session_cookie_age())
        idle = min(timedelta(seconds=expiry) if expiry else usual, LONGEST)
        if idle < _SHORTEST:
            return None
        longer = policy.lifetime is not None and idle > policy.lifetime
        return Times(idle, datetime.now(UTC) + idle if longer else None)

    def _aware(self, moment: datetime) -> datetime:
        return moment.astimezone(UTC)  # without USE_TZ it is in the system's local time

    def _lifetime(self, times: Times) -> timedelta | None:
        return None if times.expires_at is None else max(_SHORTEST, times.expires_at - datetime.now(UTC))

    def _new_ends(self, times: Times, changes: Mapping[str, Any], removed: list[str]) -> dict[str, Any]:
        """Return what saving moves, as arguments of `save`: nothing where somebody acts as the user."""
        if self._record is not None and self._record.actor_id is not None:
            return {}
        return {"idle_timeout": times.idle_timeout, "expires_at": self._new_end(times, changes, removed)}

    def _new_end(self, times: Times, changes: Mapping[str, Any], removed: list[str]) -> datetime | None:
        """Return the absolute end of a session that is there, if the application has just changed it.

        Saving alone never moves it (rule L4), and giving back a shorter time never makes it longer.
        """
        if EXPIRY_KEY not in changes and EXPIRY_KEY not in removed:
            return None
        policy, record = running.wiring().settings.policy, self._record
        if times.expires_at is not None or record is None or policy.lifetime is None:
            return times.expires_at
        return (record.authenticated_at or record.created_at) + policy.lifetime

    # --- the request

    def _current(self) -> Session | NotSignedIn:
        """Return the session as far as it was read."""
        if self._record is not None:
            return self._record
        return NotSignedIn.UNKNOWN if self._presented else NotSignedIn.NO_TOKEN

    def actor(self) -> Actor:
        """Return who acts in the request, as far as its session was read: for the audit trail."""
        address = self._client().get("ip")
        record = None if self._signed_in else self._record
        return Actor(address=address) if record is None else Actor(record.actor_id, address, record.user_id)

    def _client(self) -> dict[str, str | None]:
        """Return address and browser, as the arguments of `create`."""
        return {} if self._meta is None else client_of(self._meta)


def client_of(meta: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the address and the browser that a request comes from."""
    forwarded = meta.get("HTTP_X_FORWARDED_FOR")
    lines = () if forwarded is None else (str(forwarded).encode("latin-1", "replace"),)
    hops = running.wiring().trusted_hops
    return {
        "ip": client_address(meta.get("REMOTE_ADDR") or None, lines, hops),
        "user_agent": meta.get("HTTP_USER_AGENT"),
    }


def note_outage(session: object, outage: Unavailable) -> None:
    """Have a session remember an outage, so that the middleware knows of it."""
    if isinstance(session, StoredSession):
        session.noted(outage)
