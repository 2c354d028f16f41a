"""When a browser's session becomes another one: what is saved before, and whose request it is afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, aget_user, get_user
from django.middleware.csrf import rotate_token

from coatcheck.core.answers import NotSignedIn
from coatcheck.django.running import running
from coatcheck.django.verbs import session_of
from coatcheck.errors import ConfigurationError
from coatcheck.web.errors import SignInRequired

if TYPE_CHECKING:
    from collections.abc import Generator

    from django.http import HttpRequest

    from coatcheck.django.sessions import SessionStore


class Entering(NamedTuple):
    """Who signs in, and which backend knows them."""

    user: Any
    backend: str | None

    @property
    def user_id(self) -> str:
        """The user's id as `django.contrib.auth` has it in the session."""
        return str(self.user._meta.pk.value_to_string(self.user))  # noqa: SLF001 - as `login` does it

    def data(self, backend: str | None = None) -> dict[str, str]:
        """Return what `login` writes into a session.

        Args:
            backend: The one to take if nothing else says which.

        Raises:
            ConfigurationError: There are several backends.
        """
        found = self.backend or getattr(self.user, "backend", None) or backend
        if found is None:
            if len(django_settings.AUTHENTICATION_BACKENDS) > 1:
                msg = "there are several AUTHENTICATION_BACKENDS: say with backend= which one knows the user"
                raise ConfigurationError(msg)
            (found,) = django_settings.AUTHENTICATION_BACKENDS
        known = hasattr(self.user, "get_session_auth_hash")
        return {
            SESSION_KEY: self.user_id,
            BACKEND_SESSION_KEY: found,
            HASH_SESSION_KEY: self.user.get_session_auth_hash() if known else "",
        }


def session_to_leave(request: HttpRequest) -> SessionStore:
    """Return a request's session, when the response can bring the browser another one.

    Raises:
        ConfigurationError: The session, or the middleware, is not ours.
    """
    session = session_of(request)
    if not session.is_attended:
        msg = "Django's SessionMiddleware knows nothing of this: write 'coatcheck.django.middleware.SessionMiddleware'"
        raise ConfigurationError(msg)
    return session


@contextmanager
def changing() -> Generator[None]:
    """Have the whole process ask the log afterwards, also if it ends with an error: something may be done already."""
    try:
        yield
    finally:
        running.doubt()


def required(user: Any) -> None:
    """Let nobody go on whose password has changed, or who is not active any more.

    Raises:
        SignInRequired: That is so.
    """
    if not user.is_authenticated:
        raise SignInRequired(NotSignedIn.UNKNOWN)


def user_of(request: Any) -> Any:
    """Return who is signed in, whose session Django has verified."""
    return request.user if hasattr(request, "user") else get_user(request)


async def auser_of(request: Any) -> Any:
    """Return who is signed in, in an event loop."""
    return await (request.auser() if hasattr(request, "auser") else aget_user(request))


def become(request: Any, user: Any) -> None:
    """Have a request be this user's from now on, as `login` does; forms get another token."""

    async def auser() -> Any:
        return user

    if hasattr(request, "user"):
        request.user = user
    if hasattr(request, "auser"):
        request.auser = auser
    rotate_token(request)
