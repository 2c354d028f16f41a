"""A real nginx, with a configuration of its own and nothing of the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tests.servers.accounts import give_away
from tests.servers.installations import program
from tests.servers.web_proxy import WebProxy

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAIN = """\
daemon off;
pid nginx.pid;
worker_processes {workers};
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


class Nginx(WebProxy):
    """One nginx.

    Args:
        site: What stands inside of its `http`; `{port}` is where it has to listen.
        workers: How many processes answer.
    """

    name: ClassVar[str] = "nginx"

    def __init__(self, site: str, *, workers: int = 1) -> None:
        self.binary = program("nginx")
        super().__init__()
        (self.folder / "nginx.conf").write_text(_MAIN.format(workers=workers))
        (self.folder / "site.conf").write_text(site.replace("{port}", str(self.port)))
        give_away(self.folder)

    def command(self) -> Sequence[str]:
        return [self.binary, "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
