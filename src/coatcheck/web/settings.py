"""How sessions travel over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck.core.cookies import CookieSettings
from coatcheck.core.cross_origin import CrossOriginPolicy
from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from coatcheck.core.dbsc.settings import DeviceBinding
    from coatcheck.core.dpop.settings import DPoP

_MOST_HOPS = 20
_MOST_ACCOUNTS = 10
"""Their cookie stays under 1,000 octets, with signatures; browsers drop more than 4,096 (rule C4)."""
SITE_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
"""A path of this site and nothing more: it goes into a Location header, with "?next=…" behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """How sessions travel over HTTP.

    Attributes:
        cookie: The session cookie's name and attributes.
        cross_origin: Which cross-origin requests are let through; by default none that can change anything.
        bearer: Whether `Authorization: Bearer` is read too, for API clients (rule T8).
        sign_in_path: Where a browser page that needs a session redirects to.
        trusted_hops: How many proxies of your own stand in front, each adding to `X-Forwarded-For`; 0 takes the
            address of the connection (rule S14).
        clear_site_data: Whether signing out also tells the browser to drop this site's cookies and storage.
        stream_check_every: How often open WebSockets and streams are validated again.
        second_factor_within: Until when, after the first factor, the second must be there (rule A3).
        second_factor_attempts: How many proofs of it may be tried before the first must be given again.
        most_accounts: How many accounts one browser can be signed in to at the same time, 2 to 10: see `AsyncAccounts`.
        device_binding: How sessions are bound to the user's device in browsers that can; None binds none, and refuses
            those that are bound.
        dpop: How clients of APIs show that they have the key of their token; None reads no `Authorization: DPoP`, and
            refuses tokens that are bound to a key.
    """

    cookie: CookieSettings = field(default_factory=CookieSettings)
    cross_origin: CrossOriginPolicy = field(default_factory=CrossOriginPolicy)
    bearer: bool = False
    sign_in_path: str = "/login"
    trusted_hops: int = 0
    clear_site_data: bool = False
    stream_check_every: timedelta = timedelta(milliseconds=250)
    second_factor_within: timedelta = timedelta(minutes=10)
    second_factor_attempts: int = 5
    most_accounts: int = 5
    device_binding: DeviceBinding | None = None
    dpop: DPoP | None = None

    def __post_init__(self) -> None:
        if not SITE_PATH.fullmatch(self.sign_in_path):
            refuse("sign_in_path", self.sign_in_path, "use a path of this site, such as '/login'")
        if not 0 <= self.trusted_hops <= _MOST_HOPS:
            refuse("trusted_hops", self.trusted_hops, f"use the number of your own proxies, 0 to {_MOST_HOPS}")
        if not timedelta(0) < self.stream_check_every <= timedelta(seconds=1):
            refuse("stream_check_every", self.stream_check_every, "use more than zero and at most one second")
        if not 2 <= self.most_accounts <= _MOST_ACCOUNTS:  # noqa: PLR2004 - with one there is nothing to switch to
            refuse("most_accounts", self.most_accounts, f"use 2 to {_MOST_ACCOUNTS}")
        if self.device_binding is not None:
            self.device_binding.bound_cookie(self.cookie)
