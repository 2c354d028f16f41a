"""A Worker's entry point, served by `serve.mjs`."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from coatcheck.stores.sqlite.schema import split
from tests.workers.inside.databases import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class WorkerEntrypoint:
    """As in Cloudflare's SDK, which comes with its runtime only."""

    def __init__(self, ctx: Any, env: Any) -> None:
        self.ctx = ctx
        self.env = env


async def entry(name: str, env: Any, migration: str) -> Callable[[Any, Any], Awaitable[Any]]:
    """Migrate the database, and return what calls the Worker's `fetch`."""
    sdk = ModuleType("workers")
    sdk.WorkerEntrypoint = WorkerEntrypoint  # type: ignore[attr-defined]
    sys.modules["workers"] = sdk
    await run(env.DB, *split(migration))
    worker = import_module(name).Default

    async def serve(request: Any, ctx: Any) -> Any:
        return await worker(ctx, env).fetch(request)

    return serve
