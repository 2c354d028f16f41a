"""From a URL to the store it names; its module, and so its driver, is imported only then."""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from coatcheck.core.refusals import redacted_url, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.clock import Clock
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store
    from coatcheck.stores.users import UsersTable


class Kind(NamedTuple):
    """One kind of store.

    Attributes:
        name: Its module below `coatcheck.stores`, and the extra that brings its driver.
        store: The name of its class for threads; the one for asyncio has "Async" before it.
        schemes: The schemes of its URLs.
        drivers: The packages it needs.
        example: A URL to show to those who need one.
    """

    name: str
    store: str
    schemes: tuple[str, ...]
    drivers: tuple[str, ...]
    example: str


_SERVERS: Final = ("valkey", "valkeys", "redis", "rediss")

SQLITE: Final = Kind("sqlite", "SQLiteStore", ("sqlite",), (), "sqlite:///app.db")
POSTGRESQL: Final = Kind(
    "postgresql",
    "PostgreSQLStore",
    ("postgresql", "postgres", "postgresql+psycopg"),  # the last as users of SQLAlchemy have it
    ("psycopg",),
    "postgresql://user@host/database",
)
VALKEY: Final = Kind(
    "valkey",
    "ValkeyStore",
    tuple(scheme + form for form in ("", "+sentinel", "+cluster") for scheme in _SERVERS),
    ("redis",),
    "valkey://host:6379/0",
)
KINDS: Final = (SQLITE, POSTGRESQL, VALKEY)

_FIX: Final = f"use a URL such as {', '.join(repr(kind.example) for kind in KINDS[:-1])} or {KINDS[-1].example!r}"
_NAME: Final = re.compile(r"[A-Za-z_]+")


def async_store_from_url(
    url: str, users: UsersTable | None = None, clock: Clock | None = None, **options: Any
) -> AsyncStore:
    """Return the asyncio store that a URL such as `sqlite:///app.db` or `postgresql://host/database` names.

    Args:
        url: The store's URL. It says where the store is, and options say how it is used: a parameter in the URL
            that is not the driver's own is refused.
        users: The application's users table, in the same database.
        clock: Where the time comes from; for tests.
        **options: The keyword arguments of the store's class, such as `timeout`.

    Raises:
        ConfigurationError: The scheme is unknown, the URL is malformed, the driver is not installed, or the store
            has no such option.
    """
    store: AsyncStore = _made("Async", url, users, clock, options)
    return store


def store_from_url(url: str, users: UsersTable | None = None, clock: Clock | None = None, **options: Any) -> Store:
    """Return the store that a URL names: the same as `async_store_from_url`, for threads.

    Raises:
        ConfigurationError: The scheme is unknown, the URL is malformed, the driver is not installed, or the store
            has no such option.
    """
    store: Store = _made("", url, users, clock, options)
    return store


def kind_of(url: str, *, setting: str = "store") -> Kind:
    """Return the kind of store that a URL names; no driver is needed to know it.

    Raises:
        ConfigurationError: The scheme is unknown, or a SQLite URL names no file.
    """
    scheme, _, rest = url.partition("://")
    kind = next((kind for kind in KINDS if scheme in kind.schemes), None)
    if kind is None:
        refuse(setting, redacted_url(url), _fix_for(scheme))
    if kind is SQLITE and (not rest.startswith("/") or not rest.strip("/")):
        # What stands there may have been meant for a server, with a password.
        refuse(setting, redacted_url(url), "use 'sqlite:///app.db' or 'sqlite:////srv/app.db'")
    if kind is SQLITE and ("?" in rest or "#" in rest):
        refuse(setting, redacted_url(url), "nothing may follow the path; write '?' and '#' in it as %3F and %23")
    return kind


def _fix_for(scheme: str) -> str:
    dialect, _, driver = scheme.partition("+")
    if dialect in POSTGRESQL.schemes and driver:
        return f"coatcheck uses psycopg: use {POSTGRESQL.example!r}"
    return _FIX


def options_of(kind: Kind, prefix: str = "") -> Mapping[str, inspect.Parameter]:
    """Return the options that a kind of store has, from its class's own signature.

    Raises:
        ConfigurationError: Its driver is not installed.
    """
    parameters = inspect.signature(_class_of(kind, prefix)).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in {"users", "clock"}
    }


def _made(prefix: str, url: str, users: UsersTable | None, clock: Clock | None, options: Mapping[str, Any]) -> Any:
    kind = kind_of(url)
    made = _class_of(kind, prefix)
    known = options_of(kind, prefix)
    for name, value in options.items():
        if name not in known:
            shown = "…" if name.endswith("_url") else value  # which may hold a password
            refuse(name, shown, f"a {kind.name} store has no such option; {_instead(name, known)}", of="store")
    if kind is VALKEY:
        if users is not None:
            refuse("users", users.table, "a valkey store has no tables; give load_users, or use an SQL store")
        return made(url, clock=clock, **options)
    place = unquote(url.partition("://")[2][1:]) if kind is SQLITE else _conninfo(url, known)
    return made(place, users=users, clock=clock, **options)


def _class_of(kind: Kind, prefix: str) -> Any:
    try:
        return getattr(import_module(f"coatcheck.stores.{kind.name}"), prefix + kind.store)
    except ImportError as error:
        # psycopg without libpq raises an error that names no module.
        if (error.name or "psycopg").partition(".")[0] not in kind.drivers:
            raise
        fix = f"{error.name or 'libpq'} is missing: pip install 'coatcheck[{kind.name}]'"
        refuse("store", f"{kind.schemes[0]}://…", fix)


def _conninfo(url: str, known: Mapping[str, Any]) -> str:
    """Return a URL that libpq knows, once its parameters are libpq's own.

    libpq would complain of the others itself, but might repeat a password that an unescaped "?" has split.
    """
    rest = url.partition("://")[2]
    query = rest.partition("?")[2]
    if "@" in query:
        refuse("store", redacted_url(url), "write '?' in a user or password as %3F, and '@' in a parameter as %40")
    own = _libpq_parameters()
    for pair in filter(None, query.split("&")):
        name = pair.partition("=")[0]
        if name not in own:
            shown = name if _NAME.fullmatch(name) else "…"
            fix = f"it is an option: give {name}=, or store.{name} in the settings" if name in known else None
            refuse(f"store URL parameter {shown}", "…", fix or f"libpq has no such parameter; {_instead(name, own)}")
    return "postgresql://" + rest


def _libpq_parameters() -> set[str]:
    from psycopg import pq  # noqa: PLC0415 - this driver is an extra

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}


def _instead(name: str, known: Mapping[str, Any] | set[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"use {near[0]}" if near else "remove it"
