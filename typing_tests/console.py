"""The console, as type checkers see it."""

from starlette.applications import Starlette

from coatcheck import AsyncFleetNumbers, AsyncSessions, Session
from coatcheck.console import Console, ConsoleOptions, console_routes


def operator(session: Session) -> str | None:
    return session.user_id


def wire(sessions: AsyncSessions, numbers: AsyncFleetNumbers) -> Starlette:
    own = Console(sessions, ConsoleOptions(operators=("ada:scrypt",)), numbers=numbers, place={"::1": "here"}.get)
    theirs = Console(sessions, ConsoleOptions(path="/staff/console"), operator=operator, confirm_path="/confirm")
    return Starlette(routes=[*console_routes(own), *console_routes(theirs)])
