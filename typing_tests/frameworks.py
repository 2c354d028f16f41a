"""What type checkers must understand of the framework modules; never run."""

from typing import assert_type

from fastapi import FastAPI, Request
from starlette.applications import Starlette

from coatcheck import AsyncSessions, CookieSettings, NotSignedIn, Session
from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware
from coatcheck.starlette import current_session, require_session, sign_in

sessions = AsyncSessions("sqlite:///app.db")

api = FastAPI()
api.add_middleware(SessionMiddleware, sessions=sessions)

site = Starlette()
site.add_middleware(SessionMiddleware, sessions=sessions, cookie=CookieSettings(name="s"), bearer=True)


@api.get("/")
async def handler(request: Request, session: CurrentSession, optional: OptionalSession) -> None:
    """Dependencies and verbs have exact types."""
    assert_type(session, Session)
    assert_type(optional, Session | None)
    assert_type(await current_session(request), Session | NotSignedIn)
    assert_type(await require_session(request), Session)
    assert_type(await sign_in(request, "ada"), Session)
