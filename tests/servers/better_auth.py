"""A real Better Auth server on Node, and a visitor with a browser's cookies."""

from __future__ import annotations

import json
import shutil
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import httpx2

from tests.servers.server import Server
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET = "nT2pX0u9aQe7Lr4sVb6yHc1kWd8mZf3g"
PASSWORD = "a good password"

_SCRIPT = Path(__file__).with_suffix(".mjs")
_PACKAGES = Path(__file__).parents[2] / "node_modules"


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        missing("node is not installed")
    if not (_PACKAGES / "better-auth").exists():
        missing("better-auth is not installed: npm ci")
    return node


class BetterAuth(Server):
    """One Better Auth server; its tables are made when it starts.

    Args:
        database: `postgresql://…`, or the path of a SQLite file; by default one in its folder.
        secret: What it signs its cookies with.
        base_path: Where its API is.
        base_url: The address that it believes to have.
        cookie_prefix: What its cookies' names begin with.
        secure_cookies: Whether their names have `__Secure-` before that.
        cookie_cache: Whether it puts session and user into a cookie for five minutes.
        expires_in: Seconds that a session lives.
        update_age: Seconds after which its use extends it.
        two_factor: Whether it has the plugin.
        bearer: Whether it has the plugin.
        admin: Whether it has the plugin, which bans users.
        multi_session: Whether it has the plugin, by which a browser has several sessions at once.
        rate_limit: Its limit, as `{"window": 10, "max": 100}`; none by default.
        trusted_origins: Origins besides its own.
    """

    name: ClassVar[str] = "better-auth"

    def __init__(
        self,
        database: str | None = None,
        *,
        secret: str = SECRET,
        base_path: str = "/api/auth",
        base_url: str | None = None,
        cookie_prefix: str = "better-auth",
        secure_cookies: bool = False,
        cookie_cache: bool = False,
        expires_in: int = 7 * 86_400,
        update_age: int = 86_400,
        two_factor: bool = False,
        bearer: bool = False,
        admin: bool = False,
        multi_session: bool = False,
        rate_limit: Mapping[str, Any] | None = None,
        trusted_origins: Sequence[str] = (),
    ) -> None:
        self._program = _node()
        super().__init__()
        self.database = database or str(self.folder / "auth.db")
        self.cookie = f"{'__Secure-' * secure_cookies}{cookie_prefix}.session_token"
        self.base_path = base_path
        self.options: dict[str, Any] = {
            "database": self.database,
            "secret": secret,
            "base_path": base_path,
            "base_url": base_url,
            "cookie_prefix": cookie_prefix,
            "secure_cookies": secure_cookies,
            "cookie_cache": cookie_cache,
            "expires_in": expires_in,
            "update_age": update_age,
            "two_factor": two_factor,
            "bearer": bearer,
            "admin": admin,
            "multi_session": multi_session,
            "rate_limit": rate_limit,
            "trusted_origins": list(trusted_origins),
        }

    def command(self) -> Sequence[str]:
        """Return the words that start it; options that a test has changed hold from its next start."""
        return [self._program, str(_SCRIPT), json.dumps(self.options | {"port": self.port})]

    def account(self) -> dict[str, Any]:
        return {}  # it does not mind being root

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            self.counts()
        except httpx2.TransportError:
            return False
        return True

    def counts(self) -> dict[str, Any]:
        """Return what it was asked since it was started or `reset`: "requests" for each path, and "queries"."""
        return dict(self._control("counts"))

    @property
    def questions(self) -> int:
        """How often `get-session` was asked."""
        return int(self.counts()["requests"].get(f"{self.base_path}/get-session", 0))

    def reset(self) -> None:
        """Count anew."""
        self._control("reset")

    def fail(self, status: int = 500) -> None:
        """Answer everything with a status, until told `recover`."""
        self._control(f"fail?status={status}")

    def recover(self) -> None:
        """Work again."""
        self._control("fail?status=0")

    def _control(self, what: str) -> Any:
        return httpx2.get(f"{self.url}/test/{what}", timeout=10, trust_env=False).json()

    def visitor(self) -> Visitor:
        """Return a browser, to be closed, that nobody is signed in with."""
        return Visitor(self)


class Visitor:
    """Somebody at Better Auth, with the cookies that they have been given."""

    def __init__(self, server: BetterAuth) -> None:
        self._server = server
        # Names are not looked at by a jar of Python's: it would send no Secure cookie to 127.0.0.1.
        self.cookies: dict[str, str] = {}
        self._client = httpx2.Client(timeout=30, trust_env=False)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """Ask Better Auth as a page of its own would, and keep the cookies of the answer."""
        response = self._client.request(
            method,
            f"{self._server.url}{self._server.base_path}{path}",
            json=body,
            headers={"origin": self._server.options["base_url"] or self._server.url, "cookie": self.header, **headers},
        )
        for line in response.headers.get_list("set-cookie"):
            self.take(line)
        self._client.cookies.clear()
        return response

    def take(self, line: str) -> None:
        """Keep or delete a cookie as a browser does."""
        for name, morsel in SimpleCookie(line).items():
            self.cookies.pop(name, None)
            if morsel["max-age"] != "0":
                self.cookies[name] = morsel.coded_value

    @property
    def header(self) -> str:
        """The Cookie header that the browser sends."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def presented(self) -> str:
        """The value of the session's cookie, as it is sent."""
        return self.cookies[self._server.cookie]

    def post(self, path: str, body: Any = None) -> Any:
        """Ask for a change, which must work, and return the answer."""
        response = self.ask("POST", path, {} if body is None else body)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    def get(self, path: str) -> Any:
        response = self.ask("GET", path)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return response.json()

    def sign_up(self, email: str, **fields: Any) -> dict[str, Any]:
        """Register, which signs in, and return the user."""
        body = {"name": email.partition("@")[0], "email": email, "password": PASSWORD, **fields}
        return dict(self.post("/sign-up/email", body)["user"])

    def sign_in(self, email: str, *, remember: bool = True) -> dict[str, Any]:
        """Sign in with the password, and return the whole answer."""
        return dict(self.post("/sign-in/email", {"email": email, "password": PASSWORD, "rememberMe": remember}))

    def sign_out(self) -> None:
        self.post("/sign-out")

    def revoke_others(self) -> None:
        """End all other sessions of the user."""
        self.post("/revoke-other-sessions")

    def update(self, **fields: Any) -> None:
        """Change the user: `name`, `role`, `tier`, `image`."""
        self.post("/update-user", fields)

    def change_email(self, email: str) -> None:
        self.post("/change-email", {"newEmail": email})

    def delete_user(self) -> None:
        self.post("/delete-user", {"password": PASSWORD})

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
