"""docs/request-path.md shows code that exists, in the order in which a request runs it, and leaves no layer out."""

from __future__ import annotations

import ast
import asyncio
import re
import sqlite3
import sys
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coatcheck import AsyncSessions
from coatcheck.asgi import SessionMiddleware, context_of
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncMemoryCache
from tools.path_costs import cost, costs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from coatcheck.asgi.types import Message, Receive, Scope, Send

    Call = tuple[str, str]

ROOT = Path(__file__).parents[2]
OURS = "src/coatcheck/"
SOURCE = ROOT / OURS
PAGE = (ROOT / "docs" / "request-path.md").read_text(encoding="utf-8")
KEYS = ("jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM",)

HIT, MISS, REVOCATION = "From the browser to memory", "When memory has no answer", "A revocation"

ELSEWHERE = ("stores/postgresql/", "_async/follower.py", "api/")
"""What the page shows besides, and the request below does not need: listener and follower of another store, a route."""

PASSED = {
    "asgi/context.py": "returns what the middleware has put there",
    "core/answers.py": "names the answers",
    "core/base64url.py": "spells octets",
    "core/breaker.py": "for a shared cache that fails",
    "core/local_cache.py": "a dictionary",
    "core/settings.py": "durations in nanoseconds",
    "core/signing.py": "verifies the signature of a token",
    "core/times.py": "makes datetimes",
    "core/tokens.py": "hashes, and makes tokens",
    "hooks.py": "tells of events",
    "stores/sqlite/_async_threads.py": "where writes run",
    "stores/sqlite/pages.py": "makes a page of the log out of rows",
    "stores/sqlite/statements.py": "the texts of SQL",
    "testing/async_memory_cache.py": "the shared cache of this test",
    "web/attached.py": "looks for the context",
    "web/async_context.py": "makes the context, and signs in and out",
    "web/cross_origin.py": "hands the request to the check",
    "web/errors.py": "names the answers",
    "_async/_errands.py": "where copies for the shared cache wait",
    "_async/_pair.py": "locks and flights",
    "_async/reading_ahead.py": "for stores that push changes",
    "_async/session_base.py": "wires the sessions to their parts",
    "_async/sessions.py": "begins the sessions of this test",
    "_async/tiers.py": "wires the tiers",
    "_async/touches.py": "for uses that are worth noting",
}
"""Modules that run on the way and are not shown, each with the reason."""


class Block(NamedTuple):
    """One piece of code on the page."""

    part: str
    path: str
    options: dict[str, str]

    @property
    def name(self) -> str:
        """The function it shows; nothing for SQL."""
        return self.options.get("pyobject", "")


def blocks() -> list[Block]:
    found: list[Block] = []
    for part in PAGE.split("\n## ")[1:]:
        title = part.partition("\n")[0]
        for path, options in re.findall(
            r"^```\{literalinclude\} \.\./(\S+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL
        ):
            found.append(
                Block(title, path.removeprefix(OURS), dict(re.findall(r"^:([\w-]+): ?(.*)$", options, re.MULTILINE)))
            )
    return found


BLOCKS = blocks()


@cache
def names_in(path: str) -> set[str]:
    """Return the functions of a file, and the methods of its classes."""
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name for node in tree.body if isinstance(node, functions)}
    for kind in tree.body:
        if isinstance(kind, ast.ClassDef):
            found |= {f"{kind.name}.{node.name}" for node in kind.body if isinstance(node, functions)}
    return found


def test_all_code_that_the_page_shows_exists() -> None:
    """As Sphinx will find when it builds the page, and says at once here."""
    assert len(BLOCKS) == PAGE.count("{literalinclude}")
    for block in BLOCKS:
        file = next((folder / block.path for folder in (SOURCE, ROOT) if (folder / block.path).is_file()), None)
        assert file is not None, block
        assert block.options["caption"] == block.path
        if file.suffix == ".py":
            assert block.name in names_in(block.path), block
        for bound in ("start-at", "end-at", "end-before"):
            assert block.options.get(bound, "") in file.read_text(encoding="utf-8"), block


def test_all_numbers_that_the_page_shows_were_measured() -> None:
    """Each is a row of the results, and every row of its own tables is shown."""
    shown = {" ".join(name.split()) for name in re.findall(r"\{cost\}`([^`]+)`", PAGE)}
    for name in shown:
        assert cost(name).endswith("µs")
    assert {name for name in costs() if " / " not in name} - shown == {"a call of nothing"}
    with pytest.raises(LookupError, match=r"no row 'the moon'; .*python -m benchmarks path"):
        cost("the moon")


def test_the_steps_are_numbered_without_a_gap() -> None:
    """The diagram and the table refer to them."""
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


# --- what a request runs


@contextmanager
def calls_of_ours() -> Iterator[list[Call]]:
    """Note every call of a function of the package, in their order."""
    seen: list[Call] = []
    ours = f"{SOURCE}/"

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ours):
            seen.append((code.co_filename.removeprefix(ours), code.co_qualname))

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


async def handler(scope: Scope, _: Receive, send: Send) -> None:
    """Answer with who is signed in, as GET /session does."""
    session = await context_of(scope).require()
    body = (session.user_id or "").encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def answered(app: SessionMiddleware, token: str) -> list[Message]:
    """Send a POST with a session's cookie from a page of the same site."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [
        (b"host", b"app.example"),
        (b"sec-fetch-site", b"same-origin"),
        (b"cookie", f"theme=dark; __Host-session={token}".encode()),
    ]
    await app({"type": "http", "method": "POST", "path": "/", "scheme": "https", "headers": headers}, receive, send)
    return sent


async def walked(path: str) -> dict[str, list[Call]]:
    """Walk a hit, a miss, and a revocation by SQL; returns what was called on each way."""
    ways: dict[str, list[Call]] = {}
    shared = AsyncMemoryCache()
    one = AsyncSessions(AsyncSQLiteStore(path), shared_cache=shared, keys=KEYS)
    other = AsyncSessions(AsyncSQLiteStore(path), shared_cache=shared, keys=KEYS)
    async with one, other:
        token, gone, near = [(await one.create(name)).token.reveal() for name in ("ada", "bob", "cyd")]
        await one.get(near)
        await one.finish()
        app = SessionMiddleware(handler, other)
        with calls_of_ours() as ways[MISS]:
            assert (await answered(app, near))[1]["body"] == b"cyd"  # from the shared cache
            sent = await answered(app, token)
            await other.finish()
        assert sent[1]["body"] == b"ada"
        assert (b"vary", b"Cookie") in sent[0]["headers"]
        assert await other.revoke(gone)
        await other.get(gone)  # from now on the log has an entry that is about somebody else
        with calls_of_ours() as ways[HIT]:
            assert (await answered(app, token))[1]["body"] == b"ada"
        with calls_of_ours() as ways[REVOCATION]:
            session = await other.get(token)
            assert session
            with closing(sqlite3.connect(path, isolation_level=None)) as shell:
                shell.execute("DELETE FROM coatcheck_sessions WHERE id = ?", (session.id,))
            sent = await answered(app, token)
        assert sent[0]["status"] == 401
        assert b'"unknown"' in sent[1]["body"]
    return ways


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Call]]:
    return asyncio.run(walked(str(tmp_path_factory.mktemp("path") / "app.db")))


@pytest.mark.parametrize("part", [HIT, MISS])
def test_a_request_runs_what_the_page_shows_in_its_order(part: str, ways: dict[str, list[Call]]) -> None:
    """Whoever moves a step finds out here."""
    shown = [(block.path, block.name) for block in BLOCKS if block.part == part and block.name]
    shown = [step for step in shown if not step[0].startswith(ELSEWHERE)]
    called = iter(ways[part])
    late = next((step for step in shown if step not in called), None)  # each is looked for behind the one before
    assert late is None, f"{late} runs before what the page shows above it, or not at all"


def test_no_layer_that_a_request_passes_is_left_out(ways: dict[str, list[Call]]) -> None:
    """A new module on the way belongs on the page, or into `PASSED` with the reason."""
    ran = {path for called in ways.values() for path, _ in called}
    shown = {block.path for block in BLOCKS}
    unseen = sorted(ran - shown - set(PASSED))
    assert not unseen, f"{unseen} run on the way of a request: show them in docs/request-path.md, or say why not here"
