# Generated from django/async_engine.py by tools/generate_sync.py: edit that, run `make generate`.
"""The verbs of Django's engines for threads, on `Sessions`. Generated from the asyncio side."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from coatcheck._sync.impersonation import Impersonation
from coatcheck.core.credentials import presented_bytes
from coatcheck.django import previous
from coatcheck.django._pair import entry, open_sessions, to_read, to_write, together
from coatcheck.django.cookies import cookie_settings, forgotten
from coatcheck.django.running import running
from coatcheck.django.stored import StoredSession
from coatcheck.errors import CoatcheckError, DataError, Unavailable
from coatcheck.web.waiting_cookie import cookie_name

if TYPE_CHECKING:
    from datetime import datetime

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session
    from coatcheck.django.stored import Times

_log = logging.getLogger("coatcheck")

_ENDED = "the session has ended, as by a sign-out in a concurrent request"


def _here(session: Session | NotSignedIn | None) -> Session | None:
    """Return a session that is good on whatever device: nobody can tell here whether a request comes from its own."""
    return session if session and not session.device_bound else None


class Engine(StoredSession):
    """What reaches the store.

    A session that has ended is never brought back: whoever is late gets UpdateError, which Django's middleware makes
    a 400 (rule L8). A store that does not answer raises Unavailable, and nothing of the session is given up.
    """

    @entry
    def load(self) -> dict[str, Any]:
        """Return the data of the session with this key; without one the key is dropped, and never taken over (T6)."""
        key = self._session_key
        record = self._record if self._ahead else self._read(key)
        if record is None and key is not None and previous.is_key(key):
            record = self._take_over(key)
        self._forget()
        if record is None:
            self._session_key = None
            return {}
        self._record = record
        return self._decoded(record)

    @entry
    def current(self) -> Session | NotSignedIn:
        """Return the session that the store has for this request, or why there is none.

        Raises:
            Unavailable: The store did not answer; our middleware makes it a 503.
        """
        self.accessed = True
        if not self._is_read() and not self._ahead:
            # Without its data, which nobody has asked for.
            self._record = self._read(self._session_key)
            self._ahead = self._record is not None
        if not self._ahead:
            self._get_session()
        return self._current()

    @entry
    def exists(self, session_key: str | None) -> bool:
        """Tell whether there is a session with this key."""
        return self._read(session_key) is not None

    def _read(self, session_key: str | None) -> Session | None:
        if not session_key:  # nothing is nobody's key (rule L10)
            return None
        sessions = open_sessions()
        token = previous.token_of(session_key, sessions) if len(session_key) == previous.LENGTH else session_key
        connection = to_read()
        if connection is not None:
            return _here(sessions.get(token, connection=connection))
        presented = presented_bytes(token)
        found = sessions.lookup(presented)
        if found is None:
            validated = sessions.ask(presented)
            found = validated.answer or None
            self.due |= validated.due and session_key == self._session_key
        return _here(found)

    def _take_over(self, key: str) -> Session | None:
        """Move a session here that the engine before has; it is there no more, so it cannot come back (I3)."""
        sessions = open_sessions()
        old = previous.store(key)
        try:
            data = old.load()
            if not data or not old.session_key:
                return None
            new = previous.moved(key, self._plain(data), self._user_of(data), self._end_of(old, key), sessions)
            with together():
                if new is not None:
                    sessions.store.create(new, connection=to_write())
                old.delete(key)
        except DataError as error:
            # Somebody else was quicker; or it is too large, or no JSON, and its user has to sign in again.
            _log.info("coatcheck.not_taken_over", extra={"reason": str(error)})
        running.doubt()
        return self._read(key)

    def _end_of(self, old: Any, key: str) -> datetime:
        """Return when a session of the engine before ends: as its row says, if it has one."""
        if hasattr(old, "get_model_class"):
            row = old.get_model_class().objects.filter(session_key=key).first()
            if row is not None:
                return self._aware(row.expire_date)
        return self._aware(old.get_expiry_date(expiry=old.get("_session_expiry")))

    @entry
    def create(self) -> None:
        """Write a new session under a new key, with what was set so far."""
        self._plan(open_sessions())
        self.save(must_create=True)
        self.modified = True

    @entry
    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write what has changed: keys that others changed meanwhile stay as they are (rule S8).

        Raises:
            UpdateError: The session has ended meanwhile.
            CreateError: There is a session with this key already.
            LimitReached: The user has too many sessions, and the policy evicts none.
            Unavailable: The store did not answer.
        """
        data = None if self._session_key is None else self._get_session(no_load=must_create)
        if data is None or self._session_key is None:  # there was none, or it turned out that there is none
            self.create()
            return
        sessions = open_sessions()
        plain = self._plain(data)
        times = self._times(plain)
        if times is None:
            self._end(sessions)
        elif self._planned or must_create:
            self._insert(sessions, plain, times)
        elif self._record is None:
            raise UpdateError(_ENDED)
        elif self._user_of(plain) != self._record.user_id:
            self._change_user(sessions, plain, times)
        else:
            self._update(sessions, self._record, plain, times)
        self._signed_in = False
        running.doubt()

    def _end(self, sessions: Sessions) -> None:
        """End a session whose time is over by what the application has set; it need not be written first."""
        if not self._planned:
            sessions.revoke(self._token(sessions), connection=to_write())
        self._forget()

    def _insert(self, sessions: Sessions, data: dict[str, Any], times: Times, **how: Any) -> None:
        more: dict[str, Any] = {"token": self._token(sessions), **self._client(), **how}
        try:
            created = sessions.create(
                self._user_of(data),
                data=data,
                idle_timeout=times.idle_timeout,
                lifetime=self._lifetime(times),
                connection=to_write(),
                **more,
            )
        except DataError as error:
            if not self._planned and not how:
                raise CreateError from error
            raise
        self._began(created.session, created.token)

    def _change_user(self, sessions: Sessions, data: dict[str, Any], times: Times) -> None:
        """Somebody has signed in or out: that is another session, in the place of this one and in one transaction.

        Its key is new, unless it was made in this request and no client has seen it (rule L1).
        """
        if not sessions.get(self._token(sessions), connection=to_read()):
            raise UpdateError(_ENDED)
        token = self._token(sessions) if self._fresh else sessions.new_token()
        self._insert(sessions, self._carried(data), times, replaces=self._token(sessions), token=token)

    def _update(self, sessions: Sessions, record: Session, data: dict[str, Any], times: Times) -> None:
        if self._signed_in:  # once more, by the same user
            rotated = sessions.rotate(self._token(sessions), reauthenticated=True, connection=to_write())
            if not rotated:
                raise UpdateError(_ENDED)
            self._began(rotated.session, rotated.token)
            record = rotated.session
        changes, removed = self._changes(data)
        ends = self._new_ends(times, changes, removed)
        if not changes and not removed and (running.wiring().slides or not ends):
            saved = self._recheck(sessions, record)  # its use is noted already, and nothing else has happened
        else:
            saved = sessions.save(record, changes, remove=removed, connection=to_write(), **ends)
        if not saved:
            raise UpdateError(_ENDED)
        self._began(saved)

    def _recheck(self, sessions: Sessions, record: Session) -> Session | NotSignedIn:
        """Tell whether the session is still there; what a transaction has yet to commit is seen by it alone."""
        connection = to_read()
        if connection is None:
            return sessions.recheck(record)
        return sessions.get(self._token(sessions), connection=connection)

    @entry
    def cycle_key(self) -> None:
        """Give the session a new key; the old one is dead at once (rule L1).

        Raises:
            SessionInterrupted: The session has ended meanwhile; Django answers 400.
        """
        self._get_session()
        sessions = open_sessions()
        if self._session_key is None:
            self._plan(sessions)
        elif not self._planned:
            rotated = sessions.rotate(self._token(sessions), connection=to_write())
            if not rotated:
                raise SessionInterrupted(_ENDED)
            self._began(rotated.session, rotated.token)
            running.doubt()
        self.modified = True

    @entry
    def renew(self) -> bool:
        """Get the browser's next key, if it is due (rule L16), and tell whether there is one; nothing is saved by it.

        A failure costs nothing, for the old key is good still; the next reading of the session tries again.
        """
        due, self.due = self.due, False
        if not due or self._record is None or self._fresh:
            return False
        sessions = open_sessions()
        try:
            renewed = sessions.renew_token(self._token(sessions), connection=to_write())
        except CoatcheckError as error:
            _log.warning("coatcheck.rotation_failed", extra={"reason": str(error)})
            return False
        if renewed:
            self._session_key = renewed.token.reveal()
        running.doubt()
        return bool(renewed)

    @entry
    def look_again(self) -> None:
        """Find out whether the browser is to get another key instead of the one that it has presented."""
        self._read(self._session_key)

    @entry
    def delete(self, session_key: str | None = None) -> None:
        """End a session, by default this one; other processes refuse it as soon."""
        key = session_key or self._session_key
        if not key:
            return
        sessions = open_sessions()
        own = key == self._session_key and not self._planned
        # Read where nobody has looked yet: it may be one in which somebody acts, who must not stay behind.
        record = (self._record or self._read(key)) if own else None
        if record is not None and record.actor_id is not None:
            self._leave(sessions, record)
        elif record is not None:
            # By its id: a parallel request may have given it another key meanwhile.
            sessions.revoke_any(record.id, connection=to_write())
        else:
            sessions.revoke(previous.token_of(key, sessions), connection=to_write())
        if previous.is_key(key):
            previous.store(key).delete(key)
        if key == self._session_key:
            self._record = None
        running.doubt()

    def _leave(self, sessions: Sessions, record: Session) -> None:
        """End a session in which somebody acts, and theirs: nothing waits in the browser for whoever comes next."""
        if sessions.store.capabilities.impersonates:
            Impersonation(sessions).sign_out(record, connection=to_write())
        else:
            sessions.revoke_any(record.id, connection=to_write())
        if self.is_attended:
            name = cookie_name(cookie_settings(), "actor")
            self.cookies_beside[name] = forgotten(name)

    @entry
    def settle(self) -> None:
        """Find out, when the response begins, whether the transaction was undone in which the session changed places.

        Then the browser's cookies are good as they are, and what the response would bring it is not.
        """
        self.joined = False
        running.doubt()
        key, presented = self._session_key, self._presented
        try:
            undone = key is not None and not self._planned and self._read(key) is None
            if not undone and presented is not None and presented != key:
                undone = self._read(presented) is not None
        except Unavailable:
            undone = True  # by the same outage
        if undone:
            self._undo()

    @classmethod
    @entry
    def clear_expired(cls) -> None:
        """Remove expired sessions, for the command `clearsessions`."""
        (open_sessions()).sweep()
