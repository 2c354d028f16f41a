"""What the running configuration fulfils of OWASP ASVS 5.0 and NIST SP 800-63B-4: `coatcheck check --statement`."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from coatcheck.describe.sessions import is_bounded, revocation_bound
from coatcheck.describe.words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.policy import Policy
    from coatcheck.web.settings import WebSettings

Verdict = Literal["met", "not met", "yours"]
"""Met by this configuration; not met by it; or the application's to fulfil, with what it gets for that."""


class Claim(NamedTuple):
    """One requirement, and how it stands.

    Attributes:
        requirement: Its number and level, as "ASVS 7.2.3 L1".
        rules: The rules of docs/security-rules.md that hold it up.
        verdict: How it stands.
        why: Why, or what is left to do.
    """

    requirement: str
    rules: str
    verdict: Verdict
    why: str


def statement(sessions: AsyncSessions | Sessions, web: WebSettings) -> list[Claim]:
    """Return how each requirement on sessions stands. Nothing is read or asked.

    Args:
        sessions: Sessions of our own, as configured.
        web: How they travel over HTTP.
    """
    return list(chain(_cookies(web), _requests(web), _sessions(sessions), _rest(web), _assurance(sessions.policy)))


def _judged(requirement: str, rules: str, why: str, *, met: bool) -> Claim:
    return Claim(requirement, rules, "met" if met else "not met", why)


def _cookies(web: WebSettings) -> Iterator[Claim]:
    cookie = web.cookie
    name = cookie.name.lower()
    secure = f"Secure is {'on' if cookie.secure else 'off'}, the name is {cookie.name}"
    prefixed = name.startswith(("__host-", "__secure-", "__http-"))
    yield _judged("ASVS 3.3.1 L1", "C1", secure, met=cookie.secure and prefixed)
    yield _judged("ASVS 3.3.2 L2", "C2", f"SameSite={cookie.same_site}", met=cookie.same_site != "none")
    yield _judged("ASVS 3.3.3 L2", "C1", secure, met=name.startswith(("__host-", "__host-http-")))
    yield _judged("ASVS 3.3.4 L2", "C2", f"HttpOnly is {'on' if cookie.http_only else 'off'}", met=cookie.http_only)
    yield Claim("ASVS 3.3.5 L3", "C4", "met", "a cookie that a browser would drop is refused")


def _requests(web: WebSettings) -> Iterator[Claim]:
    blind = web.cross_origin.allow_missing
    asked = "a request with a cookie that says nothing of where it comes from is " + ("let in" if blind else "refused")
    if exempt := len(web.cross_origin.exempt):
        asked += f"; {exempt} {'address is' if exempt == 1 else 'addresses are'} exempt"
    yield _judged("ASVS 3.5.1 L1", "X1, X2", asked, met=not blind)
    yield Claim("ASVS 3.5.2 L1", "X3", "yours", "the JSON API refuses simple content types; have yours do so")
    yield _judged("ASVS 3.5.3 L1", "X1", "Sec-Fetch-Site and Origin are compared", met=not blind)
    yield Claim("ASVS 4.4.2 L2", "X7", "met", "Origin is compared in WebSocket handshakes")


def _sessions(sessions: AsyncSessions | Sessions) -> Iterator[Claim]:
    policy = sessions.policy
    yield Claim("ASVS 7.1.1 L2", "L3, L4", "met", "`coatcheck check` prints the timeouts")
    yield Claim("ASVS 7.1.2 L2", "L15", "met", "`coatcheck check` prints the limit and what happens beyond it")
    yield Claim("ASVS 7.1.3 L2", "A5", "yours", "write down how long sessions at an identity provider live")
    yield Claim("ASVS 7.2.1 L1", "T3", "met", "the store decides, and copies know the log")
    yield Claim("ASVS 7.2.2 L1", "T2", "met", "every sign-in makes a token")
    yield Claim("ASVS 7.2.3 L1", "T1", "met", "256 random bits")
    yield Claim("ASVS 7.2.4 L1", "L1", "met", "sign-in and re-authentication make a new token; the old one is dead")
    yield Claim("ASVS 7.3.1 L2", "L3", "met", in_words(policy.idle_timeout))
    ends = [end for end in (policy.lifetime, policy.remember_lifetime) if end is not None]
    longest = in_words(max(ends)) if ends else "none"
    yield _judged("ASVS 7.3.2 L2", "L4", f"at most {longest}" if len(ends) > 1 else "no limit", met=len(ends) > 1)
    refused = f"refused after {revocation_bound(sessions)}"
    yield _judged("ASVS 7.4.1 L1", "L7", refused, met=is_bounded(sessions))
    yield Claim("ASVS 7.4.2 L1", "L11", "yours", "call revoke_user; a row deleted from a users table does so")
    yield Claim("ASVS 7.4.3 L2", "L12", "yours", "call revoke_others after a change of password or factor")
    yield Claim("ASVS 7.4.4 L2", "L7", "yours", "show a sign-out button on every page")
    yield Claim("ASVS 7.4.5 L2", "L13", "met", "`coatcheck sessions revoke`, revoke_user, revoke_everyone")
    yield Claim("ASVS 7.5.1 L2", "A1", "yours", "guard changes of the account with require_recent_auth")
    yield Claim("ASVS 7.5.2 L2", "L14", "yours", "mount the page of devices or the JSON API")
    yield Claim("ASVS 7.5.3 L3", "A1, A2", "yours", "guard what matters most with require_recent_auth(factors=2)")
    yield Claim("ASVS 7.6.1 L2", "A5", "yours", "end sessions with the identity provider's: back-channel logout")
    yield Claim("ASVS 7.6.2 L2", "A5", "yours", "begin no session without an action of the user")


def _rest(web: WebSettings) -> Iterator[Claim]:
    yield Claim("ASVS 1.5.2 L2", "S1", "met", "JSON, and no other format")
    yield Claim("ASVS 14.2.1 L1", "T8", "met", "a token in a URL is not read")
    clears = "with Clear-Site-Data" if web.clear_site_data else "storage of the browser is not: see clear_site_data"
    yield Claim("ASVS 14.3.1 L1", "C10", "met" if web.clear_site_data else "yours", f"the cookie is deleted, {clears}")
    yield Claim("ASVS 16.2.5 L2", "T9", "met", "no log, repr or trace holds a token")


# The second public draft. What it says SHOULD be is taken for what it says SHALL be.
_LEVELS: Final = (
    ("NIST AAL1 timeouts", timedelta(days=30), None),
    ("NIST AAL2 timeouts", timedelta(hours=24), timedelta(hours=1)),
    ("NIST AAL3 timeouts", timedelta(hours=12), timedelta(minutes=15)),
)


def _assurance(policy: Policy) -> Iterator[Claim]:
    for name, overall, inactivity in _LEVELS:
        ends = (policy.lifetime, policy.remember_lifetime)
        fits = all(end is not None and end <= overall for end in ends)
        idle = inactivity is None or max(policy.idle_timeout, policy.remember_idle_timeout) <= inactivity
        wanted = f"at most {in_words(overall)}" + (f", {in_words(inactivity)} of inactivity" if inactivity else "")
        yield _judged(name, "L3, L4", f"{wanted}, remembered or not", met=fits and idle)
