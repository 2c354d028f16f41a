"""The administrator's console: who may use it, and for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from coatcheck.core import passwords
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.refusals import Refusal, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.core.passwords import PasswordHash

SECRETS: Final = frozenset({"operators"})

LONGEST_IDLE: Final = timedelta(hours=1)
"""The longest an operator may do nothing, by NIST SP 800-63B-4 at AAL2."""

LONGEST: Final = timedelta(hours=24)
"""The longest a sign-in of an operator may last, by the same."""

OPERATOR: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""The name of an operator."""

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_MOST_ATTEMPTS: Final = 100
_MOST_HOPS: Final = 20
_FIX: Final = "let `coatcheck console-password NAME` make it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """The administrator's console: where it is, who may use it, and for how long.

    Attributes:
        operators: Who may sign in: each a name and the hash of a password, as `coatcheck console-password` prints it.
        path: Where it is.
        cookie: The name of the cookie of operators' sessions; a visitor's cookie is none of these (rule C12).
        idle_timeout: An operator's session ends when it was not used for so long; at most one hour.
        lifetime: It ends so long after the sign-in, whatever happens; at most 24 hours.
        recent_auth_within: How long ago an operator must have given the password to end anything (rule A1).
        attempts: How many sign-ins may fail in a quarter of an hour from one network; three times as many for one
            name from everywhere.
        trusted_hops: How many proxies of your own stand in front, each adding to `X-Forwarded-For`; 0 takes the address
            of the connection (rule S14).
    """

    operators: tuple[str, ...] = field(default=(), repr=False)
    path: str = "/console"
    cookie: str = "__Host-console"
    idle_timeout: timedelta = timedelta(hours=1)
    lifetime: timedelta = timedelta(hours=24)
    recent_auth_within: timedelta = timedelta(minutes=10)
    attempts: int = 10
    trusted_hops: int = 0

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            refuse("path", self.path, "use a path of this site, such as '/console'", of="console")
        self.cookie_settings()
        for name, longest in (("idle_timeout", LONGEST_IDLE), ("lifetime", LONGEST), ("recent_auth_within", LONGEST)):
            if not timedelta(minutes=1) <= getattr(self, name) <= longest:
                refuse(name, getattr(self, name), f"use one minute to {longest} hours", of="console")
        if not 1 <= self.attempts <= _MOST_ATTEMPTS:
            refuse("attempts", self.attempts, f"use 1 to {_MOST_ATTEMPTS}", of="console")
        if not 0 <= self.trusted_hops <= _MOST_HOPS:
            fix = f"use the number of your own proxies, 0 to {_MOST_HOPS}"
            refuse("trusted_hops", self.trusted_hops, fix, of="console")
        self.password_hashes()

    def cookie_settings(self) -> CookieSettings:
        """Return the cookie of operators' sessions: sent with no request that another site's page has made."""
        try:
            return CookieSettings(name=self.cookie, same_site="strict")
        except Refusal as error:
            raise Refusal("cookie", f"={self.cookie!r} is not possible", error.fix, "console") from None

    def password_hashes(self) -> Mapping[str, PasswordHash]:
        """Return who may sign in, with the hashes of their passwords.

        Raises:
            ConfigurationError: One is no name with a hash, or a weaker one than OWASP asks for, or comes twice.
        """
        found: dict[str, PasswordHash] = {}
        for position, item in enumerate(self.operators):
            name, _, text = item.partition(":")
            one = passwords.parsed(text)
            if one is None or not OPERATOR.fullmatch(name):
                raise Refusal(f"operators[{position}]", " is no name with a hash", _FIX, "console")
            if name in found:
                raise Refusal(f"operators[{position}]", f" is {name} once more", "remove one", "console")
            found[name] = one
        return found
