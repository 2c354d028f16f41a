"""What type checkers must understand of proofs, slots and status lists; never run."""

from datetime import UTC, datetime
from typing import assert_type

from fastapi import FastAPI, Request

from coatcheck import AsyncSessions, DPoP, Session, Sessions
from coatcheck.asgi import context_of
from coatcheck.fastapi import ProofKey, SessionMiddleware
from coatcheck.sealed import AsyncSealedSlots, SealedSlots, Secret
from coatcheck.starlette import proof_key
from coatcheck.status_lists import StatusIndices, StatusList, StatusListReader

sessions = AsyncSessions("sqlite:///app.db")
api = FastAPI()
api.add_middleware(SessionMiddleware, sessions=sessions, dpop=DPoP(origins=("https://api.example.com",)))


@api.post("/token")
async def token(request: Request, key: ProofKey) -> None:
    """A key's thumbprint is a text, and a session's may be missing."""
    assert_type(key, str)
    assert_type(await proof_key(request), str)
    created = await context_of(request.scope).sessions.create("7", key_thumbprint=key)
    assert_type(created.session.key_thumbprint, str | None)


async def renew(old: Secret) -> Secret:
    """Return the next one."""
    return Secret(old.reveal(), old.expires_at)


async def slots(session: Session) -> None:
    """The asyncio side is awaited, but for what is in memory."""
    kept = AsyncSealedSlots(sessions)
    assert_type(await kept.put(session, "google", {"access_token": "x"}), bool)
    assert_type(kept.get(session, "google"), Secret | None)
    assert_type(await kept.fresh(session, "google", renew), Secret | None)


def blocking_slots(session: Session, blocking: Sessions) -> None:
    """The other side is not."""
    kept = SealedSlots(blocking)
    assert_type(kept.remove(session, "google"), bool)
    assert_type(kept.fresh(session, "google", lambda old: old), Secret | None)


def lists(reader: StatusListReader) -> None:
    """A status is a number, and so is an index."""
    assert_type(StatusList(8, bits=2)[0], int)
    assert_type(StatusIndices("k" * 43, 8)[0], int)
    assert_type(reader.status({}, datetime.now(UTC)), int)
