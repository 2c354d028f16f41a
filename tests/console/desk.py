"""A console on a store of its own, and those who sit in front of it."""

from __future__ import annotations

import html
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.applications import Starlette

from coatcheck import AsyncSessions, UsersTable
from coatcheck.console import Console, ConsoleOptions, console_routes
from coatcheck.core import passwords
from coatcheck.core.passwords import PasswordHash
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from tests.web.browser import Browser, exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.web.browser import Answer, HeaderLines

COOKIE = "__Host-console"
PASSWORD = "correct horse battery"
SAME_ORIGIN = [("sec-fetch-site", "same-origin")]


def cheap(password: str = PASSWORD) -> str:
    """Return a hash that takes no time; settings refuse it, unless `cheap_hashes` has been asked for."""
    salt = bytes(16)
    return PasswordHash(1, 8, 1, salt, passwords._digest(password, 1, 8, 1, salt)).text()


class Sitting(Browser):
    """A browser in front of a console, which sends its forms as browsers do."""

    path: str = "/console"

    async def page(self, path: str = "", **query: str) -> Answer:
        """Open a page of the console."""
        return await self.get(f"{self.path}{path}{'?' + urlencode(query) if query else ''}")

    async def send(
        self, path: str, fields: Sequence[tuple[str, str]] = (), headers: HeaderLines | None = None
    ) -> Answer:
        """Send a form to a page of the console."""
        lines = self._lines("POST", SAME_ORIGIN if headers is None else headers)
        lines.append((b"content-type", b"application/x-www-form-urlencoded"))
        answer = await exchange(self.app, self._scope("POST", path, lines), urlencode(fields).encode())
        self._keep(answer)
        return answer

    async def sign_in(self, name: str = "ada", password: str = PASSWORD, **more: str) -> Answer:
        """Sign in, or try to."""
        return await self.send(f"{self.path}/sign-in", [("name", name), ("password", password), *more.items()])

    async def submit(self, answer: Answer, **changed: str) -> Answer:
        """Send the last form of a page, with what somebody has typed into it."""
        address, fields = form_in(answer)
        kept = [(name, value) for name, value in fields if name not in changed]
        return await self.send(address, [*kept, *changed.items()])


def form_in(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    """Return where the last form of a page leads, and its fields."""
    found = re.findall(r'<form[^>]*? action="([^"]*)"[^>]*>(.*?)</form>', text_of(answer), re.DOTALL)
    forms = [(address, inner) for address, inner in found if "sign-out" not in address]
    address, inner = forms[-1]
    inputs = [dict(re.findall(r' ([a-z]+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", inner)]
    fields = [(each["name"], html.unescape(each.get("value", ""))) for each in inputs if "name" in each]
    return html.unescape(address), fields


def text_of(answer: Answer) -> str:
    """Return a page."""
    return answer.body.decode()


def words_of(answer: Answer) -> str:
    """Return what a page says, without its elements."""
    main = text_of(answer).partition("<main")[2].partition(">")[2]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", main))).strip()


def heading(answer: Answer) -> str:
    """Return what a page is about."""
    match = re.search(r"<h1>(.*?)</h1>", text_of(answer), re.DOTALL)
    assert match is not None, text_of(answer)
    return html.unescape(re.sub(r"<[^>]*>", "", match[1]))


class _Elements(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(answer: Answer) -> list[tuple[str, dict[str, str | None]]]:
    """Return a page's elements, each with its attributes."""
    parser = _Elements()
    parser.feed(text_of(answer))
    return parser.found


class Desk:
    """The console, its sessions and its clock."""

    def __init__(self, folder: Path, users: UsersTable | None = None, **options: Any) -> None:
        self.clock = ManualClock()
        self.store = AsyncFaultyStore(AsyncSQLiteStore(str(folder / "site.db"), clock=self.clock, users=users))
        self.sessions = AsyncSessions(self.store, clock=self.clock)
        self.console = self.another(self.sessions, **options)
        self.app = Starlette(routes=console_routes(self.console))

    def another(self, sessions: AsyncSessions, **options: Any) -> Console:
        """Return a console, for ada and grace if nobody else is named."""
        people = options.pop("operators", tuple(f"{name}:{cheap()}" for name in ("ada", "grace")))
        more = {name: options.pop(name) for name in ("place", "numbers") if name in options}
        return Console(sessions, ConsoleOptions(operators=people, **options), **more)

    def browser(self, **how: Any) -> Sitting:
        """Return a browser in which nobody has signed in."""
        return Sitting(self.app, **how)

    async def operator(self, name: str = "ada") -> Sitting:
        """Return a browser in which an operator has just signed in."""
        browser = self.browser()
        assert (await browser.sign_in(name)).status == 303
        return browser

    async def done(self) -> list[tuple[str, str | None]]:
        """Return what the trail says was done, and by whom, from the first on."""
        page = await self.console._trail.entries()
        return [(entry.action, entry.actor) for entry in reversed(page.entries)]


@asynccontextmanager
async def desk(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    """Run a console for a while."""
    made = Desk(folder, **options)
    async with made.sessions:
        yield made


async def begin(at: Desk, *users: str | None, **how: Any) -> list[str]:
    """Begin sessions, a second apart, and return their tokens."""
    tokens: list[str] = []
    for user in users:
        at.clock.advance(timedelta(seconds=1))
        tokens.append((await at.sessions.create(user, **how)).token.reveal())
    return tokens


async def alive(at: Desk, tokens: list[str]) -> list[bool]:
    """Tell which of these are signed in."""
    return [bool(await at.sessions.get(token)) for token in tokens]


def rows(answer: Answer) -> list[str]:
    """Return what the rows of a page's table say."""
    found = re.findall(
        r"<tr[^>]*>(.*?)</tr>", text_of(answer).partition("<tbody")[2].partition("</tbody>")[0], re.DOTALL
    )
    return [" ".join(re.sub(r"<[^>]*>", " ", row.replace("<wbr>", "")).split()) for row in found]
