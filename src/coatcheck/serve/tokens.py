"""Identity tokens: who is signed in, as a short-lived JWT (RFC 7519) for applications that want to check who says it.

The algorithm is that of the key, and the header names no key and no address of its own (rule J1). They live for minutes
(rule J3), and say for whom they are (rule J2).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coatcheck.core.refusals import refuse
from coatcheck.errors import ConfigurationError
from coatcheck.serve.identity import claims_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.core.session import Session
    from coatcheck.signing_keys import SigningKey

TYPE: Final = "coatcheck-identity+jwt"
"""The `typ` of an identity token: nothing else that is signed can be taken for one (RFC 8725 section 3.11, rule J2)."""

_FIX: Final = "make one with: openssl genpkey -algorithm ed25519 -out identity.pem"


class IdentityTokens:
    """Signs identity tokens; the first key signs, all are published."""

    def __init__(self, options: ServeOptions) -> None:
        """Read the keys.

        Raises:
            ConfigurationError: A file cannot be read, or holds no P-256 or Ed25519 key; or PyJWT is not installed.
        """
        self._keys = [_read(path, position) for position, path in enumerate(options.token_keys)]
        names = [key.public["kid"] for key in self._keys]
        for position, name in enumerate(names):
            if name in names[:position]:
                first = names.index(name)
                fix = f"it is the key of token_keys[{first}]; remove it"
                refuse(f"token_keys[{position}]", options.token_keys[position], fix, of="serve")
        audience = options.token_audience
        self._common = {"iss": options.token_issuer, "aud": audience[0] if len(audience) == 1 else list(audience)}
        self._lifetime = options.token_lifetime
        self._name = options.token_header.lower().encode("ascii")
        self._scheme = b"Bearer " if self._name == b"authorization" else b""
        self.key_set = json.dumps({"keys": [dict(key.public) for key in self._keys]}).encode()
        """The public keys as a set (RFC 7517 section 5)."""

    def header(
        self, session: Session | None, now: datetime, scopes: Sequence[str] | None = None
    ) -> tuple[bytes, bytes]:
        """Return the header with a token for who is signed in; empty for nobody."""
        if session is None:
            return self._name, b""
        return self._name, self._scheme + self.token(session, now, scopes)

    def token(self, session: Session, now: datetime, scopes: Sequence[str] | None = None) -> bytes:
        """Return a token for who is signed in; it ends with the session at the latest.

        Args:
            session: The session.
            now: The time, by the clock that sessions are judged by.
            scopes: What it may be used for, if a program presents a token; None for a session.
        """
        import jwt  # noqa: PLC0415 - an optional extra

        key = self._keys[0]
        ends = min(now + self._lifetime, session.ends_at)
        claims = {
            **self._common,
            **claims_of(session, scopes),
            "iat": int(now.timestamp()),
            "exp": int(ends.timestamp()),
        }
        headers = {"typ": TYPE, "kid": key.public["kid"]}
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers=headers).encode("ascii")


def identity_tokens(options: ServeOptions) -> IdentityTokens | None:
    """Return what signs identity tokens; None if they are not wanted.

    Raises:
        ConfigurationError: Something is wrong with a key, or PyJWT is not installed.
    """
    return IdentityTokens(options) if options.token_keys else None


def _read(path: str, position: int) -> SigningKey:
    try:
        from coatcheck.signing_keys import signing_key  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = f"serve token_keys needs {error.name}: pip install 'coatcheck[serve]'"
        raise ConfigurationError(msg) from None
    setting = f"token_keys[{position}]"
    try:
        found = signing_key(Path(path).read_bytes())
    except OSError as error:
        refuse(setting, path, f"it cannot be read ({error.strerror}); {_FIX}", of="serve")
    except (ValueError, TypeError):  # which may quote it
        refuse(setting, path, f"it holds no private key without a password in PEM; {_FIX}", of="serve")
    return found or refuse(setting, path, f"it is neither P-256 nor Ed25519; {_FIX}", of="serve")
