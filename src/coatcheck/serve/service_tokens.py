"""The part of the internal API that makes, lists and ends API tokens."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck.api.documentation import documented
from coatcheck.serve import service_errors as errors
from coatcheck.serve.api_tokens import Programs
from coatcheck.serve.service_routes import Refused, service_router
from coatcheck.serve.token_models import EndedTokens, IssuedToken, NewToken, ServiceToken, ServiceTokens
from coatcheck.web.async_authority import Authority, own

_Id = Annotated[str, Path(description="The token's public id.", pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
_User = Annotated[
    str,
    Query(description="Whose tokens they are.", min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
_Limit = Annotated[int, Query(ge=1, le=1000, description="How many to list at most.")]
_Wait = Annotated[bool, Query(description="Whether to answer only when no process can accept it any more.")]
_MAYBE_OFF = (errors.ELSEWHERE, errors.TOKENS_OFF)


class TokenService:
    """The operations on API tokens. To end one takes its owner's id too: back ends hand on what a user names (L14)."""

    def __init__(self, sessions: Authority, programs: Programs | None) -> None:
        """Keep the tokens; None where the gate accepts none."""
        self._sessions = sessions
        self._programs = programs

    def router(self) -> APIRouter:
        """Return the routes."""
        router = service_router()
        router.add_api_route(
            "/tokens",
            self.create,
            methods=["POST"],
            operation_id="create_token",
            summary="Make an API token",
            status_code=201,
            response_description="The token, whose text is shown to its owner now and never again.",
            responses=documented(*errors.BODY, errors.TOKENS_OFF, errors.FULL_OF_TOKENS),
        )
        router.add_api_route(
            "/tokens",
            self.list_them,
            operation_id="list_tokens",
            summary="A user's live API tokens",
            response_description="Newest first, and never their text.",
            responses=documented(errors.PARAMETER, *errors.COMMON, *_MAYBE_OFF),
        )
        router.add_api_route(
            "/tokens",
            self.end_all,
            methods=["DELETE"],
            operation_id="end_tokens",
            summary="End all API tokens of a user, and none of their sessions",
            response_description="How many have ended.",
            responses=documented(errors.PARAMETER, *errors.COMMON, *_MAYBE_OFF),
        )
        router.add_api_route(
            "/tokens/{id}",
            self.end,
            methods=["DELETE"],
            operation_id="end_token",
            summary="End one API token of a user, by its public id",
            status_code=204,
            response_description="It has ended.",
            responses=documented(errors.NO_SUCH_TOKEN, errors.PARAMETER, *errors.COMMON, *_MAYBE_OFF),
        )
        return router

    def _tokens(self) -> AsyncApiTokens:
        own(self._sessions)
        if self._programs is None:
            raise Refused(errors.TOKENS_OFF)
        return self._programs.api_tokens

    async def create(self, body: NewToken) -> IssuedToken:
        """Make a token for a user who has just asked for one, and show it to them."""
        new = await self._tokens().create(
            body.user_id,
            name=body.name,
            scopes=body.scopes,
            lifetime=None if body.lifetime is None else timedelta(seconds=body.lifetime),
        )
        return IssuedToken(token=new.token.reveal(), api_token=ServiceToken.of(new.api_token))

    async def list_them(self, user_id: _User, limit: _Limit = 100) -> ServiceTokens:
        """List live tokens of a user."""
        listed = await self._tokens().list(user_id, limit=limit)
        return ServiceTokens(tokens=[ServiceToken.of(each) for each in listed])

    async def end_all(self, user_id: _User, *, wait: _Wait = False) -> EndedTokens:
        """End them all, in every process. With `/revoke` the user's sessions end too."""
        return EndedTokens(ended=await self._tokens().revoke_user(user_id, wait=wait))

    async def end(self, id: _Id, user_id: _User, *, wait: _Wait = False) -> Response:  # noqa: A002
        """End a token, if it is this user's; whoever has only its text ends it with `/revoke`."""
        if not await self._tokens().revoke_by_id(id, user_id=user_id, wait=wait):
            raise Refused(errors.NO_SUCH_TOKEN)
        return Response(status_code=204)
