"""Pages for browsers with several sessions: acting as another user, and several accounts; for threads and for loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.urls import path

from coatcheck.django import Accounts, Acting, acurrent_session, current_session, own_session_required
from coatcheck.django.session_set import session_set

if TYPE_CHECKING:
    from django.http import HttpRequest


def act(request: HttpRequest, user: str) -> HttpResponse:
    """Act as another user; whether they may is not asked here."""
    begun = Acting(request).begin(User.objects.get(username=user), reason="case 17")
    return JsonResponse({"user": request.user.get_username(), "actor": begun.actor_id, "id": begun.id})


def back(request: HttpRequest) -> HttpResponse:
    Acting(request).end()
    return JsonResponse({"user": request.user.get_username()})


def noted_and_act(request: HttpRequest, user: str) -> HttpResponse:
    """Change the session that is left, and the one that is begun."""
    request.session["note"] = "of who acts"
    Acting(request).begin(User.objects.get(username=user), reason="case 17")
    request.session["case"] = 17
    return HttpResponse("")


def act_and_fail(request: HttpRequest, user: str) -> HttpResponse:
    Acting(request).begin(User.objects.get(username=user), reason="case 17")
    return HttpResponse("", status=500)


def act_and_undo(request: HttpRequest, user: str) -> HttpResponse:
    """Begin inside of a transaction that is undone, whatever the answer says."""
    with transaction.atomic():
        Acting(request).begin(User.objects.get(username=user), reason="case 17")
        transaction.set_rollback(True)
    return HttpResponse("")


def who(request: HttpRequest) -> HttpResponse:
    session = current_session(request)
    verified = get_user(request).get_username()
    return JsonResponse(
        {"user": request.user.get_username(), "verified": verified, "actor": session.actor_id if session else None}
    )


@own_session_required
def password(request: HttpRequest) -> HttpResponse:
    """Be for the user alone."""
    return HttpResponse("")


def end_others(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": session_set(request.user).end_others(request)})


def expiry(request: HttpRequest) -> HttpResponse:
    request.session.set_expiry(86400)
    return HttpResponse("")


def listed(request: HttpRequest) -> HttpResponse:
    return JsonResponse([account._asdict() for account in Accounts(request).list()], safe=False)


def add(request: HttpRequest, user: str) -> HttpResponse:
    Accounts(request).add(User.objects.get(username=user))
    return JsonResponse({"user": request.user.get_username()})


def switch(request: HttpRequest, session_id: str) -> HttpResponse:
    Accounts(request).switch(session_id)
    return JsonResponse({"user": request.user.get_username()})


def leave(request: HttpRequest, session_id: str) -> HttpResponse:
    Accounts(request).sign_out(session_id)
    return HttpResponse("")


def leave_all(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": Accounts(request).sign_out_all()})


# --- for event loops


async def _found(user: str) -> Any:
    return await User.objects.aget(username=user)


async def _name(request: HttpRequest) -> str:
    """Return who it is by both ways in which Django tells it."""
    user = await request.auser()
    assert user == request.user
    return user.get_username()


async def aact(request: HttpRequest, user: str) -> HttpResponse:
    begun = await Acting(request).abegin(await _found(user), reason="case 17")
    return JsonResponse({"user": await _name(request), "actor": begun.actor_id, "id": begun.id})


async def aback(request: HttpRequest) -> HttpResponse:
    await Acting(request).aend()
    return JsonResponse({"user": await _name(request)})


async def anoted_and_act(request: HttpRequest, user: str) -> HttpResponse:
    await request.session.aset("note", "of who acts")
    await Acting(request).abegin(await _found(user), reason="case 17")
    await request.session.aset("case", 17)
    return HttpResponse("")


async def aact_and_fail(request: HttpRequest, user: str) -> HttpResponse:
    await Acting(request).abegin(await _found(user), reason="case 17")
    return HttpResponse("", status=500)


async def aact_and_undo(request: HttpRequest, user: str) -> HttpResponse:
    return await sync_to_async(act_and_undo)(request, user)


async def awho(request: HttpRequest) -> HttpResponse:
    session = await acurrent_session(request)
    user = await request.auser()
    return JsonResponse(
        {"user": user.get_username(), "verified": user.get_username(), "actor": session.actor_id if session else None}
    )


@own_session_required
async def apassword(request: HttpRequest) -> HttpResponse:
    return HttpResponse("")


async def aend_others(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": await session_set(await request.auser()).aend_others(request)})


async def aexpiry(request: HttpRequest) -> HttpResponse:
    await request.session.aset_expiry(86400)
    return HttpResponse("")


async def alisted(request: HttpRequest) -> HttpResponse:
    return JsonResponse([account._asdict() for account in await Accounts(request).alist()], safe=False)


async def aadd(request: HttpRequest, user: str) -> HttpResponse:
    await Accounts(request).aadd(await _found(user))
    return JsonResponse({"user": await _name(request)})


async def aswitch(request: HttpRequest, session_id: str) -> HttpResponse:
    await Accounts(request).aswitch(session_id)
    return JsonResponse({"user": await _name(request)})


async def aleave(request: HttpRequest, session_id: str) -> HttpResponse:
    await Accounts(request).asign_out(session_id)
    return HttpResponse("")


async def aleave_all(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": await Accounts(request).asign_out_all()})


PATHS = (
    "act/<user>",
    "back",
    "noted-and-act/<user>",
    "act-and-fail/<user>",
    "act-and-undo/<user>",
    "who",
    "password",
    "end-others",
    "expiry",
    "accounts",
    "accounts/add/<user>",
    "accounts/switch/<session_id>",
    "accounts/out/<session_id>",
    "accounts/out",
)

FOR_THREADS = (
    *(act, back, noted_and_act, act_and_fail, act_and_undo, who, password, end_others, expiry),
    *(listed, add, switch, leave, leave_all),
)
FOR_LOOPS = (
    *(aact, aback, anoted_and_act, aact_and_fail, aact_and_undo, awho, apassword, aend_others, aexpiry),
    *(alisted, aadd, aswitch, aleave, aleave_all),
)


def routes(*views: Any) -> list[Any]:
    return [path(route, view) for route, view in zip(PATHS, views, strict=True)]
