"""How each proxy is told to ask the gate, and to replace the identity headers that a client may have forged."""

from __future__ import annotations

from importlib.resources import files
from itertools import product, zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coatcheck.configuration.serve_options import ServeOptions

FILES: Final = {"nginx": "nginx.conf", "traefik": "traefik.yml", "caddy": "caddy.conf", "envoy": "envoy.yml"}
"""The proxies, and the file that has the configuration of each."""


def configuration(proxy: str, options: ServeOptions, host: str, port: int) -> str:
    """Return the configuration of a proxy, with the headers and the cookie as they are configured.

    Args:
        proxy: Which one, of `FILES`.
        options: The options of the gate.
        host: The address that the gate listens on.
        port: Its port.
    """
    text = files("coatcheck.serve.proxies").joinpath(FILES[proxy]).read_text(encoding="utf-8")
    for name, value in _values(options, f"[{host}]:{port}" if ":" in host else f"{host}:{port}").items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _values(options: ServeOptions, address: str) -> Mapping[str, str]:
    headers = {**options.header_names(), **({"token": options.token_header} if options.token_keys else {})}
    names = [*headers.values()]
    own = [name for name in names if not name.startswith(options.header_prefix)]
    patterns = [_any_spelling(options.header_prefix), *(f"{_any_spelling(name)}$" for name in own)]
    mentioned = map(_any_spelling, [options.header_prefix, *own])
    stripped = [f"{name}*" for name in _spellings(options.header_prefix)]
    # A token in there that is read must get to the gate, and what the application reads there is signed.
    keeps = options.bearer or options.api_tokens
    stripped += [each for name in own for each in _spellings(name) if not (keeps and name.lower() == "authorization")]
    replaced = [*names, options.sign_in_header]
    return {
        "address": address,
        "cookie": options.cookie,
        "sign_in_header": options.sign_in_header,
        "sign_in_variable": _variable(options.sign_in_header),
        "taken": _lines(8, (f"auth_request_set $coatcheck_{each} {_upstream(headers[each])};" for each in headers)),
        "given": _lines(8, (f"proxy_set_header {name} $coatcheck_{each};" for each, name in headers.items())),
        "listed": _lines(10, (f"- {name}" for name in replaced)),
        "pattern": f"({'|'.join(patterns)})",
        "mentioned": f"({'|'.join(mentioned)})",
        "spaced": " ".join(names),
        "stripped": "\n".join(f"\t\trequest_header -{name}" for name in stripped),
        "exact": _lines(12, (f"- {{exact: {name.lower()}}}" for name in replaced)),
    }


def _lines(indent: int, lines: Iterable[str]) -> str:
    return "\n".join(f"{' ' * indent}{line}" for line in lines)


def _any_spelling(name: str) -> str:
    return name.replace("-", "[-_]")


def _spellings(name: str) -> list[str]:
    """Return a name with each of its hyphens as it is or as an underscore: Caddy knows no patterns but a star."""
    parts = name.split("-")
    separators = product("-_", repeat=len(parts) - 1)
    return ["".join(map("".join, zip_longest(parts, each, fillvalue=""))) for each in separators]


def _upstream(header: str) -> str:
    return f"$upstream_http_{_variable(header)}"


def _variable(header: str) -> str:
    return header.lower().replace("-", "_")
