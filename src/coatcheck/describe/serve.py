"""What the gate tells whom, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coatcheck.describe.words import LOCAL, NONE, Line, Unsafe, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.configuration.serve_options import ServeOptions


def serve_lines(options: ServeOptions) -> Iterator[Line]:
    """Yield what `coatcheck serve` tells whom: applications, browsers and back ends."""
    told = (f"{name} as {header}" for name, header in options.header_names().items())
    yield Line("serve.headers", ", ".join(told) or NONE)
    yield _address("serve.sign_in_url", options.sign_in_url or "none: 401", "sign-in can be read on the way")
    for origin in sorted(options.accepted_origins()) or [NONE]:
        yield _address("serve.origins", origin, "whoever sits on the network can be sent there from sign-in")
    count = len(options.service_keys)
    yield Line("serve.service_keys", f"{count}; each opens the internal API" if count else "none: no internal API")
    yield Line("serve.token_keys", _tokens(options))
    if options.api_tokens:
        begin = f"{options.api_token_prefix}_…, and with keys {options.access_token_prefix}a_…"
        yield Line("serve.api_tokens", f"accepted behind Authorization: Bearer: {begin}")
    every = options.numbers_every
    yield Line("serve.numbers_every", "none: no numbers of the fleet" if every is None else in_words(every))


def _address(setting: str, value: str, reason: str) -> Line:
    parts = urlsplit(value)
    plain = parts.scheme == "http" and parts.hostname not in LOCAL
    return Line(setting, value, Unsafe("X5", reason, "use its https address") if plain else None)


def _tokens(options: ServeOptions) -> str:
    if not options.token_keys:
        return "none: no identity tokens"
    good = f"good for {in_words(options.token_lifetime)}, whatever is revoked meanwhile"
    return f"{len(options.token_keys)}; tokens for {', '.join(options.token_audience)} are {good}"
