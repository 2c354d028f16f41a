"""The pages of the site under test: what the suite for integrations asks for, and what is Django's own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import alogin, alogout, login, logout
from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from coatcheck.django import verbs
from coatcheck.django.running import running
from tests.django import several
from tests.django.site import pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

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


def step_up(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(pk=request.user.pk))
    return HttpResponse("the same user")


def privileges(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse("more")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def clear(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("cleared")


def set_key(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session[key] = value
    return HttpResponse(value)


def end(request: HttpRequest, user: str) -> HttpResponse:
    verbs.require_session(request)
    ended = running.sessions().revoke_user(str(User.objects.get(username=user).pk))
    return HttpResponse(str(ended))


def hold(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session.get(key)
    pause.wait()
    return set_key(request, key, value)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    verbs.require_session(request)

    def beats(name: str) -> Iterator[str]:
        yield name
        while True:
            time.sleep(0.01)
            yield "."

    return StreamingHttpResponse(beats(request.user.get_username()))


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


async def astep_up(request: HttpRequest) -> HttpResponse:
    await alogin(request, await User.objects.aget(pk=(await request.auser()).pk))
    return HttpResponse("the same user")


async def aprivileges(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    return HttpResponse("more")


async def asign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("out")


async def aclear(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse("cleared")


async def aset_key(request: HttpRequest, key: str, value: str) -> HttpResponse:
    await request.session.aset(key, value)
    return HttpResponse(value)


async def aend(request: HttpRequest, user: str) -> HttpResponse:
    await verbs.arequire_session(request)
    other = await User.objects.aget(username=user)
    return HttpResponse(str(await (await running.async_sessions()).revoke_user(str(other.pk))))


async def ahold(request: HttpRequest, key: str, value: str) -> HttpResponse:
    await request.session.aget(key)
    await asyncio.to_thread(pause.wait)
    return await aset_key(request, key, value)


async def astream(request: HttpRequest) -> StreamingHttpResponse:
    await verbs.arequire_session(request)
    silent = request.path.endswith("/silence")

    async def beats(name: str) -> AsyncIterator[str]:
        yield name
        while True:
            await asyncio.sleep(3600 if silent else 0.01)
            yield "."

    return StreamingHttpResponse(beats((await request.auser()).get_username()))


PATHS = (
    "look/<way>",
    "all",
    "sign-in/<user>",
    "step-up",
    "privileges",
    "sign-out",
    "clear",
    "set/<key>/<value>",
    "hold/<key>/<value>",
    "end/<user>",
    "stream",
)


def routes(*views: Any) -> list[Any]:
    return [path("plain", plain), *(path(route, view) for route, view in zip(PATHS, views, strict=True))]


urlpatterns = [
    path("admin/", admin.site.urls),
    path(
        "a/",
        include(
            [
                path("silence", astream),
                *several.routes(*several.FOR_LOOPS),
                *routes(
                    alook, ashow_all, asign_in, astep_up, aprivileges, asign_out, aclear, aset_key, ahold, aend, astream
                ),
            ]
        ),
    ),
    path("", include(several.routes(*several.FOR_THREADS))),
    path(
        "", include(routes(look, show_all, sign_in, step_up, privileges, sign_out, clear, set_key, hold, end, stream))
    ),
]
