"""Forms as browsers send them (application/x-www-form-urlencoded), of a bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST: Final = 32 * 1024
"""Octets of a form that are read."""

_MOST_FIELDS: Final = 256

Fields = ImmutableMultiDict[str, str]


class NoForm(Exception):
    """What was sent is no form of ours, or is too long; the answer is 400."""


async def read_form(request: Request) -> Fields:
    """Return the fields of a form.

    Raises:
        NoForm: It is none.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise NoForm
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise NoForm
    try:
        return fields_of(body.decode("ascii"))
    except UnicodeDecodeError:
        raise NoForm from None


def query_of(request: Request) -> Fields:
    """Return the parameters of a request.

    Raises:
        NoForm: They are none, or too many.
    """
    try:
        return fields_of(request.scope.get("query_string", b"").decode("ascii"))
    except UnicodeDecodeError:
        raise NoForm from None


def fields_of(text: str) -> Fields:
    """Return the fields of a form, or of a query.

    Raises:
        NoForm: It is none, or has too many.
    """
    try:
        return Fields(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
    except ValueError:  # UnicodeDecodeError is one
        raise NoForm from None
