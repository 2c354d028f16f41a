"""How the internal API answers errors: always as problem details (RFC 9457), and with nothing of the request."""

from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, ClassVar, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from coatcheck.api.documentation import Error
from coatcheck.api.problems import ProblemRoute, elsewhere, invalid_request, problem_response
from coatcheck.errors import DataError, ImpersonationRefused, LimitReached, Unavailable
from coatcheck.serve import service_errors as errors
from coatcheck.web.errors import IssuedElsewhere
from coatcheck.web.pages import told

LARGEST_BODY: Final = 64 * 1024
"""Octets of a request's body that are read."""


class Refused(Exception):
    """A request is answered with one of the errors that the description has, as it stands there."""

    def __init__(self, error: Error) -> None:
        """Keep which one."""
        super().__init__(error.name)
        self.error = error


_ANSWERED: Final = (
    Refused,
    RequestValidationError,
    DataError,
    LimitReached,
    ImpersonationRefused,
    IssuedElsewhere,
    Unavailable,
    HTTPException,
)
_JSON: Final = "application/json"
_scheme: Final = HTTPBearer(scheme_name="service_key", description="One of `serve.service_keys`.", auto_error=False)
_TITLES: Final = {400: "Invalid request", 404: "No such session", 413: "Body too large", 415: "Unsupported media type"}
_DETAILS: Final = {
    400: "body: it cannot be read, or says nothing that is needed",
    404: "no live session",
    413: f"send at most {LARGEST_BODY} bytes",
    415: "send the media type that the description names",
}


class ServiceRoute(ProblemRoute):
    """A route whose every error is problem details, and whose body is JSON of a bounded length."""

    _methods: ClassVar[defaultdict[str, set[str]]] = defaultdict(set)

    def __init__(self, path: str, endpoint: Callable[..., Any], **how: Any) -> None:
        """Be made as any route, and note its methods beside those of others on its path."""
        super().__init__(path, endpoint, **how)
        self._methods[path] |= self.methods or set()

    def allowed(self) -> Collection[str]:
        """Return the methods that the path has."""
        return self._methods[self.path]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with all errors answered here."""
        handler = APIRoute.get_route_handler(self)
        wants_json = self.body_field is not None

        async def answer(request: Request) -> Response:
            try:
                if wants_json:
                    _check_media_type(request)
                response = await handler(request)
            except _ANSWERED as error:
                response = _answer_to(error)
            response.headers["Cache-Control"] = "no-store"
            return response

        return answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, of whose body only so much is read."""
        await super().handle(scope, _limited(receive), send)


def service_router() -> APIRouter:
    """Return a router for routes of the internal API, which its description says to need a service key."""
    return APIRouter(tags=["internal"], route_class=ServiceRoute, dependencies=[Depends(_scheme)])


def _answer_to(error: Exception) -> Response:
    match error:
        case RequestValidationError():
            return invalid_request(RequestValidationError([_harmless(found) for found in error.errors()]))
        case Unavailable():
            return _away(error)
        case HTTPException():
            return _refused(error.status_code)
        case _:
            status, members = _told(error)
            return problem_response(status, **members)


def _told(error: Exception) -> tuple[int, Mapping[str, Any]]:
    """Return what is answered to an error of the sessions; sizes and names, and never a value."""
    match error:
        case Refused():
            return error.error.status, error.error.members
        case LimitReached():
            ids = [session.id for session in error.sessions]
            return 409, {"title": f"Too many {error.what}", "limit": error.limit, "sessions": ids}
        case ImpersonationRefused():
            status, title, members = told(error)
            return status, {"title": title, **members}
        case IssuedElsewhere():
            return 501, elsewhere(error.provider)
        case _:
            return 422, {"title": "Invalid request", "detail": str(error)}


def _harmless(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wrong, naming nothing below a member of ours: what stands there the client has chosen."""
    place, *path = found["loc"]
    known = ["an unknown member"] if found["type"] == "extra_forbidden" else path[:1]
    return {**found, "loc": (place, *known)}


def _refused(status: int) -> Response:
    title = _TITLES.get(status, "Not possible")
    return problem_response(status, title, detail=_DETAILS.get(status, title))


def _away(error: Unavailable) -> Response:
    response = problem_response(503, "Sessions are unavailable", detail="Try again shortly.")
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _check_media_type(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise HTTPException(errors.NOT_JSON.status)


def _limited(receive: Receive) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST_BODY:
            raise HTTPException(errors.TOO_LARGE.status)
        return message

    return limited
