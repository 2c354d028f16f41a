# Generated from web/async_proof_gate.py by tools/generate_sync.py: edit that, run `make generate`.
"""What stands between a token that is bound to a key and the application: the proof of the request (RFC 9449)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from coatcheck._sync.proofs import Proofs
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.dpop.addresses import normal_path
from coatcheck.core.dpop.proofs import HEADER, NONCE_HEADER, Asked, NonceWanted, WrongKey, challenges
from coatcheck.core.jose.jwts import ProofRefused
from coatcheck.core.transport import bearer_token, dpop_token
from coatcheck.web.authority import own
from coatcheck.web.errors import ProofRejected

if TYPE_CHECKING:
    from coatcheck.core.dpop.proofs import Proof
    from coatcheck.core.session import Session
    from coatcheck.core.transport import Transport
    from coatcheck.web.authority import Authority
    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers, Scope


def proofs_of(authority: Authority, settings: WebSettings, transport: Transport) -> tuple[Transport, Proofs | None]:
    """Return where tokens stand, and what judges proofs if that is wanted.

    Raises:
        ConfigurationError: It is wanted and not possible.
    """
    if settings.dpop is None:
        return transport, None
    return replace(transport, dpop=True), Proofs(own(authority), settings.dpop)


class ProofGate:
    """The proof of one request.

    Attributes:
        error: Why it does not count, as WWW-Authenticate says it; empty if nothing was wrong, or nobody has looked.
    """

    __slots__ = ("_addresses", "_headers", "_method", "_proofs", "_signed", "error")

    def __init__(self, proofs: Proofs, scope: Scope) -> None:
        """Note what a proof has to be for."""
        self._proofs = proofs
        self._headers: Headers = scope["headers"]
        self._method: str = scope.get("method", "GET")  # a WebSocket's handshake has none
        path = _path(scope)
        self._addresses = () if path is None else tuple(origin + path for origin in proofs.settings.origins)
        self._signed: Proof | None = None
        self.error: tuple[str, str] = ("", "")

    def judged(self, session: Session) -> Session | NotSignedIn:
        """Return a session if the request has the right to it.

        One that is bound to a key needs its proof; one that is not is no better for being presented as if it were.

        Raises:
            Unavailable: The store did not answer.
        """
        token, thumbprint = dpop_token(self._headers), session.key_thumbprint
        if token is None and thumbprint is None:
            return session
        if token is None or thumbprint is None:
            self.error = ("invalid_token", "the token is not one for this scheme")  # RFC 9449 section 7.2
            return NotSignedIn.DEVICE
        try:
            self._check(token, thumbprint)
        except ProofRefused:
            return NotSignedIn.DEVICE
        return session

    def key(self) -> str:
        """Return the thumbprint of the key that has signed this request, which presents no token yet.

        Raises:
            ProofRejected: There is no proof, or it does not count.
            Unavailable: The store did not answer.
        """
        try:
            return self._check(None, None)
        except ProofRefused:
            raise ProofRejected(*self.error) from None

    def _check(self, token: bytes | None, thumbprint: str | None) -> str:
        lines = [value for key, value in self._headers if key == HEADER]
        try:
            proof = self._proofs.check(lines, Asked(self._method, self._addresses, token, thumbprint))
        except NonceWanted as wanted:
            self.error = ("use_dpop_nonce", str(wanted))
            raise
        except WrongKey as wrong:
            self.error = ("invalid_token", str(wrong))
            raise
        except ProofRefused as refused:
            self.error = ("invalid_dpop_proof", str(refused))
            raise
        self._signed = proof
        return proof.thumbprint

    @property
    def wants_nonce(self) -> bool:
        """Whether all that was wrong is that the proof lacks a nonce of ours, as a client's first one does."""
        return self.error[0] == "use_dpop_nonce"

    def challenges(self, *, bearer: bool) -> Headers:
        """Return the lines of WWW-Authenticate with which this request is refused."""
        by_key = dpop_token(self._headers) is not None
        scheme = "Bearer" if bearer and not by_key and bearer_token(self._headers) is not None else "DPoP"
        error = self.error
        if by_key and not error[0] and self._signed is None:
            error = ("invalid_token", "the token is not good, or not any more")
        return [(b"www-authenticate", value) for value in challenges(scheme, *error, bearer=bearer)]

    def finish(self, headers: Headers) -> None:
        """Add the nonce for the client's next proof to a response, where it needs another."""
        if self._signed is None and not self.wants_nonce:
            return
        nonce = self._proofs.nonce(None if self._signed is None else self._signed.nonce_age)
        if nonce is not None:
            headers.append((NONCE_HEADER, nonce.encode("ascii")))


def _path(scope: Scope) -> str | None:
    """Return the path as the client has sent it, as far as the server tells; None if it can be none."""
    raw: bytes = scope.get("raw_path") or b""
    if raw:
        return normal_path(raw.partition(b"?")[0].decode("latin-1"))
    root: str = scope.get("root_path", "")
    return normal_path(quote(root + scope["path"].removeprefix(root), safe="/!$&'()*+,;=:@~"))
