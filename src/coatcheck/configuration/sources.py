"""Where settings are written: environment variables, a TOML file, code. Nothing is judged here but the form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from coatcheck.core.refusals import Refusal, refuse_secret

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

PREFIX: Final = "COATCHECK_"
FILE_VARIABLE: Final = "COATCHECK_CONFIG"
"""The variable that names the file, when code names none."""

ELSEWHERE: Final = frozenset(
    PREFIX + name
    for name in (
        *(
            "APP",
            "BATCH",
            "CONFIG",
            "DATABASE",
            "HOST",
            "JSON",
            "LIMIT",
            "PORT",
            "REQUIRE_ALL",
            "SERVER",
            "STATEMENT",
            "USER",
            "WORKERS",
        ),
        *("BETTER_AUTH_SESSION_TABLE", "BETTER_AUTH_USER_TABLE", "BETTER_AUTH_SCHEMA", "BETTER_AUTH_COLUMNS"),
    )
)
"""Variables of the command line and of the tests, which are no settings."""

# Kubernetes gives every container such variables for each service, and one may be named "coatcheck".
_SERVICE: Final = re.compile(
    r"COATCHECK_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_GROUPS_WITH_URL: Final = ("store", "shared_cache")
# The object of settings and its parts have two names where code needs a URL and the settings beside it.
_HALVES: Final = {"store_options": "store", "shared_cache_settings": "shared_cache"}
_MAY_BE_NONE: Final = frozenset(
    {"users", "imported", "provider", "serve", "console", "shared_cache", "policy", "cache", "values", *_HALVES}
)
_NONE_IS_UNSET: Final = ("store.", "provider.")


class Given(NamedTuple):
    """One setting as somebody wrote it.

    Attributes:
        value: What was written.
        name: What the writer called it: a variable, a TOML key, an option or a keyword.
        file: The file it stands in, if it does.
    """

    value: Any
    name: str
    file: str = ""

    def where(self) -> str:
        """Return what to call it in a sentence."""
        return f"{self.name} in {self.file}" if self.file else self.name


Source = Mapping[str, Given]
"""Settings by their path, such as "cache.ttl"."""


def variable_of(path: str) -> str:
    """Return the environment variable of a setting: COATCHECK_CACHE_TTL of "cache.ttl", COATCHECK_STORE of the URL."""
    for group in _GROUPS_WITH_URL:
        if path == f"{group}.url":
            path = group
    return PREFIX + path.upper().replace(".", "_")


def from_environment(environ: Mapping[str, str], paths: Iterable[str]) -> Source:
    """Return the settings that variables give; an empty one gives none, as compose files leave them.

    Raises:
        ConfigurationError: A variable with our prefix is no setting; the message names the nearest that is.
    """
    known = {variable_of(path): path for path in paths}
    found: dict[str, Given] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in ELSEWHERE or not value:
            continue
        if name in known:
            found[known[name]] = Given(value, name)
        elif not _SERVICE.fullmatch(name):
            unknown(name, "", known)
    return found


def from_file(path: str | os.PathLike[str], paths: Iterable[str]) -> Source:
    """Return the settings of a TOML file: its table [coatcheck], or in a pyproject.toml [tool.coatcheck].

    Raises:
        ConfigurationError: The file cannot be read, has no such table, or has an unknown key in it.
    """
    name = str(path)
    document = _document(name)
    tables: dict[str, Any] = {
        "tool.coatcheck.": (_table(document.get("tool")) or {}).get("coatcheck"),
        "coatcheck.": document.get("coatcheck"),
    }
    present = {prefix: table for prefix, table in tables.items() if table is not None}
    if len(present) != 1:
        problem = "has both [coatcheck] and [tool.coatcheck]" if present else "has no table [coatcheck]"
        fix = "remove one" if present else "write the settings below [coatcheck] or [tool.coatcheck]"
        refuse_secret(f"config={name!r}", problem, fix)
    ((prefix, value),) = present.items()
    table = _table(value)
    if table is None:
        refuse_secret(f"config={name!r}", f"has no table: {prefix.rstrip('.')} is a value", "make it a table")
    return _flat(table, paths, prefix, name)


def _table(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _document(name: str) -> dict[str, Any]:
    # Raised after the handlers, so that no error is chained that keeps the file's whole text, secrets and all.
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"it cannot be read ({error.strerror}); name a TOML file"
    except UnicodeDecodeError:
        problem = "it is not UTF-8; mend it"
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at [^()]*\)\Z", str(error))  # the words before it may quote the file
        problem = f"it is no TOML {place.group() if place else ''}".rstrip() + "; mend it"
    raise Refusal("config", f"={name!r} is not possible", problem)


def from_code(values: Mapping[str, Any], paths: Iterable[str]) -> Source:
    """Return the settings that code gives, as keywords: a group is a mapping, or the object it stands for.

    Raises:
        ConfigurationError: There is no such setting.
    """
    known = list(paths)
    found: dict[str, Given] = {}
    for name, value in values.items():
        if value is None and name in _MAY_BE_NONE:
            continue
        found.update(_flat({_HALVES.get(name, name): value}, known, "", ""))
    # In an object an option that is None is not given.
    return {
        path: given for path, given in found.items() if given.value is not None or not path.startswith(_NONE_IS_UNSET)
    }


def _flat(table: Mapping[str, Any], paths: Iterable[str], prefix: str, file: str) -> Source:
    known = set(paths)
    groups = {path.partition(".")[0] for path in known if "." in path}
    found: dict[str, Given] = {}
    for key, value in table.items():
        if key not in groups:
            if key not in known:
                unknown(prefix + key, file, [*(prefix + path for path in known), *(prefix + group for group in groups)])
            found[key] = Given(value, prefix + key, file)
            continue
        for name, inner in _group(key, value, prefix, file).items():
            path = f"{key}.{name}" if name else f"{key}.url"
            if path not in known:
                unknown(prefix + path, file, [prefix + other for other in known])
            found[path] = Given(inner, prefix + (path if name else key), file)
    return found


def _group(key: str, value: object, prefix: str, file: str) -> Mapping[str, Any]:
    """Return the settings of one group; a store or cache may be given by its URL alone."""
    if isinstance(value, str) and key in _GROUPS_WITH_URL:
        return {"": value}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if not isinstance(value, Mapping):
        fix = f"write a table, as [{prefix}{key}]" if file else "give a mapping of settings"
        refuse_secret(Given(None, prefix + key, file).where(), "is a group of settings", fix)
    return cast("Mapping[str, Any]", value)


def unknown(name: str, file: str, known: Iterable[str]) -> NoReturn:
    """Refuse a name that is no setting; its value is not shown, for nobody knows whether it is a secret.

    Raises:
        ConfigurationError: Always.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    # Without what they all begin with, which would make them all look alike.
    begin = PREFIX if name.startswith(PREFIX) else ""
    names = {each.removeprefix(begin) for each in known}
    short = name.removeprefix(begin)
    bare = short.removesuffix("_URL")  # what has a URL is given by it alone
    whole = [each for each in names if each == bare or each.endswith(("_" + bare, "." + bare))]  # without its group
    near = sorted(whole, key=len) or get_close_matches(short, names, 1, 0.5)
    fix = f"use {begin}{near[0]}" if near else "remove it"
    refuse_secret(Given(None, name, file).where(), "is no setting", fix)
