"""The command that hashes the password of an operator of the console."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TYPE_CHECKING

from coatcheck.configuration.console_options import OPERATOR
from coatcheck.core.passwords import LONGEST, SHORTEST, hashed
from coatcheck.core.refusals import refuse, refuse_secret

if TYPE_CHECKING:
    import argparse

_WHERE = (
    'Put this line into the list console.operators: operators = ["…"] below [coatcheck.console], '
    "or COATCHECK_CONSOLE_OPERATORS, with commas between several.\n"
)


def password(arguments: argparse.Namespace) -> int:
    """Ask for a password twice, without showing it, and print the line for the settings; without a terminal read it."""
    if not OPERATOR.fullmatch(arguments.name):
        refuse("NAME", arguments.name, "use letters, digits and . _ @ + -, at most 64 of them")
    line = f"{arguments.name}:{hashed(_asked()).text()}"
    if sys.stdout.isatty():
        sys.stderr.write(_WHERE)
    print(line)
    return 0


def _asked() -> str:
    if not sys.stdin.isatty():
        return _checked(sys.stdin.readline().rstrip("\r\n"))
    found = _checked(getpass("Password: "))
    if getpass("The same again: ") != found:
        refuse_secret("the password", "was typed in two ways", "type it once more")
    return found


def _checked(text: str) -> str:
    if not SHORTEST <= len(text) <= LONGEST:
        # NIST SP 800-63B-4 section 3.1.1.2: it is all that there is.
        refuse_secret("the password", f"has {len(text)} characters", f"use {SHORTEST} to {LONGEST}, such as some words")
    return text
