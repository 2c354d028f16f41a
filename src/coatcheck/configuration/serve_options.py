"""How `coatcheck serve` answers proxies, browsers and back ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar, cast

from coatcheck.core.cookies import CookieSettings
from coatcheck.core.cross_origin import CrossOriginPolicy
from coatcheck.core.fleet import LONGEST_INTERVAL, SHORTEST_INTERVAL
from coatcheck.core.refusals import Refusal, refuse
from coatcheck.core.signing import check_key, octets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coatcheck.core.cookies import SameSite

T = TypeVar("T")

FIELDS: Final = (
    "user",
    "session",
    "actor",
    "email",
    "email_verified",
    "name",
    "role",
    "labels",
    "authenticated",
    "expires",
    "scopes",
)
"""What can be said of who is signed in, each in a header of its own."""

SECRETS: Final = frozenset({"service_keys"})

LONGEST_TOKEN: Final = timedelta(minutes=5)
"""How long an identity token may live: until then nobody who only checks its signature hears of a revocation (J3)."""

# A path of the application's own site, or an address, and nothing behind it: "?next=…" comes there.
_SIGN_IN: Final = re.compile(r"(?:https?://[A-Za-z0-9._:\[\]-]+)?/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# No underscore: nginx drops such names, and CGI cannot tell them from those with a hyphen.
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*-(?:[A-Za-z0-9]+-){1,2}")
_TAKEN: Final = re.compile(
    r"cache-control|connection|content-.*|cookie|host|keep-alive|location|proxy-.*|retry-after|sec-.*|server|set-cookie|te|trailer|"
    r"transfer-encoding|upgrade|vary|www-authenticate|x-forwarded-.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How `coatcheck serve` answers proxies, browsers and back ends.

    Attributes:
        sign_in_url: Where a browser that asks for a page is sent when nobody is signed in: a path of the application's
            own site, or an address. None answers 401 instead.
        next_parameter: The parameter of that address which says where to go afterwards.
        origins: The origins of the applications behind the gate, to which an address elsewhere may lead back. Full, as
            "https://shop.example.org", and compared exactly (rule X5).
        trusted_origins: Origins that may make any request with the visitor's cookie (rule X1).
        header_prefix: What the names of the identity headers begin with.
        headers: What is said of who is signed in, of `FIELDS`; with a name of its own as "user=Remote-User". The field
            "actor" is always told: who acts as the user, if it is somebody else.
        cookie: The name of the session cookie, unless a provider has one.
        cookie_domain: Whose subdomains get it too; such a cookie cannot be named "__Host-".
        cookie_same_site: Whether requests from other sites carry it: "lax", "strict" or "none".
        bearer: Whether `Authorization: Bearer` is read too, for API clients (rule T8).
        api_tokens: Whether API tokens and access tokens behind `Authorization: Bearer` are accepted. Their scopes
            are then always told, as the field "scopes".
        api_token_prefix: What API tokens begin with.
        access_token_prefix: What access and refresh tokens begin with, before their "a" or "r".
        service_keys: Keys of 32 octets or more, one of which a back end must present to the internal API. Without
            one there is no internal API.
        token_keys: PEM files with private keys, P-256 or Ed25519: the first signs identity tokens, all are published.
            Without one there are no tokens.
        token_issuer: The tokens' `iss`.
        token_audience: The tokens' `aud`: whoever checks them must find itself in there (rule J2).
        token_lifetime: How long a token is good, at most five minutes (rule J3).
        token_header: The header that carries it; "Authorization" sends it as a bearer token.
        numbers_every: How often each worker tells the numbers of the fleet, 1 to 60 seconds; None tells none.
    """

    sign_in_url: str | None = None
    next_parameter: str = "next"
    origins: tuple[str, ...] = ()
    trusted_origins: tuple[str, ...] = ()
    header_prefix: str = "X-Coatcheck-"
    headers: tuple[str, ...] = ("user", "session", "email", "name", "role")
    cookie: str = "__Host-session"
    cookie_domain: str | None = None
    cookie_same_site: str = "lax"
    bearer: bool = False
    api_tokens: bool = False
    api_token_prefix: str = "cct"  # noqa: S105 - it is in every token
    access_token_prefix: str = "cc"  # noqa: S105
    service_keys: tuple[str, ...] = field(default=(), repr=False)
    token_keys: tuple[str, ...] = ()
    token_issuer: str | None = None
    token_audience: tuple[str, ...] = ()
    token_lifetime: timedelta = timedelta(minutes=1)
    token_header: str = "X-Coatcheck-Token"  # noqa: S105 - the name of a header
    numbers_every: timedelta | None = None

    def __post_init__(self) -> None:
        if self.sign_in_url is not None and not _SIGN_IN.fullmatch(self.sign_in_url):
            fix = "use a path such as '/login', or an address such as 'https://login.example.org/', without a query"
            refuse("sign_in_url", self.sign_in_url, fix, of="serve")
        if not _PARAMETER.fullmatch(self.next_parameter):
            refuse("next_parameter", self.next_parameter, "use letters and digits, such as 'next'", of="serve")
        self.cookie_settings()
        self.cross_origin()
        self.accepted_origins()
        self._check_headers()
        if self.numbers_every is not None and not SHORTEST_INTERVAL <= self.numbers_every <= LONGEST_INTERVAL:
            refuse("numbers_every", self.numbers_every, "use 1 to 60 seconds, or none", of="serve")
        for position in range(len(self.service_keys)):
            check_key([octets(key) for key in self.service_keys], position, setting="service_keys")
        self._check_tokens()

    def cookie_settings(self) -> CookieSettings:
        """Return the session cookie's name and attributes."""
        with_names = {"name": "cookie", "domain": "cookie_domain", "same_site": "cookie_same_site"}
        same_site = cast("SameSite", self.cookie_same_site)
        return _blaming(
            with_names,
            lambda: CookieSettings(name=self.cookie, domain=self.cookie_domain, same_site=same_site),
        )

    def cross_origin(self) -> CrossOriginPolicy:
        """Return which requests of other origins are let through."""
        return _blaming({}, lambda: CrossOriginPolicy(trusted_origins=self.trusted_origins))

    def accepted_origins(self) -> frozenset[str]:
        """Return the origins to which sign-in may lead back, in their normal form."""
        policy = _blaming({"trusted_origins": "origins"}, lambda: CrossOriginPolicy(trusted_origins=self.origins))
        return frozenset(map(str, policy.trusted_origins))

    def header_names(self) -> Mapping[str, str]:
        """Return the identity headers: each field with the name of its header, in the order that was written."""
        found: dict[str, str] = {}
        for item in self.headers:
            name, _, header = item.partition("=")
            found[name] = header or self.header_prefix + "-".join(map(str.capitalize, name.split("_")))
        # Whoever is let through must be told who acts, and what for: to leave it out would make more of them.
        found.setdefault("actor", f"{self.header_prefix}Actor")
        if self.api_tokens:
            found.setdefault("scopes", f"{self.header_prefix}Scopes")
        return found

    @property
    def sign_in_header(self) -> str:
        """The header by which nginx is told where to send a browser: it cannot be answered with a redirect."""
        return f"{self.header_prefix}Sign-In"

    def _check_headers(self) -> None:
        if not _PREFIX.fullmatch(self.header_prefix) or _TAKEN.fullmatch(f"{self.header_prefix}x".lower()):
            fix = "use two or three words with a hyphen behind each, as 'X-Shop-'"
            refuse("header_prefix", self.header_prefix, fix, of="serve")
        fields = [item.partition("=")[0] for item in self.headers]
        for position, (item, name) in enumerate(zip(self.headers, fields, strict=True)):
            if name not in FIELDS or name in fields[:position]:
                refuse(f"headers[{position}]", item, f"use each of these at most once: {', '.join(FIELDS)}", of="serve")
            self._check_name(f"headers[{position}]", item, self.header_names()[name])
        if self.token_header.lower() != "authorization":
            self._check_name("token_header", self.token_header, self.token_header)
        names = [name.lower() for name in (*self.header_names().values(), self.sign_in_header, self.token_header)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            refuse("headers", ", ".join(self.headers), f"two of them would be named {twice}", of="serve")

    def _check_name(self, setting: str, value: str, header: str) -> None:
        if not _HEADER.fullmatch(header) or _TAKEN.fullmatch(header.lower()) or header.lower() == "authorization":
            fix = "use a header's name of letters, digits and hyphens that means nothing else, as 'Remote-User'"
            refuse(setting, value, fix, of="serve")

    def _check_tokens(self) -> None:
        if not timedelta(seconds=1) <= self.token_lifetime <= LONGEST_TOKEN:
            refuse("token_lifetime", self.token_lifetime, "use one second to five minutes (rule J3)", of="serve")
        if self.token_keys and not self.token_issuer:
            raise Refusal("token_issuer", " is missing", "name who issues the tokens, as the gate's address", "serve")
        if self.token_keys and not all(self.token_audience or ("",)):
            raise Refusal("token_audience", " is missing", "name who is to accept the tokens (rule J2)", "serve")


def _blaming(names: Mapping[str, str], make: Callable[[], T]) -> T:
    """Make a part, and call a setting of it that is refused what it is called here."""
    try:
        return make()
    except Refusal as error:
        setting = names.get(error.setting, error.setting)
        raise Refusal(setting, error.problem, error.fix, "serve") from None
