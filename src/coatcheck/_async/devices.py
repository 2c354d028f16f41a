"""Sessions that belong to a device: offered, registered, renewed."""

from __future__ import annotations

import logging
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from coatcheck.core.cookies import set_cookie
from coatcheck.core.dbsc import bound_cookie, challenges, headers, proofs
from coatcheck.core.dbsc.challenges import Offer
from coatcheck.core.jose import jwts, keys
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.core.times import to_micros
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.stores.base import Device, Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.dbsc.settings import DeviceBinding
    from coatcheck.core.session import Session
    from coatcheck.stores.async_protocol import AsyncBindsDevices

_log = logging.getLogger("coatcheck")

_ATTEMPTS: Final = 20


class Renewal(NamedTuple):
    """The answer to a browser that wants to renew its cookie.

    Attributes:
        cookie: The value of Set-Cookie; None if it has yet to sign the challenge.
        challenge: What to sign now, or the next time.
    """

    cookie: bytes | None
    challenge: str


class AsyncDevices:
    """Binds sessions to devices, and judges whether a request comes from one.

    Attributes:
        binding: The settings.
        cookie: The second cookie's.
    """

    def __init__(self, sessions: AsyncSessions, binding: DeviceBinding, cookie: CookieSettings) -> None:
        """Wire it.

        Args:
            sessions: Whose sessions are bound.
            binding: The settings.
            cookie: The session cookie's.

        Raises:
            ConfigurationError: The store, the keys, the cookie or the installation do not allow it.
        """
        if not sessions.store.capabilities.devices:
            kind = type(sessions.store).__name__
            refuse("device_binding", kind, "this store cannot bind sessions; use SQLite, PostgreSQL, Valkey or D1")
        self._secrets = sessions.secrets(bound_cookie.CONTEXT)
        if not self._secrets:
            refuse_secret("keys", "are missing", "device_binding signs its cookies: give the sessions keys=")
        self.binding = binding
        self.cookie = binding.bound_cookie(cookie)
        self._sessions = sessions
        self._store = cast("AsyncBindsDevices", sessions.store)
        self._log = sessions.tiers.log
        self._ttl = int(binding.ttl.total_seconds())
        self._verifier = verifier_for("device_binding", "dbsc")

    # --- in every request

    def proves(self, session: Session, values: Sequence[bytes]) -> bool:
        """Tell from memory whether one of these values of the second cookie shows that the device sends the request."""
        return bound_cookie.proves(self._secrets, values, session.id, self._now())

    def _now(self) -> int:
        return self._log.best_now() // 1_000_000_000

    # --- registering

    def offer(self, session: Session, *, root_path: str = "") -> tuple[bytes, bytes] | None:
        """Return the header that offers to bind a session whose user has just signed in; None if it cannot be."""
        if session.user_id is None or session.actor_id is not None or session.device_bound:
            return None
        if not headers.can_name(session.id):
            return None
        nonce = token_bytes(challenges.NONCE)
        offer = challenges.offered(self._secrets[0], session.id, _signed_in(session), nonce, self._now())
        return headers.registration(root_path + self.binding.register_path, *offer)

    async def register(self, session: Session, text: str, *, audiences: Collection[str]) -> bytes:
        """Bind a session to the key that a proof brings; returns the value of Set-Cookie.

        No worker accepts the session's cookie alone afterwards, as after a revocation.

        Args:
            session: The session, as its cookie shows it.
            text: The proof.
            audiences: What its `aud` may be, if it has one.

        Raises:
            ProofRefused: The proof does not count, or the session is bound already.
            Unavailable: The store did not answer.
        """
        proof = proofs.parsed(text)
        offer = Offer(proof.challenge, proof.authorization or "")
        if not challenges.accepts(self._secrets, session.id, _signed_in(session), offer, self._now()):
            raise jwts.ProofRefused("it answers no offer to this session, or one that is over")
        key = proofs.registered_key(proof, self._verifier, audiences=audiences)
        name = keys.thumbprint(key)
        if not await self._store.bind(session.id, Device(name, keys.written(key), challenges.NONE)):
            raise jwts.ProofRefused("the session has ended, or belongs to a device already")
        self._sessions.tiers.changed(None)
        self._sessions.events.emit("bound", session.id, session.user_id, name)
        return self._issued(session.id)

    def _issued(self, session_id: str) -> bytes:
        value = bound_cookie.issued(self._secrets[0], session_id, self._now() + self._ttl)
        return set_cookie(self.cookie, value, self._ttl)

    # --- renewing

    async def renew(
        self, session_id: str, text: str | None, *, presented: bool, audiences: Collection[str]
    ) -> Renewal | None:
        """Answer a browser that wants to renew the second cookie.

        Args:
            session_id: The session that it names.
            text: Its proof; None if it has yet to get a challenge.
            presented: Whether the request has that session's cookie, too. Who knows the id alone, which is no secret,
                can end nothing by a wrong signature.
            audiences: What the proof's `aud` may be, if it has one.

        Returns:
            The new cookie, or what to sign; None when there is no such session, and when this has ended it.

        Raises:
            Unavailable: The store did not answer.
        """
        for _ in range(_ATTEMPTS):
            device = await self._store.device(session_id)
            if device is None:
                return None
            try:
                proof = None if text is None else self._checked(device, text, audiences)
            except jwts.ProofRefused as refused:
                _log.warning("coatcheck.proof_refused", extra={"session_id": session_id, "reason": str(refused)})
                if presented and isinstance(refused, jwts.SignatureWrong):
                    await self._sessions.end_selected(Selection(session_id=session_id, reason="device signature"))
                    return None
                proof = None
            renewal = await self._step(session_id, device, proof)
            if renewal is not None:
                return renewal
        msg = "the store could not answer (too many others renew the same session)"
        raise Unavailable(msg)

    def _checked(self, device: Device, text: str, audiences: Collection[str]) -> proofs.Proof:
        proof = proofs.parsed(text)
        proofs.check(proof, keys.read(device.key), self._verifier, audiences=audiences)
        return proof

    async def _step(self, session_id: str, device: Device, proof: proofs.Proof | None) -> Renewal | None:
        """Spend the challenge of a proof, or give one; None if somebody else has changed the challenges meanwhile."""
        now = self._now()
        # Longer than the cookie: the challenge that comes with it is to be good when it is renewed.
        nonce, end = token_bytes(challenges.NONCE), now + 2 * self._ttl
        spent = None if proof is None else challenges.spent(device.challenges, proof.challenge, nonce, now, end)
        kept = spent or challenges.current(device.challenges, nonce, now, end)
        if kept.kept != device.challenges and not await self._store.swap_challenges(
            session_id, device.challenges, kept.kept
        ):
            return None
        return Renewal(None if spent is None else self._issued(session_id), kept.next)


def _signed_in(session: Session) -> int:
    return 0 if session.authenticated_at is None else to_micros(session.authenticated_at)


def verifier_for(setting: str, extra: str) -> jwts.Verifier:
    """Return who verifies signatures, for a setting that needs it and the extra that brings it.

    Raises:
        ConfigurationError: The package is not installed.
    """
    try:
        from coatcheck.device_signatures import Signatures  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = f"{setting} needs the package cryptography; install coatcheck[{extra}]"
        raise ConfigurationError(msg) from error
    return Signatures()
