# Generated from web/async_request_session.py by tools/generate_sync.py: edit that, run `make generate`.
"""`request.session`: the session's data as a mapping, for applications written against Starlette's own middleware.

It is read before the application runs and written when the response starts: only keys that have changed, so that two
requests at once keep both their changes (rule S8), and nothing at all after a request that only read. What ends
meanwhile stays ended (rule L8).
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.session import Session, data_in
from coatcheck.errors import Unavailable
from coatcheck.web.errors import DeviceProofAwaited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coatcheck.web.context import RequestContext


class RequestSession(MutableMapping[str, Any]):
    """The data of one request's session. Looking at it in any form is noted, as with the session itself (rule H1)."""

    _data: dict[str, Any] | None = None
    """What the application sees; None until it looks."""
    _before: Mapping[str, Any] = MappingProxyType({})
    """What it saw first."""
    _failure: Unavailable | DeviceProofAwaited | None = None
    _cleared = False
    _entered = False

    def __init__(self, context: RequestContext, user_key: str | None) -> None:
        """Attach to a request; nothing is read yet."""
        self._context = context
        self._user_key = user_key or ""
        self._found: Session | NotSignedIn = NotSignedIn.NO_TOKEN

    def load(self) -> None:
        """Read the session, where the request has one; what hinders that is raised to whoever looks at it."""
        context = self._context
        consulted = context.consulted
        try:
            self._found = context.session()
        except (Unavailable, DeviceProofAwaited) as error:
            self._failure = error
        context.consulted = consulted  # the application has not looked yet

    @property
    def looked_at(self) -> bool:
        """Whether the application has looked at it: only then can there be anything to write."""
        return self._data is not None

    def _opened(self) -> dict[str, Any]:
        data = self._data
        if data is None:
            self._context.consulted = True
            if self._failure is not None:
                raise self._failure
            # Only now: a request that never looks shall not pay for it.
            data = self._data = self._stored()
            self._before = data.copy()
        return data

    def _stored(self) -> dict[str, Any]:
        """Return the data as the store has it, made anew."""
        return self._decoded(data_in(self._found)) if self._found else {}

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
        return f"<RequestSession of {len(self._data or ())} keys>"

    # --- writing

    def commit(self) -> None:
        """Write what has changed.

        Raises:
            DataError: It is not JSON, or too large.
            Unavailable: The store did not answer.
        """
        data = self._data
        if data is None:
            return
        changes, removed = self._changes(data)
        changes = {key: self._plain(value) for key, value in changes.items()}
        context = self._context
        if self._entered and (user := data.get(self._user_key)) is not None:
            # Of what an anonymous visitor had, only the policy's `carry_over` moves along (rule L2).
            context.sign_in(str(user), data={**changes, self._user_key: user})
        elif (self._cleared and not data) or self._user_key in removed:
            context.sign_out()
        elif changes or removed:
            answer = context.session()
            if isinstance(answer, Session):
                # By the session's id and only if it is still there: a late request brings nothing back.
                context.sessions.save(answer, changes, remove=removed)
            elif changes:
                context.start_anonymous(changes)

    def _changes(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        before = self._before
        if not _IMMUTABLE.issuperset(map(type, before.values())):
            before = self._stored()  # what lies inside of a value may have been changed in its place
        elif before == data and all(map(is_, before.values(), data.values())):
            return {}, ()  # the very same values, and none that can be other than it was
        changes = {key: value for key, value in data.items() if key not in before or not self._same(before[key], value)}
        return changes, tuple(key for key in before if key not in data)

    def _same(self, before: Any, value: Any) -> bool:
        """Tell whether two values are the same JSON, as 1 and true are not."""
        if type(value) in _IMMUTABLE:
            return type(before) is type(value) and bool(before == value)
        return self._encoded(value) == self._encoded(before)

    # What a framework keeps that is no JSON by itself, it writes as such in the three below.

    def _encoded(self, value: Any) -> str:
        return json.dumps(value, default=repr)

    def _decoded(self, data: dict[str, Any]) -> dict[str, Any]:
        return data

    def _plain(self, value: Any) -> Any:
        return value


_IMMUTABLE = frozenset({str, int, bool, type(None)})
