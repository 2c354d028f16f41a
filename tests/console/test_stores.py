"""The console on every kind of store that can search: its sign-in, its limit, and what it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette

from coatcheck import AsyncFleetNumbers, AsyncSessions, ConfigurationError
from coatcheck.console import Console, ConsoleOptions, console_routes
from coatcheck.testing import AsyncMemoryStore
from tests.console.desk import Sitting, cheap, words_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_hashes")]

OPTIONS: dict[str, Any] = {"operators": (f"ada:{cheap()}",), "attempts": 1}


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/site.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


async def test_C12_L13_operators_sign_in_and_end_sessions_on_every_store(url: str) -> None:
    async with AsyncSessions(url) as sessions:
        console = Console(sessions, ConsoleOptions(**OPTIONS))
        app = Starlette(routes=console_routes(console))
        tokens = [(await sessions.create(user)).token for user in ("ada", "ada", "grace")]
        browser, stranger = Sitting(app), Sitting(app, address=("198.51.100.7", 1))
        assert [(await stranger.sign_in(password="wrong")).status for _ in range(2)] == [422, 429]
        assert (await browser.sign_in()).status == 303
        asked = await browser.page("/confirm")
        assert (await browser.submit(asked, password="correct horse battery")).status == 303
        assert "3 sessions of users" in words_of(await browser.page())
        answer = await browser.submit(await browser.page("/end", user="ada"))
        assert "2 sessions have ended. No worker accepts them any more." in words_of(answer)
        assert [bool(await sessions.get(token)) for token in tokens] == [False, False, True]
        assert [session.user_id for session in await sessions.list_active()] == ["grace"]
        assert "2 sessions of the user ada" in words_of(await browser.page("/trail"))
        assert (await browser.page("/numbers")).status == 200


async def test_the_numbers_are_of_all_workers_where_they_tell_them(tmp_path: Path) -> None:
    async with AsyncSessions(f"sqlite:///{tmp_path}/site.db") as sessions:
        numbers = AsyncFleetNumbers(sessions)
        app = Starlette(routes=console_routes(Console(sessions, ConsoleOptions(**OPTIONS), numbers=numbers)))
        browser = Sitting(app)
        await browser.sign_in()
        assert "only of the worker that has answered you" in words_of(await browser.page("/numbers"))
        async with numbers:
            token = (await sessions.create("ada")).token
            for _ in range(4):
                await sessions.get(token)
            await numbers.tell()
            page = words_of(await browser.page("/numbers"))
        assert "1 session alive, those of visitors among them. The numbers of 1 worker, and the last half hour." in page
        assert "Created and ended 1 created 0 ended" in page
        assert "Memory: 75% (3)" in page
        assert "Store: 25% (1)" in page


def test_a_store_that_cannot_search_is_refused() -> None:
    class Blind(AsyncMemoryStore):
        capabilities = AsyncMemoryStore.capabilities._replace(searching=False)

    with pytest.raises(ConfigurationError, match="this store cannot search"):
        Console(AsyncSessions(Blind()), ConsoleOptions(operators=(f"ada:{cheap()}",)))
