"""The HTTP client of threads. Its twin for asyncio is `_async_clients.py`, by hand as well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2

from coatcheck.providers._pair import DEADLINE, Lock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    deadline = DEADLINE.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout, httpcore2.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._backend.connect_tcp(host, port, left, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class OwnClients:
    """The HTTP client of one provider; threads share it."""

    def __init__(self, limits: httpx2.Limits) -> None:
        """Start with none."""
        self._limits = limits
        self._client: httpx2.Client | None = None
        self._lock = Lock()

    def get(self) -> httpx2.Client:
        """Return it."""
        with self._lock:
            if self._client is None:
                # Neither proxies nor passwords out of the environment: a .netrc would send its own Authorization.
                transport = httpx2.HTTPTransport(limits=self._limits, trust_env=False)
                pool: Any = transport._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001
                self._client = httpx2.Client(transport=transport, trust_env=False)
            return self._client

    def close(self) -> None:
        """Close it."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
