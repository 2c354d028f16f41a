"""Sealed slots: a secret stays on the server (J5), sealed (S2, S3, S5), and is renewed once for all (S7)."""

from __future__ import annotations

import asyncio
import json
import pickle
import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, DataError, Sessions
from coatcheck.asgi import context_of
from coatcheck.core import slots as core
from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.slots import Slot
from coatcheck.sealed import AsyncSealedSlots, SealedSlots, Secret
from coatcheck.slot_cipher import AES256GCM
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import ManualClock
from tests.racing import racers
from tests.sealed.renewer import KEY
from tests.web.application import OLD_KEY, site

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from starlette.requests import Request

    from coatcheck import Session

HOUR = timedelta(hours=1)
TOKENS = {"access_token": "ya29.do-not-show", "refresh_token": "1//do-not-show"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sessions(tmp_path: Path, clock: ManualClock) -> Iterator[Sessions]:
    with Sessions(SQLiteStore(str(tmp_path / "app.db"), clock=clock), keys=[KEY], clock=clock) as sessions:
        yield sessions


def read(sessions: Sessions, session: Session) -> Session:
    found = sessions.find(session.id)
    assert found is not None
    return found


def test_J5_a_secret_is_kept_for_its_session(sessions: Sessions) -> None:
    """As it was put, under the session's next tokens too, until it is removed or the session ends."""
    slots, created = SealedSlots(sessions), sessions.create("7", data={"cart": 1})
    session, end = created.session, sessions.now() + HOUR
    assert slots.get(session, "google") is None
    assert slots.put(session, "google", TOKENS, expires_at=end)
    assert slots.put(session, "github", "text")
    assert slots.get(session, "google") is None, "it is the session as it was read"
    rotated = sessions.rotate(created.token)
    assert rotated
    for now in (rotated.session, sessions.get(rotated.token), sessions.list("7")[0], read(sessions, session)):
        assert now
        kept, other = slots.get(now, "google"), slots.get(now, "github")
        assert kept
        assert other
        assert (kept.reveal(), kept.expires_at, other.reveal(), other.expires_at) == (TOKENS, end, "text", None)
    assert slots.remove(session, "google")
    assert slots.get(read(sessions, session), "google") is None
    assert slots.get(read(sessions, session), "github")
    sessions.revoke(rotated.token)
    assert not slots.put(session, "google", TOKENS)
    assert not slots.remove(session, "google")


def test_J5_the_application_does_not_see_its_own_slots_as_data(sessions: Sessions) -> None:
    slots, session = SealedSlots(sessions), sessions.create("7", data={"cart": 1}).session
    slots.put(session, "google", TOKENS)
    session = read(sessions, session)
    assert dict(session.data) == {"cart": 1}
    saved = sessions.save(session, {"lang": "en"}, remove=["cart"])
    assert saved
    assert dict(saved.data) == {"lang": "en"}
    assert slots.get(saved, "google"), "what the application saves leaves the slots alone"
    with pytest.raises(DataError, match="reserved"):
        sessions.save(session, {"coatcheck:sealed:google": "forged"})
    with pytest.raises(DataError, match="reserved"):
        sessions.create("7", data={"coatcheck:other": 1})


def test_J5_no_secret_stands_in_the_database_a_repr_or_a_pickle(sessions: Sessions, tmp_path: Path) -> None:
    slots, session = SealedSlots(sessions), sessions.create("7").session
    slots.put(session, "google", TOKENS)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"coatcheck:sealed:google" in stored
    assert b"do-not-show" not in stored
    secret = slots.get(read(sessions, session), "google")
    assert "do-not-show" not in f"{secret!r} {secret} {[secret]}"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(DataError) as refused:
        slots.put(session, "google", {"do-not-show": object()})
    assert "do-not-show" not in str(refused.value)


@pytest.mark.anyio
async def test_J5_no_answer_has_it(tmp_path: Path) -> None:
    """Neither the JSON of an application that shows all of a session's data nor a cookie nor another header."""

    async def keep(request: Request) -> Any:
        from starlette.responses import JSONResponse

        context = context_of(request.scope)
        session = await context.require()
        await AsyncSealedSlots(context.sessions).put(session, "google", TOKENS)
        return JSONResponse({})

    from starlette.routing import Route

    async with site(tmp_path, keys=[KEY], routes=[Route("/keep", keep, methods=["POST"])]) as it:
        browser = await it.signed_in()
        answers = [await browser.post("/keep"), *[await browser.get(path) for path in ("/me", "/private", "/devices")]]
        for answer in answers:
            assert answer.status == 200
            assert b"do-not-show" not in answer.body + repr(answer.headers).encode()
            assert b"sealed" not in answer.body


def test_S5_a_secret_is_good_for_one_session_and_one_name(sessions: Sessions, tmp_path: Path) -> None:
    """Whoever can write into the store can copy and swap, and gains nothing; the log is told."""
    slots = SealedSlots(sessions)
    mine, victim = sessions.create("7").session, sessions.create("8").session
    slots.put(mine, "google", "mine")
    slots.put(victim, "google", "victims")
    slots.put(mine, "github", "other")
    with closing(sqlite3.connect(tmp_path / "app.db")) as database, database:
        rows = dict(database.execute("SELECT id, data FROM coatcheck_sessions").fetchall())
        database.execute("UPDATE coatcheck_sessions SET data = ? WHERE id = ?", (rows[victim.id], mine.id))
        swapped = json.dumps({"coatcheck:sealed:github": json.loads(rows[mine.id])["coatcheck:sealed:google"]})
        database.execute("UPDATE coatcheck_sessions SET data = ? WHERE id = ?", (swapped, victim.id))
    assert slots.get(read(sessions, mine), "google") is None
    assert slots.get(read(sessions, victim), "github") is None


@pytest.mark.parametrize("text", ["", "AQ", "x", None, 7, ["AQ"], {"s": 1}, '["secret",null]', "A" * 200])
def test_S2_what_was_not_sealed_here_is_nothing(text: object) -> None:
    """No fallback reads it, whatever it looks like."""
    assert core.opened(Slot("id", "google"), text, AES256GCM(), [b"k" * 32]) is None


def test_S2_an_altered_seal_is_broken() -> None:
    cipher, slot, keys = AES256GCM(), Slot("id", "google"), [b"k" * 32]
    text = core.sealed(slot, Secret("secret"), cipher, keys[0], b"n" * 12)
    assert core.opened(slot, text, cipher, keys)
    octets = octets_of(text)
    assert octets
    for position in range(len(octets)):
        altered = bytearray(octets)
        altered[position] ^= 1
        assert core.opened(slot, text_of(bytes(altered)), cipher, keys) is None
        assert core.opened(slot, text_of(octets[:position]), cipher, keys) is None


def test_S3_the_first_key_seals_and_all_open(tmp_path: Path) -> None:
    path = str(tmp_path / "app.db")
    with Sessions(SQLiteStore(path), keys=[OLD_KEY]) as before:
        session = before.create("7").session
        SealedSlots(before).put(session, "google", "old")
    with Sessions(SQLiteStore(path), keys=[KEY, OLD_KEY]) as between:
        kept = SealedSlots(between).get(read(between, session), "google")
        assert kept
        assert kept.reveal() == "old"
        SealedSlots(between).put(session, "github", "new")
    with Sessions(SQLiteStore(path), keys=[KEY]) as after:
        assert SealedSlots(after).get(read(after, session), "google") is None
        assert SealedSlots(after).get(read(after, session), "github")
    others: list[dict[str, Any]] = [{"deployment": "staging"}, {"purpose": "admin"}]
    for other in others:
        with Sessions(SQLiteStore(path), keys=[KEY], **other) as elsewhere:
            assert SealedSlots(elsewhere).get(read(elsewhere, session), "github") is None


def test_a_wrong_setting_or_name_is_refused(sessions: Sessions, tmp_path: Path) -> None:
    with (
        Sessions(f"sqlite:///{tmp_path}/other.db") as unsigned,
        pytest.raises(ConfigurationError, match="keys are"),
    ):
        SealedSlots(unsigned)
    for lease in (timedelta(0), timedelta(hours=1)):
        with pytest.raises(ConfigurationError, match="slots lease"):
            SealedSlots(sessions, lease=lease)
    session = sessions.create("7").session
    for name in ("", "a b", "x" * 65, "a:b"):
        with pytest.raises(ConfigurationError, match="slot="):
            SealedSlots(sessions).put(session, name, "x")
    with pytest.raises(DataError, match="max_data_bytes"):
        SealedSlots(sessions).put(session, "large", "x" * 20_000)


# --- renewing


@asynccontextmanager
async def slot(folder: Path, clock: ManualClock) -> AsyncGenerator[tuple[AsyncSessions, Session]]:
    """Run sessions, with one whose secret ends in a minute."""
    from coatcheck.stores.sqlite import AsyncSQLiteStore

    store = AsyncSQLiteStore(str(folder / "app.db"), clock=clock)
    async with AsyncSessions(store, keys=[KEY], clock=clock) as sessions:
        session = (await sessions.create("7")).session
        end = sessions.now() + timedelta(minutes=1)
        await AsyncSealedSlots(sessions).put(session, "google", "first", expires_at=end)
        found = await sessions.find(session.id)
        assert found
        yield sessions, found


@pytest.mark.anyio
async def test_S7_a_secret_is_renewed_once_for_all_who_wait(tmp_path: Path, clock: ManualClock) -> None:
    """And not before it has to be."""
    async with slot(tmp_path, clock) as (sessions, session):
        slots, renewals = AsyncSealedSlots(sessions), list[str]()

        async def renew(old: Secret) -> Secret:
            renewals.append(old.reveal())
            await asyncio.sleep(0)
            return Secret("second", sessions.now() + HOUR)

        early = await slots.fresh(session, "google", renew)
        assert early
        assert (early.reveal(), renewals) == ("first", [])
        assert await slots.fresh(session, "github", renew) is None
        clock.advance(timedelta(seconds=31))
        got = await asyncio.gather(*(slots.fresh(session, "google", renew) for _ in range(50)))
        assert {each.reveal() for each in got if each} == {"second"}
        again = await slots.fresh(session, "google", renew)  # with the session as it was read long ago
        assert again
        assert (again.reveal(), renewals) == ("second", ["first"])


@pytest.mark.anyio
async def test_S7_who_cannot_renew_lets_the_next_one_try(tmp_path: Path, clock: ManualClock) -> None:
    """All who wait are told what went wrong; the secret is as it was."""
    async with slot(tmp_path, clock) as (sessions, session):
        slots, failures = AsyncSealedSlots(sessions), list[str]()
        clock.advance(timedelta(minutes=2))

        async def fail(old: Secret) -> Secret:
            failures.append(old.reveal())
            await asyncio.sleep(0)
            raise ConnectionError("the provider is away")

        asked = (slots.fresh(session, "google", fail) for _ in range(5))
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionError] * 5
        assert failures == ["first"]

        async def renew(_: Secret) -> Secret:
            return Secret("second")

        renewed = await AsyncSealedSlots(sessions).fresh(session, "google", renew)
        assert renewed
        assert renewed.reveal() == "second"


@pytest.mark.anyio
async def test_L8_a_renewal_does_not_bring_a_session_back(tmp_path: Path, clock: ManualClock) -> None:
    async with slot(tmp_path, clock) as (sessions, session):
        clock.advance(timedelta(minutes=2))

        async def renew(_: Secret) -> Secret:
            await sessions.revoke_any(session.id)
            return Secret("second")

        slots = AsyncSealedSlots(sessions)
        assert await slots.fresh(session, "google", renew) is None
        assert await slots.fresh(session, "google", renew) is None
        assert await sessions.find(session.id) is None


@pytest.mark.anyio
@pytest.mark.parametrize("fails", [False, True], ids=["renewed", "not renewed"])
async def test_L8_a_renewal_does_not_bring_a_secret_back(tmp_path: Path, clock: ManualClock, *, fails: bool) -> None:
    """Whoever disconnects an account, or connects another one, while the provider is asked, has the last word."""
    async with slot(tmp_path, clock) as (sessions, session):
        slots = AsyncSealedSlots(sessions)
        clock.advance(timedelta(minutes=2))

        async def meanwhile(change: Any) -> Secret:
            assert await change
            if fails:
                raise ConnectionError("the provider is away")
            return Secret("renewed")

        async def asked(change: Any) -> Any:
            try:
                return await slots.fresh(session, "google", lambda _: meanwhile(change))
            except ConnectionError:
                return "away"

        got = await asked(slots.put(session, "google", "another account"))
        assert got == "away" if fails else got.reveal() == "another account"
        found = await sessions.find(session.id)
        assert found
        kept = slots.get(found, "google")
        assert kept
        assert kept.reveal() == "another account"
        await slots.put(session, "google", "first", expires_at=sessions.now())
        assert await asked(slots.remove(session, "google")) in {None, "away"}
        found = await sessions.find(session.id)
        assert found
        assert slots.get(found, "google") is None


@pytest.mark.processes
def test_S7_of_three_processes_one_renews_and_all_get_it(shared_url: str) -> None:
    with Sessions(shared_url, keys=[KEY]) as sessions:
        created = sessions.create("7")
        SealedSlots(sessions).put(created.session, "google", "first", expires_at=sessions.now())
        script = Path(__file__).with_name("renewer.py")
        with racers(script, shared_url, created.token.reveal(), "10", count=3) as race:
            told = [json.loads(said) for said in race("go")]
    assert sorted(told) == [[0, "first+"], [0, "first+"], [1, "first+"]]
