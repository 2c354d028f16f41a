"""`Settings`: everything that can be configured of sessions and values, in one frozen and validated object."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from coatcheck._async.cache import AsyncCache
from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.cache import Cache
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.configuration.provider_options import PROVIDERS, ProviderOptions
from coatcheck.configuration.schema import GROUPS, KINDS, SECRETS, URLS, refusal, value_of
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.configuration.sources import (
    FILE_VARIABLE,
    from_code,
    from_environment,
    from_file,
    variable_of,
)
from coatcheck.configuration.store_options import StoreOptions
from coatcheck.core.policy import Policy
from coatcheck.core.refusals import Refusal, redacted_url, refuse, refuse_secret
from coatcheck.core.settings import CacheSettings, SharedCacheSettings, ValueSettings
from coatcheck.core.signing import KeyRing
from coatcheck.stores.urls import VALKEY, async_store_from_url, kind_of, store_from_url
from coatcheck.stores.users import PLAIN_NAME, UsersTable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from coatcheck.configuration.console_options import ConsoleOptions
    from coatcheck.configuration.sources import Given, Source
    from coatcheck.core.imported import ImportedTokens
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store

_EXAMPLE: Final = "valkey://host:6379/0"
_OPTIONAL: Final = frozenset({"users", "imported", "provider", "console"})
"""Groups that are there only if something of them is written."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be configured. The attributes have the names `AsyncSessions` has for them.

    Attributes:
        store: The store's URL, such as `sqlite:///app.db`, `postgresql://host/database` or `valkey://host:6379/0`. With
            a provider it is where the invalidation log stands.
        store_options: How the store is used.
        policy: Timeouts and limits.
        cache: The local cache of each process.
        shared_cache: The URL of a Valkey or Redis server between the processes; None for none.
        shared_cache_settings: How it is used.
        values: What is kept of the application's own values, beside the sessions or alone.
        users: The application's users table, in the store's database.
        imported: Whose tokens are accepted besides ours, after `coatcheck import`.
        provider: Who issues the sessions, if we do not, and for how long its answers stand in for asking it.
        serve: How `coatcheck serve` answers.
        console: The administrator's console, which `coatcheck serve` has if anything is written of it.
        keys: Keys that sign what the client holds: the first signs, all verify.
        deployment: The name that signatures are bound to.
        purpose: What the tokens are for.
        origins: Where each setting that is no default was written.
    """

    store: str
    store_options: StoreOptions = field(default_factory=StoreOptions)
    policy: Policy = field(default_factory=Policy)
    cache: CacheSettings = field(default_factory=CacheSettings)
    shared_cache: str | None = None
    shared_cache_settings: SharedCacheSettings = field(default_factory=SharedCacheSettings)
    values: ValueSettings = field(default_factory=ValueSettings)
    users: UsersTable | None = None
    imported: ImportedTokens | None = None
    provider: ProviderOptions | None = None
    serve: ServeOptions = field(default_factory=ServeOptions)
    console: ConsoleOptions | None = None
    keys: tuple[str | bytes, ...] = ()
    deployment: str = "coatcheck"
    purpose: str = "session"
    origins: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    def __post_init__(self) -> None:
        kind = kind_of(self.store, setting="store.url")
        self.store_options.check(kind)
        if kind is VALKEY and self.users is not None:
            refuse("users.table", self.users.table, "a valkey store has no tables; remove it, or use an SQL store")
        if self.keys:
            KeyRing(self.keys, deployment=f"{self.deployment}:{self.purpose}")
        for name in ("deployment", "purpose"):
            if not getattr(self, name).strip():
                refuse(name, getattr(self, name), "it is empty; name it, or leave it out")
        if self.shared_cache is not None:
            self._check_shared_cache(self.shared_cache)

    def _check_shared_cache(self, url: str) -> None:
        if url.partition("://")[0] not in VALKEY.schemes:
            refuse("shared_cache.url", redacted_url(url), f"use a URL such as {_EXAMPLE!r}")
        if self.shared_cache_settings.enabled and not self.keys:
            fix = "set them, or remove shared_cache: copies there are sealed with keys made of them"
            refuse_secret("keys", "are missing", fix)

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **code: Any,
    ) -> Self:
        """Read the settings: what code says counts for most, then the environment, then the file, then defaults.

        Args:
            file: A TOML file with a table [coatcheck], or [tool.coatcheck] as in pyproject.toml. If there is none,
                the variable COATCHECK_CONFIG may name one.
            environ: The variables, COATCHECK_STORE and so on; those of the process if not given, none if empty.
            **code: Settings by name. A group is an object, which sets all of it, or a mapping, which sets what is in
                it: `policy={"idle_timeout": "1h"}`.

        Raises:
            ConfigurationError: A setting is unknown or wrong; the message names it as it was written, with its value
                and the fix, and shows no key and no password.
        """
        environ = os.environ if environ is None else environ
        file = file or environ.get(FILE_VARIABLE) or None
        written: Source = {} if file is None else from_file(file, KINDS)
        return cls.merged(written, from_environment(environ, KINDS), from_code(code, KINDS))

    @classmethod
    def merged(cls, *sources: Source) -> Self:
        """Return the settings of several sources; a later one counts for more.

        Raises:
            ConfigurationError: A setting is wrong, or there is no store.
        """
        given: dict[str, Given] = {}
        for source in sources:
            given.update(source)
        if "store.url" not in given:
            fix = f"set {variable_of('store.url')}, or store in a file, to a URL such as 'sqlite:///app.db'"
            refuse_secret("store", "is missing", fix)
        values = {path: value_of(path, each) for path, each in given.items()}
        try:
            return cls._of(values, {path: each.where() for path, each in given.items()})
        except Refusal as error:
            raise _blamed(error, given) from None

    @classmethod
    def _of(cls, values: Mapping[str, Any], origins: Mapping[str, str]) -> Self:
        written = {path.partition(".")[0] for path in values}
        parts = {group: _part(group, values) for group in GROUPS if group in written or group not in _OPTIONAL}
        return cls(
            store=values["store.url"],
            store_options=parts["store"],
            policy=parts["policy"],
            cache=_switched(parts["cache"], enabled=values.get("cache.enabled")),
            shared_cache=_with_database(values.get("shared_cache.url"), values.get("shared_cache.database")),
            shared_cache_settings=parts["shared_cache"],
            values=parts["values"],
            users=parts.get("users"),
            imported=parts.get("imported"),
            provider=parts.get("provider"),
            serve=parts["serve"],
            console=parts.get("console"),
            origins=origins,
            **{name: values[name] for name in ("keys", "deployment", "purpose") if name in values},
        )

    # --- what is made of them

    def async_sessions(self, **more: Any) -> AsyncSessions:
        """Return the sessions for asyncio, wired as configured.

        Args:
            **more: What only code can say, as `AsyncSessions` takes it: `load_users`, `on_event`, `token_hash` and
                the like.

        Raises:
            ConfigurationError: The store cannot do what is asked for, or its driver is not installed.
        """
        return AsyncSessions(self._async_store(more), **self._arguments(), **more)

    def sessions(self, **more: Any) -> Sessions:
        """Return the sessions for threads, wired as configured; see `async_sessions`.

        Raises:
            ConfigurationError: The store cannot do what is asked for, or its driver is not installed.
        """
        return Sessions(self._store(more), **self._arguments(), **more)

    def async_provider_sessions(self, *, client: Any = None, **more: Any) -> AsyncProviderSessions:
        """Return the sessions of the provider for asyncio, wired as configured.

        Args:
            client: The `httpx2.AsyncClient` to ask it with, where a proxy or a certificate is needed.
            **more: What only code can say, as `AsyncProviderSessions` takes it: `on_event`, `clock`.

        Raises:
            ConfigurationError: There is no provider, something is wrong with it, or a driver is not installed.
        """
        options = self._provider_options()
        with self._blaming():
            provider = options.async_provider(**({} if client is None else {"client": client}))
        store = self._async_store(more)
        return AsyncProviderSessions(provider, store, settings=options.caching(), **self._tiers(), **more)

    def provider_sessions(self, *, client: Any = None, **more: Any) -> ProviderSessions:
        """Return the sessions of the provider for threads, wired as configured; see `async_provider_sessions`.

        Raises:
            ConfigurationError: There is no provider, something is wrong with it, or a driver is not installed.
        """
        options = self._provider_options()
        with self._blaming():
            provider = options.provider(**({} if client is None else {"client": client}))
        return ProviderSessions(provider, self._store(more), settings=options.caching(), **self._tiers(), **more)

    def _provider_options(self) -> ProviderOptions:
        if self.provider is None:
            fix = f"set provider.url, and provider.kind to one of {', '.join(PROVIDERS)}"
            refuse_secret("provider", "is missing", fix)
        return self.provider

    @contextmanager
    def _blaming(self) -> Generator[None]:
        """Name a setting that the provider's own class refuses as whoever wrote it has called it."""
        try:
            yield
        except Refusal as error:
            name, bracket, index = error.setting.partition("[")
            where = self.origins.get(f"{error.of}.{name}")
            if where is None:
                raise
            raise Refusal(where + bracket + index, error.problem, error.fix) from None

    def async_value_cache(self, sessions: AsyncSessions | None = None, **more: Any) -> AsyncCache:
        """Return the cache of the application's own values, for asyncio.

        Args:
            sessions: The sessions whose tiers it shares, as `async_sessions` made them; None for a cache alone, with
                tiers of its own.
            **more: Without sessions what only code can say, as `AsyncCache` takes it: `clock`.

        Raises:
            ConfigurationError: The store's driver is not installed, or something is given that the sessions have.
        """
        if sessions is not None:
            return AsyncCache(sessions, settings=self.values, **more)
        return AsyncCache(
            self._async_store(more), settings=self.values, lease=self.cache.lease, **self._tiers(), **more
        )

    def value_cache(self, sessions: Sessions | None = None, **more: Any) -> Cache:
        """Return the cache of the application's own values, for threads; see `async_value_cache`.

        Raises:
            ConfigurationError: The store's driver is not installed, or something is given that the sessions have.
        """
        if sessions is not None:
            return Cache(sessions, settings=self.values, **more)
        return Cache(self._store(more), settings=self.values, lease=self.cache.lease, **self._tiers(), **more)

    def _async_store(self, more: Mapping[str, Any]) -> AsyncStore:
        return async_store_from_url(self.store, self.users, more.get("clock"), **self.store_options.given())

    def _store(self, more: Mapping[str, Any]) -> Store:
        return store_from_url(self.store, self.users, more.get("clock"), **self.store_options.given())

    def _arguments(self) -> dict[str, Any]:
        own = {"policy": self.policy, "cache": self.cache, "purpose": self.purpose, "imported": self.imported}
        return {**own, **self._tiers()}

    def _tiers(self) -> dict[str, Any]:
        return {
            "shared_cache": self.shared_cache,
            "shared_cache_settings": self.shared_cache_settings,
            "keys": self.keys or None,
            "deployment": self.deployment,
        }

    # --- what may be shown of them

    @property
    def has_serve(self) -> bool:
        """Whether anything is written of `coatcheck serve`."""
        return any(path.startswith("serve.") for path in self.origins)

    def effective(self) -> dict[str, Any]:
        """Return every setting that applies, by its path, and of keys and URLs only what anybody may see."""
        urls = {"store.url": self.store, "shared_cache.url": self.shared_cache}
        parts: dict[str, Any] = {
            "store": self.store_options,
            "policy": self.policy,
            "cache": self.cache,
            "shared_cache": self.shared_cache_settings,
            "values": self.values,
            "users": self.users,
            "imported": self.imported,
            "provider": self.provider,
            "serve": self.serve,
            "console": self.console,
        }
        found: dict[str, Any] = {path: url and redacted_url(url) for path, url in urls.items()}
        for group, part in parts.items():
            for each in () if part is None else fields(part):
                path = f"{group}.{each.name}"
                found[path] = _harmless(path, getattr(part, each.name))
        found["cache.enabled"] = self.cache.max_entries > 0
        return {**found, "keys": _harmless("keys", self.keys), "deployment": self.deployment, "purpose": self.purpose}

    def __repr__(self) -> str:
        usual = Settings(store="sqlite:///app.db").effective()
        own = {path: value for path, value in self.effective().items() if value != usual.get(path)}
        return f"<Settings {' '.join(f'{path}={value!r}' for path, value in own.items())}>"


def _harmless(path: str, value: Any) -> Any:
    """Return what anybody may see of a setting."""
    if path in SECRETS:
        many = f"{len(value)} of them" if isinstance(value, tuple) else "set"  # pyright: ignore[reportUnknownArgumentType]
        return many if value else None
    return redacted_url(value) if path in URLS and value else value


def _part(group: str, values: Mapping[str, Any]) -> Any:
    """Return one of the objects that the settings are made of."""
    names = {each.name for each in fields(GROUPS[group])}
    own = {name: values[f"{group}.{name}"] for name in names if f"{group}.{name}" in values}
    if group == "users":
        _check_names(own)
    try:
        return GROUPS[group](**own)
    except Refusal as error:
        raise Refusal(error.setting, error.problem, error.fix, group) from None


def _check_names(users: Mapping[str, Any]) -> None:
    """Refuse what is no plain name, which would go into SQL."""
    for name, value in users.items():
        if value is None or isinstance(value, bool):
            continue
        columns: Iterable[str] = [value] if isinstance(value, str) else value
        for column in columns:
            if not PLAIN_NAME.fullmatch(column):
                refuse(name, column, "use letters, digits and underscores", of="users")


def _switched(cache: CacheSettings, *, enabled: bool | None) -> CacheSettings:
    if enabled and not cache.max_entries:
        refuse("enabled", enabled, "max_entries is 0, which switches it off; set one of them", of="cache")
    return replace(cache, max_entries=0) if enabled is False else cache


def _with_database(url: str | None, database: int | None) -> str | None:
    """Return the URL of the shared cache, with the number of the database in it."""
    if url is None or database is None:
        if database is not None:
            refuse(
                "database", database, f"there is no shared cache: set its URL, such as {_EXAMPLE!r}", of="shared_cache"
            )
        return url
    scheme, _, rest = url.partition("://")
    place, mark, query = rest.partition("?")
    user, at, location = place.rpartition("@")
    hosts, *path = location.rstrip("/").split("/")
    if len(path) > scheme.endswith("+sentinel"):  # there the name of the master comes first
        refuse("database", database, "the URL names a database too: remove one of them", of="shared_cache")
    if database and scheme.endswith("+cluster"):
        refuse("database", database, "a cluster has only the database 0", of="shared_cache")
    return f"{scheme}://{user}{at}{'/'.join([hosts, *path, str(database)])}{mark}{query}"


def _blamed(error: Refusal, given: Mapping[str, Given]) -> Refusal:
    """Return an error about a part in the words of whoever wrote the setting."""
    name, bracket, index = error.setting.partition("[")
    path = f"{error.of}.{name}" if error.of and "." not in name else name
    item = bracket + index
    if path in given:
        return refusal(path, given[path], error.fix, error.problem, item)
    default = " (the default)" if error.problem.startswith("=") else ""
    return Refusal(path + item, error.problem.replace(" is not", f"{default} is not", 1), error.fix)
