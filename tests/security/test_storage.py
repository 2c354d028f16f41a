"""What is stored, and what is believed of it (S1 to S4, S6, S12, S13)."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import pickle
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import coatcheck
from coatcheck import AsyncSessions, ConfigurationError, Policy
from coatcheck.core.signing import KeyRing
from coatcheck.core.tokens import new_token
from tests.web.application import KEY, OLD_KEY, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from tests.web.application import Site

pytestmark = pytest.mark.anyio

SOURCES = sorted(Path(coatcheck.__file__).parent.rglob("*.py"))


# --- S1: data, never code


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._target,)


COLUMNS = ["data", "ip", "user_agent", "user_id", "id"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
async def test_S1_the_database_refuses_a_pickle_and_nobody_runs_it(tmp_path: Path, protocol: int) -> None:
    """Columns of text take no bytes, and data takes nothing but a JSON object; the session goes on as it was."""
    target = tmp_path / "executed"
    payload = pickle.dumps(Bomb(target), protocol=protocol)
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await browser.post("/save", {"a": 1})
        for column in COLUMNS:
            forms: list[Any] = [payload]
            if column == "data":
                forms += [payload.decode("latin-1"), base64.b64encode(payload).decode()]
            for form in forms:
                with pytest.raises(sqlite3.IntegrityError):
                    it.sql(f"UPDATE coatcheck_sessions SET {column} = ?", form)  # noqa: S608
        shown = (await browser.get("/me")).json()
        assert (shown["user"], shown["data"]) == ("alice", {"a": 1})
        assert not target.exists()


async def test_S1_a_pickle_that_was_forced_in_is_never_run(tmp_path: Path) -> None:
    """With the database's checks switched off a pickle as text can be stored: it is data that cannot be read."""
    target = tmp_path / "executed"
    payload = pickle.dumps(Bomb(target), protocol=0).decode("ascii")
    async with site(tmp_path) as it:
        browser, bystander = await it.signed_in(), await it.signed_in("bob")
        with closing(sqlite3.connect(it.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("UPDATE coatcheck_sessions SET data = ? WHERE user_id = 'alice'", (payload,))
        with pytest.raises(ValueError, match="Expecting value"):
            await browser.get("/me")
        assert (await browser.post("/save", {"a": 1})).status == 422
        assert not target.exists()
        assert await it.user_of(bystander) == "bob"


async def test_S1_text_that_looks_like_an_object_of_python_stays_data(tmp_path: Path) -> None:
    """What other serializers would take for a class or a call is a dictionary here."""
    data = {
        "py/object": "os.system",
        "__reduce__": ["os.system", ["true"]],
        "!!python/object/apply:os.system": ["true"],
    }
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await browser.post("/save", data)
        assert (await browser.get("/me")).json()["data"] == data


@pytest.mark.parametrize("data", ["", "{", "[]", "null", "1", '"text"', "{'a': 1}", "\x00", "NaN", b"{}", 5], ids=repr)
async def test_S1_the_database_refuses_data_that_is_no_json_object(tmp_path: Path, data: Any) -> None:
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        with pytest.raises(sqlite3.IntegrityError):
            it.sql("UPDATE coatcheck_sessions SET data = ?", data)
        assert await it.user_of(browser) == "alice"


FORBIDDEN_MODULES = {
    *("pickle", "_pickle", "cPickle", "marshal", "shelve", "copyreg", "dill", "cloudpickle", "jsonpickle", "joblib"),
    *("yaml", "code", "codeop", "runpy"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def forbidden(tree: ast.AST) -> list[str]:
    """Return what a source imports or calls that could turn data into code."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(node.func.id)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=[str(path.relative_to(SOURCES[0].parent)) for path in SOURCES])
def test_S1_no_source_turns_data_into_code(source: Path) -> None:
    """No pickle, marshal, eval or exec anywhere in the package, also not as a fallback."""
    assert forbidden(ast.parse(source.read_text(encoding="utf-8"))) == []


def test_S1_the_scan_finds_what_it_looks_for() -> None:
    source = "import pickle\nfrom marshal import loads\nimport yaml.x\neval('1')\nre.compile('x')\n"
    assert forbidden(ast.parse(source)) == ["pickle", "marshal", "yaml.x", "eval"]


# --- S2 to S4: signatures


async def test_S2_what_does_not_verify_is_refused_without_a_look_into_the_store(tmp_path: Path) -> None:
    """Truncated, unsigned, signed by somebody else, or plain JSON: anonymous, with no other way of reading it."""
    async with site(tmp_path, keys=[KEY]) as it:
        signed = (await it.signed_in()).token
        token, _, signature = signed.partition(".")
        foreign = KeyRing([OLD_KEY], deployment="coatcheck:session").sign(token)
        forged = [
            token,
            token + ".",
            "." + signature,
            signed[:-1],
            signed[1:],
            signed + "A",
            signed + "=",
            foreign,
            f"{token}.{'A' * 43}",
            f"{new_token().reveal()}.{signature}",
            f"{signature}.{token}",
            f"{signed}.{signature}",
            json.dumps({"user": "alice"}),
            base64.urlsafe_b64encode(b'{"user":"alice"}').decode(),
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
        ]
        calls = len(it.store.calls)
        for value in forged:
            answer = await it.browser(cookies={COOKIE: value}).get("/me")
            assert answer.json() == {"user": None, "reason": "malformed"}, value
        assert len(it.store.calls) == calls
        assert await it.user_of(it.browser(cookies={COOKIE: signed})) == "alice"


async def test_S3_keys_rotate_without_signing_anybody_out(tmp_path: Path) -> None:
    """The first key signs, all verify, what an older one signed is issued anew, and a removed key is worth nothing.

    CVE-2025-47278: there the oldest signed.
    """
    async with site(tmp_path, keys=[OLD_KEY]) as it:
        active, idle = await it.signed_in(), await it.signed_in()
    by_old = active.token
    async with site(tmp_path, keys=[KEY, OLD_KEY]) as it:
        active.app = it.app
        answer = await active.get("/me")
        assert answer.json()["user"] == "alice"
        assert len(answer.all("set-cookie")) == 1
        assert active.token.partition(".")[0] == by_old.partition(".")[0]
        new_only = KeyRing([KEY], deployment="coatcheck:session")
        assert new_only.verify(active.token) is not None
        assert new_only.verify(by_old) is None
        assert not (await active.get("/me")).all("set-cookie")
        assert new_only.verify((await it.signed_in("bob")).token) is not None
    async with site(tmp_path, keys=[KEY]) as it:
        active.app = idle.app = it.app
        assert (await active.get("/me")).json()["user"] == "alice"
        assert (await idle.get("/me")).json() == {"user": None, "reason": "malformed"}


@pytest.mark.parametrize(
    "keys",
    [[], [""], ["changeme"], ["changeme" * 8], ["a" * 31], ["a" * 64], [os.urandom(31)], [KEY, "short"], [KEY, KEY]],
    ids=["none", "empty", "known", "known-repeated", "31", "repeated", "31-random", "second-short", "twice"],
)
def test_S4_keys_that_are_none_stop_the_start(keys: list[str | bytes]) -> None:
    """There is no default key, as in CVE-2020-17526, and none that can be guessed is taken."""
    with pytest.raises(ConfigurationError):
        AsyncSessions("sqlite:///app.db", keys=keys)


async def test_S4_a_token_of_one_site_is_invalid_on_another_with_the_same_key(tmp_path: Path) -> None:
    """Even where both keep their sessions in the same database; see CVE-2020-17526."""
    async with (
        site(tmp_path, keys=[KEY], deployment="shop") as shop,
        site(tmp_path, clock=shop.clock, keys=[KEY], deployment="blog") as blog,
    ):
        browser = await shop.signed_in()
        calls = len(blog.store.calls)
        assert (await blog.browser(cookies=dict(browser.cookies)).get("/me")).json()["reason"] == "malformed"
        assert len(blog.store.calls) == calls
        assert await shop.user_of(browser) == "alice"


# --- S6: names that look alike

ALIKE = [
    "k",
    "K",
    "\u212a",
    "k-",
    "k45",
    "k\u0301",
    "ḱ",
    "s:k",
    "u:k",
    "*",
    "%",
    "_",
    "k ",
    " k",
    "k\t",
    "1",
    "01",
    "1.0",
]


async def test_S6_users_whose_ids_look_alike_are_not_mixed_up(tmp_path: Path) -> None:
    """Ending one user's sessions ends exactly theirs, in the store and every cache; CVE-2026-25480 mixed two up."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        browsers = {user: await it.signed_in(user) for user in ALIKE}
        for user, browser in browsers.items():
            assert await it.user_of(browser) == user
            assert await other.user_of(other.browser(cookies=dict(browser.cookies))) == user
        for ended in ALIKE:
            assert await it.sessions.revoke_user(ended) == 1
            assert await it.user_of(browsers.pop(ended)) is None
            for user, browser in browsers.items():
                assert await other.user_of(other.browser(cookies=dict(browser.cookies))) == user


async def test_S6_an_id_that_is_another_kind_of_key_ends_nothing_else(tmp_path: Path) -> None:
    """A user named like a session's id, or like the log's word for everyone, is only a user."""
    async with site(tmp_path) as it:
        alice = await it.signed_in()
        session_id = (await alice.get("/me")).json()["id"]
        for name in (session_id, f"s:{session_id}", "*", COOKIE, alice.token):
            await it.signed_in(name)
            reads = it.store.count("read")
            await it.sessions.revoke_user(name)
            await it.sessions.invalidate_user(name)
            assert await it.user_of(alice) == "alice"
            assert it.store.count("read") <= reads + 1
        assert not await it.sessions.revoke_by_id(session_id.swapcase(), user_id="alice")
        assert not await it.sessions.revoke_by_id(session_id, user_id="ALICE")
        assert await it.user_of(alice) == "alice"


async def test_S6_the_tables_of_the_application_stay_its_own(tmp_path: Path) -> None:
    """All that coatcheck creates in a shared database carries its name."""
    async with site(tmp_path) as it:
        names = [name for (name,) in it.sql("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        assert names
        assert all(name.startswith("coatcheck_") for name in names)


# --- S12: sizes


async def refused(it: Site, body: dict[str, Any]) -> bool:
    answer = await it.browser().post("/sign-in", body)
    assert answer.status in {200, 422}, answer.body
    assert (answer.status == 422) == (not answer.all("set-cookie"))
    return answer.status == 422


@pytest.mark.parametrize(
    ("user", "too_large"),
    [
        ("u" * 255, False),
        ("u" * 256, True),
        ("u" * 1_000_000, True),
        ("é" * 127, False),
        ("é" * 255, True),
        ("\U0001f980" * 64, True),
        ("", True),
        ("\ud800", True),
    ],
    ids=["255", "256", "megabyte", "254-octets", "510-octets", "256-octets", "empty", "no-text"],
)
async def test_S12_user_ids_are_bounded(tmp_path: Path, user: str, *, too_large: bool) -> None:
    """A user id has 255 octets at most; a larger one leaves no row."""
    async with site(tmp_path) as it:
        assert await refused(it, {"user": user}) == too_large
        assert it.rows() == (0 if too_large else 1)


async def test_S12_data_is_bounded_as_a_whole(tmp_path: Path) -> None:
    """At sign-in, for visitors, and however it is put together by saving: never more than the policy allows."""
    async with site(tmp_path, policy=Policy(max_data_bytes=1000)) as it:
        assert await refused(it, {"user": "alice", "data": {"a": "x" * 1_000_000}})
        assert await refused(it, {"user": "alice", "data": {"a": "é" * 170}})  # six octets each in JSON
        browser = await it.signed_in()
        for key in "abc":
            answer = await browser.post("/save", {key: "x" * 400})
            assert answer.status == (422 if key == "c" else 200)
        assert set((await browser.get("/me")).json()["data"]) == {"a", "b"}
        assert it.sql("SELECT max(length(CAST(data AS BLOB))) <= 1000 FROM coatcheck_sessions") == [(1,)]


@pytest.mark.parametrize(
    "agent",
    ["M" * 100_000, "\xe9" * 600, "a\x00b\x07c\x85d", "", None],
    ids=["large", "not-ascii", "control-characters", "empty", "absent"],
)
async def test_S12_a_user_agent_is_cut_and_cleaned(tmp_path: Path, agent: str | None) -> None:
    """Whatever a client calls itself, 512 printable characters are kept, and it is signed in."""
    async with site(tmp_path) as it:
        browser = await it.signed_in(user_agent=agent)
        kept = (await browser.get("/me")).json()["agent"]
        assert kept == ((agent or "").replace("\x00", "").replace("\x07", "").replace("\x85", "")[:512] or None)
        writes = it.store.count("relocate")
        for _ in range(3):
            await browser.get("/me")
        # The same client again is no change of it, however long its name is.
        assert it.store.count("relocate") == writes == 0
        assert [event.kind for event in it.events] == ["created"]


# --- S13: sweeping

MONTH = timedelta(days=31)


async def test_S13_expired_rows_go_and_with_them_all_traces(tmp_path: Path) -> None:
    """After expiry and a sweep there is no row left; live sessions stay, and the log does not grow."""
    async with site(tmp_path) as it:
        for number in range(50):
            await it.signed_in(f"user{number}")
        it.clock.advance(MONTH)
        alive = await it.signed_in("alive")
        entries = it.sql("SELECT count(*) FROM coatcheck_log")
        assert it.rows() == 51
        progress: list[int] = []
        assert await it.sessions.sweep(batch=20, progress=progress.append) == 50
        assert progress == [20, 40, 50]
        assert it.rows() == 1
        assert it.sql("SELECT count(*) FROM coatcheck_log") <= entries
        assert await it.user_of(alive) == "alive"
        it.clock.advance(MONTH)
        assert await it.sessions.sweep() == 1
        assert it.rows() == 0


async def test_S13_sweeping_disturbs_nobody(tmp_path: Path) -> None:
    """While a worker sweeps thousands of rows in small batches, requests to it and to another are all answered."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        alive = [await it.signed_in(f"alive{number}") for number in range(5)]
        columns = "id, user_id, created_at, last_seen_at, idle_expires_at, idle_timeout, token_hash"
        it.sql(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO coatcheck_sessions ({columns}) SELECT 'old' || i, 'old', 0, 0, 1, 1, randomblob(32) FROM n"""  # noqa: S608
        )
        sweeping = asyncio.create_task(it.sessions.sweep(batch=100))
        answers = 0
        while not sweeping.done():
            for number, browser in enumerate(alive):
                worker = (it, other)[answers % 2]
                assert await worker.user_of(worker.browser(cookies=dict(browser.cookies))) == f"alive{number}"
                answers += 1
            assert (await it.browser().post("/sign-in", {"user": "new"})).status == 200
        assert await sweeping == 3000
        assert it.sql("SELECT count(*) FROM coatcheck_sessions WHERE user_id = 'old'") == [(0,)]
        assert answers > 30
