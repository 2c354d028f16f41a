"""Write the OpenAPI documents: the JSON API to docs/openapi.json, the internal one to docs/openapi-internal.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from coatcheck import AsyncSessions, CookieSettings
from coatcheck.api import session_router
from coatcheck.serve.service import service_app

DOCS = Path(__file__).parents[1] / "docs"
PATH = DOCS / "openapi.json"
INTERNAL_PATH = DOCS / "openapi-internal.json"
PREFIX = "/api"


def document() -> dict[str, Any]:
    """Return the document of an application that has nothing but the JSON API, under /api."""
    app = FastAPI(title="coatcheck", version="1", description="The JSON API of sessions.")
    app.include_router(session_router(), prefix=PREFIX)
    return app.openapi()


def internal_document() -> dict[str, Any]:
    """Return the document of the internal API, as the gate serves it."""
    return service_app(AsyncSessions("sqlite:///never-opened.db"), CookieSettings()).openapi()


def written(document: dict[str, Any]) -> str:
    """Return a document as it is checked in."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, made in ((PATH, document()), (INTERNAL_PATH, internal_document())):
        path.write_text(written(made), encoding="utf-8")
        print(f"wrote {path}")
