"""The pages: where somebody is signed in, and an end to it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from coatcheck.django import acurrent_session, current_session, recent_auth_required, session_set

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@login_required
def devices(request: HttpRequest) -> HttpResponse:
    """List the user's sessions, and mark this one."""
    here = current_session(request)
    context = {"sessions": session_set(request.user).all(), "here": here and here.id}
    return render(request, "devices.html", context)


@login_required
@require_POST
def end(request: HttpRequest, session_id: str) -> HttpResponse:
    """End one of the user's sessions."""
    session_set(request.user).end(session_id)
    return redirect("/")


@recent_auth_required(within=timedelta(minutes=15))
@require_POST
def end_all(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere, here as well; who has not signed in for a while does so again first."""
    session_set(request.user).end_all()
    return redirect("/")


async def me(request: HttpRequest) -> HttpResponse:
    """Say who is signed in, from an event loop."""
    session = await acurrent_session(request)
    return JsonResponse({"user": session.user_id if session else None, "process": os.getpid()})


urlpatterns = [
    path("", devices),
    path("me", me),
    path("end/<str:session_id>", end),
    path("end-all", end_all),
    path("login", LoginView.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("accounts/login/", LoginView.as_view()),
    path("admin/", admin.site.urls),
]
