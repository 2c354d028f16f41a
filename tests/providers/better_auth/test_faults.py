"""Better Auth killed, paused and answering 500: sessions go on within the bound, then 503, and nobody is signed out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, Unavailable
from coatcheck.providers.base import HTTPSettings
from tests.servers.better_auth import BetterAuth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REVALIDATE = timedelta(minutes=5)
IMPATIENT = HTTPSettings(timeout=timedelta(seconds=1), retries=0, failures=1_000)

Fault = tuple["Callable[[BetterAuth], None]", "Callable[[BetterAuth], None]"]
FAULTS: dict[str, Fault] = {
    "killed": (BetterAuth.kill, BetterAuth.start),
    "paused": (BetterAuth.pause, BetterAuth.resume),
    "500": (BetterAuth.fail, BetterAuth.recover),
}


@pytest.fixture(scope="module")
def server() -> Iterator[BetterAuth]:
    """A server of its own, to be broken."""
    with BetterAuth() as server:
        yield server


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


def test_I2_I4_an_outage_is_bridged_and_then_told_and_signs_nobody_out(
    server: BetterAuth, email: str, workers: Any, fault: Fault
) -> None:
    begin, end = fault
    with server.visitor() as visitor, server.visitor() as unknown:
        visitor.sign_up(email)
        unknown.sign_up(f"un{email}")
        worker = workers(server, http=IMPATIENT)
        assert worker.get(visitor.presented)
        begin(server)
        try:
            worker.advance(REVALIDATE - timedelta(seconds=1))
            assert worker.get(visitor.presented)
            worker.advance(timedelta(seconds=1))
            for token in (visitor.presented, unknown.presented):
                with pytest.raises(Unavailable):
                    worker.get(token)
                with pytest.raises(Unavailable):
                    worker.sign_out(token)
        finally:
            end(server)
        assert worker.get(visitor.presented)
        assert worker.get(unknown.presented)
        assert visitor.get("/get-session")


def test_known_sessions_are_served_longer_where_that_is_wanted(
    server: BetterAuth, email: str, workers: Any, fault: Fault
) -> None:
    begin, end = fault
    with server.visitor() as visitor, server.visitor() as left:
        visitor.sign_up(email)
        left.sign_up(f"left-{email}")
        worker, other = (workers(server, http=IMPATIENT, serve_stale_for=timedelta(minutes=10)) for _ in range(2))
        assert worker.get(visitor.presented)
        assert worker.get(left.presented)
        other.sign_out(left.presented)
        begin(server)
        try:
            worker.advance(REVALIDATE + timedelta(minutes=9))
            assert worker.do("ask", visitor.presented.encode()).source == "stale"
            assert worker.get(left.presented) is NotSignedIn.UNKNOWN, (
                "what has ended is not brought back, nor asked about"
            )
            worker.advance(timedelta(minutes=1))
            with pytest.raises(Unavailable):
                worker.get(visitor.presented)
        finally:
            end(server)
        assert worker.get(visitor.presented)
        assert worker.get(left.presented) is NotSignedIn.UNKNOWN


def test_after_failures_in_a_row_it_is_left_alone(server: BetterAuth, email: str, workers: Any) -> None:
    patient = HTTPSettings(retries=0, failures=3, pause=timedelta(seconds=1))
    with server.visitor() as visitor:
        visitor.sign_up(email)
        worker = workers(server, http=patient)
        server.reset()
        server.fail()
        for _ in range(10):
            with pytest.raises(Unavailable):
                worker.get(visitor.presented)
        assert server.questions == 3
        server.recover()
