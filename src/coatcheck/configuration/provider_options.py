"""Which provider issues the sessions, how it is asked, and for how long its answers stand in for asking it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.refusals import Refusal, redacted_url, refuse
from coatcheck.core.settings import ProviderSettings
from coatcheck.providers.base import HTTPSettings, checked_url
from coatcheck.stores.urls import POSTGRESQL, SQLITE, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from coatcheck.providers.async_protocol import AsyncProvider
    from coatcheck.providers.protocol import Provider


class ProviderKind(NamedTuple):
    """One kind of provider.

    Attributes:
        module: Its module below `coatcheck.providers`.
        provider: The name of its class for threads; the one for asyncio has "Async" before it.
        options: The options that it has, which are its class's arguments of the same names.
        needs: Those of them that must be given.
        http: Whether it is asked over HTTP; otherwise its database is.
    """

    module: str
    provider: str
    options: frozenset[str]
    needs: tuple[str, ...] = ()
    http: bool = True


PROVIDERS: Final[Mapping[str, ProviderKind]] = {
    "better-auth": ProviderKind(
        "better_auth",
        "BetterAuth",
        frozenset({"base_path", "cookie_prefix", "secure_cookies", "bearer", "secrets", "origin"}),
    ),
    "better-auth-database": ProviderKind(
        "better_auth",
        "BetterAuthDatabase",
        frozenset(
            {
                "secrets",
                "cookie_prefix",
                "secure_cookies",
                "cookie_domain",
                "bearer",
                "session_table",
                "user_table",
                "schema",
                "timeout",
                "pool_size",
            }
        ),
        needs=("secrets",),
        http=False,
    ),
    "appwrite": ProviderKind(
        "appwrite",
        "Appwrite",
        frozenset({"project", "cookie", "bearer"}),
        needs=("project",),
    ),
    "introspection": ProviderKind(
        "introspection",
        "Introspection",
        frozenset(
            {
                "client_id",
                "client_secret",
                "auth",
                "issuer",
                "audience",
                "scopes",
                "token_type_required",
                "revocation_url",
                "cookie",
            }
        ),
        needs=("client_secret",),
    ),
}
"""The kinds by the names that settings have for them: all that is known here of their classes."""

SECRETS: Final = frozenset({"client_secret", "secrets"})

_HTTP: Final = ("timeout", "retries", "max_connections")
_DRIVERS: Final = frozenset({"httpx2", "psycopg"})
_DATABASES: Final = (SQLITE, POSTGRESQL)
_FIX: Final = f"use one of {', '.join(PROVIDERS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions(ProviderSettings):
    """Which provider issues the sessions, and how it is used. Each kind has some of these only.

    What is None or empty is left to the provider. The last of them are those of `ProviderSettings`.

    Attributes:
        kind: "better-auth", "better-auth-database", "appwrite" or "introspection".
        url: Its address, or the URL of its database.
        base_path: Where Better Auth's routes are below the address.
        cookie_prefix: What the names of Better Auth's cookies begin with.
        secure_cookies: Whether Better Auth's cookies have `__Secure-` before their names; None for either.
        cookie_domain: The domain of Better Auth's cookies, where they are for subdomains too.
        origin: Better Auth's public origin, where that is not the one of its address.
        secrets: Better Auth's secrets: a cookie that none of them signed is refused without asking.
        session_table: The name of Better Auth's table of sessions.
        user_table: The name of Better Auth's table of users.
        schema: The schema of these tables (PostgreSQL).
        project: The id of the Appwrite project.
        cookie: The name of the cookie that carries the token, where the provider has none of its own.
        bearer: Whether `Authorization: Bearer` is read.
        client_id: Who asks for an introspection (RFC 7662).
        client_secret: By which it proves that, or the bearer token that it asks with.
        auth: How it proves it: "basic", "post" or "bearer".
        issuer: Who must have issued a token.
        audience: For whom it must be.
        scopes: What it must permit, all of them.
        token_type_required: Whether an answer without a token type is refused.
        revocation_url: Where tokens are revoked (RFC 7009).
        timeout: How long an answer may take, with all retries.
        retries: How often a question that failed is asked again.
        max_connections: How many connections one process has to it at most.
        pool_size: The same for its database (PostgreSQL).
    """

    kind: str = ""
    url: str = field(default="", repr=False)
    base_path: str | None = None
    cookie_prefix: str | None = None
    secure_cookies: bool | None = None
    cookie_domain: str | None = None
    origin: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    session_table: str | None = None
    user_table: str | None = None
    schema: str | None = None
    project: str | None = None
    cookie: str | None = None
    bearer: bool | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    auth: str | None = None
    issuer: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    token_type_required: bool | None = None
    revocation_url: str | None = field(default=None, repr=False)
    timeout: timedelta | None = None
    retries: int | None = None
    max_connections: int | None = None
    pool_size: int | None = None

    def __post_init__(self) -> None:
        ProviderSettings.__post_init__(self)  # `super()` knows only the class without slots
        if not self.kind:
            raise Refusal("kind", " is missing", _FIX, "provider")
        if self.kind not in PROVIDERS:
            refuse("kind", self.kind, _FIX, of="provider")
        if not self.url:
            raise Refusal("url", " is missing", "set it to where the provider is", "provider")
        self._check_options(PROVIDERS[self.kind])
        self._check_url(http=PROVIDERS[self.kind].http)
        if PROVIDERS[self.kind].http:
            self.http()

    def _check_options(self, kind: ProviderKind) -> None:
        allowed = {*kind.options, *(_HTTP if kind.http else ())}
        given = self._given()
        for name, value in given.items():
            if name in allowed:
                continue
            fix = f"a provider of the kind {self.kind} has no such option; remove it"
            if name in SECRETS or name.endswith("_url"):
                raise Refusal(name, " is not possible", fix, "provider")
            refuse(name, value, fix, of="provider")
        for name in kind.needs:
            if name not in given:
                fix = f"a provider of the kind {self.kind} needs it"
                raise Refusal(name, " is missing", fix, "provider")

    def _check_url(self, *, http: bool) -> None:
        try:
            if http:
                checked_url("url", self.url)
                return
            kind = kind_of(self.url, setting="url")
        except Refusal as error:
            raise Refusal(error.setting, error.problem, error.fix, "provider") from None
        if kind not in _DATABASES:
            fix = f"use a URL such as {' or '.join(repr(each.example) for each in _DATABASES)}"
            refuse("url", redacted_url(self.url), fix, of="provider")

    def _given(self) -> dict[str, Any]:
        """Return what is set of what not every kind has."""
        common = {"kind", "url", *(each.name for each in fields(ProviderSettings))}
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in common}
        return {name: value for name, value in values.items() if value not in (None, ())}

    def http(self) -> HTTPSettings:
        """Return how the provider is asked over HTTP."""
        return HTTPSettings(**{name: value for name, value in self._given().items() if name in _HTTP})

    def caching(self) -> ProviderSettings:
        """Return for how long the provider's answers stand in for asking it, without anything else in it."""
        return ProviderSettings(**{each.name: getattr(self, each.name) for each in fields(ProviderSettings)})

    def async_provider(self, **more: Any) -> AsyncProvider:
        """Return the provider for asyncio.

        Args:
            **more: What only code can say, as its class takes it: `client`.

        Raises:
            ConfigurationError: Something is wrong with an option, or a library is not installed.
        """
        made: AsyncProvider = self._made("Async", more)
        return made

    def provider(self, **more: Any) -> Provider:
        """Return the provider for threads; see `async_provider`.

        Raises:
            ConfigurationError: Something is wrong with an option, or a library is not installed.
        """
        made: Provider = self._made("", more)
        return made

    def _made(self, prefix: str, more: Mapping[str, Any]) -> Any:
        kind = PROVIDERS[self.kind]
        arguments = {name: value for name, value in self._given().items() if name in kind.options}
        if kind.http:
            arguments["settings"] = self.http()
        try:
            return self._class(prefix)(self.url, **arguments, **more)
        except Refusal as error:
            raise Refusal(error.setting, error.problem, error.fix, "provider") from None

    def _class(self, prefix: str) -> Any:
        kind = PROVIDERS[self.kind]
        try:
            if kind.http:
                import_module("httpx2")  # the provider itself asks for it only when it is made
            return getattr(import_module(f"coatcheck.providers.{kind.module}"), prefix + kind.provider)
        except ImportError as error:
            # psycopg without libpq raises an error that names no module.
            if (error.name or "psycopg").partition(".")[0] not in _DRIVERS:
                raise
            extra = "postgresql" if (error.name or "psycopg").startswith("psycopg") else "providers"
            fix = f"{error.name or 'libpq'} is missing: pip install 'coatcheck[{extra}]'"
            refuse("kind", self.kind, fix, of="provider")
