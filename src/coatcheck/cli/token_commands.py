"""Commands about API tokens: create, list and revoke. A token is printed once, when it is made."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from coatcheck.cli.blocking import tokens_of
from coatcheck.cli.output import aligned, counted, printable, utc
from coatcheck.cli.target import opened
from coatcheck.errors import ConfigurationError, DataError, LimitReached

if TYPE_CHECKING:
    import argparse

    from coatcheck.core.api_tokens import ApiToken


def create(arguments: argparse.Namespace) -> int:
    """Make a token: the token alone on standard output, all about it on standard error.

    Raises:
        ConfigurationError: It cannot be; the message says why.
    """
    with opened(arguments) as sessions:
        tokens = tokens_of(sessions, arguments.prefix)
        try:
            new = tokens.create(
                arguments.user, name=arguments.name, scopes=arguments.scope or (), lifetime=arguments.lifetime
            )
        except (DataError, LimitReached) as error:
            raise ConfigurationError(str(error)) from None
    print(new.token.reveal())
    made = new.api_token
    sys.stderr.write(f"{made.id}, until {utc(made.expires_at)}; it is shown this once\n")
    return 0


def list_them(arguments: argparse.Namespace) -> int:
    """List a user's live tokens, newest first."""
    with opened(arguments) as sessions:
        listed = tokens_of(sessions, arguments.prefix).list(arguments.user, limit=arguments.limit)
    if arguments.json:
        print(json.dumps([_described(token) for token in listed], indent=2))
        return 0
    for line in aligned([("ID", "NAME", "SCOPES", "CREATED", "LAST USED", "EXPIRES"), *map(_row, listed)]):
        print(line)
    return 0


def _row(token: ApiToken) -> tuple[str, ...]:
    times = (token.created_at, token.last_used_at, token.expires_at)
    cells = (token.id, token.name, ", ".join(token.scopes) or "-", *(utc(moment) or "-" for moment in times))
    return tuple(map(printable, cells))


def _described(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "user_id": token.user_id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": utc(token.created_at),
        "last_used_at": utc(token.last_used_at),
        "expires_at": utc(token.expires_at),
    }


def revoke(arguments: argparse.Namespace) -> int:
    """End one token of a user, or all of theirs; says how many."""
    with opened(arguments) as sessions:
        tokens = tokens_of(sessions, arguments.prefix)
        if arguments.id is None:
            ended = tokens.revoke_user(arguments.user)
        else:
            ended = int(tokens.revoke_by_id(arguments.id, user_id=arguments.user))
    print(f"ended {counted(ended, 'token')}")
    return 0 if ended else 1
