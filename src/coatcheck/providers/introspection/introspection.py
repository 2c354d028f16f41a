# Generated from providers/introspection/async_introspection.py by tools/generate_sync.py:
# edit that, run `make generate`.
"""Access tokens that a server is asked about (RFC 7662), for threads. Generated from the asyncio side."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, NoReturn
from urllib.parse import quote_plus

from coatcheck.clock import SystemClock
from coatcheck.core.foreign import as_object
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.times import from_micros
from coatcheck.core.transport import AMBIGUOUS
from coatcheck.errors import Unavailable
from coatcheck.providers.base import endpoint
from coatcheck.providers.introspection.answers import Demands, Refused, answer_of
from coatcheck.providers.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.providers.base import HTTPSettings, Reply
    from coatcheck.providers.exchange import Exchange

_log = logging.getLogger("coatcheck")

_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_OK: Final = 200
_REFUSALS: Final = {401, 403}
_BAD_REQUEST: Final = 400
_UNSUPPORTED: Final = "unsupported_token_type"
_ERRORS: Final = frozenset({"invalid_client", "invalid_request", "unauthorized_client", _UNSUPPORTED})
_HINT: Final = {"token_type_hint": "access_token"}


class Introspection:
    """Bearer tokens of an OAuth 2.0 authorization server, validated by asking it (RFC 7662).

    A token without a `sub`, or whose `sub` is its client, is a session of nobody: `user_id` is None, and whatever
    requires a signed-in user refuses it.

    Each answer depends on this moment only, so nothing is kept until `ProviderSettings.revalidate_after` says for how
    long: within it a token that was revoked there is still accepted here (RFC 7662 section 4). No answer is kept past
    its `exp`.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str = "",
        client_secret: str,
        auth: Literal["basic", "post", "bearer"] = "basic",
        issuer: str | None = None,
        audience: str | None = None,
        scopes: Collection[str] = (),
        token_type_required: bool = True,
        revocation_url: str | None = None,
        cookie: str | None = None,
        settings: HTTPSettings | None = None,
        client: httpx2.Client | Exchange | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            url: The introspection endpoint, such as `https://id.example.com/oauth2/introspect`.
            client_id: Who we are there.
            client_secret: How we prove it: the client's secret, or a bearer token of ours with `auth="bearer"`.
            auth: Where that stands: in `Authorization: Basic` (RFC 6749 section 2.3.1), in the form, or in
                `Authorization: Bearer`.
            issuer: Who must have issued a token: the `iss` of the answer.
            audience: Who a token must be meant for: one of the answer's `aud`.
            scopes: What a token must be good for, all of it.
            token_type_required: Whether the answer must say `token_type`. Most servers say it of access tokens only,
                which keeps a refresh token from being taken for one; where yours says it of none, switch it off.
            revocation_url: Where a token is ended (RFC 7009). Without it, one that is signed out here is refused here
                for as long as the log is kept, and accepted everywhere else.
            cookie: A cookie that may carry the token too; by default none may.
            settings: How the server is asked.
            client: A client of the application, where a proxy or a certificate is needed; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if auth not in {"basic", "post", "bearer"}:
            refuse("auth", auth, "use 'basic', 'post' or 'bearer'", of="introspection")
        if not client_id and auth != "bearer":
            refuse("client_id", client_id, "use the id under which the server knows this API", of="introspection")
        if not client_secret or not client_secret.isprintable():
            refuse_secret("client_secret", "is empty or not printable", "use what the server has for client_id")
        if isinstance(scopes, str) or not all(map(_SCOPE.fullmatch, scopes)):
            refuse("scopes", scopes, "use a list of words, such as ['orders:read']", of="introspection")
        self._demands = Demands(issuer, audience, frozenset(scopes), token_type_required)
        self._auth = auth
        self._client_id = client_id
        self._client_secret = client_secret
        self._cookies = () if cookie is None else (cookie,)
        self._clock = clock or SystemClock()
        place, self._path = endpoint("url", url)
        self._upstream = Upstream(self.name, place, settings, client=client, clock=clock)
        self._url = url
        self._revocation: Upstream | None = None
        self._revocation_path = ""
        if revocation_url is not None:
            place, self._revocation_path = endpoint("revocation_url", revocation_url)
            self._revocation = Upstream("token revocation", place, settings, client=client, clock=clock)
        self.forked()

    @property
    def name(self) -> str:
        """What it is called in logs and health checks."""
        return "introspection"

    @property
    def conditions(self) -> str:
        """All that its answers depend on besides the token: the server, who asks, and what a token must be."""
        issuer, audience, scopes, token_type = self._demands
        return json.dumps([self._url, self._client_id, issuer, audience, sorted(scopes), token_type])

    @property
    def cookies(self) -> tuple[str, ...]:
        """The cookie that may carry a token, if the application names one."""
        return self._cookies

    @property
    def bearer(self) -> bool:
        """Whether bearer tokens are read: they are what this is about."""
        return True

    @property
    def marks_bearer(self) -> bool:
        """Whether a bearer token is something else than the same text in a cookie: it is not."""
        return False

    @property
    def revalidate_after(self) -> timedelta:
        """How long an answer may be served, where the application does not say: not at all."""
        return timedelta(0)

    @property
    def available(self) -> bool:
        """Whether it has answered lately, and taken us for who we are; asks nobody."""
        return self._upstream.available and self._trouble is None

    def well_formed(self, presented: bytes) -> bool:
        """Tell whether this can be a bearer token at all (RFC 6750 section 2.1)."""
        return presented != AMBIGUOUS and _TOKEN.fullmatch(presented) is not None

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self._trouble: str | None = None
        self._upstream.forked()
        if self._revocation is not None:
            self._revocation.forked()

    def open(self) -> None:
        """Do nothing: the server is asked when somebody presents a token."""

    def close(self) -> None:
        """Close every connection this process has made."""
        self._upstream.close()
        if self._revocation is not None:
            self._revocation.close()

    def identify(self, presented: bytes) -> ProviderAnswer:
        """Ask the server about a token.

        Raises:
            Unavailable: The server did not answer, did not take us for who we say we are, or answered nonsense.
        """
        token = presented.decode("ascii")
        reply = self._post(self._upstream, self._path, token)
        try:
            answer = self._answer(reply, token)
        except Refused as refused:
            if refused.why not in {"active", "exp"}:
                # Not a secret, and what whoever sets this up looks for: which demand the tokens do not meet.
                _log.info("coatcheck.credential_refused", extra={"provider": self.name, "reason": refused.why})
            answer = ProviderAnswer(refused.reason)
        except Nonsense as error:
            self._give_up(f"the answer makes no sense: {error}")
        self._recover()
        return answer

    def _answer(self, reply: Reply, token: str) -> ProviderAnswer:
        if reply.status == _BAD_REQUEST and _code_of(reply) == _UNSUPPORTED:
            # About this token, and no outage: such as an ID token, where access tokens are of another form.
            raise Refused(_UNSUPPORTED)
        if reply.status != _OK:
            self._give_up(_why_refused(reply))
        return answer_of(reply.json(), token, self._demands, from_micros(self._clock.now() // 1000))

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        """Revoke a token at the server (RFC 7009), where it has an endpoint for that.

        Raises:
            Unavailable: Nobody knows whether it is revoked.
        """
        if self._revocation is None:
            return ()
        reply = self._post(self._revocation, self._revocation_path, presented.decode("ascii"))
        if reply.status != _OK:
            raise Unavailable(f"the token is not revoked: {_why_refused(reply)}")
        return ()

    def _post(self, upstream: Upstream, path: str, token: str) -> Reply:
        headers = {"accept": "application/json"}
        form = {"token": token, **_HINT}
        if self._auth == "basic":
            headers["authorization"] = _basic(self._client_id, self._client_secret)
        elif self._auth == "bearer":
            headers["authorization"] = f"Bearer {self._client_secret}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        return upstream.ask("POST", path, headers=headers, form=form)

    def _give_up(self, reason: str) -> NoReturn:
        """Say that nobody can tell, and log why, once: a wrong secret is an outage, and somebody must mend it."""
        if self._trouble != reason:
            self._trouble = reason
            _log.warning("coatcheck.provider_nonsense", extra={"provider": self.name, "reason": reason})
        raise Unavailable(f"{self.name}: {reason}") from None

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            _log.info("coatcheck.provider_available", extra={"provider": self.name})


def _basic(client_id: str, client_secret: str) -> str:
    """Return the header: both are form-encoded first, so that a colon in one ends nothing (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return "Basic " + b64encode(pair.encode()).decode()


def _why_refused(reply: Reply) -> str:
    """Say why the server has refused us, by its status and the code of its error, if that is a known one."""
    code = _code_of(reply)
    reason = f"the server answered {reply.status}" + (f" ({code})" if code else "")
    if reply.status in _REFUSALS or "client" in code:
        return f"{reason}: it does not let us ask; check client_id, client_secret and auth"
    return f"{reason}; check the address of the endpoint"


def _code_of(reply: Reply) -> str:
    try:
        said = as_object(reply.json())
    except Nonsense:
        return ""
    code = None if said is None else said.get("error")
    return code if isinstance(code, str) and code in _ERRORS else ""
