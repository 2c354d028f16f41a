"""What a request is here, whoever serves it: the entries of an ASGI scope that sessions need, and header lines."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from coatcheck.web.settings import WebSettings

Scope = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]


class Asked(Protocol):
    """What both kinds of contexts tell of a request, whoever is signed in."""

    @property
    def settings(self) -> WebSettings:
        """How sessions travel over HTTP."""
        ...

    @property
    def challenges(self) -> Headers:
        """The lines of WWW-Authenticate that say how tokens are presented, where `Authorization` is read."""
        ...

    def header_lines(self, name: bytes) -> tuple[bytes, ...]:
        """Return the values of a header, one for each line."""
        ...

    def has_session_cookie(self) -> bool:
        """Tell whether the request carries a cookie of the session's name, and no bearer token instead."""
        ...
