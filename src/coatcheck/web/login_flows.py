# Generated from web/async_login_flows.py by tools/generate_sync.py: edit that, run `make generate`.
"""Signing in at a provider and coming back: state, nonce and PKCE, bound to one browser and used once (rule J6)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from secrets import compare_digest, token_urlsafe
from typing import TYPE_CHECKING, Any, Final

from coatcheck._sync.tickets import Tickets
from coatcheck.core.cookies import delete_cookie, set_cookie
from coatcheck.core.tickets import LoginFlow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.core.cookies import CookieSettings
    from coatcheck.web.context import RequestContext

_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_BYTES: Final = 32
_NAMED: Final = 16

MOST: Final = 8
"""Flows of one browser at once. A page elsewhere can have a browser begin one after the other; with a cookie for each
the header would become longer than servers take, and the site be out of its reach until they have ended."""


class LoginFlows:
    """The sign-ins at providers that one browser has under way.

    Each has a cookie of its own, named after its state, so two at once do not get in each other's way; beyond `MOST` of
    them the oldest is given up. The secrets stay here; the cookie is a ticket for them.
    """

    def __init__(self, context: RequestContext, *, lifetime: timedelta = timedelta(minutes=10)) -> None:
        """Attach to a request.

        Args:
            context: The request's.
            lifetime: How long the user may stay at the provider.

        Raises:
            ConfigurationError: The store sees a change only after a while, so that one flow could end twice.
        """
        self._context = context
        self._tickets = Tickets(context.sessions, purpose="login-flow", lifetime=lifetime)

    def begin(self, data: Mapping[str, Any] | None = None) -> LoginFlow:
        """Begin to sign in; the response brings the cookie. Put the state, nonce and challenge into the redirect.

        Raises:
            DataError: The data is not JSON or too large.
            Unavailable: The store did not answer.
        """
        flow = LoginFlow(token_urlsafe(_BYTES), token_urlsafe(_BYTES), token_urlsafe(_BYTES), dict(data or {}))
        ticket = self._tickets.issue(flow._asdict())
        cookie = self._cookie(flow.state)
        seconds = int(self._tickets.lifetime.total_seconds())
        for name in self._surplus():
            self._context.send_cookie(name, delete_cookie(replace(cookie, name=name)))
        self._context.send_cookie(cookie.name, set_cookie(cookie, ticket.reveal(), seconds))
        return flow

    def finish(self, state: str | None) -> LoginFlow | None:
        """Return the flow that this browser began with a state, once; None for any other.

        None is what somebody gets who was sent a link by somebody else, who comes twice, or too late.

        Raises:
            Unavailable: The store did not answer.
        """
        if state is None or not _STATE.fullmatch(state):
            return None
        cookie = self._cookie(state)
        ticket = self._tickets.redeem(self._context.read_cookie(cookie.name, self._tickets.well_formed))
        self._context.send_cookie(cookie.name, delete_cookie(cookie))
        if ticket is None or not compare_digest(ticket.data["state"], state):
            return None
        return LoginFlow(**ticket.data)

    def _surplus(self) -> list[str]:
        """Return the names of the cookies that are one too many beside another; the oldest come first in a header.

        That is so in browsers (RFC 6265bis section 5.8.3). Not all at once, or the answer's header would be too long.
        """
        pair = rb"(?:^|;)[ \t]*(%b-[A-Za-z0-9_-]{%d})=" % (
            re.escape(self._context.settings.cookie.name.encode()),
            _NAMED,
        )
        found = dict.fromkeys(re.findall(pair, b";".join(self._context.header_lines(b"cookie"))))
        return [name.decode("ascii") for name in [*found][: max(0, len(found) + 1 - MOST)][:MOST]]

    def _cookie(self, state: str) -> CookieSettings:
        # Lax, since the browser comes back from another site.
        settings = self._context.settings.cookie
        return replace(settings, name=f"{settings.name}-{state[:_NAMED]}", same_site="lax")
