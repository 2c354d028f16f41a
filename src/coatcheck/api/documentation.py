"""The OpenAPI description of the JSON API's errors."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fastapi.responses import JSONResponse

from coatcheck.api.models import SessionProblem
from coatcheck.api.problems import BODY_INVALID, BODY_NEEDLESS, BODY_NOT_JSON, BODY_TOO_LARGE, NOT_FOUND, elsewhere


class Error(NamedTuple):
    """An error: the name of its example, its status, what it means, and the example's members."""

    name: str
    status: int
    meaning: str
    members: Mapping[str, Any]


NO_SESSION: Final = Error(
    "no_session",
    401,
    "Nobody is signed in.",
    {"title": "Sign-in required", "reason": "no_token"},
)
TOO_OLD: Final = Error(
    "authentication_too_old",
    401,
    "Or the user signed in too long ago, and has to prove again who they are.",
    {"title": "Recent authentication required", "reason": "authentication_too_old", "max_age": 900},
)
OUTAGE: Final = Error(
    "unavailable",
    503,
    "Nobody can tell who is signed in. The cookie stays; try again.",
    {"title": "Sessions are unavailable", "detail": "Try again shortly."},
)
CROSS_ORIGIN: Final = Error(
    "cross_origin",
    403,
    "Another site made the request.",
    {"title": "Cross-origin request refused", "reason": "cross-site"},
)
BAD_LIMIT: Final = Error(
    "limit",
    422,
    "The limit is not possible.",
    {
        "title": "Invalid request",
        "detail": "limit: Input should be less than or equal to 200",
        "errors": [{"in": "query", "name": "limit", "detail": "Input should be less than or equal to 200"}],
    },
)
BAD_ID: Final = Error(
    "id",
    422,
    "The id cannot be one.",
    {
        "title": "Invalid request",
        "detail": "id: String should match pattern '^[A-Za-z0-9._~-]{1,128}$'",
        "errors": [{"in": "path", "name": "id", "detail": "String should match pattern '^[A-Za-z0-9._~-]{1,128}$'"}],
    },
)
NOT_YOURS: Final = Error(
    "not_found",
    404,
    "The user has no live session with this id: it has ended, never was, or is somebody else's.",
    NOT_FOUND,
)
NO_ACCOUNT: Final = Error(
    "account_unknown",
    404,
    "This browser is not signed in to such an account, or not any more.",
    {"title": "No such account", "reason": "account_unknown"},
)
IMPERSONATED: Final = Error(
    "impersonation",
    403,
    "Or somebody acts in this session as its user, and this is for the user alone.",
    {
        "title": "Refused because of impersonation",
        "reason": "impersonation",
        "detail": "this is for the user alone, and somebody acts as them",
    },
)
ELSEWHERE: Final = Error(
    "issued_elsewhere",
    501,
    "A provider issues the sessions, and they are listed and ended there.",
    elsewhere("better-auth"),
)
UNSAFE: Final = (
    CROSS_ORIGIN,
    Error("body", 400, "The body is not JSON. None is needed.", BODY_INVALID),
    Error("body", 413, "The body is too large. None is needed.", BODY_TOO_LARGE),
    Error("body", 415, "The body is not JSON by its content type. None is needed.", BODY_NOT_JSON),
    Error("body", 422, "The body has content, and none is needed.", BODY_NEEDLESS),
    OUTAGE,
)

_PROBLEM_JSON: Final = "application/problem+json"
# FastAPI puts every model under a route's one media type. So the models of successes are declared as FastAPI
# wants it, the one of errors is referred to, and one route without a body in its success registers it.
_SCHEMA: Final = {"$ref": f"#/components/schemas/{SessionProblem.__name__}"}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "After how many seconds to try again.", "schema": {"type": "integer"}}
}


class RegistersProblem(JSONResponse):
    """The response class of the route that brings the schema of errors into the document."""

    media_type = _PROBLEM_JSON


def documented(*errors: Error, registers: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for some errors; those of one status become one response."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(error.status, _empty(error.status, registers=registers))
        response["description"] = f"{response['description']} {error.meaning}".strip()
        example = {"type": "about:blank", "status": error.status, **error.members}
        response["content"][_PROBLEM_JSON]["examples"][error.name] = {"value": example}
    return responses


def _empty(status: int, *, registers: bool) -> dict[str, Any]:
    content = {_PROBLEM_JSON: {"schema": _SCHEMA, "examples": {}}}
    headers = {"headers": _RETRY_AFTER} if status == OUTAGE.status else {}
    model = {"model": SessionProblem} if registers else {}
    return {"description": "", "content": content, **headers, **model}
