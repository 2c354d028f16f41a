"""Commands about the whole: demo, migrate, sweep and check."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck.cli.output import aligned, counted, printable
from coatcheck.cli.site import transport_security
from coatcheck.cli.target import opened_store, store_of, target_of
from coatcheck.describe import describe, in_words, statement
from coatcheck.describe.console import console_lines
from coatcheck.describe.serve import serve_lines

if TYPE_CHECKING:
    import argparse

    from coatcheck.cli.target import Target
    from coatcheck.configuration import Settings


def demo(arguments: argparse.Namespace) -> int:
    """Run the demo until it is interrupted."""
    from coatcheck.demo import run

    return run(host=arguments.host, port=arguments.port, database=arguments.database)


def migrate(arguments: argparse.Namespace) -> int:
    """Create the tables, or bring them and their triggers up to date."""
    store = store_of(target_of(arguments))
    try:
        ran = store.migrate()
    finally:
        store.close()
    for name in ran:
        print(f"ran {name}")
    print("the tables and triggers are up to date")
    return 0


def sweep(arguments: argparse.Namespace) -> int:
    """Delete expired sessions, telling on standard error how far it is."""
    with opened_store(arguments) as sessions:
        total = sessions.sweep(batch=arguments.batch, progress=_progress)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    print(f"deleted {counted(total, 'expired session')}")
    return 0


def _progress(total: int) -> None:
    start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
    sys.stderr.write(f"{start}{counted(total, 'expired session')} so far{end}")
    sys.stderr.flush()


def check(arguments: argparse.Namespace) -> int:
    """Print the configuration, then each unsafe setting with its rule, the reason and the fix."""
    target = target_of(arguments)
    store = store_of(target)
    try:
        problems = store.problems()
    finally:
        store.close()
    lines = describe(target.sessions, target.web, problems)
    if target.settings is not None and target.settings.has_serve:
        lines += serve_lines(target.settings.serve)
    if target.settings is not None and target.settings.console is not None:
        lines += console_lines(target.settings.console)
    if arguments.site is not None:
        asked = transport_security(arguments.site)
        lines = [asked if line.setting == asked.setting else line for line in lines]
    print(f"configuration: {target.origin}")
    for text in aligned([(line.setting, printable(line.value)) for line in lines]):
        print(f"  {text}")
    if target.settings is not None:
        print("settings:")
        for text in aligned(_written(target.settings)):
            print(f"  {text}")
    unsafe = [(line, line.unsafe) for line in lines if line.unsafe is not None]
    for line, why in unsafe:
        print(f"UNSAFE {why.rule} {line.setting}: {printable(line.value)}: {why.reason}; {why.fix}")
    print(f"{counted(len(unsafe), 'unsafe setting')}" if unsafe else "no unsafe setting")
    if arguments.statement:
        _print_statement(target)
    return 1 if unsafe else 0


def _print_statement(target: Target) -> None:
    print("statement, by OWASP ASVS 5.0 and NIST SP 800-63B-4 (second public draft):")
    if isinstance(target.sessions, (AsyncProviderSessions, ProviderSessions)):
        print(f"  {target.sessions.provider.name} issues the sessions: what they fulfil is its to state")
        return
    for text in aligned([tuple(map(printable, claim)) for claim in statement(target.sessions, target.web)]):
        print(f"  {text}")


def _written(settings: Settings) -> list[tuple[str, str, str]]:
    """Return each setting that somebody has written: its name, its value in words, and where it stands.

    With a shared cache, all that is known of it: nothing else says what applies there.
    """
    cached = settings.shared_cache is not None
    return [
        (path, printable(_in_words(value)), printable(settings.origins.get(path, "default")))
        for path, value in settings.effective().items()
        if path in settings.origins or (cached and path.startswith("shared_cache."))
    ]


def _in_words(value: object) -> str:
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "none" if value is None else str(value)
