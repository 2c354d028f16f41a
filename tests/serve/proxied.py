"""A proxy with a gate and a plain application behind it, and a client in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from coatcheck import Impersonation, Sessions
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.serve.proxies import configuration

if TYPE_CHECKING:
    from tests.servers.gate import ServedGate

KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"
OLD_KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
SERVICE_KEY = "mZ4rT8wQ1xV6bN3cJ7kL0pS5dF9gH2yU-internal"
COOKIE = "__Host-session"
NGINX = {"listen 80;": "listen 127.0.0.1:{port};", "server_name shop.example.org;": "server_name _;"}
CADDY = {"shop.example.org {": "http://127.0.0.1:{port} {"}
PAGE = {"Accept": "text/html,application/xhtml+xml"}
FORGED = {
    "X-Coatcheck-User": "root",
    "x-coatcheck-session": "forged",
    "X-Coatcheck-Email": "root@example.org",
    "X_Coatcheck_User": "root",
    "X-Coatcheck_Role": "admin",
    "X-Coatcheck-Scopes": "admin",
    "X-Coatcheck-Actor": "eve",
    "X-Coatcheck_Actor": "eve",
    "X-Coatcheck-Sign-In": "https://evil.example/",
}


def printed(proxy: str, gate: ServedGate, application: int, changes: dict[str, str], **options: Any) -> str:
    """Return what `--print-config` prints, with what a user has to change in it changed."""
    text = configuration(proxy, ServeOptions(**options), "127.0.0.1", gate.port)
    for what, instead in {"127.0.0.1:3000": f"127.0.0.1:{application}", **changes}.items():
        assert what in text, what
        text = text.replace(what, instead)
    return text


class Client:
    """A client of a site behind a proxy."""

    def __init__(self, address: str, store: str) -> None:
        self.address = address
        self.http = httpx2.Client(base_url=address, timeout=30)
        self.sessions = Sessions(store, keys=[KEY])

    def close(self) -> None:
        self.http.close()
        self.sessions.close()

    def sign_in(self, user: str = "ada", **how: Any) -> dict[str, str]:
        """Begin a session, as the sign-in page does, and return the headers of who has it."""
        return {"Cookie": f"{COOKIE}={self.sessions.create(user, **how).token.reveal()}"}

    def act(self, actor: str, user: str) -> dict[str, str]:
        """Let somebody act as a user, and return the headers of who does."""
        begun = Impersonation(self.sessions).begin(self.sessions.create(actor).session, user, reason="case 17")
        assert begun
        return {"Cookie": f"{COOKIE}={begun.token.reveal()}"}

    def heard(self, path: str, headers: dict[str, str], method: str = "GET", **more: Any) -> dict[str, Any]:
        """Return what the application was asked, which has to be asked."""
        answer = self.http.request(method, path, headers=headers, **more)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        heard: dict[str, Any] = answer.json()
        return heard


def identity_in(heard: dict[str, Any]) -> dict[str, str]:
    """Return all that an application could take for an identity header, in whatever spelling."""
    return {name: value for name, value in heard["headers"] if "coatcheck" in name.lower()}
