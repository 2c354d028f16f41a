"""How sessions travel over HTTP, in words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from coatcheck.describe.words import LOCAL, NONE, Line, Unsafe, flag, in_words, yes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.cross_origin import CrossOriginPolicy
    from coatcheck.web.settings import WebSettings


def cookie_lines(cookie: CookieSettings) -> Iterator[Line]:
    """Yield what protects the cookie."""
    prefixed = cookie.name.lower().startswith("__host-")
    plant = Unsafe("C1", "a sibling subdomain or plain http can plant a cookie of this name", "use '__Host-session'")
    yield Line("cookie.name", cookie.name, None if prefixed else plant)
    wire = Unsafe("C1", "whoever listens on the network gets the cookie", "use True, and https")
    yield flag("cookie.secure", on=cookie.secure, unsafe=None if cookie.secure else wire)
    script = Unsafe("C2", "an injected script can read the cookie", "use True")
    yield flag("cookie.http_only", on=cookie.http_only, unsafe=None if cookie.http_only else script)
    sent = Unsafe("C2", "browsers send the cookie with requests that other sites make", "use 'lax'")
    yield Line("cookie.same_site", cookie.same_site, sent if cookie.same_site == "none" else None)
    shared = Unsafe("C1", "every subdomain gets the cookie", "use None")
    yield Line("cookie.domain", cookie.domain or "none: this host only", shared if cookie.domain else None)
    yield Line("cookie.path", cookie.path)
    kept = "as long as the session can live" if cookie.persistent else "until the browser closes, unless remembered"
    yield Line("cookie.persistent", f"{yes(on=cookie.persistent)}: kept {kept}")


def cross_origin_lines(policy: CrossOriginPolicy) -> Iterator[Line]:
    """Yield which other origins are let in."""
    mode = "allowed for those named" if policy.trusted_origins or policy.exempt else "refused"
    yield Line("cross_origin", f"requests from other origins that can change something are {mode}")
    yield Line("cross_origin.exempt", ", ".join(sorted(map(_joined, policy.exempt))) or NONE)
    plain = Unsafe("X5", "whoever sits on the network can send requests from it", "use its https origin")
    for origin in sorted(policy.trusted_origins) or [NONE]:
        parts = urlsplit(origin)
        unsafe = parts.scheme == "http" and parts.hostname not in LOCAL
        yield Line("cross_origin.trusted_origins", origin, plain if unsafe else None)
    blind = Unsafe("X1", "an old browser does not say that another site makes the request", "use False")
    yield flag("cross_origin.allow_missing", on=policy.allow_missing, unsafe=blind if policy.allow_missing else None)


def _joined(exemption: str | tuple[str, str]) -> str:
    return exemption if isinstance(exemption, str) else " ".join(exemption)


def device_lines(web: WebSettings) -> Iterator[Line]:
    """Yield how sessions are bound to devices."""
    binding = web.device_binding
    if binding is None:
        yield Line("device_binding", "off: a stolen cookie works anywhere until its session ends")
        return
    stolen = in_words(binding.ttl)
    yield Line(
        "device_binding", f"in browsers that can: a stolen cookie alone is worthless, both together for {stolen}"
    )
    yield Line("device_binding.cookie", binding.bound_cookie(web.cookie).name)
    yield Line("device_binding.paths", f"{binding.register_path}, {binding.refresh_path}")
    yield Line("device_binding.excluded_paths", ", ".join(binding.excluded_paths) or NONE)


def _dpop_lines(web: WebSettings) -> Iterator[Line]:
    if web.dpop is None:
        yield Line("dpop", "off: a bearer token works for whoever has it")
        return
    fresh = f"nonces of ours, good for {in_words(web.dpop.nonce_ttl)}" if web.dpop.nonces else in_words(web.dpop.window)
    yield Line("dpop", f"tokens bound to a key need its proof with each request, good for {fresh}")
    yield Line("dpop.origins", ", ".join(web.dpop.origins))


def request_lines(web: WebSettings) -> Iterator[Line]:
    """Yield how requests are read and answered."""
    yield flag("bearer", on=web.bearer)
    yield from _dpop_lines(web)
    attempts = f"{web.second_factor_attempts} attempt{'' if web.second_factor_attempts == 1 else 's'}"
    yield Line("second_factor", f"within {in_words(web.second_factor_within)} of the first, {attempts}")
    yield Line("most_accounts", f"{web.most_accounts} in one browser")
    yield Line("trusted_hops", f"{web.trusted_hops} prox{'y' if web.trusted_hops == 1 else 'ies'} in front")
    yield Line("sign_in_path", web.sign_in_path)
    yield flag("clear_site_data", on=web.clear_site_data)
    yield Line("stream_check_every", f"open sockets and streams end within {in_words(web.stream_check_every)}")
    yield Line(TRANSPORT_SECURITY, "not sent by coatcheck: send it from your application or proxy")


TRANSPORT_SECURITY: Final = "strict_transport_security"

_MAX_AGE: Final = re.compile(r'max-age *= *"?([0-9]{1,12})"?', re.IGNORECASE)
_A_YEAR: Final = timedelta(days=365)


def transport_security_line(said: str | None) -> Line:
    """Return what a site's `Strict-Transport-Security` comes to (RFC 6797, ASVS 3.4.1, rule H3).

    Args:
        said: The header's value; None if the site's answer has none.
    """
    fix = "send 'Strict-Transport-Security: max-age=31536000; includeSubDomains' with every answer"
    open_door = Unsafe("H3", "a visit can begin without encryption, and whoever listens can plant a cookie", fix)
    directives = [part.strip() for part in (said or "").split(";")]
    ages = [found[1] for part in directives if (found := _MAX_AGE.fullmatch(part)) is not None]
    if len(ages) != 1:
        return Line(TRANSPORT_SECURITY, "not sent" if said is None else "sent, and says nothing", open_door)
    kept = timedelta(seconds=min(int(ages[0]), 10**9))
    below = "its subdomains too" if "includesubdomains" in map(str.lower, directives) else "this host only"
    return Line(TRANSPORT_SECURITY, f"{in_words(kept)}, {below}", None if kept >= _A_YEAR else open_door)
