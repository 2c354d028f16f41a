"""How a request ends that needs a session and has none, or one that a provider cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from coatcheck.errors import CoatcheckError, ConfigurationError

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

    def __init__(self, max_age: timedelta, factors: int = 1) -> None:
        """Keep how old the authentication may be, and of how many factors it must be."""
        of = f", of {factors} factors" if factors > 1 else ""
        super().__init__(f"authentication within {max_age} required{of}")
        self.max_age = max_age
        self.factors = factors


class DeviceProofAwaited(CoatcheckError):
    """A bound session's browser is to come again, with the cookie that shows its device; no data is given to it.

    Attributes:
        how: "interstitial" for a page without data that asks for the same address, "again" for a redirect to it.
        counted: The Set-Cookie that counts such pages.
    """

    def __init__(self, how: Literal["interstitial", "again"], counted: bytes) -> None:
        """Keep what is to be answered."""
        super().__init__("the proof of the session's device is awaited")
        self.how = how
        self.counted = counted


class DeviceBindingRequired(CoatcheckError):
    """The request needs a session that belongs to a device, and this one belongs to none; the answer is 403."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("a session that is bound to a device is required")


class AccountUnknown(CoatcheckError):
    """The browser is not signed in to the account that was named, or not any more; the answer is 404."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("this browser is not signed in to such an account")


class TooManyAccounts(CoatcheckError):
    """The browser is signed in to as many accounts as it may be; the answer is 409.

    Attributes:
        limit: How many that are.
    """

    def __init__(self, limit: int) -> None:
        """Keep the limit."""
        super().__init__(f"this browser is signed in to {limit} accounts: sign out of one first")
        self.limit = limit


class ProofRejected(CoatcheckError):
    """The request needs the proof of a key, and its own does not count; the answer is 400 (RFC 9449 sections 5 and 8).

    Attributes:
        error: What went wrong, as the RFC names it: "invalid_dpop_proof" or "use_dpop_nonce".
        description: More of it, for developers.
    """

    def __init__(self, error: str, description: str) -> None:
        """Keep what is to be answered."""
        super().__init__(f"proof of a key required: {description}")
        self.error = error
        self.description = description


class IssuedElsewhere(ConfigurationError):
    """Only the provider that issues the sessions can do this; the JSON API answers 501."""

    def __init__(self, provider: str) -> None:
        """Name the provider."""
        super().__init__(f"this is not possible with sessions that {provider} issues: do it there")
        self.provider = provider
