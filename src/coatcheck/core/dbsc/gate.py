"""The gate: whether a request with a bound session's cookie comes from the session's device.

A bound session's own cookie is worth nothing: whoever has stolen it has that too. What counts is the second cookie,
which only the device can renew. A browser that has let it expire renews it before it sends a request, except

- when a link of another site leads here: Chromium 156 sends that request without it, and says nothing. It gets a page
  with no data in it that asks for the same address once more; now the request is our own, and the browser renews first.
- while it is still being registered: what is under way then was sent without it. It is sent back to the same address.

Neither answer has anything in it, so a thief gains nothing by them. Everybody else is refused, and nothing is revoked
for it: a cookie may be missing for many reasons.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.dbsc.headers import Skipped

Verdict = Literal["interstitial", "again", "deny"]

MOST_INTERSTITIALS: Final = 5
"""Without a renewal in between, within `INTERSTITIAL_SECONDS`: then it will not come. Several tabs count together."""

INTERSTITIAL_SECONDS: Final = 10

REGISTERING: Final = timedelta(seconds=10)
"""So long after signing in a request may be one that was sent before the second cookie was there."""

_OWN: Final = {b"same-origin", b"none"}
_OTHERS: Final = {b"cross-site", b"same-site"}


class Arrival(NamedTuple):
    """What is known of a request.

    Attributes:
        site: Its `Sec-Fetch-Site`; empty if it has none, or several.
        opens_page: Whether a browser wants to show a page in a window.
        skipped: What `Secure-Session-Skipped` says.
        interstitials: How often the browser got the page without data just now.
        fresh: Whether the user signed in at most `REGISTERING` ago.
    """

    site: bytes
    opens_page: bool
    skipped: Sequence[Skipped]
    interstitials: int
    fresh: bool


def judge(session_id: str, arrival: Arrival) -> Verdict:
    """Decide about a request with a bound session's cookie, and without a good second one.

    Args:
        session_id: The session.
        arrival: The request.
    """
    if any(each.session_id in {None, session_id} for each in arrival.skipped):
        # The browser gave up, or somebody says so who can say anything: never a reason to let them in.
        return "deny"
    if arrival.opens_page and arrival.site in _OTHERS:
        return "interstitial" if arrival.interstitials < MOST_INTERSTITIALS else "deny"
    return "again" if arrival.fresh and arrival.site in _OWN else "deny"
