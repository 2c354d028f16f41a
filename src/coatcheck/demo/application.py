"""The demo's application: its parts, put together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from coatcheck import AsyncSessions, Policy
from coatcheck.demo import account, device_list, failures, home
from coatcheck.demo.answered import ask
from coatcheck.demo.headers import SecurityHeaders, SmallForms
from coatcheck.demo.rendering import Demo
from coatcheck.demo.schema import USERS
from coatcheck.demo.settings import Settings
from coatcheck.demo.users import Users
from coatcheck.fastapi import SessionMiddleware
from coatcheck.stores.sqlite import AsyncSQLiteStore

if TYPE_CHECKING:
    from coatcheck.clock import Clock

# Last seen is written more often than an application would, so that the list of devices looks alive.
_POLICY = Policy(touch_every=timedelta(seconds=10))


def create_app(settings: Settings, *, hasher: PasswordHasher | None = None, clock: Clock | None = None) -> FastAPI:
    """Return the application of one process.

    Args:
        settings: Which process it is, and its database, which `schema.prepare` has made ready.
        hasher: How passwords are hashed.
        clock: Where the sessions' time comes from; for tests, as is the hasher.
    """
    store = AsyncSQLiteStore(settings.database, users=USERS, clock=clock)
    sessions = AsyncSessions(store, policy=_POLICY, clock=clock)
    app = FastAPI(
        dependencies=[Depends(ask)],  # before any page asks, so that the time it takes can be told
        exception_handlers=failures.HANDLERS,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.demo = Demo(settings, sessions, Users(settings.database, hasher))
    for part in (home, account, device_list):
        app.include_router(part.router)
    static = StaticFiles(directory=Path(__file__).parent / "static", packages=[("coatcheck.device_page", "static")])
    app.mount("/static", static)
    # From the inside to the outside.
    app.add_middleware(SmallForms)
    app.add_middleware(SessionMiddleware, sessions=sessions, sign_in_path="/sign-in")
    app.add_middleware(SecurityHeaders, settings=settings)
    return app
