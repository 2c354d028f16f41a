"""A site that binds sessions to devices, over https on a free port, and what it was asked for."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import socket
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from coatcheck import AsyncSessions, DeviceBinding
from coatcheck.asgi import context_of
from coatcheck.starlette import (
    SessionMiddleware,
    current_session,
    require_device_bound,
    require_session,
    rotate,
    sign_in,
    sign_out,
)

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck.asgi.types import App, Receive, Scope, Send

KEY = "a key of the tests, thirty-two octets or more"
_DEADLINE = 20.0


class Asked(NamedTuple):
    """One request, and the status it was answered with."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


async def _sign_in(request: Request) -> Response:
    await sign_in(request, "ada", remember=True)
    return RedirectResponse("/home", status_code=303)


async def _home(request: Request) -> Response:
    session = await require_session(request)
    shown = "".join(f'<img src="/private?{number}">' for number in range(4))
    return HTMLResponse(f"<title>home</title><p>{session.user_id} {session.device_bound}</p>{shown}")


async def _quiet(request: Request) -> Response:
    session = await require_session(request)
    return HTMLResponse(f"<title>quiet</title><p>{session.user_id} {session.device_bound}</p>")


async def _public(request: Request) -> Response:
    session = await current_session(request)
    return PlainTextResponse(session.user_id or "nobody" if session else session.value)


async def _private(request: Request) -> Response:
    session = await require_session(request)
    return JSONResponse({"user": session.user_id, "bound": session.device_bound})


async def _bound_only(request: Request) -> Response:
    session = await require_device_bound(request)
    return JSONResponse({"user": session.user_id})


async def _visit(request: Request) -> Response:
    await context_of(request.scope).start_anonymous({"basket": 1})
    return PlainTextResponse("noted")


async def _step_up(request: Request) -> Response:
    await rotate(request, reauthenticated=True)
    return PlainTextResponse("stepped up")


async def _sign_out(request: Request) -> Response:
    await sign_out(request)
    return PlainTextResponse("signed out")


async def _elsewhere(request: Request) -> Response:
    target = request.query_params["to"]
    return HTMLResponse(f'<title>elsewhere</title><a href="{target}">go</a>')


async def _login(_: Request) -> Response:
    return HTMLResponse('<title>login</title><form method="post" action="/sign-in"><button>Sign in</button></form>')


ROUTES = [
    Route("/sign-in", _sign_in, methods=["POST"]),
    Route("/sign-out", _sign_out, methods=["POST"]),
    Route("/visit", _visit, methods=["POST"]),
    Route("/step-up", _step_up, methods=["POST"]),
    Route("/home", _home),
    Route("/quiet", _quiet),
    Route("/public", _public),
    Route("/private", _private),
    Route("/bound-only", _bound_only),
    Route("/elsewhere", _elsewhere),
    Route("/login", _login),
]


def application(sessions: AsyncSessions, **settings: Any) -> Starlette:
    """Return the site."""
    settings.setdefault("device_binding", DeviceBinding())
    return Starlette(routes=ROUTES, middleware=[Middleware(SessionMiddleware, sessions=sessions, **settings)])


class Recorded:
    """An application, and a list of what it was asked for."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.asked: list[Asked] = []
        self.changed = threading.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}

        async def noted(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                with self.changed:
                    self.asked.append(Asked(scope["method"], scope["path"], headers, message["status"]))
                    self.changed.notify_all()

        await self._app(scope, receive, noted)

    def of(self, path: str) -> list[Asked]:
        """Return the requests for a path."""
        return [each for each in self.asked if each.path == path]

    def wait_for(self, path: str, status: int, since: int = 0) -> Asked:
        """Wait until a request for a path was answered so, of those from a number on."""
        found: list[Asked] = []

        def there() -> bool:
            found[:] = [each for each in self.asked[since:] if (each.path, each.status) == (path, status)]
            return bool(found)

        with self.changed:
            assert self.changed.wait_for(there, _DEADLINE), f"{path} was never answered {status}: {self.asked[since:]}"
        return found[0]


class Site:
    """The site, served from a thread."""

    def __init__(self, folder: Path) -> None:
        """Make a certificate, and start to serve."""
        self.spki = _certificate(folder)
        self._database = folder / "sessions.db"
        sessions = AsyncSessions(f"sqlite:///{self._database}", keys=[KEY])
        self.recorded = Recorded(application(sessions))
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        pem = str(folder / "site.pem")
        config = uvicorn.Config(self.recorded, ssl_certfile=pem, ssl_keyfile=pem, log_level="error", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()

    def url(self, path: str) -> str:
        """Return an address of the site."""
        return f"https://localhost:{self.port}{path}"

    def elsewhere(self, path: str) -> str:
        """Return an address of another site that links here."""
        return f"https://127.0.0.1:{self.port}/elsewhere?to={self.url(path)}"

    def let_sign_ins_be_old(self) -> None:
        """Have everybody signed in a minute earlier, as if so much time had passed since."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("UPDATE coatcheck_sessions SET authenticated_at = authenticated_at - 60000000")

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(_DEADLINE)
        self._listener.close()


def _certificate(folder: Path) -> str:
    """Write a key and its certificate; returns what Chromium knows the key by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "site.pem").write_bytes(private + certificate.public_bytes(pem))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
