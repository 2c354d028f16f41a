"""The console's own sign-in: names and passwords of the settings, attempts limited and noted."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from zlib import crc32

from coatcheck.console import entrance
from coatcheck.console.attempts import WINDOW, Attempts
from coatcheck.console.doors import REFRESH, back_in, redirect
from coatcheck.console.forms import read_form
from coatcheck.console.frame import Frame, page
from coatcheck.console.operators import OperatorSessions
from coatcheck.console.tokens import base_of, form_field, verify_form
from coatcheck.core.addresses import client_address
from coatcheck.core.cookies import delete_cookie, set_cookie
from coatcheck.core.cross_origin import CrossOriginPolicy, CrossOriginRequest
from coatcheck.core.refusals import refuse_secret
from coatcheck.core.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck._async.audit_trail import AsyncAuditTrail
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.configuration.console_options import ConsoleOptions
    from coatcheck.console.doors import Endpoint
    from coatcheck.console.operators import Operator
    from coatcheck.core.passwords import PasswordHash
    from coatcheck.core.tokens import Token

_MOST_WAITING: Final = 8
"""So many attempts are under way at most in a worker; their passwords are computed one at a time, 128 MiB each."""

_WRONG: Final = 422
_TOO_MANY: Final = 429
_BUSY: Final = 503

_log = logging.getLogger("coatcheck")


class OwnDoor:
    """Lets in whom the settings name, by a cookie of their own."""

    own = True

    def __init__(self, sessions: AsyncSessions, options: ConsoleOptions, trail: AsyncAuditTrail) -> None:
        """Wire it.

        Raises:
            ConfigurationError: The settings name nobody.
        """
        self._hashes = options.password_hashes()
        if not self._hashes:
            fix = "let `coatcheck console-password NAME` make a line, and put it into console.operators"
            refuse_secret("console operators", "are missing", fix)
        self._options = options
        self._trail = trail
        self._sessions = OperatorSessions(sessions, options)
        self._attempts = Attempts(sessions, options.attempts)
        self._cookie = options.cookie_settings()
        self._transport = Transport(cookies=(options.cookie.encode(),))
        self._policy = CrossOriginPolicy()
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    def endpoints(self) -> Sequence[tuple[str, str, Endpoint]]:
        """Return what serves each method of each path below the console's."""
        return [
            ("GET", "/sign-in", self.show_sign_in),
            ("POST", "/sign-in", self.sign_in),
            ("GET", "/confirm", self.show_confirm),
            ("POST", "/confirm", self.confirm),
            ("POST", "/sign-out", self.sign_out),
        ]

    # --- who it is

    def cross_origin(self, request: Request) -> str | None:
        """Return why a request of another site's page is refused (rule X1); None for one that is let through."""
        headers = request.scope["headers"]

        def lines(name: bytes) -> tuple[bytes, ...]:
            return tuple(value for key, value in headers if key == name)

        return self._policy.refusal(
            CrossOriginRequest(
                method=request.method,
                path=request.scope["path"],
                scheme=request.scope.get("scheme", "http"),
                host=lines(b"host"),
                origin=lines(b"origin"),
                sec_fetch_site=lines(b"sec-fetch-site"),
                has_session_cookie=True,  # signing in must not be possible from elsewhere either
            )
        )

    async def operator(self, request: Request) -> Operator | None:
        """Return who asks; None for nobody.

        Raises:
            Unavailable: The store did not answer.
        """
        return await self._sessions.read(self._presented(request), used=REFRESH not in request.headers)

    def to_sign_in(self, base: str, back: str) -> Response:
        """Send a browser to the page to sign in on."""
        return redirect(f"{base}/sign-in?{urlencode({'next': back})}")

    def to_confirm(self, base: str, back: str) -> Response:
        """Send a browser to the page that asks for the password again."""
        return redirect(f"{base}/confirm?{urlencode({'next': back})}")

    def _presented(self, request: Request) -> bytes:
        return self._transport.find(request.scope["headers"], self._sessions.well_formed)

    def address(self, request: Request) -> str | None:
        """Return from where a request comes, believing only proxies that are trusted."""
        hops, client = self._options.trusted_hops, request.scope.get("client")
        forwarded = [value for key, value in request.scope["headers"] if key == b"x-forwarded-for"]
        return client_address(client[0] if client else None, forwarded, hops)

    # --- signing in and out

    async def show_sign_in(self, request: Request) -> Response:
        """Show the page to sign in on."""
        base, back = base_of(request, self._options.path), request.query_params.get("next")
        return self._sign_in_page(base, back_in(back, base))

    async def sign_in(self, request: Request) -> Response:
        """Sign an operator in, if name and password are right.

        Whether there is such a name takes as long to find out as whether a password is right.
        """
        base, form = base_of(request, self._options.path), await read_form(request)
        name, back = form.get("name", "").strip(), back_in(form.get("next"), base)
        error, status = await self._tried(request, name, form.get("password", ""), "sign_in")
        if error:
            return self._sign_in_page(base, back, name=name, error=error, status=status)
        agent = request.headers.get("user-agent")
        token = await self._sessions.begin(
            name, ip=self.address(request), user_agent=agent, replaces=self._presented(request)
        )
        return self._with_cookie(redirect(back), token)

    async def sign_out(self, request: Request) -> Response:
        """Sign an operator out."""
        base, form = base_of(request, self._options.path), await read_form(request)
        operator = await self.operator(request)
        if operator is not None:
            verify_form(operator, form)
            await self._sessions.end(self._presented(request))
            await self._note("sign_out", operator.name, request)
        response = redirect(f"{base}/sign-in")
        response.headers.append("set-cookie", delete_cookie(self._cookie).decode("ascii"))
        return response

    def _sign_in_page(self, base: str, back: str, *, name: str = "", error: str = "", status: int = 200) -> Response:
        title = f"Error: {entrance.SIGN_IN}" if error else entrance.SIGN_IN
        main = entrance.sign_in(f"{base}/sign-in", back, name=name, error=error)
        return page(title, main, Frame(base), status=status, more=_retry(status))

    # --- once more

    async def show_confirm(self, request: Request) -> Response:
        """Show the page that asks for the password again."""
        base = base_of(request, self._options.path)
        back = back_in(request.query_params.get("next"), base)
        operator = await self.operator(request)
        return self.to_sign_in(base, back) if operator is None else self._confirm_page(base, back, operator)

    async def confirm(self, request: Request) -> Response:
        """Note that an operator has proved again who they are, if the password is right."""
        base, form = base_of(request, self._options.path), await read_form(request)
        back = back_in(form.get("next"), base)
        operator = await self.operator(request)
        if operator is None:
            return self.to_sign_in(base, back)
        verify_form(operator, form)
        error, status = await self._tried(request, operator.name, form.get("password", ""), "confirm")
        if error:
            wrong = entrance.WRONG_PASSWORD if error == entrance.WRONG else error
            return self._confirm_page(base, back, operator, error=wrong, status=status)
        token = await self._sessions.prove_again(self._presented(request))
        return self.to_sign_in(base, back) if token is None else self._with_cookie(redirect(back), token)

    def _confirm_page(
        self, base: str, back: str, operator: Operator, *, error: str = "", status: int = 200
    ) -> Response:
        title, form = f"Error: {entrance.CONFIRM}" if error else entrance.CONFIRM, form_field(operator)
        main = entrance.confirm(f"{base}/confirm", back, operator.name, form, error=error)
        return page(title, main, Frame(base, operator.name, None, form), status=status, more=_retry(status))

    # --- passwords

    async def _tried(self, request: Request, name: str, password: str, what: str) -> tuple[str, int]:
        """Try a password, and return what is wrong and the status for it; nothing if it was right."""
        if self._waiting >= _MOST_WAITING:
            return entrance.BUSY, _BUSY
        self._waiting += 1
        try:
            return await self._judged(request, name, password, what)
        finally:
            self._waiting -= 1

    async def _judged(self, request: Request, name: str, password: str, what: str) -> tuple[str, int]:
        places = await self._attempts.take(name, self.address(request))
        if places is None:
            _log.warning("coatcheck.console_limited", extra={"operator": self._known(name)})
            return entrance.TOO_MANY, _TOO_MANY
        if not await self._fits(name, password):
            await self._note(f"{what}_failed", self._known(name), request)
            return entrance.WRONG, _WRONG
        await self._attempts.give_back(places)
        await self._note(what, name, request)
        return "", 0

    def _known(self, name: str) -> str | None:
        """Return a name if there is such an operator: what else was typed may be a password."""
        return name if name in self._hashes else None

    async def _fits(self, name: str, password: str) -> bool:
        known = self._hashes.get(name)
        hashed = known or self._stand_in(name)
        async with self._one_at_a_time:
            fits = await asyncio.to_thread(hashed.fits, password)
        return fits and known is not None

    def _stand_in(self, name: str) -> PasswordHash:
        """Return what is computed for a name that nobody has: always the same, and any of the costs that there are."""
        hashes = tuple(self._hashes.values())
        return hashes[crc32(name.encode()) % len(hashes)]

    async def _note(self, what: str, name: str | None, request: Request) -> None:
        await self._trail.record(f"console.{what}", actor=name, address=self.address(request))

    def _with_cookie(self, response: Response, token: Token) -> Response:
        response.headers.append("set-cookie", set_cookie(self._cookie, token.reveal(), None).decode("ascii"))
        return response


def _retry(status: int) -> dict[str, str]:
    seconds = {_TOO_MANY: int(WINDOW.total_seconds()), _BUSY: 5}.get(status)
    return {} if seconds is None else {"Retry-After": str(seconds)}
