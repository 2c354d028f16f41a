"""A real OAuth 2.0 and OpenID Connect server (npm `oidc-provider`), and somebody with a browser who signs in there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from tests.servers.installations import program
from tests.servers.server import Server
from tests.servers.waiting import DEADLINE
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET = "s3cr:t of the test's clients+%"  # a colon, a space, "+" and "%" : what form-encoding is about
API = "https://api.example.com"

_HERE = Path(__file__).parent
_CALLBACK = "https://rp.example.com/callback"
_VERIFIER = "a-verifier-of-43-characters-and-more-0123456789"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_FIELD = re.compile(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"')
_REDIRECTS = 20


class Tokens(NamedTuple):
    """What somebody has got who signed in."""

    access: str
    id: str
    refresh: str


class OIDCProvider(Server):
    """One server, which keeps everything in memory: a restart forgets all but the clients.

    Args:
        back_channels: For each client that people sign in to, where it is told of logouts.
        by_session: The clients that are told which session has ended; the others only hear of the user.
        lifetime: How many seconds an access token lives.
    """

    name: ClassVar[str] = "oidc-provider"

    def __init__(
        self,
        back_channels: Mapping[str, str] | None = None,
        *,
        by_session: Sequence[str] = ("web",),
        lifetime: int = 600,
    ) -> None:
        if not (_HERE.parents[1] / "node_modules" / "oidc-provider").exists():
            missing("oidc-provider is not installed: run `npm ci --ignore-scripts`")
        self._node = program("node")
        super().__init__()
        wanted = back_channels or {"web": ""}
        clients = [_web(name, url, session=name in by_session) for name, url in wanted.items()]
        clients += [_service("api", "client_secret_basic"), _service("poster", "client_secret_post")]
        clients += [{**_service("robot", "client_secret_basic"), "grant_types": ["client_credentials"]}]
        settings = {"port": self.port, "clients": clients, "lifetime": lifetime}
        (self.folder / "settings.json").write_text(json.dumps(settings))

    def command(self) -> Sequence[str]:
        return [self._node, str(_HERE / "oidc_provider.mjs"), str(self.folder / "settings.json")]

    def account(self) -> dict[str, Any]:
        return {}  # it does not mind being root

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def introspection(self) -> str:
        return f"{self.issuer}/token/introspection"

    @property
    def revocation(self) -> str:
        return f"{self.issuer}/token/revocation"

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.issuer}/-/asked", timeout=2, trust_env=False).is_success
        except httpx2.HTTPError:
            return False

    def asked(self) -> int:
        """Say how often it was asked about a token."""
        said = httpx2.get(f"{self.issuer}/-/asked", trust_env=False).json()
        return int(said.get("/token/introspection", 0))

    def fail(self, status: int) -> None:
        """Answer everything with a status from now on; 0 ends that."""
        httpx2.get(f"{self.issuer}/-/fail", params={"status": status}, trust_env=False)

    def robot(self) -> str:
        """Return an access token that a client has got for itself."""
        form = {"grant_type": "client_credentials", "scope": "orders:read"}
        return str(self.form("/token", form, client="robot").json()["access_token"])

    def revoke(self, token: str) -> None:
        """Revoke a token, as its client does."""
        assert self.form("/token/revocation", {"token": token}).is_success

    def form(self, path: str, form: Mapping[str, str], *, client: str = "web") -> httpx2.Response:
        """Send a form in a client's name."""
        from urllib.parse import quote_plus

        auth = (quote_plus(client), quote_plus(SECRET))
        return httpx2.post(self.issuer + path, data=dict(form), auth=auth, trust_env=False)


class Browser:
    """Somebody who signs in to clients, and out again."""

    def __init__(self, provider: OIDCProvider) -> None:
        self.provider = provider
        self._http = httpx2.Client(base_url=provider.issuer, trust_env=False, timeout=DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def sign_in(self, user: str, client: str = "web") -> Tokens:
        """Go through the whole authorization-code flow, forms and all, and return the client's tokens."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": _CALLBACK,
            "scope": "openid orders:read",
            "resource": API,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        place = self._walk(self._http.get("/auth", params=query), {"login": user, "password": "any"})
        code = parse_qs(urlsplit(place).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _CALLBACK,
            "code_verifier": _VERIFIER,
        }
        said = self.provider.form("/token", form, client=client).json()
        return Tokens(said["access_token"], said["id_token"], said.get("refresh_token", ""))

    def sign_out(self) -> None:
        """Sign out at the provider, which tells the clients before it does so."""
        place = self._walk(self._http.get("/session/end"), {"logout": "yes"})
        assert "/session/end/success" in place, place

    def _walk(self, page: httpx2.Response, answers: Mapping[str, str]) -> str:
        """Follow redirects and fill in forms, until the provider sends us elsewhere; returns where to."""
        for _ in range(_REDIRECTS):
            if page.is_redirect:
                place = urljoin(str(page.url), page.headers["location"])
                if not place.startswith(self.provider.issuer):
                    return place
                page = self._http.get(place)
            elif (found := _FORM.search(page.text)) is not None:
                fields = {**dict(_FIELD.findall(page.text)), **answers}
                page = self._http.post(urljoin(str(page.url), unescape(found[1])), data=fields)
            else:
                assert page.is_success, page.text
                return str(page.url)
        raise AssertionError(page.text)


def _web(name: str, back_channel: str, *, session: bool) -> dict[str, Any]:
    return {
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [_CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        **({"backchannel_logout_uri": back_channel} if back_channel else {}),
        "backchannel_logout_session_required": session,
    }


def _service(name: str, how: str) -> dict[str, Any]:
    return {
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [],
        "response_types": [],
        "grant_types": [],
        "token_endpoint_auth_method": how,
    }
