"""A stand-in for Appwrite, scripted for states that a mock of its description cannot hold.

It speaks HTTP over real sockets and keeps users and sessions as Appwrite 1.8.1 does, as far as its account API shows
them: the cookie's value, the types of errors, and that a JWT has no current session.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import threading
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = "shop"
_KEY = b"the key of this Appwrite, which nobody else has"
_PATH = "/v1/account"


class Refused(Exception):
    """An answer that is an error of Appwrite's."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind


class Asked(NamedTuple):
    """A request that has come."""

    method: str
    path: str
    headers: dict[str, str]


class Said(NamedTuple):
    """What is answered."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


CUT = Said(0)
"""No answer: the connection is cut."""


@dataclass
class Account:
    """A user."""

    id: str
    blocked: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    born: datetime = datetime(2020, 10, 15, 6, 38, tzinfo=UTC)

    def body(self) -> dict[str, Any]:
        """Return the user as Appwrite shows one to itself."""
        born = shown(self.born)
        return {
            "$id": self.id,
            "$createdAt": born,
            "$updatedAt": born,
            "name": self.id.title(),
            "password": "$argon2id$v=19$hash-of-the-password",
            "hash": "argon2",
            "hashOptions": {"type": "argon2"},
            "registration": born,
            "status": not self.blocked,
            "labels": ["vip"],
            "passwordUpdate": born,
            "email": f"{self.id}@example.com",
            "phone": "",
            "emailVerification": True,
            "phoneVerification": False,
            "mfa": False,
            "prefs": {"theme": "pink"},
            "targets": [],
            "accessedAt": born,
            **self.changes,
        }


@dataclass
class Issued:
    """A session."""

    id: str
    user_id: str
    created: datetime
    expires: datetime
    hash: bytes
    changes: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the session as Appwrite shows it to its user."""
        return {
            "$id": self.id,
            "$createdAt": shown(self.created),
            "$updatedAt": shown(self.created),
            "userId": self.user_id,
            "expire": shown(self.expires),
            "provider": "email",
            "providerUid": f"{self.user_id}@example.com",
            "providerAccessToken": "access-token-of-another-service",
            "providerAccessTokenExpiry": "",
            "providerRefreshToken": "refresh-token-of-another-service",
            "ip": "192.0.2.7",
            "clientName": "Firefox",
            "osName": "Linux",
            "countryCode": "de",
            "current": True,
            "factors": ["password"],
            "secret": "",
            "mfaUpdatedAt": "",
            **self.changes,
        }


def shown(moment: datetime) -> str:
    """Return a time as Appwrite writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


class Appwrite:
    """One project of Appwrite. As a context manager it listens.

    Args:
        now: The time there.

    Attributes:
        asked: The requests that have come.
        answer: What is answered instead of the truth, where that is not None; called with each request.
        during: Called with each request before it is answered, for what happens meanwhile.
        blocked_status: What a blocked user gets: 401 from Appwrite 1.8, 403 from 1.9.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._ids = itertools.count(1)
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Issued] = {}
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Said | None] = lambda _: None
        self.during: Callable[[Asked], None] = lambda _: None
        self.blocked_status = 401
        outer = self

        class Handler(_Handler):
            appwrite = outer

        self._server = _Listening(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- what happens there

    def sign_in(self, user_id: str = "ada", *, lasts: timedelta = timedelta(days=365)) -> str:
        """Begin a session, and return what Appwrite puts into its cookie, as it is before it is percent-encoded."""
        self.accounts.setdefault(user_id, Account(user_id))
        secret = secrets.token_hex(32)
        now = self._now()
        issued = Issued(f"session{next(self._ids)}", user_id, now, now + lasts, _hash(secret))
        self.sessions[issued.id] = issued
        return b64encode(json.dumps({"id": user_id, "secret": secret}).encode()).decode()

    def jwt(self, secret: str, *, lasts: timedelta = timedelta(minutes=15), **claims: Any) -> str:
        """Return a JWT of `account.createJWT`."""
        issued = self.found(secret)
        payload = {"userId": issued.user_id, "sessionId": issued.id, "exp": int((self._now() + lasts).timestamp())}
        return signed({**payload, **claims})

    def found(self, secret: str) -> Issued:
        """Return the session of a secret.

        Raises:
            Refused: There is none.
        """
        try:
            known = json.loads(b64decode(secret))
            mine = [each for each in self.sessions.values() if each.user_id == known["id"]]
            return next(each for each in mine if each.hash == _hash(known["secret"]) and each.expires >= self._now())
        except (ValueError, LookupError, TypeError, StopIteration):
            raise Refused(401, "general_unauthorized_scope") from None

    def end(self, secret: str) -> None:
        """End a session, as its user does somewhere else."""
        del self.sessions[self.found(secret).id]

    def change_password(self, user_id: str) -> None:
        """End every session of a user, as a project can be set to do."""
        self.sessions = {key: each for key, each in self.sessions.items() if each.user_id != user_id}

    def block(self, user_id: str) -> None:
        """Block a user; the sessions stay."""
        self.accounts[user_id].blocked = True

    # --- what is answered

    def reply(self, asked: Asked) -> Said:
        """Answer a request."""
        self.asked.append(asked)
        self.during(asked)
        if (said := self.answer(asked)) is not None:
            return said
        try:
            return self._truth(asked)
        except Refused as refused:
            return error(refused.status, refused.kind)

    def _truth(self, asked: Asked) -> Said:
        if asked.headers.get("x-appwrite-project") != PROJECT:
            raise Refused(404, "project_not_found")
        account, current = self._who(asked)
        if account.blocked:
            raise Refused(self.blocked_status, "user_blocked")
        if (asked.method, asked.path) == ("GET", _PATH):
            return Said(200, json.dumps(account.body()).encode())
        if not asked.path.startswith(f"{_PATH}/sessions/"):
            raise Refused(404, "general_route_not_found")
        session_id = asked.path.rpartition("/")[2]
        issued = self.sessions.get(current if session_id == "current" else session_id)
        if issued is None or issued.user_id != account.id:
            raise Refused(404, "user_session_not_found")
        if asked.method == "GET":
            return Said(200, json.dumps(issued.body()).encode())
        del self.sessions[issued.id]
        names = [f"a_session_{PROJECT}_legacy", f"a_session_{PROJECT}"] if issued.id == current else []
        return Said(204, headers=tuple(("Set-Cookie", _deleted(name)) for name in names))

    def _who(self, asked: Asked) -> tuple[Account, str]:
        if jwt := asked.headers.get("x-appwrite-jwt"):
            claims = _verified(jwt, self._now())
            if claims["sessionId"] not in self.sessions:
                raise Refused(401, "general_unauthorized_scope")
            return self.accounts[claims["userId"]], ""
        issued = self.found(asked.headers.get("x-appwrite-session", ""))
        return self.accounts[issued.user_id], issued.id


def error(status: int, kind: str, *headers: tuple[str, str]) -> Said:
    """Return an error of Appwrite's."""
    body = {"message": f"about {kind}", "code": status, "type": kind, "version": "1.8.1"}
    return Said(status, json.dumps(body).encode(), headers)


def signed(claims: dict[str, Any]) -> str:
    """Return a JWT with Appwrite's signature."""
    parts = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    return f"{parts}.{_encoded(hmac.digest(_KEY, parts.encode(), 'sha256'))}"


def _verified(jwt: str, now: datetime) -> dict[str, Any]:
    parts, _, signature = jwt.rpartition(".")
    payload = parts.partition(".")[2]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if not hmac.compare_digest(_encoded(hmac.digest(_KEY, parts.encode(), "sha256")), signature):
        raise Refused(401, "user_jwt_invalid")
    if claims["exp"] <= now.timestamp():
        raise Refused(401, "user_jwt_invalid")
    return claims


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _deleted(name: str) -> str:
    return f"{name}=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/; domain=.example.com; secure; httponly"


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    appwrite: Appwrite
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self.appwrite.reply(Asked(self.command, self.path, headers))
        if said is CUT:
            self.close_connection = True
            return
        self.send_response(said.status)
        for name, value in said.headers:
            self.send_header(name, value)
        if said.status != 204:
            self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    do_DELETE = do_GET  # noqa: N815 - as it is called there

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called there
        """Say nothing."""
