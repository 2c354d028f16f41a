"""Sessions that a provider issues, in words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from coatcheck.describe.store import bound
from coatcheck.describe.words import LOCAL, Line, Unsafe, flag, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck._async.provider_sessions import AsyncProviderSessions
    from coatcheck._sync.provider_sessions import ProviderSessions
    from coatcheck.web.settings import WebSettings

    Sessions = AsyncProviderSessions | ProviderSessions

LONGEST: Final = timedelta(minutes=5)
"""The longest that an answer should stand in for asking."""

LONGEST_ASKED_ALWAYS: Final = timedelta(minutes=1)
"""The same where the provider wants to be asked with each request (RFC 7662 section 4)."""

_ADDRESS: Final = re.compile(r"https?://[^\s\"',;|]+")
_WITH_TRIGGERS: Final = "better-auth-database"


def provider_lines(sessions: Sessions) -> Iterator[Line]:
    """Yield who issues the sessions, and for how long its answers stand in for asking it."""
    provider, settings = sessions.provider, sessions.settings
    yield Line("provider", provider.name)
    wire = Unsafe("C1", "whoever listens on the network between gets every token", "use https")
    yield Line("provider.conditions", provider.conditions, wire if _is_plain(provider.conditions) else None)
    yield _revalidate_after(sessions)
    yield Line("provider.refused_for", in_words(min(settings.refused_for, sessions.revalidate_after)))
    yield _serve_stale_for(sessions)
    yield Line("provider.max_entries", f"at most {settings.max_entries} sessions" if settings.max_entries else "off")
    yield Line("provider.lease", in_words(settings.lease))
    shared = sessions.tiers.shared
    yield Line("shared_cache", "none" if shared is None else in_words(sessions.tiers.shared_settings.ttl))


def _is_plain(conditions: str) -> bool:
    """Tell whether the address, which comes first, is one of plain http on another machine."""
    found = _ADDRESS.search(conditions)
    parts = None if found is None else urlsplit(found[0])
    return parts is not None and parts.scheme == "http" and parts.hostname not in LOCAL


def _revalidate_after(sessions: Sessions) -> Line:
    longest = LONGEST if sessions.provider.revalidate_after else LONGEST_ASKED_ALWAYS
    reason = f"what has ended there can be accepted for longer than {in_words(longest)}"
    unsafe = Unsafe("L7", reason, f"use at most timedelta(minutes={longest // timedelta(minutes=1)})")
    kept = sessions.revalidate_after
    return Line("provider.revalidate_after", in_words(kept), unsafe if kept > longest else None)


def _serve_stale_for(sessions: Sessions) -> Line:
    stale = sessions.settings.serve_stale_for
    reason = "who can keep the provider from answering can use what has ended there for so much longer"
    unsafe = Unsafe("L7", reason, f"use at most timedelta(minutes={LONGEST // timedelta(minutes=1)})")
    return Line("provider.serve_stale_for", in_words(stale) if stale else "off", unsafe if stale > LONGEST else None)


def transport_lines(sessions: Sessions, web: WebSettings) -> Iterator[Line]:
    """Yield where tokens are looked for."""
    transport = sessions.transport(web.cookie.name, bearer=web.bearer)
    plant = Unsafe(
        "C1",
        "a sibling subdomain or plain http can plant a cookie of this name",
        "accept only names that begin with '__Secure-' or '__Host-'",
    )
    for name in map(bytes.decode, transport.cookies):
        prefixed = name.lower().startswith(("__secure-", "__host-"))
        yield Line("provider.cookie", name, None if prefixed else plant)
    yield flag("provider.bearer", on=transport.bearer)


def bound_lines(sessions: Sessions) -> Iterator[Line]:
    """Yield how long what has ended can still be accepted: what ends here, and what the provider ends by itself."""
    settings = sessions.settings
    kept = bool(sessions.revalidate_after) and (bool(settings.max_entries) or sessions.tiers.shared is not None)
    yield Line("revocation_bound", bound(sessions.store, settings.lease, believes_the_log=kept))
    yield Line("revocation_bound.provider", _provider_s_own(sessions) if kept else "0: it is asked with each request")


def _provider_s_own(sessions: Sessions) -> str:
    kept, stale = sessions.revalidate_after, sessions.settings.serve_stale_for
    text = f"what it ends by itself and tells nobody: at most {in_words(kept)}"
    if stale:
        text += f", {in_words(kept + stale)} while it does not answer"
    if sessions.provider.name == _WITH_TRIGGERS:
        text += "; with triggers on its tables in this store the same as what ends here"
    return text
