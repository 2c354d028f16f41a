"""The command `coatcheck`: migrations, sessions, sweeping, checks and the demo."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from coatcheck.cli.arguments import parser
from coatcheck.errors import ConfigurationError, DataError, SchemaError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

FAILED = 1
USAGE = 2
UNAVAILABLE = 3
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None, *, middleware: Any = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; those of the process when None.
        middleware: The `SessionMiddleware` of the application whose sessions are meant, where that is known already.

    Returns:
        The exit code: 0 when all is well, 1 when a check failed or nothing was revoked, 2 for a wrong usage or
        configuration, 3 when the store did not answer. As shells have it, 130 after Ctrl-C, and 141 when nobody
        reads the output any more.
    """
    try:
        arguments = parser().parse_args(argv)
        arguments.middleware = middleware
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else USAGE
    except (ConfigurationError, SchemaError, DataError) as error:
        return _complain(error, USAGE)
    except Unavailable as error:
        return _complain(error, UNAVAILABLE)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    return code


def _complain(error: Exception, code: int) -> int:
    sys.stderr.write(f"coatcheck: {' '.join(str(error).split())}\n")
    return code


def _discard_output() -> None:
    """Let what is still buffered go nowhere, or the interpreter would complain of it when it ends."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
