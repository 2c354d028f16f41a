"""The running configuration in words, and what of it is unsafe: what `coatcheck check` prints.

>>> for line in describe(sessions, WebSettings()):
...     print(line.setting, line.value, line.unsafe)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeGuard
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions
    from coatcheck.asgi.settings import WebSettings
    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.cross_origin import CrossOriginPolicy
    from coatcheck.core.policy import Policy
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store
    from coatcheck.stores.sqlite import SQLiteStore

LONGEST: Final = timedelta(days=30)
"""The longest a session should live, by NIST SP 800-63B-4 at AAL1."""

LONGEST_REMEMBERED: Final = timedelta(days=90)
"""The longest a session should live whose user asked to be remembered."""

_UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("millisecond", 1))
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Why a setting is unsafe.

    Attributes:
        rule: The security rule it breaks, by its ID.
        reason: What can happen.
        fix: What to do.
    """

    rule: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, with its value in words.

    Attributes:
        setting: Its name, as `policy.idle_timeout`.
        value: What it is set to.
        unsafe: Why that is unsafe; None if it is not.
    """

    setting: str
    value: str
    unsafe: Unsafe | None = None


def describe(sessions: AsyncSessions | Sessions, web: WebSettings, problems: Sequence[str] = ()) -> list[Line]:
    """Return every setting that security depends on, in words, with what is unsafe about it.

    Nothing is read or asked: a store's own problems are handed in.

    Args:
        sessions: The sessions as configured.
        web: How they travel over HTTP.
        problems: What the store says of itself, from `store.problems()`.
    """
    return list(
        chain(
            _policy(sessions.policy),
            _tokens(sessions),
            _cookie(web.cookie),
            _cross_origin(web.cross_origin),
            _requests(web),
            _cache(sessions),
            _store(sessions.store, problems),
        )
    )


# --- how long and how many


def _policy(policy: Policy) -> Iterator[Line]:
    yield _duration("idle_timeout", policy.idle_timeout, LONGEST, "L3")
    yield _duration("lifetime", policy.lifetime, LONGEST, "L4")
    yield _duration("remember_idle_timeout", policy.remember_idle_timeout, LONGEST_REMEMBERED, "L3")
    yield _duration("remember_lifetime", policy.remember_lifetime, LONGEST_REMEMBERED, "L4")
    yield Line("policy.touch_every", in_words(policy.touch_every))
    if policy.extend_when_less_than is not None:
        yield Line("policy.extend_when_less_than", in_words(policy.extend_when_less_than))
    yield Line("policy.max_sessions", _limit(policy))
    yield Line("policy.max_data_bytes", str(policy.max_data_bytes))


def _duration(name: str, value: timedelta | None, longest: timedelta, rule: str) -> Line:
    setting = f"policy.{name}"
    fix = f"use at most timedelta(days={longest.days})"
    if value is None:
        return Line(setting, _NONE, Unsafe(rule, "a stolen session that is kept in use never ends", fix))
    unsafe = Unsafe(rule, f"a stolen session can be used for longer than {in_words(longest)}", fix)
    return Line(setting, in_words(value), unsafe if value > longest else None)


def _limit(policy: Policy) -> str:
    if policy.max_sessions is None:
        return "no limit"
    limit = policy.max_sessions if isinstance(policy.max_sessions, int) else "as many as a function of the user says"
    then = {"evict_oldest": "the oldest ends", "refuse": "sign-in is refused", "ask": "the user is asked which to end"}
    return f"{limit}; beyond that {then[policy.when_full]}"


# --- what the client holds


def _tokens(sessions: AsyncSessions | Sessions) -> Iterator[Line]:
    token_hash = sessions.token_hash
    algorithm = {"sha256": "SHA-256", "blake3": "BLAKE3"}[token_hash.algorithm]
    purpose = "of an adopted table, bound to no purpose" if token_hash.adopted else "bound to its purpose"
    yield Line("token_hash", f"{algorithm}, {purpose}")
    count = sessions.signing_keys
    yield Line("signing_keys", f"{count}; the first signs, all verify" if count else "none: tokens are not signed")


def _cookie(cookie: CookieSettings) -> Iterator[Line]:
    prefixed = cookie.name.lower().startswith("__host-")
    plant = Unsafe("C1", "a sibling subdomain or plain http can plant a cookie of this name", "use '__Host-session'")
    yield Line("cookie.name", cookie.name, None if prefixed else plant)
    wire = Unsafe("C1", "whoever listens on the network gets the cookie", "use True, and https")
    yield _flag("cookie.secure", on=cookie.secure, unsafe=None if cookie.secure else wire)
    script = Unsafe("C2", "an injected script can read the cookie", "use True")
    yield _flag("cookie.http_only", on=cookie.http_only, unsafe=None if cookie.http_only else script)
    sent = Unsafe("C2", "browsers send the cookie with requests that other sites make", "use 'lax'")
    yield Line("cookie.same_site", cookie.same_site, sent if cookie.same_site == "none" else None)
    shared = Unsafe("C1", "every subdomain gets the cookie", "use None")
    yield Line("cookie.domain", cookie.domain or "none: this host only", shared if cookie.domain else None)
    yield Line("cookie.path", cookie.path)
    kept = "as long as the session can live" if cookie.persistent else "until the browser closes, unless remembered"
    yield Line("cookie.persistent", f"{_yes(on=cookie.persistent)}: kept {kept}")


# --- what is let in


def _cross_origin(policy: CrossOriginPolicy) -> Iterator[Line]:
    mode = "allowed for those named" if policy.trusted_origins or policy.exempt else "refused"
    yield Line("cross_origin", f"requests from other origins that can change something are {mode}")
    yield Line("cross_origin.exempt", ", ".join(sorted(map(_joined, policy.exempt))) or _NONE)
    plain = Unsafe("X5", "whoever sits on the network can send requests from it", "use its https origin")
    for origin in sorted(policy.trusted_origins) or [_NONE]:
        parts = urlsplit(origin)
        unsafe = parts.scheme == "http" and parts.hostname not in _LOCAL
        yield Line("cross_origin.trusted_origins", origin, plain if unsafe else None)
    blind = Unsafe("X1", "an old browser does not say that another site makes the request", "use False")
    yield _flag("cross_origin.allow_missing", on=policy.allow_missing, unsafe=blind if policy.allow_missing else None)


def _joined(exemption: str | tuple[str, str]) -> str:
    return exemption if isinstance(exemption, str) else " ".join(exemption)


def _requests(web: WebSettings) -> Iterator[Line]:
    yield _flag("bearer", on=web.bearer)
    yield Line("trusted_hops", f"{web.trusted_hops} proxies in front")
    yield Line("sign_in_path", web.sign_in_path)
    yield _flag("clear_site_data", on=web.clear_site_data)
    yield Line("stream_check_every", f"open sockets and streams end within {in_words(web.stream_check_every)}")
    yield Line("strict_transport_security", "not sent by coatcheck: send it from your application or proxy")


# --- what is remembered, and where


def _cache(sessions: AsyncSessions | Sessions) -> Iterator[Line]:
    cache = sessions.cache_settings
    entries = f"at most {cache.max_entries} sessions" if cache.max_entries else "off"
    yield Line("cache.max_entries", entries)
    yield Line("cache.ttl", in_words(cache.ttl))
    yield Line("cache.lease", in_words(cache.lease))
    yield Line("cache.serve_stale_for", in_words(cache.serve_stale_for) if cache.serve_stale_for else "off")
    shared = sessions.shared_cache_settings
    yield Line("shared_cache", in_words(shared.ttl) if sessions.has_shared_cache else "none")
    yield Line("revocation_bound", _bound(sessions))


def _bound(sessions: AsyncSessions | Sessions) -> str:
    cache, can = sessions.cache_settings, sessions.store.capabilities
    # Only what is in memory is served stale, and then without a look at the store, also at one that notices changes.
    stale = cache.serve_stale_for if cache.max_entries else timedelta(0)
    longest = f"at most {in_words(cache.lease + stale)}"
    believes_the_log = cache.max_entries or sessions.has_shared_cache or can.replica
    if can.eventual:
        return "about 60 seconds, and not promised: the store is consistent only after a while"
    if can.notices_changes or not believes_the_log or not cache.lease:
        at_once = "0: from the next request on, in every process"
        return f"{at_once}; {longest} while the store does not answer" if stale else at_once
    return f"{longest} under any fault, milliseconds without one" if can.pushes_changes else longest


def _store(store: AsyncStore | Store, problems: Sequence[str]) -> Iterator[Line]:
    if _is_sqlite(store):
        yield Line("store", f"SQLite, {store.path}")
        users = store.users
        yield Line("store.users", f"table {users.table}" if users else _NONE)
    else:
        yield Line("store", type(store).__name__)
    for problem in problems:
        reason, _, fix = problem.partition(": ")
        unsafe = Unsafe(_rule_of(problem), "the store cannot keep its promise", fix or "mend it")
        yield Line("store.problem", reason, unsafe)


def _is_sqlite(store: AsyncStore | Store) -> TypeGuard[SQLiteStore]:
    # By its name: a Worker has no sqlite3 to import for the sake of this question.
    return type(store).__module__.startswith("coatcheck.stores.sqlite.")


def _rule_of(problem: str) -> str:
    """Return the rule that a store's problem breaks: its users' sessions may stay, or sessions may."""
    return "L11" if "user" in problem else "L7"


# --- words


def in_words(duration: timedelta) -> str:
    """Return a duration as "7 days" or "1 hour 30 minutes"."""
    rest = duration // timedelta(milliseconds=1)
    words: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def _flag(setting: str, *, on: bool, unsafe: Unsafe | None = None) -> Line:
    return Line(setting, _yes(on=on), unsafe)


def _yes(*, on: bool) -> str:
    return "yes" if on else "no"
