"""Commands about the triggers on Better Auth's tables: install-triggers, remove-triggers, check."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from coatcheck.cli.output import counted
from coatcheck.cli.target import settings_of

if TYPE_CHECKING:
    import argparse

    from coatcheck.providers.better_auth.triggers import BetterAuthTriggers


def install(arguments: argparse.Namespace) -> int:
    """Create what is missing or altered."""
    with closing(_triggers(arguments)) as triggers:
        changed = triggers.install()
    print("the triggers are installed" if changed else "the triggers were installed already")
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Drop the triggers and their functions."""
    with closing(_triggers(arguments)) as triggers:
        found = triggers.remove()
    print("the triggers are removed: what Better Auth ends is seen when it is asked again" if found else "no triggers")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Say what is missing or altered, each with the fix."""
    with closing(_triggers(arguments)) as triggers:
        problems = triggers.problems()
    for problem in problems:
        print(problem)
    print(counted(len(problems), "problem") if problems else "the triggers are installed and as they should be")
    return 1 if problems else 0


def _triggers(arguments: argparse.Namespace) -> BetterAuthTriggers:
    from coatcheck.providers.better_auth.triggers import BetterAuthTriggers

    settings, _ = settings_of(arguments)
    return BetterAuthTriggers(
        settings.store,
        session_table=arguments.session_table,
        user_table=arguments.user_table,
        schema=arguments.schema,
        columns=arguments.columns,
        log_schema=settings.store_options.schema or "public",
    )
