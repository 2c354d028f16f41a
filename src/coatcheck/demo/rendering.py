"""Turning values into pages."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from coatcheck import AsyncSessions
from coatcheck.asgi import context_of
from coatcheck.demo.answered import answered_in, ask
from coatcheck.demo.places import host_of, is_loopback, origin
from coatcheck.demo.settings import Settings
from coatcheck.demo.users import Users
from coatcheck.device_page.words import relative
from coatcheck.devices import describe_device

NOTICES: Final = {
    "deleted": "Your account is deleted, and all its sessions have ended.",
    "everywhere": "You are signed out everywhere.",
    "signed-out": "You are signed out.",
}
"""What a page can be asked to say first, by the `said` in its address."""

_HERE = Path(__file__).parent


class Demo:
    """What the pages of one process share."""

    def __init__(self, settings: Settings, sessions: AsyncSessions, users: Users) -> None:
        """Gather it."""
        self.settings = settings
        self.sessions = sessions
        self.users = users
        self.templates = Jinja2Templates(_HERE / "templates", context_processors=[self._shared])

    def _shared(self, request: Request) -> dict[str, Any]:
        """Return what every template can use."""
        return {
            "answered": answered_in(request.scope),
            "device": describe_device,
            "notice": NOTICES.get(request.query_params.get("said", "")),
            "pid": os.getpid(),
            "relative": self._relative,
            "same_page": _same_page(request),
            "settings": self.settings,
            "way": way_of(request),
        }

    def _relative(self, moment: datetime) -> str:
        return relative(moment - self.sessions.now())


class Way(NamedTuple):
    """How the browser came here.

    Attributes:
        other: The other process's origin, where this way leads there too.
        refused: The host's name, if browsers refuse its cookies.
        host: The host's name.
    """

    other: str | None
    refused: str | None
    host: str


def demo_of(request: Request) -> Demo:
    """Return what the pages share."""
    demo: Demo = request.app.state.demo
    return demo


async def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page, with who is signed in and who answered."""
    await ask(request)
    session = await context_of(request.scope).session()
    return plain_page(request, template, status=status, session=session or None, **values)


def plain_page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page without asking who is signed in, for when nobody can tell."""
    return demo_of(request).templates.TemplateResponse(request, template, values, status)


def way_of(request: Request) -> Way:
    """Return how the browser came here."""
    settings = demo_of(request).settings
    scheme = request.scope["scheme"]
    host = host_of(request.headers.get("host"), scheme)
    name = host.name if host else ""
    safe = scheme == "https" or is_loopback(name)
    return Way(origin(scheme, host, settings.port, settings.other_port), None if safe else name, name)


def _same_page(request: Request) -> str:
    """Return this page's path and query; a form's answer has none that could be opened again."""
    if request.method != "GET":
        return "/"
    query = urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "said"])
    return f"{request.url.path}?{query}" if query else request.url.path


def go(path: str, **query: str) -> Response:
    """Return the redirect to another page, after a form was accepted."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
