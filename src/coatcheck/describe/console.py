"""The administrator's console in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.describe.words import Line, Unsafe, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.configuration.console_options import ConsoleOptions


def console_lines(options: ConsoleOptions) -> Iterator[Line]:
    """Yield who may use the console, and for how long."""
    names = ", ".join(options.password_hashes())
    yield Line("console.operators", f"{names}; each by a password alone" if names else "nobody")
    yield Line("console.path", options.path)
    yield Line("console.cookie", options.cookie, _cookie(options))
    lasts = f"{in_words(options.idle_timeout)} without use, {in_words(options.lifetime)} in any case"
    yield Line("console.lifetime", lasts)
    yield Line("console.recent_auth_within", f"{in_words(options.recent_auth_within)}, or the password again")
    yield Line("console.attempts", f"{options.attempts} in a quarter of an hour from one network")


def _cookie(options: ConsoleOptions) -> Unsafe | None:
    if options.cookie.lower().startswith(("__host-", "__host-http-")):
        return None
    return Unsafe("C1", "a sibling subdomain or plain http can plant a cookie of this name", "name it '__Host-console'")
