"""What can be typed after `coatcheck`, and the environment variables that stand for it."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

from coatcheck.cli import (
    audit_command,
    better_auth_commands,
    commands,
    console_command,
    import_commands,
    serve_command,
    session_commands,
    stats_command,
    token_commands,
    value_commands,
)
from coatcheck.cli.audit_command import moment
from coatcheck.cli.environment import FromEnvironment
from coatcheck.configuration.durations import NoDuration, duration
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace], int]
    Kind = Callable[[str], Any]

EPILOG = (
    "Exit codes: 0 all is well; 1 a check failed, or nothing was revoked; 2 wrong usage or configuration; "
    "3 the store did not answer."
)

# What a container gets for a service that is named "coatcheck", whoever asks for it.
_FROM_KUBERNETES = re.compile(r"(?:tcp|udp|sctp)://")
_TRUE = {"1", "true", "yes", "on"}


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong and where to read more."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """Return the parser of the whole command line."""
    root = Parser(
        prog="coatcheck",
        description="Sessions and cached values: look after the store, end sessions, check the configuration.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    parsers = root.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    _demo(_command(parsers, "demo", "run the demo: two server processes on one database", commands.demo))
    _serve(_command(parsers, "serve", "run the gate that proxies ask about each request", serve_command.serve))
    _store(_command(parsers, "migrate", "create the tables, or bring them up to date", commands.migrate))
    _sessions(parsers.add_parser("sessions", help="list, show and end sessions", allow_abbrev=False))
    _tokens(parsers.add_parser("tokens", help="create, list and end API tokens", allow_abbrev=False))
    _invalidate(_command(parsers, "invalidate", "have cached values loaded anew", value_commands.invalidate))
    _stats(_command(parsers, "stats", "print the numbers of all workers, of the last half hour", stats_command.stats))
    _sweep(_command(parsers, "sweep", "delete expired sessions, in bounded batches", commands.sweep))
    _audit(_command(parsers, "audit", "list the audit trail, newest first", audit_command.list_them))
    _import(parsers.add_parser("import", help="bring the live sessions of another library here", allow_abbrev=False))
    _better_auth(parsers.add_parser("better-auth", help="have Better Auth's own sign-outs seen", allow_abbrev=False))
    _console_password(
        _command(parsers, "console-password", "hash the password of an operator", console_command.password)
    )
    _check(_command(parsers, "check", "print the configuration and say what is unsafe", commands.check))
    return root


def _command(parsers: Any, name: str, what: str, run: Command) -> argparse.ArgumentParser:
    description = f"{what[0].upper()}{what[1:]}."
    made: argparse.ArgumentParser = parsers.add_parser(
        name, help=what, description=description, epilog=EPILOG, allow_abbrev=False
    )
    made.set_defaults(run=run)
    return made


def _demo(demo: argparse.ArgumentParser) -> None:
    _option(demo, "--host", "COATCHECK_HOST", "the address to listen on", default="127.0.0.1")
    _option(
        demo,
        "--port",
        "COATCHECK_PORT",
        "the first process's port; the second takes the next",
        kind=_whole(1, 65534),
        default=8000,
    )
    _option(demo, "--database", "COATCHECK_DATABASE", "the SQLite file; without it a new one, removed at the end")


def _serve(serve: argparse.ArgumentParser) -> None:
    _database(serve)
    _users_table(serve)
    _option(serve, "--host", "COATCHECK_HOST", "the address to listen on", default="127.0.0.1")
    _option(serve, "--port", "COATCHECK_PORT", "the port", kind=_whole(1, 65535), default=8100)
    _option(serve, "--workers", "COATCHECK_WORKERS", "how many processes answer", kind=_whole(1, 256), default=1)
    _option(
        serve,
        "--server",
        "COATCHECK_SERVER",
        "what runs it, granian or uvicorn; the one that is installed if not given",
        kind=_one_of(serve_command.SERVERS),
    )
    serve.add_argument(
        "--print-config",
        choices=serve_command.PROXIES,
        help="print how to configure this proxy, with the settings as they are, and serve nothing",
    )


def _console_password(hashing: argparse.ArgumentParser) -> None:
    hashing.add_argument("name", metavar="NAME", help="what the operator types as a name")


def _sessions(sessions: argparse.ArgumentParser) -> None:
    parsers = sessions.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
    listing = _command(parsers, "list", "list live sessions, latest activity first", session_commands.list_them)
    _store(listing)
    _option(listing, "--user", "COATCHECK_USER", "only those of this user, newest first", metavar="ID")
    _limit(listing)
    _json(listing)
    showing = _command(parsers, "show", "show one session", session_commands.show)
    _store(showing)
    showing.add_argument(
        "id", metavar="ID", help="its public id, as `sessions list` prints it; after -- if it begins with a hyphen"
    )
    _json(showing)
    _revoke(_command(parsers, "revoke", "end sessions, in every process at once", session_commands.revoke))


def _revoke(revoking: argparse.ArgumentParser) -> None:
    _store(revoking)
    # These say what is lost, so no variable that was left behind may say it.
    which = revoking.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "id", metavar="ID", nargs="?", help="the public id of the session to end; after -- if it begins with a hyphen"
    )
    which.add_argument("--user", metavar="ID", help="end all sessions of this user")
    which.add_argument("--everyone", action="store_true", help="end every session there is")
    revoking.add_argument("--yes", action="store_true", help="do not ask before more than one ends")


def _tokens(tokens: argparse.ArgumentParser) -> None:
    parsers = tokens.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
    creating = _command(parsers, "create", "make an API token, and print it this once", token_commands.create)
    _of_user(creating)
    creating.add_argument("--name", metavar="NAME", required=True, help="what its owner calls it")
    creating.add_argument("--scope", metavar="SCOPE", action="append", help="what it may be used for; once for each")
    creating.add_argument(
        "--lifetime", metavar="DURATION", type=_long, help="how long it lives, as 30d; 90d if not given"
    )
    listing = _command(parsers, "list", "list a user's live API tokens, newest first", token_commands.list_them)
    _of_user(listing)
    _limit(listing)
    _json(listing)
    revoking = _command(parsers, "revoke", "end API tokens, in every process at once", token_commands.revoke)
    _of_user(revoking)
    revoking.add_argument(
        "id",
        metavar="ID",
        nargs="?",
        help="the public id of the token to end, all of the user's if not given; after -- if it begins with a hyphen",
    )


def _of_user(command: argparse.ArgumentParser) -> None:
    _store(command)
    _option(command, "--prefix", "COATCHECK_SERVE_API_TOKEN_PREFIX", "what the tokens begin with", default="cct")
    # Whose tokens are made or ended no variable may say that was left behind.
    command.add_argument("--user", metavar="ID", required=True, help="whose tokens they are")


def _invalidate(invalidating: argparse.ArgumentParser) -> None:
    _store(invalidating)
    # No variable may say what is dropped, as with sessions.
    invalidating.add_argument("--namespace", metavar="NAME", help="all of this namespace, whoever's; or KEYs of it")
    invalidating.add_argument(
        "--tenant", metavar="ID", help="only this tenant's values; all of them without --namespace"
    )
    invalidating.add_argument(
        "keys", metavar="KEY", nargs="*", help="only these keys of the namespace; after -- if one begins with a hyphen"
    )


def _import(importing: argparse.ArgumentParser) -> None:
    parsers = importing.add_subparsers(title="libraries", metavar="LIBRARY", required=True, dest="subcommand")
    # What is read and written is said by who types it: no variable stands for it.
    for library, options in _LIBRARIES.items():
        what = f"import what {library} keeps"
        command = _command(parsers, library, what, import_commands.import_them)
        command.add_argument(
            "--from", dest="source", metavar="URL", required=True, help="where its sessions are: see docs/migrating.md"
        )
        for flag, settings in options.items():
            command.add_argument(flag, **settings)
        command.add_argument("--dry-run", action="store_true", help="say what would be imported, and write nothing")
        _batch(command, "how many sessions are read at a time", 500)
        _store(command)


def _prefix(default: str) -> dict[str, Any]:
    return {"metavar": "TEXT", "default": default, "help": f"what its keys begin with, {default} if not given"}


def _user_key(default: str) -> dict[str, Any]:
    what = "where the data has the id of the user"
    return {"metavar": "KEY", "default": default, "help": f"{what}, {default} if not given"}


def _table(default: str) -> dict[str, Any]:
    return {"metavar": "NAME", "default": default, "help": f"the name of its table, {default} if not given"}


_SCHEMA: dict[str, Any] = {"metavar": "NAME", "help": "the schema of the table, in PostgreSQL"}


def _batch(command: argparse.ArgumentParser, what: str, default: int) -> None:
    _option(command, "--batch", "COATCHECK_BATCH", what, kind=_whole(1, 1_000_000), default=default)


def _better_auth(better_auth: argparse.ArgumentParser) -> None:
    parsers = better_auth.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
    verbs = {
        "install-triggers": ("install triggers on Better Auth's tables", better_auth_commands.install),
        "remove-triggers": ("remove them, before coatcheck's own tables go", better_auth_commands.remove),
        "check": ("say which of them are missing or altered", better_auth_commands.check),
    }
    for verb, (what, run) in verbs.items():
        command = _command(parsers, verb, what, run)
        _database(command)
        _option(
            command,
            "--session-table",
            "COATCHECK_BETTER_AUTH_SESSION_TABLE",
            "Better Auth's table of sessions",
            metavar="NAME",
            default="session",
        )
        _option(
            command,
            "--user-table",
            "COATCHECK_BETTER_AUTH_USER_TABLE",
            "Better Auth's table of users",
            metavar="NAME",
            default="user",
        )
        _option(
            command,
            "--schema",
            "COATCHECK_BETTER_AUTH_SCHEMA",
            "the schema of both, in PostgreSQL",
            metavar="NAME",
            default="public",
        )
        _option(
            command,
            "--columns",
            "COATCHECK_BETTER_AUTH_COLUMNS",
            "columns that have another name than Better Auth's field, as expiresAt=expires_at,updatedAt=updated_at",
            metavar="FIELD=COLUMN,…",
            kind=_pairs,
        )


def _audit(audit: argparse.ArgumentParser) -> None:
    _store(audit)
    _option(audit, "--user", "COATCHECK_USER", "only what is about this user", metavar="ID")
    _option(audit, "--action", "COATCHECK_ACTION", "only this, as created or revoked", metavar="NAME")
    what = "only from then on, as 7d (ago) or 2026-01-31T12:00Z"
    _option(audit, "--since", "COATCHECK_SINCE", what, metavar="WHEN", kind=_moment)
    _limit(audit)
    _json(audit)


def _sweep(sweeping: argparse.ArgumentParser) -> None:
    _store(sweeping)
    _batch(sweeping, "how many rows one transaction deletes at most", 1000)


# --- options that several commands have


def _database(command: argparse.ArgumentParser) -> None:
    _option(
        command,
        "--store",
        "COATCHECK_STORE",
        "the store, as sqlite:///app.db, postgresql://host/database or valkey://host:6379/0",
        metavar="URL",
    )
    _option(
        command,
        "--config",
        "COATCHECK_CONFIG",
        "a TOML file with the settings, below [coatcheck] or [tool.coatcheck]; variables count for more",
        metavar="FILE",
    )


def _users_table(command: argparse.ArgumentParser) -> None:
    _option(
        command,
        "--users-table",
        "COATCHECK_USERS_TABLE",
        "with --store: the users table, with columns id, name, email and role (if others: --config or --app)",
        metavar="NAME",
    )


def _store(command: argparse.ArgumentParser) -> None:
    _database(command)
    _users_table(command)
    _option(
        command,
        "--app",
        "COATCHECK_APP",
        "instead of --store: an application behind SessionMiddleware, or its sessions",
        metavar="MODULE:ATTRIBUTE",
    )


def _stats(counting: argparse.ArgumentParser) -> None:
    _store(counting)
    _json(counting)


def _limit(command: argparse.ArgumentParser) -> None:
    _option(
        command, "--limit", "COATCHECK_LIMIT", "how many to list at most, 1 to 1000", kind=_whole(1, 1000), default=200
    )


def _check(checking: argparse.ArgumentParser) -> None:
    _store(checking)
    _option(checking, "--site", "COATCHECK_SITE", "ask the running site for Strict-Transport-Security", metavar="URL")
    _flag(checking, "--statement", "COATCHECK_STATEMENT", "say what it fulfils of OWASP ASVS and NIST SP 800-63B")


def _json(command: argparse.ArgumentParser) -> None:
    _flag(command, "--json", "COATCHECK_JSON", "print JSON")


def _flag(command: argparse.ArgumentParser, flag: str, variable: str, what: str) -> None:
    default = os.environ.get(variable, "").lower() in _TRUE
    command.add_argument(flag, action="store_true", default=default, help=f"{what} [{variable}=1]")


def _option(
    command: argparse.ArgumentParser,
    flag: str,
    variable: str,
    what: str,
    *,
    kind: Kind | None = None,
    default: Any = None,
    metavar: str | None = None,
) -> None:
    given = os.environ.get(variable)
    if variable == "COATCHECK_PORT" and given is not None and _FROM_KUBERNETES.match(given):
        given = None
    value = FromEnvironment(given, variable) if given else default
    shown = "" if default is None else f", {default} if not given"
    command.add_argument(
        flag,
        type=_blamed(kind or _same),
        default=value,
        metavar=metavar or flag.removeprefix("--").upper(),
        help=f"{what}{shown} [{variable}]",
    )


def _same(value: str) -> str:
    return value


def _blamed(kind: Kind) -> Kind:
    """Return the conversion, with complaints that name the variable where one is to blame."""

    def convert(value: str) -> Any:
        try:
            return kind(value)
        except argparse.ArgumentTypeError as error:
            if isinstance(value, FromEnvironment):
                raise argparse.ArgumentTypeError(f"{value.variable}={error}") from None
            raise

    return convert


def _one_of(names: Sequence[str]) -> Kind:
    def convert(value: str) -> str:
        if value not in names:
            msg = f"{value!s} is not possible: use {' or '.join(names)}"
            raise argparse.ArgumentTypeError(msg)
        return str(value)

    return convert


def _pairs(value: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in filter(None, map(str.strip, value.split(",")))]
    if not all(name and column for name, _, column in pairs):
        msg = f"{value!s} is not possible: use FIELD=COLUMN, with commas between several"
        raise argparse.ArgumentTypeError(msg)
    return {name: column for name, _, column in pairs}


def _long(value: str) -> Any:
    try:
        return duration(value)
    except NoDuration as error:
        msg = f"{value!s} is not possible: {error}"
        raise argparse.ArgumentTypeError(msg) from None


def _moment(value: str) -> Any:
    try:
        return moment(value)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole(least: int, most: int) -> Kind:
    def convert(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            msg = f"{value!s} is not possible: use a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(msg)
        return number

    return convert


_UUIDS: dict[str, Any] = {"action": "store_true", "help": "take sessions with UUIDs for tokens too (122 random bits)"}
_LIFETIME: dict[str, Any] = {"metavar": "DURATION", "type": _long, "help": "its lifetime_seconds, as 14d or 3600"}

_LIBRARIES: dict[str, dict[str, dict[str, Any]]] = {
    "starsessions": {"--prefix": _prefix("starsessions."), "--user-key": _user_key("user_id")},
    "flask-session": {
        "--prefix": _prefix("session:"),
        "--user-key": _user_key("_user_id"),
        "--table": _table("sessions"),
        "--schema": _SCHEMA,
        "--uuids": _UUIDS,
    },
    "litestar": {"--prefix": _prefix("LITESTAR:"), "--user-key": _user_key("user_id")},
    "fastapi-users": {"--table": _table("accesstoken"), "--schema": _SCHEMA, "--lifetime": _LIFETIME},
}
