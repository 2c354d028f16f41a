"""What a server says of itself, and which of its settings are unsafe for sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OLDEST = (7, 0)


def _told(info: Any) -> dict[str, str]:
    if isinstance(info, dict):  # as the driver's own parser leaves it
        return {str(name): str(value) for name, value in cast("Mapping[Any, Any]", info).items()}
    lines = (line.partition(":") for line in info.decode().splitlines())
    return {name: value for name, _, value in lines}


def too_old(info: Any) -> str | None:
    """Return why a server of this version cannot be used."""
    version = _told(info).get("redis_version", "")
    if tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST:
        return None
    return f"store with a server of version {version} is not possible: use Valkey, or Redis 7.0 or newer"


def problems_of(info: Any, saves: Any, *, clustered: bool) -> list[str]:
    """Return what is unsafe, each with the fix.

    Args:
        info: What INFO says.
        saves: What CONFIG GET save says; None where that is not allowed.
        clustered: Whether the store was told that the server is part of a cluster.
    """
    told = _told(info)
    found: list[str] = []
    policy = told.get("maxmemory_policy")
    if policy != "noeviction":
        found.append(
            f"maxmemory-policy is {policy}: sessions, or log entries that end some, can be evicted; "
            "set it to noeviction"
        )
    if told.get("role") != "master":
        found.append("the server is a replica, which can prove nothing; use the master's URL, or Sentinel")
    if told.get("cluster_enabled") == "1" and not clustered:
        found.append("the server is part of a cluster: commands may be redirected; use valkey+cluster://")
    if told.get("aof_enabled") == "0":
        found.append(_without_file(saves))
    return found


def _without_file(saves: Any) -> str:
    if saves is not None and not any(_words(saves)):
        return "nothing is written to disk: a restart signs everybody out; set appendonly to yes, or save"
    return "appendonly is no: a restart loses what came after the last snapshot, and with it revocations; set it to yes"


def _words(saves: Any) -> list[str]:
    values = list(cast("Mapping[Any, Any]", saves).values()) if isinstance(saves, dict) else saves[1::2]
    return [word.decode() if isinstance(word, bytes) else str(word) for word in cast("Sequence[Any]", values)]
