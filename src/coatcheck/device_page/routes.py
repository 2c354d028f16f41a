"""The routes of the page of devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from coatcheck.asgi import RecentAuthRequired, SignInRequired, context_of
from coatcheck.core.refusals import refuse
from coatcheck.device_page.content import TITLE, Content, content_html, elsewhere_html
from coatcheck.device_page.documents import plain_layout
from coatcheck.devices import describe_device
from coatcheck.web.errors import IssuedElsewhere
from coatcheck.web.settings import SITE_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck.core.session import Session
    from coatcheck.device_page.documents import Layout

    Endpoint = Callable[[Request], Awaitable[Response]]

_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """A page of the user's own sessions, and the buttons that end them; plain forms, no script.

    The middleware's check of the origin protects them (rule X1). What ends other sessions asks for recent
    authentication (ASVS 7.5.2, rule L14); to sign out here does not.

    Attributes:
        path: Where the page is.
        confirm_path: The application's own page that asks for the password again, calls
            `rotate(request, reauthenticated=True)`, and goes on to the path in its parameter `next`
            (through `safe_next`). A path from the root of the site.
        after_sign_out: Where to go after this device was signed out. A path from the root of the site.
        recent_auth_within: How long ago the user may have proved who they are.
        layout: Puts the page into the application's own; by default it is a document by itself.

    Raises:
        ConfigurationError: One of them is not possible.
    """

    path: str = "/devices"
    confirm_path: str = "/confirm"
    after_sign_out: str = "/"
    recent_auth_within: timedelta = timedelta(minutes=15)
    layout: Layout = plain_layout

    def __post_init__(self) -> None:
        for setting in ("path", "confirm_path", "after_sign_out"):
            if not SITE_PATH.fullmatch(value := getattr(self, setting)):
                refuse(setting, value, "use a path of this site, such as '/devices'", of="device page")
        if self.path.endswith("/"):
            refuse("path", self.path, "use a path without a slash at its end, such as '/devices'", of="device page")
        if self.recent_auth_within <= timedelta(0):
            fix = "use more than zero, such as 15 minutes"
            refuse("recent_auth_within", self.recent_auth_within, fix, of="device page")

    def endpoints(self) -> dict[str, tuple[str, Endpoint]]:
        """Return what serves each path, with its method; the order matters."""
        return {
            self.path: ("GET", self.show),
            f"{self.path}/others/end": ("POST", self.end_others),
            f"{self.path}/all/end": ("POST", self.end_all),
            f"{self.path}/{{session_id}}/end": ("POST", self.end_one),
        }

    async def show(self, request: Request) -> Response:
        """List the user's sessions, this one marked.

        Raises:
            SignInRequired: Nobody is signed in; left alone, the browser goes to the sign-in page.
        """
        return await self._page(request, request.query_params.get("said", ""))

    async def end_others(self, request: Request) -> Response:
        """Sign out all devices but this one."""
        if isinstance(found := await self._recent(request), RedirectResponse):
            return found
        await context_of(request.scope).revoke_others()
        return _back(request, said="others")

    async def end_all(self, request: Request) -> Response:
        """Sign out all devices, this one too."""
        if isinstance(found := await self._recent(request), RedirectResponse):
            return found
        context = context_of(request.scope)
        await context.sessions.revoke_user(found.user_id or "")
        await context.sign_out()  # this one has ended with the others, but the browser still has its cookie
        return _go(self.after_sign_out, said="everywhere")

    async def end_one(self, request: Request) -> Response:
        """Sign out one of the user's devices; anybody else's is not found."""
        context, session_id = context_of(request.scope), request.path_params["session_id"]
        session = await context.session()
        if session and session.id == session_id:
            await context.sign_out()
            return _go(self.after_sign_out, said="signed-out")
        if isinstance(found := await self._recent(request), RedirectResponse):
            return found
        if not await context.sessions.revoke_by_id(session_id, user_id=found.user_id):
            return await self._page(request, "gone", status=404)
        return _back(request, said="device")

    async def _recent(self, request: Request) -> Session | RedirectResponse:
        """Return the session of a user who has proved recently who they are, or where the browser has to go for that.

        To the sign-in page it goes by way of the list, which is sent on there; and the list says what a provider keeps.
        """
        context = context_of(request.scope)
        try:
            _ = context.sessions
            return await context.require_recent_auth(self.recent_auth_within)
        except RecentAuthRequired:
            return RedirectResponse(self._confirm(request), 303)
        except (IssuedElsewhere, SignInRequired):
            return _back(request)

    async def _page(self, request: Request, said: str, status: int = 200) -> Response:
        context = context_of(request.scope)
        session = await context.require()
        try:
            sessions = context.sessions
        except IssuedElsewhere as error:
            return await self._laid_out(request, elsewhere_html(error.provider), 501)
        now = sessions.now()
        content = Content(await sessions.list(session.user_id or "", limit=_MOST), session.id, now, _here(request))
        if not session.authenticated_within(self.recent_auth_within, now):
            content = content._replace(confirm=self._confirm(request))
        return await self._laid_out(request, content_html(content._replace(said=said)), status)

    async def _laid_out(self, request: Request, main: str, status: int) -> Response:
        response = await self.layout(request, TITLE, main)
        response.status_code = status
        response.headers["Cache-Control"] = "no-store"
        return response

    def _confirm(self, request: Request) -> str:
        return f"{self.confirm_path}?{urlencode({'next': _here(request)})}"


def device_routes(page: DevicePage | None = None) -> list[Route]:
    """Return the routes of a page of the user's devices, by default at /devices, behind `SessionMiddleware`."""
    describe_device("the first look loads the parser: now, not in a request")
    endpoints = (page or DevicePage()).endpoints()
    return [Route(path, serve, methods=[method]) for path, (method, serve) in endpoints.items()]


def _here(request: Request) -> str:
    """Return the page's path as the browser has it, below whatever the routes were mounted or included under."""
    root = request.scope.get("root_path", "")
    path = root + request.scope["path"].removeprefix(root)
    return quote(path if request.method in {"GET", "HEAD"} else path.rsplit("/", 2)[0])


def _back(request: Request, **query: str) -> RedirectResponse:
    return _go(_here(request), **query)


def _go(path: str, **query: str) -> RedirectResponse:
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
