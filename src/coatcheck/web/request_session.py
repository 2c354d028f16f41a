# Generated from web/async_request_session.py by tools/generate_sync.py: edit that, run `make generate`.
"""`request.session`: the session's data as a mapping, for applications written against Starlette's own middleware.

It is read before the application runs and written when the response starts: only keys that have changed, so that two
requests at once keep both their changes (rule S8), and nothing at all after a request that only read. What ends
meanwhile stays ended (rule L8).
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Self

from coatcheck.core.session import Session
from coatcheck.errors import Unavailable
from coatcheck.web.errors import DeviceProofAwaited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coatcheck.web.context import RequestContext


class RequestSession(MutableMapping[str, Any]):
    """The data of one request's session. Looking at it in any form is noted, as with the session itself (rule H1)."""

    def __init__(self, context: RequestContext, user_key: str | None) -> None:
        """Attach to a request; nothing is read yet."""
        self._context = context
        self._user_key = user_key or ""
        self._failure: Unavailable | DeviceProofAwaited | None = None
        self._data: dict[str, Any] = {}
        self._before: dict[str, str] = {}
        self._looked = False
        self._cleared = False
        self._entered = False

    def load(self) -> None:
        """Read the session, where the request has one; what hinders that is raised to whoever looks at it."""
        consulted = self._context.consulted
        try:
            answer = self._context.session()
        except (Unavailable, DeviceProofAwaited) as error:
            self._failure = error
        else:
            self._data = self._decoded(json.dumps(dict(answer.data))) if answer else {}
        self._context.consulted = consulted  # the application has not looked yet

    def _opened(self) -> dict[str, Any]:
        if not self._looked:
            self._looked = True
            self._context.consulted = True
            if self._failure is None:
                # Only now: a request that never looks shall not pay for noticing what changes inside of a value.
                self._before = {key: self._encoded(value) for key, value in self._data.items()}
        if self._failure is not None:
            raise self._failure
        return self._data

    def __getitem__(self, key: str) -> Any:
        return self._opened()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._opened()[key] = value
        self._entered = self._entered or key == self._user_key != ""  # the same user again is a sign-in too

    def __delitem__(self, key: str) -> None:
        del self._opened()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __len__(self) -> int:
        return len(self._opened())

    def popitem(self) -> tuple[str, Any]:
        """Remove the key that was set last, as a dictionary does."""
        return self._opened().popitem()

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def clear(self) -> None:
        """Forget everything, and with the response end the session."""
        self._opened().clear()
        self._cleared = True

    def replace(self, values: Mapping[str, Any]) -> None:
        """Have these values and no others."""
        data = self._opened()
        data.clear()
        self.update(values)
        self._cleared = not values

    def __repr__(self) -> str:
        return f"<RequestSession of {len(self._data)} keys>"

    # --- writing

    def commit(self) -> None:
        """Write what has changed.

        Raises:
            DataError: It is not JSON, or too large.
            Unavailable: The store did not answer.
        """
        if not self._looked or self._failure is not None:
            return
        changes, removed = self._changes()
        changes = {key: self._plain(value) for key, value in changes.items()}
        context = self._context
        if self._entered and (user := self._data.get(self._user_key)) is not None:
            # Of what an anonymous visitor had, only the policy's `carry_over` moves along (rule L2).
            context.sign_in(str(user), data={**changes, self._user_key: user})
        elif self._ends(removed):
            context.sign_out()
        elif changes or removed:
            answer = context.session()
            if isinstance(answer, Session):
                # By the session's id and only if it is still there: a late request brings nothing back.
                context.sessions.save(answer, changes, remove=removed)
            elif changes:
                context.start_anonymous(changes)

    def _changes(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        changes = {
            key: value
            for key, value in self._data.items()
            if key not in self._before or self._encoded(value) != self._before[key]
        }
        return changes, tuple(key for key in self._before if key not in self._data)

    # What a framework keeps that is no JSON by itself, it writes as such in the two below.

    def _encoded(self, value: Any) -> str:
        return json.dumps(value, default=repr)

    def _decoded(self, text: str) -> Any:
        return json.loads(text)

    def _plain(self, value: Any) -> Any:
        return value

    def _ends(self, removed: tuple[str, ...]) -> bool:
        return (self._cleared and not self._data) or self._user_key in removed
