"""The site that is attacked, in Django: its own `login` and `logout`, and `request.session` on our engine."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings

logging.basicConfig(level=logging.DEBUG)
settings.configure(
    SECRET_KEY=os.environ["KEY"],
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "coatcheck.django",
    ],
    MIDDLEWARE=[
        "coatcheck.django.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "tests.bypasses.sites.on_django.RemoteUser",
    ],
    AUTHENTICATION_BACKENDS=[
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ],
    ROOT_URLCONF="tests.bypasses.sites.on_django",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    SESSION_ENGINE="coatcheck.django.sessions",
    SESSION_SAVE_EVERY_REQUEST=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, login, logout, update_session_auth_hash  # noqa: E402
from django.contrib.auth.middleware import PersistentRemoteUserMiddleware  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from coatcheck.django import verbs  # noqa: E402
from tests.bypasses.sites.waiting import wait  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


class RemoteUser(PersistentRemoteUserMiddleware):
    """Whoever the web server says is there; persistent, as the advisory's sites have it."""

    header = "HTTP_X_REMOTE_USER"


LOOKS: dict[str, Callable[[Any], object]] = {
    "get": lambda session: session.get("secret"),
    "in": lambda session: "secret" in session and session["secret"],
    "len": lambda session: len(session.keys()) and dict(session.items()),
    "bool": lambda session: session.session_key and dict(session.items()),
    "iteration": lambda session: list(session.items()),
}


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def look(request: HttpRequest, way: str) -> HttpResponse:
    return HttpResponse(repr(LOOKS[way](request.session)), headers={"Cache-Control": "public, max-age=60"})


def me(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return HttpResponse("", status=401)
    return HttpResponse(request.user.get_username())


def show(request: HttpRequest) -> HttpResponse:
    return JsonResponse({key: value for key, value in request.session.items() if not key.startswith("_")})


def change(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session[key] = value
    return HttpResponse("")


def hold(request: HttpRequest, name: str, key: str, value: str) -> HttpResponse:
    request.session.get(key)
    wait(name)
    return change(request, key, value)


def enter(request: HttpRequest, user: str) -> HttpResponse:
    found, _ = User.objects.get_or_create(username=user)
    login(request, found, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("")


def step_up(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(pk=request.user.pk), backend=request.session[BACKEND_SESSION_KEY])
    return HttpResponse("")


def privileges(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse("")


def leave(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("")


def flush(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("")


def password(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(pk=request.user.pk)
    user.set_password("another one")
    user.save()
    update_session_auth_hash(request, user)
    verbs.revoke_others(request)
    return HttpResponse("")


def devices(request: HttpRequest) -> HttpResponse:
    session = verbs.require_session(request)
    return JsonResponse([{"id": session.id, "agent": session.user_agent, "ip": session.ip}], safe=False)


urlpatterns = [
    path("plain", plain),
    path("look/<way>", look),
    path("me", me),
    path("all", show),
    path("devices", devices),
    path("set/<key>/<value>", change),
    path("hold/<name>/<key>/<value>", hold),
    path("in/<user>", enter),
    path("step-up", step_up),
    path("privileges", privileges),
    path("out", leave),
    path("flush", flush),
    path("password", password),
]

if not os.path.exists(os.environ["DATABASE"]):  # noqa: PTH110 - once, by the process that forks the others
    from django.core.management import call_command

    call_command("migrate", verbosity=0)

app = get_wsgi_application()
