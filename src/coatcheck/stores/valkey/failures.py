"""What the driver's errors mean. No message repeats the server's own, which may quote keys and values."""

from __future__ import annotations

import re
import ssl

from redis.exceptions import (
    AuthenticationError,
    MovedError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from coatcheck.errors import Unavailable

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)
"""Whatever a call can fail with."""

_WRONG: list[tuple[type[Exception], str, str]] = [
    (
        AuthenticationError,
        "",
        "this user or password is not possible: the server refuses them; correct them in the URL",
    ),
    (
        NoPermissionError,
        "",
        "this user is not possible: the server's ACL must allow it the store's keys, and scripts",
    ),
    (MovedError, "", "this URL is not possible: the server is part of a cluster; use valkey+cluster://"),
    (
        RedisClusterException,
        "not enabled",
        "this URL is not possible: the server is not part of a cluster; use valkey://",
    ),
    (
        ResponseError,
        "DB index",
        "this database is not possible: the server has fewer; use a smaller number in the URL",
    ),
]
"""Kinds of errors, words in them, and what is wrong then."""

_CODE = re.compile(r"[A-Z]{3,}")


def unavailable(error: Exception) -> Unavailable:
    """Return what a failed call raises."""
    return Unavailable(f"the Valkey store could not answer ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, ResponseError) and (code := _CODE.match(str(error))):
        return code.group()
    return type(error).__name__


def wrong_setting(error: BaseException | None) -> str | None:
    """Return which setting is wrong and the fix, if that is why a call has failed; None when it may work later."""
    for kind, words, problem in _WRONG:
        if isinstance(error, kind) and words in str(error):
            return problem
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return "this URL is not possible: the server's certificate is not trusted; give ?ssl_ca_certs="
        error = error.__cause__ or error.__context__
    return None
