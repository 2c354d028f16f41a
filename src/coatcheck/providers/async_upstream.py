"""The HTTP client of a provider for asyncio. The one for threads is generated from it.

It asks within a time that is stated, again if that may help, and not at all for a while after it has failed in a row.
Nothing that it raises or logs holds what was sent: that is somebody's token.
"""

from __future__ import annotations

import logging
import random
from json import dumps
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from coatcheck.clock import SystemClock
from coatcheck.core.breaker import Breaker
from coatcheck.core.times import duration_nanos
from coatcheck.errors import Unavailable
from coatcheck.providers._async_pair import async_sleep, limited
from coatcheck.providers.async_exchange import exchange_by
from coatcheck.providers.base import TOO_MANY, HTTPSettings, NoReply, Question, Reply, checked_url, is_outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.core.breaker import Ticket
    from coatcheck.providers.async_exchange import AsyncExchange

_log = logging.getLogger("coatcheck")

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
        client: httpx2.AsyncClient | AsyncExchange | None = None,
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
            ConfigurationError: The address is none, or there is nothing to ask it with.
        """
        self.name = name
        self.url = checked_url("url", url)
        self.settings = settings or HTTPSettings()
        self._exchange = exchange_by(client, connections=self.settings.max_connections)
        self._clock = clock or SystemClock()
        self._timeout = duration_nanos(self.settings.timeout)
        self.forked()

    def forked(self) -> None:
        """Start anew; connections are the parent's."""
        settings = self.settings
        self._exchange.forked()
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
        await self._exchange.aclose()

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
        kind, body = _body_of(form, json)
        question = Question(method, self.url + path, {**headers, **kind}, body, 0)
        for left in range(self.settings.retries if repeat else 0, -1, -1):
            try:
                return await self._once(question, deadline)
            except _AskedTooOften:
                raise
            except Unavailable:
                pause = random.uniform(0.02, 0.1)  # noqa: S311 - so that not all come back at once
                if not left or not self.available or self._clock.monotonic() + pause * _SECOND >= deadline:
                    raise
                await async_sleep(pause)
        raise AssertionError  # pragma: no cover - the last round has returned or raised

    async def _once(self, question: Question, deadline: int) -> Reply:
        with self._lock:
            ticket = self._breaker.enter(self._clock.monotonic())
        if ticket is None:
            raise Unavailable(f"{self.name} is left alone for a moment, because it did not answer")
        try:
            reply = await self._reply(question, deadline)
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

    async def _reply(self, question: Question, deadline: int) -> Reply:
        seconds = max((deadline - self._clock.monotonic()) / _SECOND, 0.001)
        try:
            async with limited(seconds):
                reply = await self._exchange.exchange(question._replace(seconds=seconds))
        except TimeoutError:
            raise Unavailable(f"{self.name} did not answer in time") from None
        except NoReply as error:
            raise Unavailable(f"{self.name} did not answer: {error}") from None
        if self._clock.monotonic() >= deadline:
            raise Unavailable(f"{self.name} did not answer in time")
        if is_outage(reply.status):
            kind = _AskedTooOften if reply.status == TOO_MANY else Unavailable
            raise kind(f"{self.name} answered {reply.status}", retry_after=reply.wait)
        return reply


def _body_of(form: Mapping[str, str] | None, json: Any) -> tuple[dict[str, str], bytes | None]:
    """Return the header that says what a body is, and the body."""
    if form is not None:
        return {"content-type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    if json is not None:
        return {"content-type": "application/json"}, dumps(json, separators=(",", ":")).encode()
    return {}, None
