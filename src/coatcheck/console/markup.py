"""HTML that is made of elements: whatever is no element is text, and is escaped.

>>> print(el("a", "<Ada>", href="/x?a=1&b=2"))
<a href="/x?a=1&amp;b=2">&lt;Ada&gt;</a>
"""

from __future__ import annotations

from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta", "wbr"})


class Markup(str):
    """Text that is HTML already: made here, and never of what somebody else has written."""

    __slots__ = ()


Content = str | None
"""Text, which is escaped; markup, which is not; or nothing."""

EMPTY: Final = Markup()

UNKNOWN: Final = "\N{EN DASH}"
"""Stands where nothing is known."""


def el(tag: str, *content: Content, **attributes: str | int | None) -> Markup:
    """Return an element.

    Args:
        tag: Its name.
        *content: What stands in it.
        **attributes: Its attributes. `aria_label` is aria-label, `class_` is class; True is an attribute without a
            value, and one that is None or False is left out.
    """
    parts = (_attribute(name, value) for name, value in attributes.items() if value is not None and value is not False)
    opened = f"<{tag}{''.join(parts)}>"
    return Markup(opened if tag in _VOID else f"{opened}{joined(*content)}</{tag}>")


def joined(*content: Content) -> Markup:
    """Return several things, one behind the other."""
    return Markup("".join(each if isinstance(each, Markup) else escape(each) for each in content if each is not None))


def foreign(text: str, *, longest: int = 200, **attributes: str | bool | None) -> Markup:
    """Return what somebody else has written, such as a user's name: cut, and apart from the text around it.

    `<bdi>` keeps writing from right to left, and characters that turn the direction, from moving what stands beside.
    """
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return el("bdi", shown, **attributes)


def hidden(text: str) -> Markup:
    """Return text for screen readers only."""
    return el("span", text, class_="hidden")


def _attribute(name: str, value: str | int) -> str:  # True is an int
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
