"""What every part of the suite uses."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import Site
    from coatcheck.testing.browsers import Answer, Browser


class Visited:
    """A part of the suite, with a visitor."""

    @pytest.fixture
    def browser(self, site: Site) -> Browser:
        """One visitor."""
        return site.browser()


def user_of(answer: Answer) -> str | None:
    """Return who is signed in, by what /all says."""
    found = re.search(rb'"user": *"([^"]+)"', answer.body)
    return found[1].decode() if found else None


def morsels(answer: Answer, name: str) -> list[dict[str, str]]:
    """Return the attributes of the cookies of a name."""
    return [
        {key: str(of) for key, of in morsel.items()}
        for line in answer.all("set-cookie")
        for key, morsel in SimpleCookie(line).items()
        if key == name
    ]


def issued(answer: Answer, name: str) -> list[dict[str, str]]:
    """Return those that are set, and not taken back."""
    return [morsel for morsel in morsels(answer, name) if morsel["max-age"] != "0"]


def varies(answer: Answer) -> bool:
    """Tell whether an answer says that it depends on the cookie."""
    return "cookie" in {part.strip().lower() for line in answer.all("vary") for part in line.split(",")}
