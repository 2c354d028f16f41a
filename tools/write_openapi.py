"""Write the OpenAPI document of the JSON API to docs/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from coatcheck.api import session_router

PATH = Path(__file__).parents[1] / "docs" / "openapi.json"
PREFIX = "/api"


def document() -> dict[str, Any]:
    """Return the document of an application that has nothing but the JSON API, under /api."""
    app = FastAPI(title="coatcheck", version="1", description="The JSON API of sessions.")
    app.include_router(session_router(), prefix=PREFIX)
    return app.openapi()


def written() -> str:
    """Return the document as it is checked in."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
    print(f"wrote {PATH}")
