"""The routes of several accounts in one browser."""

from typing import Any

from fastapi import APIRouter, Request, Response

from coatcheck.api.documentation import BAD_ID, ELSEWHERE, IMPERSONATED, NO_ACCOUNT, OUTAGE, UNSAFE, documented
from coatcheck.api.models import EndedSessions, Id, SignedInAccount, SignedInAccounts, SignedInUser
from coatcheck.api.problems import DeviceRoute
from coatcheck.asgi import AsyncAccounts, context_of

_ANYBODY: dict[str, Any] = {"security": [{}, {"session": []}]}


def account_routes() -> APIRouter:
    """Return the routes of the accounts of this browser; a browser without any is answered, too."""
    router = APIRouter(route_class=DeviceRoute)
    router.add_api_route(
        "/session/accounts",
        _list_accounts,
        operation_id="list_accounts",
        summary="The accounts of this browser",
        response_description="The accounts, the active one first.",
        responses=documented(ELSEWHERE, OUTAGE),
        openapi_extra=_ANYBODY,
    )
    router.add_api_route(
        "/session/accounts/sign-out",
        _sign_out_of_all,
        methods=["POST"],
        operation_id="sign_out_of_all_accounts",
        summary="Sign out of all accounts of this browser",
        response_description="Nobody is signed in any more, or was.",
        responses=documented(ELSEWHERE, *UNSAFE),
        openapi_extra=_ANYBODY,
    )
    router.add_api_route(
        "/session/accounts/{id}/switch",
        _switch,
        methods=["POST"],
        operation_id="switch_account",
        summary="Go on as another account",
        response_description="Who is signed in from now on, under a new cookie.",
        responses=documented(NO_ACCOUNT, BAD_ID, ELSEWHERE, *UNSAFE, IMPERSONATED),
        openapi_extra=_ANYBODY,
    )
    router.add_api_route(
        "/session/accounts/{id}",
        _sign_out,
        methods=["DELETE"],
        operation_id="sign_out_of_account",
        summary="Sign out of one account of this browser",
        status_code=204,
        response_description="The session has ended. If it was the active one, nobody is signed in until a switch.",
        responses=documented(NO_ACCOUNT, BAD_ID, ELSEWHERE, *UNSAFE),
        openapi_extra=_ANYBODY,
    )
    return router


def _accounts(request: Request) -> AsyncAccounts:
    return AsyncAccounts(context_of(request.scope))


async def _list_accounts(request: Request) -> SignedInAccounts:
    """List the accounts that are signed in in this browser, the active one first."""
    listed = await _accounts(request).list()
    return SignedInAccounts(accounts=[SignedInAccount(**account._asdict()) for account in listed])


async def _switch(request: Request, id: Id) -> SignedInUser:  # noqa: A002
    """Go on as another account of this browser; the one that was active waits."""
    return SignedInUser.of(await _accounts(request).switch(id))


async def _sign_out(request: Request, id: Id) -> Response:  # noqa: A002
    """Sign out of one account of this browser, everywhere at once."""
    await _accounts(request).sign_out(id)
    return Response(status_code=204)


async def _sign_out_of_all(request: Request) -> EndedSessions:
    """Sign out of all accounts of this browser, everywhere at once; also fine when there are none."""
    return EndedSessions(ended=await _accounts(request).sign_out_all())
