"""Who may come in: by the application's own sign-in, or by the console's (`own_door.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse

from coatcheck.asgi.context import context_of
from coatcheck.console.frame import HEADERS
from coatcheck.console.operators import Operator
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.web.pages import safe_next
from coatcheck.web.settings import SITE_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.session import Session

    Endpoint = Callable[[Request], Awaitable[Response]]

REFRESH: Final = "coatcheck-refresh"
"""The header of requests that the console's script makes by itself: they are no activity of the operator."""

_FORMS: Final = b"coatcheck console forms 1"


class NoOperator(Exception):
    """Somebody is signed in to the application, and is no operator; the answer is 403."""


class Elsewhere(Exception):
    """The browser has to go somewhere else first.

    Attributes:
        response: What sends it there.
    """

    def __init__(self, response: Response) -> None:
        """Keep what sends it there."""
        super().__init__()
        self.response = response


class Door(Protocol):
    """Lets operators in."""

    own: bool
    """Whether operators sign in here, and not in the application."""

    def endpoints(self) -> Sequence[tuple[str, str, Endpoint]]:
        """Return what serves each method of each path below the console's."""
        ...

    def cross_origin(self, request: Request) -> str | None:
        """Return why a request of another site's page is refused (rule X1); None for one that is let through."""
        ...

    def address(self, request: Request) -> str | None:
        """Return from where a request comes, in canonical form."""
        ...

    async def operator(self, request: Request) -> Operator | None:
        """Return who asks; None for nobody."""
        ...

    def to_sign_in(self, base: str, back: str) -> Response:
        """Send a browser to where operators sign in, and from there to `back`."""
        ...

    def to_confirm(self, base: str, back: str) -> Response:
        """Send a browser to where operators prove again who they are, and from there to `back`."""
        ...


class ApplicationDoor:
    """Operators are users of the application that a function of it knows; `SessionMiddleware` stands in front."""

    own = False

    def __init__(self, sessions: AsyncSessions, operator: Callable[[Session], str | None], confirm_path: str) -> None:
        """Keep who knows them.

        Args:
            sessions: Whose keys forms are made with.
            operator: Returns the name of an operator from the session of a user who has signed in; None for others.
            confirm_path: The application's page that asks for the password again and goes on to its parameter `next`.

        Raises:
            ConfigurationError: The sessions have no keys, or the path is none of this site.
        """
        self._operator = operator
        if not SITE_PATH.fullmatch(confirm_path):
            refuse("confirm_path", confirm_path, "use a path of this site, such as '/confirm'", of="console")
        self._confirm_path = confirm_path
        self._forms = sessions.secrets(_FORMS)
        if not self._forms:
            refuse_secret("keys", "are missing", "give the sessions keys: the console's forms are signed with them")

    def endpoints(self) -> Sequence[tuple[str, str, Endpoint]]:
        """Return nothing: the application has the pages."""
        return []

    def cross_origin(self, request: Request) -> str | None:  # noqa: ARG002 - the middleware has looked at it
        """Return nothing: the middleware has refused what is to be refused."""
        return None

    def address(self, request: Request) -> str | None:
        """Return from where a request comes, as the middleware's settings say."""
        return context_of(request.scope).client_ip()

    async def operator(self, request: Request) -> Operator | None:
        """Return who asks.

        Raises:
            SignInRequired: Nobody is signed in; the middleware sends the browser to the application's sign-in page.
            NoOperator: It is somebody else, or somebody who acts as an operator.
        """
        session = await context_of(request.scope).require()
        # Who acts as an operator is none: they would have the rights of somebody else, and be noted under that name.
        name = self._operator(session) if session.actor_id is None else None
        if name is None:
            raise NoOperator
        return Operator(name, session, self._forms)

    def to_sign_in(self, base: str, back: str) -> Response:
        """Send a browser on: with somebody signed in nobody comes here."""
        return redirect(back or base)

    def to_confirm(self, base: str, back: str) -> Response:  # noqa: ARG002 - it is the application's page
        """Send a browser to the application's own page for that."""
        return redirect(f"{self._confirm_path}?{urlencode({'next': back})}")


def redirect(address: str) -> Response:
    """Send a browser to another page of this site."""
    return RedirectResponse(address, 303, HEADERS)


def here(request: Request) -> str:
    """Return the address of a request below this site, with its query."""
    root, query = request.scope.get("root_path", ""), request.scope.get("query_string", b"").decode("latin-1")
    path = quote(root + request.scope["path"].removeprefix(root), safe="/")
    return f"{path}?{query}" if query else path


def back_in(text: str | None, base: str) -> str:
    """Return where to go on: a page of the console, or its first."""
    found = safe_next(text, base)
    return found if found.partition("?")[0] == base or found.startswith(f"{base}/") else base
