"""Runs tests in Pyodide, where pytest itself cannot wait for a coroutine; the tests are written for it all the same.

It knows classes and functions, `parametrize`, and fixtures of a class or a module; nothing else, and refuses the rest.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import sys
import traceback
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

MODULES = (
    *("core", "d1", "kv_cache", "kv_store", "kv_values", "fetch"),
    *("better_auth", "better_auth_faults", "frameworks"),
)
"""The modules with tests, beside this one."""

DEADLINE = 30
"""After so many seconds a test hangs."""

ABSENT = ("sqlite3", "_sqlite3", "ssl", "_ssl", "psycopg", "redis", "blake3", "msgspec", "multiprocessing")
"""What a Worker has not got, or only for those who ask for it."""


class Test(NamedTuple):
    """One test with its arguments."""

    name: str
    module: str
    owner: str | None
    function: str
    arguments: Mapping[str, Any]


def collect() -> dict[str, Test]:
    """Return all tests by their names; also without Pyodide."""
    found = (test for module in MODULES for test in _tests_of(import_module(f"{__package__}.{module}")))
    return {test.name: test for test in found}


def _tests_of(module: ModuleType) -> Iterator[Test]:
    for name, thing in vars(module).items():
        if name.startswith("Test") and inspect.isclass(thing):
            functions = [function for function in dir(thing) if function.startswith("test_")]
            for function in functions:
                yield from _variants(module, name, function, getattr(thing, function))
        elif name.startswith("test_"):
            yield from _variants(module, None, name, thing)


def _variants(module: ModuleType, owner: str | None, name: str, function: Any) -> Iterator[Test]:
    base = "::".join(filter(None, (module.__name__.rpartition(".")[2], owner, name)))
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    choices = [_choices(*mark.args, **mark.kwargs) for mark in marks]
    for chosen in itertools.product(*choices):
        ids = "-".join(id_ for id_, _ in chosen)
        arguments = {key: value for _, values in chosen for key, value in values.items()}
        yield Test(f"{base}[{ids}]" if ids else base, module.__name__, owner, name, arguments)


def _choices(names: str | Sequence[str], values: Sequence[Any], ids: Any = None) -> list[tuple[str, dict[str, Any]]]:
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [value if len(keys) > 1 else (value,) for value in values]
    labels = [ids(value) for value in values] if callable(ids) else ids
    labels = labels or ["-".join(map(str, row)) for row in rows]
    return [(label, dict(zip(keys, row, strict=True))) for label, row in zip(labels, rows, strict=True)]


# --- in Pyodide


async def main(env: Any, order: str) -> int:
    """Run the tests that were ordered; returns the exit code."""
    _as_in_a_worker()
    tests = collect()
    failed = 0
    for name in json.loads(order)["tests"]:
        error = await _error_of(tests[name], env)
        failed += error is not None
        print("RESULT " + json.dumps({"name": name, "error": error}), flush=True)  # noqa: T201 - this is its report
    return 1 if failed else 0


def _as_in_a_worker() -> None:
    import socket

    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] in ABSENT:
                raise ModuleNotFoundError(f"a Worker has no {name}", name=name)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("a Worker has no sockets")

    sys.meta_path.insert(0, Absent())
    for name in [name for name in sys.modules if name.partition(".")[0] in ABSENT]:
        del sys.modules[name]
    socket.socket.__init__ = refuse  # type: ignore[method-assign]


async def _error_of(test: Test, env: Any) -> str | None:
    module = import_module(test.module)
    instance = getattr(module, test.owner)() if test.owner else None
    try:
        async with asyncio.timeout(DEADLINE), AsyncExitStack() as stack:
            known = {"env": env, **test.arguments}
            function = getattr(module if instance is None else instance, test.function)
            arguments = await _arguments(function, known, module, instance, stack)
            await _finished(function(**arguments))
    except BaseException:  # noqa: BLE001 - pytest's own failures are no exceptions
        return traceback.format_exc()
    return None


async def _arguments(
    function: Callable[..., Any], known: dict[str, Any], module: ModuleType, instance: Any, stack: AsyncExitStack
) -> dict[str, Any]:
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    for name in names:
        if name not in known:
            fixture = _fixture(name, module, instance)
            arguments = await _arguments(fixture, known, module, instance, stack)
            known[name] = await _entered(fixture, arguments, stack)
    return {name: known[name] for name in names}


def _fixture(name: str, module: ModuleType, instance: Any) -> Callable[..., Any]:
    definition = getattr(instance, name, None) or getattr(module, name)
    function: Callable[..., Any] = definition._get_wrapped_function()
    return function


async def _entered(fixture: Callable[..., Any], arguments: dict[str, Any], stack: AsyncExitStack) -> Any:
    if inspect.isasyncgenfunction(fixture):
        return await stack.enter_async_context(asynccontextmanager(fixture)(**arguments))
    if inspect.isgeneratorfunction(fixture):
        return stack.enter_context(contextmanager(fixture)(**arguments))
    return await _finished(fixture(**arguments))


async def _finished(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
