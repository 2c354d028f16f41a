"""The document around every page, and the headers that every answer has."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import HTMLResponse, Response

from coatcheck.console.markup import EMPTY, Markup, el, foreign, joined
from coatcheck.device_page.style import shared_style

if TYPE_CHECKING:
    from collections.abc import Mapping

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: forms would then send "Origin: null", and be refused where Sec-Fetch-Site is missing.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""What every answer says: nothing is kept, framed, sent elsewhere or taken for something else."""

_PAGES: Final = (("", "Sessions"), ("/numbers", "Numbers"), ("/trail", "Audit trail"))
_STYLE: Final = "console.css"
_TYPES: Final = {_STYLE: "text/css", "console.js": "text/javascript", "console.svg": "image/svg+xml"}
_FOREVER: Final = "public, max-age=31536000, immutable"


class Frame(NamedTuple):
    """What the document needs to know.

    Attributes:
        base: The console's own path, as the browser has it.
        operator: Who is signed in; None for nobody.
        page: Which page of the navigation it is, by its path below the base.
        form: The fields that a form to sign out needs; None where the application signs in and out.
    """

    base: str
    operator: str | None = None
    page: str | None = None
    form: Markup | None = None


def page(
    title: str, main: Markup, frame: Frame, *, status: int = 200, more: Mapping[str, str] | None = None
) -> Response:
    """Return a page.

    Args:
        title: What it is about.
        main: Its main part.
        frame: What stands around it.
        status: The HTTP status.
        more: Further headers.
    """
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} · Coatcheck console"),
        el("link", rel="icon", href=_address(frame, "console.svg"), type="image/svg+xml"),
        el("link", rel="stylesheet", href=_address(frame, _STYLE)),
        el("script", src=_address(frame, "console.js"), defer=True),
    )
    body = el(
        "body",
        el("a", "Skip to the content", class_="skip", href="#main"),
        _top(frame),
        el("main", main, id="main", tabindex="-1"),
    )
    html = el("html", head, "\n", body, lang="en")
    return HTMLResponse(f"<!doctype html>\n{html}\n", status, {**HEADERS, **(more or {})})


def _top(frame: Frame) -> Markup:
    brand = el("a", "Coatcheck ", el("span", "console"), class_="brand", href=frame.base)
    if frame.operator is None:
        return el("header", el("div", brand, class_="bar"))
    links = (
        el("a", words, href=frame.base + path, aria_current="page" if frame.page == path else None)
        for path, words in _PAGES
    )
    return el("header", el("div", brand, el("nav", *links, aria_label="Main"), _who(frame), class_="bar"))


def _who(frame: Frame) -> Markup:
    who = el("span", "Signed in as ", el("b", foreign(frame.operator or "")))
    if frame.form is None:
        return el("div", who, class_="who")
    button = el("button", "Sign out", class_="plain")
    form = el("form", frame.form, button, method="post", action=f"{frame.base}/sign-out")
    return el("div", who, form, class_="who")


def lines(*content: str | None) -> Markup:
    """Return several parts below each other, as HTML that can be read."""
    return joined(*(part for each in content if each for part in (each, "\n"))) or EMPTY


# --- the files beside it


@cache  # not when it is imported: most applications have no console
def _file(name: str) -> bytes:
    content = Path(__file__).with_name(name).read_bytes()
    return shared_style().encode() + content if name == _STYLE else content


@cache
def _version(name: str) -> str:
    return sha256(_file(name)).hexdigest()[:12]


def _address(frame: Frame, name: str) -> str:
    return f"{frame.base}/{name}?v={_version(name)}"


def file(name: str) -> Response:
    """Return the style sheet, the script or the icon: known by what is in it, and kept for a year."""
    headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
    return Response(_file(name), headers=headers, media_type=_TYPES[name])


FILES: Final = tuple(_TYPES)
