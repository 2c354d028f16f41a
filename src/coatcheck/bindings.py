"""What a Worker's bindings are to Python: objects of JavaScript, behind Pyodide's proxies.

Values cross the border as JSON wherever they can. Then `null`, which has no equal in Python, and numbers are the same
in every version of Pyodide, and no proxy is left over that somebody would have to destroy.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

D1: Final = "a D1 database"
KV: Final = "a KV namespace"
SERVICE: Final = "a service"

_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    D1: ("prepare", "batch", "withSession"),
    KV: ("getWithMetadata", "put", "list"),
    "an R2 bucket": ("createMultipartUpload", "head"),
    "a Durable Object namespace": ("idFromName",),
    "a queue": ("sendBatch",),
    "a D1 session": ("prepare", "batch", "getBookmark"),
    SERVICE: ("fetch",),
}
_TABLES: Final[Mapping[str, str]] = {D1: "d1_databases", KV: "kv_namespaces", SERVICE: "services"}


def require(binding: Any, kind: str, *, setting: str, example: str) -> None:
    """Refuse what is not a binding of this kind.

    Args:
        binding: What was handed in.
        kind: `D1`, `KV` or `SERVICE`.
        setting: The argument's name.
        example: How such a binding is written, such as "env.DB".

    Raises:
        ConfigurationError: It is none, or of another kind.
    """
    fix = f"hand in {kind}, such as {example}, and declare it in wrangler.toml"
    if binding is None or isinstance(binding, str):
        refuse(setting, binding, fix)
    found = _kind_of(binding)
    if found != kind:
        refuse(setting, found or _shown(binding), fix)


def binding_of(env: Any, name: str, kind: str) -> Any:
    """Return the binding of a Worker's environment that has this name.

    Args:
        env: The Worker's `env`.
        name: The binding's name, such as "DB".
        kind: `D1`, `KV` or `SERVICE`.

    Raises:
        ConfigurationError: There is none of this name, or it is of another kind.
    """
    binding = getattr(env, name, None)
    if binding is None:
        fix = f'env has none of this name: add [[{_TABLES[kind]}]] with binding = "{name}" to wrangler.toml'
        refuse("binding", name, fix)
    require(binding, kind, setting=f"env.{name}", example=f"env.{name}")
    return binding


def _kind_of(binding: Any) -> str | None:
    # A service first: it seems to have every method, for whatever is called may be one of the other Worker's.
    order = (SERVICE, *_METHODS)
    return next((kind for kind in order if _has(binding, _METHODS[kind])), None)


def _has(binding: Any, methods: Sequence[str]) -> bool:
    return all(callable(getattr(binding, method, None)) for method in methods)


def _shown(binding: Any) -> str:
    # Its type and no more: a secret is bound as text.
    return f"something of type {type(binding).__name__}"


# --- over the border


def javascript() -> Any:
    """Return JavaScript's global scope.

    Raises:
        ConfigurationError: This is no Worker.
    """
    try:
        return import_module("js")
    except ImportError:
        _outside()


def _outside() -> NoReturn:
    refuse("binding", "…", "bindings work in a Python Worker, where Pyodide runs; elsewhere use another store")


def parsed(value: Any) -> Any:
    """Return what a JavaScript value says, as Python has it."""
    return json.loads(javascript().JSON.stringify(value))


def array_of(values: Sequence[Any]) -> Any:
    """Return a JavaScript array of JSON values, bytes, and JavaScript's own objects."""
    plain = [value if isinstance(value, (str, int, float, type(None))) else None for value in values]
    array = javascript().JSON.parse(json.dumps(plain))
    for at, value in enumerate(values):
        if isinstance(value, bytes):
            array[at] = bytes_of(value)
        elif plain[at] is not value:
            array[at] = value
    return array


def object_of(**fields: Any) -> Any:
    """Return a JavaScript object."""
    return javascript().JSON.parse(json.dumps(fields))


def bytes_of(value: bytes) -> Any:
    """Return a Uint8Array of these bytes."""
    return import_module("pyodide.ffi").to_js(value)


def proxy_of(thing: Any) -> Any:
    """Return what JavaScript may keep of a Python object, until it is destroyed."""
    return import_module("pyodide.ffi").create_proxy(thing)


def is_nothing(value: Any) -> bool:
    """Tell whether a JavaScript value is null or undefined."""
    return value is None or type(value).__name__ == "JsNull"


def failures() -> tuple[type[Exception], ...]:
    """Return what a call of a binding raises when it fails or takes too long."""
    return import_module("pyodide.ffi").JsException, TimeoutError
