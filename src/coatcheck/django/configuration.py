"""From Django's settings to ours: `COATCHECK`, the `SESSION_*` settings, and the database they live in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from django.apps import apps
from django.conf import settings as django_settings

from coatcheck.configuration.schema import KINDS
from coatcheck.configuration.settings import Settings
from coatcheck.configuration.sources import FILE_VARIABLE, Given, from_code, from_environment, from_file
from coatcheck.core.policy import LONGEST, Policy
from coatcheck.core.refusals import refuse, refuse_secret
from coatcheck.django.databases import store_of
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.configuration.sources import Source

NAME: Final = "COATCHECK"
_OWN: Final = frozenset({"database", "config", "trusted_hops", "previous_engine", "most_accounts"})
_MOST_HOPS: Final = 20
_NEVER: Final = timedelta(microseconds=1)
"""What must be left of a session for a use not to extend it: with so little, none ever does."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the engine works with.

    Attributes:
        settings: Everything that coatcheck itself has settings for.
        database: The alias of the database of Django's in which the sessions are; None when they are elsewhere.
        joins: Whether writes join the transactions of that database.
        slides: Whether reading a session extends it.
        idle_is_own: Whether the idle timeout is that of COATCHECK, and not SESSION_COOKIE_AGE.
        trusted_hops: How many proxies of your own stand in front.
        previous_engine: The engine whose sessions are taken over when they are used.
        most_accounts: How many accounts one browser can be signed in to at the same time.
    """

    settings: Settings
    database: str | None
    joins: bool
    slides: bool
    idle_is_own: bool
    trusted_hops: int
    previous_engine: str | None
    most_accounts: int


def read() -> Wiring:
    """Return what the settings say now; connects to nothing.

    Raises:
        ConfigurationError: A setting is wrong; the message names it, its value and the fix.
    """
    given = _given()
    own = {name: given.pop(name) for name in _OWN if name in given}
    file = own.get("config") or os.environ.get(FILE_VARIABLE)
    sources: list[Source] = [from_environment(os.environ, KINDS), from_code(given, KINDS)]
    if file:
        sources.insert(0, from_file(file, KINDS))
    written = {path for source in sources for path in source}
    database = None if "store.url" in written else own.get("database", "default")
    if database is None and "database" in own:
        refuse(f"{NAME}['database']", own["database"], "a store is given as well: remove one of them")
    joins = False
    if database is not None:
        place, joins = store_of(database)
        sources.insert(0, {"store.url": Given(place, f"DATABASES[{database!r}]"), **_migrates(joins=joins)})
    sources.insert(0, _session_settings(written))
    return Wiring(
        settings=Settings.merged(*sources),
        database=database,
        joins=joins,
        slides=bool(django_settings.SESSION_SAVE_EVERY_REQUEST) or "policy.idle_timeout" in written,
        idle_is_own="policy.idle_timeout" in written,
        trusted_hops=_hops(own.get("trusted_hops", 0)),
        previous_engine=own.get("previous_engine"),
        most_accounts=WebSettings(most_accounts=own.get("most_accounts", WebSettings().most_accounts)).most_accounts,
    )


def _given() -> dict[str, Any]:
    given = getattr(django_settings, NAME, {})
    if not isinstance(given, dict):
        refuse_secret(NAME, "is no dictionary", "write the settings as COATCHECK = {'policy': {'lifetime': '30d'}}")
    return dict(cast("dict[str, Any]", given))


def _migrates(*, joins: bool) -> Source:
    """Leave the tables to `manage.py migrate`, where it knows of them."""
    if joins and apps.is_installed("coatcheck.django"):
        return {"store.migrate": Given(value=False, name="INSTALLED_APPS")}
    return {}


def _session_settings(written: set[str]) -> Source:
    """Return what Django's own settings say about how long a session lives.

    With Django, a session ends SESSION_COOKIE_AGE after it was last *changed*, and every request counts as a change
    with SESSION_SAVE_EVERY_REQUEST. There is no absolute end, and here has to be one (ASVS 7.3.2, rule L4).
    """
    name = "SESSION_COOKIE_AGE"
    seconds = django_settings.SESSION_COOKIE_AGE
    if not isinstance(seconds, int) or not 1 <= seconds <= LONGEST.total_seconds():
        refuse(name, seconds, "use one second to ten years, in seconds")
    age = timedelta(seconds=seconds)
    usual = Policy()
    lifetime = max(age, usual.lifetime or age)
    found: dict[str, Given] = {
        "policy.idle_timeout": Given(age, name),
        "policy.remember_idle_timeout": Given(age, name),
        "policy.lifetime": Given(lifetime, name),
        "policy.remember_lifetime": Given(lifetime, name),
    }
    if usual.touch_every > age / 2:
        found["policy.touch_every"] = Given(age / 2, name)
    if not django_settings.SESSION_SAVE_EVERY_REQUEST and "policy.idle_timeout" not in written:
        found["policy.extend_when_less_than"] = Given(_NEVER, "SESSION_SAVE_EVERY_REQUEST")
    return found


def _hops(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MOST_HOPS:
        refuse(f"{NAME}['trusted_hops']", value, f"use the number of your own proxies, 0 to {_MOST_HOPS}")
    return value


def databases() -> Mapping[str, Mapping[str, Any]]:
    """Return DATABASES."""
    found: Mapping[str, Mapping[str, Any]] = django_settings.DATABASES
    return found
