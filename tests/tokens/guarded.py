"""One guarded route in each framework: each is told what a request's Authorization says, and tells its answer."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, cast

import fastapi
import flask
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from litestar import Litestar, Request, get
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import coatcheck.aiohttp as on_aiohttp
import coatcheck.fastapi as on_fastapi
import coatcheck.flask as on_flask
import coatcheck.litestar as on_litestar
import coatcheck.starlette as on_starlette
from coatcheck import ApiToken, ApiTokens, AsyncApiTokens

NEEDED = "invoices:read"


class Told(NamedTuple):
    """What a program is told."""

    status: int
    challenge: str | None
    retry_after: str | None
    body: str


def _told(response: Any) -> Told:
    headers = response.headers
    return Told(response.status_code, headers.get("www-authenticate"), headers.get("retry-after"), response.text)


def of_fastapi(tokens: AsyncApiTokens, _: ApiTokens) -> Callable[[dict[str, str]], Told]:
    app = fastapi.FastAPI()
    guard = on_fastapi.ApiGuard(tokens)

    @app.get("/")
    async def index(token: Annotated[ApiToken, guard.scopes(NEEDED)]) -> str:
        return token.user_id

    client = TestClient(app)
    return lambda headers: _told(client.get("/", headers=headers))


def of_starlette(tokens: AsyncApiTokens, _: ApiTokens) -> Callable[[dict[str, str]], Told]:
    guard = on_starlette.ApiGuard(tokens)

    async def index(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse((await guard.require_scopes(request, NEEDED)).user_id)

    client = TestClient(Starlette(routes=[Route("/", index)]))
    return lambda headers: _told(client.get("/", headers=headers))


def of_litestar(tokens: AsyncApiTokens, _: ApiTokens) -> Callable[[dict[str, str]], Told]:
    guard = on_litestar.ApiGuard(tokens)

    @get("/", guards=[guard.requires_scopes(NEEDED)])
    async def index(request: Request[Any, Any, Any]) -> str:
        return cast("str", request.state.api_token.user_id)

    client = LitestarClient(Litestar([index]))
    return lambda headers: _told(client.get("/", headers=headers))


def of_aiohttp(tokens: AsyncApiTokens, _: ApiTokens) -> Callable[[dict[str, str]], Told]:
    guard = on_aiohttp.ApiGuard(tokens)

    @guard.scopes_required(NEEDED)
    async def index(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request[on_aiohttp.API_TOKEN].user_id)

    def ask(headers: dict[str, str]) -> Told:
        async def asked() -> Told:
            response = cast("web.Response", await index(make_mocked_request("GET", "/", headers)))
            found = response.headers
            return Told(response.status, found.get("www-authenticate"), found.get("retry-after"), response.text or "")

        return asyncio.run(asked())

    return ask


def of_flask(_: AsyncApiTokens, tokens: ApiTokens) -> Callable[[dict[str, str]], Told]:
    app = flask.Flask("guarded")
    guard = on_flask.ApiGuard(tokens)

    @app.get("/")
    @guard.scopes_required(NEEDED)
    def index() -> str:
        return cast("str", flask.g.api_token.user_id)

    return lambda headers: _told(app.test_client().get("/", headers=headers))


def of_django(_: AsyncApiTokens, tokens: ApiTokens) -> Callable[[dict[str, str]], Told]:
    importlib.import_module("tests.django.site")  # which has the settings
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    from coatcheck.django.scopes import ApiGuard

    @ApiGuard(tokens).scopes_required(NEEDED)
    def index(request: HttpRequest) -> HttpResponse:
        return HttpResponse(cast("Any", request).api_token.user_id)

    def ask(headers: dict[str, str]) -> Told:
        response = index(RequestFactory().get("/", headers=headers))
        found = response.headers
        text = response.content.decode()
        return Told(response.status_code, found.get("www-authenticate"), found.get("retry-after"), text)

    return ask


FRAMEWORKS = (of_fastapi, of_starlette, of_litestar, of_aiohttp, of_flask, of_django)
