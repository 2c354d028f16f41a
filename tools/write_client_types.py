"""Write the types of the JSON API to packages/client/src/schema.ts, from the OpenAPI document.

`python -m tools.write_client_types` writes them; with --check it says whether what is checked in is current.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from tools.write_openapi import PREFIX, document

PATH: Final = Path(__file__).parents[1] / "packages" / "client" / "src" / "schema.ts"

_HEAD: Final = (
    "// Written by tools/write_client_types.py from the OpenAPI document: change that, and run `make generate`.\n"
)
_PLAIN: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_REQUEST_ONLY: Final = {"HTTPValidationError", "ValidationError"}


def written() -> str:
    """Return the file as it is checked in."""
    described = document()
    schemas = described["components"]["schemas"]
    interfaces = [_interface(name, schemas[name]) for name in sorted(schemas.keys() - _REQUEST_ONLY)]
    return "\n".join([_HEAD, _operations(described["paths"]), *interfaces])


def _operations(paths: dict[str, dict[str, Any]]) -> str:
    named = [f"{method.upper()} {path.removeprefix(PREFIX)}" for path, methods in paths.items() for method in methods]
    lines = "".join(f'\n  | "{name}"' for name in sorted(named))
    return (
        f"/** What can be asked for, below the place where the router is mounted. */\nexport type Operation ={lines};\n"
    )


def _interface(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    lines = [_comment(schema.get("description", ""), ""), f"export interface {name} {{"]
    for member, value in schema["properties"].items():
        mark = "" if member in required else "?"
        lines += [_comment(value.get("description", ""), "  "), f"  {member}{mark}: {_type(value)};"]
    return "\n".join(line for line in [*lines, "}"] if line) + "\n"


def _comment(words: str, margin: str) -> str:
    return f"{margin}/** {' '.join(words.split())} */" if words else ""


def _type(schema: dict[str, Any]) -> str:
    """Return a schema as TypeScript.

    Raises:
        ValueError: It is of a kind that no answer of ours had when this was written.
    """
    match schema:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"anyOf": [*choices]}:
            return " | ".join(map(_type, choices))
        case {"type": "array", "items": items}:
            return f"{_type(items)}[]"
        case {"type": "object", "additionalProperties": True}:
            return "Record<string, unknown>"
        case {"type": str(plain)} if plain in _PLAIN:
            return _PLAIN[plain]
        case _:
            msg = f"no TypeScript is known for {schema}: teach tools/write_client_types.py"
            raise ValueError(msg)


def main() -> None:
    """Write the file, or compare it."""
    if "--check" not in sys.argv[1:]:
        PATH.write_text(written(), encoding="utf-8")
        print(f"wrote {PATH}")
    elif PATH.read_text(encoding="utf-8") != written():
        sys.exit(f"{PATH} is not current: run `make generate`")


if __name__ == "__main__":
    main()
