"""The token: random, opaque, stored as a hash only, read from one place only, and never shown (T1 to T10)."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Unavailable
from coatcheck.core.tokens import TOKEN_BYTES, new_token
from tests.support import missing
from tests.web.application import KEY, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coatcheck.asgi.types import Headers

pytestmark = pytest.mark.anyio

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FOUR_SIGMA, SIX_SIGMA = 4, 6
PART = 8
"""Octets that come twice by chance in no file of a test."""


def decoded(token: str) -> bytes:
    return urlsafe_b64decode(token + "=")


def test_T1_a_hundred_thousand_tokens_are_distinct_and_random_in_each_bit() -> None:
    """Every one of the 256 bits is a fair coin, and no token comes twice."""
    count = 100_000
    tokens = [decoded(new_token().reveal()) for _ in range(count)]
    assert len(set(tokens)) == count
    assert {len(token) for token in tokens} == {TOKEN_BYTES}
    ones = []
    for position in range(TOKEN_BYTES):
        values = Counter(token[position] for token in tokens)
        ones += [sum(times for value, times in values.items() if value >> bit & 1) for bit in range(8)]
    # Four sigma for the one sum, as the rule says; six for the 256, or one run in sixty would fail by chance.
    assert abs(2 * sum(ones) - 256 * count) < FOUR_SIGMA * (256 * count) ** 0.5
    assert max(abs(2 * each - count) for each in ones) < SIX_SIGMA * count**0.5


async def test_T1_every_sign_in_gives_256_bits_and_no_fixed_prefix(tmp_path: Path) -> None:
    """What browsers get over HTTP is the whole secret and nothing else."""
    async with site(tmp_path) as it:
        tokens = [(await it.signed_in()).token for _ in range(50)]
    assert len(set(tokens)) == len(tokens)
    assert {len(decoded(token)) for token in tokens} == {TOKEN_BYTES}
    assert all(len({token[position] for token in tokens}) > 5 for position in range(42))


FORKING = """
import os, sys
from coatcheck import AsyncSessions
from coatcheck.core.tokens import new_token

new_token()
sessions = AsyncSessions("sqlite:///unused.db")
for _ in range(2):
    if os.fork() == 0:
        text = "".join(new_token().reveal() + "\\n" for _ in range(200))
        os.write(1, text.encode())
        os._exit(0)
for _ in range(2):
    os.wait()
"""


@pytest.mark.processes
def test_T1_forked_workers_never_emit_the_same_token() -> None:
    """Whatever random state existed before the fork, no two children share it."""
    if not hasattr(os, "fork"):
        missing("this system has no fork")
    ran = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60)
    tokens = ran.stdout.split()
    assert len(tokens) == 400
    assert len(set(tokens)) == 400


async def test_T2_two_logins_of_one_user_get_unrelated_tokens(tmp_path: Path) -> None:
    """Neither the user nor the moment leads to the token."""
    async with site(tmp_path) as it:
        first, second = await it.signed_in(), await it.signed_in()
        assert await it.user_of(first) == await it.user_of(second) == "alice"
    different = (int.from_bytes(decoded(first.token)) ^ int.from_bytes(decoded(second.token))).bit_count()
    assert abs(different - 128) < SIX_SIGMA * 8  # the standard deviation of 256 coins is 8


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_T3_every_changed_character_makes_anonymous(tmp_path: Path, keys: list[str] | None) -> None:
    """A cached session does not help a value that is not exactly its own; a signed one costs no store read."""
    async with site(tmp_path, keys=keys) as it:
        browser = await it.signed_in()
        token = browser.token
        assert await it.user_of(browser) == "alice"
        calls = len(it.store.calls)
        for position, character in enumerate(token):
            other = ALPHABET[(ALPHABET.find(character) + 1) % len(ALPHABET)]
            changed = token[:position] + other + token[position + 1 :]
            assert await it.user_of(browser, changed) is None, position
        assert await it.user_of(browser) == "alice"
        if keys:
            assert len(it.store.calls) == calls
        else:
            assert it.store.count("read") > 0


async def test_T3_the_store_decides_each_time(tmp_path: Path) -> None:
    """A row that somebody deletes is a session that has ended, though a copy of it is cached."""
    async with site(tmp_path) as it:
        browser, other = await it.signed_in(), await it.signed_in("bob")
        assert await it.user_of(browser) == "alice"
        it.sql("DELETE FROM coatcheck_sessions WHERE user_id = 'alice'")
        assert (await browser.get("/me")).json() == {"user": None, "reason": "unknown"}
        assert await it.user_of(other) == "bob"


async def test_T4_the_cookie_is_opaque(tmp_path: Path) -> None:
    """Tokens of one user at one moment have nothing in common: no id, no address, no time."""
    user = "alice@example.com"
    async with site(tmp_path) as it:
        tokens = [(await it.signed_in(user)).token for _ in range(40)]
    secrets = [decoded(token) for token in tokens]
    for spelling in spellings(user.encode()):
        assert not any(spelling in value for value in [*secrets, *map(str.encode, tokens)])
    assert all(len({secret[position] for secret in secrets}) > 20 for position in range(TOKEN_BYTES))


def spellings(value: bytes) -> list[bytes]:
    """Return the ways in which a value is commonly written."""
    return [value, value.hex().encode(), value.hex().upper().encode(), b64encode(value).rstrip(b"=")]


async def test_T5_the_database_holds_a_hash_only(tmp_path: Path) -> None:
    """The token is in no file of the database, in no spelling, and no part of it either."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await browser.get("/me")
        await browser.post("/save", {"basket": [1, 2]})
        await browser.post("/rotate")
        secret = decoded(browser.token)
        files = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait
        assert b"basket" in files
        for spelling in [browser.token.encode(), *spellings(secret)]:
            for start in range(0, len(spelling) - PART, PART):
                assert spelling[start : start + PART] not in files


async def test_T5_the_stored_hash_is_no_token(tmp_path: Path) -> None:
    """Whoever can read the database cannot use what they find."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        stored: bytes = it.sql("SELECT token_hash FROM coatcheck_sessions")[0][0]
        assert len(stored) == 32
        for value in (urlsafe_b64encode(stored).rstrip(b"="), *spellings(stored)[1:]):
            assert await it.user_of(browser, value.decode()) is None
        assert await it.user_of(browser) == "alice"


async def test_T6_a_token_the_server_did_not_issue_is_never_adopted(tmp_path: Path) -> None:
    """Signing in with a planted cookie replaces it, and the planted value stays worthless."""
    planted = new_token().reveal()
    async with site(tmp_path) as it:
        browser = it.browser()
        browser.token = planted
        assert await it.user_of(browser) is None
        answer = await browser.post("/sign-in", {"user": "alice"})
        assert planted not in (answer.header("set-cookie") or "")
        assert browser.token != planted
        assert await it.user_of(browser) == "alice"
        assert await it.user_of(browser, planted) is None
        await browser.post("/rotate")
        assert await it.user_of(browser, planted) is None


async def test_T6_an_attackers_own_session_is_no_bait(tmp_path: Path) -> None:
    """A real anonymous session that was planted ends when the victim signs in."""
    async with site(tmp_path) as it:
        attacker, victim = it.browser(), it.browser()
        await attacker.post("/visit", {"seen": True})
        victim.token = attacker.token
        await victim.post("/sign-in", {"user": "alice"})
        assert victim.token != attacker.token
        assert (await attacker.get("/me")).json()["user"] is None
        assert it.rows() == 1


GOOD = new_token().reveal()
MALFORMED = {
    "traversal": b"../../x",
    "nul": b"%00",
    "raw-nul": GOOD.encode()[:-1] + b"\0",
    "line-feed": GOOD.encode() + b"\r\nSet-Cookie: a=b",
    "megabyte": b"A" * 1_000_000,
    "sql": b"' OR 1=1",
    "empty": b"",
    "quotes": b'""',
    "quoted": b'"' + GOOD.encode() + b'"',
    "non-ascii": "é".encode() * 20 + b"\xff\xfe",
    "fullwidth": "\uff21".encode() * 43,
    "short": GOOD[:42].encode(),
    "long": GOOD.encode() + b"A",
    "padded": GOOD.encode() + b"=",
    "standard-alphabet": b"+/" + GOOD[2:].encode(),
    "other-spelling": GOOD[:42].encode() + b"B",  # two spare bits set: the same 32 bytes in other words
    "json": b'{"user": "alice"}',
}


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
async def test_T7_malformed_values_never_reach_the_store(tmp_path: Path, value: bytes, transport: str) -> None:
    """Anonymous at once, without a store call and without a crash, on every verb."""
    header = (
        (b"cookie", COOKIE.encode() + b"=" + value) if transport == "cookie" else (b"authorization", b"Bearer " + value)
    )
    lines: Headers = [(b"host", b"testserver"), (b"sec-fetch-site", b"same-origin"), header]
    async with site(tmp_path, middleware={"bearer": True}) as it:
        calls = len(it.store.calls)
        answer = await it.browser().request("GET", "/me", raw_headers=lines)
        assert answer.status == 200
        assert answer.json()["user"] is None
        assert (await it.browser().request("GET", "/private", raw_headers=lines)).status == 401
        assert (await it.browser().request("POST", "/rotate", raw_headers=lines)).status == 401
        assert (await it.browser().request("POST", "/sign-out", raw_headers=lines)).status == 200
        assert len(it.store.calls) == calls


async def test_T8_only_the_declared_transport_is_read(tmp_path: Path) -> None:
    """A valid token anywhere but in the cookie means nothing, and is not even looked up."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        token, calls = browser.token, len(it.store.calls)
        places: dict[str, list[tuple[str, str]]] = {
            f"/me?{COOKIE}={token}&token={token}&session={token}": [],
            "/me?authorization": [("authorization", f"Bearer {token}")],
            "/me?basic": [("authorization", f"Basic {token}")],
            "/me?header": [("x-session-token", token), (COOKIE, token), ("x-auth-token", token)],
            "/me?names": [("cookie", "; ".join(f"{name}={token}" for name in ("session", "sid", "__Host-Session")))],
            "/me?prefix": [("cookie", f"x{COOKIE}={token}; {COOKIE}x={token}; __host-session={token}")],
            "/me?value": [("cookie", f"other={COOKIE}={token}")],
        }
        for path, headers in places.items():
            answer = await it.browser().request("GET", path, headers=headers)
            assert answer.json() == {"user": None, "reason": "no_token"}, path
        body = {COOKIE: token, "token": token, "user": "alice"}
        assert (await it.browser().request("GET", "/me", json=body)).json()["user"] is None
        assert len(it.store.calls) == calls
        assert await it.user_of(browser) == "alice"


def everything(record: logging.LogRecord) -> str:
    """Return all that any formatter could make of a log record."""
    trace = "" if record.exc_info is None else "".join(traceback.format_exception(record.exc_info[1]))
    return f"{record.getMessage()} {vars(record)!r} {trace}"


async def test_T9_the_token_is_in_no_log_no_repr_and_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is logged at DEBUG and whatever fails, the secret stays out of it; the public id is there."""
    caplog.set_level(logging.DEBUG)
    for name in ("coatcheck", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    shown: list[str] = []
    async with site(tmp_path, keys=[KEY]) as it:
        browser = await it.signed_in()
        tokens = [browser.token]
        session_id = (await browser.get("/me")).json()["id"]
        for verb in ("/rotate", "/rotate?reauthenticated", "/alone"):
            await browser.post(verb)
            tokens.append(browser.token)
        with pytest.raises(RuntimeError) as failed:
            await browser.get("/broken")
        shown += traceback.format_exception(failed.value)
        for call in ("read", "poll", "create", "revoke", "rotate"):
            it.store.fail(call)
        it.sql("DELETE FROM coatcheck_log")  # the next look has to ask the store
        for answer in [await browser.get("/me"), await browser.post("/rotate"), await browser.post("/sign-out")]:
            assert answer.status == 503
            shown.append(answer.body.decode())
        it.store.heal()
        created = await it.sessions.create("alice")
        tokens.append(created.token.reveal())
        shown += [repr(created), str(created), f"{created.token}", repr(created.session), repr(it.sessions)]
        rotated = await it.sessions.rotate(created.token)
        assert rotated
        tokens.append(rotated.token.reveal())
        shown += [repr(rotated), repr(it.events), repr(vars(it.sessions)), repr(it.app)]
        for misuse in ({"data": {"a": object()}}, {"user_agent": 5}, {"connection": object()}):
            with pytest.raises(Exception) as refused:  # noqa: PT011 - whatever comes must not show the token
                await it.sessions.create("alice", replaces=rotated.token, **misuse)
            shown += traceback.format_exception(refused.value)
        await browser.post("/sign-out")
    logging.getLogger("coatcheck").error("done")
    captured = capfd.readouterr()
    shown += [everything(record) for record in caplog.records] + [captured.out, captured.err]
    output = "\n".join(shown)
    for token in tokens:
        secret = token.split(".")[0]
        for part in (token, secret, *map(bytes.decode, spellings(decoded(secret))[1:])):
            assert part not in output
    assert KEY not in output
    assert any(getattr(record, "session_id", None) == session_id for record in caplog.records)
    assert f"<Session {created.session.id} user='alice'>" in output


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(part)


async def test_T10_nothing_in_a_list_of_sessions_works_as_a_cookie(tmp_path: Path) -> None:
    """Sessions are listed and ended by public ids, which open no door."""
    async with site(tmp_path) as it:
        phone, laptop = await it.signed_in(), await it.signed_in()
        listed = (await laptop.get("/devices")).json()
        assert len(listed) == 2
        found = list(strings(listed))
        assert len(found) > 10
        for text in found:
            assert await it.user_of(laptop, text) is None
            assert phone.token not in text
        own = (await laptop.get("/me")).json()["id"]
        other = next(each["id"] for each in listed if each["id"] != own)
        assert (await laptop.request("DELETE", f"/devices/{other}")).status == 200
        assert await it.user_of(phone) is None


async def test_T9_an_outage_names_the_database_and_not_the_visitor(tmp_path: Path) -> None:
    """The error that an operator reads is about the store."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        it.path.rename(it.path.with_suffix(".gone"))
        with pytest.raises(Unavailable) as error:
            await it.sessions.get(browser.token)
        it.path.with_suffix(".gone").rename(it.path)
        trace = "".join(traceback.format_exception(error.value))
        assert str(it.path) in trace
        assert browser.token not in trace
