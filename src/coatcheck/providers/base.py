"""What the providers that are asked over HTTP have in common: their settings, and what they are told."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable
from urllib.parse import urlsplit

from coatcheck.core.identities import Nonsense
from coatcheck.core.refusals import redacted_url, refuse

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

LARGEST_REPLY: Final = 1024 * 1024
"""Octets of a reply that are read; a longer one is nonsense."""

TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

_MOST_RETRIES: Final = 5
_LONGEST_PAUSE: Final = 60
_SECONDS: Final = re.compile(r"[0-9]{1,6}")

# The HTTP client's: at DEBUG they print the headers of each answer, Set-Cookie with its token among them.
_TALKATIVE: Final = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_asking: ContextVar[bool] = ContextVar("coatcheck_asking", default=False)


@contextmanager
def unlogged() -> Generator[None]:
    """Keep the HTTP client's own records of what we ask out of every log (rule T9); the application's stay."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_loggable)  # which adds it once
    before = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(before)


def _is_loggable(_: logging.LogRecord) -> bool:
    return not _asking.get()


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSettings:
    """How a provider is asked.

    A request never waits for it longer than `timeout`, retries included. After `failures` calls in a row have failed
    nobody asks it for a pause, and requests are refused with 503 at once; after the pause one call tries.

    Attributes:
        timeout: How long an answer may take, with all retries.
        retries: How often a question that failed is asked again, after a short pause of random length.
        max_connections: How many connections one process has at most.
        failures: After how many failures in a row it is left alone; those that were under way together count as one.
        pause: For how long at first.
        longest_pause: For how long at most.
    """

    timeout: timedelta = timedelta(seconds=3)
    retries: int = 1
    max_connections: int = 20
    failures: int = 5
    pause: timedelta = timedelta(milliseconds=500)
    longest_pause: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if not timedelta(milliseconds=10) <= self.timeout <= timedelta(minutes=1):
            refuse("timeout", self.timeout, "use ten milliseconds to one minute", of="provider")
        if not 0 <= self.retries <= _MOST_RETRIES:
            refuse("retries", self.retries, f"use 0 to {_MOST_RETRIES}", of="provider")
        if self.max_connections < 1:
            refuse("max_connections", self.max_connections, "use 1 or more", of="provider")
        if self.failures < 1:
            refuse("failures", self.failures, "use 1 or more", of="provider")
        if not timedelta(milliseconds=10) <= self.pause <= self.longest_pause <= timedelta(minutes=10):
            refuse("pause", self.pause, "use ten milliseconds to longest_pause, ten minutes at most", of="provider")


@runtime_checkable
class NotesCookies(Protocol):
    """A provider to which it matters whether a further cookie came with the token, and not what it says."""

    @property
    def noted_cookies(self) -> tuple[str, ...]:
        """Their names; a token beside one of them is presented with `coatcheck.core.transport.NOTED` behind it."""
        ...


class Question(NamedTuple):
    """What a provider is asked, on its way there.

    Attributes:
        method: The method.
        url: The whole address.
        headers: All that goes with it.
        body: The body; None for none.
        seconds: How long the reply may take.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    seconds: float

    def __repr__(self) -> str:
        """Show nothing of what is sent: it has a token in it (rule T9)."""
        return f"<Question {self.method}>"


class NoReply(Exception):
    """Why no reply has come; it says nothing of what was asked (rule T9)."""


class Reply(NamedTuple):
    """What a provider has replied.

    Attributes:
        status: The status code.
        set_cookies: Each value of Set-Cookie.
        body: The body; nothing has to be read of an outage's.
        wait: After how many seconds it wants to be asked again, if it is an outage: see `retry_after`.
    """

    status: int
    set_cookies: tuple[bytes, ...]
    body: bytes
    wait: int = 1

    def __repr__(self) -> str:
        """Show nothing of the content: it has tokens in it (rule T9)."""
        return f"<Reply {self.status} of {len(self.body)} bytes>"

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            Nonsense: It is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Nonsense("the body is not JSON") from None


def is_outage(status: int) -> bool:
    """Tell whether a status says nothing of what was asked: 429 and 5xx."""
    return status == TOO_MANY or status >= _SERVER_ERROR


def checked_url(setting: str, url: str) -> str:
    """Return the address of a provider without a slash at its end.

    Raises:
        ConfigurationError: It is no plain http or https address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port  # which raises for one that is out of range
    except ValueError:
        parts, port = None, None
    fix = "use an address such as 'https://auth.example.com', without user, query and fragment"
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        refuse(setting, redacted_url(url), fix)
    if parts.username is not None or parts.query or parts.fragment or not url.isascii() or " " in url:
        refuse(setting, redacted_url(url), fix)
    return url.rstrip("/")


def endpoint(setting: str, url: str) -> tuple[str, str]:
    """Return the address of one endpoint in two parts: the server's, and the path as it is, slash and all.

    Raises:
        ConfigurationError: It is no plain http or https address.
    """
    checked_url(setting, url)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def retry_after(headers: Mapping[str, str]) -> int:
    """Return after how many seconds a provider wants to be asked again (RFC 9110 section 10.2.3): 1 to 60.

    Better Auth says so in a field of its own.
    """
    value = headers.get("retry-after") or headers.get("x-retry-after", "")
    return min(max(int(value), 1), _LONGEST_PAUSE) if _SECONDS.fullmatch(value) else 1
