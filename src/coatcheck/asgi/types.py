"""The types of ASGI, which has no package of its own for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from coatcheck.web.types import Headers, Scope

__all__ = ["App", "Headers", "Message", "Receive", "Scope", "Send"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
