# Generated from providers/logout_tokens/async_keys.py by tools/generate_sync.py: edit that, run `make generate`.
"""The keys of an OpenID provider for threads. The ones for threads are generated from it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from coatcheck.clock import SystemClock
from coatcheck.core.foreign import as_object
from coatcheck.core.identities import Nonsense
from coatcheck.core.times import duration_nanos
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.providers._pair import Lock
from coatcheck.providers.base import endpoint
from coatcheck.providers.logout_tokens.signatures import fitting, keys_of
from coatcheck.providers.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.providers.base import HTTPSettings
    from coatcheck.providers.exchange import Exchange
    from coatcheck.providers.logout_tokens.signatures import Claimed

_log = logging.getLogger("coatcheck")

_OK: Final = 200
_DISCOVERY: Final = "/.well-known/openid-configuration"

_KEPT: Final = duration_nanos(timedelta(hours=1))
"""How long keys are believed without asking again: one that the provider withdraws must not live on here."""

_PAUSE: Final = duration_nanos(timedelta(seconds=10))
"""How long nobody asks again for a key that was not there: anybody can make up the name of one."""


class ProviderKeys:
    """The public keys of an OpenID provider, read when they are needed, and kept for an hour."""

    def __init__(
        self,
        issuer: str,
        url: str | None = None,
        *,
        settings: HTTPSettings | None = None,
        client: httpx2.Client | Exchange | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the provider; nothing is connected yet.

        Args:
            issuer: Its issuer.
            url: Where its keys are; by default where its own description says (OpenID Connect Discovery 1.0 section 4).
            settings: How it is asked.
            client: A client of the application; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: An address is none.
        """
        self._issuer = issuer
        self._settings = settings
        self._given = client
        self._given_clock = clock
        self._clock = clock or SystemClock()
        self._known_place = url is not None
        self._upstream, self._path = self._upstream_of("jwks_url", url) if url is not None else self._description()
        self.forked()

    def _upstream_of(self, setting: str, url: str) -> tuple[Upstream, str]:
        place, path = endpoint(setting, url)
        upstream = Upstream("OpenID provider", place, self._settings, client=self._given, clock=self._given_clock)
        return upstream, path

    def _description(self) -> tuple[Upstream, str]:
        return self._upstream_of("issuer", self._issuer.rstrip("/") + _DISCOVERY)

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self._upstream.forked()
        self._keys: tuple[Mapping[str, Any], ...] = ()
        self._read_at: int | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Close every connection."""
        self._upstream.close()

    def fitting(self, wanted: Claimed) -> list[Mapping[str, Any]]:
        """Return the keys that may have made a signature, and ask for new ones if there is none.

        Raises:
            Unavailable: The provider did not answer, or was asked so lately that it is not asked again.
        """
        with self._lock:
            found = [] if self._older_than(_KEPT) else fitting(self._keys, wanted)
            if found:
                return found
            if not self._older_than(_PAUSE):
                raise Unavailable("no key fits, and the keys were read a moment ago", retry_after=10)
            self._read()
            return fitting(self._keys, wanted)

    def renewed(self, wanted: Claimed) -> list[Mapping[str, Any]]:
        """Return the keys that may have made a signature that none of the known ones has; none if they are new.

        Raises:
            Unavailable: The provider did not answer.
        """
        with self._lock:
            if not self._older_than(_PAUSE):
                return []
            self._read()
            return fitting(self._keys, wanted)

    def _older_than(self, age: int) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at >= age

    def _read(self) -> None:
        began = self._clock.monotonic()
        if not self._known_place:
            self._find_place()
        try:
            self._keys = keys_of(self._get(self._upstream, self._path))
        except Nonsense as error:
            self._give_up(str(error))
        self._read_at = began

    def _find_place(self) -> None:
        """Read the provider's description of itself, which must name the issuer we know (Discovery section 4.3)."""
        said = as_object(self._get(self._upstream, self._path)) or {}
        url = said.get("jwks_uri")
        if said.get("issuer") != self._issuer or not isinstance(url, str):
            self._give_up("its description names another issuer, or no keys")
        try:
            found, path = self._upstream_of("jwks_uri", url)
        except ConfigurationError:
            self._give_up("its description has no usable address of its keys")
        self._upstream.close()
        self._upstream, self._path, self._known_place = found, path, True

    def _get(self, upstream: Upstream, path: str) -> Any:
        reply = upstream.ask("GET", path, headers={"accept": "application/json"})
        if reply.status != _OK:
            self._give_up(f"it answered {reply.status} when asked for its keys")
        try:
            return reply.json()
        except Nonsense as error:
            self._give_up(str(error))

    def _give_up(self, reason: str) -> NoReturn:
        _log.warning("coatcheck.provider_nonsense", extra={"provider": "OpenID provider", "reason": reason})
        raise Unavailable(f"the OpenID provider makes no sense: {reason}") from None
