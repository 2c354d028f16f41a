"""The running configuration in words, and what of it is unsafe: what `coatcheck check` prints.

>>> for line in describe(sessions, WebSettings()):
...     print(line.setting, line.value, line.unsafe)
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.describe.provider import bound_lines, provider_lines, transport_lines
from coatcheck.describe.sessions import cache_lines, policy_lines, token_lines
from coatcheck.describe.statement import Claim, statement
from coatcheck.describe.store import store_lines
from coatcheck.describe.web import cookie_lines, cross_origin_lines, device_lines, request_lines
from coatcheck.describe.words import Line, Unsafe, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.web.settings import WebSettings

__all__ = ["AnySessions", "Claim", "Line", "Unsafe", "describe", "in_words", "statement"]

_OURS: Final = frozenset({"bearer", "dpop", "second_factor", "most_accounts"})
"""Settings of requests that say nothing about sessions of a provider, or that it has lines of its own for."""

AnySessions = AsyncSessions | Sessions | AsyncProviderSessions | ProviderSessions


def describe(sessions: AnySessions, web: WebSettings, problems: Sequence[str] = ()) -> list[Line]:
    """Return every setting that security depends on, in words, with what is unsafe about it.

    Nothing is read or asked: a store's own problems are handed in.

    Args:
        sessions: The sessions as configured: our own, or those of a provider.
        web: How they travel over HTTP.
        problems: What the store says of itself, from `store.problems()`.
    """
    if isinstance(sessions, (AsyncSessions, Sessions)):
        return list(
            chain(
                policy_lines(sessions.policy),
                token_lines(sessions),
                cookie_lines(web.cookie),
                device_lines(web),
                cross_origin_lines(web.cross_origin),
                request_lines(web),
                cache_lines(sessions),
                store_lines(sessions.store, problems),
            )
        )
    return list(
        chain(
            provider_lines(sessions),
            transport_lines(sessions, web),
            cross_origin_lines(web.cross_origin),
            (line for line in request_lines(web) if line.setting not in _OURS),
            bound_lines(sessions),
            store_lines(sessions.store, problems),
        )
    )
