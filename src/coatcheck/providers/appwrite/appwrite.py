# Generated from providers/appwrite/async_appwrite.py by tools/generate_sync.py: edit that, run `make generate`.
"""Appwrite as the authority, for threads. Generated from the asyncio side."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.core.refusals import refuse
from coatcheck.errors import Unavailable
from coatcheck.providers.appwrite.answers import body_of, check_ended, forgetting, identity_of
from coatcheck.providers.appwrite.credentials import credential_of, is_id
from coatcheck.providers.upstream import Upstream

if TYPE_CHECKING:
    import httpx2

    from coatcheck.clock import Clock
    from coatcheck.core.session import Record
    from coatcheck.providers.appwrite.answers import Body
    from coatcheck.providers.appwrite.credentials import Credential
    from coatcheck.providers.base import HTTPSettings, Reply
    from coatcheck.providers.exchange import Exchange

_log = logging.getLogger("coatcheck")


class Appwrite:
    """Sessions and JWTs that one project of Appwrite issues (1.8 and newer).

    A token is the secret of a session, as Appwrite's cookie or its server SDKs have it, or a JWT of
    `account.createJWT`. Which of them it is, its form says. To validate one costs two requests, `GET /account` and
    `GET /account/sessions/current`, within one timeout: the session's id, its end, its address and its factors stand
    in the second answer only.
    """

    name = "appwrite"
    marks_bearer = False
    revalidate_after = timedelta(minutes=5)

    def __init__(
        self,
        url: str,
        *,
        project: str,
        cookie: str | CookieSettings | None = None,
        bearer: bool = True,
        settings: HTTPSettings | None = None,
        client: httpx2.Client | Exchange | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Name the project; nothing is connected yet.

        Args:
            url: Appwrite's address with the version of its API, such as `https://cloud.appwrite.io/v1`.
            project: The project's id.
            cookie: The cookie in which the application keeps the secret of the session, with its attributes where
                they are not those of `CookieSettings`; None for Appwrite's own, `a_session_<project>`.
            bearer: Whether `Authorization: Bearer` is read.
            settings: How Appwrite is asked.
            client: A client of the application, where a proxy or a certificate is needed; it is not closed here.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if not is_id(project):
            fix = "use the id from the project's settings: up to 36 letters, digits, periods, hyphens and underscores"
            refuse("project", project, fix, of="appwrite")
        self._upstream = Upstream(self.name, url, settings, client=client, clock=clock)
        self._project = project
        self._cookies = _cookies(cookie, project)
        self.bearer = bearer
        self.forked()

    @property
    def conditions(self) -> str:
        """All that its answers depend on besides the token."""
        return f"{self._upstream.url} {self._project}"

    @property
    def cookies(self) -> tuple[str, ...]:
        """The names of the cookies that carry tokens."""
        return tuple(cookie.name for cookie in self._cookies)

    @property
    def available(self) -> bool:
        """Whether it has answered lately."""
        return self._upstream.available

    def well_formed(self, presented: bytes) -> bool:
        """Tell whether this can be the secret of a session, or a JWT that names one."""
        return credential_of(presented) is not None

    def open(self) -> None:
        """Do nothing: whether Appwrite answers shows when it is asked."""

    def close(self) -> None:
        """Close every connection this process has made."""
        self._upstream.close()

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self._told = ""
        self._upstream.forked()

    def identify(self, presented: bytes) -> ProviderAnswer:
        """Say whose session a well-formed token is.

        A session that ends between the two requests is not signed in; neither is a user who is blocked.

        Raises:
            Unavailable: Appwrite did not answer, or not so that it could be understood.
        """
        credential = credential_of(presented)
        if credential is None:
            return ProviderAnswer(NotSignedIn.MALFORMED)
        try:
            answer = ProviderAnswer(self._identity(credential))
        except Nonsense as error:
            raise self._unusable(error) from None
        self._told = ""
        return answer

    def sign_out(self, presented: bytes) -> tuple[bytes, ...]:
        """End the session of a token at Appwrite, and return only when it has ended there.

        Returns:
            Values of Set-Cookie by which the browser forgets it.

        Raises:
            Unavailable: Nobody knows whether it has ended.
        """
        credential = credential_of(presented)
        if credential is None:
            return ()
        reply = self._ask("DELETE", _session_path(credential), credential, self._upstream.deadline())
        try:
            check_ended(reply, self._project)
        except Nonsense as error:
            raise self._unusable(error) from None
        return forgetting(self._cookies, reply.set_cookies)

    def _identity(self, credential: Credential) -> Record | NotSignedIn:
        deadline = self._upstream.deadline()
        account = self._read("/account", credential, deadline)
        if account is None:
            return NotSignedIn.UNKNOWN
        session = self._read(_session_path(credential), credential, deadline)
        return NotSignedIn.UNKNOWN if session is None else identity_of(credential, account, session)

    def _read(self, path: str, credential: Credential, deadline: int) -> Body | None:
        return body_of(self._ask("GET", path, credential, deadline), self._project)

    def _ask(self, method: str, path: str, credential: Credential, deadline: int) -> Reply:
        headers = {
            "Accept": "application/json",
            "X-Appwrite-Project": self._project,
            credential.header: credential.value,
        }
        return self._upstream.ask(method, path, headers=headers, deadline=deadline)

    def _unusable(self, error: Nonsense) -> Unavailable:
        """Return the answer to requests, and tell the log once of each reason: every request has the same."""
        reason = str(error)
        if reason != self._told:
            self._told = reason
            _log.warning("coatcheck.provider_nonsense", extra={"provider": self.name, "reason": reason})
        return Unavailable(f"{self.name} answered what cannot be used: {reason}")


def _cookies(cookie: str | CookieSettings | None, project: str) -> tuple[CookieSettings, ...]:
    if cookie is None:
        own = f"a_session_{project}"
        return CookieSettings(name=own), CookieSettings(name=f"{own}_legacy")  # the second: without SameSite
    return (CookieSettings(name=cookie) if isinstance(cookie, str) else cookie,)


def _session_path(credential: Credential) -> str:
    """Return the path of a session. With a JWT Appwrite does not know which one is current: it has to be named."""
    return f"/account/sessions/{credential.session_id}"
