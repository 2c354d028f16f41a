"""A provider asked by `fetch`, in a Worker: there are no sockets for the library that asks it elsewhere."""

from __future__ import annotations

from typing import Any, Self

from coatcheck import bindings
from coatcheck.providers.base import LARGEST_REPLY, NoReply, Question, Reply, is_outage, retry_after


class Fetch:
    """What a provider takes as its `client` in a Worker: `AsyncBetterAuth("https://…", client=Fetch(env.AUTH))`.

    The other Worker is asked without a way through the Internet, and sees the address that the provider was given. No
    redirect is followed, no cookie is kept, and a question that takes too long is aborted.
    """

    def __init__(self, service: Any) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            service: The binding of the other Worker: `env.AUTH`.

        Raises:
            ConfigurationError: It is no service binding.
        """
        bindings.require(service, bindings.SERVICE, setting="service", example="env.AUTH")
        self._service = service

    @classmethod
    def public(cls) -> Self:
        """Ask whatever server the address names, over the Internet.

        Raises:
            ConfigurationError: This is no Worker.
        """
        return cls(bindings.javascript())

    async def exchange(self, question: Question) -> Reply:
        """Send a question once, and return its reply.

        Raises:
            NoReply: There is none, or it is longer than `LARGEST_REPLY`.
        """
        abort = bindings.javascript().AbortController.new()
        options = bindings.object_of(method=question.method, headers=dict(question.headers), redirect="manual")
        options.signal = abort.signal
        if question.body is not None:
            options.body = bindings.bytes_of(question.body)
        try:
            return await _reply(await self._service.fetch(question.url, options))
        except bindings.failures() as error:
            # Its name and no more: what it says may hold what was sent.
            raise NoReply(str(getattr(error, "name", type(error).__name__))) from None
        finally:
            abort.abort()  # whoever waits no longer leaves nothing under way

    async def aclose(self) -> None:
        """Do nothing: a binding has no connection to close."""

    def forked(self) -> None:
        """Do nothing: a Worker has one process."""


async def _reply(response: Any) -> Reply:
    status = int(response.status)
    names = ("retry-after", "x-retry-after")
    waits = {name: value for name in names if not bindings.is_nothing(value := response.headers.get(name))}
    if is_outage(status):
        return Reply(status, (), b"", retry_after(waits))
    cookies = tuple(str(line).encode("latin-1", "replace") for line in response.headers.getSetCookie())
    return Reply(status, cookies, await _read(response.body))


async def _read(body: Any) -> bytes:
    if bindings.is_nothing(body):
        return b""
    reader, read = body.getReader(), b""
    while not (part := await reader.read()).done:
        read += part.value.to_bytes()
        if len(read) > LARGEST_REPLY:
            raise NoReply(f"it sent more than {LARGEST_REPLY} bytes")
    return read
