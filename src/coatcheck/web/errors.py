"""How a request ends that needs a session and has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.errors import CoatcheckError

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck.core.answers import NotSignedIn


class SignInRequired(CoatcheckError):
    """The request needs a session and has none; the middleware answers 401 or redirects to the sign-in page."""

    def __init__(self, reason: NotSignedIn) -> None:
        """Keep why nobody is signed in."""
        super().__init__(f"sign-in required: {reason.value}")
        self.reason = reason


class RecentAuthRequired(CoatcheckError):
    """The request needs a user who has proved who they are more recently (ASVS 7.5.1, rule A1)."""

    def __init__(self, max_age: timedelta) -> None:
        """Keep how old the authentication may be."""
        super().__init__(f"authentication within {max_age} required")
        self.max_age = max_age
