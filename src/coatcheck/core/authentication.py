"""How the user of a session proved who they are, and when: what assurance the session has, and no more (rule A2)."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_LONGEST: Final = 255
_MOST: Final = 8

# RFC 8176 section 2, by the three kinds of factors of NIST SP 800-63B-4.
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("pwd", "pin", "kba"), frozenset({"knowledge"})),
    **dict.fromkeys(("otp", "sms", "tel", "hwk", "swk", "pop", "sc"), frozenset({"possession"})),
    **dict.fromkeys(("face", "fpt", "iris", "retina", "vbm"), frozenset({"inherence"})),
    "mfa": frozenset({"knowledge", "possession"}),
    # Where somebody is, how they came and that they are there are no proofs of who they are.
    **dict.fromkeys(("geo", "mca", "rba", "user", "wia"), frozenset[str]()),
}
_OTHER: Final = frozenset({"other"})


class Authentication(NamedTuple):
    """What is known of the proofs behind a session.

    Attributes:
        methods: Each method that was used, with when it last was, in microseconds since the epoch.
        acr: The level as an identity provider or the application calls it; None if nobody does.
        actor: Who acts as the user, if it is somebody else.
        shown: What the user is shown of them instead of a device; None for nothing.
        jkt: The thumbprint of the key that the session is bound to from its beginning (RFC 9449 section 6).
    """

    methods: Mapping[str, int] = MappingProxyType({})
    acr: str | None = None
    actor: str | None = None
    shown: str | None = None
    jkt: str | None = None

    def factors_since(self, moment: int) -> int:
        """Return of how many kinds the factors are that were proved at that moment or later (microseconds).

        Two passwords are of one kind. Methods that RFC 8176 does not name are of one kind together.
        """
        kinds: set[str] = set()
        for method, at in self.methods.items():
            if at >= moment:
                kinds |= _KINDS.get(method, _OTHER)
        return len(kinds)

    def renewed(self, methods: Iterable[str], acr: str | None, now: int) -> Authentication:
        """Return what is known after another proof; a method that was not used again keeps its time."""
        fresh = checked(methods, acr, None, now)
        return self._replace(methods={**self.methods, **fresh.methods}, acr=fresh.acr or self.acr)

    def text(self) -> str | None:
        """Return what stores keep; None when there is nothing to keep."""
        fields = {name: value for name, value in self._asdict().items() if value}
        return json.dumps(fields, separators=(",", ":")) if fields else None


def authentication_of(text: str | bytes | None) -> Authentication:
    """Return what a store kept; what is none of ours says nothing, and so grants nothing."""
    try:
        fields: Any = json.loads(text or "{}")
        methods = {str(name): int(at) for name, at in dict(fields.get("methods") or {}).items()}
    except (AttributeError, TypeError, ValueError):
        return Authentication()
    acr, actor, shown, jkt = (_text(fields.get(name)) for name in ("acr", "actor", "shown", "jkt"))
    return Authentication(methods, acr, actor, shown, jkt)


def acts_for_another(text: str | None) -> bool:
    """Tell whether these proofs, as JSON, name somebody who acts as the user."""
    return authentication_of(text).actor is not None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def checked(
    methods: Iterable[str], acr: str | None, actor: str | None, now: int, jkt: str | None = None
) -> Authentication:
    """Return an authentication that has just happened (microseconds since the epoch).

    Raises:
        DataError: A method is no plain name, there are too many, a text is empty or too long, or `jkt` is no hash.
    """
    if isinstance(methods, str):
        msg = f"methods={methods!r} is not possible: put it in a list, as [{methods!r}]"
        raise DataError(msg)
    names = tuple(methods)
    for name in names:
        if not _NAME.fullmatch(name):
            msg = f"method {name!r} is not possible: use a name of RFC 8176 such as 'pwd', or one in small letters"
            raise DataError(msg)
    if len(names) > _MOST:
        msg = f"{len(names)} methods are not possible: use at most {_MOST}"
        raise DataError(msg)
    for field, value in (("acr", acr), ("actor", actor)):
        if value is not None and not 0 < len(value) <= _LONGEST:
            msg = f"{field} of {len(value)} characters is not possible: use 1 to {_LONGEST}"
            raise DataError(msg)
    if jkt is not None and not _THUMBPRINT.fullmatch(jkt):
        msg = "key_thumbprint= is not possible: use that of a proof, a SHA-256 hash in base64url (RFC 7638)"
        raise DataError(msg)
    return Authentication(dict.fromkeys(names, now), acr, actor, jkt=jkt)
