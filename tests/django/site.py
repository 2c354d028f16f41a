"""A site of Django's on our engine, once for each process of tests: for threads, and below /a for event loops."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.conf import settings

from coatcheck.testing.browsers import Browser, Pause
from coatcheck.testing.servers import ASGIServer, WSGIServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from coatcheck.testing.browsers import Answer, Stream, StreamServer
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

FOLDER = Path(tempfile.mkdtemp(prefix="coatcheck-django-"))
DATABASE = FOLDER / "site.db"
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

if not settings.configured:
    settings.configure(
        SECRET_KEY="a key for tests",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "coatcheck.django",
        ],
        MIDDLEWARE=[
            "coatcheck.django.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ROOT_URLCONF="tests.django.urls",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATABASE)}},
        SESSION_ENGINE="coatcheck.django.sessions",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        STATIC_URL="/static/",
        USE_TZ=True,
    )
    django.setup()

pause = Pause()


def prepared() -> None:
    """Make the tables, once, and empty them."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    if not DATABASE.exists():
        call_command("migrate", verbosity=0)
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("DELETE FROM coatcheck_sessions")
    User.objects.all().delete()
    for name in ("ann", "bob"):
        User.objects.create_user(name, password="secret")


class Below:
    """A server's answers below a prefix."""

    def __init__(self, server: StreamServer, prefix: str) -> None:
        """Keep both."""
        self._server = server
        self._prefix = prefix

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        return self._server(method, self._prefix + path, headers)

    def stream(self, path: str, headers: dict[str, str]) -> AbstractContextManager[Stream]:
        return self._server.stream(self._prefix + path, headers)


class DjangoSite:
    """The site, below one of its two prefixes."""

    cookie = "sessionid"
    ways = ("get", "in", "key", "keys", "user", "current")
    pause = pause

    def __init__(self, server: StreamServer, prefix: str, valkey: Valkey) -> None:
        """Keep how it is called, and a server that can stop."""
        self._server = Below(server, prefix)
        self._valkey = valkey

    def browser(self) -> Browser:
        return Browser(self._server)

    def sessions(self) -> int:
        with closing(sqlite3.connect(DATABASE)) as connection:
            return int(connection.execute("SELECT count(*) FROM coatcheck_sessions").fetchall()[0][0])

    def revoke(self, user: str) -> None:
        of = "user_id = (SELECT CAST(id AS TEXT) FROM auth_user WHERE username = ?)"
        with closing(sqlite3.connect(DATABASE)) as connection, connection:
            connection.execute(f"DELETE FROM coatcheck_sessions WHERE {of}", (user,))  # noqa: S608 - no value in it

    def contents(self) -> str:
        with closing(sqlite3.connect(DATABASE)) as connection:
            return "\n".join(connection.iterdump())


class SiteOnValkey(DjangoSite):
    """The same on a server that can be stopped."""

    def sessions(self) -> int:
        with self._valkey.client() as client:
            return len(list(client.scan_iter("*:s:*")))

    def contents(self) -> str:
        with self._valkey.client(decode_responses=False) as client:
            hashes = [key for key in sorted(client.scan_iter("*")) if client.type(key) == b"hash"]
            return repr([(key, client.hgetall(key)) for key in hashes])

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._valkey.pause()
        try:
            yield
        finally:
            self._valkey.resume()


PREFIXES = {"wsgi": "", "asgi": "/a"}


@contextmanager
def server(name: str) -> Iterator[StreamServer]:
    """Serve the site in one of two ways."""
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    if name == "wsgi":
        yield WSGIServer(get_wsgi_application())
        return
    with ASGIServer(get_asgi_application()) as serving:
        yield serving


@contextmanager
def on_postgresql(postgresql: PostgreSQL) -> Iterator[str]:
    """Give Django a second database, on a server, with the tables; returns its alias."""
    from django.core.management import call_command
    from django.db import connections
    from django.test import override_settings
    from psycopg.conninfo import conninfo_to_dict

    from coatcheck.django.running import running

    name = postgresql.create_database()
    known = conninfo_to_dict(postgresql.url(name))
    words = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    place = {key: str(known[word]) for key, word in words.items() if word in known}
    connections.settings["server"] = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.postgresql",
        **place,
    }
    try:
        with override_settings(COATCHECK={"database": "server"}):
            call_command("migrate", database="server", verbosity=0)
            yield "server"
            running.reset()
    finally:
        connections["server"].close()
        del connections["server"]
        del connections.settings["server"]
        postgresql.drop_database(name)
