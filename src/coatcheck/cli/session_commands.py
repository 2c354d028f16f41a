"""Commands about sessions: list, show and revoke. No token is known here, nor its hash."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from coatcheck.cli.output import aligned, counted, printable, utc
from coatcheck.cli.target import opened
from coatcheck.devices import describe_device
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.session import Session

_MANY = 1000


def list_them(arguments: argparse.Namespace) -> int:
    """List a user's live sessions, or everybody's."""
    with opened(arguments) as sessions:
        if arguments.user:
            listed = sessions.list(arguments.user, limit=arguments.limit)
        else:
            listed = sessions.list_active(limit=arguments.limit)
    if arguments.json:
        print(json.dumps([_described(session) for session in listed], indent=2))
        return 0
    head = ("ID", "USER", "DEVICE", "ADDRESS", "CREATED", "LAST SEEN", "EXPIRES")
    for line in aligned([head, *map(_row, listed)]):
        print(line)
    return 0


def _row(session: Session) -> tuple[str, ...]:
    device = describe_device(session.user_agent)
    times = (session.created_at, session.last_seen_at, session.ends_at)
    cells = (session.id, session.user_id or "-", device, session.ip or "-", *(utc(moment) or "-" for moment in times))
    return tuple(map(printable, cells))


def show(arguments: argparse.Namespace) -> int:
    """Show one session; of its data only the keys, because the values are the application's."""
    with opened(arguments) as sessions:
        session = sessions.find(arguments.id)
    if session is None:
        return _no_such_session()
    described = _described(session)
    if arguments.json:
        print(json.dumps(described, indent=2))
        return 0
    for line in aligned([(name, printable(_shown(value))) for name, value in described.items()]):
        print(line)
    return 0


def _described(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "user_name": session.user.name if session.user else None,
        "device": describe_device(session.user_agent),
        "user_agent": session.user_agent,
        "ip": session.ip,
        "remember": session.remember,
        "created_at": utc(session.created_at),
        "authenticated_at": utc(session.authenticated_at),
        "methods": list(session.methods),
        "acr": session.acr,
        "actor_id": session.actor_id,
        "last_seen_at": utc(session.last_seen_at),
        "idle_expires_at": utc(session.idle_expires_at),
        "expires_at": utc(session.expires_at),
        "data_keys": sorted(session.data),
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"  # pyright: ignore[reportUnknownArgumentType]
    return "-" if value is None else str(value)


def revoke(arguments: argparse.Namespace) -> int:
    """End one session, those of a user, or all; says how many."""
    with opened(arguments) as sessions:
        if arguments.id is not None:
            return _ended(1) if sessions.revoke_any(arguments.id) else _no_such_session()
        if not (arguments.yes or _confirmed(sessions, arguments.user)):
            sys.stderr.write("coatcheck: nothing was revoked\n")
            return 1
        return _ended(sessions.revoke_everyone() if arguments.everyone else sessions.revoke_user(arguments.user))


def _confirmed(sessions: Sessions, user: str | None) -> bool:
    """Ask before more than one session ends.

    Raises:
        ConfigurationError: There is no terminal to ask on.
    """
    listed = sessions.list_active(limit=_MANY) if user is None else sessions.list(user, limit=_MANY)
    count = len(listed)
    if count <= 1:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("more than one session would end, and there is no terminal to ask on: add --yes")
    shown = f"{_MANY} or more sessions" if count == _MANY else counted(count, "session")
    sys.stderr.write(f"End {shown} of {'everyone' if user is None else 'this user'}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _ended(count: int) -> int:
    print(f"ended {counted(count, 'session')}")
    return 0 if count else 1


def _no_such_session() -> int:
    # What was typed is not repeated: it could be a token.
    sys.stderr.write("coatcheck: there is no live session with this id; `coatcheck sessions list` prints ids\n")
    return 1
