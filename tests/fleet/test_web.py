"""What a browser sees while the database dies: 503, its cookie untouched, and its session again afterwards."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from coatcheck.stores.postgresql import PostgreSQLStore
from tests.fleet.site import Site
from tests.processes.fleet import now
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.servers.postgresql import PostgreSQL

    Show = Callable[[str], None]
    Answer = tuple[int, int, int, dict[str, str]]

pytestmark = pytest.mark.processes

_PAUSE = 0.005
_ASKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatcheck'"


class Browsers:
    """Visitors who reload all the time, and what they were told: begin, end, status, headers."""

    def __init__(self, site: Site, tokens: Sequence[str]) -> None:
        self._site = site
        self._over = threading.Event()
        self.told: list[list[Answer]] = [[] for _ in tokens]
        self._threads = [
            threading.Thread(target=self._reload, args=each) for each in zip(tokens, self.told, strict=True)
        ]

    def _reload(self, token: str, told: list[Answer]) -> None:
        while not self._over.is_set():
            begin = now()
            # A worker that got no turn for seconds is replaced by uvicorn, and its connections with it: no answer is
            # not a wrong one, and the browser asks again.
            with suppress(ConnectionError):
                status, headers, _ = self._site.get("/private", token)
                told.append((begin, now(), status, headers))
            time.sleep(_PAUSE)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def until(self, status: int) -> None:
        """Return when each has begun to ask from now on and been told this."""
        moment = now()

        def reached() -> bool:
            return all(any(begin > moment and each == status for begin, _, each, _ in told[-50:]) for told in self.told)

        until(reached, f"everybody is told {status}")


def test_I4_S9_the_database_is_killed_under_load(server: PostgreSQL, url: str, show: Show) -> None:
    with Sessions(PostgreSQLStore(url)) as sessions:
        created = [sessions.create("anna") for _ in range(4)]
        ended, *living = created
        with Site(url, {"timeout": 1.0}) as site:
            browsers = Browsers(site, [each.token.reveal() for each in living])
            with browsers.reloading():
                browsers.until(200)
                assert sessions.revoke(ended.token)
                server.kill()
                killed = now()
                browsers.until(503)
                assert site.get("/private", ended.token.reveal())[0] == 503
                server.start()
                started = now()
                browsers.until(200)
                assert site.get("/private", ended.token.reveal())[0] == 401
    answers = [answer for told in browsers.told for answer in told]
    statuses = Counter(status for *_, status, _ in answers)
    assert set(statuses) == {200, 503}, "never: not signed in"
    for *_, status, headers in answers:
        assert "set-cookie" not in headers
        assert status == 200 or int(headers["retry-after"]) >= 1
    away = [(begin, end) for begin, end, status, _ in answers if status == 503]
    first, last = (min(away)[0] - killed) / 1e6, (max(away)[0] - started) / 1e6
    longest = max(end - begin for begin, end, *_ in answers) / 1e6
    show(
        f"the database is killed under load: {dict(statuses)}; 503 from {first:.0f} ms after the kill until "
        f"{last:.0f} ms after the start; the longest request took {longest:.0f} ms"
    )


def test_S10_a_replica_that_lags_lets_nothing_through(server: PostgreSQL, url: str, show: Show) -> None:
    """It still has what ended, and does not have what just began; it shows both for as long as it lags."""
    with Sessions(PostgreSQLStore(url)) as sessions:
        old = [sessions.create("anna") for _ in range(12)]
        replica = server.basebackup()
        try:
            replica.start()
            server.wait_for_replay(replica)
            replica.execute("SELECT pg_wal_replay_pause()")
            with Site(url, {"replica_url": replica.url(url.rpartition("/")[2])}) as site:
                accepted = _accepted_after(site, sessions, [each.token.reveal() for each in old])
                assert replica.execute(_ASKED)[0][0], "it was asked"
            [[there]] = replica.execute("SELECT count(*) FROM coatcheck_sessions", url.rpartition("/")[2])
            assert there == len(old), "the replica still has them all"
            show(f"a replica lags: {accepted} acceptances after the commits")
        finally:
            replica.close()


def _accepted_after(site: Site, sessions: Sessions, old: Sequence[str]) -> int:
    """End most of these sessions, and count how often they are accepted for it, which may be within the lease."""
    seen, unseen, kept = old[:5], old[5:10], old[10:]
    new = [sessions.create("berta").token.reveal() for _ in range(3)]
    for token in (*seen, *kept, *new):
        for _ in range(6):  # so that both workers have been asked
            assert site.get("/private", token)[0] == 200
    accepted = 0
    for token in (*seen, *unseen):
        assert sessions.revoke(token)
        end = now()
        while now() - end < 3 * 10**9:
            begin = now()
            if site.get("/private", token)[0] != 200:
                break
            accepted += begin > end
        else:
            pytest.fail("still accepted after the lease")
    for token in (*seen, *unseen):
        for _ in range(6):
            assert site.get("/private", token)[0] == 401
    for token in (*kept, *new):
        assert site.get("/private", token)[0] == 200
    return accepted
