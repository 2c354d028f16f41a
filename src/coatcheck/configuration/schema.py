"""Which settings there are, and how what somebody wrote becomes a value.

The parts are dataclasses elsewhere (`Policy`, `CacheSettings` and so on), and their fields are the settings: one that
is added there can be written in a file at once.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast

from coatcheck.configuration.console_options import SECRETS as CONSOLE_SECRETS
from coatcheck.configuration.console_options import ConsoleOptions
from coatcheck.configuration.durations import NoDuration, duration
from coatcheck.configuration.provider_options import SECRETS as PROVIDER_SECRETS
from coatcheck.configuration.provider_options import ProviderOptions
from coatcheck.configuration.serve_options import SECRETS as SERVE_SECRETS
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.configuration.store_options import StoreOptions
from coatcheck.core.imported import ImportedTokens
from coatcheck.core.policy import Policy
from coatcheck.core.refusals import Refusal, redacted_url
from coatcheck.core.settings import CacheSettings, SharedCacheSettings, ValueSettings
from coatcheck.stores.users import UsersTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck.configuration.sources import Given

GROUPS: Final = {
    "store": StoreOptions,
    "policy": Policy,
    "cache": CacheSettings,
    "shared_cache": SharedCacheSettings,
    "values": ValueSettings,
    "users": UsersTable,
    "imported": ImportedTokens,
    "provider": ProviderOptions,
    "serve": ServeOptions,
    "console": ConsoleOptions,
}
"""The groups, and the dataclass whose fields are settings of each."""

SECRETS: Final = frozenset(
    {
        "keys",
        *(f"provider.{name}" for name in PROVIDER_SECRETS),
        *(f"serve.{name}" for name in SERVE_SECRETS),
        *(f"console.{name}" for name in CONSOLE_SECRETS),
    }
)
URLS: Final = frozenset(
    {
        "store.url",
        "store.replica_url",
        "store.listen_url",
        "shared_cache.url",
        "provider.url",
        "provider.revocation_url",
    }
)

_OWN: Final = {
    "store.url": "str",
    "cache.enabled": "bool",
    "shared_cache.url": "str",
    "shared_cache.database": "int",
    "keys": "keys",
    "deployment": "str",
    "purpose": "str",
}

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})
NONE: Final = "none"
"""How a file or variable says None, where that is possible."""


class Unfit(ValueError):
    """What was written does not fit the setting; the message is the fix."""


def _kinds() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for group, part in GROUPS.items():
        found.update({f"{group}.{each.name}": str(each.type) for each in fields(part)})
    return {**found, **_OWN}


KINDS: Final = _kinds()
"""Every setting by its path, with the kind of its value."""


def value_of(path: str, given: Given) -> Any:
    """Return the value of a setting.

    Raises:
        ConfigurationError: What was written does not fit.
    """
    kind = KINDS[path]
    try:
        return _converted(kind, given.value)
    except ValueError as error:
        raise refusal(path, given, str(error)) from None


def refusal(path: str, given: Given, fix: str, problem: str = "=", item: str = "") -> Refusal:
    """Return the error about a setting, in the words of whoever wrote it.

    Args:
        path: The setting.
        given: What was written, and where.
        fix: What to do.
        problem: What is wrong, for a setting whose value is a secret; otherwise "=", and the value is shown.
        item: Which item of it, as "[0]".
    """
    place = f" in {given.file}" if given.file else ""
    if problem.startswith("="):
        problem = f"={shown(path, given.value)}{place} is not possible"
    elif place:
        problem = f"{place}{problem}"
    return Refusal(given.name + item, problem, fix)


def shown(path: str, value: object) -> str:
    """Return a value as it may be shown to anybody: no key, no password."""
    if path in SECRETS:
        return "…"
    if path in URLS:
        return repr(redacted_url(value)) if isinstance(value, str) else "…"
    return repr(value) if isinstance(value, str) else str(value)


def _converted(kind: str, value: Any) -> Any:
    if kind.endswith("| None"):
        if value is None or (isinstance(value, str) and value.strip().lower() == NONE):
            return None
        kind = kind.removesuffix("| None").rstrip()
    return _CONVERTERS[kind](value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("write a text")
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _YES | _NO:
        raise Unfit("write true or false")
    return word in _YES


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit("write a whole number")
    return value


def _number(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unfit("write a number, such as 0.1")
    return number


def _limit(value: Any) -> Any:
    return value if callable(value) else _whole(value)


def _duration(value: Any) -> Any:
    try:
        return duration(value)
    except NoDuration as error:
        raise Unfit(str(error)) from None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(filter(None, (part.strip() for part in value.split(","))))
    parts = _items(value)
    if parts is None or not all(isinstance(part, str) for part in parts):
        raise Unfit("write a list of texts, or one text with commas")
    return parts


def _keys(value: Any) -> tuple[str | bytes, ...]:
    if isinstance(value, str):
        return _texts(value)
    parts = _items(value)
    if parts is None or not all(isinstance(part, (str, bytes)) for part in parts):
        raise Unfit("write a list of keys, or one text with commas between them")
    return parts


def _items(value: Any) -> tuple[Any, ...] | None:
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, (list, tuple)) else None


_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": _text,
    "WhenFull": _text,
    "OnReuse": _text,
    "bool": _flag,
    "int": _whole,
    "float": _number,
    "int | Callable[[str], SessionLimit]": _limit,
    "timedelta": _duration,
    "tuple[str, ...]": _texts,
    "keys": _keys,
}
