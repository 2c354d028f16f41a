"""The JSON API of sessions, as a FastAPI router to mount under any prefix.

>>> app.add_middleware(SessionMiddleware, sessions=sessions)
>>> app.include_router(session_router(), prefix="/api")
"""

from coatcheck.api.models import DeviceSession, DeviceSessions, EndedSessions, SignedInUser
from coatcheck.api.router import session_router

__all__ = ["DeviceSession", "DeviceSessions", "EndedSessions", "SignedInUser", "session_router"]
