"""Tokens: the secrets that clients hold, and the hashes that stores keep of them."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from coatcheck.core.base64url import text_of
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_BYTES = 32
"""256 random bits; ASVS 7.2.3 asks for 128 (rule T1)."""

Algorithm = Literal["sha256", "blake3"]

# 32 bytes are 43 base64url characters, and the last of them carries only four bits: two spellings of one
# secret must not exist.
_ISSUED = re.compile(rb"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_ADOPTED = re.compile(rb"[A-Za-z0-9_-]{22,256}")
_IMPORTED = b"coatcheck:imported:"
_RESERVED = frozenset({"api", "grant", "access", "console", "console-attempt"})
_RESERVED_FOR_MANY = ("ticket:", "waiting:")


class Token:
    """A secret that never shows itself in a log, a repr or a trace (rule T9)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Wrap the text of a token."""
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, to hand it to the client it belongs to."""
        return self._value

    def __repr__(self) -> str:
        return "Token(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return secrets.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("coatcheck.Token", self._value))

    def __reduce__(self) -> str:
        msg = "a token cannot be pickled"
        raise TypeError(msg)


def new_token() -> Token:
    """Make a token of 32 bytes from the operating system's generator (rule T1, T2)."""
    return Token(text_of(secrets.token_bytes(TOKEN_BYTES)))


def new_session_id() -> str:
    """Make the public id of a session: 128 random bits, and no credential (rule T10).

    None begins with a hyphen: on a command line it would be taken for an option.
    """
    while (session_id := text_of(secrets.token_bytes(16))).startswith("-"):
        pass
    return session_id


def is_reserved(purpose: str) -> bool:
    """Tell whether a purpose is that of tokens which are no sessions', and stand in the same table (rules C12, J2)."""
    return purpose in _RESERVED or purpose.startswith(_RESERVED_FOR_MANY)


class TokenHash:
    """How a token becomes the key under which a store keeps its session (rule T5, C12).

    The purpose is part of what is hashed, so a token issued for one purpose means nothing to another.
    """

    __slots__ = ("_adopted", "_algorithm", "_digest", "_prefix", "_raw")

    def __init__(
        self,
        algorithm: Algorithm = "sha256",
        *,
        purpose: str = "session",
        adopted: Literal["text", "bytes"] | None = None,
    ) -> None:
        """Choose the hash.

        Args:
            algorithm: "sha256", or "blake3" with the extra of that name.
            purpose: What the tokens are for, such as "session" or "admin".
            adopted: For rows that another system wrote, whose hashes know no purpose: whether it hashed the
                token's text or the bytes that the text encodes.

        Raises:
            ConfigurationError: The algorithm is unknown or its package is missing, or the purpose is empty.
        """
        if not purpose:
            msg = "purpose='' is empty; name what the tokens are for, such as 'session'"
            raise ConfigurationError(msg)
        self._digest = _digest_function(algorithm)
        self._algorithm: Algorithm = algorithm
        self._adopted = adopted is not None
        self._raw = adopted == "bytes"
        self._prefix = b"" if self._adopted else _purpose_prefix(purpose)

    @property
    def algorithm(self) -> Algorithm:
        """The hash function."""
        return self._algorithm

    @property
    def adopted(self) -> bool:
        """Whether the hashes are those of another system, which know no purpose."""
        return self._adopted

    @property
    def prefix(self) -> bytes:
        """What stands before the token in the hashed bytes."""
        return self._prefix

    def well_formed(self, token: bytes) -> bool:
        """Tell whether this can be a token at all, before any store is asked (rule T7)."""
        pattern = _ADOPTED if self._adopted else _ISSUED
        return pattern.fullmatch(token) is not None and (not self._raw or _canonical(token))

    def __call__(self, token: bytes) -> bytes:
        """Return the 32-byte hash of a well-formed token."""
        if self._raw:
            return self._digest(_decoded(token))
        return self._digest(self._prefix + token)

    def of_digest(self, digest: bytes) -> bytes:
        """Return the 32-byte hash of an imported token, of which only a digest is known; no token hashes to it."""
        return self._digest(_IMPORTED + self._prefix + digest)

    def __repr__(self) -> str:
        return f"TokenHash({self._algorithm!r})"


def _decoded(token: bytes) -> bytes:
    return urlsafe_b64decode(token + b"=" * (-len(token) % 4))


def _canonical(token: bytes) -> bool:
    """Tell whether this is base64url at all, and the only spelling of its bytes."""
    return len(token) % 4 != 1 and urlsafe_b64encode(_decoded(token)).rstrip(b"=") == token


def _purpose_prefix(purpose: str) -> bytes:
    text = purpose.encode()
    return b"coatcheck:%d:%s:" % (len(text), text)


def _sha256(value: bytes) -> bytes:
    return sha256(value).digest()


def _digest_function(algorithm: Algorithm) -> Callable[[bytes], bytes]:
    if algorithm == "sha256":
        return _sha256
    if algorithm == "blake3":
        return _blake3()
    msg = f"token hash algorithm={algorithm!r} is unknown; use 'sha256' or 'blake3'"
    raise ConfigurationError(msg)


def _blake3() -> Callable[[bytes], bytes]:
    try:
        from blake3 import blake3  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = "token hash algorithm='blake3' needs the package of that name; install coatcheck[blake3]"
        raise ConfigurationError(msg) from error
    return lambda value: blake3(value).digest()
