"""Which sessions a command is about: those of a store URL or a file of settings, or those of an application."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, NamedTuple

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._sync.cache import Cache
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.actors import acting
from coatcheck.cli.applications import application
from coatcheck.cli.blocking import blocking_sessions, blocking_store
from coatcheck.cli.environment import FromEnvironment
from coatcheck.configuration import Settings
from coatcheck.configuration.schema import KINDS
from coatcheck.configuration.sources import Given, from_environment, from_file
from coatcheck.errors import ConfigurationError, SchemaError
from coatcheck.serve.authority import web_settings
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.configuration.sources import Source
    from coatcheck.describe import AnySessions
    from coatcheck.stores.protocol import Store


class Target(NamedTuple):
    """What a command is about.

    Attributes:
        origin: Where the configuration comes from, in words.
        sessions: The sessions as configured: our own, or those of a provider.
        web: How they travel over HTTP.
        settings: The settings they are made of; None if an application makes them.
    """

    origin: str
    sessions: AnySessions
    web: WebSettings
    settings: Settings | None = None


def target_of(arguments: argparse.Namespace) -> Target:
    """Return what the arguments name; the command line counts for more than the environment.

    Raises:
        ConfigurationError: They name nothing, too much, or something that cannot be used.
    """
    if (middleware := getattr(arguments, "middleware", None)) is not None:
        return Target("the application", middleware.sessions, middleware.settings)
    app, store, config = arguments.app, arguments.store, arguments.config
    if _typed(app) and (_typed(store) or _typed(config)):
        raise ConfigurationError(_BOTH)
    if _typed(app) or (app and not _typed(store) and not _typed(config)):
        if store and not _typed(app):
            raise ConfigurationError(_BOTH)
        origin, sessions, web = application(app)
        return Target(origin, sessions, web)
    if store or config:
        return _configured(arguments)
    msg = (
        "no database is named: give --store sqlite:///app.db (or COATCHECK_STORE), --config coatcheck.toml, "
        "or --app module:attribute"
    )
    raise ConfigurationError(msg)


_BOTH = "--store or --config and --app (COATCHECK_STORE and COATCHECK_APP) both name a database: give one of them"


def _typed(value: str | None) -> bool:
    return bool(value) and not isinstance(value, FromEnvironment)


def _configured(arguments: argparse.Namespace) -> Target:
    settings, names = settings_of(arguments)
    origin = f"defaults, and settings of {', '.join(names)}"
    sessions = settings.sessions() if settings.provider is None else settings.provider_sessions()
    return Target(origin, sessions, web_settings(settings.serve) if settings.has_serve else WebSettings(), settings)


def settings_of(arguments: argparse.Namespace) -> tuple[Settings, list[str]]:
    """Return the settings that the command line, the environment and a file name, and which of these say something.

    Raises:
        ConfigurationError: A setting is wrong, or there is no store.
    """
    written: Source = from_file(arguments.config, KINDS) if arguments.config else {}
    options = {
        "store.url": ("--store", arguments.store),
        "users.table": ("--users-table", getattr(arguments, "users_table", None)),
    }
    typed = {path: Given(str(value), name) for path, (name, value) in options.items() if _typed(value)}
    environment = from_environment(os.environ, KINDS)
    settings = Settings.merged(written, environment, typed)
    sources = {str(arguments.config): written, "the environment": environment, "the command line": typed}
    return settings, [name for name, source in sources.items() if source]


def store_of(target: Target) -> Store:
    """Return a store for threads."""
    store = target.sessions.store
    if isinstance(store, (AsyncSQLiteStore, SQLiteStore)):
        return SQLiteStore(store.path, users=store.users, migrate=False)
    if isinstance(target.sessions, (Sessions, ProviderSessions)):
        return target.sessions.store
    return blocking_store(target.sessions.store)


@contextmanager
def opened(arguments: argparse.Namespace) -> Generator[Sessions]:
    """Give the sessions to work with, on a store that has been found in order.

    Raises:
        ConfigurationError: They are a provider's, which alone can list and end them.
        SchemaError: It is not in order; the message says what to do.
    """
    target = target_of(arguments)
    _own(target)
    with closing(_sessions_on(target)) as sessions, acting(_who()):
        yield sessions


@contextmanager
def opened_with_settings(arguments: argparse.Namespace) -> Generator[tuple[AsyncSessions | Sessions, Store]]:
    """Give the sessions as configured, not open, and their store for threads, which has been found in order.

    Raises:
        ConfigurationError: They are a provider's, which alone can begin them.
        SchemaError: The store is not in order; the message says what to do.
    """
    target = target_of(arguments)
    sessions = _own(target)
    with closing(_ready(target)) as store:
        yield sessions, store


def _own(target: Target) -> AsyncSessions | Sessions:
    """Return the sessions that a command is about.

    Raises:
        ConfigurationError: They are a provider's.
    """
    if isinstance(target.sessions, (AsyncProviderSessions, ProviderSessions)):
        msg = f"the sessions are not kept here: {target.sessions.provider.name} issues them, list and end them there"
        raise ConfigurationError(msg)
    return target.sessions


@contextmanager
def opened_store(arguments: argparse.Namespace) -> Generator[Sessions]:
    """Give what can be done to a store, whether sessions are kept there or only the log of a provider's.

    Raises:
        SchemaError: It is not in order; the message says what to do.
    """
    with closing(_sessions_on(target_of(arguments))) as sessions:
        yield sessions


@contextmanager
def opened_cache(arguments: argparse.Namespace) -> Generator[Cache]:
    """Give a cache to outdate values with, on a store that has been found in order.

    Raises:
        SchemaError: It is not in order; the message says what to do.
    """
    with closing(Cache(_ready(target_of(arguments)))) as cache:
        yield cache


def _sessions_on(target: Target) -> Sessions:
    policy = None if isinstance(target.sessions, (AsyncProviderSessions, ProviderSessions)) else target.sessions.policy
    store = _ready(target)
    return blocking_sessions(store, policy) or Sessions(store, policy=policy)


def _who() -> str:
    """Return whom the audit trail names for what is typed here."""
    try:
        return f"os:{getuser()}"
    except (KeyError, OSError, ImportError):
        return "os"  # a container may know no name for its user


def _ready(target: Target) -> Store:
    """Return the store, open.

    Raises:
        SchemaError: It is not in order.
    """
    store = store_of(target)
    try:
        _check(store)
        store.open()
    except BaseException:
        store.close()
        raise
    return store


def _check(store: Store) -> None:
    # Before it is opened, so that to look on makes no tables. Where only our own calls are logged, no trigger can
    # be missing, and what else is unsafe about the server must not keep anybody from ending a session.
    problems = store.problems() if store.capabilities.log else ()
    if problems:
        raise SchemaError(f"the database is not ready: {'; '.join(problems)}")
