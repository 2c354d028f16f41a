"""Somebody who can write into the shared cache, on a real Valkey: payloads, swapped, old and altered copies."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import Sessions
from tests.bypasses.conftest import KEY

if TYPE_CHECKING:
    from tests.bypasses.conftest import Attacked
    from tests.bypasses.wire import Browser
    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.processes


def cached(site: Attacked, server: Any, user: str) -> tuple[Browser, bytes, bytes]:
    """Return somebody who has just signed in, and the key and octets of their copy in the shared cache."""
    browser = site.signed_in(user)
    before = set(server.keys())
    browser.post("/privileges")  # another token, which no process has in its memory
    assert browser.who() == user
    [fresh] = [key for key in server.scan_iter() if key not in before and server.type(key) == b"string"]
    return browser, fresh, server.get(fresh)


def new_process(site: Attacked, token: str) -> str:
    """Return whose token it is to a process that has nothing but the cache and the database."""
    settings = site.account()["env"]
    with Sessions(settings["STORE"], shared_cache=settings["CACHE"], keys=[KEY]) as sessions:
        session = sessions.get(token)
        return (session.user_id or "") if session else ""


def test_S5_CVE_2012_3458_whoever_can_write_into_the_cache_forges_nothing(
    starlette_site: Attacked, valkey: Valkey, tmp_path: Any
) -> None:
    """CVE-2011-4136, CVE-2021-33026, CVE-2013-7489: swapped copies, payloads, cut and altered ones."""
    marker = tmp_path / "was-run"
    with valkey.client(decode_responses=False) as server:
        victim, their_key, their_copy = cached(starlette_site, server, "victim")
        attacker, own_key, own_copy = cached(starlette_site, server, "attacker")
        assert victim.token.encode() not in their_copy
        altered = own_copy.replace(b"attacker", b"victim\x00\x00")
        assert altered != own_copy
        payloads = [pickle.dumps(_Runs(str(marker))), b'{"user_id":"victim"}', b""]
        for octets in [their_copy, altered, own_copy[:40], own_copy + b"x", bytes(33) + own_copy[33:], *payloads]:
            server.set(own_key, octets)
            assert new_process(starlette_site, attacker.token) == "attacker"
        server.set(own_key, their_copy)
        server.set(their_key, own_copy)
        assert new_process(starlette_site, victim.token) == "victim"
    assert not marker.exists()


def test_S10_L7_an_old_copy_of_an_ended_session_is_refused(starlette_site: Attacked, valkey: Valkey) -> None:
    """Better Auth #6893 and PR #6966: a copy outlives its session. Here the log outlives the copy.

    Also for a process that has never seen either, and whose cache holds nothing but that copy.
    """
    with valkey.client(decode_responses=False) as server:
        victim, key, octets = cached(starlette_site, server, "revoked")
        token = victim.token
        victim.post("/out")
        server.set(key, octets)
        assert new_process(starlette_site, token) == ""
        copy = victim.stolen()
        copy.token = token
        assert copy.is_over()


class _Runs:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")
