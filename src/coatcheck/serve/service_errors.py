"""The errors of the internal API, as its OpenAPI document has them and as it answers them."""

from typing import Final

from coatcheck.api.documentation import ELSEWHERE, OUTAGE, Error

__all__ = [
    "BODY",
    "COMMON",
    "ELSEWHERE",
    "FORM",
    "FULL",
    "FULL_OF_TOKENS",
    "IMPERSONATED",
    "NOT_FOUND",
    "NOT_JSON",
    "NO_FORM",
    "NO_KEY",
    "NO_SUCH_TOKEN",
    "PARAMETER",
    "TOKENS_OFF",
    "TOO_LARGE",
    "UNKNOWN_TOKEN",
]

NO_KEY: Final = Error(
    "service_key",
    401,
    "No service key, or a wrong one.",
    {"title": "A service key is required", "reason": "service_key"},
)
NOT_FOUND: Final = Error(
    "not_found",
    404,
    "There is no live session with this id.",
    {"title": "No such session", "detail": "id: no live session"},
)
UNKNOWN_TOKEN: Final = Error(
    "not_found", 404, "The session has ended.", {"title": "No such session", "detail": "token: no live session"}
)
FULL: Final = Error(
    "limit_reached",
    409,
    "The user has as many sessions as the policy allows; with the policy `ask` they are named.",
    {"title": "Too many sessions", "limit": 5, "sessions": ["qUQfB1q0n2nWkq0lT1oJ3g"]},
)
FULL_OF_TOKENS: Final = Error(
    "limit_reached",
    409,
    "The user has as many API tokens as they may; none is ended for another.",
    {"title": "Too many API tokens", "limit": 50, "sessions": list[str]()},
)
NO_SUCH_TOKEN: Final = Error(
    "not_found",
    404,
    "The user has no live API token with this id.",
    {"title": "No such token", "detail": "id: no live token of this user"},
)
TOKENS_OFF: Final = Error(
    "api_tokens",
    501,
    "Or the gate accepts no API tokens: `serve.api_tokens` is off.",
    {"title": "API tokens are off", "detail": "set serve.api_tokens", "reason": "api_tokens"},
)
IMPERSONATED: Final = Error(
    "impersonation",
    403,
    "Somebody acts in this session as its user, and cannot prove to be them.",
    {
        "title": "Refused because of impersonation",
        "reason": "impersonation",
        "detail": "who acts as a user cannot prove to be them",
    },
)
TOO_LARGE: Final = Error(
    "body", 413, "The body is too large.", {"title": "Body too large", "detail": "send at most 65536 bytes"}
)
NOT_JSON: Final = Error(
    "body", 415, "The body is not JSON.", {"title": "Unsupported media type", "detail": "send JSON"}
)
FORM: Final = Error(
    "form",
    400,
    "The form has no token, or several.",
    {"title": "Invalid request", "detail": "send one token in a form"},
)
NO_FORM: Final = Error(
    "form", 415, "The body is no form.", {"title": "Unsupported media type", "detail": "send a form"}
)
INVALID_BODY: Final = Error(
    "body", 400, "The body is not JSON.", {"title": "Invalid request", "detail": "body: not JSON"}
)
PARAMETER: Final = Error(
    "parameter",
    422,
    "Something in the request is not possible; nothing of it is repeated.",
    {
        "title": "Invalid request",
        "detail": "user_id: Field required",
        "errors": [{"in": "body", "name": "user_id", "detail": "Field required"}],
    },
)
COMMON: Final = (NO_KEY, OUTAGE)
BODY: Final = (INVALID_BODY, TOO_LARGE, NOT_JSON, PARAMETER, *COMMON, ELSEWHERE)
