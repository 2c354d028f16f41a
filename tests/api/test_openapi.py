"""The JSON API's description is complete, and the one in the documentation is current."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from coatcheck import AsyncSessions, CookieSettings
from coatcheck.api import DeviceSessions, EndedSessions, Me, SignedInAccounts, SignedInUser, models, session_router
from coatcheck.fastapi import SessionMiddleware, describe_security
from tools.write_openapi import INTERNAL_PATH, PATH, document, internal_document, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

DOCUMENT = document()
OPERATIONS = {
    f"{method} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_the_checked_in_document_is_current() -> None:
    """docs/openapi.json is what the router describes: after a change run tools/write_openapi.py."""
    assert PATH.read_text(encoding="utf-8") == written(document())
    assert INTERNAL_PATH.read_text(encoding="utf-8") == written(internal_document())


def test_it_lists_every_route() -> None:
    """These operations, and the answers each can give."""
    assert {name: sorted(operation["responses"]) for name, operation in OPERATIONS.items()} == {
        "get /api/session": ["200", "401", "503"],
        "get /api/me": ["200", "401", "503"],
        "get /api/session/accounts": ["200", "501", "503"],
        "post /api/session/accounts/sign-out": ["200", "400", "403", "413", "415", "422", "501", "503"],
        "post /api/session/accounts/{id}/switch": ["200", "400", "403", "404", "413", "415", "422", "501", "503"],
        "delete /api/session/accounts/{id}": ["204", "400", "403", "404", "413", "415", "422", "501", "503"],
        "get /api/sessions": ["200", "401", "422", "501", "503"],
        "delete /api/sessions/{id}": ["204", "400", "401", "403", "404", "413", "415", "422", "501", "503"],
        "post /api/sessions/revoke-others": ["200", "400", "401", "403", "413", "415", "422", "501", "503"],
        "post /api/sessions/revoke-all": ["200", "400", "401", "403", "413", "415", "422", "501", "503"],
        "post /api/sign-out": ["204", "400", "403", "413", "415", "422", "503"],
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_is_problem_details_with_an_example(name: str) -> None:
    """Each error has a meaning, one media type, its schema, and examples that fit it."""
    for status, response in OPERATIONS[name]["responses"].items():
        assert response["description"]
        if status.startswith("2"):
            continue
        [(media_type, content)] = response["content"].items()
        assert media_type == "application/problem+json"
        assert content["schema"] == {"$ref": "#/components/schemas/SessionProblem"}
        for example in content["examples"].values():
            assert models.SessionProblem.model_validate(example["value"], extra="forbid").status == int(status)
    assert OPERATIONS[name]["responses"]["503"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_it_does(name: str) -> None:
    """Names for generated clients, words for people, and the cookie it needs."""
    operation = OPERATIONS[name]
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["description"]
    assert {"session": []} in operation["security"]
    assert ({} in operation["security"]) == (name == "post /api/sign-out" or "/accounts" in name)
    for parameter in operation.get("parameters", ()):
        assert parameter["description"]


ANSWERS = [
    *(SignedInUser, Me, DeviceSessions, EndedSessions, SignedInAccounts),
    *(models.DeviceSession, models.SignedInAccount),
]


@pytest.mark.parametrize("model", ANSWERS)
def test_every_answer_has_described_fields_and_an_example_that_fits(model: type[BaseModel]) -> None:
    """The schema of each answer stands in the document, with an example."""
    schema = DOCUMENT["components"]["schemas"][model.__name__]
    assert all(field.get("description") for field in schema["properties"].values())
    assert set(schema["required"]) == set(schema["properties"])
    for example in schema["examples"]:
        TypeAdapter(model).validate_python(example, extra="forbid")


def references(value: Any) -> Iterator[str]:
    """Return every reference in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key == "$ref" else references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere() -> None:
    """No schema is named that the document does not have."""
    found = set(references(DOCUMENT))
    assert found == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


def test_it_does_not_depend_on_the_prefix() -> None:
    """Wherever it is mounted, the operations are the same."""
    app = FastAPI()
    app.include_router(session_router(), prefix="/auth/v2")
    moved = json.loads(json.dumps(app.openapi()["paths"]).replace("/auth/v2/", "/api/"))
    assert moved == json.loads(json.dumps(DOCUMENT["paths"]))


def test_it_names_the_cookie_of_the_middleware() -> None:
    """And the bearer token where that is read, whichever way the document is asked for."""
    app = FastAPI()
    app.include_router(session_router(), prefix="/api")
    cookie = CookieSettings(name="sid")
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions("sqlite:///app.db"), cookie=cookie, bearer=True)
    describe_security(app)
    assert app.openapi()["components"]["securitySchemes"] == {
        "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    assert app.openapi()["paths"]["/api/me"]["get"]["security"] == [{"session": []}, {"bearer": []}]
