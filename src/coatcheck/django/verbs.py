"""The verbs on a request: who is signed in, whether they proved it lately, and the end of their other sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.answers import NotSignedIn
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from coatcheck.django.transactions import to_write
from coatcheck.errors import ConfigurationError, ImpersonationRefused
from coatcheck.web.errors import RecentAuthRequired, SignInRequired
from coatcheck.web.verbs import grace_for

if TYPE_CHECKING:
    from datetime import timedelta

    from django.http import HttpRequest

    from coatcheck.core.session import Session


def session_of(request: HttpRequest) -> SessionStore:
    """Return a request's session.

    Raises:
        ConfigurationError: It has none of ours.
    """
    session: object = getattr(request, "session", None)
    if not isinstance(session, SessionStore):
        msg = "the request has no session of coatcheck: set SESSION_ENGINE = 'coatcheck.django.sessions' and MIDDLEWARE"
        raise ConfigurationError(msg)
    return session


def current_session(request: HttpRequest) -> Session | NotSignedIn:
    """Return the session that the store has for a request, or why there is none; it may be an anonymous visitor's.

    Raises:
        Unavailable: The store did not answer; left alone, our middleware makes it a 503.
    """
    return session_of(request).current()


async def acurrent_session(request: HttpRequest) -> Session | NotSignedIn:
    """Return the session in an event loop; see `current_session`."""
    return await session_of(request).acurrent()


def require_session(request: HttpRequest) -> Session:
    """Return the session of a signed-in user, or end the request.

    Raises:
        SignInRequired: Nobody is signed in; our middleware answers 401, or redirects a browser page to LOGIN_URL.
        Unavailable: The store did not answer.
    """
    return signed_in(current_session(request))


async def arequire_session(request: HttpRequest) -> Session:
    """Return the session of a signed-in user in an event loop; see `require_session`."""
    return signed_in(await acurrent_session(request))


def signed_in(answer: Session | NotSignedIn) -> Session:
    """Return the session if somebody is signed in by it.

    Raises:
        SignInRequired: Nobody is.
    """
    if not answer or answer.user_id is None:
        raise SignInRequired(answer if isinstance(answer, NotSignedIn) else NotSignedIn.NO_TOKEN)
    return answer


def own(session: Session) -> Session:
    """Return the session if nobody but its user acts in it.

    Raises:
        ImpersonationRefused: Somebody acts in it as its user.
    """
    if session.actor_id is not None:
        raise ImpersonationRefused("this is for the user alone, and somebody acts as them")
    return session


def require_own_session(request: HttpRequest) -> Session:
    """Return the session of a signed-in user in which nobody else acts: for what belongs to the user alone.

    Raises:
        SignInRequired: Nobody is signed in.
        ImpersonationRefused: Somebody acts in the session as its user; our middleware answers 403.
    """
    return own(require_session(request))


async def arequire_own_session(request: HttpRequest) -> Session:
    """Return the session of a user in which nobody else acts, in an event loop; see `require_own_session`."""
    return own(await arequire_session(request))


def recently(request: HttpRequest, session: Session, within: timedelta, grace: timedelta | None) -> Session:
    """Return the session if its user proved who they are recently enough (ASVS 7.5.1, rule A1).

    Args:
        request: The request, for its method.
        session: Its session.
        within: How long ago they may have proved it; activity never makes that younger.
        grace: How much longer a form that was shown in time may take to be sent: it holds for all methods but GET, HEAD
            and OPTIONS.

    Raises:
        RecentAuthRequired: It is longer ago.
        ImpersonationRefused: Somebody acts in the session as its user, whom they cannot prove to be.
    """
    own(session)
    if not session.authenticated_within(within + grace_for(request.method or "", grace), running.now()):
        raise RecentAuthRequired(within)
    return session


def require_recent_auth(request: HttpRequest, within: timedelta, *, grace: timedelta | None = None) -> Session:
    """Return the session of a user who proved who they are at most `within` ago, or end the request.

    Args:
        request: The request.
        within: How long ago they may have signed in.
        grace: How much longer a form may take that was shown in time: it holds for all but GET, HEAD and OPTIONS.

    Raises:
        SignInRequired: Nobody is signed in.
        RecentAuthRequired: They must prove it again, as by `login`; our middleware answers 401 or redirects.
    """
    return recently(request, require_session(request), within, grace)


async def arequire_recent_auth(request: HttpRequest, within: timedelta, *, grace: timedelta | None = None) -> Session:
    """Return the session of a user who proved who they are recently, in an event loop; see `require_recent_auth`."""
    return recently(request, await arequire_session(request), within, grace)


def revoke_others(request: HttpRequest) -> int:
    """End the user's other sessions and give this one a new key (ASVS 7.4.3, rule L12); returns how many ended.

    Raises:
        SignInRequired: Nobody is signed in.
    """
    session = require_own_session(request)
    session_of(request).cycle_key()
    count = running.sessions().revoke_others(session, connection=to_write())
    running.doubt()
    return count


async def arevoke_others(request: HttpRequest) -> int:
    """End the user's other sessions in an event loop; see `revoke_others`."""
    session = await arequire_own_session(request)
    await session_of(request).acycle_key()
    count = await (await running.async_sessions()).revoke_others(session)
    running.doubt()
    return count
