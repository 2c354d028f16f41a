"""Service keys: by which a back end proves to the internal API that it is one."""

from __future__ import annotations

import hmac
import logging
from hashlib import sha256
from typing import TYPE_CHECKING

from coatcheck.core.signing import octets
from coatcheck.core.transport import bearer_token
from coatcheck.serve.responding import respond
from coatcheck.web.pages import problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.asgi.types import App, Receive, Scope, Send

_log = logging.getLogger("coatcheck")


class ServiceKeys:
    """Lets nobody through to an application without one of the keys as bearer token; a plain ASGI application.

    The keys are compared by their hashes in constant time, all of them whichever fits, so that how long an answer takes
    says nothing of a key. Which one it was is not told: with two of them one can be replaced by another.
    """

    def __init__(self, app: App, keys: Sequence[str | bytes]) -> None:
        """Wrap an application; the keys have been found good by `ServeOptions`."""
        self._app = app
        self._hashes = tuple(sha256(octets(key)).digest() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.admits(scope):
            await self._app(scope, receive, send)
            return
        _log.warning("coatcheck.service_refused")
        status, headers, body = problem(401, "A service key is required", reason="service_key")
        await respond(scope, send, (status, [*headers, (b"www-authenticate", b"Bearer")], body))

    def admits(self, scope: Scope) -> bool:
        """Tell whether a request carries a key; two headers that may carry one carry none."""
        headers = [(name, value) for name, value in scope["headers"] if name == b"authorization"]
        presented = bearer_token(headers) if len(headers) == 1 else None
        if not presented:
            return False
        digest = sha256(presented).digest()
        found = [hmac.compare_digest(digest, each) for each in self._hashes]  # all of them: no early end
        return any(found)
