"""Applications as they were before: each signs somebody in with its own library, which writes what is then imported."""

from __future__ import annotations

import asyncio
import uuid
import warnings
from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import redis
import redis.asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from litestar import Litestar
    from starlette.requests import Request

CART = {"hat": 2, "price": [9.5, None]}


class Old(ABC):
    """An application on its own library.

    Attributes:
        library: What `coatcheck import` calls it.
        cookie: What its cookie is called.
        user_key: Where it keeps the id of its user.
        keeps_data: Whether it keeps data of the application at all.
    """

    library: ClassVar[str]
    cookie: ClassVar[str] = "session"
    user_key: ClassVar[str] = "user_id"
    keeps_data: ClassVar[bool] = True

    @property
    @abstractmethod
    def arguments(self) -> Sequence[str]:
        """What is typed after `coatcheck import`."""

    @abstractmethod
    def sign_in(self, user_id: str | None, **data: Any) -> str:
        """Sign somebody in, or let a visitor come, and return the value of the cookie."""


def _asked(client: Any, **body: Any) -> str:
    answer = client.post("/begin", json=body)
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.cookies["session"])


class OldStarsessions(Old):
    """Starlette with starsessions, in Valkey."""

    library = "starsessions"

    def __init__(self, url: str, lifetime: int = 3600) -> None:
        self._url = url
        self._lifetime = lifetime

    @property
    def arguments(self) -> Sequence[str]:
        return ("starsessions", "--from", self._url)

    def sign_in(self, user_id: str | None, **data: Any) -> str:
        from starsessions import SessionAutoloadMiddleware, SessionMiddleware
        from starsessions.stores.redis import RedisStore

        async def begin(request: Request) -> JSONResponse:
            request.session.update(await request.json())
            return JSONResponse({})

        connection = redis.asyncio.Redis.from_url(self._url.replace("valkey://", "redis://"))
        settings: Any = {"store": RedisStore(connection=connection), "lifetime": self._lifetime}
        app = Starlette(
            routes=[Route("/begin", begin, methods=["POST"])],
            middleware=[
                Middleware(SessionMiddleware, cookie_https_only=False, **settings),
                Middleware(SessionAutoloadMiddleware),
            ],
        )
        with TestClient(app) as client:
            cookie = _asked(client, **_with_user(data, self.user_key, user_id))
            assert client.portal is not None
            client.portal.call(connection.aclose)
        return cookie


class OldLitestar(Old):
    """Litestar's server-side sessions, in Valkey or in files."""

    library = "litestar"

    def __init__(self, place: str) -> None:
        from litestar import Litestar, post
        from litestar import Request as LitestarRequest
        from litestar.middleware.session.server_side import ServerSideSessionConfig

        self._place = place

        async def begin(request: Any) -> None:
            request.set_session(await request.json())

        begin.__annotations__ = {"request": LitestarRequest[Any, Any, Any], "return": None}  # read at run time
        handler = post("/begin")(begin)
        session = ServerSideSessionConfig().middleware
        self._app: Callable[[], Litestar] = lambda: Litestar(
            [handler], middleware=[session], stores={"sessions": self._store()}
        )

    def _store(self) -> Any:
        from litestar.stores.file import FileStore
        from litestar.stores.redis import RedisStore

        if "://" not in self._place:
            return FileStore(Path(self._place), create_directories=True)
        return RedisStore.with_client(self._place.replace("valkey://", "redis://"))

    @property
    def arguments(self) -> Sequence[str]:
        return ("litestar", "--from", self._place)

    def sign_in(self, user_id: str | None, **data: Any) -> str:
        from litestar.testing import TestClient as LitestarClient

        with LitestarClient(self._app()) as client:
            return _asked(client, **_with_user(data, self.user_key, user_id))


class OldFlaskSession(Old):
    """Flask with Flask-Session, in Valkey or with SQLAlchemy."""

    library = "flask-session"
    user_key = "_user_id"

    def __init__(self, place: str, **settings: Any) -> None:
        from flask import Flask, request, session

        self.database: Any = None
        self._place = place
        self._app = Flask("before")
        self._app.config.update(SESSION_TYPE="redis", SECRET_KEY="a key for tests", **settings)
        if "://" in place and place.startswith(("valkey", "redis")):
            self._app.config["SESSION_REDIS"] = redis.Redis.from_url(place.replace("valkey://", "redis://"))
        else:
            self._use_sqlalchemy(place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module("flask_session").Session(self._app)
        if self.database is not None:
            with self._app.app_context():
                self.database.engine.dispose()

        @self._app.post("/begin")
        def begin() -> dict[str, Any]:
            session.update(request.json or {})
            return {}

    def _use_sqlalchemy(self, place: str) -> None:
        from flask_sqlalchemy import SQLAlchemy

        self._app.config.update(
            SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=place.replace("postgresql://", "postgresql+psycopg://")
        )
        self._app.config["SESSION_SQLALCHEMY"] = self.database = SQLAlchemy(self._app)

    @property
    def arguments(self) -> Sequence[str]:
        return ("flask-session", "--from", self._place)

    def sign_in(self, user_id: str | None, **data: Any) -> str:
        answer = self._app.test_client().post("/begin", json=_with_user(data, self.user_key, user_id))
        assert answer.status_code == 200
        if self.database is not None:
            with self._app.app_context():
                self.database.engine.dispose()
        return str(answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0])


class OldFastAPIUsers(Old):
    """fastapi-users with its database strategy, in its table of access tokens."""

    library = "fastapi-users"
    cookie = "fastapiusersauth"
    keeps_data = False

    def __init__(self, url: str) -> None:
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass

        self._tables: Any = import_module("fastapi_users_db_sqlalchemy.access_token")
        users: Any = import_module("fastapi_users_db_sqlalchemy").SQLAlchemyBaseUserTableUUID
        self._url = url
        self._base = Base
        self._user: Any = type("User", (users, Base), {})
        self._token: Any = type("AccessToken", (self._tables.SQLAlchemyBaseAccessTokenTableUUID, Base), {})

    @property
    def arguments(self) -> Sequence[str]:
        return ("fastapi-users", "--from", self._url, "--lifetime", "1h")

    def sign_in(self, user_id: str | None, **_: Any) -> str:
        return asyncio.run(self._signed_in(str(user_id)))

    async def _signed_in(self, user_id: str) -> str:
        from fastapi_users.authentication.strategy.db import DatabaseStrategy
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

        url = self._url.replace("sqlite://", "sqlite+aiosqlite://").replace("postgresql://", "postgresql+psycopg://")
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(self._base.metadata.create_all)
        async with AsyncSession(engine, expire_on_commit=False) as session:
            user = self._user(id=uuid.UUID(user_id), email=f"{user_id}@example.com", hashed_password="-")
            session.add(user)
            await session.commit()
            database = self._tables.SQLAlchemyAccessTokenDatabase(session, self._token)
            strategy: Any = DatabaseStrategy(database, lifetime_seconds=3600)
            token: str = await strategy.write_token(user)
        await engine.dispose()
        return token


def _with_user(data: Mapping[str, Any], key: str, user_id: str | None) -> dict[str, Any]:
    return dict(data) if user_id is None else {**data, key: user_id}
