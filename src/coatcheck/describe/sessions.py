"""Sessions that we issue, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from coatcheck.describe.store import bound
from coatcheck.describe.words import NONE, Line, Unsafe, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.policy import Policy

LONGEST: Final = timedelta(days=30)
"""The longest a session should live, by NIST SP 800-63B-4 at AAL1."""

LONGEST_REMEMBERED: Final = timedelta(days=90)
"""The longest a session should live whose user asked to be remembered."""

LONGEST_STALE: Final = timedelta(minutes=5)
"""The longest that sessions should be served while nobody can tell whether they have ended."""


# --- how long and how many


def policy_lines(policy: Policy) -> Iterator[Line]:
    """Yield how long sessions live, and how many there may be."""
    yield _duration("idle_timeout", policy.idle_timeout, LONGEST, "L3")
    yield _duration("lifetime", policy.lifetime, LONGEST, "L4")
    yield _duration("remember_idle_timeout", policy.remember_idle_timeout, LONGEST_REMEMBERED, "L3")
    yield _duration("remember_lifetime", policy.remember_lifetime, LONGEST_REMEMBERED, "L4")
    yield Line("policy.touch_every", in_words(policy.touch_every))
    if policy.extend_when_less_than is not None:
        yield Line("policy.extend_when_less_than", in_words(policy.extend_when_less_than))
    yield Line("policy.max_sessions", _limit(policy))
    yield Line("policy.max_data_bytes", str(policy.max_data_bytes))
    yield Line("policy.carry_over", ", ".join(policy.carry_over) or "none: nothing of a visitor's survives sign-in")
    yield Line("policy.rotate_after", _rotation(policy))
    keep = policy.audit_keep_for
    yield Line("policy.audit_keep_for", "off: no audit trail is kept" if keep is None else in_words(keep))
    yield Line("policy.notice_new_devices", "on" if policy.notice_new_devices else "off")


def _duration(name: str, value: timedelta | None, longest: timedelta, rule: str) -> Line:
    setting = f"policy.{name}"
    fix = f"use at most timedelta(days={longest.days})"
    if value is None:
        return Line(setting, NONE, Unsafe(rule, "a stolen session that is kept in use never ends", fix))
    unsafe = Unsafe(rule, f"a stolen session can be used for longer than {in_words(longest)}", fix)
    return Line(setting, in_words(value), unsafe if value > longest else None)


def _limit(policy: Policy) -> str:
    if policy.max_sessions is None:
        return "no limit"
    limit = policy.max_sessions if isinstance(policy.max_sessions, int) else "as many as a function of the user says"
    then = {"evict_oldest": "the oldest ends", "refuse": "sign-in is refused", "ask": "the user is asked which to end"}
    return f"{limit}; beyond that {then[policy.when_full]}"


def _rotation(policy: Policy) -> str:
    if policy.rotate_after is None:
        return "off: tokens change at sign-in, with another proof of who the user is and with privileges"
    then = {"end": "ends the session", "event": "is told"}[policy.on_reuse]
    grace = in_words(policy.rotation_grace)
    return f"{in_words(policy.rotate_after)}; the old token is good for {grace} more, its use after that {then}"


# --- what the client holds


def token_lines(sessions: AsyncSessions | Sessions) -> Iterator[Line]:
    """Yield what the client holds."""
    token_hash = sessions.token_hash
    algorithm = {"sha256": "SHA-256", "blake3": "BLAKE3"}[token_hash.algorithm]
    purpose = "of an adopted table, bound to no purpose" if token_hash.adopted else "bound to its purpose"
    yield Line("token_hash", f"{algorithm}, {purpose}")
    count = sessions.signing_keys
    yield Line("signing_keys", f"{count}; the first signs, all verify" if count else "none: tokens are not signed")
    if (imported := sessions.imported) is not None:
        cookie = imported.cookie_name
        plant = Unsafe(
            "C1",
            "a sibling subdomain or plain http can plant a cookie of this name",
            "remove the setting when the imported sessions have ended",
        )
        safe = cookie.lower().startswith("__host-")
        yield Line("imported", f"tokens of {imported.library}, also from the cookie {cookie}", None if safe else plant)


# --- what is remembered, and where


def cache_lines(sessions: AsyncSessions | Sessions) -> Iterator[Line]:
    """Yield what is remembered, where, and what that means for what has ended."""
    cache = sessions.cache_settings
    entries = f"at most {cache.max_entries} sessions" if cache.max_entries else "off"
    yield Line("cache.max_entries", entries)
    yield Line("cache.ttl", in_words(cache.ttl))
    yield Line("cache.lease", in_words(cache.lease))
    yield _serve_stale_for(cache.serve_stale_for, _stale_for(sessions))
    shared = sessions.shared_cache_settings
    yield Line("shared_cache", in_words(shared.ttl) if sessions.has_shared_cache else "none")
    yield Line("revocation_bound", revocation_bound(sessions))


def _serve_stale_for(said: timedelta, stale: timedelta) -> Line:
    reason = "who can keep the store from answering can use what has ended for so much longer"
    unsafe = Unsafe("L7", reason, f"use at most timedelta(minutes={LONGEST_STALE // timedelta(minutes=1)})")
    return Line("cache.serve_stale_for", in_words(said) if said else "off", unsafe if stale > LONGEST_STALE else None)


def _stale_for(sessions: AsyncSessions | Sessions) -> timedelta:
    # Only what is in memory is served stale, and then without a look at the store, also at one that notices changes.
    cache = sessions.cache_settings
    return cache.serve_stale_for if cache.max_entries else timedelta(0)


def is_bounded(sessions: AsyncSessions | Sessions) -> bool:
    """Tell whether what has ended is refused after a time that is promised, and short whatever fails."""
    return not sessions.store.capabilities.eventual and _stale_for(sessions) <= LONGEST_STALE


def revocation_bound(sessions: AsyncSessions | Sessions) -> str:
    """Return, in words, after how long a session that was ended is refused at the latest."""
    cache = sessions.cache_settings
    believes_the_log = bool(cache.max_entries) or sessions.has_shared_cache or sessions.store.capabilities.replica
    return bound(sessions.store, cache.lease, believes_the_log=believes_the_log, stale=_stale_for(sessions))
