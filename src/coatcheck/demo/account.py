"""Signing up, in and out, proving again who one is, and deleting the account."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from coatcheck import Session
from coatcheck.demo.answered import ask
from coatcheck.demo.forms import WRONG_CREDENTIALS, WRONG_PASSWORD, email_of, errors_of, sign_up_of
from coatcheck.demo.rendering import demo_of, go, page
from coatcheck.demo.users import EmailTaken
from coatcheck.fastapi import CurrentSession, recent_auth, rotate, safe_next, sign_in, sign_out

router = APIRouter()

Field = Annotated[str, Form()]
"""A field of a form; what is missing counts as empty, and gets its message like anything else."""

NextField = Annotated[str, Form(alias="next")]
NextPage = Annotated[str, Query(alias="next")]
"""Where to go afterwards; whoever uses it sees to it that this is a page of this site."""

Recent = Annotated[Session, recent_auth(timedelta(minutes=15))]
"""The session of a user who has proved in the last 15 minutes who they are."""

_WRONG = 422


@router.get("/sign-up")
async def sign_up_page(request: Request) -> Response:
    """Show the form for a new account."""
    return await page(request, "sign_up.html", values={}, errors={})


@router.post("/sign-up")
async def sign_up(request: Request, name: Field = "", email: Field = "", password: Field = "") -> Response:
    """Create an account and sign in to it."""
    form = sign_up_of(name, email, password)
    errors = errors_of(form)
    if not errors:
        try:
            user_id = await demo_of(request).users.add(*form)
        except EmailTaken:
            errors["email"] = "There is an account with this email address already."
        else:
            await sign_in(request, user_id)
            return go("/signed-in")
    shown = {"name": form.name[:200], "email": form.email[:400]}
    return await page(request, "sign_up.html", status=_WRONG, values=shown, errors=errors)


@router.get("/sign-in")
async def sign_in_page(request: Request, next_page: NextPage = "") -> Response:
    """Show the form to sign in."""
    return await page(request, "sign_in.html", values={}, errors={}, next=safe_next(next_page))


@router.post("/sign-in")
async def sign_in_by_password(
    request: Request,
    email: Field = "",
    password: Field = "",
    remember: Field = "",
    next_page: NextField = "",
) -> Response:
    """Begin a session; which of address and password was wrong is not said."""
    user_id = await demo_of(request).users.authenticate(email_of(email), password)
    if user_id is None:
        shown = {"email": email[:400], "remember": remember}
        errors = {"email": WRONG_CREDENTIALS}
        return await page(
            request, "sign_in.html", status=_WRONG, values=shown, errors=errors, next=safe_next(next_page)
        )
    await sign_in(request, user_id, remember=bool(remember))
    return go("/signed-in", next=safe_next(next_page))


@router.get("/signed-in")
async def signed_in(request: Request, next_page: NextPage = "") -> Response:
    """Go on after signing in, or say that the browser has kept no cookie, which nothing else would."""
    answered = await ask(request)
    if answered.answer:
        return go(safe_next(next_page))
    if answered.ended:
        return go("/")
    return await page(request, "no_cookie.html", status=401)


@router.post("/sign-out")
async def sign_out_here(request: Request) -> Response:
    """End the session, and take back the cookie, that of an ended session too."""
    await sign_out(request)
    return go("/", said="signed-out")


@router.get("/confirm")
async def confirm_page(request: Request, _: CurrentSession, next_page: NextPage = "") -> Response:
    """Ask for the password again."""
    return await page(request, "confirm.html", errors={}, next=safe_next(next_page))


@router.post("/confirm")
async def confirm(
    request: Request,
    session: CurrentSession,
    password: Field = "",
    next_page: NextField = "",
) -> Response:
    """Note that the user has proved again who they are; the session gets a new token with that."""
    if not await demo_of(request).users.is_password_of(session.user_id or "", password):
        errors = {"password": WRONG_PASSWORD}
        return await page(request, "confirm.html", status=_WRONG, errors=errors, next=safe_next(next_page))
    await rotate(request, reauthenticated=True)
    return go(safe_next(next_page))


@router.get("/account/delete")
async def delete_page(request: Request, _: Recent) -> Response:
    """Ask whether the account shall go."""
    return await page(request, "delete.html")


@router.post("/account/delete")
async def delete(request: Request, session: Recent) -> Response:
    """Delete the account; the database itself ends all its sessions."""
    await demo_of(request).users.delete(session.user_id or "")
    await sign_out(request)  # nothing is left to end, but the browser still has its cookie
    return go("/", said="deleted")
