# Generated from providers/better_auth/async_http.py by tools/generate_sync.py: edit that, run `make generate`.
"""Better Auth, asked over HTTP, for threads. Generated from the asyncio side."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.errors import Unavailable
from coatcheck.providers.better_auth.answers import answer_of
from coatcheck.providers.better_auth.settings import Tokens, checked_origin, checked_path
from coatcheck.providers.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.core.session import Record
    from coatcheck.providers.base import HTTPSettings, Reply
    from coatcheck.providers.better_auth.settings import Presented
    from coatcheck.providers.exchange import Exchange

_log = logging.getLogger("coatcheck")

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_VANISHED: Final = "FAILED_TO_GET_SESSION"


class BetterAuth:
    """Better Auth's `get-session` and `sign-out`, as a provider for `ProviderSessions`.

    A visitor's cookies other than the session's are never sent, and what a cookie remembers never decides: each answer
    comes from Better Auth's database. Its `Set-Cookie` lines are handed on to the client.
    """

    name = "better-auth"
    marks_bearer = True
    revalidate_after = timedelta(minutes=5)

    def __init__(
        self,
        url: str,
        *,
        base_path: str = "/api/auth",
        cookie_prefix: str = "better-auth",
        secure_cookies: bool | None = None,
        bearer: bool = False,
        secrets: Sequence[str] = (),
        origin: str | None = None,
        settings: HTTPSettings | None = None,
        client: httpx2.Client | Exchange | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            url: Where it is reached from here, such as `http://web:3000`.
            base_path: Its `basePath`.
            cookie_prefix: Its `advanced.cookiePrefix`.
            secure_cookies: Whether its cookies' names begin with `__Secure-`, as they do where its own address is
                https; None reads both names, that one first.
            bearer: Whether it has the bearer plugin, and `Authorization: Bearer` is read.
            secrets: Its secret, or several while one replaces another: a cookie that none of them has signed is then
                refused without asking it. Each has 32 octets or more.
            origin: Its public origin, such as `https://example.com`, where that is not the one of `url`: it signs
                nobody out for an origin that it does not trust.
            settings: How it is asked.
            client: A client of the application, where a proxy or a certificate is needed; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting cannot be.
        """
        self._upstream = Upstream(self.name, url, settings, client=client, clock=clock)
        self._path = checked_path(base_path)
        self._origin = checked_origin(self._upstream.url, origin)
        self._tokens = Tokens(
            cookie_prefix=cookie_prefix, secure_cookies=secure_cookies, bearer=bearer, secrets=secrets
        )
        self._complaints: dict[str, str] = {}

    @property
    def conditions(self) -> str:
        """What its answers depend on besides the token: its address, and where tokens stand."""
        return f"{self._upstream.url}{self._path} {' '.join(self.cookies)} bearer={self.bearer}"

    @property
    def cookies(self) -> tuple[str, ...]:
        """The names of the cookies that carry tokens, the most trusted first."""
        return self._tokens.cookies

    @property
    def noted_cookies(self) -> tuple[str, ...]:
        """The names of the cookie that says "don't remember me".

        Beside it a session is read and not extended, as Better Auth itself does: extended, it would outlive the
        browser's window. That is asked for instead of handing the cookie on, whose value would make many copies of one
        session.
        """
        return self._tokens.noted_cookies

    @property
    def bearer(self) -> bool:
        """Whether bearer tokens are read."""
        return self._tokens.bearer

    @property
    def available(self) -> bool:
        """Whether it has answered lately; asks nobody."""
        return self._upstream.available

    def well_formed(self, presented: bytes) -> bool:
        """Tell whether this can be one of its tokens, and where a secret is known, whether it has signed it."""
        return self._tokens.parts(presented) is not None

    def open(self) -> None:
        """Do nothing: it is connected when it is asked first."""

    def close(self) -> None:
        """Close the connections."""
        self._upstream.close()

    def forked(self) -> None:
        """Drop the parent's connections."""
        self._upstream.forked()

    def identify(self, presented: bytes) -> ProviderAnswer:
        """Say whose session a token is, by one request to `get-session`.

        Raises:
            Unavailable: It did not answer, or not as Better Auth does.
        """
        parts = self._tokens.parts(presented)
        if parts is None:
            return ProviderAnswer(NotSignedIn.MALFORMED)
        reply = self._ask(parts, refresh=not parts.noted)
        found = self._understood(reply, parts)
        return ProviderAnswer(found, set_cookies=self._tokens.own(reply.set_cookies))

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        """End a session there, and see that it has ended: Better Auth says so even where its database has failed.

        Returns:
            The lines with which Better Auth deletes its cookies.

        Raises:
            Unavailable: It did not answer, refused, or accepts the session still.
        """
        parts = self._tokens.parts(presented)
        if parts is None:
            return ()
        headers = self._tokens.header(parts)
        if not parts.bearer:
            headers["origin"] = self._origin
        deadline = self._upstream.deadline()
        reply = self._upstream.ask("POST", f"{self._path}/sign-out", headers=headers, json={}, deadline=deadline)
        if reply.status != _OK:
            self._complain("/sign-out", reply.status)
        self._complaints.pop("/sign-out", None)
        after = self._ask(parts, refresh=False, deadline=deadline)
        if not isinstance(self._understood(after, parts), NotSignedIn):
            raise Unavailable(f"{self.name} has not ended a session, though it says so: see its own log")
        return self._tokens.own(reply.set_cookies)

    def _ask(self, parts: Presented, *, refresh: bool, deadline: int | None = None) -> Reply:
        path = f"{self._path}/get-session{'' if refresh else '?disableRefresh=true'}"
        return self._upstream.ask("GET", path, headers=self._tokens.header(parts), deadline=deadline)

    def _understood(self, reply: Reply, parts: Presented) -> Record | NotSignedIn:
        """Return what an answer of `get-session` says.

        Raises:
            Unavailable: It is not one of Better Auth.
        """
        if reply.status == _UNAUTHORIZED and _says(reply, _VANISHED):
            return NotSignedIn.UNKNOWN  # it has ended while Better Auth was about to extend it
        if reply.status != _OK:
            self._complain("/get-session", reply.status)
        try:
            found = answer_of(reply.json(), parts.token)
        except Nonsense as error:
            self._complain("/get-session", _OK, str(error))
        self._complaints.pop("/get-session", None)
        return found

    def _complain(self, path: str, status: int, what: str = "") -> NoReturn:
        """Say once, in the log, what is wrong and what to do, and nothing of what was answered."""
        place = f"{self._upstream.url}{self._path}{path}"
        reason = f"{place} answered {status}{': ' * bool(what)}{what}; {self._fix(status)}"
        if reason != self._complaints.get(path):
            self._complaints[path] = reason
            _log.warning("coatcheck.provider_nonsense", extra={"provider": self.name, "reason": reason})
        raise Unavailable(f"{self.name} did not answer as it should: {reason}")

    def _fix(self, status: int) -> str:
        if status == _FORBIDDEN:
            return f"if Better Auth does not trust {self._origin}, add it to its trustedOrigins, or set origin="
        return "url and base_path must be those of Better Auth, and nothing before it may answer instead"


def _says(reply: Reply, code: str) -> bool:
    try:
        body = reply.json()
    except Nonsense:
        return False
    return isinstance(body, dict) and cast("dict[str, Any]", body).get("code") == code
