"""The HTTP client of a provider for asyncio. The one for threads is generated from it.

It asks within a time that is stated, again if that may help, and not at all for a while after it has failed in a row.
Nothing that it raises or logs holds what was sent: that is somebody's token.
"""

from __future__ import annotations

import logging
import random
from http.cookiejar import DefaultCookiePolicy
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx2

from coatcheck.clock import SystemClock
from coatcheck.core.breaker import Breaker
from coatcheck.core.times import duration_nanos
from coatcheck.errors import Unavailable
from coatcheck.providers._async_pair import AsyncOwnClients, async_sleep, limited
from coatcheck.providers.base import LARGEST_REPLY, HTTPSettings, Reply, checked_url, retry_after, unlogged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.clock import Clock
    from coatcheck.core.breaker import Ticket

_log = logging.getLogger("coatcheck")

_TOO_MANY = 429
_SERVER_ERROR = 500
_SECOND = 1_000_000_000


class _AskedTooOften(Unavailable):
    """The provider has answered 429: asking once more would make it worse."""


class AsyncUpstream:
    """One provider, as it is reached over HTTP."""

    def __init__(
        self,
        name: str,
        url: str,
        settings: HTTPSettings | None = None,
        *,
        client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the provider; nothing is connected yet.

        Args:
            name: What it is called in logs and errors.
            url: Its address, without a path of its own.
            settings: How it is asked.
            client: A client of the application, where a proxy or a certificate is needed; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: The address is none.
        """
        self.name = name
        self.url = checked_url("url", url)
        self.settings = settings or HTTPSettings()
        self._given = None if client is None else _without_memory(client)
        self._used = False
        self._clock = clock or SystemClock()
        self._timeout = duration_nanos(self.settings.timeout)
        self.forked()

    def forked(self) -> None:
        """Start anew; connections are the parent's."""
        settings = self.settings
        most = settings.max_connections
        limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=30)
        self._own = AsyncOwnClients(limits)
        self._inherited = self._used
        self._lock = Lock()
        self._breaker = Breaker(
            failures=settings.failures,
            pause=duration_nanos(settings.pause),
            longest_pause=duration_nanos(settings.longest_pause),
        )

    @property
    def available(self) -> bool:
        """Whether it is asked: it is not while it fails."""
        return self._breaker.closed

    async def aclose(self) -> None:
        """Close its connections; whoever asks again opens others."""
        await self._own.aclose()

    def deadline(self) -> int:
        """Return by when one question that is asked now must be answered; several can share it."""
        return self._clock.monotonic() + self._timeout

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        json: Any = None,
        repeat: bool = True,
        deadline: int | None = None,
    ) -> Reply:
        """Ask, and return the reply if it is none of an outage.

        Args:
            method: The method.
            path: The path behind the address.
            headers: What goes with it.
            form: A form to send.
            json: JSON to send.
            repeat: Whether it does no harm to ask twice.
            deadline: When questions that belong together must be answered, by `deadline()`; None for this one alone.

        Raises:
            Unavailable: There was no reply in time, it was 429 or 5xx, or longer than anything it could say.
        """
        deadline = self.deadline() if deadline is None else deadline
        request = {"method": method, "url": self.url + path, "headers": dict(headers), "data": form, "json": json}
        for left in range(self.settings.retries if repeat else 0, -1, -1):
            try:
                return await self._once(request, deadline)
            except _AskedTooOften:
                raise
            except Unavailable:
                pause = random.uniform(0.02, 0.1)  # noqa: S311 - so that not all come back at once
                if not left or not self.available or self._clock.monotonic() + pause * _SECOND >= deadline:
                    raise
                await async_sleep(pause)
        raise AssertionError  # pragma: no cover - the last round has returned or raised

    async def _once(self, request: dict[str, Any], deadline: int) -> Reply:
        with self._lock:
            ticket = self._breaker.enter(self._clock.monotonic())
        if ticket is None:
            raise Unavailable(f"{self.name} is left alone for a moment, because it did not answer")
        try:
            with unlogged():
                reply = await self._reply(request, deadline)
        except Unavailable as error:
            self._fail(ticket, str(error))
            raise
        except BaseException:
            with self._lock:
                self._breaker.withdraw(ticket)
            raise
        with self._lock:
            closed = self._breaker.succeed(ticket)
        if closed:
            _log.info("coatcheck.provider_available", extra={"provider": self.name})
        return reply

    def _fail(self, ticket: Ticket, reason: str) -> None:
        with self._lock:
            opened = self._breaker.fail(ticket, self._clock.monotonic(), random.random())  # noqa: S311 - for a pause
        if opened:
            _log.warning("coatcheck.provider_unavailable", extra={"provider": self.name, "reason": reason})

    async def _reply(self, request: dict[str, Any], deadline: int) -> Reply:
        seconds = max((deadline - self._clock.monotonic()) / _SECOND, 0.001)
        try:
            async with limited(seconds):
                return await self._answer(request, seconds, deadline)
        except TimeoutError:
            raise Unavailable(f"{self.name} did not answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            # Without its cause: that holds the request, and with it the token.
            raise Unavailable(f"{self.name} did not answer: {type(error).__name__}") from None

    async def _answer(self, request: dict[str, Any], seconds: float, deadline: int) -> Reply:
        async with self._connected().stream(**request, timeout=seconds, follow_redirects=False) as response:
            status = response.status_code
            if status == _TOO_MANY:
                raise _AskedTooOften(f"{self.name} answered {status}", retry_after=retry_after(response.headers))
            if status >= _SERVER_ERROR:
                raise Unavailable(f"{self.name} answered {status}", retry_after=retry_after(response.headers))
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_REPLY:
                    raise Unavailable(f"{self.name} answered with more than {LARGEST_REPLY} bytes")
                if self._clock.monotonic() >= deadline:
                    raise Unavailable(f"{self.name} did not answer in time")
            cookies = tuple(value for key, value in response.headers.raw if key.lower() == b"set-cookie")
            return Reply(status, cookies, body)

    def _connected(self) -> httpx2.AsyncClient:
        if self._given is None:
            return _without_memory(self._own.get())
        if self._inherited:
            # Two processes on one connection would read each other's answers.
            raise Unavailable(f"{self.name}'s client was used before the process forked; give it one in each child")
        if self._given.is_closed:
            raise Unavailable(f"{self.name}'s client is closed")
        self._used = True
        return self._given


def _without_memory(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Return a client that keeps no cookies: it would send one visitor's with the next visitor's question (S11)."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client
