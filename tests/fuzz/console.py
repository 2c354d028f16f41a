"""The console for administrators: what operators ask it for, and everybody else tries."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import strategies as st

from coatcheck.console.asked import asked_in
from coatcheck.console.forms import NoForm, fields_of
from coatcheck.core import passwords
from coatcheck.core.filters import cursor_of, place_of
from coatcheck.errors import DataError
from coatcheck.testing.clock import START
from tests.console.desk import COOKIE, PASSWORD, SAME_ORIGIN, begin, desk
from tests.fuzz.shapes import JUNK, forms, near
from tests.fuzz.target import Target
from tests.web.browser import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.console.desk import Desk, Sitting
    from tests.web.browser import Answer

_VICTIM = "victim-of-the-tests"
_FORM = ("content-type", "application/x-www-form-urlencoded")
_CURSOR = cursor_of(1_800_000_000_000_000, "session-1").encode()
_VALUES = (
    st.sampled_from([b"1h", b"not-7d", b"users", b"all", b"page", b"1", b"9" * 17, b"0" * 20 + b"9" * 30, _CURSOR])
    | near(_CURSOR)
    | JUNK
)
_ASKED = forms(
    "q", "user", "active", "begun", "who", "id", "chosen", "at", "after", "choose", "everyone", value=_VALUES
)
_TRAIL = forms("actor", "user_id", "after", value=_VALUES)
_SENT = forms("form", "expected", "word", "everyone", "chosen", "id", "name", "password", "next", value=_VALUES)


class Attacked:
    """A console with an operator, and a user's session that nobody is to reach."""

    def __init__(self, at: Desk, runner: asyncio.Runner) -> None:
        self._at, self._runner = at, runner
        (self._token,) = runner.run(begin(at, _VICTIM))
        self._operator = runner.run(at.operator())

    def check(self, sample: tuple[bytes, bytes, bytes, bytes]) -> None:
        """Ask for every page as an operator and as nobody, and send forms that are none of the console's."""
        query, trail, sent, cookie = sample
        nobody = self._at.browser(cookies={COOKIE: cookie.decode("latin-1")})
        for path in ("", "/end", "/trail", "/numbers", f"/sessions/{_VICTIM}"):
            asked = trail if path == "/trail" else query
            assert _VICTIM.encode() not in self._ask(nobody, "GET", path, asked).body
            answer = self._ask(self._operator, "GET", path, asked)
            for secret in (PASSWORD, self._token, self._operator.cookies[COOKIE]):
                assert secret.encode() not in answer.body
        for path in ("/end", "/sign-in", "/confirm"):
            for browser in (nobody, self._at.browser(cookies=dict(self._operator.cookies))):
                assert self._ask(browser, "POST", path, query, sent).status >= 300, "there is no form token in it"
        assert self._runner.run(self._at.sessions.get(self._token)), "and the victim is signed in still"

    def _ask(self, browser: Sitting, method: str, path: str, query: bytes, body: bytes = b"") -> Answer:
        lines = browser._lines(method, [*SAME_ORIGIN, _FORM] if method == "POST" else [])
        scope: Any = browser._scope(method, f"{browser.path}{path}", lines)
        answer = self._runner.run(exchange(browser.app, {**scope, "query_string": query}, body))
        assert answer.status < 500, (answer.status, answer.body)
        return answer


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Any], None]]:
    with patch.object(passwords, "_LEAST", {1: 1}), asyncio.Runner() as runner:
        running = desk(folder)
        at = runner.run(running.__aenter__())
        try:
            yield Attacked(at, runner).check
        finally:
            runner.run(running.__aexit__(None, None, None))


def _read(octets: bytes) -> object:
    text = octets.decode("latin-1")
    with suppress(NoForm, DataError):
        asked_in(fields_of(text), START)
    with suppress(DataError):
        return place_of(text)
    return text


CONSOLE = Target(
    "console",
    st.tuples(_ASKED, _TRAIL, _SENT, near(b"A" * 43) | JUNK.map(lambda octets: octets.replace(b"\n", b""))),
    _opened,
    _read,
    (b"q=a&", b"&", b"%41", b"=", b"id=1&", b"a"),
)
