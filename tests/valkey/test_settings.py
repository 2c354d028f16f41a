"""What cannot work is refused at the start, with the fix and without the secret; what is unsafe is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.errors import ConfigurationError, SchemaError, Unavailable
from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from coatcheck.valkey_urls import parsed
from tests.valkey.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

    Connect = Callable[..., Side]

SECRET = "sesame"


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "database", "service"),
    [
        ("valkey://h", "", (("h", 6379),), 0, ""),
        ("redis://h:1/2", "", (("h", 1),), 2, ""),
        ("valkeys://[::1]:7/", "", (("::1", 7),), 0, ""),
        ("valkey+sentinel://a:1,b/m/3", "sentinel", (("a", 1), ("b", 26379)), 3, "m"),
        ("rediss+cluster://a,b:2", "cluster", (("a", 6379), ("b", 2)), 0, ""),
    ],
)
def test_a_url_names_its_server(url: str, kind: str, hosts: Any, database: int, service: str) -> None:
    target = parsed(url)
    assert (target.kind, target.hosts, target.database, target.service) == (kind, hosts, database, service)
    assert target.tls == url.startswith(("valkeys", "rediss"))


def test_credentials_are_decoded_and_never_shown() -> None:
    target = parsed(f"valkey://ann%40home:{SECRET}%2F@h")
    assert target.secrets == {"username": "ann@home", "password": SECRET + "/"}
    assert SECRET not in repr(target)
    assert parsed("valkeys://h?ssl_ca_certs=/ca.pem").files == {"ssl_ca_certs": "/ca.pem"}


@pytest.mark.parametrize(
    "url",
    [
        "sesame",
        "http://:sesame@h",
        "valkey+tunnel://:sesame@h",
        "valkey://",
        "valkey://:sesame@",
        "valkey://:ses/ame@h",
        "valkey://:ses#ame@h",
        "valkey://:ses?ame@h",
        "valkey://h:sesame",
        "valkey://h:0",
        "valkey://h:70000",
        "valkey://h/sesame",
        "valkey://h/1/2",
        "valkey://h?password=sesame",
        "valkey://h?ssl_ca_certs=/sesame",
        "valkeys://h?ssl_ca_certs=",
        "valkey://h#sesame",
        "valkey://[sesame",
        "valkey+sentinel://h",
        "valkey+cluster://h/1",
        "valkey://a,b",
    ],
)
@pytest.mark.parametrize("store", [AsyncValkeyStore, ValkeyStore])
def test_a_wrong_url_is_refused_and_not_shown(store: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not possible") as refusal:
        store(url)
    assert "ame" not in str(refusal.value)


@pytest.mark.parametrize("settings", [{"prefix": "{a}"}, {"prefix": ""}, {"timeout": 0}])
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="is not possible"):
        ValkeyStore("valkey://h", **settings)


def refused(kind: str, url: str, words: str) -> None:
    side = Side(kind, url)
    with pytest.raises(ConfigurationError, match=words) as refusal:
        side.do("open")
    assert SECRET not in str(refusal.value)
    side.__exit__()


def test_wrong_credentials_are_refused_at_the_start(server: Valkey, kind: str) -> None:
    place = server.url().removeprefix("redis://")
    server.run_cli("CONFIG", "SET", "requirepass", "another")
    refused(kind, f"valkey://:{SECRET}@{place}", "password")
    refused(kind, f"valkey://{place}", "password")


def test_too_few_rights_are_refused_at_the_start(server: Valkey, kind: str) -> None:
    place = server.url().removeprefix("redis://")
    server.run_cli("ACL", "SETUSER", "ann", "on", f">{SECRET}", "~other:*", "+@all")
    refused(kind, f"valkey://ann:{SECRET}@{place}", "ACL")
    server.run_cli("ACL", "SETUSER", "bob", "on", f">{SECRET}", "~*", "+@all", "-@scripting")
    refused(kind, f"valkey://bob:{SECRET}@{place}", "ACL")


def test_the_rights_that_are_enough(server: Valkey, connect: Connect) -> None:
    place = server.url().removeprefix("redis://")
    server.run_cli("ACL", "SETUSER", "ann", "on", f">{SECRET}", "~{coatcheck}:*", "+@all", "-@dangerous", "+info")
    side = connect(f"valkey://ann:{SECRET}@{place}")
    token_hash, _ = side.added()
    assert side.do("news", 0, 0.01) == 0
    assert side.do("problems")  # without CONFIG
    assert side.revoke(token_hash=token_hash)
    assert side.do("revoke_everyone") == 0
    assert side.do("sweep", 10) == []


def test_credentials_that_change_later_are_no_answer(server: Valkey, connect: Connect) -> None:
    """I4: an outage, not "not signed in"."""
    side = connect(server.url())
    token_hash, _ = side.added()
    server.run_cli("CONFIG", "SET", "requirepass", "another")
    with server.client(password="another") as client:
        client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(Unavailable):
        side.read(token_hash)


def test_a_database_that_is_not_there_is_refused(server: Valkey, kind: str) -> None:
    refused(kind, server.url(99), "database")


def test_keys_of_a_newer_release_are_refused(server: Valkey, kind: str) -> None:
    server.run_cli("HSET", "{coatcheck}:meta", "layout", "2")
    side = Side(kind, server.url())
    with pytest.raises(SchemaError):
        side.do("open")
    side.__exit__()


def test_stores_with_different_prefixes_and_databases_are_apart(server: Valkey, connect: Connect) -> None:
    stores = [connect(server.url()), connect(server.url(), prefix="other"), connect(server.url(1))]
    added = [side.added()[1].id for side in stores]
    assert [side.ids() for side in stores] == [[session_id] for session_id in added]
    stores[0].do("revoke_everyone")
    assert [len(side.ids()) for side in stores] == [0, 1, 1]


def test_what_is_unsafe_is_told(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    server.run_cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    told = side.do("problems")
    assert any("noeviction" in problem for problem in told)
    assert any("signs everybody out" in problem for problem in told)
    server.run_cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.run_cli("CONFIG", "SET", "save", "3600 1")
    (told,) = side.do("problems")
    assert "last snapshot" in told
    server.run_cli("CONFIG", "SET", "appendonly", "yes")
    assert side.do("problems") == []
