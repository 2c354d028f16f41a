"""The pages of the site under test: what `tests/integrations/contract.py` asks for, and what is Django's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth import alogin, alogout, login, logout
from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from coatcheck.django import verbs
from tests.django.site import held, release

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def shown(data: dict[str, Any], user: Any) -> HttpResponse:
    own = {key: value for key, value in data.items() if not key.startswith("_")}
    return JsonResponse({**own, **({"user": user.username} if user.is_authenticated else {})})


# --- for threads


def look(request: HttpRequest, way: str) -> HttpResponse:
    session = request.session
    ways: dict[str, Callable[[], object]] = {
        "get": lambda: session.get("a"),
        "in": lambda: "a" in session,
        "key": lambda: session.session_key,
        "keys": lambda: list(session.keys()),
        "user": lambda: request.user.is_authenticated,
        "current": lambda: verbs.current_session(request),
    }
    ways[way]()
    return HttpResponse(way)


def show_all(request: HttpRequest) -> HttpResponse:
    return shown(dict(request.session.items()), request.user)


def sign_in(request: HttpRequest, user: str) -> HttpResponse:
    login(request, User.objects.get(username=user))
    return HttpResponse(user)


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def clear(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("cleared")


def set_key(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session[key] = value
    return HttpResponse(value)


def hold(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session.get(key)
    held.release()
    release.acquire()
    return set_key(request, key, value)


# --- for event loops


async def alook(request: HttpRequest, way: str) -> HttpResponse:
    session = request.session
    if way == "get":
        await session.aget("a")
    elif way == "in":
        await session.ahas_key("a")
    elif way == "key":
        _ = session.session_key
    elif way == "keys":
        list(await session.akeys())
    elif way == "user":
        await request.auser()
    else:
        await verbs.acurrent_session(request)
    return HttpResponse(way)


async def ashow_all(request: HttpRequest) -> HttpResponse:
    return shown(dict(await request.session.aitems()), await request.auser())


async def asign_in(request: HttpRequest, user: str) -> HttpResponse:
    await alogin(request, await User.objects.aget(username=user))
    return HttpResponse(user)


async def asign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("out")


async def aclear(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse("cleared")


async def aset_key(request: HttpRequest, key: str, value: str) -> HttpResponse:
    await request.session.aset(key, value)
    return HttpResponse(value)


async def ahold(request: HttpRequest, key: str, value: str) -> HttpResponse:
    await request.session.aget(key)
    held.release()
    await sync_to_async(release.acquire, thread_sensitive=False)()
    return await aset_key(request, key, value)


def routes(*views: Any) -> list[Any]:
    look, show_all, sign_in, sign_out, clear, set_key, hold = views
    return [
        path("plain", plain),
        path("look/<way>", look),
        path("all", show_all),
        path("sign-in/<user>", sign_in),
        path("sign-out", sign_out),
        path("clear", clear),
        path("set/<key>/<value>", set_key),
        path("hold/<key>/<value>", hold),
    ]


urlpatterns = [
    path("admin/", admin.site.urls),
    path("a/", include(routes(alook, ashow_all, asign_in, asign_out, aclear, aset_key, ahold))),
    path("", include(routes(look, show_all, sign_in, sign_out, clear, set_key, hold))),
]
