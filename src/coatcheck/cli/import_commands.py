"""The command `import`: bring the live sessions of another library here. No token is ever printed."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from coatcheck.cli.output import counted
from coatcheck.cli.target import opened_with_settings
from coatcheck.core.refusals import redacted_url, refuse
from coatcheck.stores.urls import VALKEY

if TYPE_CHECKING:
    import argparse

    from coatcheck.importing.found import Source
    from coatcheck.importing.importer import Outcome


def import_them(arguments: argparse.Namespace) -> int:
    """Import what is live, and say what was left out and why."""
    from coatcheck.importing.importer import Importer
    from coatcheck.importing.readers import READERS, Options

    library: str = arguments.subcommand
    options = Options(
        prefix=getattr(arguments, "prefix", ""),
        user_key=getattr(arguments, "user_key", ""),
        uuids=getattr(arguments, "uuids", False),
        lifetime=getattr(arguments, "lifetime", None),
    )
    with opened_with_settings(arguments) as (sessions, store), closing(_source(library, arguments)) as source:
        if sessions.token_hash.adopted:
            refuse("token_hash", "adopted", "imported tokens need hashes of ours: use another store or schema")
        importer = Importer(source, READERS[library], options, policy=sessions.policy, token_hash=sessions.token_hash)
        outcome = importer.run(store, batch=arguments.batch, dry=arguments.dry_run, progress=_progress)
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        _tell(outcome, dry=arguments.dry_run)
        _advise(library, outcome, arguments, known=sessions.imported is not None)
    return 0


def _source(library: str, arguments: argparse.Namespace) -> Source:
    url: str = arguments.source
    scheme, separator, _ = url.partition("://")
    if library != "fastapi-users" and scheme in VALKEY.schemes:
        from coatcheck.importing.valkey_source import ValkeySource

        return ValkeySource(url, arguments.prefix)
    if library == "litestar" and not separator:
        from coatcheck.importing.file_source import FileSource

        return FileSource(url)
    if library not in {"flask-session", "fastapi-users"} or not separator:
        refuse("--from", redacted_url(url) if separator else url, _PLACES[library])
    from coatcheck.importing.sql_source import FASTAPI_USERS, FLASK_SESSION, SQLSource

    table = FLASK_SESSION if library == "flask-session" else FASTAPI_USERS
    return SQLSource(url, arguments.table, arguments.schema, table)


_PLACES = {
    "starsessions": "use redis://host:6379/0 (what stands in cookies or in memory cannot be imported)",
    "flask-session": (
        "use redis://host:6379/0, sqlite:///app.db or postgresql://host/database "
        "(what cachelib keeps in files is pickled, which may not be read)"
    ),
    "litestar": "use redis://host:6379/0, or the folder of the FileStore",
    "fastapi-users": "use sqlite:///app.db or postgresql://host/database",
}


def _progress(seen: int) -> None:
    start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
    sys.stderr.write(f"{start}looked at {counted(seen, 'session')} so far{end}")
    sys.stderr.flush()


def _tell(outcome: Outcome, *, dry: bool) -> None:
    done = "would import" if dry else "imported"
    print(f"{done} {counted(outcome.imported, 'session')}, {outcome.signed_in} of them signed in")
    for why, count in sorted(outcome.left.items(), key=lambda pair: pair[0].name):
        print(f"left out: {counted(count, 'session')} {why}")


def _advise(library: str, outcome: Outcome, arguments: argparse.Namespace, *, known: bool) -> None:
    if outcome.imported and not outcome.signed_in:
        sys.stderr.write(
            f"coatcheck: none of them is signed in: is --user-key={arguments.user_key} where the application "
            "keeps the id of its user?\n"
        )
    if outcome.imported and not known:
        sys.stderr.write(
            f"coatcheck: the application accepts their tokens with imported=ImportedTokens(library={library!r})\n"
        )
