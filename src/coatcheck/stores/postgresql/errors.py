"""What the database's errors mean to whoever called. No message repeats a value, which could be a token's hash."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from coatcheck.errors import (
    CoatcheckError,
    ConfigurationError,
    DataError,
    SchemaError,
    TransactionRequired,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Generator

_EXACT: Final = {
    "23503": (DataError, "there is no user with this id"),
    "23505": (DataError, "there is a session with this token or id already"),
    "25P01": (
        TransactionRequired,
        "begin a transaction on the connection before it is handed in, so that the call commits or vanishes with it",
    ),
    "25006": (Unavailable, "the database only reads: it is a standby, or default_transaction_read_only is set"),
    "0A000": (Unavailable, "the database is a standby, which can prove nothing"),
    "28P01": (ConfigurationError, "the database refuses the user or the password of the store URL"),
    "28000": (ConfigurationError, "the database refuses the user of the store URL"),
    "3D000": (ConfigurationError, "there is no database of this name on the server of the store URL"),
    "42501": (ConfigurationError, "the user of the store URL may not do this; GRANT it, see the guide"),
}
_CLASSES: Final = {
    "22": (DataError, "the database refuses a value"),
    "23": (DataError, "the database refuses a value"),
    "3F": (SchemaError, "the schema is missing: run `coatcheck migrate`"),
    "42": (SchemaError, "the tables are missing, older or newer: run `coatcheck migrate`"),
}

_UNSTORABLE: Final = "a text holds a character that PostgreSQL cannot store"

RETRIED: Final = frozenset({"40001", "40P01", "55P03"})
"""A transaction that lost against another one, and may win the next time."""

UNPREPARED: Final = frozenset({"26000", "42P05", "08P01"})
"""Somebody between us and the server hands our connections to different sessions."""


def code_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a driver's error, also behind what SQLAlchemy wraps around it."""
    original: Any = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return code if isinstance(code, str) else None


@contextmanager
def translated() -> Generator[None]:
    """Raise what coatcheck promises instead of the driver's errors, which show rows and parameters."""
    try:
        yield
    except CoatcheckError:
        raise
    except psycopg.Error as error:
        raise meaning(error) from None
    except UnicodeEncodeError:
        raise DataError(_UNSTORABLE) from None
    except Exception as error:
        if _is_sqlalchemys(error):
            raise meaning(error) from None
        raise


def meaning(error: Exception) -> CoatcheckError:
    """Return the error to raise for a driver's."""
    code = code_of(error)
    if code is None:
        # No answer of the server: a connection that broke or could not be made, or a value that cannot be sent.
        if isinstance(error, psycopg.DataError):
            return DataError(_UNSTORABLE)
        return Unavailable(f"the database did not answer: {_first_line(error)}")
    kind, message = _EXACT.get(code) or _CLASSES.get(code[:2]) or (Unavailable, "the database could not answer")
    error_type: type[CoatcheckError] = kind
    return error_type(f"{message} ({_said(error)}, SQLSTATE {code})")


def _said(error: Exception) -> str:
    """Return what the server said first; its DETAIL line would show values."""
    diagnosis = getattr(getattr(error, "orig", None) or error, "diag", None)
    return getattr(diagnosis, "message_primary", None) or type(error).__name__


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _is_sqlalchemys(error: Exception) -> bool:
    return type(error).__module__ == "sqlalchemy.exc" and hasattr(error, "orig")
