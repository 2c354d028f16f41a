"""The document around the page's main part, for applications that have none of their own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from coatcheck.device_page.style import shared_style

Layout = Callable[[Request, str, str], Awaitable[Response]]
"""Makes a page of the application's own: from the request, a title (text) and the main part (HTML)."""


@cache
def _style() -> str:
    return shared_style() + Path(__file__).with_name("page.css").read_text(encoding="utf-8")


@cache
def _headers() -> dict[str, str]:
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: forms would then send "Origin: null", and be refused where Sec-Fetch-Site is missing.
        "Referrer-Policy": "same-origin",
    }


def document_html(title: str, main: str) -> str:
    """Return a whole document, with a style for light and dark screens and no script."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<main>\n{main}\n</main>\n</body>\n</html>\n"
    )


async def plain_layout(_: Request, title: str, main: str) -> Response:
    """Return the main part in a document of its own, with a content security policy that fits it."""
    return HTMLResponse(document_html(title, main), headers=_headers())
