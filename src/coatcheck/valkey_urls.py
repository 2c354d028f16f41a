"""From a URL to a client of Valkey or Redis, for the store and for the shared cache.

    valkey://user:password@host:6379/0      one server; valkeys:// with TLS; redis:// and rediss:// mean the same
    valkey+sentinel://h1:26379,h2/mymaster/0 the master that Sentinel names
    valkey+cluster://h1:6379,h2:6379        a cluster, found by any of its nodes

Behind the path there may be `?ssl_ca_certs=`, `ssl_certfile=` and `ssl_keyfile=`, files for TLS. A name or password
with a character that means something in URLs is percent-encoded.

A client belongs to one process and one event loop. The one for threads notices a fork and leaves the parent's
connections alone; whoever owns one for asyncio makes another in the child. No command is sent twice: whether it may
be is for its sender to know.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.asyncio.cluster  # pyright: ignore[reportUnusedImport]
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.cluster  # pyright: ignore[reportUnusedImport]
import redis.sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_PORT = 6379
_SENTINEL_PORT = 26379
_LAST_PORT = 65_535
_TLS = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_KINDS = {"", "sentinel", "cluster"}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

# Some of redis-py's constructors have no types.
_for_asyncio: Any = redis.asyncio
_for_threads: Any = redis


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL names.

    Attributes:
        kind: "" for one server, "sentinel" or "cluster".
        hosts: Names and ports: of the server, the Sentinels or some of the cluster's nodes.
        database: The number of the database.
        service: What Sentinel calls the master.
        tls: Whether connections are encrypted.
        secrets: `username` and `password`, where there are any.
        files: The files for TLS.
    """

    kind: str
    hosts: tuple[tuple[str, int], ...]
    database: int
    service: str
    tls: bool
    secrets: dict[str, str] = field(repr=False)
    files: dict[str, str]

    def settings(self, timeout: float) -> dict[str, Any]:
        """Return the settings of each connection."""
        return {
            **self.secrets,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "driver_info": None,  # the client's name and version would cost a round trip each
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),  # likewise
        }

    def tls_settings(self) -> dict[str, Any]:
        """Return those that only encrypted connections know."""
        return dict(self.files) if self.tls else {}


def parsed(url: str) -> Target:
    """Read a URL.

    Raises:
        ConfigurationError: It is wrong; the message says where, and shows nothing of it but the scheme.
    """
    scheme, separator, _ = url.partition("://")
    name, _, kind = scheme.lower().partition("+")
    if not separator or name not in _TLS or kind not in _KINDS:
        shown = f" with scheme {scheme!r}" if separator else " without a scheme"
        msg = f"Valkey URL{shown} is not possible: use valkey://host:6379/0, or valkeys:// with TLS"
        raise ConfigurationError(msg)
    try:
        parts = urlsplit(url)
    except ValueError:
        _refuse("host", "write an IPv6 address in brackets, and special characters of a password percent-encoded")
    credentials, _, places = parts.netloc.rpartition("@")
    if "," in places and not kind:
        _refuse("list of hosts", "use valkey+sentinel:// or valkey+cluster://")
    service, database = _path(parts.path, kind)
    return Target(
        kind=kind,
        hosts=tuple(_host(place, _SENTINEL_PORT if kind == "sentinel" else _PORT) for place in places.split(",")),
        database=database,
        service=service,
        tls=_TLS[name],
        secrets=_secrets(credentials),
        files=_files(parts, tls=_TLS[name]),
    )


def async_client(url: str, *, timeout: float, max_connections: int) -> redis.asyncio.Redis | redis.asyncio.RedisCluster:
    """Return a client for the running event loop; nothing is connected yet.

    Args:
        url: Where to connect to.
        timeout: For how many seconds to wait for a connection to become free, for connecting, and for an answer.
        max_connections: How many connections there may be at once, to each server. Who wants another one waits.

    Raises:
        ConfigurationError: The URL is wrong.
    """
    target = parsed(url)
    settings = {**target.settings(timeout), "retry": redis.asyncio.retry.Retry(NoBackoff(), 0)}
    secured = {**target.tls_settings(), **({"ssl": True} if target.tls else {})}
    if target.kind == "cluster":
        nodes = [_for_asyncio.cluster.ClusterNode(host, port) for host, port in target.hosts]
        return _AsyncCluster(
            startup_nodes=nodes, gate=max_connections, wait=timeout, require_full_coverage=False, **settings, **secured
        )
    pooled = {"max_connections": max_connections, "timeout": timeout, "db": target.database, **settings}
    if target.kind == "sentinel":
        sentinel = _for_asyncio.sentinel.Sentinel(target.hosts, sentinel_kwargs=_for_sentinels(target, settings))
        return redis.asyncio.Redis.from_pool(_async_sentinel_pool(target.service, sentinel, **pooled, **secured))
    ((host, port),) = target.hosts
    kind = redis.asyncio.SSLConnection if target.tls else redis.asyncio.Connection
    pool = redis.asyncio.BlockingConnectionPool(
        connection_class=kind, host=host, port=port, **pooled, **target.tls_settings()
    )
    return redis.asyncio.Redis.from_pool(pool)


def client(url: str, *, timeout: float, max_connections: int) -> redis.Redis | redis.RedisCluster:
    """Return a client for threads, as `async_client` does.

    That of a cluster asks the nodes who they are at once, so it can fail here as commands do later.

    Raises:
        ConfigurationError: The URL is wrong.
        redis.RedisError: A cluster cannot be reached.
    """
    target = parsed(url)
    settings = {**target.settings(timeout), "retry": Retry(NoBackoff(), 0)}
    secured = {**target.tls_settings(), **({"ssl": True} if target.tls else {})}
    if target.kind == "cluster":
        nodes = [_for_threads.cluster.ClusterNode(host, port) for host, port in target.hosts]
        return _Cluster(
            startup_nodes=nodes, gate=max_connections, wait=timeout, require_full_coverage=False, **settings, **secured
        )
    pooled = {"max_connections": max_connections, "timeout": timeout, "db": target.database, **settings}
    if target.kind == "sentinel":
        sentinel = _for_threads.sentinel.Sentinel(target.hosts, sentinel_kwargs=_for_sentinels(target, settings))
        return redis.Redis.from_pool(_sentinel_pool(target.service, sentinel, **pooled, **secured))
    ((host, port),) = target.hosts
    kind = redis.SSLConnection if target.tls else redis.Connection
    pool = _for_threads.BlockingConnectionPool(
        connection_class=kind, host=host, port=port, **pooled, **target.tls_settings()
    )
    return redis.Redis.from_pool(pool)


class _AsyncSentinelPool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """Connections to the master, for which one waits when all are in use; closing them closes those to Sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py calls it so
        await super().disconnect(inuse_connections)
        if inuse_connections:
            sentinels: Any = self.sentinel_manager
            await sentinels.aclose()


class _SentinelPool(redis.sentinel.SentinelConnectionPool, redis.BlockingConnectionPool):
    """The same for threads."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py calls it so
        super().disconnect(inuse_connections)
        if inuse_connections:
            sentinels: Any = self.sentinel_manager
            for sentinel in sentinels.sentinels:
                sentinel.close()


_async_sentinel_pool: Any = _AsyncSentinelPool
_sentinel_pool: Any = _SentinelPool


class _AsyncCluster(redis.asyncio.RedisCluster):
    """A cluster whose commands wait for a connection when all are in use; by itself it fails then."""

    def __init__(self, *, gate: int, wait: float, **settings: Any) -> None:
        self._gate = asyncio.Semaphore(gate)
        self._wait = wait
        super().__init__(max_connections=gate, **settings)  # pyright: ignore[reportUnknownMemberType]

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(self._wait):
                await self._gate.acquire()
        except TimeoutError:
            raise redis.ConnectionError("No connection available.") from None
        try:
            return await super().execute_command(*args, **kwargs)
        finally:
            self._gate.release()


class _Cluster(redis.RedisCluster):
    """The same for threads."""

    def __init__(self, *, gate: int, wait: float, **settings: Any) -> None:
        self._gate = threading.BoundedSemaphore(gate)
        self._wait = wait
        super().__init__(max_connections=gate, **settings)  # pyright: ignore[reportUnknownMemberType]

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        if not self._gate.acquire(timeout=self._wait):
            raise redis.ConnectionError("No connection available.")
        try:
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        finally:
            self._gate.release()


def _for_sentinels(target: Target, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of connections to Sentinels: all together they take no longer than one server."""
    timeout = settings["socket_timeout"] / (len(target.hosts) + 1)
    own = {name: value for name, value in settings.items() if name not in target.secrets}
    secured = {"ssl": True, **target.tls_settings()} if target.tls else {}
    return {**own, **secured, "socket_timeout": timeout, "socket_connect_timeout": timeout}


def _secrets(credentials: str) -> dict[str, str]:
    name, _, password = credentials.partition(":")
    found = {"username": unquote(name), "password": unquote(password)}
    return {key: value for key, value in found.items() if value}


def _host(place: str, default: int) -> tuple[str, int]:
    name, port = place, ""
    if place.startswith("["):
        name, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in place:
        name, _, port = place.partition(":")
    if not name:
        _refuse("host", "write valkey://host:6379/0")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        _refuse("port", "use a number from 1 to 65535, and percent-encode special characters of a password")
    return unquote(name), int(port or default)


def _path(path: str, kind: str) -> tuple[str, int]:
    parts = [unquote(part) for part in path.split("/") if part]
    service = ""
    if kind == "sentinel":
        if not parts:
            _refuse("service", "write valkey+sentinel://host1,host2/mymaster/0")
        service = parts.pop(0)
    number = parts.pop(0) if parts else "0"
    if parts or not (number.isascii() and number.isdecimal()):
        _refuse("database", "use a number, as in valkey://host:6379/0")
    if kind == "cluster" and int(number):
        _refuse("database", "a cluster has only the database 0")
    return service, int(number)


def _files(parts: SplitResult, *, tls: bool) -> dict[str, str]:
    if parts.fragment:
        _refuse("'#'", "write it as %23")
    files = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not files.keys() <= set(_FILES) or not all(files.values()):
        _refuse("query", f"only {', '.join(_FILES)} may follow the '?', each with a file")
    if files and not tls:
        _refuse("query", "files for TLS need the scheme valkeys://")
    return files


def _refuse(part: str, fix: str) -> NoReturn:
    # The URL may hold a password, and where it is written wrongly any part may be one: nothing of it is shown.
    msg = f"Valkey URL with this {part} is not possible: {fix}"
    raise ConfigurationError(msg)
