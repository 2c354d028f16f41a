"""A real Caddy, with a Caddyfile of its own and no certificates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from tests.servers.accounts import give_away
from tests.servers.installations import program
from tests.servers.web_proxy import WebProxy

if TYPE_CHECKING:
    from collections.abc import Sequence

_GLOBAL = """\
{
	admin off
	auto_https off
}
"""


class Caddy(WebProxy):
    """One Caddy.

    Args:
        site: The rest of its Caddyfile; `{port}` is where it has to listen.
    """

    name: ClassVar[str] = "caddy"

    def __init__(self, site: str) -> None:
        self.binary = program("caddy")
        super().__init__()
        (self.folder / "Caddyfile").write_text(_GLOBAL + site.replace("{port}", str(self.port)))
        give_away(self.folder)

    def command(self) -> Sequence[str]:
        return [self.binary, "run", "--config", str(self.folder / "Caddyfile"), "--adapter", "caddyfile"]

    def account(self) -> dict[str, Any]:
        home = {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        return {**super().account(), "env": {**os.environ, **home}}
