# Generated from providers/async_sockets.py by tools/generate_sync.py: edit that, run `make generate`.
"""Questions over sockets, by httpx2, for threads. Generated from the asyncio side."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from time import monotonic

import httpx2

from coatcheck.providers._clients import OwnClients
from coatcheck.providers.base import LARGEST_REPLY, NoReply, Question, Reply, is_outage, retry_after, unlogged


class Sockets:
    """The connections to one provider: of our own, or of a client of the application's, which is not closed here."""

    def __init__(self, client: httpx2.Client | None, *, connections: int) -> None:
        """Connect to nobody yet."""
        self._given = None if client is None else _without_memory(client)
        self._limits = httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
        )
        self._used = False
        self.forked()

    def forked(self) -> None:
        """Start anew; connections are the parent's."""
        self._own = OwnClients(self._limits)
        self._inherited = self._used

    def close(self) -> None:
        """Close its own connections; whoever asks again opens others."""
        self._own.close()

    def exchange(self, question: Question) -> Reply:
        """Send a question once, and return its reply.

        Raises:
            NoReply: There is none, or it is longer than `LARGEST_REPLY`.
            TimeoutError: It took longer than the question says.
        """
        try:
            with unlogged():
                return self._answer(question, monotonic() + question.seconds)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            # Without its cause: that holds the request, and with it the token.
            raise NoReply(type(error).__name__) from None

    def _answer(self, question: Question, until: float) -> Reply:
        method, url, headers, body, seconds = question
        with self._connected().stream(
            method, url, headers=dict(headers), content=body, timeout=seconds, follow_redirects=False
        ) as response:
            status, wait = response.status_code, retry_after(response.headers)
            if is_outage(status):
                return Reply(status, (), b"", wait)
            read = b""
            for chunk in response.iter_bytes():
                read += chunk
                if len(read) > LARGEST_REPLY:
                    raise NoReply(f"it sent more than {LARGEST_REPLY} bytes")
                if monotonic() >= until:
                    raise TimeoutError
            cookies = tuple(value for key, value in response.headers.raw if key.lower() == b"set-cookie")
            return Reply(status, cookies, read, wait)

    def _connected(self) -> httpx2.Client:
        if self._given is None:
            return _without_memory(self._own.get())
        if self._inherited:
            # Two processes on one connection would read each other's answers.
            raise NoReply("its client was used before the process forked; give it one in each child")
        if self._given.is_closed:
            raise NoReply("its client is closed")
        self._used = True
        return self._given


def _without_memory(client: httpx2.Client) -> httpx2.Client:
    """Return a client that keeps no cookies: it would send one visitor's with the next visitor's question (S11)."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client
