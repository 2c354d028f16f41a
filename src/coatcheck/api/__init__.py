"""The JSON API of sessions, as FastAPI routers to mount under any prefix.

>>> app.add_middleware(SessionMiddleware, sessions=sessions)
>>> app.include_router(session_router(), prefix="/api")

Where a provider issues the sessions it is `identity_router()`.
"""

from coatcheck.api.models import (
    DeviceSession,
    DeviceSessions,
    EndedSessions,
    Me,
    SignedInAccount,
    SignedInAccounts,
    SignedInUser,
)
from coatcheck.api.router import identity_router, session_router
from coatcheck.api.token_endpoints import token_router

__all__ = [
    "DeviceSession",
    "DeviceSessions",
    "EndedSessions",
    "Me",
    "SignedInAccount",
    "SignedInAccounts",
    "SignedInUser",
    "identity_router",
    "session_router",
    "token_router",
]
