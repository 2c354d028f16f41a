# Generated from web/async_device_endpoints.py by tools/generate_sync.py: edit that, run `make generate`.
"""The two addresses at which browsers register their key and renew the second cookie."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from coatcheck._sync.devices import Devices
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.dbsc import headers
from coatcheck.core.dbsc.settings import instructions
from coatcheck.core.jose.jwts import ProofRefused
from coatcheck.web.authority import own
from coatcheck.web.pages import NO_STORE, path_of, problem

if TYPE_CHECKING:
    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority
    from coatcheck.web.context import RequestContext
    from coatcheck.web.pages import Answer
    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers, Scope

_log = logging.getLogger("coatcheck")

# No other site may have the answer, or measure how long it took (the draft's section on timing); nobody may store it.
_PROTECTED: Headers = [
    NO_STORE,
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


def devices_of(authority: Authority, settings: WebSettings) -> Devices | None:
    """Return what binds sessions, if that is wanted.

    Raises:
        ConfigurationError: It is wanted and not possible.
    """
    if settings.device_binding is None:
        return None
    return Devices(own(authority), settings.device_binding, settings.cookie)


def is_device_endpoint(devices: Devices, scope: Scope) -> bool:
    """Tell whether a request is for one of the two addresses."""
    return _path(scope) in {devices.binding.register_path, devices.binding.refresh_path}


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def device_answer(devices: Devices, scope: Scope, context: RequestContext) -> Answer:
    """Answer a request for one of the two addresses; it has come past the check of its origin.

    Raises:
        Unavailable: The store did not answer: the browser keeps its key, and tries again.
    """
    if scope["method"] != "POST":
        status, lines, body = problem(405, "Use POST")
        return status, [*lines, (b"allow", b"POST")], body
    text = headers.proof_in(context.header_lines(headers.RESPONSE))
    audiences = [f"https://{host.decode('latin-1')}{path_of(scope)}" for host in context.header_lines(b"host")]
    if _path(scope) == devices.binding.register_path:
        return _registered(devices, scope, context, text, audiences)
    return _renewed(devices, context, text, audiences)


def _whose(context: RequestContext) -> tuple[Session | NotSignedIn, bool]:
    """Return whose session's cookie the request has, and whether its token is due, which needs the proof."""
    session = context.read()
    due, context.due = context.due, False
    return session, due


def _registered(
    devices: Devices, scope: Scope, context: RequestContext, text: str | None, audiences: list[str]
) -> Answer:
    session, _ = _whose(context)
    if isinstance(session, NotSignedIn):
        return _refusal(401, session.value)
    if text is None:
        return _refusal(400, "there is no proof")
    try:
        cookie = devices.register(session, text, audiences=audiences)
    except ProofRefused as refused:
        _log.warning("coatcheck.proof_refused", extra={"session_id": session.id, "reason": str(refused)})
        return _refusal(400, str(refused))
    told = instructions(devices.binding, devices.cookie, session.id, root_path=quote(scope.get("root_path", "")))
    body = json.dumps(told).encode()
    lines = [*_PROTECTED, (b"content-type", b"application/json"), (b"set-cookie", cookie)]
    return 200, [*lines, (b"content-length", str(len(body)).encode())], body


def _renewed(devices: Devices, context: RequestContext, text: str | None, audiences: list[str]) -> Answer:
    # Page scripts cannot send a header of this name, nor can other sites.
    session_id = headers.session_id_in(context.header_lines(headers.SESSION_ID))
    if session_id is None:
        return _refusal(400, "there is no Sec-Secure-Session-Id")
    session, due = _whose(context)
    if session is NotSignedIn.NO_TOKEN or (session and session.id != session_id):
        return _refusal(401, "this is not the session's browser any more")
    # A token of no session at all may have been rotated away just now, and the device is what counts.
    renewal = devices.renew(session_id, text, presented=bool(session), audiences=audiences)
    if renewal is None:
        return _refusal(401, "there is no such session")
    lines = [*_PROTECTED, headers.challenged(renewal.challenge, session_id), (b"content-length", b"0")]
    if renewal.cookie is None:
        return 403, lines, b""
    context.due = due
    return 200, [*lines, (b"set-cookie", renewal.cookie)], b""


def _refusal(status: int, reason: str) -> Answer:
    """Return an answer after which the browser drops the session, and its key."""
    code, lines, body = problem(status, "Device-bound session refused", reason=reason)
    return code, [*lines, *_PROTECTED[1:]], body
